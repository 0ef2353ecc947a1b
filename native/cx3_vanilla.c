/* cx3_vanilla.c -- the journal itself: its settings, cycles, names and mapped files. See cx3_vanilla.h. */
#include "cx3_vanilla.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cx_atomic.h"

/* Java maps no more at once (spec 2.5). */
#define BLOCK_MAX (1LL << 30)
/* A slot of a smaller index file, or a record of a smaller data file, would not fit. */
#define BLOCK_MIN 16
/* Files of at least this size give the pages of what was read back when another one follows. */
#define SWEPT_BYTES (1LL << 20)

/* --- settings ---------------------------------------------------------------------------------------------------- */

static bool power_of_two(int64_t number, int64_t least, int64_t most)
{
    return number >= least && number <= most && (number & (number - 1)) == 0;
}

static int32_t log2_of(int64_t power)
{
    return 63 - __builtin_clzll((unsigned long long)power);
}

static int32_t check_settings(cx3_queue *queue)
{
    const cx_settings *settings = &queue->base.settings;
    const char *path = queue->base.path;
    if (!power_of_two(settings->index_block_bytes, BLOCK_MIN, BLOCK_MAX) || !power_of_two(settings->data_block_bytes, BLOCK_MIN, BLOCK_MAX))
        return cx_fail(CX_E_USAGE, path, -1, 0, "block sizes are powers of two within %d..%lld, not %lld (index) and %lld (data)", BLOCK_MIN,
                       BLOCK_MAX, (long long)settings->index_block_bytes, (long long)settings->data_block_bytes);
    if (settings->shift < 8 || settings->shift > 48)
        return cx_fail(CX_E_USAGE, path, -1, settings->shift, "a cycle has 2^8 to 2^48 entries, not 2^%d", settings->shift);
    if (settings->thread_bits < 8 || settings->thread_bits > 32)
        return cx_fail(CX_E_USAGE, path, -1, settings->thread_bits, "a thread id has 8 to 32 bits in an index entry, not %d",
                       settings->thread_bits);
    if (settings->thread_id < 0 || settings->reserve_bytes < 0)
        return cx_fail(CX_E_USAGE, path, -1, 0, "neither thread id nor reserved bytes are negative");
    queue->slot_bits = log2_of(settings->index_block_bytes) - 3;
    queue->slots = 1LL << queue->slot_bits;
    queue->block_bits = log2_of(settings->data_block_bytes);
    queue->reserve = settings->reserve_bytes <= settings->data_block_bytes - 4 ? settings->reserve_bytes : 0;
    queue->position_bits = 64 - settings->thread_bits;
    queue->files = settings->shift > queue->slot_bits ? 1LL << (settings->shift - queue->slot_bits) : 1;
    if (queue->files > CX3_INDEX_FILES_MAX)
        queue->files = CX3_INDEX_FILES_MAX;
    queue->entries = queue->files << queue->slot_bits;
    if (queue->entries > 1LL << settings->shift)
        queue->entries = 1LL << settings->shift;
    int32_t code = cx_roll_init(&queue->roll, settings->format, "", settings->length_ms, 0);
    if (code < 0)
        return code;
    /* Java takes a format that does not fit the length (cycleLength without cycleFormat), and mixes cycles in one directory. */
    for (int64_t cycle = 1; cycle <= 3; cycle++) {
        char name[CX_FORMAT_MAX];
        int64_t again = -1;
        char directory[CX_PATH_MAX];
        if ((code = cx_roll_name(&queue->roll, cycle, name)) < 0 || (code = cx3_directory(queue, cycle, directory)) < 0)
            return code;
        if (!cx_roll_parse(&queue->roll, name, &again) || again != cycle)
            return cx_fail(CX_E_USAGE, path, -1, settings->length_ms, "names like \"%s\" do not tell cycles of %lld ms apart", name,
                           (long long)settings->length_ms);
    }
    return 0;
}

static int32_t open_queue(cx_queue *base)
{
    cx3_queue *queue = (cx3_queue *)base;
    cx_listing_init(&queue->listing, &queue->roll, base->path, true);
    int32_t code = check_settings(queue);
    if (code < 0)
        return code;
    if (base->settings.create != 0 && access(base->path, F_OK) != 0
        && (code = cx_make_directories(base->path, base->settings.synchronous != 0)) < 0)
        return code;
    return cx_listing_open(&queue->listing);
}

static void release(cx_queue *base)
{
    cx_listing_close(&((cx3_queue *)base)->listing);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

int32_t cx3_directory(const cx3_queue *queue, int64_t cycle, char *path)
{
    char name[CX_FORMAT_MAX];
    int32_t code = cx_roll_name(&queue->roll, cycle, name);
    if (code == 0 && snprintf(path, CX3_FILE_PATH_MAX, "%s/%s", queue->base.path, name) >= CX3_FILE_PATH_MAX)
        code = cx_fail(CX_E_USAGE, NULL, -1, 0, "the path of the queue is too long");
    return code;
}

int32_t cx3_index_path(const cx3_queue *queue, int64_t cycle, int64_t number, char *path)
{
    int32_t code = cx3_directory(queue, cycle, path);
    size_t length = strlen(path);
    if (code == 0)
        snprintf(path + length, CX_PATH_MAX - length, "/index-%lld", (long long)number);
    return code;
}

int32_t cx3_data_path(const cx3_queue *queue, int64_t cycle, int64_t thread, int64_t number, char *path)
{
    int32_t code = cx3_directory(queue, cycle, path);
    size_t length = strlen(path);
    if (code == 0)
        snprintf(path + length, CX_PATH_MAX - length, "/data-%lld-%lld", (long long)thread, (long long)number);
    return code;
}

/* A decimal number as Java writes one, to the end of the text: no sign, no leading zeros. */
static bool parse_number(const char *text, int64_t limit, int64_t *number)
{
    int64_t value = 0;
    if (*text == 0 || (*text == '0' && text[1] != 0))
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (*text - '0');
        if (value >= limit)
            return false;
    }
    *number = value;
    return *text == 0;
}

int32_t cx3_highest(const char *directory, const char *prefix, int64_t limit, int64_t *highest)
{
    size_t length = strlen(prefix);
    *highest = -1;
    DIR *stream = opendir(directory);
    if (stream == NULL)
        return cx_fail_os(directory, -1, "cannot list the cycle");
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        int64_t number;
        if (strncmp(entry->d_name, prefix, length) == 0 && parse_number(entry->d_name + length, limit, &number) && number > *highest)
            *highest = number;
    }
    closedir(stream);
    return 0;
}

/* --- mapped files ------------------------------------------------------------------------------------------------ */

static void drop_block(cx3_blocks *blocks, int32_t place)
{
    cx3_block *block = blocks->blocks[place];
    for (int32_t i = 0; i < CX3_BLOCKS_MAX; i++) {
        if (blocks->hints[i] == block)
            blocks->hints[i] = NULL;
    }
    if (blocks->index == block)
        blocks->index = NULL;
    if (blocks->data == block)
        blocks->data = NULL;
    blocks->mapped_bytes -= block->file.whole_bytes;
    blocks->blocks[place] = blocks->blocks[--blocks->count];
    cx_file_close(&block->file);
    free(block);
}

void cx3_blocks_close(cx3_blocks *blocks)
{
    while (blocks->count > 0)
        drop_block(blocks, blocks->count - 1);
}

/* Room for one more file of `bytes`; the one of the other kind that is in use stays. */
static void make_room(cx3_blocks *blocks, int64_t bytes, int64_t most_bytes, const cx3_block *stays)
{
    while (blocks->count > 0 && (blocks->count == CX3_BLOCKS_MAX || blocks->mapped_bytes + bytes > most_bytes)) {
        int32_t oldest = -1;
        for (int32_t i = 0; i < blocks->count; i++) {
            if (blocks->blocks[i] != stays && (oldest < 0 || blocks->blocks[i]->used < blocks->blocks[oldest]->used))
                oldest = i;
        }
        if (oldest < 0)
            return;
        drop_block(blocks, oldest);
    }
}

/* What was read of other cycles' files, and of the same thread's earlier ones, need not count as our memory. */
static void forget_others(cx3_blocks *blocks, const cx3_block *fresh, int32_t number_bits)
{
    for (int32_t i = 0; i < blocks->count; i++) {
        cx3_block *block = blocks->blocks[i];
        bool same_writer = fresh->index == block->index && (fresh->index || fresh->number >> number_bits == block->number >> number_bits);
        if (block != fresh && block->file.whole_bytes >= SWEPT_BYTES && (same_writer || block->cycle != fresh->cycle))
            cx_forget(&block->file, 0, block->file.whole_bytes);
    }
}

/* Opens and maps a file: 1, 0 if it does not exist, or a code. */
static int32_t add_block(cx3_queue *queue, cx3_blocks *blocks, const char *path, int64_t bytes, bool index, cx3_block **found)
{
    cx3_block *block = malloc(sizeof *block);
    if (block == NULL)
        return cx_fail(CX_E_NO_MEMORY, path, -1, 0, "no memory for a mapped file");
    int32_t code = cx_file_open(&block->file, path, false, false);
    if (code < 0) {
        free(block);
        return code == CX_E_NOT_FOUND ? 0 : code;
    }
    make_room(blocks, bytes, queue->base.settings.max_mapped_bytes, index ? blocks->data : blocks->index);
    block->file.whole_bytes = bytes;
    uint8_t *base;
    if ((code = cx_reach(&block->file, CX_DATA, 0, 0, &base)) < 0) {
        cx_file_close(&block->file);
        free(block);
        return code;
    }
    block->base = base;
    block->index = index;
    block->careful = false;
    block->used = blocks->now;
    blocks->mapped_bytes += bytes;
    blocks->blocks[blocks->count++] = block;
    *found = block;
    return 1;
}

/* Whether pages of a file are gone although it was not truncated: holes of an index file for which a full tmpfs has no room. They
 * are zeros, as they read. */
static bool only_holes(cx3_block *block)
{
    return block->index && cx_file_measure(&block->file) == 0 && block->file.size >= block->file.whole_bytes;
}

/* Once in a call: whether the file is still what it was: 1, or a code; 0 if it was deleted, and is no longer mapped: another may
 * have its name by now, and what one of them says is not to be taken for the other's. */
static int32_t use_block(cx3_blocks *blocks, cx3_block *block)
{
    if (__builtin_expect(block->used == blocks->now, 1))
        return 1;
    int32_t code = cx_file_glance(&block->file), place = 0;
    if (__builtin_expect(code == 0 && block->file.deleted, 0)) {
        while (blocks->blocks[place] != block)
            place++;
        drop_block(blocks, place);
        return 0;
    }
    if (code == 0 && (code = cx_file_lost(&block->file)) < 0 && only_holes(block)) {
        uint8_t *base;
        block->careful = true;
        if ((code = cx_file_remap(&block->file, CX_DATA, &base)) > 0)
            block->base = base;
        code = code < 0 ? code : 0;
    }
    block->used = blocks->now;
    return code < 0 ? code : 1;
}

int32_t cx3_index_block(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, int64_t number, cx3_block **found)
{
    cx3_block *block = blocks->index;
    if (__builtin_expect(block == NULL || block->number != (uint64_t)number || block->cycle != cycle, 0)) {
        block = NULL;
        for (int32_t i = 0; i < blocks->count && block == NULL; i++) {
            cx3_block *other = blocks->blocks[i];
            if (other->index && other->number == (uint64_t)number && other->cycle == cycle)
                block = other;
        }
        if (block == NULL) {
            char path[CX_PATH_MAX];
            int32_t code = cx3_index_path(queue, cycle, number, path);
            if (code < 0)
                return code == CX_E_USAGE ? 0 : code;   /* beyond the calendar no file can be */
            if ((code = add_block(queue, blocks, path, queue->base.settings.index_block_bytes, true, &block)) <= 0)
                return code;
            block->number = (uint64_t)number;
            block->cycle = cycle;
            forget_others(blocks, block, 0);
        }
        blocks->index = block;
    }
    int32_t code = use_block(blocks, block);
    if (__builtin_expect(code == 0, 0))   /* at most once: what is opened now is not looked at again in this call */
        return cx3_index_block(queue, blocks, cycle, number, found);
    *found = block;
    return code;
}

int32_t cx3_data_block(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, uint64_t number, cx3_block **found)
{
    int32_t number_bits = queue->position_bits - queue->block_bits;
    cx3_block **hint = &blocks->hints[(number ^ number >> number_bits) % CX3_BLOCKS_MAX];
    cx3_block *block = *hint;
    if (__builtin_expect(block == NULL || block->number != number || block->cycle != cycle, 0)) {
        block = NULL;
        for (int32_t i = 0; i < blocks->count && block == NULL; i++) {
            cx3_block *other = blocks->blocks[i];
            if (!other->index && other->number == number && other->cycle == cycle)
                block = other;
        }
        if (block == NULL) {
            char path[CX_PATH_MAX];
            int64_t thread = (int64_t)(number >> number_bits), of_thread = (int64_t)(number & ((1ULL << number_bits) - 1));
            int32_t code = cx3_data_path(queue, cycle, thread, of_thread, path);
            if (code < 0 || (code = add_block(queue, blocks, path, queue->base.settings.data_block_bytes, false, &block)) < 0)
                return code;
            if (code == 0) {
                char directory[CX_PATH_MAX];
                if ((code = cx3_directory(queue, cycle, directory)) < 0)
                    return code;
                if (access(directory, F_OK) != 0 && errno == ENOENT)
                    return 0;   /* the whole cycle was deleted since its index was mapped */
                return cx_fail(CX_E_CORRUPT, path, -1, 0, "an index entry names a data file that is missing");
            }
            block->number = number;
            block->cycle = cycle;
            forget_others(blocks, block, number_bits);
        }
        *hint = block;
    }
    int32_t code = use_block(blocks, block);
    if (__builtin_expect(code == 0, 0))   /* at most once: what is opened now is not looked at again in this call */
        return cx3_data_block(queue, blocks, cycle, number, found);
    blocks->data = block;
    *found = block;
    return code;
}

int32_t cx3_blocks_lost(const cx3_blocks *blocks)
{
    int32_t code = 0;
    for (int32_t i = 0; code == 0 && i < blocks->count; i++) {
        if (blocks->blocks[i]->used == blocks->now && (code = cx_file_lost(&blocks->blocks[i]->file)) < 0 && only_holes(blocks->blocks[i]))
            code = 0;
    }
    return code;
}

/* --- cycles ------------------------------------------------------------------------------------------------------ */

int64_t cx3_cycle_at(const cx3_queue *queue, int64_t now_ms, cx3_clock *clock)
{
    int64_t length_ms = queue->base.settings.length_ms;
    if (now_ms < 0 || now_ms / length_ms > INT32_MAX)
        return now_ms < 0 ? -1 : now_ms / length_ms;
    clock->cycle = now_ms / length_ms;
    clock->from_ms = clock->cycle * length_ms;
    clock->to_ms = clock->from_ms + length_ms;
    return clock->cycle;
}

int64_t cx3_used(const cx3_queue *queue, const cx_file *file)
{
    int64_t low = 0, high = cx3_slots_within(queue, file->size);   /* V-3 */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        uint64_t entry = 0;
        int32_t code = cx_file_peek(file, 8 * middle, &entry, sizeof entry);
        if (code < 0)
            return code;
        if (entry != 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t cx3_count(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, int64_t *count)
{
    char directory[CX_PATH_MAX];
    int64_t number;
    *count = 0;
    int32_t code = cx3_directory(queue, cycle, directory);
    if (code < 0)
        return code == CX_E_USAGE ? 0 : code;
    if ((code = cx3_highest(directory, "index-", queue->files, &number)) < 0)
        return code == CX_E_NOT_FOUND ? 0 : code;
    /* Java looks no further than the highest file; below an empty one (its creator was about to use it) there is one that is not. */
    for (; number >= 0; number--) {
        cx3_block *block;
        if ((code = cx3_index_block(queue, blocks, cycle, number, &block)) < 0)
            return code;
        if (code == 0)
            continue;   /* gone since the directory was listed */
        if (block->file.size < queue->base.settings.index_block_bytes && (code = cx_file_measure(&block->file)) < 0)
            return code;
        int64_t used = cx3_used(queue, &block->file);
        if (used < 0)
            return (int32_t)used;
        if (used > 0) {
            *count = (number << queue->slot_bits) + used;
            if (*count > queue->entries)
                *count = queue->entries;
            break;
        }
    }
    code = cx3_blocks_lost(blocks);
    return code < 0 ? code : 1;
}

static int64_t list(cx_queue *base, int64_t *cycles, int64_t capacity)
{
    cx3_queue *queue = (cx3_queue *)base;
    if (queue->roll.depth > 0)
        cx_listing_stale(&queue->listing);
    return cx_listing_all(&queue->listing, cycles, capacity);
}

static int32_t refresh(cx_queue *base)
{
    cx_listing_stale(&((cx3_queue *)base)->listing);
    return 0;
}

/* used_bytes: what the files, which are sparse, really take on disk. */
static int32_t measure_files(const char *path, cx_cycle_info *info)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return cx_fail_os(path, -1, "cannot list the cycle");
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct stat facts;
        if (fstatat(dirfd(directory), entry->d_name, &facts, 0) == 0 && S_ISREG(facts.st_mode)) {
            info->size_bytes += facts.st_size;
            info->used_bytes += (int64_t)facts.st_blocks * 512;
        }
    }
    closedir(directory);
    return 0;
}

static int32_t look_at_cycle(cx_queue *base, int64_t cycle, cx_cycle_info *info)
{
    cx3_queue *queue = (cx3_queue *)base;
    char path[CX_PATH_MAX];
    cx3_blocks blocks = {0};
    int64_t count = 0;
    cx3_blocks_begin(&blocks);
    int32_t code = cx3_directory(queue, cycle, path);
    if (code == 0)
        code = cx3_count(queue, &blocks, cycle, &count);
    cx3_blocks_close(&blocks);
    if (code == 0)
        return cx_fail(CX_E_NOT_FOUND, path, -1, cycle, "cycle %lld does not exist", (long long)cycle);
    *info = (cx_cycle_info){.count = count, .ready = 1};
    return code < 0 ? code : measure_files(path, info);
}

const cx_format cx3_vanilla_format = {
    .noun = "a Vanilla journal",
    .bytes = sizeof(cx3_queue),
    .appending = &cx3_appending,
    .tailing = &cx3_tailing,
    .cycle_at_begin = true,   /* spec 2.10 */
    .open = open_queue,
    .release = release,
    .cycles = list,
    .cycle = look_at_cycle,
    .refresh = refresh,
};
