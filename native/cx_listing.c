/* cx_listing.c -- see cx_listing.h. */
#include "cx_listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory whose mtime is younger than this may change again within the same clock tick. */
#define SETTLE_MS 50
/* Nested directories have no one time that changes with them: walking them again and again may take a twentieth of the time. */
#define WALK_SHARE 20
#define DEPTH_MAX 8
#define NAME_MAX_BYTES 256

void cx_listing_init(cx_listing *listing, const cx_roll *roll, const char *path, bool directories)
{
    *listing = (cx_listing){.roll = roll, .path = path, .directories = directories, .fd = -1};
    pthread_mutex_init(&listing->lock, NULL);
}

int32_t cx_listing_open(cx_listing *listing)
{
    if (listing->roll->depth >= DEPTH_MAX)
        return cx_fail(CX_E_UNSUPPORTED, listing->path, -1, listing->roll->depth, "a roll pattern with more than %d '/'", DEPTH_MAX - 1);
    listing->fd = open(listing->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return listing->fd < 0 ? cx_fail_os(listing->path, -1, "cannot open the queue") : 0;
}

void cx_listing_close(cx_listing *listing)
{
    if (listing->fd >= 0)
        close(listing->fd);
    listing->fd = -1;
    free(listing->cycles);
    listing->cycles = NULL;
    listing->count = 0;
    pthread_mutex_destroy(&listing->lock);
}

void cx_listing_stale(cx_listing *listing)
{
    pthread_mutex_lock(&listing->lock);
    listing->settled = false;
    pthread_mutex_unlock(&listing->lock);
}

static int compare_cycles(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static DIR *open_below(int fd, const char *name)
{
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = below < 0 ? NULL : fdopendir(below);
    if (below >= 0 && directory == NULL)
        close(below);
    return directory;
}

static bool is_directory(DIR *parent, const struct dirent *entry)
{
    struct stat facts;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(parent), entry->d_name, &facts, 0) == 0 && S_ISDIR(facts.st_mode);
}

typedef struct {
    int64_t *cycles;
    int64_t count, capacity;
} cycle_list;

static bool add_cycle(cycle_list *list, int64_t cycle)
{
    if (list->count == list->capacity) {
        int64_t capacity = 2 * list->capacity + 16;
        int64_t *larger = realloc(list->cycles, (size_t)capacity * sizeof *larger);
        if (larger == NULL)
            return false;
        list->cycles = larger;
        list->capacity = capacity;
    }
    list->cycles[list->count++] = cycle;
    return true;
}

/* Collects the cycles below the directory; false if memory ran out. Depth is bounded, hence also where links form circles. */
static bool walk(const cx_listing *listing, DIR *top, cycle_list *list)
{
    DIR *level[DEPTH_MAX] = {top};
    size_t length[DEPTH_MAX] = {0};   /* of the name down to a level, with its '/' */
    char name[DEPTH_MAX * NAME_MAX_BYTES];
    int32_t at = 0;
    bool whole = true;
    while (at >= 0) {
        struct dirent *entry = whole ? readdir(level[at]) : NULL;
        if (entry == NULL) {
            if (at > 0)
                closedir(level[at]);
            at--;
            continue;
        }
        size_t bytes = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || bytes >= CX_FORMAT_MAX)   /* no pattern gives such a name */
            continue;
        memcpy(name + length[at], entry->d_name, bytes + 1);
        if (at < listing->roll->depth) {
            DIR *below = is_directory(level[at], entry) ? open_below(dirfd(level[at]), entry->d_name) : NULL;
            if (below == NULL)   /* a file, or not ours to read */
                continue;
            name[length[at] + bytes] = '/';
            length[at + 1] = length[at] + bytes + 1;
            level[++at] = below;
            continue;
        }
        int64_t cycle;
        if (cx_roll_parse(listing->roll, name, &cycle) && (!listing->directories || is_directory(level[at], entry)))
            whole = add_cycle(list, cycle);
    }
    return whole;
}

static bool settled(const struct timespec *change)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)(now.tv_sec - change->tv_sec) * 1000 + (now.tv_nsec - change->tv_nsec) / 1000000 > SETTLE_MS;
}

bool cx_listing_settled(const cx_listing *listing, struct timespec *change)
{
    struct stat facts;
    if (fstat(listing->fd, &facts) != 0)
        return false;
    *change = facts.st_mtim;
    return facts.st_nlink > 0 && settled(change);
}

/* Under the lock. */
static bool still_true(const cx_listing *listing, const struct stat *facts)
{
    if (!listing->settled)
        return false;
    if (listing->roll->depth > 0)
        return monotonic_ns() - listing->walked_ns < WALK_SHARE * listing->walk_ns;
    return facts->st_mtim.tv_sec == listing->change.tv_sec && facts->st_mtim.tv_nsec == listing->change.tv_nsec;
}

/* A journal's directory that was deleted, and made again by whoever appended next: it is looked at from now on. (A queue of one
 * file a cycle lost its table store with it, and stays with what it has open.) The descriptor's number stays, for those who use it
 * without the lock. */
static void find_again(cx_listing *listing, struct stat *facts)
{
    int again = listing->directories ? open(listing->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (again < 0)
        return;
    if (fstat(again, facts) == 0 && dup3(again, listing->fd, O_CLOEXEC) >= 0)
        listing->settled = false;
    close(again);
}

/* Under the lock. Reads the directory, unless it cannot have changed since it was read last. */
static int32_t list_cycles(cx_listing *listing)
{
    struct stat facts;
    if (fstat(listing->fd, &facts) != 0)
        return cx_fail_os(listing->path, -1, "cannot stat the queue");
    if (__builtin_expect(facts.st_nlink == 0, 0))
        find_again(listing, &facts);
    if (still_true(listing, &facts))
        return 0;
    bool long_ago = settled(&facts.st_mtim);
    int64_t begun_ns = monotonic_ns();
    DIR *directory = open_below(listing->fd, ".");
    if (directory == NULL)
        return cx_fail_os(listing->path, -1, "cannot list the queue");
    cycle_list list = {NULL, 0, 0};
    bool whole = walk(listing, directory, &list);
    closedir(directory);
    if (!whole) {
        free(list.cycles);
        return cx_fail(CX_E_NO_MEMORY, listing->path, -1, 0, "no memory for the list of cycles");
    }
    if (list.count > 0)
        qsort(list.cycles, (size_t)list.count, sizeof *list.cycles, compare_cycles);
    free(listing->cycles);
    listing->cycles = list.cycles;
    listing->count = list.count;
    listing->change = facts.st_mtim;
    listing->walked_ns = monotonic_ns();
    listing->walk_ns = listing->walked_ns - begun_ns;
    listing->settled = listing->roll->depth > 0 || long_ago;
    return 0;
}

/* Position of the first cycle >= wanted. */
static int64_t lower_bound(const cx_listing *listing, int64_t wanted)
{
    int64_t low = 0, high = listing->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (listing->cycles[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t cx_listing_neighbour(cx_listing *listing, int64_t cycle, int32_t direction, int64_t *found)
{
    pthread_mutex_lock(&listing->lock);
    int32_t code = list_cycles(listing);
    if (code == 0) {
        int64_t at = direction > 0 ? lower_bound(listing, cycle < 0 ? 0 : cycle + 1) : lower_bound(listing, cycle) - 1;
        if (at >= 0 && at < listing->count) {
            *found = listing->cycles[at];
            code = 1;
        }
    }
    pthread_mutex_unlock(&listing->lock);
    return code;
}

int64_t cx_listing_all(cx_listing *listing, int64_t *cycles, int64_t capacity)
{
    pthread_mutex_lock(&listing->lock);
    int32_t code = list_cycles(listing);
    int64_t count = listing->count;
    for (int64_t i = 0; code == 0 && i < count && i < capacity; i++)
        cycles[i] = listing->cycles[i];
    pthread_mutex_unlock(&listing->lock);
    return code < 0 ? code : count;
}
