"""The gradient checks bite: a planted fault of every kind is found by ``fn.gradcheck`` and by the tests' own check."""

import numpy as np
import pytest
from helpers.cases import gradient_errors, randomize

import fastnn as fn

BOUND = 1e-7
N = 4  # a square layer, so that a transposed matrix fits


def forward(x, w, b):
    return np.tanh(x @ w + b)


def right(x, y, dy, w, b):
    dz = dy * (1 - y**2)
    return dz @ w.T, {"w": x.T @ dz, "b": dz.sum(axis=0)}


def faulty(change):
    """The right backward pass with one result changed."""

    def backward(x, y, dy, w, b):
        dx, grads = right(x, y, dy, w, b)
        return change(dx, grads, x=x, y=y, dy=dy, w=w)

    return backward


def with_grad(name, f):
    return faulty(lambda dx, grads, **_: (dx, {**grads, name: f(grads[name])}))


FAULTS = {
    "flipped sign of dx": faulty(lambda dx, grads, **_: (-dx, grads)),
    "flipped sign of dw": with_grad("w", lambda g: -g),
    "flipped sign of db": with_grad("b", lambda g: -g),
    "dx 1 % too large": faulty(lambda dx, grads, **_: (1.01 * dx, grads)),
    "dw 1 % too small": with_grad("w", lambda g: 0.99 * g),
    "db 1 % too large": with_grad("b", lambda g: 1.01 * g),
    "dw transposed": with_grad("w", lambda g: g.T),
    "dx through w, not its transpose": faulty(lambda dx, grads, y, dy, w, **_: ((dy * (1 - y**2)) @ w, grads)),
    "db missing": with_grad("b", np.zeros_like),
    "one element of dw missing": with_grad("w", lambda g: np.where(np.arange(N * N).reshape(N, N) == 5, 0, g)),
    "slope of the activation missing": faulty(
        lambda dx, grads, x, dy, w, **_: (dy @ w.T, {"w": x.T @ dy, "b": dy.sum(axis=0)})
    ),
    "mean over the batch in place of the sum": with_grad("w", lambda g: g / 3),
    "rows of dx in another order": faulty(lambda dx, grads, **_: (dx[::-1], grads)),
    "the first row of the batch left out": faulty(
        lambda dx, grads, x, y, dy, **_: (dx, {**grads, "w": x[1:].T @ (dy * (1 - y**2))[1:]})
    ),
}


def network(backward, dtype="float64"):
    layer = fn.Custom(
        forward, backward, parameters={"w": ((N, N), "glorot_uniform"), "b": ((N,), "zeros")}, name="planted"
    )
    net = fn.Sequential([fn.Dense(N, "sigmoid"), layer, fn.Dense(2)], input_shape=3, seed=0, dtype=dtype)
    randomize(net, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    return net, rng.normal(size=(3, 3)), rng.normal(size=(3, 2))


def test_the_right_gradient_passes():
    net, x, dy = network(right)
    assert fn.gradcheck(net, x) <= 1e-7
    assert max(gradient_errors(net, [x], [dy]).values()) <= BOUND
    net.compile("squared_error")
    assert fn.gradcheck(net, x, dy) <= 1e-7


@pytest.mark.parametrize("fault", FAULTS)
def test_gradcheck_finds_it(fault):
    net, x, dy = network(FAULTS[fault])
    with pytest.raises(ValueError, match="gradcheck"):
        fn.gradcheck(net, x)
    narrow, x, dy = network(FAULTS[fault], "float32")
    with pytest.raises(ValueError, match="gradcheck"):
        fn.gradcheck(narrow, x)
    net.compile("squared_error")
    with pytest.raises(ValueError, match="gradcheck"):
        fn.gradcheck(net, x, dy)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_of_the_tests_finds_it(fault):
    """By a factor of 1,000 or more, and it names a parameter or input at or before the fault."""
    net, x, dy = network(FAULTS[fault])
    errors = gradient_errors(net, [x], [dy])
    assert max(errors.values()) > 1000 * BOUND
    assert errors["dense_2.weight"] <= BOUND  # behind the fault, all is well
    assert errors["dense_2.bias"] <= BOUND


def softmax_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_diagonal(x, y, dy):
    """The term -y_i y_j of the Jacobian is missing off the diagonal."""
    return dy * y * (1 - y)


def softmax_without_mean(x, y, dy):
    """The sum over the row is missing."""
    return dy * y


@pytest.mark.parametrize("backward", [softmax_diagonal, softmax_without_mean])
def test_a_missing_term_of_the_softmax(backward):
    net = fn.Sequential([fn.Dense(3), fn.Custom(softmax_forward, backward)], input_shape=4, seed=0, dtype="float64")
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="gradcheck"):
        fn.gradcheck(net, x)
    assert max(gradient_errors(net, [x], [dy]).values()) > 1000 * BOUND


def test_all_ones_would_be_blind():
    """Why cotangents are random: under dy = 1 the softmax's gradient is 0, so its sign cannot be seen."""
    flipped = fn.Custom(softmax_forward, lambda x, y, dy: -y * (dy - (dy * y).sum(axis=1, keepdims=True)))
    net = fn.Sequential([flipped], input_shape=3, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 3))
    net.forward(x)
    assert np.abs(net.backward(np.ones((5, 3)))).max() < 1e-15
    with pytest.raises(ValueError, match="gradcheck"):
        fn.gradcheck(net, x)


def test_a_wrong_gradient_of_a_kinked_layer_is_not_taken_for_a_kink():
    rng = np.random.default_rng(0)
    for slope in (-1.0, 1.01):
        layer = fn.Custom(lambda x: np.maximum(x, 0), lambda x, y, dy, slope=slope: slope * dy * (x > 0))
        net = fn.Sequential([fn.Dense(6, layer), fn.Dense(2)], input_shape=4, seed=0, dtype="float64")
        with pytest.raises(ValueError, match="gradcheck"):
            fn.gradcheck(net, rng.normal(size=(5, 4)))
    relu = fn.Sequential([fn.Dense(6, "relu"), fn.Dense(2)], input_shape=4, seed=0, dtype="float64")
    assert fn.gradcheck(relu, rng.normal(size=(5, 4))) <= 1e-5


def test_a_wrong_gradient_of_a_loss():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))

    def loss(factor):
        return lambda y_true, y_pred: (((y_pred - y_true) ** 2).sum(axis=1), factor * 2 * (y_pred - y_true))

    net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dense(2)], input_shape=4, seed=0, dtype="float64")
    net.compile(loss(1.0))
    assert fn.gradcheck(net, x, t) <= 1e-7
    for factor in (-1.0, 1.01, 0.5):
        net.compile(loss(factor))
        with pytest.raises(ValueError, match="gradcheck"):
            fn.gradcheck(net, x, t)


@pytest.mark.parametrize("optimizer", [fn.SGD, fn.Adam])
def test_gradcheck_looks_at_frozen_and_slowed_layers_too(optimizer):
    layers = [fn.Dense(4, "tanh", name="frozen"), fn.Dense(4, "tanh", name="slow"), fn.Dense(3)]
    net = fn.Sequential(layers, input_shape=5, seed=0)
    net.compile("cross_entropy", optimizer(0.1, groups={"frozen": fn.Group(frozen=True), "slow": fn.Group(rate=0.1)}))
    X = np.random.default_rng(0).standard_normal((6, 5))
    check = fn.gradcheck(net, X, [0, 1, 2, 0, 1, 2])
    assert check < 1e-7
    assert len(check.errors) == 6
