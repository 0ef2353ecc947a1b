/* cx_queue.h -- a queue's directory: settings, table store, existing cycles; shared by its appenders and tailers. */
#ifndef CX_QUEUE_H
#define CX_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cx_roll.h"
#include "cx_store.h"
#include "cx_table.h"

/* Lives in a page that fork() wipes: one load tells a call in the child from one in the parent. */
#define CX_ALIVE 0x63787121u

typedef struct cx_queue {
    const uint32_t *alive;      /* CX_ALIVE, or 0 in a forked child */
    int32_t closed;
    int32_t users;              /* owner until close, children until theirs, calls while inside: resources live while > 0 */
    int32_t references;         /* owner and children until freed: memory lives while > 0 */
    cx_settings settings;
    cx_roll roll;
    bool has_table;
    cx_table table;
    /* Words of the table store; NULL where the table does not have them (read-only queues). */
    void *highest, *lowest, *mod_count, *write_lock, *append_lock, *last_synced;
    int64_t pid;
    bool dead_holder;           /* the write lock was a dead process's on opening: a stuck roll file is what it left */
    pthread_mutex_t listing;    /* guards the next five */
    int directory_fd;
    int64_t *cycles;            /* ascending */
    int64_t cycle_count;
    struct timespec listed_change;   /* the directory's mtime when it was read */
    bool listing_settled;       /* mtime was old enough then that a later change must differ */
    char path[CX_PATH_MAX];
} cx_queue;

/* Enters a call on a queue handle: 0, or CX_E_FORKED, CX_E_CLOSED. Balanced by cx_queue_leave. */
int32_t cx_queue_enter(cx_queue *queue);
void cx_queue_leave(cx_queue *queue);
/* A child handle's share of the queue, until it is closed and until it is freed. */
int32_t cx_queue_adopt(cx_queue *queue);
void cx_queue_release(cx_queue *queue);   /* on close */
void cx_queue_forget(cx_queue *queue);    /* on free */

/* Path of a cycle's file. */
int32_t cx_queue_path(const cx_queue *queue, int64_t cycle, char *path);
/* Existing cycle next to `cycle` in a direction (+1, -1), or at the ends: 1 with *found, 0 if there is none, or a code. */
int32_t cx_queue_neighbour(cx_queue *queue, int64_t cycle, int32_t direction, int64_t *found);
static inline int32_t cx_queue_first(cx_queue *queue, int64_t *found) { return cx_queue_neighbour(queue, -1, 1, found); }
static inline int32_t cx_queue_last(cx_queue *queue, int64_t *found) { return cx_queue_neighbour(queue, INT64_MAX, -1, found); }
/* The listing must be read again, whatever the directory's time says (we made a file ourselves). */
void cx_queue_listing_stale(cx_queue *queue);

/* A pid-valued lock word: 0 taken; CX_E_LOCKED with its holder as error value. A dead holder is released at once, and *recovered
 * counted up (spec 7.3). */
int32_t cx_lock_word(cx_queue *queue, void *word, int64_t *recovered);
/* false: the word no longer held our pid, somebody forced it. */
bool cx_unlock_word(cx_queue *queue, void *word);

static inline int64_t cx_index_of(const cx_queue *queue, int64_t cycle, int64_t sequence)
{
    return (int64_t)(((uint64_t)cycle << queue->settings.shift) + ((uint64_t)sequence & ((1ULL << queue->settings.shift) - 1)));
}

static inline int64_t cx_cycle_of(const cx_queue *queue, int64_t index)
{
    return index >> queue->settings.shift;
}

static inline int64_t cx_sequence_of(const cx_queue *queue, int64_t index)
{
    return (int64_t)((uint64_t)index & ((1ULL << queue->settings.shift) - 1));
}

#endif
