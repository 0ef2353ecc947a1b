/* cx3_vanilla.h -- a Chronicle 3.x Vanilla journal: what its queue, appenders and tailers share (spec: chronicle-3 section 2).
 *
 *   <base>/<cycle>/index-<n>           slots of 8 bytes: thread id, number of data file, position of the payload; 0: not written yet
 *   <base>/<cycle>/data-<tid>-<m>      records: ~length (i32, 4-aligned), payload, up to 3 bytes that are nobody's
 *
 * INVARIANTS (cited as V-n)
 *  V-1  Nobody writes to a data file but the appender that made it with O_EXCL; no data file is ever continued.
 *  V-2  Order: payload, length word (release), slot by CAS from 0. The CAS publishes; until then nothing of it is visible, and its
 *       place is used again.
 *  V-3  A slot is tried only after all before it were seen non-zero: slots of a cycle are filled without holes, so their number is
 *       found by binary search.
 *  V-4  The index is the only authority. What no slot names does not exist; data files are never searched for records.
 *  V-5  Files are mapped whole, once; what a reader takes for an address was compared with the file's size (M-1), and what is
 *       beyond its end reads as zero: not written yet.
 */
#ifndef CX3_VANILLA_H
#define CX3_VANILLA_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_handle.h"
#include "cx_listing.h"
#include "cx_roll.h"

/* Java stops looking for a free slot after so many index files (VanillaIndexCache). */
#define CX3_INDEX_FILES_MAX 10000
/* Most files that a tailer keeps mapped, whatever max_mapped_bytes says: each is a descriptor, too. */
#define CX3_BLOCKS_MAX 64
#define CX3_FILE_PATH_MAX (CX_PATH_MAX - 64)

typedef struct {
    cx_queue base;
    cx_roll roll;
    cx_listing listing;
    int64_t slots;              /* of an index file */
    int64_t files;              /* index files that a cycle can have */
    int64_t entries;            /* messages that a cycle can have: slots of these files, and not more than the index tells apart */
    int64_t reserve;            /* room that beginning an excerpt asks for; 0 where no data file has as much (Java would write past it) */
    int32_t slot_bits;          /* log2(slots) */
    int32_t block_bits;         /* log2(data block) */
    int32_t position_bits;      /* of a slot: number and position in the thread's data; the thread id is above */
} cx3_queue;

/* A file that is mapped. */
typedef struct {
    cx_file file;
    const uint8_t *base;
    int64_t cycle;
    uint64_t number;            /* of an index file; of a data file: entry >> block_bits, which holds the thread id, too */
    bool index;
    bool careful;               /* an index file with pages that cannot be had: slots are peeked at first */
    uint64_t used;              /* when, in calls */
} cx3_block;

/* The clock's cycle, which holds while it reads in the range. Zeroed to begin with: no time is in it. */
typedef struct {
    int64_t from_ms, to_ms;
    int64_t cycle;
} cx3_clock;

int64_t cx3_cycle_at(const cx3_queue *queue, int64_t now_ms, cx3_clock *clock);

/* The cycle in which the clock reads; -1, or one beyond INT32_MAX, where that is none. */
static inline int64_t cx3_clock_cycle(const cx3_queue *queue, const cx_child *child, cx3_clock *clock)
{
    int64_t now_ms = cx_clock_ms(child, clock->from_ms, clock->to_ms);
    return __builtin_expect(now_ms >= clock->from_ms && now_ms < clock->to_ms, 1) ? clock->cycle : cx3_cycle_at(queue, now_ms, clock);
}

/* What a reader keeps mapped; the rest goes in the order of last use. Zeroed to begin with. */
typedef struct {
    int32_t count;
    int64_t mapped_bytes;
    uint64_t now;               /* call number: a block is checked once in a call */
    cx3_block *index;           /* used last; not dropped for another data file */
    cx3_block *data;            /* used last; not dropped for another index file */
    cx3_block *blocks[CX3_BLOCKS_MAX];
    cx3_block *hints[CX3_BLOCKS_MAX];   /* data files by a hash of their number */
} cx3_blocks;

/* A cycle's directory, resp. with a file's name, in CX_PATH_MAX bytes. */
int32_t cx3_directory(const cx3_queue *queue, int64_t cycle, char *path);
int32_t cx3_index_path(const cx3_queue *queue, int64_t cycle, int64_t number, char *path);
int32_t cx3_data_path(const cx3_queue *queue, int64_t cycle, int64_t thread, int64_t number, char *path);

/* The highest number after `prefix` among a directory's names, below `limit`: 0 with it in *highest (-1: there is none);
 * CX_E_NOT_FOUND without the directory. */
int32_t cx3_highest(const char *directory, const char *prefix, int64_t limit, int64_t *highest);
/* Used slots of an index file: the number of the first that is 0, or a code. No page is faulted in. */
int64_t cx3_used(const cx3_queue *queue, const cx_file *file);
/* Slots that lie within a file of this size. */
static inline int64_t cx3_slots_within(const cx3_queue *queue, int64_t size)
{
    return size / 8 < queue->slots ? size / 8 : queue->slots;
}

/* Begins a call: files are looked at again. */
static inline void cx3_blocks_begin(cx3_blocks *blocks) { blocks->now++; }
/* A file, mapped: 1; 0 if it does not exist; or a code. Valid until the next call of one of the two; the index file also across
 * calls of cx3_data_block. */
int32_t cx3_index_block(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, int64_t number, cx3_block **found);
int32_t cx3_data_block(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, uint64_t number, cx3_block **found);
/* CX_E_CORRUPT if a file used in this call was truncated meanwhile. */
int32_t cx3_blocks_lost(const cx3_blocks *blocks);
void cx3_blocks_close(cx3_blocks *blocks);
/* Messages of a cycle: 1 with *count; 0 if it has no directory; or a code. */
int32_t cx3_count(cx3_queue *queue, cx3_blocks *blocks, int64_t cycle, int64_t *count);

extern const cx_appending cx3_appending;
extern const cx_tailing cx3_tailing;

#endif
