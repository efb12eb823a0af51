"""Batch normalisation folded into the layer before it: the same answers, and what must stay."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

rng = np.random.default_rng(0)


def randomize(net):
    """Give every parameter and running statistic a value of its own; variances are positive."""
    random = np.random.default_rng(1)
    for name, array in net.named_parameters():
        array[...] = random.normal(size=array.shape)
        if name.endswith("running_variance"):
            array[...] = random.uniform(0.5, 2, array.shape)
    return net


def kinds(net):
    return [type(view.spec).__name__ for view in net.layers]


def images(dtype):
    layers = [
        fn.Conv2D(6, 3, bias=False, groups=2),
        fn.BatchNorm(epsilon=1e-3),
        fn.Activation("relu"),
        fn.Residual(
            [fn.Conv2D(6, 3), fn.BatchNorm(scale=False), fn.Activation("relu"), fn.Conv2D(6, 1), fn.BatchNorm()]
        ),
        fn.GlobalAvgPool2D(),
        fn.Dense(5, bias=False),
        fn.BatchNorm(shift=False),
    ]
    return randomize(fn.Sequential(layers, input_shape=(5, 6, 4), seed=0, dtype=dtype))


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-12), ("float32", 60 * 2**-23)])
def test_folded_answers_are_equal_but_for_rounding(dtype, bound):
    """Five products one after the other of up to 54 terms each: some 60 roundings of numbers of the outputs' size."""
    net = images(dtype)
    x = rng.normal(size=(7, 5, 6, 4)).astype(dtype)
    before, params = net.predict(x), net.params.copy()
    small = net.fold()
    assert "BatchNorm" not in kinds(small)
    assert len(small.layers) == len(net.layers) - 4
    assert ref.relative(small.predict(x), before) <= bound
    assert type(small) is fn.Sequential
    np.testing.assert_array_equal(net.params, params)
    np.testing.assert_array_equal(net.predict(x), before)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (fn.Conv1D(6, 3, groups=2), (7, 4)),
        (fn.DepthwiseConv2D(3, depth_multiplier=2), (5, 4, 3)),
        (fn.ConvTranspose2D(6, 4, strides=2), (3, 4, 5)),
        (fn.ConvTranspose2D(6, 3, groups=3, bias=False), (4, 3, 6)),
    ],
    ids=lambda value: getattr(value, "title", None),
)
def test_every_kind_of_convolution(layer, shape):
    """Each channel of the output has its gain, wherever its weights lie."""
    net = randomize(fn.Sequential([layer, fn.BatchNorm()], shape, seed=0, dtype="float64"))
    x = rng.normal(size=(3, *shape))
    small = net.fold()
    assert kinds(small) == [type(layer).__name__]
    assert ref.relative(small.predict(x), net.predict(x)) <= 1e-13


def test_weights_are_those_of_the_formula():
    net = randomize(fn.Sequential([fn.Dense(3, name="d"), fn.BatchNorm(name="n")], 2, seed=0, dtype="float64"))
    p = {name: array.copy() for name, array in net.named_parameters()}
    gain = p["n.gamma"] / np.sqrt(p["n.running_variance"] + 1e-5)
    folded = dict(net.fold().named_parameters())
    assert set(folded) == {"d.weight", "d.bias"}
    np.testing.assert_allclose(folded["d.weight"], p["d.weight"] * gain, rtol=1e-15)
    expected = (p["d.bias"] - p["n.running_mean"]) * gain + p["n.beta"]
    np.testing.assert_allclose(folded["d.bias"], expected, rtol=1e-14)


def after_an_activation(x):
    return fn.BatchNorm()(fn.Dense(4, "tanh")(x))


def first(x):
    return fn.Dense(4)(fn.BatchNorm()(x))


def shared_norm(x):
    norm = fn.BatchNorm()
    return fn.add(norm(fn.Dense(4)(x)), norm(fn.Dense(4)(x)))


def shared_layer(x):
    dense = fn.Dense(4)
    return fn.add(fn.BatchNorm()(dense(x)), dense(x))


def read_twice(x):
    z = fn.Dense(4)(x)
    return fn.add(z, fn.BatchNorm()(z))


def between(x):
    return fn.BatchNorm()(fn.Dropout(0.5)(fn.Dense(4)(x)))


@pytest.mark.parametrize("make", [after_an_activation, first, shared_norm, shared_layer, read_twice, between])
def test_what_cannot_be_folded_stays(make):
    x = fn.Input(4)
    net = randomize(fn.Network(x, make(x), seed=0, dtype="float64"))
    data = rng.normal(size=(5, 4))
    small = net.fold()
    assert kinds(small) == kinds(net)
    np.testing.assert_array_equal(small.predict(data), net.predict(data))


def test_an_output_that_is_read_in_between_stays():
    x = fn.Input(4)
    z = fn.Dense(4, name="z")(x)
    net = randomize(fn.Network(x, [z, fn.BatchNorm(name="kept")(z)], seed=0))
    assert [view.name for view in net.fold().layers] == ["z", "kept"]


def test_a_graph_of_several_branches():
    x = fn.Input(4)
    left = fn.BatchNorm()(fn.Dense(3, name="left")(x))
    right = fn.BatchNorm()(fn.Dense(3, bias=False, name="right")(x))
    kept = fn.BatchNorm(name="kept")(fn.concatenate(left, right))
    net = randomize(fn.Network(x, [kept, left], seed=0, dtype="float64"))
    small, data = net.fold(), rng.normal(size=(6, 4))
    assert sorted(view.name for view in small.layers) == ["concatenate_1", "kept", "left", "right"]
    for a, b in zip(small.predict(data), net.predict(data), strict=True):
        assert ref.relative(a, b) <= 1e-12


def test_after_training_and_through_a_file(tmp_path):
    net = fn.Sequential([fn.Dense(8, bias=False), fn.BatchNorm(), fn.Activation("relu"), fn.Dense(1)], 3, seed=0)
    X = rng.normal(size=(64, 3))
    net.fit(X, X.sum(1, keepdims=True), epochs=5, loss="squared_error", optimizer="adam")
    small = net.fold()
    small.save(tmp_path / "small.safetensors")
    again = fn.load(tmp_path / "small.safetensors")
    np.testing.assert_allclose(again.predict(X), net.predict(X), rtol=1e-4, atol=1e-5)
