"""Normalisation kernels against NumPy in float64: values, gradients, bits; their moments: test_kernels_columns."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
SIZES = [(1, 1), (2, 1), (1, 7), (3, 5), (7, 16), (20, 33), (5, 255), (4, 256), (3, 300), (130, 67)]
EPSILON = 1e-3

over_isas = pytest.mark.parametrize("isa", ISAS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
both = pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")


def draw(R, C, dtype, seed=0):
    """x, dy, gamma, beta; no column or row of x is near constant unless it has one element."""
    rng = np.random.default_rng((seed, R, C))
    x, dy = rng.normal(size=(2, R, C)).astype(dtype)
    gamma, beta = rng.normal(size=(2, C)).astype(dtype)
    return x + dtype(2), dy, gamma, beta


def tolerance(dtype, factor=30):
    """Some 30 roundings of numbers of size 1 to 10."""
    return {"rtol": factor * np.finfo(dtype).eps, "atol": factor * np.finfo(dtype).eps}


def wide(*arrays):
    return [array.astype(np.longdouble) for array in arrays]


def input_gradient(g, n, deviation, axis):
    """Through mean and variance [Ioffe & Szegedy 2015, section 3, the chain rule worked out]."""
    return (g - g.mean(axis, keepdims=True) - n * (g * n).mean(axis, keepdims=True)) / deviation


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C"), SIZES)
def test_batch_norm_forward(R, C, dtype, isa):
    x, _, gamma, beta = draw(R, C, dtype)
    mean, variance = draw(1, C, dtype, 1)[0][0], np.abs(draw(1, C, dtype, 2)[0][0])
    n = (wide(x)[0] - mean) / np.sqrt(wide(variance)[0] + EPSILON)
    for scale, shift in ((gamma, beta), (None, beta), (gamma, None), (None, None)):
        expected = n * (1 if scale is None else scale) + (0 if shift is None else shift)
        y = doors.batch_norm_forward(x, mean, variance, scale, shift, EPSILON, isa=isa)
        np.testing.assert_allclose(y, expected, **tolerance(dtype))
    same = x.copy()
    doors.batch_norm_forward(same, mean, variance, gamma, beta, EPSILON, isa=isa, out=same)
    np.testing.assert_array_equal(same, doors.batch_norm_forward(x, mean, variance, gamma, beta, EPSILON, isa=isa))


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C"), SIZES)
@pytest.mark.parametrize("coupled", [True, False])
def test_batch_norm_backward(R, C, coupled, dtype, isa):
    x, dy, gamma, beta = draw(R, C, dtype)
    mean, variance = doors.column_moments(x, isa=isa)
    wx, wdy, wgamma, wbeta = wide(x, dy, gamma, beta)
    deviation = np.sqrt(wx.var(0) + EPSILON)
    n = (wx - wx.mean(0)) / deviation
    for scale in (gamma, None):
        g = wdy * (1 if scale is None else wgamma)
        expected = input_gradient(g, n, deviation, 0) if coupled else g / deviation
        dgamma, dbeta = gamma.copy(), beta.copy()
        dx = doors.batch_norm_backward(
            x, mean, variance, dy, scale, dgamma, dbeta, EPSILON, coupled=coupled, scale=0.3, isa=isa
        )
        # Few rows have a small deviation, which the difference is divided by.
        np.testing.assert_allclose(dx, expected, **tolerance(dtype, 100 / deviation.min()))
        np.testing.assert_allclose(dgamma, wgamma + 0.3 * (wdy * n).sum(0), **tolerance(dtype, 100))
        np.testing.assert_allclose(dbeta, wbeta + 0.3 * wdy.sum(0), **tolerance(dtype))
    alone = doors.batch_norm_backward(x, mean, variance, dy, gamma, epsilon=EPSILON, coupled=coupled, isa=isa)
    in_place = gamma.copy()  # plain SGD adds to the parameters themselves
    np.testing.assert_array_equal(
        doors.batch_norm_backward(
            x, mean, variance, dy, in_place, in_place, None, EPSILON, coupled=coupled, scale=0.3, isa=isa
        ),
        alone,
    )
    without = gamma.copy()
    assert (
        doors.batch_norm_backward(
            x, mean, variance, dy, without, without, epsilon=EPSILON, scale=0.3, isa=isa, gradient=False
        )
        is None
    )
    np.testing.assert_array_equal(without, in_place)


@over_isas
@over_dtypes
def test_the_gradient_of_a_batch_norm_sums_many_rows_in_double(dtype, isa):
    x, dy, gamma, _ = draw(10_000, 2, dtype)
    dy += dtype(1)
    mean, variance = doors.column_moments(x, isa=isa)
    dgamma, dbeta = np.zeros((2, 2), dtype)
    doors.batch_norm_backward(x, mean, variance, dy, gamma, dgamma, dbeta, 0.0, isa=isa)
    wx, wdy = wide(x, dy)
    size = np.abs(wdy).sum(0)
    assert (np.abs(dgamma - (wdy * (wx - wx.mean(0)) / wx.std(0)).sum(0)) <= 2 * np.finfo(dtype).eps * size).all()
    np.testing.assert_allclose(dbeta, wdy.sum(0), rtol=max(np.finfo(dtype).eps, 1e-13))


@over_isas
@over_dtypes
@pytest.mark.parametrize(("R", "C"), SIZES)
def test_layer_norm(R, C, dtype, isa):
    x, dy, gamma, beta = draw(R, C, dtype)
    wx, wdy, wgamma, wbeta = wide(x, dy, gamma, beta)
    mean, deviation = wx.mean(1, keepdims=True), np.sqrt(wx.var(1, keepdims=True) + EPSILON)
    n = (wx - mean) / deviation
    for scale, shift in ((gamma, beta), (None, beta), (gamma, None), (None, None)):
        moments = np.empty((R, 2), dtype)
        y = doors.layer_norm_forward(x, scale, shift, EPSILON, isa=isa, moments=moments)
        expected = n * (1 if scale is None else scale) + (0 if shift is None else shift)
        np.testing.assert_allclose(y, expected, **tolerance(dtype, 100))
        np.testing.assert_array_equal(doors.layer_norm_forward(x, scale, shift, EPSILON, isa=isa), y)
        np.testing.assert_allclose(moments, np.hstack([mean, 1 / deviation]), **tolerance(dtype))
        g = wdy * (1 if scale is None else wgamma)
        dgamma, dbeta = gamma.copy(), beta.copy()
        dx = doors.layer_norm_backward(x, moments, dy, scale, dgamma, dbeta, 0.3, isa=isa)
        np.testing.assert_allclose(dx, input_gradient(g, n, deviation, 1), **tolerance(dtype, 100 / deviation.min()))
        np.testing.assert_allclose(dgamma, wgamma + 0.3 * (wdy * n).sum(0), **tolerance(dtype, 100))
        np.testing.assert_allclose(dbeta, wbeta + 0.3 * wdy.sum(0), **tolerance(dtype))
    same = x.copy()
    doors.layer_norm_forward(same, gamma, beta, EPSILON, isa=isa, out=same)
    np.testing.assert_array_equal(same, doors.layer_norm_forward(x, gamma, beta, EPSILON, isa=isa))
    in_place = gamma.copy()
    dx = doors.layer_norm_backward(x, moments, dy, in_place, in_place, None, 0.3, isa=isa)
    np.testing.assert_array_equal(dx, doors.layer_norm_backward(x, moments, dy, gamma, isa=isa))
    without = gamma.copy()
    assert doors.layer_norm_backward(x, moments, dy, without, without, None, 0.3, isa=isa, gradient=False) is None
    np.testing.assert_array_equal(without, in_place)


@over_isas
@over_dtypes
def test_a_row_of_a_layer_norm_depends_on_itself_alone(dtype, isa):
    for C in (1, 15, 16, 67, 300):
        x, dy, gamma, beta = draw(9, C, dtype)
        moments = np.empty((9, 2), dtype)
        y = doors.layer_norm_forward(x, gamma, beta, isa=isa, moments=moments)
        dx = doors.layer_norm_backward(x, moments, dy, gamma, isa=isa)
        for r in range(9):
            one, own = slice(r, r + 1), np.empty((1, 2), dtype)
            np.testing.assert_array_equal(doors.layer_norm_forward(x[one], gamma, beta, isa=isa, moments=own), y[one])
            np.testing.assert_array_equal(doors.layer_norm_backward(x[one], own, dy[one], gamma, isa=isa), dx[one])


@over_isas
@over_dtypes
def test_a_constant_row_or_column_and_nan(dtype, isa):
    """A variance of 0 divides by the root of epsilon alone; NaN is not hidden, and stays in its column or row."""
    x = np.full((4, 5), 3, dtype)
    mean, variance = doors.column_moments(x, isa=isa)
    np.testing.assert_array_equal(doors.batch_norm_forward(x, mean, variance, isa=isa), 0)
    np.testing.assert_array_equal(doors.layer_norm_forward(x, isa=isa), 0)
    x = draw(4, 5, dtype)[0]
    x[1, 2] = np.nan
    mean, variance = doors.column_moments(x, isa=isa)
    y = doors.batch_norm_forward(x, mean, variance, isa=isa)
    assert np.isnan(y[:, 2]).all()
    assert np.isfinite(np.delete(y, 2, 1)).all()
    y = doors.layer_norm_forward(x, isa=isa)
    assert np.isnan(y[1]).all()
    assert np.isfinite(np.delete(y, 1, 0)).all()


@both
@over_dtypes
def test_avx2_and_avx512_agree_bit_for_bit(dtype):
    for R, C in SIZES:
        x, dy, gamma, beta = draw(R, C, dtype)
        results = []
        for isa in ("avx2", "avx512"):
            mean, variance = doors.column_moments(x, isa=isa)
            sums, moments = np.zeros((4, C), dtype), np.empty((R, 2), dtype)
            results.append([
                mean, variance, sums, moments,
                doors.batch_norm_forward(x, mean, variance, gamma, beta, isa=isa),
                doors.batch_norm_backward(x, mean, variance, dy, gamma, sums[0], sums[1], scale=0.3, isa=isa),
                doors.layer_norm_forward(x, gamma, beta, isa=isa, moments=moments),
                doors.layer_norm_backward(x, moments, dy, gamma, sums[2], sums[3], scale=0.3, isa=isa),
            ])  # fmt: skip
        for left, right in zip(*results, strict=True):
            np.testing.assert_array_equal(left, right)
