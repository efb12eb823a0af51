"""The sum, the mean or the largest of the numbers along one axis.  A row is ``outer`` blocks of ``count`` times ``inner``."""

from libc.string cimport memset

from fastnn._core.parts cimport PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent


cdef struct Dims:
    Py_ssize_t outer
    Py_ssize_t count
    Py_ssize_t inner
    bint largest
    double factor           # of the sum


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Blocks first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = dims.inner * itemsize, block = dims.count * row, i
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    for i in range(first, last):
        if dims.largest:
            step.kernels.column_maxima(dims.count, dims.inner, x + i * block, y + i * row)
        else:
            memset(y + i * row, 0, row)
            step.kernels.add_row_sum(dims.count, dims.inner, dims.factor, x + i * block, dims.inner, y + i * row)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = sum_t x_t, times a factor, or max_t x_t."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t blocks = frame.batch * dims.outer
    step_in_parts(forward_part, step, frame, blocks, 1, blocks * dims.count * dims.inner * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef void backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = dims.inner * itemsize, block = dims.count * row, i, t
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    for i in range(first, last):
        if dims.largest:
            step.kernels.column_maxima_backward(dims.count, dims.inner, x + i * block, dy + i * row, dx + i * block)
        else:
            for t in range(dims.count):
                step.kernels.scale(dims.inner, dims.factor, dy + i * row, dx + i * block + t * row)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx_t = dy, times the factor; of the largest: dy where it was the first of them, else 0."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t blocks = frame.batch * dims.outer
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(backward_part, step, frame, blocks, 1, blocks * dims.count * dims.inner * step.kernels.itemsize,
                      2 * PLAIN)
    return OK


cdef class ReduceOp(Op):
    """``function``: "sum", "mean" or "max" of ``count`` numbers."""

    cdef Dims dims

    def __init__(self, str function, Py_ssize_t outer, Py_ssize_t count, Py_ssize_t inner):
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims = Dims(outer=outer, count=count, inner=inner, largest=function == "max",
                         factor=1.0 / count if function == "mean" else 1.0)
        self.input_widths, self.output_widths = (outer * count * inner,), (outer * inner,)
        self.reads_input, self.reads_on = self.dims.largest, not self.dims.largest
        if not self.dims.largest:
            self.tangent = linear_tangent
