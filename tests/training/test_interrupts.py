"""Ctrl-C within long calls: KeyboardInterrupt, whole updates, and the next call works.

How soon is no matter here: ``tests/torture/interrupts.py`` holds the package to its 0.1 s, on a machine of its own.
"""

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastnn as fn
from tests.torture.interrupts import Interrupted, calls, convolutional, interrupt, recurrent

POINTS = 4


@pytest.fixture(autouse=True)
def _heeded():
    """SIGINT raises KeyboardInterrupt, though a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


CALLS = calls()


@pytest.mark.parametrize("name", CALLS)
def test_a_signal_ends_a_long_call(name):
    net, call = CALLS[name]
    random, ended = np.random.default_rng(1), 0
    while ended < POINTS:
        ended += interrupt(name, net, call, random.uniform(0.002, 0.15)) is not None


def longer(name):
    """The call of that name, on so many rows that it takes ten times what may pass between two looks for signals."""
    size, took = 1, 0.0
    while took < 0.3:
        call = calls(size)[name][1]
        began = time.thread_time()
        call()
        took = time.thread_time() - began
        size *= 2
    return call


@pytest.mark.parametrize("name", [name for name in CALLS if not name.startswith(("fit_many", "integrated", "sal"))])
def test_a_long_call_looks_for_signals(name):
    """Handlers run amid one call; of signals that come during a deaf one the last alone is heard, when it ends."""
    heard, stop, threads = [], threading.Event(), fn.get_num_threads()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(None))

    def send():
        while not stop.wait(0.005):
            os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=send)
    fn.set_num_threads(1)
    call = longer(name)
    thread.start()
    try:
        most = 0
        for _ in range(20):
            heard.clear()
            call()
            most = max(most, len(heard))
            if most > 2:
                break
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
        fn.set_num_threads(threads)
    assert most > 2


def lstm():
    return recurrent(600)


def images():
    return convolutional(norm=True)


@pytest.mark.parametrize("make", [lstm, images])
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
    net, X, y = recurrent(2000)
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
    started, tried, errors = threading.Event(), threading.Event(), []

    class Tell(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            started.set()
            tried.wait(60)

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
    tried.set()
    thread.join()
    assert len(errors) == 2
    assert all("trained by another call" in error for error in errors)
    twin = lstm()[0]
    twin.fit(X, y, batch_size=500, epochs=2, verbose=0)
    np.testing.assert_array_equal(net.params, twin.params)
