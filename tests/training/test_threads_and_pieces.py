"""Bits of training and of answers do not depend on threads; micro-batches have the gradient of the mini-batch."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from helpers.bits import native

import fastnn as fn
from fastnn._core import doors

OPTIMIZERS = {
    "sgd": lambda: fn.SGD(0.01),
    "rates": lambda: fn.SGD(0.01, groups={"first": fn.Group(rate=0.3), "last": fn.Group(frozen=True)}),
    "momentum": lambda: fn.SGD(0.01, momentum=0.9, l1=1e-4, l2=1e-3),
    "adam": lambda: fn.AdamW(0.01, max_norm=1.5),
    "clipped": lambda: fn.Adam(0.01, clip_norm=0.1),
}


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads as it was."""
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


def network(widths, optimizer="adam", dropout=0.2, dtype="float32", activation="relu", loss="cross_entropy"):
    layers = [fn.Dense(widths[1], activation, name="first"), fn.Dropout(dropout)]
    layers += [fn.Residual([fn.Dense(widths[1], "tanh")]), fn.Dense(widths[2], name="last")]
    net = fn.Sequential(layers, input_shape=widths[0], seed=3, dtype=dtype)
    net.compile(loss=loss, optimizer=OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer)
    return net


def data(widths, n, dtype="float32"):
    random = np.random.default_rng(widths)
    X = random.standard_normal((n, widths[0])).astype(dtype)
    return X, random.integers(0, widths[2], n), random.uniform(0.5, 2, n).astype(dtype)


@native(300 * 300)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("widths", "n", "batch_size"),
    [((200, 300, 70), 300, 128), ((6, 20, 5), 5000, 2500), ((30, 64, 10), 4100, 2048)],
    ids=["wide", "micro-batches", "micro-batches of a wider net"],
)
def test_threads_change_no_bit(widths, n, batch_size, optimizer):
    X, y, weight = data(widths, n)
    results = set()
    for count in (1, 2, 3, 5):
        fn.set_num_threads(count)
        net = network(widths, optimizer)
        history = net.fit(X, y, epochs=2, batch_size=batch_size, sample_weight=weight, verbose=0)
        loss = net.train_step(X[:batch_size], y[:batch_size])
        parts = (net.params, net.trainer.optimizer.state, net.predict(X), net.predict_one(X[0]))
        results.add((*(part.tobytes() for part in parts), *history["loss"], loss))
    assert len(results) == 1


@native(1100 * 700)
@pytest.mark.parametrize("rows", [250, 600])
def test_gradients_of_large_batches_on_threads(rows):
    """A part of a wide layer sums its gradient in the blocks of the whole."""
    net = fn.Sequential([fn.Dense(1100), fn.Dense(700)], input_shape=40, seed=0)
    random = np.random.default_rng(0)
    X, dy = (random.standard_normal((rows, width)).astype(np.float32) for width in (40, 700))
    results = set()
    for count in (1, 2, 3):
        fn.set_num_threads(count)
        net.forward(X, training=True)
        net.backward(dy)
        results.add(net.grads.tobytes())
    assert len(results) == 1


@native(300 * 300)
def test_one_row_of_a_wide_net_on_threads():
    X, y, _ = data((1500, 900, 40), 3)
    results = set()
    for count in (1, 2, 4):
        fn.set_num_threads(count)
        net = network((1500, 900, 40), "sgd")
        net.train_step(X[0], int(y[0]))
        results.add((net.params.tobytes(), net.predict_one(X[1]).tobytes()))
    assert len(results) == 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [2500, 2501, 5000])
def test_the_gradient_by_micro_batches_is_that_of_the_whole(n, weighted):
    """Against the sum over rows of a plain network in NumPy."""
    widths = (6, 20, 5)
    X, y, weight = data(widths, n, "float64")
    weight = weight if weighted else np.ones(n)
    net = network(widths, "sgd", dropout=0.0, dtype="float64")
    p = dict(net.named_parameters())
    (w1, b1), (w2, b2), (w3, b3) = ((p[f"{name}.weight"], p[f"{name}.bias"]) for name in layer_names(p))
    z1 = X @ w1 + b1
    a1 = np.maximum(z1, 0)
    t = np.tanh(a1 @ w2 + b2)
    z3 = (a1 + t) @ w3 + b3
    e = np.exp(z3 - z3.max(1, keepdims=True))
    rows = np.log(e.sum(1)) + z3.max(1) - z3[np.arange(n), y]
    d3 = (e / e.sum(1, keepdims=True) - np.eye(5)[y]) * (weight / weight.sum())[:, None]
    d2 = (d3 @ w3.T) * (1 - t * t)
    d1 = (d3 @ w3.T + d2 @ w2.T) * (z1 > 0)
    expected = [X.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0), (a1 + t).T @ d3, d3.sum(0)]
    before = net.params.copy()
    loss = net.train_step(X, y, sample_weight=weight if weighted else None)
    assert abs(loss - weight @ rows / weight.sum()) <= 1e-12
    step = (before - net.params) / 0.01
    # The step's own rounding: params of order 1 in float64, over a rate of 0.01.
    np.testing.assert_allclose(step, np.concatenate([g.ravel() for g in expected]), rtol=1e-10, atol=1e-12)


def layer_names(parameters):
    """Layers in the order of their parameters."""
    return list(dict.fromkeys(name.rsplit(".", 1)[0] for name in parameters))


def test_the_masks_of_dropout_do_not_know_of_micro_batches():
    """Of a network that drops out and adds up, the gradient shows the masks."""
    n, width = 6000, 8
    X = np.ones((n, width), np.float32)
    net = fn.Sequential([fn.Dropout(0.5), fn.Dense(1, kernel_initializer="zeros")], input_shape=width, seed=1)
    net.compile(loss="absolute_error", optimizer=fn.SGD(1.0))
    y = np.where(np.arange(n) % 2, 1.0, -1.0).astype(np.float32)[:, None]
    net.train_step(X, y)
    masks = doors.dropout_forward(X, 1, 0, 0, 0, 0.5, 2.0)[0]  # seed 1, step 0, stream 0, from its start
    expected = (masks * y).mean(0)
    np.testing.assert_allclose(net.layers[-1].weight[:, 0], expected, atol=1e-6)


def test_a_loss_that_is_not_finite_in_one_micro_batch_changes_nothing():
    widths = (6, 20, 5)
    X, y, _ = data(widths, 5000)
    for count in (1, 3):
        fn.set_num_threads(count)
        net = network(widths, "adam", loss="squared_error")
        targets = np.zeros((5000, 5), np.float32)
        targets[3333] = 3e38
        before = net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.trainer.optimizer.step
        with pytest.raises(fn.DivergenceError):
            net.train_step(X, targets)
        assert before == (net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.trainer.optimizer.step)
        net.train_step(X, np.eye(5, dtype=np.float32)[y])


def test_a_function_of_the_user_s_sees_whole_mini_batches():
    seen = []

    def loss(y_true, y_pred):
        seen.append(len(y_pred))
        return ((y_pred - y_true) ** 2).mean(1), 2 * (y_pred - y_true) / y_pred.shape[1]

    X, _, _ = data((6, 20, 5), 5000)
    net = network((6, 20, 5), "sgd", loss=loss)
    net.train_step(X, np.zeros((5000, 5), np.float32))
    assert seen == [5000]


@pytest.mark.parametrize(
    ("widths", "dtype", "rows"),
    [
        # 512 KB of values and gradients, in whole sixteens of rows: 2^19 / (2 itemsize (10 + 20 + 40 + 4))
        ((10, 20, 40, 4), "float32", 880),
        ((10, 20, 40, 4), "float64", 432),
        ((2, 1), "float32", 1024),  # no more than so many
        ((64, 64), "float32", 512),
        ((784, 32, 10), "float32", 64),  # 2^19 / 6608 is 79: whole sixteens
        ((4000, 6, 5), "float64", 64),  # 8, but no fewer than 64 unless these are 32 MB
    ],
)
def test_micro_batches_of_dense_networks(widths, dtype, rows):
    """A network of n parameters is cut from 2^17 multiply-adds on, and from 128 rows."""
    lanes = chain(widths, dtype).trainer.lanes
    n_params = sum((i + 1) * o for i, o in pairwise(widths))
    assert (lanes.least, lanes.rows, lanes.cut_from) == (64, rows, max(128, -(-(2**17) // n_params)))


def chain(widths, dtype="float32", optimizer="adam"):
    net = fn.Sequential([fn.Dense(width) for width in widths[1:]], input_shape=widths[0], seed=0, dtype=dtype)
    net.compile(loss="squared_error", optimizer=OPTIMIZERS[optimizer]())
    return net


def test_networks_with_gradients_too_large_for_sixteen_are_not_cut():
    assert chain((254, 128)).trainer.lanes.rows  # 255 * 128 parameters, fewer than 2^15
    assert chain((255, 128)).trainer.lanes.rows  # 2^15
    assert not chain((256, 128)).trainer.lanes.rows


@pytest.mark.parametrize(("places", "most"), [(1, 1), (2, 2), (3, 3), (4, 4), (9, 4)])
def test_what_a_row_meets_more_often_may_have_more_parameters(places, most):
    """A layer at several places of a row: 2^15 parameters for each of them, up to four."""
    for inputs, cut in ((256 * most - 1, True), (256 * most, False)):
        net = fn.Sequential([fn.Dense(128)], input_shape=(places, inputs), seed=0)
        net.compile(loss="squared_error", optimizer="adam")
        assert bool(net.trainer.lanes.rows) == cut


@native(3 * 400 * 120)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lenet_is_cut_and_has_the_same_bits_on_any_threads(dtype):
    random = np.random.default_rng(0)
    X, y = random.standard_normal((130, 28, 28, 1)).astype(dtype), random.integers(0, 10, 130)
    results = set()
    for count in (1, 2, 3):
        fn.set_num_threads(count)
        net = fn.nets.lenet5(seed=0, dtype=dtype)
        net.compile("cross_entropy", fn.Adam(1e-3))
        losses = [net.train_step(X, y) for _ in range(2)]
        results.add((*losses, net.params.tobytes()))
    assert net.trainer.lanes.cut_from <= 130
    assert len(results) == 1


def wide(channels, places):
    """A network of few parameters whose rows take many bytes: the same layer at many places."""
    layers = [fn.Dense(channels), fn.Dense(1)]
    net = fn.Sequential(layers, input_shape=(places, channels), seed=0)
    net.compile(loss="squared_error", optimizer="adam")
    return net


@pytest.mark.parametrize("places", [100, 5000, 300_000, 3_000_000])
def test_wide_rows_go_few_at_a_time(places):
    """In training and in evaluation alike, so that memory stays within bounds."""
    net, channels = wide(4, places), 4
    row_bytes = 4 * places * (2 * channels + 1)
    lanes, chunk = net.trainer.lanes, net.trainer.chunk
    multiply_adds = places * net.n_params
    assert lanes.least == max(1, min(64, 2**25 // multiply_adds, 2**25 // (2 * row_bytes)))
    assert lanes.rows == lanes.least or 2 * row_bytes * lanes.rows <= 2**19
    assert chunk == max(1, min(256, 2**25 // row_bytes))
    assert net.chunk <= 512
    assert net.chunk * row_bytes <= max(2**25, row_bytes)


def test_a_cut_mini_batch_of_wide_rows_learns_what_numpy_does():
    """A few rows to a thread: the gradient of the squared error of a linear layer at many places."""
    n, places = 32, 60_000
    net = fn.Sequential([fn.Dense(1)], input_shape=(places, 2), seed=0, dtype="float64")
    net.compile(loss="squared_error", optimizer=fn.SGD(1.0))
    random = np.random.default_rng(0)
    X, y = random.standard_normal((n, places, 2)), random.standard_normal((n, places, 1))
    assert n >= net.trainer.lanes.cut_from
    w, b = net.layers[0].weight.copy(), net.layers[0].bias.copy()
    e = X @ w + b - y
    dw, db = 2 * (X * e).mean((0, 1)), 2 * e.mean((0, 1))
    loss = net.train_step(X, y)
    assert abs(loss - (e * e).mean()) <= 1e-12
    np.testing.assert_allclose(net.layers[0].weight[:, 0], w[:, 0] - dw, rtol=1e-12)
    np.testing.assert_allclose(net.layers[0].bias, b - db, rtol=1e-10, atol=1e-13)


def test_a_mini_batch_that_is_not_cut_may_be_larger_than_a_micro_batch():
    """Of a tiny network, after a larger one that is cut: 9,000 rows of 3 multiply-adds."""
    X = np.random.default_rng(0).standard_normal((59_000, 2)).astype(np.float32)
    y = X[:, :1] - 2 * X[:, 1:]
    net, fresh = chain((2, 1), optimizer="momentum"), chain((2, 1), optimizer="momentum")
    lanes = net.trainer.lanes
    assert 2 * lanes.rows < 9000 < lanes.cut_from <= 50_000
    assert net.trainer.workspace(50_000).capacity >= lanes.cut_from - 1
    net.fit(X, y, batch_size=50_000, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for rows in (slice(50_000), slice(50_000, None)):
            fresh.train_step(X[rows], y[rows])
    assert net.params.tobytes() == fresh.params.tobytes()


def test_evaluation_from_many_threads():
    """Each call has memory of its own: the sums of one thread, while others evaluate other rows."""
    widths = (6, 20, 5)
    X, y, _ = data(widths, 3000)
    net = network(widths)
    parts = [(X[i : i + 700], y[i : i + 700]) for i in range(0, 2300, 100)]
    alone = [net.evaluate(*part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(lambda part: net.evaluate(*part), parts)) == alone


def test_memory_follows_the_batch_and_the_threads():
    X, y, _ = data((6, 20, 5), 20000)
    net = network((6, 20, 5))
    for count, n in ((1, 10), (2, 20000), (1, 100), (4, 20000), (3, 7000), (3, 1)):
        fn.set_num_threads(count)
        net.train_step(X[:n], y[:n])
    assert net.trainer.workspace(20000).capacity < 5000


@pytest.mark.parametrize("activation", ["relu", fn.Activation("leaky_relu", alpha=0.3), "tanh"], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "clipped"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_has_the_bits_of_one_by_hand(optimizer, activation, dtype):
    """Fused activations, and updates in the backward pass, against forward, backward and apply_gradients."""
    widths, n = (30, 70, 9), 40
    X = data(widths, n, dtype)[0]
    target = np.random.default_rng(1).standard_normal((n, 9)).astype(dtype)
    trained, by_hand = (network(widths, optimizer, 0.0, dtype, activation, loss="squared_error") for _ in range(2))
    for _ in range(3):
        trained.train_step(X, target)
        y = by_hand.forward(X, training=True)
        by_hand.backward(np.asarray(1 / n / 9, dtype) * (2 * (y - target)))
        by_hand.apply_gradients()
    assert trained.params.tobytes() == by_hand.params.tobytes()
    assert trained.predict(X).tobytes() == by_hand.forward(X).tobytes()


def test_a_fit_within_a_step_is_refused_and_leaves_the_network_free():
    net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
    refused = []

    def loss(y_true, y_pred):
        if not refused:
            with pytest.raises(RuntimeError, match="train") as error:
                net.fit(np.ones((4, 2)), np.ones(4))
            refused.append(error)
        return ((y_pred - y_true) ** 2)[:, 0], 2 * (y_pred - y_true)

    net.compile(loss, fn.SGD(0.1))
    net.train_step(np.ones((4, 2), np.float32), np.ones((4, 1), np.float32))
    assert refused
    net.fit(np.ones((4, 2)), np.ones(4))  # would be refused too, were the first one not over
    assert net.history.epochs == [1]
