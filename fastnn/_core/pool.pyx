"""The thread pool: the parts of a task on the calling thread and on workers, and functions for tests and benchmarks.

There is one pool per process.  How many threads it may use is set by ``fastnn.threads``; until then it is one.  A thread
may have a lower limit of its own.
"""

cimport numpy as cnp
from libc.stdint cimport int64_t

import numpy as np

cnp.import_array()


from cpython.exc cimport PyErr_SetObject

cdef extern from "Python.h":
    int check_signals "PyErr_CheckSignals"()

cdef extern from "fnn_pool.h" nogil:
    int FNN_MAX_THREADS
    fnn_watch* fnn_pool_watch(fnn_watch* watch)
    int fnn_pool_stopped()
    void fnn_pool_run(fnn_task task, void* argument, Py_ssize_t parts)
    int fnn_pool_threads()
    void fnn_pool_set_threads(int threads)
    int fnn_pool_limit(int threads)
    int fnn_pool_worth(int64_t work, int64_t moved)
    void fnn_pool_expect(int64_t work)
    void fnn_pool_costs(int64_t* joining, int64_t* waking)
    void fnn_pool_set_costs(int64_t joining, int64_t waking, int lasting)


MAX_THREADS = FNN_MAX_THREADS


cdef void run_parts(fnn_task task, void* argument, Py_ssize_t parts) noexcept nogil:
    """Run ``task(argument, part)`` for part = 0 .. parts-1; returns when all are done."""
    fnn_pool_run(task, argument, parts)


cdef int threads() noexcept nogil:
    """Threads a run may use, the caller included."""
    return fnn_pool_threads()


cdef Py_ssize_t worth(Py_ssize_t work, Py_ssize_t moved) noexcept nogil:
    """Threads that a run is worth now, 1 .. ``threads()``, if one would take ``work`` picoseconds for it and ``moved``
    bytes would go from one cache to another."""
    return fnn_pool_worth(work // 1000, moved)


cdef void expect(Py_ssize_t work) noexcept nogil:
    """Runs of ``work`` picoseconds in all are about to come: wake the workers if that pays."""
    fnn_pool_expect(work // 1000)


# ---- long calls ----

look_too = None     # a function that is asked beside signals, and raises what is to end the call


def set_look(function):
    """Let every long call ask this function, too, between two looks for signals; it raises what is to end the call."""
    global look_too
    look_too = function


cdef int look() noexcept with gil:
    """Has a signal, or another thread, asked this call to end?  Then the exception is set."""
    if check_signals() != 0:
        return 1
    if look_too is None:
        return 0
    try:
        look_too()
        return 0
    except BaseException as error:
        PyErr_SetObject(type(error), error)
        return 1


cdef fnn_watch signals() noexcept nogil:
    """What watches for signals.  Once it says stop the exception is set, and the status of the call is FAILED."""
    return fnn_watch(look=look, due=0, stopped=0)


cdef fnn_watch* watch(fnn_watch* over) noexcept nogil:
    """Let this watch what the calling thread does from now on, NULL: nothing; returns what did before."""
    return fnn_pool_watch(over)


cdef bint stopped() noexcept nogil:
    """Is the call that this thread works for to end?"""
    return fnn_pool_stopped()


def get_threads():
    """Threads a run of the calling thread may use, itself included."""
    return fnn_pool_threads()


def set_threads(int count):
    """Let runs use ``count`` threads, 1 .. MAX_THREADS, from the next one on."""
    if not 1 <= count <= FNN_MAX_THREADS:
        raise ValueError(f"expected 1 to {FNN_MAX_THREADS} threads, got {count}")
    fnn_pool_set_threads(count)


def limit_threads(int count):
    """Let runs of the calling thread use at most ``count`` threads; returns the limit before, at first MAX_THREADS."""
    if not 1 <= count <= FNN_MAX_THREADS:
        raise ValueError(f"expected 1 to {FNN_MAX_THREADS} threads, got {count}")
    return fnn_pool_limit(count)


# ---- for tests and benchmarks ----

cdef extern from "pythread.h" nogil:
    unsigned long PyThread_get_thread_ident()


cdef extern from *:
    """
    #define count(counter) __atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL)
    #define counted(counter) __atomic_load_n(counter, __ATOMIC_ACQUIRE)
    #if defined(_WIN32)
    #define give_way() ((void)0)
    #else
    #include <sched.h>
    #define give_way() sched_yield()
    #endif
    """
    int count(int* counter) noexcept nogil
    int counted(int* counter) noexcept nogil
    void give_way() noexcept nogil


cdef struct Sums:
    const double* x         # (parts, rows, n)
    Py_ssize_t parts
    Py_ssize_t rows
    Py_ssize_t n
    double* total           # (parts, rows), added to
    size_t* ident           # (parts, rows)
    int meet                # threads that must have begun before a part goes on
    int* begun

cdef struct RowSums:
    const Sums* sums
    Py_ssize_t part


cdef void meet(const Sums* sums) noexcept nogil:
    """Wait until so many parts have begun, on as many threads: nobody's part is taken by another meanwhile."""
    count(sums.begun)
    while counted(sums.begun) < sums.meet:
        give_way()


cdef void sum_row(void* argument, Py_ssize_t row) noexcept nogil:
    cdef const RowSums* job = <const RowSums*> argument
    cdef const Sums* sums = job.sums
    cdef Py_ssize_t place = job.part * sums.rows + row, k
    cdef double total = 0
    if sums.parts == 1:
        meet(sums)
    for k in range(sums.n):
        total += sums.x[place * sums.n + k]
    sums.total[place] += total
    sums.ident[place] = PyThread_get_thread_ident()


cdef void sum_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef RowSums job
    if (<const Sums*> argument).parts > 1:
        meet(<const Sums*> argument)
    job.sums, job.part = <const Sums*> argument, part
    run_parts(sum_row, &job, job.sums.rows)


def sum_rows(x, int threads=0):
    """Sums over the last axis of x (parts, rows, n), and the threads that took them, both (parts, rows).

    With ``threads`` no part goes on before so many have begun: for ever, unless the run has as many threads.

    A run of one part per x[p], within it a run of one part per x[p, r].  Sums are added to zeros: a part that ran twice
    would be seen.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64 or x.ndim != 3 or not x.flags.c_contiguous:
        raise TypeError(f"expected a packed ndarray (parts, rows, n) of float64, got {type(x).__name__}")
    totals, idents = np.zeros(x.shape[:2]), np.zeros(x.shape[:2], np.uintp)
    cdef int begun = 0
    cdef Sums sums
    sums.meet, sums.begun = threads, &begun
    sums.x, sums.total = <const double*> cnp.PyArray_DATA(x), <double*> cnp.PyArray_DATA(totals)
    sums.ident = <size_t*> cnp.PyArray_DATA(idents)
    sums.parts, sums.rows, sums.n = x.shape
    with nogil:
        run_parts(sum_part, &sums, sums.parts)
    return totals, idents


def worth_threads(work, moved=0):
    """Threads that a run of ``work`` nanoseconds is worth now, ``moved`` bytes going from one cache to another."""
    return fnn_pool_worth(work, moved)


def expect_work(work):
    """Wake the workers if that pays for runs of ``work`` nanoseconds in all."""
    fnn_pool_expect(work)


def get_costs():
    """Nanoseconds of an empty part on a worker that is awake and on one that sleeps; (-1, -1): not measured."""
    cdef int64_t joining, waking
    fnn_pool_costs(&joining, &waking)
    return joining, waking


def set_costs(joining, waking, bint lasting=True):
    """Take these costs for those measured, until they are measured again or for good; 0 and 0: every run is worth all."""
    fnn_pool_set_costs(joining, waking, lasting)


cdef void nothing(void* argument, Py_ssize_t part) noexcept nogil:
    pass


def run_empty(Py_ssize_t parts, Py_ssize_t runs):
    """``runs`` runs of ``parts`` parts that do nothing: what a fork and a join cost."""
    cdef Py_ssize_t k
    with nogil:
        for k in range(runs):
            run_parts(nothing, NULL, parts)
