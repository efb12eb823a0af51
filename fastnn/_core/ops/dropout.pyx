"""Dropout of units: y = m x, m drawn per element while training [Srivastava et al. 2014]."""

from libc.stdint cimport uint8_t

from fastnn._core.table cimport fnn_random
from fastnn._core.step cimport Frame, OK, Op, Step


cdef struct Dims:
    Py_ssize_t N
    double keep
    double training_scale     # of a unit kept in training
    double inference_scale    # of every unit otherwise


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    if frame.training:
        step.kernels.dropout_forward(frame.batch * dims.N, &random, <size_t> (frame.first_row * dims.N), dims.keep,
                                     dims.training_scale, x, y, <uint8_t*> frame.saved[step.index])
    elif x != y or dims.inference_scale != 1.0:
        step.kernels.scale(frame.batch * dims.N, dims.inference_scale, x, y)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    if dx == NULL:
        return OK
    if frame.training:
        step.kernels.dropout_backward(frame.batch * dims.N, dims.training_scale, <uint8_t*> frame.saved[step.index],
                                      dy, dx)
    else:
        step.kernels.scale(frame.batch * dims.N, dims.inference_scale, dy, dx)
    return OK


cdef class DropoutOp(Op):
    """Each of the ``width`` numbers of a row is 0 with probability ``rate`` while training.

    ``inverted``: what is kept is scaled by 1/(1-rate) in training; otherwise all is scaled by 1-rate afterwards.
    """

    cdef Dims dims

    def __init__(self, Py_ssize_t width, double rate, bint inverted):
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims = Dims(N=width, keep=1.0 - rate, training_scale=1.0 / (1.0 - rate) if inverted else 1.0,
                         inference_scale=1.0 if inverted else 1.0 - rate)
        self.input_widths = self.output_widths = (width,)
        self.in_place, self.copies = True, self.dims.inference_scale == 1.0

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return batch * self.dims.N
