"""Losses through the network: evaluate, train_step and fit against the plain formulas."""

import copy
import math
import sys

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

B, I, O = 9, 4, 3
VALUE = 1e-13  # relative, float64: a mean over 27 terms of a few roundings each
NARROW = 4e-6  # the same in float32, where outputs of two layers carry some 10 eps
GRADIENT = 1e-7  # against difference quotients


def labels(rng, n):
    return np.concatenate([np.arange(O), rng.integers(0, O, n - O)])


# name: (loss, targets (rng, n, O) -> t, rows (y, t) -> L)
REAL = {
    "squared_error": ("squared_error", "normal", ref.squared_error),
    "distance": ("distance", "normal", ref.distance),
    "absolute_error": ("absolute_error", "normal", ref.absolute_error),
    "huber": ("huber", "normal", ref.huber),
    "huber 0.3": (fn.Huber(0.3), "normal", lambda y, t: ref.huber(y, t, 0.3)),
    "quantile": ("quantile", "normal", ref.quantile),
    "quantile 0.9": (fn.Quantile(0.9), "normal", lambda y, t: ref.quantile(y, t, 0.9)),
    "log_cosh": ("log_cosh", "normal", ref.log_cosh),
    "poisson": ("poisson", "counts", ref.poisson),
    "cross_entropy": ("cross_entropy", "one_hot", ref.cross_entropy),
    "cross_entropy soft": ("cross_entropy", "probabilities", ref.cross_entropy),
    "cross_entropy smooth": (fn.CrossEntropy(0.2), "one_hot", lambda y, t: ref.cross_entropy(y, t, 0.2)),
    "binary_cross_entropy": ("binary_cross_entropy", "bits", ref.binary_cross_entropy),
    "binary soft": ("binary_cross_entropy", "unit", ref.binary_cross_entropy),
    "binary smooth": (fn.BinaryCrossEntropy(0.2), "bits", lambda y, t: ref.binary_cross_entropy(y, t, 0.2)),
    "hinge": ("hinge", "signs", ref.hinge),
}
LABELS = {
    "cross_entropy": ("cross_entropy", "labels", lambda y, t: ref.cross_entropy(y, ref.one_hot(t, O))),
    "cross_entropy smooth": (fn.CrossEntropy(0.2), "labels", lambda y, t: ref.cross_entropy(y, ref.one_hot(t, O), 0.2)),
    "hinge": ("hinge", "labels", ref.crammer_singer),
}
TARGETS = {
    "normal": lambda rng, n: rng.normal(size=(n, O)),
    "counts": lambda rng, n: rng.poisson(2, (n, O)).astype(float),
    "one_hot": lambda rng, n: ref.one_hot(labels(rng, n), O),
    "probabilities": lambda rng, n: rng.dirichlet(np.ones(O), n),
    "bits": lambda rng, n: rng.integers(0, 2, (n, O)).astype(float),
    "unit": lambda rng, n: rng.uniform(size=(n, O)),
    "signs": lambda rng, n: rng.choice([-1.0, 1.0], (n, O)),
    "labels": labels,
}
ALL = {**REAL, **{f"{name} of labels": case for name, case in LABELS.items()}}
over_losses = pytest.mark.parametrize("name", ALL)


def network(dtype="float64", last=None, outputs=O, seed=1):
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(outputs, last)], input_shape=I, seed=seed, dtype=dtype)
    net.params[:] += (0.3 * np.random.default_rng(seed).normal(size=net.n_params)).astype(np.float32)
    return net


def outputs_of(net, x):
    """The twin of ``network``, without the last activation."""
    (w1, b1), (w2, b2) = ((view.weight.astype(float), view.bias.astype(float)) for view in net.layers)
    return np.tanh(x @ w1 + b1) @ w2 + b2


def ready(name, n=B, dtype="float64"):
    loss, kind, rows = ALL[name]
    rng = np.random.default_rng(7)
    net = network(dtype)
    net.compile(loss, fn.SGD(0.05))
    x, t = rng.normal(size=(n, I)).astype(dtype), TARGETS[kind](rng, n)
    return net, x, t if kind == "labels" else t.astype(dtype), rows


def wide(t):
    return t if t.dtype.kind == "i" else t.astype(np.float64)


# ---- values and gradients -------------------------------------------------------------------------------------------


@over_losses
@pytest.mark.parametrize("n", [3, 9, 600])
@pytest.mark.parametrize(("dtype", "bound"), [("float64", VALUE), ("float32", NARROW)])
def test_value(name, n, dtype, bound):
    net, x, t, rows = ready(name, n, dtype)
    expected = ref.weighted_mean(rows(outputs_of(net, x.astype(float)), wide(t)))
    assert net.evaluate(x, t)["loss"] == pytest.approx(expected, rel=bound, abs=bound)
    assert copy.deepcopy(net).train_step(x, t) == pytest.approx(expected, rel=bound, abs=bound)
    history = net.fit(x, t, batch_size=n, shuffle=False)
    assert history["loss"][0] == pytest.approx(expected, rel=bound, abs=bound)


@over_losses
@pytest.mark.parametrize("n", [3, 9])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(name, n, weighted):
    """grads is the derivative of the plain formula along the plain network."""
    net, x, t, rows = ready(name, n)
    weights = np.random.default_rng(3).uniform(0.5, 2, n) if weighted else None
    before = net.params.copy()

    def loss():
        return float(ref.weighted_mean(rows(outputs_of(net, x), t), weights))

    expected = ref.numerical_gradient(loss, net.params)
    targets = net.ports.targets("test", t, n)
    value = net.trainer.step_on([x], targets, weights, n, 0.0, update=False)
    assert value == pytest.approx(loss(), rel=VALUE)
    assert np.array_equal(net.params, before)
    assert ref.relative(net.grads, expected) <= GRADIENT
    # The fused update of plain SGD takes the same gradient.
    net.train_step(x, t, sample_weight=weights)
    assert ref.relative(net.params - before, -0.05 * expected) <= GRADIENT


@over_losses
def test_one_row_goes_the_straight_way_or_the_checked_one(name):
    """train_step of one row, given as array, label, list or batch of one, is one and the same."""
    net, x, t, _ = ready(name)
    nets = [copy.deepcopy(net) for _ in range(3)]
    results = [
        nets[0].train_step(x[0], int(t[0]) if t.ndim == 1 else t[0]),
        nets[1].train_step(x[:1], t[:1]),
        nets[2].train_step(list(x[0]), t[0].tolist()),
    ]
    assert results[0] == results[1] == results[2]
    for other in nets[1:]:
        assert other.params.tobytes() == nets[0].params.tobytes()
    assert not np.array_equal(nets[0].params, net.params)


# ---- weights --------------------------------------------------------------------------------------------------------


@over_losses
def test_the_mean_is_weighted(name):
    net, x, t, rows = ready(name)
    weights = np.random.default_rng(0).uniform(0, 3, B)
    expected = ref.weighted_mean(rows(outputs_of(net, x), t), weights)
    assert net.evaluate(x, t, sample_weight=weights)["loss"] == pytest.approx(expected, rel=VALUE)
    assert copy.deepcopy(net).train_step(x, t, sample_weight=weights) == pytest.approx(expected, rel=VALUE)
    scaled = net.evaluate(x, t, sample_weight=1000 * weights)["loss"]
    assert scaled == pytest.approx(expected, rel=VALUE)


@over_losses
def test_weight_2_is_a_row_twice_and_weight_0_none(name):
    net, x, t, _ = ready(name)
    weights = np.array([2.0, 0, 1, 1, 0, 2, 1, 1, 2])
    rows = np.repeat(np.arange(B), weights.astype(int))
    a, b = copy.deepcopy(net), copy.deepcopy(net)
    first = a.train_step(x, t, sample_weight=weights)
    assert b.train_step(x[rows], t[rows]) == pytest.approx(first, rel=VALUE)
    assert ref.relative(a.params - net.params, b.params - net.params) <= 1e-12
    assert a.evaluate(x, t, sample_weight=weights)["loss"] == pytest.approx(
        b.evaluate(x[rows], t[rows])["loss"], rel=1e-12
    )


def test_all_weights_0_change_nothing():
    net, x, t, _ = ready("squared_error")
    before = net.params.copy()
    assert net.train_step(x, t, sample_weight=np.zeros(B)) == 0
    np.testing.assert_array_equal(net.params, before)


def fitted(net, x, t, **options):
    other = copy.deepcopy(net)
    history = other.fit(x, t, batch_size=4, epochs=2, **options)
    return other.params, history["loss"]


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy of labels", "hinge of labels"])
def test_class_weight_is_sample_weight_by_class(name):
    net, x, t, _ = ready(name, 30)
    classes = t if t.ndim == 1 else t.argmax(axis=1)
    given = {0: 0.5, 2: 3.0}
    by_row = np.array([given.get(c, 1.0) for c in classes])
    counts = np.bincount(classes, minlength=O)
    balanced = len(t) / (O * counts[classes])
    own = np.random.default_rng(0).uniform(1, 2, 30)
    for options, expected in (
        ({"class_weight": given}, by_row),
        ({"class_weight": "balanced"}, balanced),
        ({"class_weight": given, "sample_weight": own}, by_row * own),
    ):
        a, b = fitted(net, x, t, **options), fitted(net, x, t, sample_weight=expected)
        np.testing.assert_array_equal(a[0], b[0])
        assert a[1] == b[1]
    assert not np.array_equal(fitted(net, x, t)[0], fitted(net, x, t, class_weight=given)[0])


def test_class_weight_of_yes_and_no():
    rng = np.random.default_rng(0)
    net = network(outputs=1)
    net.compile("binary_cross_entropy", fn.SGD(0.1))
    x, t = rng.normal(size=(20, I)), (rng.uniform(size=20) < 0.2).astype(float)
    a = fitted(net, x, t, class_weight={1: 4.0})
    b = fitted(net, x, t, sample_weight=np.where(t == 1, 4.0, 1.0))
    np.testing.assert_array_equal(a[0], b[0])


# ---- classes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("last", [None, "softmax"])
def test_labels_are_one_hot_rows(last, smoothing):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(B, I)), labels(rng, B)
    nets = [network(last=last) for _ in range(4)]
    for net, targets in zip(nets, (t, t[:, None], t.astype(np.uint8), ref.one_hot(t, O)), strict=True):
        net.compile(fn.CrossEntropy(smoothing), fn.SGD(0.1))
        for _ in range(5):
            net.train_step(x, targets)
    for net in nets[1:]:
        assert ref.relative(net.params, nets[0].params) <= 1e-14
    assert nets[0].evaluate(x, t)["loss"] == pytest.approx(nets[3].evaluate(x, ref.one_hot(t, O))["loss"], rel=VALUE)


@pytest.mark.parametrize(("loss", "last"), [("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid")])
def test_a_last_activation_is_part_of_the_loss(loss, last):
    """Softmax (sigmoid) at the end and logits at the end learn the same; predict differs by the activation."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(B, I)), labels(rng, B)
    t = t if last == "softmax" else ref.one_hot(t, O)
    separate = fn.Sequential(
        [fn.Dense(5, "tanh"), fn.Dense(O), fn.Activation(last)], input_shape=I, seed=1, dtype="float64"
    )
    logits, fused = network(), network(last=last)
    separate.params[:] = fused.params
    losses = []
    for net in (logits, fused, separate):
        net.compile(loss, fn.Adam(0.01))
        losses.append([net.train_step(x, t) for _ in range(20)] + [net.evaluate(x, t)["loss"]])
    assert losses[0] == losses[1] == losses[2]
    assert logits.params.tobytes() == fused.params.tobytes() == separate.params.tobytes()
    expected = ref.ACTIVATIONS[last](outputs_of(logits, x))
    assert ref.relative(fused.predict(x), expected) <= 1e-14
    assert ref.relative(logits.predict(x), outputs_of(logits, x)) <= 1e-14


def test_an_activation_that_is_read_elsewhere_too_is_refused():
    """Its values would be taken for logits."""
    x = fn.Input(I)
    p = fn.Dense(O, "softmax")(x)
    for outputs in ([p, fn.Dense(2)(p)], [p, p]):
        net = fn.Network(x, outputs, seed=0)
        with pytest.raises(ValueError, match="logits"):
            net.compile(["cross_entropy", "squared_error"])
        net.compile(["squared_error", "squared_error"])
    # The logits may well be read elsewhere.
    z = fn.Dense(O)(x)
    net = fn.Network(x, [fn.Activation("softmax")(z), fn.Dense(2)(z)], seed=0, dtype="float64")
    net.compile(["cross_entropy", "squared_error"], loss_weights=[1, 0])
    rng = np.random.default_rng(0)
    rows, t = rng.normal(size=(B, I)), labels(rng, B)
    view = net.layers[0]
    expected = ref.cross_entropy(rows @ view.weight + view.bias, ref.one_hot(t, O)).mean()
    assert net.evaluate(rows, [t, np.zeros((B, 2))])["loss"] == pytest.approx(expected, rel=VALUE)


def test_fused_losses_are_finite_where_the_separate_ones_are_not():
    """Logits of +-1000: rows cost 2000 and 0 under softmax, elements 1000, 0, 0, 0 under sigmoid."""
    x = [[-1000.0, 1000.0], [1000.0, -1000.0]]
    for loss, last, t, expected in (
        ("cross_entropy", "softmax", [0, 0], 1000.0),
        ("binary_cross_entropy", "sigmoid", [[1.0, 1.0], [1.0, 0.0]], 250.0),
    ):
        net = fn.Sequential([fn.Dense(2, last)], input_shape=2, seed=0)
        net.layers[0].weight[...] = np.eye(2)
        net.compile(loss, fn.SGD(0.0))
        assert net.evaluate(x, t)["loss"] == pytest.approx(expected, rel=1e-6)
        assert net.train_step(x, t) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_an_untrained_softmax_is_at_chance(classes):
    """Zero weights: every class has probability 1/K, the loss is ln K, of whatever targets."""
    rng = np.random.default_rng(0)
    net = fn.Sequential(
        [fn.Dense(classes, "softmax", kernel_initializer="zeros")], input_shape=I, seed=0, dtype="float64"
    )
    x, t = rng.normal(size=(50, I)), rng.integers(0, classes, 50)
    for loss in ("cross_entropy", fn.CrossEntropy(0.3)):
        net.compile(loss)
        assert net.evaluate(x, t)["loss"] == pytest.approx(math.log(classes), rel=1e-14)
    net = fn.Sequential([fn.Dense(4, "sigmoid", kernel_initializer="zeros")], input_shape=I, seed=0, dtype="float64")
    net.compile("binary_cross_entropy")
    assert net.evaluate(x, rng.integers(0, 2, (50, 4)))["loss"] == pytest.approx(math.log(2), rel=1e-14)


def test_the_error_of_softmax_and_cross_entropy_is_a_minus_y():
    """dC/dz = a - y: exact, with no slope of the activation to slow learning down [Nielsen 2015, chapter 3]."""
    net, x, t, _ = ready("cross_entropy of labels")
    a = ref.softmax(outputs_of(net, x))
    net.trainer.step_on([x], [t], None, B, 0.0, update=False)
    assert ref.relative(net.layers[1].gradients["bias"], (a - ref.one_hot(t, O)).mean(axis=0)) <= 1e-13


# ---- zero where equal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["squared_error", "distance", "absolute_error", "huber", "quantile", "log_cosh"])
def test_zero_if_and_only_if_equal(name):
    net, x, _, _ = ready(name)
    y = net.predict(x)
    assert net.evaluate(x, y)["loss"] == 0
    before = net.params.copy()
    assert net.train_step(x, net.predict(x)) == 0
    np.testing.assert_array_equal(net.params, before)  # and so is the gradient
    for sign in (-1, 1):
        other = y.copy()
        other[4, 1] += sign * 1e-3
        assert net.evaluate(x, other)["loss"] > 0


def test_cross_entropy_is_least_where_the_distributions_agree():
    net, x, _, _ = ready("cross_entropy")
    p = ref.softmax(outputs_of(net, x))
    entropy = -np.sum(p * np.log(p), axis=1).mean()
    assert net.evaluate(x, p)["loss"] == pytest.approx(entropy, rel=VALUE)
    net.trainer.step_on([x], [p], None, B, 0.0, update=False)
    assert np.abs(net.grads).max() <= 1e-15


def test_quantile_is_least_at_the_quantile():
    """A constant trained under q = 0.9 ends where 90 % of the targets lie below."""
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], input_shape=1, seed=0, dtype="float64")
    t = np.linspace(0, 1, 101)
    net.fit(np.zeros((101, 1)), t, batch_size=101, epochs=2000, loss=fn.Quantile(0.9), optimizer=fn.SGD(0.01))
    assert net.predict([[0.0]])[0, 0] == pytest.approx(0.9, abs=0.011)  # a gap between targets, and a step


# ---- functions of one's own -----------------------------------------------------------------------------------------


def quartic(y_true, y_pred):
    e = y_pred - y_true
    return (e**4).sum(axis=1), 4 * e**3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_function_as_loss(dtype):
    rng = np.random.default_rng(0)
    net = network(dtype)
    net.compile(quartic, fn.SGD(0.001))
    x, t, weights = (
        rng.normal(size=(B, I)).astype(dtype),
        rng.normal(size=(B, O)).astype(dtype),
        rng.uniform(1, 2, B).astype(dtype),
    )
    bound = VALUE if dtype == "float64" else NARROW

    def rows():
        return ((outputs_of(net, x.astype(float)) - t) ** 4).sum(axis=1)

    assert net.evaluate(x, t, sample_weight=weights)["loss"] == pytest.approx(
        ref.weighted_mean(rows(), weights), rel=bound
    )
    before = [net.evaluate(x, t)["loss"]]
    expected = ref.weighted_mean(rows())
    assert net.train_step(x, t) == pytest.approx(expected, rel=bound)
    net.fit(x, t, epochs=20, batch_size=4, sample_weight=weights)
    assert net.evaluate(x, t)["loss"] < before[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_a_function_as_loss(weighted):
    rng = np.random.default_rng(0)
    net = network()
    net.compile(quartic, fn.SGD(0.001))
    x, t = rng.normal(size=(B, I)), rng.normal(size=(B, O))
    weights = rng.uniform(1, 2, B) if weighted else None

    def loss():
        return float(ref.weighted_mean(((outputs_of(net, x) - t) ** 4).sum(axis=1), weights))

    expected = ref.numerical_gradient(loss, net.params)
    net.trainer.step_on([x], [t], weights, B, 0.0, update=False)
    assert ref.relative(net.grads, expected) <= GRADIENT
    assert fn.gradcheck(net, x, t) <= 1e-7


def test_a_function_as_loss_equals_the_one_built_in():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(B, I)), rng.normal(size=(B, O))
    own, built_in = network(), network()
    own.compile(lambda t, y: (((y - t) ** 2).mean(axis=1), 2 * (y - t) / O), fn.Adam(0.01))
    built_in.compile("squared_error", fn.Adam(0.01))
    for _ in range(20):
        assert own.train_step(x, t) == pytest.approx(built_in.train_step(x, t), rel=1e-12)
    assert ref.relative(own.params, built_in.params) <= 1e-12


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda t, y: (y - t) ** 2, TypeError),
        (lambda t, y: (((y - t) ** 2), 2 * (y - t)), ValueError),
        (lambda t, y: (((y - t) ** 2).sum(axis=1), (y - t).sum(axis=1)), ValueError),
        (lambda t, y: sys.modules["nothing"], KeyError),
        (lambda t, y: y.fill(0), ValueError),  # what it is given is read-only
    ],
)
def test_a_function_that_errs_says_so_and_nothing_changes(function, error):
    net = network()
    net.compile(function, fn.SGD(0.1))
    before = net.params.copy()
    for call in (net.train_step, net.evaluate, net.fit):
        with pytest.raises(error):
            call(np.ones((B, I)), np.ones((B, O)))
        np.testing.assert_array_equal(net.params, before)
    net.compile("squared_error", fn.SGD(0.1))
    net.train_step(np.ones((B, I)), np.ones((B, O)))  # and the network still works


# ---- several outputs ------------------------------------------------------------------------------------------------


def two_headed(loss_weights=None):
    x = fn.Input(I)
    h = fn.Dense(5, "tanh", name="body")(x)
    net = fn.Network(
        x, [fn.Dense(O, "softmax", name="classes")(h), fn.Dense(2, name="numbers")(h)], seed=0, dtype="float64"
    )
    net.params[:] += 0.3 * np.random.default_rng(0).normal(size=net.n_params)
    net.compile(["cross_entropy", "squared_error"], fn.SGD(0.1), loss_weights=loss_weights)
    return net


@pytest.mark.parametrize("shares", [None, [0.3, 2.0], [0.0, 1.0], [1.0, 0.0]])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_several_outputs_is_a_weighted_sum(shares, weighted):
    rng = np.random.default_rng(0)
    net = two_headed(shares)
    x, t = rng.normal(size=(B, I)), [labels(rng, B), rng.normal(size=(B, 2))]
    weights = rng.uniform(1, 2, B) if weighted else None
    (w, b), (w1, b1), (w2, b2) = ((view.weight, view.bias) for view in net.layers)
    a1, a2 = shares or [1.0, 1.0]

    def loss():
        h = np.tanh(x @ w + b)
        rows = a1 * ref.cross_entropy(h @ w1 + b1, ref.one_hot(t[0], O)) + a2 * ref.squared_error(h @ w2 + b2, t[1])
        return float(ref.weighted_mean(rows, weights))

    expected, value = ref.numerical_gradient(loss, net.params), loss()
    assert net.evaluate(x, t, sample_weight=weights)["loss"] == pytest.approx(value, rel=VALUE)
    net.trainer.step_on([x], net.ports.targets("test", t, B), weights, B, 0.0, update=False)
    assert ref.relative(net.grads, expected) <= GRADIENT
    before = net.params.copy()
    assert net.train_step(x, t, sample_weight=weights) == pytest.approx(value, rel=VALUE)
    assert ref.relative(net.params - before, -0.1 * expected) <= GRADIENT
    assert fn.gradcheck(net, x, t) <= 1e-7


def test_a_head_that_counts_0_does_not_learn():
    net = two_headed([1.0, 0.0])
    before = {name: view.copy() for name, view in net.named_parameters()}
    rng = np.random.default_rng(0)
    net.fit(rng.normal(size=(B, I)), [labels(rng, B), rng.normal(size=(B, 2))], epochs=3)
    for name, view in net.named_parameters():
        assert np.array_equal(view, before[name]) == name.startswith("numbers"), name


def test_a_loss_that_is_not_finite_stops_before_the_update():
    net = fn.Sequential([fn.Dense(2)], input_shape=2, seed=0)
    net.compile("poisson", fn.SGD(0.1))
    net.params[:] = 100
    with pytest.raises(fn.DivergenceError):
        net.train_step([[1.0, 1.0]], [[0.0, 0.0]])
    np.testing.assert_array_equal(net.params, np.float32(100))
