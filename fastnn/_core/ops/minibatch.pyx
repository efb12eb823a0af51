"""The standard deviation between the rows of a minibatch as one more channel [Karras et al. 2018, section 3].

The rows are cut into groups of neighbours.  In each, s = mean_j sqrt(variance_j + epsilon) over all numbers j of a row; the
rows go on with s as the value of a last channel.  A group is one part's work.
"""

from libc.string cimport memset

from fastnn._core.memory cimport copy_rows
from fastnn._core.parts cimport NORMALISED, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, whole_lines
from fastnn._core.table cimport fnn_columns

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t pixels
    Py_ssize_t channels
    Py_ssize_t group        # rows, at least, of a batch that has so many
    double momentum         # share of the running deviation that a training step keeps
    double epsilon


cdef enum Vector:           # (N,) each, of the scratch of a group; before them two of doubles
    TILT = 0
    ZEROS = 1
    CENTRE = 2
    SLOPE = 3
    VECTORS = 4


cdef inline Py_ssize_t width(const Dims* dims) noexcept nogil:
    """Numbers of a row that have a deviation, N."""
    return dims.pixels * dims.channels


cdef inline Py_ssize_t groups_of(const Dims* dims, Py_ssize_t batch) noexcept nogil:
    return max(<Py_ssize_t> 1, batch // dims.group)


cdef inline Py_ssize_t rows_of(const Dims* dims, Py_ssize_t batch, Py_ssize_t group) noexcept nogil:
    """Rows of a group: the last has those that remain, too."""
    return batch - group * dims.group if group == groups_of(dims, batch) - 1 else dims.group


cdef inline char* saved_of(const Step* step, const Frame* frame, Py_ssize_t group) noexcept nogil:
    """Of a group: the means (N,), 1 / the deviations (N,), s."""
    return frame.saved[step.index] + group * (2 * width(<const Dims*> step.config) + 1) * step.kernels.itemsize


cdef inline double* sums_of(const Step* step, const Frame* frame, Py_ssize_t group) noexcept nogil:
    """(2, N) doubles of a group's scratch."""
    return <double*> (frame.scratch + group * area_bytes(<const Dims*> step.config, step.kernels.itemsize))


cdef inline char* vector_of(const Step* step, const Frame* frame, Py_ssize_t group, int which) noexcept nogil:
    cdef Py_ssize_t N = width(<const Dims*> step.config)
    return <char*> sums_of(step, frame, group) + whole_lines(2 * N * sizeof(double)) + which * whole_lines(
        N * step.kernels.itemsize)


cdef inline Py_ssize_t area_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    """Of the scratch of a group."""
    return whole_lines(2 * width(dims) * sizeof(double)) + VECTORS * whole_lines(width(dims) * itemsize)


cdef inline double number(const Step* step, const char* at) noexcept nogil:
    return (<const float*> at)[0] if step.kernels.itemsize == sizeof(float) else (<const double*> at)[0]


cdef inline void set_number(const Step* step, double value, char* at) noexcept nogil:
    if step.kernels.itemsize == sizeof(float):
        (<float*> at)[0] = <float> value
    else:
        (<double*> at)[0] = value


cdef inline bint coupled(const Step* step, const Frame* frame) noexcept nogil:
    """Is s that of the batch?  A frozen layer always takes the running deviation."""
    return frame.training and step.trainable


cdef void join(const Step* step, Py_ssize_t rows, const char* x, const char* s, char* y) noexcept nogil:
    """y = [x, s] at each pixel of some rows."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, pixel = dims.channels * itemsize
    copy_rows(rows * dims.pixels, pixel, x, pixel, y, pixel + itemsize)
    copy_rows(rows * dims.pixels, itemsize, s, 0, y + pixel, pixel + itemsize)


cdef double part_apart(const Step* step, Py_ssize_t rows, const char* dy, char* dx) noexcept nogil:
    """dx = dy without its last channel; returns the sum of that."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, pixel = dims.channels * itemsize
    cdef double total = 0.0
    step.kernels.add_row_sum(rows * dims.pixels, 1, 1.0, dy + pixel, dims.channels + 1, <char*> &total)
    copy_rows(rows * dims.pixels, pixel, dy, pixel + itemsize, dx, pixel)
    return number(step, <char*> &total)


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Groups first .. last - 1: sqrt(v + epsilon) = (v + epsilon) p with p = 1 / sqrt(v + epsilon)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), itemsize = step.kernels.itemsize, size = N * itemsize, g, rows, at
    cdef char* mean
    cdef char* inverse
    cdef char* variance
    cdef const char* x
    for g in range(first, last):
        rows, at = rows_of(dims, frame.batch, g), g * dims.group
        x, mean = frame.values[step.inputs[0]] + at * size, saved_of(step, frame, g)
        inverse, variance = mean + size, vector_of(step, frame, g, TILT)
        step.kernels.column_moments(rows, N, x, sums_of(step, frame, g))
        step.kernels.group_moments(rows, N, 1, sums_of(step, frame, g), mean, variance)
        step.kernels.inverse_deviations(N, dims.epsilon, variance, inverse)
        step.kernels.multiply(N, variance, inverse, variance)
        set_number(step, (step.kernels.sum(N, variance) + dims.epsilon * step.kernels.sum(N, inverse)) / N, mean + 2 * size)
        join(step, rows, x, mean + 2 * size,
             frame.values[step.outputs[0]] + at * dims.pixels * (dims.channels + 1) * itemsize)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = [x, s]; outside training s is its running mean."""
    cdef const Dims* dims = <const Dims*> step.config
    if coupled(step, frame):
        step_in_parts(forward_part, step, frame, groups_of(dims, frame.batch), 1,
                      frame.batch * width(dims) * step.kernels.itemsize, NORMALISED)
    else:
        join(step, frame.batch, frame.values[step.inputs[0]], frame.params + step.params, frame.values[step.outputs[0]])
    return OK


cdef void bend(const Step* step, const Frame* frame, Py_ssize_t group, double factor, const char* center, const char* tilt,
               const char* x, char* dx) noexcept nogil:
    """dx += factor (x - center) tilt, for the rows of a group."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), size = N * step.kernels.itemsize, at = group * dims.group * size
    cdef char* scaled = vector_of(step, frame, group, TILT)
    cdef char* level = vector_of(step, frame, group, ZEROS)
    cdef fnn_columns columns = fnn_columns(columns=N, center=center, gain=NULL, shift=NULL, activation=0, alpha=0.0)
    step.kernels.scale(N, -factor, tilt, scaled)
    memset(level, 0, size)
    step.kernels.column_gradient(&columns, rows_of(dims, frame.batch, group), level, scaled, x + at, dx + at, dx + at)


cdef void backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), size = N * step.kernels.itemsize, g, rows, at
    cdef const char* mean
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef double slope
    for g in range(first, last):
        rows, at, mean = rows_of(dims, frame.batch, g), g * dims.group, saved_of(step, frame, g)
        slope = part_apart(step, rows, frame.gradients[step.outputs[0]] + at * (size + dims.pixels * step.kernels.itemsize),
                           dx + at * size)
        bend(step, frame, g, slope / (rows * N), mean, mean + size, frame.values[step.inputs[0]], dx)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy + ds (x - mean) / (rows N deviation), ds the sum of the gradient of the last channel over the group."""
    cdef const Dims* dims = <const Dims*> step.config
    if frame.gradients[step.inputs[0]] == NULL:
        return OK
    if coupled(step, frame):
        step_in_parts(backward_part, step, frame, groups_of(dims, frame.batch), 1,
                      2 * frame.batch * width(dims) * step.kernels.itemsize, NORMALISED)
    else:
        part_apart(step, frame.batch, frame.gradients[step.outputs[0]], frame.gradients[step.inputs[0]])
    return OK


cdef void tangent_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), size = N * step.kernels.itemsize, g, rows, at, j
    cdef const char* t
    cdef char* change
    cdef double total
    cdef double* sums
    for g in range(first, last):
        rows, at, total = rows_of(dims, frame.batch, g), g * dims.group, 0.0
        t, sums, change = frame.tangents[step.inputs[0]] + at * size, sums_of(step, frame, g), vector_of(step, frame, g, TILT)
        sum_slopes(step, frame, g, sums)
        step.kernels.scale_slopes(N, saved_of(step, frame, g) + size, sums)
        for j in range(N):
            total += sums[N + j]
        set_number(step, total / (rows * N), change)
        join(step, rows, t, change,
             frame.tangents[step.outputs[0]] + at * (size + dims.pixels * step.kernels.itemsize))


cdef void sum_slopes(const Step* step, const Frame* frame, Py_ssize_t group, double* sums) noexcept nogil:
    """sum_i t_i and sum_i t_i (x_i - mean) over the rows of a group."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), at = group * dims.group * N * step.kernels.itemsize
    cdef fnn_columns columns = fnn_columns(columns=N, center=saved_of(step, frame, group), gain=NULL, shift=NULL,
                                           activation=0, alpha=0.0)
    step.kernels.column_slopes(&columns, rows_of(dims, frame.batch, group), frame.values[step.inputs[0]] + at,
                               frame.tangents[step.inputs[0]] + at, sums)


cdef int tangent(const Step* step, const Frame* frame) noexcept nogil:
    """ty = [tx, ts] with ts = sum over rows and numbers of tx (x - mean) / (rows N deviation)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef double nothing = 0.0
    if coupled(step, frame):
        step_in_parts(tangent_part, step, frame, groups_of(dims, frame.batch), 1,
                      2 * frame.batch * width(dims) * step.kernels.itemsize, NORMALISED)
    else:
        join(step, frame.batch, frame.tangents[step.inputs[0]], <char*> &nothing, frame.tangents[step.outputs[0]])
    return OK


cdef void curve_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """With p = 1 / deviation, u = x - mean, v the change of u: ds / (rows N) (p v - p^3 u sum_i u_i v_i / rows) is added."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = width(dims), size = N * step.kernels.itemsize, g, rows, at, row, k
    cdef const char* mean
    cdef char* dx = frame.changes[step.inputs[0]]
    cdef char* center
    cdef char* tilt
    cdef double slope, change
    cdef double* sums
    row = size + dims.pixels * step.kernels.itemsize
    for g in range(first, last):
        rows, at, mean = rows_of(dims, frame.batch, g), g * dims.group, saved_of(step, frame, g)
        # The gradient of the last channel as it was; dx is overwritten after that.
        slope = part_apart(step, rows, frame.gradients[step.outputs[0]] + at * row, dx + at * size) / (rows * N)
        change = part_apart(step, rows, frame.changes[step.outputs[0]] + at * row, dx + at * size) / (rows * N)
        bend(step, frame, g, change, mean, mean + size, frame.values[step.inputs[0]], dx)
        sums, center, tilt = sums_of(step, frame, g), vector_of(step, frame, g, CENTRE), vector_of(step, frame, g, SLOPE)
        sum_slopes(step, frame, g, sums)
        for k in range(3):
            step.kernels.scale_slopes(N, mean + size, sums)
        memset(center, 0, size)
        memset(tilt, 0, size)
        step.kernels.add_slopes(N, 1.0 / rows, sums, tilt, center)
        bend(step, frame, g, slope, center, mean + size, frame.tangents[step.inputs[0]], dx)
        bend(step, frame, g, -slope, mean, tilt, frame.values[step.inputs[0]], dx)


cdef int curve(const Step* step, const Frame* frame) noexcept nogil:
    """As backward, and ds times the second derivative of s along the tangent."""
    cdef const Dims* dims = <const Dims*> step.config
    if frame.changes[step.inputs[0]] == NULL:
        return OK
    if coupled(step, frame):
        step_in_parts(curve_part, step, frame, groups_of(dims, frame.batch), 1,
                      4 * frame.batch * width(dims) * step.kernels.itemsize, NORMALISED)
    else:
        part_apart(step, frame.batch, frame.changes[step.outputs[0]], frame.changes[step.inputs[0]])
    return OK


cdef void commit(const Step* step, const Frame* frame, char* params) noexcept nogil:
    """running = momentum running + (1 - momentum) times the mean of s over the groups."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t groups = groups_of(dims, frame.batch), g
    cdef double total = 0.0
    cdef char* running = params + step.params
    for g in range(groups):
        total += number(step, saved_of(step, frame, g) + 2 * width(dims) * step.kernels.itemsize)
    set_number(step, dims.momentum * number(step, running) + (1.0 - dims.momentum) * (total / groups), running)


cdef class MinibatchStdDevOp(Op):
    """``pixels`` of ``channels`` numbers per row, and one more that tells how ``group`` rows, and those left over, differ."""

    cdef Dims dims

    def __init__(self, str who, Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t group, double momentum, double epsilon):
        self.forward, self.backward, self.commit, self.config = forward, backward, commit, &self.dims
        self.tangent, self.curve = tangent, curve
        self.who = who
        self.dims = Dims(pixels=pixels, channels=channels, group=group, momentum=momentum, epsilon=epsilon)
        self.input_widths, self.output_widths = (pixels * channels,), (pixels * (channels + 1),)
        self.reads_input = self.couples_rows = True
        self.least_rows = 2
        self.parameters = (Parameter("running_deviation", (1,), 1, 1, False, False),)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return groups_of(&self.dims, batch) * (2 * width(&self.dims) + 1) * itemsize

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return groups_of(&self.dims, batch) * area_bytes(&self.dims, itemsize) if training else 0
