# Padded copies of images (H, W, C), rows and columns of which stand around the image.
from libc.stdint cimport int32_t

from fastnn._core.step cimport Step, whole_lines

# An image, and where each row and column of its padded copy comes from.
cdef struct Padding:
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t size         # elements of a pixel
    Py_ssize_t rows         # of the padded copy
    Py_ssize_t columns
    Py_ssize_t top          # of them before the image's own
    Py_ssize_t left
    const int32_t* row      # -1: zeros
    const int32_t* column

cdef inline bint pads(const Padding* p) noexcept nogil:
    """Whether the padded copy differs from the image."""
    return p.rows != p.height or p.columns != p.width

cdef inline Py_ssize_t padded_bytes(const Padding* p, Py_ssize_t itemsize) noexcept nogil:
    """Of a padded copy, with what may be read past its end."""
    return whole_lines(p.rows * p.columns * p.size * itemsize + 64)

cdef Padding padding_of(list owner, Py_ssize_t height, Py_ssize_t width, Py_ssize_t size, before, after, mode) except *
cdef void pad_rows(const Padding* p, Py_ssize_t itemsize, const char* x, Py_ssize_t first, Py_ssize_t last,
                   char* out) noexcept nogil
cdef void fold(const Step* step, const Padding* p, const char* padded, char* dx) noexcept nogil
cdef const int32_t* keep(list owner, table) except NULL
