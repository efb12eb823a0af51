"""Fully connected: y = x W + b, with b as the last row of W[I+1, O]: the weight of a constant-1 input."""

from fastnn._core.table cimport fnn_shape
from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.products cimport forward as product, input_gradient, weight_gradient, whole
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t vectors      # of a row: each goes through the layer
    Py_ssize_t inputs
    Py_ssize_t outputs
    bint bias


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(1 b + x W)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch * dims.vectors, dims.inputs, dims.outputs)
    cdef const char* w = frame.params + step.params
    cdef const char* bias = w + dims.inputs * dims.outputs * step.kernels.itemsize if dims.bias else NULL
    product(step, frame, &shape, frame.values[step.inputs[0]], w, bias, frame.values[step.outputs[0]])
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz W^T; dW += scale x^T dz; db += scale 1^T dz."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch * dims.vectors, dims.inputs, dims.outputs)
    cdef const char* w = frame.params + step.params
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dz = preactivation_gradient(step, frame, shape.batch * dims.outputs)
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef char* db = dw + dims.inputs * dims.outputs * step.kernels.itemsize if dw != NULL and dims.bias else NULL
    cdef double scale = frame.scale * step.rate
    if shape.batch == 1 and dx != NULL and dw != NULL and step.products.row_gradients != NULL:
        step.products.row_gradients(&shape, scale, x, dz, w, dx, dw)
        if db != NULL:
            step.kernels.add_row_sum(1, dims.outputs, scale, dz, dims.outputs, db)
        return OK
    if dx != NULL:
        input_gradient(step, frame, &shape, dz, w, dx)
    if dw != NULL:
        weight_gradient(step, frame, &shape, scale, x, dz, dw, db)
    return OK


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = tx W; dW += scale tx^T dy."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch * dims.vectors, dims.inputs, dims.outputs)
    cdef const char* t = frame.tangents[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    product(step, frame, &shape, t, frame.params + step.params, NULL, frame.tangents[step.outputs[0]])
    if dw != NULL:
        weight_gradient(step, frame, &shape, frame.scale * step.rate, t, frame.gradients[step.outputs[0]], dw, NULL)
    return OK


cdef class DenseOp(Op):
    """From ``inputs`` to ``outputs`` numbers, for each of the ``vectors`` of a row."""

    cdef Dims dims

    def __init__(self, Py_ssize_t inputs, Py_ssize_t outputs, bint bias, Py_ssize_t vectors=1):
        self.forward, self.backward, self.tangent, self.config = forward, backward, tangent, &self.dims
        self.dims = Dims(vectors=vectors, inputs=inputs, outputs=outputs, bias=bias)
        self.input_widths, self.output_widths, self.repeats = (vectors * inputs,), (vectors * outputs,), vectors
        self.reads_input, self.product_size, self.activates = True, inputs * outputs, True
        self.parameters = (Parameter("weight", (inputs, outputs), inputs, outputs, True),)
        if bias:
            self.parameters += (Parameter("bias", (outputs,), inputs, outputs, False),)
