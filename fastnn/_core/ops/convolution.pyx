"""Convolution of images (H, W, C), channels last."""

from fastnn._core.carry cimport BACKWARD, all_after, all_before
from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.ops.windows cimport (
    Dims, End, depth, forward as product, forward_scratch, input_gradient, input_gradient_scratch, lay_out, map_size,
    weight_gradient, weight_gradient_scratch)
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of
from fastnn._core.table cimport FNN_IDENTITY

from fastnn._core.step import Parameter


cdef const char* bias_of(const Step* step, const Frame* frame, const Config* config) noexcept nogil:
    """Where the biases are, behind the weights; NULL: there are none."""
    cdef const Dims* dims = &config.dims
    if not config.bias:
        return NULL
    return frame.params + step.params + depth(dims) * dims.filters * step.kernels.itemsize


cdef void parameter_gradients(const Step* step, const Frame* frame, const Config* config, const char* dz) noexcept nogil:
    """dw += scale x dz over all pixels; db likewise; unless nobody wants them."""
    cdef const Dims* dims = &config.dims
    cdef char* dw = dparams_of(step, frame)
    if dw != NULL:
        weight_gradient(step, frame, dims, frame.scale * step.rate, frame.values[step.inputs[0]], dz, dw,
                        dw + depth(dims) * dims.filters * step.kernels.itemsize if config.bias else NULL)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(b + sum over the window of x w)."""
    cdef const Config* config = <const Config*> step.config
    product(step, frame, &config.dims, frame.values[step.inputs[0]], frame.params + step.params,
            End(bias=bias_of(step, frame, config), activation=step.activation, alpha=step.alpha),
            frame.values[step.outputs[0]], True)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz convolved with the turned weights; dw += scale x dz over all pixels; db likewise."""
    cdef const Config* config = <const Config*> step.config
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef const char* dz = preactivation_gradient(step, frame, frame.batch * map_size(&config.dims))
    if dx != NULL:
        input_gradient(step, frame, &config.dims, dz, frame.params + step.params,
                       End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0), dx, True)
    else:
        all_before(step, frame, BACKWARD)
        all_after(step, frame, BACKWARD)
    parameter_gradients(step, frame, config, dz)
    return OK


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = sum over the window of tx w; dw += scale tx dy over all pixels."""
    cdef const Dims* dims = &(<const Config*> step.config).dims
    cdef const char* t = frame.tangents[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    product(step, frame, dims, t, frame.params + step.params, End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0),
            frame.tangents[step.outputs[0]], False)
    if dw != NULL:
        weight_gradient(step, frame, dims, frame.scale * step.rate, t, frame.gradients[step.outputs[0]], dw, NULL)
    return OK


cdef class ConvolutionOp(Op):
    """A convolution of the sizes of a ``Geometry``; ``weight``: the shape of its weight, if it has other axes."""

    def __init__(self, geometry, bint bias, tuple weight=None):
        g = geometry
        self.memory = []
        self.forward, self.backward, self.tangent, self.config = forward, backward, tangent, &self.dims
        lay_out(&self.dims.dims, self.memory, g)
        self.dims.bias = bias
        (KH, KW), (OH, OW) = g.kernel, g.output
        self.input_widths, self.output_widths = (g.height * g.width * g.channels,), (OH * OW * g.filters,)
        self.reads_input, self.activates, self.repeats, self.carries = True, True, OH * OW, True
        C, O = g.channels // g.groups, g.filters // g.groups
        self.parameters = (Parameter("weight", weight or (KH, KW, C, g.filters), KH * KW * C, KH * KW * O, True),)
        if bias:
            self.parameters += (Parameter("bias", (g.filters,), KH * KW * C, KH * KW * O, False),)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef const Dims* dims = &self.dims.dims
        cdef Py_ssize_t nbytes = forward_scratch(dims, itemsize)
        if training:
            nbytes = max(nbytes, max(input_gradient_scratch(dims, itemsize), weight_gradient_scratch(dims, itemsize)))
        return nbytes
