/* cx_fault.c -- see cx_fault.h. The handler only loads atomics and calls mmap and sigaction, which are plain system calls. */
#include "cx_fault.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cx_atomic.h"

/* A window is a GiB or a whole small file: thousands of open queues have fewer. */
#define WATCHED_MAX 16384

typedef struct {
    uint64_t base;        /* 0: free; set last, cleared first */
    uint64_t length;
    int32_t *lost;
} watched_window;

static watched_window watched[WATCHED_MAX];
static int32_t watched_end;           /* places beyond this were never used */
static int32_t watched_hint;
static pthread_mutex_t watching = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction earlier;
static pthread_once_t fork_prepared = PTHREAD_ONCE_INIT;
/* Set while a signal is being passed on: the handler in line may itself pass it back to us (faulthandler set after us, and we
 * again after it), and then nobody wants it. */
static _Thread_local volatile sig_atomic_t passing_on;
static _Thread_local int32_t thread_id;   /* 0: not asked for yet */

static void handle(int signal, siginfo_t *information, void *context)
{
    uint64_t address = (uint64_t)(uintptr_t)information->si_addr;
    int32_t end = cx_load_i32(&watched_end);
    for (int32_t i = 0; information->si_code > 0 && i < end; i++) {
        uint64_t base = cx_load_u64(&watched[i].base);
        if (base == 0 || address < base || address - base >= watched[i].length)
            continue;
        void *page = (void *)(uintptr_t)(address & ~(uint64_t)(CX_PAGE_BYTES - 1));
        if (mmap(page, CX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            break;
        cx_store_i32(watched[i].lost, 1);
        return;
    }
    /* Not ours: as if we were not here. */
    bool informed = (earlier.sa_flags & SA_SIGINFO) != 0;
    if (passing_on || (!informed && (earlier.sa_handler == SIG_DFL || earlier.sa_handler == SIG_IGN))) {
        struct sigaction fallback = {.sa_handler = SIG_DFL};
        sigaction(SIGBUS, &fallback, NULL);   /* the access happens again, and ends the process as it would have */
        return;
    }
    passing_on = 1;
    if (informed)
        earlier.sa_sigaction(signal, information, context);
    else
        earlier.sa_handler(signal);
    passing_on = 0;
}

static void before_fork(void)
{
    pthread_mutex_lock(&watching);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&watching);
}

static void after_fork_in_child(void)
{
    thread_id = 0;   /* the one thread that goes on has a new one */
    after_fork();
}

/* A fork while another thread is in here would leave the child a mutex that nobody gives back. */
static void prepare_fork(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* Under `watching`. Others may have set their handler over ours since (faulthandler does): then it is the next in line. */
static void install(void)
{
    struct sigaction now;
    if (sigaction(SIGBUS, NULL, &now) != 0 || ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == handle))
        return;
    struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    earlier = now;
    sigaction(SIGBUS, &ours, NULL);
}

int32_t cx_thread_id(void)
{
    if (thread_id == 0) {
        pthread_once(&fork_prepared, prepare_fork);
        thread_id = (int32_t)gettid();
    }
    return thread_id;
}

int32_t cx_fault_watch(const void *base, int64_t length, int32_t *lost)
{
    int32_t place = -1;
    pthread_once(&fork_prepared, prepare_fork);
    pthread_mutex_lock(&watching);
    install();
    for (int32_t i = 0; i < WATCHED_MAX; i++) {
        int32_t candidate = (watched_hint + i) % WATCHED_MAX;
        if (watched[candidate].base == 0) {
            place = candidate;
            break;
        }
    }
    if (place >= 0) {
        watched[place].length = (uint64_t)length;
        watched[place].lost = lost;
        cx_store_u64(&watched[place].base, (uint64_t)(uintptr_t)base);
        watched_hint = place;
        if (place >= watched_end)
            cx_store_i32(&watched_end, place + 1);
    }
    pthread_mutex_unlock(&watching);
    return place;
}

void cx_fault_forget(int32_t place)
{
    if (place < 0)
        return;
    pthread_mutex_lock(&watching);
    cx_store_u64(&watched[place].base, 0);
    watched_hint = place;
    pthread_mutex_unlock(&watching);
}
