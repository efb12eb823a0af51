cimport numpy as cnp

from fastnn._core.plan cimport Plan
from fastnn._core.step cimport Frame

# Where one input of the network goes: own memory, or an array of the caller that stands in for a call.
cdef struct InputSlot:
    char* own
    Py_ssize_t row_bytes
    const int* tensors      # all names of the input
    int n_tensors
    bint read_on            # beyond its end, by a step

cdef class Workspace:
    cdef readonly Plan plan
    cdef readonly Py_ssize_t capacity
    cdef Frame frame
    cdef InputSlot* slots               # by input
    cdef list memory                    # of the slots, the names that they point to, and the frame
    cdef cnp.ndarray block
    cdef void open(self, const void* params, bint training, unsigned long long seed, unsigned long long step) noexcept

# Which rows to take, in which order.
cdef struct Order:
    const cnp.int64_t* rows     # their numbers, NULL: all as they lie
    Py_ssize_t stored           # numbers are below this

cdef const char* take_rows(const char* rows, Py_ssize_t row_bytes, const Order* order, Py_ssize_t start, Py_ssize_t n,
                           char* own) noexcept nogil
cdef int take_input(const Frame* frame, const InputSlot* slot, const char* rows, const Order* order, Py_ssize_t start,
                    Py_ssize_t n) noexcept nogil
cdef void put_input(const Frame* frame, const InputSlot* slot, const char* rows, Py_ssize_t n) noexcept nogil
cdef Py_ssize_t rows_by_bytes(Py_ssize_t row_bytes, Py_ssize_t least, Py_ssize_t most) except -1
