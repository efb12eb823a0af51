"""Metrics of decisions: the part that is right or wrong, and which classes are taken for which."""

import numpy as np
import numpy.typing as npt

from fastnn.metrics.base import Array, Metric
from fastnn.metrics.labels import class_numbers, is_scores, rows_by_class, scores_by_class, sums_to_one, to_labels


class Accuracy(Metric):
    """Part of the decisions that are right, between 0 and 1; see `accuracy`."""

    name = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        super().__init__()

    def reset(self) -> None:
        """Forget all chunks."""
        self._total = 0.0
        # Right decisions under each reading of the targets that holds for all chunks so far.
        self._right = {"one class": 0.0, "several labels": 0.0}

    def _add(self, target: Array, output: Array, weights: npt.NDArray[np.float64]) -> None:
        rows, right = len(target), {}
        if scores_by_class(output):
            target, output = rows_by_class(self.name, target, output)
            known = ~np.isnan(output).any(axis=1)
            if target.ndim == 1 or sums_to_one(target):
                actual = target if target.ndim == 1 else target.argmax(axis=1)
                right["one class"] = (output.argmax(axis=1) == actual) & known
            if target.ndim == 2 and np.isin(target, (0, 1)).all():
                right["several labels"] = ((output > self.threshold) == (target == 1)).mean(axis=1) * known
        else:
            actual, output = to_labels(self.name, target, output, self.threshold)
            right = dict.fromkeys(self._right, actual == output)
        if not right.keys() & self._right:
            raise ValueError(
                f"{self.name}: expected labels, rows that sum to 1 (one class) or rows of 0 and 1 (several labels), "
                f"the same kind in all chunks, got targets of shape {target.shape} and dtype {target.dtype}"
            )
        weights = np.repeat(weights, len(output) // rows)
        self._right = {kind: self._right[kind] + float(weights @ right[kind]) for kind in self._right if kind in right}
        self._total += float(weights.sum())

    def _value(self) -> float:
        return next(iter(self._right.values())) / self._total


class Error(Accuracy):
    """Part of the decisions that are wrong, 1 - accuracy; see `error`."""

    name = "error"

    def _value(self) -> float:
        return 1.0 - super()._value()


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
    return Accuracy(threshold).of(y_true, y_pred, sample_weight)


def error(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    threshold: float = 0.5,
) -> float:
    """Part of the decisions that are wrong, 1 - `accuracy`.

    Parameters are those of accuracy.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.error([0, 1, 2, 2], [0, 1, 2, 0])
    0.25
    """
    return Error(threshold).of(y_true, y_pred, sample_weight)


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
    if is_scores(output) and np.isnan(output).any():
        raise ValueError(f"{who}: expected scores that are numbers, got nan; has the training diverged?")
    actual, predicted = to_labels(who, target, output, threshold)
    if classes is not None:
        order = np.asarray(classes)
    elif scores_by_class(output):
        order = np.arange(output.shape[-1])
    else:
        order = np.unique(np.concatenate([actual, predicted]))
    counts = np.zeros((len(order), len(order)), dtype=np.int64)
    np.add.at(counts, tuple(class_numbers(who, side, order) for side in (actual, predicted)), 1)
    return counts
