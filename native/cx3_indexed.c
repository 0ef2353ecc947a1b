/* cx3_indexed.c -- Indexed journals of Chronicle 3.x: path.index and path.data, one writer, any number of readers.
 *
 * The format (spec chronicle-3, 3; Java: IndexedChronicle). L = line_bytes, P = (L - 8) / 4 entries in a line:
 *
 *   path.index, line j at j * L:  i64 base_j, i32 e[0] ... e[P-1]      entry n is e[n % P] of line n / P
 *       e = 0 not written yet; > 0 an excerpt; < 0 padding, which consumes a number
 *       start = base_j + (k == 0 ? 0 : |e[k-1]|), end = base_j + |e[k]|: offsets in path.data
 *   path.data:  excerpts back to back, no framing; none crosses a multiple of the data block
 *
 * Both files grow by whole blocks and are sparse. The number of an entry is its index; there is one cycle, 0.
 *
 * Rules (cited as I-n):
 *  I-1  An entry is published last, by a store with release; whoever sees it not 0 with acquire sees base and excerpt.
 *  I-2  Bases are written without holes, each equal to where the line before ends: so the end is found by binary search, and a
 *       base that differs is damage.
 *  I-3  One writer: it holds the exclusive lock of path.index (of this open file: another appender of the same process meets it,
 *       too; a forked child keeps it with the descriptor while it lives, unless the parent closes its appender). Java takes no
 *       lock and cannot be kept out; that it wrote is seen before anything is stored, if it is seen at all.
 *  I-4  What may fail (growth, blocks of a full disk, mapping) is done before anything is published.
 *  I-5  What an appender writes is Java's byte by byte. Where Java has no answer:
 *       - an empty excerpt that would be a line's first entry, and so 0, gets one byte of padding before it;
 *       - where offsets would not fit 31 bits, the line is filled up with padding of no bytes;
 *       - append_padding() of a block that is just full adds padding of no bytes: the number that a replica needs, without Java's
 *         whole block (addPaddedEntry).
 *  I-6  Before the last entry of a block is published, the file has the next block. A Java reader that comes to a block's end maps
 *       the next one; where the file ends there, the JVM extends it: it compares the length and then sets it (FileChannelImpl.map),
 *       and so cuts off what a writer appended in between. Seen: a Java tailer truncated the index of a fast writer. A Java writer
 *       extends files only when it begins the next excerpt: ours are a block longer than Java's after such an entry.
 */
#include <stdio.h>
#include <string.h>

#include "cx_atomic.h"
#include "cx_handle.h"

#define LINE_MIN 16
#define LINE_MAX 4096                 /* Java finds an entry's place by the address of its line, which is aligned to a page */
#define BLOCK_MAX (1LL << 30)         /* Java maps no more than 2^31 - 1 bytes */
#define OFFSET_MAX (1LL << 48)        /* IndexedChronicle.newIndexLine() asserts it of a base */
#define ENTRY_MAX 2147483647LL        /* entries are relative to their line's base */
/* One append_many() copies no more than this before it publishes. */
#define RUN_BYTES (1LL << 20)
#define PRETOUCH_BYTES (512LL << 10)

typedef struct {
    cx_queue base;
    int64_t line_bytes, line_entries, index_block, data_block, reserve;
    char index_path[CX_PATH_MAX], data_path[CX_PATH_MAX];
} i3_queue;

/* Where the next entry goes. */
typedef struct {
    int64_t number;
    int64_t line_at;      /* offset of its line in the index file */
    int64_t base;         /* of its line, if `based` */
    int64_t end;          /* of the entry before it, in the data file */
    int32_t k;            /* its place in the line */
    int32_t left;         /* the entry before it as it is stored, 0 if there is none */
    bool based;           /* its line's base is written */
} i3_place;

static inline int64_t size_of_entry(int32_t entry)
{
    return entry < 0 ? -(int64_t)entry : entry;
}

static inline int32_t load_entry(const uint8_t *line, int64_t k)
{
    return (int32_t)cx_load_u32(line + 8 + 4 * k);   /* I-1: pairs with put_entry */
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

/* Where entry `number` lies: false beyond what a file offset can say. */
static bool locate(const i3_queue *queue, int64_t number, int64_t *line_at, int64_t *k)
{
    int64_t line = number / queue->line_entries;
    *k = number % queue->line_entries;
    if (line > (INT64_MAX - queue->line_bytes) / queue->line_bytes)
        return false;
    *line_at = line * queue->line_bytes;
    return true;
}

/* Base of the line at an offset: 1; 0 if the file ends before it; or a code. */
static int32_t load_base(cx_file *index, int64_t line_at, int64_t *base)
{
    uint8_t *line;
    int32_t code = cx_reach(index, CX_INDEX, line_at, 8, &line);
    if (code > 0)
        *base = cx_load_i64(line);
    return code;
}

static int32_t bad_base(const cx_file *index, int64_t line_at, int64_t base, const char *why)
{
    return cx_fail(CX_E_CORRUPT, index->path, line_at, base, "the line's base is %lld: %s", (long long)base, why);
}

/* Whether a line's base is what it must be (I-2); the line before it is full. */
static int32_t check_base(const i3_queue *queue, cx_file *index, int64_t line_at, int64_t base)
{
    if (line_at == 0)
        return base == 0 ? 0 : bad_base(index, line_at, base, "the first line's is 0");
    if (base <= 0 || base > OFFSET_MAX)
        return bad_base(index, line_at, base, "no offset in the data file");
    uint8_t *before;
    int32_t code = cx_reach(index, CX_INDEX, line_at - queue->line_bytes, queue->line_bytes, &before);
    if (code <= 0)
        return code < 0 ? code : bad_base(index, line_at, base, "the file was truncated");
    int64_t last = size_of_entry(load_entry(before, queue->line_entries - 1));
    if (last == 0 || cx_load_i64(before) != base - last)
        return bad_base(index, line_at, base, "the line before it does not end there");
    return 0;
}

/* Finds the end (I-2): the last line that has a base, and its entries. */
static int32_t find_end(const i3_queue *queue, cx_file *index, i3_place *place)
{
    int64_t size = queue->line_bytes, base = 0;
    int32_t code = cx_file_measure(index);
    if (code < 0)
        return code;
    int64_t low = 0, high = index->size / size + (index->size % size != 0);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if ((code = load_base(index, middle * size, &base)) < 0)
            return code;
        if (code > 0 && base != 0)
            low = middle;
        else
            high = middle;
    }
    *place = (i3_place){.number = low * queue->line_entries, .line_at = low * size, .based = true};
    code = load_base(index, place->line_at, &place->base);
    if (code > 0)
        code = check_base(queue, index, place->line_at, place->base);
    if (code < 0)
        return code;
    place->end = place->base;
    uint8_t *word;
    for (int64_t k = 0; k < queue->line_entries; k++) {
        if ((code = cx_reach(index, CX_INDEX, place->line_at + 8 + 4 * k, 4, &word)) < 0)
            return code;
        int32_t entry = code > 0 ? (int32_t)cx_load_u32(word) : 0;
        if (entry == 0)
            break;
        if (place->base + size_of_entry(entry) < place->end)
            return cx_fail(CX_E_CORRUPT, index->path, place->line_at + 8 + 4 * k, entry, "entry %lld ends before it begins",
                           (long long)place->number);
        place->end = place->base + size_of_entry(entry);
        place->left = entry;
        place->number++;
        place->k++;
    }
    if (place->k == queue->line_entries) {
        place->line_at += size;
        place->k = 0;
        place->based = false;
    } else if (place->k == 0 && low > 0) {
        if ((code = cx_reach(index, CX_INDEX, place->line_at - 4, 4, &word)) > 0)
            place->left = (int32_t)cx_load_u32(word);
    }
    return code < 0 ? code : 0;
}

/* --- queue ------------------------------------------------------------------------------------------------------- */

/* path.index and path.data, in whole blocks; files that hold something are left as they are. */
static int32_t make_files(i3_queue *queue)
{
    char parent[CX_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", queue->base.path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = 0;
        int32_t code = cx_path_exists(parent) ? 0 : cx_make_directories(parent);
        if (code < 0)
            return code;
    }
    bool had_data = cx_path_exists(queue->data_path);
    cx_file file;
    int32_t code = cx_file_open(&file, queue->index_path, true, true);
    if (code < 0)
        return code;
    i3_place place;
    if (file.size == 0)
        code = cx_file_grow(&file, queue->index_block);
    else if (!had_data && (code = find_end(queue, &file, &place)) == 0 && place.number > 0)
        code = cx_fail(CX_E_CORRUPT, queue->data_path, -1, place.number, "the index has %lld entries, but there is no data file",
                       (long long)place.number);
    cx_file_close(&file);
    CX_POINT("i3_index_made");
    if (code < 0 || (code = cx_file_open(&file, queue->data_path, true, true)) < 0)
        return code;
    if (file.size == 0)
        code = cx_file_grow(&file, queue->data_block);
    cx_file_close(&file);
    CX_POINT("i3_data_made");
    return code;
}

static int32_t open_queue(cx_queue *base)
{
    i3_queue *queue = (i3_queue *)base;
    const cx_settings *settings = &base->settings;
    int64_t line = settings->line_bytes;
    if (line < LINE_MIN || line > LINE_MAX || (line & (line - 1)) != 0)
        return cx_fail(CX_E_USAGE, base->path, -1, line, "an index line has a power of two of %d to %d bytes, not %lld", LINE_MIN,
                       LINE_MAX, (long long)line);
    if (settings->index_block_bytes < line || settings->index_block_bytes > BLOCK_MAX || settings->index_block_bytes % line != 0)
        return cx_fail(CX_E_USAGE, base->path, -1, settings->index_block_bytes, "an index block of %lld bytes is not a multiple of "
                       "the line's %lld up to %lld", (long long)settings->index_block_bytes, (long long)line, (long long)BLOCK_MAX);
    if (settings->data_block_bytes < 1 || settings->data_block_bytes > BLOCK_MAX || settings->reserve_bytes < 0
        || settings->reserve_bytes >= settings->data_block_bytes || settings->shift != 63)
        return cx_fail(CX_E_USAGE, base->path, -1, settings->data_block_bytes, "a data block has 1 to %lld bytes, more than are "
                       "reserved for an excerpt; %lld and %lld are asked for", (long long)BLOCK_MAX,
                       (long long)settings->data_block_bytes, (long long)settings->reserve_bytes);
    if (strlen(base->path) >= CX_PATH_MAX - sizeof ".index")
        return cx_fail(CX_E_USAGE, base->path, -1, 0, "the path is too long");
    queue->line_bytes = line;
    queue->line_entries = (line - 8) / 4;
    queue->index_block = settings->index_block_bytes;
    queue->data_block = settings->data_block_bytes;
    queue->reserve = settings->reserve_bytes;
    /* Bounded above, which the compiler cannot see. */
    snprintf(queue->index_path, sizeof queue->index_path, "%.*s.index", CX_PATH_MAX - 8, base->path);
    snprintf(queue->data_path, sizeof queue->data_path, "%.*s.data", CX_PATH_MAX - 8, base->path);
    if (settings->writable != 0 && settings->create != 0)
        return make_files(queue);
    return cx_path_exists(queue->index_path) ? 0 : cx_fail(CX_E_NOT_FOUND, queue->index_path, -1, 0, "there is no journal");
}

static void release(cx_queue *base)
{
    (void)base;   /* files are open while they are looked at, and by appenders and tailers */
}

static int64_t list_cycles(cx_queue *base, int64_t *cycles, int64_t capacity)
{
    if (!cx_path_exists(((i3_queue *)base)->index_path))
        return 0;
    if (capacity > 0)
        cycles[0] = 0;
    return 1;
}

static int32_t refresh(cx_queue *base)
{
    (void)base;   /* nothing is cached */
    return 0;
}

static int32_t look_at_cycle(cx_queue *base, int64_t cycle, cx_cycle_info *info)
{
    i3_queue *queue = (i3_queue *)base;
    if (cycle != 0)
        return cx_fail(CX_E_NOT_FOUND, queue->index_path, -1, cycle, "an Indexed journal has cycle 0 and no other");
    cx_file index, data;
    int32_t code = cx_file_open(&index, queue->index_path, false, false);
    if (code < 0)
        return code;
    i3_place place;
    code = find_end(queue, &index, &place);
    cx_file_close(&index);
    if (code == 0)
        code = cx_file_open(&data, queue->data_path, false, false);
    if (code == CX_E_NOT_FOUND)
        return cx_fail(CX_E_CORRUPT, queue->data_path, -1, 0, "the data file of the journal is missing");
    if (code < 0)
        return code;
    info->count = place.number;
    info->size_bytes = data.size;
    info->used_bytes = place.end;
    info->ready = 1;
    cx_file_close(&data);
    return 0;
}

/* --- appender ---------------------------------------------------------------------------------------------------- */

typedef struct {
    cx_appender base;
    i3_queue *queue;
    cx_file index, data;
    i3_place at;
    int64_t block_end;      /* of the data block that the next excerpt goes to; after an exact fill still the full one */
    bool locked;
    bool directory_synced;
    bool flush_failed;      /* of something already published: said by the next call */
} i3_appender;

/* What a power failure leaves: pages of the index that never reached the disk. Java would append into the hole, and readers go
 * on behind it with what is there from before; so a journal with a hole is not appended to. One look at each page of this block
 * of the index, and at the one that comes next. */
static int32_t check_holes(i3_appender *appender)
{
    const i3_queue *queue = appender->queue;
    int64_t last = appender->at.line_at - (appender->at.based ? 0 : queue->line_bytes);
    int64_t base = 0;
    int32_t code;
    for (int64_t at = last - last % queue->index_block; at < last; at += CX_PAGE_BYTES) {
        if ((code = load_base(&appender->index, at, &base)) < 0)
            return code;
        if (at != 0 && base == 0)
            return bad_base(&appender->index, at, base, "lines after it are written");
    }
    int64_t after = last - last % CX_PAGE_BYTES + CX_PAGE_BYTES;
    if ((code = load_base(&appender->index, after, &base)) > 0 && base != 0)
        return bad_base(&appender->index, after, base, "lines before it are not written");
    uint8_t *word;
    for (int64_t at = appender->at.line_at + 8 + 4 * appender->at.k; code >= 0 && at % queue->line_bytes != 0; at += 4) {
        if ((code = cx_reach(&appender->index, CX_INDEX, at, 4, &word)) > 0 && cx_load_u32(word) != 0)
            return cx_fail(CX_E_CORRUPT, appender->index.path, at, (int32_t)cx_load_u32(word), "an entry is written, the one before "
                           "it is not");
    }
    return code < 0 ? code : 0;
}

static int32_t check_block(const cx_file *file, const char *what, int64_t block)
{
    if (file->size % block == 0)
        return 0;
    return cx_fail(CX_E_USAGE, file->path, file->size, block, "%lld bytes are no whole %s blocks of %lld: the journal was made with "
                   "another block size, or cut short", (long long)file->size, what, (long long)block);
}

static int32_t open_files(i3_appender *appender)
{
    const i3_queue *queue = appender->queue;
    int32_t code = cx_file_open(&appender->index, queue->index_path, true, false);
    if (code < 0)
        return code;
    code = cx_file_lock(&appender->index, 0, 0);   /* I-3; given back by close_appender */
    if (code < 0)
        return code != CX_E_FILE_LOCKED ? code : cx_fail(code, queue->index_path, -1, 0, "another appender is open on this journal, "
                                                          "which has one writer at a time");
    appender->locked = true;
    if ((code = cx_file_measure(&appender->index)) < 0 || (code = check_block(&appender->index, "index", queue->index_block)) < 0
        || (code = cx_file_extend(&appender->index, queue->index_block)) < 0
        || (code = cx_file_open(&appender->data, queue->data_path, true, false)) < 0
        || (code = check_block(&appender->data, "data", queue->data_block)) < 0
        || (code = find_end(queue, &appender->index, &appender->at)) < 0 || (code = check_holes(appender)) < 0)
        return code;
    if (appender->at.end > appender->data.size)
        return cx_fail(CX_E_CORRUPT, queue->data_path, appender->data.size, appender->at.end, "the excerpts end at %lld, the file at "
                       "%lld", (long long)appender->at.end, (long long)appender->data.size);
    /* A full block counts as the next one from here on, as for a Java appender that opens the journal. */
    appender->block_end = (appender->at.end / queue->data_block + 1) * queue->data_block;
    return cx_file_grow(&appender->data, appender->block_end);
}

static int32_t open_appender(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    appender->queue = (i3_queue *)base->child.queue;
    appender->index.fd = appender->data.fd = -1;
    int32_t code = open_files(appender);
    if (code < 0)
        return code;
    base->info.cycle = 0;
    base->info.rolls = 1;
    return 0;
}

static void close_appender(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    /* In a forked child the lock is the parent's: the descriptor goes, the lock stays. */
    if (appender->locked && *appender->queue->base.alive == CX_ALIVE)
        cx_file_unlock(&appender->index, 0, 0);
    cx_file_close(&appender->index);
    cx_file_close(&appender->data);
}

static int32_t check_files(i3_appender *appender)
{
    if (__builtin_expect(appender->flush_failed, 0)) {
        appender->flush_failed = false;
        return cx_fail(CX_E_OS, appender->data.path, -1, 0, "an excerpt appended before could not be flushed to disk: it is visible, "
                       "but may not be durable; nothing was appended now");
    }
    int32_t code = cx_file_lost(&appender->index);
    if (code == 0)
        code = cx_file_lost(&appender->data);
    if (code == 0)
        code = cx_file_glance(&appender->index);
    if (code == 0)
        code = cx_file_glance(&appender->data);
    if (code == 0 && (appender->index.size < appender->at.line_at || appender->data.size < appender->at.end)) {
        const cx_file *file = appender->index.size < appender->at.line_at ? &appender->index : &appender->data;
        code = cx_fail(CX_E_CORRUPT, file->path, file->size, 0, "the file was truncated to %lld bytes", (long long)file->size);
    }
    return code;
}

/* I-3: nobody else appended since we did. */
static int32_t check_alone(i3_appender *appender, const uint8_t *line)
{
    const i3_place *at = &appender->at;
    int32_t before = at->left;
    if (at->k > 0) {
        before = load_entry(line, at->k - 1);
    } else if (at->number > 0) {
        uint8_t *word;
        int32_t code = cx_reach(&appender->index, CX_INDEX, at->line_at - 4, 4, &word);
        if (code <= 0)
            return code < 0 ? code : cx_fail(CX_E_CORRUPT, appender->index.path, at->line_at, 0, "the file was truncated");
        before = (int32_t)cx_load_u32(word);
    }
    if (__builtin_expect(load_entry(line, at->k) == 0 && before == at->left && (!at->based || cx_load_i64(line) == at->base), 1))
        return 0;
    return cx_fail(CX_E_CORRUPT, appender->index.path, at->line_at + 8 + 4 * at->k, at->number, "another writer appended to this "
                   "journal, whose next number was %lld; nothing was written: one writer at a time, and this one needs to be opened anew",
                   (long long)at->number);
}

/* The line of the next entry, with its base written, in mapped memory with real blocks; also the next line, if it lies in the
 * same block and so gets its base together with this line's last entry. */
static int32_t open_line(i3_appender *appender, uint8_t **line)
{
    const i3_queue *queue = appender->queue;
    i3_place *at = &appender->at;
    cx_file *index = &appender->index;
    int64_t next = at->line_at + queue->line_bytes;
    int64_t span = next % queue->index_block == 0 ? queue->line_bytes : 2 * queue->line_bytes;
    int32_t code;
    int64_t blocks = (next + queue->index_block) / queue->index_block;   /* I-6: up to the one of the next line */
    if (__builtin_expect(blocks * queue->index_block > index->size, 0)) {
        if ((code = cx_file_extend(index, blocks * queue->index_block)) < 0)
            return code;
        CX_POINT("i3_index_extended");
    }
    if ((code = cx_allocate(index, at->line_at, span, true)) < 0)
        return code;
    if ((code = cx_reach(index, CX_DATA, at->line_at, span, line)) <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, index->path, at->line_at, 0, "the file was truncated");
    if ((code = check_alone(appender, *line)) < 0)
        return code;
    if (!at->based) {
        at->base = at->end;
        at->based = true;
        cx_store_i64(*line, at->base);   /* no reader looks before it sees the first entry */
        CX_POINT("i3_line_based");
    }
    return 0;
}

/* Publishes the next entry (I-1: pairs with load_entry). */
static inline void put_entry(i3_appender *appender, uint8_t *line, int64_t value)
{
    i3_place *at = &appender->at;
    cx_store_u32(line + 8 + 4 * at->k, (uint32_t)(int32_t)value);
    at->left = (int32_t)value;
    at->end = at->base + size_of_entry((int32_t)value);
    at->number++;
    if (++at->k == appender->queue->line_entries) {
        at->line_at += appender->queue->line_bytes;
        at->k = 0;
        at->based = false;
    }
}

/* After an excerpt that filled its line, as Java: the next line's base, if it lies in the same block of the index. `line` is
 * the full one. */
static inline void base_next_line(i3_appender *appender, uint8_t *line)
{
    i3_place *at = &appender->at;
    if (at->k != 0 || at->line_at % appender->queue->index_block == 0)
        return;
    at->base = at->end;
    at->based = true;
    cx_store_i64(line + appender->queue->line_bytes, at->base);
    CX_POINT("i3_next_line_based");
}

/* I-5: the rest of the line is padding of no bytes. */
static void fill_line(i3_appender *appender, uint8_t *line)
{
    while (appender->at.based)
        put_entry(appender, line, appender->at.base - appender->at.end);
    CX_POINT("i3_line_filled");
}

/* The data block after the present one, with real blocks under its first `length` bytes. */
static int32_t make_block(i3_appender *appender, int64_t length)
{
    int32_t code = cx_file_grow(&appender->data, appender->block_end + appender->queue->data_block);
    if (code == 0 && length > 0)
        code = cx_allocate(&appender->data, appender->block_end, length, true);
    CX_POINT("i3_block_made");
    return code;
}

static void enter_block(i3_appender *appender)
{
    appender->at.end = appender->block_end;
    appender->block_end += appender->queue->data_block;
}

/* Brings the next entry to where an excerpt of `length` bytes may be written (spec 3.4, start): in a block with `room` for it.
 * 0 with its line, or a code. */
static int32_t prepare(i3_appender *appender, int64_t length, int64_t room, uint8_t **line)
{
    i3_place *at = &appender->at;
    int32_t code;
    for (;;) {   /* each turn but the last ends a block or a line */
        if ((code = open_line(appender, line)) < 0)
            return code;
        bool empty_first = length == 0 && at->k == 0;
        if (__builtin_expect(at->end + (empty_first && room == 0 ? 1 : room) > appender->block_end, 0)) {
            int64_t padding = appender->block_end - at->base;
            if (padding > ENTRY_MAX) {
                fill_line(appender, *line);
                continue;
            }
            if ((code = make_block(appender, length)) < 0)
                return code;
            if (padding > 0) {   /* 0: the line begins with the block */
                put_entry(appender, *line, -padding);
                CX_POINT("i3_padding_stored");
            }
            enter_block(appender);
        } else if (at->end + length - at->base > ENTRY_MAX) {
            fill_line(appender, *line);
        } else if (empty_first) {
            put_entry(appender, *line, -1);   /* I-5 */
        } else {
            return 0;
        }
    }
}

/* Mapped memory with real blocks for `length` bytes at the end of the data. */
static int32_t open_data(i3_appender *appender, int64_t length, uint8_t **to)
{
    int32_t code = 0;
    if (__builtin_expect(appender->at.end + length == appender->block_end, 0))   /* I-6 */
        code = cx_file_grow(&appender->data, appender->block_end + appender->queue->data_block);
    if (code == 0 && length > 0)
        code = cx_allocate(&appender->data, appender->at.end, length, true);
    if (code == 0 && length > 0 && (code = cx_reach(&appender->data, CX_DATA, appender->at.end, length, to)) == 0)
        code = cx_fail(CX_E_CORRUPT, appender->data.path, appender->at.end, length, "the file was truncated");
    return code < 0 ? code : 0;
}

static int32_t check_length(const i3_appender *appender, int64_t length)
{
    if (__builtin_expect(length < appender->queue->data_block, 1))
        return 0;
    return cx_fail(CX_E_TOO_LONG, appender->queue->base.path, -1, length, "an excerpt of %lld bytes; data blocks of %lld hold less",
                   (long long)length, (long long)appender->queue->data_block);
}

static int32_t flush(i3_appender *appender)
{
    int32_t code = cx_file_sync(&appender->data);   /* first what the entries speak of */
    return code < 0 ? code : cx_file_sync(&appender->index);
}

/* The excerpt where `prepare` came to; its number. */
static int64_t write_excerpt(i3_appender *appender, uint8_t *line, const void *data, int64_t length)
{
    uint8_t *to = NULL;
    int32_t code = open_data(appender, length, &to);
    if (code < 0)
        return code;
    if (length > 0)
        memcpy(to, data, (size_t)length);
    CX_POINT("i3_payload_stored");
    int64_t number = appender->at.number;
    put_entry(appender, line, appender->at.end + length - appender->at.base);
    CX_POINT("i3_entry_published");
    base_next_line(appender, line);
    appender->base.info.last_index = number;
    if (appender->queue->base.settings.synchronous != 0)
        appender->flush_failed = flush(appender) < 0;   /* it is published: an error now would make the caller append it again */
    return number;
}

static int64_t append(cx_appender *base, const void *data, size_t size)
{
    i3_appender *appender = (i3_appender *)base;
    int64_t length = (int64_t)size, reserve = appender->queue->reserve;
    uint8_t *line;
    int32_t code = check_files(appender);
    if (code < 0 || (code = check_length(appender, length)) < 0
        || (code = prepare(appender, length, length > reserve ? length : reserve, &line)) < 0)
        return code;
    return write_excerpt(appender, line, data, length);
}

/* How many of the messages follow the first, which fits, into the same line and block; their bytes in all. */
static int32_t measure_run(const i3_appender *appender, const uint32_t *lengths, int64_t count, int64_t *bytes)
{
    const i3_place *at = &appender->at;
    int64_t reserve = appender->queue->reserve, total = lengths[0];
    int64_t most = appender->queue->line_entries - at->k;
    int32_t run = 1;
    for (; run < most && run < count; run++) {
        int64_t length = lengths[run], room = length > reserve ? length : reserve;
        if (at->end + total + room > appender->block_end || room >= appender->queue->data_block
            || at->end + total + length - at->base > ENTRY_MAX || total + length > RUN_BYTES)
            break;
        total += length;
    }
    *bytes = total;
    return run;
}

static int64_t append_many(cx_appender *base, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index)
{
    i3_appender *appender = (i3_appender *)base;
    const i3_place *at = &appender->at;
    const uint8_t *from = data;
    int64_t reserve = appender->queue->reserve, done = 0;
    int32_t code = check_files(appender);
    if (code < 0)
        return code;
    while (done < count) {
        int64_t length = lengths[done], bytes;
        uint8_t *line, *to = NULL;
        if ((code = check_length(appender, length)) < 0
            || (code = prepare(appender, length, length > reserve ? length : reserve, &line)) < 0)
            break;
        if (done == 0)
            *first_index = at->number;
        else if (at->number != *first_index + done)
            break;   /* padding came between: the rest has other numbers, which the next call tells */
        int32_t run = measure_run(appender, lengths + done, count - done, &bytes);
        if ((code = open_data(appender, bytes, &to)) == CX_E_NO_SPACE && run > 1) {
            run = 1;   /* the last blocks of a full disk still take this message */
            bytes = length;
            code = open_data(appender, bytes, &to);
        }
        if (code < 0)
            break;
        if (bytes > 0)
            memcpy(to, from, (size_t)bytes);
        from += bytes;
        for (int32_t i = 0; i < run; i++) {
            if (__builtin_expect(load_entry(line, at->k) != 0, 0))
                return done;   /* not 0, since prepare looked at the first; the next call says why */
            put_entry(appender, line, at->end + lengths[done] - at->base);
            base->info.last_index = *first_index + done++;
            CX_POINT("i3_batch_middle");
        }
        base_next_line(appender, line);
    }
    if (done > 0 && appender->queue->base.settings.synchronous != 0)
        appender->flush_failed = flush(appender) < 0;
    return done > 0 ? done : code;
}

static int32_t append_at(cx_appender *base, int64_t index, const void *data, size_t size)
{
    i3_appender *appender = (i3_appender *)base;
    i3_place *at = &appender->at;
    int64_t length = (int64_t)size;
    uint8_t *line;
    int32_t code = check_files(appender);
    if (code < 0 || (code = check_length(appender, length)) < 0)
        return code;
    if (index < 0)
        return cx_fail(CX_E_USAGE, appender->queue->base.path, -1, index, "%lld is no index", (long long)index);
    if (index < at->number)
        return 0;
    if (index > at->number)
        return cx_fail(CX_E_INDEX, appender->index.path, -1, at->number, "index %lld is beyond the next one, %lld", (long long)index,
                       (long long)at->number);
    /* The source says where padding goes: a full block is simply left, and nothing is reserved. */
    if (at->end == appender->block_end && length > 0) {
        if ((code = make_block(appender, length)) < 0)
            return code;
        enter_block(appender);
    }
    if (at->end + length > appender->block_end || (length == 0 && at->k == 0)
        || (at->k > 0 && at->end + length - at->base > ENTRY_MAX))
        return cx_fail(CX_E_USAGE, appender->index.path, -1, index, "index %lld cannot be an excerpt of %lld bytes: it needs padding "
                       "before it, which the source does not have; are its data blocks larger?", (long long)index, (long long)length);
    if ((code = prepare(appender, length, length, &line)) < 0)
        return code;
    int64_t number = write_excerpt(appender, line, data, length);
    return number < 0 ? (int32_t)number : 1;
}

static int32_t append_padding(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    i3_place *at = &appender->at;
    uint8_t *line;
    int32_t code = check_files(appender);
    if (code < 0 || (code = open_line(appender, &line)) < 0)
        return code;
    bool just_full = at->k > 0 && at->left > 0 && at->end % appender->queue->data_block == 0;
    if (just_full) {
        if (at->end == appender->block_end) {
            if ((code = make_block(appender, 0)) < 0)
                return code;
            enter_block(appender);
        }
        put_entry(appender, line, at->base - at->end);
    } else if (appender->block_end - at->base > ENTRY_MAX) {
        put_entry(appender, line, at->base - at->end);
    } else {
        if (at->end == appender->block_end) {   /* it is full, and its line, too: the whole next one is the padding */
            if ((code = make_block(appender, 0)) < 0)
                return code;
            enter_block(appender);
        }
        if ((code = make_block(appender, 0)) < 0)
            return code;
        put_entry(appender, line, at->base - appender->block_end);
        enter_block(appender);
    }
    CX_POINT("i3_padding_stored");
    /* Java has the base of the line that follows written by now, we may as well. */
    if (at->k == 0)
        (void)open_line(appender, &line);
    return 0;
}

static int32_t sync_journal(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    appender->flush_failed = false;   /* all is flushed again */
    int32_t code = flush(appender);
    if (code == 0 && !appender->directory_synced && (code = cx_directory_sync(appender->queue->index_path)) == 0)
        appender->directory_synced = true;
    return code;
}

static int64_t pretouch(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    cx_file *data = &appender->data;
    uint8_t *unused;
    int32_t code = check_files(appender);
    int64_t end = appender->at.end, before = data->allocated_to > end ? data->allocated_to : end;
    int64_t length = data->size - end < PRETOUCH_BYTES ? data->size - end : PRETOUCH_BYTES;
    if (code == 0 && length > 0 && (code = cx_reach(data, CX_DATA, end, length, &unused)) > 0)
        code = cx_allocate(data, end, length, true);
    if (code < 0)
        return code;
    return data->allocated_to > before ? data->allocated_to - before : 0;
}

/* --- tailer ------------------------------------------------------------------------------------------------------ */

/* info.index is all of a tailer's position: the number of the next entry to look at, in either direction. */
typedef struct {
    cx_tailer base;
    i3_queue *queue;
    cx_file index, data;       /* opened when they are there */
    int64_t checked_at;        /* offset of the line whose base was checked last, and that base */
    int64_t checked_base;
} i3_tailer;

/* What stands at a number. */
enum { I3_NOTHING = 0, I3_EXCERPT = 1, I3_PADDING = 2 };

typedef struct {
    int64_t at;                /* offset of the entry */
    int64_t start, end;        /* in the data file */
} i3_entry;

/* Called as reading goes on, with the place it has come to. */
static void sweep_both(i3_tailer *tailer, const i3_entry *entry)
{
    cx_sweep(&tailer->index, entry->at, CX_KEEP_BYTES);
    cx_sweep(&tailer->data, entry->start, CX_KEEP_BYTES);
}

static void note_move(i3_tailer *tailer, const i3_entry *entry)
{
    cx_sweep_from(&tailer->index, entry->at, CX_KEEP_BYTES);
    cx_sweep_from(&tailer->data, entry->start, CX_KEEP_BYTES);
}

/* Opens the index file: 1; 0 if there is none; or a code. */
static int32_t open_index(i3_tailer *tailer)
{
    if (tailer->index.fd >= 0)
        return 1;
    int32_t code = cx_file_open(&tailer->index, tailer->queue->index_path, false, false);
    if (code < 0)
        return code == CX_E_NOT_FOUND ? 0 : code;
    tailer->base.info.cycle = tailer->base.info.acquired_cycle = 0;
    tailer->base.info.acquired++;
    return 1;
}

/* Files that shrink are damage, and said to be; so is what has been read and is gone. */
static int32_t check_sizes(i3_tailer *tailer, bool always)
{
    int64_t line_at, k, read = tailer->base.info.last_read_index;
    for (int i = 0; i < 2; i++) {
        cx_file *file = i == 0 ? &tailer->index : &tailer->data;
        if (file->fd < 0)
            continue;
        int32_t code = cx_file_lost(file);
        if (code == 0)
            code = always ? cx_file_measure(file) : cx_file_glance(file);
        if (code < 0)
            return code;
    }
    if (read >= 0 && tailer->index.fd >= 0 && locate(tailer->queue, read, &line_at, &k) && tailer->index.size < line_at + 12 + 4 * k)
        return cx_fail(CX_E_CORRUPT, tailer->index.path, tailer->index.size, 0, "the file was truncated to %lld bytes",
                       (long long)tailer->index.size);
    return 0;
}

/* What stands at a number: I3_*, with *entry unless it is nothing; or a code. */
static int32_t look(i3_tailer *tailer, int64_t number, i3_entry *entry)
{
    cx_file *index = &tailer->index;
    int64_t line_at, k;
    uint8_t *line;
    if (!locate(tailer->queue, number, &line_at, &k))
        return I3_NOTHING;
    int32_t code = cx_reach(index, CX_DATA, line_at, 12 + 4 * k, &line);
    if (code <= 0)
        return code;   /* the file ends before it */
    int32_t stored = load_entry(line, k);
    if (stored == 0)
        return I3_NOTHING;
    int64_t base = cx_load_i64(line);   /* I-1 */
    if (line_at != tailer->checked_at || base != tailer->checked_base) {
        if ((code = check_base(tailer->queue, index, line_at, base)) < 0)
            return code;
        tailer->checked_at = line_at;
        tailer->checked_base = base;
    }
    int64_t before = k > 0 ? size_of_entry(load_entry(line, k - 1)) : 0;
    entry->at = line_at + 8 + 4 * k;
    entry->start = base + before;
    entry->end = base + size_of_entry(stored);
    /* Java leaves an empty excerpt's 0 at the beginning of a line, and no other hole. */
    if (entry->end < entry->start || (before == 0 && k > 1))
        return cx_fail(CX_E_CORRUPT, index->path, entry->at, stored, "entry %lld ends at %lld, the one before it at %lld",
                       (long long)number, (long long)entry->end, (long long)entry->start);
    if (stored > 0 && entry->end - entry->start > CX_MESSAGE_MAX)
        return cx_fail(CX_E_CORRUPT, index->path, entry->at, stored, "excerpt %lld has %lld bytes", (long long)number,
                       (long long)(entry->end - entry->start));
    return stored > 0 ? I3_EXCERPT : I3_PADDING;
}

/* Memory of [start, end) of the data file, whose entries are written: 1 or a code. */
static int32_t reach_data(i3_tailer *tailer, int64_t start, int64_t end, uint8_t **data)
{
    int32_t code;
    if (tailer->data.fd < 0) {
        code = cx_file_open(&tailer->data, tailer->queue->data_path, false, false);
        if (code < 0)
            return code != CX_E_NOT_FOUND ? code : cx_fail(CX_E_CORRUPT, tailer->queue->data_path, -1, 0, "the index has entries, but "
                                                           "there is no data file");
    }
    code = cx_reach(&tailer->data, CX_DATA, start, end - start, data);
    if (code != 0)
        return code;
    return cx_fail(CX_E_CORRUPT, tailer->data.path, tailer->data.size, end, "an excerpt ends at %lld, the file at %lld", (long long)end,
                   (long long)tailer->data.size);
}

/* Brings the tailer to an excerpt in reading direction: 1 with its entry; 0 if there is none (yet); or a code. */
static int32_t settle(i3_tailer *tailer, i3_entry *entry)
{
    cx_tailer_info *info = &tailer->base.info;
    int32_t code = open_index(tailer);
    if (code <= 0)
        return code;
    if (info->index < 0) {
        if (info->direction != CX_FORWARD)
            return 0;
        info->index = 0;
    }
    for (;;) {   /* each turn goes on by an entry of the file */
        code = look(tailer, info->index, entry);
        if (code < 0)
            return code;
        if (code != I3_NOTHING || info->state == CX_UNINITIALISED)
            info->state = CX_FOUND_IN_CYCLE;
        if (code == I3_EXCERPT)
            return 1;
        if (info->direction == CX_FORWARD) {
            if (code == I3_NOTHING)
                return 0;
            info->index++;
        } else if (code == I3_NOTHING) {
            /* Standing after the last entry (as after to_end going forward): the one before it is meant. */
            if (info->index == 0 || (code = look(tailer, info->index - 1, entry)) <= 0)
                return code < 0 ? code : 0;
            info->index--;
        } else if (info->direction == CX_NONE) {
            return 0;
        } else if (info->index == 0) {
            info->index = -1;
            info->state = CX_BEYOND_START_OF_CYCLE;
            return 0;
        } else {
            info->index--;
        }
    }
}

/* After messages were read in reading direction, the last of them with this number. */
static void advance(i3_tailer *tailer, int64_t number)
{
    cx_tailer_info *info = &tailer->base.info;
    info->last_read_index = number;
    info->index = number + info->direction;
    if (info->index < 0)
        info->state = CX_BEYOND_START_OF_CYCLE;
}

static int32_t read_one(cx_tailer *base, cx_excerpt *excerpt, bool with_meta)
{
    (void)with_meta;   /* there are only excerpts */
    i3_tailer *tailer = (i3_tailer *)base;
    i3_entry entry;
    uint8_t *data;
    int32_t code = check_sizes(tailer, false);
    if (code < 0 || (code = settle(tailer, &entry)) <= 0 || (code = reach_data(tailer, entry.start, entry.end, &data)) < 0)
        return code;
    *excerpt = (cx_excerpt){.address = (uintptr_t)data, .data = (const char *)data, .length = entry.end - entry.start,
                            .index = base->info.index, .offset = entry.start,
                            .window = cx_lend(base, tailer->data.window[CX_DATA])};
    cx_touch(data, excerpt->length);
    sweep_both(tailer, &entry);
    advance(tailer, base->info.index);
    return 1;
}

/* Fills in what all batches have: the bytes from `data` on, `count` messages, all of one length if `length` >= 0. */
static int32_t finish_batch(i3_tailer *tailer, cx_batch *batch, const uint8_t *data, int64_t region, int32_t count, int64_t length)
{
    cx_tailer *base = &tailer->base;
    batch->address = (uintptr_t)data;
    batch->region = region;
    batch->first_index = base->info.index;
    batch->window = cx_lend(base, tailer->data.window[CX_DATA]);
    batch->count = count;
    batch->equal_length = batch->pitch = (int32_t)length;
    batch->lead = 0;
    cx_touch(data, region);
    advance(tailer, base->info.index + base->info.direction * (count - 1));
    return count;
}

/* From the excerpt at the tailer's index on, whose entry is `first`. Ends at padding, since indexes are consecutive. */
static int32_t scan_forward(i3_tailer *tailer, cx_batch *batch, int32_t limit, const i3_entry *first)
{
    const i3_queue *queue = tailer->queue;
    uint8_t *data, *line;
    int32_t code = reach_data(tailer, first->start, first->end, &data);
    if (code < 0)
        return code;
    const cx_window *window = tailer->data.window[CX_DATA];
    int64_t last = first->start + CX_REGION_BYTES > first->end ? first->start + CX_REGION_BYTES : first->end;
    if (last > window->offset + window->length)
        last = window->offset + window->length;
    if (last > tailer->data.size)
        last = tailer->data.size;
    int64_t line_at = 0, k = 0, at = first->start, length = first->end - first->start;
    (void)locate(queue, tailer->base.info.index, &line_at, &k);   /* there is an excerpt there */
    int32_t count = 0;
    bool more = true, equal = true;
    while (more && count < limit && line_at < tailer->index.size) {
        int64_t bytes = tailer->index.size - line_at < queue->line_bytes ? tailer->index.size - line_at : queue->line_bytes;
        int64_t entries = (bytes - 8) / 4;
        if (bytes < 12 || (code = cx_reach(&tailer->index, CX_DATA, line_at, bytes, &line)) <= 0)
            break;   /* what was found is whole: the next call meets the error, and says it */
        if (load_entry(line, k) == 0)
            break;
        int64_t base = cx_load_i64(line);   /* I-1 */
        if (k == 0 && count > 0 && base != at)
            break;
        for (; k < entries && count < limit; k++) {
            int64_t end = base + load_entry(line, k);
            if (end <= base || end < at || end > last) {   /* not written, padding; damage, or in the next window */
                more = false;
                break;
            }
            batch->starts[count] = (int32_t)(at - first->start);
            batch->stops[count] = (int32_t)(end - first->start);
            equal &= end - at == length;
            at = end;
            count++;
        }
        more &= k == queue->line_entries;
        line_at += queue->line_bytes;
        k = 0;
    }
    sweep_both(tailer, first);
    if (count == 0)   /* the first entry is another by now: damage in the making, which the next call meets */
        return 0;
    return finish_batch(tailer, batch, data, at - first->start, count, equal ? length : -1);
}

/* The excerpt at the tailer's index, whose entry is `last`, and those before it. */
static int32_t scan_backward(i3_tailer *tailer, cx_batch *batch, int32_t limit, const i3_entry *last)
{
    int64_t low = last->start, length = last->end - last->start;
    int32_t count = 0;
    bool equal = true;
    i3_entry entry = *last;
    do {
        batch->starts[count] = (int32_t)(entry.start - last->end);   /* from the top, as long as the low end is not known */
        batch->stops[count] = (int32_t)(entry.end - last->end);
        equal &= entry.end - entry.start == length;
        low = entry.start;
        count++;
        /* An error is met again by the next call, which says it. */
    } while (count < limit && tailer->base.info.index >= count && look(tailer, tailer->base.info.index - count, &entry) == I3_EXCERPT
             && entry.end == low && last->end - entry.start <= CX_REGION_BYTES);
    uint8_t *data;
    int32_t code = reach_data(tailer, low, last->end, &data);
    if (code < 0)
        return code;
    int32_t region = (int32_t)(last->end - low);
    for (int32_t i = 0; i < count; i++) {
        batch->starts[i] += region;
        batch->stops[i] += region;
    }
    sweep_both(tailer, last);
    return finish_batch(tailer, batch, data, region, count, equal ? length : -1);
}

static int32_t scan(cx_tailer *base, cx_batch *batch, int32_t limit, bool gather)
{
    (void)gather;   /* all excerpts lie in one file anyway */
    i3_tailer *tailer = (i3_tailer *)base;
    i3_entry entry;
    int32_t code = check_sizes(tailer, true);
    if (code < 0 || (code = settle(tailer, &entry)) <= 0)
        return code;
    return base->info.direction == CX_FORWARD ? scan_forward(tailer, batch, limit, &entry) : scan_backward(tailer, batch, limit, &entry);
}

static int32_t unread(cx_tailer *base, int64_t index, int64_t last_read)
{
    base->info.index = index;
    base->info.last_read_index = last_read;
    if (index >= 0)
        base->info.state = CX_FOUND_IN_CYCLE;
    return 0;
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static int32_t move_to_index(i3_tailer *tailer, int64_t index)
{
    cx_tailer_info *info = &tailer->base.info;
    i3_entry entry;
    int32_t code = index < 0 ? 0 : open_index(tailer);
    if (code <= 0)
        return code;
    info->index = index;
    code = look(tailer, index, &entry);
    if (code < 0)
        return code;
    info->state = CX_FOUND_IN_CYCLE;
    if (code == I3_NOTHING) {
        int32_t before = index == 0 ? I3_PADDING : look(tailer, index - 1, &entry);
        if (before < 0)
            return before;
        if (before == I3_NOTHING)
            info->state = CX_NOT_REACHED_IN_CYCLE;
        return 0;
    }
    note_move(tailer, &entry);
    return code == I3_EXCERPT;
}

static int32_t to_start(i3_tailer *tailer)
{
    int32_t code = open_index(tailer);
    if (code < 0)
        return code;
    tailer->base.info.index = 0;
    tailer->base.info.state = code > 0 ? CX_FOUND_IN_CYCLE : CX_UNINITIALISED;
    note_move(tailer, &(i3_entry){0, 0, 0});
    return code;
}

/* After the last entry; backward on the last excerpt, where there is one. */
static int32_t to_end(i3_tailer *tailer)
{
    cx_tailer_info *info = &tailer->base.info;
    i3_place place;
    i3_entry entry;
    int32_t code = open_index(tailer);
    if (code <= 0)
        return code < 0 ? code : to_start(tailer);
    if ((code = find_end(tailer->queue, &tailer->index, &place)) < 0)
        return code;
    info->state = CX_FOUND_IN_CYCLE;
    info->index = place.number;
    note_move(tailer, &(i3_entry){place.line_at, place.end, place.end});
    if (info->direction != CX_BACKWARD)
        return 1;
    while (info->index > 0) {
        info->index--;
        if ((code = look(tailer, info->index, &entry)) == I3_EXCERPT || code < 0)
            return code < 0 ? code : 1;
    }
    return 1;
}

static int32_t move(cx_tailer *base, int32_t where, int64_t target)
{
    i3_tailer *tailer = (i3_tailer *)base;
    int32_t code = check_sizes(tailer, true);
    if (code < 0)
        return code;
    switch (where) {
    case CX_TO_START: return to_start(tailer);
    case CX_TO_END: return to_end(tailer);
    case CX_TO_INDEX: return move_to_index(tailer, target);
    default:
        if (target == 0)
            return to_start(tailer);
        if (tailer->index.fd >= 0)
            base->info.state = base->info.direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
        return 0;
    }
}

static int32_t set_direction(cx_tailer *base, int32_t direction)
{
    base->info.direction = direction;
    return 0;
}

static int32_t open_tailer(cx_tailer *base, const char *name)
{
    i3_tailer *tailer = (i3_tailer *)base;
    tailer->queue = (i3_queue *)base->child.queue;
    tailer->index.fd = tailer->data.fd = -1;
    tailer->checked_at = -1;
    if (name != NULL)
        return cx_fail(CX_E_UNSUPPORTED, tailer->queue->base.path, -1, 0, "an Indexed journal has no named tailers");
    int32_t code = to_start(tailer);
    return code < 0 ? code : 0;
}

static void close_tailer(cx_tailer *base)
{
    cx_file_close(&((i3_tailer *)base)->index);
    cx_file_close(&((i3_tailer *)base)->data);
}

static const cx_appending appending = {
    .bytes = sizeof(i3_appender),
    .open = open_appender,
    .close = close_appender,
    .append = append,
    .append_many = append_many,
    .append_at = append_at,
    .append_padding = append_padding,
    .sync = sync_journal,
    .pretouch = pretouch,
};

static const cx_tailing tailing = {
    .bytes = sizeof(i3_tailer),
    .open = open_tailer,
    .close = close_tailer,
    .read = read_one,
    .scan = scan,
    .unread = unread,
    .move = move,
    .set_direction = set_direction,
};

const cx_format cx3_indexed_format = {
    .noun = "an Indexed journal of Chronicle 3",
    .bytes = sizeof(i3_queue),
    .appending = &appending,
    .tailing = &tailing,
    .open = open_queue,
    .release = release,
    .cycles = list_cycles,
    .cycle = look_at_cycle,
    .refresh = refresh,
};
