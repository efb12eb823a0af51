"""Gradient flow: norms against NumPy, the update against the step that follows, shares by hand, and the verdicts."""

import copy

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(11)
X = random.normal(size=(60, 6))
Y = random.integers(0, 3, 60)
GOALS = random.normal(size=(60, 3))


def compiled(layers, loss="cross_entropy", optimizer="adam", inputs=6, dtype="float64"):
    net = fn.Sequential(layers, input_shape=inputs, seed=3, dtype=dtype)
    net.compile(loss, optimizer)
    return net


def norm(*arrays):
    return np.sqrt(sum((array.astype(float) ** 2).sum() for array in arrays))


# ---- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, random.uniform(0.5, 2, 60)], ids=["plain", "weighted"])
def test_norms_of_two_layers(weights):
    net = compiled([fn.Dense(5, "tanh"), fn.Dense(3)], "squared_error", fn.SGD(0.25))
    first, last = net.layers
    w = np.ones(60) if weights is None else weights
    a = np.tanh(X @ first.weight + first.bias)
    y = a @ last.weight + last.bias
    loss = w @ ((y - GOALS) ** 2).mean(axis=1) / w.sum()
    dy = 2 / 3 * (y - GOALS) * w[:, None] / w.sum()
    dz = dy @ last.weight.T * (1 - a**2)
    gradient = [norm(X.T @ dz, dz.sum(axis=0)), norm(a.T @ dy, dy.sum(axis=0))]
    flow = fn.gradient_flow(net, X, GOALS, weights)
    size = [norm(first.weight, first.bias), norm(last.weight, last.bias)]
    assert flow.layers == ["dense_1", "dense_2"]
    assert flow.kinds == ["Dense tanh", "Dense"]
    assert flow.parameters.tolist() == [35, 18]
    assert flow.gradient == pytest.approx(gradient, rel=1e-12)
    assert flow.weight == pytest.approx(size, rel=1e-12)
    assert flow.update == pytest.approx(0.25 * np.array(gradient), rel=1e-12)
    assert flow.update_ratio == pytest.approx(0.25 * np.array(gradient) / size, rel=1e-12)
    assert flow.gradient_ratio == pytest.approx([gradient[0] / gradient[1], 1], rel=1e-12)
    assert flow.loss == pytest.approx(loss, rel=1e-12)


OPTIMIZERS = {
    "momentum": fn.SGD(0.1, momentum=0.9),
    "adam": fn.Adam(0.01),
    "decay": fn.AdamW(0.01, weight_decay=0.5),
    "clipped": fn.SGD(0.1, clip_norm=0.01),
    "schedule": fn.SGD(fn.StepDecay(0.1, every=3, factor=0.5)),
    "groups": fn.SGD(0.1, groups={"dense_1": fn.Group(rate=3)}),
    "max-norm": fn.SGD(0.1, max_norm=0.5),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_the_update_is_that_of_the_step_that_follows(optimizer):
    net = compiled([fn.Dense(8, "relu"), fn.Dropout(0.5), fn.Dense(3)], optimizer=optimizer)
    for _ in range(4):
        net.train_step(X, Y)
    flow = fn.gradient_flow(net, X, Y)
    before = [(view.weight.copy(), view.bias.copy()) for view in (net.layers[0], net.layers[2])]
    loss = net.train_step(X, Y)
    after = [(view.weight, view.bias) for view in (net.layers[0], net.layers[2])]
    assert flow.update == pytest.approx(
        [norm(w - old_w, b - old_b) for (w, b), (old_w, old_b) in zip(after, before, strict=True)], rel=1e-9
    )
    assert flow.loss == pytest.approx(loss, rel=1e-12)  # the same units were dropped


def test_clipping_does_not_show_in_the_gradient():
    layers = [fn.Dense(8, "tanh"), fn.Dense(3)]
    free, clipped = (compiled(layers, optimizer=fn.SGD(0.1, clip_norm=c)) for c in (0, 0.01))
    assert np.array_equal(fn.gradient_flow(clipped, X, Y).gradient, fn.gradient_flow(free, X, Y).gradient)
    assert norm(fn.gradient_flow(clipped, X, Y).update) == pytest.approx(0.001, rel=1e-9)


def test_frozen_layers_have_a_gradient_and_no_update():
    frozen = fn.SGD(0.1, groups={"dense_1": fn.Group(frozen=True)})
    layers = [fn.Dense(8, "tanh"), fn.Dense(3)]
    flow, free = (fn.gradient_flow(compiled(layers, optimizer=o), X, Y) for o in (frozen, fn.SGD(0.1)))
    assert np.array_equal(flow.gradient, free.gradient)
    assert flow.update[0] == 0
    assert flow.update[1] > 0


def test_rows_are_layers_with_parameters_or_activation_in_order():
    shared = fn.Dense(6, name="shared")
    net = compiled(
        [fn.Flatten(), shared, fn.Activation("relu"), fn.Dropout(0.1), shared, fn.Residual([fn.Dense(6)]), fn.Dense(3)]
    )
    flow = fn.gradient_flow(net, X, Y)
    assert flow.layers == ["shared", "activation_1", "dense_1", "dense_2"]
    assert flow.kinds[1] == "Activation relu"
    assert np.isnan(flow.gradient).tolist() == [False, True, False, False]
    assert np.isnan(flow.dead).tolist() == [True, False, True, True]


def test_several_inputs_and_outputs():
    a, b = fn.Input(6), fn.Input(6)
    h = fn.Dense(4, "tanh", name="h")(fn.add(a, b))
    net = fn.Network([a, b], [fn.Dense(3, "softmax", name="p")(h), fn.Dense(3, name="q")(h)], seed=0)
    net.compile(["cross_entropy", "squared_error"], "sgd")
    flow = fn.gradient_flow(net, [X, X], [Y, GOALS])
    assert flow.layers == ["h", "p", "q"]
    net.compile(["cross_entropy", "squared_error"], "sgd", loss_weights=[1, 3])
    again = fn.gradient_flow(net, [X, X], [Y, GOALS])
    assert again.gradient[1:] == pytest.approx(flow.gradient[1:] * [1, 3], rel=1e-5)


# ---- dead and saturated --------------------------------------------------------------------------------------------

SPREAD = np.linspace(-6, 6, 41)[:, None]  # z of unit 0; unit 1 sees z - 20, unit 2 z + 20, unit 3 -0


def spread(activation):
    """One layer whose z is known."""
    net = compiled([fn.Dense(4, activation), fn.Dense(3)], inputs=1)
    net.layers[0].weight[...] = [[1, 1, 1, 0]]
    net.layers[0].bias[...] = [0, -20, 20, 0]
    z = SPREAD @ net.layers[0].weight + net.layers[0].bias
    return fn.gradient_flow(net, SPREAD, np.zeros(41, int)), z


@pytest.mark.parametrize(
    ("activation", "dead"),
    [
        ("relu", 2),  # unit 1, and unit 3 that is 0 at every row
        (fn.Activation("leaky_relu", alpha=0.01), 0),
        (fn.Activation("leaky_relu", alpha=0.0), 2),
        ("elu", 1),
        (fn.Activation("elu", alpha=0.0), 2),
        ("selu", 1),
        ("softplus", 1),
        ("gelu", 1),
        ("silu", 1),
    ],
    ids=str,
)
def test_dead_units(activation, dead):
    flow, _ = spread(activation)
    assert flow.dead[0] == dead / 4
    assert np.isnan(flow.saturated[0])


def test_dropout_is_at_work():
    """A unit that needs 1.5 times its input is only ever active while what is kept is doubled."""
    net = compiled([fn.Dropout(0.5), fn.Dense(1, "relu"), fn.Dense(3)], inputs=1)
    net.layers[1].weight[...], net.layers[1].bias[...] = 1, -1.5
    flow = fn.gradient_flow(net, np.ones((60, 1)), Y)
    assert flow.dead[0] == 0
    assert flow.gradient[0] > 0


def test_saturated_values():
    flow, z = spread("tanh")
    assert flow.saturated[0] == (1 - np.tanh(z) ** 2 < 0.05).mean()
    assert 0.5 < flow.saturated[0] < 0.9
    assert np.isnan(flow.dead[0])
    flow, z = spread("sigmoid")
    a = 1 / (1 + np.exp(-z))
    assert flow.saturated[0] == (a * (1 - a) < 0.05 / 4).mean()
    flow, z = spread("softmax")
    a = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert flow.saturated[0] == (a * (1 - a) < 0.05 / 4).mean()


def test_an_activation_that_the_loss_includes_is_not_flat():
    layers = [fn.Dense(3, "softmax")]
    assert np.isnan(fn.gradient_flow(compiled(layers), X, Y).saturated[0])
    one_hot = np.eye(3)[Y]
    assert np.isfinite(fn.gradient_flow(compiled(layers, "squared_error"), X, one_hot).saturated[0])
    layers = [fn.Dense(3, "sigmoid")]
    assert np.isnan(fn.gradient_flow(compiled(layers, "binary_cross_entropy"), X, one_hot).saturated[0])


def test_a_custom_activation_is_neither():
    square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
    flow = fn.gradient_flow(compiled([fn.Dense(4, square), fn.Dense(3)]), X, Y)
    assert np.isnan(flow.dead).all()
    assert np.isnan(flow.saturated).all()


# ---- verdicts ------------------------------------------------------------------------------------------------------


def chain(*weights):
    """One unit a layer: y = w_1 w_2 ... w_L x, so that the gradient of w_l is w_L / w_l times that of w_L."""
    net = compiled([fn.Dense(1, bias=False) for _ in weights], "squared_error", "sgd", inputs=1)
    net.params[:] = weights
    return fn.gradient_flow(net, X[:, :1], GOALS[:, :1])


def test_vanishing():
    flow = chain(2000, 1000, 1, 1)
    assert flow.gradient_ratio == pytest.approx([1 / 2000, 1 / 1000, 1, 1], rel=1e-12)
    assert flow.verdict.startswith(
        "vanishing from dense_2 down: the gradient norm of dense_1 is 5.0e-04 of the last layer's; try residual links"
    )
    assert chain(1, 1000, 1).verdict.startswith("vanishing in dense_2: ")
    assert chain(1000, 1, 1000, 1, 1000, 1, 1000, 1, 1000, 1, 1).verdict.startswith(
        "vanishing in dense_1, dense_3 and 3 more: "
    )
    assert chain(90, 90, 1).verdict == "healthy"


def test_exploding():
    flow = chain(1 / 500, 1 / 200, 1, 1)
    assert flow.verdict.startswith("exploding in dense_1, dense_2: the gradient norm of dense_1 is 5.0e+02 times the")
    assert "clip_norm" in flow.verdict
    assert chain(1 / 90, 1, 1).verdict == "healthy"


def test_no_gradient_to_compare_with():
    assert chain(1, 0, 0, 1).verdict.startswith("no gradient in dense_4, the last layer with parameters")


def test_dead_and_saturated():
    net = compiled([fn.Dense(10, "relu"), fn.Dense(10, "tanh"), fn.Dense(3)])
    net.layers[0].bias[:3] = -1000
    net.layers[1].bias[:6] = 50
    lines = fn.gradient_flow(net, X, Y).verdict.splitlines()
    assert lines[0].startswith(
        "dead units in dense_1: 30% of dense_1 pass no gradient at any row; try leaky_relu or elu"
    )
    assert lines[1].startswith("saturated in dense_2: 6")
    net.layers[0].bias[2] = net.layers[1].bias[4] = net.layers[1].bias[5] = 0
    assert fn.gradient_flow(net, X, Y).verdict == "healthy"


def test_healthy():
    flow = fn.gradient_flow(compiled([fn.Dense(8, "tanh"), fn.Dense(3)]), X, Y)
    assert flow.verdict == "healthy"


def test_the_textbook_case():
    """Sigmoid layers: the slope is at most 1/4, so each layer takes most of the gradient [Hochreiter 1991]."""
    deep, shallow = (compiled([*(fn.Dense(20, "sigmoid") for _ in range(n)), fn.Dense(3)]) for n in (8, 1))
    flow = fn.gradient_flow(deep, X, Y)
    assert flow.verdict.startswith("vanishing from dense_")
    assert (flow.gradient_ratio[1:6] < 0.5 * flow.gradient_ratio[2:7]).all()
    assert fn.gradient_flow(shallow, X, Y).verdict == "healthy"


# ---- what it looks like, and what it leaves alone --------------------------------------------------------------------


def test_table():
    net = compiled([fn.Dense(5, "relu", name="a"), fn.Activation("tanh", name="b"), fn.Dense(3, name="c")])
    flow = fn.gradient_flow(net, X, Y)
    lines = str(flow).splitlines()
    assert lines[0].split() == [
        "layer", "parameters", "gradient", "/", "last", "weight", "update", "/", "weight", "dead", "saturated"
    ]  # fmt: skip
    assert lines[1].split()[:4] == ["a", "Dense", "relu", "35"]
    assert lines[2].split() == ["b", "Activation", "tanh", f"{flow.saturated[1]:.0%}"]
    assert lines[4] == f"loss {flow.loss:.4g}; healthy"
    assert flow.as_dict()["layers"] == ["a", "b", "c"]
    assert flow.as_dict()["update"] is flow.update
    assert set(flow.as_dict()) == {
        "layers", "kinds", "parameters", "gradient", "weight", "update", "update_ratio", "gradient_ratio", "dead",
        "saturated", "loss", "through_time", "verdict",
    }  # fmt: skip


def fingerprint(net):
    return (
        net.params.tobytes(), net.grads.tobytes(), net.trainer.optimizer.state.tobytes(), net.trainer.optimizer.step,
        net.trainer.step, net.epoch, net.forwards, id(net.trainer), id(net.history),
        dict(getattr(net.schedule, "state", {})),
    )  # fmt: skip


@pytest.mark.parametrize(
    "optimizer", [fn.Adam(0.01, clip_norm=0.1), fn.SGD(fn.ReduceOnPlateau(0.05, patience=1, monitor="loss"))], ids=str
)
def test_the_network_is_left_exactly_as_it_was(optimizer):
    net = compiled([fn.Dense(8, "tanh"), fn.Dropout(0.5), fn.Dense(3)], optimizer=optimizer, dtype="float32")
    net.fit(X, Y, epochs=3, verbose=0)
    y = net.forward(X, training=True)
    dx = net.backward(np.ones_like(y))
    twin, before = copy.deepcopy(net), fingerprint(net)
    fn.gradient_flow(net, X[:7] + 1, Y[:7])
    fn.histograms(net, X[:7] + 1, Y[:7])
    assert fingerprint(net) == before
    assert np.array_equal(net.backward(np.ones_like(y)), dx)  # of the forward before
    assert np.array_equal(net.forward(X, training=True), twin.forward(X, training=True))
    net.fit(X, Y, epochs=2, verbose=0)
    twin.fit(X, Y, epochs=2, verbose=0)
    assert np.array_equal(net.params, twin.params)


def test_what_is_refused():
    net = fn.Sequential([fn.Dense(3)], input_shape=6, seed=0)
    with pytest.raises(RuntimeError, match=r"gradient_flow: expected a compiled network; call net.compile"):
        fn.gradient_flow(net, X, Y)
    with pytest.raises(TypeError, match="gradient_flow: expected a Network or Sequential, got list"):
        fn.gradient_flow([], X, Y)
    bare = fn.Sequential([fn.Activation("tanh")], input_shape=6, seed=0)
    with pytest.raises(ValueError, match="gradient_flow: expected a network with parameters"):
        fn.gradient_flow(bare, X, Y)
    net.compile("cross_entropy")
    with pytest.raises(ValueError, match=r"gradient_flow: expected X of shape \(B, 6\), got \(60, 5\)"):
        fn.gradient_flow(net, X[:, :5], Y)
    with pytest.raises(ValueError, match="gradient_flow: expected sample_weight of at least 0"):
        fn.gradient_flow(net, X, Y, -np.ones(60))
    net.compile("squared_error")
    with pytest.raises(fn.DivergenceError, match="gradient_flow: expected a finite loss, got NaN or infinity"):
        fn.gradient_flow(net, X * 1e30, GOALS)


# ---- through time --------------------------------------------------------------------------------------------------


def recurrent(layer, steps=7):
    net = fn.Sequential([layer, fn.Dense(2)], (steps, 3), seed=3, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    return net


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("rows", [5, 3000], ids=["batch", "cut into pieces"])
def test_gradients_through_time_of_a_plain_recurrent_layer(backwards, rows):
    """dh_t = W_out dy after the last step, then dh_{t-1} = (dh_t (1 - h_t^2)) U^T."""
    net = recurrent(fn.SimpleRNN(4, go_backwards=backwards, name="rnn"))
    x, goals = random.normal(size=(rows, 7, 3)), random.normal(size=(rows, 2))
    p = dict(net.named_parameters())
    order = list(range(7))[:: -1 if backwards else 1]
    states = [np.zeros((rows, 4))]
    for t in order:
        states.append(np.tanh(x[:, t] @ p["rnn.weight"] + states[-1] @ p["rnn.recurrent_weight"] + p["rnn.bias"]))
    y = states[-1] @ p["dense_1.weight"] + p["dense_1.bias"]
    dh, expected = (y - goals) / rows @ p["dense_1.weight"].T, {}
    for t, h in zip(order[::-1], states[:0:-1], strict=True):
        expected[t] = norm(dh)
        dh = (dh * (1 - h**2)) @ p["rnn.recurrent_weight"].T
    flow = fn.gradient_flow(net, x, goals)
    assert list(flow.through_time) == ["rnn"]
    assert flow.through_time["rnn"] == pytest.approx([expected[t] for t in range(7)], rel=1e-10)


def test_what_vanishes_through_time_is_said():
    flows = {}
    for name, layer in (("rnn", fn.SimpleRNN(4, name="rnn")), ("lstm", fn.LSTM(4, name="lstm"))):
        net = recurrent(layer, steps=20)
        if name == "rnn":
            net.layers[0].recurrent_weight[...] *= 0.3  # of a gradient is left after a step
        flows[name] = fn.gradient_flow(net, random.normal(size=(8, 20, 3)), random.normal(size=(8, 2)))
    assert "vanishing through time in rnn: the gradient norm falls to " in flows["rnn"].verdict
    assert "try LSTM or GRU" in flows["rnn"].verdict
    assert "through time" not in flows["lstm"].verdict
    figure = fn.plot_gradient_flow(flows)
    below = figure.axes[-2:]
    assert [axes.get_yscale() for axes in below] == ["log", "log"]
    assert below[0].get_lines()[0].get_ydata() == pytest.approx(flows["rnn"].through_time["rnn"])


def test_dense_layers_over_steps_count_their_units_once():
    net = fn.Sequential([fn.Dense(4, "relu"), fn.SimpleRNN(2)], (5, 3), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    net.layers[0].bias[:2] = -100.0
    assert fn.gradient_flow(net, random.normal(size=(9, 5, 3)), random.normal(size=(9, 2))).dead[0] == 0.5
