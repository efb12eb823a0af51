"""Attribution by covering parts of the input."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.insight.attribution import Attribution
from fastnn.insight.score import Score
from fastnn.layers.base import Shape, as_shape
from fastnn.training.progress import track


def occlusion(
    net: Any,
    X: Any,
    target: Any = None,
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    fill: Any = 0.0,
    shape: Shape | None = None,
    verbose: int | str = "auto",
) -> Attribution:
    """Return how far an output falls when a window over the input is covered.

    Other parameters are those of saliency.  It raises the same errors.

    Parameters
    ----------
    window : int or sequence of int
        Size of the window along each axis of ``shape``; one number for all of them.  Of an image (H, W, C) one number,
        or two, for rows and columns: a patch, all channels of it.
    stride : int or sequence of int
        Distance between windows, likewise.  The last window always reaches the end, so every element is covered.
    fill : float or array_like that broadcasts to X
        What a covered element becomes.
    shape : tuple of int, optional
        How a row is laid out, where windows have an axis more than the network's input: (28, 28) for images that come
        as 784 numbers.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    Attribution
        ``values_i`` = mean of f(x) - f(x covered) over the windows that cover element i.

    Notes
    -----
    Zeiler and Fergus 2014, section 4.2.  All windows of a row run as one batch.  What f is: see ``saliency``.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(3)], input_shape=16, seed=0)
    >>> fn.occlusion(net, np.ones((2, 16)), window=2, shape=(4, 4)).values.shape
    (2, 16)

    Of an image, patches of 3 by 3 pixels:

    >>> net = fn.Sequential([fn.Conv2D(4, 3, "relu"), fn.Flatten(), fn.Dense(3)], input_shape=(8, 8, 3), seed=0)
    >>> fn.occlusion(net, np.ones((2, 8, 8, 3)), window=3).by_pixel().shape
    (2, 8, 8)
    """
    score = Score("occlusion", net, X, target)
    rows = score.rows
    layout = score.net.input_shape if shape is None else as_shape("occlusion", shape)
    if prod(layout) != prod(score.net.input_shape):
        raise ValueError(
            f"occlusion: expected a shape of {prod(score.net.input_shape)} elements, as a row has, got {layout}"
        )
    sizes = _per_axis("window", window, layout, layout[-1])
    covered = windows(layout, sizes, _per_axis("stride", stride, layout, sizes[-1]))
    fills, flat = (array.reshape(len(rows), -1) for array in (score.spread("fill", fill), rows))
    outputs = score.values(rows)
    counts = covered.sum(axis=0)
    values = np.empty(flat.shape, rows.dtype)
    for row in track("occlusion", range(len(rows)), verbose, unit="row"):
        batch = np.where(covered, fills[row], flat[row]).reshape(-1, *score.net.input_shape)
        falls = outputs[row] - score.values(batch, score.targets[row])
        values[row] = falls @ covered / counts
    return Attribution("occlusion", values.reshape(rows.shape), **score.explained())


def windows(layout: Shape, window: Shape, stride: Shape) -> np.ndarray:
    """Return what each window covers, bool (windows, elements); ValueError if one is too large, or leaves gaps."""
    starts = []
    for size, width, step in zip(layout, window, stride, strict=True):
        if width > size or step > width:
            raise ValueError(
                f"occlusion: expected stride <= window <= size along each axis of {layout}, got stride {step} and "
                f"window {width} at size {size}"
            )
        starts.append(sorted({*range(0, size - width + 1, step), size - width}))
    result = np.zeros((prod(map(len, starts)), *layout), bool)
    for mask, corner in zip(result, product(*starts), strict=True):
        mask[tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))] = True
    return result.reshape(len(result), -1)


def _per_axis(name: str, value: int | Sequence[int], layout: Shape, channels: int) -> Shape:
    """Return one positive integer per axis; of an image the last may be left out, and is ``channels`` then."""
    flat = 2 if len(layout) == 3 else len(layout)
    sizes: tuple[Any, ...] = tuple(value) if isinstance(value, tuple | list) else (value,) * flat
    if len(layout) == 3 and len(sizes) == 2:
        sizes = (*sizes, channels)
    if len(sizes) != len(layout):
        ways = f"one integer or {len(layout)}, one per axis"
        if len(layout) == 3:
            ways = "one integer, two for rows and columns, or three, one per axis"
        raise ValueError(f"occlusion: expected {name} to be {ways}, got {value!r}")
    for size in sizes:
        require_count("occlusion", name, size)
    return sizes
