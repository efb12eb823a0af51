"""Class labels as a network learns them, and back: a sigmoid for two classes, a softmax for more, or one per label."""

import warnings
from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn.data.containers import as_numbers, column_or_numbers, is_missing
from fastnn.data.numbers import packed
from fastnn.data.targets import require_targets
from fastnn.errors import ModelFormatError
from fastnn.estimators.peers import kind

LABEL_BYTES = 1 << 24  # of all labels of a file, in an array
NO_TARGETS = "{who}: requires y to be passed, but the target y is None"


class Classes:
    """The classes of a problem.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Sorted; for several labels per row the numbers 0, 1, ...
    type : {"binary", "multiclass", "multilabel"}
        A row has one of two classes (or there is but one), one of several, or any number of them.
    """

    def __init__(self, labels: np.ndarray, type: str) -> None:
        self.labels, self.type = labels, type

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""
        return 1 if self.type == "binary" else len(self.labels)

    def encode(self, who: str, y: np.ndarray, dtype: Any) -> np.ndarray:
        """Return int64 labels (N,) for a softmax, else 0 and 1 (N, n_outputs); ValueError for an unknown label."""
        if self.type == "multilabel":
            if y.ndim != 2 or y.shape[1] != len(self.labels):
                raise ValueError(
                    f"{who}: expected y of shape (N, {len(self.labels)}), a column per label, got {y.shape}"
                )
            return np.ascontiguousarray(y, dtype=dtype)
        if y.ndim != 1:
            raise ValueError(f"{who}: expected one label per row, as before, got y of shape {y.shape}")
        numbers = np.minimum(np.searchsorted(self.labels, y), len(self.labels) - 1)
        if not (self.labels[numbers] == y).all():
            unknown = np.unique(y[self.labels[numbers] != y])[:5]
            raise ValueError(f"{who}: `y` has classes {unknown} that are not in `classes_`, {self.labels}")
        if self.type == "binary":
            return numbers[:, None].astype(dtype)
        return numbers

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the labels of the most likely classes: (N,), or 0 and 1 (N, n_outputs) for several labels."""
        if self.type == "multiclass":
            return self.labels[probabilities.argmax(axis=1)]
        yes = probabilities > 0.5
        if self.type == "multilabel":
            return yes.astype(np.int64)
        return self.labels[(yes[:, 0] & (len(self.labels) > 1)).astype(np.int64)]


def find_classes(who: str, y: np.ndarray) -> Classes:
    """Return the classes that are in y; ValueError if y is no classification target."""
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"{who}: Unknown label type: multiclass-multioutput; expected columns of 0 and 1")
        return Classes(np.arange(y.shape[1]), "multilabel")
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise ValueError(f"{who}: Unknown label type: continuous; expected classes, got numbers such as {y[0]}")
    return of_labels(who, y)


def of_labels(who: str, labels: Any) -> Classes:
    """Return the classes of these labels, which may repeat; ValueError if they have no order, or hold NaN."""
    try:
        found = np.unique(np.asarray(labels))
    except TypeError as error:
        raise ValueError(f"{who}: Unknown label type: expected labels of one kind, got several: {error}") from error
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{who}: Input y contains NaN or infinity; remove these rows")
    return Classes(found, "binary" if len(found) <= 2 else "multiclass")


def given_classes(labels: list[Any], dtype: Any, type: str) -> Classes:
    """Return the classes that a file describes; ModelFormatError unless they could be those of a target."""
    if dtype.kind in "US" and dtype.itemsize * len(labels) > LABEL_BYTES:
        raise ModelFormatError(f"expected labels of at most {LABEL_BYTES} bytes, got {len(labels)} of {dtype}", "limit")
    found = np.asarray(labels, dtype=dtype)
    wanted = np.arange(len(labels)) if type == "multilabel" else np.unique(found)
    count = len(labels) <= 2 if type == "binary" else len(labels) > 2 or type == "multilabel"
    if not len(labels) or found.shape != wanted.shape or not (found == wanted).all() or not count:
        raise ModelFormatError(f"expected sorted labels, each once, of a {type} target, got {labels!r:.80}", "labels")
    return Classes(found, type)


def as_labels(who: str, y: Any, n: int) -> np.ndarray:
    """Return labels (N,), or an indicator matrix (N, n_labels); ValueError if they are no array of as many rows."""
    if y is None:
        raise ValueError(NO_TARGETS.format(who=who))
    array = flat(who, _array(who, y), n)
    if array.dtype.kind == "O" and len(array):
        if any(isinstance(value, list | tuple | set | np.ndarray) for value in array.ravel()[:1]):
            raise ValueError(f"{who}: Unknown label type: sequences of labels; make an indicator matrix of 0 and 1")
        if count := sum(map(is_missing, array.ravel())):
            raise ValueError(f"{who}: Input y contains NaN, NA or None, {count} of {len(array)}; remove these rows")
    elif array.dtype.kind in "Mm":
        if np.isnat(array).any():
            raise ValueError(f"{who}: Input y contains NaT, {np.isnat(array).sum()} of {len(array)}; remove these rows")
    elif array.dtype.kind == "c":
        raise ValueError(f"{who}: Complex data not supported in y")
    _require_finite(who, array)
    return array


def _array(who: str, y: Any) -> np.ndarray:
    """Return labels as an array: those of a frame's only column, or several columns of 0 and 1."""
    return np.asarray(y.toarray()) if hasattr(y, "toarray") else column_or_numbers(who, "y", y)


def _require_finite(who: str, array: np.ndarray) -> None:
    if array.dtype.kind == "f" and not all_finite(np.ascontiguousarray(array, np.float64)):
        raise ValueError(f"{who}: Input y contains {'NaN' if np.isnan(array).any() else 'infinity'}; remove these rows")


def as_values(who: str, y: Any, n: int, dtype: Any) -> np.ndarray:
    """Return targets of a regression, packed, (N, O); ValueError if they are not as many rows of finite numbers."""
    if y is None:
        raise ValueError(NO_TARGETS.format(who=who))
    array = flat(who, as_numbers(who, "y", y.toarray() if hasattr(y, "toarray") else y, texts=True), n)
    _require_finite(who, array)
    return packed(who, "y", array.reshape(n, -1), np.dtype(dtype))


def flat(who: str, array: np.ndarray, n: int) -> np.ndarray:
    """Return the targets of ``n`` rows, one column as a vector; ValueError for more axes or other numbers of rows."""
    if array.ndim == 0 or array.ndim > 2:
        raise ValueError(
            f"{who}: y should be a 1d array, or (N, n_outputs), got an array of shape {array.shape} instead"
        )
    require_targets(who, array, n)
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
            "(n_samples,), for example using ravel().",
            kind("DataConversionWarning"),
            stacklevel=6,
        )
        array = array[:, 0]
    return array
