"""Models and data for workers of Dask, Ray and MPI, which import them by the name of this module."""

import os
from pathlib import Path

import numpy as np

import fastnn as fn

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((90, 5))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
LABELS = RANDOM.integers(0, 3, 90)
OPTIONS = {"epochs": 3, "batch_size": 16, "validation_data": (X, Y)}


class KillOnce(fn.Callback):
    """Ends the process that a network learns in, after its second epoch, unless the marker tells that it did before."""

    def __init__(self, seed, marker):
        self.seed, self.marker = seed, marker

    def on_epoch_end(self, info):
        if info.net.seed != self.seed or info.epoch != 2:
            return
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os._exit(3)


class Arrivals:
    """What a task is sent, with a line in a file for each process and time that it was unpacked."""

    def __init__(self, value, log):
        self.value, self.log = value, str(log)

    def __setstate__(self, state):
        vars(self).update(state)
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()}\n")


def score(frame, shipped):
    """The first output for the rows of a partition."""
    import pandas as pd

    return pd.DataFrame({"score": shipped.value.predict(frame)[:, 0]}, index=frame.index)


def arrived(log):
    """How often it was unpacked, by process."""
    pids = Path(log).read_text().split()
    return {pid: pids.count(pid) for pid in pids}


def network(seed=0):
    """A network with dropout, Adam and a metric, which differs from others in size too."""
    net = fn.Sequential([fn.Dense(7 + seed % 3, "relu"), fn.Dropout(0.2), fn.Dense(2)], 5, seed=seed)
    net.compile("squared_error", fn.Adam(0.01), metrics=["mae"])
    return net


def networks(count):
    return [network(seed) for seed in range(count)]


def rows(count):
    """Rows for each of so many networks, different ones."""
    return [np.arange(90) % count != k for k in range(count)]


def record(net):
    """All that a fit leaves behind, but the seconds that it took."""
    history = net.history.to_dict()
    del history["seconds"]
    return net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.epoch, net.trainer.step, history


def search():
    """A grid search that is done in a second."""
    from sklearn.model_selection import GridSearchCV

    from fastnn.estimators import MLPClassifier

    model = MLPClassifier(max_iter=15, tol=10.0, random_state=0)
    return GridSearchCV(model, {"hidden_layer_sizes": [(3,), (8, 4)], "alpha": [0.0, 0.1]}, cv=3, n_jobs=2)


def assert_same_search(elsewhere, here):
    """Scores of every fold and candidate, the best one, and the bits of its answers."""
    for name in here.cv_results_:
        if "score" in name and "time" not in name:
            np.testing.assert_array_equal(elsewhere.cv_results_[name], here.cv_results_[name])
    assert elsewhere.best_params_ == here.best_params_
    np.testing.assert_array_equal(elsewhere.predict_proba(X), here.predict_proba(X))
