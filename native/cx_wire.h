/* cx_wire.h -- the part of Binary Wire that the store itself is written in: header objects, table entries, index pages.
 *
 * Reading: a cursor that never leaves its bytes. Writing: an emitter into a buffer that knows its file offset, because bound
 * values are aligned by their place in the file (spec 9.8). Payload decoding is not here: that is Python's and later storeys'.
 */
#ifndef CX_WIRE_H
#define CX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CX_NOT_COMPLETE 0x80000000u
#define CX_META 0x40000000u
#define CX_EOF 0xC0000000u
#define CX_LENGTH_MASK 0x3FFFFFFFu
#define CX_HEADER_MAX 65536   /* longest first document that Java accepts (spec 2) */

static inline bool cx_is_ready(uint32_t header)
{
    return header != 0 && (header & CX_NOT_COMPLETE) == 0;
}

/* A first header that is not written yet, or whose writer died: 0 or 0x8nnnnnnn. */
static inline bool cx_is_pending(uint32_t header)
{
    return header == 0 || (header & (CX_NOT_COMPLETE | CX_META)) == CX_NOT_COMPLETE;
}

static inline bool cx_is_data(uint32_t header)
{
    return (header & (CX_NOT_COMPLETE | CX_META)) == 0 && header != 0;
}

static inline int64_t cx_length_of(uint32_t header)
{
    return (int64_t)(header & CX_LENGTH_MASK);
}

static inline int64_t cx_align4(int64_t offset)
{
    return (offset + 3) & ~3LL;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *start;   /* byte 0 of the document's payload */
    int64_t base;           /* its file offset: alignment and reports */
    int64_t at, end;        /* relative to start */
} cx_cursor;

enum { CX_VALUE_NONE = 0, CX_VALUE_INT, CX_VALUE_TEXT, CX_VALUE_BLOCK, CX_VALUE_LONGS, CX_VALUE_OTHER };

typedef struct {
    int32_t type;           /* CX_VALUE_* */
    uint8_t code;
    int64_t number;         /* INT */
    const char *text;       /* TEXT: not terminated */
    int64_t length;         /* TEXT, BLOCK: bytes; LONGS: used */
    int64_t capacity;       /* LONGS */
    int64_t offset;         /* file offset of the value's own bytes: of an A7's number, of the first of LONGS */
    cx_cursor block;        /* BLOCK */
    const char *type_name;  /* type prefix before the value, NULL if none; not terminated */
    int64_t type_length;
} cx_value;

/* Name before a value, if there is one here (fields, events, numbers). Returns 1, 0 if there is none (the end, or a value
 * without a name), -1 on malformed bytes. A numeric name gives name = NULL. */
int cx_read_name(cx_cursor *cursor, const char **name, int64_t *length);
/* One value, blocks not entered. Returns 1, 0 at the end, -1 on malformed or unknown bytes. */
int cx_read_value(cx_cursor *cursor, cx_value *value);
/* The integer that a value stands for, numeric text included (spec 9.3). */
int64_t cx_number_of(const cx_value *value);
bool cx_text_is(const char *text, int64_t length, const char *expected);
bool cx_text_is_nocase(const char *text, int64_t length, const char *expected);

/* --- writing ----------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *bytes;
    int64_t base;           /* file offset of bytes[0] */
    int64_t at;             /* bytes written */
    int64_t capacity;
} cx_emitter;               /* never writes beyond capacity; at > capacity tells that it would have */

void cx_emit_byte(cx_emitter *out, uint8_t byte);
void cx_emit_u32(cx_emitter *out, uint32_t number);
void cx_emit_i64(cx_emitter *out, int64_t number);
void cx_emit_bytes(cx_emitter *out, const void *bytes, int64_t length);
void cx_emit_field(cx_emitter *out, const char *name);       /* C0+n or B7 */
void cx_emit_event(cx_emitter *out, const char *name);       /* B9 */
void cx_emit_type(cx_emitter *out, const char *name);        /* B6 */
void cx_emit_text(cx_emitter *out, const char *text);        /* E0+n or B8 */
void cx_emit_time(cx_emitter *out, const char *text);        /* B2 */
void cx_emit_int(cx_emitter *out, int64_t number);           /* smallest form, spec 9.3 */
void cx_emit_padding(cx_emitter *out, int64_t count);        /* 8F or 8E, spec 9.8 */
/* Pads until the file offset of the next byte is `place` modulo `modulus`. */
void cx_emit_align(cx_emitter *out, int64_t place, int64_t modulus);
int64_t cx_emit_bound(cx_emitter *out, int64_t number);      /* aligned A7; returns the file offset of the number */
int64_t cx_emit_block(cx_emitter *out);                      /* 82 and room for its length; returns the mark to close it */
void cx_emit_block_end(cx_emitter *out, int64_t mark);

#endif
