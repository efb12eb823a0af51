"""Losses against a NumPy twin: values, gradients, kinks, stability, weights, rows, aliasing."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
PARAMETER = {
    "huber": 0.8,
    "quantile": 0.3,
    "cross_entropy": 0.1,
    "cross_entropy_labels": 0.1,
    "binary_cross_entropy": 0.1,
}
NAMES = list(table.LOSSES)


def log_softmax(y):
    top = y.max(1, keepdims=True)
    return y - top - np.log(np.exp(y - top).sum(1, keepdims=True))


def crammer_singer(y, t):
    rows = np.arange(len(y))
    others = y.copy()
    others[rows, t] = -np.inf
    return np.maximum(0, 1 + others.max(1) - y[rows, t])


def smooth(t, p):
    return (1 - p) * t + p / t.shape[1]


def binary(y, t, p):
    t = t * (1 - p) + p / 2
    return np.mean(np.maximum(y, 0) - y * t + np.log1p(np.exp(-np.abs(y))), 1)


# L of each row, as the header has it, in float64.
FORMULA = {
    "squared_error": lambda y, t, p: np.mean((y - t) ** 2, 1),
    "distance": lambda y, t, p: np.sqrt(np.sum((y - t) ** 2, 1)),
    "absolute_error": lambda y, t, p: np.mean(np.abs(y - t), 1),
    "huber": lambda y, t, p: np.mean(np.where(np.abs(y - t) <= p, (y - t) ** 2 / 2, p * (np.abs(y - t) - p / 2)), 1),
    "quantile": lambda y, t, p: np.mean(np.maximum(p * (t - y), (p - 1) * (t - y)), 1),
    "log_cosh": lambda y, t, p: np.mean(np.logaddexp(y - t, t - y) - np.log(2), 1),
    "poisson": lambda y, t, p: np.mean(np.exp(y) - t * y, 1),
    "cross_entropy": lambda y, t, p: -np.sum(smooth(t, p) * log_softmax(y), 1),
    "cross_entropy_labels": lambda y, t, p: -np.sum(smooth(np.eye(y.shape[1])[t], p) * log_softmax(y), 1),
    "binary_cross_entropy": binary,
    "hinge": lambda y, t, p: np.mean(np.maximum(0, 1 - t * y), 1),
    "hinge_labels": lambda y, t, p: crammer_singer(y, t),
}


def case(name, B, O, dtype, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 2, (B, O)).astype(dtype)
    if name in ("cross_entropy_labels", "hinge_labels"):
        target = rng.integers(0, O, B)
    elif name == "cross_entropy":
        target = rng.dirichlet(np.ones(O), B).astype(dtype)
    elif name == "binary_cross_entropy":
        target = rng.integers(0, 2, (B, O)).astype(dtype)
    elif name == "hinge":
        target = rng.choice([-1.0, 1.0], (B, O)).astype(dtype)
    elif name == "poisson":
        target = rng.poisson(2, (B, O)).astype(dtype)
    else:
        target = rng.normal(0, 2, (B, O)).astype(dtype)
    return y, target, rng.uniform(0.5, 2, B).astype(dtype)


def wide(array):
    return array if array.dtype == np.int64 else array.astype(np.float64)


def value(name, y, target, **options):
    return doors.loss(name, y, target, parameter=PARAMETER.get(name, 0.0), **options)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_value_equals_formula_for_every_width(name, dtype, isa):
    rtol = 4e-6 if dtype == np.float32 else 1e-14
    for O in (*range(1, 68), 255, 256, 257, 700):
        y, target, weight = case(name, 3, O, dtype, O)
        copies = y.copy(), target.copy(), weight.copy()
        rows = FORMULA[name](wide(y), wide(target), PARAMETER.get(name, 0.0))
        got, dy = value(name, y, target, isa=isa)
        np.testing.assert_allclose(got, rows.sum(), rtol=rtol, atol=rtol)
        weighted, _ = value(name, y, target, weight=weight, isa=isa)
        np.testing.assert_allclose(weighted, (weight * rows).sum(), rtol=rtol, atol=rtol)
        assert value(name, y, target, isa=isa, gradient=False) == (got, None)
        for before, after in zip(copies, (y, target, weight), strict=True):
            np.testing.assert_array_equal(before, after)
        store = np.full(3 * O + 20, 7, dtype)
        value(name, y, target, isa=isa, out=store[: 3 * O].reshape(3, O))
        np.testing.assert_array_equal(store[: 3 * O].reshape(3, O), dy)
        np.testing.assert_array_equal(store[3 * O :], 7)
        same = y.copy()
        assert value(name, same, target, isa=isa, out=same)[0] == got
        np.testing.assert_array_equal(same, dy)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("O", [1, 2, 7])
def test_gradient_is_the_central_difference(name, O, isa):
    y, target, weight = case(name, 5, O, np.float64, 11)
    p, scale, h = PARAMETER.get(name, 0.0), 0.37, 1e-4
    _, dy = value(name, y, target, weight=weight, scale=scale, isa=isa)

    def total(shifted):
        return np.sum(weight * FORMULA[name](shifted, target, p))

    for index in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[index] = h
        slope = (8 * (total(y + step) - total(y - step)) - (total(y + 2 * step) - total(y - 2 * step))) / (12 * h)
        np.testing.assert_allclose(dy[index], scale * slope, rtol=1e-7, atol=3e-10)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_float32_gradient_follows_float64(dtype, isa):
    for name in NAMES:
        y, target, weight = case(name, 4, 37, np.float32, 12)
        y64, t64, w64 = (wide(a) for a in (y, target, weight))
        _, expected = value(name, y64, t64, weight=w64, isa="base")
        cast = [a if a.dtype == np.int64 else a.astype(dtype) for a in (y, target, weight)]
        _, dy = value(name, cast[0], cast[1], weight=cast[2], isa=isa)
        np.testing.assert_allclose(
            dy,
            expected,
            rtol=1e-5 if dtype == np.float32 else 1e-12,
            atol=1e-6 if dtype == np.float32 else 1e-14,
            err_msg=name,
        )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_the_kinks(dtype, isa):
    zero, one = np.zeros((2, 3), dtype), np.ones((2, 3), dtype)
    for name in ("squared_error", "distance", "absolute_error", "huber", "quantile", "log_cosh"):
        total, dy = value(name, one, one, isa=isa)
        assert total == 0, name
        np.testing.assert_array_equal(dy, zero)
    _, dy = value("hinge", one, one, isa=isa)
    np.testing.assert_array_equal(dy, zero)
    total, dy = value("hinge_labels", np.array([[2, 1, 0]], dtype), np.array([0]), isa=isa)
    assert total == 0
    np.testing.assert_array_equal(dy, 0)
    total, dy = value("hinge_labels", np.array([[2, 5, 5, 0]], dtype), np.array([0]), isa=isa)
    assert total == 4
    np.testing.assert_array_equal(dy, [[-1, 1, 0, 0]])
    total, dy = doors.loss("huber", np.array([[1.0]], dtype), np.array([[0.5]], dtype), parameter=0.5, isa=isa)
    assert (total, dy[0, 0]) == (0.125, 0.5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_stable_for_large_outputs(dtype, isa):
    y = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]], dtype)
    p = np.array([[1, 0, 0], [0, 0.5, 0.5]])
    labels = np.array([0, 0])
    total, dy = doors.loss("cross_entropy_labels", y, labels, isa=isa)
    np.testing.assert_allclose(total, 2e4 + np.log(2), rtol=1e-12)
    np.testing.assert_array_equal(dy, p - np.eye(3)[labels])
    total, dy = doors.loss("cross_entropy", y, np.eye(3, dtype=dtype)[labels], isa=isa)
    np.testing.assert_allclose(total, 2e4 + np.log(2), rtol=1e-12)
    np.testing.assert_array_equal(dy, p - np.eye(3)[labels])
    total, dy = doors.loss("binary_cross_entropy", y, np.array([[1, 0, 1], [1, 1, 0]], dtype), isa=isa)
    np.testing.assert_allclose(total, (np.log(2) + 2e4) / 3, rtol=1e-6)
    np.testing.assert_allclose(dy * 3, [[0, 0, -0.5], [-1, 0, 1]], rtol=1e-6)
    total, dy = doors.loss("log_cosh", y, np.zeros_like(y), isa=isa)
    np.testing.assert_allclose(total, 5 * (1e4 - np.log(2)) / 3, rtol=1e-6)
    np.testing.assert_allclose(dy * 3, np.sign(y), rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_small_errors_and_confident_rows_keep_their_digits(isa):
    e = 10.0 ** -np.arange(0, 12.0).reshape(-1, 1)
    for row in e:
        expected = np.log1p(2 * np.sinh(row[0] / 2) ** 2)
        np.testing.assert_allclose(
            doors.loss("log_cosh", row[None], np.zeros((1, 1)), isa=isa)[0], expected, rtol=1e-14
        )
    total, _ = doors.loss("binary_cross_entropy", np.array([[40.0]]), np.ones((1, 1)), isa=isa)
    np.testing.assert_allclose(total, np.exp(-40.0), rtol=1e-13)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_a_switched_off_class(dtype, isa):
    for name in NAMES:
        for o in range(5):
            y, target, _ = case(name, 2, 5, dtype, 13)
            y[0, o] = np.nan
            assert np.isnan(value(name, y, target, isa=isa)[0]), (name, o)
    y = np.array([[0, -np.inf, 0]], dtype)
    total, dy = doors.loss("cross_entropy_labels", y, np.array([2]), isa=isa)
    np.testing.assert_allclose(total, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(dy, [[0.5, 0, -0.5]])


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_avx2_and_avx512_agree_bit_for_bit(name, dtype):
    for O in (1, 3, 10, 16, 17, 33, 67, 300):
        for B in (1, 3, 9, 50, 77):
            y, target, weight = case(name, B, O, dtype, O)
            for weights in (weight, None):
                left, right = (value(name, y, target, weight=weights, scale=0.1, isa=isa) for isa in ("avx2", "avx512"))
                assert left[0] == right[0]
                np.testing.assert_array_equal(left[1], right[1])


ROW_LOSSES = ("distance", "cross_entropy", "cross_entropy_labels", "hinge_labels")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_value_equals_formula_for_every_number_of_rows(name, dtype, isa):
    rtol = 4e-6 if dtype == np.float32 else 1e-14
    p = PARAMETER.get(name, 0.0)
    for B in (*range(1, 36), 63, 64, 65, 200):
        for O in (1, 2, 3, 4, 10, 16, 17, 31, 32, 33):
            y, target, weight = case(name, B, O, dtype, B + O)
            rows = FORMULA[name](wide(y), wide(target), p)
            np.testing.assert_allclose(value(name, y, target, isa=isa)[0], rows.sum(), rtol=rtol, atol=rtol * B)
            weighted, _ = value(name, y, target, weight=weight, isa=isa)
            np.testing.assert_allclose(weighted, (weight * rows).sum(), rtol=rtol, atol=rtol * B)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_its_bits_whatever_lies_beside_it(name, dtype, isa):
    for B, O in ((77, 1), (77, 2), (77, 3), (77, 10), (77, 21), (77, 32), (77, 40)):
        y, target, weight = case(name, B, O, dtype, O)
        _, whole = value(name, y, target, weight=weight, scale=0.1, isa=isa)
        slices = [slice(b, b + 1) for b in range(B)]
        single = [value(name, y[s], target[s], weight=weight[s], scale=0.1, isa=isa) for s in slices]
        np.testing.assert_array_equal(whole, np.concatenate([dy for _, dy in single]))
        beside = y.copy()
        beside[::2] = np.nan
        _, odd = value(name, beside, target, weight=weight, scale=0.1, isa=isa)
        np.testing.assert_array_equal(odd[1::2], whole[1::2])
        if name in ROW_LOSSES:  # the value of one row: the others weigh nothing
            for b in (0, 31, 32, 70, 76):
                alone = np.zeros_like(weight)
                alone[b] = weight[b]
                assert value(name, y, target, weight=alone, isa=isa)[0] == single[b][0]


def test_no_rows_is_no_loss():
    for name in NAMES:
        y, target, _ = case(name, 0, 3, np.float64)
        assert value(name, y, target)[0] == 0.0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cross_entropy_labels", "hinge_labels"])
def test_a_label_out_of_range_is_read_nowhere(name, dtype, isa):
    """The loss is NaN, the gradient of that row 0, that of the others as without it, and nothing beside is written."""
    bad = [-1, 10**9, -(10**9), 2**62, -(2**63)]
    for O in (2, 3, 10, 31, 32, 33, 200):
        for B in (1, 2, 9, 33, 70):
            y, target, weight = case(name, B, O, dtype, B)
            _, whole = value(name, y, target, weight=weight, isa=isa)
            hurt = np.arange(0, B, 4)
            for label in (*bad, O):
                changed = target.copy()
                changed[hurt] = label
                store = np.full(B * O + 40, 7, dtype)
                got, dy = value(name, y, changed, weight=weight, isa=isa, out=store[20 : 20 + B * O].reshape(B, O))
                assert np.isnan(got)
                assert np.isnan(value(name, y, changed, isa=isa, gradient=False)[0])
                expected = whole.copy()
                expected[hurt] = 0
                np.testing.assert_array_equal(dy, expected)
                np.testing.assert_array_equal(store[:20], 7)
                np.testing.assert_array_equal(store[20 + B * O :], 7)
