"""The axes of each row in another order: a copy.

What stays side by side counts as one axis.  If the last axis stays last, its numbers move together, in pieces; else the
last axes of both arrays are a matrix that is turned over, and the others say where the next such matrix lies.  Rows of
a matrix, or pieces, are taken ``ROWS`` at a time: what they touch stays in the cache, and threads share them.
"""

from fastnn._core.memory cimport copy_rows
from fastnn._core.parts cimport PLAIN, step_in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent

from math import prod

from fastnn._core.ops.permutation import walk as steps_of

cdef enum:
    MOST = 16               # axes of a row
    ROWS = 64

# Blocks of a row, in the order of its output, and what is done to each of them.
cdef struct Walk:
    Py_ssize_t width
    Py_ssize_t blocks       # of a row
    int axes                # whose places number the blocks; the last of them counts blocks of ROWS
    Py_ssize_t count[MOST]
    Py_ssize_t x_step[MOST] # elements between two places
    Py_ssize_t y_step[MOST]
    Py_ssize_t rows
    Py_ssize_t x_row
    Py_ssize_t columns      # of the matrix, 0: pieces
    Py_ssize_t y_row
    Py_ssize_t piece

cdef struct Dims:
    Walk there
    Walk back


cdef void move(const Step* step, const Walk* walk, const char* x, char* y, Py_ssize_t first,
               Py_ssize_t last) noexcept nogil:
    """Blocks first .. last - 1 of all rows."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize, b = first % walk.blocks, at = first // walk.blocks * walk.width
    cdef Py_ssize_t place[MOST]
    cdef Py_ssize_t x_at = at, y_at = at, rows, i
    for i in range(walk.axes - 1, -1, -1):
        place[i] = b % walk.count[i]
        b = b // walk.count[i]
        x_at += place[i] * walk.x_step[i]
        y_at += place[i] * walk.y_step[i]
    for _ in range(last - first):
        rows = min(<Py_ssize_t> ROWS, walk.rows - place[walk.axes - 1] * ROWS)
        if walk.columns:
            step.kernels.turn_over(rows, walk.columns, x + x_at * itemsize, walk.x_row, y + y_at * itemsize, walk.y_row)
        else:
            copy_rows(rows, walk.piece * itemsize, x + x_at * itemsize, walk.x_row * itemsize, y + y_at * itemsize,
                      walk.y_row * itemsize)
        i = walk.axes - 1
        while i >= 0:
            place[i] += 1
            x_at += walk.x_step[i]
            y_at += walk.y_step[i]
            if place[i] < walk.count[i]:
                break
            x_at -= walk.count[i] * walk.x_step[i]
            y_at -= walk.count[i] * walk.y_step[i]
            place[i] = 0
            i -= 1
        if i < 0:           # the next row
            x_at += walk.width
            y_at += walk.width


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    move(step, &(<const Dims*> step.config).there, frame.values[step.inputs[0]], frame.values[step.outputs[0]], first, last)


cdef void backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    move(step, &(<const Dims*> step.config).back, frame.gradients[step.outputs[0]], frame.gradients[step.inputs[0]],
         first, last)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x with its axes in another order."""
    cdef const Walk* walk = &(<const Dims*> step.config).there
    step_in_parts(forward_part, step, frame, frame.batch * walk.blocks, 1,
                  frame.batch * walk.width * step.kernels.itemsize, 4 * PLAIN)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy with its axes as they were."""
    cdef const Walk* walk = &(<const Dims*> step.config).back
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(backward_part, step, frame, frame.batch * walk.blocks, 1,
                      frame.batch * walk.width * step.kernels.itemsize, 4 * PLAIN)
    return OK


cdef Walk walk_of(shape, axes) except *:
    """The blocks of a permutation."""
    cdef Walk walk
    made = steps_of(shape, axes)
    walk.rows, walk.x_row, walk.columns, walk.y_row, walk.piece = made[1:]
    walk.width, walk.axes = prod(shape), len(made.outer) + 1
    for i, (count, x_step, y_step) in enumerate(made.outer):
        walk.count[i], walk.x_step[i], walk.y_step[i] = count, x_step, y_step
    i = walk.axes - 1
    walk.count[i], walk.x_step[i] = (walk.rows + ROWS - 1) // ROWS, ROWS * walk.x_row
    walk.y_step[i] = ROWS * (1 if walk.columns else walk.y_row)
    walk.blocks = 1
    for i in range(walk.axes):
        walk.blocks *= walk.count[i]
    return walk


cdef class PermuteOp(Op):
    """Rows of a ``shape``, whose axis ``axes[i]`` becomes axis i."""

    cdef Dims dims

    def __init__(self, shape, axes):
        shape, axes = tuple(shape), tuple(axes)
        self.forward, self.backward, self.tangent, self.config = forward, backward, linear_tangent, &self.dims
        back = [axes.index(axis) for axis in range(len(axes))]
        self.dims.there, self.dims.back = walk_of(shape, axes), walk_of([shape[axis] for axis in axes], back)
        self.input_widths, self.output_widths, self.copies = (self.dims.there.width,), (self.dims.there.width,), True
