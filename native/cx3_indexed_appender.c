/* cx3_indexed_appender.c -- the only code that stores into an Indexed journal; I-1 to I-6 of cx3_indexed.h are kept here. */
#include <string.h>

#include "cx3_indexed.h"

/* One append_many() copies no more than this before it publishes. */
#define RUN_BYTES (1LL << 20)
#define PRETOUCH_BYTES (512LL << 10)

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
        if ((code = i3_load_base(&appender->index, at, &base)) < 0)
            return code;
        if (at != 0 && base == 0)
            return i3_bad_base(&appender->index, at, base, "lines after it are written");
    }
    int64_t after = last - last % CX_PAGE_BYTES + CX_PAGE_BYTES;
    if ((code = i3_load_base(&appender->index, after, &base)) > 0 && base != 0)
        return i3_bad_base(&appender->index, after, base, "lines before it are not written");
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

/* The names of the files, which were made with the journal. */
static int32_t sync_directory(i3_appender *appender)
{
    int32_t code = appender->directory_synced ? 0 : cx_directory_sync(appender->queue->index_path);
    appender->directory_synced = code == 0;
    return code;
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
        || (code = i3_find_end(queue, &appender->index, &appender->at)) < 0 || (code = check_holes(appender)) < 0)
        return code;
    if (appender->at.end > appender->data.size)
        return cx_fail(CX_E_CORRUPT, queue->data_path, appender->data.size, appender->at.end, "the excerpts end at %lld, the file at "
                       "%lld", (long long)appender->at.end, (long long)appender->data.size);
    /* A full block counts as the next one from here on, as for a Java appender that opens the journal. */
    appender->block_end = (appender->at.end / queue->data_block + 1) * queue->data_block;
    if ((code = cx_file_grow(&appender->data, appender->block_end)) < 0)
        return code;
    return queue->base.settings.synchronous != 0 ? sync_directory(appender) : 0;
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
    if (code == 0 && (appender->index.deleted || appender->data.deleted))
        code = cx_fail(CX_E_NOT_FOUND, appender->index.deleted ? appender->index.path : appender->data.path, -1, 0, "the file was deleted "
                       "while this appender had it open: what it appended since is lost, and nothing was appended now");
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
        before = i3_load_entry(line, at->k - 1);
    } else if (at->number > 0) {
        uint8_t *word;
        int32_t code = cx_reach(&appender->index, CX_INDEX, at->line_at - 4, 4, &word);
        if (code <= 0)
            return code < 0 ? code : cx_fail(CX_E_CORRUPT, appender->index.path, at->line_at, 0, "the file was truncated");
        before = (int32_t)cx_load_u32(word);
    }
    if (__builtin_expect(i3_load_entry(line, at->k) == 0 && before == at->left && (!at->based || cx_load_i64(line) == at->base), 1))
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
    at->end = at->base + i3_size_of_entry((int32_t)value);
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
            if (padding > I3_ENTRY_MAX) {
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
        } else if (at->end + length - at->base > I3_ENTRY_MAX) {
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
    bool synchronous = appender->queue->base.settings.synchronous != 0;
    if (synchronous && (code = cx_file_sync(&appender->data)) < 0)
        return code;   /* nothing was published: the place is used again */
    int64_t number = appender->at.number;
    put_entry(appender, line, appender->at.end + length - appender->at.base);
    CX_POINT("i3_entry_published");
    base_next_line(appender, line);
    appender->base.info.last_index = number;
    /* It is published: an error now would make the caller append it again. */
    appender->flush_failed = synchronous && cx_file_sync(&appender->index) < 0;
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
            || at->end + total + length - at->base > I3_ENTRY_MAX || total + length > RUN_BYTES)
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
        bool alone = true;
        for (int32_t i = 0; i < run && (alone = i3_load_entry(line, at->k) == 0); i++) {
            put_entry(appender, line, at->end + lengths[done] - at->base);
            base->info.last_index = *first_index + done++;
            CX_POINT("i3_batch_middle");
        }
        if (!alone)
            break;   /* after the first, since prepare looked at that; the next call says why */
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
        || (at->k > 0 && at->end + length - at->base > I3_ENTRY_MAX))
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
    } else if (appender->block_end - at->base > I3_ENTRY_MAX) {
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
    if (appender->queue->base.settings.synchronous != 0)
        appender->flush_failed = flush(appender) < 0;
    return 0;
}

static int32_t sync_journal(cx_appender *base)
{
    i3_appender *appender = (i3_appender *)base;
    int32_t code;
    appender->flush_failed = false;   /* all is flushed again */
    if ((code = cx_file_measure(&appender->index)) < 0 || (code = cx_file_measure(&appender->data)) < 0
        || (code = check_files(appender)) < 0 || (code = flush(appender)) < 0)
        return code;   /* of files that are gone nothing is durable */
    return sync_directory(appender);
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

const cx_appending i3_appending = {
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
