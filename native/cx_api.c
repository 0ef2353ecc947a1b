/* cx_api.c -- the functions of chronix_api.h: guards, and the way to the format that a handle is of (H-1, H-2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cx_atomic.h"
#include "cx_handle.h"

/* More than a tick of any kernel's coarse clock (1 to 10 ms). */
#define COARSE_LAG_MS 20

int64_t cx_clock_ms(const cx_child *child, int64_t from_ms, int64_t to_ms)
{
    if (child->set_ms != CX_CLOCK_NOW)
        return child->set_ms;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    int64_t coarse_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (coarse_ms >= from_ms && coarse_ms < to_ms - COARSE_LAG_MS)
        return coarse_ms;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int32_t unsupported(const cx_queue *queue, const char *what)
{
    return cx_fail(CX_E_UNSUPPORTED, queue->path, -1, 0, "%s has no %s", queue->format->noun, what);
}

/* --- queues ------------------------------------------------------------------------------------------------------ */

static const cx_format *format_of(int32_t kind)
{
    switch (kind) {
    case CX_KIND_VANILLA:
        return &cx3_vanilla_format;
    case CX_KIND_INDEXED:
        return &cx3_indexed_format;
    default:
        return &cx5_format;
    }
}

static const uint32_t *make_alive_page(void)
{
    uint32_t *page = mmap(NULL, CX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, CX_PAGE_BYTES, MADV_WIPEONFORK) != 0) {
        munmap(page, CX_PAGE_BYTES);
        return NULL;
    }
    *page = CX_ALIVE;
    return page;
}

static void leave_queue(cx_queue *queue)
{
    if (cx_add_i32(&queue->users, -1) == 1)
        queue->format->release(queue);
}

/* 0, or CX_E_FORKED, CX_E_CLOSED; balanced by leave_queue. */
static int32_t enter_queue(cx_queue *queue)
{
    if (queue == NULL)
        return cx_fail(CX_E_CLOSED, NULL, -1, 0, "there is no queue");
    if (*queue->alive != CX_ALIVE)
        return cx_fail(CX_E_FORKED, queue->path, -1, 0, "the queue was opened before fork()");
    /* Never up from 0: the resources went with the last user, once. */
    bool joined = cx_join_i32(&queue->users);
    if (joined && !cx_load_i32(&queue->closed))
        return 0;
    if (joined)
        leave_queue(queue);
    return cx_fail(CX_E_CLOSED, queue->path, -1, 0, "the queue is closed");
}

/* The owner, or a child, will not come back. */
static void forget_queue(cx_queue *queue)
{
    if (cx_add_i32(&queue->references, -1) != 1)
        return;
    if (queue->users > 0)   /* a forked child's copy, or never closed */
        queue->format->release(queue);
    munmap((void *)(uintptr_t)queue->alive, CX_PAGE_BYTES);
    free(queue);
}

int32_t cx_queue_open(const char *path, const cx_settings *settings, uintptr_t *out)
{
    const cx_format *format = format_of(settings->kind);
    cx_queue *queue = calloc(1, format->bytes);
    if (queue == NULL || (queue->alive = make_alive_page()) == NULL) {
        free(queue);
        return cx_fail(CX_E_NO_MEMORY, path, -1, 0, "no memory for a queue");
    }
    queue->format = format;
    queue->users = queue->references = 1;
    queue->pid = getpid();
    queue->settings = *settings;
    snprintf(queue->path, sizeof queue->path, "%s", path);
    int32_t code = format->open(queue);
    if (code < 0) {
        cx_error_info kept;
        cx_error_keep(&kept);
        cx_queue_free((uintptr_t)queue);
        cx_error_restore(&kept);
        return code;
    }
    *out = (uintptr_t)queue;
    return 0;
}

int32_t cx_queue_close(uintptr_t handle)
{
    cx_queue *queue = (cx_queue *)handle;
    if (queue != NULL && *queue->alive == CX_ALIVE && cx_claim_flag(&queue->closed))
        leave_queue(queue);
    return 0;
}

void cx_queue_free(uintptr_t handle)
{
    if (handle == 0)
        return;
    cx_queue_close(handle);
    forget_queue((cx_queue *)handle);
}

/* Runs `call` on the queue guarded; `what` it has not where the format leaves the function out. */
#define ON_QUEUE(handle, function, what, call)                  \
    cx_queue *queue = (cx_queue *)(handle);                     \
    int32_t entered = enter_queue(queue);                       \
    if (entered < 0)                                            \
        return entered;                                         \
    const cx_format *format = queue->format;                    \
    __typeof__(call) result = format->function != NULL ? (call) : unsupported(queue, what); \
    leave_queue(queue);                                         \
    return result

int64_t cx_queue_cycles(uintptr_t handle, int64_t *cycles, int64_t capacity)
{
    ON_QUEUE(handle, cycles, "cycles", format->cycles(queue, cycles, capacity));
}

int32_t cx_queue_refresh(uintptr_t handle)
{
    ON_QUEUE(handle, refresh, "listing", format->refresh(queue));
}

int32_t cx_queue_cycle(uintptr_t handle, int64_t cycle, cx_cycle_info *info)
{
    memset(info, 0, sizeof *info);
    ON_QUEUE(handle, cycle, "cycles", format->cycle(queue, cycle, info));
}

int32_t cx_table_next(uintptr_t handle, int64_t *cursor, char *key, int64_t *value)
{
    ON_QUEUE(handle, table_next, "table store", format->table_next(queue, cursor, key, value));
}

int32_t cx_table_get(uintptr_t handle, const char *key, int64_t *value)
{
    ON_QUEUE(handle, table_get, "table store", format->table_get(queue, key, value));
}

int32_t cx_table_ensure(uintptr_t handle, const char *key, int64_t value)
{
    ON_QUEUE(handle, table_ensure, "table store", format->table_ensure(queue, key, value));
}

int32_t cx_table_cas(uintptr_t handle, const char *key, int64_t *expected, int64_t value)
{
    ON_QUEUE(handle, table_cas, "table store", format->table_cas(queue, key, expected, value));
}

/* --- appenders and tailers: life --------------------------------------------------------------------------------- */

static inline int32_t guard(cx_child *child, const char *noun)
{
    if (__builtin_expect(child == NULL, 0))
        return cx_fail(CX_E_CLOSED, NULL, -1, 0, "there is no %s", noun);
    if (__builtin_expect(*child->queue->alive != CX_ALIVE, 0))
        return cx_fail(CX_E_FORKED, child->queue->path, -1, 0, "the %s was opened before fork()", noun);
    if (__builtin_expect(!cx_claim_flag(&child->in_use), 0))
        return cx_fail(CX_E_BUSY, child->queue->path, -1, 0, "another thread is using this %s", noun);
    if (__builtin_expect(child->closed, 0)) {
        cx_drop_flag(&child->in_use);
        return cx_fail(CX_E_CLOSED, child->queue->path, -1, 0, "the %s is closed", noun);
    }
    return 0;
}

static inline void unguard(cx_child *child)
{
    cx_drop_flag(&child->in_use);
}

static void close_appender(cx_child *child)
{
    cx_appender *appender = (cx_appender *)child;
    appender->format->close(appender);
}

static void close_tailer(cx_child *child)
{
    cx_tailer *tailer = (cx_tailer *)child;
    tailer->format->close(tailer);
    cx_window_drop(tailer->lent);
    tailer->lent = NULL;
}

/* What the life of appenders and that of tailers differ in. */
typedef struct {
    const char *noun;
    void (*close)(cx_child *child);
} child_kind;

static const child_kind appenders = {"appender", close_appender}, tailers = {"tailer", close_tailer};

/* A zeroed child of `bytes` that keeps its place among the queue's users; NULL (and an error) if there is no memory. */
static void *adopt(cx_queue *queue, const child_kind *kind, size_t bytes)
{
    cx_child *child = calloc(1, bytes);
    if (child == NULL) {
        leave_queue(queue);
        cx_fail(CX_E_NO_MEMORY, queue->path, -1, 0, "no memory for the %s", kind->noun);
        return NULL;
    }
    cx_add_i32(&queue->references, 1);
    *child = (cx_child){.queue = queue, .set_ms = CX_CLOCK_NOW};
    return child;
}

static int32_t close_child(cx_child *child, const child_kind *kind)
{
    cx_error_info kept;
    cx_error_keep(&kept);
    int32_t code = guard(child, kind->noun);
    if (code == CX_E_CLOSED || code == CX_E_FORKED) {
        cx_error_restore(&kept);
        return 0;
    }
    if (code < 0)
        return code;
    kind->close(child);
    child->closed = 1;
    leave_queue(child->queue);
    unguard(child);
    cx_error_restore(&kept);
    return 0;
}

static void free_child(cx_child *child, const child_kind *kind)
{
    if (child == NULL)
        return;
    close_child(child, kind);
    if (!child->closed)   /* a forked child's copy: windows and descriptors are the child's own */
        kind->close(child);
    forget_queue(child->queue);
    free(child);
}

int32_t cx_appender_open(uintptr_t handle, uintptr_t *out)
{
    cx_queue *queue = (cx_queue *)handle;
    int32_t code = enter_queue(queue);
    if (code < 0)
        return code;
    if (queue->settings.writable == 0) {
        leave_queue(queue);
        return cx_fail(CX_E_READ_ONLY, queue->path, -1, 0, "the queue was opened read-only");
    }
    cx_appender *appender = adopt(queue, &appenders, queue->format->appending->bytes);
    if (appender == NULL)
        return CX_E_NO_MEMORY;
    appender->format = queue->format->appending;
    appender->info = (cx_appender_info){.last_index = -1, .cycle = -1};
    if ((code = appender->format->open(appender)) < 0)
        free_child(&appender->child, &appenders);
    else
        *out = (uintptr_t)appender;
    return code;
}

const cx_appender_info *cx_appender_facts(uintptr_t handle)
{
    return &((cx_appender *)handle)->info;
}

int32_t cx_appender_close(uintptr_t handle)
{
    return close_child((cx_child *)handle, &appenders);
}

void cx_appender_free(uintptr_t handle)
{
    free_child((cx_child *)handle, &appenders);
}

int32_t cx_tailer_open(uintptr_t handle, const char *name, uintptr_t *out)
{
    cx_queue *queue = (cx_queue *)handle;
    int32_t code = enter_queue(queue);
    if (code < 0)
        return code;
    cx_tailer *tailer = adopt(queue, &tailers, queue->format->tailing->bytes);
    if (tailer == NULL)
        return CX_E_NO_MEMORY;
    tailer->format = queue->format->tailing;
    tailer->info = (cx_tailer_info){.cycle = INT32_MIN, .last_read_index = -1, .acquired_cycle = INT32_MIN,
                                    .state = CX_UNINITIALISED, .direction = CX_FORWARD};
    if ((code = tailer->format->open(tailer, name)) < 0)
        free_child(&tailer->child, &tailers);
    else
        *out = (uintptr_t)tailer;
    return code;
}

const cx_tailer_info *cx_tailer_facts(uintptr_t handle)
{
    return &((cx_tailer *)handle)->info;
}

int32_t cx_tailer_close(uintptr_t handle)
{
    return close_child((cx_child *)handle, &tailers);
}

void cx_tailer_free(uintptr_t handle)
{
    free_child((cx_child *)handle, &tailers);
}

int32_t cx_set_clock(uintptr_t handle, int64_t now_ms)
{
    cx_child *child = (cx_child *)handle;
    int32_t code = guard(child, "appender or tailer");
    if (code < 0)
        return code;
    child->set_ms = now_ms;
    unguard(child);
    return 0;
}

/* --- appenders --------------------------------------------------------------------------------------------------- */

#define ON_CHILD(type, handle, noun, function, what, call)      \
    type *self = (type *)(handle);                              \
    int32_t guarded = guard((cx_child *)(handle), noun);   /* which may be none: no member of it yet */ \
    if (__builtin_expect(guarded < 0, 0))                       \
        return guarded;                                         \
    __typeof__(self->format) format = self->format;             \
    __typeof__(call) result = format->function != NULL ? (call) : unsupported(self->child.queue, what); \
    unguard(&self->child);                                      \
    return result
#define ON_APPENDER(handle, function, what, call) ON_CHILD(cx_appender, handle, "appender", function, what, call)
#define ON_TAILER(handle, function, what, call) ON_CHILD(cx_tailer, handle, "tailer", function, what, call)

int32_t cx_too_long(const cx_queue *queue, size_t length)
{
    return cx_fail(CX_E_TOO_LONG, queue->path, -1, (int64_t)length, "a message of %zu bytes; %d is the longest", length,
                   CX_MESSAGE_MAX);
}

int64_t cx_append(uintptr_t appender, const void *data, size_t length)
{
    ON_APPENDER(appender, append, "appender",
                __builtin_expect(length <= CX_MESSAGE_MAX, 1) ? format->append(self, data, length) : cx_too_long(self->child.queue, length));
}

static int64_t begin(const cx_appender *self)
{
    if (!self->child.queue->format->cycle_at_begin)
        return CX_ANY_TIME;
    int64_t now_ms = cx_clock_ms(&self->child, 0, 0);
    return now_ms >= 0 ? now_ms : cx_fail(CX_E_USAGE, self->child.queue->path, -1, now_ms, "the clock reads %lld ms, in no cycle",
                                          (long long)now_ms);
}

int64_t cx_begin(uintptr_t appender)
{
    ON_APPENDER(appender, append, "appender", begin(self));
}

static int64_t append_begun(cx_appender *self, const void *data, size_t length, int64_t begun_ms)
{
    if (length > CX_MESSAGE_MAX)
        return cx_too_long(self->child.queue, length);
    int64_t set_ms = self->child.set_ms;
    if (begun_ms != CX_ANY_TIME)
        self->child.set_ms = begun_ms;
    int64_t index = self->format->append(self, data, length);
    self->child.set_ms = set_ms;
    return index;
}

int64_t cx_append_begun(uintptr_t appender, const void *data, size_t length, int64_t begun_ms)
{
    ON_APPENDER(appender, append, "appender", append_begun(self, data, length, begun_ms));
}

static int64_t append_placed(cx_appender *self, const void *data, const uint32_t *lengths, int32_t count, bool meta, int64_t begun_ms)
{
    const cx_queue *queue = self->child.queue;
    const cx_appending *format = self->format;
    if (count <= 0 || (count & (count - 1)) != 0)
        return cx_fail(CX_E_USAGE, queue->path, -1, count, "a message in %d forms, which is no power of two", (int)count);
    for (int32_t i = 0; i < count; i++)
        if (lengths[i] > CX_MESSAGE_MAX)
            return cx_too_long(queue, lengths[i]);
    if (format->append_placed != NULL)
        return format->append_placed(self, data, lengths, count, meta);
    if (!meta)
        return append_begun(self, data, lengths[0], begun_ms);
    return format->append_meta != NULL ? format->append_meta(self, data, lengths[0]) : unsupported(queue, "metadata documents");
}

int64_t cx_append_placed(uintptr_t appender, const void *data, const uint32_t *lengths, int32_t count, int32_t meta, int64_t begun_ms)
{
    ON_APPENDER(appender, append, "appender", append_placed(self, data, lengths, count, meta != 0, begun_ms));
}

int64_t cx_append_many(uintptr_t appender, const void *data, const uint32_t *lengths, int64_t count, int64_t *first_index)
{
    ON_APPENDER(appender, append_many, "appender",
                count > 0 ? format->append_many(self, data, lengths, count, first_index)
                          : cx_fail(CX_E_USAGE, self->child.queue->path, -1, count, "append_many of %lld messages", (long long)count));
}

int64_t cx_total_length(const uint32_t *lengths, int64_t count)
{
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++)
        total += lengths[i];
    return total;
}

int32_t cx_append_meta(uintptr_t appender, const void *data, size_t length)
{
    ON_APPENDER(appender, append_meta, "metadata documents",
                length <= CX_MESSAGE_MAX ? format->append_meta(self, data, length) : cx_too_long(self->child.queue, length));
}

int32_t cx_append_at(uintptr_t appender, int64_t index, const void *data, size_t length)
{
    ON_APPENDER(appender, append_at, "way to append at an index",
                length <= CX_MESSAGE_MAX ? format->append_at(self, index, data, length) : cx_too_long(self->child.queue, length));
}

int32_t cx_append_padding(uintptr_t appender)
{
    ON_APPENDER(appender, append_padding, "padding entries", format->append_padding(self));
}

int32_t cx_sync(uintptr_t appender)
{
    ON_APPENDER(appender, sync, "way to flush", format->sync(self));
}

int64_t cx_pretouch(uintptr_t appender)
{
    ON_APPENDER(appender, pretouch, "pages to touch", format->pretouch(self));
}

int32_t cx_normalise_eofs(uintptr_t appender)
{
    ON_APPENDER(appender, normalise_eofs, "end-of-data markers", format->normalise_eofs(self));
}

int32_t cx_allow_discard(uintptr_t appender)
{
    ON_APPENDER(appender, allow_discard, "files to set aside", format->allow_discard(self));
}

/* --- tailers ----------------------------------------------------------------------------------------------------- */

int32_t cx_read(uintptr_t tailer, cx_excerpt *excerpt, int32_t with_meta)
{
    ON_TAILER(tailer, read, "tailer", format->read(self, excerpt, with_meta != 0));
}

int32_t cx_scan(uintptr_t tailer, cx_batch *batch, int32_t limit, int32_t gather)
{
    batch->count = 0;
    ON_TAILER(tailer, scan, "tailer",
              limit >= 1 && limit <= CX_BATCH && self->info.direction != CX_NONE
                  ? format->scan(self, batch, limit, gather != 0)
                  : cx_fail(CX_E_USAGE, self->child.queue->path, -1, limit, "a batch has 1 to %d messages of a tailer with a direction", CX_BATCH));
}

int32_t cx_unread(uintptr_t tailer, int64_t index, int64_t last_read)
{
    ON_TAILER(tailer, unread, "tailer", format->unread(self, index, last_read));
}

int32_t cx_to_start(uintptr_t tailer)
{
    ON_TAILER(tailer, move, "tailer", format->move(self, CX_TO_START, 0));
}

int32_t cx_to_end(uintptr_t tailer)
{
    ON_TAILER(tailer, move, "tailer", format->move(self, CX_TO_END, 0));
}

int32_t cx_move_to_index(uintptr_t tailer, int64_t index)
{
    ON_TAILER(tailer, move, "tailer", format->move(self, CX_TO_INDEX, index));
}

int32_t cx_move_to_cycle(uintptr_t tailer, int64_t cycle)
{
    ON_TAILER(tailer, move, "tailer", format->move(self, CX_TO_CYCLE, cycle));
}

int32_t cx_set_direction(uintptr_t tailer, int32_t direction)
{
    ON_TAILER(tailer, set_direction, "directions",
              direction >= CX_BACKWARD && direction <= CX_FORWARD
                  ? format->set_direction(self, direction)
                  : cx_fail(CX_E_USAGE, self->child.queue->path, -1, direction, "a direction is -1, 0 or 1"));
}

int32_t cx_set_striding(uintptr_t tailer, int32_t striding)
{
    ON_TAILER(tailer, set_striding, "striding", format->set_striding(self, striding != 0));
}

int32_t cx_window_acquire(uintptr_t handle, uintptr_t window_handle, uint64_t *address, int64_t *length)
{
    cx_tailer *tailer = (cx_tailer *)handle;
    int32_t code = guard((cx_child *)handle, "tailer");
    if (code < 0)
        return code;
    cx_window *window = tailer->lent;
    if (window == NULL || (uintptr_t)window != window_handle) {
        code = cx_fail(CX_E_USAGE, tailer->child.queue->path, -1, 0, "the window is no longer this tailer's");
    } else {
        cx_window_retain(window);
        *address = (uintptr_t)window->base;
        *length = window->length;
    }
    unguard(&tailer->child);
    return code;
}

void cx_window_release(uintptr_t window, const void *unused)
{
    (void)unused;
    cx_window_drop((cx_window *)window);
}

/* --- a batch in the words of Python's struct module ---------------------------------------------------------------- */

static char *put_decimal(char *to, uint32_t number)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

/* Slicing costs Python 150 ns a message; making a Struct of this text and unpacking with it costs 50 ns. */
int32_t cx_batch_format(const cx_batch *batch, char *format, int32_t capacity)
{
    if (capacity < CX_BATCH_FORMAT_MAX || batch->count < 0 || batch->count > CX_BATCH)
        return cx_fail(CX_E_USAGE, "", -1, capacity, "the room for a batch's format is %d bytes", (int)capacity);
    /* Empty messages share their start or stop with a neighbour. */
    int32_t last = batch->count > 0 ? batch->count - 1 : 0;
    bool backward = batch->starts[last] < batch->starts[0] || batch->stops[last] < batch->stops[0];
    char *to = format;
    int32_t at = 0;
    for (int32_t i = 0; i < batch->count; i++) {
        int32_t k = backward ? batch->count - 1 - i : i;
        int32_t start = batch->starts[k], stop = batch->stops[k];
        if (start < at || stop < start)
            return cx_fail(CX_E_USAGE, "", -1, start, "not a batch that cx_scan filled");
        if (start > at) {
            to = put_decimal(to, (uint32_t)(start - at));
            *to++ = 'x';
        }
        to = put_decimal(to, (uint32_t)(stop - start));
        *to++ = 's';
        at = stop;
    }
    return (int32_t)(to - format);
}
