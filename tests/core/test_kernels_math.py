"""exp, tanh, log1p and the activations made of them: ulp over dense grids and random bits, and the special values."""

import mpmath
import numpy as np
import pytest
from scipy import special

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)


def exp(x, isa):
    """exp by way of the Poisson loss with target 0, whose gradient is the rate."""
    return doors.loss("poisson", x.reshape(-1, 1), np.zeros((x.size, 1), x.dtype), isa=isa)[1].ravel()


def tanh(x, isa):
    return doors.activation_forward("tanh", x, isa=isa)


def activation(name):
    def function(x, isa):
        return doors.activation_forward(name, x, isa=isa)

    function.__name__ = name
    return function


softplus, sigmoid, elu, selu, silu, gelu = map(activation, ("softplus", "sigmoid", "elu", "selu", "silu", "gelu"))
SELU_SCALE, SELU_ALPHA = (np.longdouble(v) for v in ("1.0507009873554804934193", "1.6732632423543772848171"))


def ulps(got, expected):
    """Largest distance in units in the last place of got's dtype; expected holds more digits and is finite there."""
    top = np.finfo(got.dtype).max
    expected = expected.astype(np.longdouble)
    inside = np.abs(expected) <= top
    with np.errstate(under="ignore"):
        spacing = np.spacing(np.abs(expected[inside]).astype(got.dtype))
    assert np.isfinite(got[inside]).all()
    return float(np.max(np.abs(got[inside].astype(np.longdouble) - expected[inside]) / spacing))


REFERENCE = {
    exp: np.exp,
    tanh: np.tanh,
    softplus: lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    sigmoid: lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x))),
    elu: lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    selu: lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    silu: lambda x: x * (np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))),
}
# What csrc/README.md says; over all float32 numbers as python -m tests.torture.functions finds.
LIMIT = {exp: 1.0, tanh: 1.35, softplus: 2.35, sigmoid: 1.5, elu: 1.1, selu: 2.0, silu: 2.2}


def float32_points():
    bits = np.random.default_rng(0).integers(0, 2**32, 1_200_000, dtype=np.uint32).view(np.float32)
    grid = [np.linspace(-105, 89, 500_001), np.linspace(-12, 12, 500_001), np.linspace(-0.7, 0.7, 300_001)]
    return np.concatenate([bits[np.isfinite(bits)], *grid]).astype(np.float32)


@pytest.mark.parametrize("function", REFERENCE, ids=lambda f: f.__name__)
def test_float32_within_ulps(function):
    x = float32_points()
    assert x.size > 2_000_000
    with np.errstate(over="ignore", under="ignore"):
        expected = REFERENCE[function](x.astype(np.float64))
    for isa in ISAS:
        assert ulps(function(x, isa), expected) <= LIMIT[function], isa


def test_gelu_of_float32_within_ulps():
    x = float32_points()
    expected = x * special.ndtr(x.astype(np.float64))
    for isa in ISAS:
        assert ulps(gelu(x, isa), expected) <= (2.8 if isa == "base" else 2.25), isa


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double")
@pytest.mark.parametrize("function", REFERENCE, ids=lambda f: f.__name__)
def test_float64_within_ulps_of_long_double(function):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-740, 709.7, 20_000), rng.uniform(-30, 30, 60_000), rng.uniform(-0.7, 0.7, 60_000)])
    expected = REFERENCE[function](x.astype(np.longdouble))
    for isa in ISAS:
        assert ulps(function(x, isa), expected) <= LIMIT[function], isa


@pytest.mark.parametrize("function", [exp, tanh], ids=lambda f: f.__name__)
def test_float64_within_ulps_of_mpmath(function):
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(-745, 709.7, 500), rng.uniform(-1.5, 1.5, 1500)])
    mpmath.mp.prec = 120
    precise = [getattr(mpmath, function.__name__)(mpmath.mpf(float(v))) for v in x]
    for isa in ISAS:
        got = function(x, isa)
        worst = max(
            abs(mpmath.mpf(float(g)) - p) / mpmath.mpf(float(np.spacing(abs(float(p)))))
            for g, p in zip(got, precise, strict=True)
        )
        assert worst <= LIMIT[function], isa


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_special_values(dtype, isa):
    inf, nan, tiny = np.inf, np.nan, np.finfo(dtype).smallest_subnormal
    x = np.array([nan, inf, -inf, 0.0, -0.0, tiny, -tiny], dtype)
    np.testing.assert_array_equal(exp(x, isa), np.array([nan, inf, 0, 1, 1, 1, 1], dtype))
    # ln of the largest number, of half the smallest subnormal, and a little beyond
    edge = {np.float32: (88.72283, 88.722855, -103.2789, -103.97209), np.float64: (709.7827, 709.79, -744.44, -745.14)}
    below, above, subnormal, zero = exp(np.array(edge[dtype], dtype), isa)
    assert np.isfinite(below)
    assert above == inf
    assert 0 < subnormal <= 2 * tiny
    assert zero == 0
    far = np.array([1e4, 1e30, np.finfo(dtype).max], dtype)
    assert np.all(exp(far, isa) == inf)
    assert np.all(exp(-far, isa) == 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_special_values(dtype, isa):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, tiny, -tiny, 1e-30, -1e-30, 50, -50], dtype)
    got = tanh(x, isa)
    np.testing.assert_array_equal(got, np.array([np.nan, 1, -1, 0, -0.0, tiny, -tiny, 1e-30, -1e-30, 1, -1], dtype))
    assert np.signbit(got[4])
    assert not np.signbit(got[3])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_odd_and_bounded(dtype, isa):
    x = np.linspace(0, 40, 20_001).astype(dtype)
    a = tanh(x, isa)
    np.testing.assert_array_equal(tanh(-x, isa), -a)
    assert a.max() == 1


def test_dense_around_where_the_two_forms_of_tanh_meet():
    for dtype in DTYPES:
        x = (dtype(0.625) + np.arange(-2000, 2001) * np.spacing(dtype(0.625))).astype(dtype)
        for isa in ISAS:
            assert ulps(tanh(x, isa), np.tanh(x.astype(np.longdouble))) <= LIMIT[tanh]


@pytest.mark.parametrize("isa", ISAS)
def test_log_of_a_sum_within_an_ulp(isa):
    """Of so many zeros log_sum_exp is the log of their number: integers up to 4,095 have all mantissas of 11 bits."""
    mpmath.mp.prec = 120
    for n in range(1, 4096):
        (got,) = doors.log_sum_exp(np.zeros((1, n)), isa=isa)
        exact = mpmath.log(n)
        assert abs(mpmath.mpf(float(got)) - exact) <= mpmath.mpf(float(np.spacing(float(exact)))), n


@pytest.mark.parametrize("isa", ISAS)
def test_log_of_a_sum_near_one(isa):
    z = np.zeros((400, 2))
    z[:, 1] = np.linspace(-36, 0, 400)
    sums = 1 + np.exp(z[:, 1].astype(np.longdouble))
    np.testing.assert_allclose(doors.log_sum_exp(z, isa=isa), np.log(sums).astype(float), rtol=0, atol=2.3e-16)
