/* cx_table.h -- the table store metadata.cq4t (spec 3): the queue's settings and its shared 64-bit words. */
#ifndef CX_TABLE_H
#define CX_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cx_map.h"

/* Value of a free lock word, and of listing words not yet set (Long.MIN_VALUE). */
#define CX_UNLOCKED INT64_MIN

typedef struct {
    cx_file file;
    uint8_t *base;            /* the whole file, mapped once: pointers to values stay valid while the table is open */
    int64_t mapped;
    int64_t first_entry;      /* offset of the document after the header */
    bool padded;              /* 5.16 wrote tables without padding */
    pthread_mutex_t creating; /* threads of this process share one file description, so the byte lock is not enough */
} cx_table;

/* Settings stored at `path`; takes no lock. Sets kind to CX_KIND_V5 or CX_KIND_V5_UNPADDED.
 * CX_E_NOT_READY: the header is being written. */
int32_t cx_table_probe(const char *path, cx_settings *settings);
/* Opens; writable tables are created when missing (settings are then written). CX_E_CHANGED if what is stored differs. */
int32_t cx_table_open(cx_table *table, const char *path, const cx_settings *settings, bool writable);
void cx_table_close(cx_table *table);
/* Address of a key's value: 1, 0 if there is no such key, or a code. */
int32_t cx_table_find(cx_table *table, const char *key, void **value);
/* The same, creating the key under the byte-range lock if it is missing (T-1): 1 created, 0 was there, or a code. */
int32_t cx_table_acquire(cx_table *table, const char *key, int64_t initial, void **value);
/* Entry at or after *offset (0 to start): 1, 0 at the end, or a code; *offset moves behind it. */
int32_t cx_table_entry(cx_table *table, int64_t *offset, char *key, int64_t *value);

#endif
