/* The thread pool: the parts of one task on the calling thread and on workers.
 *
 * One run at a time has the workers.  A second caller, and a run within a run, does not wait for them: it does all of
 * its parts itself.  So no interleaving can deadlock, and results must not depend on which thread does a part.
 *
 * Workers start at the first run that can use them.  After a run they spin for some microseconds, so that the next one
 * costs less than one, and within a call whose work was expected (fnn_pool_expect) for up to a millisecond; then they sleep.
 * They do not spin if there are more threads than processors for this process.
 * A worker that keeps coming too late, or is found on the processor of its caller, is kept off it from then on (Linux).
 * They block all signals but those of a fault in their own code, and never touch the floating-point environment but for what
 * it has met (fnn_float_state.h): a run's caller has met what the run has.
 *
 * A fork joins the idle workers, so that there are none while it happens; one during a run leaves that run alone.
 * Either way the child has no workers until its own first run.  A thread that the system refuses is done without. */
#ifndef FNN_POOL_H
#define FNN_POOL_H

#include <stddef.h>
#include <stdint.h>

#define FNN_MAX_THREADS 1024

typedef void (*fnn_task)(void *argument, ptrdiff_t part);

/* What watches a long call of a thread for a wish to end it: `look` is asked at most every FNN_LOOK nanoseconds, on that
 * thread alone, between parts and wherever the call asks fnn_pool_stopped.  Once it has said yes, parts of the call's runs are
 * left out: what they would have written must not be used. */
typedef struct fnn_watch {
    int (*look)(void);
    int64_t due; /* on the clock */
    int stopped;
} fnn_watch;

#define FNN_LOOK 30000000
#define FNN_SLICE 8000000 /* nanoseconds of a part, about, while somebody watches */

/* From now on this watches the calling thread, NULL: nobody; returns what did before. */
fnn_watch *fnn_pool_watch(fnn_watch *watch);
/* Is the call that this thread works for to end? */
int fnn_pool_stopped(void);

/* Run task(argument, part) for part = 0 .. parts-1 on the calling thread and the workers; returns when all are done.
 * Thread t (the caller is 0) begins with part t, so with as many parts as threads each thread has the same part in
 * every run; further parts go to whoever is free.  The caller does the part of a worker that has not begun when all else
 * is done, so that a run never takes much longer than it would on one thread. */
void fnn_pool_run(fnn_task task, void *argument, ptrdiff_t parts);
/* How many threads, from 1 on, a run is worth now that one thread would take `work` nanoseconds for, and for which `moved`
 * bytes would go from the cache of one processor to that of another.  That depends on what a worker costs that spins and
 * one that sleeps, both measured at the first call that could use one and now and then again, and on whether workers sleep:
 * so no result may depend on it. */
int fnn_pool_worth(int64_t work, int64_t moved);
/* Runs of `work` nanoseconds in all are about to come: wake the workers, if that pays, before the first needs them, and let
 * them stay awake between two runs until about as much time has passed. */
void fnn_pool_expect(int64_t work);
/* Nanoseconds of an empty part on a worker that spins, and on one that sleeps; -1: not measured. */
void fnn_pool_costs(int64_t *joining, int64_t *waking);
/* Set them, for good (lasting) or until they are measured again; with 0 and 0 every run is worth all threads; for tests. */
void fnn_pool_set_costs(int64_t joining, int64_t waking, int lasting);
/* Threads a run of the calling thread may use, itself included; 1 until set, and always 1 where there is no pthread
 * (Windows). */
int fnn_pool_threads(void);
/* 1 <= threads <= FNN_MAX_THREADS, from the next run on; workers beyond it sleep. */
void fnn_pool_set_threads(int threads);
/* Let runs of the calling thread use no more than `threads`, whatever is set for all; returns the limit before, at first
 * FNN_MAX_THREADS.  For threads that share the processors among themselves. */
int fnn_pool_limit(int threads);

#endif
