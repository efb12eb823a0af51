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
    multiply(step, frame.batch, dims.inputs, dims.outputs, x, w, w + dims.inputs * dims.outputs * step.kernels.itemsize if dims.bias else NULL, y)
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
        multiply_transposed(step, frame.batch, dims.inputs, dims.outputs, dy, frame.params + step.params, dx)
    if step.trainable:
        if frame.batch == 1:
            step.blas.ger(dims.inputs, dims.outputs, scale, x, dy, dw)
        else:
            step.blas.gemm(True, False, dims.inputs, dims.outputs, frame.batch, scale, x, dy, 1.0, dw)
        if dims.bias:
            step.kernels.add_row_sum(frame.batch, dims.outputs, scale, dy, dw + dims.inputs * dims.outputs * step.kernels.itemsize)
    return OK


cdef void multiply(const Step* step, Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, const char* x, const char* w,
                   const char* bias, char* y) noexcept nogil:
    """y = 1 bias + x w; bias NULL: y = x w."""
    if bias != NULL:
        step.kernels.fill_rows(B, O, bias, y)
    cdef double beta = 0.0 if bias == NULL else 1.0
    if B == 1:
        step.blas.gemv(True, I, O, 1.0, w, x, beta, y)
    else:
        step.blas.gemm(False, False, B, O, I, 1.0, x, w, beta, y)


cdef void multiply_transposed(const Step* step, Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, const char* dy,
                              const char* w, char* dx) noexcept nogil:
    """dx = dy w^T."""
    if B == 1:
        step.blas.gemv(False, I, O, 1.0, w, dy, 0.0, dx)
    else:
        step.blas.gemm(False, True, B, I, O, 1.0, dy, w, 0.0, dx)


cdef class DenseOp(Op):
    """``inputs`` numbers per row in, ``outputs`` out."""

    cdef Dims dims

    def __init__(self, Py_ssize_t inputs, Py_ssize_t outputs, bint bias):
        self.dims = Dims(inputs=inputs, outputs=outputs, bias=bias)
        self.input_widths, self.output_widths = (inputs,), (outputs,)
        self.reads_input = self.needs_blas = True
        self.parameters = (Parameter("weight", (inputs, outputs), inputs, outputs, True),)
        if bias:
            self.parameters += (Parameter("bias", (outputs,), inputs, outputs, False),)

    cdef void bind(self, Step* step) noexcept:
        step.forward, step.backward, step.config = forward, backward, &self.dims
