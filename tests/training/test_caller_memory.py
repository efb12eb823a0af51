"""The caller's arrays while C reads them: changed, resized, given back; and wrong arrays at private doors.

Nothing here may end the process: what is not refused has a defined result, and a call that is refused leaves all as it
was.
"""

import mmap
import threading

import numpy as np
import pytest
import scipy.sparse

import fastnn as fn
from fastnn.errors import DivergenceError
from fastnn.training.loop import fit

RNG = np.random.default_rng(0)
N = 96
HUGE = (10**9, -(10**9), 2**62, -(2**63), 3, -1)


def bits(net):
    trainer = net.trainer
    return net.params.tobytes(), trainer.optimizer.state.tobytes(), trainer.optimizer.step, trainer.step, net.epoch


def rows(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


def classifier(loss="cross_entropy", metrics=("accuracy",), **options):
    net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(3)], input_shape=5, seed=0)
    net.compile(loss, fn.Adam(0.01), metrics=metrics)
    return net


class Do(fn.Callback):
    """Call a function once: after the first mini-batch, or after the first epoch."""

    def __init__(self, what, after="batch"):
        self.what, self.after, self.error = what, after, None

    def _once(self, when):
        if when == self.after and self.what is not None:
            what, self.what = self.what, None
            what()

    def on_batch_end(self, *args):
        self._once("batch")

    def on_epoch_end(self, info):
        self._once("epoch")


@pytest.mark.parametrize("label", HUGE)
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("after", ["batch", "epoch"])
def test_labels_that_change_while_a_network_learns(label, loss, shuffle, after):
    net, X, y = classifier(loss), rows(N, 5), RNG.integers(0, 3, N)
    net.fit(X, y, epochs=1)
    before, history = bits(net), net.history

    def change():
        y[1:] = label

    with pytest.raises(ValueError, match="labels changed") as caught:
        net.fit(X, y, epochs=3, batch_size=16, shuffle=shuffle, callbacks=[Do(change, after)])
    assert not isinstance(caught.value, DivergenceError)
    assert bits(net) == before
    assert net.history is history


def test_labels_of_steps_that_change():
    net = fn.Sequential([fn.LSTM(4, return_sequences=True), fn.Dense(3)], input_shape=(6, 2), seed=0)
    net.compile("cross_entropy", metrics=["accuracy"])
    X, y = rows(N, 6, 2), RNG.integers(0, 3, (N, 6))
    before = bits(net)
    with pytest.raises(ValueError, match="labels changed"):
        net.fit(X, y, epochs=2, callbacks=[Do(lambda: y.fill(10**9))])
    assert bits(net) == before


def test_labels_of_rows_that_weigh_nothing_too():
    net, X, y, weight = classifier(), rows(N, 5), RNG.integers(0, 3, N), np.ones(N, np.float32)
    weight[N // 2 :] = 0

    def change():
        y[N // 2 :] = 10**9

    with pytest.raises(ValueError, match="labels changed"):
        net.fit(X, y, sample_weight=weight, batch_size=16, shuffle=False, callbacks=[Do(change)])


def test_labels_of_validation_that_change():
    net, X, y, yv = classifier(), rows(N, 5), RNG.integers(0, 3, N), RNG.integers(0, 3, N)
    before = bits(net)
    with pytest.raises(ValueError, match="labels changed"):
        net.fit(X, y, epochs=3, validation_data=(X, yv), callbacks=[Do(lambda: yv.fill(10**9), "epoch")])
    assert bits(net) == before


def test_labels_that_a_function_of_the_user_changes_in_a_single_step():
    y = RNG.integers(0, 3, N)

    def forward(x):
        y.fill(10**9)
        return x

    net = fn.Sequential([fn.Dense(3), fn.Custom(forward, lambda x, y, dy: dy)], input_shape=5, seed=0)
    net.compile("cross_entropy")
    before = net.params.copy()
    X = rows(N, 5)
    with pytest.raises(ValueError, match="labels changed"):
        net.train_step(X, y)
    np.testing.assert_array_equal(net.params, before)
    y[:] = 1
    with pytest.raises(ValueError, match="labels changed"):
        net.evaluate(X, y)


@pytest.mark.parametrize("index", [1e9, -1.0, np.nan, np.inf, 0.5, 7.0])
def test_indices_of_an_embedding_that_change(index):
    net = fn.Sequential([fn.Embedding(7, 4), fn.Flatten(), fn.Dense(3)], input_shape=5, seed=0)
    net.compile("cross_entropy", fn.Adam(0.01))
    X, y = RNG.integers(0, 7, (N, 5)).astype(np.float32), RNG.integers(0, 3, N)
    before = bits(net)
    with pytest.raises(ValueError, match="whole numbers from 0 to 6"):
        net.fit(X, y, epochs=2, batch_size=16, shuffle=False, callbacks=[Do(lambda: X.fill(index))])
    assert bits(net) == before
    with pytest.raises(ValueError):
        net.predict(X)


def test_inputs_that_change_to_nan_diverge():
    net, X, y = classifier(), rows(N, 5), RNG.integers(0, 3, N)
    before = bits(net)
    with pytest.raises(DivergenceError):
        net.fit(X, y, epochs=2, callbacks=[Do(lambda: X.fill(np.nan))])
    assert bits(net) == before


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_numbers_of_rows_are_read_once(shuffle):
    X, y, chosen = rows(N, 5), RNG.integers(0, 3, N), np.arange(0, N, 2)
    nets = [classifier(metrics=()), classifier(metrics=())]
    fit(nets[0], X, y, epochs=3, rows=chosen.copy(), shuffle=shuffle)
    fit(nets[1], X, y, epochs=3, rows=chosen, shuffle=shuffle, callbacks=[Do(lambda: chosen.fill(10**12))])
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize("which", ["indices", "indptr"])
@pytest.mark.parametrize("value", [10**9, -5])
def test_indices_of_a_sparse_matrix_that_change(which, value, monkeypatch):
    monkeypatch.setattr("fastnn.data.feed.MADE_BYTES", 1024)  # a few mini-batches at a time
    monkeypatch.setattr("fastnn.data.feed.BUFFER_BYTES", 0)
    X = scipy.sparse.random(N, 40, 0.2, "csr", np.float32, random_state=0)
    net = fn.Sequential([fn.Dense(3)], input_shape=40, seed=0)
    net.compile("cross_entropy")
    before = bits(net)
    with pytest.raises(ValueError, match="leave the matrix as it is"):
        net.fit(X, RNG.integers(0, 3, N), batch_size=4, callbacks=[Do(lambda: getattr(X, which).fill(value))])
    assert bits(net) == before


def test_dense_rows_are_those_of_scipy():
    from fastnn.data.sparse import dense_part

    for dtype in (np.float32, np.float64):
        for kind in (np.int32, np.int64):
            X = scipy.sparse.random(50, 13, 0.3, "csr", dtype, random_state=1)
            X.indices, X.indptr = X.indices.astype(kind), X.indptr.astype(kind)
            where = RNG.permutation(50)[:20]
            np.testing.assert_array_equal(dense_part(X), X.toarray())
            np.testing.assert_array_equal(dense_part(X, where), X.toarray()[where])
            np.testing.assert_array_equal(dense_part(X, slice(3, 9)), X.toarray()[3:9])


# ---- memory that is given back ----


def lent(kind, count, shape, tmp_path):
    """Return an array over memory of each kind, what gives the memory back, and the error of that."""
    if kind == "own":
        array = np.zeros(shape, np.float32)
        return array, lambda: array.resize(0, refcheck=False), ValueError
    if kind == "view":
        owner = np.zeros(count + 5, np.float32)
        return owner[5:].reshape(shape), lambda: owner.resize(0, refcheck=False), ValueError
    if kind == "bytearray":
        block = bytearray(4 * count)
        return np.ndarray(shape, np.float32, buffer=block), lambda: block.extend(b"1" * 10**6), BufferError
    with open(tmp_path / "rows", "w+b") as file:
        file.write(b"\0" * 4 * count)
        file.flush()
        mapping = mmap.mmap(file.fileno(), 4 * count)
    return np.ndarray(shape, np.float32, buffer=mapping), mapping.close, BufferError


@pytest.mark.parametrize("kind", ["own", "view", "bytearray", "mmap"])
def test_memory_that_c_reads_is_not_given_back(kind, tmp_path):
    X, free, error = lent(kind, N * 5, (N, 5), tmp_path)
    X[:] = rows(N, 5)
    net, y = classifier(), RNG.integers(0, 3, N)
    before = bits(net)
    with pytest.raises(error):
        net.fit(X, y, epochs=2, batch_size=16, callbacks=[Do(free)])
    assert bits(net) == before
    net.fit(X, y)  # nothing is kept afterwards
    del X
    free()


@pytest.mark.parametrize("what", ["X", "y", "weight"])
def test_arrays_are_not_resized_between_two_epochs_either(what):
    arrays = {"X": rows(N, 5), "y": RNG.integers(0, 3, N), "weight": np.ones(N, np.float32)}
    net = classifier()
    before = bits(net)
    with pytest.raises(ValueError, match="cannot resize"):
        net.fit(
            arrays["X"],
            arrays["y"],
            sample_weight=arrays["weight"],
            epochs=3,
            callbacks=[Do(lambda: arrays[what].resize(4, refcheck=False), "epoch")],
        )
    assert bits(net) == before


@pytest.mark.parametrize("call", ["predict", "predict out", "predict checked", "train_step", "evaluate"])
def test_memory_is_held_while_another_thread_would_free_it(call):
    net = fn.Sequential([fn.Dense(256, "relu"), fn.Dense(256, "relu"), fn.Dense(3)], input_shape=256, seed=0)
    net.compile("cross_entropy", fn.SGD(0.0))
    X, out, y = rows(3000, 256), np.zeros((128, 3), np.float32), RNG.integers(0, 3, 3000)
    part, wide = X[:128].copy(), X.astype(np.float64)
    calls = {
        "predict": (lambda: net.predict(X), X),
        "predict out": (lambda: net.predict(part, out=out), out),
        "predict checked": (lambda: net.predict([*X[:1000]]), X),
        "train_step": (lambda: net.train_step(X, y), y),
        "evaluate": (lambda: net.evaluate(X, y), y),
    }
    run, array = calls[call]
    del wide
    stop, freed = threading.Event(), []

    def free():
        while not stop.is_set():
            try:
                size = array.shape
                array.resize(size, refcheck=False)  # to the same size: refused or not, the data stay
                freed.append(size)
            except ValueError:
                pass

    expected, thread = run(), threading.Thread(target=free)
    expected = np.array(expected["loss"] if isinstance(expected, dict) else expected)
    thread.start()
    try:
        for _ in range(5):
            got = run()
            got = got["loss"] if isinstance(got, dict) else got
            np.testing.assert_array_equal(got, expected)
    finally:
        stop.set()
        thread.join()


def test_parameters_cannot_be_resized():
    net = classifier()
    for vector in (net.params, net.grads):
        owner = vector
        while isinstance(owner, np.ndarray):
            with pytest.raises(ValueError, match="resize"):
                owner.resize(0, refcheck=False)
            owner = owner.base
    net.predict(rows(4, 5))


# ---- private doors ----


def doors():
    net = classifier()
    trainer, X, y = net.trainer, rows(8, 5), np.zeros(8, np.int64)
    rates, losses, ok = np.full(100, 0.1), np.empty(2), np.arange(8)
    out, dy = np.empty((8, 3), np.float32), np.ones((8, 3), np.float32)
    order = np.array([0, 1, 2, 10**9])
    net.forward(X)
    return {
        "run rows": lambda: trainer.run([X], [y], None, None, 9, 4, rates),
        "run no rows": lambda: trainer.run([X], [y], None, None, 0, 4, rates),
        "run batch": lambda: trainer.run([X], [y], None, None, 8, 0, rates),
        "run negative": lambda: trainer.run([X], [y], None, None, -8, 4, rates),
        "run inputs": lambda: trainer.run([], [y], None, None, 8, 4, rates),
        "run targets": lambda: trainer.run([X], [y, y], None, None, 8, 4, rates),
        "run dtype": lambda: trainer.run([X.astype(float)], [y], None, None, 8, 4, rates),
        "run strides": lambda: trainer.run([X[:, ::-1]], [y], None, None, 8, 4, rates),
        "run width": lambda: trainer.run([X[:, :4].copy()], [y], None, None, 8, 4, rates),
        "run labels": lambda: trainer.run([X], [y + 3], None, None, 8, 4, rates),
        "run narrow labels": lambda: trainer.run([X], [y.astype(np.int32)], None, None, 8, 4, rates),
        "run list": lambda: trainer.run([X.tolist()], [y], None, None, 8, 4, rates),
        "run weights": lambda: trainer.run([X], [y], np.ones(7, np.float32), None, 8, 4, rates),
        "run wide weights": lambda: trainer.run([X], [y], np.ones((8, 2), np.float32), None, 8, 4, rates),
        "run order": lambda: trainer.run([X], [y], None, order, 4, 4, rates),
        "run negative order": lambda: trainer.run([X], [y], None, -order, 4, 4, rates),
        "run short order": lambda: trainer.run([X], [y], None, order, 8, 4, rates),
        "run int32 order": lambda: trainer.run([X], [y], None, ok.astype(np.int32), 8, 4, rates),
        "run rates": lambda: trainer.run([X], [y], None, None, 8, 4, rates[:1]),
        "run float rates": lambda: trainer.run([X], [y], None, None, 8, 4, rates.astype(np.float32)),
        "updates": lambda: trainer.updates(8, 0),
        "epochs rates": lambda: trainer.run_epochs([X], [y], None, None, 8, 4, rates[:3], losses),
        "epochs losses": lambda: trainer.run_epochs([X], [y], None, None, 8, 4, rates, losses.astype(np.float32)),
        "epochs rows": lambda: trainer.run_epochs([X], [y], None, order, 4, 4, rates, losses, (0, 1, 2)),
        "epochs accuracies": lambda: trainer.run_epochs([X], [y], None, None, 8, 4, rates, losses, None, None, ok),
        "step_on": lambda: trainer.step_on([X], [y], None, 9, 0.1),
        "step_on none": lambda: trainer.step_on([X], [y], None, -1, 0.1),
        "state_gradients": lambda: trainer.state_gradients([X], [y], None, 9),
        "evaluate": lambda: trainer.evaluate([X], [y], None, [], 9),
        "evaluate outputs": lambda: trainer.evaluate([X], [y], None, [out[:7]], 8),
        "evaluate labels": lambda: trainer.evaluate([X], [y + 3], None, [out], 8),
        "evaluate read-only": lambda: trainer.evaluate([X], [y], None, [np.broadcast_to(out[:1], (8, 3))], 8),
        "predict_rows": lambda: net._predict_rows([X], [out], 9),
        "predict_rows short": lambda: net._predict_rows([X[:7]], [out], 8),
        "predict_rows out": lambda: net._predict_rows([X], [out.astype(float)], 8),
        "predict_rows none": lambda: net._predict_rows([], [out], 8),
        "forward_rows": lambda: net._forward_rows([X], 9, False, 0, 0),
        "forward_rows none": lambda: net._forward_rows([X], 0, False, 0, 0),
        "backward_rows": lambda: net._backward_rows([dy[:7]], False),
        "backward_rows two": lambda: net._backward_rows([dy, dy], False),
        "backward_rows dtype": lambda: net._backward_rows([dy.astype(float)], False),
        "tangent_rows": lambda: net._tangent_rows([X[:3]]),
        "value": lambda: net._value(1000),
        "value -1": lambda: net._value(-1),
        "classes": lambda: net._bind_trainer(trainer, None, 4, -1.0),
        "trainer of another": lambda: net._bind_trainer(classifier().trainer, None, 0, -1.0),
    }


@pytest.mark.parametrize("name", doors())
def test_private_doors_refuse_what_would_be_read_wrongly(name):
    with pytest.raises((ValueError, TypeError)):
        doors()[name]()


def test_private_doors_without_a_forward_pass():
    net = classifier()
    for call in (lambda: net._value(0), lambda: net._backward_rows([rows(2, 3)], False), lambda: net._tangent_rows([])):
        with pytest.raises(RuntimeError, match="forward"):
            call()
    net._forward_rows([rows(2, 5)], 2, False, 0, 0)
    with pytest.raises(RuntimeError, match="tangents"):
        net._tangent_rows([rows(2, 5)])


def test_a_network_that_was_never_built_answers_nothing():
    net = fn.Sequential.__new__(fn.Sequential)
    for call in (net.predict, net.predict_one):
        for x in (np.zeros((1, 2), np.float32), np.zeros(1, bool), np.array(True)):
            with pytest.raises(AttributeError):
                call(x)
