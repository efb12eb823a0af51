cimport numpy as cnp

from fastnn._core.evaluator cimport Evaluator
from fastnn._core.hits cimport Hits
from fastnn._core.lanes cimport GROUPS, Lanes
from fastnn._core.optimizer cimport OptimizerState
from fastnn._core.step cimport Step

# Rows to learn from: arrays of the caller.
cdef struct Rows:
    const char** inputs         # by input of the network
    const char** targets        # by loss
    const char* weights         # NULL: all 1
    Py_ssize_t weights_each     # of a row: one, or one per step
    const cnp.int64_t* order    # NULL: as they lie

cdef class Trainer(Evaluator):
    cdef readonly OptimizerState optimizer
    cdef readonly cnp.ndarray grads
    cdef public unsigned long long seed
    cdef public unsigned long long step         # one per update over the network's life; random masks go by it
    cdef readonly Lanes lanes
    cdef int n_inputs
    cdef Step* steps                            # the plan's, less those that a loss includes
    cdef int n_steps
    cdef Py_ssize_t* sizes                      # of each step's parameters
    cdef Py_ssize_t row_work                    # picoseconds of a row's products, forward and backward
    cdef bint sgd_in_backward                   # plain SGD: the backward pass adds to the parameters themselves
    cdef bint update_in_backward                # a step's parameters are updated right after its backward pass
    cdef bint commits                           # a step keeps something that it does not learn
    cdef Py_ssize_t least_rows                  # of a mini-batch
    cdef double[GROUPS] group_losses
    cdef Hits* hits                             # by loss: since they were cleared, then of each group of a mini-batch
    cdef bint counts                            # right decisions are to be counted
    cdef bint counting                          # by the call at work
    cdef tuple wanted
    cdef readonly bint calls_functions          # of the user's: layers or losses in Python
    cdef Rows rows
    cdef readonly double penalty_sum            # of the last run: sum of penalty / weight * rows of its mini-batches
    cdef int busy                               # claimed by the call that trains
    cdef readonly Py_ssize_t epochs_done        # by the last call of several epochs
    cpdef int require_idle(self) except -1
    cdef int begin(self) except -1
    cpdef Py_ssize_t updates(self, Py_ssize_t n, Py_ssize_t batch_size) noexcept
    cdef int prepare_run(self, Py_ssize_t n, Py_ssize_t batch_size) except -1
    cdef int prepare(self, Py_ssize_t least, Py_ssize_t most) except -1
    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil
    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0
