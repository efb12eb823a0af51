"""Weights of rows by their class."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from fastnn._spec import listed
from fastnn.losses import Loss


def labels_of(who: str, y: np.ndarray, loss: Loss) -> np.ndarray:
    """Return the class label of each row (N,), of labels or one-hot rows; ValueError if the targets are no classes."""
    if y.ndim == 2 and y.shape[1] > 1 and loss.label_kernel:
        y = y.argmax(axis=1)
    y = y.reshape(len(y), -1)
    known = loss.kernel in ("cross_entropy", "binary_cross_entropy", "hinge")
    if y.shape[1] != 1 or not (known or (loss.targets == "own" and y.dtype.kind in "iub")):
        raise ValueError(
            f"{who}: class_weight expected class labels, got targets of shape {y.shape} under {loss.kernel}; "
            "use sample_weight"
        )
    return y[:, 0]


def class_weights(who: str, class_weight: Any, labels: np.ndarray, known: Sequence[Any]) -> np.ndarray:
    """Return the weight of each row by its label, float64 of shape (N,); ``known``: all labels that there can be.

    ``class_weight``: weights by label, finite, of at least 0, for known classes, 1 for those not in it; "balanced":
    N / (classes * count).  Raises TypeError or ValueError for anything else.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return (len(labels) / (len(classes) * counts))[inverse]
    if not isinstance(class_weight, dict):
        text = isinstance(class_weight, str)
        got = f"{class_weight!r:.60}" if text else type(class_weight).__name__
        raise (ValueError if text else TypeError)(f"{who}: expected class_weight to be a dict or 'balanced', got {got}")
    result = np.ones(len(labels))
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < float("inf")):
            raise ValueError(f"{who}: expected class weights of at least 0, got {weight!r:.60} for class {label!r:.60}")
        if not any(_same(label, one) for one in known):
            raise ValueError(
                f"{who}: expected classes out of {listed(map(repr, known))} in class_weight, got {label!r:.60}"
            )
        result[labels == label] = weight
    return result


def _same(label: Any, known: Any) -> bool:
    """Whether a label of the user's is one of the data's: a text is no number, whatever it says."""
    return isinstance(label, str) == isinstance(known, str) and bool(label == known)
