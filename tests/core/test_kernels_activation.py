"""Activations, softmax and log-sum-exp against a NumPy twin, their derivatives, special values, tails and aliasing."""

import math

import mpmath
import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
NAMES = list(table.ACTIVATIONS)
ALPHA = 0.3
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def logistic(z):
    return 1 / (1 + np.exp(-z))


def gate(z):
    return np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))


# The textbook formula, in float64.
FORMULA = {
    "identity": lambda z: z,
    "sigmoid": logistic,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, ALPHA * z),
    "elu": lambda z: np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0))),
    "selu": lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "gelu": lambda z: z / 2 * np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)),
    "gelu_tanh": lambda z: z / 2 * (1 + gate(z)),
    "silu": lambda z: z * logistic(z),
    "clipped_relu": lambda z: np.clip(z, 0, ALPHA),
}


def forward(name, z, isa, **options):
    return doors.activation_forward(name, z, ALPHA, isa=isa, **options)


def backward(name, z, a, da, isa, **options):
    return doors.activation_backward(name, z, a, da, ALPHA, isa=isa, **options)


def tolerance(dtype):
    return {"rtol": 8 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_forward_equals_formula(name, dtype, isa):
    z = np.concatenate([np.linspace(-20, 20, 4001), np.linspace(-1e-3, 1e-3, 101)]).astype(dtype)
    kept = z.copy()
    np.testing.assert_allclose(forward(name, z, isa), FORMULA[name](z.astype(np.float64)), **tolerance(dtype))
    np.testing.assert_array_equal(z, kept)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_the_central_difference(name, isa):
    z = np.random.default_rng(3).uniform(-4, 4, 500)
    z = z[(np.abs(z) > 1e-3) & (np.abs(z - ALPHA) > 1e-3)]
    da = np.random.default_rng(4).normal(size=z.size)
    h = 2e-4
    f = FORMULA[name]
    slope = (8 * (f(z + h) - f(z - h)) - (f(z + 2 * h) - f(z - 2 * h))) / (12 * h)
    got = backward(name, z, forward(name, z, isa), da, isa)
    np.testing.assert_allclose(got, da * slope, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_derivative_at_a_kink_is_the_left_one(dtype, isa):
    z, one = np.zeros(3, dtype), np.ones(3, dtype)
    limit = np.full(3, ALPHA, dtype)
    np.testing.assert_array_equal(backward("clipped_relu", limit, None, one, isa), 1)
    expected = {"clipped_relu": 0, "relu": 0, "leaky_relu": ALPHA, "elu": ALPHA, "selu": SELU_SCALE * SELU_ALPHA}
    for name, slope in expected.items():
        a = forward(name, z, isa)
        np.testing.assert_array_equal(a, 0)
        np.testing.assert_allclose(backward(name, z, a, one, isa), dtype(slope), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_and_nan(dtype, isa):
    top = np.finfo(dtype).max
    z = np.array([np.nan, np.inf, -np.inf, top, -top, 0], dtype)
    nan, inf = np.nan, np.inf
    negative = {"elu": -ALPHA, "selu": -SELU_SCALE * SELU_ALPHA, "tanh": -1}
    bounded = {"sigmoid": 1, "tanh": 1, "clipped_relu": dtype(ALPHA)}
    for name in NAMES:
        a = forward(name, z, isa)
        assert np.isnan(a[0]), name
        assert a[1] == bounded.get(name, inf), name
        if name not in ("identity", "leaky_relu"):
            np.testing.assert_allclose(a[[2, 4]], dtype(negative.get(name, 0)), rtol=1e-6, err_msg=name)
        dz = backward(name, z, a, np.ones(6, dtype), isa)
        assert np.isfinite(dz[1:]).all(), name
        assert np.isnan(dz[0]) or name in ("identity", "relu", "leaky_relu", "clipped_relu"), name
        np.testing.assert_allclose(dz[[1, 3]], SELU_SCALE if name == "selu" else float(name not in bounded), rtol=1e-6)
        assert np.isnan(backward(name, z, a, np.full(6, nan, dtype), isa)).all(), name


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_numbers_keep_their_relative_accuracy(dtype, isa):
    x = np.float64(10.0) ** -np.arange(4, 30)
    z = np.concatenate([x, -x]).astype(dtype)
    for name in ("tanh", "elu", "selu"):
        np.testing.assert_allclose(
            forward(name, z, isa), FORMULA[name](z.astype(np.float64)), rtol=8 * np.finfo(dtype).eps
        )
    z = -np.linspace(5, 80, 200).astype(dtype)
    e = np.exp(z.astype(np.float64))
    for name, exact in (("softplus", np.log1p(e)), ("sigmoid", e / (1 + e)), ("silu", z * (e / (1 + e)))):
        a = forward(name, z, isa)
        np.testing.assert_allclose(a, exact, rtol=8 * np.finfo(dtype).eps)
    a = forward("softplus", z, isa)
    np.testing.assert_allclose(
        backward("softplus", None, a, np.ones_like(z), isa), e / (1 + e), rtol=3e-6 if dtype == np.float32 else 1e-14
    )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("dtype", "limit", "bound"), [(np.float32, 14.5, 2), (np.float64, 38.7, 3)])
def test_gelu_is_within_its_bound_of_the_exact_value_down_to_where_it_is_0(dtype, limit, bound, isa):
    rng = np.random.default_rng(8)
    z = np.concatenate([-np.linspace(0, limit, 250), np.linspace(0, 8, 60), rng.normal(size=150), [1e-20, -1e-20]])
    z = z.astype(dtype)
    got = forward("gelu", z, isa)
    slope = backward("gelu", z, got, np.ones_like(z), isa)
    with mpmath.workdps(40):
        for x, y, s in zip(z.tolist(), got, slope, strict=True):
            tail, density = mpmath.ncdf(x), mpmath.npdf(x)
            unit = float(np.spacing(np.abs(dtype(float(x * tail)))))
            assert abs(mpmath.mpf(float(y)) - x * tail) <= bound * unit, x
            largest = max(tail, abs(x * density))  # the slope is a sum, which may be 0
            assert abs(mpmath.mpf(float(s)) - tail - x * density) <= 3 * bound * float(
                np.spacing(np.abs(dtype(float(largest))))
            ), x


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_and_its_gradient(dtype, isa):
    rng = np.random.default_rng(12)
    for B, columns in ((1, 1), (1, 3), (300, 2), (77, 10), (5, 33), (3, 300)):
        z, da = rng.normal(0, 20, (B, columns)).astype(dtype), rng.normal(size=(B, columns)).astype(dtype)
        exact = z.astype(np.float64)
        top = exact.max(1, keepdims=True)
        expected = exact - top - np.log(np.exp(exact - top).sum(1, keepdims=True))
        a = doors.log_softmax_forward(z, isa=isa)
        np.testing.assert_allclose(a, expected, rtol=20 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)
        dz = da - np.exp(expected) * da.astype(np.float64).sum(1, keepdims=True)
        got = doors.log_softmax_backward(a, da, isa=isa)
        np.testing.assert_allclose(got, dz, rtol=0, atol=1e3 * np.finfo(dtype).eps)
        for b in range(B):
            np.testing.assert_array_equal(doors.log_softmax_forward(z[b : b + 1], isa=isa), a[b : b + 1])
        same = z.copy()
        np.testing.assert_array_equal(doors.log_softmax_forward(same, isa=isa, out=same), a)
        same = da.copy()
        np.testing.assert_array_equal(doors.log_softmax_backward(a, same, isa=isa, out=same), got)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_tails_position_canaries_and_in_place(name, dtype, isa):
    rng = np.random.default_rng(5)
    z, da = rng.normal(0, 3, 67).astype(dtype), rng.normal(size=67).astype(dtype)
    whole = forward(name, z, isa)
    whole_dz = backward(name, z, whole, da, isa)
    for n in range(68):
        store = np.full(n + 20, 7, dtype)
        forward(name, z[:n], isa, out=store[:n])
        np.testing.assert_array_equal(store[:n], whole[:n])
        np.testing.assert_array_equal(store[n:], 7)
        same = z[:n].copy()
        forward(name, same, isa, out=same)
        np.testing.assert_array_equal(same, whole[:n])
        same = da[:n].copy()
        backward(name, z[:n], whole[:n], same, isa, out=same)
        np.testing.assert_array_equal(same, whole_dz[:n])
        np.testing.assert_array_equal(forward(name, z[67 - n :], isa), whole[67 - n :])


@pytest.mark.parametrize("name", NAMES)
def test_backward_reads_only_what_the_header_says(name):
    z = np.linspace(-3, 3, 40)
    a, da = forward(name, z, None), np.ones(40)
    expected = backward(name, z, a, da, None)
    junk = np.full(40, np.nan)
    inputs = (z, junk) if name in table.READS_INPUT else (junk, a)
    np.testing.assert_array_equal(backward(name, *inputs, da, None), expected)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@pytest.mark.parametrize("dtype", DTYPES)
def test_avx2_and_avx512_agree_bit_for_bit(dtype):
    rng = np.random.default_rng(6)
    z = np.concatenate([rng.normal(0, 4, 4001), rng.normal(0, 200, 1000)]).astype(dtype)
    da = rng.normal(size=z.size).astype(dtype)
    results = []
    for isa in ("avx2", "avx512"):
        result = []
        for name in NAMES:
            a = forward(name, z, isa)
            result += [a, backward(name, z, a, da, isa)]
        result += [doors.multiply(z, da, isa=isa), doors.log_softmax_forward(z[:5000].reshape(-1, 10), isa=isa)]
        for columns in (2, 5, 10, 20, 50):
            rows, drows = z[:5000].reshape(-1, columns), da[:5000].reshape(-1, columns)
            a = doors.softmax_forward(rows, isa=isa)
            result += [a, doors.softmax_backward(a, drows, isa=isa), doors.log_sum_exp(rows, isa=isa)]
        results.append(result)
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_softmax_has_its_bits_whatever_lies_beside_it(dtype, isa):
    rng = np.random.default_rng(9)
    for B, columns in ((1, 3), (5, 10), (33, 10), (77, 1), (77, 2), (77, 3), (77, 21), (77, 32), (77, 33)):
        z, da = rng.normal(0, 5, (B, columns)).astype(dtype), rng.normal(size=(B, columns)).astype(dtype)
        a = doors.softmax_forward(z, isa=isa)
        dz, log_sum = doors.softmax_backward(a, da, isa=isa), doors.log_sum_exp(z, isa=isa)
        np.testing.assert_allclose(a, softmax(z.astype(np.float64)), rtol=40 * np.finfo(dtype).eps)
        for b in range(B):
            row = slice(b, b + 1)
            np.testing.assert_array_equal(doors.softmax_forward(z[row], isa=isa), a[row])
            np.testing.assert_array_equal(doors.softmax_backward(a[row], da[row], isa=isa), dz[row])
            np.testing.assert_array_equal(doors.log_sum_exp(z[row], isa=isa), log_sum[row])
        z[::2] = np.nan
        np.testing.assert_array_equal(doors.softmax_forward(z, isa=isa)[1::2], a[1::2])
        np.testing.assert_array_equal(doors.log_sum_exp(z, isa=isa)[1::2], log_sum[1::2])
        same = z.copy()
        doors.softmax_forward(same, isa=isa, out=same)
        np.testing.assert_array_equal(same, doors.softmax_forward(z, isa=isa))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_and_log_sum_exp_of_every_width(dtype, isa):
    rng = np.random.default_rng(7)
    for columns in (*range(1, 68), 300, 1000):
        z = rng.normal(0, 5, (3, columns)).astype(dtype)
        da = rng.normal(size=z.shape).astype(dtype)
        exact = z.astype(np.float64)
        a = doors.softmax_forward(z, isa=isa)
        p = softmax(exact)
        np.testing.assert_allclose(a, p, rtol=40 * np.finfo(dtype).eps)  # z - m is rounded before exp
        same = z.copy()
        doors.softmax_forward(same, isa=isa, out=same)
        np.testing.assert_array_equal(same, a)
        dz = doors.softmax_backward(a, da, isa=isa)
        np.testing.assert_allclose(
            dz,
            p * (da - (p * da).sum(1, keepdims=True)),
            rtol=2e-5 if dtype == np.float32 else 1e-13,
            atol=20 * np.finfo(dtype).eps,
        )
        same = da.copy()
        doors.softmax_backward(a, same, isa=isa, out=same)
        np.testing.assert_array_equal(same, dz)
        expected = np.log(np.exp(exact - exact.max(1, keepdims=True)).sum(1)) + exact.max(1)
        np.testing.assert_allclose(
            doors.log_sum_exp(z, isa=isa), expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps
        )
        one = doors.softmax_forward(z[1:2].copy(), isa=isa)
        np.testing.assert_array_equal(one, a[1:2])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_rows_at_the_edge(dtype, isa):
    top, inf, nan = np.finfo(dtype).max, np.inf, np.nan
    z = np.array([[top, -top, 0], [1e4, 1e4, -1e4], [-inf, 0, 0], [inf, 0, 0], [-inf, -inf, -inf], [0, nan, 1]], dtype)
    a = doors.softmax_forward(z, isa=isa)
    np.testing.assert_array_equal(a[:3], np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]], dtype))
    assert np.isnan(a[3:]).all()
    total = doors.log_sum_exp(z, isa=isa)
    expected = np.array([top, 1e4 + np.log(2), np.log(2), inf, -inf, nan], np.float64).astype(dtype)
    np.testing.assert_allclose(total, expected, rtol=2 * np.finfo(dtype).eps)


def test_the_door_refuses_what_a_kernel_cannot_take():
    z = np.zeros((4, 4))
    with pytest.raises(ValueError, match="expected one of identity"):
        doors.activation_forward("swish", z)
    with pytest.raises(ValueError, match="contiguous"):
        doors.activation_forward("relu", z.T[:, :2])
    with pytest.raises(TypeError, match="float32 or float64"):
        doors.activation_forward("relu", z.astype(int))
    with pytest.raises(TypeError, match="float64"):
        doors.activation_backward("relu", None, z.astype(np.float32), z)
    with pytest.raises(ValueError, match="shape"):
        doors.activation_backward("relu", None, z[:2], z)
    with pytest.raises(ValueError, match="isa"):
        doors.activation_forward("relu", z, isa="mmx")
    z.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        doors.activation_forward("relu", z, out=z)
