"""Arrays as IDX files, the format of MNIST."""

import numpy as np


def idx(array):
    """A uint8 array as the bytes of an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.astype(np.uint8).tobytes()
