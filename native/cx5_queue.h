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

/* The format's functions for appenders and tailers, for its cx_format, and the sizes of what they work on. */
#define CX5_APPENDER_BYTES 131072
#define CX5_TAILER_BYTES 131072
int32_t cx5_open_appender(cx_appender *appender);
void cx5_close_appender(cx_appender *appender);
int64_t cx5_append(cx_appender *appender, const void *data, size_t length);
int64_t cx5_append_many(cx_appender *appender, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index);
int32_t cx5_append_meta(cx_appender *appender, const void *data, size_t length);
int32_t cx5_append_at(cx_appender *appender, int64_t index, const void *data, size_t length);
int32_t cx5_sync(cx_appender *appender);
int64_t cx5_pretouch(cx_appender *appender);
int32_t cx5_normalise_eofs(cx_appender *appender);
int32_t cx5_allow_discard(cx_appender *appender);
int32_t cx5_open_tailer(cx_tailer *tailer, const char *name);
void cx5_close_tailer(cx_tailer *tailer);
int32_t cx5_read(cx_tailer *tailer, cx_excerpt *excerpt, bool with_meta);
int32_t cx5_scan(cx_tailer *tailer, cx_batch *batch, int32_t limit, bool gather);
int32_t cx5_unread(cx_tailer *tailer, int64_t index, int64_t last_read);
int32_t cx5_move(cx_tailer *tailer, int32_t where, int64_t target);
int32_t cx5_set_direction(cx_tailer *tailer, int32_t direction);
int32_t cx5_set_striding(cx_tailer *tailer, bool striding);

#endif
