"""The same with processes that mpiexec starts."""

import json
import time

import numpy as np
import pytest
from helpers.mpi import on_processes

import fastnn as fn

# What every process does: trains, and the first one writes what came of it.
CODE = """
import json, os, signal, sys
import numpy as np
from mpi4py import MPI
import fastnn as fn

comm, hidden, path, fault = MPI.COMM_WORLD, int(sys.argv[1]), sys.argv[2], sys.argv[3]

class Fault(fn.Callback):
    saved = False

    def on_epoch_end(self, info):
        self.saved = True

    def on_batch_end(self, done_rows, total_rows, loss):
        if comm.rank == 1 and done_rows == 1024:
            if fault == "raised":
                raise KeyError("lost")
            if fault == "killed" and self.saved:
                os.kill(os.getpid(), signal.SIGKILL)

rng = np.random.default_rng(5)
X, y = rng.normal(size=(1500, 12)).astype("f"), rng.integers(0, 5, 1500)
if fault == "diverged" and comm.rank == 1:
    X[1410:1420] = 3e38  # of rows that lie between those which are compared
net = fn.Sequential([fn.Dense(hidden, "relu"), fn.Dropout(0.1), fn.Dense(5)], input_shape=12, seed=3)
net.compile("cross_entropy", fn.Adam(0.01))
before, error = net.params.copy(), None
try:
    net.fit(X, y, epochs=3, batch_size=512, team=comm, callbacks=[fn.Checkpoint(path + ".safetensors"), Fault()])
except Exception as caught:
    error = type(caught).__name__
found = comm.gather((error, net.params.tobytes().hex(), bool((net.params == before).all())))
if comm.rank == 0:
    json.dump(found, open(path, "w"))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(CODE)
    return path


def rows():
    rng = np.random.default_rng(5)
    return rng.normal(size=(1500, 12)).astype("f"), rng.integers(0, 5, 1500)


def alone():
    net = fn.Sequential([fn.Dense(40, "relu"), fn.Dropout(0.1), fn.Dense(5)], input_shape=12, seed=3)
    net.fit(*rows(), epochs=3, batch_size=512, loss="cross_entropy", optimizer=fn.Adam(0.01))
    return net


def run(script, n, hidden=40, fault=""):
    path = script.parent / f"{n}-{hidden}-{fault}.json"
    began = time.perf_counter()
    done = on_processes(n, script, hidden, path, fault)
    assert time.perf_counter() - began < 45
    return done, json.loads(path.read_text()) if path.exists() else None


def test_the_bits_of_one_process(script):
    """Those of ``fit`` alone where that sums in groups; a large one by the sums of parts, from three processes on."""
    net = alone()
    for n in (2, 4):
        done, found = run(script, n)
        assert done.returncode == 0, done.stderr
        assert found == [[None, net.params.tobytes().hex(), False]] * n
    digests = [run(script, n, hidden=9000)[1] for n in (1, 2, 3)]
    assert {one[1] for found in digests for one in found} == {digests[0][0][1]}


@pytest.mark.parametrize(("fault", "error"), [("raised", "KeyError"), ("diverged", "DivergenceError")])
def test_one_end_for_all(script, fault, error):
    done, found = run(script, 3, fault=fault)
    assert done.returncode == 0, done.stderr
    assert [(kind, same) for kind, _, same in found] == [(error, True)] * 3


def test_a_killed_process_ends_the_job_and_the_checkpoint_resumes_it(script):
    done, found = run(script, 2, fault="killed")
    assert done.returncode != 0
    assert found is None
    net = fn.load(script.parent / "2-40-killed.json.safetensors")
    assert net.epoch == 1
    X, y = rows()
    net.fit(X, y, epochs=2, batch_size=512)
    assert net.params.tobytes() == alone().params.tobytes()
