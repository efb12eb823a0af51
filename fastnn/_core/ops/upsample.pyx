"""Images made larger by whole factors, by the nearest pixel or between four."""

from fastnn._core.parts cimport PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent
from fastnn._core.table cimport fnn_upsample

cdef struct Dims:
    fnn_upsample u
    bint bilinear


cdef inline Py_ssize_t pixels(const fnn_upsample* u) noexcept nogil:
    """Of the larger image."""
    return u.height * u.row_factor * u.width * u.column_factor


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first .. last - 1 of the batch: of x by the nearest, of y between pixels."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef const fnn_upsample* u = &dims.u
    cdef Py_ssize_t rows = u.height * (u.row_factor if dims.bilinear else 1), itemsize = step.kernels.itemsize
    cdef Py_ssize_t at = first, end, image
    cdef const char* x
    cdef char* y
    while at < last:
        image = at // rows
        end = min(last, (image + 1) * rows)
        x = frame.values[step.inputs[0]] + image * u.height * u.width * u.channels * itemsize
        y = frame.values[step.outputs[0]] + image * pixels(u) * u.channels * itemsize
        if dims.bilinear:
            step.kernels.upsample_bilinear_forward(u, at - image * rows, end - image * rows, x, y)
        else:
            step.kernels.upsample_nearest_forward(u, at - image * rows, end - image * rows, x, y)
        at = end


cdef void backward_images(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef const fnn_upsample* u = &dims.u
    cdef Py_ssize_t itemsize = step.kernels.itemsize, image
    cdef const char* dy
    cdef char* dx
    for image in range(first, last):
        dy = frame.gradients[step.outputs[0]] + image * pixels(u) * u.channels * itemsize
        dx = frame.gradients[step.inputs[0]] + image * u.height * u.width * u.channels * itemsize
        if dims.bilinear:
            step.kernels.upsample_bilinear_backward(u, dy, dx)
        else:
            step.kernels.upsample_nearest_backward(u, 0, u.height, dy, dx)


cdef inline Py_ssize_t nbytes(const Step* step, const Frame* frame) noexcept nogil:
    cdef const fnn_upsample* u = &(<const Dims*> step.config).u
    return frame.batch * pixels(u) * u.channels * step.kernels.itemsize


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x at the nearest pixel, or the mean of the four around, weighted by nearness."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t rows = frame.batch * dims.u.height * (dims.u.row_factor if dims.bilinear else 1)
    step_in_parts(forward_part, step, frame, rows, 1, nbytes(step, frame), (5 if dims.bilinear else 2) * PLAIN)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = the sum of dy over all pixels that x went to, with their weights."""
    cdef const Dims* dims = <const Dims*> step.config
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(backward_images, step, frame, frame.batch, 1, nbytes(step, frame),
                      (8 if dims.bilinear else 2) * PLAIN)
    return OK


cdef class UpsampleOp(Op):
    """An image (H, W, C), so many times as high and as wide."""

    cdef Dims dims

    def __init__(self, image, factor, bint bilinear):
        (H, W, C), (rows, columns) = image, factor
        self.forward, self.backward, self.tangent, self.config = forward, backward, linear_tangent, &self.dims
        self.dims.bilinear = bilinear
        self.dims.u = fnn_upsample(height=H, width=W, channels=C, row_factor=rows, column_factor=columns)
        self.input_widths, self.output_widths = (H * W * C,), (H * rows * W * columns * C,)
