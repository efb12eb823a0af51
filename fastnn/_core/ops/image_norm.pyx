"""Normalisation of each row of a batch by itself: groups of channels over the pixels of an image, and each pixel.

A row is one part's work: its sums, what follows from them, and its answers while it is in the cache.
"""

from libc.string cimport memcpy

from fastnn._core.ops.columns cimport (
    Columns, GAIN, INVERSE, LEVEL, TILT, add_slopes, coefficient, coefficients_bytes, gamma_of, map_of)
from fastnn._core.parts cimport NORMALISED, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of, whole_lines
from fastnn._core.table cimport fnn_columns

from fastnn._core.ops.learned import learned

# ---- groups of channels: saves mean and 1 / deviation of each channel's group, row by row ----

cdef struct GroupDims:
    Columns own             # rows: pixels
    Py_ssize_t group        # channels that have one mean and variance
    double epsilon


cdef inline Py_ssize_t sums_size(const GroupDims* dims) noexcept nogil:
    """Bytes of the sums of one image."""
    return whole_lines(2 * dims.own.columns * sizeof(double))


cdef inline Py_ssize_t area_size(const GroupDims* dims, Py_ssize_t itemsize) noexcept nogil:
    """Bytes of the scratch of one image: sums, then coefficients."""
    return sums_size(dims) + coefficients_bytes(dims.own.columns, itemsize)


cdef void group_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Images first .. last - 1."""
    cdef const GroupDims* dims = <const GroupDims*> step.config
    cdef Py_ssize_t P = dims.own.rows, C = dims.own.columns, itemsize = step.kernels.itemsize, size = C * itemsize, b, at
    cdef char* area
    cdef char* mean
    cdef char* inverse
    cdef double* moments
    cdef fnn_columns columns
    for b in range(first, last):
        at, moments = b * P * size, <double*> (frame.scratch + b * area_size(dims, itemsize))
        area = <char*> moments + sums_size(dims)
        mean, inverse = coefficient(area, C, itemsize, LEVEL), coefficient(area, C, itemsize, INVERSE)
        step.kernels.column_moments(P, C, frame.values[step.inputs[0]] + at, moments)
        step.kernels.group_moments(P, C, dims.group, moments, mean, coefficient(area, C, itemsize, TILT))
        step.kernels.inverse_deviations(C, dims.epsilon, coefficient(area, C, itemsize, TILT), inverse)
        columns = map_of(&dims.own, step, frame, mean, inverse, coefficient(area, C, itemsize, GAIN))
        step.kernels.map_columns(&columns, P, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at)
        if frame.saved[step.index] != NULL:
            memcpy(frame.saved[step.index] + 2 * b * size, mean, size)
            memcpy(frame.saved[step.index] + (2 * b + 1) * size, inverse, size)


cdef int group_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const GroupDims* dims = <const GroupDims*> step.config
    step_in_parts(group_forward_part, step, frame, frame.batch, 1,
                  frame.batch * dims.own.rows * dims.own.columns * step.kernels.itemsize, NORMALISED)
    return OK


cdef void group_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const GroupDims* dims = <const GroupDims*> step.config
    cdef Py_ssize_t P = dims.own.rows, C = dims.own.columns, itemsize = step.kernels.itemsize, size = C * itemsize, b, at
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef const char* inverse
    cdef char* area
    cdef double* sums
    cdef fnn_columns columns
    for b in range(first, last):
        at, sums = b * P * size, <double*> (frame.scratch + b * area_size(dims, itemsize))
        area, inverse = <char*> sums + sums_size(dims), frame.saved[step.index] + (2 * b + 1) * size
        columns = map_of(&dims.own, step, frame, frame.saved[step.index] + 2 * b * size, inverse,
                         coefficient(area, C, itemsize, GAIN))
        step.kernels.column_slopes(&columns, P, x + at, dy + at, sums)
        if dx != NULL:
            step.kernels.norm_levels(P, C, dims.group, gamma_of(&dims.own, step, frame), inverse, sums,
                                     coefficient(area, C, itemsize, LEVEL), coefficient(area, C, itemsize, TILT))
            step.kernels.column_gradient(&columns, P, coefficient(area, C, itemsize, LEVEL),
                                         coefficient(area, C, itemsize, TILT), x + at, dy + at, dx + at)
        step.kernels.scale_slopes(C, inverse, sums)


cdef int group_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx of each image and its sums; then the sums of all, in the order of the images."""
    cdef const GroupDims* dims = <const GroupDims*> step.config
    cdef double* sums = <double*> frame.scratch
    if frame.gradients[step.inputs[0]] == NULL and dparams_of(step, frame) == NULL:
        return OK
    step_in_parts(group_backward_part, step, frame, frame.batch, 1,
                  2 * frame.batch * dims.own.rows * dims.own.columns * step.kernels.itemsize, NORMALISED)
    if dparams_of(step, frame) != NULL and (dims.own.scale or dims.own.shift):
        step.kernels.join_slopes(frame.batch, dims.own.columns,
                                 area_size(dims, step.kernels.itemsize) // <Py_ssize_t> sizeof(double), sums)
        add_slopes(&dims.own, step, frame, sums)
    return OK


cdef class GroupNormOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each ``group`` of neighbouring columns has its moments."""

    cdef GroupDims dims

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t group, double epsilon, bint scale, bint shift):
        self.forward, self.backward, self.config = group_forward, group_backward, &self.dims
        self.dims = GroupDims(own=Columns(rows=rows, columns=columns, scale=scale, shift=shift), group=group,
                              epsilon=epsilon)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = self.activates = True
        self.parameters = learned(columns, scale, shift)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 2 * batch * self.dims.own.columns * itemsize

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return batch * area_size(&self.dims, itemsize)


# ---- pixels: saves 1 / root mean square of each ----

cdef struct PixelDims:
    Py_ssize_t rows         # pixels
    Py_ssize_t columns
    double epsilon


cdef void pixel_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Pixels first .. last - 1."""
    cdef const PixelDims* dims = <const PixelDims*> step.config
    cdef Py_ssize_t at = first * dims.columns * step.kernels.itemsize
    cdef char* saved = frame.saved[step.index]
    step.kernels.pixel_norm_forward(last - first, dims.columns, dims.epsilon, frame.values[step.inputs[0]] + at,
                                    frame.values[step.outputs[0]] + at,
                                    saved + first * step.kernels.itemsize if saved != NULL else NULL)


cdef int pixel_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const PixelDims* dims = <const PixelDims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.rows
    step_in_parts(pixel_forward_part, step, frame, n, 1, n * dims.columns * step.kernels.itemsize, NORMALISED)
    return OK


cdef void pixel_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const PixelDims* dims = <const PixelDims*> step.config
    cdef Py_ssize_t at = first * dims.columns * step.kernels.itemsize
    step.kernels.pixel_norm_backward(last - first, dims.columns, frame.values[step.inputs[0]] + at,
                                     frame.saved[step.index] + first * step.kernels.itemsize,
                                     frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at)


cdef int pixel_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const PixelDims* dims = <const PixelDims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.rows
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(pixel_backward_part, step, frame, n, 1, n * dims.columns * step.kernels.itemsize, NORMALISED)
    return OK


cdef class PixelNormOp(Op):
    """``rows`` pixels of ``columns`` numbers per row of the batch, each divided by its root mean square."""

    cdef PixelDims dims

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, double epsilon):
        self.forward, self.backward, self.config = pixel_forward, pixel_backward, &self.dims
        self.dims = PixelDims(rows=rows, columns=columns, epsilon=epsilon)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = True

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return batch * self.dims.rows * itemsize
