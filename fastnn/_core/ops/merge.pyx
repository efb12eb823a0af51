"""Where several tensors meet or one parts: add, multiply, blend, concatenate, slice and fan-out."""

from libc.string cimport memcpy, memset

from fastnn._core.memory cimport copy_rows, zeros
from fastnn._core.ops.fused cimport preactivation_gradient, preactivation_gradient_of
from fastnn._core.parts cimport LINE, PLAIN, copy, step_in_parts
from fastnn._core.step cimport ByRows, Frame, OK, Op, Step, linear_tangent
from fastnn._core.table cimport FNN_IDENTITY

from fastnn._core.step import Parameter

cdef enum:
    NEAR = 1 << 12          # elements that are activated right after they were added
    NEAR_BYTES = 1 << 14    # that stay in the cache while the parts of vectors are copied, one input after the other


cdef inline void add_all(const Step* step, Py_ssize_t first, Py_ssize_t last, char** arrays, const int* names, int count,
                         char* out) noexcept nogil:
    """Elements first .. last - 1 of the sum of two or more arrays, one after the other."""
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef int i
    step.kernels.add(last - first, arrays[names[0]] + at, arrays[names[1]] + at, out + at)
    for i in range(2, count):
        step.kernels.add(last - first, out + at, arrays[names[i]] + at, out + at)


cdef void add_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """An activation follows while the sums are in the cache."""
    cdef Py_ssize_t itemsize = step.kernels.itemsize, end
    cdef char* y = frame.values[step.outputs[0]]
    while first < last:
        end = last if step.activation == FNN_IDENTITY else min(last, first + NEAR)
        add_all(step, first, end, frame.values, step.inputs, step.n_inputs, y)
        if step.activation != FNN_IDENTITY:
            step.kernels.activation_forward[step.activation](end - first, step.alpha, y + first * itemsize,
                                                             y + first * itemsize)
        first = end


cdef int add_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(x_0 + x_1 + ...)."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    step_in_parts(add_part, step, frame, N, LINE, N * step.n_inputs * step.kernels.itemsize, PLAIN)
    return OK


cdef void add_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t width = (<const Py_ssize_t*> step.config)[0]
    add_part(step, frame, first * width, last * width)


cdef void add_rows_back(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t width = (<const Py_ssize_t*> step.config)[0], at = first * width * step.kernels.itemsize
    cdef const char* dz = preactivation_gradient_of(step, frame, first * width, last * width)
    cdef char* dx
    cdef int i
    for i in range(step.n_inputs):
        dx = frame.gradients[step.inputs[i]]
        if dx != NULL and dx != dz:
            memcpy(dx + at, dz + at, (last - first) * width * step.kernels.itemsize)


cdef int add_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx_i = dz = dy * activation'(z): in the Plan's memory they are one array."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    cdef const char* dz = preactivation_gradient(step, frame, N)
    cdef char* dx
    cdef int i
    for i in range(step.n_inputs):
        dx = frame.gradients[step.inputs[i]]
        if dx != NULL and dx != dz:
            copy(dz, N * step.kernels.itemsize, dx)
    return OK


cdef class AddOp(Op):
    """The sum of ``count`` tensors of one ``width``."""

    cdef Py_ssize_t width

    def __init__(self, Py_ssize_t width, int count):
        self.forward, self.backward, self.tangent, self.config = add_forward, add_backward, linear_tangent, &self.width
        self.width = width
        self.input_widths, self.output_widths = (width,) * count, (width,)
        self.in_place = self.shares_gradient = self.activates = True
        self.forward_by = ByRows(rows=add_rows, all=add_forward, begin=NULL, collect=NULL, collect_all=NULL, block=NULL)
        self.backward_by = ByRows(rows=add_rows_back, all=add_backward, begin=NULL, collect=NULL, collect_all=NULL,
                                  block=NULL)


cdef void multiply_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef char* y = frame.values[step.outputs[0]] + at
    cdef int i
    step.kernels.multiply(last - first, frame.values[step.inputs[0]] + at, frame.values[step.inputs[1]] + at, y)
    for i in range(2, step.n_inputs):
        step.kernels.multiply(last - first, y, frame.values[step.inputs[i]] + at, y)


cdef int multiply_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x_0 x_1 ..."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    step_in_parts(multiply_part, step, frame, N, LINE, N * step.n_inputs * step.kernels.itemsize, PLAIN)
    return OK


cdef void multiply_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef const char* before
    cdef char* dx
    cdef int i, j
    for i in range(step.n_inputs):
        if frame.gradients[step.inputs[i]] == NULL:
            continue
        dx = frame.gradients[step.inputs[i]] + at
        before = frame.gradients[step.outputs[0]] + at
        for j in range(step.n_inputs):
            if j != i:
                step.kernels.multiply(last - first, before, frame.values[step.inputs[j]] + at, dx)
                before = dx


cdef int multiply_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx_i = dy times all x but x_i."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    step_in_parts(multiply_backward_part, step, frame, N, LINE,
                  N * step.n_inputs * step.n_inputs * step.kernels.itemsize, PLAIN)
    return OK


cdef class MultiplyOp(Op):
    """The product, element by element, of ``count`` tensors of one ``width``."""

    cdef Py_ssize_t width

    def __init__(self, Py_ssize_t width, int count):
        self.forward, self.backward, self.config = multiply_forward, multiply_backward, &self.width
        self.width = width
        self.input_widths, self.output_widths = (width,) * count, (width,)
        self.reads_input = True


cdef inline double share_of(const Step* step, const Frame* frame) noexcept nogil:
    """What the second of the two counts: alpha."""
    cdef const char* alpha = frame.params + step.params
    return (<const float*> alpha)[0] if step.kernels.itemsize == sizeof(float) else (<const double*> alpha)[0]


cdef void blend_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef double alpha = share_of(step, frame)
    cdef char* y = frame.values[step.outputs[0]] + at
    step.kernels.scale(last - first, 1.0 - alpha, frame.values[step.inputs[0]] + at, y)
    step.kernels.add_scaled(last - first, alpha, frame.values[step.inputs[1]] + at, y)


cdef int blend_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = (1 - alpha) x_0 + alpha x_1."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    step_in_parts(blend_part, step, frame, N, LINE, 2 * N * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef void blend_backward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t at = first * step.kernels.itemsize
    cdef double alpha = share_of(step, frame)
    cdef const char* dy = frame.gradients[step.outputs[0]] + at
    if frame.gradients[step.inputs[0]] != NULL:
        step.kernels.scale(last - first, 1.0 - alpha, dy, frame.gradients[step.inputs[0]] + at)
    if frame.gradients[step.inputs[1]] != NULL:
        step.kernels.scale(last - first, alpha, dy, frame.gradients[step.inputs[1]] + at)


cdef int blend_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx_0 = (1 - alpha) dy, dx_1 = alpha dy."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    step_in_parts(blend_backward_part, step, frame, N, LINE, 2 * N * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class BlendOp(Op):
    """Two tensors of one ``width``, mixed by a share that is kept among the parameters and not learned."""

    cdef Py_ssize_t width

    def __init__(self, Py_ssize_t width):
        self.forward, self.backward, self.tangent, self.config = blend_forward, blend_backward, linear_tangent, &self.width
        self.width = width
        self.input_widths, self.output_widths = (width, width), (width,)
        self.parameters = (Parameter("alpha", (1,), 1, 1, False, False),)


cdef void concatenate_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Vectors first .. last - 1."""
    cdef const Py_ssize_t* widths = <const Py_ssize_t*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = widths[step.n_inputs] * itemsize, part, end
    cdef char* y
    cdef int i
    while first < last:
        end, y = min(last, first + max(NEAR_BYTES // row, 1)), frame.values[step.outputs[0]] + first * row
        for i in range(step.n_inputs):
            part = widths[i] * itemsize
            copy_rows(end - first, part, frame.values[step.inputs[i]] + first * part, part, y, row)
            y += part
        first = end


cdef int concatenate_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = [x_0, x_1, ...] along each vector; config holds the widths, their sum, and the vectors of a row."""
    cdef const Py_ssize_t* widths = <const Py_ssize_t*> step.config
    cdef Py_ssize_t n = frame.batch * widths[step.n_inputs + 1]
    step_in_parts(concatenate_part, step, frame, n, 1, n * widths[step.n_inputs] * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef void cut_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Py_ssize_t* widths = <const Py_ssize_t*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = widths[step.n_inputs] * itemsize, part, end
    cdef const char* dy
    cdef int i
    while first < last:
        end, dy = min(last, first + max(NEAR_BYTES // row, 1)), frame.gradients[step.outputs[0]] + first * row
        for i in range(step.n_inputs):
            part = widths[i] * itemsize
            if frame.gradients[step.inputs[i]] != NULL:
                copy_rows(end - first, part, dy, row, frame.gradients[step.inputs[i]] + first * part, part)
            dy += part
        first = end


cdef int concatenate_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx_i = the columns of dy that x_i became."""
    cdef const Py_ssize_t* widths = <const Py_ssize_t*> step.config
    cdef Py_ssize_t n = frame.batch * widths[step.n_inputs + 1]
    step_in_parts(cut_part, step, frame, n, 1, n * widths[step.n_inputs] * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class ConcatenateOp(Op):
    """Vectors of the given ``widths``, one after the other; a row of each input holds ``count`` of them."""

    cdef list memory

    def __init__(self, widths, Py_ssize_t count=1):
        cdef Py_ssize_t* sizes
        self.input_widths = tuple(width * count for width in widths)
        self.output_widths, self.copies = (sum(widths) * count,), True
        self.memory = []
        sizes = <Py_ssize_t*> zeros(self.memory, len(widths) + 2, sizeof(Py_ssize_t))
        for i, width in enumerate((*widths, sum(widths), count)):
            sizes[i] = width
        self.forward, self.backward, self.tangent, self.config = concatenate_forward, concatenate_backward, linear_tangent, sizes


cdef struct SliceDims:
    Py_ssize_t count    # vectors of a row
    Py_ssize_t width
    Py_ssize_t start
    Py_ssize_t stop


cdef void slice_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Vectors first .. last - 1."""
    cdef const SliceDims* dims = <const SliceDims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = dims.width * itemsize, part = (dims.stop - dims.start) * itemsize
    copy_rows(last - first, part, frame.values[step.inputs[0]] + first * row + dims.start * itemsize, row,
              frame.values[step.outputs[0]] + first * part, part)


cdef int slice_forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x[start:stop] of each vector."""
    cdef const SliceDims* dims = <const SliceDims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.count
    step_in_parts(slice_part, step, frame, n, 1, n * (dims.stop - dims.start) * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef void unslice_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const SliceDims* dims = <const SliceDims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, row = dims.width * itemsize, part = (dims.stop - dims.start) * itemsize
    cdef char* dx = frame.gradients[step.inputs[0]] + first * row
    memset(dx, 0, (last - first) * row)
    copy_rows(last - first, part, frame.gradients[step.outputs[0]] + first * part, part, dx + dims.start * itemsize, row)


cdef int slice_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy in [start, stop), 0 elsewhere."""
    cdef const SliceDims* dims = <const SliceDims*> step.config
    cdef Py_ssize_t n = frame.batch * dims.count
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(unslice_part, step, frame, n, 1, n * dims.width * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class SliceOp(Op):
    """Elements ``start`` to ``stop`` of vectors of ``width``; a row holds ``count`` of them."""

    cdef SliceDims dims

    def __init__(self, Py_ssize_t width, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t count=1):
        self.forward, self.backward, self.tangent, self.config = slice_forward, slice_backward, linear_tangent, &self.dims
        self.dims = SliceDims(count=count, width=width, start=start, stop=stop)
        self.input_widths, self.output_widths, self.copies = (count * width,), (count * (stop - start),), True


cdef int fan_out_forward(const Step* step, const Frame* frame) noexcept nogil:
    """Nothing to do: the outputs are the input under other names."""
    return OK


cdef void fan_in_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    add_all(step, first, last, frame.gradients, step.outputs, step.n_outputs, frame.gradients[step.inputs[0]])


cdef int fan_out_backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy_0 + dy_1 + ..."""
    cdef Py_ssize_t N = frame.batch * (<const Py_ssize_t*> step.config)[0]
    if frame.gradients[step.inputs[0]] != NULL:
        step_in_parts(fan_in_part, step, frame, N, LINE, N * step.n_outputs * step.kernels.itemsize, PLAIN)
    return OK


cdef void fan_out_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Nothing to do."""


cdef void fan_in_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t width = (<const Py_ssize_t*> step.config)[0]
    if frame.gradients[step.inputs[0]] != NULL:
        fan_in_part(step, frame, first * width, last * width)


cdef class FanOutOp(Op):
    """One tensor with ``count`` readers: the Plan puts it in, so that no op needs to know its neighbours."""

    cdef Py_ssize_t width

    def __init__(self, Py_ssize_t width, int count):
        self.forward, self.backward, self.tangent, self.config = fan_out_forward, fan_out_backward, linear_tangent, &self.width
        self.width = width
        self.input_widths, self.output_widths = (width,), (width,) * count
        self.shares_value = self.gradient_in_place = self.copies = True
        self.forward_by = ByRows(rows=fan_out_rows, all=fan_out_forward, begin=NULL, collect=NULL, collect_all=NULL,
                                 block=NULL)
        self.backward_by = ByRows(rows=fan_in_rows, all=fan_out_backward, begin=NULL, collect=NULL, collect_all=NULL,
                                  block=NULL)
