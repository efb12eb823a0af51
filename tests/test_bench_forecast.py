"""The forecaster's benchmark: both sides see the same numbers and answer the same; nothing is timed here."""

import importlib
import sys

import numpy as np
import pytest

forecast = pytest.importorskip("bench.forecast", reason="bench/ is in the source tree only")

import fastnn as fn  # noqa: E402


def run(**figures):
    return {
        "seconds": 2.0,
        "MB": 100.0,
        "loss": 0.01,
        "error": 0.5,
        "import": 0.1,
        "learn": 1.0,
        "follow": 0.5,
        **figures,
    }


def test_the_table_is_in_units_of_the_first():
    rows = forecast.table({"fastnn": run(), "PyTorch": run(seconds=5.0, MB=800.0)}).splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert rows[2] == "| fastnn | 2.00 s | 1.00x | 100 MB | 1.00x | 0.10 s | 1.00 s | 0.50 s | 0.0100 | 0.500 |"
    assert rows[3].startswith("| PyTorch | 5.00 s | 2.50x | 800 MB | 8.00x |")


def test_medians_over_rounds_in_turn(monkeypatch, tmp_path, capsys):
    started = []

    def once(command, folder, threads, isa):
        started.append(command)
        return run(seconds=float(len(started)))

    monkeypatch.setattr(forecast, "once", once)
    found = forecast.compare(["fastnn", "PyTorch"], tmp_path, 3, 2)
    ours, theirs = forecast.CONTESTANTS["fastnn"], forecast.CONTESTANTS["PyTorch"]
    assert started == [ours, theirs, theirs, ours, ours, theirs]
    assert (found["fastnn"]["seconds"], found["PyTorch"]["seconds"]) == (4.0, 3.0)


def test_a_process_that_fails_is_no_result(tmp_path):
    with pytest.raises(RuntimeError, match=r"bench.forecast_fastnn ended with 1"):
        forecast.once(("bench.forecast_fastnn",), tmp_path / "nowhere", 1)


def test_one_process_to_its_end(tmp_path):
    forecast.prepare(tmp_path, days=9, epochs=1, limit=2, rounds=1, threads=1)
    found = forecast.once(forecast.CONTESTANTS["fastnn"], tmp_path, 1)
    assert 0 < found["import"] + found["learn"] + found["follow"] < found["seconds"]
    assert 20 < found["MB"] < 1000
    assert 0 < found["loss"] < 10
    assert 0 < found["error"] < 10


def test_both_sides_see_and_answer_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    forecast.prepare(tmp_path, days=20, epochs=1, limit=1, rounds=1, threads=1)
    task = forecast.Task.read(tmp_path)
    sys.path.insert(0, str(forecast.ROOT / "examples"))
    app = importlib.import_module("load_forecast")
    peer = importlib.import_module("bench.forecast_torch")
    series = {name: np.load(tmp_path / f"{name}.npy") for name in app.LAGS}
    scalers = {name: fn.Standardizer().fit(values[: task.now - app.DAY]) for name, values in series.items()}
    windows, data = app.windows(series, task.now, scalers, 1), peer.Data(tmp_path, task.now)
    times = np.array([288, 289, 3000, task.now - 1])
    ours, theirs = windows.gather(np.searchsorted(windows.times, times)), next(data.batches(torch.from_numpy(times)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.reshape(4, -1), b.numpy(), rtol=1e-5, atol=1e-5)
    net = fn.Sequential([fn.Dense(n, "relu") for n in (512, 256, 64)] + [fn.Dense(1)], windows.width, seed=0)
    net.compile(app.LOSS)
    other = peer.network().eval()
    for layer, view in zip(peer.linear(other), net.layers, strict=True):
        view.weight[:], view.bias[:] = layer.weight.detach().numpy().T, layer.bias.detach().numpy()
    with torch.inference_mode():
        loss = float(peer.loss_of(other)(*theirs))
        answers = peer.roll_out(other, data, task.now)
    assert net.evaluate(ours[0], ours[1], sample_weight=ours[2])["loss"] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(
        windows.roll_out(net, peer.HORIZON), answers, rtol=1e-3, atol=1e-3 * np.abs(answers).max()
    )
