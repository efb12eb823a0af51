"""Fully connected with weights that are a cyclic function of a phase: y = sum_k c_k(p) (x W_k + b_k).

Holden, Komura & Saito 2017, "Phase-Functioned Neural Networks for Character Control".  No row gets a W of its own: with
x stacked as [c_0 x, ..., c_{K-1} x, c_0, ..., c_{K-1}] all rows are one matmul with W[K I + K, O].  Where most c_k are 0
(``sparse``) rows run one by one through the few W_k that count: with 4 cubic control points and 32 rows stacking takes
half the time, with 50 it takes three times as long, linear ones four times and constant ones seven times.
"""

from libc.math cimport floor
from libc.string cimport memset

from fastnn._core.parts cimport PLAIN, cut, parts_of, step_in_parts
from fastnn._core.pool cimport fnn_task, run_parts
from fastnn._core.products cimport forward as product, input_gradient, product_work, weight_gradient, whole
from fastnn._core.step cimport Frame, OK, Op, SCRATCH_PARTS, Step, dparams_of, part_scratch
from fastnn._core.table cimport fnn_shape

import numpy as np

from fastnn._core.step import Parameter

ctypedef fused real:
    float
    double

cdef enum PhaseFunction:
    CONSTANT
    LINEAR
    CUBIC

cdef enum:
    MOST = 4        # control points, at most, whose coefficients are not 0 at a phase
    SPARSE = 4      # with more than so many times the control points that count, rows run one by one

FUNCTIONS = {"constant": CONSTANT, "linear": LINEAR, "cubic": CUBIC}
COUNTING = {"constant": 1, "linear": 2, "cubic": 4}  # control points whose coefficients are not 0 at a phase

# Of one row: the control points that count at its phase, their coefficients, and the derivatives of these.
cdef struct Basis:
    int count
    Py_ssize_t slices[MOST]
    double c[MOST]
    double slope[MOST]

cdef struct Dims:
    Py_ssize_t inputs
    Py_ssize_t outputs
    Py_ssize_t control_points
    Py_ssize_t width        # of a stacked row
    PhaseFunction function
    bint bias
    bint sparse


cdef void basis_at(PhaseFunction function, Py_ssize_t K, double phase, Basis* basis) noexcept nogil:
    """Coefficients at a phase in cycles; NaN where the phase is no finite number."""
    cdef double place = (phase - floor(phase)) * K, u
    cdef Py_ssize_t k
    cdef int j
    if function == CONSTANT:
        place += 0.5
    k = <Py_ssize_t> place if place == place else 0
    u = place - k
    if function == CONSTANT:
        basis.count, basis.slices[0] = 1, k % K
        basis.c[0], basis.slope[0] = 1.0 + 0.0 * u, 0.0
    elif function == LINEAR:
        basis.count = 2
        basis.c[0], basis.c[1] = 1.0 - u, u
        basis.slope[0], basis.slope[1] = -K, K
        for j in range(2):
            basis.slices[j] = (k + j) % K
    else:  # Catmull-Rom
        basis.count = 4
        basis.c[0] = ((-0.5 * u + 1.0) * u - 0.5) * u
        basis.c[1] = (1.5 * u - 2.5) * u * u + 1.0
        basis.c[2] = ((-1.5 * u + 2.0) * u + 0.5) * u
        basis.c[3] = (0.5 * u - 0.5) * u * u
        basis.slope[0] = K * ((-1.5 * u + 2.0) * u - 0.5)
        basis.slope[1] = K * (4.5 * u - 5.0) * u
        basis.slope[2] = K * ((-4.5 * u + 4.0) * u + 0.5)
        basis.slope[3] = K * (1.5 * u - 1.0) * u
        for j in range(4):
            basis.slices[j] = (k + K - 1 + j) % K


cdef inline double number(const char* array, Py_ssize_t i, Py_ssize_t itemsize) noexcept nogil:
    return (<const double*> array)[i] if itemsize == sizeof(double) else <double> (<const float*> array)[i]


cdef inline void put(char* array, Py_ssize_t i, Py_ssize_t itemsize, double value) noexcept nogil:
    if itemsize == sizeof(double):
        (<double*> array)[i] = value
    else:
        (<float*> array)[i] = <float> value


cdef double sum_products(Py_ssize_t N, const real* x, const real* y) noexcept nogil:
    cdef double result = 0.0
    cdef Py_ssize_t n
    for n in range(N):
        result += <double> x[n] * <double> y[n]
    return result


cdef double dot(Py_ssize_t N, Py_ssize_t itemsize, const char* x, const char* y) noexcept nogil:
    """x . y, in double."""
    if itemsize == sizeof(double):
        return sum_products(N, <const double*> x, <const double*> y)
    return sum_products(N, <const float*> x, <const float*> y)


cdef void row_basis(const Step* step, const Frame* frame, Py_ssize_t b, Basis* basis) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    basis_at(dims.function, dims.control_points, number(frame.values[step.inputs[1]], b, step.kernels.itemsize), basis)


cdef void add_part(const Step* step, Py_ssize_t N, const Basis* basis, int j, const char* x, char* y) noexcept nogil:
    """y = sum_j c_j x_j, one j per call, in order: the first overwrites y."""
    if j == 0:
        step.kernels.scale(N, basis.c[j], x, y)
    else:
        step.kernels.add_scaled(N, basis.c[j], x, y)


cdef void stack_rows(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """[c_0 x, ..., c_{K-1} x, c_0, ..., c_{K-1}] of rows first .. last - 1, in scratch."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t I = dims.inputs, itemsize = step.kernels.itemsize, b
    cdef const char* x = frame.values[step.inputs[0]] + first * I * itemsize
    cdef char* stacked = frame.scratch + first * dims.width * itemsize
    cdef Basis basis
    cdef int j
    for b in range(first, last):
        row_basis(step, frame, b, &basis)
        if basis.count < dims.control_points:
            memset(stacked, 0, dims.width * itemsize)
        for j in range(basis.count):
            step.kernels.scale(I, basis.c[j], x, stacked + basis.slices[j] * I * itemsize)
            if dims.bias:
                put(stacked, dims.control_points * I + basis.slices[j], itemsize, basis.c[j])
        x += I * itemsize
        stacked += dims.width * itemsize


cdef void stack(const Step* step, const Frame* frame) noexcept nogil:
    step_in_parts(stack_rows, step, frame, frame.batch, 1,
                  frame.batch * (<const Dims*> step.config).width * step.kernels.itemsize, 2 * PLAIN)


# The rows of a batch, in parts with scratch of their own.
cdef struct Rows:
    const Step* step
    const Frame* frame
    Py_ssize_t parts


cdef inline Py_ssize_t row_bytes(const Dims* dims, Py_ssize_t itemsize) noexcept nogil:
    """Scratch that one row at a time takes."""
    return max(dims.inputs, dims.outputs) * itemsize


cdef void run_rows(fnn_task task, const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape shape = whole(frame.batch, dims.inputs, dims.outputs)
    cdef Rows rows = Rows(step=step, frame=frame, parts=min(
        <Py_ssize_t> SCRATCH_PARTS, parts_of(frame.batch, 1, MOST * product_work(step, &shape), 0)))
    run_parts(task, &rows, rows.parts)


cdef void forward_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """y = sum_k c_k (x W_k + b_k), over those k for which c_k is not always 0."""
    cdef const Rows* rows = <const Rows*> argument
    cdef const Step* step = rows.step
    cdef const Frame* frame = rows.frame
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t I = dims.inputs, O = dims.outputs, itemsize = step.kernels.itemsize, b
    cdef fnn_shape one = whole(1, I, O)
    cdef const char* w = frame.params + step.params
    cdef const char* biases = w + dims.control_points * I * O * itemsize
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    cdef char* scratch = part_scratch(frame, row_bytes(dims, itemsize), part)
    cdef Basis basis
    cdef int j
    for b in range(cut(frame.batch, 1, rows.parts, part), cut(frame.batch, 1, rows.parts, part + 1)):
        row_basis(step, frame, b, &basis)
        for j in range(basis.count):
            product(step, frame, &one, x + b * I * itemsize, w + basis.slices[j] * I * O * itemsize,
                    biases + basis.slices[j] * O * itemsize if dims.bias else NULL, scratch)
            add_part(step, O, &basis, j, scratch, y + b * O * itemsize)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = stacked W, or row by row through the slices that count."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef fnn_shape stacked = whole(frame.batch, dims.width, dims.outputs)
    if dims.sparse:
        run_rows(forward_rows, step, frame)
    else:
        stack(step, frame)
        product(step, frame, &stacked, frame.scratch, frame.params + step.params, NULL, frame.values[step.outputs[0]])
    return OK


cdef void input_gradient_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """G_k = dy W_k^T; dx = sum_k c_k G_k; dp = sum_k c'_k (x . G_k + dy . b_k).

    Where rows are stacked, all G_k and dy . b_k lie in scratch already.
    """
    cdef const Rows* rows = <const Rows*> argument
    cdef const Step* step = rows.step
    cdef const Frame* frame = rows.frame
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t I = dims.inputs, O = dims.outputs, K = dims.control_points, itemsize = step.kernels.itemsize, b, k
    cdef fnn_shape one = whole(1, I, O)
    cdef const char* w = frame.params + step.params
    cdef const char* x
    cdef const char* dy
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dp = frame.gradients[step.inputs[1]]
    cdef char* g
    cdef Basis basis
    cdef double slope
    cdef int j
    for b in range(cut(frame.batch, 1, rows.parts, part), cut(frame.batch, 1, rows.parts, part + 1)):
        x, dy = frame.values[step.inputs[0]] + b * I * itemsize, frame.gradients[step.outputs[0]] + b * O * itemsize
        slope = 0.0
        row_basis(step, frame, b, &basis)
        for j in range(basis.count):
            k = basis.slices[j]
            if dims.sparse:
                g = part_scratch(frame, row_bytes(dims, itemsize), part)
                input_gradient(step, frame, &one, dy, w + k * I * O * itemsize, g)
            else:
                g = frame.scratch + (b * dims.width + k * I) * itemsize
            if dx != NULL:
                add_part(step, I, &basis, j, g, dx + b * I * itemsize)
            if dp != NULL and dims.function != CONSTANT:
                slope += basis.slope[j] * dot(I, itemsize, x, g)
                if dims.bias and dims.sparse:
                    slope += basis.slope[j] * dot(O, itemsize, dy, w + K * I * O * itemsize + k * O * itemsize)
                elif dims.bias:
                    slope += basis.slope[j] * number(frame.scratch, b * dims.width + K * I + k, itemsize)
        if dp != NULL:
            put(dp, b, itemsize, slope)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """The gradients of the inputs, of all rows before any weight may change, then dW += scale stacked^T dy."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t I = dims.inputs, O = dims.outputs, itemsize = step.kernels.itemsize, b
    cdef fnn_shape stacked = whole(frame.batch, dims.width, O)
    cdef fnn_shape one = whole(1, I, O)
    cdef const char* x = frame.values[step.inputs[0]]
    cdef const char* dy = frame.gradients[step.outputs[0]]
    cdef char* dw = dparams_of(step, frame)
    cdef char* db
    cdef Basis basis
    cdef double scale = frame.scale * step.rate
    cdef int j
    if frame.gradients[step.inputs[0]] != NULL or frame.gradients[step.inputs[1]] != NULL:
        if not dims.sparse:
            input_gradient(step, frame, &stacked, dy, frame.params + step.params, frame.scratch)
        run_rows(input_gradient_rows, step, frame)
    if dw == NULL:
        return OK
    if not dims.sparse:
        stack(step, frame)
        weight_gradient(step, frame, &stacked, scale, frame.scratch, dy, dw, NULL)
        return OK
    db = dw + dims.control_points * I * O * itemsize
    for b in range(frame.batch):
        row_basis(step, frame, b, &basis)
        for j in range(basis.count):
            weight_gradient(step, frame, &one, scale * basis.c[j], x, dy, dw + basis.slices[j] * I * O * itemsize, NULL)
            if dims.bias:
                step.kernels.add_scaled(O, scale * basis.c[j], dy, db + basis.slices[j] * O * itemsize)
        x += I * itemsize
        dy += O * itemsize
    return OK


cdef class PhaseDenseOp(Op):
    """``inputs`` numbers per row and a phase in, ``outputs`` out; ``function`` is a key of ``FUNCTIONS``."""

    cdef Dims dims

    def __init__(self, Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t control_points, function, bint bias):
        cdef Py_ssize_t K = control_points
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims = Dims(inputs=inputs, outputs=outputs, control_points=K, width=K * (inputs + bias), bias=bias,
                         function=<PhaseFunction> <int> FUNCTIONS[function], sparse=K > SPARSE * COUNTING[function])
        self.input_widths, self.output_widths = (inputs, 1), (outputs,)
        self.reads_input, self.product_size = True, K * inputs * outputs
        self.scratch_parts = SCRATCH_PARTS if self.dims.sparse else 1
        self.parameters = (Parameter("weight", (K, inputs, outputs), inputs, outputs, True),)
        if bias:
            self.parameters += (Parameter("bias", (K, outputs), inputs, outputs, False),)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        if self.dims.sparse:
            return row_bytes(&self.dims, itemsize)
        return batch * self.dims.width * itemsize


def basis(phases, Py_ssize_t control_points, function):
    """The coefficients c_k(p) of the control points at each of the phases: (N, K), float64."""
    cdef PhaseFunction kind = <PhaseFunction> <int> FUNCTIONS[function]
    cdef Basis at
    result = np.zeros((len(phases), control_points))
    for n, phase in enumerate(phases):
        basis_at(kind, control_points, phase, &at)
        for j in range(at.count):
            result[n, at.slices[j]] += at.c[j]
    return result
