/* cx5_queue.h -- a queue's directory: settings, table store, existing cycles; shared by its appenders and tailers. */
#ifndef CX5_QUEUE_H
#define CX5_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_handle.h"
#include "cx_listing.h"
#include "cx_roll.h"
#include "cx_store.h"
#include "cx_table.h"

typedef struct {
    cx_queue base;
    cx_roll roll;
    bool has_table;
    cx_table table;
    /* Words of the table store; NULL where the table does not have them (read-only queues). */
    void *highest, *lowest, *mod_count, *write_lock, *append_lock, *last_synced;
    bool dead_holder;           /* the write lock was a dead process's on opening: a stuck roll file is what it left */
    cx_listing listing;
} cx5_queue;

/* Path of a cycle's file. */
int32_t cx5_path(const cx5_queue *queue, int64_t cycle, char *path);
/* Existing cycle next to `cycle` in a direction (+1, -1), or at the ends: 1 with *found, 0 if there is none, or a code. */
static inline int32_t cx5_neighbour(cx5_queue *queue, int64_t cycle, int32_t direction, int64_t *found)
{
    return cx_listing_neighbour(&queue->listing, cycle, direction, found);
}
static inline int32_t cx5_first(cx5_queue *queue, int64_t *found) { return cx5_neighbour(queue, -1, 1, found); }
static inline int32_t cx5_last(cx5_queue *queue, int64_t *found) { return cx5_neighbour(queue, INT64_MAX, -1, found); }
/* The listing must be read again, whatever the directory's time says (we made a file ourselves). */
static inline void cx5_listing_stale(cx5_queue *queue) { cx_listing_stale(&queue->listing); }

/* Forced refresh of listing.* from the directory (spec 7.2); 0 without doing anything when read-only. */
int32_t cx5_refresh(cx_queue *queue);

/* A pid-valued lock word: 0 taken; CX_E_LOCKED with its holder as error value. A dead holder is released at once, and *recovered
 * counted up (spec 7.3). */
int32_t cx5_lock_word(cx5_queue *queue, void *word, int64_t *recovered);
/* false: the word no longer held our pid, somebody forced it. */
bool cx5_unlock_word(cx5_queue *queue, void *word);

extern const cx_appending cx5_appending;
extern const cx_tailing cx5_tailing;

#endif
