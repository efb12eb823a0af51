from cpython.object cimport PyObject

from libc.stdint cimport int64_t

from fastnn._core.hits cimport Count
from fastnn._core.table cimport fnn_kernels, fnn_loss_value

# Which real targets a loss allows.
cdef enum RealTargets:
    NO_REALS
    ANY
    NON_NEGATIVE
    UNIT            # in [0, 1]
    SIGNS           # -1 or 1
    PROBABILITIES   # rows that sum to 1

# The loss of one output of a network.
cdef struct LossStep:
    fnn_loss_value value        # NULL: custom
    fnn_loss_value real_value   # for real targets
    fnn_loss_value label_value  # for int64 labels; NULL: not taken
    PyObject* custom            # the LossFunction, borrowed
    double parameter
    double share                # of this output in the sum over outputs
    int tensor                  # that the loss reads
    Py_ssize_t steps            # losses in a row, of which its loss is the mean
    Py_ssize_t width            # elements that one of them reads
    Py_ssize_t target_bytes     # per row
    Count count                 # of right decisions, in training

cdef int run_loss(const LossStep* loss, Py_ssize_t itemsize, Py_ssize_t B, const char* y, const char* target,
                  const char* weight, Py_ssize_t weights, double scale, char* dy, double* total) noexcept nogil
cdef bint labels_changed(const LossStep* loss, Py_ssize_t B, const char* target) noexcept nogil
cdef bint labels_allowed(Py_ssize_t B, Py_ssize_t classes, const int64_t* label) noexcept nogil
cdef bint reals_allowed(const fnn_kernels* kernels, int kind, Py_ssize_t B, Py_ssize_t O,
                        const void* target) noexcept nogil
