"""Rows as an estimator is given them: arrays, frames, lists and sparse matrices, checked as scikit-learn checks.

Some messages hold phrases that scikit-learn's checks look for.
"""

import warnings
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from fastnn.data import containers, ports
from fastnn.data.sparse import as_csr, is_sparse


class Rows(NamedTuple):
    """Rows as they are learned from or answered: packed, or CSR; and the names of their columns, None without any."""

    matrix: Any
    names: containers.Names


def enter(who: str, X: Any, dtype: Any = None, name: str = "X") -> Rows:
    """Return rows as a packed (N, I) array, or a CSR matrix, of float32 or float64; here X enters an estimator.

    ``dtype``: the one wanted; if not given, float32 stays and everything else becomes float64.  Raises TypeError if
    they are not numbers, ValueError if not a matrix of finite real ones with at least one row and one column.
    """
    if is_sparse(X):
        if X.dtype.kind == "c":
            raise ValueError(f"{who}: Complex data not supported: expected real numbers in {name}")
        _require_shape(who, X.shape, name)
        return Rows(as_csr(who, name, X, _target(X.dtype, dtype)), None)
    names = containers.names_of(X)
    array = containers.as_numbers(who, name, X, texts=True)
    _require_shape(who, array.shape, name)
    return Rows(ports.packed(who, name, array, _target(array.dtype, dtype)), names)


def check_names(who: str, names: containers.Names, fitted: containers.Names, name: str = "X") -> None:
    """Raise ValueError if columns have other names than in fit; warn if they have names only here, or only there."""
    if names is None and fitted is not None:
        warnings.warn(
            f"{name} does not have valid feature names, but {who} was fitted with feature names", stacklevel=4
        )
    elif names is not None and fitted is None:
        warnings.warn(f"{name} has feature names, but {who} was fitted without feature names", stacklevel=4)
    containers.check_names(who, names, fitted)


def _target(dtype: np.dtype, wanted: Any) -> np.dtype:
    return np.dtype(wanted if wanted is not None else np.float32 if dtype == np.float32 else np.float64)


def _require_shape(who: str, shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2:
        kind = {0: "a single number", 1: "1D array"}.get(len(shape), f"an array with dim {len(shape)}")
        raise ValueError(
            f"{who}: Expected 2D array, got {kind} instead, of shape {shape}. Reshape your data: "
            f"{name}.reshape(-1, 1) for a single feature, {name}.reshape(1, -1) for a single row"
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
