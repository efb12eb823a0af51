from cpython.object cimport PyObject

from fastnn._core.kernels cimport fnn_loss_value

# The loss of one output of a network.
cdef struct LossStep:
    fnn_loss_value value        # NULL: custom
    fnn_loss_value real_value   # for real targets
    fnn_loss_value label_value  # for int64 labels; NULL: not taken
    PyObject* custom            # the CustomLoss, borrowed
    double parameter
    double share                # of this output in the sum over outputs
    int tensor                  # that the loss reads
    Py_ssize_t width            # elements per row of that tensor
    Py_ssize_t target_bytes     # per row

cdef int run_loss(const LossStep* loss, Py_ssize_t itemsize, Py_ssize_t B, const char* y, const char* target,
                  const char* weight, double scale, char* dy, double* total) noexcept nogil
