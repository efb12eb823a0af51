"""Fully connected with randomly missing connections: y = x (M * W) + b, M drawn anew for every mini-batch.

Wan et al. 2013, "Regularization of Neural Networks using DropConnect", with one mask per mini-batch instead of one
per row, so that the product stays one matrix product.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from fastnn._core.table cimport fnn_random, fnn_shape
from fastnn._core.products cimport forward as product, input_gradient, weight_gradient, whole
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t inputs
    Py_ssize_t outputs
    bint bias
    double keep
    double training_scale     # of a connection kept in training
    double inference_scale    # of every connection otherwise


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = 1 b + x V; V = M * W * training_scale, or W * inference_scale, is kept in scratch or saved."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch, dims.inputs, dims.outputs)
    cdef Py_ssize_t N = dims.inputs * dims.outputs, itemsize = step.kernels.itemsize
    cdef const char* w = frame.params + step.params
    cdef const char* bias = w + N * itemsize if dims.bias else NULL
    cdef fnn_random random = fnn_random(seed=frame.seed, step=frame.step, stream=<unsigned int> step.index)
    cdef char* v = frame.saved[step.index]
    if frame.training:
        step.kernels.dropout_forward(N, &random, 0, dims.keep, dims.training_scale, w, v, <uint8_t*> v + N * itemsize)
    elif dims.inference_scale == 1.0:
        v = <char*> w
    else:
        v = frame.scratch if v == NULL else v
        step.kernels.scale(N, dims.inference_scale, w, v)
    product(step, &shape, frame.values[step.inputs[0]], v, bias, frame.values[step.outputs[0]])
    return OK


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
    cdef double scale = frame.scale * step.rate
    if dx != NULL:
        if not frame.training and dims.inference_scale == 1.0:
            v = <char*> frame.params + step.params
        input_gradient(step, &shape, dy, v, dx)
    if dw != NULL:
        memset(frame.scratch, 0, N * itemsize)
        weight_gradient(step, &shape, 1.0, x, dy, frame.scratch)
        if frame.training:
            step.kernels.add_masked(N, scale * dims.training_scale, <uint8_t*> frame.saved[step.index] + N * itemsize,
                                    frame.scratch, dw)
        else:
            step.kernels.add_scaled(N, scale * dims.inference_scale, frame.scratch, dw)
        if dims.bias:
            step.kernels.add_row_sum(frame.batch, dims.outputs, scale, dy, dw + N * itemsize)
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
