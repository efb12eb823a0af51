"""What networks answer, and how far answers lie apart."""

import numpy as np


def answers(net, xs):
    """What ``predict`` gives, as a list."""
    ys = net.predict(xs if len(xs) > 1 else xs[0])
    return ys if isinstance(ys, list) else [ys]


def largest_error(ys, expected):
    """The largest difference, relative to numbers above 1; shapes and dtypes must be the same."""
    assert [(y.shape, y.dtype) for y in ys] == [(e.shape, e.dtype) for e in expected]
    return max(float((np.abs(y - e) / np.maximum(np.abs(e), 1)).max()) for y, e in zip(ys, expected, strict=True))
