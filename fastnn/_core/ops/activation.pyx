"""Elementwise activation a = sigma(z), and softmax over each vector."""

from fastnn._core.step cimport Frame, OK, Op, Step

from fastnn._core.table import ACTIVATIONS, READS_INPUT


cdef struct Dims:
    Py_ssize_t vectors      # of a row
    Py_ssize_t width        # of a vector
    int kind                # of fnn_activation, or -1: softmax
    double alpha


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """a = sigma(z)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.vectors
    cdef const char* z = frame.values[step.inputs[0]]
    cdef char* a = frame.values[step.outputs[0]]
    if dims.kind < 0:
        step.kernels.softmax_forward(n, dims.width, z, a)
    else:
        step.kernels.activation_forward[dims.kind](n * dims.width, dims.alpha, z, a)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da sigma'(z), of softmax a (da - a . da)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.vectors
    cdef const char* a = frame.values[step.outputs[0]]
    cdef const char* da = frame.gradients[step.outputs[0]]
    cdef char* dz = frame.gradients[step.inputs[0]]
    if dz == NULL:
        return OK
    if dims.kind < 0:
        step.kernels.softmax_backward(n, dims.width, a, da, dz)
    else:
        step.kernels.activation_backward[dims.kind](n * dims.width, dims.alpha, frame.values[step.inputs[0]], a, da, dz)
    return OK


cdef class ActivationOp(Op):
    """Of the ``vectors`` of a row, each of ``width`` numbers: a key of ``ACTIVATIONS``, or softmax.

    ``alpha`` is the slope of leaky_relu and the scale of elu.
    """

    cdef Dims dims
    cdef readonly double alpha

    def __init__(self, Py_ssize_t width, str activation, double alpha=0.0, Py_ssize_t vectors=1):
        cdef int kind = -1 if activation == "softmax" else ACTIVATIONS[activation]
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.activation, self.alpha = activation, alpha
        self.dims = Dims(vectors=vectors, width=width, kind=kind, alpha=alpha)
        self.input_widths = self.output_widths = (vectors * width,)
        self.in_place = self.reads_output = True
        self.reads_input = activation in READS_INPUT
