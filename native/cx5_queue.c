/* cx5_queue.c -- see cx5_queue.h. */
#include "cx5_queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define METADATA "metadata.cq4t"
/* A busy lock word is watched this long before "not now" is answered: about the time of a few appends of its holder, first
 * spinning, then giving the core away (the holder may need it). */
#define LOCK_SPINS 400
#define LOCK_YIELDS 40

static void release(cx_queue *base)
{
    cx5_queue *queue = (cx5_queue *)base;
    if (queue->has_table)
        cx_table_close(&queue->table);
    queue->has_table = false;
    cx_listing_close(&queue->listing);
}

/* --- probing ----------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

static int32_t join(char *path, const char *directory, const char *name)
{
    if ((size_t)snprintf(path, CX_PATH_MAX, "%s/%s", directory, name) >= CX_PATH_MAX)
        return cx_fail(CX_E_USAGE, NULL, -1, 0, "the path of the queue is too long");
    return 0;
}

int32_t cx_probe(const char *path, cx_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    struct stat facts;
    if (stat(path, &facts) != 0) {
        if (errno == ENOENT)
            return CX_KIND_NONE;
        return cx_fail_os(path, -1, "cannot open the queue");
    }
    if (!S_ISDIR(facts.st_mode))
        return cx_fail(CX_E_NOT_FOUND, path, -1, 0, "cannot open the queue: not a directory");
    DIR *directory = opendir(path);
    if (directory == NULL)
        return cx_fail_os(path, -1, "cannot list the queue");
    bool metadata = false, listing = false;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        metadata |= strcmp(entry->d_name, METADATA) == 0;
        listing |= strcmp(entry->d_name, "directory-listing.cq4t") == 0;
        if (ends_with(entry->d_name, ".cq4") && strlen(entry->d_name) < CX_FORMAT_MAX
            && (settings->first_file[0] == 0 || strcmp(entry->d_name, settings->first_file) < 0))
            strcpy(settings->first_file, entry->d_name);
    }
    closedir(directory);
    char file[CX_PATH_MAX];
    cx_store store = {0};
    int32_t code = 0;
    store.file.fd = -1;
    if (settings->first_file[0] != 0) {
        if ((code = join(file, path, settings->first_file)) < 0)
            return code;
        code = cx_store_open(&store, file, 0);
        settings->fieldless = code == 0 && store.fieldless;
    }
    if (metadata) {
        int32_t probed = join(file, path, METADATA);
        if (probed == 0)
            probed = cx_table_probe(file, settings);
        /* Still empty: its creator died before writing anything, and it counts as missing. */
        if (probed != CX_E_NOT_READY || cx_error()->value != 0) {
            cx_store_close(&store);   /* a damaged roll file does not keep the others from being read */
            return probed < 0 ? probed : settings->kind;
        }
    }
    if (settings->first_file[0] == 0) {
        settings->kind = listing ? CX_KIND_V4 : CX_KIND_NONE;
        return settings->kind;
    }
    if (code == 0) {
        settings->kind = store.length_ms > 0 ? CX_KIND_V4 : CX_KIND_BARE;
        settings->length_ms = store.length_ms;
        settings->epoch_ms = store.epoch_ms;
        settings->source_id = store.source_id;
        memcpy(settings->format, store.format, sizeof store.format);
        code = settings->kind;
    }
    cx_store_close(&store);
    return code;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static bool process_alive(int64_t holder)
{
    pid_t pid = (pid_t)(holder & 0x7FFFFFFF);   /* some releases put a thread id above (spec 7.3) */
    if (pid == 0)
        return false;
    if (kill(pid, 0) != 0)
        return errno != ESRCH;
    /* A killed process whose parent has not reaped it still answers, but nothing of it runs: state Z, and no other thread. */
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)   /* ended meanwhile, or there is no /proc here, which says nothing */
        return kill(pid, 0) == 0 || errno != ESRCH;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return true;
    text[got] = 0;
    const char *after_name = strrchr(text, ')');
    if (after_name == NULL || (after_name[2] != 'Z' && after_name[2] != 'X'))
        return true;
    long long threads = 2;
    sscanf(after_name + 2, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld", &threads);
    return threads > 1;
}

int32_t cx5_lock_word(cx5_queue *queue, void *word, int64_t *recovered)
{
    int64_t seen = CX_UNLOCKED;
    for (int tries = 0; tries < LOCK_SPINS + LOCK_YIELDS; tries++) {
        seen = CX_UNLOCKED;
        if (cx_load_i64(word) == CX_UNLOCKED && cx_cas_i64(word, &seen, queue->base.pid))
            return 0;
        if (tries < LOCK_SPINS)
            cx_pause();
        else
            sched_yield();
    }
    seen = cx_load_i64(word);
    if (seen != CX_UNLOCKED && seen != queue->base.pid && !process_alive(seen)) {
        /* Straight from the dead holder to us: nobody sees it free in between. */
        if (cx_cas_i64(word, &seen, queue->base.pid)) {
            (*recovered)++;
            return 0;
        }
    }
    return cx_fail(CX_E_LOCKED, queue->table.file.path, (int64_t)((uint8_t *)word - queue->table.base),
                   seen == CX_UNLOCKED ? 0 : seen & 0x7FFFFFFF, "the lock is held by process %lld",
                   (long long)(seen == CX_UNLOCKED ? 0 : seen & 0x7FFFFFFF));
}

bool cx5_unlock_word(cx5_queue *queue, void *word)
{
    int64_t ours = queue->base.pid;
    return cx_cas_i64(word, &ours, CX_UNLOCKED);
}

static int32_t acquire_words(cx5_queue *queue)
{
    const struct { const char *key; int64_t initial; void **word; } words[] = {
        {"listing.highestCycle", INT64_MIN, &queue->highest},
        {"listing.lowestCycle", INT64_MIN, &queue->lowest},
        {"listing.modCount", INT64_MIN, &queue->mod_count},
        {"chronicle.write.lock", CX_UNLOCKED, &queue->write_lock},
        {"chronicle.append.lock", CX_UNLOCKED, &queue->append_lock},
        {"chronicle.lastIndexReplicated", -1, NULL},
        {"chronicle.lastAcknowledgedIndexReplicated", -1, NULL},
        {"chronicle.lastIndexMSynced", -1, &queue->last_synced},
    };
    bool writable = queue->base.settings.writable != 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        void *word = NULL;
        int32_t code = writable ? cx_table_acquire(&queue->table, words[i].key, words[i].initial, &word)
                                : cx_table_find(&queue->table, words[i].key, &word);
        if (code < 0)
            return code;
        if (words[i].word != NULL)
            *words[i].word = ((uintptr_t)word & 7) == 0 ? word : NULL;
        if (writable && i == 2) {
            int64_t unset = INT64_MIN;
            cx_cas_i64(queue->lowest, &unset, INT32_MAX);
            unset = INT64_MIN;
            cx_cas_i64(queue->mod_count, &unset, 0);
        }
    }
    return 0;
}

static int32_t open_queue(cx_queue *base)
{
    cx5_queue *queue = (cx5_queue *)base;
    const cx_settings *settings = &base->settings;
    cx_listing_init(&queue->listing, &queue->roll, base->path, false);
    if (settings->shift < 32 || settings->shift > 62 || settings->stride < 1 || settings->block_bytes < 4096
        || settings->index_count < 8 || settings->index_spacing < 1)
        return cx_fail(CX_E_USAGE, base->path, -1, 0, "queue settings out of range");
    if (strlen(base->path) >= CX_PATH_MAX - CX_FORMAT_MAX - 32)
        return cx_fail(CX_E_USAGE, NULL, -1, (int64_t)strlen(base->path), "the path of the queue is too long for the names of its files");
    int32_t code = cx_roll_init(&queue->roll, queue->base.settings.format, ".cq4", queue->base.settings.length_ms, queue->base.settings.epoch_ms);
    if (code < 0)
        return code;
    if (queue->base.settings.create != 0 && access(queue->base.path, F_OK) != 0 && (code = cx_make_directories(queue->base.path, false)) < 0)
        return code;
    if ((code = cx_listing_open(&queue->listing)) < 0)
        return code;
    bool writable = queue->base.settings.writable != 0;
    if (writable || queue->base.settings.kind == CX_KIND_V5 || queue->base.settings.kind == CX_KIND_V5_UNPADDED) {
        char path[CX_PATH_MAX];
        if ((code = join(path, queue->base.path, METADATA)) < 0
            || (code = cx_table_open(&queue->table, path, &queue->base.settings, writable)) < 0)
            return code;
        queue->has_table = true;
        if ((code = acquire_words(queue)) < 0)
            return code;
    }
    if (!writable)
        return 0;
    code = cx5_refresh(base);
    if (code < 0)
        return code;
    /* A lock that a dead process left is released now rather than at the first append, as Java does on opening. */
    int64_t holder = cx_load_i64(queue->write_lock);
    if (holder != CX_UNLOCKED && holder != queue->base.pid && !process_alive(holder))
        queue->dead_holder = cx_cas_i64(queue->write_lock, &holder, CX_UNLOCKED);
    return 0;
}

/* --- cycles ------------------------------------------------------------------------------------------------------ */

int32_t cx5_path(const cx5_queue *queue, int64_t cycle, char *path)
{
    char name[CX_FORMAT_MAX];
    int32_t code = cx_roll_name(&queue->roll, cycle, name);
    return code < 0 ? code : join(path, queue->base.path, name);
}

static int64_t list(cx_queue *base, int64_t *cycles, int64_t capacity)
{
    return cx_listing_all(&((cx5_queue *)base)->listing, cycles, capacity);
}

int32_t cx5_refresh(cx_queue *base)
{
    cx5_queue *queue = (cx5_queue *)base;
    /* A WEEKLY queue's listing holds numbers that only Java's own mistake explains (spec 6.3): left alone. */
    if (base->settings.writable == 0 || queue->roll.weekly)
        return 0;
    cx5_listing_stale(queue);
    for (int tries = 0; tries < 16; tries++) {
        int64_t first = INT32_MAX, last = INT32_MIN;
        int64_t highest = cx_load_i64(queue->highest);
        int32_t code = cx5_first(queue, &first);
        if (code < 0 || (code = cx5_last(queue, &last)) < 0)
            return code;
        if (cx_load_i64(queue->lowest) == first && highest == last)
            break;
        cx_store_i64(queue->lowest, first);
        if (cx_cas_i64(queue->highest, &highest, last))
            break;   /* else a file was created meanwhile: look again */
    }
    cx_add_i64(queue->mod_count, 1);
    return 0;
}

static int32_t look_at_cycle(cx_queue *base, int64_t cycle, cx_cycle_info *info)
{
    cx5_queue *queue = (cx5_queue *)base;
    char path[CX_PATH_MAX];
    int32_t code = cx5_path(queue, cycle, path);
    if (code < 0)
        return code;
    cx_store *store = malloc(sizeof *store);
    if (store == NULL)
        return cx_fail(CX_E_NO_MEMORY, path, -1, 0, "no memory for a roll file");
    code = cx_store_open(store, path, cycle);
    if (code == CX_E_NOT_READY) {
        struct stat facts;
        info->size_bytes = stat(path, &facts) == 0 ? facts.st_size : 0;
        code = 0;
    } else if (code == 0) {
        cx_place end = {0, 0};
        bool eof = false;
        code = cx_store_end(store, &end, &eof);
        *info = (cx_cycle_info){.count = end.sequence, .size_bytes = store->file.size, .used_bytes = end.offset,
                                .closed = eof, .data_format = store->data_format, .index_count = store->index_count,
                                .index_spacing = store->index_spacing, .ready = 1};
        cx_store_close(store);
    }
    free(store);
    return code;
}

/* --- table store ------------------------------------------------------------------------------------------------- */

static int32_t enter_table(cx5_queue *queue)
{
    if (!queue->has_table)
        return cx_fail(CX_E_NOT_FOUND, queue->base.path, -1, 0, "the queue has no metadata.cq4t");
    int32_t code = cx_file_measure(&queue->table.file);
    if (code == 0 && queue->table.file.size < queue->table.mapped)
        code = cx_fail(CX_E_CORRUPT, queue->table.file.path, queue->table.file.size, 0, "the table store was truncated");
    return code;
}

static int32_t enter_table_writable(cx5_queue *queue)
{
    if (queue->base.settings.writable == 0)
        return cx_fail(CX_E_READ_ONLY, queue->base.path, -1, 0, "the queue was opened read-only");
    return enter_table(queue);
}

static int32_t next_entry(cx_queue *base, int64_t *cursor, char *key, int64_t *value)
{
    cx5_queue *queue = (cx5_queue *)base;
    int32_t code = enter_table(queue);
    return code < 0 ? code : cx_table_entry(&queue->table, cursor, key, value);
}

/* Finds a key's word; unaligned ones (5.16) are read-only by other means. */
static int32_t find_word(cx5_queue *queue, const char *key, void **word)
{
    int32_t code = cx_table_find(&queue->table, key, word);
    if (code == 0)
        code = cx_fail(CX_E_NOT_FOUND, queue->table.file.path, -1, 0, "there is no key \"%s\"", key);
    return code;
}

static int32_t get_value(cx_queue *base, const char *key, int64_t *value)
{
    cx5_queue *queue = (cx5_queue *)base;
    void *word;
    int32_t code = enter_table(queue);
    if (code < 0 || (code = find_word(queue, key, &word)) < 0)
        return code;
    memcpy(value, word, 8);
    if (((uintptr_t)word & 7) == 0)
        *value = cx_load_i64(word);
    return 0;
}

static int32_t ensure_key(cx_queue *base, const char *key, int64_t value)
{
    cx5_queue *queue = (cx5_queue *)base;
    void *word;
    int32_t code = enter_table_writable(queue);
    return code < 0 ? code : cx_table_acquire(&queue->table, key, value, &word);
}

static int32_t exchange_value(cx_queue *base, const char *key, int64_t *expected, int64_t value)
{
    cx5_queue *queue = (cx5_queue *)base;
    void *word;
    int32_t code = enter_table_writable(queue);
    if (code < 0 || (code = find_word(queue, key, &word)) < 0)
        return code;
    return cx_cas_i64(word, expected, value) ? 1 : 0;
}

const cx_format cx5_format = {
    .noun = "a Chronicle Queue 5",
    .bytes = sizeof(cx5_queue),
    .appending = &cx5_appending,
    .tailing = &cx5_tailing,
    .open = open_queue,
    .release = release,
    .cycles = list,
    .cycle = look_at_cycle,
    .refresh = cx5_refresh,
    .table_next = next_entry,
    .table_get = get_value,
    .table_ensure = ensure_key,
    .table_cas = exchange_value,
};
