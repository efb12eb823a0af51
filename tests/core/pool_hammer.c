/* Many callers, runs within runs, a changing number of threads and forks, all at once.
 *
 * pool_hammer ROUNDS FORKS exits 0 if every part of every run ran once, in all processes.  Under the thread sanitizer,
 * which loses its way when a child of several threads starts others, such children keep to one thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fnn_pool.h"

#define CALLERS 4
#define MOST 12     /* parts of a run */
#define PATIENCE 60   /* seconds until SIGALRM ends a process that hangs */

#if defined(__SANITIZE_THREAD__)
#define THREADS_OF_ORPHANS 1
#else
#define THREADS_OF_ORPHANS 3
#endif

static int rounds, forks;
static atomic_int faults, callers_at_work;

typedef struct outer {
    int count[MOST][MOST]; /* not atomic: that two threads took a part is for the sanitizer to see */
    ptrdiff_t rows;
} outer;

static void inner_part(void *argument, ptrdiff_t part)
{
    ((int *)argument)[part]++;
}

static void outer_part(void *argument, ptrdiff_t part)
{
    outer *run = argument;
    fnn_pool_run(inner_part, run->count[part], run->rows);
}

static void check_run(ptrdiff_t parts, ptrdiff_t rows)
{
    outer run = {.rows = rows};
    fnn_pool_run(outer_part, &run, parts);
    for (ptrdiff_t p = 0; p < MOST; p++)
        for (ptrdiff_t r = 0; r < MOST; r++)
            if (run.count[p][r] != (p < parts && r < rows))
                atomic_fetch_add(&faults, 1);
}

static void check_child(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        atomic_fetch_add(&faults, 1);
}

static _Noreturn void live_as_child(int threads)
{
    alarm(PATIENCE);
    fnn_pool_set_threads(threads);
    for (int round = 0; round < 20; round++)
        check_run(1 + round % MOST, MOST);
    exit(atomic_load(&faults) != 0);
}

static void *call(void *argument)
{
    unsigned random = *(unsigned *)argument;
    for (int round = 0; round < rounds; round++) {
        random = random * 1664525 + 1013904223;
        check_run(random >> 8 & 1 ? 1 : (random >> 12) % (MOST + 1), (random >> 20) % (MOST + 1));
    }
    atomic_fetch_sub(&callers_at_work, 1);
    return NULL;
}

static void *set_often(void *argument)
{
    for (int threads = 1; atomic_load(&callers_at_work) > 0; threads = threads % 5 + 1) {
        fnn_pool_set_threads(threads);
        usleep(200);
    }
    return argument;
}

static void *fork_often(void *argument)
{
    for (int k = 0; k < forks; k++) {
        const pid_t child = fork();
        if (child == 0)
            live_as_child(THREADS_OF_ORPHANS);
        check_child(child);
    }
    return argument;
}

static void fork_first(void *argument, ptrdiff_t part)
{
    if (part == 0 && (*(pid_t *)argument = fork()) == 0)
        alarm(PATIENCE); /* the run that this child is in could hang */
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    rounds = atoi(arguments[1]);
    forks = atoi(arguments[2]);
    alarm(PATIENCE);

    for (int k = 0; k < forks; k++) { /* with idle workers, and from within a run on the calling thread */
        fnn_pool_set_threads(3);
        check_run(MOST, MOST);
        pid_t child = fork();
        if (child == 0)
            live_as_child(3);
        check_child(child);
        fnn_pool_run(fork_first, &child, 2);
        if (child == 0)
            live_as_child(THREADS_OF_ORPHANS);
        check_child(child);
    }

    pthread_t callers[CALLERS], setter, forkers[2];
    unsigned seeds[CALLERS];
    atomic_store(&callers_at_work, CALLERS);
    for (unsigned k = 0; k < CALLERS; k++) {
        seeds[k] = k;
        pthread_create(&callers[k], NULL, call, &seeds[k]);
    }
    pthread_create(&setter, NULL, set_often, NULL);
    for (int k = 0; k < 2; k++)
        pthread_create(&forkers[k], NULL, fork_often, NULL);
    for (int k = 0; k < CALLERS; k++)
        pthread_join(callers[k], NULL);
    for (int k = 0; k < 2; k++)
        pthread_join(forkers[k], NULL);
    pthread_join(setter, NULL);

    fprintf(stderr, "%d faults\n", atomic_load(&faults));
    return atomic_load(&faults) != 0;
}
