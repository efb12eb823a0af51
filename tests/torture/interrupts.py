"""Ctrl-C at random points of long calls: KeyboardInterrupt soon, whole updates, and the next call works."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn as fn

PROMISE = (
    "SIGINT at 300 random points of fit with large mini-batches, predict, evaluate, fit_many, estimators and insight "
    "raises KeyboardInterrupt within 0.1 s, updates are whole, and the next call works"
)
SHORT = 0.1
POINTS, SOON = 300, 0.1


def recurrent(rows: int = 2000) -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    net = fn.Sequential([fn.LSTM(64), fn.Dense(5)], input_shape=(100, 16), seed=0)
    net.compile("cross_entropy", fn.Adam(1e-3))
    return net, random.normal(size=(rows, 100, 16)).astype(np.float32), random.integers(0, 5, rows)


def convolutional(norm: bool, rows: int = 800) -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    layers = [fn.Conv2D(32, 3, "relu", padding="same"), fn.BatchNorm() if norm else fn.Dropout(0.1)]
    layers += [fn.Conv2D(32, 3, "relu", padding="same"), fn.GlobalAvgPool2D(), fn.Dense(5)]
    net = fn.Sequential(layers, input_shape=(32, 32, 3), seed=0)
    net.compile("cross_entropy", fn.SGD(1e-3))
    return net, random.normal(size=(rows, 32, 32, 3)).astype(np.float32), random.integers(0, 5, rows)


class Interrupted:
    """Send SIGINT to this process after some seconds; ``late``: seconds that passed until the exception.

    None if the call ended before.  Processor time of this process where that is less, as it is while others have the
    machine; on several threads it is more.
    """

    def __init__(self, after: float) -> None:
        self.after, self.sent, self.late = after, (0.0, 0.0), None

    def _send(self) -> None:
        self.begun.wait()
        if not self.done.wait(self.after):
            self.sent = time.process_time(), time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)

    def __enter__(self) -> "Interrupted":
        self.begun, self.done = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._send)
        self.thread.start()
        self.begun.set()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        now = time.process_time(), time.perf_counter()
        self.done.set()
        if kind is None:  # the call was over before: the signal may still come
            try:
                self.thread.join()
                time.sleep(0.01)
            except KeyboardInterrupt:
                self.thread.join()
            return False
        assert kind is KeyboardInterrupt, repr(error)
        self.thread.join()
        self.late = min(now[0] - self.sent[0], now[1] - self.sent[1])
        return True


def calls(size: int = 1) -> dict[str, tuple[Any, Callable[[], Any]]]:
    """Long calls by name, each with the network that it trains or asks; ``size``: how many times as many rows."""
    lstm, rows, labels = recurrent(2000 * size)
    images, pictures, classes = convolutional(norm=True, rows=800 * size)
    plain = convolutional(norm=False)[0]
    many = [recurrent(1)[0] for _ in range(2)]
    random = np.random.default_rng(2)
    table, digits = random.normal(size=(6000 * size, 400)).astype(np.float32), random.integers(0, 3, 6000 * size)
    estimator = fn.MLPClassifier((400, 400), batch_size=6000 * size, random_state=0)
    few = pictures[:20], classes[:20]
    return {
        "fit LSTM": (lstm, lambda: lstm.fit(rows, labels, batch_size=2000 * size, verbose=0)),
        "train_step LSTM": (lstm, lambda: lstm.train_step(rows, labels)),
        "fit BatchNorm": (images, lambda: images.fit(pictures, classes, batch_size=800 * size, verbose=0)),
        "fit images": (plain, lambda: plain.fit(pictures, classes, batch_size=800 * size, verbose=0)),
        "predict LSTM": (lstm, lambda: lstm.predict(rows)),
        "predict images": (images, lambda: images.predict(pictures)),
        "evaluate LSTM": (lstm, lambda: lstm.evaluate(rows, labels)),
        "forward images": (images, lambda: images.forward(pictures)),
        "fit_many": (many[0], lambda: fn.fit_many(many, rows, labels, epochs=5, batch_size=2000 * size)),
        "estimator": (None, lambda: estimator.partial_fit(table, digits, classes=[0, 1, 2])),
        "saliency": (images, lambda: fn.saliency(images, pictures[:200], classes[:200])),
        "integrated_gradients": (images, lambda: fn.integrated_gradients(images, *few, verbose=0)),
    }


def whole(name: str, before: Any, net: Any) -> bool:
    """Whether nothing changed where no update was made, and none was made where none is asked for."""
    updates = net.trainer.optimizer.step - before.trainer.optimizer.step
    if updates == 0:
        state = net.trainer.optimizer.state, before.trainer.optimizer.state
        return bool((net.params == before.params).all() and (state[0] == state[1]).all())
    return name.startswith(("fit", "train_step"))


def interrupt(name: str, net: Any, call: Callable[[], Any], after: float) -> float | None:
    """Interrupt a call that is made over and over; return how late the exception came."""
    before = None if net is None else net.copy()
    with Interrupted(after) as interrupted:
        for _ in range(50):
            call()
    if before is not None:
        assert np.isfinite(net.params).all(), f"{name}: parameters that are not finite"
        assert whole(name, before, net), f"{name}: an update half done"
        net.predict(np.zeros((1, *net.input_shape), np.float32))
    return interrupted.late


def run(share: float) -> dict[str, Any]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    random, late = np.random.default_rng(3), {}
    try:
        every = calls()
        points = max(2, round(POINTS * share / len(every)))
        for name, (net, call) in every.items():
            call()  # memory that the process never had before takes the system long, and nobody can interrupt it
            late[name] = []
            while len(late[name]) < points:
                found = interrupt(name, net, call, random.uniform(0.002, 0.15))
                late[name] += [] if found is None else [found]
    finally:
        signal.signal(signal.SIGINT, before)
    worst = {name: round(max(times), 3) for name, times in late.items()}
    assert max(worst.values()) < SOON, f"seconds until KeyboardInterrupt: {worst}"
    return {"points": points * len(late), "latest_seconds": worst}
