"""What is promised of answers that are asked for while another thread trains the network, or sets its weights.

Each answer is that of the network as it was between two updates, at some moment of the call.  A twin that learns the
same alone says what the answers of all versions are; and no thread is answered by an older version than before.
"""

import copy
import os
import signal
import threading
import time

import numpy as np
import pytest
from helpers.threads import in_threads

import fastnn as fn

INPUTS = 37  # no multiple of a vector: the last lanes are trained and read otherwise
GOAL = 1e3
UPDATES, MOST = 300, 20  # in a pass, and passes
OPTIMIZERS = {
    "added to the parameters themselves": lambda: fn.SGD(1e-9),
    "step by step": lambda: fn.Adagrad(1e-5),
    "after the whole gradient": lambda: fn.SGD(1e-9, clip_norm=1e9),
}
ROW = np.ones(INPUTS, np.float32)
ROWS, GOALS = np.ones((UPDATES, INPUTS), np.float32), np.full((UPDATES, 1), GOAL, np.float32)


def rising(optimizer, units=300):
    """A network that one step after the other draws to an answer far above."""
    net = fn.Sequential(
        [fn.Dense(units), fn.Dense(1, kernel_initializer=fn.initializers.Constant(0.1))], INPUTS, seed=0
    )
    net.layers[0].weight[:] = np.random.default_rng(0).uniform(0, 0.01, (INPUTS, units))
    net.compile("squared_error", optimizer)
    return net


def alike(rows):
    """The one answer that all rows have."""
    assert (rows == rows[0]).all()
    return rows[0].tobytes()


DOORS = {
    "predict_one": lambda net: net.predict_one(ROW).tobytes(),
    "predict": lambda net: alike(net.predict(ROWS)),
    "predict to an array": lambda net: alike(net.predict(ROWS, out=np.empty((UPDATES, 1), np.float32))),
    "predict what is converted": lambda net: alike(net.predict(np.ones((9, INPUTS)))),
    "a tapped layer": lambda net: net.predict_one(ROW).tobytes(),
    "evaluate": lambda net: net.evaluate(ROWS, GOALS)["loss"],
    "evaluate batches": lambda net: net.evaluate(x for x in [(ROWS[:9], GOALS[:9])] * 3)["loss"],
}


def learn(net, how):
    if how == "fit":
        net.fit(ROWS, GOALS, batch_size=1, shuffle=False, verbose=0)
        return
    for x, y in zip(ROWS, GOALS, strict=True):
        if how == "train_step":
            net.train_step(x, y)
        else:
            net.backward(2 * (net.forward(x[None]) - y))
            net.apply_gradients()


@pytest.mark.parametrize("how", ["fit", "train_step", "apply_gradients"])
@pytest.mark.parametrize("door", DOORS)
def test_every_answer_is_that_of_one_update(door, how):
    optimizer = list(OPTIMIZERS.values())[(len(door) + len(how)) % len(OPTIMIZERS)]
    net, twin, ask = rising(optimizer()), rising(optimizer()), DOORS[door]
    asked = net.tap("dense_2") if door == "a tapped layer" else net  # which shares the parameters
    seen, passes, trained = [[ask(asked)] for _ in range(2)], [], threading.Event()

    def work(i):
        if i == 2:
            try:
                while len(passes) < MOST and not (passes and all(len(set(part)) > 5 for part in seen)):
                    learn(net, how)
                    passes.append(None)
            finally:
                trained.set()
            return
        while not trained.is_set():
            seen[i].append(ask(asked))

    assert in_threads(work, 3) == []
    known = {ask(twin): 0}
    for k in range(len(passes) * UPDATES):
        twin.train_step(ROWS[k % UPDATES], GOALS[k % UPDATES])
        known.setdefault(ask(twin), k + 1)
    assert net.params.tobytes() == twin.params.tobytes()
    for answers in seen:
        strange = sum(answer not in known for answer in answers)
        assert not strange, f"{strange} of {len(answers)} answers are of no version"
        when = [known[answer] for answer in answers]
        assert when == sorted(when)
        assert len(passes) == MOST or len(set(answers)) > 5  # it was learning meanwhile


def weights_of(net, value):
    return [np.full(array.shape, value, array.dtype) for array in net.get_weights()]


def setters(net, folder):
    """Ways to set all parameters to one number: a network whose parameters are not all alike has another answer."""
    files = {}
    for value in (1.0, 2.0, 3.0):
        files[value] = os.path.join(folder, f"{value}.npz")
        net.set_weights(weights_of(net, value))
        net.save_weights(files[value])
    others = {value: net.copy() for value in files}
    for value, other in others.items():
        other.params[:] = value

    def in_a_block(value):
        with net.changing():
            for view in net.layers:
                view.weight[:], view.bias[:] = value, value

    return {
        "set_weights": lambda value: net.set_weights(weights_of(net, value)),
        "params": lambda value: setattr(net, "params", np.full(net.n_params, value)),
        "load_weights": lambda value: net.load_weights(files[value]),
        "take_weights": lambda value: net.take_weights(others[value]),
        "changing": in_a_block,
    }


@pytest.mark.parametrize("how", ["set_weights", "params", "load_weights", "take_weights", "changing"])
def test_weights_are_set_at_once(how, tmp_path):
    net = fn.Sequential([fn.Dense(400), fn.Dense(400), fn.Dense(1)], INPUTS, seed=0)
    put = setters(net, tmp_path)[how]
    net.set_weights(weights_of(net, 1.0))
    allowed, done, seen = [], threading.Event(), [[] for _ in range(3)]
    for value in (1.0, 2.0, 3.0):
        h = value * (INPUTS + 1)
        h = value * (400 * h + 1)
        allowed.append(value * (400 * h + 1))

    def work(i):
        if i == 3:
            try:
                for k in range(3000):
                    put((1.0, 2.0, 3.0)[k % 3])
                    if k > 60 and all(len(set(part)) >= 3 for part in seen):
                        break
            finally:
                done.set()
            return
        while not done.is_set():
            seen[i] += [float(y) for y in (net.predict(ROWS[:7]).ravel() if i else net.predict_one(ROW))]

    assert in_threads(work, 4) == []
    for part in seen:
        np.testing.assert_allclose(sorted(set(part)), allowed, rtol=1e-5)


def test_a_copy_that_an_update_cuts_into_is_not_read():
    """A reader copies the parameters between two updates; one that begins meanwhile makes the copy a mixture."""
    net, twin = rising(fn.SGD(1e-9), 8_000), rising(fn.SGD(1e-9), 8_000)
    trained, seen, passes = threading.Event(), [[] for _ in range(2)], 40

    def ask(network):
        return network.evaluate(x for x in [(ROWS[:1], GOALS[:1])])["loss"]  # of an iterator: a copy from the beginning

    def work(i):
        if i == 2:
            try:
                for _ in range(passes):
                    learn(net, "fit")
            finally:
                trained.set()
            return
        while not trained.is_set():
            seen[i].append(ask(net))

    assert in_threads(work, 3) == []
    known = {ask(twin)}
    for k in range(passes * UPDATES):
        twin.train_step(ROWS[k % UPDATES], GOALS[k % UPDATES])
        known.add(ask(twin))
    strange = [answer for part in seen for answer in part if answer not in known]
    assert not strange, f"{len(strange)} of {sum(map(len, seen))} answers are of no version"
    assert min(len(set(part)) for part in seen) > 5


def test_24_threads_ask_while_one_fits():
    net, twin = rising(fn.SGD(1e-9)), rising(fn.SGD(1e-9))
    trained, seen = threading.Event(), [[] for _ in range(24)]

    def work(i):
        if i == 24:
            try:
                learn(net, "fit")
            finally:
                trained.set()
            return
        while not trained.is_set() or len(seen[i]) < 100:
            seen[i].append(net.predict_one(ROW).tobytes())

    assert in_threads(work, 25) == []
    versions = {twin.predict_one(ROW).tobytes(): 0}
    for k in range(UPDATES):
        twin.train_step(ROWS[k], GOALS[k])
        versions.setdefault(twin.predict_one(ROW).tobytes(), k + 1)
    for answers in seen:
        when = [versions[answer] for answer in answers]
        assert when == sorted(when)


def test_images_and_sequences():
    """Winograd's tiles keep transformed weights, and recurrent layers their panels, from one call to the next."""
    random = np.random.default_rng(0)
    layers = [fn.Conv2D(16, 3, "relu"), fn.Conv2D(16, 3), fn.GlobalAvgPool2D(), fn.Dense(2)]
    images = fn.Sequential(layers, (12, 12, 16), seed=0)
    steps = fn.Sequential([fn.LSTM(40), fn.Dense(2)], (12, 8), seed=0)
    for net in (images, steps):
        net.compile("squared_error", fn.SGD(1e-3))
        X, y = random.normal(size=(24, *net.input_shape)).astype("f"), np.ones((24, 2), "f")
        twin, trained, seen = net.copy(), threading.Event(), [[] for _ in range(2)]

        def work(i, net=net, X=X, y=y, trained=trained, seen=seen):
            if i == 2:
                try:
                    net.fit(X, y, batch_size=2, epochs=8, shuffle=False, verbose=0)
                finally:
                    trained.set()
                return
            while not trained.is_set():
                seen[i].append((net.predict(X[:3]) if i else net.predict_one(X[0])[None])[0].tobytes())

        assert in_threads(work, 3) == []
        versions = {twin.predict_one(X[0]).tobytes()}
        for k in range(12 * 8):
            part = slice(2 * (k % 12), 2 * (k % 12) + 2)
            twin.train_step(X[part], y[part])
            versions.add(twin.predict_one(X[0]).tobytes())
        assert set(seen[0]) | set(seen[1]) <= versions
        net.set_weights(twin.get_weights())
        assert net.predict_one(X[0]).tobytes() == twin.predict_one(X[0]).tobytes()


def test_who_trains_sees_what_it_does():
    """Callbacks, functions of the user's and handlers of signals ask the network as it is."""
    net, seen = rising(fn.SGD(1e-9)), []
    net.fit(ROWS[:50], GOALS[:50], batch_size=5, verbose=0, callbacks=[Seen(seen)])
    assert len(seen) > 5
    assert all(asked == by_hand for asked, by_hand in seen)


class Seen(fn.Callback):
    def __init__(self, seen):
        self.seen = seen

    def on_fit_begin(self, net, epochs):
        self.net = net

    def on_batch_end(self, done_rows, total_rows, loss):
        twin = self.net.astype(self.net.dtype)
        self.seen.append((self.net.predict_one(ROW).tobytes(), twin.predict_one(ROW).tobytes()))


def test_weights_are_not_set_under_a_call_that_trains():
    net = rising(fn.SGD(1e-9))
    inside, checked, errors = threading.Event(), threading.Event(), []

    class Wait(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            inside.set()
            assert checked.wait(30)

    def work(i):
        if i == 0:
            net.fit(ROWS[:5], GOALS[:5], batch_size=5, callbacks=[Wait()], verbose=0)
            return
        assert inside.wait(30)
        for call in (
            lambda: net.set_weights(net.get_weights()),
            lambda: net.train_step(ROW, GOALS[0]),
            lambda: net.fit(ROWS, GOALS),
            lambda: net.apply_gradients(),
            lambda: net.tap("dense_1").set_weights(net.tap("dense_1").get_weights()),
        ):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))
        checked.set()

    assert in_threads(work, 2) == []
    assert len(errors) == 5
    assert all("trained by another call" in error for error in errors)


def test_a_callback_sets_weights():
    net, kept = rising(fn.SGD(1e-9)), []

    class Back(fn.Callback):
        def on_fit_begin(self, net, epochs):
            kept.append(net.get_weights())

        def on_batch_end(self, done_rows, total_rows, loss):
            net.set_weights(kept[0])

    before = net.params.copy()
    net.fit(ROWS[:10], GOALS[:10], batch_size=5, callbacks=[Back()], verbose=0)
    assert (net.params == before).all()
    assert net.train_step(ROW, GOALS[0]) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_trains_answers_and_learns():
    net = rising(fn.SGD(1e-9), 2000)
    inside, checked = threading.Event(), threading.Event()

    class Tell(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            inside.set()

    def work(i):
        if i == 0:
            while not checked.is_set():
                net.fit(ROWS, GOALS, batch_size=100, callbacks=[Tell()], verbose=0)
            return
        assert inside.wait(30)
        try:
            for _ in range(5):
                child = os.fork()
                if not child:
                    right = np.isfinite(net.predict(ROWS)).all() and np.isfinite(net.train_step(ROW, GOALS[0]))
                    os._exit(0 if right else 3)
                assert status_of(child) == 0
        finally:
            checked.set()

    assert in_threads(work, 2) == []


def status_of(child):
    """The status with which a child ends; one that waits for a thread that it does not have is ended."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(1e-3)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def test_answers_of_copies_are_of_one_epoch_each():
    """Where answers are to change with the epochs alone: the callback copies, and every thread asks the last copy."""
    net = rising(fn.SGD(1e-10))
    published, trained, seen = [copy.deepcopy(net)], threading.Event(), []

    class Publish(fn.Callback):
        def on_epoch_end(self, info):
            published.append(copy.deepcopy(net))

    def work(i):
        if i == 0:
            try:
                net.fit(ROWS, GOALS, batch_size=1, epochs=10, callbacks=[Publish()], verbose=0)
            finally:
                trained.set()
            return
        while not trained.is_set():
            seen.append(float(published[-1].predict_one(ROW)[0]))

    assert in_threads(work, 3) == []
    assert len(published) == 11
    assert set(seen) <= {float(copied.predict_one(ROW)[0]) for copied in published}
