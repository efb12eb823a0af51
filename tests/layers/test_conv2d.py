"""Convolution and pooling: random shapes beside NumPy, gradients as adjoints, bits, refusals."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn.layers.images import padding_of, pair

RANDOM_SHAPES = 60


def drawn(seed):
    """A layer and an image of random sizes, and what the NumPy twin is called with."""
    r = np.random.default_rng(seed)
    groups = int(r.choice([1, 1, 1, 2, 3]))
    C, O = groups * int(r.integers(1, 9)), groups * int(r.integers(1, 21))
    kernel = tuple(int(k) for k in r.integers(1, 5, 2))
    strides, dilation = (tuple(int(k) for k in r.integers(1, 4, 2)) for _ in range(2))
    size = tuple(int(n) for n in r.integers(6, 15, 2))
    mode = str(r.choice(["zeros", "zeros", "reflect", "replicate"]))
    padding = [
        "same", "valid", int(r.integers(0, 3)), tuple(int(p) for p in r.integers(0, 4, 2)),
        tuple(tuple(int(p) for p in r.integers(0, 4, 2)) for _ in range(2)),
    ][r.integers(5)]  # fmt: skip
    layer = fn.Conv2D(
        O, kernel, strides=strides, padding=padding, padding_mode=mode, dilation=dilation, groups=groups,
        bias=bool(r.integers(2)),
    )  # fmt: skip
    before, after = padding_of(layer, size, kernel, strides, dilation)
    fits = all(
        n + a + b >= (k - 1) * d + 1 for n, a, b, k, d in zip(size, before, after, kernel, dilation, strict=True)
    )
    if not fits or (mode == "reflect" and max(*before, *after) >= min(size)):
        return drawn(seed + 1000)
    options = {
        "strides": strides,
        "before": before,
        "after": after,
        "mode": mode,
        "dilation": dilation,
        "groups": groups,
    }
    return layer, (*size, C), options


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(RANDOM_SHAPES))
def test_random_shapes(seed, dtype):
    """Forward as NumPy; the gradients as the adjoints of NumPy's forward, which is linear in x and in the weights."""
    layer, shape, options = drawn(seed)
    r = np.random.default_rng(seed)
    net = fn.Sequential([layer], shape, seed=seed, dtype=dtype)
    x = r.normal(size=(3, *shape)).astype(dtype)
    w = net.layers[0].weight
    b = r.normal(size=layer.filters).astype(dtype)
    if layer.bias:
        net.layers[0].bias[:] = b
    bias = b.astype(float) if layer.bias else 0.0
    expected = ref.conv2d(x.astype(float), w.astype(float), bias, **options)
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype] * w[..., 0].size ** 0.5 * 10
    y = net.forward(x)
    np.testing.assert_allclose(y, expected, atol=tolerance * np.abs(expected).max(), rtol=0)
    np.testing.assert_array_equal(net.predict(x), y)
    dy = r.normal(size=y.shape).astype(dtype)
    dx = net.backward(dy)
    v, u = r.normal(size=x.shape), r.normal(size=w.shape)
    moved = ref.conv2d(v, w.astype(float), 0.0, **options)
    bound = tolerance * np.sqrt((dy**2).sum() * (moved**2).sum())
    assert abs((dy * moved).sum() - (dx * v).sum()) < bound
    moved = ref.conv2d(x.astype(float), u, 0.0, **options)
    found = (dict(net.named_gradients())["conv2d_1.weight"] * u).sum()
    assert abs((dy * moved).sum() - found) < 10 * tolerance * np.sqrt((dy**2).sum() * (moved**2).sum())
    if layer.bias:
        total = dy.astype(float).sum(axis=(0, 1, 2))
        np.testing.assert_allclose(
            dict(net.named_gradients())["conv2d_1.bias"], total, atol=tolerance * np.abs(dy).sum(), rtol=0
        )


def test_the_value_of_a_pixel_depends_on_its_window_alone():
    """Equal bits wherever an image lies in a batch, a window in an image, and on any number of threads."""
    r = np.random.default_rng(0)
    tile = r.normal(size=(7, 7, 5)).astype("float32")
    image = np.tile(tile, (4, 4, 1))  # 28 x 28
    net = fn.Sequential([fn.Conv2D(37, 3, "relu", padding="valid"), fn.Conv2D(9, 3, strides=2)], (28, 28, 5), seed=0)
    X = np.stack([image, np.roll(image, 7, axis=0), r.normal(size=image.shape).astype("float32"), image])
    y = net.predict(X)
    np.testing.assert_array_equal(y[0], y[1])
    np.testing.assert_array_equal(y[0], net.predict_one(image))
    first = net.activations(X[:1])["conv2d_1"][0]
    np.testing.assert_array_equal(first[:19, :19], first[7:, 7:])
    before = fn.get_num_threads()
    try:
        fn.set_num_threads(1)
        one = net.predict(X), net.backward(net.forward(X, training=True)), net.grads.copy()
        fn.set_num_threads(2)
        two = net.predict(X), net.backward(net.forward(X, training=True)), net.grads.copy()
    finally:
        fn.set_num_threads(before)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_large_image_and_a_large_batch():
    """More than one band of an image, and more than one block of images, in the weight gradient."""
    for shape, batch in (((120, 90, 3), 1), ((6, 6, 2), 150)):
        r = np.random.default_rng(1)
        net = fn.Sequential([fn.Conv2D(20, 3)], shape, seed=1, dtype="float64")
        x, u = r.normal(size=(batch, *shape)), r.normal(size=(3, 3, shape[2], 20))
        y = net.forward(x)
        dy = r.normal(size=y.shape)
        net.backward(dy)
        moved = ref.conv2d(x, u, 0.0, before=(1, 1), after=(1, 1))
        found = (dict(net.named_gradients())["conv2d_1.weight"] * u).sum()
        assert found == pytest.approx((dy * moved).sum(), abs=1e-10 * np.sqrt((dy**2).sum() * (moved**2).sum()))


def test_the_gradient_of_a_pool_goes_to_the_first_of_the_largest():
    net = fn.Sequential([fn.MaxPool2D(2)], (4, 4, 1), seed=0)
    x = np.zeros((1, 4, 4, 1))
    x[0, 1, 1] = x[0, 0, 1] = 3.0
    net.forward(x)
    dx = net.backward(np.array([[[[1.0], [2.0]], [[3.0], [4.0]]]]))[0, :, :, 0]
    assert dx.tolist() == [[0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(("make", "shape", "error", "message"), [
    (lambda: fn.Conv2D(8, 3), (28, 28), ValueError,
     r"images \(B, H, W, C\), channels last, got \(B, 28, 28\); add Reshape\(\(28, 28, 1\)\), or give the network"),
    (lambda: fn.Conv2D(8, 3), (784,), ValueError, r"expected images \(B, H, W, C\), channels last, got \(B, 784\)"),
    (lambda: fn.Conv2D(8, 7, padding="valid"), (5, 9, 1), ValueError, r"an image of at least \(7, 7\) .* got \(5, 9\)"),
    (lambda: fn.Conv2D(8, 3, groups=2), (5, 5, 3), ValueError, "expected channels that 2 groups can share, got 3"),
    (lambda: fn.Conv2D(7, 3, groups=2), (5, 5, 4), ValueError, "expected filters that 2 groups can share, got 7"),
    (lambda: fn.Conv2D(8, 5, padding_mode="reflect"), (2, 9, 1), ValueError, "padding less than the image of 2 x 9"),
    (lambda: fn.Conv2D(0, 3), (5, 5, 1), ValueError, "expected filters of at least 1"),
    (lambda: fn.Conv2D(8, (3, 3, 3)), (5, 5, 1), ValueError, "kernel_size to be an integer or two"),
    (lambda: fn.Conv2D(8, 3, strides=0), (5, 5, 1), ValueError, "expected strides of at least 1"),
    (lambda: fn.Conv2D(8, 3, padding="full"), (5, 5, 1), ValueError, "padding 'same', 'valid', an integer, or pairs"),
    (lambda: fn.Conv2D(8, 3, padding=-1), (5, 5, 1), ValueError, "expected padding of at least 0"),
    (lambda: fn.Conv2D(8, 3, padding=1.5), (5, 5, 1), TypeError, "padding 'same', 'valid', an integer, or pairs"),
    (lambda: fn.Conv2D(8, 3, padding_mode="circular"), (5, 5, 1), ValueError, "unknown padding_mode 'circular'"),
    (lambda: fn.MaxPool2D(3), (2, 5, 1), ValueError, r"an image of at least \(3, 3\) with its padding, got 2 x 5"),
    (lambda: fn.MaxPool2D(2, padding=2), (8, 8, 1), ValueError, "padding below pool_size"),
    (lambda: fn.AvgPool2D(2, count_padding=True, ceil_mode=True), (8, 8, 1), ValueError, "got both"),
    (lambda: fn.GlobalAvgPool2D(), (8,), ValueError, r"expected images \(B, H, W, C\)"),
])  # fmt: skip
def test_refusals(make, shape, error, message):
    with pytest.raises(error, match=message):
        make()(fn.Input(shape))


def test_pairs():
    assert pair("x", "n", 3) == (3, 3)
    assert pair("x", "n", [1, 2]) == (1, 2)


def test_a_small_net_learns_digits():
    X, y = fn.load_digits()
    X = X.reshape(-1, 8, 8, 1)
    net = fn.Sequential(
        [fn.Conv2D(16, 3, "relu"), fn.MaxPool2D(2), fn.Conv2D(32, 3, "relu"), fn.Flatten(), fn.Dense(10)],
        (8, 8, 1), seed=0,
    )  # fmt: skip
    X = X / X.max()
    net.fit(X[:1500], y[:1500], epochs=10, batch_size=32, loss="cross_entropy", optimizer=fn.Adam(3e-3))
    assert np.mean(net.predict(X[1500:]).argmax(axis=1) == y[1500:]) > 0.93


def test_images_are_answered_few_at_a_time():
    """As many as stay in half a megabyte; weights that a row meets at one place alone want more rows at a time."""
    one = fn.Sequential([fn.Conv2D(16, 3)], input_shape=(32, 32, 16), seed=0)
    assert one.chunk == 2**19 // (2 * 4 * 32 * 32 * 16)
    behind = fn.Sequential([fn.Conv2D(16, 3), fn.Flatten(), fn.Dense(128)], input_shape=(32, 32, 16), seed=0)
    assert behind.chunk == 128
    sequence = fn.Sequential([fn.LSTM(64, return_sequences=True)], input_shape=(500, 64), seed=0)
    assert sequence.chunk == 128
