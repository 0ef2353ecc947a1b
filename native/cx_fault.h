/* cx_fault.h -- what happens when a mapped file is truncated by somebody while it is read or written.
 *
 * Sizes are checked before any access (M-1), but nobody can check faster than another process can truncate, and a Python view
 * is read long after its check. The kernel answers an access beyond the end with SIGBUS. As systemd's journal does, the handler
 * puts an empty page of this process where the file's page is gone, and marks the window as lost: the access goes on and reads
 * zeros, which mean "nothing here" (spec 2), and the calls of the core answer CX_E_CORRUPT. Signals from other addresses go to
 * the handler that was there before.
 *
 * This and what a fork() must undo is the only process-wide state in the core: signals are the process's.
 */
#ifndef CX_FAULT_H
#define CX_FAULT_H

#include <stdint.h>

/* What is mapped, made present and lost at once. */
#define CX_PAGE_BYTES 4096LL

/* Watches [base, base + length); *lost is set to 1 when a page of it was replaced. Best effort: with too many windows open the
 * rest go unwatched, and behave as any mapping does. Returns the place to give back, or -1. */
int32_t cx_fault_watch(const void *base, int64_t length, int32_t *lost);
void cx_fault_forget(int32_t place);

/* The kernel's id of the calling thread, which names its data files in a Vanilla journal; asked for once a thread. */
int32_t cx_thread_id(void);

#endif
