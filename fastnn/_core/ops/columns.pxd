# What ops do that scale and shift channels: gamma and beta, sums over blocks of rows, and maps of rows in parts.
from fastnn._core.parts cimport LINE, PLAIN, in_parts
from fastnn._core.step cimport SCRATCH_PARTS, Frame, Step, dparams_of, whole_lines
from fastnn._core.table cimport fnn_columns

cdef enum:
    BLOCK = 1 << 14         # elements of a block of rows, at least
    BLOCK_ROWS = 32         # of it, at least: the sums of a block are not to be more than its rows
    BLOCKS = 64             # of a batch, at most
    MAPPED = 2 * PLAIN      # picoseconds of a byte: a multiply-add
    SUMMED = 4 * PLAIN      # sums in double

cdef enum Coefficient:
    INVERSE = 0
    GAIN = 1
    LEVEL = 2
    TILT = 3
    SHIFT = 4
    COEFFICIENTS = 5

# Numbers of ``rows`` times ``columns`` per row of the batch.
cdef struct Columns:
    Py_ssize_t rows
    Py_ssize_t columns
    bint scale              # there is a gamma
    bint shift              # there is a beta


cdef inline Py_ssize_t block_rows(Py_ssize_t R, Py_ssize_t C) noexcept nogil:
    """Rows of a block: a matter of the shape alone."""
    return max(<Py_ssize_t> BLOCK_ROWS, (BLOCK + C - 1) // C, (R + BLOCKS - 1) // BLOCKS)


cdef inline Py_ssize_t block_of_images(Py_ssize_t batch, Py_ssize_t rows, Py_ssize_t C) noexcept nogil:
    """Likewise, but whole images of ``rows``, unless these are large and would be too few blocks for the threads."""
    cdef Py_ssize_t block = block_rows(batch * rows, C)
    return (block + rows - 1) // rows * rows if rows <= block or batch >= SCRATCH_PARTS else block


cdef inline Py_ssize_t sums_bytes(Py_ssize_t R, Py_ssize_t C) noexcept nogil:
    """Of two doubles for each block and column; no smaller batch needs more."""
    cdef Py_ssize_t least = max(<Py_ssize_t> BLOCK_ROWS, (BLOCK + C - 1) // C)
    return whole_lines(min(<Py_ssize_t> BLOCKS, (R + least - 1) // least) * 2 * C * sizeof(double))


cdef inline Py_ssize_t coefficients_bytes(Py_ssize_t C, Py_ssize_t itemsize) noexcept nogil:
    return COEFFICIENTS * whole_lines(C * itemsize)


cdef inline char* coefficient(char* area, Py_ssize_t C, Py_ssize_t itemsize, int which) noexcept nogil:
    return area + which * whole_lines(C * itemsize)


cdef inline const char* gamma_of(const Columns* own, const Step* step, const Frame* frame) noexcept nogil:
    """NULL: all 1."""
    return frame.params + step.params if own.scale else NULL


cdef inline const char* beta_of(const Columns* own, const Step* step, const Frame* frame) noexcept nogil:
    """NULL: all 0."""
    return frame.params + step.params + own.scale * own.columns * step.kernels.itemsize if own.shift else NULL


cdef inline fnn_columns map_of(const Columns* own, const Step* step, const Frame* frame, const char* center,
                               const char* inverse, char* gain) noexcept nogil:
    """y = activation((x - center) gain + beta) with gain = gamma inverse; inverse NULL: gamma alone."""
    cdef const char* gamma = gamma_of(own, step, frame)
    cdef fnn_columns columns
    columns.columns, columns.center, columns.gain, columns.shift = own.columns, center, inverse, beta_of(own, step, frame)
    columns.activation, columns.alpha = step.activation, step.alpha
    if inverse == NULL:
        columns.gain = gamma
    elif gamma != NULL:
        step.kernels.multiply(own.columns, gamma, inverse, gain)
        columns.gain = gain
    return columns


cdef inline void add_slopes(const Columns* own, const Step* step, const Frame* frame, const double* sums) noexcept nogil:
    """dgamma and dbeta, where they are wanted."""
    cdef char* dparams = dparams_of(step, frame)
    if dparams != NULL and (own.scale or own.shift):
        step.kernels.add_slopes(
            own.columns, frame.scale * step.rate, sums, dparams if own.scale else NULL,
            dparams + own.scale * own.columns * step.kernels.itemsize if own.shift else NULL)


# What the parts of a step over blocks or rows share.
cdef struct Job:
    const Step* step
    const fnn_columns* map
    Py_ssize_t rows         # of all
    Py_ssize_t block        # of a block of sums
    const char* x
    const char* dy
    const char* level       # NULL: dx = gain dz
    const char* tilt
    char* out               # y or dx
    double* sums


cdef inline Job job_of(const Step* step, const Frame* frame, const fnn_columns* map, Py_ssize_t rows,
                       char* out) noexcept nogil:
    """Over ``rows`` rows of the input, and of the output's gradient."""
    return Job(step=step, map=map, rows=frame.batch * rows, block=block_of_images(frame.batch, rows, map.columns), x=frame.values[step.inputs[0]],
               dy=frame.gradients[step.outputs[0]], level=NULL, tilt=NULL, out=out, sums=<double*> frame.scratch)


cdef inline void moments_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Of blocks first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t C = job.map.columns, block = job.block, b
    for b in range(first, last):
        job.step.kernels.column_moments(min(block, job.rows - b * block), C,
                                        job.x + b * block * C * job.step.kernels.itemsize, job.sums + b * 2 * C)


cdef inline void slopes_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t C = job.map.columns, block = job.block, b, at
    for b in range(first, last):
        at = b * block * C * job.step.kernels.itemsize
        job.step.kernels.column_slopes(job.map, min(block, job.rows - b * block), job.x + at, job.dy + at,
                                       job.sums + b * 2 * C)


cdef inline void map_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t at = first * job.map.columns * job.step.kernels.itemsize
    job.step.kernels.map_columns(job.map, last - first, job.x + at, job.out + at)


cdef inline void gradient_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t at = first * job.map.columns * job.step.kernels.itemsize
    job.step.kernels.column_gradient(job.map, last - first, job.level, job.tilt, job.x + at, job.dy + at, job.out + at)


cdef inline Py_ssize_t bytes_of(const Job* job) noexcept nogil:
    return job.rows * job.map.columns * job.step.kernels.itemsize


cdef inline Py_ssize_t blocks_of(const Job* job) noexcept nogil:
    return (job.rows + job.block - 1) // job.block


cdef inline void sum_moments(const Job* job) noexcept nogil:
    """Mean and sum of squared deviations of each column, block by block."""
    in_parts(moments_part, job, blocks_of(job), 1, bytes_of(job), SUMMED)


cdef inline void join_moments(const Job* job) noexcept nogil:
    """Those of all rows, in the first block's place."""
    job.step.kernels.join_moments(job.rows, job.block, job.map.columns, job.sums)


cdef inline void sum_slopes(const Job* job) noexcept nogil:
    """sum dz and sum dz (x - center) of each column, block by block."""
    in_parts(slopes_part, job, blocks_of(job), 1, 2 * bytes_of(job), SUMMED)


cdef inline void join_slopes(const Job* job) noexcept nogil:
    job.step.kernels.join_slopes(blocks_of(job), job.map.columns, 2 * job.map.columns, job.sums)


cdef inline void map_rows(const Job* job) noexcept nogil:
    in_parts(map_part, job, job.rows, 1 if job.map.columns >= LINE else LINE, bytes_of(job), MAPPED)


cdef inline void gradient_rows(const Job* job) noexcept nogil:
    in_parts(gradient_part, job, job.rows, 1 if job.map.columns >= LINE else LINE, 2 * bytes_of(job), MAPPED)
