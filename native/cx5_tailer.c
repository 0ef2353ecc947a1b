/* cx5_tailer.c -- reading a queue across its cycles (spec 8).
 *
 * A tailer is an index (of the next message), a direction and a state; `offset` is where a forward reader looks next, and
 * is good only while `located` says that it belongs to the index. States, and what the next read does in each:
 *
 *   UNINITIALISED         go to the first message of the first cycle, if there is one
 *   FOUND_IN_CYCLE        read here; an end-of-data marker leads to END_OF_CYCLE
 *   END_OF_CYCLE          go to the next existing cycle in reading direction, if there is one
 *   NOT_REACHED_IN_CYCLE  look the index up again: it may have been written since
 *   BEYOND_START_OF_CYCLE forward: as UNINITIALISED; backward: an earlier cycle may have appeared
 *   CYCLE_NOT_FOUND       look the index up again; forward from before the first cycle: to the start
 *
 * Rules: a cycle without end-of-data marker is never left by itself (spec 8.2); a roll file that is not ready yet is not
 * there yet; every loop over cycles ends, since each turn moves to another existing cycle.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cx5_queue.h"

/* A backward reader that looks its message up again so near to its run goes on with that run. */
#define SAME_RUN_BYTES (32LL << 20)

typedef struct {
    cx_tailer base;
    cx5_queue *queue;
    cx_store store;           /* store.head == NULL: none open */
    int64_t offset;           /* of the next header, if located */
    bool located;
    bool striding;
    void *position;           /* named tailers: their words in the table store, else NULL */
    void *version;
    void *lock;
    int64_t position_seen;
    int64_t recovered;
} cx5_tailer;

/* --- handle ------------------------------------------------------------------------------------------------------ */

static void close_store(cx5_tailer *tailer)
{
    if (tailer->store.head != NULL)
        cx_store_close(&tailer->store);
    tailer->located = false;
}

/* Called as reading goes on, with the place it has come to. */
static void sweep(cx5_tailer *tailer, int64_t offset)
{
    cx_sweep(&tailer->store.file, offset, CX_KEEP_BYTES);
}

static void note_move(cx5_tailer *tailer, int64_t offset)
{
    int64_t distance = offset - tailer->store.file.swept;
    /* A backward reader looks its message up again and again: near the run it is on, it goes on with it. */
    if (tailer->base.info.direction != CX_BACKWARD || distance >= 0 || distance <= -SAME_RUN_BYTES)
        cx_sweep_from(&tailer->store.file, offset, CX_KEEP_BYTES);
}

/* --- the index, and where named tailers keep it ------------------------------------------------------------------- */

static void set_index(cx5_tailer *tailer, int64_t index)
{
    tailer->base.info.index = index;
    if (tailer->position == NULL)
        return;
    cx_store_i64(tailer->position, index);
    tailer->position_seen = index;
    if (tailer->version != NULL)
        cx_add_i64(tailer->version, 1);
}

static int64_t cycle_of(const cx5_tailer *tailer)
{
    return cx_cycle_of(&tailer->queue->base, tailer->base.info.index);
}

static int64_t sequence_of(const cx5_tailer *tailer)
{
    return cx_sequence_of(&tailer->queue->base, tailer->base.info.index);
}

/* --- cycles ------------------------------------------------------------------------------------------------------ */

/* Opens the roll file of a cycle, if it is not the open one already: 1; 0 if there is none (or it is not ready yet); a code. */
static int32_t open_cycle(cx5_tailer *tailer, int64_t cycle)
{
    if (tailer->store.head != NULL && tailer->store.cycle == cycle)
        return 1;
    char path[CX_PATH_MAX];
    if (cycle < 0 || cycle > INT32_MAX)
        return 0;
    int32_t code = cx5_path(tailer->queue, cycle, path);
    if (code < 0)
        return code == CX_E_USAGE ? 0 : code;   /* beyond the calendar no file can be */
    cx_store *store = malloc(sizeof *store);
    if (store == NULL)
        return cx_fail(CX_E_NO_MEMORY, path, -1, 0, "no memory for a roll file");
    code = cx_store_open(store, path, cycle);
    if (code == 0) {
        close_store(tailer);
        tailer->store = *store;
        tailer->located = false;
        tailer->base.info.cycle = cycle;
        tailer->base.info.acquired++;
        tailer->base.info.acquired_cycle = cycle;
        code = 1;
    } else if (code == CX_E_NOT_READY || code == CX_E_NOT_FOUND) {
        code = 0;
    }
    free(store);
    return code;
}

/* Messages of the open cycle. */
static int32_t count_messages(cx5_tailer *tailer, int64_t *count)
{
    cx_place end = {0, 0};
    bool eof;
    int32_t code = cx_store_end(&tailer->store, &end, &eof);
    *count = end.sequence;
    return code;
}

/* Stands on the start of a cycle's file: 1, or as open_cycle. */
static int32_t stand_at_start(cx5_tailer *tailer, int64_t cycle)
{
    int32_t code = open_cycle(tailer, cycle);
    if (code <= 0)
        return code;
    set_index(tailer, cx_index_of(&tailer->queue->base, cycle, 0));
    tailer->offset = 0;
    tailer->located = true;
    note_move(tailer, 0);
    tailer->base.info.state = CX_FOUND_IN_CYCLE;
    return 1;
}

/* Stands on the last message of the nearest earlier cycle that has one: 1, 0 (then BEYOND_START_OF_CYCLE), or a code. */
static int32_t wind_back(cx5_tailer *tailer, int64_t cycle)
{
    cx5_queue *queue = tailer->queue;
    int64_t earlier, first = 0;
    int32_t code;
    while ((code = cx5_neighbour(queue, cycle, -1, &earlier)) > 0) {
        int64_t count = 0;
        first = cycle = earlier;
        if ((code = open_cycle(tailer, earlier)) < 0)
            return code;
        if (code == 1 && (code = count_messages(tailer, &count)) < 0)
            return code;
        if (count > 0) {
            set_index(tailer, cx_index_of(&queue->base, earlier, count - 1));
            tailer->located = false;
            tailer->base.info.state = CX_FOUND_IN_CYCLE;
            return 1;
        }
    }
    if (code < 0)
        return code;
    if ((code = cx5_first(queue, &first)) < 0)
        return code;
    if (tailer->base.info.index != cx_index_of(&queue->base, first - 1, -1))   /* looking in vain again moves nothing */
        set_index(tailer, cx_index_of(&queue->base, first - 1, -1));
    tailer->located = false;
    tailer->base.info.state = CX_BEYOND_START_OF_CYCLE;
    return 0;
}

/* --- moving ------------------------------------------------------------------------------------------------------ */

static int32_t move_to_index(cx5_tailer *tailer, int64_t index)
{
    cx5_queue *queue = tailer->queue;
    if (index < 0)
        return 0;
    int64_t cycle = cx_cycle_of(&queue->base, index), offset, last;
    int32_t code = open_cycle(tailer, cycle);
    if (code < 0)
        return code;
    if (code == 0) {
        if (tailer->store.head != NULL || tailer->base.info.state != CX_UNINITIALISED)
            tailer->base.info.state = tailer->base.info.direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
        tailer->located = false;
        return 0;
    }
    set_index(tailer, index);
    code = cx_store_find(&tailer->store, cx_sequence_of(&queue->base, index), &offset);
    if (code < 0) {
        tailer->located = false;
        return code;
    }
    tailer->offset = offset;
    tailer->located = code != CX_FIND_BEYOND;
    note_move(tailer, offset);
    switch (code) {
    case CX_FIND_FOUND:
        tailer->base.info.state = CX_FOUND_IN_CYCLE;
        return 1;
    case CX_FIND_BEYOND:
        tailer->base.info.state = CX_NOT_REACHED_IN_CYCLE;
        return 0;
    case CX_FIND_EOF:
        tailer->base.info.state = CX_END_OF_CYCLE;
        return 0;
    default:
        /* The next to be written; in a cycle that is not the last it never will be (spec 8.3). */
        code = cx5_last(queue, &last);
        tailer->base.info.state = code > 0 && cycle < last ? CX_END_OF_CYCLE : CX_FOUND_IN_CYCLE;
        return code < 0 ? code : 0;
    }
}

static int32_t to_start(cx5_tailer *tailer)
{
    int64_t first;
    int32_t code = cx5_first(tailer->queue, &first);
    if (code == 0) {
        close_store(tailer);
        tailer->base.info.state = CX_UNINITIALISED;
        return 0;
    }
    if (code > 0)
        code = stand_at_start(tailer, first);
    if (code == 0)
        tailer->base.info.state = CX_UNINITIALISED;   /* its first file is just being created */
    return code;
}

static int32_t to_end(cx5_tailer *tailer)
{
    cx5_queue *queue = tailer->queue;
    int64_t cycle, at = INT64_MAX, newest = -1;
    int32_t code;
    while ((code = cx5_neighbour(queue, at, -1, &cycle)) > 0) {
        at = cycle;
        if ((code = open_cycle(tailer, cycle)) < 0)
            return code;
        if (code == 0)
            continue;   /* not ready: nothing in it yet */
        if (newest < 0)
            newest = cycle;
        cx_place end;
        bool eof;
        if ((code = cx_store_end(&tailer->store, &end, &eof)) < 0)
            return code;
        if (end.sequence == 0)
            continue;
        if (tailer->base.info.direction == CX_BACKWARD) {
            set_index(tailer, cx_index_of(&queue->base, cycle, end.sequence - 1));
            tailer->located = false;
            tailer->base.info.state = CX_FOUND_IN_CYCLE;
            return 1;
        }
        set_index(tailer, cx_index_of(&queue->base, cycle, end.sequence));
        tailer->offset = end.offset;
        tailer->located = true;
        note_move(tailer, end.offset);
        tailer->base.info.state = eof || cycle < newest ? CX_END_OF_CYCLE : CX_FOUND_IN_CYCLE;
        return 1;
    }
    if (code < 0)
        return code;
    return newest >= 0 ? stand_at_start(tailer, newest) : to_start(tailer);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* One step of the state machine towards a readable place: 1 try to read there, 0 nothing to read (yet), or a code. */
static int32_t approach(cx5_tailer *tailer)
{
    cx5_queue *queue = tailer->queue;
    int64_t cycle;
    int32_t code;
    int32_t direction = tailer->base.info.direction;
    switch (tailer->base.info.state) {
    case CX_UNINITIALISED:
        return to_start(tailer);
    case CX_NOT_REACHED_IN_CYCLE:
        code = move_to_index(tailer, tailer->base.info.index);
        return code != 0 ? code : tailer->base.info.state != CX_NOT_REACHED_IN_CYCLE;
    case CX_CYCLE_NOT_FOUND:
        code = move_to_index(tailer, tailer->base.info.index);
        if (code != 0 || tailer->base.info.state != CX_CYCLE_NOT_FOUND)
            return code < 0 ? code : 1;
        code = cx5_first(queue, &cycle);
        if (code > 0)
            code = direction == CX_FORWARD && cycle_of(tailer) < cycle ? to_start(tailer) : 0;
        return code;
    case CX_BEYOND_START_OF_CYCLE:
        if (direction == CX_FORWARD) {
            tailer->base.info.state = CX_UNINITIALISED;
            return 1;
        }
        if (direction == CX_NONE || tailer->base.info.index < 0)
            return 0;
        return wind_back(tailer, cycle_of(tailer) + 1);
    case CX_END_OF_CYCLE:
        if (direction == CX_NONE)
            return 0;
        if (direction == CX_BACKWARD) {
            /* The index is the one after this cycle's last message, which is what comes next going back. */
            if (sequence_of(tailer) > 0 && open_cycle(tailer, cycle_of(tailer)) == 1) {
                int64_t count;
                if ((code = count_messages(tailer, &count)) < 0)
                    return code;
                if (count > 0) {
                    int64_t sequence = sequence_of(tailer) < count ? sequence_of(tailer) : count - 1;
                    set_index(tailer, cx_index_of(&queue->base, cycle_of(tailer), sequence));
                    tailer->located = false;
                    tailer->base.info.state = CX_FOUND_IN_CYCLE;
                    return 1;
                }
            }
            return wind_back(tailer, cycle_of(tailer));
        }
        code = cx5_neighbour(queue, cycle_of(tailer), 1, &cycle);
        return code > 0 ? stand_at_start(tailer, cycle) : code;
    default:
        return 1;
    }
}

/* Backward and fixed readers find their message by index each time. */
static int32_t relocate(cx5_tailer *tailer)
{
    int64_t index = tailer->base.info.index;
    int32_t code = move_to_index(tailer, index);
    if (code != 0)
        return code;
    /* Standing after the last message (as after to_end going forward): the one before it is meant. */
    if (tailer->base.info.state == CX_BEYOND_START_OF_CYCLE || tailer->base.info.state == CX_CYCLE_NOT_FOUND)
        return 0;
    int64_t count;
    if ((code = count_messages(tailer, &count)) < 0)
        return code;
    if (count == 0) {
        code = tailer->base.info.direction == CX_BACKWARD ? wind_back(tailer, cycle_of(tailer)) : 0;
        return code <= 0 ? code : move_to_index(tailer, tailer->base.info.index);
    }
    return sequence_of(tailer) == count ? move_to_index(tailer, index - 1) : 0;
}

/* Brings the tailer to a ready document: 1 with its header and payload; 0 if there is none (yet); or a code. */
static int32_t settle(cx5_tailer *tailer, bool with_meta, uint32_t *header, uint8_t **document)
{
    for (;;) {   /* each turn moves to another existing cycle, or ends */
        int32_t code;
        if (tailer->base.info.state != CX_FOUND_IN_CYCLE) {
            code = approach(tailer);
            if (code <= 0)
                return code;
            continue;
        }
        if (tailer->base.info.direction != CX_FORWARD || !tailer->located) {
            code = tailer->base.info.direction == CX_FORWARD ? move_to_index(tailer, tailer->base.info.index) : relocate(tailer);
            if (code < 0)
                return code;
            if (code == 0 && tailer->base.info.state != CX_FOUND_IN_CYCLE && tailer->base.info.direction == CX_FORWARD)
                continue;
            if (code == 0 && (tailer->base.info.direction != CX_FORWARD || !tailer->located))
                return 0;
        }
        cx_store *store = &tailer->store;
        for (;;) {
            code = cx_store_header(store, CX_DATA, tailer->offset, header, document);
            if (code <= 0)
                return code;
            if (*header == CX_EOF || with_meta || cx_is_data(*header))
                break;
            tailer->offset = cx_store_next(store, tailer->offset, *header);
        }
        if (*header != CX_EOF)
            return 1;
        tailer->base.info.state = CX_END_OF_CYCLE;
    }
}

/* After `count` messages were read in reading direction, the last of them with sequence `sequence`. */
static void advance(cx5_tailer *tailer, int64_t sequence)
{
    cx5_queue *queue = tailer->queue;
    int64_t cycle = cycle_of(tailer);
    tailer->base.info.last_read_index = cx_index_of(&queue->base, cycle, sequence);
    if (tailer->base.info.direction == CX_FORWARD) {
        set_index(tailer, cx_index_of(&queue->base, cycle, sequence + 1));
    } else if (tailer->base.info.direction == CX_BACKWARD) {
        tailer->located = false;
        if (sequence == 0) {
            if (wind_back(tailer, cycle) < 0) {   /* what was read is whole: the next read meets the damage, and says it */
                set_index(tailer, cx_index_of(&queue->base, cycle - 1, -1));
                tailer->located = false;
                tailer->base.info.state = CX_BEYOND_START_OF_CYCLE;
            }
            return;
        }
        int64_t next = sequence - 1;
        if (tailer->striding)
            next -= next % queue->base.settings.stride;
        set_index(tailer, cx_index_of(&queue->base, cycle, next));
    } else {
        set_index(tailer, cx_index_of(&queue->base, cycle, sequence));
    }
}

static uintptr_t lend(cx5_tailer *tailer)
{
    return cx_lend(&tailer->base, tailer->store.file.window[CX_DATA]);
}

static int32_t check_size(cx5_tailer *tailer, bool always)
{
    cx_store *store = &tailer->store;
    if (store->head == NULL)
        return 0;
    int32_t code = cx_file_lost(&store->file);
    if (code == 0)
        code = always ? cx_file_measure(&store->file) : cx_file_glance(&store->file);
    if (code == 0 && store->file.size < store->header_end)
        code = cx_fail(CX_E_CORRUPT, store->file.path, store->file.size, 0, "the roll file was truncated to %lld bytes",
                       (long long)store->file.size);
    return code;
}

/* Named tailers: follows a position that somebody else moved; takes the lock of a replicated one. */
static int32_t begin_named(cx5_tailer *tailer)
{
    if (tailer->position == NULL)
        return 0;
    if (tailer->lock != NULL) {
        int32_t code = cx5_lock_word(tailer->queue, tailer->lock, &tailer->recovered);
        if (code < 0)
            return code;
    }
    int64_t stored = cx_load_i64(tailer->position);
    if (stored != tailer->position_seen) {
        tailer->position_seen = tailer->base.info.index = stored;
        tailer->located = false;
        tailer->base.info.state = CX_FOUND_IN_CYCLE;
        if (stored == 0) {
            close_store(tailer);
            tailer->base.info.state = CX_UNINITIALISED;
        } else if (tailer->store.head == NULL || tailer->store.cycle != cycle_of(tailer)) {
            tailer->base.info.state = CX_NOT_REACHED_IN_CYCLE;
        }
    }
    return 0;
}

static void end_named(cx5_tailer *tailer)
{
    if (tailer->lock != NULL)
        (void)cx5_unlock_word(tailer->queue, tailer->lock);
}

static int32_t read_one(cx_tailer *base, cx_excerpt *excerpt, bool with_meta)
{
    cx5_tailer *tailer = (cx5_tailer *)base;
    uint32_t header = 0;
    uint8_t *document = NULL;
    int32_t code = check_size(tailer, false);
    if (code < 0 || (code = begin_named(tailer)) < 0)
        return code;
    code = settle(tailer, with_meta, &header, &document);
    if (code > 0) {
        *excerpt = (cx_excerpt){.address = (uintptr_t)document, .data = (const char *)document,
                                .length = cx_length_of(header), .index = base->info.index, .offset = tailer->offset,
                                .window = lend(tailer), .meta = !cx_is_data(header)};
        cx_touch(document, excerpt->length);
        sweep(tailer, tailer->offset);
        if (base->info.direction != CX_NONE || excerpt->meta)
            tailer->offset = cx_store_next(&tailer->store, tailer->offset, header);
        if (!excerpt->meta)
            advance(tailer, sequence_of(tailer));
    }
    end_named(tailer);
    return code;
}

/* From the ready data document at tailer->offset on. */
static int32_t scan_forward(cx5_tailer *tailer, cx_batch *batch, int32_t limit)
{
    cx_store *store = &tailer->store;
    int64_t base = tailer->offset, at = base, pitch = 0;
    int32_t count = 0, length = -1;
    bool equal = true;
    const cx_window *window = store->file.window[CX_DATA];
    const uint8_t *bytes = window->base - window->offset;   /* address of file offset 0, were it mapped */
    int64_t end = window->offset + window->length < store->file.size ? window->offset + window->length : store->file.size;
    int64_t stop = base;
    uint32_t before = 0;
    int64_t size = 0, step = 0;
    while (count < limit && at <= end - 4 && at - base < CX_REGION_BYTES) {
        uint32_t header = cx_load_header(bytes + at);
        if (header != before || step == 0) {   /* a branch rather than arithmetic: see stride_to in cx_store.c */
            if (!cx_is_ready(header))
                break;
            size = cx_length_of(header);
            step = cx_store_next(store, at, header) - at;
            before = header;
        }
        if (size > end - at - 4)
            break;   /* in the next window, or corrupt: the next call tells */
        __builtin_prefetch(bytes + at + CX_PREFETCH_BYTES);
        if (cx_is_data(header)) {
            if (count > 0 && step > CX_REGION_BYTES)
                break;
            batch->starts[count] = (int32_t)(at + 4 - base);
            batch->stops[count] = (int32_t)(at + 4 - base + size);
            if (count == 0)
                length = (int32_t)size, pitch = step;
            else if (size != length || at != base + count * pitch)
                equal = false;
            stop = at + 4 + size;
            if (size > CX_PAGE_BYTES)
                cx_touch(bytes + at + 4, size);
            count++;
        }
        at += step;
    }
    batch->address = (uintptr_t)(bytes + base);
    batch->region = stop - base;
    batch->first_index = tailer->base.info.index;
    batch->window = lend(tailer);
    batch->count = count;
    batch->equal_length = -1;
    if (equal && count > 0)
        batch->equal_length = length, batch->pitch = (int32_t)pitch, batch->lead = 4;
    int64_t sequence = sequence_of(tailer) + count - 1;
    tailer->offset = at;
    sweep(tailer, base);
    if (count > 0)
        advance(tailer, sequence);
    return count;
}

/* The message at the tailer's index was found; the batch is it and those before it in the cycle. */
static int32_t scan_backward(cx5_tailer *tailer, cx_batch *batch, int32_t limit)
{
    cx_store *store = &tailer->store;
    int64_t last = sequence_of(tailer), last_offset = tailer->offset;
    int64_t first = last - limit + 1 > 0 ? last - limit + 1 : 0, at;
    int32_t code = cx_store_find(store, first, &at);
    if (code < 0)
        return code;
    if (code != CX_FIND_FOUND || at > last_offset) {   /* the index contradicts itself: one message at a time */
        first = last;
        at = last_offset;
    }
    /* The low end is moved up until the batch fits its region. */
    uint32_t header = 0;
    uint8_t *document;
    int64_t reach_to = last_offset;
    if ((code = cx_store_header(store, CX_DATA, last_offset, &header, &document)) <= 0)
        return code;
    reach_to += 4 + cx_length_of(header);
    while (reach_to - at > CX_REGION_BYTES && first < last) {
        if ((code = cx_store_header(store, CX_DATA, at, &header, &document)) <= 0)
            return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, at, 0, "an indexed message is gone");
        at = cx_store_next(store, at, header);
        first += cx_is_data(header);
    }
    uint8_t *region;
    if ((code = cx_reach(&store->file, CX_DATA, at, reach_to - at, &region)) <= 0)
        return code < 0 ? code : cx_fail(CX_E_CORRUPT, store->file.path, at, 0, "the roll file was truncated");
    int64_t base = at, pitch = 0, low = at;
    int32_t count = 0, length = -1, want = (int32_t)(last - first + 1);
    bool equal = true;
    while (count < want && at < reach_to) {
        header = cx_load_header(region + (at - base));
        if (!cx_is_ready(header) || cx_length_of(header) > reach_to - at - 4)
            return cx_fail(CX_E_CORRUPT, store->file.path, at, header, "0x%08x stands where a message must be", header);
        int64_t next = cx_store_next(store, at, header);
        if (cx_is_data(header)) {
            if (count == 0)
                low = at, length = (int32_t)cx_length_of(header), pitch = next - at;
            else if (cx_length_of(header) != length || at != low + count * pitch)
                equal = false;
            int32_t place = want - 1 - count;
            batch->starts[place] = (int32_t)(at + 4 - base);
            batch->stops[place] = (int32_t)(at + 4 - base + cx_length_of(header));
            if (cx_length_of(header) > CX_PAGE_BYTES)
                cx_touch(region + (at - base) + 4, cx_length_of(header));
            count++;
        }
        at = next;
    }
    if (count != want)
        return cx_fail(CX_E_CORRUPT, store->file.path, last_offset, 0, "the index and the messages before this one disagree");
    sweep(tailer, reach_to);
    batch->address = (uintptr_t)region;
    batch->region = reach_to - base;
    batch->first_index = tailer->base.info.index;
    batch->window = lend(tailer);
    batch->count = count;
    batch->equal_length = -1;
    if (equal && low == base)
        batch->equal_length = length, batch->pitch = (int32_t)pitch, batch->lead = 4;
    advance(tailer, first);
    return count;
}

static int32_t scan(cx_tailer *base, cx_batch *batch, int32_t limit, bool gather)
{
    (void)gather;   /* messages of a cycle lie in one file anyway */
    cx5_tailer *tailer = (cx5_tailer *)base;
    if (tailer->position != NULL || tailer->striding)
        return cx_fail(CX_E_USAGE, tailer->queue->base.path, -1, limit, "a named or striding tailer reads one message at a time");
    uint32_t header;
    uint8_t *document;
    int32_t code = check_size(tailer, true);
    if (code < 0 || (code = settle(tailer, false, &header, &document)) <= 0)
        return code;
    return base->info.direction == CX_FORWARD ? scan_forward(tailer, batch, limit) : scan_backward(tailer, batch, limit);
}

static int32_t unread(cx_tailer *base, int64_t index, int64_t last_read)
{
    int32_t code = move_to_index((cx5_tailer *)base, index);
    base->info.last_read_index = last_read;
    return code < 0 ? code : 0;
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static int32_t set_direction(cx_tailer *base, int32_t direction)
{
    cx5_tailer *tailer = (cx5_tailer *)base;
    int32_t before = base->info.direction;
    if (before != direction)
        tailer->located = false;   /* the index, not the offset, is the position: the next read looks it up */
    base->info.direction = direction;
    if (before == CX_BACKWARD && direction == CX_FORWARD) {   /* now rather than then, as Java: its state is the same so */
        int32_t code = move_to_index(tailer, base->info.index);
        return code < 0 ? code : 0;
    }
    return 0;
}

static int32_t set_striding(cx_tailer *base, bool striding)
{
    ((cx5_tailer *)base)->striding = striding;
    return 0;
}

static int32_t move_to_cycle(cx5_tailer *tailer, int64_t cycle)
{
    int32_t code = stand_at_start(tailer, cycle);
    if (code == 0 && tailer->store.head != NULL)
        tailer->base.info.state = tailer->base.info.direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
    return code;
}

static int32_t move(cx_tailer *base, int32_t where, int64_t target)
{
    cx5_tailer *tailer = (cx5_tailer *)base;
    int32_t code = check_size(tailer, true);
    if (code < 0 || (code = begin_named(tailer)) < 0)
        return code;
    switch (where) {
    case CX_TO_START: code = to_start(tailer); break;
    case CX_TO_END: code = to_end(tailer); break;
    case CX_TO_INDEX: code = move_to_index(tailer, target); break;
    default: code = move_to_cycle(tailer, target); break;
    }
    end_named(tailer);
    return code;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int32_t open_named(cx5_tailer *tailer, const char *name)
{
    cx5_queue *queue = tailer->queue;
    char key[CX_KEY_MAX + 16];
    bool replicated = strncmp(name, "replicated:", 11) == 0;
    if (queue->base.settings.writable == 0)
        return cx_fail(CX_E_READ_ONLY, queue->base.path, -1, 0, "a named tailer keeps its position in the queue: open it for writing");
    if (strlen(name) == 0 || strlen(name) > CX_KEY_MAX - 32)
        return cx_fail(CX_E_USAGE, queue->base.path, -1, (int64_t)strlen(name), "a tailer's name has 1 to %d bytes", CX_KEY_MAX - 32);
    if (replicated && queue->append_lock != NULL && cx_load_i64(queue->append_lock) != CX_UNLOCKED)
        return cx_fail(CX_E_APPEND_LOCKED, queue->table.file.path, -1, cx_load_i64(queue->append_lock) & 0x7FFFFFFF,
                       "replicated named tailers are not allowed on a replication sink (chronicle.append.lock is set)");
    snprintf(key, sizeof key, "index.%s", name);
    int32_t code = cx_table_acquire(&queue->table, key, 0, &tailer->position);
    if (code >= 0 && replicated) {
        snprintf(key, sizeof key, "index.%s.version", name);
        code = cx_table_acquire(&queue->table, key, -1, &tailer->version);
    }
    if (code >= 0 && replicated) {
        snprintf(key, sizeof key, "index.%s.lock", name);
        code = cx_table_acquire(&queue->table, key, CX_UNLOCKED, &tailer->lock);
    }
    if (code < 0)
        return code;
    tailer->base.info.index = tailer->position_seen = cx_load_i64(tailer->position);
    if (tailer->base.info.index != 0) {
        tailer->base.info.state = CX_NOT_REACHED_IN_CYCLE;
        /* Only looks the position up; storing it again would count as an update. */
        void *position = tailer->position;
        tailer->position = NULL;
        code = move_to_index(tailer, tailer->base.info.index);
        tailer->position = position;
    }
    return code < 0 ? code : 0;
}

static int32_t open_tailer(cx_tailer *base, const char *name)
{
    cx5_tailer *tailer = (cx5_tailer *)base;
    tailer->queue = (cx5_queue *)base->child.queue;
    tailer->store.file.fd = -1;
    if (name != NULL)
        return open_named(tailer, name);
    /* A new unnamed tailer on a queue with data stands at its start (spec 8.3). */
    int32_t code = to_start(tailer);
    if (code == CX_E_CORRUPT) {   /* a damaged first file keeps nobody from the others: the first read says it */
        base->info.state = CX_UNINITIALISED;
        code = 0;
    }
    return code < 0 ? code : 0;
}

static void close_tailer(cx_tailer *base)
{
    close_store((cx5_tailer *)base);
}

const cx_tailing cx5_tailing = {
    .bytes = sizeof(cx5_tailer),
    .open = open_tailer,
    .close = close_tailer,
    .read = read_one,
    .scan = scan,
    .unread = unread,
    .move = move,
    .set_direction = set_direction,
    .set_striding = set_striding,
};
