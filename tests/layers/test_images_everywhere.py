"""Layers that were not made for images take them, channel by channel along the last axis, or say why not."""

import numpy as np
import pytest
from helpers import reference as ref
from helpers.cases import gradient_errors, randomize

import fastnn as fn
from fastnn.layers import Composite

SHAPE = (3, 4, 5)
BOUND = 1e-7


# By name: how it is applied to an image x, and its twin.
WORKS = {
    "Activation": (lambda x: fn.Activation("tanh")(x), lambda p, x: np.tanh(x)),
    "Add": (lambda x: fn.add(x, x), lambda p, x: 2 * x),
    "BatchNorm": (lambda x: fn.BatchNorm()(x), lambda p, x: ref.batch_norm(
        x, p["gamma"], p["beta"], p["running_mean"], p["running_variance"])),
    "Concatenate": (lambda x: fn.concatenate(x, x), lambda p, x: np.concatenate([x, x], axis=3)),
    "Dense": (lambda x: fn.Dense(2)(x), lambda p, x: x @ p["weight"] + p["bias"]),
    "Dropout": (lambda x: fn.Dropout(0.3)(x), lambda p, x: x),
    "Flatten": (lambda x: fn.Flatten()(x), lambda p, x: x.reshape(len(x), -1)),
    "LayerNorm": (lambda x: fn.LayerNorm()(x), lambda p, x: ref.layer_norm(x, p["gamma"], p["beta"])),
    "LocalResponseNorm": (lambda x: fn.LocalResponseNorm()(x), lambda p, x: ref.local_response_norm(x)),
    "Multiply": (lambda x: fn.Multiply()(x, x), lambda p, x: x * x),
    "Permute": (lambda x: fn.Permute((1, 2, 0))(x), lambda p, x: x.transpose(0, 2, 3, 1)),
    "Reduce": (lambda x: fn.Reduce("mean", axis=1)(x), lambda p, x: x.mean(axis=2)),
    "Reshape": (lambda x: fn.Reshape((12, 5))(x), lambda p, x: x.reshape(len(x), 12, 5)),
    "Scale": (lambda x: fn.Scale()(x), lambda p, x: x * p["gamma"] + p["beta"]),
    "Slice": (lambda x: fn.Slice(1, -1)(x), lambda p, x: x[..., 1:-1]),
    "Residual": (lambda x: fn.Residual([fn.Activation("tanh")])(x), lambda p, x: np.tanh(x) + x),
}  # fmt: skip
# What they are for is something else, and they say so.
REFUSE = {
    "Bidirectional": (lambda x: fn.Bidirectional(fn.GRU(2))(x), r"a sequence \(B, T, I\)"),
    "DropConnect": (lambda x: fn.DropConnect(2)(x), r"\(B, I\)|vector"),
    "GRU": (lambda x: fn.GRU(2)(x), r"a sequence \(B, T, I\)"),
    "LSTM": (lambda x: fn.LSTM(2)(x), r"a sequence \(B, T, I\)"),
    "PhaseDense": (lambda x: fn.PhaseDense(2)(x, fn.Input(1)), r"\(B, I\)|vector"),
    "SimpleRNN": (lambda x: fn.SimpleRNN(2)(x), r"a sequence \(B, T, I\)"),
}


def test_the_tables_are_of_layers_each_once():
    assert not set(WORKS) & set(REFUSE)
    assert {*WORKS, *REFUSE} <= set(fn.Layer.registry)
    assert {name for name, layer in fn.Layer.registry.items() if issubclass(layer, Composite)} <= {*WORKS, *REFUSE}


@pytest.mark.parametrize("name", WORKS)
def test_it_takes_images(name):
    make, twin = WORKS[name]
    x = fn.Input(SHAPE)
    net = fn.Network(x, make(x), seed=0, dtype="float64")
    randomize(net, np.random.default_rng(0))
    p = {key.split(".")[1]: view.astype(np.float64) for key, view in net.named_parameters()}
    rows = np.random.default_rng(1).normal(size=(3, *SHAPE))
    expected = twin(p, rows)
    found = net.predict(rows)
    assert found.shape == expected.shape == (3, *net.output_shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    dy = np.random.default_rng(2).normal(size=expected.shape)
    assert max(gradient_errors(net, [rows], [dy]).values()) <= BOUND


@pytest.mark.parametrize("name", REFUSE)
def test_it_says_why_not(name):
    make, why = REFUSE[name]
    with pytest.raises(ValueError, match=f"expected .*({why})"):
        make(fn.Input(SHAPE))


def test_softmax_and_dropout_go_by_channel():
    """Softmax over the channels of each pixel; Dropout draws for each number by itself."""
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    y = fn.Sequential([fn.Activation("softmax")], SHAPE, seed=0, dtype="float64").predict(x)
    np.testing.assert_allclose(y, ref.softmax(x), rtol=1e-14)
    np.testing.assert_allclose(y.sum(axis=3), 1, rtol=1e-14)
    kept = fn.Sequential([fn.Dropout(0.5)], (20, 20, 8), seed=0).forward(np.ones((1, 20, 20, 8)), True)
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert 0 < np.count_nonzero(kept[0, 0, 0]) + np.count_nonzero(kept[0, 1, 1]) < 16
