from fastnn._core.table cimport fnn_kernels, fnn_products
from fastnn._core.step cimport Frame, OK, Step

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
    cdef readonly double multiply_adds  # of a row
    cdef const fnn_kernels* kernels
    cdef fnn_products blas
    cdef int n_steps
    cdef Step* steps
    cdef int n_fused
    cdef Step* fused                    # the same with cheap activations made part of the steps before them
    cdef readonly list groups           # of fused steps, those that one of them may carry
    cdef list memory                    # of the steps, and of the tensor numbers that they point to

cdef int run_forward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil
cdef int run_backward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil
cdef int run_tangent(const Step* steps, int n_steps, const Frame* frame) noexcept nogil
cdef void run_commit(const Step* steps, int n_steps, const Frame* frame, char* params) noexcept nogil
cdef int require_rows(Plan plan, const Step* steps, int n_steps, Py_ssize_t batch) except -1

cdef inline int require_ok(int status) except -1:
    """Let the exception that a step has set rise, if one has failed."""
    return 0 if status == OK else -1
