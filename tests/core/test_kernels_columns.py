"""Columns in blocks and groups, pixels, and noise, against NumPy in float64.

The doors call several kernels: column_moments also join_moments; batch_norm_forward inverse_deviations and map_columns;
batch_norm_backward column_slopes, join_slopes, norm_levels, column_gradient, scale_slopes and add_slopes.
"""

import numpy as np
import pytest
from helpers import moments

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
SIZES = [(2, 1), (3, 5), (40, 16), (300, 3), (129, 64), (1000, 2), (70, 129), (20, 301), (5000, 1)]
SLOPES = {"identity": (1.0, 1.0), "relu": (0.0, 1.0), "leaky_relu": (0.3, 1.0)}

over_isas = pytest.mark.parametrize("isa", ISAS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
over_sizes = pytest.mark.parametrize(("R", "C"), SIZES)


def draw(R, C, dtype):
    rng = np.random.default_rng((R, C))
    x, dy = rng.normal(size=(2, R, C)).astype(dtype)
    gamma, beta = rng.normal(size=(2, C)).astype(dtype)
    return x + dtype(2), dy, gamma, beta


def close(a, b, dtype, roundings=30):
    np.testing.assert_allclose(a, b, rtol=roundings * np.finfo(dtype).eps, atol=roundings * np.finfo(dtype).eps)


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C"), [*SIZES, (1, 1), (1, 7), (5, 255), (4, 256), (3, 300), (130, 67), (600, 128)])
def test_moments_of_blocks_are_those_of_all_rows(R, C, dtype, isa):
    whole, x = moments.rows_of(draw(R, C, np.float64)[0], dtype)
    kept = x.copy()
    for block in (1, 3, 100, R):
        moments.assert_within(doors.column_moments(x, block, isa=isa), moments.of_columns(whole, block), dtype)
    np.testing.assert_array_equal(x, kept)


@over_isas
@over_dtypes
def test_moments_far_from_zero(dtype, isa):
    """Half a million rows at 1,000 +- 1, as a batch of images has: a difference of squares would lose the variance."""
    whole, x = moments.rows_of(1000 + np.random.default_rng(0).normal(size=(500_000, 3)), dtype)
    for block in (10_000, len(x)):
        moments.assert_within(doors.column_moments(x, block, isa=isa), moments.of_columns(whole, block), dtype)
    assert doors.column_moments(np.full((10_000, 1), 0.1, dtype), isa=isa)[1] <= 1e-25


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C", "group"), [(6, 6, 2), (1, 8, 8), (50, 12, 3), (9, 300, 100), (4, 5, 1)])
def test_moments_of_groups(R, C, group, dtype, isa):
    whole, x = moments.rows_of(draw(R, C, np.float64)[0], dtype)
    moments.assert_within(doors.group_moments(x, group, isa=isa), moments.of_groups(whole, group), dtype)


@over_isas
@over_dtypes
@over_sizes
@pytest.mark.parametrize("activation", list(SLOPES))
def test_map_with_an_activation(R, C, activation, dtype, isa):
    x, center, gain, shift = (array.astype(dtype) for array in draw(R, C, dtype))
    center = center[0]
    z = (x.astype(np.float64) - center) * gain + shift
    low, high = SLOPES[activation]
    y = doors.map_columns(x, center, gain, shift, activation, 0.3, isa=isa)
    close(y, np.where(z > 0, high * z, low * z), dtype)
    plain = doors.map_columns(x, center, gain, shift, isa=isa)
    np.testing.assert_array_equal(y, doors.activation_forward(activation, plain, 0.3, isa=isa))
    same = x.copy()
    np.testing.assert_array_equal(doors.map_columns(same, center, gain, shift, activation, 0.3, isa=isa, out=same), y)
    np.testing.assert_array_equal(doors.map_columns(x, isa=isa), x)
    for r in range(0, R, max(1, R // 5)):  # a row by itself
        one = slice(r, r + 1)
        np.testing.assert_array_equal(doors.map_columns(x[one], center, gain, shift, activation, 0.3, isa=isa), y[one])


@over_isas
@over_dtypes
@over_sizes
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_backward_through_an_activation(R, C, activation, dtype, isa):
    """The bits are those of the activation's own kernel, then of the normalisation."""
    x, dy, gamma, beta = draw(R, C, dtype)
    mean, variance = doors.column_moments(x, isa=isa)
    y = doors.batch_norm_forward(x, mean, variance, gamma, beta, isa=isa)
    a = doors.activation_forward(activation, y, 0.3, isa=isa)
    dz = doors.activation_backward(activation, y, a, dy, 0.3, isa=isa)
    for block in (7, None):
        results = []
        for gradient, options in ((dz, {}), (dy, {"activation": activation, "alpha": 0.3})):
            sums = np.zeros((2, C), dtype)
            dx = doors.batch_norm_backward(
                x, mean, variance, gradient, gamma, sums[0], sums[1], isa=isa, beta=beta, block=block, **options
            )
            results.append((dx, sums))
        for left, right in zip(*results, strict=True):
            np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(sums[1], dz.astype(np.float64).sum(0), rtol=1e-6, atol=1e-5)


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C", "group"), [(6, 6, 2), (1, 8, 8), (50, 12, 3), (9, 300, 100), (4, 5, 1)])
def test_backward_of_groups(R, C, group, dtype, isa):
    x, dy, gamma, beta = draw(R, C, dtype)
    mean, variance = doors.group_moments(x, group, isa=isa)
    shape = (R, C // group, group)
    wide = x.astype(np.float64).reshape(shape)
    deviation = np.sqrt(wide.var((0, 2), keepdims=True) + 1e-3)
    n = (wide - wide.mean((0, 2), keepdims=True)) / deviation
    g = (dy.astype(np.float64) * gamma).reshape(shape)
    expected = (g - g.mean((0, 2), keepdims=True) - n * (g * n).mean((0, 2), keepdims=True)) / deviation
    dgamma, dbeta = gamma.copy(), beta.copy()
    dx = doors.batch_norm_backward(
        x, mean, variance, dy, gamma, dgamma, dbeta, 1e-3, True, 0.3, isa, beta=beta, group=group
    )
    close(dx, expected.reshape(R, C), dtype, 200 / deviation.min())
    close(dgamma, gamma + 0.3 * (dy * n.reshape(R, C)).sum(0), dtype, 200)
    close(dbeta, beta + 0.3 * dy.astype(np.float64).sum(0), dtype, 100)


@over_isas
@over_dtypes
@over_sizes
def test_pixel_norm(R, C, dtype, isa):
    x, dy, *_ = draw(R, C, dtype)
    wide, wdy = x.astype(np.float64), dy.astype(np.float64)
    p = 1 / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-8)
    inverse = np.empty(R, dtype)
    y = doors.pixel_norm_forward(x, inverse=inverse, isa=isa)
    close(y, wide * p, dtype)
    close(inverse, p[:, 0], dtype)
    expected = p * wdy - p**3 * wide * (wide * wdy).mean(1, keepdims=True)
    close(doors.pixel_norm_backward(x, inverse, dy, isa=isa), expected, dtype, 100 * p.max())
    np.testing.assert_array_equal(doors.pixel_norm_forward(x, isa=isa), y)
    np.testing.assert_array_equal(doors.pixel_norm_forward(x[1:2], isa=isa), y[1:2])


def normals(seed, step, stream, n):
    """Of each 128 numbers of 32 bits the first 64 give radii, the others angles [Box & Muller 1958]."""
    result = []
    while len(result) < n:
        first = len(result) // 4
        blocks = [doors.philox((b, stream, step, 0), (seed, 0)) for b in range(first, first + 32)]
        words = np.array(blocks, np.float64).ravel()
        radius, angle = np.sqrt(-2 * np.log((words[:64] + 0.5) / 2**32)), 2 * np.pi * words[64:] / 2**32
        result += [*(radius * np.cos(angle)), *(radius * np.sin(angle))]
    return np.array(result[:n])


@over_isas
@over_dtypes
def test_noise_is_that_of_box_and_muller(dtype, isa):
    x = np.random.default_rng(0).normal(size=1000).astype(dtype)
    expected = x + 0.5 * normals(7, 3, 2, 1000)
    y = doors.add_noise(x, 7, 3, 2, 0, 0.5, isa=isa)
    np.testing.assert_allclose(y, expected, rtol=0, atol=20 * np.finfo(dtype).eps)
    for first, count in ((1, 5), (63, 70), (127, 300), (500, 500)):  # its place decides, not where a call begins
        part = slice(first, first + count)
        np.testing.assert_array_equal(doors.add_noise(x[part].copy(), 7, 3, 2, first, 0.5, isa=isa), y[part])
    same = x.copy()
    np.testing.assert_array_equal(doors.add_noise(same, 7, 3, 2, 0, 0.5, isa=isa, out=same), y)


def test_noise_is_normal():
    """Moments of a million numbers within five standard errors; the tail beyond 3 by the normal distribution."""
    n = doors.add_noise(np.zeros(1_000_000), 1, 0, 0, 0, 1.0)
    assert abs(n.mean()) < 5e-3
    assert abs(n.var() - 1) < 5 * np.sqrt(2) * 1e-3
    assert abs((n**4).mean() - 3) < 5 * np.sqrt(96) * 1e-3
    assert abs((np.abs(n) > 3).mean() - 0.0026998) < 5 * np.sqrt(0.0027) * 1e-3
    assert abs((n[:-1] * n[1:]).mean()) < 5e-3
    assert abs((n[:64] * n[64:128]).mean()) < 5 / 8


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
def test_avx2_and_avx512_agree_bit_for_bit(dtype):
    for R, C in SIZES:
        x, dy, gamma, beta = draw(R, C, dtype)
        results = []
        for isa in ("avx2", "avx512"):
            mean, variance = doors.column_moments(x, 50, isa=isa)
            sums, inverse = np.zeros((2, C), dtype), np.empty(R, dtype)
            results.append([
                mean, variance, sums, inverse,
                doors.batch_norm_forward(x, mean, variance, gamma, beta, activation="relu", isa=isa),
                doors.batch_norm_backward(x, mean, variance, dy, gamma, sums[0], sums[1], isa=isa, beta=beta,
                                          activation="relu", block=50),
                doors.pixel_norm_forward(x, inverse=inverse, isa=isa),
                doors.pixel_norm_backward(x, inverse, dy, isa=isa),
                doors.add_noise(x, 1, 2, 3, 4, 0.5, isa=isa),
            ])  # fmt: skip
        for left, right in zip(*results, strict=True):
            np.testing.assert_array_equal(left, right)
