"""The matmuls of a dense layer on several threads.

A matmul is split along one of its dimensions into one part per thread, or into fewer if parts would be too small.  Each
element of the result is summed within one part, so its bits do not depend on the split (those of a BLAS may).  A wide
layer is split along its outputs both in the forward matmul and in the weight gradient, so that each thread keeps its
columns of W in cache.
"""

from fastnn._core.table cimport fnn_products
from fastnn._core.parts cimport CACHE_BYTES, LINE, PLAIN, cut, in_parts, moved_of
from fastnn._core.pool cimport LONG, run_parts, threads, worth

cdef enum:
    BLAS_WORK = 1 << 18     # least multiply-adds of a part that a BLAS computes
    PART_COLUMNS = 64       # least columns of a part, for whole tiles
    PART_ROWS = 8           # least rows of a part, likewise
    READ = 5                # per byte of the weights that are read once

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
    char* bias              # or db
    char* y                 # or dy
    Axis axis
    Py_ssize_t parts


cdef void run(const Job* job, const fnn_shape* shape, char* x, char* w, char* bias, char* y) noexcept nogil:
    cdef const fnn_products* products = job.step.products
    if job.product == FORWARD:
        products.forward(shape, x, w, bias, job.step.activation, job.step.alpha, y)
    elif job.product == INPUT_GRADIENT:
        products.input_gradient(shape, y, w, x)
    else:
        products.weight_gradient(shape, job.scale, x, y, w)
        if bias != NULL:
            job.step.kernels.add_row_sum(shape.batch, shape.outputs, job.scale, y, shape.y_row, bias)


cdef void run_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef fnn_shape shape = job.shape[0]
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, b = 0, i = 0, o = 0   # where the part begins on each axis
    if job.axis == BATCH:
        b = cut(shape.batch, PART_ROWS, job.parts, part)
        shape.batch = cut(shape.batch, PART_ROWS, job.parts, part + 1) - b
    elif job.axis == INPUTS:
        i = cut(shape.inputs, LINE, job.parts, part)
        shape.inputs = cut(shape.inputs, LINE, job.parts, part + 1) - i
    else:
        o = cut(shape.outputs, LINE, job.parts, part)
        shape.outputs = cut(shape.outputs, LINE, job.parts, part + 1) - o
    run(job, &shape, job.x + (b * shape.x_row + i) * itemsize, job.w + (i * shape.w_row + o) * itemsize,
        job.bias + (b * shape.bias_row + o) * itemsize if job.bias != NULL and i == 0 else NULL,
        job.y + (b * shape.y_row + o) * itemsize)


cdef Py_ssize_t product_work(const Step* step, const fnn_shape* shape) noexcept nogil:
    """Picoseconds of a product on one thread."""
    return shape.inputs * shape.outputs * (shape.batch * multiply_add_work(step.kernels) + READ * step.kernels.itemsize)


cdef inline Py_ssize_t moved_by(const Job* job, const Frame* frame) noexcept nogil:
    """Bytes that go from one cache to another: half of the rows on either side; of weights that change some, which the
    input gradient reads along the rows, or half, if an optimiser writes them between two steps.

    All three products of a layer count them, so that they are shared by the same threads or by none.
    """
    cdef const fnn_shape* shape = job.shape
    cdef Py_ssize_t weights = shape.inputs * shape.outputs, itemsize = job.step.kernels.itemsize
    cdef Py_ssize_t rows = moved_of(shape.batch * (shape.inputs + shape.outputs) * itemsize), numbers = 0
    if frame.training:
        if weights * itemsize >= CACHE_BYTES:   # most is fetched from farther away than another's cache
            numbers = weights // 16
        else:
            numbers = weights // 8 if frame.keeps_columns else weights // 2
    return rows + numbers * itemsize


cdef Py_ssize_t product_parts(const Step* step, Py_ssize_t multiply_adds, Py_ssize_t work,
                              Py_ssize_t moved) noexcept nogil:
    """As many as the work is worth; of a BLAS, whose bits depend on the split, by shape and number of threads alone."""
    if step.products != &step.kernels.products:
        return max(1, min(<Py_ssize_t> threads(), multiply_adds // BLAS_WORK))
    return worth(work, moved) if threads() > 1 or work > LONG else 1


cdef void split(Job* job, const Frame* frame, Axis wide, Py_ssize_t columns, Axis other, Py_ssize_t rows,
                Py_ssize_t unit) noexcept nogil:
    """Split along ``wide`` if each part gets enough of its ``columns``, else along ``other`` in units of ``unit``."""
    cdef const fnn_shape* shape = job.shape
    cdef Py_ssize_t parts = product_parts(job.step, shape.batch * shape.inputs * shape.outputs,
                                          product_work(job.step, shape), moved_by(job, frame))
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


cdef void forward(const Step* step, const Frame* frame, const fnn_shape* shape, const char* x, const char* w,
                  const char* bias, char* y) noexcept nogil:
    """y = activation(1 bias + x w), the activation being the step's; shape.bias_row as in the kernel."""
    cdef Job job = Job(product=FORWARD, step=step, shape=shape, scale=0.0, x=<char*> x, w=<char*> w, bias=<char*> bias,
                       y=y, axis=OUTPUTS, parts=1)
    split(&job, frame, OUTPUTS, shape.outputs, BATCH, shape.batch, PART_ROWS)


cdef void input_gradient(const Step* step, const Frame* frame, const fnn_shape* shape, const char* dy, const char* w,
                         char* dx) noexcept nogil:
    """dx = dy w^T."""
    cdef Job job = Job(product=INPUT_GRADIENT, step=step, shape=shape, scale=0.0, x=dx, w=<char*> w, bias=NULL,
                       y=<char*> dy, axis=INPUTS, parts=1)
    split(&job, frame, INPUTS, shape.inputs, BATCH, shape.batch, PART_ROWS)


cdef void weight_gradient(const Step* step, const Frame* frame, const fnn_shape* shape, double scale, const char* x,
                          const char* dy, char* dw, char* db) noexcept nogil:
    """dw += scale x^T dy; db += scale 1^T dy, unless db is NULL.  Along the inputs, db is the first part's."""
    cdef Job job = Job(product=WEIGHT_GRADIENT, step=step, shape=shape, scale=scale, x=<char*> x, w=dw, bias=db,
                       y=<char*> dy, axis=OUTPUTS, parts=1)
    # Columns whose parts would meet within a line of each row are not shared: the line would go to and fro.
    split(&job, frame, OUTPUTS, shape.outputs if shape.w_row % LINE == 0 else 0, INPUTS, shape.inputs, LINE)


cdef struct RowSum:
    const Step* step
    Py_ssize_t B
    Py_ssize_t O
    double scale
    const char* dy
    char* db


cdef void sum_columns(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const RowSum* sums = <const RowSum*> job
    cdef Py_ssize_t at = first * sums.step.kernels.itemsize
    sums.step.kernels.add_row_sum(sums.B, last - first, sums.scale, sums.dy + at, sums.O, sums.db + at)


cdef void bias_gradient(const Step* step, Py_ssize_t B, Py_ssize_t O, double scale, const char* dy,
                        char* db) noexcept nogil:
    """db += scale 1^T dy, by itself."""
    cdef RowSum sums = RowSum(step=step, B=B, O=O, scale=scale, dy=dy, db=db)
    in_parts(sum_columns, &sums, O, LINE, B * O * step.kernels.itemsize, PLAIN)
