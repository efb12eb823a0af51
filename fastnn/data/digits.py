"""The handwritten digits that come with fastnn."""

from pathlib import Path

import numpy as np
import numpy.typing as npt


def load_digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return 1,797 handwritten digits of 8 x 8 pixels, a small real data set to try things on.

    Returns
    -------
    X : ndarray of shape (1797, 64), float32
        The images, row by row, from 0.0 (white) to 1.0 (black).
    y : ndarray of shape (1797,), int64
        The digits, 0 to 9, about 180 of each.

    Notes
    -----
    The test part (13 writers) of Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (1998), https://doi.org/10.24432/C50P49, CC BY 4.0; see digits.LICENSE beside the file.  Pixels count 0
    to 16 dark dots of a 4 x 4 block; here they are divided by 16.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.data.load_digits()
    >>> X.shape, y[:5].tolist()
    ((1797, 64), [0, 1, 2, 3, 4])
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        return arrays["images"].astype(np.float32) / np.float32(16), arrays["labels"].astype(np.int64)
