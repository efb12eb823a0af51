# What ops do that can apply an activation to what they write: its gradient, before their own.
from fastnn._core.parts cimport LINE, PLAIN, step_in_parts
from fastnn._core.step cimport Frame, Step
from fastnn._core.table cimport FNN_IDENTITY


cdef inline void activation_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """dz = da * activation'(z) of elements first .. last - 1."""
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.activation_backward[step.activation](
        last - first, step.alpha, NULL, frame.values[step.outputs[0]] + at, frame.gradients[step.outputs[0]] + at,
        frame.gradients[step.preactivation] + at)


cdef inline const char* preactivation_gradient(const Step* step, const Frame* frame, Py_ssize_t N) noexcept nogil:
    """The gradient of the N numbers that the op computes, before the activation that was fused into its step."""
    if step.activation == FNN_IDENTITY:
        return frame.gradients[step.outputs[0]]
    step_in_parts(activation_part, step, frame, N, LINE, N * step.kernels.itemsize, 2 * PLAIN)
    return frame.gradients[step.preactivation]


cdef inline const char* preactivation_gradient_of(const Step* step, const Frame* frame, Py_ssize_t first,
                                                  Py_ssize_t last) noexcept nogil:
    """Likewise, of elements first .. last - 1 alone, in the calling thread; the pointer is to the first of all."""
    if step.activation == FNN_IDENTITY:
        return frame.gradients[step.outputs[0]]
    activation_part(step, frame, first, last)
    return frame.gradients[step.preactivation]
