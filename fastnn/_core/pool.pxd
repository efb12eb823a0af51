# The thread pool (csrc/fnn_pool.h) for Cython.  The C code, which has state, is linked into this module alone: others
# take the type from the header and reach the pool through these functions.

cdef extern from "fnn_pool.h" nogil:
    ctypedef void (*fnn_task)(void* argument, Py_ssize_t part) noexcept nogil

cdef void run_parts(fnn_task task, void* argument, Py_ssize_t parts) noexcept nogil
cdef int threads() noexcept nogil
cdef Py_ssize_t worth(Py_ssize_t work, Py_ssize_t moved) noexcept nogil
cdef void expect(Py_ssize_t work) noexcept nogil
