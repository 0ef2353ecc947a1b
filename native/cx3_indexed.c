/* cx3_indexed.c -- the journal itself: its settings, its files, and where their entries end. See cx3_indexed.h. */
#include "cx3_indexed.h"

#include <stdio.h>
#include <string.h>

#define LINE_MIN 16
#define LINE_MAX 4096                 /* Java finds an entry's place by the address of its line, which is aligned to a page */
#define BLOCK_MAX (1LL << 30)         /* Java maps no more than 2^31 - 1 bytes */
#define OFFSET_MAX (1LL << 48)        /* IndexedChronicle.newIndexLine() asserts it of a base */

/* --- the end ----------------------------------------------------------------------------------------------------- */

int32_t i3_load_base(cx_file *index, int64_t line_at, int64_t *base)
{
    uint8_t *line;
    int32_t code = cx_reach(index, CX_INDEX, line_at, 8, &line);
    if (code > 0)
        *base = cx_load_i64(line);
    return code;
}

int32_t i3_bad_base(const cx_file *index, int64_t line_at, int64_t base, const char *why)
{
    return cx_fail(CX_E_CORRUPT, index->path, line_at, base, "the line's base is %lld: %s", (long long)base, why);
}

int32_t i3_check_base(const i3_queue *queue, cx_file *index, int64_t line_at, int64_t base)
{
    if (line_at == 0)
        return base == 0 ? 0 : i3_bad_base(index, line_at, base, "the first line's is 0");
    if (base <= 0 || base > OFFSET_MAX)
        return i3_bad_base(index, line_at, base, "no offset in the data file");
    uint8_t *before;
    int32_t code = cx_reach(index, CX_INDEX, line_at - queue->line_bytes, queue->line_bytes, &before);
    if (code <= 0)
        return code < 0 ? code : i3_bad_base(index, line_at, base, "the file was truncated");
    int64_t last = i3_size_of_entry(i3_load_entry(before, queue->line_entries - 1));
    if (last == 0 || cx_load_i64(before) != base - last)
        return i3_bad_base(index, line_at, base, "the line before it does not end there");
    return 0;
}

int32_t i3_find_end(const i3_queue *queue, cx_file *index, i3_place *place)
{
    int64_t size = queue->line_bytes, base = 0;
    int32_t code = cx_file_measure(index);
    if (code < 0)
        return code;
    int64_t low = 0, high = index->size / size + (index->size % size != 0);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if ((code = i3_load_base(index, middle * size, &base)) < 0)
            return code;
        if (code > 0 && base != 0)
            low = middle;
        else
            high = middle;
    }
    *place = (i3_place){.number = low * queue->line_entries, .line_at = low * size, .based = true};
    code = i3_load_base(index, place->line_at, &place->base);
    if (code > 0)
        code = i3_check_base(queue, index, place->line_at, place->base);
    if (code < 0)
        return code;
    place->end = place->base;
    uint8_t *word;
    for (int64_t k = 0; k < queue->line_entries; k++) {
        if ((code = cx_reach(index, CX_INDEX, place->line_at + 8 + 4 * k, 4, &word)) < 0)
            return code;
        int32_t entry = code > 0 ? (int32_t)cx_load_u32(word) : 0;
        if (entry == 0)
            break;
        if (place->base + i3_size_of_entry(entry) < place->end)
            return cx_fail(CX_E_CORRUPT, index->path, place->line_at + 8 + 4 * k, entry, "entry %lld ends before it begins",
                           (long long)place->number);
        place->end = place->base + i3_size_of_entry(entry);
        place->left = entry;
        place->number++;
        place->k++;
    }
    if (place->k == queue->line_entries) {
        place->line_at += size;
        place->k = 0;
        place->based = false;
    } else if (place->k == 0 && low > 0) {
        if ((code = cx_reach(index, CX_INDEX, place->line_at - 4, 4, &word)) > 0)
            place->left = (int32_t)cx_load_u32(word);
    }
    return code < 0 ? code : 0;
}

/* --- queue ------------------------------------------------------------------------------------------------------- */

/* path.index and path.data, in whole blocks; files that hold something are left as they are. */
static int32_t make_files(i3_queue *queue)
{
    char parent[CX_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", queue->base.path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = 0;
        int32_t code = cx_path_exists(parent) ? 0 : cx_make_directories(parent, queue->base.settings.synchronous != 0);
        if (code < 0)
            return code;
    }
    bool had_data = cx_path_exists(queue->data_path);
    cx_file file;
    int32_t code = cx_file_open(&file, queue->index_path, true, true);
    if (code < 0)
        return code;
    i3_place place;
    if (file.size == 0)
        code = cx_file_grow(&file, queue->index_block);
    else if (!had_data && (code = i3_find_end(queue, &file, &place)) == 0 && place.number > 0)
        code = cx_fail(CX_E_CORRUPT, queue->data_path, -1, place.number, "the index has %lld entries, but there is no data file",
                       (long long)place.number);
    cx_file_close(&file);
    CX_POINT("i3_index_made");
    if (code < 0 || (code = cx_file_open(&file, queue->data_path, true, true)) < 0)
        return code;
    if (file.size == 0)
        code = cx_file_grow(&file, queue->data_block);
    cx_file_close(&file);
    CX_POINT("i3_data_made");
    return code;
}

static int32_t open_queue(cx_queue *base)
{
    i3_queue *queue = (i3_queue *)base;
    const cx_settings *settings = &base->settings;
    int64_t line = settings->line_bytes;
    if (line < LINE_MIN || line > LINE_MAX || (line & (line - 1)) != 0)
        return cx_fail(CX_E_USAGE, base->path, -1, line, "an index line has a power of two of %d to %d bytes, not %lld", LINE_MIN,
                       LINE_MAX, (long long)line);
    if (settings->index_block_bytes < line || settings->index_block_bytes > BLOCK_MAX || settings->index_block_bytes % line != 0)
        return cx_fail(CX_E_USAGE, base->path, -1, settings->index_block_bytes, "an index block of %lld bytes is not a multiple of "
                       "the line's %lld up to %lld", (long long)settings->index_block_bytes, (long long)line, (long long)BLOCK_MAX);
    if (settings->data_block_bytes < 1 || settings->data_block_bytes > BLOCK_MAX || settings->reserve_bytes < 0
        || settings->reserve_bytes >= settings->data_block_bytes || settings->shift != 63)
        return cx_fail(CX_E_USAGE, base->path, -1, settings->data_block_bytes, "a data block has 1 to %lld bytes, more than are "
                       "reserved for an excerpt; %lld and %lld are asked for", (long long)BLOCK_MAX,
                       (long long)settings->data_block_bytes, (long long)settings->reserve_bytes);
    if (strlen(base->path) >= CX_PATH_MAX - sizeof ".index")
        return cx_fail(CX_E_USAGE, base->path, -1, 0, "the path is too long");
    queue->line_bytes = line;
    queue->line_entries = (line - 8) / 4;
    queue->index_block = settings->index_block_bytes;
    queue->data_block = settings->data_block_bytes;
    queue->reserve = settings->reserve_bytes;
    /* Bounded above, which the compiler cannot see. */
    snprintf(queue->index_path, sizeof queue->index_path, "%.*s.index", CX_PATH_MAX - 8, base->path);
    snprintf(queue->data_path, sizeof queue->data_path, "%.*s.data", CX_PATH_MAX - 8, base->path);
    if (settings->writable != 0 && settings->create != 0)
        return make_files(queue);
    return cx_path_exists(queue->index_path) ? 0 : cx_fail(CX_E_NOT_FOUND, queue->index_path, -1, 0, "there is no journal");
}

static void release(cx_queue *base)
{
    (void)base;   /* files are open while they are looked at, and by appenders and tailers */
}

static int64_t list_cycles(cx_queue *base, int64_t *cycles, int64_t capacity)
{
    if (!cx_path_exists(((i3_queue *)base)->index_path))
        return 0;
    if (capacity > 0)
        cycles[0] = 0;
    return 1;
}

static int32_t refresh(cx_queue *base)
{
    (void)base;   /* nothing is cached */
    return 0;
}

static int32_t look_at_cycle(cx_queue *base, int64_t cycle, cx_cycle_info *info)
{
    i3_queue *queue = (i3_queue *)base;
    if (cycle != 0)
        return cx_fail(CX_E_NOT_FOUND, queue->index_path, -1, cycle, "an Indexed journal has cycle 0 and no other");
    cx_file index, data;
    int32_t code = cx_file_open(&index, queue->index_path, false, false);
    if (code < 0)
        return code;
    i3_place place;
    code = i3_find_end(queue, &index, &place);
    cx_file_close(&index);
    if (code == 0)
        code = cx_file_open(&data, queue->data_path, false, false);
    if (code == CX_E_NOT_FOUND)
        return cx_fail(CX_E_CORRUPT, queue->data_path, -1, 0, "the data file of the journal is missing");
    if (code < 0)
        return code;
    info->count = place.number;
    info->size_bytes = data.size;
    info->used_bytes = place.end;
    info->ready = 1;
    cx_file_close(&data);
    return 0;
}

const cx_format cx3_indexed_format = {
    .noun = "an Indexed journal of Chronicle 3",
    .bytes = sizeof(i3_queue),
    .appending = &i3_appending,
    .tailing = &i3_tailing,
    .open = open_queue,
    .release = release,
    .cycles = list_cycles,
    .cycle = look_at_cycle,
    .refresh = refresh,
};
