/* The thread pool: the parts of one task on the calling thread and on workers.
 *
 * One run at a time has the workers.  A second caller, and a run within a run, does not wait for them: it does all of
 * its parts itself.  So no interleaving can deadlock, and results must not depend on which thread does a part.
 *
 * Workers start at the first run that can use them.  After a run they spin for some microseconds, so that the next one
 * costs less than one, and then sleep; they do not spin if there are more threads than processors for this process.
 * A worker that keeps coming too late is kept off the processor of its caller from then on (Linux).
 * They block all signals but those of a fault in their own code, and never touch the floating-point environment.
 *
 * A fork joins the idle workers, so that there are none while it happens; one during a run leaves that run alone.
 * Either way the child has no workers until its own first run.  A thread that the system refuses is done without. */
#ifndef FNN_POOL_H
#define FNN_POOL_H

#include <stddef.h>

#define FNN_MAX_THREADS 1024

typedef void (*fnn_task)(void *argument, ptrdiff_t part);

/* Run task(argument, part) for part = 0 .. parts-1 on the calling thread and the workers; returns when all are done.
 * Thread t (the caller is 0) begins with part t, so with as many parts as threads each thread has the same part in
 * every run; further parts go to whoever is free.  The caller does the part of a worker that has not begun when all else
 * is done, so that a run never takes much longer than it would on one thread. */
void fnn_pool_run(fnn_task task, void *argument, ptrdiff_t parts);
/* Threads a run of the calling thread may use, itself included; 1 until set, and always 1 where there is no pthread
 * (Windows). */
int fnn_pool_threads(void);
/* 1 <= threads <= FNN_MAX_THREADS, from the next run on; workers beyond it sleep. */
void fnn_pool_set_threads(int threads);
/* Let runs of the calling thread use no more than `threads`, whatever is set for all; returns the limit before, at first
 * FNN_MAX_THREADS.  For threads that share the processors among themselves. */
int fnn_pool_limit(int threads);

#endif
