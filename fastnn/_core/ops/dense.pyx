"""Fully connected: y = x W + b, with b as the last row of W[I+1, O]: the weight of a constant-1 input."""

from fastnn._core.step cimport Frame, OK, Op, Step

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t inputs
    Py_ssize_t outputs
    bint bias


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = 1 b + x W."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef const char* w = frame.params + step.params
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    cdef const char* bias = w + dims.inputs * dims.outputs * step.kernels.itemsize if dims.bias else NULL
    step.products.forward(frame.batch, dims.inputs, dims.outputs, x, w, bias, y)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy W^T; dW += scale x^T dy; db += scale 1^T dy."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = frame.dparams + step.params
    cdef double scale = frame.scale * step.rate
    if dx != NULL:
        step.products.input_gradient(frame.batch, dims.inputs, dims.outputs, dy, frame.params + step.params, dx)
    if step.trainable:
        step.products.weight_gradient(frame.batch, dims.inputs, dims.outputs, scale, x, dy, dw)
        if dims.bias:
            step.kernels.add_row_sum(frame.batch, dims.outputs, scale, dy, dw + dims.inputs * dims.outputs * step.kernels.itemsize)
    return OK


cdef class DenseOp(Op):
    """``inputs`` numbers per row in, ``outputs`` out."""

    cdef Dims dims

    def __init__(self, Py_ssize_t inputs, Py_ssize_t outputs, bint bias):
        self.dims = Dims(inputs=inputs, outputs=outputs, bias=bias)
        self.input_widths, self.output_widths = (inputs,), (outputs,)
        self.reads_input, self.product_size = True, inputs * outputs
        self.parameters = (Parameter("weight", (inputs, outputs), inputs, outputs, True),)
        if bias:
            self.parameters += (Parameter("bias", (outputs,), inputs, outputs, False),)

    cdef void bind(self, Step* step) noexcept:
        step.forward, step.backward, step.config = forward, backward, &self.dims
