/* cx_map.c -- windows over files; see the rules M-1 ... M-4 in cx_map.h. */
#include "cx_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cx_atomic.h"

#ifdef CX_TINY_WINDOWS
#define WINDOW_BYTES (64LL << 10)   /* makes every test cross windows */
#else
/* Address space, not memory: large enough that a file of default chunks is remapped once a GiB. */
#define WINDOW_BYTES (1LL << 30)
#endif
/* First and largest step by which blocks are allocated ahead of the appender. The first keeps small queues small; the
 * largest bounds the pause of one append (256 pages, some 60 us) while costing one system call in thousands of appends. */
#define STEP_FIRST (32LL << 10)
#define STEP_MAX (1LL << 20)
/* So much behind the append position stays in the writer's page tables. */
#define KEEP_WRITTEN (8LL << 20)
/* A reader forgets so many times what it keeps in one go. */
#define SWEEP_STEPS 4
/* A lock that other processes hold for microseconds is tried this often before "not now" is answered. */
#define LOCK_TRIES 200
/* A size older than this is compared with the file again: a truncated file is an error, not a signal. */
#define GLANCE_MS 8

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int64_t cx_coarse_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void cx_window_retain(cx_window *window)
{
    cx_add_i32(&window->references, 1);
}

void cx_window_drop(cx_window *window)
{
    if (window != NULL && cx_add_i32(&window->references, -1) == 1) {
        cx_fault_forget(window->watch);
        munmap(window->base, (size_t)window->length);
        free(window);
    }
}

cx_window *cx_window_of_memory(int64_t length)
{
    cx_window *window = malloc(sizeof *window);
    void *base = window == NULL ? MAP_FAILED : mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        free(window);
        return NULL;
    }
    *window = (cx_window){.base = base, .length = length, .references = 1, .watch = -1};
    return window;
}

static int32_t open_with(cx_file *file, const char *path, int flags)
{
    memset(file, 0, offsetof(cx_file, path));
    file->fd = -1;
    if ((size_t)snprintf(file->path, sizeof file->path, "%s", path) >= sizeof file->path) {
        errno = ENAMETOOLONG;
        return cx_fail_os(NULL, -1, "cannot open a path of more than 4095 bytes");
    }
    bool writable = (flags & O_RDWR) != 0;
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (fd < 0)
        return cx_fail_os(path, -1, writable ? "cannot open for writing" : "cannot open for reading");
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        int32_t code = cx_fail_os(path, -1, "cannot stat");
        close(fd);
        return code;
    }
    if (!S_ISREG(facts.st_mode)) {
        close(fd);
        return cx_fail(CX_E_CORRUPT, path, -1, 0, "not a regular file");
    }
    file->fd = fd;
    file->writable = writable;
    file->size = facts.st_size;
    file->checked_ms = cx_coarse_ms();
    file->step_bytes = STEP_FIRST;
    for (int i = 0; i < 4; i++)
        file->allocated_page[i] = -1;
    return 0;
}

int32_t cx_file_open(cx_file *file, const char *path, bool writable, bool create)
{
    return open_with(file, path, (writable ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0));
}

int32_t cx_file_create(cx_file *file, const char *path)
{
    int32_t code = open_with(file, path, O_RDWR | O_CREAT | O_EXCL);
    if (code == 0)
        return 1;
    return cx_error()->os_errno == EEXIST ? 0 : code;
}

void cx_file_close(cx_file *file)
{
    for (int purpose = 0; purpose < CX_SLOTS; purpose++) {
        cx_window_drop(file->window[purpose]);
        file->window[purpose] = NULL;
    }
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* Some file systems count no links: whether the path still leads to the file. */
static bool is_named(const cx_file *file, const struct stat *facts)
{
    struct stat named;
    return stat(file->path, &named) == 0 && named.st_ino == facts->st_ino && named.st_dev == facts->st_dev;
}

int32_t cx_file_measure(cx_file *file)
{
    struct stat facts;
    if (fstat(file->fd, &facts) != 0)
        return cx_fail_os(file->path, -1, "cannot stat");
    file->size = facts.st_size;
    file->deleted = facts.st_nlink == 0 && !is_named(file, &facts);
    file->checked_ms = cx_coarse_ms();
    return 0;
}

int32_t cx_file_glance(cx_file *file)
{
    if (cx_coarse_ms() - file->checked_ms < GLANCE_MS)
        return 0;
    return cx_file_measure(file);
}

int32_t cx_file_lost(const cx_file *file)
{
    for (int purpose = 0; purpose < CX_SLOTS; purpose++) {
        const cx_window *window = file->window[purpose];
        if (window != NULL && cx_load_i32(&window->lost))
            return cx_fail(CX_E_CORRUPT, file->path, window->offset, 0, "the file was truncated while it was open");
    }
    return 0;
}

int32_t cx_file_peek(const cx_file *file, int64_t offset, void *to, size_t length)
{
    ssize_t got;
    while ((got = pread(file->fd, to, length, offset)) < 0 && errno == EINTR) {
    }
    return got < 0 ? cx_fail_os(file->path, offset, "cannot read") : (size_t)got == length;
}

static cx_window *map_window(cx_file *file, int64_t offset, int64_t length)
{
    cx_window *window = malloc(sizeof *window);
    if (window == NULL) {
        cx_fail(CX_E_NO_MEMORY, file->path, offset, length, "no memory for a window");
        return NULL;
    }
    int protection = file->writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int64_t start = offset & ~(CX_PAGE_BYTES - 1);
    int64_t least = offset + length - start;
    int64_t bytes = least > WINDOW_BYTES ? least : WINDOW_BYTES;
    if (file->whole_bytes != 0) {
        start = 0;
        least = bytes = file->whole_bytes;
    }
    bytes = (bytes + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1);
    for (;;) {
        void *base = mmap(NULL, (size_t)bytes, protection, MAP_SHARED, file->fd, start);
        if (base != MAP_FAILED) {
            *window = (cx_window){.base = base, .offset = start, .length = bytes, .references = 1};
            window->watch = cx_fault_watch(base, bytes, &window->lost);
            return window;
        }
        /* A limited address space (ulimit -v) still gets windows, only smaller ones. */
        if (errno != ENOMEM || bytes / 4 < least) {
            cx_fail_os(file->path, offset, "cannot map");
            free(window);
            return NULL;
        }
        bytes = (bytes / 4 + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1);
    }
}

int32_t cx_reach_slowly(cx_file *file, int purpose, int64_t offset, int64_t length, uint8_t **out)
{
    if (file->fd < 0)
        return cx_fail(CX_E_CLOSED, file->path, offset, 0, "the file is closed");
    if (offset < 0 || length < 0 || offset > INT64_MAX - length)
        return cx_fail(CX_E_CORRUPT, file->path, offset, length, "impossible range of %lld bytes", (long long)length);
    if (file->whole_bytes != 0 && offset + length > file->whole_bytes)
        return 0;
    if (offset + length > file->size) {
        int32_t code = cx_file_measure(file);
        if (code < 0)
            return code;
        if (offset + length > file->size)
            return 0;
    }
    for (int other = 0; other < CX_SLOTS; other++) {
        cx_window *window = file->window[other];
        if (window != NULL && offset >= window->offset && offset + length <= window->offset + window->length) {
            if (other != purpose) {
                cx_window_retain(window);
                cx_window_drop(file->window[purpose]);
                file->window[purpose] = window;
            }
            *out = window->base + (offset - window->offset);
            return 1;
        }
    }
    /* Backward scans and random reads go below the offset as often as above: start windows on a coarse grid. */
    int64_t start = offset & ~(WINDOW_BYTES / 2 - 1);
    cx_window *window = map_window(file, start, offset + length - start);
    if (window == NULL)
        return cx_error()->code;
    cx_window_drop(file->window[purpose]);
    file->window[purpose] = window;
    *out = window->base + (offset - window->offset);
    return 1;
}

int32_t cx_file_remap(cx_file *file, int purpose, uint8_t **base)
{
    cx_window *before = file->window[purpose];
    file->window[purpose] = NULL;
    int32_t code = cx_reach(file, purpose, 0, 0, base);
    if (code <= 0)
        file->window[purpose] = before;   /* whose address the caller goes on using */
    else
        cx_window_drop(before);
    return code;
}

/* --- growth and blocks ------------------------------------------------------------------------------------------- */

int32_t cx_file_lock(cx_file *file, int64_t start, int64_t length)
{
    /* Open-file-description locks meet the JVM's locks, but do not vanish with another descriptor (spec 1.3). */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
                         .l_start = start, .l_len = length};
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        lock.l_pid = 0;
        if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return cx_fail_os(file->path, start, "cannot lock");
        sched_yield();
    }
    return cx_fail(CX_E_FILE_LOCKED, file->path, start, 0, "another process holds the file's lock");
}

void cx_file_unlock(cx_file *file, int64_t start, int64_t length)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    (void)fcntl(file->fd, F_OFD_SETLK, &lock);
}

int32_t cx_file_extend(cx_file *file, int64_t size)
{
    int32_t code = cx_file_measure(file);
    if (code < 0 || file->size >= size)
        return code;
    if (ftruncate(file->fd, size) != 0)
        return cx_fail_os(file->path, file->size, "cannot extend the file");
    file->size = size;
    return 0;
}

int32_t cx_file_grow(cx_file *file, int64_t size)
{
    int32_t code = cx_file_measure(file);
    if (code < 0 || file->size >= size)
        return code;
    code = cx_file_lock(file, 0, 0);
    if (code < 0)
        return code;
    code = cx_file_extend(file, size);
    cx_file_unlock(file, 0, 0);
    return code;
}

/* File systems without fallocate get their blocks by storing each page's own bytes: safe, since whoever allocates holds the
 * lock under which alone these pages are written. */
static int32_t allocate_by_rewriting(cx_file *file, int64_t from, int64_t to)
{
    char page[CX_PAGE_BYTES];
    for (int64_t at = from; at < to; at += CX_PAGE_BYTES) {
        ssize_t got = pread(file->fd, page, sizeof page, at);
        if (got < 0 || (got > 0 && pwrite(file->fd, page, (size_t)got, at) != got))
            return cx_fail_os(file->path, at, "cannot allocate blocks");
    }
    return 0;
}

static int32_t allocate_range(cx_file *file, int64_t from, int64_t to)
{
    /* Within the length of the file (KEEP_SIZE): the length is a matter of cx_file_grow alone. */
    while (fallocate(file->fd, FALLOC_FL_KEEP_SIZE, from, to - from) != 0) {
        if (errno == EINTR)
            continue;
        /* A shared file's blocks come with its stores then: a full disk is a window lost (cx_fault.h). */
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return file->shared ? 0 : allocate_by_rewriting(file, from, to);
        return cx_fail_os(file->path, from, "cannot allocate blocks");
    }
    return 0;
}

int32_t cx_allocate_slowly(cx_file *file, int64_t offset, int64_t length, bool ahead)
{
    bool extends = offset >= file->allocated_from && offset <= file->allocated_to && file->allocated_to > 0;
    int64_t from = (extends ? file->allocated_to : offset) & ~(CX_PAGE_BYTES - 1);
    int64_t least = (offset + length + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1);
    int64_t to = least;
    if (ahead && to < from + file->step_bytes)
        to = from + file->step_bytes;
    int64_t end_page = (file->size + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1);
    if (to > end_page && end_page >= least)
        to = end_page;
    int32_t code = allocate_range(file, from, to);
    if (code == CX_E_NO_SPACE && to > least) {
        to = least;   /* the last blocks of a full disk still take this message */
        code = allocate_range(file, from, to);
    }
    if (code < 0)
        return code;
    if (!extends)
        file->allocated_from = from;
    file->allocated_to = to;
    if (ahead) {
        if (extends && file->step_bytes < STEP_MAX)
            file->step_bytes *= 2;
        cx_populate(file, from, to - from);
        /* What was written long ago need not count as the writer's memory. */
        if (from - file->kept_from > KEEP_WRITTEN + STEP_MAX) {
            cx_forget(file, file->kept_from, from - KEEP_WRITTEN);
            file->kept_from = from - KEEP_WRITTEN;
        }
    }
    return 0;
}

int32_t cx_allocate_word(cx_file *file, int64_t offset, int64_t length)
{
    int64_t page = offset & ~(CX_PAGE_BYTES - 1);
    if (offset + length <= page + CX_PAGE_BYTES) {
        for (int i = 0; i < 4; i++) {
            if (file->allocated_page[i] == page)
                return 0;
        }
    }
    if (offset >= file->allocated_from && offset + length <= file->allocated_to)
        return 0;
    int32_t code = allocate_range(file, page, (offset + length + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1));
    if (code < 0)
        return code;
    file->allocated_page[file->allocated_next] = page;
    file->allocated_next = (file->allocated_next + 1) & 3;
    return 0;
}

void cx_populate(cx_file *file, int64_t offset, int64_t length)
{
    const cx_window *window = file->window[CX_DATA];
    if (window == NULL)
        return;
    int64_t from = offset > window->offset ? offset : window->offset;
    int64_t to = offset + length;
    if (to > window->offset + window->length)
        to = window->offset + window->length;
    if (to > file->size)
        to = file->size;
    from &= ~(CX_PAGE_BYTES - 1);
    if (to > from)
        (void)madvise(window->base + (from - window->offset), (size_t)(to - from), MADV_POPULATE_WRITE);
}

void cx_forget(cx_file *file, int64_t from, int64_t to)
{
    const cx_window *window = file->window[CX_DATA];
    if (window == NULL)
        return;
    from = (from + CX_PAGE_BYTES - 1) & ~(CX_PAGE_BYTES - 1);
    to &= ~(CX_PAGE_BYTES - 1);
    if (from < window->offset)
        from = window->offset;
    if (to > window->offset + window->length)
        to = window->offset + window->length;
    if (to > from)
        (void)madvise(window->base + (from - window->offset), (size_t)(to - from), MADV_DONTNEED);
}

void cx_sweep(cx_file *file, int64_t offset, int64_t keep_bytes)
{
    int64_t distance = offset - file->swept;
    if (distance > -SWEEP_STEPS * keep_bytes && distance < SWEEP_STEPS * keep_bytes)
        return;
    if (distance > 0) {
        cx_forget(file, file->swept, offset - keep_bytes);
        file->swept = offset - keep_bytes;
    } else {
        cx_forget(file, offset + keep_bytes, file->swept);
        file->swept = offset + keep_bytes;
    }
}

int32_t cx_file_sync(cx_file *file)
{
    if (fdatasync(file->fd) != 0)
        return cx_fail_os(file->path, -1, "cannot flush to disk");
    return 0;
}

int32_t cx_directory_sync(const char *path_in_it)
{
    char directory[CX_PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path_in_it);
    char *slash = strrchr(directory, '/');
    if (slash == NULL)
        snprintf(directory, sizeof directory, ".");
    else if (slash == directory)
        slash[1] = 0;
    else
        *slash = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cx_fail_os(directory, -1, "cannot open the directory");
    int32_t code = 0;
    if (fsync(fd) != 0 && errno != EINVAL)
        code = cx_fail_os(directory, -1, "cannot flush the directory to disk");
    close(fd);
    return code;
}

int32_t cx_make_directories(const char *path, bool durable)
{
    char part[CX_PATH_MAX];
    int32_t code;
    for (size_t at = 1; at <= strlen(path); at++) {
        if (path[at] != '/' && path[at] != 0)
            continue;
        snprintf(part, sizeof part, "%.*s", (int)at, path);
        bool made = mkdir(part, 0777) == 0;
        if (!made && errno != EEXIST)
            return cx_fail_os(part, -1, "cannot make the directory");
        if (made && durable && (code = cx_directory_sync(part)) < 0)
            return code;
    }
    return 0;
}

bool cx_path_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0;
}

int32_t cx_rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 1;
    if (errno == EEXIST)
        return 0;
    /* File systems without that flag have hard links, which never replace either. */
    if (errno == EINVAL || errno == ENOSYS) {
        if (link(from, to) == 0) {
            unlink(from);
            return 1;
        }
        if (errno == EEXIST || errno == EPERM || errno == EOPNOTSUPP)
            return 0;
    }
    return cx_fail_os(to, -1, "cannot give the new file its name");
}
