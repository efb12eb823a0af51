"""Targets and sample weights as the losses take them, or a message says what to do."""

from math import prod
from typing import Any

import numpy as np

from fastnn.data.numbers import as_numeric, packed
from fastnn.layers.base import Shape
from fastnn.losses import CustomLoss, Loss


def require_targets(who: str, y: np.ndarray, n: int) -> None:
    """Raise ValueError unless there is a target for each of ``n`` rows."""
    if y.ndim == 0 or len(y) != n:
        got = "one value" if y.ndim == 0 else f"{len(y)}"
        raise ValueError(f"{who}: expected as many targets as rows, {n}, got {got}; X and y differ in length")


def as_targets(who: str, loss: Loss, array: np.ndarray, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return numeric targets (N, ...) as the loss takes them: int64 labels (N, *shape[:-1]), or reals (N, *shape).

    Raises TypeError or ValueError if they are not what the loss takes.
    """
    if isinstance(loss, CustomLoss) and loss.targets == "own":
        return as_declared(who, array, *loss.target_of(shape, dtype))
    n = len(array)
    outputs, single = shape[-1], (n, *shape[:-1])
    if loss.label_kernel and array.shape in (single, (*single, 1)) and outputs > 1:
        return as_labels(who, array.reshape(single), outputs)
    if outputs == 1 and array.shape in (single, (array.size,)) and array.size == n * int(np.prod(shape)):
        array = array.reshape(n, *shape)
    if array.shape[1:] != shape:
        labels = f" or integer labels {single}" if loss.label_kernel and outputs > 1 else ""
        hint = "; for one answer per row add Flatten() to the network" if array.ndim == 1 < len(shape) else ""
        raise ValueError(f"{who}: {loss.kernel} expected y of shape {(n, *shape)}{labels}, got {array.shape}{hint}")
    array = packed(who, "y", array, dtype)
    check_targets(who, loss, array)
    return array


def as_labels(who: str, array: np.ndarray, classes: int) -> np.ndarray:
    """Return class labels as int64; TypeError if they are no integers, ValueError if one is outside [0, classes)."""
    if array.dtype.kind == "f":
        raise TypeError(
            f"{who}: expected y to hold integer class labels, got dtype {array.dtype}; use y.astype(int), "
            f"or one-hot rows of {classes}"
        )
    bad = array[(array < 0) | (array >= classes)] if array.dtype.kind != "b" else array[:0]
    if len(bad):
        raise ValueError(
            f"{who}: expected labels from 0 to {classes - 1} for {classes} outputs, got {bad[0]}; give the "
            "last layer one unit per class, or renumber the classes"
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def check_targets(who: str, loss: Loss, y: np.ndarray) -> None:
    """Raise ValueError unless real targets are what the loss allows."""
    if loss.targets == "non-negative" and y.min() < 0:
        raise ValueError(f"{who}: {loss.kernel} expected targets of at least 0, got {y.min()}")
    if loss.targets == "unit" and (y.min() < 0 or y.max() > 1):
        bad = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"{who}: {loss.kernel} expected targets in [0, 1], got {bad}")
    if loss.targets == "signs" and not np.all(np.abs(y) == 1):
        raise ValueError(
            f"{who}: {loss.kernel} expected targets -1 or 1, got {y[np.abs(y) != 1][0]}; use 2 * y - 1 for 0/1"
        )
    if loss.targets == "probabilities":
        sums = y.sum(axis=-1, dtype=np.float64).ravel()
        if y.min() < 0 or np.abs(sums - 1).max() > 1e-3:
            raise ValueError(
                f"{who}: {loss.kernel} expected rows of probabilities that sum to 1 (one-hot), got a row with "
                f"sum {sums[np.abs(sums - 1).argmax()]:g} and smallest value {y.min():g}"
            )


def loss_steps(loss: Loss, shape: Shape) -> int:
    """Return how many losses one row of an output has: one for each vector along the last axis.

    A function of the user's has one, whatever the shape.
    """
    return 1 if isinstance(loss, CustomLoss) else prod(shape[:-1])


def as_weights(who: str, values: Any, n: int, steps: int, dtype: np.dtype) -> np.ndarray:
    """Return sample weights (n,), or (n, steps) where each step has its own.

    Raises TypeError or ValueError if they are not such finite numbers of at least 0.
    """
    array = as_numeric(who, "sample_weight", values)
    if array.shape != (n,) and (steps == 1 or array.shape != (n, steps)):
        by_step = f" or ({n}, {steps}), one per step" if steps > 1 else ""
        raise ValueError(f"{who}: expected sample_weight of shape ({n},), one per row{by_step}, got {array.shape}")
    array = packed(who, "sample_weight", array, dtype)
    if array.min() < 0:
        raise ValueError(f"{who}: expected sample_weight of at least 0, got {array.min()}")
    return array


def as_declared(who: str, array: np.ndarray, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return targets (N, *shape) of the dtype that a loss declares; TypeError or ValueError if they are none such."""
    n = len(array)
    if array.shape in ((n,), (n, 1)) and shape in ((), (1,)):
        array = array.reshape(n, *shape)
    if array.shape[1:] != shape:
        raise ValueError(f"{who}: the loss expected y of shape {(n, *shape)}, got {array.shape}")
    if dtype.kind == "f":
        return packed(who, "y", array, dtype)
    if array.dtype.kind == "f":
        raise TypeError(f"{who}: the loss expected y to hold whole numbers, got dtype {array.dtype}; use y.astype(int)")
    if array.dtype.kind == "u" and array.max() > np.iinfo(dtype).max:
        raise ValueError(f"{who}: the loss expected y to fit {dtype}, got {array.max()}")
    return np.require(array, dtype, ("C", "A"))
