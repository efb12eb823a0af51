"""Normalisation of each channel over a batch, and of each row over its channels; scale and shift.  y = gamma n + beta.

The rows of a batch are cut into blocks that depend on its shape alone: the sums of each are one part's, and they are joined
in the order of the blocks, so that no bit depends on how many threads there are.
"""

from libc.string cimport memcpy

from fastnn._core.carry cimport BACKWARD, FORWARD, run_by_rows
from fastnn._core.table cimport fnn_columns, fnn_norm
from fastnn._core.ops.columns cimport (
    Columns, GAIN, INVERSE, Job, LEVEL, SHIFT, TILT, add_slopes, beta_of, block_of_images, coefficient,
    coefficients_bytes, gamma_of, gradient_part, gradient_rows, job_of, join_moments, join_slopes, map_of, map_part, map_rows,
    moments_part, slopes_part, sum_moments, sum_slopes, sums_bytes)
from fastnn._core.parts cimport LINE, NORMALISED, range_fn, step_in_parts
from fastnn._core.step cimport ByRows, Frame, OK, Op, Step, dparams_of, whole_lines

from fastnn._core.ops.learned import learned
from fastnn._core.step import Parameter

# ---- batch normalisation: saves mean and variance of the batch where it normalises by them ----

cdef struct BatchDims:
    Columns own
    double epsilon
    double momentum         # share of a running statistic that a training step keeps


cdef inline bint coupled(const Step* step, const Frame* frame) noexcept nogil:
    """Does the step normalise by the statistics of the batch?  A frozen one always takes the running statistics."""
    return frame.training and step.trainable


cdef inline const char* moments_of(const BatchDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    """The mean to normalise by; the variance stands after it."""
    if coupled(step, frame):
        return frame.saved[step.index]
    return frame.params + step.params + (dims.own.scale + dims.own.shift) * dims.own.columns * step.kernels.itemsize


cdef inline char* area_of(const BatchDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    """Of the coefficients, behind which are the sums: saved from forward to backward, behind the moments."""
    cdef char* saved = frame.saved[step.index]
    return frame.scratch if saved == NULL else saved + whole_lines(2 * dims.own.columns * step.kernels.itemsize)


cdef inline fnn_columns batch_map(const BatchDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    """The affine map that the normalisation is, by its coefficients."""
    cdef Py_ssize_t C = dims.own.columns, itemsize = step.kernels.itemsize
    cdef char* area = area_of(dims, step, frame)
    cdef const char* shift = coefficient(area, C, itemsize, SHIFT) if dims.own.shift else NULL
    return fnn_columns(columns=C, center=moments_of(dims, step, frame), gain=coefficient(area, C, itemsize, GAIN),
                       shift=shift, activation=step.activation, alpha=step.alpha)


cdef inline Job batch_job(const BatchDims* dims, const Step* step, const Frame* frame, const fnn_columns* columns,
                          char* out) noexcept nogil:
    cdef Job job = job_of(step, frame, columns, dims.own.rows, out)
    cdef Py_ssize_t C = dims.own.columns, itemsize = step.kernels.itemsize
    cdef char* area = area_of(dims, step, frame)
    job.sums = <double*> (area + coefficients_bytes(C, itemsize))
    if coupled(step, frame):
        job.level, job.tilt = coefficient(area, C, itemsize, LEVEL), coefficient(area, C, itemsize, TILT)
    return job


cdef void write_map(const BatchDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    """The coefficients of the map; an optimiser may change gamma and beta before the last row is made."""
    cdef Py_ssize_t C = dims.own.columns, itemsize = step.kernels.itemsize
    cdef const char* gamma = gamma_of(&dims.own, step, frame)
    cdef char* area = area_of(dims, step, frame)
    cdef char* inverse = coefficient(area, C, itemsize, INVERSE)
    step.kernels.inverse_deviations(C, dims.epsilon, moments_of(dims, step, frame) + C * itemsize, inverse)
    if gamma != NULL:
        step.kernels.multiply(C, gamma, inverse, coefficient(area, C, itemsize, GAIN))
    else:
        memcpy(coefficient(area, C, itemsize, GAIN), inverse, C * itemsize)
    if dims.own.shift:
        memcpy(coefficient(area, C, itemsize, SHIFT), beta_of(&dims.own, step, frame), C * itemsize)


cdef Py_ssize_t images_of_block(const Step* step, Py_ssize_t batch) noexcept nogil:
    """Images in a block of sums; 0: it is not made of whole ones."""
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef Py_ssize_t block = block_of_images(batch, dims.own.rows, dims.own.columns)
    return 0 if block % dims.own.rows else block // dims.own.rows


cdef inline void some_blocks(Job* job, const BatchDims* dims, range_fn task, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil:
    """Sums of images first .. last - 1, which are whole blocks."""
    task(job, first * dims.own.rows // job.block, (last * dims.own.rows + job.block - 1) // job.block)


# ---- forward: moments, then rows ----

cdef void batch_collect_moments(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if coupled(step, frame):
        some_blocks(&job, dims, moments_part, first, last)


cdef int batch_moments(const Step* step, const Frame* frame) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if coupled(step, frame):
        sum_moments(&job)
    return OK


cdef int batch_begin(const Step* step, const Frame* frame) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef Py_ssize_t C = dims.own.columns
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if coupled(step, frame):
        join_moments(&job)
        step.kernels.group_moments(job.rows, C, 1, job.sums, frame.saved[step.index],
                                   frame.saved[step.index] + C * step.kernels.itemsize)
    write_map(dims, step, frame)
    return OK


cdef void batch_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, frame.values[step.outputs[0]])
    map_part(&job, first * dims.own.rows, last * dims.own.rows)


cdef int batch_all(const Step* step, const Frame* frame) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, frame.values[step.outputs[0]])
    map_rows(&job)
    return OK


cdef int batch_forward(const Step* step, const Frame* frame) noexcept nogil:
    return run_by_rows(step, frame, FORWARD)


# ---- backward: sums of slopes, then rows ----

cdef inline bint needs_slopes(const BatchDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    return ((dparams_of(step, frame) != NULL and (dims.own.scale or dims.own.shift))
            or (frame.gradients[step.inputs[0]] != NULL and coupled(step, frame)))


cdef void batch_collect_slopes(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if needs_slopes(dims, step, frame):
        some_blocks(&job, dims, slopes_part, first, last)


cdef int batch_slopes(const Step* step, const Frame* frame) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if needs_slopes(dims, step, frame):
        sum_slopes(&job)
    return OK


cdef int batch_begin_back(const Step* step, const Frame* frame) noexcept nogil:
    """What dx is made of, with gamma as it was; then the gradients of gamma and beta."""
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef Py_ssize_t C = dims.own.columns
    cdef char* inverse = coefficient(area_of(dims, step, frame), C, step.kernels.itemsize, INVERSE)
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, NULL)
    if not needs_slopes(dims, step, frame):
        return OK
    join_slopes(&job)
    if coupled(step, frame):
        step.kernels.norm_levels(job.rows, C, 1, gamma_of(&dims.own, step, frame), inverse, job.sums, <char*> job.level,
                                 <char*> job.tilt)
    step.kernels.scale_slopes(C, inverse, job.sums)
    add_slopes(&dims.own, step, frame, job.sums)
    return OK


cdef void batch_rows_back(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, frame.gradients[step.inputs[0]])
    if job.out != NULL:
        gradient_part(&job, first * dims.own.rows, last * dims.own.rows)


cdef int batch_all_back(const Step* step, const Frame* frame) noexcept nogil:
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef fnn_columns columns = batch_map(dims, step, frame)
    cdef Job job = batch_job(dims, step, frame, &columns, frame.gradients[step.inputs[0]])
    if job.out != NULL:
        gradient_rows(&job)
    return OK


cdef int batch_backward(const Step* step, const Frame* frame) noexcept nogil:
    return run_by_rows(step, frame, BACKWARD)


cdef void batch_commit(const Step* step, const Frame* frame, char* params) noexcept nogil:
    """running = momentum * running + (1 - momentum) * that of the batch, the variance as the unbiased estimate."""
    cdef const BatchDims* dims = <const BatchDims*> step.config
    cdef Py_ssize_t C = dims.own.columns, size = C * step.kernels.itemsize
    cdef double rows = <double> (frame.batch * dims.own.rows), share = 1.0 - dims.momentum
    cdef const char* moments = frame.saved[step.index]
    cdef char* running = params + step.params + (dims.own.scale + dims.own.shift) * size
    step.kernels.scale(2 * C, dims.momentum, running, running)
    step.kernels.add_scaled(C, share, moments, running)
    step.kernels.add_scaled(C, share * rows / (rows - 1.0), moments + size, running + size)


cdef class BatchNormOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each column has statistics of its own."""

    cdef BatchDims dims

    def __init__(self, str who, Py_ssize_t rows, Py_ssize_t columns, double momentum, double epsilon, bint scale,
                 bint shift):
        self.forward, self.backward, self.config = batch_forward, batch_backward, &self.dims
        self.commit = batch_commit
        self.forward_by = ByRows(rows=batch_rows, all=batch_all, begin=batch_begin, collect=batch_collect_moments,
                                 collect_all=batch_moments, block=images_of_block)
        self.backward_by = ByRows(rows=batch_rows_back, all=batch_all_back, begin=batch_begin_back,
                                  collect=batch_collect_slopes, collect_all=batch_slopes, block=images_of_block)
        self.who = who
        self.dims = BatchDims(own=Columns(rows=rows, columns=columns, scale=scale, shift=shift), epsilon=epsilon,
                              momentum=momentum)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.gradient_in_place = self.reads_input = self.couples_rows = self.activates = True
        self.least_rows = 2 if rows == 1 else 1
        self.parameters = learned(columns, scale, shift) + tuple(
            Parameter(name, (columns,), columns, columns, False, False)
            for name in ("running_mean", "running_variance"))

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        cdef Py_ssize_t C = self.dims.own.columns
        return (whole_lines(2 * C * itemsize) + coefficients_bytes(C, itemsize)
                + sums_bytes(batch * self.dims.own.rows, C))

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return 0 if training else coefficients_bytes(self.dims.own.columns, itemsize)


# ---- layer normalisation: saves mean and 1 / deviation of each row ----

cdef struct LayerDims:
    Columns own
    double epsilon


cdef inline fnn_norm norm_of(const LayerDims* dims, const Step* step, const Frame* frame, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil:
    """That of columns first .. last - 1."""
    cdef const char* gamma = gamma_of(&dims.own, step, frame)
    cdef const char* beta = beta_of(&dims.own, step, frame)
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef fnn_norm norm
    norm.rows, norm.columns, norm.x_row = frame.batch * dims.own.rows, last - first, dims.own.columns
    norm.epsilon, norm.gamma, norm.beta = dims.epsilon, NULL, NULL
    if gamma != NULL:
        norm.gamma = gamma + at
    if beta != NULL:
        norm.beta = beta + at
    return norm


cdef inline Py_ssize_t layer_bytes(const LayerDims* dims, const Step* step, const Frame* frame) noexcept nogil:
    return frame.batch * dims.own.rows * dims.own.columns * step.kernels.itemsize


cdef void layer_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first .. last - 1."""
    cdef const LayerDims* dims = <const LayerDims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, 0, dims.own.columns)
    cdef Py_ssize_t at = first * dims.own.columns * step.kernels.itemsize
    cdef char* moments = frame.saved[step.index]
    norm.rows = last - first
    step.kernels.layer_norm_forward(&norm, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at,
                                    moments + 2 * first * step.kernels.itemsize if moments != NULL else NULL)


cdef int layer_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const LayerDims* dims = <const LayerDims*> step.config
    step_in_parts(layer_forward_part, step, frame, frame.batch * dims.own.rows, 1, layer_bytes(dims, step, frame), NORMALISED)
    return OK


cdef void layer_dx_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const LayerDims* dims = <const LayerDims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, 0, dims.own.columns)
    cdef Py_ssize_t at = first * dims.own.columns * step.kernels.itemsize
    norm.rows = last - first
    step.kernels.layer_norm_backward(
        &norm, 1.0, frame.values[step.inputs[0]] + at, frame.saved[step.index] + 2 * first * step.kernels.itemsize,
        frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at, NULL, NULL)


cdef void layer_sums_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns first .. last - 1."""
    cdef const LayerDims* dims = <const LayerDims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, first, last)
    cdef Py_ssize_t itemsize = step.kernels.itemsize, at = first * itemsize
    cdef char* dgamma = dparams_of(step, frame) + at
    step.kernels.layer_norm_backward(
        &norm, frame.scale * step.rate, frame.values[step.inputs[0]] + at, frame.saved[step.index],
        frame.gradients[step.outputs[0]] + at, NULL, dgamma if dims.own.scale else NULL,
        dgamma + dims.own.scale * dims.own.columns * itemsize if dims.own.shift else NULL)


cdef int layer_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx by rows, with gamma as it was; then the sums down the columns."""
    cdef const LayerDims* dims = <const LayerDims*> step.config
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(layer_dx_part, step, frame, frame.batch * dims.own.rows, 1, layer_bytes(dims, step, frame), NORMALISED)
    if dparams_of(step, frame) != NULL:
        step_in_parts(layer_sums_part, step, frame, dims.own.columns, LINE, layer_bytes(dims, step, frame), NORMALISED)
    return OK


cdef class LayerNormOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each of those rows is normalised by itself."""

    cdef LayerDims dims

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, double epsilon, bint scale, bint shift):
        self.forward, self.backward, self.config = layer_forward, layer_backward, &self.dims
        self.dims = LayerDims(own=Columns(rows=rows, columns=columns, scale=scale, shift=shift), epsilon=epsilon)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = True
        self.parameters = learned(columns, scale, shift)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 2 * batch * self.dims.own.rows * itemsize


# ---- scaling: gamma x + beta ----

cdef int scale_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Columns* own = <const Columns*> step.config
    cdef fnn_columns columns = map_of(own, step, frame, NULL, NULL, NULL)
    cdef Job job = job_of(step, frame, &columns, own.rows, frame.values[step.outputs[0]])
    map_rows(&job)
    return OK


cdef int scale_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Columns* own = <const Columns*> step.config
    cdef fnn_columns columns = map_of(own, step, frame, NULL, NULL, NULL)
    cdef Job job = job_of(step, frame, &columns, own.rows, frame.gradients[step.inputs[0]])
    if job.out != NULL:
        gradient_rows(&job)
    if dparams_of(step, frame) != NULL and (own.scale or own.shift):
        sum_slopes(&job)
        join_slopes(&job)
        add_slopes(own, step, frame, job.sums)
    return OK


cdef class ScaleOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each column has its factor and its shift."""

    cdef Columns own

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, bint scale, bint shift):
        self.forward, self.backward, self.config = scale_forward, scale_backward, &self.own
        self.own = Columns(rows=rows, columns=columns, scale=scale, shift=shift)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = self.activates = True
        self.parameters = learned(columns, scale, shift)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return sums_bytes(batch * self.own.rows, self.own.columns) if training else 0
