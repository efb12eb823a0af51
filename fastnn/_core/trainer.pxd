cimport numpy as cnp

from fastnn._core.kernels cimport fnn_kernels
from fastnn._core.loss cimport LossStep
from fastnn._core.optimizer cimport Optimizer
from fastnn._core.plan cimport InputSlot, Plan, Workspace
from fastnn._core.step cimport Frame, Step

# Rows to learn from: arrays of the caller.
cdef struct Rows:
    const char** inputs         # by input of the network
    const char** targets        # by loss
    const char* weights         # NULL: all 1
    const cnp.int64_t* order    # NULL: as they lie

cdef class Trainer:
    cdef readonly Plan plan
    cdef readonly Optimizer optimizer
    cdef readonly cnp.ndarray params
    cdef readonly cnp.ndarray grads
    cdef public unsigned long long seed
    cdef public unsigned long long step         # one per update over the network's life; random masks go by it
    cdef Workspace work
    cdef list parts                             # what the losses were made from; the C structs borrow its objects
    cdef list gathered                          # memory of own_weights and own_targets
    cdef list idle                              # workspaces for evaluation that no call is using
    cdef const fnn_kernels* kernels
    cdef Frame* frame
    cdef InputSlot* slots
    cdef int n_inputs
    cdef LossStep* losses
    cdef int n_losses
    cdef Step* steps                            # the plan's, less those that a loss includes
    cdef int n_steps
    cdef bint fused                             # plain SGD: the backward pass adds straight to the parameters
    cdef tuple wanted
    cdef char** own_targets                     # gathered for one batch, by loss
    cdef char* own_weights
    cdef Rows rows
    cdef bint busy
    cpdef int require_idle(self) except -1
    cdef int enter(self, Py_ssize_t batch_size) except -1
    cdef void take_targets(self, LossStep* loss, bint labels) noexcept
    cdef int expect(self, LossStep* loss, target) except -1
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil
    cdef int point(self, inputs, targets, weights, order) except -1
    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0
