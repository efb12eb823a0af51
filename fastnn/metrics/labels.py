"""Targets and outputs of a classification as labels, whatever form they come in."""

import numpy as np
import numpy.typing as npt

from fastnn.metrics.base import Array


def is_scores(output: Array) -> bool:
    """Whether outputs are scores, not labels."""
    return np.issubdtype(output.dtype, np.floating)


def scores_by_class(output: Array) -> bool:
    """Whether outputs are several scores for each row."""
    return is_scores(output) and output.ndim > 1 and output.shape[-1] > 1


def sums_to_one(target: Array) -> bool:
    """Whether rows of targets are shares of classes that exclude each other."""
    numbers = np.asarray(target, dtype=np.float64)
    return bool((numbers >= 0).all() and (np.abs(numbers.sum(axis=1) - 1.0) <= 1e-4).all())


def rows_by_class(who: str, target: Array, output: Array) -> tuple[Array, Array]:
    """Return targets, labels (N,) or rows (N, O), and scores (N, O), with the time axis folded into N."""
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


def to_labels(who: str, target: Array, output: Array, threshold: float) -> tuple[Array, Array]:
    """Return labels (N,), targets first, from labels, one-hot rows, scores or the score of a single output."""
    if scores_by_class(output):
        target, output = rows_by_class(who, target, output)
        if target.ndim == 2 and not sums_to_one(target):
            raise ValueError(f"{who}: expected targets with one class per row, got rows that do not sum to 1")
        return (target.argmax(axis=1) if target.ndim == 2 else target), output.argmax(axis=1)
    if is_scores(output):
        return _yes_or_no(who, target, output, threshold)
    if target.ndim == 2 and target.shape[1] > 1 and output.ndim == 1 and sums_to_one(target):
        target = target.argmax(axis=1)
    if not target.size == output.size == len(output):
        raise ValueError(
            f"{who}: expected one label (B,) per row for predicted labels (B,), got shapes {target.shape} and "
            f"{output.shape}; give scores as floats"
        )
    target, output = target.reshape(-1), output.reshape(-1)
    if (target.dtype.kind == "U") != (output.dtype.kind == "U"):
        raise ValueError(f"{who}: expected labels of one kind, got dtypes {target.dtype} and {output.dtype}")
    return (_whole(who, target) if is_scores(target) else target), output


def _yes_or_no(who: str, target: Array, output: Array, threshold: float) -> tuple[Array, Array]:
    """Return classes 0 and 1 from targets 0/1 or -1/1 and single scores; -1 for a score that is not a number."""
    if target.size != output.size:
        raise ValueError(f"{who}: expected one target per output, got shapes {target.shape} and {output.shape}")
    values, scores = target.reshape(-1), output.reshape(-1)
    if values.dtype.kind not in "biuf" or not (np.isin(values, (0, 1)).all() or np.isin(values, (-1, 1)).all()):
        raise ValueError(
            f"{who}: expected targets 0 and 1 (or -1 and 1) for the score of a single output, got "
            f"{np.unique(values)[:5].tolist()} ...; give labels as integers, and use r2 for real targets"
        )
    return (values > 0).astype(np.int64), np.where(np.isnan(scores), -1, scores > threshold)


def _whole(who: str, labels: Array) -> npt.NDArray[np.int64]:
    """Return labels as integers; floating ones must be whole."""
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"{who}: expected integer labels, got dtype {labels.dtype}")
    whole = labels.astype(np.int64)
    if not (whole == labels).all():
        raise ValueError(f"{who}: expected integer labels, got {labels[whole != labels][0]!r}; use r2 for real targets")
    return whole


def class_numbers(who: str, labels: Array, classes: Array) -> npt.NDArray[np.int64]:
    """Return the place of each label (N,) among the classes (K,), which need no order; ValueError if it has none."""
    places = {value: place for place, value in enumerate(classes.tolist())} if classes.ndim == 1 else {}
    if len(places) != len(classes):
        raise ValueError(f"{who}: expected classes as a 1-D list without repeats, got {classes.tolist()!r:.100}")
    try:
        return np.array([places[label] for label in labels.tolist()], dtype=np.int64)
    except KeyError as error:
        raise ValueError(
            f"{who}: label {error.args[0]!r:.80} is not among the classes {classes.tolist()!r:.200}"
        ) from None
