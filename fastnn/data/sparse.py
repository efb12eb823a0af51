"""Sparse rows: matrices and arrays of SciPy, which are made dense a block at a time."""

from typing import Any

import numpy as np

from fastnn._core.sparse import dense_rows
from fastnn._core.table import all_finite


def is_sparse(X: Any) -> bool:
    """Whether it is a sparse matrix or array of SciPy."""
    return type(X) is not np.ndarray and hasattr(X, "toarray") and hasattr(X, "tocsr")


def as_csr(who: str, name: str, X: Any, dtype: np.dtype) -> Any:
    """Return a sparse matrix as CSR of ``dtype``, each place stored once: the same one if it already is that.

    Raises TypeError if it holds no real numbers, ValueError if one is not finite, or too large for the dtype.
    """
    require_real(who, name, X.dtype)
    matrix = X.tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    with np.errstate(over="ignore"):
        matrix = matrix.astype(dtype, copy=False)
    stored = matrix.data[: matrix.nnz]
    if not all_finite(stored):
        at = np.flatnonzero(~np.isfinite(stored))
        where = int(np.searchsorted(matrix.indptr, at[0], side="right")) - 1, int(matrix.indices[at[0]])
        raise not_finite(who, name, dtype, len(at), stored[at[0]], where)
    return matrix


def dense_part(X: Any, where: Any = slice(None)) -> np.ndarray:
    """Return some rows, by a slice or by their numbers, of what ``as_csr`` gave, as a new array.

    Not by SciPy, which trusts the indices, while the caller may change them.  Raises ValueError if that happened.
    """
    data, indices, indptr = (np.ascontiguousarray(array) for array in (X.data, X.indices, X.indptr))
    return dense_rows(data, indices, indptr, np.arange(X.shape[0])[where], X.shape[1])


def require_real(who: str, name: str, dtype: np.dtype) -> None:
    """Raise TypeError unless arrays of this dtype hold real numbers."""
    if dtype.kind not in "fiub":
        raise TypeError(f"{who}: expected {name} to hold real numbers, got dtype {dtype}; encode or convert it first")


def not_finite(who: str, name: str, dtype: np.dtype, bad: int, first: Any, where: tuple[int, ...]) -> ValueError:
    """Return the error for values that are not finite: how many, the first of them, and where it is."""
    return ValueError(
        f"{who}: expected {name} to be finite in {dtype}, got {bad} NaN or infinite values, the first, {first}, at "
        f"{where}; remove or impute them"
    )
