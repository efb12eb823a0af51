"""The three products of a convolution: of windows of images (H, W, C), channels last, with weights (KH, KW, C / groups, O).

An image that is padded is copied into the scratch of the part that works on it; what each pixel of the map sees stands in
tables (``convolution_tables``).  The input gradient has two forms, by the shape alone.  Pixels of the image gather: a
convolution of the padded map by the weights turned over, in one phase for each place of the strides.  Where channels are
few, and would leave most of a vector empty, pixels of the map scatter: each adds to its window.
Each output and each element of a gradient is computed within one part: forward and input gradient are shared by rows of the
images, the weight gradient by rows of the weights.  A weight gradient is one sum for every block of images, or band of
one, that stays in the cache: a matter of the shape alone.
"""

from libc.string cimport memcpy, memset

from fastnn._core.carry cimport BACKWARD, FORWARD, all_after, all_before, carry
from fastnn._core.memory cimport zeros
from fastnn._core.ops.padding cimport fold, keep, pad_rows, padded_bytes, padding_of, pads
from fastnn._core.parts cimport moved_of
from fastnn._core.pool cimport run_parts, worth
from fastnn._core.products cimport multiply_add_work
from fastnn._core.step cimport SCRATCH_PARTS, whole_lines
from fastnn._core.table cimport FNN_IDENTITY, FNN_SCATTER_ROWS, FNN_SCATTER_RUN

from fastnn._core.ops.convolution_tables import forward_windows, gradient_windows

cdef enum:
    BLOCK_BYTES = 1 << 17   # of images, padded, and of gradients in one sum of a weight gradient
    UNIT = 24               # rows of weights: parts take whole ones
    AHEAD_BYTES = 1 << 18   # fetched while others are worked on, at most
    FEW = 16                # channels below which pixels of the map scatter
    FOLDED = 128            # columns of pixels side by side whose sums are made at a time

cdef struct Job:
    const Step* step
    const Dims* dims
    const char* x           # images
    const char* w           # weights, or such as are turned over
    const char* y           # maps
    char* out
    char* scratch
    Py_ssize_t part_bytes
    Py_ssize_t parts
    Py_ssize_t batch
    double scale
    char* db                # NULL: nobody wants it
    End end


cdef inline Py_ssize_t group_channels(const Dims* dims) noexcept nogil:
    return dims.x.size // dims.groups


cdef inline Py_ssize_t group_filters(const Dims* dims) noexcept nogil:
    return dims.filters // dims.groups


cdef inline void fetch(fnn_windows* windows, int stretch, const char* at, Py_ssize_t nbytes) noexcept nogil:
    """Let what follows be fetched meanwhile, unless it is so much that it would not stay in the cache."""
    windows.ahead[stretch].at = at
    windows.ahead[stretch].bytes = nbytes if nbytes <= AHEAD_BYTES else 0


cdef inline const char* bias_of(const Job* job, Py_ssize_t at) noexcept nogil:
    return job.end.bias + at * job.step.kernels.itemsize if job.end.bias != NULL else NULL


cdef void count_parts(Job* job, Py_ssize_t most) noexcept nogil:
    """As many as the multiply-adds are worth, at most ``most``."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t work = job.batch * map_size(dims) * depth(dims)
    cdef Py_ssize_t moved = job.batch * (image_size(dims) + map_size(dims))
    job.parts = min(worth(work * multiply_add_work(job.step.kernels), moved_of(moved * job.step.kernels.itemsize // 2)),
                    min(most, <Py_ssize_t> SCRATCH_PARTS))


cdef void in_shares(void (*task)(void*, Py_ssize_t) noexcept nogil, Job* job) noexcept nogil:
    if job.parts > 1:
        run_parts(task, job, job.parts)
    else:
        job.parts = 1
        task(job, 0)


# ---- forward ----

cdef inline Py_ssize_t forward_part_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return padded_bytes(&dims.x, itemsize) if pads(&dims.x) else 0


cdef Py_ssize_t forward_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return SCRATCH_PARTS * forward_part_bytes(dims, itemsize)


cdef void forward_rows(const Job* job, Py_ssize_t part, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Rows at .. end - 1 of the maps of the batch, image by image."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, OH = dims.out_height
    cdef Py_ssize_t C = group_channels(dims), O = group_filters(dims), image, first, last, g
    cdef const char* x
    cdef fnn_windows windows = dims.windows
    while at < end:
        image, first = at // OH, at % OH
        last = min(OH, first + end - at)
        x = job.x + image * image_size(dims) * itemsize
        if pads(&dims.x):
            pad_rows(&dims.x, itemsize, x, first * dims.row_step, (last - 1) * dims.row_step + dims.reach,
                     job.scratch + part * job.part_bytes)
            x = job.scratch + part * job.part_bytes
        windows.at, windows.to = dims.windows.at + first * dims.out_width, dims.windows.to + first * dims.out_width
        windows.pixels = (last - first) * dims.out_width
        fetch(&windows, 0, job.x + (image + 1) * image_size(dims) * itemsize,
              image_size(dims) * itemsize if at + last - first < end else 0)
        for g in range(dims.groups):
            job.step.kernels.window_forward(
                &windows, x + g * C * itemsize, job.w + g * O * itemsize, bias_of(job, g * O), job.end.activation,
                job.end.alpha, job.out + (image * map_size(dims) + g * O) * itemsize)
        at += last - first


cdef void forward_part(void* argument, Py_ssize_t part) noexcept nogil:
    """Some rows of the maps of the batch."""
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t rows = job.batch * job.dims.out_height
    forward_rows(job, part, rows * part // job.parts, rows * (part + 1) // job.parts)


cdef void forward_images(const void* argument, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    forward_rows(job, part, first * job.dims.out_height, last * job.dims.out_height)


cdef void forward(const Step* step, const Frame* frame, const Dims* dims, const char* x, const char* w, End end, char* y,
                  bint carries) noexcept nogil:
    """y = activation(bias + sum over the window of x w); ``carries``: with what the step carries."""
    cdef Job job = Job(step=step, dims=dims, x=x, w=w, y=NULL, out=y, scratch=frame.scratch,
                       part_bytes=forward_part_bytes(dims, step.kernels.itemsize), parts=1, batch=frame.batch, scale=0.0,
                       db=NULL, end=end)
    count_parts(&job, frame.batch * dims.out_height)
    if carries and carry(step, frame, FORWARD, forward_images, &job, job.parts):
        return
    if carries:
        all_before(step, frame, FORWARD)
    in_shares(forward_part, &job)
    if carries:
        all_after(step, frame, FORWARD)


# ---- input gradient: scratch begins with the weights as they are read ----

cdef Py_ssize_t turned_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    """Of the weights: a scatter fills up vectors of at most 64 bytes."""
    cdef Py_ssize_t size = depth(dims) * dims.filters, lanes = 64 // itemsize
    if dims.scatters:
        size = dims.windows.runs * ((dims.windows.run + lanes - 1) // lanes) * lanes * dims.filters
    return whole_lines(size * itemsize + 64)


cdef Py_ssize_t input_gradient_part_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    cdef Py_ssize_t nbytes = padded_bytes(&dims.dy, itemsize) if pads(&dims.dy) and not dims.scatters else 0
    return nbytes + (padded_bytes(&dims.x, itemsize) if dims.scatters or dims.folds else 0)


cdef Py_ssize_t input_gradient_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return turned_bytes(dims, itemsize) + SCRATCH_PARTS * input_gradient_part_bytes(dims, itemsize)


cdef void turn(const Step* step, const Dims* dims, const char* w, char* turned) noexcept nogil:
    """The weights as they are read: by a scatter, or by the phases that gather, (taps, O, C) for each group."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize, C = group_channels(dims), O = group_filters(dims), g, t
    cdef fnn_windows windows = dims.windows
    cdef const Phase* phase
    cdef int f
    if dims.scatters:
        for g in range(dims.groups):
            step.kernels.scatter_turn(&windows, w + g * O * itemsize, turned)
            turned += step.kernels.scatter_size(&windows) * itemsize
        return
    for f in range(dims.n_phases):
        phase = &dims.phases[f]
        for g in range(dims.groups):
            for t in range(phase.n_taps):
                step.kernels.turn_over(C, O, w + (phase.taps[t] * C * dims.filters + g * O) * itemsize, dims.filters, turned, C)
                turned += O * C * itemsize


cdef void map_rows(const Dims* dims, Py_ssize_t first, Py_ssize_t last, Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    """Rows of the padded map that rows first .. last - 1 of the image see."""
    cdef Py_ssize_t row = dims.dy.columns * dims.dy.size, begin, end
    cdef const fnn_windows* windows
    cdef int f
    low[0], high[0] = dims.dy.rows, 0
    for f in range(dims.n_phases):
        windows = &dims.phases[f].windows
        begin, end = dims.phases[f].first[first], dims.phases[f].first[last]
        if begin < end and windows.runs:
            low[0] = min(low[0], (windows.at[begin] + windows.run_at[0]) // row)
            # a run may hold several rows, of a map as narrow as the windows
            high[0] = max(high[0], (windows.at[end - 1] + windows.run_at[windows.runs - 1] + windows.run - 1) // row + 1)


cdef void gather_rows(const Job* job, Py_ssize_t image, Py_ssize_t first, Py_ssize_t last, char* padded,
                      char* result) noexcept nogil:
    """Rows first .. last - 1 of the image."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, C = group_channels(dims), O = group_filters(dims), g, size
    cdef Py_ssize_t low, high
    cdef const char* map = job.y + image * map_size(dims) * itemsize
    cdef const char* dy = map
    cdef const Phase* phase
    cdef fnn_windows windows
    cdef int f
    if pads(&dims.dy):
        map_rows(dims, first, last, &low, &high)
        pad_rows(&dims.dy, itemsize, dy, low, high, padded)
        dy = padded
    for f in range(dims.n_phases):
        phase = &dims.phases[f]
        windows = phase.windows
        windows.at, windows.to = windows.at + phase.first[first], windows.to + phase.first[first]
        windows.pixels = phase.first[last] - phase.first[first]
        fetch(&windows, 0, map + map_size(dims) * itemsize,
              map_size(dims) * itemsize if f == 0 and image + 1 < job.batch else 0)
        size = phase.n_taps * O * C
        for g in range(dims.groups):
            job.step.kernels.window_forward(
                &windows, dy + g * O * itemsize, job.w + (phase.weights + g * size) * itemsize, bias_of(job, g * C),
                job.end.activation, job.end.alpha, result + g * C * itemsize)


cdef void begin_rows(const Job* job, Py_ssize_t first, Py_ssize_t last, char* padded) noexcept nogil:
    """Rows of a padded image, each pixel of which begins with the bias."""
    cdef const Padding* p = &job.dims.x
    cdef Py_ssize_t pixel = p.size * job.step.kernels.itemsize, row = p.columns * pixel, w
    padded += first * row
    if job.end.bias == NULL:
        memset(padded, 0, (last - first) * row)
        return
    for w in range(p.columns):
        memcpy(padded + w * pixel, job.end.bias, pixel)
    for w in range(1, last - first):
        memcpy(padded + w * row, padded, row)


cdef void scatter_rows(const Job* job, Py_ssize_t image, Py_ssize_t first, Py_ssize_t last, char* padded) noexcept nogil:
    """Rows first .. last - 1 of the padded image; what is added to others does not count."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, C = group_channels(dims), O = group_filters(dims), g
    cdef Py_ssize_t low = 0 if first < dims.reach else (first - dims.reach) // dims.row_step + 1
    cdef Py_ssize_t high = (last - 1) // dims.row_step + 1
    # by as many rows as add up together, counted from the first of the map: where bands begin shows in no bit
    low -= low % FNN_SCATTER_ROWS
    high = min(dims.out_height, (high + FNN_SCATTER_ROWS - 1) // FNN_SCATTER_ROWS * FNN_SCATTER_ROWS)
    cdef const char* turned = job.w
    cdef fnn_windows windows = dims.windows
    windows.at, windows.to = windows.at + low * dims.out_width, windows.to + low * dims.out_width
    windows.pixels = max(0, high - low) * dims.out_width
    begin_rows(job, min(first, low * dims.row_step), max(last, (high - 1) * dims.row_step + dims.reach), padded)
    for g in range(dims.groups):
        job.step.kernels.scatter(&windows, dims.out_width, job.y + (image * map_size(dims) + g * O) * itemsize, turned,
                                 padded + g * C * itemsize)
        turned += job.step.kernels.scatter_size(&windows) * itemsize


cdef void finish_rows(const Job* job, Py_ssize_t first, Py_ssize_t last, const char* padded, char* out) noexcept nogil:
    """The rows of the image that stand in the padded one from its row ``first`` on."""
    cdef const Padding* p = &job.dims.x
    cdef Py_ssize_t pixel = p.size * job.step.kernels.itemsize, h, row = p.width * p.size
    for h in range(first, last):
        memcpy(out, padded + (h * p.columns + p.left) * pixel, p.width * pixel)
        if job.end.activation != FNN_IDENTITY:
            job.step.kernels.activation_forward[job.end.activation](row, job.end.alpha, out, out)
        out += p.width * pixel


cdef inline Py_ssize_t gradient_height(const Dims* dims) noexcept nogil:
    """Rows of an image that may be made apart: none where the padding shows pixels of the image."""
    return 1 if dims.folds else dims.x.height


cdef void input_gradient_rows(const Job* job, Py_ssize_t part, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """dx of rows at .. end - 1 of the images of the batch."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, H = gradient_height(dims), image, first, last
    cdef Py_ssize_t row = dims.x.width * dims.x.size * itemsize, top = dims.x.top
    cdef char* scratch = job.scratch + part * job.part_bytes
    cdef char* padded = scratch     # the image; a map that is padded stands after it
    cdef char* out
    if dims.scatters or dims.folds:
        scratch += padded_bytes(&dims.x, itemsize)
    while at < end:
        image, first = at // H, at % H
        last = min(H, first + end - at)
        at += last - first
        out = job.out + image * image_size(dims) * itemsize
        if dims.folds:
            if dims.scatters:
                scatter_rows(job, image, 0, dims.x.rows, padded)
            else:
                gather_rows(job, image, 0, dims.x.rows, scratch, padded)
            fold(job.step, &dims.x, padded, out)
        elif dims.scatters:
            scatter_rows(job, image, top + first, top + last, padded)
            finish_rows(job, top + first, top + last, padded, out + first * row)
        else:
            gather_rows(job, image, first, last, scratch, out)


cdef void input_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t rows = job.batch * gradient_height(job.dims)
    input_gradient_rows(job, part, rows * part // job.parts, rows * (part + 1) // job.parts)


cdef void input_gradient_images(const void* argument, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    input_gradient_rows(job, part, first * gradient_height(job.dims), last * gradient_height(job.dims))


cdef void input_gradient(const Step* step, const Frame* frame, const Dims* dims, const char* dy, const char* w, End end,
                         char* dx, bint carries) noexcept nogil:
    """dx = activation(bias + sum over the pixels of the map that see it of dy w); no end where the padding folds.

    ``carries``: with what the step carries in its backward pass.
    """
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    cdef Job job = Job(step=step, dims=dims, x=NULL, w=frame.scratch, y=dy, out=dx,
                       scratch=frame.scratch + turned_bytes(dims, itemsize),
                       part_bytes=input_gradient_part_bytes(dims, itemsize), parts=1, batch=frame.batch, scale=0.0, db=NULL,
                       end=end)
    turn(step, dims, w, frame.scratch)
    count_parts(&job, frame.batch * gradient_height(dims))
    if carries and carry(step, frame, BACKWARD, input_gradient_images, &job, job.parts):
        return
    if carries:
        all_before(step, frame, BACKWARD)
    in_shares(input_gradient_part, &job)
    if carries:
        all_after(step, frame, BACKWARD)


# ---- weight gradient ----

cdef inline Py_ssize_t weight_gradient_part_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return dims.images * padded_bytes(&dims.x, itemsize) if pads(&dims.x) else 0


cdef Py_ssize_t weight_gradient_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    return SCRATCH_PARTS * weight_gradient_part_bytes(dims, itemsize)


cdef void add_bias_gradient(const Job* job, Py_ssize_t pixels, const char* dy) noexcept nogil:
    """db += scale * sum over the pixels of dy: few filters first as one row of several pixels, so that sums need not wait."""
    cdef double memory[FOLDED + 16]     # behind the sums there is something to be read
    cdef Py_ssize_t N = job.dims.filters, itemsize = job.step.kernels.itemsize
    cdef Py_ssize_t fold = FOLDED // N, rows
    if fold < 2:
        job.step.kernels.add_row_sum(pixels, N, job.scale, dy, N, job.db)
        return
    rows = pixels // fold
    memset(memory, 0, sizeof(memory))
    job.step.kernels.add_row_sum(rows, fold * N, 1.0, dy, fold * N, <char*> memory)
    job.step.kernels.add_row_sum(pixels - rows * fold, N, 1.0, dy + rows * fold * N * itemsize, N, <char*> memory)
    job.step.kernels.add_row_sum(fold, N, job.scale, <char*> memory, N, job.db)


cdef void weight_gradient_part(void* argument, Py_ssize_t part) noexcept nogil:
    """dw of some rows of the weights, over all images."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, K = depth(dims)
    cdef Py_ssize_t units = (K + UNIT - 1) // UNIT, row = units * part // job.parts * UNIT
    cdef Py_ssize_t last_row = min(K, units * (part + 1) // job.parts * UNIT)
    cdef Py_ssize_t C = group_channels(dims), O = group_filters(dims), first = 0, count, following, h, n, g, k
    cdef Py_ssize_t elements = image_size(dims), padded = dims.x.rows * dims.x.columns * dims.x.size
    cdef const char* x
    cdef const char* images
    cdef const char* dy
    cdef fnn_windows windows = dims.windows
    while first < job.batch:
        count = min(dims.images, job.batch - first)
        x = images = job.x + first * elements * itemsize
        dy = job.y + first * map_size(dims) * itemsize
        if pads(&dims.x):
            for k in range(count):
                pad_rows(&dims.x, itemsize, x + k * elements * itemsize, 0, dims.x.rows,
                         job.scratch + part * job.part_bytes + k * padded * itemsize)
            x = job.scratch + part * job.part_bytes
        h = 0
        while h < dims.out_height:
            n = min(dims.band, dims.out_height - h)
            windows.at, windows.to = dims.windows.at + h * dims.out_width, dims.windows.to + h * dims.out_width
            windows.pixels = count * n * dims.out_width     # of several images: all rows
            following = min(dims.images, job.batch - first - count) if h + n == dims.out_height else 0
            fetch(&windows, 0, images + count * elements * itemsize, following * elements * itemsize)
            fetch(&windows, 1, dy + count * map_size(dims) * itemsize, following * map_size(dims) * itemsize)
            for g in range(dims.groups):
                job.step.kernels.window_gradient(
                    &windows, row, last_row, job.scale, x + g * C * itemsize, dy + g * O * itemsize,
                    job.out + g * O * itemsize)
            if part == 0 and job.db != NULL:
                add_bias_gradient(job, windows.pixels, dy + windows.to[0] * itemsize)
            h += n
        first += count


cdef void weight_gradient(const Step* step, const Frame* frame, const Dims* dims, double scale, const char* x, const char* dy,
                          char* dw, char* db) noexcept nogil:
    """dw += scale * sum over the pixels of x dy; db += scale * sum of dy, unless db is NULL."""
    cdef Job job = Job(step=step, dims=dims, x=x, w=NULL, y=dy, out=dw, scratch=frame.scratch,
                       part_bytes=weight_gradient_part_bytes(dims, step.kernels.itemsize), parts=1, batch=frame.batch,
                       scale=scale, db=db, end=End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0))
    count_parts(&job, (depth(dims) + UNIT - 1) // UNIT)
    in_shares(weight_gradient_part, &job)


# ---- sizes and tables ----

cdef fnn_windows windows_of(list memory, made, Py_ssize_t outputs, Py_ssize_t w_row) except *:
    cdef fnn_windows windows
    memset(&windows, 0, sizeof(windows))
    windows.pixels, windows.runs, windows.run, windows.columns = len(made.at), len(made.run_at), made.run, made.columns
    windows.outputs, windows.w_row = outputs, w_row
    windows.at, windows.run_at, windows.to = keep(memory, made.at), keep(memory, made.run_at), keep(memory, made.to)
    return windows


cdef void lay_out(Dims* dims, list memory, geometry) except *:
    """Sizes and tables of a ``Geometry``; the tables live as long as ``memory``."""
    cdef Py_ssize_t C, O, at = 0
    cdef int f
    cdef Phase* phase
    g = geometry
    (KH, KW), (OH, OW), (HP, WP) = g.kernel, g.output, g.padded
    C, O = g.channels // g.groups, g.filters // g.groups
    pixels = HP * WP * g.channels + OH * OW * g.filters
    dims.images = max(1, min(64, BLOCK_BYTES // (4 * pixels)))
    bands = 1 if dims.images > 1 else -(-4 * pixels // BLOCK_BYTES)
    dims.band = -(-OH // min(bands, OH))
    dims.x = padding_of(memory, g.height, g.width, g.channels, g.before, g.after, g.mode)
    dims.out_height, dims.out_width, dims.filters = OH, OW, g.filters
    dims.groups, dims.taps = g.groups, KH * KW
    dims.row_step, dims.reach = g.strides[0], (KH - 1) * g.dilation[0] + 1
    dims.folds = g.pads and g.mode != "zeros"
    dims.windows = windows_of(memory, forward_windows(g, dims.images), O, g.filters)
    dims.scatters = C < FEW and dims.windows.run <= FNN_SCATTER_RUN
    backward_windows = gradient_windows(g)
    before, padded = backward_windows.before, backward_windows.padded
    after = (padded[0] - OH - before[0], padded[1] - OW - before[1])
    dims.dy = padding_of(memory, OH, OW, g.filters, before, after, "zeros")
    dims.n_phases = len(backward_windows.phases)
    dims.phases = <Phase*> zeros(memory, dims.n_phases, sizeof(Phase))
    for f, made in enumerate(backward_windows.phases):
        phase = &dims.phases[f]
        phase.windows = windows_of(memory, made, C, C)
        phase.first, phase.taps = keep(memory, made.first), keep(memory, made.taps)
        phase.n_taps, phase.weights = len(made.taps), at
        at += phase.n_taps * O * C * g.groups
