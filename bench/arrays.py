"""Arrays as kernels like them: from the start of a cache line, with bytes to spare after them."""

import numpy as np

LINE = 64  # bytes of a cache line, and those after an array that products may read


def draw(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    size, itemsize = int(np.prod(shape)), np.dtype(dtype).itemsize
    block = np.zeros(size * itemsize + 2 * LINE, np.uint8)
    start = -block.ctypes.data % LINE
    array = block[start : start + size * itemsize].view(dtype).reshape(shape)
    array[...] = np.random.default_rng(seed).standard_normal(shape)
    return array
