"""Rows as an estimator is given them: arrays, frames, lists and sparse matrices, checked as scikit-learn checks.

Some messages hold phrases that scikit-learn's checks look for.
"""

import warnings
from numbers import Real
from typing import Any

import numpy as np

from fastnn.data import ports
from fastnn.data.sparse import as_csr, is_sparse


def feature_names(X: Any) -> np.ndarray | None:
    """Return the column names of a data frame, if all are strings; TypeError if only some are."""
    columns = getattr(X, "columns", None)
    if columns is None or isinstance(X, np.ndarray) or not hasattr(X, "shape"):
        return None
    names = np.asarray(list(columns), dtype=object)
    strings = [isinstance(name, str) for name in names]
    if any(strings) and not all(strings):
        kinds = sorted({type(name).__qualname__ for name in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types; rename the columns: X.columns = X.columns.astype(str)"
        )
    return names if len(names) and all(strings) else None


def check_names(who: str, names: np.ndarray | None, fitted: np.ndarray | None) -> None:
    """Raise ValueError if columns have other names than in fit; warn if they have names only here, or only there."""
    if names is None and fitted is None:
        return
    if names is None:
        warnings.warn(f"X does not have valid feature names, but {who} was fitted with feature names", stacklevel=4)
    elif fitted is None:
        warnings.warn(f"X has feature names, but {who} was fitted without feature names", stacklevel=4)
    elif len(names) != len(fitted) or (names != fitted).any():
        lines = ["The feature names should match those that were passed during fit."]
        for title, some in (
            ("Feature names unseen at fit time:", sorted(set(names) - set(fitted))),
            ("Feature names seen at fit time, yet now missing:", sorted(set(fitted) - set(names))),
        ):
            if some:
                lines += [title, *(f"- {name}" for name in some[:5]), *(["- ..."] if len(some) > 5 else [])]
        if len(lines) == 1:
            lines.append("Feature names must be in the same order as they were in fit.")
        raise ValueError("\n".join(lines) + "\n")


def as_matrix(who: str, X: Any, dtype: Any = None) -> Any:
    """Return rows as a packed (N, I) array, or a CSR matrix, of float32 or float64.

    ``dtype``: the one wanted; if not given, float32 stays and everything else becomes float64.  Raises TypeError if
    they are not numbers, ValueError if not a matrix of finite real ones with at least one row and one column.
    """
    if is_sparse(X):
        _refuse_complex(X.dtype)
        _require_shape(who, X.shape)
        return as_csr(who, "X", X, _target(X.dtype, dtype))
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{who}: expected X to be a matrix, got rows of different lengths") from error
    _refuse_complex(array.dtype)
    if array.dtype.kind == "O" and hasattr(X, "to_numpy"):  # columns of a frame that know missing values
        array = _numbers(who, "X", X.to_numpy, dtype=np.float64, na_value=np.nan)
    elif array.dtype.kind not in "fiub":
        array = _numbers(who, "X", array.astype, np.float64)
    _require_shape(who, array.shape)
    return ports.packed(who, "X", array, _target(array.dtype, dtype))


def _refuse_complex(dtype: np.dtype) -> None:
    if dtype.kind == "c":
        raise ValueError("Complex data not supported: expected real numbers in X; pass real and imaginary parts")


def _numbers(who: str, name: str, convert: Any, *args: Any, **kwargs: Any) -> np.ndarray:
    try:
        return convert(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f"{who}: expected {name} to hold numbers, got something else: {error}") from error
    except TypeError as error:
        raise TypeError(f"{who}: expected {name} to hold numbers, got something else: {error}") from error


def _target(dtype: np.dtype, wanted: Any) -> np.dtype:
    return np.dtype(wanted if wanted is not None else np.float32 if dtype == np.float32 else np.float64)


def _require_shape(who: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        kind = {0: "a single number", 1: "1D array"}.get(len(shape), f"an array with dim {len(shape)}")
        raise ValueError(
            f"{who}: Expected 2D array, got {kind} instead, of shape {shape}. Reshape your data: "
            "X.reshape(-1, 1) for a single feature, X.reshape(1, -1) for a single row"
        )
    if not shape[0]:
        raise ValueError(f"{who}: Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.")
    if not shape[1]:
        raise ValueError(f"{who}: Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required.")


def as_weights(who: str, sample_weight: Any, n: int, dtype: Any) -> np.ndarray | None:
    """Return weights of rows (N,), or None; a single number is that of every row.

    Raises TypeError or ValueError if they are not as many numbers of at least 0, one of them above 0.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, sample_weight)
    weights = ports.as_weights(who, sample_weight, n, 1, np.dtype(dtype))
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def block(X: Any, targets: np.ndarray, weights: np.ndarray | None) -> ports.Block:
    """Return rows, their targets as the loss takes them, and weights, as the data of a network."""
    return ports.Block([X], [targets], weights, None, X.shape[0])
