cimport numpy as cnp
from libc.stdint cimport uint64_t

from fastnn._core.optimizer cimport OptimizerState

cdef enum:
    MARKS = 8               # numbers of a vector by which a change from outside is noticed
    COPY_SHARE = 32         # a copy is made once the work since the last one is so many times what it costs
    LONG_SHARE = 8          # likewise before an update that may be interrupted

cdef class Guard:
    cdef OptimizerState optimizer
    cdef cnp.ndarray params
    cdef cnp.ndarray memory             # of the copy, None until it is needed
    cdef char* copied
    cdef Py_ssize_t param_bytes
    cdef Py_ssize_t state_bytes
    cdef Py_ssize_t cost                # of a copy, in picoseconds
    cdef Py_ssize_t owed                # work since the last one
    cdef readonly Py_ssize_t behind     # updates since the last one; -1: there is none
    cdef readonly Py_ssize_t lost       # good updates that the last ``restore`` took back
    cdef unsigned long long updates     # of the optimiser, when it was made
    cdef unsigned long long step        # of the trainer, likewise
    cdef unsigned long long expected    # updates of the optimiser, if nobody else changed it since the last update
    cdef Py_ssize_t param_stride        # numbers between two marks
    cdef Py_ssize_t state_stride
    cdef uint64_t[2 * MARKS] marks        # what stood there after the last update

    cdef int reserve(self) except -1
    cdef void look_at(self, uint64_t* marks) noexcept nogil
    cdef bint touched(self) noexcept nogil
    cdef void keep(self, Py_ssize_t work, Py_ssize_t share, unsigned long long step) noexcept nogil
    cdef void passed(self) noexcept nogil
    cdef bint finite(self) noexcept nogil
    cdef unsigned long long restore(self) noexcept nogil
