"""The matmuls of a dense layer on several threads.

A matmul is split along one of its dimensions into one part per thread, or into fewer if parts would be too small.  Each
element of the result is summed within one part, so its bits do not depend on the split.  A wide layer is split along
its outputs both in the forward matmul and in the weight gradient, so that each thread keeps its columns of W in cache.
"""

from fastnn._core.table cimport fnn_products
from fastnn._core.pool cimport run_parts, threads

cdef enum:
    PART_WORK = 1 << 18     # least multiply-adds of a part: about 3 us
    PART_COLUMNS = 64       # least columns of a part, for whole tiles
    PART_ROWS = 8           # least rows of a part, likewise
    CACHE_LINE = 16         # elements of the smaller dtype

cdef enum Product:
    FORWARD
    INPUT_GRADIENT
    WEIGHT_GRADIENT

cdef enum Axis:
    BATCH
    INPUTS
    OUTPUTS

cdef struct Job:
    Product product
    const Step* step
    const fnn_shape* shape
    double scale
    char* x                 # or dx
    char* w                 # or dw
    const char* bias
    char* y                 # or dy
    Axis axis
    Py_ssize_t parts


cdef void run(const Job* job, const fnn_shape* shape, char* x, char* w, const char* bias, char* y) noexcept nogil:
    cdef const fnn_products* products = job.step.products
    if job.product == FORWARD:
        products.forward(shape, x, w, bias, job.step.activation, job.step.alpha, y)
    elif job.product == INPUT_GRADIENT:
        products.input_gradient(shape, y, w, x)
    else:
        products.weight_gradient(shape, job.scale, x, y, w)


cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t parts, Py_ssize_t part) noexcept nogil:
    """Where a part begins, a multiple of ``unit``: no two parts write to one cache line of a row."""
    return n if part == parts else n * part // parts // unit * unit


cdef void run_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef fnn_shape shape = job.shape[0]
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, b = 0, i = 0, o = 0   # where the part begins on each axis
    if job.axis == BATCH:
        b = cut(shape.batch, PART_ROWS, job.parts, part)
        shape.batch = cut(shape.batch, PART_ROWS, job.parts, part + 1) - b
    elif job.axis == INPUTS:
        i = cut(shape.inputs, CACHE_LINE, job.parts, part)
        shape.inputs = cut(shape.inputs, CACHE_LINE, job.parts, part + 1) - i
    else:
        o = cut(shape.outputs, CACHE_LINE, job.parts, part)
        shape.outputs = cut(shape.outputs, CACHE_LINE, job.parts, part + 1) - o
    run(job, &shape, job.x + (b * shape.x_row + i) * itemsize, job.w + (i * shape.w_row + o) * itemsize,
        job.bias + (b * shape.bias_row + o) * itemsize if job.bias != NULL else NULL,
        job.y + (b * shape.y_row + o) * itemsize)


cdef void split(Job* job, Axis wide, Py_ssize_t columns, Axis other, Py_ssize_t rows, Py_ssize_t unit) noexcept nogil:
    """Split along ``wide`` if each part gets enough of its ``columns``, else along ``other`` in units of ``unit``."""
    cdef const fnn_shape* shape = job.shape
    cdef Py_ssize_t parts = shape.batch * shape.inputs * shape.outputs // PART_WORK
    if parts > 1:
        parts = min(parts, <Py_ssize_t> threads())
    if parts > 1 and columns >= parts * PART_COLUMNS:
        job.axis = wide
    else:
        parts = min(parts, rows // unit)
        job.axis = other
    job.parts = parts
    if parts > 1:
        run_parts(run_part, job, parts)
    else:
        run(job, shape, job.x, job.w, job.bias, job.y)


cdef void forward(const Step* step, const fnn_shape* shape, const char* x, const char* w, const char* bias,
                  char* y) noexcept nogil:
    """y = activation(1 bias + x w), the activation being the step's; shape.bias_row as in the kernel."""
    cdef Job job = Job(product=FORWARD, step=step, shape=shape, scale=0.0, x=<char*> x, w=<char*> w, bias=bias, y=y,
                       axis=OUTPUTS, parts=1)
    split(&job, OUTPUTS, shape.outputs, BATCH, shape.batch, PART_ROWS)


cdef void input_gradient(const Step* step, const fnn_shape* shape, const char* dy, const char* w,
                         char* dx) noexcept nogil:
    """dx = dy w^T."""
    cdef Job job = Job(product=INPUT_GRADIENT, step=step, shape=shape, scale=0.0, x=dx, w=<char*> w, bias=NULL,
                       y=<char*> dy, axis=INPUTS, parts=1)
    split(&job, INPUTS, shape.inputs, BATCH, shape.batch, PART_ROWS)


cdef void weight_gradient(const Step* step, const fnn_shape* shape, double scale, const char* x, const char* dy,
                          char* dw) noexcept nogil:
    """dw += scale x^T dy."""
    cdef Job job = Job(product=WEIGHT_GRADIENT, step=step, shape=shape, scale=scale, x=<char*> x, w=dw, bias=NULL,
                       y=<char*> dy, axis=OUTPUTS, parts=1)
    split(&job, OUTPUTS, shape.outputs, INPUTS, shape.inputs, CACHE_LINE)
