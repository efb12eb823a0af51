"""Standardising by given means and deviations: y = (x - mean) / deviation, column by column."""

from fastnn._core.memory cimport zeros
from fastnn._core.ops.columns cimport Job, gradient_rows, job_of, map_rows
from fastnn._core.step cimport Frame, OK, Op, Step
from fastnn._core.table cimport fnn_columns

cdef enum:
    ABREAST = 128       # numbers that are standardised at once, at most: short rows of channels are taken several at a time

cdef struct Dims:
    Py_ssize_t rows
    Py_ssize_t columns
    const char* given   # means and inverse deviations: those of float, then those of double


cdef inline fnn_columns columns_of(const Dims* dims, const Step* step) noexcept nogil:
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    cdef const char* given = dims.given + (0 if itemsize == sizeof(float) else 2 * dims.columns * sizeof(float))
    return fnn_columns(columns=dims.columns, center=given, gain=given + dims.columns * itemsize, shift=NULL,
                       activation=step.activation, alpha=step.alpha)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = (x - mean) / deviation."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_columns columns = columns_of(dims, step)
    cdef Job job = job_of(step, frame, &columns, dims.rows, frame.values[step.outputs[0]])
    map_rows(&job)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy / deviation."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_columns columns = columns_of(dims, step)
    cdef Job job = job_of(step, frame, &columns, dims.rows, frame.gradients[step.inputs[0]])
    if job.out != NULL:
        gradient_rows(&job)
    return OK


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = tx / deviation."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_columns columns = columns_of(dims, step)
    cdef Job job = job_of(step, frame, &columns, dims.rows, frame.tangents[step.outputs[0]])
    job.dy = frame.tangents[step.inputs[0]]
    gradient_rows(&job)
    return OK


cdef class StandardizeOp(Op):
    """``rows`` times ``len(mean)`` numbers per row of the batch; of each column a mean and a deviation are given."""

    cdef Dims dims
    cdef list memory

    def __init__(self, Py_ssize_t rows, mean, scale):
        cdef Py_ssize_t c, k, abreast = 1, columns = len(mean)
        cdef float* single
        cdef double* double_
        for k in range(2, ABREAST // columns + 1):
            if rows % k == 0:
                abreast = k
        self.forward, self.backward, self.tangent, self.config = forward, backward, tangent, &self.dims
        self.memory = []
        k = abreast * columns
        single = <float*> zeros(self.memory, 2 * k, sizeof(float) + sizeof(double))
        double_ = <double*> (single + 2 * k)
        for c in range(k):
            double_[c], double_[k + c] = mean[c % columns], 1.0 / scale[c % columns]
            single[c], single[k + c] = <float> double_[c], <float> double_[k + c]
        self.dims = Dims(rows=rows // abreast, columns=k, given=<const char*> single)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = True
