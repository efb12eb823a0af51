"""Weights as panels of columns, for a product that is computed again and again with the same weights.

The kernels work on a few columns of W at a time.  Rows of a wide W lie so far apart that these columns crowd into a few
places of a cache; as a panel they lie one behind the other.  A product copies its panels itself where its rows of outputs
pay for it; here many products do.  A BLAS lays weights out in its own way: for it all columns are one panel.
"""

from libc.string cimport memcpy

from fastnn._core.parts cimport PLAIN, in_parts, parts_of, share
from fastnn._core.products cimport product_work

cdef enum:
    TURNED_ROWS = 16        # rows of W that are turned over at a time: their cache lines are still there at the next column

cdef struct Packing:
    const Step* step
    Py_ssize_t rows
    Py_ssize_t columns
    const char* w
    Py_ssize_t w_row
    char* panels


cdef inline Py_ssize_t width_of(const Step* step, Py_ssize_t columns) noexcept nogil:
    """Columns of a panel."""
    return PANEL if step.products == &step.kernels.products else columns


cdef void pack_panels(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy panels first .. last - 1."""
    cdef const Packing* job = <const Packing*> argument
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, width = width_of(job.step, job.columns), p, k
    for p in range(first, last):
        for k in range(job.rows):
            memcpy(job.panels + (p * job.rows + k) * width * itemsize,
                   job.w + (k * job.w_row + p * width) * itemsize, min(width, job.columns - p * width) * itemsize)


cdef void turn_panels(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Likewise from a matrix whose rows are the columns."""
    cdef const Packing* job = <const Packing*> argument
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, width = width_of(job.step, job.columns), p, block, k, n, count
    cdef const char* w
    cdef char* panel
    for p in range(first, last):
        w = job.w + p * width * job.w_row * itemsize
        panel = job.panels + p * job.rows * width * itemsize
        count = min(width, job.columns - p * width)
        for block in range((count + TURNED_ROWS - 1) // TURNED_ROWS):
            for k in range(job.rows):
                for n in range(block * TURNED_ROWS, min((block + 1) * TURNED_ROWS, count)):
                    if itemsize == sizeof(float):
                        (<float*> panel)[k * width + n] = (<const float*> w)[n * job.w_row + k]
                    else:
                        (<double*> panel)[k * width + n] = (<const double*> w)[n * job.w_row + k]


cdef void pack(const Step* step, Py_ssize_t rows, Py_ssize_t columns, const char* w, Py_ssize_t w_row, bint turned,
               char* panels) noexcept nogil:
    """Panels of a matrix (rows, columns): w, or if ``turned`` that whose transpose is w; rows of w lie w_row apart."""
    cdef Packing job = Packing(step=step, rows=rows, columns=columns, w=w, w_row=w_row, panels=panels)
    cdef Py_ssize_t width = width_of(step, columns), nbytes = rows * columns * step.kernels.itemsize
    in_parts(turn_panels if turned else pack_panels, &job, (columns + width - 1) // width, 1, nbytes, 4 * PLAIN)


cdef struct Product:
    const Step* step
    const fnn_shape* shape
    const char* x
    const char* panels
    Py_ssize_t panel_rows
    const char* bias
    char* y


cdef void run_panels(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns of panels first .. last - 1."""
    cdef const Product* job = <const Product*> argument
    cdef const Step* step = job.step
    cdef Py_ssize_t itemsize = step.kernels.itemsize, p, at
    cdef fnn_shape part = job.shape[0]
    part.w_row = width_of(step, job.shape.outputs)
    for p in range(first, last):
        at = p * part.w_row * itemsize
        part.outputs = min(part.w_row, job.shape.outputs - p * part.w_row)
        step.products.forward(&part, job.x, job.panels + at * job.panel_rows, job.bias + at if job.bias != NULL else NULL,
                              step.activation, step.alpha, job.y + at)


cdef void forward_by_panels(const Step* step, const fnn_shape* shape, const char* x, const char* panels,
                            Py_ssize_t panel_rows, Py_ssize_t first_row, const char* bias, char* y) noexcept nogil:
    """y = 1 bias + x w; shape.bias_row as in the kernel.  Of a matrix in panels, with ``panel_rows`` rows, w is as many as
    x has columns, from ``first_row`` on."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize, width = width_of(step, shape.outputs)
    cdef Product job = Product(step=step, shape=shape, x=x, panels=panels + first_row * width * itemsize,
                               panel_rows=panel_rows, bias=bias, y=y)
    cdef Py_ssize_t count = (shape.outputs + width - 1) // width
    share(run_panels, &job, count, 1, parts_of(count, 1, product_work(step, shape),
                                               shape.batch * (shape.inputs + shape.outputs) // 2 * itemsize))
