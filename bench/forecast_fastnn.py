"""The forecaster of ``examples/load_forecast.py`` as one process, for ``bench.forecast``."""

import importlib
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

began = perf_counter()
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import numpy as np  # noqa: E402

import fastnn as fn  # noqa: E402
from bench.forecast import Task, report  # noqa: E402

app: Any = importlib.import_module("load_forecast")
imported = perf_counter()


def main(folder: Path) -> None:
    """Learn, save, load, fine-tune and forecast."""
    task = Task.read(folder)
    series = {name: np.load(folder / f"{name}.npy") for name in app.LAGS}
    scalers = {name: fn.Standardizer().fit(values[: task.now - app.DAY]) for name, values in series.items()}
    examples = app.windows(series, task.now, scalers, task.limit)
    net = app.learn(examples, task.epochs, task.limit, patience=task.epochs)
    assert net.history is not None
    loss = net.history.best("val_loss")[1]
    learned = perf_counter()
    net.save(folder / "fastnn.safetensors")
    net = fn.load(folder / "fastnn.safetensors")
    forecasts = app.follow(net, examples, series, task.rounds)
    report(began, imported, learned, loss, forecasts, series["load"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
