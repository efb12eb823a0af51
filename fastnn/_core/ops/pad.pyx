"""Rows and columns put around an image, or taken off it.

What takes them off is the gradient of what puts zeros around, and the other way; where the padding shows pixels of the
image, their gradients are added up.
"""

from cython cimport floating
from libc.string cimport memcpy, memset

from fastnn._core.ops.padding cimport Padding, fold, keep
from fastnn._core.parts cimport PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent

cdef struct Dims:
    Padding image           # the smaller one in the larger one; -1: the value
    bint shows              # the padding shows pixels of the image
    double value


cdef void fill(floating* to, Py_ssize_t n, double value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] = <floating> value


cdef void set_all(char* to, Py_ssize_t n, Py_ssize_t itemsize, double value) noexcept nogil:
    """n numbers of this value."""
    if value == 0:
        memset(to, 0, n * itemsize)
    elif itemsize == sizeof(float):
        fill(<float*> to, n, value)
    else:
        fill(<double*> to, n, value)


cdef void show(const Dims* dims, Py_ssize_t itemsize, const char* row, Py_ssize_t column, char* to) noexcept nogil:
    """A pixel beside the image."""
    if dims.image.column[column] < 0:
        set_all(to, dims.image.size, itemsize, dims.value)
    else:
        memcpy(to, row + dims.image.column[column] * dims.image.size * itemsize, dims.image.size * itemsize)


cdef void put_around(const Dims* dims, Py_ssize_t itemsize, Py_ssize_t first, Py_ssize_t last, const char* small,
                     char* large) noexcept nogil:
    """Rows first .. last - 1 of the larger images of a batch."""
    cdef Py_ssize_t pixel = dims.image.size * itemsize, line = dims.image.width * pixel, r, h, w
    cdef const char* row
    cdef char* to
    for r in range(first, last):
        h = dims.image.row[r % dims.image.rows]
        to = large + r * dims.image.columns * pixel
        if h < 0:
            set_all(to, dims.image.columns * dims.image.size, itemsize, dims.value)
            continue
        row = small + (r // dims.image.rows * dims.image.height + h) * line
        for w in range(dims.image.left):
            show(dims, itemsize, row, w, to + w * pixel)
        memcpy(to + dims.image.left * pixel, row, line)
        for w in range(dims.image.left + dims.image.width, dims.image.columns):
            show(dims, itemsize, row, w, to + w * pixel)


cdef void take_off(const Dims* dims, Py_ssize_t itemsize, Py_ssize_t first, Py_ssize_t last, const char* large,
                   char* small) noexcept nogil:
    """Rows first .. last - 1 of the smaller images of a batch."""
    cdef Py_ssize_t pixel = dims.image.size * itemsize, line = dims.image.width * pixel, r, at
    for r in range(first, last):
        at = r // dims.image.height * dims.image.rows + dims.image.top + r % dims.image.height
        memcpy(small + r * line, large + (at * dims.image.columns + dims.image.left) * pixel, line)


cdef void fold_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """dx of images first .. last - 1 = the gradients of all places that show its pixel."""
    cdef const Padding* p = &(<const Dims*> step.config).image
    cdef Py_ssize_t pixel = p.size * step.kernels.itemsize, i
    for i in range(first, last):
        fold(step, p, frame.gradients[step.outputs[0]] + i * p.rows * p.columns * pixel,
             frame.gradients[step.inputs[0]] + i * p.height * p.width * pixel)


cdef void pad_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    put_around(<const Dims*> step.config, step.kernels.itemsize, first, last, frame.values[step.inputs[0]],
               frame.values[step.outputs[0]])


cdef void pad_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    take_off(<const Dims*> step.config, step.kernels.itemsize, first, last, frame.gradients[step.outputs[0]],
             frame.gradients[step.inputs[0]])


cdef void crop_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    take_off(<const Dims*> step.config, step.kernels.itemsize, first, last, frame.values[step.inputs[0]],
             frame.values[step.outputs[0]])


cdef void crop_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    put_around(<const Dims*> step.config, step.kernels.itemsize, first, last, frame.gradients[step.outputs[0]],
               frame.gradients[step.inputs[0]])


cdef inline Py_ssize_t large_bytes(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    return frame.batch * dims.image.rows * dims.image.columns * dims.image.size * step.kernels.itemsize


cdef int pad_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x with the padding around it."""
    step_in_parts(pad_part, step, frame, frame.batch * (<const Dims*> step.config).image.rows, 1, large_bytes(step, frame),
                  2 * PLAIN)
    return OK


cdef int pad_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy within the padding, and what of the padding shows it."""
    cdef const Dims* dims = <const Dims*> step.config
    if frame.gradients[step.inputs[0]] == NULL:
        return OK
    if dims.shows:
        step_in_parts(fold_part, step, frame, frame.batch, 1, large_bytes(step, frame), 2 * PLAIN)
    else:
        step_in_parts(pad_backward_part, step, frame, frame.batch * dims.image.height, 1, large_bytes(step, frame), 2 * PLAIN)
    return OK


cdef int crop_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x without its border."""
    step_in_parts(crop_part, step, frame, frame.batch * (<const Dims*> step.config).image.height, 1, large_bytes(step, frame),
                  2 * PLAIN)
    return OK


cdef int crop_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy, and 0 in the border."""
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(crop_backward_part, step, frame, frame.batch * (<const Dims*> step.config).image.rows, 1,
                      large_bytes(step, frame), 2 * PLAIN)
    return OK


cdef class PadOp(Op):
    """An image (H, W, C) in a larger one, each of whose rows and columns shows one of the image's: -1 is ``value``."""

    cdef Dims dims
    cdef list memory

    def __init__(self, image, before, rows, columns, double value=0.0):
        (H, W, C), (top, left) = image, before
        self.memory = []
        self.dims = Dims(image=Padding(height=H, width=W, size=C, rows=len(rows), columns=len(columns), top=top, left=left,
                                       row=keep(self.memory, rows), column=keep(self.memory, columns)),
                         shows=min(*rows, *columns) >= 0, value=value)
        self.forward, self.backward, self.config = pad_forward, pad_backward, &self.dims
        if value == 0.0:
            self.tangent = linear_tangent
        self.input_widths, self.output_widths = (H * W * C,), (len(rows) * len(columns) * C,)


cdef class CropOp(Op):
    """What ``size`` rows and columns of an image (H, W, C) hold after the first ``before`` of them."""

    cdef Dims dims
    cdef list memory

    def __init__(self, image, before, size):
        (H, W, C), (top, left), (height, width) = image, before, size
        self.memory = []
        rows = [h - top if top <= h < top + height else -1 for h in range(H)]
        columns = [w - left if left <= w < left + width else -1 for w in range(W)]
        self.dims = Dims(image=Padding(height=height, width=width, size=C, rows=H, columns=W, top=top, left=left,
                                       row=keep(self.memory, rows), column=keep(self.memory, columns)),
                         shows=False, value=0.0)
        self.forward, self.backward, self.tangent, self.config = crop_forward, crop_backward, linear_tangent, &self.dims
        self.input_widths, self.output_widths, self.copies = (H * W * C,), (height * width * C,), True
