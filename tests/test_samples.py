"""Metrics of samples of images, against their definitions written out with SciPy and loops."""

import numpy as np
import pytest
from scipy import ndimage

from fastnn.metrics import ms_ssim, nearest_neighbours, sliced_wasserstein

rng = np.random.default_rng(0)
BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def smoothed(image):
    for axis in (0, 1):
        image = ndimage.correlate1d(image, BINOMIAL, axis=axis, mode="mirror")
    return image


def pyramid(image, smallest):
    """The Laplacian pyramid of Burt & Adelson 1983, of one image (H, W, C)."""
    levels = []
    while len(image) >= 2 * smallest:
        half = smoothed(image)[::2, ::2]
        apart = np.zeros_like(image)
        apart[::2, ::2] = half
        levels.append(image - 4 * smoothed(apart))
        image = half
    return [*levels, image]


def distances(a, b, smallest, size=7, directions=1000):
    """All patches there are, and many directions: what the random choice estimates."""
    found = {}
    for level in range(len(pyramid(a[0], smallest))):
        sides = []
        for images in (a, b):
            images = np.stack([pyramid(image, smallest)[level] for image in images])
            patches = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
            patches = np.moveaxis(patches, 3, -1).reshape(-1, size, size, images.shape[-1])
            patches = (patches - patches.mean((0, 1, 2))) / patches.std((0, 1, 2))
            sides.append(patches.reshape(len(patches), -1))
        ways = np.random.default_rng(1).normal(size=(sides[0].shape[1], directions))
        ways /= np.linalg.norm(ways, axis=0)
        sides = [np.sort(side @ ways, axis=0) for side in sides]
        found[images.shape[1]] = 1000 * np.abs(sides[0] - sides[1]).mean()
    return found


def blurred(n, shape, sigma):
    return ndimage.gaussian_filter(rng.normal(size=(n, *shape)), (0, sigma, sigma, 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sliced_distance_estimates_that_of_all_patches(channels):
    a, b = blurred(60, (16, 16, channels), 0.6), blurred(60, (16, 16, channels), 1.5)
    found = sliced_wasserstein(a, b, smallest=8, patches=200)
    expected = distances(a, b, 8)
    assert list(found) == list(expected) == [16, 8]
    for rows, value in expected.items():
        assert abs(found[rows] - value) <= 0.1 * value + 5
    assert min(expected.values()) > 60  # it is not the noise of the choice that agrees


def test_equal_sets_have_no_distance_but_that_of_the_choice():
    a = blurred(200, (32, 32, 1), 1)
    order = rng.permutation(200)
    near, far = sliced_wasserstein(a, a[order]), sliced_wasserstein(a, blurred(200, (32, 32, 1), 2))
    assert list(near) == [32, 16]
    assert all(near[rows] < 25 and far[rows] > 5 * near[rows] for rows in near), (near, far)
    same, other = sliced_wasserstein(a, a), sliced_wasserstein(a, 3 * a[..., 0] + 7)
    assert np.allclose([*same.values()], [*other.values()], rtol=1e-4)  # contrast and brightness do not count


def similarity(a, b, value_range):
    """SSIM and its second factor of two grey images, a window at a time."""
    size = min(11, len(a))
    places = np.arange(size) - (size - 1) / 2
    window = np.exp(-(places**2) / (2 * (1.5 * size / 11) ** 2))
    window = np.outer(window, window) / window.sum() ** 2
    whole, part = [], []
    for i in range(len(a) - size + 1):
        for j in range(len(a) - size + 1):
            x, y = a[i : i + size, j : j + size], b[i : i + size, j : j + size]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy, cov = (
                (window * (x - mx) ** 2).sum(),
                (window * (y - my) ** 2).sum(),
                (window * (x - mx) * (y - my)).sum(),
            )
            c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
            part.append((2 * cov + c2) / (vx + vy + c2))
            whole.append((2 * mx * my + c1) / (mx**2 + my**2 + c1) * part[-1])
    return np.mean(whole), np.mean(part)


def test_similarity_of_scales():
    a = 1 + blurred(3, (16, 16, 1), 2)
    b = a + 0.1 * blurred(3, (16, 16, 1), 1)
    exponents = np.array([0.0448, 0.2856, 0.3001])  # 16, 8 and 4 rows
    expected = []
    for x, y in zip(a[..., 0], b[..., 0], strict=True):
        factors = []
        for scale in range(3):
            whole, part = similarity(x, y, 2)
            factors.append(whole if scale == 2 else part)
            x, y = (z.reshape(len(z) // 2, 2, len(z) // 2, 2).mean((1, 3)) for z in (x, y))
        expected.append(np.prod(np.maximum(factors, 0) ** (exponents / exponents.sum())))
    assert abs(ms_ssim(a, b, 2) - np.mean(expected)) <= 1e-5
    assert 0.05 < np.mean(expected) < 0.98
    assert abs(ms_ssim(a, a, 2) - 1) <= 1e-6
    assert ms_ssim(a, -a, 2) == 0


def test_neighbours():
    data = rng.normal(size=(3000, 4, 5)).astype(np.float32)
    rows = np.concatenate([data[[7, 2999]], rng.normal(size=(1100, 4, 5))])
    index, distance = nearest_neighbours(rows, data)
    far = np.stack([np.linalg.norm((data - row).reshape(3000, -1), axis=1) for row in rows])
    assert np.array_equal(index, far.argmin(axis=1))
    assert np.allclose(distance, far.min(axis=1), atol=1e-6)
    assert not distance[:2].any()


IMAGES = np.zeros((3, 16, 16))


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (
            lambda: sliced_wasserstein(IMAGES, IMAGES[:2]),
            ValueError,
            r"as many images of one shape in a and b, got \(3",
        ),
        (lambda: sliced_wasserstein(IMAGES[0], IMAGES[0]), ValueError, "expected a to be images"),
        (lambda: sliced_wasserstein(IMAGES, IMAGES, smallest=4), ValueError, "at least 7 rows, as patches have"),
        (lambda: sliced_wasserstein(IMAGES, np.full((3, 16, 16), np.nan)), ValueError, "expected finite b"),
        (lambda: ms_ssim(IMAGES, IMAGES, 0), ValueError, "value_range"),
        (lambda: ms_ssim(IMAGES.astype(str), IMAGES, 1), TypeError, "expected a to be numbers"),
        (lambda: nearest_neighbours(IMAGES, IMAGES[:, 1:]), ValueError, "rows of one shape"),
        (lambda: nearest_neighbours(IMAGES[:0], IMAGES), ValueError, "rows of one shape"),
    ],
)
def test_what_they_refuse(call, kind, said):
    with pytest.raises(kind, match=said):
        call()
