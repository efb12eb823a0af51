cimport numpy as cnp

from fastnn._core.table cimport fnn_kernels, fnn_optimizer_update, fnn_update

# A stretch of the parameter vector under one set of rules; penalties, decay and max_norm of 0 do nothing.
cdef struct Segment:
    Py_ssize_t start
    Py_ssize_t size
    Py_ssize_t columns      # of the weight matrix, for max_norm
    double rate             # factor on the learning rate
    double epsilon          # likewise on epsilon
    double l1
    double l2
    double weight_decay
    double max_norm

cdef class OptimizerState:
    cdef readonly str rule
    cdef readonly unsigned long long step       # updates done
    cdef readonly cnp.ndarray state             # (kept vectors, n_params)
    cdef readonly bint plain                    # w -= learning_rate * rate * g and nothing else
    cdef const fnn_kernels* kernels
    cdef fnn_optimizer_update update
    cdef fnn_update scalars
    cdef Segment* segments
    cdef list memory                            # of the segments
    cdef int n_segments
    cdef double* sums                           # of squares, by segment
    cdef double clip_norm
    cdef double clip_value
    cdef double epsilon
    cdef bint epsilon_hat                       # epsilon is added before the second moment is corrected
    cdef readonly bint shares                   # penalties are divided by the weight of the mini-batch
    cdef double share                           # what they are multiplied by in this update
    cdef cnp.ndarray work
    cdef readonly bint by_parts                 # parts of the gradient may be applied before others are known
    cdef void begin(self) noexcept nogil
    cdef void sum_squares(self, const char* x, bint penalised) noexcept nogil
    cdef double squares(self, const char* params) noexcept nogil
    cdef void limit(self, char* grads, double limit, double scale) noexcept nogil
    cdef void clip(self, char* grads) noexcept nogil
    cdef void apply_part(self, char* params, char* grads, double learning_rate, Py_ssize_t start,
                         Py_ssize_t stop) noexcept nogil
    cdef void apply(self, char* params, char* grads, double learning_rate) noexcept nogil
