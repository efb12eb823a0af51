"""The interface for C and Cython: a project built against the package gets the bits of the calls in Python."""

import copy
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import weakref
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.processes import complaint
from helpers.threads import in_threads

import fastnn as fn

pytest.importorskip("Cython")
pytest.importorskip("setuptools")
pytestmark = pytest.mark.skipif(not (shutil.which("gcc") or shutil.which("cc")), reason="needs a C compiler")

PATH = os.pathsep.join(filter(None, [str(Path(fn.__file__).parents[1]), *sys.path]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The consumer, built as its users would."""
    folder = tmp_path_factory.mktemp("build") / "consumer"
    shutil.copytree(Path(__file__).parent / "consumer", folder)
    run = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def consumer(folder):
    (path,) = folder.glob("consumer*.so")
    spec = importlib.util.spec_from_file_location("consumer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(n, width=4, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(dtype)


def dense(dtype="float32", **options):
    return fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(3)], input_shape=4, seed=0, dtype=dtype, **options)


def compiled(layers, loss, optimizer, dtype="float32", input_shape=4):
    net = fn.Sequential(layers, input_shape=input_shape, seed=0, dtype=dtype)
    net.compile(loss, optimizer)
    return net


def answer(consumer, model, X, outputs=3):
    Y = np.empty((len(X), outputs), X.dtype)
    assert model.predict(X, Y) == consumer.STATUS["OK"]
    return Y


def test_the_example_of_the_guide(consumer):
    net = compiled([fn.Dense(16, "tanh"), fn.Dense(3)], "squared_error", fn.Adam(0.01))
    twin, model, X, Y, goals = copy.deepcopy(net), consumer.Model(net, threads=2), rows(9), rows(9, 3), rows(9, 3)
    model.answer(X, Y)
    assert Y.tobytes() == net.predict(X).tobytes()
    assert model.learn(X, goals, 20) == [twin.train_step(X, goals) for _ in range(20)][-1]
    assert net.params.tobytes() == twin.params.tobytes()
    for x, y in ((rows(9, 3), Y), (X, rows(9, 4)), (X, Y[:8])):
        with pytest.raises(ValueError, match="do not fit the network"):
            model.answer(x, y)
        with pytest.raises(ValueError, match="do not fit the network"):
            model.learn(x, y, 1)
    X[3, 2] = np.inf
    with pytest.raises(ValueError, match="expected x to be finite"):
        model.answer(X, Y)
    with pytest.raises(ValueError, match="expected x to be finite"):
        model.learn(X, goals, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes_parameters_and_answers(consumer, dtype):
    net = dense(dtype)
    model = consumer.Probe(net)
    assert model.sizes == (4, 3, 131, np.dtype(dtype).itemsize)
    f32, f64 = model.params()
    assert (f32 if dtype == "float32" else f64) == net.params.tolist()
    assert (f64 if dtype == "float32" else f32) is None
    for n in (1, 2, 100, 5000):
        X = rows(n, dtype=dtype)
        assert answer(consumer, model, X).tobytes() == net.predict(X).tobytes()
    assert answer(consumer, model, X[:1])[0].tobytes() == net.predict_one(X[0]).tobytes()


def test_rows_of_any_shape_are_flat(consumer):
    net = fn.Sequential([fn.LSTM(5, return_sequences=True), fn.Dense(2)], input_shape=(7, 3), seed=0)
    model, X = consumer.Probe(net), rows(6, 21)
    assert model.sizes[:2] == (21, 14)
    assert answer(consumer, model, X, 14).tobytes() == net.predict(X.reshape(6, 7, 3)).tobytes()


def test_images_are_flat_rows_too(consumer):
    """Height, width, channels, one after the other, as they lie in an array (n, H, W, C)."""
    net = fn.nets.lenet5(seed=0)
    net.compile("cross_entropy", fn.Adam(1e-3))
    twin, model, X = copy.deepcopy(net), consumer.Probe(net), rows(6, 784)
    assert model.sizes[:2] == (784, 10)
    images = X.reshape(6, 28, 28, 1)
    assert answer(consumer, model, X, 10).tobytes() == net.predict(images).tobytes()
    assert answer(consumer, model, X[:1], 10)[0].tobytes() == net.predict_one(images[0]).tobytes()
    Y = np.eye(10, dtype=np.float32)[:6]
    status, loss = model.train_step(X, Y)
    assert (status, loss) == (consumer.STATUS["OK"], twin.train_step(images, Y))
    assert net.params.tobytes() == twin.params.tobytes()


TRAINED = {
    "plain SGD": lambda: (compiled([fn.Dense(16, "relu"), fn.Dense(3)], "squared_error", fn.SGD(0.05)), 12),
    "Adam, float64": lambda: (compiled([fn.Dense(8), fn.Dense(3)], "huber", fn.Adam(0.01), "float64"), 12),
    "in pieces": lambda: (compiled([fn.Dense(16, "tanh"), fn.Dense(3)], "squared_error", fn.Adam(0.01)), 5000),
    "running statistics and dropout": lambda: (
        compiled([fn.Dense(8), fn.BatchNorm(), fn.Dropout(0.3), fn.Dense(3)], "squared_error", fn.SGD(0.1)),
        12,
    ),
    "a loss in Python": lambda: (
        compiled([fn.Dense(3)], lambda t, y: (((y - t) ** 2).sum(1), 2 * (y - t)), fn.SGD(0.05)),
        12,
    ),
    "one row": lambda: (compiled([fn.Dense(3)], "squared_error", fn.RMSprop(0.01)), 1),
}


@pytest.mark.parametrize("name", TRAINED)
def test_training_steps_give_the_bits_of_python(consumer, name):
    net, n = TRAINED[name]()
    twin = copy.deepcopy(net)
    model = consumer.Probe(net)
    X, Y = rows(n, dtype=net.dtype), np.tanh(rows(n, 3, net.dtype, 1))
    for _ in range(4):
        status, loss = model.train_step(X, Y)
        assert (status, loss) == (consumer.STATUS["OK"], twin.train_step(X, Y))
    assert net.params.tobytes() == twin.params.tobytes()
    assert net.trainer.step == twin.trainer.step == 4
    assert answer(consumer, model, X).tobytes() == twin.predict(X).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels(consumer, dtype):
    net = compiled([fn.Dense(3)], "cross_entropy", fn.SGD(0.1, momentum=0.9), dtype)
    twin, X, labels = copy.deepcopy(net), rows(9, dtype=dtype), np.arange(9) % 3
    for _ in range(3):
        assert consumer.Probe(net).train_step_labels(X, labels) == (0, twin.train_step(X, labels))
    assert net.params.tobytes() == twin.params.tobytes()
    wrong = consumer.STATUS["WRONG_TARGET"]
    for bad in (labels + 1, labels - 1):
        assert consumer.Probe(net).train_step_labels(X, bad)[0] == wrong
    assert net.params.tobytes() == twin.params.tobytes()


def test_labels_and_probabilities_over_steps(consumer):
    net = compiled([fn.LSTM(4, return_sequences=True), fn.Dense(3)], "cross_entropy", fn.Adam(), input_shape=(5, 2))
    twin, model, X = copy.deepcopy(net), consumer.Probe(net), rows(6, 10)
    labels = np.arange(30) % 3
    sharp = np.eye(3, dtype=np.float32)[labels].reshape(6, 15)
    assert model.train_step_labels(X, labels) == (0, twin.train_step(X.reshape(6, 5, 2), labels.reshape(6, 5)))
    assert model.train_step(X, sharp) == (0, twin.train_step(X.reshape(6, 5, 2), sharp.reshape(6, 5, 3)))
    assert net.params.tobytes() == twin.params.tobytes()
    wrong = labels.copy()
    wrong[29] = 3
    sharp[5, 14] = 0.5
    assert model.train_step_labels(X, wrong)[0] == consumer.STATUS["WRONG_TARGET"]
    assert model.train_step(X, sharp)[0] == consumer.STATUS["WRONG_TARGET"]


def test_learning_rates(consumer):
    scheduled = compiled([fn.Dense(3)], "squared_error", fn.SGD(fn.StepDecay(0.1, every=1, factor=0.5)))
    twin, model, X, Y = copy.deepcopy(scheduled), consumer.Probe(scheduled), rows(5), rows(5, 3)
    for rate in (consumer.OWN_RATE, -0.5, np.inf, np.nan):
        status, _ = model.train_step(X, Y, rate)
        assert status == consumer.STATUS["WRONG_RATE"]
        with pytest.raises(ValueError, match="FNN_OWN_RATE"):
            model.check(status)
    for _ in range(3):
        assert model.train_step(X, Y, scheduled.learning_rate) == (0, twin.train_step(X, Y))
    assert scheduled.params.tobytes() == twin.params.tobytes()
    constant = compiled([fn.Dense(3)], "squared_error", fn.SGD(0.1))
    before = constant.params.copy()
    assert consumer.Probe(constant).train_step(X, Y, 0.0)[0] == 0
    assert np.array_equal(constant.params, before)


def test_a_handle_follows_what_the_network_is_compiled_with(consumer):
    net = dense()
    model, X, Y = consumer.Probe(net), rows(5), rows(5, 3)
    missing = consumer.STATUS["NOT_COMPILED"]
    assert model.train_step(X, Y)[0] == missing
    with pytest.raises(RuntimeError, match=r"net\.compile"):
        model.check(missing)
    net.compile(optimizer="sgd")
    assert model.train_step(X, Y)[0] == missing
    for loss, optimizer in (("squared_error", fn.SGD(0.1)), ("absolute_error", fn.Adam(0.01))):
        net.compile(loss, optimizer)
        twin = copy.deepcopy(net)
        assert model.train_step(X, Y) == (0, twin.train_step(X, Y))
        assert net.params.tobytes() == twin.params.tobytes()
    net.compile("cross_entropy", "sgd")
    assert model.train_step(X, Y)[0] == consumer.STATUS["WRONG_TARGET"]


def test_what_does_not_fit_is_refused_and_changes_nothing(consumer):
    net = compiled([fn.Dense(8), fn.BatchNorm(), fn.Dense(3)], "binary_cross_entropy", fn.SGD(0.1))
    model, X, Y, status = consumer.Probe(net), rows(5), np.full((5, 3), 0.5, np.float32), consumer.STATUS
    before, out = net.params.copy(), np.empty((5, 3), np.float32)
    bad = X.copy()
    bad[4, 3] = np.nan
    double = X.astype(float), Y.astype(float)
    cases = [
        (model.predict(*double), "WRONG_DTYPE", TypeError, "_f32 or _f64"),
        (model.train_step(*double)[0], "WRONG_DTYPE", TypeError, "_f32 or _f64"),
        (model.predict(X, out, 0), "WRONG_ROWS", ValueError, "at least one row"),
        (model.predict(X, out, -7), "OK", None, ""),  # this consumer's word for all rows
        (model.train_step(X, Y, rows=0)[0], "WRONG_ROWS", ValueError, "at least one row"),
        (model.train_step(X, Y, rows=1)[0], "WRONG_ROWS", ValueError, "BatchNorm"),
        (model.predict_nothing(), "NO_ARRAY", ValueError, "NULL"),
        (model.predict(bad, out), "NOT_FINITE", ValueError, "finite"),
        (model.predict(bad[4:], out), "NOT_FINITE", ValueError, "finite"),
        (model.train_step(bad, Y)[0], "NOT_FINITE", ValueError, "finite"),
        (model.train_step(X, Y + 1)[0], "WRONG_TARGET", ValueError, "range"),
        (model.train_step(X, Y * np.nan)[0], "WRONG_TARGET", ValueError, "range"),
        (model.train_step_labels(X, np.zeros(5, np.int64))[0], "WRONG_TARGET", ValueError, "labels"),
    ]
    for got, name, error, text in cases:
        assert got == status[name], name
        if error:
            with pytest.raises(error, match=text) as caught:
                model.check(got)
            assert str(caught.value) == "fastnn: " + model.message(got)
    assert np.array_equal(net.params, before)
    assert len({model.message(code) for code in status.values()}) == len(status)
    assert "expected a status" in model.message(99)


def test_what_cannot_be_opened(consumer):
    a, b = fn.Input(2), fn.Input(3)
    both = fn.Network([a, b], fn.Dense(1)(fn.concatenate(a, b)), seed=0)
    for net, threads, error, text in [
        (both, 1, ValueError, "one input and one output, got 2 and 1"),
        (dense(), 0, ValueError, "threads from 1 to 1024, got 0"),
        (dense(), 1025, ValueError, "threads from 1 to 1024, got 1025"),
        ("net", 1, TypeError, "fnn_open: expected a Network, got str"),
        (None, 1, TypeError, "fnn_open: expected a Network, got NoneType"),
        (fn.Network.__new__(fn.Network), 1, TypeError, "expected a Network"),
    ]:
        with pytest.raises(error, match=text):
            consumer.Probe(net, threads)


def test_divergence(consumer):
    net = compiled([fn.Dense(3)], "squared_error", fn.SGD(0.1))
    model, X = consumer.Probe(net), np.full((2, 4), 1e30, np.float32)
    before = net.params.copy()
    status, loss = model.train_step(X, np.zeros((2, 3), np.float32))
    assert status == consumer.STATUS["DIVERGED"]
    assert not np.isfinite(loss)
    assert np.array_equal(net.params, before)
    with pytest.raises(fn.DivergenceError, match="clip_norm"):
        model.check(status)


def test_the_handle_keeps_the_network_until_it_is_closed(consumer):
    net = dense()
    X, expected, gone = rows(3), net.predict(rows(3)), weakref.ref(net)
    models = [consumer.Probe(net), consumer.Probe(net, 3)]
    del net
    gc.collect()
    for _ in range(2):
        assert answer(consumer, models.pop(), X).tobytes() == expected.tobytes()
        gc.collect()
        assert (gone() is None) == (not models)


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_one_handle_on_many_native_threads(consumer, threads):
    net, X = dense(), rows(64)
    model, Y = consumer.Probe(net, threads), np.zeros((64, 3), np.float32)
    assert model.predict_on_threads(X, Y, threads, 50) == consumer.STATUS["OK"]
    assert Y.tobytes() == net.predict(X).tobytes()


def test_one_handle_on_many_python_threads(consumer):
    net = fn.Sequential([fn.Dense(300, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    model, X = consumer.Probe(net, 6), [rows(400, seed=i) for i in range(6)]
    expected = [net.predict(x).tobytes() for x in X]

    def work(i):
        for _ in range(60):
            assert answer(consumer, model, X[i]).tobytes() == expected[i]

    assert in_threads(work, 6) == []


def within(call):
    """A network whose only layer makes this call before it answers."""

    def forward(x):
        call()
        return x

    return fn.Sequential([fn.Custom(forward, lambda x, y, dy: dy)], input_shape=4, seed=0)


def test_one_prediction_more_than_there_are_places_for(consumer):
    """Each call makes the next, from within its layer."""
    inner, X, Y = [], rows(2), rows(2)
    net = within(lambda: inner.append(model.predict(X, Y)) if len(inner) < 3 else None)
    for threads in (1, 2, 1):
        model = consumer.Probe(net, threads)
        inner.clear()
        assert model.predict(X, Y) == consumer.STATUS["OK"]
        assert inner == [consumer.STATUS["BUSY"], *[consumer.STATUS["OK"]] * (threads - 1)]
    with pytest.raises(RuntimeError, match="open it for more threads"):
        model.check(inner[0])


def test_a_second_training_call_is_refused_whoever_makes_it(consumer):
    X, Y, told = rows(2), rows(2, 3), []

    def loss(t, y):
        told.extend(model.train_step(X, Y)[0] for model in models)
        with pytest.raises(RuntimeError, match="being trained by another call"):
            net.train_step(X, Y)
        with pytest.raises(RuntimeError, match="being trained by another call"):
            net.apply_gradients()
        return ((y - t) ** 2).sum(1), 2 * (y - t)

    net = compiled([fn.Dense(3)], loss, fn.SGD(0.1))
    models = [consumer.Probe(net), consumer.Probe(net)]
    assert models[0].train_step(X, Y)[0] == consumer.STATUS["OK"]
    net.train_step(X, Y)
    net.fit(X, Y, verbose=0)
    assert told == [consumer.STATUS["BUSY"]] * 6
    assert net.trainer.step == 3


def test_a_native_loop_and_python_train_one_network_by_turns(consumer):
    """Neither waits, each is told when the other is at work, and no step is lost or done half."""
    net = compiled([fn.Dense(100, "tanh"), fn.Dense(3)], "squared_error", fn.SGD(1e-4))
    X, Y, done = rows(64), rows(64, 3), [0, 0, 0]
    model = consumer.Probe(net)

    def work(i):
        for _ in range(200):
            if i < 2:
                done[i] += model.train_often(X, Y, 1e-4, 5)
            else:
                with suppress(RuntimeError):
                    net.train_step(X, Y)
                    done[i] += 1

    assert in_threads(work, 3) == []
    assert net.trainer.step == sum(done) > 0
    twin = compiled([fn.Dense(100, "tanh"), fn.Dense(3)], "squared_error", fn.SGD(1e-4))
    for _ in range(sum(done)):
        twin.train_step(X, Y)
    assert net.params.tobytes() == twin.params.tobytes()


def test_answers_while_a_native_loop_trains(consumer):
    """Native and Python threads answer from the parameters between two steps of a loop that never takes the GIL."""
    net = compiled([fn.Dense(200, "tanh"), fn.Dense(3)], "squared_error", fn.SGD(1e-4))
    twin, x, X, Y = copy.deepcopy(net), rows(1), rows(8), rows(8, 3)
    learner, model, in_place = (consumer.Probe(net) for _ in range(3))
    seen, steps = [[], [], []], []

    def work(i):
        if i == 3:
            until = time.monotonic() + 30
            while any(len(set(part)) < 6 for part in seen) and time.monotonic() < until:
                steps.append(learner.train_often(X, Y, 1e-4, 10))
            steps.append(-1)
            return
        row = x.copy()
        while not steps or steps[-1] >= 0:
            if i == 2:  # where x was
                y = np.zeros((1, 4), np.float32)
                y[:] = row
                assert in_place.predict(y, y.ravel()[:3].reshape(1, 3)) == consumer.STATUS["OK"]
                seen[i].append(y[0, :3].tobytes())
            else:
                seen[i].append(answer(consumer, model, row).tobytes() if i else net.predict_one(row[0]).tobytes())

    assert in_threads(work, 4) == []
    known = {twin.predict_one(x[0]).tobytes(): 0}
    for k in range(sum(steps) + 1):
        twin.train_step(X, Y)
        known.setdefault(twin.predict_one(x[0]).tobytes(), k + 1)
    assert net.params.tobytes() == twin.params.tobytes()
    for answers in seen:
        when = [known[y] for y in answers]
        assert when == sorted(when)
        assert len(set(when)) > 5


def test_more_threads_after_the_first_step(consumer):
    before, (net, n) = fn.get_num_threads(), TRAINED["in pieces"]()
    twin, model, X, Y = copy.deepcopy(net), consumer.Probe(net), rows(n), rows(n, 3)
    try:
        for threads in (1, 4, 2):
            fn.set_num_threads(threads)
            assert model.train_step(X, Y) == (0, twin.train_step(X, Y))
    finally:
        fn.set_num_threads(before)
    assert net.params.tobytes() == twin.params.tobytes()


def test_what_a_layer_or_a_loss_raises_is_raised_again(consumer):
    words = fn.Sequential([fn.Embedding(5, 3), fn.Flatten()], input_shape=1, seed=0)
    model, X, Y = consumer.Probe(words, 4), np.array([[2.0], [9.0]], np.float32), np.empty((2, 3), np.float32)
    for predict in (lambda: model.predict(X, Y), lambda: model.predict_on_threads(X, Y, 4, 5)):
        status = predict()
        assert status == consumer.STATUS["FAILED"]
        with pytest.raises(ValueError, match="expected whole numbers from 0 to 4, got 9"):
            model.check(status)
    assert answer(consumer, model, X[:1]).tobytes() == words.predict(X[:1]).tobytes()
    net = compiled([fn.Dense(3)], lambda t, y: 1 / 0, fn.SGD(0.1))
    model, before = consumer.Probe(net), net.params.copy()
    status, _ = model.train_step(rows(2), rows(2, 3))
    assert status == consumer.STATUS["FAILED"]
    with pytest.raises(ZeroDivisionError):
        model.check(status)
    with pytest.raises(RuntimeError, match="raised"):  # once
        model.check(status)
    assert np.array_equal(net.params, before)


PLANT = """
import ctypes, sys
from fastnn._core import capi
get, new = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_New
get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
address, name = get(capi.API, b"fastnn.API"), ctypes.create_string_buffer(b"fastnn.API")
size = ctypes.c_int32.from_address(address + 4).value
table = (ctypes.c_char * size).from_buffer_copy(ctypes.string_at(address, size))
head = (ctypes.c_int32 * 2).from_buffer(table)
assert head[0] == 1
head[0] += {abi}
head[1] += {size}
capi.API = new(ctypes.addressof(table), name, None)
sys.path.insert(0, {folder!r})
import consumer
"""


@pytest.mark.parametrize(("abi", "size", "message"), [
    (0, 0, None),
    (0, 8, None),  # a later fastnn, with one function more
    (1, 0, "compiled for version 1 of the interface, the installed fastnn has version 2; compile it again"),
    (0, -8, "compiled with a later fastnn"),
])  # fmt: skip
def test_another_version_of_the_interface(folder, abi, size, message):
    said = complaint(PLANT.format(abi=abi, size=size, folder=str(folder)), PYTHONPATH=PATH)
    assert said == "" if message is None else f"ImportError: fastnn.capi: this module was {message}" in said


@pytest.mark.parametrize(("compiler", "flags"), [
    ("gcc", "-x c -std=c99 -Wstrict-prototypes"), ("gcc", "-x c -std=gnu11 -Wmissing-prototypes"),
    ("g++", "-x c++ -std=c++11"),
])  # fmt: skip
def test_the_header_alone(tmp_path, compiler, flags):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    (tmp_path / "user.c").write_text('#include "fastnn.h"\n')
    command = [compiler, *flags.split(), "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-fsyntax-only"]
    command += ["-I", fn.get_include(), "-isystem", sysconfig.get_paths()["include"], str(tmp_path / "user.c")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
