"""Run the loss of one output over a batch: a C kernel, or a function of the user's in NumPy."""

from cpython.exc cimport PyErr_SetObject
from cython cimport floating
from libc.float cimport DBL_MAX
from libc.math cimport fabs
from libc.stdint cimport uint64_t

from fastnn._core.parts cimport CURVED, in_parts
from fastnn._core.pool cimport fnn_watch, watch
from fastnn._core.step cimport FAILED, OK
from fastnn._core.views cimport view, view_of

from math import prod

import numpy as np

cdef enum:
    BLOCK = 1 << 15     # numbers of a block of rows, or more
    MOST_BLOCKS = 64

REAL_TARGETS = {"any": ANY, "non-negative": NON_NEGATIVE, "unit": UNIT, "signs": SIGNS,
                "probabilities": PROBABILITIES, "own": NO_REALS}


class LossFunction:
    """``function(y_true, y_pred) -> (loss of each row (B,), dloss/dy_pred (B, O))``, before weights and mean.

    ``target_shape`` and ``target_dtype``: of y_true, by row.
    """

    def __init__(self, function, output_shape, target_shape, target_dtype):
        self.function, self.output_shape = function, output_shape
        self.target_shape, self.target_dtype = target_shape, np.dtype(target_dtype)
        self.target_bytes = self.target_dtype.itemsize * prod(target_shape)

    def __call__(self, y_true, y_pred):
        """Return checked float64 rows and gradient."""
        result = self.function(y_true, y_pred)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"loss {self.function!r}: expected it to return (losses, gradient), got {type(result).__name__}")
        rows, gradient = (np.asarray(part, dtype=np.float64) for part in result)
        if rows.shape != y_pred.shape[:1] or gradient.shape != y_pred.shape:
            raise ValueError(f"loss {self.function!r}: expected losses of shape {y_pred.shape[:1]} and a gradient of shape "
                             f"{y_pred.shape}, got {rows.shape} and {gradient.shape}")
        return rows, gradient


cdef int run_custom(const LossStep* loss, Py_ssize_t itemsize, Py_ssize_t B, const char* y, const char* target,
                    const char* weight, double scale, char* dy, double* total) noexcept with gil:
    cdef fnn_watch* before = watch(NULL)    # a call within this one is not to be ended half-way
    try:
        custom = <object> loss.custom
        y_pred = view(y, itemsize, (B, *custom.output_shape), False)
        y_true = view_of(target, custom.target_dtype.num, (B, *custom.target_shape), False)
        rows, gradient = custom(y_true, y_pred)
        weights = np.ones(B) if weight == NULL else view(weight, itemsize, (B,), False).astype(np.float64)
        total[0] = float(weights @ rows)
        if dy != NULL:
            out = view(dy, itemsize, y_pred.shape, True)
            out[...] = gradient * (scale * weights).reshape(B, *(1,) * (gradient.ndim - 1))
        return OK
    except BaseException as error:
        PyErr_SetObject(type(error), error)
        return FAILED
    finally:
        watch(before)


# The rows of a batch in blocks, each with a sum of its own.
cdef struct Blocks:
    const LossStep* loss
    Py_ssize_t itemsize
    Py_ssize_t B
    Py_ssize_t count
    const char* y
    const char* target
    const char* weight
    Py_ssize_t weights
    double scale
    char* dy                # or NULL
    double[MOST_BLOCKS] totals


cdef double rows_loss(const Blocks* blocks, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The sum over rows first .. last - 1; their dy."""
    cdef const LossStep* loss = blocks.loss
    cdef Py_ssize_t itemsize = blocks.itemsize, row = loss.steps * loss.width * itemsize, n = last - first, b
    cdef const char* y = blocks.y + first * row
    cdef const char* target = blocks.target + first * loss.target_bytes
    cdef const char* weight = blocks.weight
    cdef char* dy = blocks.dy + first * row if blocks.dy != NULL else NULL
    cdef double each, total = 0.0, share = blocks.scale / loss.steps
    if weight == NULL:
        return loss.value(n * loss.steps, loss.width, loss.parameter, y, target, NULL, share, dy) / loss.steps
    weight += first * blocks.weights * itemsize
    if blocks.weights == loss.steps:
        return loss.value(n * loss.steps, loss.width, loss.parameter, y, target, weight, blocks.scale, dy)
    for b in range(n):
        each = <double> (<const float*> weight)[b] if itemsize == sizeof(float) else (<const double*> weight)[b]
        total += each / loss.steps * loss.value(
            loss.steps, loss.width, loss.parameter, y + b * row, target + b * loss.target_bytes, NULL, share * each,
            NULL if dy == NULL else dy + b * row)
    return total


cdef void block_losses(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The sums of blocks first .. last - 1."""
    cdef Blocks* blocks = <Blocks*> job
    cdef Py_ssize_t k
    for k in range(first, last):
        blocks.totals[k] = rows_loss(blocks, blocks.B * k // blocks.count, blocks.B * (k + 1) // blocks.count)


cdef int run_loss(const LossStep* loss, Py_ssize_t itemsize, Py_ssize_t B, const char* y, const char* target,
                  const char* weight, Py_ssize_t weights, double scale, char* dy, double* total) noexcept nogil:
    """total = sum_b weight_b L_b; dy = scale * weight * dL/dy unless dy is NULL.

    ``weights``: of a row; one is that of the mean over its steps, more are those of the steps.  Many numbers are summed in
    blocks of rows, whose sums are added in order: how many depends on the shape alone, not on the threads that share them.
    """
    cdef Py_ssize_t N = B * loss.steps * loss.width, k
    cdef Blocks blocks
    if loss.value == NULL:
        return run_custom(loss, itemsize, B, y, target, weight, scale, dy, total)
    blocks.loss, blocks.itemsize, blocks.B, blocks.y, blocks.target = loss, itemsize, B, y, target
    blocks.weight, blocks.weights, blocks.scale, blocks.dy = weight, weights, scale, dy
    blocks.count = max(<Py_ssize_t> 1, min(<Py_ssize_t> MOST_BLOCKS, min(N // BLOCK, B)) // 2 * 2)
    in_parts(block_losses, &blocks, blocks.count, 1, N * itemsize, CURVED)
    total[0] = blocks.totals[0]
    for k in range(1, blocks.count):
        total[0] += blocks.totals[k]
    return OK


cdef bint labels_changed(const LossStep* loss, Py_ssize_t B, const char* target) noexcept nogil:
    """Are some targets labels that the loss does not know?  They were checked, so somebody has changed them since."""
    return (loss.label_value != NULL and loss.value == loss.label_value
            and not labels_allowed(B * loss.steps, loss.width, <const int64_t*> target))


cdef bint labels_allowed(Py_ssize_t B, Py_ssize_t classes, const int64_t* label) noexcept nogil:
    """Are all labels from 0 to classes - 1?"""
    cdef bint allowed = True
    cdef Py_ssize_t b
    for b in range(B):
        allowed &= <uint64_t> label[b] < <uint64_t> classes
    return allowed


cdef bint each_allowed(int kind, Py_ssize_t B, Py_ssize_t O, const floating* target) noexcept nogil:
    cdef bint allowed = True
    cdef Py_ssize_t b, o
    cdef double value, total, most = 1.0 if kind == UNIT else DBL_MAX
    for b in range(B):
        total = 0.0
        for o in range(O):
            value = <double> target[b * O + o]
            total += value
            if kind == SIGNS:
                allowed &= fabs(value) == 1.0
            else:
                allowed &= (value >= 0.0) & (value <= most)
        if kind == PROBABILITIES:
            allowed &= fabs(total - 1.0) < 0.999e-3
    return allowed


cdef bint reals_allowed(const fnn_kernels* kernels, int kind, Py_ssize_t B, Py_ssize_t O,
                        const void* target) noexcept nogil:
    """Does the loss surely take these targets?  Of rows whose sum is barely too far from 1 this says no too soon."""
    if kind == NO_REALS:
        return False
    if kind == ANY:
        return kernels.all_finite(B * O, target)
    if kernels.itemsize == sizeof(float):
        return each_allowed(kind, B, O, <const float*> target)
    return each_allowed(kind, B, O, <const double*> target)
