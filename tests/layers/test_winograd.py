"""Conv2D(winograd=True): beside a direct convolution in NumPy, gradients, bits, weights that change, refusals."""

import copy

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn.layers.images import padding_of

EPS = {"float32": np.finfo("float32").eps, "float64": np.finfo("float64").eps}
# Errors of outputs, in units of eps sqrt(C) times their own size: in the mean 0.85, at the corner of a tile 1.7 (from a
# simulation in NumPy with random numbers); the largest of thousands is under eight times that.
LARGEST = 14
SHAPES = [
    ((1, 1, 1), 1, {}), ((1, 1, 18), 3, {}), ((3, 5, 16), 20, {}), ((4, 4, 17), 16, {}), ((5, 9, 33), 7, {}),
    ((8, 8, 64), 64, {}), ((13, 6, 20), 40, {"bias": False}), ((7, 4, 3), 19, {}),
    ((3, 3, 16), 5, {"padding": "valid"}), ((6, 11, 16), 16, {"padding": "valid"}), ((5, 6, 16), 9, {"padding": 3}),
    ((2, 9, 17), 8, {"padding": ((0, 4), (1, 0))}), ((4, 7, 18), 16, {"padding_mode": "reflect"}),
    ((9, 3, 16), 16, {"padding": ((2, 3), (0, 5)), "padding_mode": "replicate"}),
    ((6, 6, 4), 16, {"padding": 2, "padding_mode": "reflect"}),
]  # fmt: skip


def drawn(shape, filters, options, dtype="float32", batch=3, activation=None):
    """A network of one layer, its rows, and what the twin is called with."""
    r = np.random.default_rng((*shape, filters))
    layer = fn.Conv2D(filters, 3, activation, winograd=True, **options)
    net = fn.Sequential([layer], shape, seed=1, dtype=dtype)
    net.params[...] = r.normal(size=net.params.size)
    before, after = padding_of(layer, shape[:2], (3, 3), (1, 1))
    twin = {"before": before, "after": after, "mode": layer.padding_mode}
    return net, r.normal(size=(batch, *shape)).astype(dtype), twin


def twin_of(net, x, twin, absolute=False):
    """The direct convolution in NumPy; ``absolute``: of magnitudes, what rounding is relative to."""
    p = {name: array.astype(float) for name, array in net.named_parameters()}
    w, b = p["conv2d_1.weight"], p.get("conv2d_1.bias", 0.0)
    return ref.conv2d(abs(x), abs(w), abs(b), **twin) if absolute else ref.conv2d(x.astype(float), w, b, **twin)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize(("shape", "filters", "options"), SHAPES)
def test_outputs_and_gradients(shape, filters, options, dtype):
    """Forward as NumPy; the gradients as the adjoints of NumPy's forward, which is linear in x and in the weights."""
    net, x, twin = drawn(shape, filters, options, dtype)
    r = np.random.default_rng(0)
    y, expected = net.forward(x), twin_of(net, x, twin)
    size = np.sqrt((9 * shape[2] + 1) * ((x.astype(float) ** 2).mean() * (net.params.astype(float) ** 2).mean()))
    assert np.abs(y - expected).max() <= LARGEST * EPS[dtype] * np.sqrt(shape[2] + 9) * size
    np.testing.assert_array_equal(net.predict(x), y)
    dy = r.normal(size=y.shape).astype(dtype)
    dx = net.backward(dy)
    v, u, w = r.normal(size=x.shape), r.normal(size=(3, 3, shape[2], filters)), net.layers[0].weight.astype(float)
    for found, moved in (
        ((dx * v).sum(), ref.conv2d(v, w, **twin)),
        ((dict(net.named_gradients())["conv2d_1.weight"] * u).sum(), ref.conv2d(x.astype(float), u, **twin)),
    ):
        bound = LARGEST * EPS[dtype] * np.sqrt((dy**2).sum() * (moved**2).sum() * x[0].size)
        assert abs((dy * moved).sum() - found) <= bound


def test_the_input_gradient_of_every_pixel():
    """Where tiles, edges and padding meet: pixel by pixel, from the transpose of the twin as a matrix."""
    for options in ({}, {"padding": "valid"}, {"padding": 2, "padding_mode": "reflect"}, {"padding": ((3, 0), (1, 2))}):
        net, x, twin = drawn((5, 6, 16), 3, options, "float64", 1)
        dy = np.random.default_rng(0).normal(size=net.forward(x).shape)
        basis = np.eye(x.size).reshape(-1, *x.shape[1:])
        moved = ref.conv2d(basis, net.layers[0].weight, **twin)
        expected = np.tensordot(moved, dy[0], axes=3).reshape(x.shape)
        np.testing.assert_allclose(net.backward(dy), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("C", [16, 64])
def test_rounding(C):
    """The root mean square error that the docstring states, and how many times that of the windows it is."""
    direct = fn.Sequential([fn.Conv2D(64, 3, bias=False)], (24, 24, C), seed=0)
    tiles = fn.Sequential([fn.Conv2D(64, 3, bias=False, winograd=True)], (24, 24, C), seed=0)
    x = np.random.default_rng(0).normal(size=(2, 24, 24, C)).astype("float32")
    exact = ref.conv2d(x.astype(float), direct.layers[0].weight.astype(float), before=(1, 1), after=(1, 1))
    errors = [np.sqrt(((net.predict(x) - exact) ** 2).mean() / (exact**2).mean()) for net in (direct, tiles)]
    assert errors[1] == pytest.approx({16: 5.2e-7, 64: 8.4e-7}[C], rel=0.15)
    assert 1.5 <= errors[1] / errors[0] <= 3


def test_bits():
    """An image has its own whatever its batch, its place and the threads; of instruction sets: tests/cross."""
    net, x, _ = drawn((10, 9, 20), 37, {}, batch=40, activation="relu")

    def run(X):
        return net.predict(X), net.backward(net.forward(X, training=True)), net.grads.copy()

    before, (y, dx, grads) = fn.get_num_threads(), run(x)
    try:
        for threads in (1, 2, 5):
            fn.set_num_threads(threads)
            for a, b in zip(run(x), (y, dx, grads), strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        fn.set_num_threads(before)
    for rows in (slice(0, 1), slice(7, 9), slice(5, 40)):
        for a, b in zip(run(x[rows])[:2], (y, dx), strict=True):
            np.testing.assert_array_equal(a, b[rows])
    np.testing.assert_array_equal(net.predict_one(x[3]), y[3])


def test_a_tile_keeps_to_itself():
    """What an element is depends on its place within its tile, not on which tile it is."""
    r = np.random.default_rng(0)
    image = np.tile(r.normal(size=(4, 4, 17)).astype("float32"), (5, 5, 1))
    net = fn.Sequential([fn.Conv2D(18, 3, padding="valid", winograd=True)], image.shape, seed=0)
    y = net.predict_one(image)
    np.testing.assert_array_equal(y[:12, :12], y[4:16, 4:16])


def test_weights_that_change_are_transformed_anew():
    """Whoever changes them: an optimiser, the user in place, a file, a copy; kept ones are used again."""
    net, x, twin = drawn((6, 6, 16), 16, {}, "float64")

    def right(net):
        size = np.abs(twin_of(net, x, twin, absolute=True)).max()
        return np.abs(net.predict(x) - twin_of(net, x, twin)).max() <= 1e-14 * size

    assert right(net)
    net.layers[0].weight[1, 2, 3, 4] += 1
    assert right(net)
    net.params[...] = 0
    assert right(net)
    net.params[...] = np.random.default_rng(1).normal(size=net.params.size)
    twin_net = copy.deepcopy(net)
    assert right(net)
    assert right(twin_net)
    net.compile("squared_error", fn.SGD(0.01))
    for _ in range(3):
        before = net.params.copy()
        net.train_step(x, np.zeros((len(x), *net.output_shape)))
        assert (net.params != before).all()
        assert right(net)
    for _ in range(2):
        before = net.params.copy()
        net.backward(net.forward(x, training=True) * 1e-3)
        net.params[...] -= net.grads
        assert right(net)


def test_training_steps_are_those_of_the_windows():
    """Every way that a mini-batch goes, cut or not, with one thread or two: the losses fall alike."""
    r = np.random.default_rng(0)
    X, t = r.normal(size=(96, 8, 8, 3)).astype("float32"), r.integers(0, 3, 96)
    histories = []
    for winograd in (False, True):
        layers = [fn.Conv2D(n, 3, "relu", winograd=winograd) for n in (16, 24)]
        net = fn.Sequential([*layers, fn.GlobalAvgPool2D(), fn.Dense(3)], (8, 8, 3), seed=0)
        histories.append(net.fit(X, t, epochs=4, batch_size=48, loss="cross_entropy", optimizer=fn.Adam(0.01))["loss"])
    np.testing.assert_allclose(histories[1], histories[0], rtol=2e-5)


def test_memory_says_what_transformed_weights_take():
    plain, tiles = (
        fn.Sequential([fn.Conv2D(32, 3, winograd=winograd)], (8, 8, 64), seed=0) for winograd in (False, True)
    )
    weights = 64 * 32 * 4
    assert plain.memory(4).prepared == 0
    for training, times in ((False, 1), (True, 2)):
        prepared = tiles.memory(4, training=training).prepared
        assert times * 45 * weights <= prepared <= times * 45 * weights * 1.01


@pytest.mark.parametrize("options", [
    {"kernel_size": 5}, {"kernel_size": (3, 1)}, {"strides": 2}, {"strides": (1, 2)}, {"dilation": 2}, {"groups": 2},
])  # fmt: skip
def test_refusals(options):
    with pytest.raises(ValueError, match=r"dilation=1 and groups=1 with winograd=True, got .*; leave winograd out"):
        fn.Conv2D(**{"filters": 8, "kernel_size": 3, "winograd": True, **options})
    with pytest.raises(TypeError, match="winograd"):
        fn.Conv2D(8, 3, winograd="yes")


def test_files(tmp_path):
    """The option is in the file, and in what an ONNX file says to fastnn; to others that is an ordinary convolution."""
    net, x, _ = drawn((6, 7, 16), 16, {})
    net.save(tmp_path / "net.safetensors")
    net.to_onnx(tmp_path / "net.onnx")
    for again in (fn.load(tmp_path / "net.safetensors"), fn.from_onnx(tmp_path / "net.onnx")):
        assert again.layers[0].spec.winograd
        np.testing.assert_array_equal(again.predict(x), net.predict(x))
