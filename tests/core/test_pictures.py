"""Pictures changed by C against twins in NumPy."""

import numpy as np
import pytest

from fastnn._core import pictures
from fastnn._core.rng import AUGMENT, RandomStream
from fastnn._core.table import philox, uniform_of_rows


def moved_by(x, *how):
    """A copy, moved."""
    result = x.copy()
    pictures.move(result, *how)
    return result


def seen_through(x, *how):
    """A copy, seen through maps."""
    result = x.copy()
    pictures.warp(result, *how)
    return result


SHAPES = [(5, 7, 6, 3), (4, 6, 9, 1), (3, 5, 5, 4), (2, 1, 8, 3), (2, 8, 1, 3)]
DTYPES = ["float32", "float64"]


def images(shape, dtype, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(dtype)


def moved(image, down, right, value):
    H, W, _ = image.shape
    result = np.full_like(image, value)
    for i in range(H):
        for j in range(W):
            if 0 <= i - down < H and 0 <= j - right < W:
                result[i, j] = image[i - down, j - right]
    return result


def warped(image, m, value):
    """Bilinear, by the formula, with a border of ``value`` all around."""
    H, W, _ = image.shape
    far = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)), constant_values=value)
    result = np.full(image.shape, float(value))
    for i in range(H):
        for j in range(W):
            y, x = m[0] * i + m[1] * j + m[2], m[3] * i + m[4] * j + m[5]
            top, left = int(np.floor(y)), int(np.floor(x))
            if -1 <= top < H and -1 <= left < W:
                v, h = y - top, x - left
                box = far[top + 1 : top + 3, left + 1 : left + 3]
                above, below = box[:, 0] * (1 - h) + box[:, 1] * h
                result[i, j] = above * (1 - v) + below * v
    return result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_move(shape, dtype):
    x, random = images(shape, dtype), np.random.default_rng(1)
    for _ in range(6):
        by = random.integers(-9, 10, (len(x), 2))
        expected = [moved(one, *how, 7) for one, how in zip(x, by.tolist(), strict=True)]
        np.testing.assert_array_equal(moved_by(x, by, 7), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_mirror(shape, dtype):
    x, which = images(shape, dtype), np.arange(shape[0]) % 3 != 1
    expected = np.where(which[:, None, None, None], x[:, :, ::-1], x)
    pictures.mirror(x, which)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_warp(shape, dtype):
    x, random = images(shape, dtype), np.random.default_rng(2)
    # A place is known to 2**-24 pixels, and each of its up to W steps to 2**-33; two neighbours differ by at most 255.
    tolerance = 255 * 2 * 2.0**-23 + (255 * 6 * 2.0**-24 if dtype == "float32" else 0)
    for _ in range(6):
        maps = np.tile([1.0, 0, 0, 0, 1, 0], (len(x), 1)) + random.normal(0, 0.4, (len(x), 6))
        maps[:, [2, 5]] += random.normal(0, 2, (len(x), 2))
        expected = [warped(one, m, 40) for one, m in zip(x, maps, strict=True)]
        np.testing.assert_allclose(seen_through(x, maps, 40), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_warp_changes_nothing_where_the_map_changes_nothing_and_turns_by_right_angles(dtype):
    x = images((3, 6, 6, 3), dtype)
    np.testing.assert_array_equal(seen_through(x, np.tile([1.0, 0, 0, 0, 1, 0], (3, 1))), x)
    turned = seen_through(x, np.tile([0.0, 1, 0, -1, 0, 5], (3, 1)))  # what is at (i, j) was at (j, 5 - i)
    np.testing.assert_array_equal(turned, np.rot90(x, axes=(1, 2)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_cover(shape, dtype):
    x, random = images(shape, dtype), np.random.default_rng(3)
    for _ in range(5):
        top, left, size = (random.integers(-4, 10, len(x)) for _ in range(3))
        boxes = np.stack([top, top + size, left, left + size], 1)
        expected = x.copy()
        for one, (a, b, c, d) in zip(expected, boxes, strict=True):
            one[max(a, 0) : max(b, 0), max(c, 0) : max(d, 0)] = 3
        pictures.cover(x, boxes, 3)
        np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_stretch(shape, dtype):
    x, random = images(shape, dtype), np.random.default_rng(4)
    how = np.stack([random.uniform(0, 2, len(x)), random.uniform(-50, 50, len(x))], 1)
    mean = x.astype(np.float64).mean(axis=(1, 2, 3), keepdims=True)
    factor, shift = (how[:, k].reshape(-1, 1, 1, 1) for k in range(2))
    expected = mean + factor * (x.astype(np.float64) - mean) + shift
    pictures.stretch(x, how)
    # three roundings of numbers up to 1,000: factor, shift, and their sum
    np.testing.assert_allclose(x, expected, rtol=0, atol=3 * 1000 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mix(dtype):
    x, other, shares = images((6, 3, 4, 2), dtype), images((6, 3, 4, 2), dtype, 1), np.linspace(0, 1, 6)
    share = shares.reshape(-1, 1, 1, 1)
    expected = share * x.astype(np.float64) + (1 - share) * other
    first, last = other[0].copy(), x[-1].copy()
    pictures.mix(x, other, shares)
    np.testing.assert_allclose(x, expected, rtol=0, atol=4 * 255 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(x[0], first)
    np.testing.assert_array_equal(x[-1], last)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_of_a_picture_do_not_depend_on_the_others(shape, dtype):
    x, random = images(shape, dtype), np.random.default_rng(5)
    maps = random.normal(0, 1, (len(x), 6))
    how = random.uniform(0, 2, (len(x), 2))
    warped_all = seen_through(x, maps)
    stretched = x.copy()
    pictures.stretch(stretched, how)
    for k in range(len(x)):
        np.testing.assert_array_equal(seen_through(x[k : k + 1], maps[k : k + 1])[0], warped_all[k])
        one = x[k : k + 1].copy()
        pictures.stretch(one, how[k : k + 1])
        np.testing.assert_array_equal(one[0], stretched[k])


@pytest.mark.parametrize("call", [
    lambda x: pictures.move(x, np.zeros((2, 3), int)),
    lambda x: pictures.mirror(x, [True]),
    lambda x: pictures.warp(x, np.zeros((3, 6))),
    lambda x: pictures.cover(x, np.zeros((2, 3), int)),
    lambda x: pictures.mix(x, x[:1].copy(), [1, 1]),
    lambda x: pictures.mix(x, x.astype(np.float64), [1, 1]),
    lambda x: pictures.move(x.astype(np.uint8), np.zeros((2, 2), int)),
    lambda x: pictures.move(x[:, ::2], np.zeros((2, 2), int)),
    lambda x: pictures.stretch(x[0], [[1, 1]]),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call(np.zeros((2, 4, 4, 3), np.float32))


def test_numbers_of_rows_are_philox_of_their_number():
    seed, step, rows = 3 | 5 << 32, 7 | 9 << 32, [4, 0, 4, 12345]
    found = uniform_of_rows(rows, 5, seed, AUGMENT, step)
    expected = []
    for row in rows:
        words = [word for k in range(3) for word in philox([row, AUGMENT, 7, 9 ^ k], [3, 5])]
        bits = [words[2 * k] | words[2 * k + 1] << 32 for k in range(5)]
        expected.append([(one >> 11) * 2.0**-53 for one in bits])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(RandomStream(seed, AUGMENT, step).of_rows(np.array([12345]), 2)[0], found[3, :2])


def test_numbers_of_rows_are_uniform_and_differ_by_everything():
    u = uniform_of_rows(np.arange(20_000), 3, 1, AUGMENT, 0)
    assert 0 <= u.min() < u.max() < 1
    assert np.abs(u.mean(axis=0) - 0.5).max() < 5 * (1 / 12 / 20_000) ** 0.5  # five standard deviations of the mean
    assert np.abs(np.corrcoef(u.T)[np.triu_indices(3, 1)]).max() < 5 / 20_000**0.5
    others = [uniform_of_rows([0], 3, *key) for key in [(2, AUGMENT, 0), (1, AUGMENT + 1, 0), (1, AUGMENT, 1)]]
    assert not any((other == u[:1]).any() for other in others)
