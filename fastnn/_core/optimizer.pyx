"""One optimiser bound to one parameter vector: its state and the update, without the GIL."""

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.math cimport pow, sqrt

from fastnn._core.memory cimport zeros
from fastnn._core.table cimport kernel_table
from fastnn._core.parts cimport LINE, PLAIN, RULE, in_parts
from fastnn._core.pool cimport run_parts, worth

import numpy as np

from fastnn._core.table import OPTIMIZERS, STATE_VECTORS
from fastnn._core.workspace import aligned_zeros

cnp.import_array()


# Parameters start .. stop, to be updated.
cdef struct Update:
    PyObject* optimizer
    char* params
    char* grads
    double learning_rate
    Py_ssize_t start
    Py_ssize_t stop


cdef void update_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Update* update = <const Update*> job
    update_segments(<OptimizerState> update.optimizer, update, update.start + first, update.start + last)


cdef void update_segments(OptimizerState self, const Update* update, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Parameters first .. last - 1: what lies there of each segment, by the segment's rules."""
    cdef const fnn_kernels* kernels = self.kernels
    cdef Py_ssize_t itemsize = kernels.itemsize, start, stop, n
    cdef fnn_update scalars = self.scalars
    cdef const Segment* segment
    cdef char* w
    cdef char* g
    cdef char* s[3]
    cdef int i, k
    for i in range(self.n_segments):
        segment = &self.segments[i]
        start, stop = max(first, segment.start), min(last, segment.start + segment.size)
        if start >= stop:
            continue
        n = stop - start
        w, g = update.params + start * itemsize, update.grads + start * itemsize
        for k in range(3):
            s[k] = NULL
            if k < cnp.PyArray_DIM(self.state, 0):
                s[k] = <char*> cnp.PyArray_DATA(self.state) + (k * cnp.PyArray_DIM(self.state, 1) + start) * itemsize
        scalars.learning_rate, scalars.epsilon = update.learning_rate * segment.rate, self.scalars.epsilon * segment.epsilon
        if segment.l1 != 0.0 or segment.l2 != 0.0:
            kernels.add_penalty(n, segment.l1 * self.share, segment.l2 * self.share, w, g)
        if segment.weight_decay != 0.0:
            kernels.scale(n, 1.0 - scalars.learning_rate * segment.weight_decay, w, w)
        self.update(n, &scalars, g, w, s[0], s[1], s[2])


# The segments of a vector, each summed by one thread: its order stays.
cdef struct Squares:
    PyObject* optimizer
    const char* x
    bint penalised          # only what l2 counts


cdef void square_segment(void* argument, Py_ssize_t i) noexcept nogil:
    square(<OptimizerState> (<const Squares*> argument).optimizer, <const Squares*> argument, i)


cdef void square(OptimizerState self, const Squares* squares, Py_ssize_t i) noexcept nogil:
    cdef const Segment* segment = &self.segments[i]
    self.sums[i] = 0.0
    if segment.l2 != 0.0 or not squares.penalised:
        self.sums[i] = self.kernels.sum_squares(segment.size, squares.x + segment.start * self.kernels.itemsize)


# A stretch of a gradient, to be clipped or scaled.
cdef struct Limits:
    const fnn_kernels* kernels
    char* x
    double limit            # 0: none
    double scale


cdef void limit_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Limits* limits = <const Limits*> job
    cdef char* x = limits.x + first * limits.kernels.itemsize
    if limits.limit > 0.0:
        limits.kernels.clip(last - first, limits.limit, x)
    if limits.scale != 1.0:
        limits.kernels.scale(last - first, limits.scale, x, x)


# A matrix whose columns must not be longer than max_norm.
cdef struct Columns:
    const fnn_kernels* kernels
    const Segment* segment
    char* w
    char* work


cdef void limit_columns(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Columns* matrix = <const Columns*> job
    cdef Py_ssize_t at = first * matrix.kernels.itemsize, columns = matrix.segment.columns
    matrix.kernels.limit_columns(matrix.segment.size // columns, last - first, columns, matrix.segment.max_norm,
                                 matrix.w + at, matrix.work + at)


cdef class OptimizerState:
    """``rule`` is a key of ``OPTIMIZERS``; ``segments`` are dicts with the fields of ``Segment``, in order, without
    overlap: what no segment covers is frozen."""

    def __init__(self, rule, Py_ssize_t n_params, dtype, segments, *, double beta1=0.0, double beta2=0.0,
                 double epsilon=0.0, bint epsilon_hat=False, double clip_norm=0.0, double clip_value=0.0,
                 double initial=0.0, bint penalty_over_rows=False):
        dtype = np.dtype(dtype)
        self.rule, self.kernels = rule, kernel_table(dtype.itemsize)
        self.update = self.kernels.update[<int> OPTIMIZERS[rule]]
        self.scalars = fnn_update(learning_rate=0.0, beta1=beta1, beta2=beta2, epsilon=epsilon, correction1=1.0,
                                  correction2=1.0)
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.epsilon, self.epsilon_hat = epsilon, epsilon_hat
        self.shares, self.share = penalty_over_rows, 1.0
        self.state = aligned_zeros(STATE_VECTORS[rule] * n_params, dtype).reshape(STATE_VECTORS[rule], n_params)
        if initial:
            self.state.fill(initial)
        self.work = aligned_zeros(max((segment["columns"] for segment in segments), default=0), dtype)
        self.memory, self.n_segments = [], len(segments)
        self.segments = <Segment*> zeros(self.memory, len(segments), sizeof(Segment))
        self.sums = <double*> zeros(self.memory, len(segments), sizeof(double))
        for i, segment in enumerate(segments):
            self.segments[i] = segment
            if not (0 <= segment["start"] <= segment["start"] + segment["size"] <= n_params) or (
                    segment["max_norm"] and not 0 < segment["columns"] <= segment["size"]):
                raise ValueError(f"OptimizerState: expected segments of {n_params} parameters, got {segment}")
        self.by_parts = not (clip_norm or clip_value)
        self.plain = rule == "sgd" and not (clip_norm or clip_value) and not any(
            segment[name] for segment in segments for name in ("l1", "l2", "weight_decay", "max_norm"))

    def set_step(self, unsigned long long step):
        """Go on as after ``step`` updates."""
        self.step = step

    cdef void begin(self) noexcept nogil:
        """Count one more update."""
        self.step += 1
        self.scalars.correction1 = 1.0 - pow(self.scalars.beta1, <double> self.step)
        self.scalars.correction2 = 1.0 - pow(self.scalars.beta2, <double> self.step)
        if self.epsilon_hat:
            self.scalars.epsilon = self.epsilon / sqrt(self.scalars.correction2)

    cdef void sum_squares(self, const char* x, bint penalised) noexcept nogil:
        """``sums`` = the sum of squares of each segment of x."""
        cdef Squares squares = Squares(optimizer=<PyObject*> self, x=x, penalised=penalised)
        cdef Py_ssize_t i
        if self.n_segments > 1 and worth(cnp.PyArray_DIM(self.state, 1) * self.kernels.itemsize * PLAIN, 0) > 1:
            run_parts(square_segment, &squares, self.n_segments)
            return
        for i in range(self.n_segments):
            square_segment(&squares, i)

    cdef double squares(self, const char* params) noexcept nogil:
        """The penalty ``sum l2/2 w^2``."""
        cdef double total = 0.0
        cdef int i
        self.sum_squares(params, True)
        for i in range(self.n_segments):
            if self.segments[i].l2 != 0.0:
                total += 0.5 * self.segments[i].l2 * self.sums[i]
        return total

    cdef void limit(self, char* grads, double limit, double scale) noexcept nogil:
        """Clip each element of the gradient, or scale it."""
        cdef Py_ssize_t itemsize = self.kernels.itemsize
        cdef Limits limits = Limits(kernels=self.kernels, x=NULL, limit=limit, scale=scale)
        cdef int i
        for i in range(self.n_segments):
            limits.x = grads + self.segments[i].start * itemsize
            in_parts(limit_part, &limits, self.segments[i].size, LINE, self.segments[i].size * itemsize, 2 * PLAIN)

    cdef void clip(self, char* grads) noexcept nogil:
        """Clip each element of the gradient, then its norm."""
        cdef double squares = 0.0, norm
        cdef int i
        if self.clip_value > 0.0:
            self.limit(grads, self.clip_value, 1.0)
        if self.clip_norm > 0.0:
            self.sum_squares(grads, False)
            for i in range(self.n_segments):
                squares += self.sums[i]
            norm = sqrt(squares)
            if norm > self.clip_norm:
                self.limit(grads, 0.0, self.clip_norm / norm)

    cdef void apply_part(self, char* params, char* grads, double learning_rate, Py_ssize_t start,
                         Py_ssize_t stop) noexcept nogil:
        """Penalise, decay and update parameters start .. stop, then limit.

        In parts only where the parameters and their gradient, which others have written, do not lie in their caches.
        """
        cdef Py_ssize_t nbytes = (stop - start) * self.kernels.itemsize
        cdef Update update = Update(optimizer=<PyObject*> self, params=params, grads=grads, start=start, stop=stop,
                                    learning_rate=learning_rate)
        cdef Columns matrix = Columns(kernels=self.kernels, segment=NULL, w=NULL,
                                      work=<char*> cnp.PyArray_DATA(self.work))
        cdef Segment* segment
        cdef int i
        in_parts(update_part, &update, stop - start, LINE, 2 * nbytes, RULE // 2)
        for i in range(self.n_segments):
            segment = &self.segments[i]
            if segment.max_norm != 0.0 and start <= segment.start < stop:
                matrix.segment, matrix.w = segment, params + segment.start * self.kernels.itemsize
                in_parts(limit_columns, &matrix, segment.columns, LINE, segment.size * self.kernels.itemsize, 4 * PLAIN)

    cdef void apply(self, char* params, char* grads, double learning_rate) noexcept nogil:
        """Clip the gradient as a whole, then update all parameters by it."""
        self.begin()
        self.clip(grads)
        self.apply_part(params, grads, learning_rate, 0, cnp.PyArray_DIM(self.state, 1))
