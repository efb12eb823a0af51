"""One optimiser bound to one parameter vector: its state and the update, without the GIL."""

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.math cimport pow, sqrt

from fastnn._core.memory cimport zeros
from fastnn._core.table cimport kernel_table
from fastnn._core.pool cimport run_parts, threads

import numpy as np

from fastnn._core.table import OPTIMIZERS, STATE_VECTORS
from fastnn._core.workspace import aligned_zeros

cnp.import_array()

cdef enum:
    PART_SIZE = 1 << 15     # parameters that are worth a thread
    LINE = 16               # elements of a cache line, of the smaller dtype

# Parameters start .. stop, to be updated in parts.
cdef struct Update:
    PyObject* optimizer
    char* params
    char* grads
    double learning_rate
    Py_ssize_t start
    Py_ssize_t stop
    Py_ssize_t parts


cdef void update_part(void* argument, Py_ssize_t part) noexcept nogil:
    update_segments(<OptimizerState> (<const Update*> argument).optimizer, <const Update*> argument, part)


cdef void update_segments(OptimizerState self, const Update* update, Py_ssize_t part) noexcept nogil:
    """Update one part: what lies in it of each segment, by the segment's rules."""
    cdef const fnn_kernels* kernels = self.kernels
    cdef Py_ssize_t itemsize = kernels.itemsize, size = update.stop - update.start, start, stop, n
    cdef Py_ssize_t first = update.start + size * part // update.parts // LINE * LINE
    cdef Py_ssize_t last = update.start + size * (part + 1) // update.parts // LINE * LINE
    cdef fnn_update scalars = self.scalars
    cdef const Segment* segment
    cdef char* w
    cdef char* g
    cdef char* s[3]
    cdef int i, k
    if part == update.parts - 1:
        last = update.stop
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
        scalars.learning_rate = update.learning_rate * segment.rate
        if segment.l1 != 0.0 or segment.l2 != 0.0:
            kernels.add_penalty(n, segment.l1 * self.share, segment.l2 * self.share, w, g)
        if segment.weight_decay != 0.0:
            kernels.scale(n, 1.0 - scalars.learning_rate * segment.weight_decay, w, w)
        self.update(n, &scalars, g, w, s[0], s[1], s[2])


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
        for i, segment in enumerate(segments):
            self.segments[i] = segment
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

    cdef double squares(self, const char* params) noexcept nogil:
        """The penalty ``sum l2/2 w^2``."""
        cdef double total = 0.0
        cdef Segment* segment
        cdef int i
        for i in range(self.n_segments):
            segment = &self.segments[i]
            if segment.l2 != 0.0:
                total += 0.5 * segment.l2 * self.kernels.sum_squares(
                    segment.size, params + segment.start * self.kernels.itemsize)
        return total

    cdef void clip(self, char* grads) noexcept nogil:
        """Clip each element of the gradient, then its norm."""
        cdef const fnn_kernels* kernels = self.kernels
        cdef Py_ssize_t itemsize = kernels.itemsize
        cdef double squares = 0.0, norm
        cdef Segment* segment
        cdef char* g
        cdef int i
        if self.by_parts:
            return
        for i in range(self.n_segments):
            segment = &self.segments[i]
            g = grads + segment.start * itemsize
            if self.clip_value > 0.0:
                kernels.clip(segment.size, self.clip_value, g)
            if self.clip_norm > 0.0:
                squares += kernels.sum_squares(segment.size, g)
        norm = sqrt(squares)
        for i in range(self.n_segments if norm > self.clip_norm > 0.0 else 0):
            segment = &self.segments[i]
            g = grads + segment.start * itemsize
            kernels.scale(segment.size, self.clip_norm / norm, g, g)

    cdef void apply_part(self, char* params, char* grads, double learning_rate, Py_ssize_t start,
                         Py_ssize_t stop) noexcept nogil:
        """Penalise, decay and update parameters start .. stop, on several threads where they are many, then limit."""
        cdef Update update = Update(optimizer=<PyObject*> self, params=params, grads=grads, start=start, stop=stop,
                                    learning_rate=learning_rate,
                                    parts=max(1, min(<Py_ssize_t> threads(), (stop - start) // PART_SIZE)))
        cdef Segment* segment
        cdef int i
        run_parts(update_part, &update, update.parts)
        for i in range(self.n_segments):
            segment = &self.segments[i]
            if segment.max_norm != 0.0 and start <= segment.start < stop:
                self.kernels.limit_columns(segment.size // segment.columns, segment.columns, segment.max_norm,
                                           params + segment.start * self.kernels.itemsize,
                                           cnp.PyArray_DATA(self.work))

    cdef void apply(self, char* params, char* grads, double learning_rate) noexcept nogil:
        """Clip the gradient as a whole, then update all parameters by it."""
        self.begin()
        self.clip(grads)
        self.apply_part(params, grads, learning_rate, 0, cnp.PyArray_DIM(self.state, 1))
