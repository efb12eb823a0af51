"""Callbacks driven by hand, with a stand-in for the network; a few with the real one at the end."""

import builtins
import io
import math
import os
import select
import struct

import numpy as np
import pytest

from fastnn.training.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochInfo,
    EpochLog,
    LearningRateLogger,
    ProgressBar,
    as_callback,
)
from fastnn.training.history import History


class StandIn:
    """As much of a network as callbacks touch."""

    def __init__(self):
        self._params = np.zeros(3)
        self.saves = []

    @property
    def params(self):
        return self._params

    @params.setter
    def params(self, values):
        self._params[:] = values

    def save(self, path, optimizer=False):
        self.saves.append((str(path), optimizer, self._params[0]))


def drive(callback, values, name="val_loss", net=None):
    """Run a fit whose parameters are the number of the epoch; returns the epochs run and the network."""
    net = net or StandIn()
    callback.on_fit_begin(net, len(values))
    for epoch, value in enumerate(values, start=1):
        net.params[:] = epoch
        known = {"loss": 1.0, "val_loss": 1.0, name: value}
        metrics = {key: known[key] for key in known if "loss" not in key}
        info = EpochInfo(epoch, len(values), known["loss"], known["val_loss"], metrics, 0.1, 1.0, 10, net)
        if callback.on_epoch_end(info):
            break
    callback.on_fit_end(net, History())
    return epoch, net


def test_info_finds_values_by_name():
    info = EpochInfo(epoch=1, epochs=2, loss=0.5, val_loss=0.6, metrics={"val_r2": 0.7})
    assert [info.value(name) for name in ("loss", "val_loss", "val_r2")] == [0.5, 0.6, 0.7]
    refused = r"monitor: expected one of loss, val_loss, val_r2, got 'accuracy'; compile with metrics=\['accuracy'\]$"
    with pytest.raises(ValueError, match=refused):
        info.value("accuracy")
    with pytest.raises(ValueError, match="expected one of loss, got 'val_loss'; give fit validation_data"):
        EpochInfo(epoch=1, epochs=2, loss=0.5).value("val_loss")


def test_as_callback():
    stop = EarlyStopping()
    assert as_callback(stop) is stop
    assert as_callback(lambda info: info.epoch == 3).on_epoch_end(EpochInfo(3, 9, 0.1)) is True
    with pytest.raises(TypeError, match=r"callbacks: expected a Callback, got the class itself; write EarlyStopping\("):
        as_callback(EarlyStopping)
    with pytest.raises(TypeError, match=r"callbacks: expected a Callback or a function .*, got str 'stop'"):
        as_callback("stop")


def test_base_does_nothing():
    base = Callback()
    base.on_fit_begin(None, 1)
    base.on_batch_end(1, None, 0.5)
    assert base.on_epoch_end(EpochInfo(1, 1, 0.5)) is None
    base.on_fit_end(None, History())


def test_early_stopping_stops_after_patience_and_restores():
    stop = EarlyStopping(patience=2)
    epochs, net = drive(stop, [3.0, 2.0, 2.5, 2.0, 1.0])
    assert epochs == 4
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (2.0, 2, 4)
    assert net.params.tolist() == [2.0, 2.0, 2.0]


def test_early_stopping_restores_the_best_of_a_whole_run_too():
    stop = EarlyStopping(patience=5)
    epochs, net = drive(stop, [3.0, 1.0, 2.0])
    assert (epochs, stop.stopped_epoch, net.params[0]) == (3, None, 2.0)


def test_early_stopping_may_leave_the_parameters():
    _, net = drive(EarlyStopping(patience=1, restore_best=False), [1.0, 2.0])
    assert net.params[0] == 2.0


@pytest.mark.parametrize(
    ("monitor", "mode", "values", "best_epoch"),
    [
        ("val_accuracy", "auto", [0.5, 0.9, 0.7], 2),
        ("val_r2", "auto", [0.5, 0.9, 0.7], 2),
        ("val_error", "auto", [0.5, 0.9, 0.3], 3),
        ("val_accuracy", "min", [0.5, 0.9, 0.3], 3),
        ("gain", "max", [0.5, 0.9, 0.7], 2),
        ("loss", "auto", [0.5, 0.1, 0.3], 2),
    ],
)
def test_early_stopping_knows_directions(monitor, mode, values, best_epoch):
    stop = EarlyStopping(monitor, mode=mode)
    drive(stop, values, monitor)
    assert stop.best_epoch == best_epoch


def test_early_stopping_min_delta():
    stop = EarlyStopping(patience=2, min_delta=0.1)
    assert drive(stop, [1.0, 0.95, 0.91, 0.5])[0] == 3
    assert stop.best_epoch == 1


def test_no_number_is_no_gain():
    stop = EarlyStopping(patience=2)
    epochs, net = drive(stop, [math.nan, 1.0, math.nan, math.nan, 0.5])
    assert (epochs, stop.best_epoch, net.params[0]) == (4, 2, 2.0)
    never = EarlyStopping(patience=2)
    epochs, net = drive(never, [math.nan, math.nan, 1.0])
    assert (epochs, never.best, net.params[0]) == (2, None, 2.0)


def test_early_stopping_starts_afresh_with_each_fit():
    stop = EarlyStopping(patience=1)
    drive(stop, [0.1, 0.2])
    epochs, net = drive(stop, [5.0, 4.0, 6.0])
    assert (epochs, stop.best, net.params[0]) == (3, 4.0, 2.0)


def test_best_parameters_are_a_copy():
    class Moving(StandIn):
        pass

    net = Moving()
    stop = EarlyStopping()
    stop.on_fit_begin(net, 2)
    net.params[:] = 7.0
    stop.on_epoch_end(EpochInfo(1, 2, 1.0, 1.0, net=net))
    view = net.params
    net.params[:] = 8.0
    stop.on_fit_end(net, History())
    assert net.params.tolist() == [7.0, 7.0, 7.0]
    assert net.params is view


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": 0}, ValueError, "EarlyStopping: expected patience of at least 1, got 0"),
        ({"patience": 2.5}, TypeError, "EarlyStopping: expected patience to be an integer"),
        ({"min_delta": -1.0}, ValueError, "EarlyStopping: expected min_delta"),
        ({"mode": "up"}, ValueError, "EarlyStopping: unknown mode 'up'"),
    ],
)
def test_early_stopping_refuses(options, error, message):
    with pytest.raises(error, match=message):
        EarlyStopping(**options)


def test_checkpoint_every_epoch(tmp_path):
    checkpoint = Checkpoint(tmp_path / "runs" / "e{epoch:03d}.safetensors")
    _, net = drive(checkpoint, [1.0, 2.0])
    names = [str(tmp_path / "runs" / f"e00{epoch}.safetensors") for epoch in (1, 2)]
    assert net.saves == [(names[0], True, 1.0), (names[1], True, 2.0)]
    assert [str(path) for path in checkpoint.saved] == names
    assert (tmp_path / "runs").is_dir()


def test_checkpoint_only_the_better(tmp_path):
    checkpoint = Checkpoint(str(tmp_path / "best"), monitor="val_accuracy", optimizer=False)
    _, net = drive(checkpoint, [0.5, 0.4, math.nan, 0.6, 0.6], "val_accuracy")
    assert [(optimizer, epoch) for _, optimizer, epoch in net.saves] == [(False, 1.0), (False, 4.0)]
    assert checkpoint.best == 0.6
    assert checkpoint.saved == [tmp_path / "best"]


@pytest.mark.parametrize("path", ["{name}.st", "{}.st", "a{epoch", "{epoch:q}"])
def test_checkpoint_refuses_other_braces(path):
    with pytest.raises(ValueError, match=r"Checkpoint: expected a path with no braces but \{epoch\}"):
        Checkpoint(path)


def test_learning_rates_are_kept():
    logger = LearningRateLogger()
    for rate in (0.1, 0.01):
        logger.on_epoch_end(EpochInfo(1, 2, 1.0, learning_rate=rate))
    assert logger.rates == [0.1, 0.01]


def test_epoch_log_line():
    stream = io.StringIO()
    log = EpochLog(stream)
    log.on_fit_begin(None, 10)
    for epoch in (1, 10):
        log.on_epoch_end(
            EpochInfo(epoch, 10, 0.1234, 0.2345, {"val_accuracy": 0.9712}, 0.001, 1.23, 60024),
        )
    assert stream.getvalue().split("\n") == [
        "epoch  1/10  loss 0.1234  val_loss 0.2345  val_accuracy 0.9712  lr 0.001  1.23 s  48800 samples/s",
        "epoch 10/10  loss 0.1234  val_loss 0.2345  val_accuracy 0.9712  lr 0.001  1.23 s  48800 samples/s",
        "",
    ]


def test_epoch_log_counts_on_in_a_second_fit(capsys):
    log = EpochLog()
    log.on_fit_begin(None, 5)
    log.on_epoch_end(EpochInfo(11, 5, 1.5e-6, learning_rate=0.1, seconds=0.0))
    log.on_epoch_end(EpochInfo(12, 5, math.nan, learning_rate=0.1, seconds=0.5, samples=10))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "epoch 11/15  loss 1.50e-06  lr 0.1  0 s  - samples/s"
    assert lines[1] == "epoch 12/15  loss nan  lr 0.1  0.5 s  20 samples/s"


def test_epoch_log_writes_every_nth_epoch_and_the_first_and_last(capsys):
    log = EpochLog(every=3)
    log.on_fit_begin(None, 8)
    for epoch in range(5, 13):
        log.on_epoch_end(EpochInfo(epoch, 8, 0.5, learning_rate=0.1, seconds=0.5, samples=10))
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["5/12", "7/12", "10/12", "12/12"]
    with pytest.raises(ValueError, match="EpochLog: expected every of at least 1, got 0"):
        EpochLog(every=0)


def test_progress_bar_counts_rows_of_the_whole_fit():
    pytest.importorskip("tqdm")
    stream = io.StringIO()
    bar = ProgressBar(stream)
    bar.on_fit_begin(None, 2)
    bar.on_progress(60, 100, 0.5)
    assert (bar._bar.n, bar._bar.total) == (60, 200)
    bar.on_epoch_end(EpochInfo(1, 2, 0.5, 0.4321, {}, 0.01, 1.0, 100))
    assert (bar._bar.n, bar._bar.total) == (100, 200)
    bar.on_progress(30, 100, 0.5)
    assert bar._bar.n == 130
    bar.on_epoch_end(EpochInfo(2, 2, 0.25, 0.4321, {}, 0.01, 1.0, 100))
    bar.on_fit_end(None, History())
    last = stream.getvalue().split("\r")[-1]
    assert bar._bar.n == 200
    for part in ("epoch 2/2", "100%", "200/200", "loss=0.25", "val_loss=0.4321", "learning_rate=0.01", "row/s"):
        assert part in last


def test_progress_bar_without_a_known_length(capsys):
    pytest.importorskip("tqdm")
    bar = ProgressBar()
    bar.on_fit_begin(None, 3)
    bar.on_progress(60, None, 0.5)
    assert (bar._bar.n, bar._bar.total) == (60, None)
    bar.on_epoch_end(EpochInfo(1, 3, 0.5, samples=70))
    assert (bar._bar.n, bar._bar.total) == (70, 210)
    bar.on_fit_end(None, History())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch 1/3" in captured.err


def test_progress_bar_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "tqdm":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="ProgressBar: the progress bar needs tqdm: pip install"):
        ProgressBar().on_fit_begin(None, 1)


def _network():
    fn = pytest.importorskip("fastnn")
    net = fn.Sequential([fn.Dense(16, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(1e-2), metrics=["accuracy"])
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)).astype(np.float32)
    y = X[:, :3].argmax(axis=1)
    return net, (X[:150], y[:150]), (X[150:], y[150:])


def test_fit_stops_restores_and_tells_the_epochs():
    net, (X, y), validation = _network()
    stop, logger, seen = EarlyStopping(patience=3, min_delta=0.05), LearningRateLogger(), []
    history = net.fit(
        X, y, epochs=200, batch_size=16, validation_data=validation, verbose=0,
        callbacks=[stop, logger, lambda info: seen.append((info.epoch, info.samples))],
    )  # fmt: skip
    assert stop.stopped_epoch == stop.best_epoch + 3 == len(history.epochs) < 200
    assert net.evaluate(*validation)["loss"] == pytest.approx(stop.best, rel=1e-4)
    assert seen == [(epoch, 150) for epoch in history.epochs]
    assert logger.rates == pytest.approx([1e-2] * len(history.epochs))


def test_a_function_stops_the_fit():
    net, (X, y), validation = _network()
    history = net.fit(X, y, epochs=9, validation_data=validation, verbose=0, callbacks=[lambda info: info.epoch == 2])
    assert history.epochs == [1, 2]


def test_checkpoint_can_be_loaded(tmp_path):
    fn = pytest.importorskip("fastnn")
    net, (X, y), validation = _network()
    path = tmp_path / "best.safetensors"
    checkpoint = Checkpoint(path, monitor="val_accuracy")
    history = net.fit(X, y, epochs=5, validation_data=validation, verbose=0, callbacks=[checkpoint])
    assert checkpoint.best == max(history["val_accuracy"])
    assert fn.load(path).predict(X).shape == (150, 3)


def test_batch_calls_within_epochs():
    class Rows(Callback):
        def __init__(self):
            self.calls = []

        def on_batch_end(self, done_rows, total_rows, loss):
            self.calls.append((done_rows, total_rows))

    fn = pytest.importorskip("fastnn")
    net = fn.Sequential([fn.Dense(512, "relu"), fn.Dense(512, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    X = np.random.default_rng(0).standard_normal((20000, 4)).astype(np.float32)
    rows = Rows()
    options = {"loss": "cross_entropy", "optimizer": fn.SGD(1e-3), "verbose": 0}
    net.fit(X, X[:, :3].argmax(axis=1), epochs=2, batch_size=8, callbacks=[rows], **options)
    assert rows.calls
    assert all(0 < done <= total == 20000 for done, total in rows.calls)
    assert len([1 for (a, _), (b, _) in zip(rows.calls, rows.calls[1:], strict=False) if b < a]) <= 1


# ---- what is called, how often, with what ----------------------------------------------------------------------------


class Batches(Callback):
    def __init__(self):
        self.calls = []

    def on_batch_end(self, done_rows, total_rows, loss):
        self.calls.append((done_rows, total_rows, loss))


@pytest.mark.parametrize("road", ["whole", "parts", "batches"])
def test_on_batch_end_is_called_once_after_every_mini_batch(road, monkeypatch):
    """With the mean loss so far, here by the losses of a twin's steps."""
    fn = pytest.importorskip("fastnn")
    if road == "parts":
        monkeypatch.setattr("fastnn.data.feed.BUFFER_BYTES", 300)
    random = np.random.default_rng(0)
    X, y = random.normal(size=(50, 3)), random.normal(size=(50, 1))
    nets = [fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(1)], 3, seed=0, dtype="float32") for _ in range(2)]
    for net in nets:
        net.compile("squared_error", fn.SGD(0.1))
    book = Batches()
    parts = [(X[start : start + 8], y[start : start + 8]) for start in range(0, 50, 8)]
    data = (parts,) if road == "batches" else (X, y)
    nets[0].fit(*data, epochs=2, batch_size=8, shuffle=False, callbacks=[book])
    expected = []
    for _ in range(2):
        total = done = 0.0
        for part in parts:
            total, done = total + len(part[0]) * nets[1].train_step(*part), done + len(part[0])
            expected.append((done, None if road == "batches" else 50, total / done))
    assert [call[:2] for call in book.calls] == [call[:2] for call in expected]
    np.testing.assert_allclose([call[2] for call in book.calls], [call[2] for call in expected], rtol=1e-5)


def test_on_progress_is_called_seldom_and_at_the_end_of_an_epoch():
    fn = pytest.importorskip("fastnn")
    shown = []

    class Shown(Batches):
        def on_progress(self, done_rows, total_rows, loss):
            shown.append((done_rows, total_rows))

    book = Shown()
    X = np.random.default_rng(0).standard_normal((2000, 4)).astype(np.float32)
    net = fn.Sequential([fn.Dense(3)], 4, seed=0)
    net.fit(X, X[:, :3], batch_size=1, loss="mse", callbacks=[book], verbose=0)
    assert len(book.calls) == 2000
    assert shown[-1] == (2000, 2000)
    assert len(shown) < 500


class Derived(Callback):
    """A base class of the user's with methods that take more than they are given."""

    def on_epoch_end(self, info, *, verbose=False):
        return None


def accepted(info, net=None):
    return None


@pytest.mark.parametrize("callback", [Derived(), accepted, lambda *args: None, lambda info, **more: None, print])
def test_more_than_is_given_may_be_taken(callback):
    assert isinstance(as_callback(callback), Callback)


def methods(**functions):
    return type("Mine", (Callback,), functions)()


WRONG = {
    "no argument": (lambda: None, r"a function to take \(info: EpochInfo\), got <lambda>\(\)"),
    "two": (lambda epoch, logs: None, r"a function to take \(info: EpochInfo\), got <lambda>\(epoch, logs\)"),
    "keyword": (lambda *, info: None, r"a function to take \(info: EpochInfo\), got <lambda>\(\*, info\)"),
    "method": (
        methods(on_epoch_end=lambda self: None),
        r"Mine.on_epoch_end to take \(info: EpochInfo\), got <lambda>\(\)",
    ),
    "batch": (
        methods(on_batch_end=lambda self, batch, logs=None: None),
        r"Mine.on_batch_end to take \(done_rows, total_rows, loss\), got <lambda>\(batch, logs=None\)",
    ),
    "begin": (methods(on_fit_begin=lambda self, logs=None: None), r"Mine.on_fit_begin to take \(net, epochs\)"),
    "end": (methods(on_fit_end=lambda self: None), r"Mine.on_fit_end to take \(net, history\)"),
    "progress": (
        methods(on_progress=lambda self, rows: None),
        r"Mine.on_progress to take \(done_rows, total_rows, loss\)",
    ),
    "never called": (methods(on_train_begin=lambda self, logs: None), "never be called; write on_fit_begin"),
    "batch begin": (methods(on_batch_begin=lambda self, batch: None), "would never be called; write on_batch_end"),
    "a class": (dict, "expected a Callback or a function"),
}


@pytest.mark.parametrize("name", WRONG)
def test_callbacks_that_take_something_else_say_what_they_get(name):
    callback, said = WRONG[name]
    with pytest.raises(TypeError, match=said):
        as_callback(callback)


def test_every_method_has_its_arguments_checked():
    from inspect import signature

    from fastnn.training.callbacks import ARGUMENTS

    found = {
        name: len(signature(getattr(Callback(), name)).parameters) for name in dir(Callback) if name.startswith("on_")
    }
    assert {name: count for name, (_, count) in ARGUMENTS.items()} == found


@pytest.mark.parametrize("columns", [40, 60, 80, 110, 160])
@pytest.mark.parametrize("epochs", [9, 1000])
def test_progress_bar_in_so_many_columns(columns, epochs):
    """Nothing is cut: the line ends as it should, and what is told first is there."""
    pytest.importorskip("tqdm")
    pty, termios, fcntl = (pytest.importorskip(name) for name in ("pty", "termios", "fcntl"))
    there, here = pty.openpty()
    fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    with os.fdopen(here, "w", encoding="utf-8") as stream:
        bar = ProgressBar(stream)
        bar.on_fit_begin(None, epochs)
        for epoch in (1, 2):
            metrics = {"val_accuracy": 0.98765}
            bar.on_epoch_end(EpochInfo(epoch, epochs, 0.12345, 0.23456, metrics, 0.00123, 1.0, 123_456))
        bar._bar.refresh()
        stream.flush()
        seen = ""
        while select.select([there], [], [], 0.2)[0]:
            seen += os.read(there, 65536).decode()
        last = seen.split("\r")[-1].rstrip()
        bar.on_fit_end(None, History())
    os.close(there)
    assert len(last) <= columns
    assert last.startswith(f"epoch 2/{epochs}: ")
    assert last.endswith("]") or columns < 80 or epochs == 1000
    assert "..." not in last
    assert "loss=0.1235" in last
    assert ("val_loss=0.2346" in last) == (columns >= 60)
    assert ("val_accuracy=0.9877" in last) == (columns >= 80)
    assert ("learning_rate=0.00123" in last) == (columns >= 160)
