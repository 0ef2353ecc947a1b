/* cx_tailer.c -- reading a queue across its cycles (spec 8).
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

#include "cx_queue.h"

/* A batch ends when its messages span more than this: what is copied at once stays in the cache. */
#define REGION_BYTES (1LL << 20)
#define PAGE_BYTES 4096
/* A tailer that reads on keeps this much of what it has read mapped; more would count as its memory. */
#define KEEP_BYTES (4LL << 20)
#define SWEEP_BYTES (16LL << 20)

typedef struct {
    cx_queue *queue;
    int32_t in_use;
    int32_t closed;
    cx_store store;           /* store.head == NULL: none open */
    int64_t offset;           /* of the next header, if located */
    bool located;
    bool striding;
    void *position;           /* named tailers: their words in the table store, else NULL */
    void *version;
    void *lock;
    int64_t position_seen;
    int64_t recovered;
    int64_t swept;            /* where the run of reads began of which nothing was forgotten yet; a move begins a new run */
    cx_window *lent;          /* of the document handed out last: stays mapped although the tailer moved to another file */
    cx_tailer_info info;
} cx_tailer;

/* --- handle ------------------------------------------------------------------------------------------------------ */

static int32_t guard(cx_tailer *tailer)
{
    if (tailer == NULL)
        return cx_fail(CX_E_CLOSED, NULL, -1, 0, "there is no tailer");
    if (*tailer->queue->alive != CX_ALIVE)
        return cx_fail(CX_E_FORKED, tailer->queue->path, -1, 0, "the tailer was opened before fork()");
    if (!cx_claim_flag(&tailer->in_use))
        return cx_fail(CX_E_BUSY, tailer->queue->path, -1, 0, "another thread is using this tailer");
    if (tailer->closed) {
        cx_drop_flag(&tailer->in_use);
        return cx_fail(CX_E_CLOSED, tailer->queue->path, -1, 0, "the tailer is closed");
    }
    return 0;
}

static void unguard(cx_tailer *tailer)
{
    cx_drop_flag(&tailer->in_use);
}

static void close_store(cx_tailer *tailer)
{
    if (tailer->store.head != NULL)
        cx_store_close(&tailer->store);
    tailer->located = false;
}

static void close_files(cx_tailer *tailer)
{
    close_store(tailer);
    cx_window_drop(tailer->lent);
    tailer->lent = NULL;
}

/* Called as reading goes on, with the place it has come to. */
static void sweep(cx_tailer *tailer, int64_t offset)
{
    int64_t distance = offset - tailer->swept;
    if (distance > -SWEEP_BYTES && distance < SWEEP_BYTES)
        return;
    if (distance > 0) {
        cx_forget(&tailer->store.file, tailer->swept, offset - KEEP_BYTES);
        tailer->swept = offset - KEEP_BYTES;
    } else {
        cx_forget(&tailer->store.file, offset + KEEP_BYTES, tailer->swept);
        tailer->swept = offset + KEEP_BYTES;
    }
}

/* A move begins a new run. The pages of far ones stay mapped: random reads would otherwise fault at each. */
static void note_move(cx_tailer *tailer, int64_t offset)
{
    int64_t distance = offset - tailer->swept;
    if (distance > -KEEP_BYTES && distance < KEEP_BYTES)
        return;
    /* A backward reader looks its message up again and again: near the run it is on, it goes on with it. */
    if (tailer->info.direction == CX_BACKWARD && distance < 0 && distance > -2 * SWEEP_BYTES)
        return;
    tailer->swept = offset;
}

/* --- the index, and where named tailers keep it ------------------------------------------------------------------- */

static void set_index(cx_tailer *tailer, int64_t index)
{
    tailer->info.index = index;
    if (tailer->position == NULL)
        return;
    cx_store_i64(tailer->position, index);
    tailer->position_seen = index;
    if (tailer->version != NULL)
        cx_add_i64(tailer->version, 1);
}

static int64_t cycle_of(const cx_tailer *tailer)
{
    return cx_cycle_of(tailer->queue, tailer->info.index);
}

static int64_t sequence_of(const cx_tailer *tailer)
{
    return cx_sequence_of(tailer->queue, tailer->info.index);
}

/* --- cycles ------------------------------------------------------------------------------------------------------ */

/* Opens the roll file of a cycle, if it is not the open one already: 1; 0 if there is none (or it is not ready yet); a code. */
static int32_t open_cycle(cx_tailer *tailer, int64_t cycle)
{
    if (tailer->store.head != NULL && tailer->store.cycle == cycle)
        return 1;
    char path[CX_PATH_MAX];
    if (cycle < 0 || cycle > INT32_MAX)
        return 0;
    int32_t code = cx_queue_path(tailer->queue, cycle, path);
    if (code < 0)
        return code == CX_E_USAGE ? 0 : code;   /* beyond the calendar no file can be */
    cx_store *store = malloc(sizeof *store);
    if (store == NULL)
        return cx_fail(CX_E_NO_MEMORY, path, -1, 0, "no memory for a roll file");
    code = cx_store_open(store, path, cycle, false);
    if (code == 0) {
        close_store(tailer);
        tailer->store = *store;
        tailer->located = false;
        tailer->info.cycle = cycle;
        tailer->info.acquired++;
        tailer->info.acquired_cycle = cycle;
        code = 1;
    } else if (code == CX_E_NOT_READY || code == CX_E_NOT_FOUND) {
        code = 0;
    }
    free(store);
    return code;
}

/* Messages of the open cycle. */
static int32_t count_messages(cx_tailer *tailer, int64_t *count)
{
    cx_place end = {0, 0};
    bool eof;
    int32_t code = cx_store_end(&tailer->store, &end, &eof);
    *count = end.sequence;
    return code;
}

/* Stands on the start of a cycle's file: 1, or as open_cycle. */
static int32_t stand_at_start(cx_tailer *tailer, int64_t cycle)
{
    int32_t code = open_cycle(tailer, cycle);
    if (code <= 0)
        return code;
    set_index(tailer, cx_index_of(tailer->queue, cycle, 0));
    tailer->offset = 0;
    tailer->located = true;
    note_move(tailer, 0);
    tailer->info.state = CX_FOUND_IN_CYCLE;
    return 1;
}

/* Stands on the last message of the nearest earlier cycle that has one: 1, 0 (then BEYOND_START_OF_CYCLE), or a code. */
static int32_t wind_back(cx_tailer *tailer, int64_t cycle)
{
    cx_queue *queue = tailer->queue;
    int64_t earlier, first = 0;
    int32_t code;
    while ((code = cx_queue_neighbour(queue, cycle, -1, &earlier)) > 0) {
        int64_t count = 0;
        first = cycle = earlier;
        if ((code = open_cycle(tailer, earlier)) < 0)
            return code;
        if (code == 1 && (code = count_messages(tailer, &count)) < 0)
            return code;
        if (count > 0) {
            set_index(tailer, cx_index_of(queue, earlier, count - 1));
            tailer->located = false;
            tailer->info.state = CX_FOUND_IN_CYCLE;
            return 1;
        }
    }
    if (code < 0)
        return code;
    if ((code = cx_queue_first(queue, &first)) < 0)
        return code;
    if (tailer->info.index != cx_index_of(queue, first - 1, -1))   /* looking in vain again moves nothing */
        set_index(tailer, cx_index_of(queue, first - 1, -1));
    tailer->located = false;
    tailer->info.state = CX_BEYOND_START_OF_CYCLE;
    return 0;
}

/* --- moving ------------------------------------------------------------------------------------------------------ */

static int32_t move_to_index(cx_tailer *tailer, int64_t index)
{
    cx_queue *queue = tailer->queue;
    if (index < 0)
        return 0;
    int64_t cycle = cx_cycle_of(queue, index), offset, last;
    int32_t code = open_cycle(tailer, cycle);
    if (code < 0)
        return code;
    if (code == 0) {
        if (tailer->store.head != NULL || tailer->info.state != CX_UNINITIALISED)
            tailer->info.state = tailer->info.direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
        tailer->located = false;
        return 0;
    }
    set_index(tailer, index);
    code = cx_store_find(&tailer->store, cx_sequence_of(queue, index), &offset);
    if (code < 0) {
        tailer->located = false;
        return code;
    }
    tailer->offset = offset;
    tailer->located = code != CX_FIND_BEYOND;
    note_move(tailer, offset);
    switch (code) {
    case CX_FIND_FOUND:
        tailer->info.state = CX_FOUND_IN_CYCLE;
        return 1;
    case CX_FIND_BEYOND:
        tailer->info.state = CX_NOT_REACHED_IN_CYCLE;
        return 0;
    case CX_FIND_EOF:
        tailer->info.state = CX_END_OF_CYCLE;
        return 0;
    default:
        /* The next to be written; in a cycle that is not the last it never will be (spec 8.3). */
        code = cx_queue_last(queue, &last);
        tailer->info.state = code > 0 && cycle < last ? CX_END_OF_CYCLE : CX_FOUND_IN_CYCLE;
        return code < 0 ? code : 0;
    }
}

static int32_t to_start(cx_tailer *tailer)
{
    int64_t first;
    int32_t code = cx_queue_first(tailer->queue, &first);
    if (code == 0) {
        close_store(tailer);
        tailer->info.state = CX_UNINITIALISED;
        return 0;
    }
    if (code > 0)
        code = stand_at_start(tailer, first);
    if (code == 0)
        tailer->info.state = CX_UNINITIALISED;   /* its first file is just being created */
    return code;
}

static int32_t to_end(cx_tailer *tailer)
{
    cx_queue *queue = tailer->queue;
    int64_t cycle, at = INT64_MAX, newest = -1;
    int32_t code;
    while ((code = cx_queue_neighbour(queue, at, -1, &cycle)) > 0) {
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
        if (tailer->info.direction == CX_BACKWARD) {
            set_index(tailer, cx_index_of(queue, cycle, end.sequence - 1));
            tailer->located = false;
            tailer->info.state = CX_FOUND_IN_CYCLE;
            return 1;
        }
        set_index(tailer, cx_index_of(queue, cycle, end.sequence));
        tailer->offset = end.offset;
        tailer->located = true;
        note_move(tailer, end.offset);
        tailer->info.state = eof || cycle < newest ? CX_END_OF_CYCLE : CX_FOUND_IN_CYCLE;
        return 1;
    }
    if (code < 0)
        return code;
    return newest >= 0 ? stand_at_start(tailer, newest) : to_start(tailer);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* One step of the state machine towards a readable place: 1 try to read there, 0 nothing to read (yet), or a code. */
static int32_t approach(cx_tailer *tailer)
{
    cx_queue *queue = tailer->queue;
    int64_t cycle;
    int32_t code;
    int32_t direction = tailer->info.direction;
    switch (tailer->info.state) {
    case CX_UNINITIALISED:
        return to_start(tailer);
    case CX_NOT_REACHED_IN_CYCLE:
        code = move_to_index(tailer, tailer->info.index);
        return code != 0 ? code : tailer->info.state != CX_NOT_REACHED_IN_CYCLE;
    case CX_CYCLE_NOT_FOUND:
        code = move_to_index(tailer, tailer->info.index);
        if (code != 0 || tailer->info.state != CX_CYCLE_NOT_FOUND)
            return code < 0 ? code : 1;
        code = cx_queue_first(queue, &cycle);
        if (code > 0)
            code = direction == CX_FORWARD && cycle_of(tailer) < cycle ? to_start(tailer) : 0;
        return code;
    case CX_BEYOND_START_OF_CYCLE:
        if (direction == CX_FORWARD) {
            tailer->info.state = CX_UNINITIALISED;
            return 1;
        }
        if (direction == CX_NONE || tailer->info.index < 0)
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
                    set_index(tailer, cx_index_of(queue, cycle_of(tailer), sequence));
                    tailer->located = false;
                    tailer->info.state = CX_FOUND_IN_CYCLE;
                    return 1;
                }
            }
            return wind_back(tailer, cycle_of(tailer));
        }
        code = cx_queue_neighbour(queue, cycle_of(tailer), 1, &cycle);
        return code > 0 ? stand_at_start(tailer, cycle) : code;
    default:
        return 1;
    }
}

/* Backward and fixed readers find their message by index each time. */
static int32_t relocate(cx_tailer *tailer)
{
    int64_t index = tailer->info.index;
    int32_t code = move_to_index(tailer, index);
    if (code != 0)
        return code;
    /* Standing after the last message (as after to_end going forward): the one before it is meant. */
    if (tailer->info.state == CX_BEYOND_START_OF_CYCLE || tailer->info.state == CX_CYCLE_NOT_FOUND)
        return 0;
    int64_t count;
    if ((code = count_messages(tailer, &count)) < 0)
        return code;
    if (count == 0) {
        code = tailer->info.direction == CX_BACKWARD ? wind_back(tailer, cycle_of(tailer)) : 0;
        return code <= 0 ? code : move_to_index(tailer, tailer->info.index);
    }
    return sequence_of(tailer) == count ? move_to_index(tailer, index - 1) : 0;
}

/* Brings the tailer to a ready document: 1 with its header and payload; 0 if there is none (yet); or a code. */
static int32_t settle(cx_tailer *tailer, bool with_meta, uint32_t *header, uint8_t **document)
{
    for (;;) {   /* each turn moves to another existing cycle, or ends */
        int32_t code;
        if (tailer->info.state != CX_FOUND_IN_CYCLE) {
            code = approach(tailer);
            if (code <= 0)
                return code;
            continue;
        }
        if (tailer->info.direction != CX_FORWARD || !tailer->located) {
            code = tailer->info.direction == CX_FORWARD ? move_to_index(tailer, tailer->info.index) : relocate(tailer);
            if (code < 0)
                return code;
            if (code == 0 && tailer->info.state != CX_FOUND_IN_CYCLE && tailer->info.direction == CX_FORWARD)
                continue;
            if (code == 0 && (tailer->info.direction != CX_FORWARD || !tailer->located))
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
        tailer->info.state = CX_END_OF_CYCLE;
    }
}

/* After `count` messages were read in reading direction, the last of them with sequence `sequence`. */
static void advance(cx_tailer *tailer, int64_t sequence)
{
    cx_queue *queue = tailer->queue;
    int64_t cycle = cycle_of(tailer);
    tailer->info.last_read_index = cx_index_of(queue, cycle, sequence);
    if (tailer->info.direction == CX_FORWARD) {
        set_index(tailer, cx_index_of(queue, cycle, sequence + 1));
    } else if (tailer->info.direction == CX_BACKWARD) {
        tailer->located = false;
        if (sequence == 0) {
            if (wind_back(tailer, cycle) < 0) {   /* what was read is whole: the next read meets the damage, and says it */
                set_index(tailer, cx_index_of(queue, cycle - 1, -1));
                tailer->located = false;
                tailer->info.state = CX_BEYOND_START_OF_CYCLE;
            }
            return;
        }
        int64_t next = sequence - 1;
        if (tailer->striding)
            next -= next % queue->settings.stride;
        set_index(tailer, cx_index_of(queue, cycle, next));
    } else {
        set_index(tailer, cx_index_of(queue, cycle, sequence));
    }
}

/* Keeps the window of what is handed out until the next document is. */
static uintptr_t lend(cx_tailer *tailer)
{
    cx_window *window = tailer->store.file.window[CX_DATA];
    if (window != tailer->lent) {
        cx_window_retain(window);
        cx_window_drop(tailer->lent);
        tailer->lent = window;
    }
    return (uintptr_t)window;
}

static int32_t check_size(cx_tailer *tailer, bool always)
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
static int32_t begin_named(cx_tailer *tailer)
{
    if (tailer->position == NULL)
        return 0;
    if (tailer->lock != NULL) {
        int32_t code = cx_lock_word(tailer->queue, tailer->lock, &tailer->recovered);
        if (code < 0)
            return code;
    }
    int64_t stored = cx_load_i64(tailer->position);
    if (stored != tailer->position_seen) {
        tailer->position_seen = tailer->info.index = stored;
        tailer->located = false;
        tailer->info.state = CX_FOUND_IN_CYCLE;
        if (stored == 0) {
            close_store(tailer);
            tailer->info.state = CX_UNINITIALISED;
        } else if (tailer->store.head == NULL || tailer->store.cycle != cycle_of(tailer)) {
            tailer->info.state = CX_NOT_REACHED_IN_CYCLE;
        }
    }
    return 0;
}

static void end_named(cx_tailer *tailer)
{
    if (tailer->lock != NULL)
        (void)cx_unlock_word(tailer->queue, tailer->lock);
}

int32_t cx_read(uintptr_t handle, cx_excerpt *excerpt, int32_t with_meta)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    uint32_t header = 0;
    uint8_t *document = NULL;
    if ((code = check_size(tailer, false)) == 0 && (code = begin_named(tailer)) == 0) {
        code = settle(tailer, with_meta != 0, &header, &document);
        if (code > 0) {
            *excerpt = (cx_excerpt){.address = (uintptr_t)document, .data = (const char *)document,
                                    .length = cx_length_of(header), .index = tailer->info.index, .offset = tailer->offset,
                                    .window = lend(tailer), .meta = !cx_is_data(header)};
            for (int64_t at = 0; at < excerpt->length; at += PAGE_BYTES)
                (void)*(volatile const uint8_t *)(document + at);   /* page faults happen here, without the GIL */
            sweep(tailer, tailer->offset);
            if (tailer->info.direction != CX_NONE || excerpt->meta)
                tailer->offset = cx_store_next(&tailer->store, tailer->offset, header);
            if (!excerpt->meta)
                advance(tailer, sequence_of(tailer));
        }
        end_named(tailer);
    }
    unguard(tailer);
    return code;
}

static void fill_equal(cx_batch *batch, int32_t length, int64_t pitch)
{
    batch->equal_length = length;
    batch->pitch = (int32_t)pitch;
}

/* From the ready data document at tailer->offset on. */
static int32_t scan_forward(cx_tailer *tailer, cx_batch *batch, int32_t limit)
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
    while (count < limit && at <= end - 4 && at - base < REGION_BYTES) {
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
            if (count > 0 && step > REGION_BYTES)
                break;
            batch->starts[count] = (int32_t)(at + 4 - base);
            batch->stops[count] = (int32_t)(at + 4 - base + size);
            if (count == 0)
                length = (int32_t)size, pitch = step;
            else if (size != length || at != base + count * pitch)
                equal = false;
            stop = at + 4 + size;
            for (int64_t page = PAGE_BYTES; page < size; page += PAGE_BYTES)
                (void)*(volatile const uint8_t *)(bytes + at + 4 + page);
            count++;
        }
        at += step;
    }
    batch->address = (uintptr_t)(bytes + base);
    batch->region = stop - base;
    batch->first_index = tailer->info.index;
    batch->window = lend(tailer);
    batch->count = count;
    batch->equal_length = -1;
    if (equal && count > 0)
        fill_equal(batch, length, pitch);
    int64_t sequence = sequence_of(tailer) + count - 1;
    tailer->offset = at;
    sweep(tailer, base);
    if (count > 0)
        advance(tailer, sequence);
    return count;
}

/* The message at the tailer's index was found; the batch is it and those before it in the cycle. */
static int32_t scan_backward(cx_tailer *tailer, cx_batch *batch, int32_t limit)
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
    while (reach_to - at > REGION_BYTES && first < last) {
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
            for (int64_t page = PAGE_BYTES; page < cx_length_of(header); page += PAGE_BYTES)
                (void)*(volatile const uint8_t *)(region + (at - base) + 4 + page);
            count++;
        }
        at = next;
    }
    if (count != want)
        return cx_fail(CX_E_CORRUPT, store->file.path, last_offset, 0, "the index and the messages before this one disagree");
    sweep(tailer, reach_to);
    batch->address = (uintptr_t)region;
    batch->region = reach_to - base;
    batch->first_index = tailer->info.index;
    batch->window = lend(tailer);
    batch->count = count;
    batch->equal_length = -1;
    if (equal && low == base)
        fill_equal(batch, length, pitch);
    advance(tailer, first);
    return count;
}

int32_t cx_scan(uintptr_t handle, cx_batch *batch, int32_t limit)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    batch->count = 0;
    if (limit < 1 || limit > CX_BATCH || tailer->info.direction == CX_NONE || tailer->position != NULL || tailer->striding) {
        code = cx_fail(CX_E_USAGE, tailer->queue->path, -1, limit, "a batch has 1 to %d messages of an unnamed tailer with a direction", CX_BATCH);
    } else if ((code = check_size(tailer, true)) == 0) {
        uint32_t header;
        uint8_t *document;
        code = settle(tailer, false, &header, &document);
        if (code > 0)
            code = tailer->info.direction == CX_FORWARD ? scan_forward(tailer, batch, limit) : scan_backward(tailer, batch, limit);
    }
    unguard(tailer);
    return code;
}

int32_t cx_unread(uintptr_t handle, int64_t index, int64_t last_read)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    code = move_to_index(tailer, index);
    tailer->info.last_read_index = last_read;
    unguard(tailer);
    return code < 0 ? code : 0;
}

/* --- positions --------------------------------------------------------------------------------------------------- */

int32_t cx_set_direction(uintptr_t handle, int32_t direction)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    if (direction < CX_BACKWARD || direction > CX_FORWARD) {
        code = cx_fail(CX_E_USAGE, tailer->queue->path, -1, direction, "a direction is -1, 0 or 1");
    } else {
        int32_t before = tailer->info.direction;
        if (before != direction)
            tailer->located = false;   /* the index, not the offset, is the position: the next read looks it up */
        tailer->info.direction = direction;
        if (before == CX_BACKWARD && direction == CX_FORWARD)   /* now rather than then, as Java: its state is the same so */
            code = move_to_index(tailer, tailer->info.index);
    }
    unguard(tailer);
    return code < 0 ? code : 0;
}

int32_t cx_set_striding(uintptr_t handle, int32_t striding)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    tailer->striding = striding != 0;
    unguard(tailer);
    return 0;
}

typedef int32_t (*cx_move)(cx_tailer *tailer, int64_t target);

static int32_t start_move(cx_tailer *tailer, int64_t target)
{
    (void)target;
    return to_start(tailer);
}

static int32_t end_move(cx_tailer *tailer, int64_t target)
{
    (void)target;
    return to_end(tailer);
}

static int32_t cycle_move(cx_tailer *tailer, int64_t target)
{
    int32_t code = stand_at_start(tailer, target);
    if (code == 0 && tailer->store.head != NULL)
        tailer->info.state = tailer->info.direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
    return code;
}

static int32_t move(uintptr_t handle, cx_move how, int64_t target)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    if ((code = check_size(tailer, true)) == 0 && (code = begin_named(tailer)) == 0) {
            code = how(tailer, target);
        end_named(tailer);
    }
    unguard(tailer);
    return code;
}

int32_t cx_to_start(uintptr_t handle)
{
    return move(handle, start_move, 0);
}

int32_t cx_to_end(uintptr_t handle)
{
    return move(handle, end_move, 0);
}

int32_t cx_move_to_index(uintptr_t handle, int64_t index)
{
    return move(handle, move_to_index, index);
}

int32_t cx_move_to_cycle(uintptr_t handle, int64_t cycle)
{
    return move(handle, cycle_move, cycle);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int32_t open_named(cx_tailer *tailer, const char *name)
{
    cx_queue *queue = tailer->queue;
    char key[CX_KEY_MAX + 16];
    bool replicated = strncmp(name, "replicated:", 11) == 0;
    if (queue->settings.writable == 0)
        return cx_fail(CX_E_READ_ONLY, queue->path, -1, 0, "a named tailer keeps its position in the queue: open it for writing");
    if (strlen(name) == 0 || strlen(name) > CX_KEY_MAX - 32)
        return cx_fail(CX_E_USAGE, queue->path, -1, (int64_t)strlen(name), "a tailer's name has 1 to %d bytes", CX_KEY_MAX - 32);
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
    tailer->info.index = tailer->position_seen = cx_load_i64(tailer->position);
    if (tailer->info.index != 0) {
        tailer->info.state = CX_NOT_REACHED_IN_CYCLE;
        /* Only looks the position up; storing it again would count as an update. */
        void *position = tailer->position;
        tailer->position = NULL;
        code = move_to_index(tailer, tailer->info.index);
        tailer->position = position;
    }
    return code < 0 ? code : 0;
}

int32_t cx_tailer_open(uintptr_t handle, const char *name, uintptr_t *out)
{
    cx_queue *queue = (cx_queue *)handle;
    int32_t code = cx_queue_adopt(queue);
    if (code < 0)
        return code;
    cx_tailer *tailer = calloc(1, sizeof *tailer);
    if (tailer == NULL) {
        cx_queue_release(queue);
        cx_queue_forget(queue);
        return cx_fail(CX_E_NO_MEMORY, queue->path, -1, 0, "no memory for a tailer");
    }
    tailer->queue = queue;
    tailer->store.file.fd = -1;
    tailer->info = (cx_tailer_info){.cycle = INT32_MIN, .last_read_index = -1, .acquired_cycle = INT32_MIN,
                                    .state = CX_UNINITIALISED, .direction = CX_FORWARD};
    /* A new unnamed tailer on a queue with data stands at its start (spec 8.3). */
    code = name != NULL ? open_named(tailer, name) : to_start(tailer);
    if (code == CX_E_CORRUPT && name == NULL) {   /* a damaged first file keeps nobody from the others: the first read says it */
        tailer->info.state = CX_UNINITIALISED;
        code = 0;
    }
    if (code < 0) {
        cx_tailer_free((uintptr_t)tailer);
        return code;
    }
    *out = (uintptr_t)tailer;
    return 0;
}

const cx_tailer_info *cx_tailer_facts(uintptr_t handle)
{
    return &((cx_tailer *)handle)->info;
}

int32_t cx_tailer_close(uintptr_t handle)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    cx_error_info kept;
    cx_error_keep(&kept);
    int32_t code = guard(tailer);
    if (code == CX_E_CLOSED || code == CX_E_FORKED) {
        cx_error_restore(&kept);
        return 0;
    }
    if (code < 0)
        return code;
    close_files(tailer);
    tailer->closed = 1;
    cx_queue_release(tailer->queue);
    unguard(tailer);
    return 0;
}

void cx_tailer_free(uintptr_t handle)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    if (tailer == NULL)
        return;
    cx_tailer_close(handle);
    if (!tailer->closed)   /* a forked child's copy: windows and descriptors are the child's own */
        close_files(tailer);
    cx_queue_forget(tailer->queue);
    free(tailer);
}

int32_t cx_window_acquire(uintptr_t handle, uintptr_t window_handle, uint64_t *address, int64_t *length)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard(tailer);
    if (code < 0)
        return code;
    cx_window *window = tailer->lent;
    if (window == NULL || (uintptr_t)window != window_handle) {
        code = cx_fail(CX_E_USAGE, tailer->queue->path, -1, 0, "the window is no longer this tailer's");
    } else {
        cx_window_retain(window);
        *address = (uintptr_t)window->base;
        *length = window->length;
    }
    unguard(tailer);
    return code;
}

void cx_window_release(uintptr_t window)
{
    cx_window_drop((cx_window *)window);
}

/* --- a batch in the words of Python's struct module ---------------------------------------------------------------- */

static char *put_decimal(char *to, uint32_t number)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

/* Slicing costs Python 150 ns a message; making a Struct of this text and unpacking with it costs 50 ns. */
int32_t cx_batch_format(const cx_batch *batch, char *format, int32_t capacity)
{
    if (capacity < CX_BATCH_FORMAT_MAX || batch->count < 0 || batch->count > CX_BATCH)
        return cx_fail(CX_E_USAGE, "", -1, capacity, "the room for a batch's format is %d bytes", (int)capacity);
    bool backward = batch->count > 1 && batch->starts[1] < batch->starts[0];
    char *to = format;
    int32_t at = 0;
    for (int32_t i = 0; i < batch->count; i++) {
        int32_t k = backward ? batch->count - 1 - i : i;
        int32_t start = batch->starts[k], stop = batch->stops[k];
        if (start < at || stop < start)
            return cx_fail(CX_E_USAGE, "", -1, start, "not a batch that cx_scan filled");
        if (start > at) {
            to = put_decimal(to, (uint32_t)(start - at));
            *to++ = 'x';
        }
        to = put_decimal(to, (uint32_t)(stop - start));
        *to++ = 's';
        at = stop;
    }
    return (int32_t)(to - format);
}
