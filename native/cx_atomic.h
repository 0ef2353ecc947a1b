/* cx_atomic.h -- every atomic of the project.
 *
 * Rule: a word in a mapping is touched only through these, typed by width, so that a result can never be narrowed by the
 * pointer it was read through. Each use names its partner at the call site.
 */
#ifndef CX_ATOMIC_H
#define CX_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t cx_load_u32(const void *word)
{
    return __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE);
}

static inline uint64_t cx_load_u64(const void *word)
{
    return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

static inline int64_t cx_load_i64(const void *word)
{
    return (int64_t)cx_load_u64(word);
}

static inline void cx_store_u32(void *word, uint32_t value)
{
    __atomic_store_n((uint32_t *)word, value, __ATOMIC_RELEASE);
}

static inline void cx_store_u64(void *word, uint64_t value)
{
    __atomic_store_n((uint64_t *)word, value, __ATOMIC_RELEASE);
}

static inline void cx_store_i64(void *word, int64_t value)
{
    cx_store_u64(word, (uint64_t)value);
}

static inline bool cx_cas_u32(void *word, uint32_t expected, uint32_t value)
{
    return __atomic_compare_exchange_n((uint32_t *)word, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

/* On failure *expected receives what was found. */
static inline bool cx_cas_i64(void *word, int64_t *expected, int64_t value)
{
    return __atomic_compare_exchange_n((int64_t *)word, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

static inline void cx_max_i64(void *word, int64_t value)
{
    int64_t seen = cx_load_i64(word);
    while (seen < value && !cx_cas_i64(word, &seen, value)) {
    }
}

static inline void cx_min_i64(void *word, int64_t value)
{
    int64_t seen = cx_load_i64(word);
    while (seen > value && !cx_cas_i64(word, &seen, value)) {
    }
}

static inline int64_t cx_add_i64(void *word, int64_t value)
{
    return __atomic_fetch_add((int64_t *)word, value, __ATOMIC_SEQ_CST);
}

static inline int32_t cx_add_i32(int32_t *word, int32_t value)
{
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}

/* One more of something that still is: false, and nothing added, if it has come to 0. */
static inline bool cx_join_i32(int32_t *count)
{
    int32_t seen = __atomic_load_n(count, __ATOMIC_SEQ_CST);
    while (seen > 0) {
        if (__atomic_compare_exchange_n(count, &seen, seen + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

static inline int32_t cx_load_i32(const int32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void cx_store_i32(int32_t *word, int32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Claims a flag: true if it was free. Partner: cx_drop_flag. */
static inline bool cx_claim_flag(int32_t *flag)
{
    return __atomic_exchange_n(flag, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void cx_drop_flag(int32_t *flag)
{
    __atomic_store_n(flag, 0, __ATOMIC_RELEASE);
}

/* Document headers of unpadded files (dataFormat 0) lie at any byte. Within a cache line x86 still loads them whole;
 * across lines, and elsewhere, two equal reads in a row are taken as one, as Java does. */
static inline uint32_t cx_load_header(const uint8_t *header)
{
    if (((uintptr_t)header & 3) == 0)
        return cx_load_u32(header);
    uint32_t first, again;
    memcpy(&first, header, 4);
    for (int tries = 0; tries < 64; tries++) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        memcpy(&again, header, 4);
        if (again == first)
            break;
        first = again;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return first;
}

/* Publishes a header over `expected`. In an unpadded file a header may straddle cache lines, where Java too stores plainly
 * under the write lock; only padded files have the CAS that detects a writer without the lock. */
static inline bool cx_publish_header(uint8_t *header, uint32_t expected, uint32_t value)
{
    if (((uintptr_t)header & 3) == 0)
        return cx_cas_u32(header, expected, value);
    if (cx_load_header(header) != expected)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(header, &value, 4);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void cx_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

#endif
