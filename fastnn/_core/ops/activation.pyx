"""Elementwise activation a = sigma(z), and softmax and its logarithm over each vector."""

from fastnn._core.parts cimport CURVED, LINE, PLAIN, step_in_parts
from fastnn._core.step cimport ByRows, Frame, OK, Op, Step

from fastnn._core.table import ACTIVATIONS, READS_INPUT


STRAIGHT = ("identity", "relu", "leaky_relu", "clipped_relu")  # made of straight lines


cdef struct Dims:
    Py_ssize_t vectors      # of a row
    Py_ssize_t width        # of a vector
    int kind                # of fnn_activation, or one of the two below
    double alpha


cdef enum:
    SOFTMAX = -1
    LOG_SOFTMAX = -2


cdef void softmax_forward(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Vectors first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t at = first * dims.width * step.kernels.itemsize
    if dims.kind == SOFTMAX:
        step.kernels.softmax_forward(last - first, dims.width, frame.values[step.inputs[0]] + at,
                                     frame.values[step.outputs[0]] + at)
    else:
        step.kernels.log_softmax_forward(last - first, dims.width, frame.values[step.inputs[0]] + at,
                                         frame.values[step.outputs[0]] + at)


cdef void activation_forward(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Elements first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.activation_forward[dims.kind](last - first, dims.alpha, frame.values[step.inputs[0]] + at,
                                               frame.values[step.outputs[0]] + at)


cdef void softmax_backward(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t at = first * dims.width * step.kernels.itemsize
    if dims.kind == SOFTMAX:
        step.kernels.softmax_backward(last - first, dims.width, frame.values[step.outputs[0]] + at,
                                      frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at)
    else:
        step.kernels.log_softmax_backward(last - first, dims.width, frame.values[step.outputs[0]] + at,
                                          frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at)


cdef void activation_backward(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.activation_backward[dims.kind](
        last - first, dims.alpha, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at,
        frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """a = sigma(z)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t vectors = frame.batch * dims.vectors, N = vectors * dims.width
    if dims.kind < 0:
        step_in_parts(softmax_forward, step, frame, vectors, 1, N * step.kernels.itemsize, CURVED)
    else:
        step_in_parts(activation_forward, step, frame, N, LINE, N * step.kernels.itemsize, CURVED)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da sigma'(z); of softmax a (da - a . da), of its logarithm da - exp(a) sum da."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t vectors = frame.batch * dims.vectors, N = vectors * dims.width
    if frame.gradients[step.inputs[0]] == NULL:
        return OK
    if dims.kind < 0:
        step_in_parts(softmax_backward, step, frame, vectors, 1, N * step.kernels.itemsize, CURVED)
    else:
        step_in_parts(activation_backward, step, frame, N, LINE, N * step.kernels.itemsize, CURVED)
    return OK


cdef void forward_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Of the batch, of a function of each element."""
    cdef const Dims* dims = <const Dims*> step.config
    activation_forward(step, frame, first * dims.vectors * dims.width, last * dims.vectors * dims.width)


cdef void backward_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    if frame.gradients[step.inputs[0]] != NULL:
        activation_backward(step, frame, first * dims.vectors * dims.width, last * dims.vectors * dims.width)


cdef void tangent_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.activation_backward[dims.kind](
        last - first, dims.alpha, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at,
        frame.tangents[step.inputs[0]] + at, frame.tangents[step.outputs[0]] + at)


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ta = tz sigma'(z), of functions made of straight lines."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = frame.batch * dims.vectors * dims.width
    step_in_parts(tangent_part, step, frame, N, LINE, N * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class ActivationOp(Op):
    """Of the ``vectors`` of a row, each of ``width`` numbers: a key of ``ACTIVATIONS``, softmax or log_softmax.

    ``alpha`` is the slope of leaky_relu, the scale of elu and the limit of clipped_relu.
    """

    cdef Dims dims
    cdef readonly double alpha

    def __init__(self, Py_ssize_t width, str activation, double alpha=0.0, Py_ssize_t vectors=1):
        cdef int kind
        if activation == "softmax":
            kind = SOFTMAX
        elif activation == "log_softmax":
            kind = LOG_SOFTMAX
        else:
            kind = ACTIVATIONS[activation]
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.activation, self.alpha = activation, alpha
        self.dims = Dims(vectors=vectors, width=width, kind=kind, alpha=alpha)
        self.input_widths = self.output_widths = (vectors * width,)
        self.in_place = self.gradient_in_place = self.reads_output = True
        self.reads_input = activation in READS_INPUT
        if kind >= 0:
            self.forward_by = ByRows(rows=forward_rows, all=forward, begin=NULL, collect=NULL, collect_all=NULL, block=NULL)
            self.backward_by = ByRows(rows=backward_rows, all=backward, begin=NULL, collect=NULL, collect_all=NULL,
                                      block=NULL)
        if activation in STRAIGHT:
            self.tangent = tangent
