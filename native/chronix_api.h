/* chronix_api.h -- THE boundary between Python and the native core.
 *
 * The same text is cffi's cdef and the C include, so it holds only prototypes, enums, structs and plain numbers.
 *
 * Rules that hold for every function:
 *  - A handle travels as uintptr_t (25 ns cheaper than a cdata pointer). cx_*_open returns it through `out`; the Python
 *    owner passes it to cx_*_free exactly once, when nothing can use it any more. Closing is not freeing: cx_*_close
 *    gives files and locks back and leaves a closed handle, on which every call answers CX_E_CLOSED.
 *  - A second thread inside the same appender or tailer gets CX_E_BUSY. A queue handle may be shared by threads.
 *  - After fork(), in the child, every call on an inherited handle answers CX_E_FORKED; close and free are harmless there.
 *  - Results >= 0 are values; negative results are CX_E_* codes, whose details cx_error() has for the calling thread.
 *  - No function sleeps for long, prints, or calls back. CX_E_LOCKED, CX_E_FILE_LOCKED and CX_E_NOT_READY mean "not now":
 *    nothing was changed, the caller may wait and call again with the same arguments.
 *  - Times are UTC milliseconds since 1970.
 */

enum {
    CX_E_CLOSED = -1,       /* the handle was closed */
    CX_E_BUSY = -2,         /* another thread is inside this handle */
    CX_E_FORKED = -3,       /* the handle was opened in another process */
    CX_E_USAGE = -4,        /* an argument is out of range */
    CX_E_NOT_FOUND = -5,    /* path, cycle, or key does not exist */
    CX_E_NO_SPACE = -6,     /* the file system is full (ENOSPC, EDQUOT, EFBIG) */
    CX_E_TOO_LONG = -7,     /* message longer than CX_MESSAGE_MAX or than the queue's limit */
    CX_E_CORRUPT = -8,      /* the file breaks the format; path and offset say where */
    CX_E_OS = -9,           /* another system call failed; os_errno says how */
    CX_E_PERMISSION = -10,  /* EACCES, EPERM, EROFS */
    CX_E_LOCKED = -11,      /* retry: write lock (or a tailer's lock) held by a live process; error.value is its pid */
    CX_E_FILE_LOCKED = -12, /* retry: the byte-range lock of a file is held by another process */
    CX_E_NOT_READY = -13,   /* retry: a file's first header is still being written (or its writer died) */
    CX_E_APPEND_LOCKED = -14, /* chronicle.append.lock is set; error.value is its holder */
    CX_E_EOF = -15,         /* the cycle that the clock names is already closed by an end-of-data marker */
    CX_E_UNSUPPORTED = -16, /* format or release that cannot be read or appended to */
    CX_E_CYCLE_FULL = -17,  /* the cycle's index cannot hold another message */
    CX_E_INDEX = -18,       /* append_at: index beyond the next one; error.value is the next index */
    CX_E_CHANGED = -19,     /* retry: the stored settings differ from those given (another process created the queue) */
    CX_E_READ_ONLY = -20,   /* the queue was opened read-only */
    CX_E_NO_MEMORY = -21    /* malloc or mmap failed */
};

#define CX_CLOCK_NOW -9223372036854775807
#define CX_MESSAGE_MAX 1073741823     /* 2^30 - 1, spec 2 */
#define CX_BATCH 1024                 /* spans per scan */
#define CX_FORMAT_MAX 64              /* bytes of a roll pattern, with its NUL */
#define CX_KEY_MAX 256                /* bytes of a table-store key, with its NUL */
#define CX_PATH_MAX 4096

/* What the calling thread's last failed call left. */
typedef struct {
    int32_t code;
    int32_t os_errno;        /* 0 if no system call failed */
    int64_t offset;          /* file offset, -1 if none */
    int64_t value;           /* pid, index, length ... as the code says; 0 if none */
    char path[CX_PATH_MAX];  /* file, "" if none */
    char text[512];          /* what was attempted and found, one sentence without a full stop */
} cx_error_info;
const cx_error_info *cx_error(void);

/* --- queue ------------------------------------------------------------------------------------------------------ */

enum { CX_KIND_NONE = 0,        /* directory is missing or holds neither metadata nor roll files */
       CX_KIND_V5 = 1,          /* metadata.cq4t, padded (5.17 and later) */
       CX_KIND_V5_UNPADDED = 2, /* metadata.cq4t of 5.16: read-only */
       CX_KIND_V4 = 3,          /* roll settings in the roll files (directory-listing.cq4t): read-only */
       CX_KIND_BARE = 4,        /* v5 roll files without metadata.cq4t: format is "", to be found from the names */
       CX_KIND_VANILLA = 5,     /* Chronicle 3.x, a directory for each cycle; never out of cx_probe */
       CX_KIND_INDEXED = 6 };   /* Chronicle 3.x, path.index and path.data; never out of cx_probe */

typedef struct {
    int32_t kind;                    /* CX_KIND_* */
    int32_t source_id;
    int64_t length_ms;
    int64_t epoch_ms;                /* as stored; WEEKLY's own epoch is added by the core */
    int32_t index_count;             /* for roll files to create */
    int32_t index_spacing;           /* for roll files to create */
    int32_t shift;                   /* sequence bits of an index: of the roll cycle's defaults */
    int32_t stride;                  /* roll cycle's default index spacing: what `striding` rounds to */
    int32_t fieldless;               /* roll files are FIELDLESS_BINARY */
    int32_t writable;                /* 0: never a byte nor a lock */
    int32_t create;                  /* 1: make directory and metadata.cq4t if missing */
    int64_t block_bytes;             /* growth step of roll files, already rounded (spec 1.2) */
    int64_t overlap_bytes;
    char format[CX_FORMAT_MAX];      /* java.time pattern; Vanilla: SimpleDateFormat's, may hold '/' */
    char roll_time[CX_FORMAT_MAX];   /* "" or LocalTime text */
    char roll_time_zone[CX_FORMAT_MAX];
    char first_file[CX_FORMAT_MAX];  /* out of probe: lexicographically first *.cq4, "" if none */
    /* Chronicle 3.x, which stores no settings. Vanilla uses of those above length_ms, format, shift (log2 of entries per cycle),
     * writable, create; Indexed writable, create and shift (63: one cycle, number 0). */
    int64_t index_block_bytes;       /* size of every index file (Vanilla: power of two), resp. growth step of path.index */
    int64_t data_block_bytes;        /* size of every data file (power of two), resp. the block that no excerpt crosses */
    int64_t reserve_bytes;           /* room in the data block that beginning an excerpt asks for (Java: defaultMessageSize) */
    int64_t max_mapped_bytes;        /* Vanilla: address space that a tailer or appender keeps mapped, least a block of each kind */
    int32_t thread_bits;             /* Vanilla: bits of an index entry that hold the thread id, 8..32 */
    int32_t thread_id;               /* Vanilla: what data files are named after; 0: the calling thread's own id */
    int32_t synchronous;             /* every append is flushed to disk before it returns (Java: synchronous) */
    int32_t line_bytes;              /* Indexed: bytes of an index line (Java: cacheLineSize) */
} cx_settings;

/* Reads what a directory holds, writes nothing, takes no lock. Fills kind, source_id, length_ms, epoch_ms, format,
 * roll_time*, fieldless, first_file. Returns the kind or a code (CX_E_CORRUPT, CX_E_NOT_READY when
 * metadata is just being created, CX_E_NOT_FOUND if `path` is not a directory and not missing, ...). */
int32_t cx_probe(const char *path, cx_settings *settings);

/* Opens. settings must agree with what is stored (else CX_E_CHANGED; probe again). With writable: creates missing table
 * keys, refreshes the listing, releases a dead process's write lock (spec 7.1). */
int32_t cx_queue_open(const char *path, const cx_settings *settings, uintptr_t *out);
int32_t cx_queue_close(uintptr_t queue);
void cx_queue_free(uintptr_t queue);

/* Existing cycles, ascending, from the directory (cached while the directory does not change). Returns their number;
 * fills at most capacity of them. */
int64_t cx_queue_cycles(uintptr_t queue, int64_t *cycles, int64_t capacity);
/* Forced refresh of listing.* from the directory (spec 7.2); no-op answering 0 when read-only. */
int32_t cx_queue_refresh(uintptr_t queue);

typedef struct {
    int64_t count;          /* messages */
    int64_t size_bytes;     /* file length */
    int64_t used_bytes;     /* offset of the first free header (or of the EOF) */
    int32_t closed;         /* ends with an end-of-data marker */
    int32_t data_format;
    int32_t index_count;
    int32_t index_spacing;
    int32_t ready;          /* 0: first header not complete; all else is then 0 */
} cx_cycle_info;
/* Facts of one cycle's file; CX_E_NOT_FOUND if it does not exist. */
int32_t cx_queue_cycle(uintptr_t queue, int64_t cycle, cx_cycle_info *info);

/* Table store (metadata.cq4t). */
/* Entry at or after *cursor (start with 0): fills key and value, moves *cursor. Returns 1, 0 at the end, or a code. */
int32_t cx_table_next(uintptr_t queue, int64_t *cursor, char *key, int64_t *value);
/* Value of a key (compared without case). CX_E_NOT_FOUND if there is none. */
int32_t cx_table_get(uintptr_t queue, const char *key, int64_t *value);
/* Creates the key with this value if it is missing. Returns 1 if created, 0 if it was there. */
int32_t cx_table_ensure(uintptr_t queue, const char *key, int64_t value);
/* Sets key to `value` if it holds `*expected`. Returns 1; or 0 with the value found in *expected. */
int32_t cx_table_cas(uintptr_t queue, const char *key, int64_t *expected, int64_t value);

/* What the clock reads in the calls that follow on an appender or tailer, or CX_CLOCK_NOW (as after opening): the system clock,
 * read when needed. */
int32_t cx_set_clock(uintptr_t appender_or_tailer, int64_t now_ms);

/* --- appender --------------------------------------------------------------------------------------------------- */

/* What Python may read of an appender without a call; owned by the handle, valid until it is freed. */
typedef struct {
    int64_t last_index;     /* of the last message appended through this handle, -1 if none */
    int64_t cycle;          /* of the open roll file, -1 if none */
    int64_t rolls;          /* how often a roll file was opened for appending */
    int64_t lock_lost;      /* how often the write lock was taken from us while held */
    int64_t recovered;      /* write locks of dead processes released by this handle */
} cx_appender_info;

int32_t cx_appender_open(uintptr_t queue, uintptr_t *out);
const cx_appender_info *cx_appender_facts(uintptr_t appender);
int32_t cx_appender_close(uintptr_t appender);
void cx_appender_free(uintptr_t appender);

/* Appends one message; returns its index. The fast path. */
int64_t cx_append(uintptr_t appender, const void *data, size_t length);
/* Begins an excerpt that is appended later: returns what to give cx_append_begun then, or CX_ANY_TIME if cx_append will do. */
#define CX_ANY_TIME 9223372036854775807
int64_t cx_begin(uintptr_t appender);
/* cx_append, into the cycle of the time at which the excerpt was begun where the format's Java does so (Vanilla, spec 2.10). */
int64_t cx_append_begun(uintptr_t appender, const void *data, size_t length, int64_t begun_ms);
/* cx_append_begun, or cx_append_meta, of a message that depends on where it will lie: `count` (a power of two) forms of it back to
 * back in data, lengths[i] bytes each, the form i for a payload whose offset in the file is i modulo count. Formats whose Java
 * aligns nothing take form 0. Returns the index, 0 for metadata. */
int64_t cx_append_placed(uintptr_t appender, const void *data, const uint32_t *lengths, int32_t count, int32_t meta, int64_t begun_ms);
/* Appends `count` messages that lie back to back in data, lengths[i] bytes each, under one lock and one clock reading.
 * Returns how many were appended (>= 1) with consecutive indexes from *first_index on; fewer than count means: call
 * again with the rest (the error, if there is one, comes then). */
int64_t cx_append_many(uintptr_t appender, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index);
/* Sum of lengths, so that the caller need not make a number of each. */
int64_t cx_total_length(const uint32_t *lengths, int64_t count);
/* User metadata document; consumes no index. Returns 0. */
int32_t cx_append_meta(uintptr_t appender, const void *data, size_t length);
/* Java's writeBytes(index, bytes). Returns 1 appended, 0 index is already written (nothing done), CX_E_INDEX beyond. */
int32_t cx_append_at(uintptr_t appender, int64_t index, const void *data, size_t length);
/* The entry that fills a block of an Indexed journal and consumes an index (PADDED of the TCP protocol). Returns 0. */
int32_t cx_append_padding(uintptr_t appender);
/* Returns when all that was appended through this handle is on disk; set-maxes chronicle.lastIndexMSynced. */
int32_t cx_sync(uintptr_t appender);
/* Allocates and populates pages ahead of the append position. Returns bytes populated. */
int64_t cx_pretouch(uintptr_t appender);
/* Java's normaliseEOFs(): end-of-data into every open cycle before min(cycle(now), this appender's cycle). */
int32_t cx_normalise_eofs(uintptr_t appender);
/* After CX_E_NOT_READY outlasted the caller's timeout: the next call may rename the stuck roll file to *.discard. */
int32_t cx_allow_discard(uintptr_t appender);

/* --- tailer ----------------------------------------------------------------------------------------------------- */

enum { CX_BACKWARD = -1, CX_NONE = 0, CX_FORWARD = 1 };
enum { CX_UNINITIALISED = 0, CX_FOUND_IN_CYCLE = 1, CX_END_OF_CYCLE = 2, CX_NOT_REACHED_IN_CYCLE = 3,
       CX_BEYOND_START_OF_CYCLE = 4, CX_CYCLE_NOT_FOUND = 5 };

/* What Python may read of a tailer without a call; owned by the handle, valid until it is freed. */
typedef struct {
    int64_t index;           /* of the next message to read, as Java's tailer.index() */
    int64_t cycle;           /* of the open roll file, or the last one; INT32_MIN if none yet */
    int64_t last_read_index; /* -1 if none */
    int64_t acquired;        /* roll files opened by this handle so far */
    int64_t acquired_cycle;  /* the last one of them */
    int32_t state;           /* CX_UNINITIALISED ... */
    int32_t direction;       /* CX_BACKWARD ... */
} cx_tailer_info;

/* One document. address is valid until the next read or scan of the handle; the window (cx_window_acquire) keeps it longer. */
typedef struct {
    uint64_t address;
    int64_t length;          /* bytes of payload */
    int64_t index;           /* a metadata document carries the index of the next message */
    int64_t offset;          /* of its header in the file */
    const char *data;        /* the same as address: what cffi turns into bytes fastest */
    uintptr_t window;
    int32_t meta;
} cx_excerpt;

/* A batch of messages with consecutive indexes (descending when backward). The bytes of all of them lie in
 * [address, address + region). Spans are relative to address, in the order of reading. If equal_length >= 0, message i
 * is equal_length bytes at i * pitch + lead, for i counted from the low end of the region. */
typedef struct {
    uint64_t address;
    int64_t region;
    int64_t first_index;
    uintptr_t window;
    int32_t count;
    int32_t equal_length;
    int32_t pitch;
    int32_t lead;            /* bytes of framing before each message: 4, or 0 where messages lie back to back */
    int32_t starts[CX_BATCH];
    int32_t stops[CX_BATCH];
} cx_batch;

/* name: NULL, or a named tailer's (its position lives in the table store under "index." + name, as Java's). */
int32_t cx_tailer_open(uintptr_t queue, const char *name, uintptr_t *out);
const cx_tailer_info *cx_tailer_facts(uintptr_t tailer);
int32_t cx_tailer_close(uintptr_t tailer);
void cx_tailer_free(uintptr_t tailer);

/* Next document in reading direction: 1 and *excerpt, or 0 if there is none (yet). with_meta: metadata documents too. */
int32_t cx_read(uintptr_t tailer, cx_excerpt *excerpt, int32_t with_meta);
/* Next messages, at most `limit` (1..CX_BATCH): their number, or 0 if there is none (yet). Pages are prefaulted. The
 * tailer then stands after the batch. gather: where messages lie in several files (several writers' of a Vanilla journal) they
 * are copied together; else the batch ends where the file does. Not for direction NONE nor for named tailers. */
int32_t cx_scan(uintptr_t tailer, cx_batch *batch, int32_t limit, int32_t gather);
/* Writes how Python's struct module takes the messages out of a copy of the region, from its low end on: "4x64s3x12s".
 * capacity: at least CX_BATCH_FORMAT_MAX. Returns the length, without a NUL. */
#define CX_BATCH_FORMAT_MAX 22528     /* CX_BATCH times two numbers of ten digits and their letters */
int32_t cx_batch_format(const cx_batch *batch, char *format, int32_t capacity);
/* Stands on `index` again, which a scan went past, with last_read as the last message read; once more changes nothing. */
int32_t cx_unread(uintptr_t tailer, int64_t index, int64_t last_read);
int32_t cx_set_direction(uintptr_t tailer, int32_t direction);
int32_t cx_set_striding(uintptr_t tailer, int32_t striding);
int32_t cx_to_start(uintptr_t tailer);
int32_t cx_to_end(uintptr_t tailer);
/* 1 found (the next read returns exactly it), 0 not (state says why), as Java's moveToIndex / moveToCycle. */
int32_t cx_move_to_index(uintptr_t tailer, int64_t index);
int32_t cx_move_to_cycle(uintptr_t tailer, int64_t cycle);

/* Takes a reference on a window that a batch or excerpt named, so that its bytes stay mapped. Fills base address and
 * mapped length. Balanced by cx_window_release, which may come after every handle is gone, from any thread (what it is passed
 * besides the window is what cffi tells a destructor). */
int32_t cx_window_acquire(uintptr_t tailer, uintptr_t window, uint64_t *address, int64_t *length);
void cx_window_release(uintptr_t window, const void *unused);

/* --- documents in bulk ------------------------------------------------------------------------------------------ */

/* A shape: what documents have in common that differ in their scalar values alone. Steps, in the order of the document;
 * start and length say where the step was in the document it was learnt from. */
enum { CX_STEP_SAME = 1,    /* these very bytes: a name, an event's name, a type prefix */
       CX_STEP_VALUE = 2,   /* a scalar of any kind below: a slot */
       CX_STEP_OPEN = 3,    /* a block begins */
       CX_STEP_CLOSE = 4,   /* the block ends here */
       CX_STEP_HISTORY = 5 }; /* a message history in bytes, the first of all: it is skipped */
#define CX_STEPS_MAX 1024
#define CX_SHAPE_DEPTH_MAX 16

typedef struct {
    int32_t op;             /* CX_STEP_* */
    int32_t start, length;
} cx_step;

/* What a slot holds in one document. An extent is an offset in the region (upper 32 bits) and a length (lower 32). */
enum { CX_CELL_INT = 1,     /* a 64-bit integer, whatever its width in the document */
       CX_CELL_FLOAT = 2,   /* the bits of a double */
       CX_CELL_TEXT = 3,    /* extent of the UTF-8 bytes, which are not looked at */
       CX_CELL_NULL = 4,
       CX_CELL_FALSE = 5,
       CX_CELL_TRUE = 6,
       CX_CELL_BYTES = 7,   /* extent of the bytes */
       CX_CELL_OTHER = 8 }; /* extent of the value with its code: a time, a UUID, a type literal */

/* The shape of a BINARY_LIGHT document: the number of its steps, or 0 if it has none that is known here (a code beyond those
 * above, an empty block, more than capacity or CX_STEPS_MAX steps, damage): the general decoder tells. */
int32_t cx_shape(const void *document, int64_t length, cx_step *steps, int32_t capacity);
/* Takes those documents apart that are of this shape to their last byte: document i is [starts[i], stops[i]) of the region, and
 * is looked at if shapes[i] is 0. Gives it its row, counted from 0, and sets shapes[i] to `shape`. The cell of slot s in row r
 * is kinds[s * CX_BATCH + r] and values[...]; `slots` says for how many there is room. sample: the document that the steps are
 * of. Returns the number of rows, or CX_E_USAGE. Touches no handle; the bytes stay the caller's. */
int32_t cx_columns(const void *region, int64_t length, const int32_t *starts, const int32_t *stops, int32_t count,
                   const void *sample, int64_t sample_length, const cx_step *steps, int32_t step_count,
                   uint8_t *shapes, uint8_t shape, uint8_t *kinds, int64_t *values, int32_t slots);
/* Copies the texts of a column to `out`, a zero byte after each, and the zero byte alone for a cell that is no text; *plain says
 * what the texts consist of. Returns the number of bytes; if that is more than capacity nothing was copied. CX_E_USAGE if an
 * extent leaves the region. */
enum { CX_TEXTS_ASCII = 1, CX_TEXTS_HIGH = 2 /* bytes of 0x80 and above */, CX_TEXTS_ZERO = 3 /* zero bytes within */ };
int64_t cx_texts(const void *region, int64_t length, const uint8_t *kinds, const int64_t *values, int32_t rows, char *out,
                 int64_t capacity, int32_t *plain);

/* --- facts of the build ----------------------------------------------------------------------------------------- */

int32_t cx_build_flags(void);            /* 1: sanitizers, 2: kill points, 4: tiny windows */
/* Kill points (builds with CX_KILL_POINTS only): the process sends itself SIGKILL when it passes the point for the
 * `after`-th time. Returns 0, CX_E_NOT_FOUND for an unknown name, CX_E_UNSUPPORTED in other builds. */
int32_t cx_kill_at(const char *point, int32_t after);
/* Name of kill point number i, or NULL. */
const char *cx_kill_point(int32_t i);
