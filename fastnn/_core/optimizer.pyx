"""One optimiser bound to one parameter vector: its state and the update, without the GIL."""

cimport numpy as cnp
from libc.math cimport pow, sqrt
from libc.stdlib cimport calloc, free

from fastnn._core.kernels cimport fnn_update, kernel_table

import numpy as np

from fastnn._core.kernels import OPTIMIZERS
from fastnn._core.plan import aligned_zeros

cnp.import_array()

STATE_VECTORS = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adadelta": 2, "adam": 2,
                 "amsgrad": 3}


cdef class Optimizer:
    """``rule`` is a key of ``OPTIMIZERS``; ``segments`` are dicts with the fields of ``Segment``, in order, without
    overlap: what no segment covers is frozen."""

    def __init__(self, rule, Py_ssize_t n_params, dtype, segments, *, double beta1=0.0, double beta2=0.0,
                 double epsilon=0.0, double clip_norm=0.0, double clip_value=0.0, double initial=0.0):
        dtype = np.dtype(dtype)
        self.rule, self.kernels = rule, kernel_table(dtype.itemsize)
        self.update = self.kernels.update[<int> OPTIMIZERS[rule]]
        self.scalars = fnn_update(learning_rate=0.0, beta1=beta1, beta2=beta2, epsilon=epsilon, correction1=1.0,
                                  correction2=1.0)
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.state = aligned_zeros(STATE_VECTORS[rule] * n_params, dtype).reshape(STATE_VECTORS[rule], n_params)
        if initial:
            self.state.fill(initial)
        self.work = aligned_zeros(max((segment["columns"] for segment in segments), default=0), dtype)
        self.segments = <Segment*> calloc(max(len(segments), 1), sizeof(Segment))
        if self.segments == NULL:
            raise MemoryError(f"Optimizer: no memory for {len(segments)} parameters")
        self.n_segments = len(segments)
        for i, segment in enumerate(segments):
            self.segments[i] = segment
        self.plain = rule == "sgd" and not (clip_norm or clip_value) and not any(
            segment[name] for segment in segments for name in ("l1", "l2", "weight_decay", "max_norm"))

    def __dealloc__(self):
        free(self.segments)

    def set_step(self, unsigned long long step):
        """Go on as after ``step`` updates."""
        self.step = step

    cdef void apply(self, char* params, char* grads, double learning_rate) noexcept nogil:
        """Clip the gradient as a whole, then penalise, decay, update and limit segment by segment."""
        cdef const fnn_kernels* kernels = self.kernels
        cdef Py_ssize_t itemsize = kernels.itemsize, n_params = cnp.PyArray_DIM(self.state, 1)
        cdef char* state = <char*> cnp.PyArray_DATA(self.state)
        cdef int kept = <int> cnp.PyArray_DIM(self.state, 0)
        cdef fnn_update scalars = self.scalars
        cdef double squares = 0.0, norm
        cdef Segment* segment
        cdef char* w
        cdef char* g
        cdef char* s[3]
        cdef int i, k
        self.step += 1
        scalars.correction1 = 1.0 - pow(scalars.beta1, <double> self.step)
        scalars.correction2 = 1.0 - pow(scalars.beta2, <double> self.step)
        if self.clip_value > 0.0:
            for i in range(self.n_segments):
                segment = &self.segments[i]
                kernels.clip(segment.size, self.clip_value, grads + segment.start * itemsize)
        if self.clip_norm > 0.0:
            for i in range(self.n_segments):
                segment = &self.segments[i]
                squares += kernels.sum_squares(segment.size, grads + segment.start * itemsize)
            norm = sqrt(squares)
            if norm > self.clip_norm:
                for i in range(self.n_segments):
                    segment = &self.segments[i]
                    g = grads + segment.start * itemsize
                    kernels.scale(segment.size, self.clip_norm / norm, g, g)
        for i in range(self.n_segments):
            segment = &self.segments[i]
            w, g = params + segment.start * itemsize, grads + segment.start * itemsize
            for k in range(3):
                s[k] = state + (k * n_params + segment.start) * itemsize if k < kept else NULL
            scalars.learning_rate = learning_rate * segment.rate
            if segment.l1 != 0.0 or segment.l2 != 0.0:
                kernels.add_penalty(segment.size, segment.l1, segment.l2, w, g)
            if segment.weight_decay != 0.0:
                kernels.scale(segment.size, 1.0 - scalars.learning_rate * segment.weight_decay, w, w)
            self.update(segment.size, &scalars, g, w, s[0], s[1], s[2])
            if segment.max_norm != 0.0:
                kernels.limit_columns(segment.size // segment.columns, segment.columns, segment.max_norm, w,
                                      cnp.PyArray_DATA(self.work))
