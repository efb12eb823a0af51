"""Several epochs in one call of the Trainer leave every bit as one epoch at a time does."""

import signal
import time

import numpy as np
import pytest
from helpers.bits import native

import fastnn as fn
from fastnn._core import table
from fastnn.training import loop


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads as it was."""
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


def network(layers, inputs, *, loss="squared_error", optimizer=None, dtype="float32"):
    net = fn.Sequential(layers, inputs, seed=5, dtype=dtype)
    net.compile(loss, optimizer or fn.Adam(0.01))
    return net


def dense(**options):
    return network([fn.Dense(16, "relu"), fn.Dense(3)], 4, **options)


def data(n=150, inputs=4, outputs=3, dtype="float32"):
    random = np.random.default_rng(n)
    return random.standard_normal((n, inputs)).astype(dtype), random.standard_normal((n, outputs)).astype(dtype)


WEIGHT = np.random.default_rng(1).uniform(0, 2, 150)
LABELS = np.random.default_rng(2).integers(0, 3, 150)
CASES = {
    "plain": (dense, {}),
    "in order": (dense, {"shuffle": False}),
    "weights": (dense, {"sample_weight": WEIGHT}),
    "some rows of weight 0": (dense, {"sample_weight": (WEIGHT > 1).astype(float)}),
    "one mini-batch": (dense, {"batch_size": 1000}),
    "single rows": (dense, {"batch_size": 1}),
    "plain SGD": (lambda: dense(optimizer=fn.SGD(0.01)), {}),
    "clipped": (lambda: dense(optimizer=fn.SGD(0.01, momentum=0.9, clip_norm=0.5)), {}),
    "a schedule": (lambda: dense(optimizer=fn.Adam(fn.CosineDecay(0.01, total_steps=40, warmup_steps=7))), {}),
    "labels": (lambda: dense(loss="cross_entropy"), {"y": LABELS, "class_weight": "balanced"}),
    "dropout": (lambda: network([fn.Dense(16, "relu"), fn.Dropout(0.3), fn.Dense(3)], 4), {}),
    "running statistics": (lambda: network([fn.Dense(8), fn.BatchNorm(), fn.Dense(3)], 4), {}),
    "float64": (lambda: dense(dtype="float64"), {}),
    "pieces": (dense, {"n": 6000, "batch_size": 2500}),
    "sequences": (lambda: network([fn.Reshape((2, 2)), fn.LSTM(5), fn.Dense(3)], 4), {}),
}


def trained(make, options, watched):
    """Loss and rate of each epoch, and everything that a network keeps, after two fits."""
    options = dict(options)
    net = make()
    X, y = data(options.pop("n", 150), dtype=net.dtype)
    options = {"y": y, "batch_size": 32, "verbose": 0, **options}
    if watched:
        options["callbacks"] = [lambda info: None]
    histories = [net.fit(X, epochs=epochs, **options).to_dict() for epochs in (5, 2)]
    for history in histories:
        assert min(history.pop("seconds")) > 0
    trainer = net.trainer
    counters = net.epoch, trainer.step, trainer.optimizer.step
    return histories, counters, net.params.tobytes(), trainer.optimizer.state.tobytes()


@native(16 * 16)
@pytest.mark.parametrize("updates", [1 << 16, 12, 1])
@pytest.mark.parametrize("case", CASES)
def test_no_bit_changes(case, updates, monkeypatch):
    """Whatever number of updates a call may make."""
    monkeypatch.setattr(loop, "UPDATES", updates)
    calls = []
    at_once = loop._epochs
    monkeypatch.setattr(loop, "_epochs", lambda *values: calls.append(1) or at_once(*values))
    results = []
    for threads in (1, 2):
        fn.set_num_threads(threads)
        results += [trained(*CASES[case], watched) for watched in (False, True)]
    assert len(calls) == 4  # those not watched, two fits each
    assert results[0][1][0] == 7
    assert all(result == results[0] for result in results)


def test_shuffles_are_those_of_the_stream():
    """A linear neuron in NumPy takes the rows in the order that the permutation of each epoch says."""
    X, y = data(50, 4, 1, "float64")
    net = network([fn.Dense(1, bias=False, kernel_initializer="zeros")], 4, optimizer=fn.SGD(0.05), dtype="float64")
    history = net.fit(X, y, epochs=4, batch_size=8, verbose=0)
    w, losses = np.zeros((4, 1)), []
    for epoch in range(4):
        order, total = table.permutation(50, 5, 0xFFFFFFFF, epoch), 0.0
        for start in range(0, 50, 8):
            x, t = X[order[start : start + 8]], y[order[start : start + 8]]
            error = x @ w - t
            total += (error**2).sum()
            w -= 0.05 * 2 * x.T @ error / len(x)
        losses.append(total / 50)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(net.params, w.ravel(), rtol=1e-12)


def test_seconds_add_up():
    X, y = data()
    net = dense()
    began = time.perf_counter()
    history = net.fit(X, y, epochs=200, verbose=0)
    assert 0 < sum(history["seconds"]) <= time.perf_counter() - began


@pytest.mark.parametrize("make", [
    lambda: dense(optimizer=fn.SGD(lambda step: 0.01)),
    lambda: dense(optimizer=fn.SGD(fn.ReduceOnPlateau(0.01, monitor="loss", patience=1))),
    lambda: dense(loss=lambda t, y: (((y - t) ** 2).mean(axis=1), 2 * (y - t) / 3)),
    lambda: network([fn.Dense(3), fn.Custom(lambda x: x, lambda x, y, dy: dy)], 4),
], ids=["rates of a function", "a rate that hears losses", "a function as loss", "a layer of functions"])  # fmt: skip
def test_functions_of_the_user_are_called_epoch_by_epoch(make, monkeypatch):
    """They may look at the network, and so see it as it is."""
    monkeypatch.setattr(loop, "_epochs", None)
    net = make()
    assert len(net.fit(*data(), epochs=3, verbose=0)["loss"]) == 3


def failure(net, X, y, watched, **options):
    before = net.params.copy()
    with pytest.raises(fn.DivergenceError) as found:
        net.fit(X, y, callbacks=[lambda info: None] if watched else [], verbose=0, shuffle=False, **options)
    np.testing.assert_array_equal(net.params, before)
    assert (net.epoch, net.trainer.step, net.trainer.optimizer.step, net.history) == (0, 0, 0, None)
    return str(found.value)


def test_divergence_says_in_which_epoch():
    """Every update multiplies w by -3: w^2 passes float32 after 41 of them, in the second mini-batch of epoch 21."""
    texts = []
    for watched in (True, False):
        net = network([fn.Dense(1, bias=False, kernel_initializer="ones")], 1, optimizer=fn.SGD(2.0))
        X = np.ones((2, 1), np.float32)
        texts.append(failure(net, X, 0 * X, watched, epochs=1000, batch_size=1))
    assert texts[0] == texts[1]
    assert texts[0].startswith("fit, epoch 21: the loss became inf after 41 updates")


def test_parameters_that_overflow_in_the_last_update():
    """The gradient is 2 * 1e30 * 1e5; times the rate it is beyond float32, and no loss comes after it."""
    texts = []
    for watched in (True, False):
        net = network([fn.Dense(1, bias=False, kernel_initializer="zeros")], 1, optimizer=fn.SGD(1e10))
        X = np.full((4, 1), 1e15, np.float32)
        texts.append(failure(net, X, X, watched, epochs=1, batch_size=4))
    assert texts[0] == texts[1]
    assert texts[0].startswith("fit, epoch 1: parameters became NaN or infinite; lower")


def test_too_few_rows_is_refused_before_anything_changes():
    net = network([fn.BatchNorm(), fn.Dense(3)], 4)
    X, y = data(33)
    before = net.params.copy()
    with pytest.raises(ValueError, match="BatchNorm"):
        net.fit(X, y, batch_size=1, epochs=5, verbose=0)
    np.testing.assert_array_equal(net.params, before)
    assert net.epoch == 0


def interrupt(number, frame):
    raise KeyboardInterrupt


@pytest.mark.skipif("not hasattr(signal, 'setitimer')", reason="needs interval timers")
def test_an_interruption_leaves_the_last_update(monkeypatch):
    X, y = data()
    net, again = dense(), dense()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, batch_size=150, epochs=10**9, verbose=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    updates = net.trainer.step
    assert updates > 0
    assert net.epoch in (updates - 1, updates)
    assert len(net.history["loss"]) == net.epoch
    assert net.history.epochs == list(range(1, net.epoch + 1))
    again.fit(X, y, batch_size=150, epochs=int(updates), verbose=0)
    np.testing.assert_array_equal(net.params, again.params)
    np.testing.assert_array_equal(net.history["loss"], again.history["loss"][: net.epoch])
    net.fit(X, y, epochs=2, verbose=0)  # goes on
