cimport numpy as cnp

from fastnn._core.table cimport fnn_kernels
from fastnn._core.step cimport Frame, Products, Step

# Multiply-adds of a forward pass below which releasing the GIL costs more than it gives.
cdef enum:
    GIL_WORK = 20000

cdef class Plan:
    cdef readonly object dtype
    cdef readonly tuple ops
    cdef readonly list widths           # elements per row, by tensor
    cdef readonly list producers        # (step, place among its outputs) by tensor; None for an input
    cdef readonly list inputs           # tensors
    cdef readonly list outputs          # tensors
    cdef readonly list offsets          # of each step's parameters, in elements
    cdef readonly Py_ssize_t n_params
    cdef readonly Py_ssize_t least_rows # of a training batch
    cdef readonly double products       # multiply-adds per row of all parameters, to decide when to release the GIL
    cdef const fnn_kernels* kernels
    cdef Products native
    cdef Products blas
    cdef int n_steps
    cdef Step* steps
    cdef int n_joined
    cdef Step* joined                   # the same with cheap activations made part of the steps before them
    cdef int* wiring
    cdef cnp.ndarray memory(self, Py_ssize_t nbytes)

# Where one input of the network goes: own memory, or an array of the caller that stands in for a call.
cdef struct InputSlot:
    char* own
    Py_ssize_t row_bytes
    int* tensors            # all names of the input
    int n_tensors

cdef class Workspace:
    cdef readonly Plan plan
    cdef readonly Py_ssize_t capacity
    cdef Frame frame
    cdef InputSlot* slots               # by input
    cdef cnp.ndarray block
    cdef int _wire_inputs(self, list roots) except -1
    cdef void open(self, const void* params, bint training, unsigned long long seed, unsigned long long step) noexcept

cdef const char* take_rows(const char* rows, Py_ssize_t row_bytes, const cnp.int64_t* order, Py_ssize_t start,
                           Py_ssize_t n, char* own) noexcept nogil
cdef void take_input(const Frame* frame, const InputSlot* slot, const char* rows, const cnp.int64_t* order,
                     Py_ssize_t start, Py_ssize_t n) noexcept nogil
cdef int run_forward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil
cdef int run_backward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil
cdef void run_commit(const Step* steps, int n_steps, const Frame* frame, char* params) noexcept nogil
cdef int require_rows(Plan plan, const Step* steps, int n_steps, Py_ssize_t batch) except -1
cdef int raise_pending() except -1
