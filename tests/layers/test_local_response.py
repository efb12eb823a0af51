"""LocalResponseNorm: kernels and layer against NumPy in float64, bits, PyTorch, what is refused."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn._core import doors, table

ISAS = table.supported_isas()
OPTIONS = [
    {},
    {"size": 1, "alpha": 2.0, "beta": 0.5},
    {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 0.3},
    {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0},
    {"size": 9, "alpha": 3.0, "beta": 1.0},
    {"size": 7, "alpha": 1.0, "beta": 1.7, "k": 1e-3},
    {"size": 701, "alpha": 1.0, "beta": 0.75},
]
CHANNELS = (1, 2, 5, 16, 96, 255, 256, 257, 600)


def error_of_power(s, beta, dtype):
    """How far s^-beta may be off, in units of eps: of a root 3; exp(-beta log s) by half of its argument more."""
    return 3 if beta in (0.5, 0.75) else 3 + beta * np.abs(np.log(s)) / 2 * (1 if dtype == np.float32 else 4)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", OPTIONS)
def test_forward(isa, dtype, options):
    size, beta = options.get("size", 5), options.get("beta", 0.75)
    for channels in CHANNELS:
        x = (10 * np.random.default_rng(channels).normal(size=(3, channels))).astype(dtype)
        found = doors.local_response_forward(x, isa=isa, **options)
        expected = ref.local_response_norm(x.astype(np.longdouble), **options)
        s = (expected / x) ** (-1 / beta)
        # the sum of size squares rounds size times, all terms have one sign; alpha, k and the product once each
        bound = (error_of_power(s, beta, dtype) + beta * (min(size, channels) / 2 + 2) + 1) * np.finfo(dtype).eps
        assert (np.abs(found - expected) <= bound * np.abs(expected)).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", OPTIONS)
def test_backward(isa, dtype, options):
    """By the formula, in long double."""
    size, alpha, beta, k = ({"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0} | options).values()
    for channels in CHANNELS:
        r = np.random.default_rng(channels)
        x, dy = (10 * r.normal(size=(3, channels))).astype(dtype), r.normal(size=(3, channels)).astype(dtype)
        wide, places = x.astype(np.longdouble), np.arange(channels)
        band = (np.abs(places[:, None] - places) <= size // 2).astype(np.longdouble)
        s = k + alpha / size * (wide**2 @ band)
        share = dy * wide * s ** (-beta - 1)
        own, beside = dy * s**-beta, 2 * alpha * beta / size * wide
        bound = error_of_power(s, beta, dtype).max() if beta not in (0.5, 0.75) else 3
        bound = (2 * bound + (2 * beta + 2) * (min(size, channels) / 2 + 3) + 4) * np.finfo(dtype).eps
        found = doors.local_response_backward(x, dy, isa=isa, **options)
        terms = np.abs(own) + np.abs(beside) * (np.abs(share) @ band)
        assert (np.abs(found - (own - beside * (share @ band))) <= bound * terms).all()


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", OPTIONS)
def test_bits(dtype, options):
    for channels in CHANNELS:
        r = np.random.default_rng(channels)
        x, dy = r.normal(size=(3, channels)).astype(dtype), r.normal(size=(3, channels)).astype(dtype)
        for kernel, given in ((doors.local_response_forward, (x,)), (doors.local_response_backward, (x, dy))):
            found = [kernel(*given, isa=isa, **options) for isa in ("avx2", "avx512")]
            np.testing.assert_array_equal(*found)
            alone = kernel(*(np.ascontiguousarray(array[1:2]) for array in given), isa="avx2", **options)
            np.testing.assert_array_equal(alone[0], found[0][1])


def test_threads_change_no_bit():
    before = fn.get_num_threads()
    x = np.random.default_rng(0).normal(size=(16, 14, 14, 96)).astype(np.float32)
    net = fn.Sequential([fn.LocalResponseNorm(alpha=0.1)], (14, 14, 96), seed=0)
    found = []
    for threads in (1, 2):
        fn.set_num_threads(threads)
        found.append((net.forward(x), net.backward(x)))
    fn.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("isa", ISAS)
def test_nan_stays_within_its_window(isa):
    x = np.ones((1, 40), np.float32)
    x[0, 20] = np.nan
    assert np.flatnonzero(np.isnan(doors.local_response_forward(x, isa=isa)[0])).tolist() == [18, 19, 20, 21, 22]


def test_as_pytorch():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    r = np.random.default_rng(0)
    x, dy = r.normal(size=(2, 4, 5, 11)), r.normal(size=(2, 4, 5, 11))
    for options in OPTIONS:
        net = fn.Sequential([fn.LocalResponseNorm(**options)], (4, 5, 11), seed=0, dtype="float64")
        given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
        y = torch.nn.LocalResponseNorm(**({"size": 5} | options))(given)
        y.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2).copy()))
        np.testing.assert_allclose(net.forward(x), y.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-12)
        np.testing.assert_allclose(net.backward(dy), given.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: fn.LocalResponseNorm(4), ValueError, "LocalResponseNorm: expected an odd size, .* got 4"),
    (lambda: fn.LocalResponseNorm(0), ValueError, "expected size of at least 1"),
    (lambda: fn.LocalResponseNorm(2.5), TypeError, "expected size to be an integer"),
    (lambda: fn.LocalResponseNorm(k=0), ValueError, "expected k to be a finite number above 0"),
    (lambda: fn.LocalResponseNorm(alpha=-1), ValueError, "expected alpha to be a finite number of at least 0"),
    (lambda: fn.LocalResponseNorm(beta=float("nan")), ValueError, "expected beta to be a finite number"),
])  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
