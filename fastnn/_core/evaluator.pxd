cimport numpy as cnp

from fastnn._core.idle cimport Idle
from fastnn._core.table cimport fnn_kernels
from fastnn._core.loss cimport LossStep
from fastnn._core.plan cimport Plan
from fastnn._core.versions cimport Versions

cdef class Evaluator:
    cdef readonly Plan plan
    cdef readonly cnp.ndarray params
    cdef readonly Versions versions     # of the parameters
    cdef readonly Py_ssize_t chunk      # rows evaluated at a time
    cdef const fnn_kernels* kernels
    cdef list loss_parts                # what the losses were made from; the C structs borrow its objects
    cdef LossStep* losses
    cdef list memory                    # of the C arrays
    cdef int n_losses
    cdef Idle idle
    cdef void take_targets(self, LossStep* loss, bint labels) noexcept nogil
    cdef int expect(self, LossStep* loss, target) except -1
    cdef list hold_rows(self, inputs, targets, weights, Py_ssize_t rows)
