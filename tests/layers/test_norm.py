"""Batch and layer normalisation: values of a training step, running statistics, and what they may not change."""

import copy

import numpy as np
import pytest
from helpers import reference as ref
from helpers.bits import native
from scipy import sparse

import fastnn as fn
from fastnn.data import feed

EPS = 1e-12
rng = np.random.default_rng(0)
X = 3 + 2 * rng.normal(size=(40, 4))
Y = rng.normal(size=(40, 2))


def network(optimizer=None, loss="squared_error", dtype="float64", **options):
    layers = [fn.Dense(6, bias=False, name="in"), fn.BatchNorm(name="norm", **options), fn.Activation("tanh")]
    net = fn.Sequential([*layers, fn.Dense(2, name="out")], input_shape=4, seed=1, dtype=dtype)
    net.compile(loss, optimizer or fn.SGD(0.1))
    return net


def running(net):
    layer = next(view for view in net.layers if "running_mean" in view.parameters)
    return layer.running_mean, layer.running_variance


def statistics(net):
    return [array.copy() for array in running(net)]


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (5, 4)])
@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_training_goes_by_the_batch_and_keeps_a_running_mean(shape, momentum):
    net = fn.Sequential([fn.BatchNorm(momentum=momentum)], shape, seed=0, dtype="float64")
    gamma, beta = np.array([0.5, 1, 2, -1]), np.array([0.0, 1, 2, 3])
    net.layers[0].gamma[...], net.layers[0].beta[...] = gamma, beta
    mean, variance = np.zeros(4), np.ones(4)
    for step in range(3):
        x = step + rng.normal(size=(7, *shape))
        y = net.forward(x, training=True)
        assert ref.relative(y, ref.batch_norm_training(x, gamma, beta)) <= EPS
        net.backward(np.ones_like(x))
        rows = x.reshape(-1, 4)
        mean = momentum * mean + (1 - momentum) * rows.mean(0)
        variance = momentum * variance + (1 - momentum) * rows.var(0, ddof=1)  # Ioffe & Szegedy 2015, alg. 2, 10
        assert ref.relative(running(net)[0], mean) <= EPS
        assert ref.relative(running(net)[1], variance) <= EPS
        assert ref.relative(net.predict(x), ref.batch_norm(x, gamma, beta, mean, variance)) <= EPS


def test_a_step_of_a_network_is_that_of_numpy():
    """Forward, loss, backward and update written out, with Adam so that each gradient counts by its sign and size."""
    net = network(fn.SGD(0.3))
    p = {name: view.copy() for name, view in net.named_parameters()}
    z = X @ p["in.weight"]
    mean, variance = z.mean(0), z.var(0)
    n = (z - mean) / np.sqrt(variance + 1e-5)
    a = np.tanh(n)
    e = a @ p["out.weight"] - Y
    loss = net.train_step(X, Y)
    assert loss == pytest.approx((e**2).mean(), rel=1e-12)
    dout = 2 * e / e.size
    dn = (dout @ p["out.weight"].T) * (1 - a**2)
    dz = (dn - dn.mean(0) - n * (dn * n).mean(0)) / np.sqrt(variance + 1e-5)
    expected = {
        "in.weight": p["in.weight"] - 0.3 * X.T @ dz,
        "norm.gamma": 1 - 0.3 * (dn * n).sum(0),
        "norm.beta": -0.3 * dn.sum(0),
        "norm.running_mean": 0.1 * mean,
        "norm.running_variance": 0.9 + 0.1 * variance * 40 / 39,
        "out.weight": p["out.weight"] - 0.3 * a.T @ dout,
    }
    for name, view in net.named_parameters():
        if name in expected:
            np.testing.assert_allclose(view, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_many_rows_in_float32():
    """The running statistics of 10,000 rows at 1,000 +- 1 are those of float64 to the last digits of float32."""
    x = (1000 + np.random.default_rng(0).normal(size=(10_000, 3))).astype(np.float32)
    net = fn.Sequential([fn.BatchNorm(momentum=0.0)], 3, seed=0)
    y = net.forward(x, training=True)
    net.backward(np.ones_like(x))
    np.testing.assert_allclose(running(net)[0], x.mean(0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(running(net)[1], x.astype(np.float64).var(0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)


# ---- when the running statistics change, and when they must not -----------------------------------------------------


def test_what_changes_them_and_what_does_not():
    net = network()
    before = statistics(net)

    def unchanged():
        return all(np.array_equal(a, b) for a, b in zip(statistics(net), before, strict=True))

    net.predict(X)
    net.predict_one(X[0])
    net.evaluate(X, Y)
    net.activations(X)
    net.forward(X)
    net.backward(Y)
    net.forward(X, training=True)  # not before backward says that the step counts
    net.trainer.step_on([X], [Y], None, len(X), 0.1, update=False)
    fn.gradcheck(net, X)
    fn.gradcheck(net, X, Y)
    assert unchanged()
    net.forward(X, training=True)
    net.backward(Y)
    assert not unchanged()
    before = statistics(net)
    net.backward(Y)  # again, for another gradient of the same forward
    net.apply_gradients()
    assert unchanged()
    net.train_step(X, Y)
    assert not unchanged()


@pytest.mark.parametrize("optimizer", [fn.SGD(0.1), fn.SGD(0.1, momentum=0.9), fn.Adam(0.1, clip_norm=1)], ids=repr)
def test_a_step_that_diverges_leaves_everything(optimizer):
    net = network(optimizer)
    before = net.params.copy(), net.trainer.optimizer.state.copy()
    with pytest.raises(fn.DivergenceError):
        net.train_step(X, np.full_like(Y, 1e200))
    assert before[0].tobytes() == net.params.tobytes()
    assert before[1].tobytes() == net.trainer.optimizer.state.tobytes()


def test_a_backward_that_fails_leaves_everything():
    """The layer before the BatchNorm fails after the BatchNorm's own backward pass."""

    def backward(x, y, dy):
        raise ZeroDivisionError

    broken = fn.Custom(lambda x: x + 1, backward)
    net = fn.Sequential([fn.Dense(3), broken, fn.BatchNorm(), fn.Dense(2)], input_shape=4, seed=0)
    net.compile("squared_error", fn.SGD(0.1))
    before = net.params.copy()
    with pytest.raises(ZeroDivisionError):
        net.train_step(X, Y)
    net.forward(X, training=True)
    with pytest.raises(ZeroDivisionError):
        net.backward(Y)
    assert before.tobytes() == net.params.tobytes()


def test_a_fit_that_fails_puts_them_back():
    net = network()
    net.fit(X, Y, epochs=2, batch_size=8)
    before = net.params.copy()

    def stop(info):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, epochs=2, batch_size=8, callbacks=[stop])
    assert before.tobytes() == net.params.tobytes()


# ---- not learned ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        fn.SGD(0.1),
        fn.SGD(0.1, momentum=0.9, l1=0.1, l2=0.1, max_norm=0.1),
        fn.AdamW(0.1, weight_decay=0.5),
        fn.Adam(0.1, clip_value=0.1, clip_norm=0.1),
    ],
    ids=repr,
)
def test_no_optimiser_touches_them(optimizer):
    """With momentum 1 a training step keeps the running statistics, and nothing else may move them."""
    net = network(optimizer, momentum=1.0)
    for array, value in zip(running(net), (0.3, 4.0), strict=True):
        array[...] = value
    before, gamma = statistics(net), net.layers[1].gamma.copy()
    net.fit(X, Y, epochs=2, batch_size=8)
    net.train_step(X, Y)
    net.forward(X, training=True)
    net.backward(Y)
    net.apply_gradients()
    assert all(np.array_equal(a, b) for a, b in zip(statistics(net), before, strict=True))
    assert not np.array_equal(net.layers[1].gamma, gamma)
    learned = {name for name, _ in net.named_gradients()}
    for name, view in net.named_parameters():
        start = (view.ctypes.data - net.params.ctypes.data) // view.itemsize
        place = slice(start, start + view.size)
        gradient, state = net.grads[place], net.trainer.optimizer.state[:, place]
        assert gradient.any() == (name in learned) != ("running" in name)
        assert name in learned or not state.any()


def test_penalties_and_decay_leave_gamma_and_beta_alone():
    plain, decayed = (fn.Sequential([fn.BatchNorm()], 4, seed=0, dtype="float64") for _ in range(2))
    for net, optimizer in ((plain, fn.SGD(0.1)), (decayed, fn.SGD(0.1, l1=0.3, l2=0.3, max_norm=0.1))):
        net.compile("squared_error", optimizer)
        net.train_step(X, X)
    np.testing.assert_allclose(plain.params, decayed.params, rtol=1e-14)


def test_a_frozen_layer_goes_by_its_running_statistics_and_keeps_them():
    frozen = network(fn.SGD(0.1, groups={"norm": fn.Group(frozen=True)}))
    running(frozen)[0][...], running(frozen)[1][...] = 0.5, 2.0
    before = {name: view.copy() for name, view in frozen.layers[1].parameters.items()}
    loss = frozen.train_step(X, Y)
    frozen.train_step(X[:1], Y[:1])  # one row is enough for that
    assert all(np.array_equal(view, before[name]) for name, view in frozen.layers[1].parameters.items())
    fresh = network()
    running(fresh)[0][...], running(fresh)[1][...] = 0.5, 2.0
    assert loss == pytest.approx(fresh.evaluate(X, Y)["loss"], rel=1e-12)
    assert not np.array_equal(frozen.layers[0].weight, fresh.layers[0].weight)


def test_nothing_learned_before_it_and_nothing_in_it_keeps_statistics_all_the_same():
    net = fn.Sequential([fn.BatchNorm(scale=False, shift=False), fn.Dense(2)], 4, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    net.train_step(X, Y)
    np.testing.assert_allclose(running(net)[0], 0.1 * X.mean(0), rtol=1e-12)


def test_a_shared_layer_keeps_one_use_after_the_other():
    x1, x2, same = fn.Input(4), fn.Input(4), fn.BatchNorm()
    net = fn.Network([x1, x2], fn.add(same(x1), same(x2)), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    net.train_step([X, 2 * X], X)
    np.testing.assert_allclose(running(net)[0], 0.9 * 0.1 * X.mean(0) + 0.1 * 2 * X.mean(0), rtol=1e-12)


# ---- too few rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_is_refused_where_it_enters(dtype):
    net = network(dtype=dtype)
    before = net.params.copy()
    message = r"BatchNorm 'norm': expected training batches of at least 2 rows, got one of 1; .*batch_size"
    x, y = X.astype(dtype), Y.astype(dtype)
    for call in (
        lambda: net.train_step(x[0], y[0]),
        lambda: net.train_step(x[:1], y[:1]),
        lambda: net.train_step(X[0].tolist(), Y[0].tolist()),
        lambda: net.fit(x, y, batch_size=1),
        lambda: net.fit(x[:1], y[:1]),
        lambda: net.fit([(x[:4], y[:4]), (x[:1], y[:1])]),
        lambda: net.forward(x[:1], training=True),
        lambda: fn.gradcheck(net, x[:1]),
    ):
        with pytest.raises(ValueError, match=message):
            call()
        assert before.tobytes() == net.params.tobytes()
    net.predict_one(x[0])
    net.forward(x[:1])
    net.evaluate(x[:1], y[:1])
    net.train_step(x, y)


def test_one_row_of_several_values_per_channel_will_do():
    net = fn.Sequential([fn.BatchNorm(momentum=0.0)], (3, 2), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.0))
    x = rng.normal(size=(3, 2))
    net.train_step(x, x)
    np.testing.assert_allclose(running(net)[1], x.var(0, ddof=1), rtol=1e-12)


# ---- in company -----------------------------------------------------------------------------------------------------


def test_a_large_mini_batch_is_not_cut():
    """5,000 rows of a small network would be worked on in pieces, each with statistics of its own."""
    x = np.random.default_rng(1).normal(size=(5000, 4))
    net = network(momentum=0.0)
    z = x @ net.layers[0].weight
    net.train_step(x, np.zeros((5000, 2)))
    np.testing.assert_allclose(running(net)[0], z.mean(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(running(net)[1], z.var(0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("optimizer", [fn.SGD(0.05), fn.SGD(0.05, momentum=0.9), fn.Adam(0.05)], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@native(24)
def test_a_step_has_the_bits_of_one_by_hand(optimizer, dtype):
    straight, by_hand = network(optimizer, dtype=dtype), network(optimizer, dtype=dtype)
    x, target = X.astype(dtype), Y.astype(dtype)
    for _ in range(3):
        straight.train_step(x, target)
        y = by_hand.forward(x, training=True)
        by_hand.backward(np.asarray(1 / y.size, dtype) * (2 * (y - target)))
        by_hand.apply_gradients()
    assert straight.params.tobytes() == by_hand.params.tobytes()


@pytest.mark.parametrize("layer", [fn.BatchNorm, fn.LayerNorm])
def test_threads_change_no_bit(layer):
    before, results = fn.get_num_threads(), set()
    x, y = (np.random.default_rng(2).normal(size=(3000, n)).astype(np.float32) for n in (4, 2))
    for count in (1, 3):
        fn.set_num_threads(count)
        net = fn.Sequential([fn.Dense(16), layer(), fn.Activation("relu"), fn.Dense(2)], 4, seed=0)
        net.fit(x, y, epochs=2, batch_size=2000, loss="squared_error", optimizer="adam")
        results.add((net.params.tobytes(), net.predict(x).tobytes()))
    fn.set_num_threads(before)
    assert len(results) == 1


def test_copies_keep_the_running_statistics(tmp_path):
    net = network()
    net.fit(X, Y, epochs=3, batch_size=8)
    net.save(tmp_path / "net.safetensors", optimizer=True)
    for other in (fn.load(tmp_path / "net.safetensors"), copy.deepcopy(net), net.astype("float64")):
        assert other.params.tobytes() == net.params.tobytes()
        assert np.array_equal(other.predict(X), net.predict(X))
    assert (np.abs(running(net)[1] - 1) > 0.01).all()


def test_normalised_deep_nets_learn():
    """What it is for: a badly scaled input and 10 tanh layers."""
    random = np.random.default_rng(3)
    x = 50 * random.normal(size=(512, 8)) + 300
    y = (x[:, 0] > 300).astype(int)

    def accuracy(normed):
        layers = []
        for _ in range(10):
            layers += [fn.Dense(16, bias=not normed), *([fn.BatchNorm()] if normed else []), fn.Activation("tanh")]
        net = fn.Sequential([*layers, fn.Dense(2)], 8, seed=0)
        net.fit(x, y, epochs=20, batch_size=64, loss="cross_entropy", optimizer=fn.Adam(1e-3), metrics=["accuracy"])
        return net.evaluate(x, y)["accuracy"]

    assert accuracy(True) >= 0.95
    assert accuracy(False) <= 0.85


# ---- specification --------------------------------------------------------------------------------------------------


def test_summary_says_what_is_not_learned():
    text = network().summary()
    assert "62 parameters (12 not learned), 496 bytes" in text
    assert "not learned" not in fn.Sequential([fn.LayerNorm()], 4, seed=0).summary()


def test_initial_values():
    net = fn.Sequential([fn.BatchNorm(gamma_initializer="zeros", beta_initializer="ones")], 3, seed=0)
    assert {name: view.tolist() for name, view in net.named_parameters()} == {
        "batchnorm_1.gamma": [0, 0, 0],
        "batchnorm_1.beta": [1, 1, 1],
        "batchnorm_1.running_mean": [0, 0, 0],
        "batchnorm_1.running_variance": [1, 1, 1],
    }
    assert [name for name, _ in net.named_gradients()] == ["batchnorm_1.gamma", "batchnorm_1.beta"]
    assert list(net.layers[0].gradients) == ["gamma", "beta"]


@pytest.mark.parametrize("kind", [fn.BatchNorm, fn.LayerNorm])
def test_what_layers_refuse(kind):
    name = kind.__name__
    for options, error, message in (
        ({"epsilon": 0}, ValueError, f"{name}: expected epsilon to be a finite number above 0, got 0"),
        ({"epsilon": "small"}, TypeError, f"{name}: expected epsilon to be a number"),
        ({"scale": 1}, TypeError, f"{name}: expected scale to be True or False, got 1"),
        ({"shift": None}, TypeError, f"{name}: expected shift to be True or False"),
        ({"gamma_initializer": "onse"}, ValueError, f"{name}: unknown initializer 'onse'; did you mean 'ones'"),
        ({"beta_initializer": 0}, TypeError, f"{name}: expected an initializer"),
    ):
        with pytest.raises(error, match=message):
            kind(**options)


def test_what_one_of_them_refuses():
    for momentum in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="BatchNorm 'n': expected momentum to be a finite number of at least 0"):
            fn.BatchNorm(momentum=momentum, name="n")
    with pytest.raises(
        ValueError, match=r"LayerNorm: expected at least 2 channels to normalise over, got shape \(3, 1"
    ):
        fn.Sequential([fn.LayerNorm()], (3, 1), seed=0)


# ---- rows that remain -----------------------------------------------------------------------------------------------

WHOLE = {
    "epochs in one call": (lambda X: X, {}),
    "an epoch at a time": (lambda X: X, {"callbacks": [lambda info: False]}),
    "sparse": (lambda X: sparse.csr_array(X), {}),
    "another dtype": (lambda X: X.astype("f4"), {}),
}


def after_batches(X, sizes, epochs=1):
    """Running mean and variance by their definition, batch after batch in the order of the rows."""
    mean, variance = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for batch in np.split(X, np.cumsum(sizes)[:-1]) * epochs:
        mean, variance = 0.9 * mean + 0.1 * batch.mean(axis=0), 0.9 * variance + 0.1 * batch.var(axis=0, ddof=1)
    return mean, variance


@pytest.mark.parametrize("block", [None, 26])
@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize(
    ("size", "sizes"), [(13, [13, 13, 14]), (39, [40]), (19, [19, 19, 2]), (2, [2] * 20), (3, [3] * 12 + [4])]
)
def test_one_row_that_remains_joins_the_last_mini_batch(form, size, sizes, block, monkeypatch):
    give, options = WHOLE[form]
    net = fn.Sequential([fn.BatchNorm(), fn.Dense(2)], input_shape=4, seed=1, dtype="float64")
    if block is not None:  # buffers, and blocks of sparse rows, of so many rows
        monkeypatch.setattr(feed, "BUFFER_BYTES", block * net.ports.row_bytes)
        monkeypatch.setattr(feed, "MADE_BYTES", block * net.ports.row_bytes)
    rates = fn.StepDecay(0.01, factor=0.5, every=len(sizes))
    history = net.fit(
        give(X), Y, batch_size=size, epochs=3, shuffle=False, loss="squared_error", optimizer=fn.SGD(rates), verbose=0,
        **options,
    )  # fmt: skip
    mean, variance = after_batches(X, sizes, 3)
    np.testing.assert_allclose(running(net)[0], mean, rtol=1e-5)
    np.testing.assert_allclose(running(net)[1], variance, rtol=1e-5)
    assert net.trainer.step == 3 * len(sizes)  # and the schedule goes by the updates that there are
    assert history["learning_rate"] == [0.01, 0.005, 0.0025]


@pytest.mark.filterwarnings("ignore:.*epochs are over")
def test_every_row_that_remains_is_learned_from_wherever_it_comes_from():
    class Rows(fn.Examples):
        def __len__(self):
            return 41

        def gather(self, rows):
            return np.zeros((len(rows), 4)), np.zeros((len(rows), 2))

    net = network()
    assert net.fit(Rows(), batch_size=20, verbose=0)["loss"]
    assert net.trainer.step == 2
    assert len(fn.lr_find(net, X, Y, batch_size=13, steps=8).losses) > 3
    for kind, y in ((fn.MLPRegressor, X[:, 0]), (fn.MLPClassifier, X[:, 0] > 3)):
        model = kind(normalization="batch", batch_size=13, max_iter=2, random_state=0, hidden_layer_sizes=(4,))
        assert model.fit(X, y).t_ == 80  # of 40 rows, 13 + 13 + 14 twice
        assert model.network_.trainer.step == 6
        assert model.partial_fit(X[:27], y[:27]).network_.trainer.step == 8
