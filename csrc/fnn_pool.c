/* The one file of csrc with state, and with threads.  fnn_pool.h says what it promises. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "fnn_pool.h"

static void run_here(fnn_task task, void *argument, ptrdiff_t parts)
{
    for (ptrdiff_t part = 0; part < parts; part++)
        task(argument, part);
}

#if defined(_WIN32)

void fnn_pool_run(fnn_task task, void *argument, ptrdiff_t parts)
{
    run_here(task, argument, parts);
}

int fnn_pool_threads(void)
{
    return 1;
}

void fnn_pool_set_threads(int threads)
{
    (void)threads;
}

int fnn_pool_limit(int threads)
{
    (void)threads;
    return FNN_MAX_THREADS;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define LINE 128          /* bytes: two cache lines, because processors fetch them in pairs */
#define SPIN 50000        /* nanoseconds: two to three times what it takes to wake a sleeper */
#define LONG_SPIN 1000000 /* of a worker that came too late: until the caller, busy with its part, comes by again */
#define SPINS_PER_LOOK 64 /* looks at the state per look at the clock */
#define MISSES 3          /* runs for which a worker was too late, until it is sent elsewhere */

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__) || defined(__arm__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() atomic_signal_fence(memory_order_seq_cst)
#endif

/* Caller and worker hand the worker's state to and fro.  FREE and BUSY are awaited by spinning; who gives that up says so
 * with ASLEEP and AWAITED. */
enum state {
    FREE,    /* the worker waits for a run */
    ASLEEP,  /* likewise, but must be woken */
    GO,      /* the worker is to run parts; until it begins, the caller may take that back */
    BUSY,    /* the worker runs parts */
    AWAITED, /* likewise, and the caller must be woken */
    QUIT,    /* the worker is to end */
};

typedef struct worker {
    _Alignas(LINE) atomic_int state;
    int misses; /* runs in a row that it did not begin; its caller's */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} worker;

static worker workers[FNN_MAX_THREADS - 1];
static atomic_int hired; /* workers that exist */
static atomic_int wanted = 1;
static atomic_bool may_spin;
static atomic_bool handles_forks;
static _Thread_local bool forking; /* between before_fork, which entered, and after */
static _Thread_local int limit = FNN_MAX_THREADS;

/* Held by the one run, or the fork, that has the workers and the job. */
static _Alignas(LINE) atomic_bool entered;

static struct job {
    fnn_task task;
    void *argument;
    ptrdiff_t parts, threads;
    _Alignas(LINE) atomic_ptrdiff_t next; /* part that nobody has taken */
} job;

static bool enter(void)
{
    return !atomic_load_explicit(&entered, memory_order_relaxed) &&
           !atomic_exchange_explicit(&entered, true, memory_order_acquire);
}

static void leave(void)
{
    atomic_store_explicit(&entered, false, memory_order_release);
}

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Look at the state until it is not `state` or the time is up; returns what it was last. */
static int spin_while(worker *w, int state, int64_t spin)
{
    int64_t end = 0; /* the clock is not read where the wait is short */
    for (;;) {
        for (int k = 0; k < SPINS_PER_LOOK; k++) {
            const int now = atomic_load_explicit(&w->state, memory_order_acquire);
            if (now != state)
                return now;
            PAUSE();
        }
        sched_yield(); /* whom this waits for may be in line for this very processor, a new worker above all */
        const int64_t time = nanoseconds();
        if (end == 0)
            end = time + spin;
        else if (time >= end)
            return state;
    }
}

/* Wait while the state is `state`, spinning first, then as a sleeper that shows itself by `sleeping`. */
static int wait_while(worker *w, int state, int sleeping, int64_t spin)
{
    int now = atomic_load_explicit(&w->state, memory_order_acquire);
    if (now == state && atomic_load_explicit(&may_spin, memory_order_relaxed))
        now = spin_while(w, state, spin);
    if (now != state)
        return now; /* past the mutex: in a child forked within a run a thread that is gone may hold it */
    pthread_mutex_lock(&w->mutex);
    if (atomic_compare_exchange_strong(&w->state, &now, sleeping))
        while ((now = atomic_load_explicit(&w->state, memory_order_acquire)) == sleeping)
            pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    return now;
}

/* Change the state and wake who waits as `sleeping`.  It took that state under the mutex, so it cannot miss this. */
static void hand_over(worker *w, int state, int sleeping)
{
    if (atomic_exchange_explicit(&w->state, state, memory_order_acq_rel) != sleeping)
        return;
    pthread_mutex_lock(&w->mutex);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

/* Change the state if it still is what it was; says whether it was. */
static bool change(worker *w, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(&w->state, &from, to, memory_order_acq_rel, memory_order_acquire);
}

/* Send a worker to any processor but this one.  Systems like to wake a thread where its waker runs, and may leave it
 * queued there for long, since the caller never sleeps. */
static void send_away(worker *w)
{
#if defined(__linux__)
    cpu_set_t allowed;
    const int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    CPU_CLR((size_t)here, &allowed);
    if (CPU_COUNT(&allowed) > 0)
        pthread_setaffinity_np(w->thread, sizeof allowed, &allowed);
#else
    (void)w;
#endif
}

static void work(ptrdiff_t part)
{
    job.task(job.argument, part);
    if (job.parts == job.threads)
        return; /* without a touch of the shared counter */
    while ((part = atomic_fetch_add_explicit(&job.next, 1, memory_order_relaxed)) < job.parts)
        job.task(job.argument, part);
}

static void *serve(void *argument)
{
    worker *me = argument;
    int64_t spin = SPIN;
    while (wait_while(me, FREE, ASLEEP, spin) != QUIT) {
        spin = LONG_SPIN;
        if (change(me, GO, BUSY)) {
            work(me - workers + 1);
            hand_over(me, FREE, AWAITED);
            spin = SPIN;
        }
    }
    return NULL;
}

/* End all workers; they are idle, because the caller has entered. */
static void dismiss(void)
{
    const int count = atomic_load_explicit(&hired, memory_order_relaxed);
    for (int k = 0; k < count; k++)
        hand_over(&workers[k], QUIT, ASLEEP);
    for (int k = 0; k < count; k++) {
        pthread_join(workers[k].thread, NULL);
        pthread_mutex_destroy(&workers[k].mutex);
        pthread_cond_destroy(&workers[k].changed);
    }
    atomic_store_explicit(&hired, 0, memory_order_relaxed);
}

/* A run that goes on elsewhere is not waited for: it may need a lock of the thread that forks. */
static void before_fork(void)
{
    if (!enter())
        return;
    forking = true;
    dismiss();
}

static void after_fork_in_parent(void)
{
    if (!forking)
        return;
    forking = false;
    leave();
}

/* This thread is the only one.  Were it to fork from within a part, it would find its workers done. */
static void after_fork_in_child(void)
{
    const int count = atomic_load_explicit(&hired, memory_order_relaxed);
    for (int k = 0; k < count; k++)
        atomic_store_explicit(&workers[k].state, FREE, memory_order_relaxed);
    atomic_store_explicit(&hired, 0, memory_order_relaxed);
    forking = false;
    leave();
}

/* Stays entered: what still runs while the process ends runs alone. */
__attribute__((destructor)) static void at_exit(void)
{
    if (enter())
        dismiss();
}

/* Let there be `count` workers; returns how many there are. */
static int hire(int count)
{
    int have = atomic_load_explicit(&hired, memory_order_relaxed);
    if (have >= count)
        return have;
    if (!atomic_load_explicit(&handles_forks, memory_order_relaxed)) {
        if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0)
            return 0;
        atomic_store_explicit(&handles_forks, true, memory_order_relaxed);
    }
    sigset_t blocked, own;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV); /* a blocked fault would kill the process before a handler could tell of it */
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &blocked, &own); /* a new thread has its creator's mask */
    for (; have < count; have++) {
        worker *w = &workers[have];
        atomic_store_explicit(&w->state, FREE, memory_order_relaxed);
        w->misses = 0;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->changed, NULL);
        if (pthread_create(&w->thread, NULL, serve, w) != 0)
            break;
        atomic_store_explicit(&hired, have + 1, memory_order_relaxed);
    }
    pthread_sigmask(SIG_SETMASK, &own, NULL);
    return have;
}

void fnn_pool_run(fnn_task task, void *argument, ptrdiff_t parts)
{
    int threads = fnn_pool_threads();
    if (threads > parts)
        threads = (int)parts;
    if (threads < 2 || !enter()) {
        run_here(task, argument, parts);
        return;
    }
    const int most = hire(threads - 1) + 1;
    if (threads > most)
        threads = most;
    job.task = task;
    job.argument = argument;
    job.parts = parts;
    job.threads = threads;
    atomic_store_explicit(&job.next, threads, memory_order_relaxed);
    for (int t = 1; t < threads; t++)
        hand_over(&workers[t - 1], GO, ASLEEP);
    work(0);
    /* A worker that has not begun yet, being asleep or kept from its processor, is not waited for. */
    for (int t = 1; t < threads; t++) {
        worker *w = &workers[t - 1];
        if (!change(w, GO, FREE)) {
            w->misses = 0;
            wait_while(w, BUSY, AWAITED, SPIN);
            continue;
        }
        if (++w->misses % MISSES == 0)
            send_away(w);
        task(argument, t);
    }
    leave();
}

int fnn_pool_threads(void)
{
    const int threads = atomic_load_explicit(&wanted, memory_order_relaxed);
    return threads < limit ? threads : limit;
}

int fnn_pool_limit(int threads)
{
    const int before = limit;
    limit = threads;
    return before;
}

/* Processors that this process may use. */
static int processors(void)
{
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return CPU_COUNT(&allowed);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void fnn_pool_set_threads(int threads)
{
    atomic_store_explicit(&may_spin, threads <= processors(), memory_order_relaxed);
    atomic_store_explicit(&wanted, threads, memory_order_relaxed);
}

#endif
