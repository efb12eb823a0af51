"""Products with narrow weights against NumPy: int8 exactly, bfloat16 against float32 products with the same weights."""

import numpy as np
import pytest

from fastnn._core import doors, table
from fastnn._core.ops import BFloat16Weights, Int8Weights, bfloat16, widened

KERNELS = table.supported_quantized()
FMA = [name for name in KERNELS if name != "base"]  # on x86-64
SHAPES = [(1, 1, 1), (1, 5, 3), (2, 70, 10), (3, 64, 16), (7, 33, 17), (9, 300, 130), (13, 6, 65), (5, 1025, 96)]
SHAPES += [(1, 784, 512), (8, 7, 128), (10, 600, 129), (6, 9, 225), (20, 40, 48)]


def draw(*shape, zeros=0.0):
    random = np.random.default_rng(list(shape))
    x = random.standard_normal(shape).astype(np.float32)
    x[random.random(shape) < zeros] = 0
    return x


def whole(I, O):
    random = np.random.default_rng([I, O])
    values = random.integers(-127, 128, (I, O)).astype(np.int8)
    return values, (random.random(O) + 0.5).astype(np.float32)


def rounded_rows(x):
    """Return the 8 bits of each number of the rows, what 0 becomes, and the step between two: all as one row rounds."""
    f = np.float32
    low, high = np.minimum(x.min(axis=1), f(0)), np.maximum(x.max(axis=1), f(0))
    step = high / f(255) - low / f(255)
    inverse = f(1) / step
    zero = np.rint(-low * inverse)
    u = np.rint(x.astype(np.longdouble) * inverse[:, None] + zero[:, None])
    return np.clip(u, 0, 255).astype(np.int64), zero.astype(np.int64), step


def int8_product(x, values, scale, bias):
    """The definition in csrc/fnn_quantized.h: an exact sum, then one multiply-add."""
    u, zero, step = rounded_rows(x)
    total = ((u - zero[:, None]) @ values.astype(np.int64)).astype(np.float32)
    z = total.astype(np.longdouble) * (step[:, None] * scale) + (0 if bias is None else bias)
    return z.astype(np.float32) + np.float32(0)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("zeros", [0.0, 0.6, 0.97])
@pytest.mark.parametrize(("B", "I", "O"), SHAPES)
def test_int8_is_its_definition(B, I, O, zeros, kernels):
    values, scale = whole(I, O)
    for x in (draw(B, I, zeros=zeros), np.abs(draw(B, I, zeros=zeros)), draw(B, I, zeros=zeros) + 3):
        if not x.any(axis=1).all():
            x[:, 0] = 1
        weights = Int8Weights(values, scale, kernels)
        for bias in (None, draw(O)):
            expected = int8_product(x, values, scale, bias)
            got = weights.product(x, bias)
            if kernels == "base" and FMA:  # of this processor only the others have a fused multiply-add
                np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3 * np.abs(expected).max())
            else:
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kernels", KERNELS)
def test_int8_at_the_ends_of_its_range(kernels):
    """Sums of the largest products at every place, where 16 bits or signed bytes would overflow."""
    values = np.full((4096, 40), 127, np.int8)
    values[:, 20:] = -127
    x = np.full((3, 4096), 255, np.float32)
    x[1, ::2], x[2, 1::2] = 0, -255
    expected = int8_product(x, values, np.ones(40, np.float32), None)
    assert expected[0, 0] == np.float32(255 * 127 * 4096)
    np.testing.assert_array_equal(Int8Weights(values, np.ones(40, np.float32), kernels).product(x), expected)


@pytest.mark.parametrize("kernels", FMA)
@pytest.mark.parametrize(("B", "I", "O"), [*SHAPES, (40, 300, 300)])
@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_bfloat16_has_the_bits_of_float32_with_these_weights(B, I, O, zeros, kernels):
    x, bias, values = draw(B, I, zeros=zeros), draw(O), bfloat16(draw(I, O))
    isa = kernels.partition("_")[0]
    for name, alpha in (("identity", 0), ("relu", 0), ("leaky_relu", 0.3)):
        y = doors.product_forward(x, widened(values), bias, isa=isa)
        expected = doors.activation_forward(name, y, alpha, isa=isa) if name != "identity" else y
        np.testing.assert_array_equal(BFloat16Weights(values, kernels).product(x, bias, name, alpha), expected)
    expected = x.astype(np.float64) @ widened(values)
    np.testing.assert_allclose(BFloat16Weights(values, kernels).product(x), expected, rtol=1e-4, atol=1e-3)


def test_kernels_with_fma_agree_and_a_row_is_a_row_of_any_batch():
    if len(FMA) < 1:
        pytest.skip("needs an instruction set with a fused multiply-add")
    for B, I, O in [(70, 90, 200), (13, 784, 33), (129, 12, 7)]:
        x, bias, (values, scale) = draw(B, I, zeros=0.4), draw(O), whole(I, O)
        narrow = bfloat16(draw(I, O))
        results = []
        for kernels in FMA:
            for weights in (Int8Weights(values, scale, kernels), BFloat16Weights(narrow, kernels)):
                y = weights.product(x, bias, "leaky_relu", 0.1)
                rows = np.concatenate([weights.product(x[b : b + 1], bias, "leaky_relu", 0.1) for b in range(B)])
                np.testing.assert_array_equal(rows, y)
                np.testing.assert_array_equal(weights.product(x[3:8], bias, "leaky_relu", 0.1), y[3:8])
                results.append(y.tobytes())
        assert len(set(results)) == 2


@pytest.mark.parametrize("kernels", KERNELS)
def test_nan_and_inf_are_not_hidden_and_tiny_rows_are_0(kernels):
    values, scale = whole(70, 20)
    weights, bias = Int8Weights(values, scale, kernels), draw(20)
    x = draw(6, 70)
    for row, value in enumerate([np.nan, -np.nan, np.inf, -np.inf]):
        x[row, 7 * row + 3] = value
    x[4] *= 1e-42
    for name in ("identity", "relu", "leaky_relu"):
        y = weights.product(x, bias, name, 0.1)
        assert np.isnan(y[:4]).all()
        assert not np.isnan(y[4:]).any()
    np.testing.assert_array_equal(weights.product(x, bias)[4], bias)
    assert (weights.product(np.zeros((1, 70), np.float32)) == 0).all()
    x = np.full((1, 3), 3e38, np.float32)
    x[0, 1] = -3e38
    assert np.isfinite(Int8Weights(np.eye(3, dtype=np.int8), np.ones(3, np.float32), kernels).product(x)).all()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("I", "O"), [(1, 1), (7, 16), (5, 17), (9, 96), (6, 129), (4, 225), (30, 64)])
def test_packed_weights_come_back(I, O, kernels):
    values, scale = whole(I, O)
    weights = Int8Weights(values, scale, kernels)
    np.testing.assert_array_equal(weights.values, values)
    np.testing.assert_array_equal(weights.scale, scale)
    halves = bfloat16(draw(I, O))
    np.testing.assert_array_equal(BFloat16Weights(halves, kernels).values, halves)


def test_bfloat16_rounds_to_nearest_even():
    cases = {0x3F808000: 0x3F80, 0x3F818000: 0x3F82, 0x3F808001: 0x3F81, 0xBF80FFFF: 0xBF81, 0x00000000: 0x0000}
    cases |= {0x80000000: 0x8000, 0x7F7FFFFF: 0x7F80, 0x00008000: 0x0000, 0x00018000: 0x0002}  # overflow; subnormal
    bits = np.array([list(cases)], np.uint32)
    np.testing.assert_array_equal(bfloat16(bits.view(np.float32)), [list(cases.values())])
    w = draw(50, 60)
    assert (np.abs(widened(bfloat16(w)) - w) <= 2.0**-8 * np.abs(w)).all()


def test_what_is_refused():
    values, scale = whole(4, 3)
    for bad, words in [
        ((values.astype(np.int16), scale), "a matrix of int8"),
        ((values, scale[:2]), "scales of float32"),
        ((values, scale.astype(np.float64)), "scales of float32"),
        ((np.full((4, 3), -128, np.int8), scale), "-127"),
        ((np.zeros((65537, 1), np.int8), scale[:1]), "at most 65536 inputs"),
        ((values, scale, "sse9"), "expected kernels"),
    ]:
        with pytest.raises(ValueError, match=words):
            Int8Weights(*bad)
    with pytest.raises(ValueError, match="a matrix of uint16"):
        BFloat16Weights(values)
