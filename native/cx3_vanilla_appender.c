/* cx3_vanilla_appender.c -- the only code that stores into a Vanilla journal (spec 2.9); V-1 to V-3 of cx3_vanilla.h are kept here.
 *
 * An appender has a data file of its own, and the index file that it shares with everybody. Any step may be its last: until the slot
 * is set nothing happened, and after it nothing is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cx3_vanilla.h"
#include "cx_atomic.h"
#include "cx_fault.h"

/* Another appender of the same thread takes a number between our look and our creating: as often as that, and something is wrong. */
#define CREATE_TRIES 1000
/* Messages whose payloads are stored before their slots are taken in one go: others' come between runs rather than within. */
#define RUN_MAX 256
/* Files left with unflushed messages that sync() still has to flush; of more, it flushes the file system. */
#define UNSYNCED_MAX 48
/* Index files of a journal are at least so long; shorter ones are being made, or were cut. */
#define BLOCK_LEAST 1024
#define PRETOUCH_DATA (512LL << 10)
#define PRETOUCH_INDEX (64LL << 10)

typedef struct {
    cx_appender base;
    cx3_queue *queue;
    cx_file data;               /* fd -1: none open */
    cx_file index;              /* fd -1: none open */
    uint8_t *records;           /* the data file's first byte */
    uint8_t *slots;             /* the index file's */
    int32_t thread;             /* whose data file is open */
    int64_t number;             /* of the data file */
    int64_t write_at;           /* of the next length word in it */
    uint64_t entry;             /* what the slot of a record at position 0 would hold */
    int64_t file;               /* number of the index file */
    int64_t slot;               /* where the next entry is tried; all before it are used (V-3) */
    cx3_clock clock;
    bool rolled;                          /* no file of the cycle was opened yet */
    bool data_dirty, index_dirty;         /* messages in the open files since the last sync() */
    bool directories_dirty;               /* files were made in the cycle since then */
    bool unsynced_lost;                   /* there were too many to keep */
    bool flush_failed;                    /* of something already published: said by the next call */
    bool gone;                            /* the cycle's directory was seen to be deleted, and that was said */
    int32_t unsynced_count;
    int unsynced[UNSYNCED_MAX];           /* descriptors, in the order of flushing */
} cx3_appender;

/* --- handle ------------------------------------------------------------------------------------------------------ */

static int32_t open_appender(cx_appender *base)
{
    cx3_appender *appender = (cx3_appender *)base;
    appender->queue = (cx3_queue *)base->child.queue;
    appender->data.fd = appender->index.fd = -1;
    return 0;
}

static void keep_for_sync(cx3_appender *appender, int fd)
{
    if (fd >= 0 && appender->unsynced_count < UNSYNCED_MAX) {
        appender->unsynced[appender->unsynced_count++] = fd;
        return;
    }
    appender->unsynced_lost = true;
    if (fd >= 0)
        close(fd);
}

/* The cycle's directory and those above it, down to the journal's, whose entries are new. */
static void keep_directories(cx3_appender *appender)
{
    char path[CX_PATH_MAX];
    if (!appender->directories_dirty || cx3_directory(appender->queue, appender->base.info.cycle, path) < 0)
        return;
    appender->directories_dirty = false;
    for (size_t base = strlen(appender->queue->base.path); strlen(path) >= base; *strrchr(path, '/') = 0) {
        keep_for_sync(appender, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (strrchr(path, '/') == NULL)
            break;
    }
}

/* Flushes the files that were left, and the names of those that were made. What could not be flushed is kept. */
static int32_t flush_kept(cx3_appender *appender)
{
    if (appender->base.info.cycle >= 0)
        keep_directories(appender);   /* first, since there may be no room for them any more */
    if (appender->unsynced_lost && syncfs(appender->queue->listing.fd) != 0)
        return cx_fail_os(appender->queue->base.path, -1, "cannot flush the journal's file system to disk");
    appender->unsynced_lost = false;
    for (int32_t i = 0; i < appender->unsynced_count; i++) {
        /* Not fdatasync, which may leave out a directory's new names. EINVAL: directories of some file systems. */
        if (fsync(appender->unsynced[i]) != 0 && errno != EINVAL)
            return cx_fail_os(appender->queue->base.path, -1, "cannot flush a file to disk");
    }
    for (; appender->unsynced_count > 0; appender->unsynced_count--)
        close(appender->unsynced[appender->unsynced_count - 1]);
    return 0;
}

/* A data file that no entry names goes again: its first message did not fit the disk. */
static void close_data(cx3_appender *appender)
{
    if (appender->data.fd >= 0 && appender->write_at == 0 && !appender->data.deleted)
        unlink(appender->data.path);
    cx_file_close(&appender->data);
}

static void leave_data(cx3_appender *appender)
{
    if (appender->data.fd >= 0 && appender->data_dirty && !appender->data.deleted)
        keep_for_sync(appender, dup(appender->data.fd));
    appender->data_dirty = false;
    close_data(appender);
}

static void leave_index(cx3_appender *appender)
{
    if (appender->index.fd >= 0 && appender->index_dirty && !appender->index.deleted)
        keep_for_sync(appender, dup(appender->index.fd));
    appender->index_dirty = false;
    cx_file_close(&appender->index);
}

static void leave_cycle(cx3_appender *appender)
{
    leave_data(appender);
    leave_index(appender);
    keep_directories(appender);
    appender->base.info.cycle = -1;
    appender->gone = false;
}

/* Files of the cycle that is being appended to were deleted: what was stored into them is lost, and so would be what follows. Or
 * they still have names, but not where they should. The next append leaves them. */
static int32_t say_gone(cx3_appender *appender, const char *path)
{
    bool deleted = appender->index.deleted || appender->data.deleted;
    appender->gone = true;
    return cx_fail(CX_E_NOT_FOUND, path, -1, appender->base.info.cycle, "files of cycle %lld were %s while this appender had them "
                   "open: what it appended since %s, nothing was appended now, and the next append takes the cycle as it then is",
                   (long long)appender->base.info.cycle, deleted ? "deleted" : "moved away", deleted ? "is lost" : "went with them");
}

/* Whether the open files still have names. */
static int32_t check_names(cx3_appender *appender)
{
    cx_file *files[] = {&appender->data, &appender->index};
    for (int i = 0; i < 2; i++) {
        int32_t code = files[i]->fd < 0 ? 0 : cx_file_measure(files[i]);
        if (code == 0 && files[i]->fd >= 0 && files[i]->deleted)
            code = say_gone(appender, files[i]->path);
        if (code < 0)
            return code;
    }
    return 0;
}

/* The same, once in some milliseconds; without an index file nothing was appended. */
static inline int32_t glance_at_names(cx3_appender *appender)
{
    cx_file *index = &appender->index;
    int64_t before = index->checked_ms;
    int32_t code = index->fd < 0 ? 0 : cx_file_glance(index);
    return __builtin_expect(code < 0 || index->checked_ms == before, 1) ? code : check_names(appender);
}

static void close_appender(cx_appender *base)
{
    cx3_appender *appender = (cx3_appender *)base;
    if (*base->child.queue->alive == CX_ALIVE)
        close_data(appender);   /* nobody will ask for a flush any more */
    cx_file_close(&appender->data);
    cx_file_close(&appender->index);
    for (int32_t i = 0; i < appender->unsynced_count; i++)
        close(appender->unsynced[i]);
    appender->unsynced_count = 0;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

/* Full length at once, as Java's first mapping gives it, and mapped whole. */
static int32_t map_block(cx_file *file, int64_t bytes, uint8_t **base)
{
    file->whole_bytes = bytes;
    int32_t code = cx_file_grow(file, bytes);
    if (code == 0)
        code = cx_reach(file, CX_DATA, 0, bytes, base);
    return code < 0 ? code : code > 0 ? 0 : cx_fail(CX_E_CORRUPT, file->path, -1, 0, "the file shrank while it was being made");
}

/* A data file that nobody ever wrote to: `number`, or if that exists (-1 does) the one after the highest. V-1. */
static int32_t take_data_file(cx3_appender *appender, int64_t number)
{
    cx3_queue *queue = appender->queue;
    int64_t cycle = appender->base.info.cycle, most = 1LL << (queue->position_bits - queue->block_bits);
    char directory[CX_PATH_MAX], path[CX_PATH_MAX], prefix[32];
    int32_t code = check_names(appender);
    if (code < 0 || (code = cx3_directory(queue, cycle, directory)) < 0)
        return code;
    leave_data(appender);
    snprintf(prefix, sizeof prefix, "data-%d-", appender->thread);
    for (int tries = 0; code >= 0 && tries < CREATE_TRIES; tries++) {
        if (number < 0) {
            code = cx3_highest(directory, prefix, INT32_MAX, &number);
            if (code == CX_E_NOT_FOUND && appender->index.fd >= 0)
                return say_gone(appender, directory);
            if (code == CX_E_NOT_FOUND) {   /* the first append of the cycle */
                if ((code = cx_make_directories(directory, false)) == 0) {
                    cx_listing_stale(&queue->listing);
                    CX_POINT("v3_directory_made");
                }
                continue;
            }
            if (code < 0)
                return code;
            number++;
        }
        if (number >= most)
            return cx_fail(CX_E_CYCLE_FULL, directory, -1, number, "thread %d already has %lld data files in cycle %lld, all that an index "
                           "entry can tell apart", appender->thread, (long long)number, (long long)cycle);
        if ((code = cx3_data_path(queue, cycle, appender->thread, number, path)) < 0)
            return code;
        code = cx_file_create(&appender->data, path);
        if (code == 1)
            break;
        number = -1;   /* another appender of this thread was faster, or the directory is gone */
        if (code == CX_E_NOT_FOUND)
            code = 0;
    }
    if (code < 0)
        return code;
    if (appender->data.fd < 0)
        return cx_fail(CX_E_OS, directory, -1, CREATE_TRIES, "data files of thread %d come and go too fast to make another", appender->thread);
    CX_POINT("v3_data_created");
    if ((code = map_block(&appender->data, queue->base.settings.data_block_bytes, &appender->records)) < 0) {
        cx_file_close(&appender->data);
        unlink(path);
        return code;
    }
    CX_POINT("v3_data_grown");
    appender->number = number;
    appender->write_at = 0;
    appender->entry = ((uint64_t)appender->thread << queue->position_bits) + ((uint64_t)number << queue->block_bits);
    appender->directories_dirty = true;
    appender->base.info.rolls += appender->rolled;
    appender->rolled = false;
    return 0;
}

/* Gives an index file its length, unless it has that of another block size: whose slots would then be counted wrong. One that was
 * cut short is no power of two. */
static int32_t check_length(cx_file *file, int64_t bytes)
{
    if (__builtin_expect(file->size == bytes, 1))
        return 0;
    int32_t code = cx_file_lock(file, 0, 0);   /* two makers of different sizes: one is told */
    if (code < 0)
        return code;
    if ((code = cx_file_measure(file)) == 0) {
        int64_t size = file->size;
        if (size > bytes || (size < bytes && size >= BLOCK_LEAST && (size & (size - 1)) == 0))
            code = cx_fail(CX_E_USAGE, file->path, size, size, "the journal's index files have %lld bytes, not %lld: another process "
                           "began it meanwhile (opened anew, it is taken as it is), or this file was cut", (long long)size, (long long)bytes);
        else
            code = cx_file_extend(file, bytes);
    }
    cx_file_unlock(file, 0, 0);
    return code;
}

/* An index file of the appender's cycle, made if it is missing. */
static int32_t open_index(cx3_appender *appender, int64_t number)
{
    cx3_queue *queue = appender->queue;
    int64_t bytes = queue->base.settings.index_block_bytes;
    char path[CX_PATH_MAX];
    leave_index(appender);
    if (number >= queue->files)
        return cx_fail(CX_E_CYCLE_FULL, queue->base.path, -1, queue->entries, "cycle %lld already holds %lld messages, all that it can",
                       (long long)appender->base.info.cycle, (long long)queue->entries);
    int32_t code = cx3_index_path(queue, appender->base.info.cycle, number, path);
    if (code < 0 || (code = cx_file_open(&appender->index, path, true, true)) < 0)
        return code;
    appender->index.shared = true;
    bool fresh = appender->index.size < bytes;
    if (fresh)
        CX_POINT("v3_index_created");
    if ((code = check_length(&appender->index, bytes)) < 0 || (code = map_block(&appender->index, bytes, &appender->slots)) < 0) {
        cx_file_close(&appender->index);
        return code;
    }
    if (fresh)
        CX_POINT("v3_index_grown");
    appender->directories_dirty |= fresh;
    appender->file = number;
    appender->slot = 0;
    return 0;
}

/* The index file with the first free slot, which `slot` then is unless others are faster. Java begins at slot 0 of the highest. */
static int32_t find_free_slot(cx3_appender *appender)
{
    cx3_queue *queue = appender->queue;
    char directory[CX_PATH_MAX];
    int64_t number;
    int32_t code = cx3_directory(queue, appender->base.info.cycle, directory);
    if (code < 0 || (code = cx3_highest(directory, "index-", queue->files, &number)) < 0)
        return code;
    if (number < 0)
        number = 0;
    if ((code = open_index(appender, number)) < 0)
        return code;
    /* An empty file is followed only where the one before it is full: else its maker was, or a disk lost, something. */
    for (int64_t used; (used = cx3_used(queue, &appender->index)) != 0 || appender->file > 0;) {
        if (used < 0)
            return (int32_t)used;
        appender->slot = used;
        if (used > 0)
            return 0;
        if ((code = open_index(appender, appender->file - 1)) < 0)
            return code;
    }
    return 0;
}

/* --- appending --------------------------------------------------------------------------------------------------- */

static int32_t clock_cycle(cx3_appender *appender, int64_t *cycle)
{
    *cycle = cx3_clock_cycle(appender->queue, &appender->base.child, &appender->clock);
    if (__builtin_expect(*cycle >= 0 && *cycle <= INT32_MAX, 1))
        return 0;
    int64_t now_ms = cx_clock_ms(&appender->base.child, 0, 0);
    return cx_fail(CX_E_USAGE, appender->queue->base.path, -1, now_ms, "the clock reads %lld ms, in no cycle", (long long)now_ms);
}

static int32_t calling_thread(const cx3_appender *appender)
{
    int32_t given = appender->queue->base.settings.thread_id;
    return given != 0 ? given : cx_thread_id();
}

/* Makes the appender one of the calling thread and of a cycle (-1: the clock's). No file is made yet. */
static int32_t enter(cx3_appender *appender, int64_t cycle)
{
    int32_t thread = calling_thread(appender), code;
    if (__builtin_expect(appender->flush_failed, 0)) {
        appender->flush_failed = false;
        return cx_fail(CX_E_OS, appender->queue->base.path, -1, 0, "a message appended before could not be flushed to disk: it is "
                       "visible, but may not be durable; nothing was appended now");
    }
    if (cycle < 0 && (code = clock_cycle(appender, &cycle)) < 0)
        return code;
    if (cycle == appender->base.info.cycle && !appender->gone && (code = glance_at_names(appender)) < 0)
        return code;
    if (__builtin_expect(cycle != appender->base.info.cycle || appender->gone, 0)) {
        leave_cycle(appender);
        appender->base.info.cycle = cycle;
        appender->rolled = true;
    }
    if (__builtin_expect(thread != appender->thread, 0)) {
        if ((uint64_t)thread >> appender->queue->base.settings.thread_bits != 0)
            return cx_fail(CX_E_USAGE, appender->queue->base.path, -1, thread, "thread id %d has more than %d bits", thread,
                           appender->queue->base.settings.thread_bits);
        leave_data(appender);   /* V-1: the next append of that thread makes its own */
        appender->thread = thread;
    }
    return 0;
}

static int32_t too_long(const cx3_appender *appender, int64_t length)
{
    int64_t most = appender->queue->base.settings.data_block_bytes - 4;
    return cx_fail(CX_E_TOO_LONG, appender->queue->base.path, -1, length, "a message of %lld bytes; %lld is the longest in data files of %lld",
                   (long long)length, (long long)(most < CX_MESSAGE_MAX ? most : CX_MESSAGE_MAX), (long long)(most + 4));
}

/* Whether a message has its place in the open data file: Java asks for room for as much as the excerpt was begun with. Position and
 * number of a record that begins at the very end would read as the next file's. */
static inline bool has_room(const cx3_appender *appender, int64_t length)
{
    const cx_settings *settings = &appender->queue->base.settings;
    int64_t wanted = length > appender->queue->reserve ? length : appender->queue->reserve;
    int64_t room = settings->data_block_bytes - appender->write_at;
    return room >= wanted + 4 && room > 4;
}

/* A data file with room, and real blocks for the message (M-2). */
static int32_t make_room(cx3_appender *appender, int64_t length)
{
    int64_t block = appender->queue->base.settings.data_block_bytes;
    int32_t code = 0;
    if (length > block - 4)
        return too_long(appender, length);
    if (__builtin_expect(appender->data.fd < 0, 0))
        code = take_data_file(appender, -1);
    else if (__builtin_expect(!has_room(appender, length), 0))
        code = appender->write_at == 0 ? 0 : take_data_file(appender, appender->number + 1);   /* an empty one has all there can be */
    return code < 0 ? code : cx_allocate(&appender->data, appender->write_at, 4 + length, true);
}

/* The record at write_at: V-2. */
static inline void store_record(cx3_appender *appender, const void *data, int64_t length)
{
    uint8_t *record = appender->records + appender->write_at;
    memcpy(record + 4, data, (size_t)length);
    CX_POINT("v3_payload_stored");
    cx_store_u32(record, ~(uint32_t)length);
    CX_POINT("v3_length_stored");
}

/* Whether what was stored into an open file went nowhere. */
static inline bool is_lost(const cx_file *file)
{
    return __builtin_expect(cx_load_i32(&file->window[CX_DATA]->lost), 0);
}

static inline uint64_t entry_at(const cx3_appender *appender, int64_t position)
{
    return appender->entry + (uint64_t)position + 4;
}

/* Brings slot and file to where the next entry is tried, with blocks under it. */
static int32_t prepare_slot(cx3_appender *appender)
{
    cx3_queue *queue = appender->queue;
    int32_t code = 0;
    if (__builtin_expect(appender->index.fd < 0, 0))
        code = find_free_slot(appender);
    if (code == 0 && appender->slot == queue->slots && (code = check_names(appender)) == 0)
        code = open_index(appender, appender->file + 1);
    if (code < 0)
        return code != CX_E_NOT_FOUND || appender->gone ? code : say_gone(appender, appender->data.path);
    if (__builtin_expect((appender->file << queue->slot_bits) + appender->slot >= queue->entries, 0))
        return cx_fail(CX_E_CYCLE_FULL, appender->index.path, -1, queue->entries, "cycle %lld already holds %lld messages, all that it can",
                       (long long)appender->base.info.cycle, (long long)queue->entries);
    return cx_allocate(&appender->index, 8 * appender->slot, 8, true);
}

/* Publishes an entry in the first free slot: 1. With only >= 0, in the slot of that sequence alone: 0 if another writer has it. Each
 * turn of the loop goes one slot on. V-2, V-3. */
static int32_t publish(cx3_appender *appender, uint64_t entry, int64_t only, int64_t *sequence)
{
    for (;;) {
        int32_t code = prepare_slot(appender);
        if (__builtin_expect(code < 0, 0))
            return code;
        *sequence = (appender->file << appender->queue->slot_bits) + appender->slot;
        if (only >= 0 && *sequence != only)
            return 0;
        int64_t expected = 0;
        uint8_t *slot = appender->slots + 8 * appender->slot;
        /* Looked at first: a failing CAS would take the cache line from whoever is writing there. */
        bool ours = cx_load_i64(slot) == 0 && cx_cas_i64(slot, &expected, (int64_t)entry);
        appender->slot++;
        if (ours) {
            CX_POINT("v3_slot_taken");
            appender->index_dirty = appender->data_dirty = true;
            return 1;
        }
        if (only >= 0)
            return 0;
    }
}

/* What is published next is on disk before it is (spec 2.12: an entry must not survive a crash that its data does not). */
static int32_t flush_file(cx3_appender *appender, cx_file *file)
{
    if (__builtin_expect(appender->queue->base.settings.synchronous == 0, 1))
        return 0;
    int32_t code = cx_file_sync(file);
    return code < 0 ? code : flush_kept(appender);
}

/* One message, in the first free slot or, with only >= 0, exactly there: 1, or 0 if that slot is another's; or a code. */
static int32_t put(cx3_appender *appender, const void *data, size_t length, int64_t only)
{
    int64_t sequence;
    int32_t code = make_room(appender, (int64_t)length);
    if (code < 0)
        return code;
    store_record(appender, data, (int64_t)length);
    if (is_lost(&appender->data))
        return cx_file_lost(&appender->data);
    if ((code = flush_file(appender, &appender->data)) < 0)
        return code;   /* nothing was published: the place is used again */
    if ((code = publish(appender, entry_at(appender, appender->write_at), only, &sequence)) <= 0)
        return code;
    appender->write_at = (appender->write_at + 4 + (int64_t)length + 3) & ~3LL;
    if (is_lost(&appender->index))
        return cx_file_lost(&appender->index);   /* the slot went nowhere */
    appender->base.info.last_index = cx_index_of(&appender->queue->base, appender->base.info.cycle, sequence);
    appender->flush_failed |= flush_file(appender, &appender->index) < 0;   /* an error now would make the caller append it again */
    return 1;
}

static int64_t append(cx_appender *base, const void *data, size_t length)
{
    cx3_appender *appender = (cx3_appender *)base;
    int32_t code = enter(appender, -1);
    if (__builtin_expect(code == 0, 1))
        code = put(appender, data, length, -1);
    return code < 0 ? code : base->info.last_index;
}

/* As many of the messages as fit the open data file, at most RUN_MAX: first all payloads, then all slots, as long as these are
 * consecutive: first *only (-1: any), then the ones after. Returns how many were published, with *only the sequence after them,
 * and *whole false if another writer came between; or a code, if it was none. */
static int64_t put_run(cx3_appender *appender, const uint8_t *data, const uint32_t *lengths, int64_t count, int64_t *only, bool *whole)
{
    uint64_t entries[RUN_MAX];
    int64_t begin = appender->write_at, stored = 0, done = 0, sequence;
    int32_t code = 0;
    if (count > RUN_MAX)
        count = RUN_MAX;
    while (stored < count) {
        int64_t length = lengths[stored];
        if ((stored > 0 && !has_room(appender, length)) || (code = make_room(appender, length)) < 0)
            break;
        if (stored == 0)
            begin = appender->write_at;
        store_record(appender, data, length);
        entries[stored++] = entry_at(appender, appender->write_at);
        appender->write_at = (appender->write_at + 4 + length + 3) & ~3LL;
        data += length;
    }
    int64_t end = appender->write_at;
    appender->write_at = begin;   /* until their slots say otherwise */
    if (stored == 0 || (code = cx_file_lost(&appender->data)) < 0 || (code = flush_file(appender, &appender->data)) < 0)
        return code;
    while (done < stored && (code = publish(appender, entries[done], *only, &sequence)) > 0) {
        *only = sequence + 1;
        done++;
        CX_POINT("v3_batch_middle");
    }
    if (done > 0) {
        appender->write_at = done == stored ? end : (int64_t)(entries[done] - appender->entry) - 4;
        appender->base.info.last_index = cx_index_of(&appender->queue->base, appender->base.info.cycle, *only - 1);
        code = cx_file_lost(&appender->index);
        appender->flush_failed |= code == 0 && flush_file(appender, &appender->index) < 0;
    }
    *whole = done == stored;
    return code < 0 ? code : done;
}

static int64_t append_many(cx_appender *base, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index)
{
    cx3_appender *appender = (cx3_appender *)base;
    const uint8_t *bytes = data;
    int64_t done = 0, only = -1, run = 0;
    bool whole = true;
    int32_t code = enter(appender, -1);
    if (code < 0)
        return code;
    while (done < count && whole && (run = put_run(appender, bytes, lengths + done, count - done, &only, &whole)) > 0) {
        if (done == 0)
            *first_index = base->info.last_index - (run - 1);
        for (int64_t end = done + run; done < end; done++)
            bytes += lengths[done];
    }
    return done > 0 ? done : run;
}

static int32_t beyond(const cx3_queue *queue, int64_t index, int64_t cycle, int64_t next)
{
    return cx_fail(CX_E_INDEX, queue->base.path, -1, cx_index_of(&queue->base, cycle, next), "cannot write index %lld: the next one is %lld",
                   (long long)index, (long long)cx_index_of(&queue->base, cycle, next));
}

static int32_t append_at(cx_appender *base, int64_t index, const void *data, size_t length)
{
    cx3_appender *appender = (cx3_appender *)base;
    cx3_queue *queue = appender->queue;
    int64_t cycle = cx_cycle_of(&queue->base, index), sequence = cx_sequence_of(&queue->base, index);
    if (index < 0 || cycle > INT32_MAX || sequence >= queue->entries)
        return cx_fail(CX_E_USAGE, queue->base.path, -1, index, "index %lld is out of range", (long long)index);
    int64_t next = 0;
    int32_t code;
    if (appender->index.fd >= 0 && base->info.cycle == cycle) {
        next = (appender->file << queue->slot_bits) + appender->slot;
    } else {   /* no file is made before it is known that something will be in it */
        cx3_blocks blocks = {0};
        cx3_blocks_begin(&blocks);
        code = cx3_count(queue, &blocks, cycle, &next);
        cx3_blocks_close(&blocks);
        if (code < 0)
            return code;
    }
    if (sequence < next)
        return 0;
    if (sequence > next && (appender->index.fd < 0 || base->info.cycle != cycle))
        return beyond(queue, index, cycle, next);
    if ((code = enter(appender, cycle)) < 0 || (code = make_room(appender, (int64_t)length)) < 0)
        return code;
    code = prepare_slot(appender);
    /* Others may have gone on since, up to the end of the cycle. */
    while (code == 0 && cx_load_i64(appender->slots + 8 * appender->slot) != 0) {
        appender->slot++;
        code = prepare_slot(appender);
    }
    if (code == CX_E_CYCLE_FULL)
        return 0;
    if (code < 0)
        return code;
    next = (appender->file << queue->slot_bits) + appender->slot;
    if (sequence > next)
        return beyond(queue, index, cycle, next);
    if (sequence < next)
        return 0;
    return put(appender, data, length, sequence);
}

/* --- disk -------------------------------------------------------------------------------------------------------- */

static int32_t sync_journal(cx_appender *base)
{
    cx3_appender *appender = (cx3_appender *)base;
    int32_t code = flush_kept(appender);
    appender->flush_failed = false;   /* all is flushed again */
    if (code < 0 || (code = check_names(appender)) < 0 || (code = cx_file_lost(&appender->data)) < 0 || (code = cx_file_lost(&appender->index)) < 0)
        return code;
    if (appender->data_dirty && (code = cx_file_sync(&appender->data)) == 0)
        appender->data_dirty = false;
    if (code == 0 && appender->index_dirty && (code = cx_file_sync(&appender->index)) == 0)
        appender->index_dirty = false;
    return code;
}

/* Only for files that are there: none is ever made ahead of its first message (spec 2.11). */
static int64_t pretouch(cx_appender *base)
{
    cx3_appender *appender = (cx3_appender *)base;
    const struct { cx_file *file; int64_t from, bytes, most; } ahead[] = {
        {&appender->data, appender->write_at, PRETOUCH_DATA, appender->queue->base.settings.data_block_bytes},
        {&appender->index, 8 * appender->slot, PRETOUCH_INDEX, appender->queue->base.settings.index_block_bytes},
    };
    int64_t touched = 0;
    for (int i = 0; i < 2; i++) {
        cx_file *file = ahead[i].file;
        int64_t room = ahead[i].most - ahead[i].from, before = file->allocated_to;
        if (file->fd < 0 || room <= 0)
            continue;
        int32_t code = cx_allocate(file, ahead[i].from, room < ahead[i].bytes ? room : ahead[i].bytes, true);
        if (code < 0)
            return code;
        touched += file->allocated_to > before ? file->allocated_to - (before > ahead[i].from ? before : ahead[i].from) : 0;
    }
    return touched;
}

const cx_appending cx3_appending = {
    .bytes = sizeof(cx3_appender),
    .open = open_appender,
    .close = close_appender,
    .append = append,
    .append_many = append_many,
    .append_at = append_at,
    .sync = sync_journal,
    .pretouch = pretouch,
};
