/* cx_wire.c -- see cx_wire.h. Codes are those of spec 9.2. */
#include "cx_wire.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static int64_t left(const cx_cursor *cursor)
{
    return cursor->end - cursor->at;
}

static uint64_t get(const cx_cursor *cursor, int64_t at, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++)
        number |= (uint64_t)cursor->start[at + i] << (8 * i);
    return number;
}

/* Returns bytes consumed, or -1. */
static int read_stop_bit(const cx_cursor *cursor, int64_t at, int64_t *number)
{
    uint64_t sum = 0;
    for (int i = 0; i < 10 && at + i < cursor->end; i++) {
        uint8_t byte = cursor->start[at + i];
        if (byte & 0x80) {
            if (i < 9)
                sum |= (uint64_t)(byte & 0x7F) << (7 * i);
            continue;
        }
        if (byte == 0 && i > 0)
            *number = (int64_t)~sum;
        else
            *number = (int64_t)(i < 9 ? sum | (uint64_t)byte << (7 * i) : sum);
        return i + 1;
    }
    return -1;
}

/* Skips padding and comments before an item. Returns -1 if they run out of the bytes. */
static int skip_padding(cx_cursor *cursor)
{
    while (left(cursor) > 0) {
        uint8_t code = cursor->start[cursor->at];
        int64_t length;
        if (code == 0x8F) {
            cursor->at++;
        } else if (code == 0x8E) {
            if (left(cursor) < 5)
                return -1;
            length = (int64_t)get(cursor, cursor->at + 1, 4);
            if (length > left(cursor) - 5)
                return -1;
            cursor->at += 5 + length;
        } else if (code == 0xBE) {
            int used = read_stop_bit(cursor, cursor->at + 1, &length);
            if (used < 0 || length < 0 || length > left(cursor) - 1 - used)
                return -1;
            cursor->at += 1 + used + length;
        } else {
            return 0;
        }
    }
    return 0;
}

/* A stop-bit length and that many bytes, from cursor->at + 1 on. */
static int read_counted(cx_cursor *cursor, const char **text, int64_t *length)
{
    int used = read_stop_bit(cursor, cursor->at + 1, length);
    if (used < 0)
        return -1;
    if (*length == -1) {   /* null string */
        *text = NULL;
        *length = 0;
        cursor->at += 1 + used;
        return 1;
    }
    if (*length < 0 || *length > left(cursor) - 1 - used)
        return -1;
    *text = (const char *)cursor->start + cursor->at + 1 + used;
    cursor->at += 1 + used + *length;
    return 1;
}

int cx_read_name(cx_cursor *cursor, const char **name, int64_t *length)
{
    if (skip_padding(cursor) < 0)
        return -1;
    if (left(cursor) == 0)
        return 0;
    uint8_t code = cursor->start[cursor->at];
    if (code >= 0xC0 && code <= 0xDF) {
        *length = code & 0x1F;
        if (*length > left(cursor) - 1)
            return -1;
        *name = (const char *)cursor->start + cursor->at + 1;
        cursor->at += 1 + *length;
        return 1;
    }
    if (code == 0xB7 || code == 0xB9)
        return read_counted(cursor, name, length);
    if (code == 0xBA) {
        int used = read_stop_bit(cursor, cursor->at + 1, length);
        if (used < 0)
            return -1;
        *name = NULL;
        *length = 0;
        cursor->at += 1 + used;
        return 1;
    }
    return 0;
}

/* A float standing for an integer saturates at the 64-bit range, which restores Long.MAX_VALUE (spec 9.3). */
static int64_t whole(double number)
{
    if (isnan(number))
        return 0;
    if (number >= 9223372036854775807.0)
        return INT64_MAX;
    if (number <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)number;
}

static int read_number(cx_cursor *cursor, uint8_t code, cx_value *value)
{
    static const int8_t sizes[16] = {-1, 1, 2, 4, 1, 2, 4, 8, -1, -1, -1, -1, -1, -1, -1, 8};
    int size = code == 0x90 ? 4 : code == 0x91 ? 8 : sizes[code & 15];
    if (size < 0 || left(cursor) < 1 + size)
        return -1;
    uint64_t raw = get(cursor, cursor->at + 1, size);
    value->type = CX_VALUE_INT;
    value->offset = cursor->base + cursor->at + 1;
    if (code == 0x90) {
        uint32_t bits = (uint32_t)raw;
        float number;
        memcpy(&number, &bits, 4);
        value->number = whole((double)number);
    } else if (code == 0x91) {
        double number;
        memcpy(&number, &raw, 8);
        value->number = whole(number);
    } else if (code == 0xA4) {
        value->number = (int8_t)raw;
    } else if (code == 0xA5) {
        value->number = (int16_t)raw;
    } else if (code == 0xA6) {
        value->number = (int32_t)raw;
    } else {
        value->number = (int64_t)raw;
    }
    cursor->at += 1 + size;
    return 1;
}

static int read_block(cx_cursor *cursor, uint8_t code, cx_value *value)
{
    int size = 1 << (code - 0x80);
    if (left(cursor) < 1 + size)
        return -1;
    int64_t length = (int64_t)get(cursor, cursor->at + 1, size);
    if (length > left(cursor) - 1 - size)
        return -1;
    value->type = CX_VALUE_BLOCK;
    value->length = length;
    value->block = *cursor;
    value->block.at = cursor->at + 1 + size;
    value->block.end = value->block.at + length;
    cursor->at = value->block.end;
    return 1;
}

static int read_longs(cx_cursor *cursor, cx_value *value)
{
    if (left(cursor) < 17)
        return -1;
    value->type = CX_VALUE_LONGS;
    value->capacity = (int64_t)get(cursor, cursor->at + 1, 8);
    value->length = (int64_t)get(cursor, cursor->at + 9, 8);
    value->offset = cursor->base + cursor->at + 17;
    if (value->capacity < 0 || value->capacity > (left(cursor) - 17) / 8)
        return -1;
    cursor->at += 17 + 8 * value->capacity;
    return 1;
}

int cx_read_value(cx_cursor *cursor, cx_value *value)
{
    memset(value, 0, sizeof *value);
    for (int prefixes = 0; prefixes < 4; prefixes++) {   /* more than one type before a value means nothing */
        if (skip_padding(cursor) < 0)
            return -1;
        if (left(cursor) == 0)
            return 0;
        uint8_t code = cursor->start[cursor->at];
        value->code = code;
        if (code == 0xB6) {
            if (read_counted(cursor, &value->type_name, &value->type_length) < 0)
                return -1;
            continue;
        }
        if (code < 0x80) {
            value->type = CX_VALUE_INT;
            value->number = code;
            value->offset = cursor->base + cursor->at;
            cursor->at++;
            return 1;
        }
        if (code <= 0x82)
            return read_block(cursor, code, value);
        if (code == 0x8D)
            return read_longs(cursor, value);
        if (code == 0x90 || code == 0x91 || (code >= 0xA1 && code <= 0xA7) || code == 0xAF)
            return read_number(cursor, code, value);
        if (code == 0xB0 || code == 0xB1 || code == 0xBB) {
            value->type = code == 0xBB ? CX_VALUE_NONE : CX_VALUE_INT;
            value->number = code == 0xB1;
            cursor->at++;
            return 1;
        }
        if (code >= 0xE0) {
            value->type = CX_VALUE_TEXT;
            value->length = code & 0x1F;
            if (value->length > left(cursor) - 1)
                return -1;
            value->text = (const char *)cursor->start + cursor->at + 1;
            cursor->at += 1 + value->length;
            return 1;
        }
        if (code == 0xB8 || (code >= 0xB2 && code <= 0xB5) || code == 0xBC) {
            value->type = CX_VALUE_TEXT;
            return read_counted(cursor, &value->text, &value->length);
        }
        if (code == 0xA0) {
            if (left(cursor) < 17)
                return -1;
            value->type = CX_VALUE_OTHER;
            cursor->at += 17;
            return 1;
        }
        if (code == 0x92 || code == 0x94 || code == 0x96) {
            int64_t scaled;
            int used = read_stop_bit(cursor, cursor->at + 1, &scaled);
            if (used < 0)
                return -1;
            value->type = CX_VALUE_INT;
            value->number = scaled / (code == 0x92 ? 100 : code == 0x94 ? 10000 : 1000000);
            cursor->at += 1 + used;
            return 1;
        }
        return -1;
    }
    return -1;
}

int64_t cx_number_of(const cx_value *value)
{
    if (value->type != CX_VALUE_TEXT || value->text == NULL || value->length == 0 || value->length > 18)
        return value->number;
    int64_t number = 0, start = value->text[0] == '-';
    for (int64_t i = start; i < value->length; i++) {
        if (value->text[i] < '0' || value->text[i] > '9')
            return 0;
        number = number * 10 + (value->text[i] - '0');
    }
    return start ? -number : number;
}

bool cx_text_is(const char *text, int64_t length, const char *expected)
{
    return text != NULL && (int64_t)strlen(expected) == length && memcmp(text, expected, (size_t)length) == 0;
}

bool cx_text_is_nocase(const char *text, int64_t length, const char *expected)
{
    return text != NULL && (int64_t)strlen(expected) == length && strncasecmp(text, expected, (size_t)length) == 0;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

void cx_emit_byte(cx_emitter *out, uint8_t byte)
{
    if (out->at < out->capacity)
        out->bytes[out->at] = byte;
    out->at++;
}

void cx_emit_bytes(cx_emitter *out, const void *bytes, int64_t length)
{
    for (int64_t i = 0; i < length; i++)
        cx_emit_byte(out, ((const uint8_t *)bytes)[i]);
}

static void emit_little(cx_emitter *out, uint64_t number, int size)
{
    for (int i = 0; i < size; i++)
        cx_emit_byte(out, (uint8_t)(number >> (8 * i)));
}

void cx_emit_u32(cx_emitter *out, uint32_t number)
{
    emit_little(out, number, 4);
}

void cx_emit_i64(cx_emitter *out, int64_t number)
{
    emit_little(out, (uint64_t)number, 8);
}

static void emit_counted(cx_emitter *out, uint8_t code, const char *text)
{
    size_t length = strlen(text);
    cx_emit_byte(out, code);
    for (size_t rest = length;; rest >>= 7) {
        cx_emit_byte(out, (uint8_t)(rest > 0x7F ? (rest & 0x7F) | 0x80 : rest));
        if (rest <= 0x7F)
            break;
    }
    cx_emit_bytes(out, text, (int64_t)length);
}

static void emit_short_or_counted(cx_emitter *out, uint8_t short_code, uint8_t long_code, const char *text)
{
    size_t length = strlen(text);
    if (length > 31) {
        emit_counted(out, long_code, text);
    } else {
        cx_emit_byte(out, (uint8_t)(short_code + length));
        cx_emit_bytes(out, text, (int64_t)length);
    }
}

void cx_emit_field(cx_emitter *out, const char *name)
{
    emit_short_or_counted(out, 0xC0, 0xB7, name);
}

void cx_emit_event(cx_emitter *out, const char *name)
{
    emit_counted(out, 0xB9, name);
}

void cx_emit_type(cx_emitter *out, const char *name)
{
    emit_counted(out, 0xB6, name);
}

void cx_emit_text(cx_emitter *out, const char *text)
{
    emit_short_or_counted(out, 0xE0, 0xB8, text);
}

void cx_emit_time(cx_emitter *out, const char *text)
{
    emit_counted(out, 0xB2, text);
}

void cx_emit_int(cx_emitter *out, int64_t number)
{
    float single = (float)number;
    if (number >= 0 && number <= 0xFF) {
        cx_emit_byte(out, 0xA1), emit_little(out, (uint64_t)number, 1);
    } else if (number >= INT8_MIN && number < 0) {
        cx_emit_byte(out, 0xA4), emit_little(out, (uint64_t)number, 1);
    } else if (number >= INT16_MIN && number <= INT16_MAX) {
        cx_emit_byte(out, 0xA5), emit_little(out, (uint64_t)number, 2);
    } else if (number >= 0 && number <= 0xFFFF) {
        cx_emit_byte(out, 0xA2), emit_little(out, (uint64_t)number, 2);
    } else if (number >= INT32_MIN && number <= INT32_MAX) {
        cx_emit_byte(out, 0xA6), emit_little(out, (uint64_t)number, 4);
    } else if (number >= 0 && number <= 0xFFFFFFFFLL) {
        cx_emit_byte(out, 0xA3), emit_little(out, (uint64_t)number, 4);
    } else if (whole((double)single) == number) {
        uint32_t bits;
        memcpy(&bits, &single, 4);
        cx_emit_byte(out, 0x90), emit_little(out, bits, 4);
    } else {
        cx_emit_byte(out, 0xA7), emit_little(out, (uint64_t)number, 8);
    }
}

void cx_emit_padding(cx_emitter *out, int64_t count)
{
    if (count < 5) {
        for (int64_t i = 0; i < count; i++)
            cx_emit_byte(out, 0x8F);
        return;
    }
    cx_emit_byte(out, 0x8E);
    cx_emit_u32(out, (uint32_t)(count - 5));
    for (int64_t i = 5; i < count; i++)
        cx_emit_byte(out, 0);
}

void cx_emit_align(cx_emitter *out, int64_t place, int64_t modulus)
{
    cx_emit_padding(out, (place - out->base - out->at) & (modulus - 1));
}

int64_t cx_emit_bound(cx_emitter *out, int64_t number)
{
    cx_emit_align(out, 7, 8);
    cx_emit_byte(out, 0xA7);
    cx_emit_i64(out, number);
    return out->base + out->at - 8;
}

int64_t cx_emit_block(cx_emitter *out)
{
    cx_emit_byte(out, 0x82);
    cx_emit_u32(out, 0);
    return out->at;
}

void cx_emit_block_end(cx_emitter *out, int64_t mark)
{
    cx_emitter patch = {.bytes = out->bytes, .at = mark - 4, .capacity = out->capacity};
    cx_emit_u32(&patch, (uint32_t)(out->at - mark));
}
