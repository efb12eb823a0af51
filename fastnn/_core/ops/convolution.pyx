"""Convolution of images (H, W, C), channels last: products whose rows of inputs are windows of an image.

Weights (KH, KW, C / groups, O).  An image that is padded is copied into the scratch of the part that works on it; what each
pixel sees stands in tables (``convolution_tables``).  The input gradient is a convolution, too: of the padded gradient
of the output by the weights turned over, in one phase for each place of the strides.
Each output and each element of a gradient is computed within one part: forward and input gradient are shared by rows of the
images, the weight gradient by rows of the weights.  A weight gradient is one sum for every block of images, or band of
one, that stays in the cache: a matter of the shape alone.
"""

from cython cimport floating
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from fastnn._core.memory cimport zeros
from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.pool cimport run_parts, worth
from fastnn._core.products cimport bias_gradient, multiply_add_work
from fastnn._core.step cimport Frame, OK, Op, SCRATCH_PARTS, Step, dparams_of, whole_lines
from fastnn._core.table cimport fnn_windows

import numpy as np

from fastnn._core.ops.convolution_tables import forward_windows, gradient_windows, sources
from fastnn._core.step import Parameter

cdef enum:
    BLOCK_BYTES = 1 << 17   # of images, padded, and of gradients in one sum of a weight gradient
    UNIT = 8                # rows of weights that a part takes at least

# An image, and where each row and column of its padded copy comes from.
cdef struct Padding:
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t size         # elements of a pixel
    Py_ssize_t rows         # of the padded copy
    Py_ssize_t columns
    Py_ssize_t left         # of them before the image's own
    const int32_t* row      # -1: zeros
    const int32_t* column

# One phase of the input gradient.
cdef struct Phase:
    fnn_windows windows
    const int32_t* first    # pixel that each row begins with
    const int32_t* taps
    Py_ssize_t n_taps
    Py_ssize_t weights      # where its turned weights begin, in elements

cdef struct Dims:
    Padding x
    Padding dy
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t filters
    Py_ssize_t groups
    Py_ssize_t taps         # places of the kernel
    Py_ssize_t row_step     # rows of the image between two of the output
    Py_ssize_t reach        # rows of the image that a window spans
    Py_ssize_t images       # in a block of the weight gradient
    Py_ssize_t band         # rows of the output in a band
    bint pads
    bint folds              # the padding shows pixels of the image, whose gradients are added to theirs
    bint bias
    fnn_windows windows
    Phase* phases
    int n_phases
    Py_ssize_t turned       # elements of all turned weights

cdef struct Job:
    const Step* step
    const Frame* frame
    const Dims* dims
    const char* x
    const char* w           # or turned
    const char* y           # or dy
    char* out
    char* scratch
    Py_ssize_t part_bytes
    Py_ssize_t parts
    double scale


cdef inline Py_ssize_t depth(const Dims* dims) noexcept nogil:
    """Rows of the weights of a group."""
    return dims.taps * (dims.x.size // dims.groups)


cdef inline Py_ssize_t pixels(const Dims* dims) noexcept nogil:
    return dims.out_height * dims.out_width


cdef inline Py_ssize_t padded_bytes(const Padding* p, Py_ssize_t itemsize) noexcept nogil:
    """Of a padded copy, with what may be read past its end."""
    return whole_lines(p.rows * p.columns * p.size * itemsize + 64)


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
    cdef char* to
    memset(dx, 0, p.height * p.width * pixel)
    for h in range(p.rows):
        for w in range(p.columns):
            to = dx + (p.row[h] * p.width + p.column[w]) * pixel
            step.kernels.add(p.size, to, padded + (h * p.columns + w) * pixel, to)


cdef void turn(const Dims* dims, const floating* w, floating* turned) noexcept nogil:
    """The weights as the phases of the input gradient take them: (taps, O, C) for each group."""
    cdef Py_ssize_t C = dims.x.size // dims.groups, O = dims.filters // dims.groups, g, t, c, o
    cdef const Phase* phase
    cdef const floating* tap
    cdef int f
    for f in range(dims.n_phases):
        phase = &dims.phases[f]
        for g in range(dims.groups):
            for t in range(phase.n_taps):
                tap = w + phase.taps[t] * C * dims.filters + g * O
                for o in range(O):
                    for c in range(C):
                        turned[c] = tap[c * dims.filters + o]
                    turned += C


cdef void forward_part(void* argument, Py_ssize_t part) noexcept nogil:
    """Some rows of the outputs of the batch, image by image."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, rows = job.frame.batch * dims.out_height, OH = dims.out_height
    cdef Py_ssize_t at = rows * part // job.parts, end = rows * (part + 1) // job.parts
    cdef Py_ssize_t C = dims.x.size // dims.groups, O = dims.filters // dims.groups, image, first, last, g
    cdef const char* bias = job.w + depth(dims) * dims.filters * itemsize if dims.bias else NULL
    cdef const char* x
    cdef fnn_windows windows = dims.windows
    while at < end:
        image, first = at // OH, at % OH
        last = min(OH, first + end - at)
        x = job.x + image * dims.x.height * dims.x.width * dims.x.size * itemsize
        if dims.pads:
            pad_rows(&dims.x, itemsize, x, first * dims.row_step, (last - 1) * dims.row_step + dims.reach,
                     job.scratch + part * job.part_bytes)
            x = job.scratch + part * job.part_bytes
        windows.at, windows.to = dims.windows.at + first * dims.out_width, dims.windows.to + first * dims.out_width
        windows.pixels = (last - first) * dims.out_width
        for g in range(dims.groups):
            job.step.kernels.window_forward(
                &windows, x + g * C * itemsize, job.w + g * O * itemsize,
                bias + g * O * itemsize if bias != NULL else NULL, job.step.activation, job.step.alpha,
                job.out + (image * pixels(dims) * dims.filters + g * O) * itemsize)
        at += last - first


cdef void input_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    """dx of some rows of the images; of whole images where the padding shows pixels of theirs."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, H = 1 if dims.folds else dims.x.height
    cdef Py_ssize_t rows = job.frame.batch * H, at = rows * part // job.parts, end = rows * (part + 1) // job.parts
    cdef Py_ssize_t C = dims.x.size // dims.groups, O = dims.filters // dims.groups, image, first, last, g, size
    cdef Py_ssize_t elements = dims.x.height * dims.x.width * dims.x.size
    cdef char* padded = job.scratch + part * job.part_bytes
    cdef char* result
    cdef const char* turned
    cdef const Phase* phase
    cdef fnn_windows windows
    cdef int f
    while at < end:
        image, first = at // H, at % H
        last = min(H, first + end - at)
        at += last - first
        pad_rows(&dims.dy, itemsize, job.y + image * pixels(dims) * dims.filters * itemsize, 0, dims.dy.rows, padded)
        result = job.out + image * elements * itemsize
        if dims.folds:
            result = padded + padded_bytes(&dims.dy, itemsize)
            last = dims.x.rows
        for f in range(dims.n_phases):
            phase = &dims.phases[f]
            windows = phase.windows
            windows.at, windows.to = windows.at + phase.first[first], windows.to + phase.first[first]
            windows.pixels = phase.first[last] - phase.first[first]
            size = phase.n_taps * O * C
            for g in range(dims.groups):
                job.step.kernels.window_forward(
                    &windows, padded + g * O * itemsize, job.w + (phase.weights + g * size) * itemsize, NULL, 0, 0.0,
                    result + g * C * itemsize)
        if dims.folds:
            fold(job.step, &dims.x, result, job.out + image * elements * itemsize)


cdef void weight_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    """dw of some rows of the weights, over all images."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, K = depth(dims)
    cdef Py_ssize_t units = (K + UNIT - 1) // UNIT, row = units * part // job.parts * UNIT
    cdef Py_ssize_t last_row = min(K, units * (part + 1) // job.parts * UNIT)
    cdef Py_ssize_t C = dims.x.size // dims.groups, O = dims.filters // dims.groups, first = 0, count, h, n, g, k
    cdef Py_ssize_t elements = dims.x.height * dims.x.width * dims.x.size
    cdef const char* x
    cdef const char* dy
    cdef fnn_windows windows = dims.windows
    while first < job.frame.batch:
        count = min(dims.images, job.frame.batch - first)
        x = job.x + first * elements * itemsize
        dy = job.y + first * pixels(dims) * dims.filters * itemsize
        if dims.pads:
            for k in range(count):
                pad_rows(&dims.x, itemsize, x + k * elements * itemsize, 0, dims.x.rows,
                         job.scratch + part * job.part_bytes + k * dims.x.rows * dims.x.columns * dims.x.size * itemsize)
            x = job.scratch + part * job.part_bytes
        h = 0
        while h < dims.out_height:
            n = min(dims.band, dims.out_height - h)
            windows.at, windows.to = dims.windows.at + h * dims.out_width, dims.windows.to + h * dims.out_width
            windows.pixels = count * n * dims.out_width     # of several images: all rows
            for g in range(dims.groups):
                job.step.kernels.window_gradient(
                    &windows, row, last_row, job.scale, x + g * C * itemsize, dy + g * O * itemsize,
                    job.out + g * O * itemsize)
            h += n
        first += count


cdef void in_shares(void (*task)(void*, Py_ssize_t) noexcept nogil, Job* job, Py_ssize_t most) noexcept nogil:
    """In as many parts as the multiply-adds are worth, at most ``most``."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t work = job.frame.batch * pixels(dims) * depth(dims) * dims.filters // dims.groups
    cdef Py_ssize_t moved = job.frame.batch * (dims.x.height * dims.x.width * dims.x.size + pixels(dims) * dims.filters)
    job.parts = min(worth(work * multiply_add_work(job.step.kernels), moved * job.step.kernels.itemsize // 4),
                    min(most, <Py_ssize_t> SCRATCH_PARTS))
    if job.parts > 1:
        run_parts(task, job, job.parts)
    else:
        job.parts = 1
        task(job, 0)


cdef Py_ssize_t part_bytes(const Dims* dims, Py_ssize_t itemsize, bint training) noexcept nogil:
    cdef Py_ssize_t nbytes = dims.images * padded_bytes(&dims.x, itemsize) if dims.pads else 0
    if not training:
        return padded_bytes(&dims.x, itemsize) if dims.pads else 0
    return max(nbytes, padded_bytes(&dims.dy, itemsize) + (padded_bytes(&dims.x, itemsize) if dims.folds else 0))


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(b + sum over the window of x w)."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Job job = Job(step=step, frame=frame, dims=dims, x=frame.values[step.inputs[0]], w=frame.params + step.params,
                       y=NULL, out=frame.values[step.outputs[0]], scratch=frame.scratch,
                       part_bytes=part_bytes(dims, step.kernels.itemsize, False), parts=1, scale=0.0)
    in_shares(forward_part, &job, frame.batch * dims.out_height)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz convolved with the turned weights; dw += scale x dz over all pixels; db likewise."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, N = frame.batch * pixels(dims)
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef const char* dz = preactivation_gradient(step, frame, N * dims.filters)
    cdef char* turned = frame.scratch
    cdef Job job = Job(step=step, frame=frame, dims=dims, x=frame.values[step.inputs[0]], w=turned, y=dz, out=dx,
                       scratch=frame.scratch + whole_lines(dims.turned * itemsize + 64),
                       part_bytes=part_bytes(dims, itemsize, True), parts=1, scale=frame.scale * step.rate)
    if dx != NULL:
        if itemsize == sizeof(float):
            turn(dims, <const float*> (frame.params + step.params), <float*> turned)
        else:
            turn(dims, <const double*> (frame.params + step.params), <double*> turned)
        in_shares(input_gradient_part, &job, frame.batch * (1 if dims.folds else dims.x.height))
    if dw != NULL:
        job.out = dw
        in_shares(weight_gradient_part, &job, (depth(dims) + UNIT - 1) // UNIT)
        if dims.bias:
            bias_gradient(step, N, dims.filters, job.scale, dz, dw + depth(dims) * dims.filters * itemsize)
    return OK


cdef const int32_t* keep(list owner, table) except NULL:
    """The numbers of a table, in memory that lives as long as ``owner``."""
    numbers = np.ascontiguousarray(table, dtype=np.int32)
    cdef Py_ssize_t n = numbers.size
    cdef char* memory = <char*> zeros(owner, n + 1, sizeof(int32_t))
    cdef bytes source = numbers.tobytes()
    memcpy(memory, <const char*> source, n * sizeof(int32_t))
    return <const int32_t*> memory


cdef fnn_windows windows_of(list owner, made, Py_ssize_t outputs, Py_ssize_t w_row) except *:
    return fnn_windows(pixels=len(made.at), runs=len(made.run_at), run=made.run, outputs=outputs, w_row=w_row,
                       at=keep(owner, made.at), run_at=keep(owner, made.run_at), to=keep(owner, made.to))


cdef Padding padding_of(list owner, Py_ssize_t height, Py_ssize_t width, Py_ssize_t size, before, after, mode) except *:
    rows, columns = sources(height, before[0], after[0], mode), sources(width, before[1], after[1], mode)
    return Padding(height=height, width=width, size=size, rows=len(rows), columns=len(columns),
                   left=before[1], row=keep(owner, rows), column=keep(owner, columns))


cdef class ConvolutionOp(Op):
    """A convolution of the sizes of a ``Geometry``; ``weight``: the shape of its weight, if it has other axes."""

    cdef Dims dims
    cdef list memory

    def __init__(self, geometry, bint bias, tuple weight=None):
        cdef Py_ssize_t group, O, C, n, at = 0
        cdef int f
        cdef Phase* phase
        g = geometry
        self.memory = []
        self.forward, self.backward, self.config = forward, backward, &self.dims
        (KH, KW), (OH, OW), (HP, WP) = g.kernel, g.output, g.padded
        C, O = g.channels // g.groups, g.filters // g.groups
        pixels = HP * WP * g.channels + OH * OW * g.filters
        self.dims.images = max(1, min(64, BLOCK_BYTES // (4 * pixels)))
        bands = 1 if self.dims.images > 1 else -(-4 * pixels // BLOCK_BYTES)
        self.dims.band = -(-OH // min(bands, OH))
        self.dims.x = padding_of(self.memory, g.height, g.width, g.channels, g.before, g.after, g.mode)
        self.dims.out_height, self.dims.out_width, self.dims.filters = OH, OW, g.filters
        self.dims.groups, self.dims.taps = g.groups, KH * KW
        self.dims.row_step, self.dims.reach = g.strides[0], (KH - 1) * g.dilation[0] + 1
        self.dims.pads, self.dims.folds, self.dims.bias = g.pads, g.pads and g.mode != "zeros", bias
        self.dims.windows = windows_of(self.memory, forward_windows(g, self.dims.images), O, g.filters)
        backward_windows = gradient_windows(g)
        before, padded = backward_windows.before, backward_windows.padded
        after = (padded[0] - OH - before[0], padded[1] - OW - before[1])
        self.dims.dy = padding_of(self.memory, OH, OW, g.filters, before, after, "zeros")
        self.dims.n_phases = len(backward_windows.phases)
        self.dims.phases = <Phase*> zeros(self.memory, self.dims.n_phases, sizeof(Phase))
        for f, made in enumerate(backward_windows.phases):
            phase = &self.dims.phases[f]
            phase.windows = windows_of(self.memory, made, C, C)
            phase.first, phase.taps = keep(self.memory, made.first), keep(self.memory, made.taps)
            phase.n_taps, phase.weights = len(made.taps), at
            at += phase.n_taps * O * C * g.groups
        self.dims.turned = at
        self.input_widths, self.output_widths = (g.height * g.width * g.channels,), (OH * OW * g.filters,)
        self.reads_input, self.activates, self.repeats = True, True, OH * OW
        self.parameters = (Parameter("weight", weight or (KH, KW, C, g.filters), KH * KW * C, KH * KW * O, True),)
        if bias:
            self.parameters += (Parameter("bias", (g.filters,), KH * KW * C, KH * KW * O, False),)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef Py_ssize_t turned = whole_lines(self.dims.turned * itemsize + 64) if training else 0
        return turned + SCRATCH_PARTS * part_bytes(&self.dims, itemsize, training)
