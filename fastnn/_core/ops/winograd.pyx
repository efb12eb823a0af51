"""Convolution of images by kernels of 3 x 3 in tiles of 4 x 4 outputs: Winograd's F(4 x 4, 3 x 3).

A tile sees 6 x 6 pixels.  Its inputs and the weights are transformed, so that for each of 36 points there is one product
over the channels, of all tiles of a block by the weights of the point; what comes out is transformed back: 36 multiply-adds
for 16 outputs, where the windows take 144 [Lavin and Gray 2016].  Blocks are of as many tiles as stay in a core's cache with
all that is made of them, across the images of the batch; a tile is computed for itself, so no bit depends on the blocks.
The input gradient is the same convolution of the map, by the weights turned over; the weight gradient is that of the windows.
Transformed weights stay from one call to the next beside the weights that they were made of.
"""

from libc.stdint cimport int32_t
from libc.string cimport memcmp, memcpy

from fastnn._core.memory cimport zeros
from fastnn._core.ops.convolution cimport Config, ConvolutionOp, bias_of, parameter_gradients
from fastnn._core.ops.fused cimport preactivation_gradient
from fastnn._core.ops.padding cimport Padding, fold, keep, padded_bytes
from fastnn._core.ops.windows cimport End, input_gradient as windows_input_gradient, map_size
from fastnn._core.parts cimport LINE, PLAIN, in_parts, moved_of
from fastnn._core.pool cimport run_parts, worth
from fastnn._core.products cimport multiply_add_work
from fastnn._core.step cimport Frame, OK, SCRATCH_PARTS, Step, whole_lines
from fastnn._core.table cimport FNN_IDENTITY, fnn_shape

import numpy as np

from fastnn._core.ops.convolution_tables import sources

cdef enum:
    SIDE = 4                # of a tile
    POINTS = 36
    TAPS = 9
    BLOCK_BYTES = 3 << 17   # of what is made of the tiles of a block
    LEAST_TILES = 12        # of a block, however many channels: rows of a product that pay for reading its weights

# What makes maps (rows, columns, O) of images with C channels.
cdef struct Tiles:
    Py_ssize_t C
    Py_ssize_t O
    Py_ssize_t width        # of an image
    Py_ssize_t image        # elements of one
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t rows         # of tiles
    Py_ssize_t columns
    const int32_t* row      # of the image that a row of the tiles' inputs shows, -1: zeros
    const int32_t* column
    const char* zeros

cdef struct All:
    Config convolution      # first: it is what tangents, those of ConvolutionOp, read
    Tiles forward
    Tiles backward

cdef struct Job:
    const Step* step
    const Tiles* tiles
    const Padding* folds    # of images whose padding shows pixels of theirs: each in a part, and folded; NULL: there is none
    const char* x
    const char* u
    char* y
    char* scratch
    Py_ssize_t batch
    Py_ssize_t parts
    End end


cdef inline Py_ssize_t in_lines(Py_ssize_t elements) noexcept nogil:
    """Elements of whole cache lines: kernels write whole vectors."""
    return (elements + LINE - 1) // LINE * LINE


cdef inline Py_ssize_t tiles_of(const Tiles* tiles) noexcept nogil:
    """Of one image."""
    return tiles.rows * tiles.columns


cdef inline Py_ssize_t block_of(const Tiles* tiles, Py_ssize_t batch, Py_ssize_t itemsize) noexcept nogil:
    """Tiles of a block."""
    cdef Py_ssize_t each = POINTS * (in_lines(tiles.C) + in_lines(tiles.O)) * itemsize
    return min(batch * tiles_of(tiles), max(<Py_ssize_t> LEAST_TILES, BLOCK_BYTES // each))


# Between the matrices of two points.  One line more, or they would crowd into a few places of a cache.

cdef inline Py_ssize_t weight_step(const Tiles* tiles) noexcept nogil:
    return in_lines(tiles.C * tiles.O) + LINE


cdef inline Py_ssize_t value_step(Py_ssize_t block, Py_ssize_t size) noexcept nogil:
    return block * in_lines(size) + LINE


cdef Py_ssize_t part_bytes(const Tiles* tiles, const Padding* folds, Py_ssize_t batch, Py_ssize_t itemsize) noexcept nogil:
    cdef Py_ssize_t block = block_of(tiles, batch, itemsize)
    return whole_lines(POINTS * (value_step(block, tiles.C) + value_step(block, tiles.O)) * itemsize + 64) + (
        padded_bytes(folds, itemsize) if folds != NULL else 0)


# ---- weights ----

cdef struct Weights:
    const Step* step
    const Tiles* tiles
    const char* w
    char* u


cdef inline Py_ssize_t taps_bytes(const Tiles* tiles, Py_ssize_t itemsize) noexcept nogil:
    return whole_lines(TAPS * tiles.C * tiles.O * itemsize + 64)


cdef Py_ssize_t transformed_bytes(const Tiles* tiles, Py_ssize_t itemsize) noexcept nogil:
    """Of the weights, as they were and transformed."""
    return taps_bytes(tiles, itemsize) + whole_lines(POINTS * weight_step(tiles) * itemsize + 64)


cdef void transform_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Weights* job = <const Weights*> argument
    cdef Py_ssize_t at = first * job.step.kernels.itemsize
    job.step.kernels.winograd_weights(last - first, job.tiles.C * job.tiles.O, job.w + at, weight_step(job.tiles), job.u + at)


cdef const char* transformed(const Step* step, const Tiles* tiles, const char* w, char* turned, char* prepared) noexcept nogil:
    """The weights transformed; before that turned over, unless ``turned`` is NULL."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize, N = tiles.C * tiles.O, tap
    cdef char* u = prepared + taps_bytes(tiles, itemsize)
    cdef Weights job = Weights(step=step, tiles=tiles, w=prepared, u=u)
    if memcmp(prepared, w, TAPS * N * itemsize) == 0:
        return u
    memcpy(prepared, w, TAPS * N * itemsize)    # from here on the copy: the weights may be those of the next update by now
    if turned != NULL:
        for tap in range(TAPS):
            step.kernels.turn_over(tiles.O, tiles.C, prepared + tap * N * itemsize, tiles.C,
                                   turned + (TAPS - 1 - tap) * N * itemsize, tiles.O)
        job.w = turned
    in_parts(transform_part, &job, N, LINE, (TAPS + POINTS) * N * itemsize, PLAIN)
    return u


# ---- tiles ----

cdef void run_tiles(const Job* job, const char* x, Py_ssize_t first, Py_ssize_t last, char* scratch, char* y) noexcept nogil:
    """Tiles first .. last - 1 of some images, counted through all of them."""
    cdef const Tiles* tiles = job.tiles
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, block = block_of(tiles, job.batch, itemsize)
    cdef Py_ssize_t C = tiles.C, O = tiles.O, x_row = in_lines(C), y_row = in_lines(O)
    cdef Py_ssize_t v_step = value_step(block, C), m_step = value_step(block, O), u_step = weight_step(tiles)
    cdef char* v = scratch
    cdef char* m = scratch + POINTS * v_step * itemsize
    cdef Py_ssize_t t, point, image, row, column
    cdef fnn_shape shape = fnn_shape(batch=0, inputs=C, outputs=O, x_row=x_row, w_row=O, y_row=y_row, bias_row=0)
    while first < last:
        shape.batch = min(block, last - first)
        for t in range(shape.batch):
            image, row = (first + t) // tiles_of(tiles), (first + t) % tiles_of(tiles)
            row, column = row // tiles.columns * SIDE, row % tiles.columns * SIDE
            job.step.kernels.winograd_input(
                C, tiles.width, tiles.row + row, tiles.column + column, x + image * tiles.image * itemsize, tiles.zeros,
                v_step, v + t * x_row * itemsize)
        for point in range(POINTS):
            job.step.kernels.products.forward(&shape, v + point * v_step * itemsize, job.u + point * u_step * itemsize, NULL,
                                              FNN_IDENTITY, 0.0, m + point * m_step * itemsize)
        for t in range(shape.batch):
            image, row = (first + t) // tiles_of(tiles), (first + t) % tiles_of(tiles)
            row, column = row // tiles.columns * SIDE, row % tiles.columns * SIDE
            job.step.kernels.winograd_output(
                O, min(<Py_ssize_t> SIDE, tiles.out_height - row), min(<Py_ssize_t> SIDE, tiles.out_width - column),
                m_step, m + t * y_row * itemsize, job.end.bias, job.end.activation, job.end.alpha, tiles.out_width * O,
                y + ((image * tiles.out_height + row) * tiles.out_width + column) * O * itemsize)
        first += shape.batch


cdef void tiles_part(void* argument, Py_ssize_t part) noexcept nogil:
    """Some tiles; of whole images where they are folded."""
    cdef const Job* job = <const Job*> argument
    cdef const Tiles* tiles = job.tiles
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, nbytes = part_bytes(tiles, job.folds, job.batch, itemsize)
    cdef Py_ssize_t units = job.batch if job.folds != NULL else job.batch * tiles_of(tiles)
    cdef Py_ssize_t first = units * part // job.parts, last = units * (part + 1) // job.parts
    cdef char* scratch = job.scratch + part * nbytes
    cdef char* padded
    if job.folds == NULL:
        run_tiles(job, job.x, first, last, scratch, job.y)
        return
    padded = scratch + nbytes - padded_bytes(job.folds, itemsize)
    while first < last:
        run_tiles(job, job.x + first * tiles.image * itemsize, 0, tiles_of(tiles), scratch, padded)
        fold(job.step, job.folds, padded, job.y + first * job.folds.height * job.folds.width * job.folds.size * itemsize)
        first += 1


cdef void convolve(Job* job) noexcept nogil:
    """y = activation(bias + sum over the window of x w), in as many parts as the multiply-adds are worth."""
    cdef const Tiles* tiles = job.tiles
    cdef Py_ssize_t units = job.batch if job.folds != NULL else job.batch * tiles_of(tiles)
    cdef Py_ssize_t work = job.batch * tiles_of(tiles) * POINTS * tiles.C * tiles.O
    cdef Py_ssize_t moved = job.batch * (tiles.image + tiles.out_height * tiles.out_width * tiles.O)
    job.parts = min(worth(work * multiply_add_work(job.step.kernels), moved_of(moved * job.step.kernels.itemsize // 2)),
                    min(units, <Py_ssize_t> SCRATCH_PARTS))
    if job.parts > 1:
        run_parts(tiles_part, job, job.parts)
    else:
        job.parts = 1
        tiles_part(job, 0)


# ---- the op ----

cdef inline const Padding* folds_of(const All* all) noexcept nogil:
    return &all.convolution.dims.x if all.convolution.dims.folds else NULL


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(b + sum over the window of x w)."""
    cdef const All* all = <const All*> step.config
    cdef Job job = Job(step=step, tiles=&all.forward, folds=NULL, x=frame.values[step.inputs[0]],
                       u=transformed(step, &all.forward, frame.params + step.params, NULL, frame.prepared[step.index]),
                       y=frame.values[step.outputs[0]], scratch=frame.scratch, batch=frame.batch, parts=1,
                       end=End(bias=bias_of(step, frame, &all.convolution), activation=step.activation, alpha=step.alpha))
    convolve(&job)
    return OK


cdef void input_gradient(const Step* step, const Frame* frame, const All* all, const char* dz, char* dx) noexcept nogil:
    """dx = dz convolved with the turned weights."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize
    cdef const Tiles* tiles = &all.backward
    cdef const char* w = frame.params + step.params
    cdef char* prepared = frame.prepared[step.index] + transformed_bytes(&all.forward, itemsize)
    cdef Job job = Job(step=step, tiles=tiles, folds=folds_of(all), x=dz, u=transformed(step, tiles, w, frame.scratch, prepared),
                       y=dx, scratch=frame.scratch, batch=frame.batch, parts=1,
                       end=End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0))
    convolve(&job)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dz = da * activation'(z); dx = dz convolved with the turned weights; dw += scale x dz over all pixels; db likewise."""
    cdef const All* all = <const All*> step.config
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef const char* dz = preactivation_gradient(step, frame, frame.batch * map_size(&all.convolution.dims))
    if dx != NULL and all.convolution.dims.scatters:
        windows_input_gradient(step, frame, &all.convolution.dims, dz, frame.params + step.params,
                               End(bias=NULL, activation=FNN_IDENTITY, alpha=0.0), dx, False)
    elif dx != NULL:
        input_gradient(step, frame, all, dz, dx)
    parameter_gradients(step, frame, &all.convolution, dz)
    return OK


cdef const int32_t* places(list memory, Py_ssize_t size, Py_ssize_t before, Py_ssize_t out, mode) except NULL:
    """Rows (or columns) of an image that the tiles see: beyond the last that an output sees there are zeros."""
    seen = sources(size, before, out + 2 - size - before, mode)
    table = np.full((out + SIDE - 1) // SIDE * SIDE + 2, -1, np.int32)
    table[:len(seen)] = seen
    return keep(memory, table)


cdef Tiles lay_out(list memory, image, Py_ssize_t C, before, out, Py_ssize_t O, mode) except *:
    """Tiles of maps of the size ``out`` that images make of that size, with ``before`` rows and columns before them."""
    (H, W), (OH, OW) = image, out
    return Tiles(C=C, O=O, width=W, image=H * W * C, out_height=OH, out_width=OW, rows=-(-OH // SIDE), columns=-(-OW // SIDE),
                 row=places(memory, H, before[0], OH, mode), column=places(memory, W, before[1], OW, mode),
                 zeros=<const char*> zeros(memory, C, sizeof(double)))


cdef class WinogradOp(ConvolutionOp):
    """As ConvolutionOp, for a kernel of 3 x 3, strides 1, no dilation and no groups."""

    cdef All all

    def __init__(self, geometry, bint bias, tuple weight=None):
        ConvolutionOp.__init__(self, geometry, bias, weight)
        g = geometry
        size = (g.height, g.width)
        self.forward, self.backward, self.config = forward, backward, &self.all
        self.all.convolution, self.carries = self.dims, False
        self.all.forward = lay_out(self.memory, size, g.channels, g.before, g.output, g.filters, g.mode)
        image, start = (g.padded, (0, 0)) if self.dims.dims.folds else (size, g.before)
        self.all.backward = lay_out(self.memory, g.output, g.filters, (2 - start[0], 2 - start[1]), image, g.channels, "zeros")

    cdef Py_ssize_t prepared_bytes(self, Py_ssize_t itemsize, bint training) noexcept:
        cdef Py_ssize_t nbytes = transformed_bytes(&self.all.forward, itemsize)
        if training and not self.dims.dims.scatters:
            nbytes += transformed_bytes(&self.all.backward, itemsize)
        return nbytes

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef const All* all = &self.all
        cdef Py_ssize_t nbytes = SCRATCH_PARTS * part_bytes(&all.forward, NULL, batch, itemsize)
        if training:    # the windows compute the weight gradient, tangents, and the input gradient of few channels
            nbytes = max(nbytes, ConvolutionOp.scratch_bytes(self, batch, itemsize, training))
        if training and not all.convolution.dims.scatters:
            nbytes = max(nbytes, taps_bytes(&all.backward, itemsize))
            nbytes = max(nbytes, SCRATCH_PARTS * part_bytes(&all.backward, folds_of(all), batch, itemsize))
        return nbytes
