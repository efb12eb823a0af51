"""Padded copies of images (H, W, C), which convolutions read."""

from libc.string cimport memcpy, memset

from fastnn._core.memory cimport zeros

import numpy as np

from fastnn._core.ops.convolution_tables import sources


cdef void pad_rows(const Padding* p, Py_ssize_t itemsize, const char* x, Py_ssize_t first, Py_ssize_t last,
                   char* out) noexcept nogil:
    """Rows first .. last - 1 of the padded copy of an image."""
    cdef Py_ssize_t pixel = p.size * itemsize, h, w, low = p.left, high = p.left + p.width
    cdef const char* row
    cdef char* to
    h = first
    while h < last:
        to = out + h * p.columns * pixel
        if p.columns == p.width and 0 <= p.row[h]:      # rows that follow each other at once
            w = 1
            while h + w < last and p.row[h + w] == p.row[h] + w:
                w += 1
            memcpy(to, x + p.row[h] * p.width * pixel, w * p.width * pixel)
            h += w
            continue
        h += 1
        if p.row[h - 1] < 0:
            memset(to, 0, p.columns * pixel)
            continue
        row = x + p.row[h - 1] * p.width * pixel
        memcpy(to + low * pixel, row, p.width * pixel)
        for w in range(p.columns):
            if low <= w < high:
                continue
            if p.column[w] < 0:
                memset(to + w * pixel, 0, pixel)
            else:
                memcpy(to + w * pixel, row + p.column[w] * pixel, pixel)


cdef void fold(const Step* step, const Padding* p, const char* padded, char* dx) noexcept nogil:
    """dx = the gradients of all places of the padded image that show its pixel."""
    cdef Py_ssize_t pixel = p.size * step.kernels.itemsize, h, w
    cdef char* row
    memset(dx, 0, p.height * p.width * pixel)
    for h in range(p.rows):
        row = dx + p.row[h] * p.width * pixel
        step.kernels.add(p.width * p.size, row, padded + p.left * pixel, row)
        for w in range(p.columns):
            if w < p.left or w >= p.left + p.width:
                step.kernels.add(p.size, row + p.column[w] * pixel, padded + w * pixel, row + p.column[w] * pixel)
        padded += p.columns * pixel


cdef const int32_t* keep(list owner, table) except NULL:
    """The numbers of a table, in memory that lives as long as ``owner``."""
    numbers = np.ascontiguousarray(table, dtype=np.int32)
    cdef Py_ssize_t n = numbers.size
    cdef char* memory = <char*> zeros(owner, n + 1, sizeof(int32_t))
    cdef bytes source = numbers.tobytes()
    memcpy(memory, <const char*> source, n * sizeof(int32_t))
    return <const int32_t*> memory


cdef Padding padding_of(list owner, Py_ssize_t height, Py_ssize_t width, Py_ssize_t size, before, after, mode) except *:
    rows, columns = sources(height, before[0], after[0], mode), sources(width, before[1], after[1], mode)
    return Padding(height=height, width=width, size=size, rows=len(rows), columns=len(columns),
                   top=before[0], left=before[1], row=keep(owner, rows), column=keep(owner, columns))
