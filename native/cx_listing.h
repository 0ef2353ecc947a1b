/* cx_listing.h -- which cycles exist: the names in a queue's directory, read again only when they can have changed.
 *
 * A cycle is a file of the directory, or a directory itself; where the roll pattern holds '/', one that lies so much deeper.
 * Safe for several threads.
 */
#ifndef CX_LISTING_H
#define CX_LISTING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cx_roll.h"

typedef struct {
    const cx_roll *roll;
    const char *path;
    bool directories;           /* cycles are directories */
    int fd;                     /* of the queue's directory, -1: closed */
    pthread_mutex_t lock;       /* guards what follows */
    int64_t *cycles;            /* ascending */
    int64_t count;
    struct timespec change;     /* the directory's mtime when it was read */
    bool settled;               /* mtime was old enough then that a later change must differ */
    int64_t walked_ns;          /* nested patterns: when the directories were walked, and how long it took */
    int64_t walk_ns;
} cx_listing;

/* Nothing is opened yet; balanced by cx_listing_close. roll and path are kept by reference. */
void cx_listing_init(cx_listing *listing, const cx_roll *roll, const char *path, bool directories);
int32_t cx_listing_open(cx_listing *listing);
void cx_listing_close(cx_listing *listing);

/* Existing cycle next to `cycle` in a direction (+1, -1), or at the ends (-1, INT64_MAX): 1 with *found, 0 if there is none, or a
 * code. */
int32_t cx_listing_neighbour(cx_listing *listing, int64_t cycle, int32_t direction, int64_t *found);
/* All of them, ascending, as cx_queue_cycles. */
int64_t cx_listing_all(cx_listing *listing, int64_t *cycles, int64_t capacity);
/* When the directory changed last; false if that was so short a time ago that another change might not show. */
bool cx_listing_settled(const cx_listing *listing, struct timespec *change);
/* The next question reads the directory again, whatever its time says (we made a file ourselves, or must know exactly). */
void cx_listing_stale(cx_listing *listing);

#endif
