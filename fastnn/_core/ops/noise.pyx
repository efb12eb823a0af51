"""What is random in training alone, beside dropout of units: dropout of channels, and normal noise."""

from cython cimport floating
from libc.stdint cimport uint8_t

from fastnn._core.parts cimport CURVED, DRAWN, LINE, PLAIN, copy, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent
from fastnn._core.table cimport FNN_IDENTITY, fnn_columns, fnn_random

# ---- dropout of channels: saves the factor of each, row by row ----

cdef struct ChannelDims:
    Py_ssize_t rows         # pixels
    Py_ssize_t columns      # channels
    double keep


cdef inline void fill(floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = 1


cdef void scale_images(const Step* step, const Frame* frame, const char* x, char* y, Py_ssize_t first,
                       Py_ssize_t last) noexcept nogil:
    """Channels of images first .. last - 1 times their factors."""
    cdef const ChannelDims* dims = <const ChannelDims*> step.config
    cdef Py_ssize_t size = dims.columns * step.kernels.itemsize, b, at
    cdef fnn_columns columns = fnn_columns(columns=dims.columns, center=NULL, gain=NULL, shift=NULL,
                                           activation=FNN_IDENTITY, alpha=0.0)
    for b in range(first, last):
        at, columns.gain = b * dims.rows * size, frame.saved[step.index] + b * size
        step.kernels.column_gradient(&columns, dims.rows, NULL, NULL, x + at, x + at, y + at)


cdef void channels_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    scale_images(step, frame, frame.values[step.inputs[0]], frame.values[step.outputs[0]], first, last)


cdef void channels_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    scale_images(step, frame, frame.gradients[step.outputs[0]], frame.gradients[step.inputs[0]], first, last)


cdef int channels_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const ChannelDims* dims = <const ChannelDims*> step.config
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef Py_ssize_t n = frame.batch * dims.columns, nbytes = n * dims.rows * step.kernels.itemsize
    cdef char* factors = frame.saved[step.index]
    if not frame.training:
        if frame.values[step.inputs[0]] != frame.values[step.outputs[0]]:
            copy(frame.values[step.inputs[0]], nbytes, frame.values[step.outputs[0]])
        return OK
    if step.kernels.itemsize == sizeof(float):
        fill(<float*> factors, n)
    else:
        fill(<double*> factors, n)
    step.kernels.dropout_forward(n, &random, <size_t> (frame.first_row * dims.columns), dims.keep, 1.0 / dims.keep, factors,
                                 factors, <uint8_t*> frame.scratch)
    step_in_parts(channels_forward_part, step, frame, frame.batch, 1, nbytes, 2 * PLAIN)
    return OK


cdef int channels_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const ChannelDims* dims = <const ChannelDims*> step.config
    cdef Py_ssize_t nbytes = frame.batch * dims.rows * dims.columns * step.kernels.itemsize
    if frame.gradients[step.inputs[0]] == NULL:
        return OK
    if frame.training:
        step_in_parts(channels_backward_part, step, frame, frame.batch, 1, nbytes, 2 * PLAIN)
    else:
        copy(frame.gradients[step.outputs[0]], nbytes, frame.gradients[step.inputs[0]])
    return OK


cdef class ChannelDropoutOp(Op):
    """Each of the ``columns`` channels of a row is 0 with probability ``rate`` while training, else 1 / (1 - rate) as large."""

    cdef ChannelDims dims

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, double rate):
        self.forward, self.backward, self.tangent, self.config = channels_forward, channels_backward, linear_tangent, &self.dims
        self.dims = ChannelDims(rows=rows, columns=columns, keep=1.0 - rate)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.copies = True

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return batch * self.dims.columns * itemsize

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return batch * self.dims.columns if training else 0


# ---- normal noise ----

cdef struct NoiseDims:
    Py_ssize_t N
    double deviation


cdef void noise_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Elements first .. last - 1."""
    cdef const NoiseDims* dims = <const NoiseDims*> step.config
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.add_noise(last - first, &random, <size_t> (frame.first_row * dims.N + first), dims.deviation,
                           frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at)


cdef int noise_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef Py_ssize_t N = frame.batch * (<const NoiseDims*> step.config).N, nbytes = N * step.kernels.itemsize
    if frame.training:
        step_in_parts(noise_part, step, frame, N, 8 * LINE, nbytes, DRAWN + CURVED)
    elif frame.values[step.inputs[0]] != frame.values[step.outputs[0]]:
        copy(frame.values[step.inputs[0]], nbytes, frame.values[step.outputs[0]])
    return OK


cdef int noise_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy."""
    cdef Py_ssize_t nbytes = frame.batch * (<const NoiseDims*> step.config).N * step.kernels.itemsize
    if frame.gradients[step.inputs[0]] != NULL and frame.gradients[step.inputs[0]] != frame.gradients[step.outputs[0]]:
        copy(frame.gradients[step.outputs[0]], nbytes, frame.gradients[step.inputs[0]])
    return OK


cdef int noise_tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = tx."""
    copy(frame.tangents[step.inputs[0]], frame.batch * (<const NoiseDims*> step.config).N * step.kernels.itemsize,
         frame.tangents[step.outputs[0]])
    return OK


cdef class NoiseOp(Op):
    """To each of the ``width`` numbers of a row a normal one of that ``deviation`` is added while training."""

    cdef NoiseDims dims

    def __init__(self, Py_ssize_t width, double deviation):
        self.forward, self.backward, self.tangent, self.config = noise_forward, noise_backward, noise_tangent, &self.dims
        self.dims = NoiseDims(N=width, deviation=deviation)
        self.input_widths = self.output_widths = (width,)
        self.in_place = self.copies = self.shares_gradient = True
