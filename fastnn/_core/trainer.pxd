cimport numpy as cnp
from cpython.object cimport PyObject

from fastnn._core.table cimport fnn_kernels
from fastnn._core.loss cimport LossStep
from fastnn._core.optimizer cimport Optimizer
from fastnn._core.plan cimport InputSlot, Plan, Workspace
from fastnn._core.step cimport Frame, Step

# Rows to learn from: arrays of the caller.
cdef struct Rows:
    const char** inputs         # by input of the network
    const char** targets        # by loss
    const char* weights         # NULL: all 1
    Py_ssize_t weights_each     # of a row: one, or one per step
    const cnp.int64_t* order    # NULL: as they lie

cdef enum:
    GROUPS = 16             # gradients that the pieces of a mini-batch are gathered in

# The memory of one thread that works on rows.
cdef struct Lane:
    Frame* frame
    InputSlot* slots
    char** targets              # gathered, by loss
    double loss
    int status

# A mini-batch in pieces, and who works on them.
cdef struct Pieces:
    PyObject* trainer
    Py_ssize_t start
    Py_ssize_t size
    Py_ssize_t pieces
    Py_ssize_t groups
    Py_ssize_t parts
    const char* weights
    double scale
    char* partial               # gradients by group

# What comes of going through the rows once.
cdef struct Sweep:
    double loss                 # of the last mini-batch
    double loss_sum             # times weights
    double weight_sum
    double looked               # when signals were looked at last

cdef class Trainer:
    cdef readonly Plan plan
    cdef readonly Optimizer optimizer
    cdef readonly cnp.ndarray params
    cdef readonly cnp.ndarray grads
    cdef public unsigned long long seed
    cdef public unsigned long long step         # one per update over the network's life; random masks go by it
    cdef list works                             # workspaces of the lanes
    cdef list parts                             # what the losses were made from; the C structs borrow its objects
    cdef list gathered                          # memory of the lanes' targets
    cdef cnp.ndarray weights                    # memory of own_weights
    cdef list idle                              # workspaces for evaluation that no call is using
    cdef const fnn_kernels* kernels
    cdef Lane* lanes
    cdef int n_lanes
    cdef Py_ssize_t capacity                    # rows of a mini-batch that there is memory for
    cdef int n_inputs
    cdef LossStep* losses
    cdef int n_losses
    cdef Step* steps                            # the plan's, less those that a loss includes
    cdef int n_steps
    cdef bint fused                             # plain SGD: the backward pass adds straight to the parameters
    cdef bint commits                           # a step keeps something that it does not learn
    cdef Py_ssize_t least_rows                  # of a mini-batch
    cdef bint hot                               # a step's parameters are updated right after its backward pass
    cdef Py_ssize_t* sizes                      # of each step's parameters
    cdef Py_ssize_t piece                       # rows of a piece of a mini-batch, 0: it is never cut
    cdef double[GROUPS] group_losses
    cdef cnp.ndarray partial                    # gradients of the groups of pieces (GROUPS, n_params)
    cdef tuple wanted
    cdef readonly bint calls_functions          # of the user's: layers or losses in Python
    cdef char* own_weights                      # gathered for one mini-batch
    cdef Rows rows
    cdef readonly double penalty_sum            # of the last run: sum of penalty / weight * rows of its mini-batches
    cdef int busy                               # claimed by the call that trains
    cdef readonly Py_ssize_t epochs_done        # by the last call of several epochs
    cpdef int require_idle(self) except -1
    cdef int begin(self) except -1
    cdef int enter(self, Py_ssize_t batch_size, Py_ssize_t rest) except -1
    cdef void take_targets(self, LossStep* loss, bint labels) noexcept nogil
    cdef int expect(self, LossStep* loss, target) except -1
    cdef bint cuts(self, Py_ssize_t size) noexcept nogil
    cdef Py_ssize_t pieces(self, Py_ssize_t size) noexcept nogil
    cdef int lanes_for(self, Py_ssize_t size) noexcept nogil
    cdef bint ready(self, Py_ssize_t size) noexcept nogil
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef void add_lane(self, Py_ssize_t rows) except *
    cdef int descend(self, Lane* lane, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale,
                     char* dparams, double dscale, bint update, double rate) noexcept nogil
    cdef void backward_and_update(self, Lane* lane, double rate) noexcept nogil
    cdef void descend_groups(self, const Pieces* job, Py_ssize_t part) noexcept nogil
    cdef int descend_in_pieces(self, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale,
                               double* loss) noexcept nogil
    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil
    cdef int sweep(self, Py_ssize_t n, Py_ssize_t batch_size, const double* rate, tick, Sweep* sums) except -1 nogil
    cdef int look(self, Py_ssize_t done, tick, Sweep* sums) except -1 with gil
    cdef int judge(self, int status, double loss) except -1
    cdef int point(self, inputs, targets, weights, order) except -1
    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0
    cdef double outcome(self, int status, double loss) except? -1.0
