/* cx_store.h -- one roll file (*.cq4): its header, index pages and documents (spec 2, 4, 5). Knows nothing of other cycles. */
#ifndef CX_STORE_H
#define CX_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_atomic.h"
#include "cx_map.h"
#include "cx_wire.h"

/* Two million messages' slots at the usual spacing of 256; further ones take their places and are walked to again. */
#define CX_TRUSTED_SLOTS 8192

/* What walks have told of an index slot. The `even` messages behind its own lie `pitch` bytes apart: a look-up need not walk. */
typedef struct {
    uint32_t number;          /* of the slot, + 1: found right (trusted_before in cx_store.c) */
    uint32_t pitch;
    uint32_t even;
} cx_trust;

typedef struct {
    cx_file file;
    int64_t cycle;
    uint8_t *head;            /* offset 0 of the file, mapped for as long as the store is open */
    int64_t header_end;       /* end of the first document, unaligned */
    bool padded;              /* dataFormat 1 */
    bool fieldless;
    bool has_sequence;        /* writePosition is a pair of longs */
    int32_t index_count;
    int32_t index_spacing;
    int32_t count_bits;       /* log2 of index_count */
    int32_t spacing_bits;
    int32_t word_shift;       /* of the sequence word, spec 5.4 */
    int64_t position_at;      /* file offsets of the bound values */
    int64_t sequence_at;
    int64_t index2index_at;
    int64_t last_index_at;
    int32_t data_format;
    /* Roll settings that v4 files carry: length_ms is 0 where there are none. */
    int64_t length_ms, epoch_ms;
    int32_t source_id;
    char format[CX_FORMAT_MAX];
    /* Index page parsed last, so that neighbours cost nothing: offset of its header, of its slots. */
    int64_t page_offset, page_slots;
    cx_trust trusted[CX_TRUSTED_SLOTS];
} cx_store;

/* Places in a file: a document's header and the sequence number that a data document there has. */
typedef struct {
    int64_t offset;
    int64_t sequence;
} cx_place;

/* Headers are a chain of loads; reading this far ahead hides most of their latency. */
#define CX_PREFETCH_BYTES 2048

enum { CX_FIND_FOUND = 1, CX_FIND_NEXT = 2, CX_FIND_EOF = 3, CX_FIND_BEYOND = 4 };

/* Opens an existing file whose header is complete, for reading. CX_E_NOT_READY while it is not, CX_E_NOT_FOUND, CX_E_CORRUPT ... */
int32_t cx_store_open(cx_store *store, const char *path, int64_t cycle);
/* Parses the header of a file opened by cx_file_open. */
int32_t cx_store_parse(cx_store *store);
void cx_store_close(cx_store *store);

/* Header word at offset: 1 with *header, where 0, debris and the end of the file all give 0; *document is then its payload,
 * wholly inside the file (else CX_E_CORRUPT). EOF comes back as CX_EOF with no payload. */
int32_t cx_store_header(cx_store *store, int purpose, int64_t offset, uint32_t *header, uint8_t **document);

static inline int64_t cx_store_next(const cx_store *store, int64_t offset, uint32_t header)
{
    int64_t next = offset + 4 + cx_length_of(header);
    return store->padded ? cx_align4(next) : next;
}

/* First place where nothing is written: its offset, and the sequence the next message gets. *eof: an end-of-data marker is
 * there. The walk starts at the last known position, so it is short (spec 5.4). */
int32_t cx_store_end(cx_store *store, cx_place *end, bool *eof);
/* The same walk from a known place on. */
int32_t cx_store_walk_to_end(cx_store *store, cx_place *place, bool *eof);
/* Looks a sequence number up: CX_FIND_*; *offset is that of its header (FOUND), or of the end of data (NEXT, EOF). */
int32_t cx_store_find(cx_store *store, int64_t sequence, int64_t *offset);
/* Address of slot number i of the index page at `page`: 1, 0 if the page is not readable as one, or a code. */
int32_t cx_store_slot(cx_store *store, int64_t page, int64_t i, uint8_t **slot);

static inline uint64_t cx_store_word(const cx_store *store, int64_t position, int64_t sequence)
{
    uint64_t mask = (1ULL << store->word_shift) - 1;
    return (uint64_t)position << store->word_shift | ((uint64_t)sequence & mask);
}

/* Messages that the index can hold. */
static inline int64_t cx_store_capacity(const cx_store *store)
{
    return (int64_t)store->index_count << (store->count_bits + store->spacing_bits);
}

#endif
