"""Depthwise convolution of images (H, W, C): each channel is seen by filters of its own, M of them.

Weights (KH, KW, C, M), filter m of channel c being output c M + m.  Rows of the padded image are copied into a ring of them,
as many as a window sees, each channel M times: so an output sees its own lane alone, whatever M is, and what is read stays
near.  Where pixels have few channels, several neighbours are taken as one of more (``tile``).
The input gradient is such a convolution, too, of the gradient of the output by the weights turned over, in phases where
there are strides (``convolution_tables``).  A weight gradient is one sum for every row of the output; these are added up in
groups, a matter of the shape and the batch alone, and the groups in their order.
"""

from cython cimport floating
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastnn._core.memory cimport zeros
from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.parts cimport moved_of
from fastnn._core.pool cimport run_parts, worth
from fastnn._core.products cimport bias_gradient, multiply_add_work
from fastnn._core.step cimport Frame, OK, Op, SCRATCH_PARTS, Step, dparams_of, whole_lines
from fastnn._core.table cimport fnn_depthwise

from fastnn._core.ops.convolution_tables import sources
from fastnn._core.step import Parameter

cdef enum:
    LANES = 48              # channels that are worth a pixel of their own
    PAST_END = 64           # bytes that kernels may read past the end of a row
    PIXELS = 256            # of a group of rows in a weight gradient, at least

# Rows of an image, and the ring of their padded copies.
cdef struct Rows:
    Py_ssize_t width        # pixels of the image
    Py_ssize_t channels
    Py_ssize_t copies       # of each channel
    Py_ssize_t left         # pixels before the image's own
    Py_ssize_t columns      # pixels of the padded copy
    Py_ssize_t ring         # rows in it
    Py_ssize_t n            # padded rows in all
    const int32_t* row      # of the image, that each shows; -1: zeros
    const int32_t* column

# What the rows of one phase see of the gradient of the output: row r of the padded image sees row (r - phase) / stride + back.
cdef struct RowPhase:
    Py_ssize_t taps
    const int32_t* back

cdef struct ColumnPhase:
    fnn_depthwise row       # without its rows
    Py_ssize_t at           # element of the ring's row that its first pixel sees first
    Py_ssize_t to           # element of the row of dx where it lies
    Py_ssize_t taps
    const int32_t* weights  # by phase of the rows: where its turned weights begin

cdef struct Dims:
    Rows x
    Rows dy
    Py_ssize_t height
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t size         # outputs of a pixel, C M
    Py_ssize_t taps
    Py_ssize_t tile         # pixels that are taken as one
    Py_ssize_t turned_tile  # in the input gradient
    Py_ssize_t kernel_rows
    Py_ssize_t row_step
    Py_ssize_t row_gap
    Py_ssize_t dx_step      # strides of the columns
    Py_ssize_t top
    bint copies             # rows must be copied, else they are read where they lie
    bint gathers            # rows of dx are added up from rows of the padded image, or from copies of channels
    bint bias
    fnn_depthwise row
    fnn_depthwise row_end   # the pixels after the last whole tile
    RowPhase* row_phases
    ColumnPhase* column_phases
    Py_ssize_t turned       # elements of all turned weights
    const int32_t* source   # for each of them the element of the weights
    Py_ssize_t back         # rows of dy before the first that row 0 sees: from -back on

cdef struct Job:
    const Step* step
    const Frame* frame
    const Dims* dims
    const char* x
    const char* w
    const char* bias
    const char* dy
    char* out
    char* scratch           # of the parts
    Py_ssize_t part_bytes
    Py_ssize_t parts
    Py_ssize_t groups


cdef inline Py_ssize_t ring_row(const Rows* rows, Py_ssize_t itemsize) noexcept nogil:
    """Bytes of a row in the ring."""
    return whole_lines(rows.columns * rows.channels * rows.copies * itemsize + PAST_END)


cdef inline Py_ssize_t ring_bytes(const Rows* rows, Py_ssize_t itemsize) noexcept nogil:
    return rows.ring * ring_row(rows, itemsize)


cdef inline void repeat_channels(const char* x, Py_ssize_t n, Py_ssize_t copies, Py_ssize_t itemsize,
                                 char* out) noexcept nogil:
    """n elements, each several times."""
    cdef Py_ssize_t i, k
    if copies == 1:
        memcpy(out, x, n * itemsize)
    elif itemsize == sizeof(uint32_t):
        for i in range(n):
            for k in range(copies):
                (<uint32_t*> out)[i * copies + k] = (<const uint32_t*> x)[i]
    else:
        for i in range(n):
            for k in range(copies):
                (<uint64_t*> out)[i * copies + k] = (<const uint64_t*> x)[i]


cdef void take_row(const Rows* rows, Py_ssize_t itemsize, const char* image, Py_ssize_t r, char* ring) noexcept nogil:
    """Padded row r of an image into its place in the ring."""
    cdef Py_ssize_t pixel = rows.channels * rows.copies * itemsize, w
    cdef Py_ssize_t high = rows.left + rows.width
    cdef char* to = ring + r % rows.ring * ring_row(rows, itemsize)
    cdef const char* row
    if rows.row[r] < 0:
        memset(to, 0, rows.columns * pixel)
        return
    row = image + rows.row[r] * rows.width * rows.channels * itemsize
    repeat_channels(row, rows.width * rows.channels, rows.copies, itemsize, to + rows.left * pixel)
    for w in range(rows.columns):
        if rows.left <= w < high:
            continue
        if rows.column[w] < 0:
            memset(to + w * pixel, 0, pixel)
        else:
            memcpy(to + w * pixel, to + (rows.left + rows.column[w]) * pixel, pixel)


cdef void tile_weights(Py_ssize_t itemsize, Py_ssize_t taps, Py_ssize_t size, Py_ssize_t tile, const int32_t* source,
                       const char* w, char* out) noexcept nogil:
    """Weights, taken from ``source`` if there is one, each tap as often as pixels are taken as one."""
    cdef Py_ssize_t t, p, row = size * itemsize
    for t in range(taps):
        for p in range(tile):
            memcpy(out, w + (t if source == NULL else source[t]) * row, row)
            out += row


cdef inline void windows_of_row(const Dims* dims, const Rows* rows, Py_ssize_t itemsize, Py_ssize_t h,
                                Py_ssize_t* at) noexcept nogil:
    """Where the rows begin that row h of the output sees, in elements."""
    cdef Py_ssize_t k, r
    for k in range(dims.kernel_rows):
        r = h * dims.row_step + k * dims.row_gap
        if dims.copies:
            at[k] = r % rows.ring * ring_row(rows, itemsize) // itemsize
        else:
            at[k] = r * rows.width * rows.channels


cdef inline Py_ssize_t take_rows(const Dims* dims, Py_ssize_t itemsize, const char* image, Py_ssize_t h,
                                 Py_ssize_t taken, char* ring) noexcept nogil:
    """The rows that row h of the output sees into the ring, those before ``taken`` being there; how many are then."""
    cdef Py_ssize_t first = h * dims.row_step, last = first + (dims.kernel_rows - 1) * dims.row_gap + 1, r
    for r in range(max(first, taken), last):
        take_row(&dims.x, itemsize, image, r, ring)
    return last


cdef void forward_part(void* argument, Py_ssize_t part) noexcept nogil:
    """Some rows of the outputs of the batch."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, H = dims.out_height
    cdef Py_ssize_t n = job.frame.batch * H, at = n * part // job.parts, end = n * (part + 1) // job.parts
    cdef Py_ssize_t elements = dims.height * dims.x.width * dims.x.channels, image, h, last, taken
    cdef Py_ssize_t whole = dims.row.pixels * dims.tile, tail = dims.out_width - dims.tile
    cdef Py_ssize_t* rows = <Py_ssize_t*> (job.scratch + part * job.part_bytes)
    cdef char* ring = <char*> rows + whole_lines(dims.kernel_rows * sizeof(Py_ssize_t))
    cdef const char* x
    cdef const char* seen
    cdef char* y
    cdef fnn_depthwise once = dims.row
    once.pixels = 1
    while at < end:
        image, h = at // H, at % H
        last = min(H, h + end - at)
        at += last - h
        x = job.x + image * elements * itemsize
        taken = 0
        for h in range(h, last):
            if dims.copies:
                taken = take_rows(dims, itemsize, x, h, taken, ring)
            windows_of_row(dims, &dims.x, itemsize, h, rows)
            seen = x
            if dims.copies:
                seen = ring
            y = job.out + (image * H + h) * dims.out_width * dims.size * itemsize
            job.step.kernels.depthwise_forward(
                &dims.row, rows, seen, job.w, job.bias, job.step.activation, job.step.alpha, y)
            if whole < dims.out_width:      # the last tile ends with the row, and computes some again
                job.step.kernels.depthwise_forward(
                    &once, rows, seen + tail * dims.size * itemsize, job.w, job.bias, job.step.activation,
                    job.step.alpha, y + tail * dims.size * itemsize)


cdef void add_up(const Dims* dims, Py_ssize_t r, const floating* padded, floating* dx) noexcept nogil:
    """Add row r of the gradient of the padded image, with its copies of channels, to that of the image."""
    cdef Py_ssize_t C = dims.x.channels, M = dims.x.copies, w, c, m
    cdef floating total
    cdef floating* to
    if dims.x.row[r] < 0:
        return
    dx += dims.x.row[r] * dims.x.width * C
    for w in range(dims.x.columns):
        if dims.x.column[w] < 0:
            continue
        to = dx + dims.x.column[w] * C
        for c in range(C):
            total = 0
            for m in range(M):
                total += padded[(w * C + c) * M + m]
            to[c] += total


cdef void input_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    """dx of some rows of the images; where rows are added up, of whole images."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Rows* dy = &dims.dy
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, H = dims.x.n if dims.gathers else dims.height
    cdef Py_ssize_t n = job.frame.batch, at, end, image, h, r, last, low, taken, k, f, g, next, pixels
    cdef Py_ssize_t elements = dims.height * dims.x.width * dims.x.channels
    cdef Py_ssize_t* rows = <Py_ssize_t*> (job.scratch + part * job.part_bytes)
    cdef char* ring = <char*> rows + whole_lines((dy.ring + 1) * sizeof(Py_ssize_t))
    cdef char* padded = ring + ring_bytes(dy, itemsize)
    cdef const char* gradient
    cdef char* dx
    cdef char* to
    cdef const RowPhase* phase
    cdef const ColumnPhase* columns
    cdef fnn_depthwise row
    if dims.gathers:
        at, end = n * part // job.parts * H, n * (part + 1) // job.parts * H
    else:
        at, end = n * H * part // job.parts, n * H * (part + 1) // job.parts
    while at < end:
        image, h = at // H, at % H
        last = min(H, h + end - at)
        at += last - h
        gradient = job.dy + image * dims.out_height * dims.out_width * dims.size * itemsize
        dx = job.out + image * elements * itemsize
        if dims.gathers:
            memset(dx, 0, elements * itemsize)
        taken = 0
        for h in range(h, last):
            r = h if dims.gathers else h + dims.top
            f, low = r % dims.row_step, r // dims.row_step
            phase = &dims.row_phases[f]
            for k in range(max(low, taken), low + dy.ring):
                take_row(dy, itemsize, gradient, k, ring)
            taken = low + dy.ring
            for k in range(phase.taps):
                rows[k] = (low + phase.back[k]) % dy.ring * ring_row(dy, itemsize) // itemsize
            to = padded if dims.gathers else dx + h * dims.x.width * dims.size * itemsize
            for g in range(dims.dx_step):
                columns = &dims.column_phases[g]
                row = columns.row
                row.rows, pixels = phase.taps, row.pixels
                row.pixels = pixels // dims.turned_tile
                if row.pixels:
                    job.step.kernels.depthwise_forward(
                        &row, rows, ring + columns.at * itemsize, job.w + columns.weights[f] * itemsize, NULL, 0, 0.0,
                        to + columns.to * itemsize)
                if row.pixels * dims.turned_tile < pixels:      # there are tiles in a single phase alone
                    row.pixels, next = 1, (pixels - dims.turned_tile) * dims.size
                    job.step.kernels.depthwise_forward(
                        &row, rows, ring + (columns.at + next) * itemsize, job.w + columns.weights[f] * itemsize, NULL, 0,
                        0.0, to + (columns.to + next) * itemsize)
            if dims.gathers:
                if itemsize == sizeof(float):
                    add_up(dims, r, <const float*> padded, <float*> dx)
                else:
                    add_up(dims, r, <const double*> padded, <double*> dx)


cdef inline Py_ssize_t weights_of(const Dims* dims) noexcept nogil:
    """Elements of the weights, each as often as pixels are taken as one."""
    return dims.taps * dims.tile * dims.size


cdef void weight_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    """The sums of some groups of rows, each into its place."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, H = dims.out_height, n = job.frame.batch * H
    cdef Py_ssize_t elements = dims.height * dims.x.width * dims.x.channels, image, h, last, taken, group, at, end
    cdef Py_ssize_t whole = dims.row.pixels * dims.tile
    cdef Py_ssize_t* rows = <Py_ssize_t*> (job.scratch + part * job.part_bytes)
    cdef char* ring = <char*> rows + whole_lines(dims.kernel_rows * sizeof(Py_ssize_t))
    cdef const char* x
    cdef const char* seen
    cdef const char* dy
    cdef char* sums
    for group in range(job.groups * part // job.parts, job.groups * (part + 1) // job.parts):
        sums = job.out + group * whole_lines(weights_of(dims) * itemsize + PAST_END)
        memset(sums, 0, weights_of(dims) * itemsize + PAST_END)
        at, end = n * group // job.groups, n * (group + 1) // job.groups
        while at < end:
            image, h = at // H, at % H
            last = min(H, h + end - at)
            at += last - h
            x = job.x + image * elements * itemsize
            taken = 0
            for h in range(h, last):
                if dims.copies:
                    taken = take_rows(dims, itemsize, x, h, taken, ring)
                windows_of_row(dims, &dims.x, itemsize, h, rows)
                seen = x
                if dims.copies:
                    seen = ring
                dy = job.dy + (image * H + h) * dims.out_width * dims.size * itemsize
                job.step.kernels.depthwise_gradient(&dims.row, rows, seen, dy, sums)
                if dims.row_end.size:
                    job.step.kernels.depthwise_gradient(&dims.row_end, rows, seen + whole * dims.size * itemsize,
                                                        dy + whole * dims.size * itemsize, sums)


cdef void add_groups(const Dims* dims, Py_ssize_t groups, Py_ssize_t apart, double scale, const floating* sums,
                     floating* dw) noexcept nogil:
    """dw += scale * the sums of all groups, and of pixels taken as one, in their order."""
    cdef Py_ssize_t t, c, p, g
    cdef floating total
    for t in range(dims.taps):
        for c in range(dims.size):
            total = 0
            for g in range(groups):
                for p in range(dims.tile):
                    total += sums[g * apart + (t * dims.tile + p) * dims.size + c]
            dw[t * dims.size + c] += <floating> scale * total


cdef void in_shares(void (*task)(void*, Py_ssize_t) noexcept nogil, Job* job, Py_ssize_t most) noexcept nogil:
    """In as many parts as the multiply-adds are worth, at most ``most``."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t outputs = job.frame.batch * dims.out_height * dims.out_width * dims.size
    cdef Py_ssize_t moved = outputs + job.frame.batch * dims.height * dims.x.width * dims.x.channels
    job.parts = min(worth(2 * outputs * dims.taps * multiply_add_work(job.step.kernels),
                          moved_of(moved * job.step.kernels.itemsize // 2)), min(most, <Py_ssize_t> SCRATCH_PARTS))
    if job.parts > 1:
        run_parts(task, job, job.parts)
    else:
        job.parts = 1
        task(job, 0)


cdef Py_ssize_t part_bytes(const Dims* dims, Py_ssize_t itemsize, bint training) noexcept nogil:
    """Scratch of one part: where rows begin, a ring of them, a row of the padded image's gradient."""
    cdef Py_ssize_t own = whole_lines(dims.kernel_rows * sizeof(Py_ssize_t))
    if dims.copies:
        own += ring_bytes(&dims.x, itemsize)
    if not training:
        return own
    return max(own, whole_lines((dims.dy.ring + 1) * sizeof(Py_ssize_t)) + ring_bytes(&dims.dy, itemsize)
               + whole_lines(dims.x.columns * dims.size * itemsize + PAST_END) * dims.gathers)


cdef Py_ssize_t tiled_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    """Of weights and biases that are tiled."""
    if dims.tile == 1:
        return 0
    return whole_lines((dims.taps + 1) * dims.tile * dims.size * itemsize + PAST_END)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(b + sum over the window of x w), channel by channel."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    cdef Job job = Job(step=step, frame=frame, dims=dims, x=frame.values[step.inputs[0]], w=frame.params + step.params,
                       bias=NULL, dy=NULL, out=frame.values[step.outputs[0]],
                       scratch=frame.scratch + tiled_bytes(dims, itemsize), part_bytes=part_bytes(dims, itemsize, False),
                       parts=1, groups=1)
    if dims.tile > 1:
        tile_weights(itemsize, dims.taps + dims.bias, dims.size, dims.tile, NULL, job.w, frame.scratch)
        job.w = frame.scratch
    if dims.bias:       # the row after the weights
        job.bias = job.w + weights_of(dims) * itemsize
    in_shares(forward_part, &job, frame.batch * dims.out_height)
    return OK


cdef Py_ssize_t groups_of(const Dims* dims, Py_ssize_t batch) noexcept nogil:
    """Groups of rows whose weight gradients are summed by themselves."""
    cdef Py_ssize_t rows = batch * dims.out_height
    return max(1, min(min(rows, <Py_ssize_t> SCRATCH_PARTS), rows * dims.out_width // PIXELS))


cdef inline Py_ssize_t turned_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return whole_lines(dims.turned * dims.turned_tile * dims.size * itemsize + PAST_END)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz convolved with the turned weights; dw += scale x dz over all pixels; db likewise."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, N = frame.batch * dims.out_height * dims.out_width
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef const char* dz = preactivation_gradient(step, frame, N * dims.size)
    cdef char* turned = frame.scratch
    cdef Py_ssize_t apart = whole_lines(weights_of(dims) * itemsize + PAST_END)
    cdef Py_ssize_t shared = max(turned_bytes(dims, itemsize), apart * SCRATCH_PARTS)
    cdef double scale = frame.scale * step.rate
    cdef Job job = Job(step=step, frame=frame, dims=dims, x=frame.values[step.inputs[0]], w=turned, bias=NULL, dy=dz,
                       out=dx, scratch=frame.scratch + shared, part_bytes=part_bytes(dims, itemsize, True), parts=1,
                       groups=groups_of(dims, frame.batch))
    if dx != NULL:
        tile_weights(itemsize, dims.turned, dims.size, dims.turned_tile, dims.source, frame.params + step.params, turned)
        in_shares(input_gradient_part, &job, frame.batch * (1 if dims.gathers else dims.height))
    if dw != NULL:
        job.out = turned
        in_shares(weight_gradient_part, &job, job.groups)
        if itemsize == sizeof(float):
            add_groups(dims, job.groups, apart // itemsize, scale, <const float*> turned, <float*> dw)
        else:
            add_groups(dims, job.groups, apart // itemsize, scale, <const double*> turned, <double*> dw)
        if dims.bias:
            bias_gradient(step, N, dims.size, scale, dz, dw + dims.taps * dims.size * itemsize)
    return OK


cdef const int32_t* keep(list owner, numbers) except NULL:
    """Numbers, in memory that lives as long as ``owner``."""
    cdef int32_t* memory = <int32_t*> zeros(owner, len(numbers) + 1, sizeof(int32_t))
    cdef Py_ssize_t i
    for i in range(len(numbers)):
        memory[i] = numbers[i]
    return memory


cdef Rows rows_of(list owner, Py_ssize_t channels, Py_ssize_t copies, Py_ssize_t ring, row, column, Py_ssize_t width,
                  Py_ssize_t left) except *:
    return Rows(width=width, channels=channels, copies=copies, left=left, columns=len(column), ring=ring, n=len(row),
                row=keep(owner, row), column=keep(owner, column))


cdef list phases(int kernel, int stride, int dilation):
    """By phase of the stride: the taps that its places see, the last first, and how far on they look."""
    taps = [[k for k in range(kernel) if (phase - k * dilation) % stride == 0][::-1] for phase in range(stride)]
    return [(own, [(phase - k * dilation) // stride for k in own]) for phase, own in enumerate(taps)]


cdef class DepthwiseOp(Op):
    """A depthwise convolution of the sizes of a ``Geometry`` whose groups are its channels; ``weight``: its shape."""

    cdef Dims dims
    cdef list memory

    def __init__(self, geometry, bint bias, tuple weight):
        g = geometry
        if g.width == g.kernel[1] == g.output[1] == 1:  # a sequence: neighbours side by side
            g = g._replace(height=1, width=g.height, **{
                name: getattr(g, name)[::-1] for name in ("kernel", "strides", "dilation", "before", "after")})
        (KH, KW), (OH, OW), (HP, WP) = g.kernel, g.output, g.padded
        C, size, M = g.channels, g.filters, g.filters // g.channels
        self.memory = []
        self.forward, self.backward, self.config = forward, backward, &self.dims
        tile = max(1, min(LANES // size, OW)) if g.strides[1] == 1 else 1
        self.dims.out_height, self.dims.out_width, self.dims.height = OH, OW, g.height
        self.dims.size, self.dims.taps, self.dims.bias, self.dims.tile = size, KH * KW, bias, tile
        self.dims.kernel_rows, self.dims.row_step, self.dims.row_gap = KH, g.strides[0], g.dilation[0]
        self.dims.copies = g.pads or M > 1 or OW % tile != 0 or tile * size % 16 != 0
        self.dims.gathers = M > 1 or (g.pads and g.mode != "zeros")
        self.dims.row = fnn_depthwise(
            pixels=OW // tile, step=tile * g.strides[1] * size, to=tile * size, rows=KH, columns=KW,
            gap=g.dilation[1] * size, size=tile * size, w_row=tile * size)
        self.dims.row_end = self.dims.row
        self.dims.row_end.pixels, self.dims.row_end.size = 1, OW % tile * size
        self.dims.x = rows_of(
            self.memory, C, M, (KH - 1) * g.dilation[0] + 1, sources(g.height, g.before[0], g.after[0], g.mode),
            sources(g.width, g.before[1], g.after[1], g.mode), g.width, g.before[1])
        self.lay_out_gradient(g)
        self.input_widths, self.output_widths = (g.height * g.width * C,), (OH * OW * size,)
        self.reads_input, self.activates, self.repeats = True, True, OH * OW
        self.parameters = (Parameter("weight", weight, KH * KW, KH * KW * M, True),)
        if bias:
            self.parameters += (Parameter("bias", (size,), KH * KW, KH * KW * M, False),)

    cdef object lay_out_gradient(self, g):
        """The input gradient: phases of rows and columns, and their turned weights."""
        cdef ColumnPhase* phase
        cdef Py_ssize_t f, size = g.filters
        (OH, OW), (HP, WP) = g.output, g.padded
        rows, columns = [phases(k, s, d) for k, s, d in zip(g.kernel, g.strides, g.dilation)]
        gathers = self.dims.gathers
        steps = [back for _, backs in rows for back in backs]
        low, high = min(steps), max(steps)
        before = -low
        seen = range(0, (HP - 1) // g.strides[0] + high - low + 1)       # in the order of the ring
        row = [r - before if 0 <= r - before < OH else -1 for r in seen]
        steps = [back for _, backs in columns for back in backs]
        left = max(0, -min(steps))
        width = max(OW, (WP - 1) // g.strides[1] + max(steps) + 1)
        column = [-1] * left + list(range(OW)) + [-1] * (width - OW)
        self.dims.dy = rows_of(self.memory, size, 1, high - low + 1, row, column, OW, left)
        self.dims.row_phases = <RowPhase*> zeros(self.memory, g.strides[0], sizeof(RowPhase))
        for f, (taps, backs) in enumerate(rows):
            self.dims.row_phases[f] = RowPhase(taps=len(taps), back=keep(self.memory, [b - low for b in backs]))
        start, W = (0, WP) if gathers else (g.before[1], g.width)
        self.dims.top, self.dims.dx_step = g.before[0], g.strides[1]
        self.dims.turned_tile = max(1, min(LANES // size, W)) if g.strides[1] == 1 else 1
        tile = self.dims.turned_tile
        self.dims.column_phases = <ColumnPhase*> zeros(self.memory, g.strides[1], sizeof(ColumnPhase))
        source = []
        for f, (taps, backs) in enumerate(columns):
            phase = &self.dims.column_phases[f]
            first = (f - start) % g.strides[1]      # place of the image that is the first of this phase
            at = (first + start) // g.strides[1] + (backs[0] if taps else 0) + left
            phase.at, phase.to, phase.taps = at * size, first * size, len(taps)
            phase.row = fnn_depthwise(
                pixels=max(0, -((first - W) // g.strides[1])), step=tile * size, to=tile * g.strides[1] * size, rows=0,
                columns=len(taps), gap=(backs[1] - backs[0]) * size if len(taps) > 1 else size, size=tile * size,
                w_row=tile * size)
            begins = []
            for row_taps, _ in rows:
                begins.append(len(source) * tile * size)
                source += [a * g.kernel[1] + b for a in row_taps for b in taps]
            phase.weights = keep(self.memory, begins)
        self.dims.turned, self.dims.source = len(source), keep(self.memory, source)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef Py_ssize_t parts = SCRATCH_PARTS * part_bytes(&self.dims, itemsize, training)
        cdef Py_ssize_t own = tiled_bytes(&self.dims, itemsize)
        if not training:
            return own + parts
        return max(own, max(turned_bytes(&self.dims, itemsize),
                            SCRATCH_PARTS * whole_lines(weights_of(&self.dims) * itemsize + PAST_END))) + parts
