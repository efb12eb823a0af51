"""Depthwise convolution: random shapes beside NumPy, gradients as adjoints, bits, the same as by groups, refusals."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn.layers.images import padding_of

RANDOM_SHAPES = 60


def drawn(seed):
    """A layer and an image of random sizes, and what the NumPy twin is called with."""
    r = np.random.default_rng(seed)
    C, M = int(r.integers(1, 40)), int(r.choice([1, 1, 2, 3]))
    kernel = tuple(int(k) for k in r.integers(1, 6, 2)) if r.integers(2) else (3, 3)
    strides, dilation = (tuple(int(k) for k in r.choice([1, 1, 2, 3], 2)) for _ in range(2))
    size = tuple(int(n) for n in r.integers(4, 20, 2))
    mode = str(r.choice(["zeros", "zeros", "reflect", "replicate"]))
    padding = ["same", "valid", int(r.integers(0, 3)), tuple(tuple(int(p) for p in r.integers(0, 4, 2)) for _ in "ab")]
    padding, activation = padding[r.integers(4)], ["identity", "relu"][r.integers(2)]
    layer = fn.DepthwiseConv2D(
        kernel, activation, depth_multiplier=M, strides=strides, padding=padding, padding_mode=mode,
        dilation=dilation, bias=bool(r.integers(2)),
    )  # fmt: skip
    before, after = padding_of(layer, size, kernel, strides, dilation)
    sides = list(zip(size, before, after, kernel, dilation, strict=True))
    fits = all(n + a + b >= (k - 1) * d + 1 for n, a, b, k, d in sides)
    if not fits or (mode == "reflect" and any(max(a, b) >= n for n, a, b, _, _ in sides)):
        return drawn(seed + 1000)
    options = {"strides": strides, "before": before, "after": after, "mode": mode, "dilation": dilation, "groups": C}
    return layer, (*size, C), options


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(RANDOM_SHAPES))
def test_random_shapes(seed, dtype):
    """Forward as NumPy; the gradients as the adjoints of NumPy's forward, which is linear in x and in the weights."""
    layer, shape, options = drawn(seed)
    r = np.random.default_rng(seed)
    net = fn.Sequential([layer], shape, seed=seed, dtype=dtype)
    x = r.normal(size=(int(r.integers(1, 6)), *shape)).astype(dtype)
    w = net.layers[0].weight.astype(float)
    w = w.reshape(*w.shape[:2], 1, -1)
    bias = np.zeros(w.shape[-1])
    if layer.bias:
        net.layers[0].bias[:] = bias = r.normal(size=bias.shape).astype(dtype)
    z = ref.conv2d(x.astype(float), w, bias, **options)
    y = net.forward(x)
    tolerance = 40 * np.finfo(dtype).eps
    expected = np.maximum(z, 0) if layer.activation == "relu" else z
    np.testing.assert_allclose(y, expected, atol=tolerance * np.abs(z).max(), rtol=0)
    np.testing.assert_array_equal(net.predict(x), y)
    np.testing.assert_array_equal(net.predict_one(x[-1]), y[-1])
    dy = r.normal(size=y.shape).astype(dtype)
    dx = net.backward(dy)
    dz = dy * (y > 0) if layer.activation == "relu" else dy
    v, u = r.normal(size=x.shape), r.normal(size=w.shape)
    moved = ref.conv2d(v, w, 0.0, **options)
    assert abs((dz * moved).sum() - (dx * v).sum()) < tolerance * np.sqrt((dz**2).sum() * (moved**2).sum())
    moved = ref.conv2d(x.astype(float), u, 0.0, **options)
    gradients = dict(net.named_gradients())
    found = (gradients["depthwiseconv2d_1.weight"].reshape(w.shape) * u).sum()
    assert abs((dz * moved).sum() - found) < 10 * tolerance * np.sqrt((dz**2).sum() * (moved**2).sum())
    if layer.bias:
        total, size = dz.astype(float).sum(axis=(0, 1, 2)), np.abs(dz).sum()
        np.testing.assert_allclose(gradients["depthwiseconv2d_1.bias"], total, atol=tolerance * size, rtol=0)


@pytest.mark.parametrize("C", [3, 16, 37])
def test_bits_depend_on_neither_place_nor_threads(C):
    r = np.random.default_rng(0)
    tile = r.normal(size=(7, 7, C)).astype("float32")
    image = np.tile(tile, (4, 4, 1))
    net = fn.Sequential(
        [fn.DepthwiseConv2D(3, "relu", padding="valid"), fn.DepthwiseConv2D(3, strides=2, depth_multiplier=2)],
        (28, 28, C), seed=0,
    )  # fmt: skip
    X = np.stack([image, np.roll(image, 7, axis=0), r.normal(size=image.shape).astype("float32"), image] * 4)
    y = net.predict(X)
    np.testing.assert_array_equal(y[0], y[1])
    np.testing.assert_array_equal(y[0], net.predict_one(image))
    first = net.activations(X[:1])["depthwiseconv2d_1"][0]
    np.testing.assert_array_equal(first[:19, :19], first[7:, 7:])
    found, before = [], fn.get_num_threads()
    try:
        for threads in (1, 2):
            fn.set_num_threads(threads)
            found.append((net.predict(X), net.backward(net.forward(X, training=True)), net.grads.copy()))
    finally:
        fn.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("M", [1, 3])
def test_conv2d_with_a_group_for_each_channel_is_the_same(M):
    x = np.random.default_rng(1).normal(size=(3, 6, 7, 5))
    one = fn.Sequential([fn.DepthwiseConv2D(3, depth_multiplier=M)], (6, 7, 5), seed=1, dtype="float64")
    other = fn.Sequential([fn.Conv2D(5 * M, 3, groups=5)], (6, 7, 5), seed=2, dtype="float64")
    assert other.layers[0].weight.shape == (3, 3, 1, 5 * M)
    other.params[:] = one.params
    y = one.forward(x)
    np.testing.assert_array_equal(other.forward(x), y)
    np.testing.assert_array_equal(other.backward(y), one.backward(y))
    np.testing.assert_array_equal(other.grads, one.grads)


def test_weights_start_by_what_a_filter_sees():
    """He's standard deviation of 9 inputs, not of 9 C."""
    net = fn.Sequential([fn.DepthwiseConv2D(3, "relu", depth_multiplier=8)], (4, 4, 500), seed=0)
    assert net.layers[0].weight.std() == pytest.approx((2 / 9) ** 0.5, rel=0.02)  # of 36,000 values


@pytest.mark.parametrize(("make", "shape", "error", "message"), [
    (lambda: fn.DepthwiseConv2D(3), (28, 28), ValueError, r"DepthwiseConv2D: expected images \(B, H, W, C\)"),
    (lambda: fn.DepthwiseConv2D(7, padding="valid"), (5, 9, 1), ValueError, r"an image of at least \(7, 7\)"),
    (lambda: fn.DepthwiseConv2D(5, padding_mode="reflect"), (2, 9, 1), ValueError, "less than the image of 2 x 9"),
    (lambda: fn.DepthwiseConv2D(3, depth_multiplier=0), (5, 5, 1), ValueError, "depth_multiplier of at least 1"),
    (lambda: fn.DepthwiseConv2D((3, 3, 3)), (5, 5, 1), ValueError, "kernel_size to be an integer or two"),
    (lambda: fn.DepthwiseConv2D(3, padding_mode="circular"), (5, 5, 1), ValueError, "unknown padding_mode 'circular'"),
    (lambda: fn.DepthwiseConv2D(3, "swishy"), (5, 5, 1), ValueError, "swishy"),
])  # fmt: skip
def test_refusals(make, shape, error, message):
    with pytest.raises(error, match=message):
        make()(fn.Input(shape))
