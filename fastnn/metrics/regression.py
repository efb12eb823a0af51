"""Metrics of values: mean squared and absolute error, and the coefficient of determination."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.metrics.base import Array, Metric


class MeanSquaredError(Metric):
    """Mean of the squared differences; see `mean_squared_error`."""

    name = "mean_squared_error"
    _distance: Callable[..., Any] = staticmethod(np.square)

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        target, output = _columns(self.name, target, output)
        self._sum += float(weights @ self._distance(output - target).mean(axis=1))
        self._total += float(weights.sum())


class MeanAbsoluteError(MeanSquaredError):
    """Mean of the absolute differences; see `mean_absolute_error`."""

    name = "mean_absolute_error"
    _distance = staticmethod(np.abs)


class R2(Metric):
    """Coefficient of determination; see `r2`.

    Notes
    -----
    The sum of squares about the mean is merged over chunks by equation (2.1) of Chan, Golub & LeVeque, Updating
    formulae and a pairwise algorithm for computing sample variances (1979), and targets are counted from the first one
    seen, so that a large mean costs no digits.
    """

    name = "r2"

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = 0.0
        self._origin = self._mean = self._squares = self._residual = np.zeros(0)

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        target, output = _columns(self.name, target, output)
        if self._mean.size and self._mean.size != target.shape[1]:
            raise ValueError(f"r2: expected {self._mean.size} outputs as before, got {target.shape[1]}")
        total = float(weights.sum())
        if not total:
            return
        if not self._total:
            self._origin = target[0].copy()
        residual = weights @ np.square(target - output)
        offset = target - self._origin
        mean = weights @ offset / total
        squares = weights @ np.square(offset - mean)
        if self._total:
            gap = mean - self._mean
            squares = self._squares + squares + np.square(gap) * (self._total * total / (self._total + total))
            mean = self._mean + gap * (total / (self._total + total))
            residual = self._residual + residual
        self._total += total
        self._mean, self._squares, self._residual = mean, squares, residual

    def _value(self) -> float:
        constant = self._squares == 0
        ratio = self._residual / np.where(constant, 1.0, self._squares)
        return float(np.where(constant, np.where(self._residual == 0, 1.0, 0.0), 1.0 - ratio).mean())


def r2(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None) -> float:
    """Coefficient of determination: the part of the variance of the targets that the outputs explain.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (B,) or (B, O)
        Targets and outputs.
    sample_weight : array_like of shape (B,), optional
        Weight of each row, at least 0.

    Returns
    -------
    float
        At most 1; 0 for outputs no better than the mean of the targets.  The mean over the outputs.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    ``1 - sum(w * (y_true - y_pred)**2) / sum(w * (y_true - mean)**2)`` for each output.  Targets that do not vary give
    1.0 if all outputs are exact and 0.0 otherwise, as in scikit-learn.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    return R2().of(y_true, y_pred, sample_weight)


def mean_squared_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Mean of the squared differences over rows and outputs, in the squared unit of the targets.

    Parameters are those of r2.

    Returns
    -------
    float
        At least 0.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.mean_squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return MeanSquaredError().of(y_true, y_pred, sample_weight)


def mean_absolute_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Mean of the absolute differences over rows and outputs, in the unit of the targets.

    Parameters are those of r2.

    Returns
    -------
    float
        At least 0.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.mean_absolute_error([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return MeanAbsoluteError().of(y_true, y_pred, sample_weight)


def _columns(who: str, target: Array, output: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Targets and outputs as float64 of the same shape (B, N)."""
    y = np.asarray(target, dtype=np.float64).reshape(len(target), -1)
    y_hat = np.asarray(output, dtype=np.float64).reshape(len(output), -1)
    if y.shape != y_hat.shape:
        raise ValueError(f"{who}: expected targets and outputs of one shape, got {target.shape} and {output.shape}")
    return y, y_hat
