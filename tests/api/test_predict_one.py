"""The entry points that must cost next to nothing: both ways give the same bits, from many threads, interrupted or not."""
# ruff: noqa: E501  (a case of a table is one line)

import copy
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from helpers.threads import in_threads

import fastnn as fn

NETS = {
    "tiny": lambda: fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(3)], input_shape=4, seed=1),
    "float64": lambda: fn.Sequential(
        [fn.Dense(5, "gelu"), fn.Dense(3, "softmax")], input_shape=4, seed=1, dtype="float64"
    ),
    "wide": lambda: fn.Sequential([fn.Dense(300, "relu"), fn.Dense(200, "relu"), fn.Dense(3)], input_shape=4, seed=1),
    "dropout": lambda: fn.Sequential([fn.Dense(8, "relu"), fn.Dropout(0.5), fn.Dense(3)], input_shape=4, seed=1),
    "identity": lambda: fn.Sequential([fn.Activation("identity")], input_shape=4, seed=1),
    "images": lambda: fn.nets.lenet5(seed=1),
    "residual": lambda: fn.Sequential([fn.Residual([fn.Dense(4, "elu")]), fn.Dense(3)], input_shape=4, seed=1),
}


def reference(net, x):
    """The tiny network in NumPy."""
    hidden, head = net.layers
    return np.tanh(x.astype(np.float64) @ hidden.weight + hidden.bias) @ head.weight + head.bias


def test_it_is_what_numpy_says():
    net, x = NETS["tiny"](), np.random.default_rng(0).normal(size=4).astype(np.float32)
    np.testing.assert_allclose(net.predict_one(x), reference(net, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_the_straight_and_the_checked_way_give_the_same_bits(name):
    net = NETS[name]()
    rows = np.random.default_rng(0).normal(size=(40, *net.input_shape)).astype(net.dtype)
    for x in rows:
        straight = net.predict_one(x)
        assert straight.shape == net.output_shape
        assert straight.dtype == net.dtype
        for other in (x.tolist(), x[::-1].copy()[::-1], x.astype(">" + x.dtype.str[1:]), x.astype(np.longdouble)):
            assert np.array_equal(net.predict_one(other), straight)
        assert np.array_equal(net._predict_one_checked(x, None), straight)
    one_by_one = np.stack([net.predict_one(x) for x in rows])
    np.testing.assert_allclose(net.predict(rows), one_by_one, rtol=1e-5, atol=1e-6)


def test_out_is_filled_and_returned():
    net, x = NETS["tiny"](), np.arange(4, dtype=np.float32)
    expected = net.predict_one(x)
    for out in (
        np.full(3, np.nan, np.float32),
        np.full(6, np.nan, np.float32)[::2],
        np.full(7, 9, np.float32)[1:4][::-1],
    ):
        assert net.predict_one(x, out=out) is out
        assert np.array_equal(out, expected)
    out = np.full(5, 7, np.float32)
    net.predict_one(x, out[1:4])
    assert np.array_equal(out[1:4], expected)
    assert out[0] == out[4] == 7  # nothing beside it
    out.flags.writeable = False
    with pytest.raises(TypeError, match="writable"):
        net.predict_one(x, out=out[:3])
    kept = net.predict_one(x)
    net.predict_one(x + 1)
    assert np.array_equal(kept, expected)  # answers are the caller's own


def test_out_may_be_the_row_itself():
    net = fn.Sequential([fn.Dense(4, "tanh")], input_shape=4, seed=0)
    x = np.arange(4, dtype=np.float32)
    expected = net.predict_one(x.copy())
    net.predict_one(x, out=x)
    assert np.array_equal(x, expected)


def test_rows_that_are_not_vectors_and_several_ports():
    net = fn.Sequential([fn.Flatten(), fn.Dense(6), fn.Reshape((2, 3))], input_shape=(2, 2), seed=0)
    x = np.arange(4.0).reshape(2, 2)
    out = np.empty((2, 3), np.float32)
    assert net.predict_one(x, out=out) is out
    assert np.array_equal(out, net.predict(x[None])[0])
    a, b = fn.Input(2), fn.Input(3)
    both = fn.Network([a, b], [fn.Dense(2)(fn.concatenate(a, b)), fn.Dense(1)(a)], seed=0)
    answers = both.predict_one([np.ones(2), np.ones(3)])
    assert [y.shape for y in answers] == [(2,), (1,)]
    for one, many in zip(answers, both.predict([np.ones((1, 2)), np.ones((1, 3))]), strict=True):
        assert np.array_equal(one, many[0])


@pytest.mark.parametrize("name", ["tiny", "wide", "dropout"])
def test_eight_threads_on_one_network(name):
    net = NETS[name]()
    rows = np.random.default_rng(0).normal(size=(8, 700, 4)).astype(np.float32)
    ones = [[net.predict_one(x).tobytes() for x in part[:20]] for part in rows]
    many = [net.predict(part).tobytes() for part in rows]
    times = 2000 if name == "tiny" else 300

    def work(i):
        out = np.empty(3, np.float32)
        for k in range(times):
            assert net.predict_one(rows[i, k % 20], out=out).tobytes() == ones[i][k % 20]
            if k % 20 == 0:
                assert net.predict(rows[i]).tobytes() == many[i]

    assert in_threads(work) == []


def test_eight_threads_evaluate_one_network():
    net = NETS["wide"]()
    net.compile("squared_error", "sgd")
    rows = np.random.default_rng(0).normal(size=(8, 600, 4)).astype(np.float32)
    goals = np.random.default_rng(1).normal(size=(8, 600, 3)).astype(np.float32)
    sizes = [600 - 70 * i for i in range(8)]
    expected = [net.evaluate(rows[i, :n], goals[i, :n])["loss"] for i, n in enumerate(sizes)]

    def work(i):
        for _ in range(30):
            assert net.evaluate(rows[i, : sizes[i]], goals[i, : sizes[i]])["loss"] == expected[i]

    assert in_threads(work) == []


def test_evaluating_while_training_disturbs_neither():
    """From a callback within the epoch, where the training is half way through its rows."""
    rows = np.random.default_rng(0).normal(size=(40000, 4)).astype(np.float32)
    goals = np.random.default_rng(1).normal(size=(40000, 3)).astype(np.float32)
    losses = []

    class Look(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            losses.append(self.net.evaluate(rows[:10].copy(), goals[:10].copy())["loss"])

    def trained(callbacks):
        net = NETS["wide"]()
        for callback in callbacks:
            callback.net = net
        net.fit(rows, goals, batch_size=8, loss="squared_error", optimizer=fn.SGD(1e-3), callbacks=callbacks, verbose=0)
        return net.params

    plain, watched = trained([]), trained([Look()])
    assert len(losses) >= 2
    assert np.array_equal(plain, watched)


def test_two_threads_training_one_network():
    """One of them is told off; the parameters are what one alone makes of them."""
    net = NETS["wide"]()
    net.compile("squared_error", fn.Adam(1e-3))
    rows = np.random.default_rng(0).normal(size=(40000, 4)).astype(np.float32)
    goals = np.random.default_rng(1).normal(size=(40000, 3)).astype(np.float32)
    alone = copy.deepcopy(net)
    alone.fit(rows, goals, verbose=0)
    errors = in_threads(lambda i: net.fit(rows, goals, verbose=0), 2)
    assert len(errors) == 1
    assert isinstance(errors[0], RuntimeError)
    assert "being trained by another call; train net.copy()" in str(errors[0])
    assert np.array_equal(net.params, alone.params)
    net.fit(rows[:64], goals[:64], verbose=0)


def test_a_step_while_another_thread_fits():
    net = NETS["wide"]()
    net.compile("squared_error", fn.SGD(1e-3))
    rows = np.random.default_rng(0).normal(size=(40000, 4)).astype(np.float32)
    goals = np.random.default_rng(1).normal(size=(40000, 3)).astype(np.float32)
    alone = copy.deepcopy(net)
    alone.fit(rows, goals, batch_size=8, verbose=0)
    told = []

    class Meddle(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            if done_rows < total_rows:
                for x in (rows[0], rows[:9]):
                    with pytest.raises(RuntimeError, match="being trained by another call"):
                        net.train_step(x, goals[0] if x.ndim == 1 else goals[:9])
                with pytest.raises(RuntimeError, match="being trained by another call"):
                    net.apply_gradients()
                told.append(done_rows)

    net.fit(rows, goals, batch_size=8, callbacks=[Meddle()], verbose=0)
    assert told
    assert np.array_equal(net.params, alone.params)


def test_the_thread_that_is_told_off_undoes_nothing():
    """Its failed fit may not put back parameters under the feet of the one that trains."""
    net = NETS["wide"]()
    net.compile("squared_error", fn.SGD(1e-3))
    rows = np.random.default_rng(0).normal(size=(40000, 4)).astype(np.float32)
    goals = np.random.default_rng(1).normal(size=(40000, 3)).astype(np.float32)
    alone = copy.deepcopy(net)
    alone.fit(rows, goals, batch_size=8, verbose=0)
    refused = []

    class Meddle(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            try:
                net.fit(rows[:8], goals[:8], verbose=0)
            except RuntimeError as error:
                refused.append(error)

    net.fit(rows, goals, batch_size=8, callbacks=[Meddle()], verbose=0)
    assert refused
    assert np.array_equal(net.params, alone.params)
    assert (net.epoch, net.trainer.step, len(net.history.epochs)) == (1, 5000, 1)


def test_predicting_while_another_thread_trains():
    net = NETS["tiny"]()
    net.compile("squared_error", fn.SGD(1e-3))
    rows = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    done = threading.Event()

    def work(i):
        if i == 0:
            net.fit(rows, np.tanh(rows[:, :3]), epochs=40, verbose=0)
            done.set()
        while not done.is_set():
            assert np.isfinite(net.predict_one(rows[i])).all()
            assert np.isfinite(net.predict(rows)).all()

    assert in_threads(work, 3) == []


def test_an_interruption_does_no_harm():
    net = NETS["wide"]()
    net.compile("squared_error", fn.Adam(1e-4))
    rows = np.random.default_rng(0).normal(size=(200_000, 4)).astype(np.float32)
    goals = np.tanh(rows[:, :3])
    before = net.params.copy()

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            net.fit(rows, goals, epochs=1000, batch_size=64, verbose=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert np.isfinite(net.params).all()
    assert not np.array_equal(net.params, before)  # after the last complete update
    assert net.trainer.optimizer.step == net.trainer.step > 0
    history = net.fit(rows[:640], goals[:640], epochs=2, verbose=0)
    assert len(history["loss"]) == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_from_outside():
    code = """
import signal, sys, time, numpy as np, fastnn as fn
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are told to ignore it
net = fn.Sequential([fn.Dense(200, "relu"), fn.Dense(3)], input_shape=4, seed=1)
X = np.ones((100000, 4), np.float32)
try:
    net.fit(X, X[:, :3], epochs=100000, loss="squared_error", optimizer="sgd", callbacks=[lambda info: print("go", flush=True)])
except KeyboardInterrupt:
    print("interrupted", bool(np.isfinite(net.params).all()), len(net.fit(X, X[:, :3])["loss"]), flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout.readline() == "go\n"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    assert out.splitlines()[-1] == "interrupted True 1"
