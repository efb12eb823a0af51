"""Dense: the folded bias, a network worked by hand, names and views."""

import math

import numpy as np
import pytest

import fastnn as fn

FOLD = 1e-15  # relative: one product more in a sum of 6


def test_the_bias_is_the_weight_of_a_constant_input():
    """[x, 1] through W[I+1, O] without a bias is x through W, b: forward and every gradient."""
    rng = np.random.default_rng(0)
    folded = fn.Sequential([fn.Dense(3, "tanh")], input_shape=5, seed=0, dtype="float64")
    plain = fn.Sequential([fn.Dense(3, "tanh", bias=False)], input_shape=6, seed=0, dtype="float64")
    folded.params[:] = rng.normal(size=folded.n_params)
    plain.params[:] = folded.params  # (I, O) and the bias behind it: one matrix (I+1, O)
    x, dy = rng.normal(size=(8, 5)), rng.normal(size=(8, 3))
    y1, y2 = folded.forward(x), plain.forward(np.column_stack([x, np.ones(8)]))
    dx1, dx2 = folded.backward(dy), plain.backward(dy)
    for a, b in ((y1, y2), (dx1, dx2[:, :5]), (folded.grads, plain.grads)):
        assert np.linalg.norm(a - b) <= FOLD * np.linalg.norm(b)


def test_identity_layers_are_one_linear_map():
    rng = np.random.default_rng(1)
    net = fn.Sequential([fn.Dense(6), fn.Dense(4, "identity"), fn.Dense(3)], input_shape=5, seed=0, dtype="float64")
    net.params[:] = rng.normal(size=net.n_params)
    (w1, b1), (w2, b2), (w3, b3) = ((view.weight, view.bias) for view in net.layers)
    x = rng.normal(size=(7, 5))
    expected = x @ (w1 @ w2 @ w3) + (b1 @ w2 @ w3 + b2 @ w3 + b3)
    assert np.linalg.norm(net.predict(x) - expected) <= 1e-14 * np.linalg.norm(expected)


LN3 = math.log(3)


@pytest.fixture
def worked():
    """Two inputs, two hidden neurons, one output, all sigmoid; sigma(0) = 1/2, sigma(ln 3) = 3/4, sigma(-ln 3) = 1/4.

    w_jk is the weight from neuron k to neuron j: fastnn's weight[k, j].
    """
    net = fn.Sequential(
        [fn.Dense(2, "sigmoid", name="hidden"), fn.Dense(1, "sigmoid", name="output")], 2, seed=0, dtype="float64"
    )
    hidden, output = net.layers
    hidden.weight[0, 0], hidden.weight[1, 0], hidden.bias[0] = 2, -1, 0  # w_11, w_12, b_1
    hidden.weight[0, 1], hidden.weight[1, 1], hidden.bias[1] = 1, 1, LN3 - 3  # w_21, w_22, b_2
    output.weight[0, 0], output.weight[1, 0], output.bias[0] = 2, -4, 2 - LN3
    return net


EPS = 4 * np.finfo(np.float64).eps  # the numbers below are exact up to rounding of terms of size 1 to 4
INPUT = [[1.0, 2.0]]


def test_worked_by_hand_forward(worked):
    z = worked.preactivations(INPUT)
    a = worked.activations(INPUT)
    assert list(z) == list(a) == ["hidden", "output"]
    # z_1 = 2*1 - 1*2, z_2 = 1*1 + 1*2 + ln 3 - 3;  z = 2/2 - 4*3/4 + 2 - ln 3
    np.testing.assert_allclose(z["hidden"], [[0, LN3]], rtol=0, atol=EPS)
    np.testing.assert_allclose(a["hidden"], [[1 / 2, 3 / 4]], rtol=0, atol=EPS)
    np.testing.assert_allclose(z["output"], [[-LN3]], rtol=0, atol=EPS)
    np.testing.assert_allclose(a["output"], [[1 / 4]], rtol=0, atol=EPS)
    np.testing.assert_allclose(worked.predict(INPUT), [[1 / 4]], rtol=0, atol=EPS)
    assert worked.predict_one(INPUT[0]) == pytest.approx([1 / 4], abs=EPS)


# C = (a - 1)^2 = 9/16; dC/da = -3/2; delta = dC/dz = -3/2 * a(1-a) = -3/2 * 3/16 = -9/32
# delta_1 = w_11 delta a_1(1-a_1) = 2 * -9/32 * 1/4 = -9/64;  delta_2 = -4 * -9/32 * 3/16 = 27/128
GRADIENT = [
    -9 / 64 * 1,
    27 / 128 * 1,  # dC/dw_1k, dC/dw_2k of x_1 = 1
    -9 / 64 * 2,
    27 / 128 * 2,  # of x_2 = 2
    -9 / 64,
    27 / 128,  # dC/db_j = delta_j
    -9 / 32 * 1 / 2,
    -9 / 32 * 3 / 4,  # delta a_1, delta a_2
    -9 / 32,
]
# dC/dx_k = sum_j w_jk delta_j
INPUT_GRADIENT = [[2 * -9 / 64 + 27 / 128, -1 * -9 / 64 + 27 / 128]]


def test_worked_by_hand_backward(worked):
    y = worked.forward(INPUT)
    dx = worked.backward(2 * (y - 1))
    np.testing.assert_allclose(worked.grads, GRADIENT, rtol=0, atol=EPS)
    np.testing.assert_allclose(dx, INPUT_GRADIENT, rtol=0, atol=EPS)
    assert worked.layers[0].gradients["weight"][1, 0] == pytest.approx(-9 / 32, abs=EPS)  # dC/dw_12
    gradients = dict(worked.named_gradients())
    assert gradients["output.bias"][0] == pytest.approx(-9 / 32, abs=EPS)


@pytest.mark.parametrize("fused", [True, False])
def test_worked_by_hand_one_step(worked, fused):
    before = worked.params.copy()
    worked.compile("squared_error", fn.SGD(0.5, clip_norm=0 if fused else 1e30))
    assert worked.evaluate(INPUT, [[1.0]])["loss"] == pytest.approx(9 / 16, abs=EPS)
    assert worked.train_step(np.array(INPUT[0]), np.array([1.0])) == pytest.approx(9 / 16, abs=EPS)
    np.testing.assert_allclose(worked.params, before - 0.5 * np.array(GRADIENT), rtol=0, atol=EPS)


def test_worked_by_hand_two_rows(worked):
    """The loss of a mini-batch is the mean: a row whose target is met halves the gradient."""
    before = worked.params.copy()
    worked.compile("squared_error", fn.SGD(0.5))
    assert worked.train_step(INPUT * 2, [[1.0], [0.25]]) == pytest.approx(9 / 32, abs=EPS)
    np.testing.assert_allclose(worked.params, before - 0.25 * np.array(GRADIENT), rtol=0, atol=EPS)


# ---- names, z and a -------------------------------------------------------------------------------------------------


def test_names_of_activations():
    same = fn.Dense(3, "tanh", name="same")
    layers = [fn.Dense(3, "relu"), same, same, fn.Dropout(0.5), fn.Activation("softmax", name="p"), fn.Dense(2)]
    net = fn.Sequential(layers, input_shape=4, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 4))
    z, a = net.preactivations(x), net.activations(x)
    assert list(z) == list(a) == ["dense_1", "same", "same:2", "dropout_1", "p", "dense_2"]
    (w1, b1), (w, b) = ((view.weight, view.bias) for view in net.layers[:2])
    np.testing.assert_allclose(z["dense_1"], x @ w1 + b1, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(a["dense_1"], np.maximum(z["dense_1"], 0))
    np.testing.assert_allclose(z["same"], a["dense_1"] @ w + b, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(a["same"], np.tanh(z["same"]), rtol=1e-14)
    np.testing.assert_allclose(z["same:2"], a["same"] @ w + b, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(a["dropout_1"], a["same:2"])  # nothing is dropped when one looks
    np.testing.assert_array_equal(z["p"], a["dropout_1"])
    np.testing.assert_allclose(a["p"].sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(z["dense_2"], a["dense_2"])
    np.testing.assert_array_equal(a["dense_2"], net.predict(x))


def test_looking_is_not_a_forward():
    net = fn.Sequential([fn.Dense(3, "relu")], input_shape=4, seed=0)
    y = net.forward(np.ones((2, 4)))
    net.activations(np.zeros((2, 4)))
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(np.ones_like(y))


# ---- parameters -----------------------------------------------------------------------------------------------------


def test_one_vector_holds_all_parameters_in_order():
    layers = [fn.Dense(3, name="first"), fn.Dense(5, bias=False), fn.DropConnect(2, name="last")]
    net = fn.Sequential(layers, input_shape=4, seed=0)
    shapes = {
        "first.weight": (4, 3),
        "first.bias": (3,),
        "dense_1.weight": (3, 5),
        "last.weight": (5, 2),
        "last.bias": (2,),
    }
    for vector, named in ((net.params, net.named_parameters()), (net.grads, net.named_gradients())):
        assert vector.ndim == 1
        assert vector.flags.c_contiguous
        assert vector.dtype == np.float32
        assert vector.ctypes.data % 64 == 0
        start = 0
        for (name, view), (expected, shape) in zip(named, shapes.items(), strict=True):
            assert (name, view.shape) == (expected, shape)
            assert np.shares_memory(view, vector)
            assert view.ctypes.data == vector.ctypes.data + 4 * start
            start += view.size
        assert start == vector.size == net.n_params == 12 + 3 + 15 + 10 + 2


def test_views_write_through():
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    net.layers[0].weight[...] = np.arange(6).reshape(3, 2)
    net.layers[0].bias[...] = [6, 7]
    np.testing.assert_array_equal(net.params, np.arange(8))
    np.testing.assert_array_equal(net.predict_one([1, 10, 100]), [420 + 6, 531 + 7])
    net.forward(np.ones((1, 3)))
    net.backward(np.full((1, 2), 2.0))
    np.testing.assert_array_equal(net.layers[0].gradients["weight"], np.full((3, 2), 2))
    net.layers[0].gradients["bias"][...] = 9
    np.testing.assert_array_equal(net.grads[6:], [9, 9])


def test_shared_layers_have_their_parameters_once():
    same = fn.Dense(4, name="same")
    x = fn.Input(4)
    net = fn.Network(x, fn.Dense(4, name="other")(same(same(x))), seed=0)
    assert [name for name, _ in net.named_parameters()] == ["same.weight", "same.bias", "other.weight", "other.bias"]
    assert net.n_params == 2 * (16 + 4)
