/* cx_error.c -- per-thread error details, and the kill points of test builds. */
#include "cx_error.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local cx_error_info last_error;

const cx_error_info *cx_error(void)
{
    return &last_error;
}

void cx_error_keep(cx_error_info *kept)
{
    *kept = last_error;
}

void cx_error_restore(const cx_error_info *kept)
{
    last_error = *kept;
}

static void record(int32_t code, int os_errno, const char *path, int64_t offset, int64_t value)
{
    last_error.code = code;
    last_error.os_errno = os_errno;
    last_error.offset = offset;
    last_error.value = value;
    if (path != NULL)
        snprintf(last_error.path, sizeof last_error.path, "%s", path);
    else
        last_error.path[0] = 0;
}

int32_t cx_fail(int32_t code, const char *path, int64_t offset, int64_t value, const char *text, ...)
{
    record(code, 0, path, offset, value);
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(last_error.text, sizeof last_error.text, text, arguments);
    va_end(arguments);
    return code;
}

int32_t cx_fail_os(const char *path, int64_t offset, const char *attempt)
{
    int cause = errno;
    int32_t code = CX_E_OS;
    switch (cause) {
    case ENOSPC: case EDQUOT: case EFBIG: code = CX_E_NO_SPACE; break;
    case EACCES: case EPERM: case EROFS: code = CX_E_PERMISSION; break;
    case ENOENT: case ENOTDIR: code = CX_E_NOT_FOUND; break;
    case ENOMEM: code = CX_E_NO_MEMORY; break;
    default: break;
    }
    record(code, cause, path, offset, 0);
    char reason[128];
    /* _GNU_SOURCE's strerror_r may answer with a static text instead of filling the buffer. */
    const char *said = strerror_r(cause, reason, sizeof reason);
    snprintf(last_error.text, sizeof last_error.text, "%s: %s", attempt, said);
    return code;
}

/* --- kill points -------------------------------------------------------------------------------------------------- */

static const char *const kill_points[] = {
    "lock_taken", "payload_stored", "header_published", "position_stored", "sequence_stored", "index_page_reserved",
    "index_page_published", "index_page_linked", "index_slot_stored", "index_used_stored", "last_index_stored",
    "before_unlock", "eof_published", "eof_named", "rolled_out", "file_created", "file_grown", "file_claimed",
    "file_header_stored", "file_pages_stored", "file_published", "listing_low", "listing_high", "listing_counted",
    "table_claimed", "table_header_stored", "table_published", "key_stored", "key_published", "meta_published",
    "batch_middle", "normalised",
    "i3_index_made", "i3_data_made", "i3_index_extended", "i3_line_based", "i3_block_made", "i3_padding_stored", "i3_payload_stored",
    "i3_entry_published", "i3_next_line_based", "i3_batch_middle", "i3_line_filled",
    "v3_directory_made", "v3_data_created", "v3_data_grown", "v3_payload_stored", "v3_length_stored", "v3_index_created",
    "v3_index_grown", "v3_slot_taken", "v3_batch_middle",
};

int32_t cx_build_flags(void)
{
    int32_t flags = 0;
#ifdef CX_SANITIZE
    flags |= 1;
#endif
#ifdef CX_KILL_POINTS
    flags |= 2;
#endif
#ifdef CX_TINY_WINDOWS
    flags |= 4;
#endif
    return flags;
}

const char *cx_kill_point(int32_t i)
{
    return i >= 0 && (size_t)i < sizeof kill_points / sizeof kill_points[0] ? kill_points[i] : NULL;
}

#ifdef CX_KILL_POINTS
/* Test builds only: one armed point for the whole process, set before any thread starts. */
static const char *armed_point;
static int32_t passes_left;

int32_t cx_kill_at(const char *point, int32_t after)
{
    for (int32_t i = 0; cx_kill_point(i) != NULL; i++) {
        if (strcmp(cx_kill_point(i), point) == 0) {
            armed_point = cx_kill_point(i);
            passes_left = after;
            return 0;
        }
    }
    return cx_fail(CX_E_NOT_FOUND, NULL, -1, 0, "there is no kill point \"%s\"", point);
}

void cx_pass_kill_point(const char *point)
{
    if (armed_point != NULL && strcmp(armed_point, point) == 0 && --passes_left <= 0)
        kill(getpid(), SIGKILL);
}
#else
int32_t cx_kill_at(const char *point, int32_t after)
{
    (void)after;
    return cx_fail(CX_E_UNSUPPORTED, NULL, -1, 0, "kill point \"%s\": this build has none (CX_KILL_POINTS=1)", point);
}
#endif
