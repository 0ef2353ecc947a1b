/* cx5_appender.c -- the only code that stores into roll files: spec 7 and 4.4.
 *
 * INVARIANTS (cited as A-n)
 *  A-1  Everything here that changes a roll file happens between enter() and leave(), with chronicle.write.lock holding our pid.
 *  A-2  A header is published by one CAS from 0, after its payload and after 8 zero bytes behind it: what follows a message
 *       always reads as "nothing yet", even where a crashed writer left bytes.
 *  A-3  Order after publishing: writePosition, sequence word (release), then the index (spec 7.5). A writer may die between any
 *       two of them; the next one walks forward from writePosition and counts what it finds.
 *  A-4  Space is allocated before anything is published (M-2), index pages included: a full disk changes nothing.
 *  A-5  The cycle never goes back: max(cycle(now), highest existing cycle). Nothing is written after an end-of-data marker.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cx5_queue.h"

#define EOFS_KEY "normalisedEOFsTo"
/* Roll files left with unflushed messages that sync() still has to flush. */
#define UNSYNCED_MAX 8

typedef struct {
    cx_appender base;
    cx5_queue *queue;
    cx_store store;             /* store.head == NULL: none open */
    int64_t next_offset;        /* where the next header goes, if writePosition still is seen_position */
    int64_t next_sequence;
    int64_t seen_position;
    int64_t cycle_from_ms, cycle_to_ms;   /* the clock's cycle holds while it reads in this range */
    int64_t clock_cycle;
    int64_t glanced_ms;
    int64_t chunk_end;          /* the file is long enough for whatever begins before */
    int64_t wanted_sequence;    /* append_at: of the index to write */
    bool may_discard;
    bool directory_dirty;       /* a file was created since the last sync() */
    bool dirty;                 /* messages in the open file since the last sync() */
    bool flush_failed;          /* of a file that is closed: the next sync() says so */
    int32_t unsynced_count;
    int unsynced[UNSYNCED_MAX]; /* descriptors */
} cx5_appender;

/* --- handle ------------------------------------------------------------------------------------------------------ */

static int32_t open_appender(cx_appender *base)
{
    cx5_appender *appender = (cx5_appender *)base;
    cx5_queue *queue = appender->queue = (cx5_queue *)base->child.queue;
    appender->store.file.fd = -1;
    if (queue->write_lock == NULL || queue->append_lock == NULL)
        return cx_fail(CX_E_UNSUPPORTED, queue->table.file.path, -1, 0, "the table store's locks are not 8-aligned (release 5.16)");
    appender->may_discard = queue->dead_holder;
    appender->cycle_from_ms = INT64_MAX;   /* an empty range: the first append computes it */
    return 0;
}

/* What was appended to the open file and not flushed stays sync()'s business. */
static void keep_for_sync(cx5_appender *appender)
{
    if (!appender->dirty)
        return;
    appender->dirty = false;
    int fd = appender->unsynced_count < UNSYNCED_MAX ? dup(appender->store.file.fd) : -1;
    if (fd >= 0)
        appender->unsynced[appender->unsynced_count++] = fd;
    else if (cx_file_sync(&appender->store.file) < 0)   /* rolled often without sync(): flushed now */
        appender->flush_failed = true;
}

static void close_store(cx5_appender *appender)
{
    if (appender->store.head != NULL) {
        keep_for_sync(appender);
        cx_store_close(&appender->store);
    }
    appender->base.info.cycle = -1;
}

static void close_appender(cx_appender *base)
{
    cx5_appender *appender = (cx5_appender *)base;
    appender->dirty = false;   /* nobody will ask for it any more */
    close_store(appender);
    for (int32_t i = 0; i < appender->unsynced_count; i++)
        close(appender->unsynced[i]);
    appender->unsynced_count = 0;
}

static int32_t allow_discard(cx_appender *base)
{
    ((cx5_appender *)base)->may_discard = true;
    return 0;
}

/* --- creating roll files (spec 4.4) ------------------------------------------------------------------------------ */

/* Also tells where the bound values come to lie. */
static int64_t emit_store_header(uint8_t *bytes, int64_t capacity, const cx_settings *settings, cx_store *store_out)
{
    cx_emitter out = {.bytes = bytes, .base = 4, .capacity = capacity};
    bool named = settings->fieldless == 0;
#define FIELD(name) do { if (named) cx_emit_field(&out, name); } while (0)
    cx_emit_event(&out, "header");
    cx_emit_type(&out, "SCQStore");
    int64_t store = cx_emit_block(&out);
    FIELD("writePosition");
    cx_emit_align(&out, 15, 16);
    cx_emit_byte(&out, 0x8D);
    cx_emit_i64(&out, 2);
    cx_emit_i64(&out, 2);
    store_out->position_at = out.base + out.at;
    cx_emit_i64(&out, 0);
    cx_emit_i64(&out, 0);
    FIELD("indexing");
    cx_emit_type(&out, "SCQSIndexing");
    int64_t indexing = cx_emit_block(&out);
    FIELD("indexCount");
    cx_emit_int(&out, settings->index_count);
    FIELD("indexSpacing");
    cx_emit_int(&out, settings->index_spacing);
    FIELD("index2Index");
    store_out->index2index_at = cx_emit_bound(&out, 0);
    FIELD("lastIndex");
    store_out->last_index_at = cx_emit_bound(&out, 0);
    cx_emit_block_end(&out, indexing);
    FIELD("dataFormat");
    cx_emit_int(&out, 1);
    cx_emit_block_end(&out, store);
#undef FIELD
    int64_t end = out.base + out.at;
    if ((end & 63) > 60)
        cx_emit_padding(&out, 64 - (end & 63));
    return out.at;
}

/* Zeros a range, storing only where it is not zero already, so that holes of sparse files stay holes. */
static void clear_range(uint8_t *from, int64_t length)
{
    for (int64_t i = 0; i < length; i++) {
        if ((i & 7) == 0 && length - i >= 8) {
            uint64_t eight;
            memcpy(&eight, from + i, 8);
            if (eight == 0) {
                i += 7;
                continue;
            }
        }
        if (from[i] != 0)
            from[i] = 0;
    }
}

/* After slot i of the page parsed last was stored: used = max(used, i + 1). */
static int32_t mark_used(cx_store *store, int64_t i)
{
    uint8_t *used;
    int32_t code = cx_reach(&store->file, CX_INDEX, store->page_slots - 8, 8, &used);
    if (code <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, store->page_slots, 0, "the file shrank under an index page");
    cx_max_i64(used, i + 1);
    return 0;
}

static int64_t page_bytes(const cx_store *store)
{
    return 64 + 8 * (int64_t)store->index_count;   /* header, name, padding, capacity, used, slots, the zero word behind */
}

/* Index page at `offset`, where a free header is and space has been allocated for its two ends; not yet linked. */
static int32_t put_index_page(cx_store *store, int64_t offset, const char *name, int64_t *end)
{
    uint8_t bytes[64];
    cx_emitter out = {.bytes = bytes, .base = offset + 4, .capacity = sizeof bytes};
    cx_emit_event(&out, name);
    cx_emit_align(&out, 7, 8);
    cx_emit_byte(&out, 0x8D);
    cx_emit_i64(&out, store->index_count);
    cx_emit_i64(&out, 0);
    int64_t slots = out.at;
    int64_t length = slots + 8 * (int64_t)store->index_count;
    uint8_t *place;
    int32_t code = cx_reach(&store->file, CX_DATA, offset, 4 + length + 8, &place);
    if (code <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, offset, length, "the file shrank under an index page");
    clear_range(place + 4 + slots, 8 * (int64_t)store->index_count + 8);
    memcpy(place + 4, bytes, (size_t)slots);
    CX_POINT("index_page_reserved");
    if (!cx_publish_header(place, 0, CX_META | (uint32_t)length))
        return cx_fail(CX_E_CORRUPT, store->file.path, offset, 0, "another process writes this file without the write lock");
    CX_POINT("index_page_published");
    *end = offset + 4 + length;
    if (store->padded)
        *end = cx_align4(*end);
    return 0;
}

/* Length the file must have once something is stored at offset: Java maps, and so extends, whole chunks (spec 1.2). */
static int32_t grow_for(cx5_appender *appender, int64_t offset, int64_t length)
{
    cx_file *file = &appender->store.file;
    const cx_settings *settings = &appender->queue->base.settings;
    int64_t chunk_end = (offset / settings->block_bytes + 1) * settings->block_bytes;
    int64_t size = chunk_end + settings->overlap_bytes;
    int32_t code = cx_file_grow(file, offset + length > size ? offset + length : size);
    if (code == 0)
        appender->chunk_end = chunk_end;
    return code;
}

/* Blocks for a document of `length` bytes at offset, and its address. */
static int32_t prepare(cx5_appender *appender, int64_t offset, int64_t length, uint8_t **place)
{
    cx_file *file = &appender->store.file;
    int32_t code;
    if ((offset >= appender->chunk_end || offset + length > file->size) && (code = grow_for(appender, offset, length)) < 0)
        return code;
    code = cx_reach(file, CX_DATA, offset, length, place);
    if (code <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, file->path, offset, length, "the file shrank while it was appended to");
    return cx_allocate(file, offset, length, true);
}

/* Blocks under the parts of a page that put_index_page and its first slot store into. */
static int32_t prepare_page(cx5_appender *appender, int64_t offset, int64_t length)
{
    cx_store *store = &appender->store;
    int32_t code = grow_for(appender, offset, length);
    if (code == 0)
        code = cx_allocate_word(&store->file, offset, 64);
    if (code == 0)
        code = cx_allocate_word(&store->file, offset + length - 64, 64);
    return code;
}

/* Tells Java's tailers of a file (spec 7.2): without it they may stall at the roll for a minute. */
static void count_listing(cx5_queue *queue, int64_t cycle)
{
    cx_min_i64(queue->lowest, cycle);
    CX_POINT("listing_low");
    cx_max_i64(queue->highest, cycle);
    CX_POINT("listing_high");
    cx_add_i64(queue->mod_count, 1);
    CX_POINT("listing_counted");
    cx5_listing_stale(queue);
}

/* Writes header and first index pages into an empty file; the header becomes ready last (conformance 24). */
static int32_t initialise(cx5_appender *appender)
{
    cx_store *store = &appender->store;
    const cx_settings *settings = &appender->queue->base.settings;
    int32_t code = cx_file_grow(&store->file, settings->block_bytes + settings->overlap_bytes);
    if (code < 0)
        return code;
    CX_POINT("file_grown");
    uint8_t bytes[512];
    int64_t length = emit_store_header(bytes, sizeof bytes, settings, store);
    store->index_count = settings->index_count;
    store->padded = true;
    store->header_end = 4 + length;
    int64_t root = cx_align4(4 + length), leaf, end;
    int64_t span = page_bytes(store);
    /* room for header, and for the ends of both pages (the second begins where the first ends), before the claim. */
    if ((code = cx_file_grow(&store->file, root + 2 * span)) < 0
        || (code = cx_allocate(&store->file, 0, root + 64, false)) < 0
        || (code = cx_allocate_word(&store->file, root + span - 64, 256)) < 0
        || (code = cx_reach(&store->file, CX_HEAD, 0, 4 + length, &store->head)) < 0)
        return code;
    if (!cx_cas_u32(store->head, 0, CX_NOT_COMPLETE))
        return cx_fail(CX_E_NOT_READY, store->file.path, 0, 0, "another process is creating the file");
    CX_POINT("file_claimed");
    memcpy(store->head + 4, bytes, (size_t)length);
    CX_POINT("file_header_stored");
    uint8_t *slot;
    if ((code = put_index_page(store, root, "index2index", &leaf)) < 0
        || (code = put_index_page(store, leaf, "index", &end)) < 0
        || (code = cx_store_slot(store, root, 0, &slot)) < 0)
        return code;
    if (code == 0)
        return cx_fail(CX_E_CORRUPT, store->file.path, root, 0, "the new index page cannot be read back");
    cx_store_i64(store->head + store->index2index_at, root);
    cx_store_i64(slot, leaf);
    if ((code = mark_used(store, 0)) < 0)
        return code;
    CX_POINT("file_pages_stored");
    if (!cx_cas_u32(store->head, CX_NOT_COMPLETE, CX_META | (uint32_t)length))
        return cx_fail(CX_E_CORRUPT, store->file.path, 0, 0, "another process writes this file without the write lock");
    appender->directory_dirty = true;
    return cx_store_parse(store);
}

/* Renames a file whose creator died aside (spec 7.8). */
static int32_t discard(cx5_appender *appender, const char *path)
{
    char aside[CX_PATH_MAX + 32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(aside, sizeof aside, "%s-%lld.discard", path, (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    appender->may_discard = false;
    cx5_listing_stale(appender->queue);
    return rename(path, aside) == 0 ? 0 : cx_fail_os(path, -1, "cannot set a stuck roll file aside");
}

/* What follows once the store is open and its header ready. */
static int32_t finish_opening(cx5_appender *appender)
{
#if !defined(__x86_64__) && !defined(__i386__)
    if (!appender->store.padded) {
        cx_store_close(&appender->store);
        return cx_fail(CX_E_UNSUPPORTED, appender->store.file.path, -1, 0, "unpadded roll files are appended to on x86 only (spec 2.4)");
    }
#endif
    appender->seen_position = -1;
    appender->chunk_end = 0;
    appender->base.info.cycle = appender->store.cycle;
    appender->base.info.rolls++;
    return 0;
}

/* A new roll file is built under a name that everybody ignores and then renamed: a creator that dies leaves no half-made
 * file for whose header Java would wait. 1 with the store open; 0 if the name was taken meanwhile; or a code. A-1. */
static int32_t create_aside(cx5_appender *appender, int64_t cycle, const char *path)
{
    cx_store *store = &appender->store;
    char aside[CX_PATH_MAX + 16];
    snprintf(aside, sizeof aside, "%s.creating", path);
    unlink(aside);   /* the debris of a creator: we hold the lock now */
    memset(store, 0, sizeof *store);
    store->cycle = cycle;
    int32_t code = cx_file_open(&store->file, aside, true, true);
    if (code < 0)
        return code;
    CX_POINT("file_created");
    if ((code = initialise(appender)) == 0 && (code = cx_rename_new(aside, path)) == 1) {
        snprintf(store->file.path, sizeof store->file.path, "%s", path);
        CX_POINT("file_published");
        return 1;
    }
    cx_store_close(store);
    unlink(aside);
    return code;
}

/* Opens the roll file of a cycle for appending, creating it if asked to. Nothing is open before; A-1. */
static int32_t open_store(cx5_appender *appender, int64_t cycle, bool create)
{
    cx5_queue *queue = appender->queue;
    cx_store *store = &appender->store;
    char path[CX_PATH_MAX];
    int32_t code = cx5_path(queue, cycle, path);
    if (code < 0)
        return code;
    for (int tries = 0; tries < 2; tries++) {
        if (create && !cx_path_exists(path)) {
            /* A pre-created file has the name with .precreated in the place of .cq4. */
            char ready[CX_PATH_MAX + 16];
            snprintf(ready, sizeof ready, "%.*s.precreated", (int)(strlen(path) - 4), path);
            if (cx_path_exists(ready) && rename(ready, path) != 0)
                return cx_fail_os(ready, -1, "cannot rename a pre-created roll file");
        }
        if (create && !cx_path_exists(path) && (code = create_aside(appender, cycle, path)) != 0)
            return code < 0 ? code : finish_opening(appender);
        memset(store, 0, sizeof *store);
        store->cycle = cycle;
        code = cx_file_open(&store->file, path, true, create);
        if (code < 0)
            return code;
        code = cx_store_parse(store);
        if (code != CX_E_NOT_READY)
            break;
        uint8_t *word = NULL;
        int32_t there = cx_reach(&store->file, CX_HEAD, 0, 4, &word);
        if (there < 0) {
            code = there;
            break;
        }
        if (there == 0 || cx_load_u32(word) == 0) {   /* empty: its creator died before claiming it */
            code = initialise(appender);
            break;
        }
        if (!appender->may_discard || !create)
            break;
        cx_store_close(store);
        if ((code = discard(appender, path)) < 0)
            return code;
    }
    if (code < 0) {
        cx_store_close(store);
        return code;
    }
    return finish_opening(appender);
}

/* --- end of data ------------------------------------------------------------------------------------------------- */

/* Closes the open roll file with an end-of-data marker, if it has none. A-1. */
static int32_t write_eof(cx5_appender *appender)
{
    cx_store *store = &appender->store;
    cx_place end;
    bool eof;
    int32_t code = cx_store_end(store, &end, &eof);
    if (code < 0 || eof)
        return code;
    uint8_t *place;
    if ((code = prepare(appender, end.offset, 16, &place)) < 0)
        return code;
    /* Debris of a writer that died holding the lock stands here at most (0x8...): we hold it now. */
    uint32_t seen = cx_load_header(place);
    if (!cx_publish_header(place, seen, CX_EOF))
        return cx_fail(CX_E_CORRUPT, store->file.path, end.offset, 0, "another process writes this file without the write lock");
    CX_POINT("eof_published");
    memcpy(place + 4, "\xC3" "EOF", 4);
    CX_POINT("eof_named");
    return 0;
}

/* End-of-data into every existing cycle from `from` on and before `limit` (spec 7.7). Leaves no store open. A-1. */
static int32_t close_cycles(cx5_appender *appender, int64_t from, int64_t limit, void *done_to)
{
    cx5_queue *queue = appender->queue;
    int64_t cycle;
    int32_t code;
    cx5_listing_stale(queue);
    for (int64_t at = from - 1; (code = cx5_neighbour(queue, at, 1, &cycle)) > 0 && cycle < limit; at = cycle) {
        code = open_store(appender, cycle, false);
        if (code == CX_E_NOT_FOUND)
            continue;   /* deleted meanwhile */
        if (code == CX_E_NOT_READY && appender->may_discard)
            code = open_store(appender, cycle, true);
        if (code == 0)
            code = write_eof(appender);
        close_store(appender);
        if (code == CX_E_CORRUPT) {   /* a reader stops in it anyway: it must not stop the writers of today as well */
            done_to = NULL;
            continue;
        }
        if (code < 0)
            return code;
        if (done_to != NULL)
            cx_max_i64(done_to, cycle);
        CX_POINT("normalised");
    }
    return code < 0 ? code : 0;
}

static int32_t normalise(cx5_appender *appender, int64_t limit)
{
    cx5_queue *queue = appender->queue;
    int64_t first;
    int32_t code = cx5_first(queue, &first);
    if (code <= 0)
        return code;
    void *done_to;
    int64_t unsaved = first;
    code = cx_table_acquire(&queue->table, EOFS_KEY, first, &done_to);
    if (code == CX_E_NO_SPACE)
        done_to = &unsaved;   /* a full table store only means that the walk begins at the first cycle each time */
    else if (code < 0)
        return code;
    int64_t from = (int32_t)cx_load_i64(done_to);
    return close_cycles(appender, from > first ? from : first, limit, done_to);
}

/* --- entering ---------------------------------------------------------------------------------------------------- */

/* Cycle that the clock names. */
static int32_t clock_cycle(cx5_appender *appender, int64_t now_ms, int64_t *cycle)
{
    if (now_ms < appender->cycle_from_ms || now_ms >= appender->cycle_to_ms) {
        const cx_roll *roll = &appender->queue->roll;
        if (now_ms < roll->epoch_ms)
            return cx_fail(CX_E_USAGE, appender->queue->base.path, -1, now_ms, "the clock reads %lld ms, before the queue's epoch", (long long)now_ms);
        int64_t number = now_ms > 1LL << 53 ? INT64_MAX : cx_roll_cycle_at(roll, now_ms);   /* no overflow */
        if (number > INT32_MAX)
            return cx_fail(CX_E_USAGE, appender->queue->base.path, -1, now_ms, "the clock reads %lld ms, beyond the last cycle", (long long)now_ms);
        appender->clock_cycle = number;
        appender->cycle_from_ms = number * roll->length_ms + roll->epoch_ms;
        appender->cycle_to_ms = appender->cycle_from_ms + roll->length_ms;
    }
    *cycle = appender->clock_cycle;
    return 0;
}

/* Moves to the roll file of `cycle`, closing what is left behind (spec 7.6, conformance 43). A-1. */
static int32_t roll_to(cx5_appender *appender, int64_t cycle, int64_t highest, bool existing)
{
    int32_t code;
    if (appender->store.head == NULL) {
        code = normalise(appender, cycle);
    } else {
        int64_t left = appender->store.cycle;
        code = left < cycle ? write_eof(appender) : 0;
        close_store(appender);
        /* Cycles that others wrote in between, without us: they end too. */
        if (code == 0 && highest > left && highest < cycle)
            code = close_cycles(appender, left + 1, cycle, NULL);
    }
    if (code < 0)
        return code;
    CX_POINT("rolled_out");
    code = open_store(appender, cycle, !existing);
    /* At every roll, as Java: the file's creator may have died before it told. */
    if (code == 0)
        count_listing(appender->queue, cycle);
    return code;
}

/* A writer goes on only behind a message that is there: after a truncation, or with a damaged writePosition, new messages would
 * lie where no reader gets to. */
static int32_t check_position(cx_store *store, int64_t written)
{
    uint32_t header = 0;
    uint8_t *document;
    int32_t code = 0;
    if (written >= store->header_end && (!store->padded || (written & 3) == 0))
        code = cx_store_header(store, CX_DATA, written, &header, &document);
    if (code < 0 || written == 0 || cx_is_data(header))
        return code < 0 ? code : 0;
    return cx_fail(CX_E_CORRUPT, store->file.path, store->position_at, written, "writePosition is %lld, where no message is",
                   (long long)written);
}

/* append_at, before it opens or creates anything: a cycle that does not exist begins with sequence 0. */
static int32_t check_wanted(cx5_appender *appender, int64_t cycle)
{
    char path[CX_PATH_MAX];
    int32_t code = cx5_path(appender->queue, cycle, path);
    if (code < 0 || appender->wanted_sequence == 0 || cx_path_exists(path))
        return code;
    return cx_fail(CX_E_INDEX, path, -1, cx_index_of(&appender->queue->base, cycle, 0), "cycle %lld does not exist yet: its first index is %lld",
                   (long long)cycle, (long long)cx_index_of(&appender->queue->base, cycle, 0));
}

/* Which cycle to append to: 1 with *cycle, and *existing where its file must be there; 0 after the listing was corrected,
 * look again; or a code. */
static int32_t choose_cycle(cx5_appender *appender, int64_t now_ms, int64_t highest, int64_t *cycle, bool *existing)
{
    cx5_queue *queue = appender->queue;
    int64_t open = appender->store.head != NULL ? appender->store.cycle : -1;
    int32_t code = clock_cycle(appender, now_ms, cycle);
    if (code < 0)
        return code;
    if (highest > *cycle) {
        if (open != highest) {
            /* Before anything is closed for its sake: a listing that names a file which is gone is corrected. */
            char path[CX_PATH_MAX];
            if (cx5_path(queue, highest, path) < 0 || !cx_path_exists(path))
                return cx5_refresh(&queue->base);
        }
        *cycle = highest;
        *existing = true;
    }
    if (open > *cycle)
        *cycle = open;
    return 1;
}

/* Finds where the next message goes in the open file; *eof: nowhere, the file is closed. A-1. */
static int32_t find_end(cx5_appender *appender, bool *eof)
{
    cx_store *store = &appender->store;
    int64_t written = cx_load_i64(store->head + store->position_at);
    cx_place place = {appender->next_offset, appender->next_sequence};
    uint8_t *word;
    int32_t code;
    if (written == appender->seen_position) {
        code = cx_reach(&store->file, CX_DATA, place.offset, 4, &word);
        if (code == 1 && cx_load_header(word) == 0)
            return 0;
        if (code >= 0)
            code = cx_store_walk_to_end(store, &place, eof);
    } else {
        code = cx_store_end(store, &place, eof);
    }
    if (code < 0 || (code = check_position(store, written)) < 0)
        return code;
    if (written > place.offset)
        return cx_fail(CX_E_CORRUPT, store->file.path, store->position_at, written,
                       "writePosition is %lld, but the data end at %lld", (long long)written, (long long)place.offset);
    appender->next_offset = place.offset;
    appender->next_sequence = place.sequence;
    appender->seen_position = written;
    if (*eof)
        return 0;
    code = cx_reach(&store->file, CX_DATA, place.offset, 4, &word);
    /* A header of an older writer that died (0x8...): we hold the lock, so it is debris (spec 7.5). */
    if (code == 1 && cx_load_header(word) != 0) {
        if ((code = cx_allocate_word(&store->file, place.offset, 4)) < 0)
            return code;
        cx_publish_header(word, cx_load_header(word), 0);
    }
    return code < 0 ? code : 0;
}

/* The lock is held: finds the place of the next message in the right cycle's file. */
static int32_t position(cx5_appender *appender, int64_t now_ms, int64_t wanted_cycle)
{
    cx5_queue *queue = appender->queue;
    for (int tries = 0; tries < 8; tries++) {
        int64_t cycle = wanted_cycle, highest = (int32_t)cx_load_i64(queue->highest);
        bool existing = false, eof = false;
        int32_t code = wanted_cycle < 0 ? choose_cycle(appender, now_ms, highest, &cycle, &existing) : 1;
        if (code <= 0) {
            if (code < 0)
                return code;
            continue;
        }
        if (appender->store.head == NULL || appender->store.cycle != cycle) {
            if (wanted_cycle >= 0 && (code = check_wanted(appender, cycle)) < 0)
                return code;
            code = roll_to(appender, cycle, highest, existing);
            if (code == CX_E_NOT_FOUND && existing) {
                /* The listing names a file that is gone: correct it and choose again. */
                if ((code = cx5_refresh(&queue->base)) < 0)
                    return code;
                continue;
            }
            if (code < 0)
                return code;
        }
        if ((code = find_end(appender, &eof)) < 0 || !eof)
            return code;
        /* Somebody with a faster clock closed this cycle: the highest cycle tells where they went. */
        cx_store *store = &appender->store;
        if (wanted_cycle >= 0 || (int32_t)cx_load_i64(queue->highest) <= store->cycle)
            return cx_fail(CX_E_EOF, store->file.path, appender->next_offset, store->cycle,
                           "cycle %lld is closed by an end-of-data marker", (long long)store->cycle);
    }
    return cx_fail(CX_E_EOF, queue->base.path, -1, 0, "the cycles found are all closed by end-of-data markers");
}

/* Once a millisecond: a file that somebody truncated is an error, not a signal. */
static int32_t glance(cx5_appender *appender, int64_t now_ms)
{
    cx_store *store = &appender->store;
    appender->glanced_ms = now_ms;
    int32_t code = cx_file_lost(&appender->queue->table.file);
    if (code == 0)
        code = cx_file_lost(&store->file);
    if (code == 0)
        code = cx_file_glance(&store->file);
    if (code == 0 && store->file.size < store->header_end)
        code = cx_fail(CX_E_CORRUPT, store->file.path, store->file.size, 0, "the roll file was truncated");
    return code == 0 ? check_position(store, cx_load_i64(store->head + store->position_at)) : code;
}

/* Takes the write lock and finds the place to write. On an error the lock is free again. */
static int32_t enter(cx5_appender *appender, int64_t wanted_cycle, bool meta)
{
    cx5_queue *queue = appender->queue;
    int64_t recovered = appender->base.info.recovered;
    int32_t code = cx5_lock_word(queue, queue->write_lock, &appender->base.info.recovered);
    if (code < 0)
        return code;
    CX_POINT("lock_taken");
    if (appender->base.info.recovered != recovered)
        appender->may_discard = true;   /* a stuck roll file can only be what the dead holder was creating */
    /* Under the lock, so that the order of times is the order of indexes, and no cycle is chosen before another's roll. */
    int64_t now_ms = cx_clock_ms(&appender->base.child, appender->cycle_from_ms, appender->cycle_to_ms);
    int64_t holder = cx_load_i64(queue->append_lock);
    if (__builtin_expect(holder != CX_UNLOCKED, 0) && !((meta || wanted_cycle >= 0) && holder == queue->base.pid)) {
        code = cx_fail(CX_E_APPEND_LOCKED, queue->table.file.path, (int64_t)((uint8_t *)queue->append_lock - queue->table.base),
                       holder & 0x7FFFFFFF, "appends are forbidden: chronicle.append.lock is held by process %lld",
                       (long long)(holder & 0x7FFFFFFF));
    } else {
        if (now_ms != appender->glanced_ms && appender->store.head != NULL)
            code = glance(appender, now_ms);
        if (code == 0)
            code = position(appender, now_ms, wanted_cycle);
    }
    if (code < 0) {
        if (code == CX_E_CORRUPT || code == CX_E_OS)
            close_store(appender);
        if (!cx5_unlock_word(queue, queue->write_lock))
            appender->base.info.lock_lost++;
    }
    return code;
}

static void leave(cx5_appender *appender)
{
    CX_POINT("before_unlock");
    if (__builtin_expect(!cx5_unlock_word(appender->queue, appender->queue->write_lock), 0))
        appender->base.info.lock_lost++;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* writePosition and sequence word of the message at offset. */
static void store_position(cx_store *store, int64_t offset, int64_t sequence)
{
    uint8_t *position = store->head + store->position_at;
    if (cx_load_i64(position) < offset)   /* only the lock's holder moves it: the maximum needs no CAS */
        cx_store_i64(position, offset);
    CX_POINT("position_stored");
    if (store->has_sequence)
        cx_store_u64(store->head + store->sequence_at, cx_store_word(store, offset, sequence));   /* pairs with last_known */
    CX_POINT("sequence_stored");
}

/* Offset of the index page that `sequence` belongs to, 0 if there is none yet. */
static int32_t index_page_of(cx_store *store, int64_t sequence, int64_t *page, uint8_t **slot)
{
    int64_t root = cx_load_i64(store->head + store->index2index_at);
    *page = 0;
    *slot = NULL;
    if (root == 0)
        return 0;
    int32_t code = cx_store_slot(store, root, sequence >> (store->count_bits + store->spacing_bits), slot);
    if (code == 0)
        return cx_fail(CX_E_CORRUPT, store->file.path, root, 0, "index2Index points at no index page");
    if (code > 0)
        *page = cx_load_i64(*slot);
    return code < 0 ? code : 0;
}

/* Spec 5.3, after the message was published. */
static int32_t index_message(cx5_appender *appender, int64_t sequence, int64_t offset)
{
    cx_store *store = &appender->store;
    uint8_t *last_index = store->head + store->last_index_at;
    if (cx_load_i64(last_index) > sequence)
        return 0;
    int64_t page;
    uint8_t *root_slot, *slot;
    int32_t code = index_page_of(store, sequence, &page, &root_slot);
    if (code < 0 || root_slot == NULL)
        return code;
    if (page == 0) {
        int64_t root_index = sequence >> (store->count_bits + store->spacing_bits);
        page = appender->next_offset;
        if ((code = put_index_page(store, page, "index", &appender->next_offset)) < 0)
            return code;
        int64_t root = cx_load_i64(store->head + store->index2index_at);
        if ((code = cx_store_slot(store, root, root_index, &root_slot)) <= 0)
            return code;
        cx_store_i64(root_slot, page);
        CX_POINT("index_page_linked");
        if ((code = mark_used(store, root_index)) < 0)
            return code;
    }
    int64_t j = (sequence >> store->spacing_bits) & (store->index_count - 1);
    code = cx_store_slot(store, page, j, &slot);
    if (code <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, page, 0, "index2index points at no index page");
    bool fresh = cx_load_i64(slot) == 0;
    cx_store_i64(slot, offset);
    CX_POINT("index_slot_stored");
    if (fresh) {
        if ((code = mark_used(store, j)) < 0)
            return code;
        CX_POINT("index_used_stored");
        cx_max_i64(last_index, sequence + store->index_spacing);
        CX_POINT("last_index_stored");
    }
    return 0;
}

/* A-4 for the index: blocks under the slot (or the new page) that the message of `sequence` at `offset` will need, whose
 * document ends before `end`. */
static int32_t prepare_index(cx5_appender *appender, int64_t sequence, int64_t end)
{
    cx_store *store = &appender->store;
    int64_t page;
    uint8_t *slot;
    int32_t code = index_page_of(store, sequence, &page, &slot);
    if (code < 0 || slot == NULL)
        return code;
    int64_t root_slot_at = store->page_slots + 8 * (sequence >> (store->count_bits + store->spacing_bits));
    if (page == 0) {
        if ((code = cx_allocate_word(&store->file, root_slot_at, 8)) < 0)
            return code;
        return prepare_page(appender, store->padded ? cx_align4(end) : end, page_bytes(store));
    }
    int64_t j = (sequence >> store->spacing_bits) & (store->index_count - 1);
    code = cx_store_slot(store, page, j, &slot);
    if (code <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, page, 0, "index2index points at no index page");
    if ((code = cx_allocate_word(&store->file, store->page_slots - 8, 8)) < 0)
        return code;
    return cx_allocate_word(&store->file, store->page_slots + 8 * j, 8);
}

/* Writes one document at the place that position() found. `settle`: move writePosition on to it. A-1. */
static int32_t put(cx5_appender *appender, const void *data, size_t length, bool meta, bool settle)
{
    cx_store *store = &appender->store;
    int64_t offset = appender->next_offset, sequence = appender->next_sequence;
    int64_t stored = length == 0 ? 1 : (int64_t)length;
    int32_t code;
    bool indexed = !meta && (sequence & (store->index_spacing - 1)) == 0;
    if (__builtin_expect(!meta && (sequence >= cx_store_capacity(store) || sequence >> appender->queue->base.settings.shift != 0), 0))
        return cx_fail(CX_E_CYCLE_FULL, store->file.path, offset, sequence, "cycle %lld already holds %lld messages, all that its index can",
                       (long long)store->cycle, (long long)sequence);
    uint8_t *place;
    if (indexed && (code = prepare_index(appender, sequence, offset + 4 + stored)) < 0)
        return code;
    if ((code = prepare(appender, offset, 4 + stored + 8, &place)) < 0)
        return code;
    const cx_window *window = store->file.window[CX_DATA];
    if (length == 0)
        place[4] = 0x8F;   /* an empty message cannot be represented: one byte of padding, as Java (spec 2) */
    else
        memcpy(place + 4, data, length);
    memset(place + 4 + stored, 0, 8);
    CX_POINT("payload_stored");
    if (!cx_publish_header(place, 0, (meta ? CX_META : 0) | (uint32_t)stored))
        return cx_fail(CX_E_CORRUPT, store->file.path, offset, 0, "another process writes this file without the write lock");
    CX_POINT(meta ? "meta_published" : "header_published");
    if (__builtin_expect(cx_load_i32(&window->lost), 0))   /* the header went nowhere: nothing was appended */
        return cx_file_lost(&store->file);
    appender->dirty = true;
    appender->next_offset = offset + 4 + stored;
    if (store->padded)
        appender->next_offset = cx_align4(appender->next_offset);
    if (meta)
        return 0;
    appender->next_sequence = sequence + 1;
    appender->base.info.last_index = cx_index_of(&appender->queue->base, store->cycle, sequence);
    if (settle || indexed) {
        store_position(store, offset, sequence);
        appender->seen_position = offset;
    }
    /* The message is out: what fails from here on costs a lookup's speed, not a message (C5-4). */
    if (indexed)
        (void)index_message(appender, sequence, offset);
    return 0;
}

static int64_t append(cx_appender *base, const void *data, size_t length)
{
    cx5_appender *appender = (cx5_appender *)base;
    int32_t code = enter(appender, -1, false);
    if (code < 0)
        return code;
    code = put(appender, data, length, false, true);
    leave(appender);
    return code < 0 ? code : appender->base.info.last_index;
}

/* As many of the messages as lie between two index entries and in space that is ready: put() without its questions. Returns how
 * many, possibly 0.. */
static int64_t put_run(cx5_appender *appender, const uint8_t *data, const uint32_t *lengths, int64_t count)
{
    cx_store *store = &appender->store;
    const cx_window *window = store->file.window[CX_DATA];
    int64_t offset = appender->next_offset, sequence = appender->next_sequence;
    int64_t run = -sequence & (store->index_spacing - 1);   /* messages before the next that needs an entry */
    int64_t until = appender->chunk_end;
    if (window == NULL || !store->padded || offset < window->offset || offset < store->file.allocated_from)
        return 0;
    if (until > store->file.allocated_to)
        until = store->file.allocated_to;
    if (until > store->file.size)
        until = store->file.size;
    if (until > window->offset + window->length)
        until = window->offset + window->length;
    if (run > count)
        run = count;
    uint8_t *place = window->base + (offset - window->offset);
    int64_t room = until - offset - 12, done = 0;   /* 12: its header and the zeros behind it */
    while (done < run && lengths[done] != 0 && lengths[done] <= room) {
        uint32_t length = lengths[done];
        int64_t step = cx_align4(4 + (int64_t)length);
        memcpy(place + 4, data, length);
        memset(place + 4 + length, 0, 8);
        CX_POINT("payload_stored");
        if (!cx_publish_header(place, 0, length))
            break;   /* put() meets it again, and says so */
        CX_POINT("header_published");
        data += length;
        place += step;
        room -= step;
        done++;
        CX_POINT("batch_middle");
    }
    if (done == 0 || cx_load_i32(&window->lost))   /* lost: the headers went nowhere, which put() will say */
        return 0;
    appender->dirty = true;
    appender->next_offset = until - 12 - room;
    appender->next_sequence = sequence + done;
    appender->base.info.last_index = cx_index_of(&appender->queue->base, store->cycle, sequence + done - 1);
    return done;
}

static int64_t append_many(cx_appender *base, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index)
{
    cx5_appender *appender = (cx5_appender *)base;
    int32_t code = enter(appender, -1, false);
    if (code < 0)
        return code;
    const uint8_t *bytes = data;
    int64_t done = 0, last_offset = 0;
    while (done < count && code == 0) {
        if (lengths[done] > CX_MESSAGE_MAX) {
            code = cx_too_long(base->child.queue, lengths[done]);
            break;
        }
        int64_t offset = appender->next_offset;
        if ((code = put(appender, bytes, lengths[done], false, false)) < 0)
            break;
        if (done == 0)
            *first_index = appender->base.info.last_index;
        last_offset = offset;
        bytes += lengths[done++];
        CX_POINT("batch_middle");
        int64_t more = put_run(appender, bytes, lengths + done, count - done);
        for (int64_t end = done + more; done < end; done++)
            bytes += lengths[done];
        if (more > 0)
            last_offset = appender->next_offset - cx_align4(4 + (int64_t)lengths[done - 1]);
    }
    /* Readers see messages as they are published; writePosition follows once, since a walk from it counts the rest. */
    if (done > 0 && appender->seen_position < last_offset) {
        store_position(&appender->store, last_offset, appender->next_sequence - 1);
        appender->seen_position = last_offset;
    }
    leave(appender);
    return done > 0 ? done : code;
}

static int32_t append_meta(cx_appender *base, const void *data, size_t length)
{
    cx5_appender *appender = (cx5_appender *)base;
    int32_t code = enter(appender, -1, true);
    if (code < 0)
        return code;
    code = put(appender, data, length, true, false);
    leave(appender);
    return code;
}

/* Java pads inside a document by its position in the file (spec 9.8): only under the lock is it known which form that asks for. */
static int64_t append_placed(cx_appender *base, const void *data, const uint32_t *lengths, int32_t count, bool meta)
{
    cx5_appender *appender = (cx5_appender *)base;
    int32_t code = enter(appender, -1, meta);
    if (code < 0)
        return code;
    const uint8_t *form = data;
    int64_t chosen = (appender->next_offset + 4) & (count - 1);
    for (int64_t i = 0; i < chosen; i++)
        form += lengths[i];
    code = put(appender, form, lengths[chosen], meta, !meta);
    leave(appender);
    return code < 0 ? code : meta ? 0 : appender->base.info.last_index;
}

static int32_t append_at(cx_appender *base, int64_t index, const void *data, size_t length)
{
    cx5_appender *appender = (cx5_appender *)base;
    cx_queue *queue = base->child.queue;
    int64_t cycle = cx_cycle_of(queue, index), sequence = cx_sequence_of(queue, index);
    if (index < 0 || cycle > INT32_MAX)
        return cx_fail(CX_E_USAGE, queue->path, -1, index, "index %lld is out of range", (long long)index);
    appender->wanted_sequence = sequence;
    int32_t code = enter(appender, cycle, false);
    if (code < 0)   /* a closed cycle still answers for what it holds */
        return code == CX_E_EOF && appender->store.head != NULL && appender->store.cycle == cycle && sequence < appender->next_sequence
                   ? 0 : code;
    int64_t next = appender->next_sequence;
    if (sequence > next)
        code = cx_fail(CX_E_INDEX, appender->store.file.path, appender->next_offset, cx_index_of(queue, cycle, next),
                       "cannot write index %lld: the next one is %lld", (long long)index, (long long)cx_index_of(queue, cycle, next));
    else if (sequence == next && (code = put(appender, data, length, false, true)) == 0)
        code = 1;
    leave(appender);
    return code;
}

static int32_t normalise_eofs(cx_appender *base)
{
    cx5_appender *appender = (cx5_appender *)base;
    cx5_queue *queue = appender->queue;
    int32_t code = cx5_lock_word(queue, queue->write_lock, &appender->base.info.recovered);
    if (code < 0)
        return code;
    int64_t limit = 0;
    code = cx_file_lost(&queue->table.file);
    if (code == 0)
        code = clock_cycle(appender, cx_clock_ms(&base->child, appender->cycle_from_ms, appender->cycle_to_ms), &limit);
    if (code == 0) {
        if (appender->store.head != NULL && appender->store.cycle < limit)
            limit = appender->store.cycle;
        close_store(appender);
        code = normalise(appender, limit);
    }
    leave(appender);
    return code;
}

static int32_t sync_queue(cx_appender *base)
{
    cx5_appender *appender = (cx5_appender *)base;
    cx5_queue *queue = appender->queue;
    int32_t code = 0;
    if (appender->flush_failed) {
        appender->flush_failed = false;
        code = cx_fail(CX_E_OS, queue->base.path, -1, 0, "a roll file that was left behind could not be flushed to disk");
    }
    while (code == 0 && appender->unsynced_count > 0) {
        int fd = appender->unsynced[appender->unsynced_count - 1];
        if (fdatasync(fd) != 0)
            return cx_fail_os(queue->base.path, -1, "cannot flush a roll file to disk");
        close(fd);
        appender->unsynced_count--;
    }
    if (code == 0 && appender->dirty && appender->store.head != NULL)
        code = cx_file_sync(&appender->store.file);
    if (code == 0 && appender->directory_dirty && (code = cx_directory_sync(queue->table.file.path)) == 0)
        appender->directory_dirty = false;
    if (code < 0)
        return code;
    appender->dirty = false;
    if (appender->base.info.last_index >= 0 && queue->last_synced != NULL)
        cx_max_i64(queue->last_synced, appender->base.info.last_index);
    return 0;
}

static int64_t pretouch(cx_appender *base)
{
    cx5_appender *appender = (cx5_appender *)base;
    int32_t code = enter(appender, -1, false);
    if (code < 0)
        return code;
    cx_file *file = &appender->store.file;
    int64_t before = file->allocated_to;
    uint8_t *place;
    code = prepare(appender, appender->next_offset, 512 << 10, &place);
    int64_t after = file->allocated_to;
    if (before < appender->next_offset)
        before = appender->next_offset;
    leave(appender);
    return code < 0 ? code : after > before ? after - before : 0;
}

const cx_appending cx5_appending = {
    .bytes = sizeof(cx5_appender),
    .open = open_appender,
    .close = close_appender,
    .append = append,
    .append_many = append_many,
    .append_meta = append_meta,
    .append_placed = append_placed,
    .append_at = append_at,
    .sync = sync_queue,
    .pretouch = pretouch,
    .normalise_eofs = normalise_eofs,
    .allow_discard = allow_discard,
};
