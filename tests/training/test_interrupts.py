"""Ctrl-C within long calls: KeyboardInterrupt soon, whole updates, and the next call works."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest

import fastnn as fn

RNG = np.random.default_rng(0)
SOON = 0.1  # seconds of processor time of this process until the exception, of which looks take 0.03
POINTS = 20


@pytest.fixture(autouse=True)
def _heeded():
    """SIGINT raises KeyboardInterrupt, though a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def lstm():
    net = fn.Sequential([fn.LSTM(64), fn.Dense(5)], input_shape=(100, 16), seed=0)
    net.compile("cross_entropy", fn.Adam(1e-3))
    return net, RNG.normal(size=(2000, 100, 16)).astype(np.float32), RNG.integers(0, 5, 2000)


def convolutional(norm=True):
    layers = [fn.Conv2D(32, 3, "relu", padding="same"), fn.BatchNorm() if norm else fn.Dropout(0.1)]
    layers += [fn.Conv2D(32, 3, "relu", padding="same"), fn.GlobalAvgPool2D(), fn.Dense(5)]
    net = fn.Sequential(layers, input_shape=(32, 32, 3), seed=0)
    net.compile("cross_entropy", fn.SGD(1e-3))
    return net, RNG.normal(size=(800, 32, 32, 3)).astype(np.float32), RNG.integers(0, 5, 800)


class Interrupted:
    """Send SIGINT to this process after some seconds; ``late``: processor time that passed until the exception."""

    def __init__(self, after):
        self.after, self.sent, self.late = after, None, None

    def _send(self):
        if not self.done.wait(self.after):
            self.sent = time.process_time()
            os.kill(os.getpid(), signal.SIGINT)

    def __enter__(self):
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._send)
        self.thread.start()
        return self

    def __exit__(self, kind, error, trace):
        now = time.process_time()
        self.done.set()
        if kind is None:  # the call was over before: the signal may still come
            try:
                self.thread.join()
                time.sleep(0.01)
            except KeyboardInterrupt:
                self.thread.join()
            return False
        assert kind is KeyboardInterrupt, error
        self.thread.join()
        self.late = now - self.sent
        return True


def calls():
    recurrent, rows, labels = lstm()
    images, pictures, classes = convolutional()
    plain, _, _ = convolutional(norm=False)
    many = [lstm()[0] for _ in range(2)]
    table = RNG.normal(size=(6000, 400)).astype(np.float32)
    digits = RNG.integers(0, 3, 6000)
    estimator = fn.MLPClassifier((400, 400), batch_size=6000, max_iter=50, random_state=0)
    return {
        "fit LSTM": (recurrent, lambda: recurrent.fit(rows, labels, batch_size=2000, epochs=50, verbose=0)),
        "train_step LSTM": (recurrent, lambda: [recurrent.train_step(rows, labels) for _ in range(50)]),
        "fit BatchNorm": (images, lambda: images.fit(pictures, classes, batch_size=800, epochs=50, verbose=0)),
        "fit images": (plain, lambda: plain.fit(pictures, classes, batch_size=800, epochs=50, verbose=0)),
        "predict LSTM": (recurrent, lambda: [recurrent.predict(rows) for _ in range(50)]),
        "predict images": (images, lambda: [images.predict(pictures) for _ in range(50)]),
        "evaluate": (recurrent, lambda: [recurrent.evaluate(rows, labels) for _ in range(50)]),
        "forward": (images, lambda: [images.forward(pictures[:400]) for _ in range(50)]),
        "fit_many": (many[0], lambda: fn.fit_many(many, rows, labels, epochs=50, batch_size=2000)),
        "estimator": (None, lambda: estimator.fit(table, digits)),
    }


@pytest.mark.parametrize("name", calls())
def test_a_signal_ends_a_long_call_soon(name):
    net, call = calls()[name]
    random, late = np.random.default_rng(1), []
    gc.collect()
    while len(late) < POINTS:
        state = None if net is None else net.copy()
        with Interrupted(random.uniform(0.0, 0.15)) as interrupted:
            call()
        if interrupted.late is not None:
            late.append(interrupted.late)
        if state is not None:
            assert np.isfinite(net.params).all()
            assert whole(name, state, net)
    # Of a machine that others use as well; the calls last for seconds and looked up only at their ends before.
    assert np.median(late) < 4 * SOON, late
    assert max(late) < 20 * SOON, late


def whole(name, before, net):
    """Whether nothing changed where no update was made, and none was made where none is asked for."""
    updates = net.trainer.optimizer.step - before.trainer.optimizer.step
    if updates == 0:
        return np.array_equal(net.params, before.params) and np.array_equal(
            net.trainer.optimizer.state, before.trainer.optimizer.state
        )
    return not name.startswith(("predict", "evaluate", "forward"))


@pytest.mark.parametrize("make", [lstm, convolutional])
def test_an_interrupted_fit_is_at_the_last_whole_update(make):
    net, X, y = make()
    net.compile("cross_entropy", fn.SGD(1e-3))  # whose backward pass changes the parameters themselves
    twin = net.copy()
    X, y = X[:600], y[:600]
    random = np.random.default_rng(2)
    for _ in range(5):
        with Interrupted(random.uniform(0.05, 0.6)):
            net.fit(X, y, batch_size=300, epochs=100, shuffle=False, verbose=0)
        done = net.trainer.optimizer.step - twin.trainer.optimizer.step
        for k in range(done):
            part = slice(300 * (k % 2), 300 * (k % 2) + 300)
            twin.train_step(X[part], y[part])
        np.testing.assert_array_equal(net.params, twin.params)
        net.epoch = twin.epoch = 0
        net.trainer.step = twin.trainer.step


def test_a_handler_that_raises_nothing_changes_nothing():
    net, X, y = lstm()
    twin, seen = net.copy(), []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(net.predict(X[:3]).shape))
    stop = threading.Event()

    def send():
        while not stop.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        net.fit(X, y, batch_size=2000, epochs=1, verbose=0)
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    twin.fit(X, y, batch_size=2000, epochs=1, verbose=0)
    assert len(seen) > 1  # within one mini-batch
    np.testing.assert_array_equal(net.params, twin.params)


def test_two_threads_cannot_train_one_network():
    net, X, y = lstm()
    started, errors = threading.Event(), []

    class Tell(fn.Callback):
        def on_fit_begin(self, net, epochs):
            started.set()

    def train():
        net.fit(X, y, batch_size=500, epochs=2, callbacks=[Tell()], verbose=0)

    thread = threading.Thread(target=train)
    thread.start()
    started.wait()
    for call in (lambda: net.fit(X, y, verbose=0), lambda: net.train_step(X, y)):
        try:
            call()
        except RuntimeError as error:
            errors.append(str(error))
    thread.join()
    assert len(errors) == 2
    assert all("trained by another call" in error for error in errors)
    twin = lstm()[0]
    twin.fit(X, y, batch_size=500, epochs=2, verbose=0)
    np.testing.assert_array_equal(net.params, twin.params)
