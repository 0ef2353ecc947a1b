/* cx_map.h -- the only door to mmap, file growth, allocation and flushing.
 *
 * Rules (cited as M-n):
 *  M-1  No byte of a mapping is touched before cx_reach has compared its end with the file's size (no SIGBUS). Where another
 *       process truncates faster than that, cx_fault.h keeps us alive and cx_file_lost tells.
 *  M-2  No byte is stored before cx_allocate has real blocks under it (a full disk is an error, not a signal).
 *  M-3  A file only grows, under the exclusive lock of the whole file that Java takes for it (spec 1.3).
 *  M-4  A window stays mapped while anyone holds a reference; handles and Python views hold one each.
 * A window may reach beyond the end of its file: those pages become valid when the file grows, so growth needs no remapping.
 */
#ifndef CX_MAP_H
#define CX_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_error.h"
#include "cx_fault.h"

typedef struct cx_window {
    uint8_t *base;      /* address of file offset `offset` */
    int64_t offset;
    int64_t length;     /* mapped bytes */
    int32_t references;
    int32_t lost;       /* the file was truncated under us: a page reads as zeros and stores go nowhere (cx_fault.h) */
    int32_t watch;
} cx_window;

/* Windows of one file by purpose, so that a scan does not evict the index or the header. */
enum { CX_HEAD = 0, CX_DATA = 1, CX_INDEX = 2, CX_SLOTS = 3 };

typedef struct {
    int fd;                          /* -1: closed */
    bool writable;
    int64_t size;                    /* last known length; refreshed before anything is called beyond the end */
    int64_t checked_ms;              /* coarse time at which size was last compared with the file */
    bool deleted;                    /* its name was gone by then: what is stored into it will vanish with its descriptors */
    int64_t allocated_from, allocated_to; /* range known to have blocks */
    int64_t allocated_page[4];       /* single pages known to have blocks, a small ring */
    int32_t allocated_next;
    int64_t step_bytes;              /* next allocation step */
    int64_t whole_bytes;             /* not 0: no longer file is read, and one window maps it all; set it before the first cx_reach */
    bool shared;                     /* others store into it without any lock: blocks cannot come from rewriting pages */
    int64_t kept_from;               /* pages before this were forgotten as written long ago */
    int64_t swept;                   /* where the run of reads began of which nothing was forgotten yet: see cx_sweep */
    cx_window *window[CX_SLOTS];
    char path[CX_PATH_MAX];
} cx_file;

/* Opens a regular file. create: make it if missing. Returns 0 or a code (CX_E_NOT_FOUND, CX_E_PERMISSION, ...). */
int32_t cx_file_open(cx_file *file, const char *path, bool writable, bool create);
/* Makes a file that must not exist yet: 1; 0 if it does; or a code. */
int32_t cx_file_create(cx_file *file, const char *path);
/* Gives the descriptor and the windows back; the struct may be reused. */
void cx_file_close(cx_file *file);
/* Compares size with the file's, and sees whether it was deleted. */
int32_t cx_file_measure(cx_file *file);
/* The same, but at most once in some milliseconds: cheap enough for each call of a hot path. */
int32_t cx_file_glance(cx_file *file);

/* 0, or CX_E_CORRUPT if the file was truncated under one of its windows. */
int32_t cx_file_lost(const cx_file *file);

/* Copies bytes without touching a mapping: 1; 0 if the file ends before; or a code. On a full tmpfs a hole can be read so, but not
 * through a mapping, whose page would need room. */
int32_t cx_file_peek(const cx_file *file, int64_t offset, void *to, size_t length);
/* Maps the file anew after cx_file_lost: what was lost may be there. */
int32_t cx_file_remap(cx_file *file, int purpose, uint8_t **base);

int32_t cx_reach_slowly(cx_file *file, int purpose, int64_t offset, int64_t length, uint8_t **out);

/* Address of [offset, offset + length), valid until the next cx_reach with the same purpose. Returns 1; 0 if the file ends
 * before; or a code. */
static inline int32_t cx_reach(cx_file *file, int purpose, int64_t offset, int64_t length, uint8_t **out)
{
    const cx_window *window = file->window[purpose];
    if (__builtin_expect(window != NULL && offset >= window->offset && length <= window->length
                         && offset - window->offset <= window->length - length
                         && offset <= file->size - length, 1)) {
        *out = window->base + (offset - window->offset);
        return 1;
    }
    return cx_reach_slowly(file, purpose, offset, length, out);
}

/* Grows the file to at least size bytes (M-3). CX_E_FILE_LOCKED: another process holds the lock, try again. */
int32_t cx_file_grow(cx_file *file, int64_t size);
/* The same for who already holds the lock, through this very file. */
int32_t cx_file_extend(cx_file *file, int64_t size);
int32_t cx_allocate_slowly(cx_file *file, int64_t offset, int64_t length, bool ahead);
/* Real blocks under [offset, offset + length) (M-2), and some way ahead when `ahead`. */
static inline int32_t cx_allocate(cx_file *file, int64_t offset, int64_t length, bool ahead)
{
    if (__builtin_expect(offset >= file->allocated_from && offset + length <= file->allocated_to, 1))
        return 0;
    return cx_allocate_slowly(file, offset, length, ahead);
}
/* The same for the one page or two that hold a small word; remembers the last few. */
int32_t cx_allocate_word(cx_file *file, int64_t offset, int64_t length);
/* Makes pages of [offset, offset + length) present for writing, so that no store faults. Best effort. */
void cx_populate(cx_file *file, int64_t offset, int64_t length);
/* Drops the pages of [from, to) from our page tables (they stay in the page cache): bounds RSS of a long scan. */
void cx_forget(cx_file *file, int64_t from, int64_t to);
/* Called as reading goes on, in either direction, with the place it has come to: of what was read, some keep_bytes stay mapped;
 * more would count as the reader's memory. */
void cx_sweep(cx_file *file, int64_t offset, int64_t keep_bytes);
/* Reads that go on from another place begin a new run. The pages of far ones stay mapped: random reads would fault at each. */
static inline void cx_sweep_from(cx_file *file, int64_t offset, int64_t keep_bytes)
{
    int64_t distance = offset - file->swept;
    if (distance <= -keep_bytes || distance >= keep_bytes)
        file->swept = offset;
}
/* Looks at each page of what a reader hands out: page faults happen here, without the GIL. */
static inline void cx_touch(const uint8_t *data, int64_t length)
{
    for (int64_t at = 0; at < length; at += CX_PAGE_BYTES)
        (void)*(volatile const uint8_t *)(data + at);
}
/* Tries the exclusive lock of `length` bytes at `start` (0: to infinity); CX_E_FILE_LOCKED if another process keeps holding it. */
int32_t cx_file_lock(cx_file *file, int64_t start, int64_t length);
void cx_file_unlock(cx_file *file, int64_t start, int64_t length);
/* Data of the file on disk. */
int32_t cx_file_sync(cx_file *file);
/* Directory entry of the file on disk. */
int32_t cx_directory_sync(const char *path_in_it);

/* mkdir -p; durable: what it made is on disk. */
int32_t cx_make_directories(const char *path, bool durable);
bool cx_path_exists(const char *path);
/* Renames to a name that is free: 1; 0 if it is taken (or the file system cannot tell); or a code. */
int32_t cx_rename_new(const char *from, const char *to);

/* Memory of this process in a window's clothes, zeroed; NULL if there is none. */
cx_window *cx_window_of_memory(int64_t length);
void cx_window_retain(cx_window *window);
void cx_window_drop(cx_window *window);

int64_t cx_coarse_ms(void);

#endif
