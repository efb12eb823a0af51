"""Dropout of units: y = m x, m drawn per element while training [Srivastava et al. 2014]."""

from libc.stdint cimport uint8_t

from fastnn._core.table cimport fnn_random
from fastnn._core.parts cimport DRAWN, LINE_BYTES, PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent


cdef struct Dims:
    Py_ssize_t N
    double keep
    double training_scale     # of a unit kept in training
    double inference_scale    # of every unit otherwise


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Elements first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef const char* x = frame.values[step.inputs[0]] + first * step.kernels.itemsize
    cdef char* y = frame.values[step.outputs[0]] + first * step.kernels.itemsize
    if frame.training:
        step.kernels.dropout_forward(last - first, &random, <size_t> (frame.first_row * dims.N + first), dims.keep,
                                     dims.training_scale, x, y, <uint8_t*> frame.saved[step.index] + first)
    else:
        step.kernels.scale(last - first, dims.inference_scale, x, y)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = frame.batch * dims.N
    if frame.training or frame.values[step.inputs[0]] != frame.values[step.outputs[0]] or dims.inference_scale != 1.0:
        step_in_parts(forward_part, step, frame, N, LINE_BYTES,
                      N * step.kernels.itemsize, (DRAWN if frame.training else PLAIN))
    return OK


cdef void backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef const char* dy = frame.gradients[step.outputs[0]] + first * step.kernels.itemsize
    cdef char* dx = frame.gradients[step.inputs[0]] + first * step.kernels.itemsize
    if frame.training:
        step.kernels.dropout_backward(last - first, dims.training_scale, <uint8_t*> frame.saved[step.index] + first, dy,
                                      dx)
    else:
        step.kernels.scale(last - first, dims.inference_scale, dy, dx)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef Py_ssize_t N = frame.batch * (<const Dims*> step.config).N
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(backward_part, step, frame, N, LINE_BYTES, N * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class DropoutOp(Op):
    """Each of the ``width`` numbers of a row is 0 with probability ``rate`` while training.

    ``inverted``: what is kept is scaled by 1/(1-rate) in training; otherwise all is scaled by 1-rate afterwards.
    """

    cdef Dims dims

    def __init__(self, Py_ssize_t width, double rate, bint inverted):
        self.forward, self.backward, self.tangent, self.config = forward, backward, linear_tangent, &self.dims
        self.dims = Dims(N=width, keep=1.0 - rate, training_scale=1.0 / (1.0 - rate) if inverted else 1.0,
                         inference_scale=1.0 if inverted else 1.0 - rate)
        self.input_widths = self.output_widths = (width,)
        self.in_place = self.gradient_in_place = True
        self.copies = self.dims.inference_scale == 1.0

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return batch * self.dims.N
