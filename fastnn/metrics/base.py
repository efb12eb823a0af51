"""What all metrics share: chunks of rows with weights, and a value over all of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Metric:
    """Base of the streaming metrics: ``update`` takes a chunk of rows, ``result`` the value over all chunks so far.

    The result is that of the whole in one piece, up to rounding, however the rows were cut.  A subclass has ``reset``
    if it sums up more than ``_total``, the weight of all rows; ``_add``, which takes targets, outputs and weights of a
    chunk; and ``_value``.

    Examples
    --------
    >>> import fastnn as fn
    >>> metric = fn.metrics.get_metric("accuracy")
    >>> metric.update([0, 1], [0, 1])
    >>> metric.update([2, 2], [2, 0])
    >>> metric.result()
    0.75
    """

    name: str = ""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = self._sum = 0.0

    def update(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> None:
        """Take in a chunk of rows.

        Parameters
        ----------
        y_true : array_like of shape (B,) or (B, O)
            Targets.
        y_pred : array_like of shape (B,) or (B, O)
            Network outputs.
        weight : array_like of shape (B,), or (B, T) for outputs over T steps, optional
            Weight of each row, or of each of its steps, at least 0; 1 where it is left out.

        Raises
        ------
        ValueError
            If the shapes do not fit, or the targets are not of a kind the metric knows.
        """
        target, output = np.asarray(y_true), np.asarray(y_pred)
        if target.ndim == 0 or output.ndim == 0 or len(target) != len(output) or not len(target):
            raise ValueError(
                f"{self.name}: expected as many targets as outputs and at least one, "
                f"got shapes {target.shape} and {output.shape}"
            )
        shape = () if weight is None else np.asarray(weight).shape
        if len(shape) == 2 and target.shape[:2] == output.shape[:2] == shape:  # each step is a row of its own
            target, output = (array.reshape(-1, *array.shape[2:]) for array in (target, output))
            weight = np.ravel(np.asarray(weight))
        self._add(target, output, self._weights(weight, len(target)))

    def result(self) -> float:
        """Return the metric over all chunks so far.

        Returns
        -------
        float
            The value.

        Raises
        ------
        RuntimeError
            If there was no chunk yet, or all weights were 0.
        """
        if self._total <= 0.0:
            raise RuntimeError(f"{self.name}: expected at least one row of weight above 0 before result()")
        return self._value()

    def of(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, weight: npt.ArrayLike | None) -> float:
        """Return the metric of these rows alone."""
        self.reset()
        self.update(y_true, y_pred, weight)
        return self.result()

    def _weights(self, weight: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.float64]:
        if weight is None:
            return np.ones(rows)
        weights = np.asarray(weight, dtype=np.float64)
        if weights.shape != (rows,):
            raise ValueError(f"{self.name}: expected weights of shape ({rows},), got {weights.shape}")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"{self.name}: expected finite weights of at least 0, got {weights.min():g} as the least")
        return weights

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        raise NotImplementedError

    def _value(self) -> float:
        return self._sum / self._total


class CallableMetric(Metric):
    """A function of targets and outputs as a metric: its mean over the chunks, by the weight of their rows.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred) -> float``; it does not see the weights.

    Raises
    ------
    TypeError
        If it is not callable.
    """

    def __init__(self, function: Callable[[Array, Array], float]) -> None:
        if not callable(function):
            raise TypeError(f"metric: expected a name or a function, got {type(function).__name__} {function!r:.60}")
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")
        super().__init__()

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        self._sum += float(weights.sum()) * float(self.function(target, output))
        self._total += float(weights.sum())
