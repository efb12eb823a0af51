cimport numpy as cnp

from fastnn._core.evaluator cimport Evaluator
from fastnn._core.guard cimport Guard
from fastnn._core.hits cimport Hits
from fastnn._core.lanes cimport GROUPS, Lanes
from fastnn._core.optimizer cimport OptimizerState
from fastnn._core.pool cimport LONG
from fastnn._core.step cimport Step
from fastnn._core.workspace cimport Order

# Rows to learn from: arrays of the caller.
cdef struct Rows:
    const char** inputs         # by input of the network
    const char** targets        # by loss
    const char* weights         # NULL: all 1
    Py_ssize_t weights_each     # of a row: one, or one per step
    Order order

# What this process learns from by itself, in a team each of whose processes has rows of its own; training/own_rows.py knows its fields.
cdef struct Own:
    Py_ssize_t dealt            # gradients are averaged over the team in every update
    Py_ssize_t every            # parameters are, after so many updates; 0: never
    Py_ssize_t part             # of each mini-batch
    Py_ssize_t parts            # of each mini-batch; 1: all rows are this process's
    Py_ssize_t since            # updates since parameters were averaged
    double since_weight         # of their rows
    double loss                 # of a mini-batch
    double weight

cdef class Trainer(Evaluator):
    cdef readonly OptimizerState optimizer
    cdef readonly cnp.ndarray grads
    cdef public unsigned long long seed
    cdef public unsigned long long step         # one per update over the network's life; random masks go by it
    cdef readonly Lanes lanes
    cdef Lanes alone                            # those of this process by itself, while it is in a team
    cdef object team
    cdef Py_ssize_t rank                        # of this process in its team
    cdef Py_ssize_t ranks                       # processes of the team; 1: there is none
    cdef cnp.ndarray word                       # what this one says when they meet
    cdef cnp.ndarray heard                      # what all have said
    cdef cnp.ndarray sums_kept
    cdef readonly cnp.ndarray own               # memory of an Own, which the team reads and writes
    cdef Own* own_rows
    cdef Py_ssize_t first_row                   # in the mini-batch, of the part at work: random masks go by it
    cdef char* sums                             # where its sums over groups go
    cdef Py_ssize_t sum_bytes                   # from one of them to the next
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
    cdef readonly cnp.ndarray counted           # memory of the Hits, (GROUPS + 1, n_losses)
    cdef Hits* hits                             # by loss: since they were cleared, then of each group of a mini-batch
    cdef bint counts                            # right decisions are to be counted
    cdef bint counting                          # by the call at work
    cdef tuple wanted
    cdef readonly bint calls_functions          # of the user's: layers or losses in Python
    cdef Rows rows
    cdef list held                              # what keeps the memory of the rows for the call at work
    cdef readonly double penalty_sum            # of the last run: sum of penalty / weight * rows of its mini-batches
    cdef readonly Guard guard
    cdef bint guarding                          # the call at work is one of single updates, which are checked
    cdef bint watching                          # signals may end the call at work
    cdef bint watched                           # the mini-batch at work is long enough for that
    cdef readonly Py_ssize_t epochs_done        # by the last call of several epochs
    cpdef int require_idle(self) except -1
    cdef int begin(self) except -1
    cpdef Py_ssize_t updates(self, Py_ssize_t n, Py_ssize_t batch_size) except -1
    cdef int require_run(self, Py_ssize_t n, Py_ssize_t batch_size) except -1
    cdef int prepare_run(self, Py_ssize_t n, Py_ssize_t batch_size) except -1
    cdef inline bint ready(self, Py_ssize_t most, bint single) noexcept nogil:
        """Is there all memory for mini-batches of at most so many rows?  Smaller ones than the largest may be whole, and long."""
        return self.lanes.ready(most) and (self.guard.copied != NULL or not (
            single or (most * self.row_work > LONG and (self.sgd_in_backward or self.update_in_backward))))

    cdef int reserve(self, Py_ssize_t most, bint single) except -1
    cdef int prepare(self, Py_ssize_t least, Py_ssize_t most, bint single=*) except -1
    cdef int checked(self) noexcept nogil
    cdef inline bint fuses(self, Py_ssize_t size) noexcept nogil:
        """Does the backward pass of a mini-batch of ``size`` rows change the parameters?"""
        return (self.sgd_in_backward or self.update_in_backward) and not (
            self.own_rows.dealt or self.lanes.cuts(size) or self.lanes.pieces_of(size) > 1)

    cdef int gradient(self, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale, double rate, bint sgd,
                      bint by_step, double* loss) noexcept nogil
    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil
    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0
