"""How good samples of images are: as a whole like the real ones, different among themselves, no copies."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import above_0, require_count, require_seed

Images = npt.NDArray[np.float32]

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # what each counts, from the finest on [Wang et al. 2003]
WINDOW, SPREAD = 11, 1.5  # of the Gaussian window of SSIM
DIRECTIONS_AT_ONCE = 128
ROWS_AT_ONCE = 1024


def _images(who: str, name: str, value: Any) -> Images:
    """Return images (N, H, W, C) in float32; of grey ones (N, H, W), C is 1."""
    images = np.asarray(value)
    if images.dtype.kind not in "biuf":
        raise TypeError(f"{who}: expected {name} to be numbers, got {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not images.size:
        raise ValueError(f"{who}: expected {name} to be images of shape (N, H, W, C) or (N, H, W), got {images.shape}")
    images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise ValueError(f"{who}: expected finite {name}, got NaN or infinity")
    return images


def _pairs(who: str, a: Any, b: Any) -> tuple[Images, Images]:
    """Return two sets of as many images of one shape."""
    first, second = _images(who, "a", a), _images(who, "b", b)
    if first.shape != second.shape:
        raise ValueError(
            f"{who}: expected as many images of one shape in a and b, got {first.shape} and {second.shape}"
        )
    return first, second


def _smooth(x: Images, factor: float = 1.0) -> Images:
    """Return x, each pixel a binomial mean of 5 x 5 of them; beyond the edge the image is mirrored."""
    for axis in (1, 2):
        around = [(0, 0)] * 4
        around[axis] = (2, 2)
        padded, size = np.pad(x, around, mode="reflect"), x.shape[axis]
        x = np.zeros_like(x)
        for k in range(5):
            x += padded.take(range(k, k + size), axis) * (factor * BINOMIAL[k])
    return x


def _laplacian(x: Images, smallest: int) -> list[Images]:
    """Return what each halving of the resolution takes away, and what is left [Burt & Adelson 1983]."""
    levels = []
    while min(x.shape[1:3]) >= 2 * smallest and x.shape[1] % 2 == x.shape[2] % 2 == 0:
        half = _smooth(x)[:, ::2, ::2]
        large = np.zeros_like(x)
        large[:, ::2, ::2] = half
        levels.append(x - _smooth(large, 2.0))
        x = half
    return [*levels, x]


def _patches(x: Images, count: int, size: int, random: np.random.Generator) -> Images:
    """Return patches from random places, each channel with mean 0 and deviation 1, as rows."""
    n, height, width, _ = x.shape
    image = np.repeat(np.arange(n), count)
    top, left = (random.integers(0, side - size + 1, n * count) for side in (height, width))
    steps = np.arange(size)
    found = x[image[:, None, None], (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None, :]]
    found -= found.mean(axis=(0, 1, 2), keepdims=True)
    deviation = found.std(axis=(0, 1, 2), keepdims=True)
    return (found / np.where(deviation > 0, deviation, 1)).reshape(n * count, -1)


def sliced_wasserstein(
    a: Any, b: Any, *, smallest: int = 16, patches: int = 128, size: int = 7, directions: int = 512, seed: int = 0
) -> dict[int, float]:
    """Return how far apart the patches of two sets of images are, at every resolution, times 1,000.

    Parameters
    ----------
    a, b : array_like of shape (N, H, W, C) or (N, H, W)
        As many images in each, such as real and generated ones; at least 1,000 tell something.
    smallest : int
        Rows of the coarsest level, at least: images are halved as long as so many remain.
    patches : int
        From each image and level.
    size : int
        Rows and columns of a patch.
    directions : int
        Onto how many the patches are projected.
    seed : int
        Decides places and directions.

    Returns
    -------
    dict of int to float
        By rows of the level, the finest first: 0 where all patches are alike.  Compare it with that of two halves of
        the real images.

    Raises
    ------
    TypeError, ValueError
        If a and b are no such images, or a number is out of range.

    Notes
    -----
    The sliced Wasserstein distance of Karras et al. 2018, section 5: the levels of a Laplacian pyramid, in which each
    resolution has its own details; patches, each channel normalised over all of them; the mean distance of the sorted
    projections onto random directions.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> random = np.random.default_rng(0)
    >>> noise, more, even = random.normal(size=(100, 32, 32)), random.normal(size=(100, 32, 32)), np.ones((100, 32, 32))
    >>> near, far = fn.metrics.sliced_wasserstein(noise, more), fn.metrics.sliced_wasserstein(noise, even)
    >>> [near[rows] < 30 < 300 < far[rows] for rows in (32, 16)]
    [True, True]
    """
    who = "sliced_wasserstein"
    first, second = _pairs(who, a, b)
    for name, count in (("smallest", smallest), ("patches", patches), ("size", size), ("directions", directions)):
        require_count(who, name, count)
    require_seed(who, seed)
    if min(smallest, *first.shape[1:3]) < size:
        raise ValueError(
            f"{who}: expected images and a smallest level of at least {size} rows, as patches have, got "
            f"{first.shape[1:3]} and {smallest}; pass size=..."
        )
    random, found = np.random.default_rng(seed), {}
    for levels in zip(_laplacian(first, smallest), _laplacian(second, smallest), strict=True):
        rows = [_patches(level, patches, size, random) for level in levels]
        total = 0.0
        for start in range(0, directions, DIRECTIONS_AT_ONCE):
            ways = random.normal(size=(rows[0].shape[1], min(DIRECTIONS_AT_ONCE, directions - start)))
            ways = (ways / np.sqrt((ways**2).sum(axis=0))).astype(np.float32)
            sides = [np.sort((part @ ways).T, axis=1) for part in rows]
            total += float(np.abs(sides[0] - sides[1]).mean(axis=1).sum())
        found[levels[0].shape[1]] = 1000 * total / directions
    return found


def _window(size: int) -> Images:
    """Return the weights of a Gaussian window; a smaller one is narrower by as much."""
    places = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(places**2) / (2 * (SPREAD * size / WINDOW) ** 2))
    return (weights / weights.sum()).astype(np.float32)


def _weighted(x: Images) -> Images:
    """Return the means over the window at all places where it lies in the image."""
    for axis in (1, 2):
        size = min(WINDOW, x.shape[axis])
        count = x.shape[axis] - size + 1
        whole, x = x, np.zeros_like(x.take(range(count), axis))
        for k, weight in enumerate(_window(size)):
            x += whole.take(range(k, k + count), axis) * weight
    return x


def _ssim(a: Images, b: Images, value_range: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return for each pair of images the structural similarity, and its part of contrast and structure."""
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_a, mean_b = _weighted(a), _weighted(b)
    spread = _weighted(a * a) - mean_a**2 + _weighted(b * b) - mean_b**2
    contrast = (2 * (_weighted(a * b) - mean_a * mean_b) + c2) / (spread + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * contrast).mean(axis=(1, 2, 3)), contrast.mean(axis=(1, 2, 3))


def ms_ssim(a: Any, b: Any, value_range: float) -> float:
    """Return the mean multi-scale structural similarity of pairs of images.

    Between samples of one generator it tells how much they vary: near 1, they are all alike.

    Parameters
    ----------
    a, b : array_like of shape (N, H, W, C) or (N, H, W)
        The pairs.
    value_range : float
        From the least to the largest value that a pixel may have: 255 for bytes, 2 for [-1, 1].

    Returns
    -------
    float
        1 for equal images.

    Raises
    ------
    TypeError, ValueError
        If a and b are no such images, or value_range is not above 0.

    Notes
    -----
    Wang, Simoncelli & Bovik 2003: up to five scales, each half of the one before, as long as images have 4 rows and
    columns; their exponents are scaled to sum 1.  A window that is larger than the image becomes as large.  What would
    be negative counts as 0.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
    >>> round(fn.metrics.ms_ssim(images, images, 255), 6)
    1.0
    """
    first, second = _pairs("ms_ssim", a, b)
    above_0("ms_ssim", "value_range", value_range)
    found = []
    for _ in SCALES:
        found.append(_ssim(first, second, value_range))
        if min(first.shape[1:3]) < 8:
            break
        first, second = (_halved(x) for x in (first, second))
    exponents = np.array(SCALES[: len(found)]) / sum(SCALES[: len(found)])
    factors = [contrast for _, contrast in found[:-1]] + [found[-1][0]]
    result = np.prod([np.maximum(f, 0) ** e for f, e in zip(factors, exponents, strict=True)], axis=0)
    return float(result.mean())


def _halved(x: Images) -> Images:
    """Return the means of 2 x 2 pixels; an odd row or column at the end is left out."""
    n, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def nearest_neighbours(X: Any, data: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each row which row of the data is nearest to it, and how far away: was it learned by heart.

    Parameters
    ----------
    X : array_like of shape (B, ...)
        Samples.
    data : array_like of shape (N, ...)
        What was learned from, rows of the same shape.

    Returns
    -------
    index : ndarray of shape (B,), int64
        Of the nearest row, the first of several.
    distance : ndarray of shape (B,), float64
        The Euclidean distance.  Compare it with that of real rows which were not learned from.

    Raises
    ------
    TypeError, ValueError
        If they are no numbers, there are no rows, or rows are not of one shape.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> fn.metrics.nearest_neighbours([[0, 1], [5, 5]], [[9, 9], [0, 0], [5, 5]])
    (array([1, 2]), array([1., 0.]))
    """
    rows, others = np.asarray(X), np.asarray(data)
    for name, value in (("X", rows), ("data", others)):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"nearest_neighbours: expected {name} to be numbers, got {value.dtype}")
    if rows.ndim < 2 or rows.shape[1:] != others.shape[1:] or not rows.size or not others.size:
        raise ValueError(f"nearest_neighbours: expected rows of one shape, got {rows.shape} and {others.shape}")
    flat = others.reshape(len(others), -1).astype(np.float32)
    squares = np.einsum("ij,ij->i", flat, flat)
    index = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE].reshape(-1, flat.shape[1]).astype(np.float32)
        index[start : start + len(part)] = (squares - 2 * (part @ flat.T)).argmin(axis=1)
    apart = rows.reshape(len(rows), -1).astype(np.float64) - others[index].reshape(len(rows), -1)
    return index, np.sqrt((apart**2).sum(axis=1))
