/* The one file of csrc with state, and with threads.  fnn_pool.h says what it promises. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "fnn_pool.h"

#include <stdbool.h>
#include <time.h>

#include "fnn_float_state.h"

static _Thread_local fnn_watch *watch; /* over what this thread does */
static _Thread_local bool helps;       /* this is a worker: somebody else looks */

static int64_t nanoseconds(void)
{
    struct timespec now;
#if defined(_WIN32)
    timespec_get(&now, TIME_UTC);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

fnn_watch *fnn_pool_watch(fnn_watch *next)
{
    fnn_watch *const before = watch;
    watch = next;
    if (next && next->due == 0)
        next->due = nanoseconds() + FNN_LOOK;
    return before;
}

int fnn_pool_stopped(void)
{
    fnn_watch *const mine = watch;
    if (!mine)
        return 0;
    if (__atomic_load_n(&mine->stopped, __ATOMIC_RELAXED))
        return 1;
    if (helps || nanoseconds() < mine->due)
        return 0;
    watch = NULL; /* what runs meanwhile, handlers of signals, is a call of its own */
    const int stop = mine->look() != 0;
    watch = mine;
    mine->due = nanoseconds() + FNN_LOOK;
    if (stop)
        __atomic_store_n(&mine->stopped, 1, __ATOMIC_RELAXED);
    return stop;
}

static void run_part(fnn_task task, void *argument, ptrdiff_t part)
{
    if (!watch || !fnn_pool_stopped())
        task(argument, part);
}

static void run_here(fnn_task task, void *argument, ptrdiff_t parts)
{
    for (ptrdiff_t part = 0; part < parts; part++)
        run_part(task, argument, part);
}

/* Parts of work that is worth so many threads: while somebody watches, each is to end soon. */
static int in_slices(int threads, int64_t work)
{
    if (!watch || work < 2 * FNN_SLICE * threads)
        return threads;
    const int64_t each = work / (FNN_SLICE * threads);
    return threads * (int)(each < 1024 ? each : 1024);
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

int fnn_pool_worth(int64_t work, int64_t moved)
{
    (void)moved;
    return in_slices(1, work);
}

void fnn_pool_expect(int64_t work)
{
    (void)work;
}

void fnn_pool_costs(int64_t *joining, int64_t *waking)
{
    *joining = *waking = 0;
}

void fnn_pool_set_costs(int64_t joining, int64_t waking, int lasting)
{
    (void)joining;
    (void)waking;
    (void)lasting;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define LINE 128          /* bytes: two cache lines, because processors fetch them in pairs */
#define SPIN 50000        /* nanoseconds: two to three times what it takes to wake a sleeper */
#define LONG_SPIN 1000000 /* of a worker that came too late: until the caller, busy with its part, comes by again */
#define SPINS_PER_LOOK 64 /* looks at the state per look at the clock */
#define MISSES 3          /* runs for which a worker was too late, until it is sent elsewhere */
#define PART_JOINS 12     /* what it takes to run and join a part, that often, is the least that one must save */
#define LINE_JOINS 10     /* cache lines that go from one processor to another in the time of a join */
#define WAKE_PAYS 3       /* likewise of what a sleeper costs: it begins with a cold cache */
#define JOINS 16          /* by which running and joining is measured */
#define WAKES 4           /* by which waking is */
#define STALE 20000000    /* nanoseconds after which joining is measured again: a system may move a virtual processor */
#define REST 100          /* or so often the time that measuring took, if that is more: a worker may get no turn at all */
#define UNMEASURED 2000   /* nanoseconds of work that are worth no thread whatever it costs */

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
    int misses;    /* runs in a row that it did not begin; its caller's */
    int processor; /* that it did its last part on */
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

/* Nanoseconds, -1 until measured: to run an empty part on a worker that spins, and on one that sleeps. */
static atomic_llong joining = -1, waking = -1;
static atomic_llong stale_at; /* when joining is to be measured again; 0: never, it was set */
static atomic_llong cheapest = LONG_SPIN; /* joining at its best: what it may be again */

static atomic_llong call_until; /* when the runs that were last expected will end: workers do not sleep before */

/* Of the calling thread: what workers would have saved it in its latest calls had they been awake, and until when these
 * take. */
static _Thread_local int64_t missed, busy_until;

/* Held by the one run, or the fork, that has the workers and the job. */
static _Alignas(LINE) atomic_bool entered;

static struct job {
    fnn_task task;
    void *argument;
    ptrdiff_t parts, threads;
    fnn_watch *watch;
    atomic_uint met; /* by the workers' floating-point units */
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

/* How long a worker that has done its part spins: a call that goes on will want it again. */
static int64_t spin_of_call(void)
{
    const int64_t left = atomic_load_explicit(&call_until, memory_order_relaxed) - nanoseconds();
    return left < SPIN ? SPIN : left < LONG_SPIN ? left : LONG_SPIN;
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

static int processor_here(void)
{
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

/* Send a worker to any processor but this one.  Systems like to wake a thread where its waker runs, and may leave it
 * queued there for long, since the caller never sleeps, or let the two take turns. */
static void send_away(worker *w)
{
#if defined(__linux__)
    cpu_set_t allowed;
    const int here = processor_here();
    if (here < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    CPU_CLR((size_t)here, &allowed);
    if (CPU_COUNT(&allowed) > 0)
        pthread_setaffinity_np(w->thread, sizeof allowed, &allowed);
#else
    (void)w;
#endif
}

/* After a part of its own: a worker on the caller's processor would get a turn only where the caller waits. */
static void keep_away(worker *w)
{
    if (w->processor >= 0 && w->processor == processor_here())
        send_away(w);
}

static void work(ptrdiff_t part)
{
    run_part(job.task, job.argument, part);
    if (job.parts == job.threads)
        return; /* without a touch of the shared counter */
    while ((part = atomic_fetch_add_explicit(&job.next, 1, memory_order_relaxed)) < job.parts)
        run_part(job.task, job.argument, part);
}

static void *serve(void *argument)
{
    worker *me = argument;
    int64_t spin = SPIN;
    helps = true;
    while (wait_while(me, FREE, ASLEEP, spin) != QUIT) {
        spin = LONG_SPIN;
        if (change(me, GO, BUSY)) {
            watch = job.watch;
            fnn_float_forget();
            work(me - workers + 1);
            const unsigned met = fnn_float_met();
            if (met)
                atomic_fetch_or_explicit(&job.met, met, memory_order_relaxed);
            me->processor = processor_here();
            hand_over(me, FREE, AWAITED);
            spin = spin_of_call();
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
        w->processor = -1;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->changed, NULL);
        if (pthread_create(&w->thread, NULL, serve, w) != 0)
            break;
        atomic_store_explicit(&hired, have + 1, memory_order_relaxed);
    }
    pthread_sigmask(SIG_SETMASK, &own, NULL);
    return have;
}

static void nothing(void *argument, ptrdiff_t part)
{
    (void)argument;
    (void)part;
}

/* Nanoseconds that a worker takes for a part in which nothing is to be done. */
static int64_t round_trip(worker *w)
{
    const int64_t began = nanoseconds();
    hand_over(w, GO, ASLEEP);
    if (spin_while(w, GO, LONG_SPIN) == GO && change(w, GO, FREE))
        return LONG_SPIN;
    wait_while(w, BUSY, AWAITED, LONG_SPIN);
    const int64_t took = nanoseconds() - began;
    keep_away(w);
    return took;
}

/* Measure what a part costs on a worker that is awake; the first try wakes it, where it sleeps, and tells what that costs.
 * The least of several tries is taken, here and below: others may disturb, nobody can speed up. */
static void measure_joining(worker *w)
{
    const int64_t began = nanoseconds();
    const bool asleep = atomic_load_explicit(&w->state, memory_order_relaxed) == ASLEEP;
    job.task = nothing;
    job.watch = NULL;
    job.parts = job.threads = 2;
    const int64_t first = round_trip(w);
    int64_t awake = first < LONG_SPIN ? first : LONG_SPIN, now = nanoseconds();
    const int64_t known = atomic_load_explicit(&waking, memory_order_relaxed);
    if (asleep && known >= 0)
        atomic_store_explicit(&waking, awake < known ? awake : known + (awake - known) / 4, memory_order_relaxed);
    for (int k = 1; k < JOINS && now - began <= LONG_SPIN; k++) {
        const int64_t found = round_trip(w);
        awake = found < awake ? found : awake;
        now = nanoseconds();
    }
    const int64_t rest = REST * (now - began);
    atomic_store_explicit(&joining, awake, memory_order_relaxed);
    if (awake < atomic_load_explicit(&cheapest, memory_order_relaxed))
        atomic_store_explicit(&cheapest, awake, memory_order_relaxed);
    atomic_store_explicit(&stale_at, now + (rest > STALE ? rest : STALE), memory_order_relaxed);
}

/* Likewise on one that sleeps, too. */
static void measure(void)
{
    int64_t asleep = LONG_SPIN;
    if (hire(1) > 0) {
        worker *w = &workers[0];
        measure_joining(w);
        for (int k = 0; k < WAKES; k++) {
            spin_while(w, FREE, LONG_SPIN);
            for (const int64_t until = nanoseconds() + 2 * SPIN; nanoseconds() < until;)
                PAUSE(); /* until its processor has gone to rest */
            const int64_t found = round_trip(w);
            asleep = found < asleep ? found : asleep;
        }
        measure_joining(w);
    } else
        atomic_store_explicit(&joining, LONG_SPIN, memory_order_relaxed);
    atomic_store_explicit(&waking, asleep, memory_order_relaxed);
}

/* Workers that are awake, of the first `count`. */
static int awake_workers(int count)
{
    const int have = atomic_load_explicit(&hired, memory_order_relaxed);
    int k = 0;
    while (k < count && k < have && atomic_load_explicit(&workers[k].state, memory_order_relaxed) != ASLEEP)
        k++;
    return k;
}

/* Does it pay to wake workers that would save so many nanoseconds? */
static bool pays_to_wake(int64_t saved)
{
    return saved >= WAKE_PAYS * atomic_load_explicit(&waking, memory_order_relaxed);
}

/* Threads that work is worth if they are awake. */
static int threads_for(int64_t work)
{
    const int threads = fnn_pool_threads();
    int64_t cost = atomic_load_explicit(&joining, memory_order_relaxed);
    if (threads < 2 || (cost < 0 && work < UNMEASURED) || atomic_load_explicit(&entered, memory_order_relaxed))
        return 1;
    if (cost < 0) {
        if (!enter())
            return 1;
        measure();
        leave();
        cost = atomic_load_explicit(&joining, memory_order_relaxed);
    }
    if (cost == 0 || work >= threads * PART_JOINS * cost)
        return threads;
    const int64_t worth = work / (PART_JOINS * cost);
    return worth > 1 ? (int)worth : 1;
}

static int threads_worth(int64_t work, int64_t moved)
{
    const int threads = threads_for(work);
    if (threads < 2)
        return 1;
    const int64_t saved = work - work / threads, join = atomic_load_explicit(&joining, memory_order_relaxed);
    if (join > 0 && saved < join * (PART_JOINS + moved / (64 * LINE_JOINS)))
        return 1;
    const int awake = 1 + awake_workers(threads - 1);
    return awake == threads || pays_to_wake(saved) ? threads : awake;
}

int fnn_pool_worth(int64_t work, int64_t moved)
{
    return in_slices(threads_worth(work, moved), work);
}

/* What was measured at a bad moment does not last: a call that would be worth a thread at the best price found so far has it
 * measured again when it is stale. */
static void measure_again(int64_t work)
{
    const int64_t stale = atomic_load_explicit(&stale_at, memory_order_relaxed);
    if (stale == 0 || fnn_pool_threads() < 2 || atomic_load_explicit(&hired, memory_order_relaxed) == 0 ||
        work < 2 * PART_JOINS * atomic_load_explicit(&cheapest, memory_order_relaxed) || nanoseconds() < stale || !enter())
        return;
    measure_joining(&workers[0]);
    leave();
}

/* Where one call is not worth it many may be, if they come so soon after each other that a worker would stay awake: what
 * has been missed adds up.  So no row of calls takes much longer than the better of always and never waking would. */
void fnn_pool_expect(int64_t work)
{
    measure_again(work);
    const int threads = threads_for(work);
    if (threads < 2)
        return;
    const int64_t now = nanoseconds();
    atomic_store_explicit(&call_until, now + work, memory_order_relaxed);
    if (awake_workers(threads - 1) == threads - 1)
        return;
    missed = (now > busy_until + SPIN ? 0 : missed) + work - work / threads;
    busy_until = now + work;
    if (!pays_to_wake(missed) || !enter())
        return;
    missed = 0;
    const int have = hire(threads - 1);
    for (int k = 0; k < have && k < threads - 1; k++)
        if (atomic_load_explicit(&workers[k].state, memory_order_relaxed) == ASLEEP)
            hand_over(&workers[k], FREE, ASLEEP);
    leave();
}

void fnn_pool_costs(int64_t *join, int64_t *wake)
{
    *join = atomic_load_explicit(&joining, memory_order_relaxed);
    *wake = atomic_load_explicit(&waking, memory_order_relaxed);
}

void fnn_pool_set_costs(int64_t join, int64_t wake, int lasting)
{
    atomic_store_explicit(&stale_at, lasting ? 0 : nanoseconds(), memory_order_relaxed);
    atomic_store_explicit(&waking, wake, memory_order_relaxed);
    atomic_store_explicit(&joining, join, memory_order_relaxed);
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
    job.watch = watch;
    atomic_store_explicit(&job.met, 0, memory_order_relaxed);
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
            keep_away(w);
            continue;
        }
        if (++w->misses % MISSES == 0)
            send_away(w);
        run_part(task, argument, t);
    }
    fnn_float_meets(atomic_load_explicit(&job.met, memory_order_relaxed));
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
