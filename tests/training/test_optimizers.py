"""Optimisers on a real network: 1,000 updates against the textbook, and every rule that comes on top.

The textbook side takes its gradients from backpropagation written out in NumPy, never from fastnn.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

I, H, O = 3, 5, 2
TWIN = ref.TwoLayers(I, H, O)
LONG = 1e-9  # relative, after 1,000 float64 updates
SHORT = 1e-12  # relative, after a few

RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, I))
T = np.stack([np.sin(X.sum(axis=1)), X[:, 0] * X[:, 1]], axis=1) + 0.1 * RNG.normal(size=(64, O))

# The optimiser as users write it, and the twin's update with the same numbers.
OPTIMIZERS = {
    "sgd": (fn.SGD(0.05), lambda *a: ref.sgd(*a, 0.05)),
    "momentum": (fn.SGD(0.02, momentum=0.9), lambda *a: ref.momentum(*a, 0.02, 0.9)),
    "nesterov": (fn.SGD(0.02, momentum=0.9, nesterov=True), lambda *a: ref.nesterov(*a, 0.02, 0.9)),
    "adagrad": (fn.Adagrad(0.05), lambda *a: ref.adagrad(*a, 0.05, 1e-7)),
    "adagrad-start": (
        fn.Adagrad(0.05, initial_accumulator=0.1, epsilon=1e-4),
        lambda *a: ref.adagrad(*a, 0.05, 1e-4, 0.1),
    ),
    "rmsprop": (fn.RMSprop(0.002), lambda *a: ref.rmsprop(*a, 0.002, 0.9, 1e-7)),
    "adadelta": (fn.Adadelta(), lambda *a: ref.adadelta(*a, 1.0, 0.95, 1e-6)),
    "adam": (fn.Adam(0.003), lambda *a: ref.adam(*a, 0.003, 0.9, 0.999, 1e-8)),
    "adam-options": (
        fn.Adam(0.003, beta1=0.5, beta2=0.9, epsilon=1e-3),
        lambda *a: ref.adam(*a, 0.003, 0.5, 0.9, 1e-3),
    ),
    "adam-hat": (
        fn.Adam(0.003, epsilon=1e-3, epsilon_hat=True),
        lambda *a: ref.adam_hat(*a, 0.003, 0.9, 0.999, 1e-3),
    ),
    "adamw": (fn.AdamW(0.003, weight_decay=0.1), lambda *a: ref.adamw(*a, 0.003, 0.9, 0.999, 1e-8, 0.1 * TWIN.weights)),
    "amsgrad": (fn.AMSGrad(0.003), lambda *a: ref.amsgrad(*a, 0.003, 0.9, 0.999, 1e-8)),
}
over_optimizers = pytest.mark.parametrize("name", OPTIMIZERS)


def network(optimizer=None, seed=2):
    net = fn.Sequential(
        [fn.Dense(H, "tanh", name="body"), fn.Dense(O, name="head")], input_shape=I, seed=seed, dtype="float64"
    )
    net.params[:] += 0.1 * np.random.default_rng(seed).normal(size=net.n_params)
    if optimizer is not None:
        net.compile("squared_error", optimizer)
    return net


def batch(i, size=8):
    rows = np.arange(i * size, (i + 1) * size) % len(X)
    return X[rows], T[rows]


def textbook(params, update, steps, change=lambda g, w: g, after=lambda w: w):
    """Parameters after some updates; ``change`` the gradient before and ``after`` the weights."""
    w, state = params.copy(), {}
    for i in range(steps):
        x, t = batch(i)
        w = after(update(w, change(TWIN.gradient(w, x, t), w), i + 1, state))
    return w


def train(net, steps):
    for i in range(steps):
        net.train_step(*batch(i))
    return net.params


# ---- the rules ------------------------------------------------------------------------------------------------------


def test_the_twin_is_a_twin():
    """Its loss is that of the network, and its gradient the derivative of its loss."""
    net = network("sgd")
    x, t = batch(0)
    assert net.evaluate(x, t)["loss"] == pytest.approx(TWIN.loss(net.params, x, t), rel=1e-14)
    params = net.params.copy()
    numeric = ref.numerical_gradient(lambda: TWIN.loss(params, x, t), params)
    assert ref.relative(TWIN.gradient(params, x, t), numeric) <= 1e-9


@over_optimizers
def test_a_thousand_steps_are_those_of_the_textbook(name):
    optimizer, update = OPTIMIZERS[name]
    net = network(optimizer)
    start = net.params.copy()
    expected = textbook(start, update, 1000)
    assert ref.relative(train(net, 1000), expected) <= LONG
    assert np.linalg.norm(expected - start) > 0.1 * np.linalg.norm(start)  # something was learnt
    assert TWIN.loss(expected, X, T) < 0.8 * TWIN.loss(start, X, T)


@over_optimizers
def test_fit_takes_the_same_steps(name):
    """Without shuffling, epochs of fit are the mini-batches one after the other, the last one smaller."""
    optimizer, update = OPTIMIZERS[name]
    net, w, state, t = network(optimizer), None, {}, 0
    w = net.params.copy()
    net.fit(X[:60], T[:60], batch_size=8, epochs=5, shuffle=False)
    for _ in range(5):
        for start in range(0, 60, 8):
            t += 1
            w = update(w, TWIN.gradient(w, X[start : min(start + 8, 60)], T[start : min(start + 8, 60)]), t, state)
    assert t == 40
    assert ref.relative(net.params, w) <= 1e-11


@over_optimizers
def test_apply_gradients_is_the_update_of_train_step(name):
    """forward, backward and apply_gradients by hand: the bits of train_step, fused or not, up to one rounding."""
    optimizer, _ = OPTIMIZERS[name]
    net, by_hand = network(optimizer), network(optimizer)
    for i in range(20):
        x, t = batch(i)
        net.train_step(x, t)
        y = by_hand.forward(x)
        by_hand.backward(2 * (y - t) / y.size)
        by_hand.apply_gradients()
    assert ref.relative(by_hand.params, net.params) <= SHORT
    assert by_hand.trainer.optimizer.step == net.trainer.optimizer.step == 20


@over_optimizers
def test_one_small_step_lowers_the_loss(name):
    optimizer, _ = OPTIMIZERS[name]
    net = network(replace(optimizer, learning_rate=1e-4))
    x, t = batch(0)
    before = net.evaluate(x, t)["loss"]
    assert net.train_step(x, t) == pytest.approx(before, rel=1e-14)
    assert net.evaluate(x, t)["loss"] < before


def test_compiling_again_starts_afresh():
    for name in ("momentum", "adam"):
        net, other = network(OPTIMIZERS[name][0]), network(OPTIMIZERS[name][0])
        train(net, 5)
        net.params[:] = other.params
        net.compile("squared_error", OPTIMIZERS[name][0])
        np.testing.assert_array_equal(train(net, 5), train(other, 5))


# ---- plain SGD, fused into the backward pass ------------------------------------------------------------------------


def test_fused_is_unfused():
    """clip_norm=1e30 clips nothing but needs the whole gradient first."""
    fused, unfused = network(fn.SGD(0.05)), network(fn.SGD(0.05, clip_norm=1e30))
    assert ref.relative(train(fused, 500), train(unfused, 500)) <= SHORT


def test_fused_uses_the_weights_before_the_update():
    """A deep narrow chain at a large rate: dx through weights already updated would differ in the first digit."""

    def chain(optimizer):
        net = fn.Sequential([fn.Dense(2, "tanh") for _ in range(5)], input_shape=2, seed=0, dtype="float64")
        net.compile("squared_error", optimizer)
        return net

    fused, unfused = chain(fn.SGD(2.0)), chain(fn.SGD(2.0, clip_value=1e30))
    for net in (fused, unfused):
        net.train_step(X[:4, :2], T[:4])
    assert ref.relative(fused.params, unfused.params) <= 1e-14


def test_fused_with_groups():
    groups = {"body": fn.Group(rate=0.3)}
    fused, unfused = network(fn.SGD(0.05, groups=groups)), network(fn.SGD(0.05, clip_norm=1e30, groups=groups))
    assert ref.relative(train(fused, 100), train(unfused, 100)) <= SHORT


def test_shared_layers_learn_from_both_uses():
    """first(x), then same(same(h)): neither use may update the weights before the other has sent its gradient on."""
    x, same = fn.Input(2), fn.Dense(2, "tanh", name="same")
    net = fn.Network(x, same(same(fn.Dense(2, "tanh")(x))), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(1.0))
    (w1, b1), (w, b) = ((view.weight, view.bias) for view in net.layers)
    rows, t = X[:4, :2], T[:4]

    def loss():
        h = np.tanh(rows @ w1 + b1)
        return float(ref.squared_error(np.tanh(np.tanh(h @ w + b) @ w + b), t).mean())

    expected, before = ref.numerical_gradient(loss, net.params), net.params.copy()
    net.train_step(rows, t)
    assert ref.relative(net.params - before, -expected) <= 1e-7


# ---- rules on top ---------------------------------------------------------------------------------------------------

WEIGHTS = TWIN.weights.astype(bool)  # True for weights, False for biases
SOME = ("sgd", "momentum", "adam")


def with_options(name, **options):
    return replace(OPTIMIZERS[name][0], **options)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(("l1", "l2"), [(0.01, 0), (0, 0.1), (0.02, 0.05)])
def test_penalties_are_added_to_the_gradient_of_weights_only(name, l1, l2):
    net = network(with_options(name, l1=l1, l2=l2))
    expected = textbook(net.params, OPTIMIZERS[name][1], 300, lambda g, w: g + WEIGHTS * (l1 * np.sign(w) + l2 * w))
    loss = net.train_step(*batch(0))
    assert loss == pytest.approx(TWIN.loss(network().params, *batch(0)), rel=1e-14)  # the penalty is not reported
    for i in range(1, 300):
        net.train_step(*batch(i))
    assert ref.relative(net.params, expected) <= LONG
    assert ref.relative(expected, textbook(network().params, OPTIMIZERS[name][1], 300)) > 1e-3


@pytest.mark.parametrize("name", SOME)
def test_weight_decay_is_decoupled_and_of_weights_only(name):
    optimizer, update = OPTIMIZERS[name]
    net = network(with_options(name, weight_decay=0.2))
    shrink = 1 - optimizer.learning_rate * 0.2 * WEIGHTS

    expected = textbook(net.params, lambda w, g, t, state: update(w * shrink, g, t, state), 300)
    assert ref.relative(train(net, 300), expected) <= LONG


@over_optimizers
@pytest.mark.parametrize("weighted", [False, True])
def test_penalties_over_rows_are_divided_by_the_weight_of_each_mini_batch(name, weighted):
    """A mini-batch of 8 rows and then one of 4; the rows weigh 1, or what they are given."""
    l1, l2 = 0.02, 0.5
    optimizer, update = with_options(name, l1=l1, l2=l2, penalty_over_rows=True), OPTIMIZERS[name][1]
    net, state, t, penalty = network(optimizer), {}, 0, 0.0
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 60) if weighted else None
    w = net.params.copy()
    net.fit(X[:60], T[:60], batch_size=8, epochs=3, shuffle=False, sample_weight=weights)
    for _ in range(3):
        for start in range(0, 60, 8):
            rows, t = slice(start, min(start + 8, 60)), t + 1
            each = np.ones(rows.stop - start) if weights is None else weights[rows]
            gradient = TWIN.gradient(w, X[rows], T[rows], each)
            penalty += l2 / 2 * np.sum((WEIGHTS * w) ** 2) / each.sum() * len(each)
            w = update(w, gradient + WEIGHTS * (l1 * np.sign(w) + l2 * w) / each.sum(), t, state)
    assert ref.relative(net.params, w) <= 1e-11
    assert net.trainer.penalty_sum == pytest.approx(penalty, rel=1e-12)


def test_penalties_over_rows_by_hand_are_whole():
    """apply_gradients knows no rows, whatever mini-batch came before it."""
    nets = [network(fn.SGD(0.1, l2=0.3, penalty_over_rows=over)) for over in (True, False)]
    for net in nets:
        net.train_step(*batch(0))
        net.params[:], net.grads[:] = 1.0, 0.0
        net.apply_gradients()
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    np.testing.assert_allclose(nets[0].params, 1 - 0.1 * 0.3 * WEIGHTS)


def test_flags_of_optimisers_are_flags():
    for options in ({"penalty_over_rows": 1}, {"epsilon_hat": "yes"}):
        with pytest.raises(TypeError, match=f"Adam: expected {next(iter(options))} to be True or False"):
            fn.Adam(**options)


def test_l2_of_sgd_is_weight_decay_and_of_adam_is_not():
    a, b = network(fn.SGD(0.05, l2=0.2)), network(fn.SGD(0.05, weight_decay=0.2))
    assert ref.relative(train(a, 100), train(b, 100)) <= SHORT
    a, b = network(fn.Adam(0.003, l2=0.2)), network(fn.AdamW(0.003, weight_decay=0.2))
    assert ref.relative(train(a, 100), train(b, 100)) > 1e-3


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("limit", [0.05, 1.0])
def test_clip_norm(name, limit):
    net = network(with_options(name, clip_norm=limit))
    norms = []

    def clip(g, w):
        norms.append(np.linalg.norm(g))
        return g * min(1, limit / norms[-1])

    expected = textbook(net.params, OPTIMIZERS[name][1], 300, clip)
    assert ref.relative(train(net, 300), expected) <= LONG
    assert min(norms) < 1 < max(norms)  # a limit of 1 clips some and not others


@pytest.mark.parametrize("name", SOME)
def test_clip_value(name):
    net = network(with_options(name, clip_value=0.02))
    expected = textbook(net.params, OPTIMIZERS[name][1], 300, lambda g, w: np.clip(g, -0.02, 0.02))
    assert ref.relative(train(net, 300), expected) <= LONG


def limit_norms(w, limit):
    """Scale the incoming weights of each neuron, a column, down to ``limit``; biases are left alone."""
    parts = [part.copy() for part in TWIN.split(w)]
    for part in parts:
        if part.ndim == 2:
            part *= np.minimum(1, limit / np.linalg.norm(part, axis=0))
    return np.concatenate([part.ravel() for part in parts])


@pytest.mark.parametrize("name", SOME)
def test_max_norm_is_per_neuron(name):
    net = network(with_options(name, max_norm=0.7))
    expected = textbook(net.params, OPTIMIZERS[name][1], 300, after=lambda w: limit_norms(w, 0.7))
    assert ref.relative(train(net, 300), expected) <= LONG
    norms = np.concatenate([np.linalg.norm(view.weight, axis=0) for view in net.layers])
    assert norms.max() <= 0.7 * (1 + 1e-14)
    assert ref.relative(expected, textbook(network().params, OPTIMIZERS[name][1], 300)) > 0.1


def test_all_together_in_the_order_that_is_documented():
    """Clip by value, clip by norm, penalties, decay, update, limit."""
    net = network(
        fn.SGD(0.05, momentum=0.9, clip_value=0.1, clip_norm=0.2, l1=0.01, l2=0.1, weight_decay=0.3, max_norm=0.8)
    )

    def change(g, w):
        g = np.clip(g, -0.1, 0.1)
        g = g * min(1, 0.2 / np.linalg.norm(g))
        return g + WEIGHTS * (0.01 * np.sign(w) + 0.1 * w)

    def update(w, g, t, state):
        return ref.momentum(w * (1 - 0.05 * 0.3 * WEIGHTS), g, t, state, 0.05, 0.9)

    expected = textbook(net.params, update, 200, change, lambda w: limit_norms(w, 0.8))
    assert ref.relative(train(net, 200), expected) <= LONG


# ---- groups ---------------------------------------------------------------------------------------------------------

BODY = slice(0, I * H + H)
HEAD = slice(I * H + H, None)


@over_optimizers
@pytest.mark.parametrize(("layer", "frozen", "other"), [("body", BODY, HEAD), ("head", HEAD, BODY)])
def test_a_frozen_layer_keeps_its_bytes(name, layer, frozen, other):
    update = OPTIMIZERS[name][1]
    for group in (fn.Group(frozen=True), fn.Group(rate=0)):
        net = network(with_options(name, groups={layer: group}))
        before = net.params.copy()

        def step(w, g, t, state, before=before):
            w = update(w, g, t, state)
            w[frozen] = before[frozen]
            return w

        expected = textbook(before, step, 50)
        train(net, 50)
        assert net.params[frozen].tobytes() == before[frozen].tobytes()
        assert ref.relative(net.params[other], expected[other]) <= LONG


@pytest.mark.parametrize("name", SOME)
def test_the_norm_to_clip_is_that_of_what_learns(name):
    net = network(with_options(name, clip_norm=0.05, groups={"body": fn.Group(frozen=True)}))
    before = net.params.copy()

    def change(g, w):
        g = g.copy()
        g[BODY] = 0
        return g * min(1, 0.05 / np.linalg.norm(g))

    expected = textbook(before, OPTIMIZERS[name][1], 50, change)
    assert ref.relative(train(net, 50), expected) <= LONG


@pytest.mark.parametrize("name", SOME)
def test_a_group_has_its_own_rate(name):
    """A factor on the learning rate of one layer only."""
    rates = np.where(np.arange(TWIN.weights.size) < BODY.stop, 0.1, 3.0)
    net = network(with_options(name, groups={"body": fn.Group(rate=0.1), "head": fn.Group(rate=3.0)}))
    h = OPTIMIZERS[name][0].learning_rate * rates
    update = {
        "sgd": lambda *a: ref.sgd(*a, h),
        "momentum": lambda *a: ref.momentum(*a, h, 0.9),
        "adam": lambda *a: ref.adam(*a, h, 0.9, 0.999, 1e-8),
    }[name]
    expected = textbook(net.params, update, 100)
    assert ref.relative(train(net, 100), expected) <= LONG


@pytest.mark.parametrize("name", SOME)
def test_a_group_has_its_own_rules(name):
    groups = {"body": fn.Group(l2=0.5, l1=0.0), "head": fn.Group(weight_decay=0.0)}
    net = network(with_options(name, l1=0.01, weight_decay=0.1, groups=groups))
    body = np.arange(TWIN.weights.size) < BODY.stop
    l1, l2, decay = (
        np.where(body, 0, 0.01) * WEIGHTS,
        np.where(body, 0.5, 0) * WEIGHTS,
        np.where(body, 0.1, 0) * WEIGHTS,
    )
    h = OPTIMIZERS[name][0].learning_rate
    expected = textbook(
        net.params,
        lambda w, g, t, s: OPTIMIZERS[name][1](w * (1 - h * decay), g, t, s),
        100,
        lambda g, w: g + l1 * np.sign(w) + l2 * w,
    )
    assert ref.relative(train(net, 100), expected) <= LONG
    # max_norm of one layer only
    net = network(with_options(name, groups={"body": fn.Group(max_norm=0.3)}))
    train(net, 10)
    assert np.linalg.norm(net.layers[0].weight, axis=0).max() <= 0.3 * (1 + 1e-14)
    assert np.linalg.norm(net.layers[1].weight, axis=0).max() > 0.3


def test_a_group_of_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="did you mean 'body'"):
        network(fn.SGD(0.1, groups={"bod": fn.Group(frozen=True)}))


# ---- rates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_a_schedule_gives_the_rate_of_each_update(name):
    """h_t = h / (1 + t / 10) for update t = 0, 1, ..., in train_step, apply_gradients and fit alike."""
    h = OPTIMIZERS[name][0].learning_rate
    optimizer = with_options(name, learning_rate=fn.InverseTimeDecay(h, rate=0.1))
    twin = {
        "sgd": lambda w, g, t, s: ref.sgd(w, g, t, s, h / (1 + (t - 1) / 10)),
        "momentum": lambda w, g, t, s: ref.momentum(w, g, t, s, h / (1 + (t - 1) / 10), 0.9),
        "adam": lambda w, g, t, s: ref.adam(w, g, t, s, h / (1 + (t - 1) / 10), 0.9, 0.999, 1e-8),
    }[name]
    nets = [network(optimizer) for _ in range(3)]
    expected = textbook(nets[0].params, twin, 48)
    train(nets[0], 48)
    for i in range(48):
        x, t = batch(i)
        y = nets[1].forward(x)
        nets[1].backward(2 * (y - t) / y.size)
        nets[1].apply_gradients()
    nets[2].fit(X, T, batch_size=8, epochs=6, shuffle=False)
    for net in nets:
        assert ref.relative(net.params, expected) <= LONG
        assert net.learning_rate == pytest.approx(h / 5.8, rel=1e-14)


def test_any_function_of_the_update_is_a_schedule():
    asked = []

    def rate(step):
        asked.append(step)
        return 0.1 if step % 2 == 0 else 0.0

    net = network(fn.SGD(rate))
    before = net.params.copy()
    net.train_step(*batch(0))
    after = net.params.copy()
    assert ref.relative(after - before, -0.1 * TWIN.gradient(before, *batch(0))) <= SHORT
    net.train_step(*batch(1))
    np.testing.assert_array_equal(net.params, after)
    assert asked[:2] == [0, 1]


# ---- mini-batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 7, 64])
def test_the_gradient_of_a_mini_batch_is_the_mean_of_those_of_its_rows(n):
    net = network("sgd")
    rows = []
    for i in range(n):
        net.trainer.step_on([X[i : i + 1]], [T[i : i + 1]], None, 1, 0.0, update=False)
        rows.append(net.grads.copy())
    net.trainer.step_on([X[:n]], [T[:n]], None, n, 0.0, update=False)
    assert ref.relative(net.grads, np.mean(rows, axis=0)) <= SHORT
    assert ref.relative(net.grads, TWIN.gradient(net.params, X[:n], T[:n])) <= SHORT


@over_optimizers
def test_float32_follows_float64(name):
    """100 updates: differences of rounding grow with the updates, not beyond."""
    optimizer, _ = OPTIMIZERS[name]
    net = network(optimizer)
    narrow = net.astype("float32")
    net.params[:] = narrow.params
    narrow.compile("squared_error", optimizer)
    assert ref.relative(train(narrow, 100), train(net, 100)) <= 100 * 17 * np.finfo(np.float32).eps


@over_optimizers
def test_copies_go_on_with_the_same_state(name, tmp_path):
    net = network(OPTIMIZERS[name][0])
    train(net, 7)
    net.save(tmp_path / "net.safetensors", optimizer=True)
    others = [copy.deepcopy(net), fn.load(tmp_path / "net.safetensors")]
    expected = train(net, 7).copy()
    for other in others:
        assert train(other, 7).tobytes() == expected.tobytes()
