/* cx_table.c -- metadata.cq4t.
 *
 * INVARIANTS
 *  T-1  Documents are created only under the byte-range lock [0x7FFFFFFFFFFFFFFE, 1] (spec 3.5); existing values are read and
 *       changed by atomics alone.
 *  T-2  Every value is 8-aligned in the file, so that atomics on it are atomic.
 *  T-3  No entry starts at or beyond offset 65 536 (spec 3.3): Java could not map it.
 */
#include "cx_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cx_atomic.h"
#include "cx_fault.h"
#include "cx_wire.h"

#define TABLE_BYTES 131072
#define ENTRY_LIMIT 65536
#define LOCK_START 0x7FFFFFFFFFFFFFFELL

/* Header word of the first document, checked: ready metadata of at most 65 536 bytes within the file. */
static int32_t check_first_header(const cx_table *table, uint32_t header)
{
    if (cx_is_pending(header))
        return cx_fail(CX_E_NOT_READY, table->file.path, 0, header, "the header is still being written (0x%08x)", header);
    if ((header & CX_META) == 0 || cx_length_of(header) > CX_HEADER_MAX || 4 + cx_length_of(header) > table->mapped)
        return cx_fail(CX_E_CORRUPT, table->file.path, 0, header, "0x%08x is not the header of a table store", header);
    return 0;
}

static void copy_text(char *target, const cx_value *value)
{
    int64_t length = value->type == CX_VALUE_TEXT && value->text != NULL && value->length < CX_FORMAT_MAX ? value->length : 0;
    memcpy(target, length > 0 ? value->text : "", (size_t)length);
    target[length] = 0;
}

static int parse_roll(cx_cursor block, cx_settings *settings)
{
    const char *name;
    int64_t length;
    cx_value value;
    int named;
    while ((named = cx_read_name(&block, &name, &length)) > 0) {
        if (cx_read_value(&block, &value) <= 0)
            return -1;
        if (cx_text_is(name, length, "length"))
            settings->length_ms = cx_number_of(&value);
        else if (cx_text_is(name, length, "format"))
            copy_text(settings->format, &value);
        else if (cx_text_is(name, length, "epoch"))
            settings->epoch_ms = cx_number_of(&value);
        else if (cx_text_is(name, length, "rollTime"))
            copy_text(settings->roll_time, &value);
        else if (cx_text_is(name, length, "rollTimeZone"))
            copy_text(settings->roll_time_zone, &value);
    }
    return named;
}

static int parse_metadata(cx_cursor block, cx_settings *settings)
{
    const char *name;
    int64_t length;
    cx_value value;
    int named;
    while ((named = cx_read_name(&block, &name, &length)) > 0) {
        if (cx_read_value(&block, &value) <= 0)
            return -1;
        if (cx_text_is(name, length, "roll") && value.type == CX_VALUE_BLOCK && parse_roll(value.block, settings) < 0)
            return -1;
        if (cx_text_is(name, length, "sourceId"))
            settings->source_id = (int32_t)cx_number_of(&value);
    }
    return named;
}

/* Parses !STStore { wireType, metadata: !SCQMeta { roll: !SCQSRoll {...}, deltaCheckpointInterval, sourceId }, [recovery] }. */
static int32_t parse_header(const cx_table *table, int64_t length, cx_settings *settings)
{
    cx_cursor cursor = {.start = table->base, .base = 0, .at = 4, .end = 4 + length};
    const char *name;
    int64_t name_length;
    cx_value value;
    settings->kind = CX_KIND_V5;
    settings->format[0] = settings->roll_time[0] = settings->roll_time_zone[0] = 0;
    settings->length_ms = 0;
    if (cx_read_name(&cursor, &name, &name_length) <= 0 || !cx_text_is(name, name_length, "header")
        || cx_read_value(&cursor, &value) <= 0 || value.type != CX_VALUE_BLOCK
        || (value.type_name != NULL && !cx_text_is(value.type_name, value.type_length, "STStore")))
        return cx_fail(CX_E_CORRUPT, table->file.path, 4, 0, "the first document is not a table-store header");
    cx_cursor block = value.block;
    int named;
    while ((named = cx_read_name(&block, &name, &name_length)) > 0) {
        if (cx_read_value(&block, &value) <= 0) {
            named = -1;
            break;
        }
        if (cx_text_is(name, name_length, "metadata") && value.type == CX_VALUE_BLOCK
            && parse_metadata(value.block, settings) < 0)
            named = -1;
        /* Release 5.16 wrote a recovery field, and tables without padding (Appendix F). */
        if (cx_text_is(name, name_length, "recovery"))
            settings->kind = CX_KIND_V5_UNPADDED;
        if (named < 0)
            break;
    }
    if (named < 0)
        return cx_fail(CX_E_CORRUPT, table->file.path, block.at, 0, "malformed table-store header");
    if (settings->length_ms <= 0 || settings->format[0] == 0)
        return cx_fail(CX_E_CORRUPT, table->file.path, 4, 0, "the table-store header names no roll cycle");
    return settings->kind;
}

static int32_t map_whole(cx_table *table)
{
    int32_t code = cx_file_measure(&table->file);
    if (code < 0)
        return code;
    if (table->file.size < 4) {
        uint8_t bytes[4] = {0};
        bool empty = pread(table->file.fd, bytes, 3, 0) >= 0 && (bytes[0] | bytes[1] | bytes[2]) == 0;
        return cx_fail(empty ? CX_E_NOT_READY : CX_E_CORRUPT, table->file.path, 0, 0, "the file has only %lld bytes",
                       (long long)table->file.size);
    }
    int64_t size = table->file.size;
    code = cx_reach(&table->file, CX_HEAD, 0, size, &table->base);
    if (code < 0)
        return code;
    if (code == 0)
        return cx_fail(CX_E_CORRUPT, table->file.path, size, 0, "the file shrinks while it is opened");
    table->mapped = size;
    return 0;
}

int32_t cx_table_probe(const char *path, cx_settings *settings)
{
    cx_table table = {0};
    int32_t code = cx_file_open(&table.file, path, false, false);
    if (code < 0)
        return code;
    code = map_whole(&table);
    if (code == 0) {
        uint32_t header = cx_load_u32(table.base);
        code = check_first_header(&table, header);
        if (code == 0)
            code = parse_header(&table, cx_length_of(header), settings);
    }
    cx_file_close(&table.file);
    return code < 0 ? code : 0;
}

/* --- creation ---------------------------------------------------------------------------------------------------- */

/* Spec 3.2, with deltaCheckpointInterval, which releases up to 5.26 require (Appendix F). */
static int64_t emit_header(uint8_t *bytes, int64_t capacity, const cx_settings *settings)
{
    cx_emitter out = {.bytes = bytes, .base = 4, .capacity = capacity};
    cx_emit_event(&out, "header");
    cx_emit_type(&out, "STStore");
    int64_t store = cx_emit_block(&out);
    cx_emit_field(&out, "wireType");
    cx_emit_type(&out, "WireType");
    cx_emit_text(&out, "BINARY_LIGHT");
    cx_emit_field(&out, "metadata");
    cx_emit_type(&out, "SCQMeta");
    int64_t metadata = cx_emit_block(&out);
    cx_emit_field(&out, "roll");
    cx_emit_type(&out, "SCQSRoll");
    int64_t roll = cx_emit_block(&out);
    cx_emit_field(&out, "length");
    cx_emit_int(&out, settings->length_ms);
    cx_emit_field(&out, "format");
    cx_emit_text(&out, settings->format);
    cx_emit_field(&out, "epoch");
    cx_emit_int(&out, settings->epoch_ms);
    if (settings->roll_time[0] != 0) {
        cx_emit_field(&out, "rollTime");
        cx_emit_time(&out, settings->roll_time);
    }
    if (settings->roll_time_zone[0] != 0) {
        cx_emit_field(&out, "rollTimeZone");
        cx_emit_text(&out, settings->roll_time_zone);
    }
    cx_emit_block_end(&out, roll);
    cx_emit_field(&out, "deltaCheckpointInterval");
    cx_emit_int(&out, 64);
    cx_emit_field(&out, "sourceId");
    cx_emit_int(&out, settings->source_id);
    cx_emit_block_end(&out, metadata);
    cx_emit_padding(&out, -(out.base + out.at) & 3);
    cx_emit_block_end(&out, store);
    return out.at;
}

/* Under the byte-range lock. */
static int32_t create_header(cx_table *table, const cx_settings *settings)
{
    int32_t code = cx_allocate(&table->file, 0, 4096, false);
    if (code < 0)
        return code;
    /* Debris of a creator that died is taken over: it held this lock, so nobody is writing now. */
    uint32_t seen = cx_load_u32(table->base);
    if (!cx_cas_u32(table->base, seen, CX_NOT_COMPLETE))
        return cx_fail(CX_E_CORRUPT, table->file.path, 0, 0, "another process writes the header without the lock");
    CX_POINT("table_claimed");
    uint8_t bytes[1024];
    int64_t length = emit_header(bytes, sizeof bytes, settings);
    if (length > (int64_t)sizeof bytes)
        return cx_fail(CX_E_USAGE, table->file.path, 0, length, "settings too long for a table-store header");
    memcpy(table->base + 4, bytes, (size_t)length);
    memset(table->base + 4 + length, 0, 8);
    CX_POINT("table_header_stored");
    cx_store_u32(table->base, CX_META | (uint32_t)length);
    CX_POINT("table_published");
    return 0;
}

static bool same_settings(const cx_settings *a, const cx_settings *b)
{
    return a->length_ms == b->length_ms && a->epoch_ms == b->epoch_ms && a->source_id == b->source_id
        && strcmp(a->format, b->format) == 0;
}

static int32_t open_mapped(cx_table *table, const cx_settings *settings, bool writable)
{
    int32_t code;
    if (writable) {
        code = cx_file_grow(&table->file, TABLE_BYTES);
        if (code < 0)
            return code;
    }
    code = map_whole(table);
    if (code < 0)
        return code;
    uint32_t header = cx_load_u32(table->base);
    if (writable && cx_is_pending(header)) {
        code = cx_file_lock(&table->file, LOCK_START, 1);
        if (code < 0)
            return code;
        header = cx_load_u32(table->base);
        if (cx_is_pending(header))
            code = create_header(table, settings);
        cx_file_unlock(&table->file, LOCK_START, 1);
        if (code < 0)
            return code;
        header = cx_load_u32(table->base);
    }
    code = check_first_header(table, header);
    if (code < 0)
        return code;
    cx_settings stored = {0};
    code = parse_header(table, cx_length_of(header), &stored);
    if (code < 0)
        return code;
    if (!same_settings(&stored, settings))
        return cx_fail(CX_E_CHANGED, table->file.path, 0, 0, "the stored settings changed while the queue was opened");
    table->padded = stored.kind == CX_KIND_V5;
    table->first_entry = 4 + cx_length_of(header);
    if (table->padded)
        table->first_entry = cx_align4(table->first_entry);
    return 0;
}

/* A new table store is built under a name that Java ignores and then renamed, so that a creator that dies leaves no
 * half-made table, for whose header others would wait. 0 also if somebody else was first; they all open what is there. */
static int32_t create_aside(const char *path, const cx_settings *settings)
{
    if (cx_path_exists(path))
        return 0;
    char aside[CX_PATH_MAX];
    if ((size_t)snprintf(aside, sizeof aside, "%s.%d.creating", path, (int)cx_thread_id()) >= sizeof aside)
        return cx_fail(CX_E_USAGE, path, -1, 0, "the path of the queue is too long");
    unlink(aside);
    cx_table table = {0};
    int32_t code = cx_file_open(&table.file, aside, true, true);
    if (code < 0)
        return code;
    if ((code = cx_file_grow(&table.file, TABLE_BYTES)) == 0 && (code = map_whole(&table)) == 0)
        code = create_header(&table, settings);
    cx_file_close(&table.file);
    if (code == 0)
        code = cx_rename_new(aside, path);
    if (code != 1)
        unlink(aside);
    return code < 0 ? code : 0;
}

int32_t cx_table_open(cx_table *table, const char *path, const cx_settings *settings, bool writable)
{
    memset(table, 0, offsetof(cx_table, creating));
    table->file.fd = -1;
    int32_t code = writable && settings->create != 0 ? create_aside(path, settings) : 0;
    if (code < 0)
        return code;
    code = cx_file_open(&table->file, path, writable, writable && settings->create != 0);
    if (code < 0)
        return code;
    pthread_mutex_init(&table->creating, NULL);
    code = open_mapped(table, settings, writable);
    if (code < 0)
        cx_table_close(table);
    return code;
}

void cx_table_close(cx_table *table)
{
    if (table->file.fd < 0)
        return;
    pthread_mutex_destroy(&table->creating);
    cx_file_close(&table->file);
    table->base = NULL;
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

/* Document at *offset: 1 with its key and value's address (NULL key: not an entry), 0 at the end of entries, or a code. */
static int32_t read_entry(const cx_table *table, int64_t *offset, const char **key, int64_t *key_length, void **value)
{
    int64_t at = *offset;
    if (at > table->mapped - 4)
        return 0;
    uint32_t header = cx_load_header(table->base + at);
    if (!cx_is_ready(header))   /* the end, or the debris of a creator that died: both end the table */
        return 0;
    int64_t length = cx_length_of(header);
    if (length > table->mapped - at - 4)
        return cx_fail(CX_E_CORRUPT, table->file.path, at, length, "an entry of %lld bytes passes the end of the file", (long long)length);
    *offset = at + 4 + length;
    if (table->padded)
        *offset = cx_align4(*offset);
    *key = NULL;
    *key_length = 0;
    if (!cx_is_data(header))
        return 1;
    cx_cursor cursor = {.start = table->base + at + 4, .base = at + 4, .at = 0, .end = length};
    cx_value number;
    if (cx_read_name(&cursor, key, key_length) <= 0 || cx_read_value(&cursor, &number) <= 0 || number.code != 0xA7) {
        *key = NULL;
        return 1;
    }
    if (table->padded && (number.offset & 7) != 0)
        return cx_fail(CX_E_CORRUPT, table->file.path, number.offset, 0, "a value is not 8-aligned");
    *value = table->base + number.offset;
    return 1;
}

static int32_t find_from(const cx_table *table, int64_t *offset, const char *key, void **value)
{
    for (;;) {
        const char *name;
        int64_t length;
        int32_t found = read_entry(table, offset, &name, &length, value);
        if (found <= 0)
            return found;
        if (name != NULL && cx_text_is_nocase(name, length, key))
            return 1;
    }
}

int32_t cx_table_find(cx_table *table, const char *key, void **value)
{
    int64_t offset = table->first_entry;
    return find_from(table, &offset, key, value);
}

static int32_t create_entry(cx_table *table, int64_t offset, const char *key, int64_t initial, void **value)
{
    size_t length = strlen(key);
    if (length == 0 || length >= CX_KEY_MAX)
        return cx_fail(CX_E_USAGE, table->file.path, -1, (int64_t)length, "a key has 1 to 255 bytes");
    uint8_t bytes[CX_KEY_MAX + 64];
    cx_emitter out = {.bytes = bytes, .base = offset + 4, .capacity = sizeof bytes};
    cx_emit_event(&out, key);
    int64_t place = cx_emit_bound(&out, initial);
    if (offset >= ENTRY_LIMIT || offset + 4 + out.at + 8 > table->mapped)
        return cx_fail(CX_E_NO_SPACE, table->file.path, offset, 0, "the table store is full (entries end at 65 536, spec 3.3)");
    int32_t code = cx_allocate_word(&table->file, offset, out.at + 12);
    if (code < 0)
        return code;
    uint8_t *target = table->base + offset;
    uint32_t debris = cx_load_u32(target);
    memcpy(target + 4, bytes, (size_t)out.at);
    memset(target + 4 + out.at, 0, 8);
    CX_POINT("key_stored");
    if (!cx_cas_u32(target, debris, (uint32_t)out.at))
        return cx_fail(CX_E_CORRUPT, table->file.path, offset, 0, "another process writes the table store without its lock");
    CX_POINT("key_published");
    *value = table->base + place;
    return 1;
}

int32_t cx_table_acquire(cx_table *table, const char *key, int64_t initial, void **value)
{
    int64_t offset = table->first_entry;
    int32_t code = find_from(table, &offset, key, value);
    if (code != 0)
        return code < 0 ? code : 0;
    pthread_mutex_lock(&table->creating);
    code = cx_file_lock(&table->file, LOCK_START, 1);
    if (code == 0) {
        code = find_from(table, &offset, key, value);   /* somebody may just have created it */
        if (code == 0)
            code = create_entry(table, offset, key, initial, value);
        else if (code > 0)
            code = 0;
        cx_file_unlock(&table->file, LOCK_START, 1);
    }
    pthread_mutex_unlock(&table->creating);
    return code;
}

int32_t cx_table_entry(cx_table *table, int64_t *offset, char *key, int64_t *value)
{
    if (*offset < table->first_entry)
        *offset = table->first_entry;
    for (;;) {
        const char *name;
        int64_t length;
        void *place = NULL;
        int32_t found = read_entry(table, offset, &name, &length, &place);
        if (found <= 0)
            return found;
        if (name == NULL || length >= CX_KEY_MAX)
            continue;
        memcpy(key, name, (size_t)length);
        key[length] = 0;
        if (((uintptr_t)place & 7) == 0)
            *value = cx_load_i64(place);
        else
            memcpy(value, place, 8);   /* 5.16's unpadded tables, read-only */
        return 1;
    }
}
