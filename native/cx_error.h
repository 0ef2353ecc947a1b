/* cx_error.h -- how every function of the core fails: a negative code, and details for the calling thread. */
#ifndef CX_ERROR_H
#define CX_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "chronix_api.h"

/* Records details and returns `code`. path may be NULL; offset -1 means none. */
int32_t cx_fail(int32_t code, const char *path, int64_t offset, int64_t value, const char *text, ...)
    __attribute__((format(printf, 5, 6)));
/* The same from errno, which chooses the code: CX_E_NO_SPACE, CX_E_PERMISSION, CX_E_NOT_FOUND, CX_E_NO_MEMORY, CX_E_OS. */
int32_t cx_fail_os(const char *path, int64_t offset, const char *attempt);

/* Closing and freeing may happen between a failed call and the caller's look at its details (Python's collector runs when it
 * likes), so they put the details back. */
void cx_error_keep(cx_error_info *kept);
void cx_error_restore(const cx_error_info *kept);

/* Kill points: named places where a test build may die, to prove that any of them is survivable. */
#ifdef CX_KILL_POINTS
void cx_pass_kill_point(const char *point);
#define CX_POINT(name) cx_pass_kill_point(name)
#else
#define CX_POINT(name) ((void)0)
#endif

#endif
