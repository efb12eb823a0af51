"""Hold BLAS to one thread while a product of ours runs, so that two pools never take the processors from each other.

OpenBLAS has one number of threads per process, whatever thread sets it (its ``set_num_threads_local`` too, unless it was
built with OpenMP).  So products that overlap count themselves: the first sets the number to one, the last puts back what
it was, unless somebody has set another meanwhile.  A call of SciPy's on another thread may see the one; it never stays.

This works for OpenBLAS with threads of its own: SciPy's wheels for Linux, most distributions.  Any other BLAS (with
OpenMP, MKL, Accelerate, all on Windows) is left alone, and ``CONTROLLED`` is False.
"""

import ctypes
import os

ctypedef int (*get_fn)() noexcept nogil
ctypedef void (*set_fn)(int number) noexcept nogil

cdef extern from "pythread.h" nogil:
    ctypedef void* PyThread_type_lock
    enum: WAIT_LOCK
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
    void PyThread_release_lock(PyThread_type_lock lock)

CONTROLLED = False

cdef enum: OWN_THREADS = 1              # openblas_get_parallel: 0 has no threads, 2 has those of OpenMP

cdef PyThread_type_lock lock = NULL     # of what follows
cdef get_fn get_number = NULL
cdef set_fn set_number = NULL
cdef int holders = 0                    # products that run
cdef int number = 0                     # of threads before the first of them


def control(path):
    """Control the BLAS that the library at ``path``, already loaded, is linked to."""
    global CONTROLLED, lock, get_number, set_number
    library = ctypes.CDLL(path)
    for prefix, suffix in (("scipy_openblas", ""), ("scipy_openblas", "64_"), ("openblas", ""), ("openblas", "64_")):
        names = [f"{prefix}_{name}{suffix}" for name in ("get_parallel", "get_num_threads", "set_num_threads")]
        if all(hasattr(library, name) for name in names):
            break
    else:
        return
    parallel, getter, setter = (getattr(library, name) for name in names)
    if CONTROLLED or parallel() != OWN_THREADS:
        return
    lock = PyThread_allocate_lock()
    if lock == NULL:
        raise MemoryError("blas_threads: no memory for a lock")
    get_number = <get_fn> <size_t> ctypes.cast(getter, ctypes.c_void_p).value
    set_number = <set_fn> <size_t> ctypes.cast(setter, ctypes.c_void_p).value
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before_fork, after_in_parent=after_fork_in_parent, after_in_child=after_fork_in_child)
    CONTROLLED = True


cdef void hold() noexcept nogil:
    """Before a call of BLAS."""
    global holders
    if set_number == NULL:
        return
    PyThread_acquire_lock(lock, WAIT_LOCK)
    if holders == 0:
        take_down()
    holders += 1
    PyThread_release_lock(lock)


cdef void let_go() noexcept nogil:
    """After it, on any thread."""
    global holders
    if set_number == NULL:
        return
    PyThread_acquire_lock(lock, WAIT_LOCK)
    holders -= 1
    if holders == 0:
        put_back()
    PyThread_release_lock(lock)


cdef void take_down() noexcept nogil:
    global number
    number = get_number()
    if number != 1:
        set_number(1)


cdef void put_back() noexcept nogil:
    if number != 1 and get_number() == 1:
        set_number(number)


# The products that run at a fork do not go on in the child, which so must not inherit their one thread.

def before_fork():
    PyThread_acquire_lock(lock, WAIT_LOCK)
    if holders:
        put_back()


def after_fork_in_parent():
    if holders:
        take_down()
    PyThread_release_lock(lock)


def after_fork_in_child():
    global holders
    holders = 0
    PyThread_release_lock(lock)
