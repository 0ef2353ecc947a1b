/* cx3_indexed.h -- Indexed journals of Chronicle 3.x: path.index and path.data, one writer, any number of readers.
 *
 * The format (spec chronicle-3, 3; Java: IndexedChronicle). L = line_bytes, P = (L - 8) / 4 entries in a line:
 *
 *   path.index, line j at j * L:  i64 base_j, i32 e[0] ... e[P-1]      entry n is e[n % P] of line n / P
 *       e = 0 not written yet; > 0 an excerpt; < 0 padding, which consumes a number
 *       start = base_j + (k == 0 ? 0 : |e[k-1]|), end = base_j + |e[k]|: offsets in path.data
 *   path.data:  excerpts back to back, no framing; none crosses a multiple of the data block
 *
 * Both files grow by whole blocks and are sparse. The number of an entry is its index; there is one cycle, 0.
 *
 * Rules (cited as I-n):
 *  I-1  An entry is published last, by a store with release; whoever sees it not 0 with acquire sees base and excerpt.
 *  I-2  Bases are written without holes, each equal to where the line before ends: so the end is found by binary search, and a
 *       base that differs is damage.
 *  I-3  One writer: it holds the exclusive lock of path.index (of this open file: another appender of the same process meets it,
 *       too; a forked child keeps it with the descriptor while it lives, unless the parent closes its appender). Java takes no
 *       lock and cannot be kept out; that it wrote is seen before anything is stored, if it is seen at all.
 *  I-4  What may fail (growth, blocks of a full disk, mapping) is done before anything is published.
 *  I-5  What an appender writes is Java's byte by byte. Where Java has no answer:
 *       - an empty excerpt that would be a line's first entry, and so 0, gets one byte of padding before it;
 *       - where offsets would not fit 31 bits, the line is filled up with padding of no bytes;
 *       - append_padding() of a block that is just full adds padding of no bytes: the number that a replica needs, without Java's
 *         whole block (addPaddedEntry).
 *  I-6  Before the last entry of a block is published, the file has the next block. A Java reader that comes to a block's end maps
 *       the next one; where the file ends there, the JVM extends it: it compares the length and then sets it (FileChannelImpl.map),
 *       and so cuts off what a writer appended in between. Seen: a Java tailer truncated the index of a fast writer. A Java writer
 *       extends files only when it begins the next excerpt: ours are a block longer than Java's after such an entry.
 */
#ifndef CX3_INDEXED_H
#define CX3_INDEXED_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_atomic.h"
#include "cx_handle.h"

#define I3_ENTRY_MAX 2147483647LL     /* entries are relative to their line's base */

typedef struct {
    cx_queue base;
    int64_t line_bytes, line_entries, index_block, data_block, reserve;
    char index_path[CX_PATH_MAX], data_path[CX_PATH_MAX];
} i3_queue;

/* Where the next entry goes. */
typedef struct {
    int64_t number;
    int64_t line_at;      /* offset of its line in the index file */
    int64_t base;         /* of its line, if `based` */
    int64_t end;          /* of the entry before it, in the data file */
    int32_t k;            /* its place in the line */
    int32_t left;         /* the entry before it as it is stored, 0 if there is none */
    bool based;           /* its line's base is written */
} i3_place;

static inline int64_t i3_size_of_entry(int32_t entry)
{
    return entry < 0 ? -(int64_t)entry : entry;
}

static inline int32_t i3_load_entry(const uint8_t *line, int64_t k)
{
    return (int32_t)cx_load_u32(line + 8 + 4 * k);   /* I-1: pairs with put_entry() of the appender */
}

/* Where entry `number` lies: false beyond what a file offset can say. */
static inline bool i3_locate(const i3_queue *queue, int64_t number, int64_t *line_at, int64_t *k)
{
    int64_t line = number / queue->line_entries;
    *k = number % queue->line_entries;
    if (line > (INT64_MAX - queue->line_bytes) / queue->line_bytes)
        return false;
    *line_at = line * queue->line_bytes;
    return true;
}

/* Base of the line at an offset: 1; 0 if the file ends before it; or a code. */
int32_t i3_load_base(cx_file *index, int64_t line_at, int64_t *base);
/* CX_E_CORRUPT, said of a line's base. */
int32_t i3_bad_base(const cx_file *index, int64_t line_at, int64_t base, const char *why);
/* Whether a line's base is what it must be (I-2): 0 or a code. The line before it is full. */
int32_t i3_check_base(const i3_queue *queue, cx_file *index, int64_t line_at, int64_t base);
/* Finds the end (I-2): the last line that has a base, and its entries. 0 or a code. */
int32_t i3_find_end(const i3_queue *queue, cx_file *index, i3_place *place);

extern const cx_appending i3_appending;
extern const cx_tailing i3_tailing;

#endif
