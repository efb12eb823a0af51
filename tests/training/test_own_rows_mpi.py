"""Local SGD, files dealt out, and accumulated gradients, with processes that mpiexec starts."""

import json
import time

import numpy as np
import pytest
from helpers.mpi import on_processes

import fastnn as fn

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

N, BATCH, RATE = 1003, 96, 0.3

# What every process does: trains, and the first one writes what came of it.
CODE = """
import json, os, signal, sys
import numpy as np
from mpi4py import MPI
import fastnn as fn

comm, way, path, fault = MPI.COMM_WORLD, sys.argv[1], sys.argv[2], sys.argv[3]
table, share = os.path.join(os.path.dirname(path), "table.parquet"), (comm.rank, comm.size)

class Fault(fn.Callback):
    updates, saved = 0, False

    def on_epoch_end(self, info):
        self.saved = True

    def on_batch_end(self, done_rows, total_rows, loss):
        self.updates += 1
        if comm.rank == 1 and self.updates == 14:
            if fault == "raised":
                raise KeyError("lost")
            if fault == "killed" and self.saved:
                os.kill(os.getpid(), signal.SIGKILL)

options = {"weight": "weight", "columns": ["a", "b"], "batch_size": 96, "shuffle": False, "dtype": "float64"}
batches = fn.read_batches(table, "y", share=share, **options)
data, more = {"X": batches}, {}
if way != "dealt":
    more["average_every"] = 4
if way == "apart":
    parts = [np.concatenate(one) for one in zip(*fn.read_batches(table, "y", **options))]
    data = {"X": parts[0], "y": parts[1], "sample_weight": parts[2]}
    more |= {"batch_size": 96, "shuffle": False}
if fault == "diverged":
    class Bad:
        share = batches.share
        def __iter__(self):
            for k, (x, y, w) in enumerate(batches):
                yield (x * 1e300 if comm.rank == 1 and k == 5 else x), y, w
    data = {"X": Bad()}
net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=3, dtype="float64")
net.compile("squared_error", fn.SGD(0.3, momentum=0.5))
before, error, losses = net.params.copy(), None, []
try:
    calls = [fn.Checkpoint(path + ".safetensors"), Fault()]
    losses = net.fit(**data, epochs=2, team=comm, callbacks=calls, **more)["loss"]
except Exception as caught:
    error = type(caught).__name__
found = comm.gather((error, net.params.tolist(), bool((net.params == before).all()), list(losses)))
if comm.rank == 0:
    json.dump(found, open(path, "w"))
"""

ACCUMULATED = """
import json, sys
import numpy as np
from mpi4py import MPI
import fastnn as fn

comm, found = MPI.COMM_WORLD, []
rng = np.random.default_rng(5)
X, y = rng.normal(size=(1500, 12)).astype("f"), rng.integers(0, 5, 1500)
for hidden in (40, 2000):
    for options in ({"batch_size": 128, "accumulate": 4}, {"batch_size": 512}):
        net = fn.Sequential([fn.Dense(hidden, "relu"), fn.Dropout(0.1), fn.Dense(5)], input_shape=12, seed=3)
        net.fit(X, y, epochs=2, team=comm, loss="cross_entropy", optimizer=fn.Adam(0.01), **options)
        found.append(net.params.tobytes().hex())
found = comm.gather(found)
if comm.rank == 0:
    json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(N, 2)), columns=["a", "b"])
    frame["y"] = frame["a"] - 2 * frame["b"] + rng.normal(size=N)
    frame["weight"] = rng.uniform(0, 2, N)
    frame.loc[: N // 4, "weight"] = 0.0  # the first of four processes has no rows that count
    return frame


@pytest.fixture
def script(tmp_path, frame):
    frame.to_parquet(tmp_path / "table.parquet", row_group_size=100, index=False)
    path = tmp_path / "train.py"
    path.write_text(CODE)
    return path


def run(script, n, way, fault=""):
    path = script.parent / f"{n}-{way}-{fault}.json"
    began = time.perf_counter()
    done = on_processes(n, script, way, path, fault)
    assert time.perf_counter() - began < 45
    return done, json.loads(path.read_text()) if path.exists() else None


def start():
    return fn.Sequential([fn.Dense(1)], input_shape=2, seed=3, dtype="float64").params.copy()


def dealt(size):
    """By process its rows of each mini-batch: runs of the file, of which each mini-batch takes as many of each."""
    runs = [N // size + (rank < N % size) for rank in range(size)]
    at, result = np.cumsum([0, *runs[:-1]]), [[] for _ in range(size)]
    for first in range(0, N, BATCH):
        stop = min(first + BATCH, N)
        for rank in range(size):
            count = (stop + size - 1 - rank) // size - (first + size - 1 - rank) // size
            result[rank].append(np.arange(at[rank], at[rank] + count))
            at[rank] += count
    return result


def apart(size):
    """By process its rows of each mini-batch, of which each has a run."""
    return [
        [
            (rows := np.arange(first, min(first + BATCH, N)))[len(rows) * rank // size : len(rows) * (rank + 1) // size]
            for first in range(0, N, BATCH)
        ]
        for rank in range(size)
    ]


def least_squares(frame, parts, every, epochs=2):
    """Momentum on each process by NumPy, means after so many updates and after an epoch: parameters, losses."""
    x, y, weights = np.c_[frame[["a", "b"]], np.ones(N)], frame["y"].to_numpy(), frame["weight"].to_numpy()
    size = len(parts)
    w, v, losses = [start() for _ in parts], [np.zeros(3) for _ in parts], []
    for _ in range(epochs):
        total, seen, since = 0.0, 0.0, np.zeros(size)
        for k in range(len(parts[0])):
            for rank in range(size):
                rows = parts[rank][k]
                weight = weights[rows].sum()
                error = x[rows] @ w[rank] - y[rows]
                total, seen, since[rank] = total + weights[rows] @ error**2, seen + weight, since[rank] + weight
                v[rank] = 0.5 * v[rank] - RATE * 2 * x[rows].T @ (weights[rows] * error) / (weight or 1.0)
                w[rank] = w[rank] + v[rank]
            if (k + 1) % every == 0 or k + 1 == len(parts[0]):
                for both in (w, v):
                    shares = since / since.sum() if since.any() else np.full(size, 1 / size)
                    both[:] = [shares @ np.array(both)] * size
                since[:] = 0
        losses.append(total / seen)
    return w[0], losses


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("way", ["dealt", "apart", "dealt, apart"])
def test_against_numpy(script, frame, way, n):
    """Files dealt out, whose shares differ by a row and of which one may weigh nothing."""
    parts = apart(n) if way == "apart" else dealt(n)
    if way == "dealt":
        parts = [[np.concatenate(rows) for rows in zip(*parts, strict=True)]]
    expected, losses = least_squares(frame, parts, 4 if way != "dealt" else 1)
    done, found = run(script, n, way)
    assert done.returncode == 0, done.stderr
    assert [error for error, *_ in found] == [None] * n
    assert all(one[1] == found[0][1] for one in found)
    np.testing.assert_allclose(found[0][1], expected, rtol=1e-10)
    np.testing.assert_allclose([one[3] for one in found], [losses] * n, rtol=1e-10)


@pytest.mark.parametrize("way", ["dealt", "dealt, apart"])
@pytest.mark.parametrize(("fault", "error"), [("raised", "KeyError"), ("diverged", "DivergenceError")])
def test_one_end_for_all(script, way, fault, error):
    done, found = run(script, 3, way, fault)
    assert done.returncode == 0, done.stderr
    assert [(kind, same) for kind, _, same, _ in found] == [(error, True)] * 3


def test_a_killed_process_ends_the_job_and_the_checkpoint_resumes_it(script, frame):
    done, found = run(script, 2, "apart", "killed")
    assert done.returncode != 0
    assert found is None
    net = fn.load(script.parent / "2-apart-killed.json.safetensors")
    assert net.epoch == 1
    np.testing.assert_allclose(net.params, least_squares(frame, apart(2), 4, 1)[0], rtol=1e-10)


def test_accumulated_gradients_are_those_of_a_larger_batch(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(ACCUMULATED)
    digests = []
    for n in (1, 2, 4):
        done = on_processes(n, path, tmp_path / f"{n}.json")
        assert done.returncode == 0, done.stderr
        digests += json.loads((tmp_path / f"{n}.json").read_text())
    for small, small_whole, large, large_whole in digests:
        assert small == small_whole == digests[0][0]
        assert large == large_whole == digests[0][2]
