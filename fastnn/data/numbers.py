"""Numbers of the user's as arrays: real, packed, finite."""

from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn.data import containers
from fastnn.data.sparse import not_finite


def as_numeric(who: str, name: str, values: Any) -> np.ndarray:
    """Return ``values`` as a real array; TypeError if they are no real numbers, ValueError if they form no array."""
    return containers.as_numbers(who, name, values)


def packed(who: str, name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a packed (C-contiguous, aligned) and finite array of ``dtype``: the same one if it already is that.

    Raises ValueError if a value is NaN or infinite, or too large for the dtype.
    """
    result = array
    if array.dtype != dtype or not (array.flags.c_contiguous and array.flags.aligned) or type(array) is not np.ndarray:
        with np.errstate(over="ignore"):
            result = np.asarray(array, dtype, order="C")
        if not result.flags.aligned:
            result = result.copy()
    if not all_finite(result):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        raise not_finite(who, name, dtype, int(np.count_nonzero(~np.isfinite(result))), array[where], where)
    return result
