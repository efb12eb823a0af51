"""Callbacks that keep the record of a training elsewhere: what a reader of each finds is the history."""

import math
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn as fn

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def network():
    net = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0)
    net.compile("cross_entropy", fn.Adam(0.01), metrics=["accuracy"])
    return net


def fit(net, callback, epochs=3):
    return net.fit(X[:40], Y[:40], epochs=epochs, validation_data=(X[40:], Y[40:]), callbacks=[callback], verbose=0)


# ---- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_the_history(tmp_path, separator):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "runs" / "run.csv"
    history = fit(network(), fn.CSVLogger(path, separator=separator))
    frame = pandas.read_csv(path, sep=separator)
    assert [*frame] == [
        "epoch", "loss", "val_loss", "accuracy", "val_accuracy", "learning_rate", "seconds", "samples",
    ]  # fmt: skip
    assert frame["epoch"].tolist() == [1, 2, 3]
    assert frame["samples"].tolist() == [40, 40, 40]
    for name in ("loss", "val_loss", "val_accuracy", "learning_rate", "seconds"):
        np.testing.assert_allclose(frame[name], history[name], rtol=1e-14)


@pytest.mark.parametrize(("append", "epochs"), [(False, [3, 4]), (True, [1, 2, 3, 4])])
def test_csv_of_two_fits(tmp_path, append, epochs):
    net, logger = network(), fn.CSVLogger(tmp_path / "run.csv", append=append)
    fit(net, logger, 2)
    fit(net, logger, 2)
    lines = (tmp_path / "run.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in lines[1:]] == epochs


def test_csv_is_complete_after_each_epoch(tmp_path):
    lengths = []
    logger = fn.CSVLogger(tmp_path / "run.csv")
    see = lambda info: lengths.append(len((tmp_path / "run.csv").read_text().splitlines()))  # noqa: E731
    network().fit(X, Y, epochs=3, callbacks=[logger, see], verbose=0)
    assert lengths == [2, 3, 4]


def test_csv_of_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(ValueError, match=r"with the columns epoch, loss, val_loss, .*, got epoch, loss; take another"):
        fit(network(), fn.CSVLogger(path, append=True))
    assert path.read_text() == "epoch,loss\n1,0.5\n"


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"path": 3}, TypeError, "expected path to be a text or a path, got 3"),
    ({"path": "a", "append": 1}, TypeError, "append"),
    ({"path": "a", "separator": ", "}, ValueError, "expected separator to be one character"),
    ({"path": "a", "separator": "\n"}, ValueError, "expected separator to be one character"),
])  # fmt: skip
def test_csv_mistakes(arguments, error, message):
    with pytest.raises(error, match=f"CSVLogger: .*{message}"):
        fn.CSVLogger(**arguments)


# ---- TensorBoard -----------------------------------------------------------------------------------------------------


def events(folder):
    """What the files of events of a folder hold: {name: {step: value}}, read record by record."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = {}
    for path in sorted(Path(folder).iterdir()):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])  # length, its checksum, record, its checksum
            event = proto.Event.FromString(data[12 : 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
            data = data[16 + size :]
    return found


def test_tensorboard_is_the_history(tmp_path):
    pytest.importorskip("tensorboardX")
    history = fit(network(), fn.TensorBoard(tmp_path / "run"))
    found = events(tmp_path / "run")
    assert set(found) == {"loss", "val_loss", "accuracy", "val_accuracy", "learning_rate", "seconds"}
    for name, values in found.items():
        assert [*values] == [1, 2, 3]
        np.testing.assert_allclose([*values.values()], history[name], rtol=1e-6)


def test_tensorboard_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'TensorBoard needs tensorboardX: pip install "fastnn\[tensorboard\]"'):
        fit(network(), fn.TensorBoard("run"))
    with pytest.raises(TypeError, match="TensorBoard: expected folder to be a text or a path, got None"):
        fn.TensorBoard(None)


# ---- MLflow ----------------------------------------------------------------------------------------------------------


class Tracker:
    """As much of mlflow as the callback calls, with its rules: parameters do not change, a run ends once."""

    def __init__(self):
        self.params, self.metrics, self.artifacts, self.runs, self.run = {}, {}, [], [], None

    def active_run(self):
        return self.run

    def start_run(self, run_name=None):
        assert self.run is None
        self.run = SimpleNamespace(info=SimpleNamespace(run_id="1", run_name=run_name))
        return self.run

    def get_run(self, run_id):
        assert run_id == self.run.info.run_id
        return SimpleNamespace(data=SimpleNamespace(params={k: str(v) for k, v in self.params.items()}))

    def log_params(self, params):
        assert not set(params) & set(self.params)
        self.params |= params

    def log_metrics(self, metrics, step):
        self.metrics[step] = metrics

    def log_artifact(self, path):
        self.artifacts.append((Path(path).name, fn.load(path)))

    def end_run(self, status):
        self.runs.append((self.run.info.run_name, status))
        self.run = None


@pytest.fixture
def tracker(monkeypatch):
    stand_in = Tracker()
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    return stand_in


def test_mlflow_is_the_history(tracker):
    net = network()
    history = fit(net, fn.MLflow("first", model=True))
    assert tracker.runs == [("first", "FINISHED")]
    assert tracker.params["epochs"] == 3
    assert tracker.params["n_params"] == 26
    assert "Adam" in tracker.params["optimizer"]
    for i, step in enumerate((1, 2, 3)):
        assert tracker.metrics[step] == {name: history[name][i] for name in history}
    [(name, model)] = tracker.artifacts
    assert name == "model.safetensors"
    np.testing.assert_array_equal(model.predict(X), net.predict(X))


def test_mlflow_leaves_an_active_run_open_and_its_parameters_as_they_are(tracker):
    tracker.start_run("mine")
    tracker.log_params({"loss": "my words"})
    net = network()
    fit(net, fn.MLflow())
    fit(net, fn.MLflow(), epochs=2)
    assert tracker.run.info.run_name == "mine"
    assert tracker.runs == []
    assert (tracker.params["loss"], tracker.params["epochs"]) == ("my words", 3)
    assert [*tracker.metrics] == [1, 2, 3, 4, 5]


def test_mlflow_of_a_fit_that_failed(tracker):
    def fail(info):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        network().fit(X, Y, epochs=3, callbacks=[fn.MLflow(model=True), fail], verbose=0)
    assert tracker.runs == [(None, "FAILED")]
    assert tracker.artifacts == []


def test_mlflow_within_another_exception(tracker):
    try:
        raise KeyError("before")
    except KeyError:
        fit(network(), fn.MLflow())
    assert tracker.runs == [(None, "FINISHED")]


def test_the_real_mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    history = fit(network(), fn.MLflow("first"))
    run = mlflow.search_runs(output_format="list")[0]
    assert run.info.status == "FINISHED"
    assert run.data.params["dtype"] == "float32"
    assert math.isclose(run.data.metrics["val_loss"], history["val_loss"][-1])


def test_mlflow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r'MLflow needs mlflow: pip install "fastnn\[mlflow\]"'):
        fit(network(), fn.MLflow())
    with pytest.raises(TypeError, match="MLflow: expected run_name to be a text, got 3"):
        fn.MLflow(3)
