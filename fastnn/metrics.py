"""Metrics: how good the outputs of a network are, in one call or streaming over chunks of rows.

Conventions, the same for all:

- Network outputs may be scores ``(B, O)`` with O > 1 (logits or probabilities), the score of a single output,
  ``(B, 1)`` or floating ``(B,)``, or labels: integers, bools or texts of shape ``(B,)``.
- Targets of a classification may be integer labels ``(B,)`` or ``(B, 1)``, one-hot or soft rows ``(B, O)`` that sum
  to 1, or, for several labels at once, 0/1 decisions ``(B, O)``.  A single output takes targets 0/1 (or -1/1).
- A single output, and each output where several labels hold at once, says yes above ``threshold``: 0.0 for logits,
  0.5 for probabilities.
- Outputs over time ``(B, T, O)`` are rows of their own: B*T decisions, each with the weight of its row.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose

Array = npt.NDArray[Any]


class Metric:
    """Base of the streaming metrics: ``update`` takes a chunk of rows, ``result`` the value over all chunks so far.

    The result is that of the whole in one piece, up to rounding, however the rows were cut.

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
        self._total = 0.0

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
        raise NotImplementedError


class Accuracy(Metric):
    """Part of the decisions that are right, between 0 and 1; see `accuracy`.

    Parameters
    ----------
    threshold : float, default 0.5
        Score above which a single output says yes.
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        super().__init__()

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = self._best_right = self._labels_right = 0.0
        self._one_class = self._decisions = True

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        rows = len(target)
        if _is_scores(output) and output.ndim > 1 and output.shape[-1] > 1:
            target, output = _rows(self.name, target, output)
            weights = np.repeat(weights, len(output) // rows)
            self._add_scores(target, output, weights)
        else:
            actual, predicted = _labels(self.name, target, output, self.threshold)
            weights = np.repeat(weights, len(predicted) // rows)
            self._best_right += float(weights @ (actual == predicted))
            self._labels_right += float(weights @ (actual == predicted))
        self._total += float(weights.sum())

    def _add_scores(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        """Count under both readings of the targets; ``result`` knows which one held for all chunks."""
        known = ~np.isnan(output).any(axis=1)
        one_class = self._one_class and (target.ndim == 1 or _sums_to_one(target))
        decisions = self._decisions and target.ndim == 2 and bool(np.isin(target, (0, 1)).all())
        if not (one_class or decisions):
            raise ValueError(
                f"{self.name}: expected labels, rows that sum to 1 (one class) or rows of 0 and 1 (several labels), "
                f"the same kind in all chunks, got targets of shape {target.shape} and dtype {target.dtype}"
            )
        self._one_class, self._decisions = one_class, decisions
        if one_class:
            actual = target if target.ndim == 1 else target.argmax(axis=1)
            self._best_right += float(weights @ ((output.argmax(axis=1) == actual) & known))
        if decisions:
            right = (output > self.threshold) == (target == 1)
            self._labels_right += float(weights @ (right.mean(axis=1) * known))

    def _value(self) -> float:
        return (self._best_right if self._one_class else self._labels_right) / self._total


class Error(Accuracy):
    """Part of the decisions that are wrong, 1 - accuracy; see `error`.

    Parameters
    ----------
    threshold : float, default 0.5
        Score above which a single output says yes.
    """

    name = "error"

    def _value(self) -> float:
        return 1.0 - super()._value()


class MeanSquaredError(Metric):
    """Mean of the squared differences; see `mean_squared_error`."""

    name = "mean_squared_error"

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = self._sum = 0.0

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        target, output = _columns(self.name, target, output)
        self._sum += float(weights @ self._distance(output - target).mean(axis=1))
        self._total += float(weights.sum())

    def _distance(self, difference: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.square(difference)

    def _value(self) -> float:
        return self._sum / self._total


class MeanAbsoluteError(MeanSquaredError):
    """Mean of the absolute differences; see `mean_absolute_error`."""

    name = "mean_absolute_error"

    def _distance(self, difference: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.abs(difference)


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

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = self._sum = 0.0

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        self._sum += float(weights.sum()) * float(self.function(target, output))
        self._total += float(weights.sum())

    def _value(self) -> float:
        return self._sum / self._total


METRICS: dict[str, type[Metric]] = {cls.name: cls for cls in (Accuracy, Error, R2, MeanSquaredError, MeanAbsoluteError)}


def get_metric(metric: str | Metric | Callable[[Array, Array], float], *, threshold: float = 0.5) -> Metric:
    """Return a fresh streaming metric.

    Parameters
    ----------
    metric : str, Metric or callable
        One of "accuracy", "error", "r2", "mean_squared_error", "mean_absolute_error"; one of the functions of this
        module; a function ``(y_true, y_pred) -> float``, averaged over chunks by rows; or a streaming metric of one's
        own, which is reset.
    threshold : float, default 0.5
        Score above which a single output says yes: 0.0 for logits, 0.5 for probabilities.

    Returns
    -------
    Metric
        The metric, with its name in ``name``.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor callable.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.get_metric("r2").name
    'r2'
    """
    if isinstance(metric, Metric):
        metric.reset()
        return metric
    if not isinstance(metric, str):
        own = next((name for name in METRICS if globals()[name] is metric), None)
        if own is None:
            return CallableMetric(metric)
        metric = own
    choose("unknown metric", metric, METRICS)
    cls = METRICS[metric]
    return cls(threshold) if issubclass(cls, Accuracy) else cls()


def accuracy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    threshold: float = 0.5,
) -> float:
    """Part of the decisions that are right.

    Parameters
    ----------
    y_true : array_like of shape (B,) or (B, O)
        Labels, one-hot or soft rows, or 0/1 decisions.
    y_pred : array_like of shape (B, O), (B, 1) or (B,)
        Scores, or labels.
    sample_weight : array_like of shape (B,), optional
        Weight of each row, at least 0.
    threshold : float, default 0.5
        Score above which a single output, or one of several labels, says yes: 0.0 for logits, 0.5 for probabilities.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit or the targets are of no kind that has an accuracy.

    Notes
    -----
    With O > 1 scores the largest one decides, if all target rows sum to 1.  If some do not, the targets must be 0 or 1,
    and each of the B*O decisions counts on its own (one minus the Hamming loss), not only rows that are right in whole.
    A row with a score that is not a number is wrong.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.accuracy([0, 1, 1, 1], [[2.0, 1.0], [0.1, 0.3], [1.0, -1.0], [0.0, 5.0]])
    0.75
    >>> fn.metrics.accuracy([0, 1], [-0.3, 0.2], threshold=0.0)
    1.0
    """
    return _once(Accuracy(threshold), y_true, y_pred, sample_weight)


def error(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    threshold: float = 0.5,
) -> float:
    """Part of the decisions that are wrong, 1 - `accuracy`.

    Parameters
    ----------
    y_true : array_like of shape (B,) or (B, O)
        Labels, one-hot or soft rows, or 0/1 decisions.
    y_pred : array_like of shape (B, O), (B, 1) or (B,)
        Scores, or labels.
    sample_weight : array_like of shape (B,), optional
        Weight of each row, at least 0.
    threshold : float, default 0.5
        Score above which a single output, or one of several labels, says yes.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        As `accuracy`.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.error([0, 1, 2, 2], [0, 1, 2, 0])
    0.25
    """
    return _once(Error(threshold), y_true, y_pred, sample_weight)


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
    return _once(R2(), y_true, y_pred, sample_weight)


def mean_squared_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Mean of the squared differences over rows and outputs.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (B,) or (B, O)
        Targets and outputs.
    sample_weight : array_like of shape (B,), optional
        Weight of each row, at least 0.

    Returns
    -------
    float
        At least 0, in the squared unit of the targets.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.mean_squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return _once(MeanSquaredError(), y_true, y_pred, sample_weight)


def mean_absolute_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Mean of the absolute differences over rows and outputs.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (B,) or (B, O)
        Targets and outputs.
    sample_weight : array_like of shape (B,), optional
        Weight of each row, at least 0.

    Returns
    -------
    float
        At least 0, in the unit of the targets.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.mean_absolute_error([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _once(MeanAbsoluteError(), y_true, y_pred, sample_weight)


def confusion_matrix(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    classes: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
) -> npt.NDArray[np.int64]:
    """How many rows of each class (row) were taken for each class (column).

    Parameters
    ----------
    labels : array_like of shape (B,) or (B, O)
        The true classes: labels or one-hot rows.
    predictions : array_like of shape (B,), (B, 1) or (B, O)
        The classes found: labels or scores.
    classes : array_like of shape (K,), optional
        The classes in the order of the matrix; those seen, sorted, where it is left out.
    threshold : float, default 0.5
        Score above which a single output says class 1.

    Returns
    -------
    ndarray of shape (K, K), int64
        Counts; their sum is B.

    Raises
    ------
    ValueError
        If the lengths differ, a class comes twice in ``classes``, or a label is not among them.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.confusion_matrix(["cat", "cat", "dog"], ["cat", "dog", "dog"])
    array([[1, 1],
           [0, 1]])
    """
    who = "confusion_matrix"
    target, output = np.asarray(labels), np.asarray(predictions)
    if target.ndim == 0 or output.ndim == 0 or len(target) != len(output):
        raise ValueError(f"{who}: expected as many labels as predictions, got shapes {target.shape} and {output.shape}")
    if _is_scores(output) and np.isnan(output).any():
        raise ValueError(f"{who}: expected scores that are numbers, got nan; has the training diverged?")
    actual, predicted = _labels(who, target, output, threshold)
    if classes is not None:
        order = np.asarray(classes)
    elif _is_scores(output) and output.ndim > 1 and output.shape[-1] > 1:
        order = np.arange(output.shape[-1])
    else:
        order = np.unique(np.concatenate([actual, predicted]))
    index = {value: position for position, value in enumerate(order.tolist())}
    if order.ndim != 1 or len(index) != len(order):
        raise ValueError(f"{who}: expected classes as a 1-D list without repeats, got {classes!r:.100}")
    if unknown := (set(actual.tolist()) | set(predicted.tolist())) - index.keys():
        raise ValueError(f"{who}: label {min(unknown, key=str)!r} is not among the classes {order.tolist()!r:.200}")
    counts = np.zeros((len(order), len(order)), dtype=np.int64)
    rows, columns = ([index[value] for value in side.tolist()] for side in (actual, predicted))
    np.add.at(counts, (rows, columns), 1)
    return counts


def _once(metric: Metric, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, weight: npt.ArrayLike | None) -> float:
    metric.update(y_true, y_pred, weight)
    return metric.result()


def _is_scores(output: Array) -> bool:
    return np.issubdtype(output.dtype, np.floating)


def _sums_to_one(target: Array) -> bool:
    numbers = np.asarray(target, dtype=np.float64)
    return bool((numbers >= 0).all() and (np.abs(numbers.sum(axis=1) - 1.0) <= 1e-4).all())


def _rows(who: str, target: Array, output: Array) -> tuple[Array, Array]:
    """Targets (N,) labels or (N, O) rows, and scores (N, O), with the time axis folded into N."""
    classes = output.shape[-1]
    if target.shape == output.shape:
        return target.reshape(-1, classes), output.reshape(-1, classes)
    if target.shape not in (output.shape[:-1], (*output.shape[:-1], 1)):
        raise ValueError(
            f"{who}: expected targets of shape {output.shape[:-1]} (labels) or {output.shape} for outputs of shape "
            f"{output.shape}, got {target.shape}"
        )
    labels = _whole(who, target.reshape(-1))
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"{who}: expected labels from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    return labels, output.reshape(-1, classes)


def _labels(who: str, target: Array, output: Array, threshold: float) -> tuple[Array, Array]:
    """Labels, targets first, from labels, one-hot rows, scores or the score of a single output."""
    if _is_scores(output):
        if output.ndim > 1 and output.shape[-1] > 1:
            target, output = _rows(who, target, output)
            if target.ndim == 2 and not _sums_to_one(target):
                raise ValueError(f"{who}: expected targets with one class per row, got rows that do not sum to 1")
            return (target.argmax(axis=1) if target.ndim == 2 else target), output.argmax(axis=1)
        return _single(who, target, output, threshold)
    if target.ndim == 2 and target.shape[1] > 1 and output.ndim == 1 and _sums_to_one(target):
        target = target.argmax(axis=1)
    if not target.size == output.size == len(output):
        raise ValueError(
            f"{who}: expected one label (B,) per row for predicted labels (B,), got shapes {target.shape} and "
            f"{output.shape}; give scores as floats"
        )
    target, output = target.reshape(-1), output.reshape(-1)
    if (target.dtype.kind == "U") != (output.dtype.kind == "U"):
        raise ValueError(f"{who}: expected labels of one kind, got dtypes {target.dtype} and {output.dtype}")
    return (_whole(who, target) if _is_scores(target) else target), output


def _single(who: str, target: Array, output: Array, threshold: float) -> tuple[Array, Array]:
    """Classes 0 and 1 from targets 0/1 or -1/1 and the score of a single output."""
    if target.size != output.size:
        raise ValueError(f"{who}: expected one target per output, got shapes {target.shape} and {output.shape}")
    values = target.reshape(-1)
    if values.dtype.kind not in "biuf" or not (np.isin(values, (0, 1)).all() or np.isin(values, (-1, 1)).all()):
        raise ValueError(
            f"{who}: expected targets 0 and 1 (or -1 and 1) for the score of a single output, got "
            f"{np.unique(values)[:5].tolist()} ...; give labels as integers, and use r2 for real targets"
        )
    actual = (values > 0).astype(np.int64)
    predicted = (output.reshape(-1) > threshold).astype(np.int64)
    return actual, np.where(np.isnan(output.reshape(-1)), -1, predicted)


def _whole(who: str, labels: Array) -> npt.NDArray[np.int64]:
    """Labels as integers; floating ones must be whole."""
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"{who}: expected integer labels, got dtype {labels.dtype}")
    whole = labels.astype(np.int64)
    if not (whole == labels).all():
        raise ValueError(f"{who}: expected integer labels, got {labels[whole != labels][0]!r}; use r2 for real targets")
    return whole


def _columns(who: str, target: Array, output: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Targets and outputs as float64 of the same shape (B, N)."""
    y = np.asarray(target, dtype=np.float64).reshape(len(target), -1)
    y_hat = np.asarray(output, dtype=np.float64).reshape(len(output), -1)
    if y.shape != y_hat.shape:
        raise ValueError(f"{who}: expected targets and outputs of one shape, got {target.shape} and {output.shape}")
    return y, y_hat
