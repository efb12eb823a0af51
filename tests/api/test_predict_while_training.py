"""What is promised of answers that are asked for while another thread trains the network.

Each parameter is read as it was at some moment of the call.  So where every parameter only ever rises, and every input
is one, answers of one thread never fall: sums of numbers that rise, rounded, do not fall.
"""

import copy
import threading

import numpy as np
import pytest
from helpers.threads import in_threads

import fastnn as fn

INPUTS = 37  # no multiple of a vector: the last lanes are trained and read otherwise
GOAL = 1e3
OPTIMIZERS = {
    "added to the parameters themselves": lambda: fn.SGD(1e-10),
    "step by step": lambda: fn.Adagrad(1e-5),
    "after the whole gradient": lambda: fn.SGD(1e-10, clip_norm=1e9),
}


def rising(optimizer):
    """A network that one step after the other draws to an answer far above."""
    net = fn.Sequential([fn.Dense(40), fn.Dense(1, kernel_initializer=fn.initializers.Constant(0.1))], INPUTS, seed=0)
    net.layers[0].weight[:] = np.random.default_rng(0).uniform(0, 0.01, (INPUTS, 40))
    net.compile("squared_error", optimizer)
    return net


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_is_one_that_there_was(name):
    net, alone = rising(OPTIMIZERS[name]()), rising(OPTIMIZERS[name]())
    rows, goals = np.ones((20000, INPUTS), np.float32), np.full((20000, 1), GOAL, np.float32)
    X = rows[:600].copy()
    trained, seen = threading.Event(), [[net.predict(X)] for _ in range(2)]

    def work(i):
        if i == 2:
            try:
                while net.epoch < 3 or (min(map(len, seen)) < 50 and net.epoch < 50):
                    net.fit(rows, goals, batch_size=1, verbose=0)
            finally:
                trained.set()
            return
        while not trained.is_set():
            seen[i].append(net.predict_one(X[0]) if i == 0 else net.predict(X))

    assert in_threads(work, 3) == []
    for answers in seen:
        answers.append(net.predict(X))
        low, high = np.array([[y.min(), y.max()] for y in answers]).T
        assert (low[1:] >= high[:-1]).all()
        assert len(np.unique(high)) > 5  # it was learning meanwhile
        assert high[-1] < GOAL
    for _ in range(net.epoch):
        alone.fit(rows, goals, batch_size=1, verbose=0)
    assert net.params.tobytes() == alone.params.tobytes()


def test_answers_of_published_networks_are_of_one_update_each():
    """The way to answers that no update cuts in two: the callback copies, and every thread asks the last copy."""
    net = rising(fn.SGD(1e-10))
    X, goal = np.ones((600, INPUTS), np.float32), np.full((600, 1), GOAL, np.float32)
    published, trained, seen = [copy.deepcopy(net)], threading.Event(), []

    class Publish(fn.Callback):
        def on_epoch_end(self, info):
            published.append(copy.deepcopy(net))

    def work(i):
        if i == 0:
            try:
                net.fit(X, goal, batch_size=1, epochs=10, callbacks=[Publish()], verbose=0)
            finally:
                trained.set()
            return
        while not trained.is_set():
            seen.append(float(published[-1].predict_one(X[0])[0]))

    assert in_threads(work, 3) == []
    assert len(published) == 11
    assert set(seen) <= {float(copied.predict_one(X[0])[0]) for copied in published}
