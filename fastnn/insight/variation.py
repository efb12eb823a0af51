"""How much neighbours in an image differ: a penalty that keeps made-up images smooth."""

import numpy as np


def total_variation(x: np.ndarray, beta: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the total variation of images (B, H, W, C) and its gradient.

    ``sum over i, j, c of ((x[i, j + 1, c] - x[i, j, c])^2 + (x[i + 1, j, c] - x[i, j, c])^2)^(beta / 2)``, without
    differences beyond the edge; where both are 0, so is the gradient.  [Mahendran & Vedaldi 2015, section 3]
    """
    down, right = np.zeros((2, *x.shape), x.dtype)
    np.subtract(x[:, 1:], x[:, :-1], out=down[:, :-1])
    np.subtract(x[:, :, 1:], x[:, :, :-1], out=right[:, :, :-1])
    squares = down**2 + right**2
    values = (squares ** (beta / 2)).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    steep = np.power(squares, beta / 2 - 1, out=np.zeros_like(squares), where=squares > 0) * beta
    down *= steep
    right *= steep
    slope = -down - right
    slope[:, 1:] += down[:, :-1]
    slope[:, :, 1:] += right[:, :, :-1]
    return values, slope
