/* cx_columns.c -- documents of one shape, many at a time, into columns of numbers and places.
 *
 * A shape is a list of steps: bytes that must be there (a name, a type), a value, the beginning and the end of a block. It is
 * learnt from one document, and taken to others. What a shape does not foresee, and every code that is not a plain scalar, is
 * left to the general decoder in Python, so here nothing is ever guessed: a document fits to its last byte or not at all.
 *
 * The bytes come from a file that anybody may have written. Every length is compared with what is left before it is used, each
 * byte that decides something is loaded once, and no depth or count in the document makes a loop longer than the document.
 * Codes are those of spec 9.2.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "chronix_api.h"

enum { BLOCK8 = 0x80, BLOCK16 = 0x81, BLOCK32 = 0x82, HISTORY = 0x86, U8_ARRAY = 0x8A, PADDING32 = 0x8E, PADDING = 0x8F,
       FLOAT32 = 0x90, FLOAT64 = 0x91, FLOAT_STOP_2 = 0x92, FLOAT_STOP_4 = 0x94, FLOAT_STOP_6 = 0x96,
       UUID = 0xA0, UINT8 = 0xA1, UINT16 = 0xA2, UINT32 = 0xA3, INT8 = 0xA4, INT16 = 0xA5, INT32 = 0xA6, INT64 = 0xA7,
       INT64_0X = 0xAF, NO = 0xB0, YES = 0xB1, TIME = 0xB2, ZONED_DATE_TIME = 0xB5, TYPE_PREFIX = 0xB6, NAME_ANY = 0xB7,
       STRING_ANY = 0xB8, EVENT_NAME = 0xB9, FIELD_NUMBER = 0xBA, NOTHING = 0xBB, TYPE_LITERAL = 0xBC, COMMENT = 0xBE,
       NAME0 = 0xC0, STRING0 = 0xE0 };

#define STOP_BIT_MAX 8                     /* bytes: 56 bits; what is longer is left to the general decoder */
#define CX_SOURCES_MAX 128                 /* of a history (Java: VanillaMessageHistory.MESSAGE_HISTORY_LENGTH) */
#define EXACT_MAX (INT64_C(1) << 53)       /* up to here a double is the integer */

typedef const uint8_t *place;

/* --- the grammar, one item at a time: each answers where the item ends, or NULL if it is none or does not end before `end` --- */

static uint16_t load16(place at)
{
    uint16_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint32_t load32(place at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static int64_t load64(place at)
{
    int64_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static place stop_bit(place at, place end, int64_t *number)
{
    uint64_t sum = 0;
    for (int i = 0; i < STOP_BIT_MAX && at < end; i++) {
        uint8_t byte = *at++;
        if (byte & 0x80) {
            sum |= (uint64_t)(byte & 0x7F) << (7 * i);
            continue;
        }
        *number = byte == 0 && i > 0 ? (int64_t)~sum : (int64_t)(sum | (uint64_t)byte << (7 * i));
        return at;
    }
    return NULL;
}

/* Bytes with their number before them. */
static place counted(place at, place end, int64_t *length)
{
    at = stop_bit(at, end, length);
    return at != NULL && *length >= 0 && *length <= end - at ? at + *length : NULL;
}

static bool is_ascii(place at, int64_t length)
{
    for (int64_t i = 0; i < length; i++)
        if (at[i] & 0x80)
            return false;
    return true;
}

/* Past padding and comments; `end` if there is nothing else. Comments beyond ASCII may be no text at all. */
static place after_padding(place at, place end)
{
    int64_t length;
    while (at != NULL && at < end) {
        uint8_t code = *at;
        if (code == PADDING)
            at++;
        else if (code == COMMENT) {
            at = counted(at + 1, end, &length);
            if (at != NULL && !is_ascii(at - length, length))
                return NULL;
        } else if (code == PADDING32) {
            if (end - at < 5)
                return NULL;
            length = load32(at + 1);
            at += 5;
            at = length <= end - at ? at + length : NULL;
        } else
            break;
    }
    return at;
}

static place after_name(place at, place end)
{
    int64_t ignored;
    uint8_t code = *at++;
    if (code >= NAME0 && code < STRING0)
        return end - at >= code - NAME0 ? at + (code - NAME0) : NULL;
    if (code == NAME_ANY || code == EVENT_NAME)
        return counted(at, end, &ignored);
    return code == FIELD_NUMBER ? stop_bit(at, end, &ignored) : NULL;
}

/* Into a block: where its content begins, and where it ends. */
static place into_block(place at, place end, place *content_end)
{
    static const int widths[] = {1, 2, 4};
    uint8_t code = *at++;
    if (code < BLOCK8 || code > BLOCK32 || end - at < widths[code - BLOCK8])
        return NULL;
    int64_t length = code == BLOCK8 ? *at : code == BLOCK16 ? load16(at) : load32(at);
    at += widths[code - BLOCK8];
    if (length > end - at)
        return NULL;
    *content_end = at + length;
    return at;
}

typedef struct {
    uint8_t kind;      /* CX_CELL_* */
    int64_t value;
} cell;

static int64_t bits_of(double number)
{
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static int64_t extent(place region, place start, int64_t length)
{
    return (int64_t)((uint64_t)(start - region) << 32 | (uint64_t)length);
}

static place whole(cell *out, int64_t number, place end)
{
    out->kind = CX_CELL_INT;
    out->value = number;
    return end;
}

static place real(cell *out, double number, place end)
{
    out->kind = CX_CELL_FLOAT;
    out->value = bits_of(number);
    return end;
}

/* Java writes a long that a float can hold, and that no shorter integer can, as that float (spec 9.3). */
static place single(cell *out, place at)
{
    float narrow;
    memcpy(&narrow, at, sizeof narrow);
    double number = narrow;
    bool is_long = (number > 4294967295.0 || number < -2147483648.0) && fabs(number) <= 0x1p63;
    if (!is_long)
        return real(out, number, at + sizeof narrow);
    return whole(out, number >= 0x1p63 ? INT64_MAX : (int64_t)number, at + sizeof narrow);
}

static place after_scalar(place region, place at, place end, cell *out)
{
    uint8_t code = *at++;
    int64_t length = 0;
    place stop;
    if (code < BLOCK8)
        return whole(out, code, at);
    if (code >= STRING0) {
        length = code - STRING0;
        if (length > end - at)
            return NULL;
        out->kind = CX_CELL_TEXT;
        out->value = extent(region, at, length);
        return at + length;
    }
    switch (code) {
    case UINT8:
        return end - at < 1 ? NULL : whole(out, *at, at + 1);
    case INT8:
        return end - at < 1 ? NULL : whole(out, (int8_t)*at, at + 1);
    case UINT16:
        return end - at < 2 ? NULL : whole(out, load16(at), at + 2);
    case INT16:
        return end - at < 2 ? NULL : whole(out, (int16_t)load16(at), at + 2);
    case UINT32:
        return end - at < 4 ? NULL : whole(out, load32(at), at + 4);
    case INT32:
        return end - at < 4 ? NULL : whole(out, (int32_t)load32(at), at + 4);
    case INT64:
    case INT64_0X:
        return end - at < 8 ? NULL : whole(out, load64(at), at + 8);
    case FLOAT32:
        return end - at < 4 ? NULL : single(out, at);
    case FLOAT64:
        if (end - at < 8)
            return NULL;
        out->kind = CX_CELL_FLOAT;
        out->value = load64(at);
        return at + 8;
    case FLOAT_STOP_2:
    case FLOAT_STOP_4:
    case FLOAT_STOP_6:
        stop = stop_bit(at, end, &length);
        if (stop == NULL || length > EXACT_MAX || length < -EXACT_MAX)
            return NULL;
        return real(out, (double)length / (code == FLOAT_STOP_2 ? 1e2 : code == FLOAT_STOP_4 ? 1e4 : 1e6), stop);
    case NO:
    case YES:
        out->kind = code == YES ? CX_CELL_TRUE : CX_CELL_FALSE;
        out->value = code == YES;
        return at;
    case NOTHING:
        out->kind = CX_CELL_NULL;
        out->value = 0;
        return at;
    case STRING_ANY:
        stop = counted(at, end, &length);
        out->kind = CX_CELL_TEXT;
        out->value = stop == NULL ? 0 : extent(region, stop - length, length);
        return stop;
    case UUID:
        out->kind = CX_CELL_OTHER;
        out->value = extent(region, at - 1, 17);
        return end - at < 16 ? NULL : at + 16;
    case BLOCK8:
    case BLOCK16:
    case BLOCK32:
        at = into_block(at - 1, end, &stop);
        if (at == NULL || at == stop || *at != U8_ARRAY)
            return NULL;
        out->kind = CX_CELL_BYTES;
        out->value = extent(region, at + 1, stop - at - 1);
        return stop;
    default:
        if ((code < TIME || code > ZONED_DATE_TIME) && code != TYPE_LITERAL)
            return NULL;
        stop = counted(at, end, &length);
        out->kind = CX_CELL_OTHER;
        out->value = stop == NULL ? 0 : extent(region, at - 1, stop - at + 1);
        return stop;
    }
}

/* A block that is a message history in bytes, valid to its end (spec 8.9): sources, timings, and nothing but padding. */
static place after_history(place at, place end)
{
    place stop;
    at = into_block(at, end, &stop);
    if (at == NULL || stop - at < 2 || at[0] != HISTORY)
        return NULL;
    int64_t sources = at[1], timings_at = 2 + 12 * sources;
    if (sources > CX_SOURCES_MAX || timings_at >= stop - at)
        return NULL;
    int64_t timings = at[timings_at], rest = timings_at + 1 + 8 * timings;
    if (rest > stop - at)
        return NULL;
    for (at += rest; at < stop; at++)
        if (*at != PADDING)
            return NULL;
    return stop;
}

/* --- learning a shape ------------------------------------------------------------------------------------------- */

typedef struct {
    place start;
    cx_step *steps;
    int32_t count, capacity;
} lesson;

static bool add(lesson *learnt, int32_t op, place from, place to)
{
    if (learnt->count == learnt->capacity)
        return false;
    cx_step *step = &learnt->steps[learnt->count++];
    step->op = op;
    step->start = (int32_t)(from - learnt->start);
    step->length = (int32_t)(to - from);
    return true;
}

static bool is_name(uint8_t code)
{
    return code == NAME_ANY || code == EVENT_NAME || code == FIELD_NUMBER || (code >= NAME0 && code < STRING0);
}

/* The items of a document or of a block, whose end is `end`; depth blocks are around them. A block begins with a name and has
 * names all through, or it has none. */
static bool learn_items(lesson *learnt, place at, place end, int depth)
{
    place stop, next;
    cell ignored;
    bool named = false;
    if (depth > CX_SHAPE_DEPTH_MAX)
        return false;
    for (int32_t items = 0;; items++) {
        at = after_padding(at, end);
        if (at == NULL || at == end)
            return at != NULL && items > 0;   /* what is empty may be anything */
        bool has_name = is_name(*at);
        if (items > 0 && has_name != named)
            return false;
        named = has_name;
        if (named) {
            next = after_name(at, end);
            if (next == NULL || !add(learnt, CX_STEP_SAME, at, next))
                return false;
            at = after_padding(next, end);
            if (at == NULL || at == end)
                return false;
        }
        if (*at == TYPE_PREFIX) {
            int64_t length;
            next = counted(at + 1, end, &length);
            if (next == NULL || !add(learnt, CX_STEP_SAME, at, next))
                return false;
            at = after_padding(next, end);
            if (at == NULL || at == end)
                return false;
        }
        next = depth == 0 && items == 0 && named ? after_history(at, end) : NULL;
        if (next != NULL) {
            if (!add(learnt, CX_STEP_HISTORY, at, next))
                return false;
            at = next;
            continue;
        }
        next = after_scalar(learnt->start, at, end, &ignored);
        if (next != NULL) {
            if (!add(learnt, CX_STEP_VALUE, at, next))
                return false;
            at = next;
            continue;
        }
        next = into_block(at, end, &stop);
        if (next == NULL || !add(learnt, CX_STEP_OPEN, at, next) || !learn_items(learnt, next, stop, depth + 1) ||
            !add(learnt, CX_STEP_CLOSE, stop, stop))
            return false;
        at = stop;
    }
}

int32_t cx_shape(const void *document, int64_t length, cx_step *steps, int32_t capacity)
{
    place start = document;
    lesson learnt = {start, steps, 0, capacity < CX_STEPS_MAX ? capacity : CX_STEPS_MAX};
    if (length <= 0 || length > CX_MESSAGE_MAX || *start < BLOCK8)
        return 0;
    return learn_items(&learnt, start, start + length, 0) ? learnt.count : 0;
}

/* --- taking documents apart --------------------------------------------------------------------------------------- */

/* One document into row `row`; true if it is of the shape. */
static bool take(place region, place at, place end, place sample, const cx_step *steps, int32_t count, uint8_t *kinds,
                 int64_t *values, int32_t row)
{
    place ends[CX_SHAPE_DEPTH_MAX + 1];
    int depth = 0;
    cell found;
    size_t slot = (size_t)row;
    for (int32_t i = 0; i < count; i++) {
        const cx_step *step = &steps[i];
        /* Padding is rare: it is looked for only where something else was. */
        if (step->op == CX_STEP_SAME) {
            if (end - at < step->length || memcmp(at, sample + step->start, (size_t)step->length) != 0) {
                at = after_padding(at, end);
                if (at == NULL || end - at < step->length ||
                    memcmp(at, sample + step->start, (size_t)step->length) != 0)
                    return false;
            }
            at += step->length;
            continue;
        }
        if (step->op == CX_STEP_CLOSE) {
            if (at != end && after_padding(at, end) != end)
                return false;
            at = end;
            end = ends[--depth];
            continue;
        }
        if (at < end && (*at == PADDING || *at == PADDING32 || *at == COMMENT))
            at = after_padding(at, end);
        if (at == NULL || at >= end)
            return false;
        if (step->op == CX_STEP_VALUE) {
            at = after_scalar(region, at, end, &found);
            if (at == NULL)
                return false;
            kinds[slot] = found.kind;
            values[slot] = found.value;
            slot += CX_BATCH;
        } else if (step->op == CX_STEP_HISTORY) {
            at = after_history(at, end);
            if (at == NULL)
                return false;
        } else {
            ends[depth++] = end;
            at = into_block(at, end, &end);
            if (at == NULL)
                return false;
        }
    }
    return at == end || after_padding(at, end) == end;
}

/* That the steps are as cx_shape makes them, so that take() may rely on it. */
static bool is_shape(const cx_step *steps, int32_t count, int64_t sample_length, int32_t slots)
{
    int depth = 0;
    if (count < 1 || count > CX_STEPS_MAX)
        return false;
    for (int32_t i = 0; i < count; i++) {
        const cx_step *step = &steps[i];
        switch (step->op) {
        case CX_STEP_SAME:
            if (step->start < 0 || step->length < 1 || step->start > sample_length - step->length)
                return false;
            break;
        case CX_STEP_VALUE:
            slots--;
            break;
        case CX_STEP_HISTORY:
            break;
        case CX_STEP_OPEN:
            if (++depth > CX_SHAPE_DEPTH_MAX)
                return false;
            break;
        case CX_STEP_CLOSE:
            if (--depth < 0)
                return false;
            break;
        default:
            return false;
        }
    }
    return depth == 0 && slots >= 0;
}

int32_t cx_columns(const void *region, int64_t length, const int32_t *starts, const int32_t *stops, int32_t count,
                   const void *sample, int64_t sample_length, const cx_step *steps, int32_t step_count,
                   uint8_t *shapes, uint8_t shape, uint8_t *kinds, int64_t *values, int32_t slots)
{
    place base = region;
    int32_t rows = 0;
    if (count < 0 || count > CX_BATCH || length < 0 || length > INT32_MAX ||
        !is_shape(steps, step_count, sample_length, slots))
        return CX_E_USAGE;
    for (int32_t i = 0; i < count; i++) {
        if (shapes[i] != 0)
            continue;
        if (starts[i] < 0 || stops[i] < starts[i] || stops[i] > length)
            return CX_E_USAGE;
        /* What begins with less than a code may be text, or JSON: that is not for here to tell. */
        if (stops[i] == starts[i] || base[starts[i]] < BLOCK8)
            continue;
        if (take(base, base + starts[i], base + stops[i], sample, steps, step_count, kinds, values, rows)) {
            shapes[i] = shape;
            rows++;
        }
    }
    return rows;
}

int64_t cx_texts(const void *region, int64_t length, const uint8_t *kinds, const int64_t *values, int32_t rows, char *out,
                 int64_t capacity, int32_t *plain)
{
    place base = region;
    int64_t total = 0;
    uint8_t high = 0;
    bool zero = false;
    for (int32_t i = 0; i < rows; i++) {
        int64_t start = values[i] >> 32, size = values[i] & 0xFFFFFFFF;
        total++;
        if (kinds[i] != CX_CELL_TEXT)
            continue;
        if (start < 0 || start > length - size)
            return CX_E_USAGE;
        total += size;
    }
    if (total > capacity)
        return total;
    char *to = out;
    for (int32_t i = 0; i < rows; i++) {
        if (kinds[i] != CX_CELL_TEXT) {
            *to++ = 0;
            continue;
        }
        place from = base + (values[i] >> 32);
        int64_t size = values[i] & 0xFFFFFFFF;
        for (int64_t at = 0; at < size; at++) {
            uint8_t byte = from[at];
            high |= byte;
            zero |= byte == 0;
            to[at] = (char)byte;
        }
        to[size] = 0;
        to += size + 1;
    }
    *plain = zero ? CX_TEXTS_ZERO : high & 0x80 ? CX_TEXTS_HIGH : CX_TEXTS_ASCII;
    return total;
}
