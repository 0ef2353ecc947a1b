/* cx_store.c -- reading one roll file. Writing is cx_appender.c's alone.
 *
 * INVARIANTS a reader relies on (cited as C5-n)
 *  C5-1  A header word goes from 0 to its final value in one step, after the payload (spec 2.2): an acquire-load of a ready
 *        header makes the payload visible.
 *  C5-2  The bytes of a document never change after that, except bound values and index slots.
 *  C5-3  writePosition only grows and is the header of a message, or 0; it may lag behind what is published (a writer died).
 *  C5-4  A zero index slot means "not indexed"; any slot may be missing, none is needed.
 * What a file claims is checked before it is followed: a document must end inside the file, a position must lie in it.
 */
#include "cx_store.h"

#include <string.h>

/* Reads of writePosition and the sequence word that do not belong together are tried this often (spec 5.4). */
#define WORD_TRIES 128
/* Slots found wrong in one look-up before the index is given up; each may cost a walk through the file. */
#define WRONG_SLOTS 16

static int32_t corrupt_header(const cx_store *store, int64_t offset, const char *what)
{
    return cx_fail(CX_E_CORRUPT, store->file.path, offset, 0, "%s", what);
}

/* --- the header object ------------------------------------------------------------------------------------------- */

static int32_t log2_exact(int64_t number)
{
    if (number <= 0 || (number & (number - 1)) != 0)
        return -1;
    return 63 - __builtin_clzll((unsigned long long)number);
}

static bool take_indexing(cx_store *store, const char *name, int64_t length, const cx_value *value)
{
    int64_t number = cx_number_of(value);
    if (cx_text_is(name, length, "indexCount"))
        store->index_count = number > 0 && number <= 1 << 24 ? (int32_t)number : 0;
    else if (cx_text_is(name, length, "indexSpacing"))
        store->index_spacing = number > 0 && number <= 1 << 30 ? (int32_t)number : 0;
    else if (cx_text_is(name, length, "index2Index"))
        store->index2index_at = value->code == 0xA7 ? value->offset : 0;
    else if (cx_text_is(name, length, "lastIndex"))
        store->last_index_at = value->code == 0xA7 ? value->offset : 0;
    else
        return false;
    return true;
}

static void take_roll(cx_store *store, const char *name, int64_t length, const cx_value *value)
{
    if (cx_text_is(name, length, "length"))
        store->length_ms = cx_number_of(value);
    else if (cx_text_is(name, length, "epoch"))
        store->epoch_ms = cx_number_of(value);
    else if (cx_text_is(name, length, "format") && value->type == CX_VALUE_TEXT && value->text != NULL
             && value->length < CX_FORMAT_MAX) {
        memcpy(store->format, value->text, (size_t)value->length);
        store->format[value->length] = 0;
    }
}

static void take_field(cx_store *store, const char *name, int64_t length, const cx_value *value)
{
    if (cx_text_is(name, length, "writePosition")) {
        bool pair = value->type == CX_VALUE_LONGS && value->capacity >= 2;
        store->has_sequence = pair;
        store->position_at = pair || value->code == 0xA7 ? value->offset : 0;
        store->sequence_at = pair ? value->offset + 8 : 0;
    } else if (cx_text_is(name, length, "dataFormat")) {
        store->data_format = (int32_t)cx_number_of(value);
    } else if (cx_text_is(name, length, "sourceId")) {
        store->source_id = (int32_t)cx_number_of(value);
    }
}

/* FIELDLESS_BINARY leaves names out: the same values in their fixed order (spec 9.11). */
static int parse_fieldless(cx_store *store, cx_cursor block)
{
    static const char *const indexing_names[] = {"indexCount", "indexSpacing", "index2Index", "lastIndex"};
    cx_value value;
    store->fieldless = true;
    if (cx_read_value(&block, &value) <= 0)
        return -1;
    take_field(store, "writePosition", 13, &value);
    if (cx_read_value(&block, &value) <= 0 || value.type != CX_VALUE_BLOCK)
        return -1;
    cx_cursor indexing = value.block;
    for (int i = 0; i < 4; i++) {
        if (cx_read_value(&indexing, &value) <= 0)
            return -1;
        take_indexing(store, indexing_names[i], (int64_t)strlen(indexing_names[i]), &value);
    }
    int more = cx_read_value(&block, &value);
    if (more > 0)
        take_field(store, "dataFormat", 10, &value);
    return more < 0 ? -1 : 0;
}

static int parse_named(cx_store *store, cx_cursor block)
{
    const char *name, *inner_name;
    int64_t length, inner_length;
    cx_value value, inner;
    int named, inner_named;
    while ((named = cx_read_name(&block, &name, &length)) > 0) {
        if (cx_read_value(&block, &value) <= 0)
            return -1;
        bool indexing = cx_text_is(name, length, "indexing");
        bool roll = cx_text_is(name, length, "roll");
        if ((indexing || roll) && value.type == CX_VALUE_BLOCK) {
            cx_cursor within = value.block;
            while ((inner_named = cx_read_name(&within, &inner_name, &inner_length)) > 0) {
                if (cx_read_value(&within, &inner) <= 0)
                    return -1;
                if (indexing)
                    take_indexing(store, inner_name, inner_length, &inner);
                else
                    take_roll(store, inner_name, inner_length, &inner);
            }
            if (inner_named < 0)
                return -1;
        } else {
            take_field(store, name, length, &value);
        }
    }
    return named;
}

static bool misplaced(const cx_store *store, int64_t offset)
{
    return offset == 0 || (offset & 7) != 0 || offset + 8 > store->header_end;
}

int32_t cx_store_parse(cx_store *store)
{
    int32_t code = cx_file_measure(&store->file);
    if (code < 0)
        return code;
    if (store->file.size < 4)
        return cx_fail(CX_E_NOT_READY, store->file.path, 0, 0, "the file has only %lld bytes", (long long)store->file.size);
    if ((code = cx_reach(&store->file, CX_HEAD, 0, 4, &store->head)) < 0)
        return code;
    uint32_t header = code == 0 ? 0 : cx_load_u32(store->head);
    if (cx_is_pending(header))
        return cx_fail(CX_E_NOT_READY, store->file.path, 0, header, "the first header is not complete (0x%08x)", header);
    if (!cx_is_ready(header) || (header & CX_META) == 0 || cx_length_of(header) > CX_HEADER_MAX)
        return cx_fail(CX_E_CORRUPT, store->file.path, 0, header, "0x%08x is not the header of a roll file", header);
    store->header_end = 4 + cx_length_of(header);
    code = cx_reach(&store->file, CX_HEAD, 0, store->header_end, &store->head);
    if (code < 0)
        return code;
    if (code == 0)
        return cx_fail(CX_E_CORRUPT, store->file.path, 0, header, "the file ends after %lld bytes, inside its header of %lld",
                       (long long)store->file.size, (long long)store->header_end);
    cx_cursor cursor = {.start = store->head, .base = 0, .at = 4, .end = store->header_end};
    const char *name;
    int64_t length;
    cx_value value;
    if (cx_read_name(&cursor, &name, &length) <= 0 || !cx_text_is(name, length, "header")
        || cx_read_value(&cursor, &value) <= 0 || value.type != CX_VALUE_BLOCK
        || (value.type_name != NULL && !cx_text_is(value.type_name, value.type_length, "SCQStore")))
        return corrupt_header(store, 4, "the first document is not a roll-file header");
    cx_cursor peek = value.block;
    bool named = cx_read_name(&peek, &name, &length) > 0;
    if ((named ? parse_named(store, value.block) : parse_fieldless(store, value.block)) < 0)
        return corrupt_header(store, 4, "malformed roll-file header");
    if (misplaced(store, store->position_at) || (store->has_sequence && misplaced(store, store->sequence_at)))
        return corrupt_header(store, store->position_at, "the roll-file header has no usable writePosition");
    if (misplaced(store, store->index2index_at) || misplaced(store, store->last_index_at))
        return corrupt_header(store, store->index2index_at, "the roll-file header has no usable index2Index or lastIndex");
    store->count_bits = log2_exact(store->index_count);
    store->spacing_bits = log2_exact(store->index_spacing);
    if (store->count_bits < 0 || store->spacing_bits < 0)
        return corrupt_header(store, 4, "indexCount and indexSpacing must be powers of two");
    int32_t bits = 2 * store->count_bits + store->spacing_bits;
    store->word_shift = bits > 32 ? bits : 32;
    if (store->word_shift > 62)
        return corrupt_header(store, 4, "impossible indexCount and indexSpacing");
    store->padded = store->data_format == 1;   /* any other value is taken as 0, as Java does (spec 4.1) */
    return 0;
}

int32_t cx_store_open(cx_store *store, const char *path, int64_t cycle)
{
    memset(store, 0, sizeof *store);
    store->cycle = cycle;
    int32_t code = cx_file_open(&store->file, path, false, false);
    if (code < 0)
        return code;
    code = cx_store_parse(store);
    if (code < 0)
        cx_store_close(store);
    return code;
}

void cx_store_close(cx_store *store)
{
    cx_file_close(&store->file);
    store->head = NULL;
}

/* --- documents --------------------------------------------------------------------------------------------------- */

int32_t cx_store_header(cx_store *store, int purpose, int64_t offset, uint32_t *header, uint8_t **document)
{
    uint8_t *place;
    int32_t code = cx_reach(&store->file, purpose, offset, 4, &place);
    *header = 0;
    if (code <= 0)
        return code;
    uint32_t word = cx_load_header(place);   /* acquire: pairs with the CAS of its writer (C5-1) */
    if (word == 0 || word == CX_EOF) {
        *header = word;
        return word != 0;
    }
    if ((word & CX_NOT_COMPLETE) != 0)
        return 0;
    int64_t length = cx_length_of(word);
    code = cx_reach(&store->file, purpose, offset, 4 + length, &place);
    if (code < 0)
        return code;
    if (code == 0)
        return cx_fail(CX_E_CORRUPT, store->file.path, offset, length, "header 0x%08x says %lld bytes, but the file ends after %lld",
                       word, (long long)length, (long long)store->file.size);
    *header = word;
    *document = place + 4;
    return 1;
}

int32_t cx_store_walk_to_end(cx_store *store, cx_place *place, bool *eof)
{
    *eof = false;
    for (;;) {
        uint32_t header;
        uint8_t *document;
        int32_t code = cx_store_header(store, CX_DATA, place->offset, &header, &document);
        if (code <= 0)
            return code;
        if (header == CX_EOF) {
            *eof = true;
            return 0;
        }
        place->sequence += cx_is_data(header);
        place->offset = cx_store_next(store, place->offset, header);
    }
}

/* --- index pages ------------------------------------------------------------------------------------------------- */

int32_t cx_store_slot(cx_store *store, int64_t page, int64_t i, uint8_t **slot)
{
    if (page != store->page_offset || page == 0) {
        uint32_t header;
        uint8_t *document;
        if (page < store->header_end || (store->padded && (page & 3) != 0))
            return 0;
        int32_t code = cx_store_header(store, CX_INDEX, page, &header, &document);
        if (code < 0 && code != CX_E_CORRUPT)
            return code;
        if (code <= 0 || header == CX_EOF || (header & CX_META) == 0)
            return 0;
        cx_cursor cursor = {.start = document, .base = page + 4, .at = 0, .end = cx_length_of(header)};
        const char *name;
        int64_t length;
        cx_value value;
        if (cx_read_name(&cursor, &name, &length) <= 0
            || !(cx_text_is(name, length, "index") || cx_text_is(name, length, "index2index"))
            || cx_read_value(&cursor, &value) <= 0 || value.type != CX_VALUE_LONGS || value.capacity < store->index_count
            || (value.offset & 7) != 0)
            return 0;
        store->page_offset = page;
        store->page_slots = value.offset;
    }
    return cx_reach(&store->file, CX_INDEX, store->page_slots + 8 * i, 8, slot);
}

/* Value of a slot that may point somewhere: 0 where it is empty, unreadable, or points outside the data. */
static int32_t slot_value(cx_store *store, int64_t page, int64_t i, int64_t *value)
{
    uint8_t *slot;
    *value = 0;
    int32_t code = cx_store_slot(store, page, i, &slot);
    if (code <= 0)
        return code;
    int64_t found = cx_load_i64(slot);
    if (found >= store->header_end && found <= store->file.size - 4 && (!store->padded || (found & 3) == 0))
        *value = found;
    return 1;
}

/* Nearest indexed place at or before `sequence` (C5-4: earlier slots serve as well); the start of the file if there is none.
 * Pages lie in the file in the order of their messages: one that does not is no page, or a file in which many slots name one
 * page would be searched for hours. */
static int32_t indexed_before(cx_store *store, int64_t sequence, cx_place *place)
{
    *place = (cx_place){0, 0};
    int64_t root = cx_load_i64(store->head + store->index2index_at);
    int64_t page_bits = store->count_bits + store->spacing_bits;
    int64_t limit = cx_store_capacity(store) - 1, above = INT64_MAX;
    if (root <= 0)
        return 0;
    if (sequence > limit)
        sequence = limit;
    int64_t j = (sequence >> store->spacing_bits) & (store->index_count - 1);
    for (int64_t i = sequence >> page_bits; i >= 0; i--) {
        int64_t page;
        int32_t code = slot_value(store, root, i, &page);
        if (code < 0)
            return code;
        if (page > above - 8 * (int64_t)store->index_count)
            page = 0;
        else if (page != 0)
            above = page;
        for (; page != 0 && j >= 0; j--) {
            int64_t offset;
            code = slot_value(store, page, j, &offset);
            if (code < 0)
                return code;
            if (code == 0)
                break;
            if (offset != 0) {
                uint32_t header;
                uint8_t *document;
                code = cx_store_header(store, CX_DATA, offset, &header, &document);
                if (code > 0 && cx_is_data(header)) {
                    *place = (cx_place){offset, (i << page_bits) + (j << store->spacing_bits)};
                    return 0;
                }
                if (code < 0 && code != CX_E_CORRUPT)
                    return code;
            }
        }
        j = store->index_count - 1;
    }
    return 0;
}

/* Walks from a place towards a sequence number inside one window, without the checks that only a document's end needs: it
 * stops before anything unusual, for the careful walk to judge. Returns the pitch of what it passed, 0 if it differed. */
static int64_t stride_to(cx_store *store, cx_place *place, int64_t sequence)
{
    const cx_window *window = store->file.window[CX_DATA];
    if (window == NULL || place->offset < window->offset)
        return 0;
    const uint8_t *bytes = window->base - window->offset;
    int64_t end = window->offset + window->length < store->file.size ? window->offset + window->length : store->file.size;
    int64_t at = place->offset, number = place->sequence, pitch = 0, changes = 0;
    uint32_t before = 0;
    while (number < sequence && at <= end - 4) {
        uint32_t header = cx_load_header(bytes + at);
        /* Where lengths repeat, the next offset comes from the last pitch rather than from this load: the processor predicts
         * the branch and runs ahead of memory. */
        if (header != before || pitch == 0) {
            if (!cx_is_ready(header))
                break;
            pitch = cx_store_next(store, at, header) - at;
            before = header;
            changes++;
        }
        if (pitch > end - at)
            break;
        __builtin_prefetch(bytes + at + CX_PREFETCH_BYTES);
        number += cx_is_data(header);
        at += pitch;
    }
    *place = (cx_place){at, number};
    return changes == 1 && cx_is_data(before) ? pitch : 0;
}

/* The same to the end of it: CX_FIND_*, with the place come to. */
static int32_t walk_to(cx_store *store, cx_place *place, int64_t sequence)
{
    stride_to(store, place, sequence);
    for (;;) {
        uint32_t header;
        uint8_t *document;
        int32_t code = cx_store_header(store, CX_DATA, place->offset, &header, &document);
        if (code < 0)
            return code;
        if (code == 0)
            return place->sequence == sequence ? CX_FIND_NEXT : CX_FIND_BEYOND;
        if (header == CX_EOF)
            return place->sequence == sequence ? CX_FIND_EOF : CX_FIND_BEYOND;
        if (cx_is_data(header)) {
            if (place->sequence == sequence)
                return CX_FIND_FOUND;
            place->sequence++;
        }
        place->offset = cx_store_next(store, place->offset, header);
    }
}

/* As indexed_before, but believes a slot only after a walk from the one before it has come to the same message: a damaged slot
 * would show wrong bytes under an index. Each slot is walked to once per open file (C5-2). Where many are wrong the index is
 * worth nothing: the start of the file. */
static int32_t trusted_before(cx_store *store, int64_t sequence, cx_place *place)
{
    int32_t code = indexed_before(store, sequence, place);
    for (int wrong = 0; code == 0 && place->offset != 0; wrong++) {
        if (wrong == WRONG_SLOTS) {
            *place = (cx_place){0, 0};
            return 0;
        }
        uint32_t number = (uint32_t)(place->sequence >> store->spacing_bits) + 1;
        cx_trust *trusted = &store->trusted[number % CX_TRUSTED_SLOTS];
        if (trusted->number == number)
            return 0;
        cx_place before;
        if ((code = indexed_before(store, place->sequence - 1, &before)) < 0)
            return code;
        cx_place reached = before;
        code = walk_to(store, &reached, place->sequence);
        if (code == CX_FIND_FOUND && reached.offset == place->offset) {
            *trusted = (cx_trust){.number = number};
            return 0;
        }
        if (code < 0 && code != CX_E_CORRUPT)
            return code;
        *place = before;   /* one of the two is wrong: the earlier one is looked at in its turn */
        code = 0;
    }
    return code;
}

/* --- ends and lookups -------------------------------------------------------------------------------------------- */

/* The last message that writePosition and the sequence word agree on. 1 with *place; 0 if they tell nothing usable. */
static int32_t last_known(cx_store *store, cx_place *place)
{
    if (!store->has_sequence)
        return 0;
    for (int tries = 0; tries < WORD_TRIES; tries++) {
        int64_t position = cx_load_i64(store->head + store->position_at);
        if (position == 0)
            return 0;
        uint64_t word = cx_load_u64(store->head + store->sequence_at);   /* pairs with the release in store_position */
        if (word == 0)
            return 0;
        uint64_t shift = (uint64_t)store->word_shift;
        if (word >> shift != ((uint64_t)position << shift) >> shift) {
            cx_pause();
            continue;
        }
        if (position < store->header_end || (store->padded && (position & 3) != 0))
            return 0;
        uint32_t header;
        uint8_t *document;
        int32_t code = cx_store_header(store, CX_DATA, position, &header, &document);
        if (code < 0 && code != CX_E_CORRUPT)
            return code;
        if (code <= 0 || !cx_is_data(header))
            return 0;   /* damaged: the index tells more */
        *place = (cx_place){position, (int64_t)(word & ((1ULL << shift) - 1))};
        return 1;
    }
    return 0;
}

int32_t cx_store_end(cx_store *store, cx_place *end, bool *eof)
{
    int32_t code = last_known(store, end);
    if (code < 0)
        return code;
    if (code == 0) {
        /* Nothing known (C5-3 lags, or damage): the last indexed message, else the start of the file. */
        code = trusted_before(store, cx_store_capacity(store) - 1, end);
        if (code < 0)
            return code;
    }
    return cx_store_walk_to_end(store, end, eof);
}

/* Goes from a trusted slot's message towards a sequence number, without a walk as far as it was walked before. */
static void leap_to(cx_store *store, cx_place *place, int64_t sequence)
{
    uint32_t number = (uint32_t)(place->sequence >> store->spacing_bits) + 1;
    cx_trust *trusted = &store->trusted[number % CX_TRUSTED_SLOTS];
    if (place->offset == 0 || trusted->number != number || (place->sequence & (store->index_spacing - 1)) != 0)
        return;
    const cx_place slot = *place;
    int64_t wanted = sequence - slot.sequence, known = wanted < trusted->even ? wanted : trusted->even;
    *place = (cx_place){slot.offset + known * trusted->pitch, slot.sequence + known};
    if (known == wanted || wanted > UINT32_MAX)
        return;
    int64_t pitch = stride_to(store, place, sequence);
    int64_t passed = place->sequence - slot.sequence;
    if (pitch > 0 && pitch <= UINT32_MAX && (trusted->even == 0 || trusted->pitch == pitch)
        && place->offset - slot.offset == passed * pitch)
        *trusted = (cx_trust){.number = number, .pitch = (uint32_t)pitch, .even = (uint32_t)passed};
}

int32_t cx_store_find(cx_store *store, int64_t sequence, int64_t *offset)
{
    cx_place place, known;
    int32_t code = trusted_before(store, sequence, &place);
    if (code < 0)
        return code;
    uint64_t word = store->has_sequence ? cx_load_u64(store->head + store->sequence_at) : 0;
    if (place.sequence != sequence && (int64_t)(word & ((1ULL << store->word_shift) - 1)) <= sequence) {
        /* The last known message is a second way in, for what the index does not have yet. */
        code = last_known(store, &known);
        if (code < 0)
            return code;
        if (code == 1 && known.sequence <= sequence && known.sequence > place.sequence)
            place = known;
    }
    leap_to(store, &place, sequence);
    code = walk_to(store, &place, sequence);
    *offset = place.offset;
    return code;
}
