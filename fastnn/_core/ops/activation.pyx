"""Elementwise activation a = sigma(z), and softmax over each vector."""

from fastnn._core.step cimport Frame, OK, Op, Step

from fastnn._core.table import ACTIVATIONS, READS_INPUT


cdef struct Dims:
    Py_ssize_t N            # elements of a row; of a vector, for softmax
    Py_ssize_t vectors
    int kind
    double alpha


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    step.kernels.activation_forward[dims.kind](frame.batch * dims.N, dims.alpha, frame.values[step.inputs[0]],
                                               frame.values[step.outputs[0]])
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef char* dz = frame.gradients[step.inputs[0]]
    if dz != NULL:
        step.kernels.activation_backward[dims.kind](
            frame.batch * dims.N, dims.alpha, frame.values[step.inputs[0]], frame.values[step.outputs[0]],
            frame.gradients[step.outputs[0]], dz)
    return OK


cdef class ActivationOp(Op):
    """``activation`` is a key of ``ACTIVATIONS``; ``alpha`` is the slope of leaky_relu and the scale of elu."""

    cdef Dims dims
    cdef readonly double alpha

    def __init__(self, Py_ssize_t width, str activation, double alpha):
        self.activation, self.alpha = activation, alpha
        self.dims = Dims(N=width, vectors=1, kind=ACTIVATIONS[activation], alpha=alpha)
        self.input_widths = self.output_widths = (width,)
        self.in_place = self.reads_output = True
        self.reads_input = activation in READS_INPUT

    cdef void bind(self, Step* step) noexcept:
        step.forward, step.backward, step.config = forward, backward, &self.dims


cdef int softmax_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    step.kernels.softmax_forward(frame.batch * dims.vectors, dims.N, frame.values[step.inputs[0]], frame.values[step.outputs[0]])
    return OK


cdef int softmax_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef char* dz = frame.gradients[step.inputs[0]]
    if dz != NULL:
        step.kernels.softmax_backward(frame.batch * dims.vectors, dims.N, frame.values[step.outputs[0]],
                                      frame.gradients[step.outputs[0]], dz)
    return OK


cdef class SoftmaxOp(Op):
    """Softmax over ``width`` numbers, for each of the ``vectors`` of a row."""

    cdef Dims dims

    def __init__(self, Py_ssize_t width, Py_ssize_t vectors=1):
        self.activation = "softmax"
        self.dims = Dims(N=width, vectors=vectors, kind=0, alpha=0.0)
        self.input_widths = self.output_widths = (width * vectors,)
        self.in_place = self.reads_output = True

    cdef void bind(self, Step* step) noexcept:
        step.forward, step.backward, step.config = softmax_forward, softmax_backward, &self.dims
