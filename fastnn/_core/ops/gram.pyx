"""Gram matrices: the products of all pairs of channels, as means over the places.  A row is ``places`` times ``channels``."""

from libc.string cimport memset

from fastnn._core.products cimport forward as product, weight_gradient, whole
from fastnn._core.step cimport Frame, OK, Op, Step
from fastnn._core.table cimport fnn_shape


cdef enum:
    COLUMNS = 64            # of the matrix at a time


cdef struct Dims:
    Py_ssize_t places
    Py_ssize_t channels


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x^T x / places: so many columns at a time down to the diagonal, then turned over to the other side of it."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t C = dims.channels, itemsize = step.kernels.itemsize, b, j
    cdef fnn_shape shape = whole(dims.places, C, C)
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    memset(y, 0, frame.batch * C * C * itemsize)
    for b in range(frame.batch):
        j = 0
        while j < C:
            shape.outputs = min(<Py_ssize_t> COLUMNS, C - j)
            shape.inputs = j + shape.outputs
            weight_gradient(step, frame, &shape, 1.0 / dims.places, x, x + j * itemsize, y + j * itemsize, NULL)
            if j > 0:
                step.kernels.turn_over(j, shape.outputs, y + j * itemsize, C, y + j * C * itemsize, C)
            j += shape.outputs
        x += dims.places * C * itemsize
        y += C * C * itemsize
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = x (dy + dy^T) / places."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(dims.places, dims.channels, dims.channels)
    cdef Py_ssize_t C = dims.channels, b, row = dims.places * C * step.kernels.itemsize
    cdef Py_ssize_t square = C * C * step.kernels.itemsize
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* both = frame.scratch
    if dx == NULL:
        return OK
    for b in range(frame.batch):
        step.kernels.turn_over(C, C, dy + b * square, C, both, C)
        step.kernels.add(C * C, dy + b * square, both, both)
        step.kernels.scale(C * C, 1.0 / dims.places, both, both)
        product(step, frame, &shape, x + b * row, both, NULL, dx + b * row)
    return OK


cdef class GramOp(Op):
    """Of ``channels`` numbers at each of so many ``places``."""

    cdef Dims dims

    def __init__(self, Py_ssize_t places, Py_ssize_t channels):
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims = Dims(places=places, channels=channels)
        self.input_widths, self.output_widths = (places * channels,), (channels * channels,)
        self.reads_input, self.reads_on, self.product_size = True, True, channels * channels

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return self.dims.channels * self.dims.channels * itemsize if training else 0
