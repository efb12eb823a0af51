"""Arrays that begin on a cache line."""

from typing import Any

import numpy as np

from fastnn._core.held import aligned_part

ALIGNMENT = 64  # bytes: one cache line


def aligned_zeros(n: int, dtype: Any) -> np.ndarray:
    """Return a zeroed 1-D array of ``n`` elements that starts on a cache line; a cache line after it may be read."""
    dtype = np.dtype(dtype)
    block = np.zeros(n * dtype.itemsize + 2 * ALIGNMENT, np.uint8)
    return aligned_part(block, n, dtype.num, ALIGNMENT)
