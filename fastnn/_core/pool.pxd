# The thread pool (csrc/fnn_pool.h) for Cython.  The C code, which has state, is linked into this module alone: others
# take the type from the header and reach the pool through these functions.

from libc.stdint cimport int64_t

cdef extern from "fnn_pool.h" nogil:
    ctypedef void (*fnn_task)(void* argument, Py_ssize_t part) noexcept nogil
    ctypedef struct fnn_watch:
        int (*look)() noexcept nogil
        int64_t due
        int stopped

cdef extern from "fnn_float_state.h" nogil:
    unsigned fnn_float_forget()
    unsigned fnn_float_met()

cdef enum:
    LONG = 1000000000       # picoseconds of work from which on a call is watched

cdef void run_parts(fnn_task task, void* argument, Py_ssize_t parts) noexcept nogil
cdef int threads() noexcept nogil
cdef Py_ssize_t worth(Py_ssize_t work, Py_ssize_t moved) noexcept nogil
cdef void expect(Py_ssize_t work) noexcept nogil
cdef fnn_watch* watch(fnn_watch* over) noexcept nogil
cdef fnn_watch signals() noexcept nogil
cdef bint stopped() noexcept nogil
