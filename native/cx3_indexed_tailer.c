/* cx3_indexed_tailer.c -- reading an Indexed journal: one entry after the other, or any by its number. */
#include "cx3_indexed.h"

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
    if (read >= 0 && tailer->index.fd >= 0 && i3_locate(tailer->queue, read, &line_at, &k) && tailer->index.size < line_at + 12 + 4 * k)
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
    if (!i3_locate(tailer->queue, number, &line_at, &k))
        return I3_NOTHING;
    int32_t code = cx_reach(index, CX_DATA, line_at, 12 + 4 * k, &line);
    if (code <= 0)
        return code;   /* the file ends before it */
    int32_t stored = i3_load_entry(line, k);
    if (stored == 0)
        return I3_NOTHING;
    int64_t base = cx_load_i64(line);   /* I-1 */
    if (line_at != tailer->checked_at || base != tailer->checked_base) {
        if ((code = i3_check_base(tailer->queue, index, line_at, base)) < 0)
            return code;
        tailer->checked_at = line_at;
        tailer->checked_base = base;
    }
    int64_t before = k > 0 ? i3_size_of_entry(i3_load_entry(line, k - 1)) : 0;
    entry->at = line_at + 8 + 4 * k;
    entry->start = base + before;
    entry->end = base + i3_size_of_entry(stored);
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
    (void)i3_locate(queue, tailer->base.info.index, &line_at, &k);   /* there is an excerpt there */
    int32_t count = 0;
    bool more = true, equal = true;
    while (more && count < limit && line_at < tailer->index.size) {
        int64_t bytes = tailer->index.size - line_at < queue->line_bytes ? tailer->index.size - line_at : queue->line_bytes;
        int64_t entries = (bytes - 8) / 4;
        if (bytes < 12 || (code = cx_reach(&tailer->index, CX_DATA, line_at, bytes, &line)) <= 0)
            break;   /* what was found is whole: the next call meets the error, and says it */
        if (i3_load_entry(line, k) == 0)
            break;
        int64_t base = cx_load_i64(line);   /* I-1 */
        if (k == 0 && count > 0 && base != at)
            break;
        for (; k < entries && count < limit; k++) {
            int64_t end = base + i3_load_entry(line, k);
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
    if ((code = i3_find_end(tailer->queue, &tailer->index, &place)) < 0)
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

const cx_tailing i3_tailing = {
    .bytes = sizeof(i3_tailer),
    .open = open_tailer,
    .close = close_tailer,
    .read = read_one,
    .scan = scan,
    .unread = unread,
    .move = move,
    .set_direction = set_direction,
};
