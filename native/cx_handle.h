/* cx_handle.h -- what every queue, appender and tailer is, whatever its format: its life, and its format's functions.
 *
 * Rules (cited as H-n):
 *  H-1  Nothing above a cx_format knows which format it serves; no format knows another.
 *  H-2  A format's queue, appender and tailer begin with the struct of that name here. cx_api.c allocates them (zeroed, of the
 *       size that their table of functions gives, which stands behind their struct in the same file), guards every call and frees
 *       them; the format's functions run guarded and do the work.
 *  H-3  Closing is not freeing: memory lives until the last Python object that could use it is gone; a queue's resources until
 *       it and the last of its appenders and tailers are closed.
 */
#ifndef CX_HANDLE_H
#define CX_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cx_map.h"

/* Lives in a page that fork() wipes: one load tells a call in the child from one in the parent. */
#define CX_ALIVE 0x63787121u

typedef struct cx_format cx_format;
typedef struct cx_appending cx_appending;
typedef struct cx_tailing cx_tailing;

typedef struct {
    const cx_format *format;
    const uint32_t *alive;      /* CX_ALIVE, or 0 in a forked child */
    int32_t closed;
    int32_t users;              /* owner until close, children until theirs, calls while inside: resources live while > 0 */
    int32_t references;         /* owner and children until freed: memory lives while > 0 */
    int64_t pid;
    cx_settings settings;
    char path[CX_PATH_MAX];
} cx_queue;

/* What appenders and tailers have in common. */
typedef struct {
    cx_queue *queue;
    int32_t in_use;
    int32_t closed;
    int64_t set_ms;             /* what the clock reads, or CX_CLOCK_NOW */
} cx_child;

typedef struct {
    cx_child child;
    const cx_appending *format;
    cx_appender_info info;
} cx_appender;

typedef struct {
    cx_child child;
    const cx_tailing *format;
    cx_tailer_info info;
    cx_window *lent;            /* of what was handed out last: stays mapped although the tailer went on to another file */
} cx_tailer;

/* A batch ends when its messages span more than this: what is copied at once stays in the cache. */
#define CX_REGION_BYTES (1LL << 20)
/* A tailer that reads on keeps so much of what it has read mapped (cx_sweep). */
#define CX_KEEP_BYTES (4LL << 20)

enum { CX_TO_START, CX_TO_END, CX_TO_INDEX, CX_TO_CYCLE };

/* A format's tables: the sizes of its structs, and its functions with the contracts of their namesakes in chronix_api.h. Where one
 * is NULL the answer is CX_E_UNSUPPORTED. */
struct cx_format {
    const char *noun;           /* "a Chronicle Queue 5", for messages */
    size_t bytes;               /* of its queue */
    const cx_appending *appending;
    const cx_tailing *tailing;
    bool cycle_at_begin;        /* an excerpt goes to the cycle in which it was begun, not to the one in which it is finished */
    /* open: path, settings and pid are set. release: also after a failed open, and in a forked child. */
    int32_t (*open)(cx_queue *queue);
    void (*release)(cx_queue *queue);
    int64_t (*cycles)(cx_queue *queue, int64_t *cycles, int64_t capacity);
    int32_t (*cycle)(cx_queue *queue, int64_t cycle, cx_cycle_info *info);
    int32_t (*refresh)(cx_queue *queue);
    int32_t (*table_next)(cx_queue *queue, int64_t *cursor, char *key, int64_t *value);
    int32_t (*table_get)(cx_queue *queue, const char *key, int64_t *value);
    int32_t (*table_ensure)(cx_queue *queue, const char *key, int64_t value);
    int32_t (*table_cas)(cx_queue *queue, const char *key, int64_t *expected, int64_t value);
};

/* In both: closing gives files and locks back; it is called once, also after a failed open, and in a forked child. */
struct cx_appending {
    size_t bytes;               /* of its appender */
    int32_t (*open)(cx_appender *appender);
    void (*close)(cx_appender *appender);
    int64_t (*append)(cx_appender *appender, const void *data, size_t length);
    int64_t (*append_many)(cx_appender *appender, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index);
    int32_t (*append_meta)(cx_appender *appender, const void *data, size_t length);
    int64_t (*append_placed)(cx_appender *appender, const void *data, const uint32_t *lengths, int32_t count, bool meta);
    int32_t (*append_at)(cx_appender *appender, int64_t index, const void *data, size_t length);
    int32_t (*append_padding)(cx_appender *appender);
    int32_t (*sync)(cx_appender *appender);
    int64_t (*pretouch)(cx_appender *appender);
    int32_t (*normalise_eofs)(cx_appender *appender);
    int32_t (*allow_discard)(cx_appender *appender);
};

struct cx_tailing {
    size_t bytes;               /* of its tailer */
    int32_t (*open)(cx_tailer *tailer, const char *name);
    void (*close)(cx_tailer *tailer);   /* cx_api.c drops `lent` */
    int32_t (*read)(cx_tailer *tailer, cx_excerpt *excerpt, bool with_meta);
    int32_t (*scan)(cx_tailer *tailer, cx_batch *batch, int32_t limit, bool gather);
    int32_t (*unread)(cx_tailer *tailer, int64_t index, int64_t last_read);
    int32_t (*move)(cx_tailer *tailer, int32_t where, int64_t target);   /* CX_TO_* */
    int32_t (*set_direction)(cx_tailer *tailer, int32_t direction);
    int32_t (*set_striding)(cx_tailer *tailer, bool striding);
};

extern const cx_format cx5_format, cx3_vanilla_format, cx3_indexed_format;

/* UTC now; the coarse clock, which lags by a tick and costs a quarter, while it reads in [from_ms, to_ms) and the lag cannot
 * matter. With set_ms other than CX_CLOCK_NOW: that. */
int64_t cx_clock_ms(const cx_child *child, int64_t from_ms, int64_t to_ms);

/* CX_E_TOO_LONG for a message of this length. */
int32_t cx_too_long(const cx_queue *queue, size_t length);

/* Keeps a window mapped until the tailer hands out something else; what cx_excerpt and cx_batch name it by. */
static inline uintptr_t cx_lend(cx_tailer *tailer, cx_window *window)
{
    if (window != tailer->lent) {
        cx_window_retain(window);
        cx_window_drop(tailer->lent);
        tailer->lent = window;
    }
    return (uintptr_t)window;
}

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
