"""How outputs are read: every loss, with logits and with its own last activation, against NumPy."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.graph.outputs import Output, read_outputs
from fastnn.losses import NAMES
from fastnn.losses.link import IDENTITY, LOG, MARGIN, SIGMOID, SOFTMAX

random = np.random.default_rng(5)
X = random.normal(size=(40, 4))
STEPS = random.normal(size=(12, 5, 4))


def network(width, loss, last=None, *, steps=False, dtype="float64"):
    layers = [fn.SimpleRNN(6, return_sequences=True)] if steps else [fn.Dense(6, "tanh")]
    shape = STEPS.shape[1:] if steps else 4
    net = fn.Sequential([*layers, fn.Dense(width, last)], input_shape=shape, seed=1, dtype=dtype)
    net.params[:] *= 3  # some rows for each answer
    net.compile(loss)
    return net


def same(z):
    return z


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# loss: its link, width of the outputs, task, answer of raw outputs, raw outputs that say yes
CASES = {
    "squared_error": (IDENTITY, 2, "regression", same, 0.5),
    "poisson": (LOG, 2, "regression", np.exp, 0.5),
    "cross_entropy": (SOFTMAX, 3, "classes", softmax, 0.5),
    "binary_cross_entropy": (SIGMOID, 1, "classes", sigmoid, 0.0),
    "binary_cross_entropy of labels": (SIGMOID, 3, "labels", sigmoid, 0.0),
    "hinge": (MARGIN, 1, "classes", same, 0.0),
    "hinge of classes": (MARGIN, 3, "classes", same, 0.0),
}


# Every other loss is one of values.
CASES |= {name: (IDENTITY, 1, "regression", same, 0.5) for name in NAMES if name not in CASES}


@pytest.mark.parametrize("steps", [False, True], ids=["rows", "steps"])
@pytest.mark.parametrize("name", CASES)
def test_raw_outputs(name, steps):
    link, width, task, answer, threshold = CASES[name]
    net = network(width, name.split()[0], steps=steps)
    (output,) = net.outputs
    z = net.predict(STEPS if steps else X)
    assert (output.link, output.task, output.applied, output.threshold) == (link, task, False, threshold)
    np.testing.assert_allclose(output.answers(z), answer(z), rtol=1e-12, atol=1e-15)
    expected = z.argmax(axis=-1) if width > 1 else np.where(z[..., 0] > threshold, 1, 0)
    assert np.array_equal(output.classes(z), expected)
    assert np.array_equal(output.labels(z), np.where(z > threshold, 1, 0))
    assert output.classes(z).dtype == output.labels(z).dtype == np.int64
    assert len(np.unique(output.classes(z))) == max(width, 2)
    p = output.probabilities(z)
    if link is SOFTMAX:
        np.testing.assert_allclose(p, softmax(z), rtol=1e-12)
    elif link is SIGMOID and width == 1:
        np.testing.assert_allclose(p, np.concatenate([sigmoid(-z), sigmoid(z)], axis=-1), rtol=1e-9)
    else:
        assert p is None


@pytest.mark.parametrize("steps", [False, True], ids=["rows", "steps"])
@pytest.mark.parametrize("form", ["in the layer", "a layer of its own"])
@pytest.mark.parametrize(
    ("loss", "last", "width"),
    [("cross_entropy", "softmax", 3), ("binary_cross_entropy", "sigmoid", 1), ("binary_cross_entropy", "sigmoid", 3)],
)
def test_outputs_after_the_activation_of_the_loss(loss, last, width, form, steps):
    net = network(width, loss, last, steps=steps)
    if form == "a layer of its own":
        inner = [view.spec for view in net.layers[:-1]]
        net = fn.Sequential([*inner, fn.Dense(width), fn.Activation(last)], net.input_shape, seed=1, dtype="float64")
        net.compile(loss)
    y = net.predict(STEPS if steps else X)
    (output,) = net.outputs
    assert (output.applied, output.threshold) == (True, 0.5)
    assert output.answers(y) is y
    assert np.array_equal(output.classes(y), y.argmax(axis=-1) if width > 1 else np.where(y[..., 0] > 0.5, 1, 0))
    assert np.array_equal(output.labels(y), np.where(y > 0.5, 1, 0))
    p = output.probabilities(y)
    if last == "softmax":
        np.testing.assert_allclose(p, y, rtol=1e-12)
    elif width == 1:
        np.testing.assert_allclose(p, np.concatenate([1 - y, y], axis=-1), rtol=1e-12)
    else:
        assert p is None


@pytest.mark.parametrize(("last", "width"), [("softmax", 3), ("sigmoid", 1), ("sigmoid", 3), ("tanh", 1)])
def test_a_last_activation_says_probability_whatever_the_loss(last, width):
    net = network(width, "squared_error", last)
    (output,) = net.outputs
    y = net.predict(X)
    assert (output.task, output.applied, output.threshold) == ("regression", False, 0.5)
    assert np.array_equal(output.answers(y), y)
    p, expected = output.probabilities(y), {"softmax": y, "sigmoid": np.concatenate([1 - y, y], axis=-1)}
    if (last, width) in (("softmax", 3), ("sigmoid", 1)):
        np.testing.assert_allclose(p, expected[last], rtol=1e-12)
    else:
        assert p is None


def test_the_activation_of_another_loss_leaves_logits():
    """Cross-entropy on the outputs of a sigmoid takes these for logits."""
    net = network(3, "cross_entropy", "sigmoid")
    (output,) = net.outputs
    y = net.predict(X)
    assert not output.applied
    np.testing.assert_allclose(output.probabilities(y), softmax(y), rtol=1e-12)


def test_probabilities_are_float64_and_sum_to_one():
    for loss, last, width in (("cross_entropy", "softmax", 3), ("cross_entropy", None, 3),
                              ("binary_cross_entropy", "sigmoid", 1), ("binary_cross_entropy", None, 1)):  # fmt: skip
        net = network(width, loss, last, dtype="float32")
        p = net.outputs[0].probabilities(net.predict(X))
        assert p.dtype == np.float64
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-15)


def test_far_logits_stay_finite():
    z = np.array([[1e4, -1e4], [-1e4, 1e4]])
    assert np.array_equal(Output(SOFTMAX, None, 2).probabilities(z), [[1, 0], [0, 1]])
    assert np.array_equal(Output(SIGMOID, None, 1).probabilities(z[:, :1]), [[0, 1], [1, 0]])


def test_each_output_is_read_by_its_own_loss():
    x = fn.Input(4)
    h = fn.Dense(6, "tanh")(x)
    net = fn.Network(inputs=x, outputs=[fn.Dense(3, "softmax")(h), fn.Dense(2)(h), x], seed=0)
    net.compile(["cross_entropy", "binary_cross_entropy", "poisson"])
    assert [(output.link, output.activation, output.width) for output in net.outputs] == [
        (SOFTMAX, "softmax", 3), (SIGMOID, None, 2), (LOG, None, 4),
    ]  # fmt: skip
    assert [output.applied for output in net.outputs] == [True, False, False]


def test_an_output_that_other_layers_read_too_has_its_activation():
    x = fn.Input(4)
    p = fn.Dense(3, "softmax")(x)
    net = fn.Network(inputs=x, outputs=[p, fn.Dense(2)(p)], seed=0)
    first, second = read_outputs(net.plan, [SOFTMAX, IDENTITY], net.output_shapes)
    assert first.applied
    assert second.activation is None
    net.compile(["squared_error", "squared_error"])  # cross-entropy would be refused
    assert [output.activation for output in net.outputs] == ["softmax", None]


def test_a_network_without_losses_says_so():
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    with pytest.raises(RuntimeError, match="outputs: "):
        _ = net.outputs


@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_metrics_go_by_the_threshold(last):
    net = network(1, "binary_cross_entropy", last)
    net.compile("binary_cross_entropy", metrics=["accuracy"])
    y = (random.uniform(size=40) > 0.5).astype(float)
    z = net.predict(X)[:, 0]
    expected = np.mean((z > (0.0 if last is None else 0.5)) == y)
    assert net.evaluate(X, y[:, None])["accuracy"] == pytest.approx(expected, rel=1e-12)
