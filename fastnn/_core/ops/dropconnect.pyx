"""Fully connected with randomly missing connections: y = x (M * W) + b, M drawn anew for every mini-batch.

Wan et al. 2013, "Regularization of Neural Networks using DropConnect", with one mask per mini-batch instead of one
per row, so that the product stays one matrix product.
"""

from libc.stdint cimport uint8_t

from fastnn._core.table cimport fnn_random, fnn_shape
from fastnn._core.parts cimport DRAWN, LINE_BYTES, PLAIN, clear, step_in_parts
from fastnn._core.products cimport bias_gradient, forward as product, input_gradient, weight_gradient, whole
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t inputs
    Py_ssize_t outputs
    bint bias
    double keep
    double training_scale     # of a connection kept in training
    double inference_scale    # of every connection otherwise


cdef void draw(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Connections first .. last - 1 of V."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef const char* w = frame.params + step.params + first * itemsize
    cdef char* v = frame.saved[step.index]
    if frame.training:
        step.kernels.dropout_forward(last - first, &random, first, dims.keep, dims.training_scale, w, v + first * itemsize,
                                     <uint8_t*> v + dims.inputs * dims.outputs * itemsize + first)
    else:
        v = frame.scratch if v == NULL else v
        step.kernels.scale(last - first, dims.inference_scale, w, v + first * itemsize)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = 1 b + x V; V = M * W * training_scale, or W * inference_scale, is kept in scratch or saved."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch, dims.inputs, dims.outputs)
    cdef Py_ssize_t N = dims.inputs * dims.outputs, itemsize = step.kernels.itemsize
    cdef const char* w = frame.params + step.params
    cdef const char* bias = w + N * itemsize if dims.bias else NULL
    cdef char* v = frame.saved[step.index]
    if not frame.training and dims.inference_scale == 1.0:
        v = <char*> w
    else:
        step_in_parts(draw, step, frame, N, LINE_BYTES, N * itemsize, (DRAWN if frame.training else PLAIN))
        v = frame.scratch if v == NULL else v
    product(step, frame, &shape, frame.values[step.inputs[0]], v, bias, frame.values[step.outputs[0]])
    return OK


cdef void add_gradient(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """dW += scale M * G of connections first .. last - 1, G in scratch."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = dims.inputs * dims.outputs, itemsize = step.kernels.itemsize
    cdef const char* g = frame.scratch + first * itemsize
    cdef char* dw = dparams_of(step, frame) + first * itemsize
    cdef double scale = frame.scale * step.rate
    if frame.training:
        step.kernels.add_masked(last - first, scale * dims.training_scale,
                                <uint8_t*> frame.saved[step.index] + N * itemsize + first, g, dw)
    else:
        step.kernels.add_scaled(last - first, scale * dims.inference_scale, g, dw)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy V^T; dW += scale M * (x^T dy) (not training: all of it); db += scale 1^T dy."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch, dims.inputs, dims.outputs)
    cdef Py_ssize_t N = dims.inputs * dims.outputs, itemsize = step.kernels.itemsize
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef char* v = frame.saved[step.index]
    if dx != NULL:
        if not frame.training and dims.inference_scale == 1.0:
            v = <char*> frame.params + step.params
        input_gradient(step, frame, &shape, dy, v, dx)
    if dw != NULL:
        clear(frame.scratch, N * itemsize)
        weight_gradient(step, frame, &shape, 1.0, x, dy, frame.scratch, NULL)
        step_in_parts(add_gradient, step, frame, N, LINE_BYTES, N * itemsize, 2 * PLAIN)
        if dims.bias:
            bias_gradient(step, frame.batch, dims.outputs, frame.scale * step.rate, dy, dw + N * itemsize)
    return OK


cdef class DropConnectOp(Op):
    """As DenseOp, each connection missing with probability ``rate`` while training.

    ``inverted``: what is kept is scaled by 1/(1-rate) in training; otherwise all is scaled by 1-rate afterwards.
    """

    cdef Dims dims

    def __init__(self, Py_ssize_t inputs, Py_ssize_t outputs, bint bias, double rate, bint inverted):
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims = Dims(inputs=inputs, outputs=outputs, bias=bias, keep=1.0 - rate,
                         training_scale=1.0 / (1.0 - rate) if inverted else 1.0,
                         inference_scale=1.0 if inverted else 1.0 - rate)
        self.input_widths, self.output_widths = (inputs,), (outputs,)
        self.reads_input, self.product_size = True, inputs * outputs
        self.parameters = (Parameter("weight", (inputs, outputs), inputs, outputs, True),)
        if bias:
            self.parameters += (Parameter("bias", (outputs,), inputs, outputs, False),)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return self.dims.inputs * self.dims.outputs * (itemsize + 1)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return self.dims.inputs * self.dims.outputs * itemsize
