"""The fit loop: which rows are met when, what comes out, and what is left when it fails."""
# ruff: noqa: E501  (a case of a table is one line)

import copy
import hashlib
import io
import math
import os
import subprocess
import sys
import time
from itertools import chain, pairwise

import numpy as np
import pytest

import fastnn as fn
from fastnn.data import feed

N = 53
X = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, N)
GOALS = np.random.default_rng(2).normal(size=(N, 2)).astype(np.float32)


def make(seed=7, dtype="float32", outputs=3):
    return fn.Sequential(
        [fn.Dense(6, "tanh"), fn.Dropout(0.25), fn.Dense(outputs)], input_shape=4, seed=seed, dtype=dtype
    )


def recorder(width=1):
    """A network without parameters that notes the rows of every mini-batch: row i is the number i."""
    batches = []

    def forward(x):
        batches.append(x[:, 0].astype(int).tolist())
        return x

    net = fn.Sequential(
        [fn.Custom(forward, lambda x, y, dy: dy), fn.Dense(1, kernel_initializer="zeros")],
        input_shape=width,
        seed=3,
        dtype="float64",
    )
    net.compile("squared_error", fn.SGD(0.0))
    return net, batches


def flat(lists):
    return list(chain.from_iterable(lists))


def rows_of(n, width=1, dtype=np.float64):
    return np.repeat(np.arange(n, dtype=dtype)[:, None], width, axis=1)


def fingerprint(net):
    return (
        net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.trainer.optimizer.step, net.trainer.step, net.epoch,
        net.learning_rate, dict(getattr(net.schedule, "state", {})), id(net.history), net.optimizer, net.losses,
    )  # fmt: skip


# ---- determinism ---------------------------------------------------------------------------------------------------

DIGEST = """
import hashlib, numpy as np, fastnn as fn
random = np.random.default_rng(0)
X, y = random.normal(size=(50, 4)), random.integers(0, 3, 50)
net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dropout(0.25), fn.Dense(3)], input_shape=4, seed=7)
net.fit(X, y, epochs=4, batch_size=8, loss="cross_entropy", optimizer="adam")
print(hashlib.sha256(net.params.tobytes()).hexdigest())
"""


def test_the_same_seed_gives_the_same_bits_in_another_process():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGEST], capture_output=True, text=True, env={**environment, **more}, check=True
        ).stdout
        for more in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    ]
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(50, 4)), random.integers(0, 3, 50)
    for seed, same in ((7, True), (7, True), (8, False)):
        np.random.seed(seed)  # noqa: NPY002  (the global state must not matter)
        net = make(seed)
        net.fit(rows, labels, epochs=4, batch_size=8, loss="cross_entropy", optimizer="adam", verbose=0)
        assert (hashlib.sha256(net.params.tobytes()).hexdigest() == runs[0].strip()) is same
    assert runs[0] == runs[1]


def test_two_fits_of_two_epochs_are_one_of_four():
    one, two = make(), make()
    for net in (one, two):
        net.compile("cross_entropy", fn.Adam(0.01))
    one.fit(X, Y, epochs=4, verbose=0)
    two.fit(X, Y, epochs=2, verbose=0)
    two.predict(X)
    two.evaluate(X, Y)
    two.fit(X, Y, epochs=2, verbose=0)
    assert one.params.tobytes() == two.params.tobytes()


# ---- which rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "size"), [(53, 8), (53, 53), (53, 100), (1, 32), (10, 1), (64, 32), (53, 2**70)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_once_per_epoch(n, size, shuffle):
    net, batches = recorder()
    net.fit(rows_of(n), np.zeros(n), epochs=3, batch_size=size, shuffle=shuffle, verbose=0)
    steps = math.ceil(n / size)
    assert [len(b) for b in batches] == ([min(size, n)] * (steps - 1) + [n - (steps - 1) * min(size, n)]) * 3
    epochs = [flat(batches[i * steps : (i + 1) * steps]) for i in range(3)]
    for order in epochs:
        assert sorted(order) == list(range(n))
    if not shuffle:
        assert epochs == [list(range(n))] * 3
    elif n > 9:
        assert epochs[0] != epochs[1] != epochs[2]
        assert epochs[0] != list(range(n))


def test_the_order_is_a_function_of_seed_and_epoch():
    def orders(seed, epochs, loss="squared_error", size=7):
        net, batches = recorder()
        net.seed = seed
        net.compile(loss, fn.SGD(0.0))
        net.epoch = epochs[0]
        net.fit(rows_of(N), np.zeros(N), epochs=len(epochs), batch_size=size, verbose=0)
        steps = math.ceil(N / size)
        return [flat(batches[i * steps : (i + 1) * steps]) for i in range(len(epochs))]

    first = orders(3, range(4))
    assert orders(3, range(4), "huber", size=11) == first  # not of the batch size or the loss
    assert orders(3, range(2, 4)) == first[2:]
    assert orders(4, range(4))[0] != first[0]
    assert len({tuple(order) for order in first}) == 4


def test_the_position_of_a_row_is_uniform():
    net, batches = recorder()
    net.fit(rows_of(16), np.zeros(16), epochs=800, batch_size=16, verbose=0)
    counts = np.zeros((16, 16))
    for order in batches:
        counts[np.arange(16), order] += 1
    assert counts.sum() == 800 * 16
    chi = ((counts - 50) ** 2 / 50).sum()
    assert 225 - 5 * math.sqrt(2 * 225) < chi < 225 + 5 * math.sqrt(2 * 225)


@pytest.mark.parametrize("kind", ["memmap", "memmap64", "float32", "int16", "fortran", "in place"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rows_per_buffer", [1, 20, 64, 130])
def test_arrays_larger_than_the_buffer(kind, shuffle, rows_per_buffer, tmp_path, monkeypatch):
    """Blocks cover every row exactly once, in mini-batches of the right sizes, whatever they are made of."""
    n, size = 203, 8
    monkeypatch.setattr(feed, "BUFFER_BYTES", rows_per_buffer * 8 * 4)  # three inputs and a target
    rows = {
        "memmap": lambda: np.memmap(tmp_path / "x", np.float64, "w+", shape=(n, 3)), "fortran": lambda: np.zeros((n, 3), order="F"),
        "memmap64": lambda: np.memmap(tmp_path / "x", np.int64, "w+", shape=(n, 3)), "float32": lambda: np.zeros((n, 3), np.float32),
        "int16": lambda: np.zeros((n, 3), np.int16), "in place": lambda: np.zeros((n, 3)),
    }[kind]()  # fmt: skip
    rows[...] = rows_of(n, 3)
    if kind.startswith("memmap"):
        rows.flush()
        rows = np.memmap(tmp_path / "x", rows.dtype, "r", shape=(n, 3))
    net, batches = recorder(3)
    targets = []

    def loss(t, y):
        targets.append(t[:, 0].astype(int).tolist())
        return np.zeros(len(y)), np.zeros(y.shape)

    net.compile(loss, fn.SGD(0.0))
    net.fit(rows, np.arange(n)[:, None], epochs=2, batch_size=size, shuffle=shuffle, verbose=0)
    assert batches == targets  # rows and targets go together
    steps = math.ceil(n / size)
    assert len(batches) == 2 * steps
    assert [len(b) for b in batches] == ([size] * (steps - 1) + [n % size]) * 2
    for i in range(2):
        order = flat(batches[i * steps : (i + 1) * steps])
        assert sorted(order) == list(range(n))
        assert (order == list(range(n))) is not shuffle
    if shuffle:
        assert batches[:steps] != batches[steps:]
        if rows_per_buffer > 1:
            assert sum(abs(a - b) for a, b in pairwise(order)) > 4 * n  # well mixed, not in runs


def test_sample_weights_go_with_their_rows(monkeypatch):
    for bytes_ in (feed.BUFFER_BYTES, 20 * 8 * 2):
        monkeypatch.setattr(feed, "BUFFER_BYTES", bytes_)
        net, _ = recorder()
        net.compile(lambda t, y: (np.ones(len(y)), np.zeros(y.shape)), fn.SGD(0.0))
        seen = []
        spy = fn.Sequential(
            [fn.Dense(1, kernel_initializer="ones", bias=False)], input_shape=1, seed=1, dtype="float64"
        )

        def loss(t, y, seen=seen):
            seen.extend(zip(y[:, 0].round().astype(int).tolist(), t[:, 0].astype(int).tolist(), strict=True))
            return t[:, 0].copy(), np.zeros(y.shape)

        spy.compile(loss, fn.SGD(0.0))
        weights = np.random.default_rng(0).random(N)
        history = spy.fit(
            rows_of(N).astype(np.float32), np.arange(N, dtype=float), sample_weight=weights, batch_size=8, verbose=0
        )
        assert sorted(seen) == [(i, i) for i in range(N)]
        np.testing.assert_allclose(history["loss"][0], (weights * np.arange(N)).sum() / weights.sum(), rtol=1e-12)


# ---- what is computed ----------------------------------------------------------------------------------------------


def numpy_epochs(net, epochs, rate, momentum, size, order, weights):
    """Linear regression with momentum, by hand in float64."""
    w, b = net.layers[0].weight.copy(), net.layers[0].bias.copy()
    vw, vb, losses = np.zeros_like(w), np.zeros_like(b), []
    for _ in range(epochs):
        total = mass = 0.0
        for start in range(0, N, size):
            i = order[start : start + size]
            x, m = X[i].astype(np.float64), weights[i]
            e = x @ w + b - GOALS[i]
            total, mass = total + (m * (e**2).mean(axis=1)).sum(), mass + m.sum()
            g = 2 * e * m[:, None] / (m.sum() * e.shape[1])
            vw, vb = momentum * vw - rate * x.T @ g, momentum * vb - rate * g.sum(axis=0)
            w, b = w + vw, b + vb
        losses.append(total / mass)
    return w, b, losses


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_what_numpy_makes_of_it(momentum, weighted):
    net = fn.Sequential([fn.Dense(2)], input_shape=4, seed=1, dtype="float64")
    weights = np.random.default_rng(5).random(N) if weighted else np.ones(N)
    net.compile("squared_error", fn.SGD(0.05, momentum=momentum))
    w, b, losses = numpy_epochs(net, 3, 0.05, momentum, 8, np.arange(N), weights)
    history = net.fit(
        X, GOALS, epochs=3, batch_size=8, shuffle=False, sample_weight=weights if weighted else None, verbose=0
    )
    np.testing.assert_allclose(net.layers[0].weight, w, rtol=1e-10)
    np.testing.assert_allclose(net.layers[0].bias, b, rtol=1e-10)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)


def test_a_shuffled_epoch_is_the_shuffled_rows_in_order():
    watch, batches = recorder(4)
    watch.fit(rows_of(N, 4), np.zeros(N), batch_size=8, verbose=0)
    order = np.array(flat(batches))
    net = fn.Sequential([fn.Dense(2)], input_shape=4, seed=watch.seed, dtype="float64")
    net.compile("squared_error", fn.SGD(0.05))
    w, _, losses = numpy_epochs(net, 1, 0.05, 0.0, 8, order, np.ones(N))
    history = net.fit(X, GOALS, batch_size=8, verbose=0)
    np.testing.assert_allclose(net.layers[0].weight, w, rtol=1e-10)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)


def test_class_weights_are_sample_weights():
    plain, other, balanced, by_hand = (make() for _ in range(4))
    for net in (plain, other, balanced, by_hand):
        net.compile("cross_entropy", "adam")
    factors, counts = np.array([1.0, 3.0, 0.5]), np.bincount(Y)
    own = np.random.default_rng(0).random(N)
    plain.fit(X, Y, sample_weight=(own.astype(np.float32) * factors[Y]), verbose=0)
    other.fit(X, np.eye(3)[Y], sample_weight=own, class_weight={0: 1.0, 1: 3.0, 2: 0.5}, verbose=0)
    np.testing.assert_allclose(plain.params, other.params, rtol=1e-4, atol=1e-6)
    balanced.fit(X, Y, class_weight="balanced", verbose=0)
    by_hand.fit(X, Y, sample_weight=(N / (3 * counts))[Y], verbose=0)
    assert np.array_equal(balanced.params, by_hand.params)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_evaluate_is_what_numpy_says():
    net = make(dtype="float64")
    net.compile("cross_entropy", "adam", metrics=["accuracy"])
    weights = np.random.default_rng(3).random(N)
    logits = net.predict(X)
    nll = -np.log(softmax(logits)[np.arange(N), Y])
    found = net.evaluate(X, Y, sample_weight=weights)
    np.testing.assert_allclose(found["loss"], (weights * nll).sum() / weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(
        found["accuracy"], (weights * (logits.argmax(axis=1) == Y)).sum() / weights.sum(), rtol=1e-12
    )
    parts = [(X[:20], Y[:20], weights[:20]), (X[20:], Y[20:], weights[20:])]
    again = net.evaluate(parts)
    np.testing.assert_allclose(list(again.values()), list(found.values()), rtol=1e-12)
    assert net.epoch == net.trainer.step == 0
    net.compile("cross_entropy", "adam")
    with pytest.raises(ValueError, match="evaluate: expected at least one row of positive weight, got none"):
        net.evaluate(X, Y, sample_weight=np.zeros(N))


def test_metrics_of_several_outputs_are_told_apart():
    x = fn.Input(X.shape[1])
    h = fn.Dense(8, "tanh")(x)
    net = fn.Network(x, [fn.Dense(3)(h), fn.Dense(1)(h)], seed=0, dtype="float64")
    goal = X[:, :1].astype(np.float64) * 2
    net.compile(["cross_entropy", "squared_error"], metrics=[["accuracy"], ["r2", "mean_squared_error"]])
    found = net.evaluate(X, [Y, goal])
    logits, values = net.predict(X)
    residual = ((values - goal) ** 2).sum()
    assert list(found) == ["loss", "accuracy_1", "r2_2", "mean_squared_error_2"]
    assert found["accuracy_1"] == (logits.argmax(axis=1) == Y).mean()
    np.testing.assert_allclose(found["r2_2"], 1 - residual / ((goal - goal.mean()) ** 2).sum(), rtol=1e-12)
    np.testing.assert_allclose(found["mean_squared_error_2"], residual / N, rtol=1e-12)
    history = net.fit(X, [Y, goal], validation_data=(X, [Y, goal]), verbose=0)
    assert "val_r2_2" in history
    with pytest.raises(ValueError, match="compile: expected metrics to be 2 lists, one per output, got"):
        net.compile(["cross_entropy", "squared_error"], metrics=["accuracy"])


def test_train_step_takes_rows_and_targets_of_every_form():
    def trained(x, y, loss="cross_entropy", **options):
        net = make(outputs=3 if loss == "cross_entropy" else 1)
        net.compile(loss, fn.SGD(0.1))
        loss = net.train_step(x, y, **options)
        assert type(loss) is float
        return loss, net.params.tobytes(), net.trainer.step

    row = X[0]
    expected = trained(row, 2)
    for x, y in [
        (row.tolist(), 2),
        (row, np.int8(2)),
        (row[None], [2]),
        (row.astype("f8"), np.array(2)),
        (row[None], np.array([[2]])),
    ]:
        assert trained(x, y) == expected
    hot = trained(row, np.array([0, 0, 1.0]))
    assert hot == trained(row[None], [[0, 0, 1]])
    np.testing.assert_allclose(hot[0], expected[0], rtol=1e-6)
    number = trained(row, 0.5, "squared_error")
    for y in (np.array([0.5]), np.array([0.5], np.float32), [0.5], np.float32(0.5)):
        assert trained(row, y, "squared_error") == number
    assert trained(row[None], [[0.5]], "squared_error") == number
    assert (
        trained(row, 0.5, "squared_error", sample_weight=3.0)[1]
        == trained(row[None], [0.5], "squared_error", sample_weight=[3.0])[1]
    )
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], input_shape=4, seed=0)
    net.compile("squared_error", fn.SGD(0.1))
    assert net.train_step(X[:2], np.array([1.0, 3.0]), sample_weight=[3.0, 1.0]) == (3 * 1 + 1 * 9) / 4


# ---- iterables -----------------------------------------------------------------------------------------------------


class Again:
    """Batches anew each time."""

    def __iter__(self):
        for start in range(0, N, 8):
            yield X[start : start + 8], Y[start : start + 8]


def test_batches_from_lists_iterables_and_generators():
    nets = [make() for _ in range(5)]
    for net in nets:
        net.compile("cross_entropy", fn.Adam(0.01))
    nets[0].fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    nets[1].fit(Again(), epochs=2, verbose=0)
    nets[2].fit(list(Again()), epochs=2, verbose=0, batch_size=3)  # they bring their own
    for _ in range(2):
        nets[3].fit(iter(Again()), verbose=0)
        nets[4].fit(((x.astype(np.float64).tolist(), y.tolist()) for x, y in Again()), verbose=0)
    for net in nets[1:]:
        assert np.array_equal(net.params, nets[0].params)
        assert net.epoch == 2


def test_batches_with_weights_and_of_changing_size():
    net, other = make(), make()
    for n in (net, other):
        n.compile("cross_entropy", "adam")
    weights = np.random.default_rng(0).random(N)
    cuts = [0, 3, 30, 31, N]
    history = net.fit([(X[a:b], Y[a:b], weights[a:b]) for a, b in pairwise(cuts)], verbose=0)
    losses = [other.train_step(X[a:b], Y[a:b], sample_weight=weights[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(net.params, other.params)
    masses = [weights[a:b].sum() for a, b in pairwise(cuts)]
    np.testing.assert_allclose(history["loss"][0], np.dot(losses, masses) / sum(masses), rtol=1e-6)


def test_a_list_of_rows_is_rows():
    net, other = make(outputs=4), make(outputs=4)
    for n, data in ((net, [list(map(float, row)) for row in X]), (other, X)):
        n.fit(data, data, loss="squared_error", optimizer="sgd", verbose=0)
    assert np.array_equal(net.params, other.params)


# ---- failure -------------------------------------------------------------------------------------------------------


def raise_at(epoch):
    def callback(info):
        if info.epoch >= epoch:
            raise LookupError("enough")

    return callback


def bad_in_the_middle():
    yield X[:9], Y[:9]
    yield X[9:20], Y[9:20]
    yield X[20:30] * np.nan, Y[20:30]


class Failing(fn.Callback):
    def __init__(self, where):
        self.where = where

    def on_fit_begin(self, net, epochs):
        if self.where == "begin":
            raise LookupError("enough")

    def on_batch_end(self, done_rows, total_rows, loss):
        if self.where == "batch":
            raise LookupError("enough")

    def on_fit_end(self, net, history):
        if self.where == "end":
            raise LookupError("enough")


def failing_metric(y_true, y_pred):
    raise LookupError("enough")


FAILURES = {
    "callback": (LookupError, lambda net: net.fit(X, Y, epochs=9, callbacks=[raise_at(4)])),
    "begin": (LookupError, lambda net: net.fit(X, Y, epochs=2, callbacks=[Failing("begin")])),
    "batch": (LookupError, lambda net: net.fit(X, Y, epochs=2, callbacks=[Failing("batch")])),
    "end": (LookupError, lambda net: net.fit(X, Y, epochs=2, callbacks=[Failing("end")])),
    "after early stopping": (
        LookupError,
        lambda net: net.fit(X, Y, epochs=9, callbacks=[fn.EarlyStopping("loss"), raise_at(4)]),
    ),
    "diverging": (
        fn.DivergenceError,
        lambda net: net.fit(X * 1e15, GOALS * 1e15, epochs=50, optimizer=fn.SGD(1e15), loss="squared_error"),
    ),
    "schedule": (
        ValueError,
        lambda net: net.fit(X, Y, epochs=9, optimizer=fn.SGD(lambda step: 0.1 if step < 12 else -1.0)),
    ),
    "batch of an iterable": (ValueError, lambda net: net.fit(bad_in_the_middle())),
    "metric": (
        LookupError,
        lambda net: net.fit(X, Y, loss="cross_entropy", metrics=[failing_metric], validation_data=(X, Y)),
    ),
    "monitor": (ValueError, lambda net: net.fit(X, Y, epochs=3, callbacks=[fn.EarlyStopping("val_accuracy")])),
    "checkpoint": (OSError, lambda net: net.fit(X, Y, callbacks=[fn.Checkpoint("/proc/none/x")])),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize(
    "optimizer",
    [fn.Adam(0.01), fn.SGD(0.05), fn.SGD(fn.ReduceOnPlateau(0.05, patience=1, monitor="loss"), momentum=0.5)],
    ids=["adam", "sgd", "plateau"],
)
def test_a_fit_that_fails_leaves_everything_as_it_was(name, optimizer):
    exception, call = FAILURES[name]
    net = fn.Sequential(
        [fn.Dense(6, "tanh"), fn.Dropout(0.25), fn.Dense(3 if name != "diverging" else 2)], input_shape=4, seed=7
    )
    if name == "diverging":
        net.compile("squared_error", optimizer)
        net.fit(X, GOALS, epochs=3, verbose=0)
    else:
        net.compile("cross_entropy", optimizer)
        net.fit(X, Y, epochs=3, verbose=0)
    before, twin = fingerprint(net), copy.deepcopy(net)
    with pytest.raises(exception):
        call(net)
    assert fingerprint(net) == before
    goals = GOALS if name == "diverging" else Y
    net.fit(X, goals, epochs=2, verbose=0)
    twin.fit(X, goals, epochs=2, verbose=0)
    assert fingerprint(net)[:7] == fingerprint(twin)[:7]  # and it goes on as if nothing had been


def test_divergence_names_the_epoch_and_what_to_do():
    net = fn.Sequential([fn.Dense(2)], input_shape=4, seed=7)
    net.compile("squared_error", fn.SGD(30.0))
    before = net.params.copy()
    with pytest.raises(
        fn.DivergenceError,
        match=r"^fit, epoch \d+: the loss became (inf|nan) after \d+ updates; lower the learning rate.*the network is as it was before fit$",
    ) as caught:
        net.fit(X, GOALS, epochs=500, batch_size=16, verbose=0)
    steps = int(str(caught.value).split("after ")[1].split()[0])
    assert int(str(caught.value).split("epoch ")[1].split(":")[0]) == steps // 4 + 1  # four updates per epoch
    assert np.array_equal(net.params, before)
    with pytest.raises(fn.DivergenceError, match="train_step: the loss is inf; the parameters were left as they are"):
        net.train_step(X * 1e30, GOALS * 1e30)
    assert np.array_equal(net.params, before)


def test_parameters_that_overflow_in_the_very_last_update():
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], input_shape=1, seed=0)
    net.compile("squared_error", fn.SGD(1e38))
    before = net.params.copy()
    with pytest.raises(
        fn.DivergenceError, match=r"fit, epoch 1: parameters became NaN or infinite; .* as it was before fit"
    ):
        net.fit(np.full((4, 1), 1e3), np.full((4, 1), 1e3), verbose=0)
    assert np.array_equal(net.params, before)


# ---- history, validation, callbacks --------------------------------------------------------------------------------


def test_history_holds_what_happened():
    net = make(dtype="float64")
    net.compile("cross_entropy", fn.SGD(fn.StepDecay(0.1, factor=0.5, every=7)), metrics=["accuracy"])
    history = net.fit(X, Y, epochs=3, batch_size=8, validation_data=(X[:20], Y[:20]), verbose=0)
    assert net.history is history
    assert list(history) == ["loss", "val_loss", "accuracy", "val_accuracy", "learning_rate", "seconds"]
    assert history.epochs == [1, 2, 3]
    assert history["learning_rate"] == [0.1, 0.05, 0.025]  # seven updates per epoch
    found = net.evaluate(X[:20], Y[:20])
    assert (history["val_loss"][-1], history["val_accuracy"][-1]) == (found["loss"], found["accuracy"])
    assert all(0 < seconds < 5 for seconds in history["seconds"])
    assert net.fit(X, Y, epochs=1, verbose=0).epochs == [4]


def test_validation_counts_in_the_seconds():
    net = make()
    history = net.fit(
        X, Y, loss="cross_entropy", metrics=[lambda t, p: time.sleep(0.05) or 0.0], validation_data=(X, Y), verbose=0
    )
    assert history["seconds"][0] >= 0.05


@pytest.mark.parametrize("form", ["pair", "triple", "batches", "list", "lists"])
def test_forms_of_validation_data(form):
    net = make(dtype="float64")
    net.compile("cross_entropy", "adam")
    weights = np.random.default_rng(1).random(20)
    data = {
        "pair": (X[:20], Y[:20]), "triple": (X[:20], Y[:20], weights), "list": [(X[:7], Y[:7]), (X[7:20], Y[7:20])],
        "batches": type("B", (), {"__iter__": lambda self: iter([(X[:7], Y[:7], weights[:7]), (X[7:20], Y[7:20], weights[7:])])})(),
        "lists": (X[:20].tolist(), Y[:20].tolist()),
    }[form]  # fmt: skip
    history = net.fit(X, Y, epochs=2, validation_data=data, verbose=0)
    nll = -np.log(softmax(net.predict(X[:20]))[np.arange(20), Y[:20]])
    expected = (weights * nll).sum() / weights.sum() if form in ("triple", "batches") else nll.mean()
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-6)


def test_validation_does_not_change_the_training():
    nets = [make() for _ in range(2)]
    for net, more in zip(nets, ({}, {"validation_data": (X, Y), "metrics": ["accuracy"]}), strict=True):
        net.fit(X, Y, epochs=3, loss="cross_entropy", verbose=0, **more)
    assert np.array_equal(nets[0].params, nets[1].params)


class Diary(fn.Callback):
    def __init__(self, name, book, stop_at=None):
        self.name, self.book, self.stop_at = name, book, stop_at

    def on_fit_begin(self, net, epochs):
        self.book.append((self.name, "begin", epochs))

    def on_batch_end(self, done_rows, total_rows, loss):
        self.book.append((self.name, "batch", done_rows, total_rows))

    def on_epoch_end(self, info):
        self.book.append((self.name, "epoch", info.epoch))
        return info.epoch == self.stop_at

    def on_fit_end(self, net, history):
        self.book.append((self.name, "end", len(history.epochs)))


def test_callbacks_are_called_in_order_and_stop():
    book, net = [], make()
    net.fit(
        X,
        Y,
        epochs=5,
        batch_size=64,
        loss="cross_entropy",
        callbacks=[Diary("a", book, 2), Diary("b", book), lambda info: None],
        verbose=0,
    )
    once = [("a", "batch", N, N), ("b", "batch", N, N)]
    assert book == [
        ("a", "begin", 5), ("b", "begin", 5), *once, ("a", "epoch", 1), ("b", "epoch", 1), *once, ("a", "epoch", 2), ("b", "epoch", 2),
        ("a", "end", 2), ("b", "end", 2),
    ]  # fmt: skip
    assert net.epoch == 2
    book.clear()
    net.fit(iter(Again()), callbacks=[Diary("a", book)], verbose=0)
    assert book[1:8] == [("a", "batch", min(N, 8 * i), None) for i in range(1, 8)]


def test_early_stopping_brings_the_best_weights_back():
    net, kept = make(), {}
    net.compile("cross_entropy", fn.Adam(0.3))
    stop = fn.EarlyStopping(patience=3)
    history = net.fit(
        X[:30],
        Y[:30],
        epochs=200,
        validation_data=(X[30:], Y[30:]),
        verbose=0,
        callbacks=[stop, lambda info: kept.__setitem__(info.epoch, info.net.params.copy())],
    )
    best = int(np.argmin(history["val_loss"])) + 1
    assert len(history.epochs) == best + 3 == stop.stopped_epoch < 200
    assert stop.best_epoch == best
    assert np.array_equal(net.params, kept[best])
    assert not np.array_equal(net.params, kept[best + 3])


def test_checkpoints_are_files_to_go_on_from(tmp_path):
    net = make()
    net.compile("cross_entropy", fn.Adam(0.01))
    net.fit(X, Y, epochs=4, verbose=0, callbacks=[fn.Checkpoint(tmp_path / "runs" / "{epoch:02d}")])
    assert sorted(os.listdir(tmp_path / "runs")) == ["01", "02", "03", "04"]
    again = fn.load(tmp_path / "runs" / "02")
    again.fit(X, Y, epochs=2, verbose=0)
    assert np.array_equal(again.params, net.params)


def test_plateaus_lower_the_rate_within_a_fit():
    """Against the rule by hand."""
    net = make()
    net.compile("cross_entropy", fn.SGD(fn.ReduceOnPlateau(0.8, factor=0.5, patience=2, min_delta=0.02)))
    history = net.fit(X[:30], Y[:30], epochs=40, validation_data=(X[30:], Y[30:]), verbose=0)
    rate, best, wait, expected = 0.8, math.inf, 0, []
    for loss in history["val_loss"]:
        expected.append(rate)
        wait = 0 if loss < best - 0.02 else wait + 1
        best = min(best, loss) if wait == 0 else best
        if wait == 2:
            rate, wait = rate * 0.5, 0
    np.testing.assert_allclose(history["learning_rate"], expected)
    assert expected[-1] < 0.8
    fresh = make()
    fresh.compile("cross_entropy", net.optimizer)  # of its own: not what the other has observed
    assert fresh.learning_rate == 0.8


def test_the_rates_used_are_the_schedules():
    logger, net = fn.LearningRateLogger(), make()
    schedule = fn.CosineDecay(0.1, total_steps=21, warmup_steps=3)
    history = net.fit(
        X, Y, epochs=3, batch_size=8, loss="cross_entropy", optimizer=fn.SGD(schedule), callbacks=[logger], verbose=0
    )
    assert logger.rates == history["learning_rate"] == [schedule(6), schedule(13), schedule(20)]
    assert net.learning_rate == schedule(21)


def test_verbose_two_writes_a_line_per_epoch(capsys):
    net = make()
    net.fit(X, Y, epochs=3, loss="cross_entropy", metrics=["accuracy"], validation_data=(X, Y), verbose=2)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert f"loss {net.history['loss'][0]:.4f}  val_loss {net.history['val_loss'][0]:.4f}  accuracy" in lines[0]
    assert err == ""


@pytest.mark.parametrize(
    ("verbose", "tty", "bar"), [("auto", True, True), ("auto", False, False), (1, False, True), (0, True, False)]
)
def test_the_bar_is_for_terminals(verbose, tty, bar, monkeypatch):
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self):
            return tty

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    make().fit(X, Y, epochs=2, loss="cross_entropy", verbose=verbose)
    assert ("epoch 2/2" in stream.getvalue()) is bar
    assert bar or not stream.getvalue()


def test_fit_compiles_with_what_is_given_and_keeps_the_rest():
    net = make()
    net.fit(X, Y, loss="cross_entropy", optimizer=fn.SGD(0.5), metrics=["accuracy"], verbose=0)
    net.fit(X, Y, optimizer="rmsprop", verbose=0)
    assert (type(net.losses[0]), type(net.optimizer), net.metrics) == (fn.CrossEntropy, fn.RMSprop, ("accuracy",))
    assert net.epoch == 2
    step = net.trainer.step
    net.compile("cross_entropy", "adam")
    assert (net.trainer.step, net.trainer.optimizer.step) == (step, 0)  # masks go on, the optimiser starts afresh
