"""What came before a sequence, put before its steps: zeros, or in a stream the last steps."""

from libc.string cimport memcpy, memset

from fastnn._core.parts cimport PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent

cdef struct Dims:
    Py_ssize_t steps
    Py_ssize_t channels
    Py_ssize_t past


cdef void forward_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t pixel = dims.channels * step.kernels.itemsize, row
    cdef Py_ssize_t own = dims.steps * pixel, past = dims.past * pixel
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    for row in range(first, last):
        if frame.state != NULL:
            memcpy(y + row * (past + own), frame.state[step.index], past)
        else:
            memset(y + row * (past + own), 0, past)
        memcpy(y + row * (past + own) + past, x + row * own, own)
    if frame.state != NULL:     # one row: what is kept are its last steps
        memcpy(frame.state[step.index], y + own, past)


cdef inline Py_ssize_t nbytes(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    return frame.batch * (dims.past + dims.steps) * dims.channels * step.kernels.itemsize


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = the past, then x."""
    step_in_parts(forward_rows, step, frame, frame.batch, 1, nbytes(step, frame), PLAIN)
    return OK


cdef void backward_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t pixel = dims.channels * step.kernels.itemsize, row
    cdef Py_ssize_t own = dims.steps * pixel, past = dims.past * pixel
    for row in range(first, last):
        memcpy(frame.gradients[step.inputs[0]] + row * own,
               frame.gradients[step.outputs[0]] + row * (past + own) + past, own)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy of the steps that are x."""
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(backward_rows, step, frame, frame.batch, 1, nbytes(step, frame), PLAIN)
    return OK


cdef class PastOp(Op):
    """``past`` steps before the T of a sequence (T, C): zeros; in a stream, those that came last, zeros at first."""

    cdef Dims dims

    def __init__(self, Py_ssize_t T, Py_ssize_t C, Py_ssize_t past):
        self.forward, self.backward, self.tangent, self.config = forward, backward, linear_tangent, &self.dims
        self.dims = Dims(steps=T, channels=C, past=past)
        self.state_size = past * C
        self.input_widths, self.output_widths = (T * C,), ((past + T) * C,)
