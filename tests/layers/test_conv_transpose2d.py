"""ConvTranspose2D: random shapes as the adjoint of NumPy's convolution, bits, what is refused."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn.layers.images import sides

RANDOM_SHAPES = 60


def drawn(seed):
    """A layer, the shape of its input, and what NumPy's convolution of its output is called with."""
    r = np.random.default_rng((7, seed))
    groups = int(r.choice([1, 1, 2, 3]))
    C, O = groups * int(r.integers(1, 9)), groups * int(r.integers(1, 24))
    size, kernel, strides, dilation = (tuple(int(n) for n in r.integers(1, high, 2)) for high in (7, 6, 4, 3))
    padding = [[int(n) for n in r.integers(0, 3, 2)] for _ in range(2)]
    more = tuple(int(r.integers(0, s)) for s in strides)
    layer = fn.ConvTranspose2D(
        O,
        kernel,
        strides=strides,
        dilation=dilation,
        padding=padding,
        output_padding=more,
        groups=groups,
        bias=seed % 3 > 0,
    )
    sizes = zip(size, kernel, strides, dilation, more, padding, strict=True)
    if any((n - 1) * s + (k - 1) * d + 1 + m - sum(p) < 1 for n, k, s, d, m, p in sizes):
        return drawn(seed + 1000)
    (top, bottom), (left, right) = sides("", "", padding)
    options = {"strides": strides, "dilation": dilation, "groups": groups}
    return layer, (*size, C), {**options, "before": (top, left), "after": (bottom, right)}, more


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(RANDOM_SHAPES))
def test_random_shapes(seed, dtype):
    """Forward as NumPy's; dx is NumPy's convolution of dy, and dw and db are the adjoints of forward."""
    layer, shape, options, more = drawn(seed)
    r = np.random.default_rng(seed)
    net = fn.Sequential([layer], shape, seed=seed, dtype=dtype)
    x = r.normal(size=(3, *shape)).astype(dtype)
    w = net.layers[0].weight
    bias = 0.0
    if layer.bias:
        net.layers[0].bias[:] = r.normal(size=layer.filters)
        bias = net.layers[0].bias.astype(float)
    # A chain has at most as many terms as a pixel has weights and channels.
    tolerance = np.finfo(dtype).eps * (w[:, :, 0].size + 2)
    expected = ref.conv_transpose2d(x.astype(float), w.astype(float), bias, more=more, **options)
    largest = ref.conv_transpose2d(np.abs(x).astype(float), np.abs(w).astype(float), np.abs(bias), more=more, **options)
    y = net.forward(x)
    assert (np.abs(y - expected) <= tolerance * largest).all()
    np.testing.assert_array_equal(net.predict(x), y)
    dy = r.normal(size=y.shape).astype(dtype)
    dx = net.backward(dy)
    found = ref.conv2d(dy.astype(float), w.astype(float), 0.0, **options)
    np.testing.assert_allclose(dx, found, rtol=0, atol=30 * tolerance * np.abs(found).max())
    u = r.normal(size=w.shape)
    moved = ref.conv_transpose2d(x.astype(float), u, 0.0, more=more, **options)
    gradients = dict(net.named_gradients())
    bound = 100 * tolerance * np.sqrt((dy**2).sum() * (moved**2).sum()) + 1e-30
    assert abs((dy * moved).sum() - (gradients["convtranspose2d_1.weight"] * u).sum()) < bound
    if layer.bias:
        total = dy.astype(float).sum(axis=(0, 1, 2))
        atol = np.finfo(dtype).eps * dy[..., 0].size * np.abs(dy).max()
        np.testing.assert_allclose(gradients["convtranspose2d_1.bias"], total, rtol=0, atol=atol)


@pytest.mark.parametrize("filters", [3, 20])
def test_bits_do_not_depend_on_batch_or_threads(filters):
    layers = [fn.ConvTranspose2D(24, 4, "relu", strides=2), fn.ConvTranspose2D(filters, 3)]
    net = fn.Sequential(layers, (9, 11, 17), seed=0)
    x = np.random.default_rng(0).normal(size=(13, 9, 11, 17)).astype("float32")
    dy = np.random.default_rng(1).normal(size=(13, *net.output_shape)).astype("float32")
    before, found = fn.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            fn.set_num_threads(threads)
            found.append((net.forward(x), net.backward(dy), net.grads.copy()))
    finally:
        fn.set_num_threads(before)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.concatenate([net.predict(x[i : i + 1]) for i in range(13)]), found[0][0])


REFUSED = [
    (lambda: fn.ConvTranspose2D(8, 3), (28, 28), ValueError, "one channel"),
    (lambda: fn.ConvTranspose2D(8, 3, groups=2), (5, 5, 3), ValueError, "channels that 2 groups can share, got 3"),
    (lambda: fn.ConvTranspose2D(7, 3, groups=2), (5, 5, 4), ValueError, "filters that 2 groups can share, got 7"),
    (lambda: fn.ConvTranspose2D(8, 3, strides=2, output_padding=2), (5, 5, 1), ValueError,
     r"output_padding less than strides \(2, 2\), got \(2, 2\)"),
    (lambda: fn.ConvTranspose2D(8, 3, strides=2, output_padding=1), (5, 5, 1), ValueError, "give padding in numbers"),
    (lambda: fn.ConvTranspose2D(8, 3, padding=2, strides=2), (1, 5, 1), ValueError, "leaves something of the output"),
    (lambda: fn.ConvTranspose2D(8, 3, output_padding=-1), (5, 5, 1), ValueError, "output_padding of at least 0"),
    (lambda: fn.ConvTranspose2D(8, 3, padding="full"), (5, 5, 1), ValueError, "padding 'same', 'valid'"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape", "error", "says"), REFUSED)
def test_refused(layer, shape, error, says):
    with pytest.raises(error, match=says):
        fn.Sequential([layer()], shape)


def test_learns_to_draw():
    """A generator of pictures from four numbers learns eight of them."""
    r = np.random.default_rng(0)
    x, pictures = r.normal(size=(8, 4)), r.uniform(size=(8, 8, 8, 1))
    layers = [fn.Dense(2 * 2 * 16, "relu"), fn.Reshape((2, 2, 16)), fn.ConvTranspose2D(8, 4, "relu", strides=2)]
    net = fn.Sequential([*layers, fn.ConvTranspose2D(1, 4, strides=2)], 4, seed=0)
    net.compile("mse", fn.optimizers.Adam(0.01))
    history = net.fit(x, pictures, epochs=400, batch_size=8)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
