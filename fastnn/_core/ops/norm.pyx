"""Normalisation: of each channel over a batch, of each row over its channels.  y = gamma n + beta."""

from fastnn._core.table cimport fnn_norm
from fastnn._core.memory cimport zeros
from fastnn._core.parts cimport LINE, NORMALISED, PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t rows         # of C numbers, in one row of the batch
    Py_ssize_t columns      # C
    double epsilon
    double momentum         # share of a running statistic that a training step keeps
    bint scale              # there is a gamma
    bint shift              # there is a beta


cdef inline fnn_norm norm_of(const Dims* dims, const Step* step, const Frame* frame, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil:
    """That of columns first .. last - 1."""
    cdef fnn_norm norm
    cdef const char* params = frame.params + step.params
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    norm.rows, norm.columns, norm.x_row, norm.epsilon = frame.batch * dims.rows, last - first, dims.columns, dims.epsilon
    norm.gamma = norm.beta = NULL
    if dims.scale:
        norm.gamma = params + first * itemsize
        params += dims.columns * itemsize
    if dims.shift:
        norm.beta = params + first * itemsize
    return norm


cdef inline Py_ssize_t bytes_of(const Dims* dims, const Step* step, const Frame* frame) noexcept nogil:
    return frame.batch * dims.rows * dims.columns * step.kernels.itemsize


cdef inline char* dgamma_of(const Dims* dims, const Step* step, const Frame* frame, Py_ssize_t at) noexcept nogil:
    """Where its gradient goes, from byte ``at``; NULL: nowhere."""
    cdef char* dparams = dparams_of(step, frame)
    return dparams + at if dparams != NULL and dims.scale else NULL


cdef inline char* dbeta_of(const Dims* dims, const Step* step, const Frame* frame, Py_ssize_t at) noexcept nogil:
    cdef char* dparams = dparams_of(step, frame)
    return dparams + dims.scale * dims.columns * step.kernels.itemsize + at if dparams != NULL and dims.shift else NULL


cdef tuple learned(Py_ssize_t columns, bint scale, bint shift):
    """gamma and beta, those of them that the layer has."""
    return tuple(Parameter(name, (columns,), columns, columns, False)
                 for name, there in (("gamma", scale), ("beta", shift)) if there)


# ---- batch normalisation: saves mean and variance of the batch where it normalises by them ----

cdef inline bint coupled(const Step* step, const Frame* frame) noexcept nogil:
    """Does the step normalise by the statistics of the batch?  A frozen one always takes the running statistics."""
    return frame.training and step.trainable


cdef inline const char* moments_of(const Dims* dims, const Step* step, const Frame* frame) noexcept nogil:
    """The mean to normalise by; the variance stands after it."""
    if coupled(step, frame):
        return frame.saved[step.index]
    return frame.params + step.params + (dims.scale + dims.shift) * dims.columns * step.kernels.itemsize


cdef void batch_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, first, last)
    cdef Py_ssize_t size = dims.columns * step.kernels.itemsize, at = first * step.kernels.itemsize
    cdef const char* moments = moments_of(dims, step, frame) + at
    cdef const char* x = frame.values[step.inputs[0]] + at
    if coupled(step, frame):
        step.kernels.column_moments(norm.rows, norm.columns, norm.x_row, x, <char*> moments, <char*> moments + size)
    step.kernels.batch_norm_forward(&norm, x, moments, moments + size, frame.values[step.outputs[0]] + at)


cdef int batch_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    step_in_parts(batch_forward_part, step, frame, dims.columns, LINE,
                  bytes_of(dims, step, frame), NORMALISED if coupled(step, frame) else 2 * PLAIN)
    return OK


cdef void batch_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, first, last)
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef const char* moments = moments_of(dims, step, frame) + at
    cdef char* dx = frame.gradients[step.inputs[0]]
    step.kernels.batch_norm_backward(
        &norm, coupled(step, frame), frame.scale * step.rate, frame.values[step.inputs[0]] + at, moments,
        moments + dims.columns * step.kernels.itemsize, frame.gradients[step.outputs[0]] + at,
        dx + at if dx != NULL else NULL, dgamma_of(dims, step, frame, at), dbeta_of(dims, step, frame, at))


cdef int batch_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    step_in_parts(batch_backward_part, step, frame, dims.columns, LINE, bytes_of(dims, step, frame), NORMALISED)
    return OK


cdef void batch_commit(const Step* step, const Frame* frame, char* params) noexcept nogil:
    """running = momentum * running + (1 - momentum) * that of the batch, the variance as the unbiased estimate."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t C = dims.columns, size = C * step.kernels.itemsize
    cdef double rows = <double> (frame.batch * dims.rows), share = 1.0 - dims.momentum
    cdef const char* moments = frame.saved[step.index]
    cdef char* running = params + step.params + (dims.scale + dims.shift) * size
    step.kernels.scale(2 * C, dims.momentum, running, running)
    step.kernels.add_scaled(C, share, moments, running)
    step.kernels.add_scaled(C, share * rows / (rows - 1.0), moments + size, running + size)


cdef class BatchNormOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each column has statistics of its own."""

    cdef Dims dims

    def __init__(self, str who, Py_ssize_t rows, Py_ssize_t columns, double momentum, double epsilon, bint scale,
                 bint shift):
        self.forward, self.backward, self.config = batch_forward, batch_backward, &self.dims
        self.commit = batch_commit
        self.who = who
        self.dims = Dims(rows=rows, columns=columns, epsilon=epsilon, momentum=momentum, scale=scale, shift=shift)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = self.couples_rows = True
        self.least_rows = 2 if rows == 1 else 1
        self.parameters = learned(columns, scale, shift) + tuple(
            Parameter(name, (columns,), columns, columns, False, False)
            for name in ("running_mean", "running_variance"))

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 2 * self.dims.columns * itemsize


# ---- layer normalisation: saves mean and 1 / deviation of each row ----

cdef void layer_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, 0, dims.columns)
    cdef Py_ssize_t at = first * dims.columns * step.kernels.itemsize
    cdef char* moments = frame.saved[step.index]
    norm.rows = last - first
    step.kernels.layer_norm_forward(&norm, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at,
                                    moments + 2 * first * step.kernels.itemsize if moments != NULL else NULL)


cdef int layer_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    step_in_parts(layer_forward_part, step, frame, frame.batch * dims.rows, 1, bytes_of(dims, step, frame), NORMALISED)
    return OK


cdef void layer_dx_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, 0, dims.columns)
    cdef Py_ssize_t at = first * dims.columns * step.kernels.itemsize
    norm.rows = last - first
    step.kernels.layer_norm_backward(
        &norm, 1.0, frame.values[step.inputs[0]] + at, frame.saved[step.index] + 2 * first * step.kernels.itemsize,
        frame.gradients[step.outputs[0]] + at, frame.gradients[step.inputs[0]] + at, NULL, NULL)


cdef void layer_sums_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns first .. last - 1."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_norm norm = norm_of(dims, step, frame, first, last)
    cdef Py_ssize_t at = first * step.kernels.itemsize
    step.kernels.layer_norm_backward(
        &norm, frame.scale * step.rate, frame.values[step.inputs[0]] + at, frame.saved[step.index],
        frame.gradients[step.outputs[0]] + at, NULL, dgamma_of(dims, step, frame, at), dbeta_of(dims, step, frame, at))


cdef int layer_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx by rows, with gamma as it was; then the sums down the columns."""
    cdef const Dims* dims = <const Dims*> step.config
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(layer_dx_part, step, frame, frame.batch * dims.rows, 1, bytes_of(dims, step, frame), NORMALISED)
    if dparams_of(step, frame) != NULL:
        step_in_parts(layer_sums_part, step, frame, dims.columns, LINE, bytes_of(dims, step, frame), NORMALISED)
    return OK


cdef class LayerNormOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each of those rows is normalised by itself."""

    cdef Dims dims

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, double epsilon, bint scale, bint shift):
        self.forward, self.backward, self.config = layer_forward, layer_backward, &self.dims
        self.dims = Dims(rows=rows, columns=columns, epsilon=epsilon, momentum=0.0, scale=scale, shift=shift)
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = True
        self.parameters = learned(columns, scale, shift)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 2 * batch * self.dims.rows * itemsize


# ---- scaling: a normalisation by mean 0 and variance 1, which changes nothing ----

cdef struct ScaleDims:
    Dims dims
    const char* moments     # mean 0, then variance 1, for each column


cdef inline const char* moments_for(const ScaleDims* own, const Step* step, int which) noexcept nogil:
    """Zeros or ones in the dtype of the step: those of float, then those of double."""
    cdef Py_ssize_t before = 0 if step.kernels.itemsize == 4 else 2 * own.dims.columns * 4
    return own.moments + before + which * own.dims.columns * step.kernels.itemsize


cdef void scale_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first .. last - 1."""
    cdef const ScaleDims* own = <const ScaleDims*> step.config
    cdef fnn_norm norm = norm_of(&own.dims, step, frame, 0, own.dims.columns)
    cdef Py_ssize_t at = first * own.dims.columns * step.kernels.itemsize
    norm.rows = last - first
    step.kernels.batch_norm_forward(&norm, frame.values[step.inputs[0]] + at, moments_for(own, step, 0),
                                    moments_for(own, step, 1), frame.values[step.outputs[0]] + at)


cdef int scale_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = &(<const ScaleDims*> step.config).dims
    step_in_parts(scale_forward_part, step, frame, frame.batch * dims.rows, 1, bytes_of(dims, step, frame), 2 * PLAIN)
    return OK


cdef void scale_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns first .. last - 1."""
    cdef const ScaleDims* own = <const ScaleDims*> step.config
    cdef fnn_norm norm = norm_of(&own.dims, step, frame, first, last)
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef char* dx = frame.gradients[step.inputs[0]]
    step.kernels.batch_norm_backward(
        &norm, False, frame.scale * step.rate, frame.values[step.inputs[0]] + at, moments_for(own, step, 0) + at,
        moments_for(own, step, 1) + at, frame.gradients[step.outputs[0]] + at, dx + at if dx != NULL else NULL,
        dgamma_of(&own.dims, step, frame, at), dbeta_of(&own.dims, step, frame, at))


cdef int scale_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = &(<const ScaleDims*> step.config).dims
    step_in_parts(scale_backward_part, step, frame, dims.columns, LINE, bytes_of(dims, step, frame), NORMALISED)
    return OK


cdef class ScaleOp(Op):
    """``rows`` times ``columns`` numbers per row of the batch; each column has its factor and its shift."""

    cdef ScaleDims own
    cdef list memory

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, bint scale, bint shift):
        cdef char* moments
        cdef Py_ssize_t c
        self.forward, self.backward, self.config = scale_forward, scale_backward, &self.own
        self.memory = []
        moments = <char*> zeros(self.memory, 2 * columns, sizeof(float) + sizeof(double))
        for c in range(columns):
            (<float*> moments)[columns + c] = 1.0
            (<double*> (moments + 2 * columns * sizeof(float)))[columns + c] = 1.0
        self.own.dims = Dims(rows=rows, columns=columns, epsilon=0.0, momentum=0.0, scale=scale, shift=shift)
        self.own.moments = moments
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = self.reads_input = True
        self.parameters = learned(columns, scale, shift)


# ---- standardising: by given means and deviations ----

cdef enum:
    ABREAST = 128       # numbers that are standardised at once, at most: short rows of channels are taken several at a time


cdef inline const char* given_for(const ScaleDims* own, const Step* step, int which) noexcept nogil:
    """Zeros, means or variances in the dtype of the step: those of float, then those of double."""
    cdef Py_ssize_t before = 0 if step.kernels.itemsize == 4 else 3 * own.dims.columns * 4
    return own.moments + before + which * own.dims.columns * step.kernels.itemsize


cdef inline void standardise_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last, int center,
                                  const char* x, char* y) noexcept nogil:
    """Rows first .. last - 1."""
    cdef const ScaleDims* own = <const ScaleDims*> step.config
    cdef fnn_norm norm = norm_of(&own.dims, step, frame, 0, own.dims.columns)
    cdef Py_ssize_t at = first * own.dims.columns * step.kernels.itemsize
    norm.rows = last - first
    step.kernels.batch_norm_forward(&norm, x + at, given_for(own, step, center), given_for(own, step, 2), y + at)


cdef void standardise_forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    standardise_part(step, frame, first, last, 1, frame.values[step.inputs[0]], frame.values[step.outputs[0]])


cdef int standardise_forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = &(<const ScaleDims*> step.config).dims
    step_in_parts(standardise_forward_part, step, frame, frame.batch * dims.rows, 1, bytes_of(dims, step, frame), 2 * PLAIN)
    return OK


cdef void standardise_backward_part(const Step* step, const Frame* frame, Py_ssize_t first,
                                    Py_ssize_t last) noexcept nogil:
    """dx = dy / deviation: what standardises dy about 0."""
    standardise_part(step, frame, first, last, 0, frame.gradients[step.outputs[0]], frame.gradients[step.inputs[0]])


cdef int standardise_backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = &(<const ScaleDims*> step.config).dims
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(standardise_backward_part, step, frame, frame.batch * dims.rows, 1, bytes_of(dims, step, frame),
                      2 * PLAIN)
    return OK


cdef class StandardizeOp(Op):
    """``rows`` times ``len(mean)`` numbers per row of the batch; of each column a mean and a deviation are given."""

    cdef ScaleDims own
    cdef list memory

    def __init__(self, Py_ssize_t rows, mean, scale):
        cdef Py_ssize_t c, k, abreast = 1, columns = len(mean)
        cdef float* single
        cdef double* double_
        for k in range(2, ABREAST // columns + 1):
            if rows % k == 0:
                abreast = k
        self.forward, self.backward, self.config = standardise_forward, standardise_backward, &self.own
        self.memory = []
        k = abreast * columns
        single = <float*> zeros(self.memory, 3 * k, sizeof(float) + sizeof(double))
        double_ = <double*> (single + 3 * k)
        for c in range(k):
            double_[k + c], double_[2 * k + c] = mean[c % columns], scale[c % columns] ** 2
            single[k + c], single[2 * k + c] = <float> double_[k + c], <float> double_[2 * k + c]
        self.own.dims = Dims(rows=rows // abreast, columns=k, epsilon=0.0, momentum=0.0, scale=False, shift=False)
        self.own.moments = <const char*> single
        self.input_widths = self.output_widths = (rows * columns,)
        self.in_place = True
