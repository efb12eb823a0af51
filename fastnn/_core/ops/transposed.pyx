"""Transposed convolution: a map (H, W, C), each pixel of which adds to its window of an image.

It is the input gradient of a convolution of that image, whose products therefore are all that it needs: the weights (KH, KW,
filters / groups, C) are those of the convolution, its map is x and its image y.
"""

from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.ops.windows cimport (
    Dims, End, depth, forward as product, forward_scratch, image_size, input_gradient, input_gradient_scratch, lay_out,
    weight_gradient, weight_gradient_scratch)
from fastnn._core.products cimport bias_gradient
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of
from fastnn._core.table cimport FNN_IDENTITY

from fastnn._core.step import Parameter

cdef struct Config:
    Dims dims
    bint bias


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(b + sum over the pixels whose window holds it of x w)."""
    cdef const Config* config = <const Config*> step.config
    cdef const Dims* dims = &config.dims
    cdef const char* w = frame.params + step.params
    cdef const char* bias = w + depth(dims) * dims.filters * step.kernels.itemsize if config.bias else NULL
    input_gradient(step, frame, dims, frame.values[step.inputs[0]], w,
                   End(bias=bias, activation=step.activation, alpha=step.alpha), frame.values[step.outputs[0]], False)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz convolved with the weights; dw += scale dz x over all pixels; db likewise."""
    cdef const Config* config = <const Config*> step.config
    cdef const Dims* dims = &config.dims
    cdef Py_ssize_t N = frame.batch * image_size(dims)
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef const char* dz = preactivation_gradient(step, frame, N)
    cdef double scale = frame.scale * step.rate
    if dx != NULL:
        product(step, frame, dims, dz, frame.params + step.params, End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0), dx,
                False)
    if dw != NULL:
        weight_gradient(step, frame, dims, scale, dz, frame.values[step.inputs[0]], dw, NULL)
        if config.bias:
            bias_gradient(step, N // dims.x.size, dims.x.size, scale, dz,
                          dw + depth(dims) * dims.filters * step.kernels.itemsize)
    return OK


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = sum over the pixels whose window holds it of tx w; dw += scale dy tx over all pixels."""
    cdef const Dims* dims = &(<const Config*> step.config).dims
    cdef const char* t = frame.tangents[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    input_gradient(step, frame, dims, t, frame.params + step.params, End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0),
                   frame.tangents[step.outputs[0]], False)
    if dw != NULL:
        weight_gradient(step, frame, dims, frame.scale * step.rate, frame.gradients[step.outputs[0]], t, dw, NULL)
    return OK


cdef class TransposedConvolutionOp(Op):
    """From the maps of a ``Geometry`` to its images."""

    cdef Config dims
    cdef list memory

    def __init__(self, geometry, bint bias):
        g = geometry
        self.memory = []
        self.forward, self.backward, self.tangent, self.config = forward, backward, tangent, &self.dims
        lay_out(&self.dims.dims, self.memory, g)
        self.dims.bias = bias
        (KH, KW), (OH, OW) = g.kernel, g.output
        self.input_widths, self.output_widths = (OH * OW * g.filters,), (g.height * g.width * g.channels,)
        self.reads_input, self.reads_on, self.activates, self.repeats = True, True, True, OH * OW
        C, O = g.channels // g.groups, g.filters // g.groups
        # A pixel of y lies in the windows of about so many pixels of x.
        seen = max(1, KH * KW // (g.strides[0] * g.strides[1]))
        self.parameters = (Parameter("weight", (KH, KW, C, g.filters), seen * O, KH * KW * C, True),)
        if bias:
            self.parameters += (Parameter("bias", (g.channels,), seen * O, KH * KW * C, False),)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef const Dims* dims = &self.dims.dims
        cdef Py_ssize_t nbytes = input_gradient_scratch(dims, itemsize)
        if training:
            nbytes = max(nbytes, max(forward_scratch(dims, itemsize), weight_gradient_scratch(dims, itemsize)))
        return nbytes
