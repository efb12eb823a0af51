"""Run the loss of one output over a batch: a C kernel, or a function of the user's in NumPy."""

from cpython.exc cimport PyErr_SetObject
from cpython.object cimport PyObject

from fastnn._core.step cimport FAILED, OK
from fastnn._core.views cimport view

import numpy as np


class CustomLoss:
    """``function(y_true, y_pred) -> (loss of each row (B,), dloss/dy_pred (B, O))``, before weights and mean."""

    def __init__(self, function, output_shape):
        self.function, self.output_shape = function, output_shape

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
    try:
        custom = <object> loss.custom
        y_pred = view(y, itemsize, (B, *custom.output_shape), False)
        rows, gradient = custom(view(target, itemsize, (B, *custom.output_shape), False), y_pred)
        weights = np.ones(B) if weight == NULL else view(weight, itemsize, (B,), False).astype(np.float64)
        total[0] = float(weights @ rows)
        if dy != NULL:
            out = view(dy, itemsize, y_pred.shape, True)
            out[...] = gradient * (scale * weights).reshape(B, *(1,) * (gradient.ndim - 1))
        return OK
    except BaseException as error:
        PyErr_SetObject(type(error), error)
        return FAILED


cdef int run_loss(const LossStep* loss, Py_ssize_t itemsize, Py_ssize_t B, const char* y, const char* target,
                  const char* weight, double scale, char* dy, double* total) noexcept nogil:
    """total = sum_b weight_b L_b; dy = scale * weight * dL/dy unless dy is NULL."""
    if loss.value == NULL:
        return run_custom(loss, itemsize, B, y, target, weight, scale, dy, total)
    total[0] = loss.value(B, loss.width, loss.parameter, y, target, weight, scale, dy)
    return OK
