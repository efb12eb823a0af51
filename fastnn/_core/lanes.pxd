cimport cython
cimport numpy as cnp

from fastnn._core.plan cimport Plan
from fastnn._core.pool cimport threads
from fastnn._core.step cimport Frame
from fastnn._core.workspace cimport InputSlot

cdef enum:
    GROUPS = 16             # gradients that the micro-batches of a mini-batch are gathered in, at most

# The memory of one thread that works on rows.
cdef struct Lane:
    Frame* frame
    InputSlot* slots
    char** targets              # gathered, by loss
    double loss
    int status

@cython.final
cdef class Lanes:
    cdef Plan plan
    cdef cnp.ndarray params
    cdef tuple wanted                   # by tensor: is its gradient
    cdef list losses
    cdef list workspaces                # of the lanes
    cdef list gathered                  # memory of the lanes' targets
    cdef list memory                    # of the lanes
    cdef cnp.ndarray weight_memory
    cdef cnp.ndarray gradient_memory
    cdef Lane* lanes
    cdef int n_lanes
    cdef char* weights                  # gathered for one mini-batch
    cdef char* gradients                # of this process's groups (own, n_params)
    cdef Py_ssize_t own                 # groups of this process, at most
    cdef int most                       # lanes, at most
    cdef bint doubling                  # micro-batches are groups: 2, 4, 8 or GROUPS
    cdef Py_ssize_t pieces              # that a mini-batch goes in, one after the other, where none is ever cut
    cdef Py_ssize_t capacity            # rows of a mini-batch that there is memory for
    cdef readonly Py_ssize_t rows       # of a micro-batch, about
    cdef readonly Py_ssize_t least      # rows that are worth a thread
    cdef readonly Py_ssize_t cut_from   # rows of a mini-batch from which on it is cut

    cdef inline bint cuts(self, Py_ssize_t size) noexcept nogil:
        """Is a mini-batch of ``size`` rows cut into micro-batches?"""
        return size >= self.cut_from

    cdef inline Py_ssize_t pieces_of(self, Py_ssize_t size) noexcept nogil:
        """In how many pieces does a mini-batch go that is not cut?"""
        return 1 if self.rows > 0 or self.doubling else min(self.pieces, size)

    cdef inline bint ready(self, Py_ssize_t size) noexcept nogil:
        """Is there memory for mini-batches of ``size`` rows, on as many threads as there are?"""
        return self.capacity >= size and (not self.cuts(size) or self.n_lanes >= min(threads(), self.most))

    cdef Py_ssize_t micro_batches(self, Py_ssize_t size) noexcept nogil
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef int add_lane(self, Py_ssize_t rows) except -1
