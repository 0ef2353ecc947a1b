/* cx3_vanilla_tailer.c -- reading a Vanilla journal (spec 2.11).
 *
 * A tailer is the index of the next message to try and a direction; everything else is looked up. Going forward it follows Java's
 * nextIndex(): where nothing can be read, and the clock is past that cycle, it tries the first message of each later cycle up to the
 * clock's own, and moves only when there is one. Hence a slot or a length word that is 0 hides the rest of a past cycle, and blocks
 * in the present one; and as long as no later cycle has a message, late ones of this cycle are still found.
 *
 * States: UNINITIALISED until a cycle exists, or BEYOND_START_OF_CYCLE, CYCLE_NOT_FOUND, NOT_REACHED_IN_CYCLE as a move or going
 * backward left it, for information; FOUND_IN_CYCLE otherwise.
 */
#include <limits.h>
#include <string.h>

#include "cx3_vanilla.h"
#include "cx_atomic.h"

/* Of each file that is being read this much stays mapped; other tailers have one. */
#define KEEP_BYTES (CX_KEEP_BYTES / 4)
/* Who goes further than this at once has moved: a new run begins. */
#define SAME_RUN_BYTES (8LL << 20)
/* So far ahead a scan asks for a record whose slot it has seen. */
#define PREFETCH_SLOTS 8
/* Where writers alternate, runs of at least so many messages in one file are handed out as they are, shorter ones copied together. */
#define RUN_MIN 64
/* So many cycles before the clock's are tried without asking the listing, which the clock's own may not be in yet. */
#define PROBES 4

typedef struct {
    cx_tailer base;
    cx3_queue *queue;
    cx3_blocks blocks;
    cx_window *gathered;        /* memory for messages out of several files, CX_REGION_BYTES long */
    cx3_clock clock;
    /* No cycle after the first and up to the second of these existed when the journal's directory was changed last. */
    int64_t none_after, none_until;
    struct timespec none_change;
} cx3_tailer;

/* A message where it lies. */
typedef struct {
    cx3_block *block;
    int64_t at;                 /* of its payload in the file */
    int64_t length;
} cx3_record;

static int64_t cycle_of(const cx3_tailer *tailer, int64_t index)
{
    return cx_cycle_of(&tailer->queue->base, index);
}

static int64_t sequence_of(const cx3_tailer *tailer, int64_t index)
{
    return cx_sequence_of(&tailer->queue->base, index);
}

static int64_t index_of(const cx3_tailer *tailer, int64_t cycle, int64_t sequence)
{
    return cx_index_of(&tailer->queue->base, cycle, sequence);
}

/* --- one message ------------------------------------------------------------------------------------------------- */

static int32_t corrupt(const cx3_block *block, int64_t offset, int64_t value, const char *what)
{
    return cx_fail(CX_E_CORRUPT, block->file.path, offset, value, "%s", what);
}

/* The record that an entry of a slot names: 1; 0 if it has no length yet; or a code. */
static int32_t resolve(cx3_tailer *tailer, int64_t cycle, uint64_t entry, int64_t slot, cx3_record *record)
{
    cx3_queue *queue = tailer->queue;
    int64_t block_bytes = queue->base.settings.data_block_bytes;
    uint64_t number = entry >> queue->block_bits;
    int64_t at = (int64_t)(entry & ((uint64_t)block_bytes - 1));
    cx3_block *block;
    /* An empty record in the last 4 bytes of a file (Java's startExcerpt(0)): its payload begins where the file ends. */
    if (at == 0 && (number & ((1ULL << (queue->position_bits - queue->block_bits)) - 1)) != 0) {
        number--;
        at = block_bytes;
    }
    if (at < 4)
        return corrupt(tailer->blocks.index, 8 * slot, (int64_t)entry, "an index entry names an impossible position");
    int32_t code = cx3_data_block(queue, &tailer->blocks, cycle, number, &block);
    if (code <= 0)
        return code;
    if (at > block->file.size) {
        if ((code = cx_file_measure(&block->file)) < 0 || at > block->file.size)
            return code;   /* V-5: zero, as all that is not there yet */
    }
    uint32_t word = cx_load_header(block->base + at - 4);   /* after the acquire of the slot; pychro's are not aligned */
    if (word == 0)
        return 0;
    int64_t length = ~word;
    if (length > CX_MESSAGE_MAX || length > block_bytes - at)
        return corrupt(block, at - 4, word, "a length word is impossible");
    if (length > block->file.size - at) {
        if ((code = cx_file_measure(&block->file)) < 0)
            return code;
        if (length > block->file.size - at)
            return corrupt(block, block->file.size, length, "the data file ends within a message");
    }
    *record = (cx3_record){block, at, length};
    return 1;
}

/* The slot of a sequence, as far as its index file reaches: 1 with *entry, 0 if it is 0 or not there, or a code. */
static int32_t load_slot(cx3_tailer *tailer, int64_t cycle, int64_t sequence, uint64_t *entry)
{
    cx3_queue *queue = tailer->queue;
    cx3_block *block;
    if (cycle < 0 || cycle > INT32_MAX || sequence >= queue->entries)
        return 0;
    int32_t code = cx3_index_block(queue, &tailer->blocks, cycle, sequence >> queue->slot_bits, &block);
    if (code <= 0)
        return code;
    int64_t slot = sequence & (queue->slots - 1);
    if (8 * slot + 8 > block->file.size && ((code = cx_file_measure(&block->file)) < 0 || 8 * slot + 8 > block->file.size))
        return code;
    if (__builtin_expect(block->careful, 0) && ((code = cx_file_peek(&block->file, 8 * slot, entry, 8)) <= 0 || *entry == 0))
        return code < 0 ? code : 0;
    *entry = cx_load_u64(block->base + 8 * slot);   /* pairs with the CAS in publish(), resp. Java's */
    return *entry != 0;
}

static int32_t locate(cx3_tailer *tailer, int64_t index, cx3_record *record)
{
    uint64_t entry = 0;
    int64_t cycle = cycle_of(tailer, index), sequence = sequence_of(tailer, index);
    if (index < 0)
        return 0;
    int32_t code = load_slot(tailer, cycle, sequence, &entry);
    return code <= 0 ? code : resolve(tailer, cycle, entry, sequence & (tailer->queue->slots - 1), record);
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static void stand(cx3_tailer *tailer, int64_t index)
{
    cx_tailer_info *info = &tailer->base.info;
    int64_t cycle = cycle_of(tailer, index);
    info->index = index;
    info->state = CX_FOUND_IN_CYCLE;
    if (info->cycle != cycle) {
        info->cycle = info->acquired_cycle = cycle;
        info->acquired++;
    }
}

/* Before the first message of the first cycle: 1, 0 if there is no cycle, or a code. */
static int32_t to_start(cx3_tailer *tailer)
{
    int64_t cycle;
    int32_t code = cx_listing_neighbour(&tailer->queue->listing, -1, 1, &cycle);
    if (code > 0)
        stand(tailer, index_of(tailer, cycle, 0));
    else if (code == 0)
        tailer->base.info.state = CX_UNINITIALISED;
    return code;
}

/* On the last message of the nearest cycle before `cycle` that has one: 1; 0 (then BEYOND_START_OF_CYCLE); or a code. */
static int32_t wind_back(cx3_tailer *tailer, int64_t cycle)
{
    cx_tailer_info *info = &tailer->base.info;
    int64_t first = cycle;
    int32_t code;
    while ((code = cx_listing_neighbour(&tailer->queue->listing, cycle, -1, &cycle)) > 0) {
        int64_t count;
        first = cycle;
        if ((code = cx3_count(tailer->queue, &tailer->blocks, cycle, &count)) < 0)
            return code;
        if (count > 0) {
            stand(tailer, index_of(tailer, cycle, count - 1));
            return 1;
        }
    }
    if (code < 0)
        return code;
    info->index = index_of(tailer, first, 0) - 1;
    info->state = CX_BEYOND_START_OF_CYCLE;
    return 0;
}

/* After the last message that exists, going backward on it. Java looks at the newest directory only, and where that is empty (just
 * made, or a copy's) goes to the very start (spec 2.11). */
static int32_t to_end(cx3_tailer *tailer)
{
    int64_t cycle = INT64_MAX, newest = -1;
    int32_t code;
    while ((code = cx_listing_neighbour(&tailer->queue->listing, cycle, -1, &cycle)) > 0) {
        int64_t count;
        if (newest < 0)
            newest = cycle;
        if ((code = cx3_count(tailer->queue, &tailer->blocks, cycle, &count)) < 0)
            return code;
        if (count > 0) {
            stand(tailer, index_of(tailer, cycle, tailer->base.info.direction == CX_BACKWARD ? count - 1 : count));
            return 1;
        }
    }
    return code < 0 ? code : to_start(tailer);
}

static void not_found(cx3_tailer *tailer)
{
    cx_tailer_info *info = &tailer->base.info;
    if (info->state != CX_UNINITIALISED)
        info->state = info->direction == CX_BACKWARD ? CX_BEYOND_START_OF_CYCLE : CX_CYCLE_NOT_FOUND;
}

static int64_t clock_cycle(cx3_tailer *tailer)
{
    int64_t cycle = cx3_clock_cycle(tailer->queue, &tailer->base.child, &tailer->clock);
    return cycle < INT32_MAX ? cycle : INT32_MAX;
}

static int32_t move_to_index(cx3_tailer *tailer, int64_t index)
{
    cx3_record record;
    int64_t cycle = cycle_of(tailer, index), sequence = sequence_of(tailer, index), count;
    if (index < 0)
        return 0;
    int32_t code = locate(tailer, index, &record);
    if (code > 0)
        stand(tailer, index);
    if (code != 0)
        return code;
    if ((code = cx3_count(tailer->queue, &tailer->blocks, cycle, &count)) == 0 && sequence == 0 && cycle > 0) {
        /* The end of a cycle that is full is the beginning of the next one, which need not be there. */
        code = cx3_count(tailer->queue, &tailer->blocks, cycle - 1, &count);
        if (code > 0 && count <= sequence_of(tailer, index - 1))
            code = 0;
    }
    if (code <= 0) {
        if (code == 0)
            not_found(tailer);
        return code;
    }
    stand(tailer, index);
    if (sequence > count)
        tailer->base.info.state = CX_NOT_REACHED_IN_CYCLE;
    else if (sequence == count && cycle < clock_cycle(tailer))
        tailer->base.info.state = CX_END_OF_CYCLE;   /* the next read goes on to a later cycle, if there is one */
    return 0;
}

static int32_t move_to_cycle(cx3_tailer *tailer, int64_t cycle)
{
    int64_t count;
    if (cycle < 0 || cycle > INT32_MAX)
        return 0;
    int32_t code = cx3_count(tailer->queue, &tailer->blocks, cycle, &count);
    if (code > 0)
        stand(tailer, index_of(tailer, cycle, 0));
    else if (code == 0)
        not_found(tailer);
    return code;
}

static int32_t move(cx_tailer *base, int32_t where, int64_t target)
{
    cx3_tailer *tailer = (cx3_tailer *)base;
    cx3_blocks_begin(&tailer->blocks);
    if ((where == CX_TO_START || where == CX_TO_END) && tailer->queue->roll.depth > 0)
        cx_listing_stale(&tailer->queue->listing);
    switch (where) {
    case CX_TO_START: return to_start(tailer);
    case CX_TO_END: return to_end(tailer);
    case CX_TO_INDEX: return move_to_index(tailer, target);
    default: return move_to_cycle(tailer, target);
    }
}

/* --- the next message -------------------------------------------------------------------------------------------- */

/* Whether step_on looked in vain before, and the directory says that nothing was made since. */
static bool none_since(const cx3_tailer *tailer, int64_t cycle, int64_t last, struct timespec *change)
{
    return tailer->none_after == cycle && last <= tailer->none_until && change->tv_sec == tailer->none_change.tv_sec
        && change->tv_nsec == tailer->none_change.tv_nsec;
}

/* Where no cycle exists, none needs to be tried before the directory changes; where one does, its first message may come. */
static int32_t note_none(cx3_tailer *tailer, int64_t cycle, int64_t last, const struct timespec *change)
{
    int64_t existing = INT64_MAX;
    int32_t code = cx_listing_neighbour(&tailer->queue->listing, cycle, 1, &existing);
    if (code >= 0 && existing > last) {
        tailer->none_after = cycle;
        tailer->none_until = existing - 1;
        tailer->none_change = *change;
    }
    return code < 0 ? code : 0;
}

/* The first message of a cycle after `cycle` and not after the clock's, if there is one: 1, 0 or a code. Each turn tries another
 * cycle: one that exists, or one of the last few. */
static int32_t step_on(cx3_tailer *tailer, int64_t cycle, cx3_record *record)
{
    cx_listing *listing = &tailer->queue->listing;
    int64_t last = clock_cycle(tailer);
    struct timespec change;
    if (cycle >= last)
        return 0;
    bool flat = tailer->queue->roll.depth == 0, settled = flat && cx_listing_settled(listing, &change);
    if (settled && none_since(tailer, cycle, last, &change))
        return 0;
    for (int64_t next = cycle + 1; next <= last; next++) {
        int32_t code;
        if (next < last - PROBES) {
            int64_t existing;
            if ((code = cx_listing_neighbour(listing, next - 1, 1, &existing)) < 0)
                return code;
            next = code > 0 && existing < last - PROBES ? existing : last - PROBES;
        }
        if ((code = locate(tailer, index_of(tailer, next, 0), record)) < 0)
            return code;
        if (code > 0) {
            stand(tailer, index_of(tailer, next, 0));
            return 1;
        }
    }
    return settled ? note_none(tailer, cycle, last, &change) : 0;
}

static int32_t settle_forward(cx3_tailer *tailer, cx3_record *record)
{
    int64_t index = tailer->base.info.index;
    int32_t code = locate(tailer, index, record);
    if (code > 0)
        stand(tailer, index);
    return code != 0 ? code : step_on(tailer, cycle_of(tailer, index), record);
}

/* Going backward, or staying: the message at the index; from behind the last one of a cycle, that one. Each turn goes back. */
static int32_t settle_back(cx3_tailer *tailer, cx3_record *record)
{
    cx_tailer_info *info = &tailer->base.info;
    for (;;) {
        int64_t index = info->index, cycle = cycle_of(tailer, index), sequence = sequence_of(tailer, index), count;
        int32_t code = locate(tailer, index, record);
        if (code > 0)
            stand(tailer, index);
        if (code != 0)
            return code;
        if ((code = cx3_count(tailer->queue, &tailer->blocks, cycle, &count)) < 0)
            return code;
        if (count > sequence && sequence > 0 && info->direction == CX_BACKWARD) {
            stand(tailer, index - 1);   /* its data was lost with a machine: the ones before are whole */
        } else if (count > 0 && sequence >= count) {
            if (sequence > count && info->state == CX_NOT_REACHED_IN_CYCLE)
                return 0;
            stand(tailer, index_of(tailer, cycle, count - 1));
        } else if (info->direction != CX_BACKWARD || (code = wind_back(tailer, cycle)) <= 0) {
            return code < 0 ? code : 0;
        }
    }
}

static int32_t settle(cx3_tailer *tailer, cx3_record *record)
{
    if (tailer->base.info.state == CX_UNINITIALISED) {
        int32_t code = to_start(tailer);
        if (code <= 0)
            return code;
    }
    return tailer->base.info.direction == CX_FORWARD ? settle_forward(tailer, record) : settle_back(tailer, record);
}

/* After messages were read in reading direction, `index` the last of them. */
static void advance(cx3_tailer *tailer, int64_t index)
{
    cx_tailer_info *info = &tailer->base.info;
    info->last_read_index = index;
    info->state = CX_FOUND_IN_CYCLE;
    if (info->direction == CX_FORWARD) {
        info->index = index + 1;
    } else if (info->direction == CX_NONE) {
        info->index = index;
    } else if (sequence_of(tailer, index) > 0) {
        info->index = index - 1;
    } else if (wind_back(tailer, cycle_of(tailer, index)) < 0) {   /* what was read is whole: the next read meets the damage */
        info->index = index - 1;
        info->state = CX_BEYOND_START_OF_CYCLE;
    }
}

static void sweep(cx3_block *block, int64_t at)
{
    cx_sweep_from(&block->file, at, SAME_RUN_BYTES);   /* moves are not noted: their files are found only now */
    cx_sweep(&block->file, at, KEEP_BYTES);
}

static int32_t read_one(cx_tailer *base, cx_excerpt *excerpt, bool with_meta)
{
    (void)with_meta;   /* there is none */
    cx3_tailer *tailer = (cx3_tailer *)base;
    cx3_record record;
    cx3_blocks_begin(&tailer->blocks);
    int32_t code = settle(tailer, &record);
    if (code <= 0)
        return code;
    const uint8_t *payload = record.block->base + record.at;
    cx_touch(payload, record.length);
    if ((code = cx3_blocks_lost(&tailer->blocks)) < 0)
        return code;
    *excerpt = (cx_excerpt){.address = (uintptr_t)payload, .data = (const char *)payload, .length = record.length,
                            .index = base->info.index, .offset = record.at - 4,
                            .window = cx_lend(base, record.block->file.window[CX_DATA])};
    sweep(record.block, record.at);
    sweep(tailer->blocks.index, 8 * (sequence_of(tailer, base->info.index) & (tailer->queue->slots - 1)));
    advance(tailer, base->info.index);
    return 1;
}

/* --- batches ----------------------------------------------------------------------------------------------------- */

/* What a batch is made of while it is being filled. Places are absolute (in a file, or in `gathered`) until finish(). */
typedef struct {
    cx_batch *batch;
    int32_t step;               /* +1, -1: direction */
    int64_t low, high;          /* places of its ends: of the lowest length word, after the highest payload */
    int64_t pitch;              /* from one length word to the next, if that is the same for all */
    bool equal;                 /* so are the lengths */
} cx3_filling;

static inline void add_message(cx3_filling *filling, int64_t at, int64_t length)
{
    cx_batch *batch = filling->batch;
    int32_t i = batch->count++;
    batch->starts[i] = (int32_t)at;
    batch->stops[i] = (int32_t)(at + length);
    if (i == 0) {
        *filling = (cx3_filling){.batch = batch, .step = filling->step, .low = at - 4, .high = at + length, .equal = true,
                                 .pitch = (4 + length + 3) & ~3LL};
        return;
    }
    int64_t distance = filling->step * (at - batch->starts[i - 1]);
    if (i == 1)
        filling->pitch = distance;
    filling->equal &= distance == filling->pitch && length == batch->stops[0] - batch->starts[0];
    if (filling->step > 0)
        filling->high = at + length;
    else
        filling->low = at - 4;
}

static void finish(const cx3_filling *filling, const uint8_t *base)
{
    cx_batch *batch = filling->batch;
    int32_t low = (int32_t)filling->low;
    for (int32_t i = 0; i < batch->count; i++) {
        batch->starts[i] -= low;
        batch->stops[i] -= low;
    }
    batch->address = (uintptr_t)(base + low);
    batch->region = filling->high - low;
    batch->equal_length = filling->equal ? batch->stops[0] - batch->starts[0] : -1;
    batch->pitch = (int32_t)filling->pitch;
    batch->lead = 4;
}

/* The slots that follow the first message's in reading direction, within its index file. */
typedef struct {
    const uint8_t *first;       /* its own */
    int64_t number;             /* its number in the file */
    int64_t count;              /* with it */
} cx3_slots;

static inline uint64_t slot_after(const cx3_slots *slots, int32_t step, int32_t count)
{
    return cx_load_u64(slots->first + 8 * (int64_t)step * count);
}

/* Messages that lie in one data file, one after the other: handed out where they are. Stops at anything else; true if that is a
 * message in another file. */
static bool fill_run(cx3_tailer *tailer, const cx3_record *first, const cx3_slots *slots, int32_t limit, cx3_filling *filling)
{
    cx3_queue *queue = tailer->queue;
    const uint8_t *base = first->block->base;
    const uint64_t number = first->block->number;
    const int64_t block_bytes = queue->base.settings.data_block_bytes, size = first->block->file.size;
    const int64_t end = size < block_bytes ? size : block_bytes;
    const int32_t step = filling->step, block_bits = queue->block_bits;
    add_message(filling, first->at, first->length);
    while (filling->batch->count < limit) {
        int32_t i = filling->batch->count;
        uint64_t entry = slot_after(slots, step, i);
        if (entry == 0)
            return false;
        if (entry >> block_bits != number)
            return true;
        int64_t at = (int64_t)(entry & ((uint64_t)block_bytes - 1));
        if (at < 4 || at > end || (step > 0 ? at - 4 < filling->high || at - filling->low > CX_REGION_BYTES
                                            : at > filling->low || filling->high - at > CX_REGION_BYTES))
            return false;
        if (i + PREFETCH_SLOTS < slots->count)
            __builtin_prefetch(base + (slot_after(slots, step, i + PREFETCH_SLOTS) & ((uint64_t)block_bytes - 1)));
        uint32_t word = cx_load_header(base + at - 4);
        int64_t length = ~word;
        if (length > CX_MESSAGE_MAX || length > (step > 0 ? end : filling->low) - at)   /* 0 is the largest of all */
            return false;
        if (length > CX_PAGE_BYTES)
            cx_touch(base + at, length);
        add_message(filling, at, length);
    }
    return false;
}

/* A copy of one message beside those before it; false if there is no more room. */
static bool gather_message(const uint8_t *payload, int64_t length, uint8_t *memory, cx3_filling *filling)
{
    int64_t whole = (4 + length + 3) & ~3LL, at;
    bool first = filling->batch->count == 0;
    if (filling->step > 0)
        at = first ? 0 : (filling->high + 3) & ~3LL;
    else
        at = (first ? CX_REGION_BYTES : filling->low) - whole;
    if (at < 0 || at + whole > CX_REGION_BYTES)
        return false;
    memcpy(memory + at + 4, payload, (size_t)length);
    add_message(filling, at + 4, length);
    return true;
}

/* Memory that nobody has a view of: the one used before, or a new one. */
static int32_t take_memory(cx3_tailer *tailer)
{
    cx_window *window = tailer->gathered;
    if (window != NULL && cx_load_i32(&window->references) <= (tailer->base.lent == window ? 2 : 1))
        return 0;
    cx_window_drop(window);
    tailer->gathered = cx_window_of_memory(CX_REGION_BYTES);
    return tailer->gathered != NULL ? 0
        : cx_fail(CX_E_NO_MEMORY, tailer->queue->base.path, -1, CX_REGION_BYTES, "no memory for messages of several files");
}

/* The run that fill_run found is short: it and what follows in other files is copied together, in the order of the index. */
static int32_t gather(cx3_tailer *tailer, int64_t cycle, const cx3_record *first, const cx3_slots *slots, int32_t limit, cx3_filling *filling)
{
    cx_batch *batch = filling->batch;
    int32_t run = batch->count, starts[RUN_MIN], lengths[RUN_MIN];
    int32_t code = take_memory(tailer);
    if (code < 0)
        return code;
    uint8_t *memory = tailer->gathered->base;
    for (int32_t i = 0; i < run; i++) {
        starts[i] = batch->starts[i];
        lengths[i] = batch->stops[i] - batch->starts[i];
    }
    const uint8_t *base = first->block->base;
    bool room = true;
    batch->count = 0;
    for (int32_t i = 0; i < run && room; i++)
        room = gather_message(base + starts[i], lengths[i], memory, filling);
    while (room && batch->count < limit) {
        cx3_record record;
        int32_t i = batch->count;
        uint64_t entry = slot_after(slots, filling->step, i);
        if (entry == 0 || resolve(tailer, cycle, entry, slots->number + filling->step * i, &record) <= 0)
            break;   /* the next call meets it first, and says what it is */
        room = gather_message(record.block->base + record.at, record.length, memory, filling);
        sweep(record.block, record.at);
    }
    return 0;
}

static int32_t scan(cx_tailer *base, cx_batch *batch, int32_t limit, bool gather_them)
{
    cx3_tailer *tailer = (cx3_tailer *)base;
    cx3_queue *queue = tailer->queue;
    cx3_record record;
    cx3_blocks_begin(&tailer->blocks);
    int32_t code = settle(tailer, &record);
    if (code <= 0)
        return code;
    int64_t index = base->info.index, sequence = sequence_of(tailer, index);
    int32_t step = base->info.direction;
    cx3_block *index_block = tailer->blocks.index;
    cx3_slots slots = {.number = sequence & (queue->slots - 1)};
    slots.first = index_block->base + 8 * slots.number;
    slots.count = step > 0 ? cx3_slots_within(queue, index_block->file.size) - slots.number : slots.number + 1;
    if (step > 0 && slots.count > queue->entries - sequence)
        slots.count = queue->entries - sequence;
    if (index_block->careful) {   /* no further than the page that the slot lies in */
        int64_t in_page = slots.number % (CX_PAGE_BYTES / 8), count = step > 0 ? CX_PAGE_BYTES / 8 - in_page : in_page + 1;
        slots.count = count < slots.count ? count : slots.count;
    }
    if (limit > slots.count)
        limit = (int32_t)slots.count;
    cx3_filling filling = {.batch = batch, .step = step};
    cx_window *window = record.block->file.window[CX_DATA];
    cx_touch(record.block->base + record.at, record.length);
    bool alternating = fill_run(tailer, &record, &slots, limit, &filling);
    const uint8_t *bytes = record.block->base;
    if (alternating && gather_them && batch->count < RUN_MIN && filling.high - filling.low < CX_REGION_BYTES) {
        if ((code = gather(tailer, cycle_of(tailer, index), &record, &slots, limit, &filling)) < 0)
            return code;
        window = tailer->gathered;
        bytes = window->base;
    }
    if ((code = cx3_blocks_lost(&tailer->blocks)) < 0) {   /* zeros may have been read where messages were */
        batch->count = 0;
        return code;
    }
    if (window != tailer->gathered)
        sweep(record.block, record.at);
    sweep(index_block, 8 * slots.number);
    finish(&filling, bytes);
    batch->first_index = index;
    batch->window = cx_lend(base, window);
    advance(tailer, index + (int64_t)step * (batch->count - 1));
    return batch->count;
}

static int32_t unread(cx_tailer *base, int64_t index, int64_t last_read)
{
    stand((cx3_tailer *)base, index);
    base->info.last_read_index = last_read;
    return 0;
}

static int32_t set_direction(cx_tailer *base, int32_t direction)
{
    base->info.direction = direction;
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int32_t open_tailer(cx_tailer *base, const char *name)
{
    cx3_tailer *tailer = (cx3_tailer *)base;
    tailer->queue = (cx3_queue *)base->child.queue;
    tailer->none_after = INT64_MAX;
    if (name != NULL)
        return cx_fail(CX_E_UNSUPPORTED, tailer->queue->base.path, -1, 0, "a Vanilla journal has no named tailers: it has nowhere to keep "
                       "their positions");
    int32_t code = move(base, CX_TO_START, 0);
    return code < 0 ? code : 0;
}

static void close_tailer(cx_tailer *base)
{
    cx3_tailer *tailer = (cx3_tailer *)base;
    cx3_blocks_close(&tailer->blocks);
    cx_window_drop(tailer->gathered);
    tailer->gathered = NULL;
}

const cx_tailing cx3_tailing = {
    .bytes = sizeof(cx3_tailer),
    .open = open_tailer,
    .close = close_tailer,
    .read = read_one,
    .scan = scan,
    .unread = unread,
    .move = move,
    .set_direction = set_direction,
};
