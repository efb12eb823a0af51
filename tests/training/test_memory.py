"""Memory: data larger than it, and networks that run for long."""
# ruff: noqa: E501  (a case of a table is one line)

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")]

PROBE = """
import gc, os, sys, numpy as np, fastnn as fn

def status(name):  # MiB
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
"""


def run(code, *arguments, timeout=120):
    """Run code in a process of its own; the numbers that it prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [float(word) for word in done.stdout.split()]


FIT = """
path, shuffle, rows, columns = sys.argv[1], sys.argv[2] == "True", int(sys.argv[3]), int(sys.argv[4])
X = np.memmap(path, np.float32, "r", shape=(rows, columns))
y = np.broadcast_to(np.float32(1), (rows, 1))
net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], input_shape=columns, seed=0)
net.fit(X[:8192], y[:8192], batch_size=4096, loss="squared_error", optimizer=fn.SGD(0.1))  # warm
before = status("VmHWM")
history = net.fit(X, y, batch_size=4096, shuffle=shuffle)
print(status("VmHWM") - before, history["loss"][0], float(net.layers[0].bias[0]), net.trainer.step)
before = status("VmHWM")
net.evaluate(X[:rows // 4], y[:rows // 4])
print(status("VmHWM") - before)
"""


@pytest.mark.parametrize(("shuffle", "gigabytes"), [(True, 4), (False, 1)])
def test_a_large_file_takes_no_memory(shuffle, gigabytes, tmp_path):
    """The file has holes for contents, so that it takes no disk; every row is walked."""
    rows, columns = gigabytes << 16, 4096
    with open(tmp_path / "x", "wb") as file:
        file.truncate(4 * rows * columns)
    assert os.path.getsize(tmp_path / "x") == gigabytes << 30
    grown, loss, bias, steps, evaluated = run(FIT, tmp_path / "x", shuffle, rows, columns)
    assert grown < 300
    assert evaluated < 300
    updates = rows // 4096
    assert steps == updates + 2
    # All rows are zero: only the bias learns, b <- b - 0.2 (b - 1), and the loss of update k is 0.64^k.
    assert abs(bias - (1 - 0.8**steps)) < 1e-5
    assert abs(loss - sum(0.64 ** (k + 2) for k in range(updates)) / updates) < 1e-6


TABLE = """
path, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], input_shape=columns, seed=0)
net.compile("squared_error", fn.SGD(0.1))
net.fit(fn.read_batches(path + "-small.parquet", "y", batch_size=4096))  # warm
before = status("VmHWM")
batches = fn.read_batches(path, "y", batch_size=4096)
history = net.fit(batches)
print(status("VmHWM") - before, history["loss"][0], float(net.layers[0].bias[0]), net.trainer.step, batches.rows)
"""


def test_a_large_table_takes_no_memory(tmp_path):
    """Equal rows take no disk, but half a gigabyte as an array; every row is walked."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns, groups, size = 64, 32, 1 << 16
    table = pa.table({f"x{i}": np.zeros(size, np.float32) for i in range(columns)} | {"y": np.ones(size, np.float32)})
    for name, count in (("x.parquet", groups), ("x.parquet-small.parquet", 1)):
        with parquet.ParquetWriter(tmp_path / name, table.schema) as writer:
            for _ in range(count):
                writer.write_table(table, row_group_size=size)

    grown, loss, bias, steps, rows = run(TABLE, tmp_path / "x.parquet", groups * size, columns)
    assert rows == groups * size
    updates = rows // 4096
    assert steps == updates + 16
    assert grown < 200
    # All features are zero: only the bias learns, as above.
    assert abs(bias - (1 - 0.8**steps)) < 1e-5
    assert abs(loss - sum(0.64 ** (k + 16) for k in range(int(updates))) / updates) < 1e-6


STEPS = """
net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(64, "relu"), fn.Dense(2)], input_shape=4, seed=0)
net.compile("squared_error", fn.SGD(1e-4))
x, y, out = np.ones(4, np.float32), np.zeros(2, np.float32), np.empty(2, np.float32)

def steps(n, step=net.train_step, one=net.predict_one):
    for _ in range(n):
        step(x, y)
    for _ in range(n // 4):
        one(x, out)
        one(x)

steps(20_000)
gc.collect()
before = status("VmRSS")
steps(1_000_000)
gc.collect()
print(status("VmRSS") - before, net.trainer.step)
"""


def test_a_million_steps_take_no_memory():
    grown, steps = run(STEPS)
    assert steps == 1_020_000
    assert grown < 1


CHECKED = """
net = fn.Sequential([fn.Dense(16, "relu"), fn.Custom(lambda x: x * 2, lambda x, y, dy: dy * 2), fn.Dense(3)], input_shape=4, seed=0)
net.compile("cross_entropy", fn.Adam(fn.CosineDecay(1e-3, total_steps=10**6)))
X, y = np.ones((5, 4)), np.array([0, 1, 2, 0, 1])

def steps(n):
    for _ in range(n):
        net.train_step(X, y)
        net.predict(X)
        net.evaluate(X, y)
        net.forward(X)
        net.backward(np.ones((5, 3)))
        for bad in (X[:, :3], X * np.nan):
            try:
                net.train_step(bad, y)
            except ValueError:
                pass

steps(500)
gc.collect()
before = status("VmRSS")
steps(10_000)
gc.collect()
print(status("VmRSS") - before)
"""


def test_checked_calls_and_refused_ones_take_no_memory():
    assert run(CHECKED)[0] < 1


CYCLES = """
path = sys.argv[1]
random = np.random.default_rng(0)
X, y = random.normal(size=(64, 8)).astype(np.float32), random.integers(0, 3, 64)

def cycle(n):
    for i in range(n):
        net = fn.Sequential([fn.Dense(64, "relu"), fn.Dropout(0.2), fn.Residual([fn.Dense(64, "tanh")]), fn.Dense(3)], input_shape=8, seed=i)
        net.fit(X, y, loss="cross_entropy", optimizer="adam", metrics=["accuracy"], validation_data=(X, y), callbacks=[fn.EarlyStopping()], verbose=0)
        net.save(path, optimizer=True)
        fn.load(path).predict(X)
        os.remove(path)
        del net

cycle(200)
gc.collect()
before = status("VmRSS")
cycle(2000)
gc.collect()
print(status("VmRSS") - before)
"""


def test_two_thousand_networks_take_no_memory(tmp_path):
    shared = "/dev/shm"  # save waits for the disk, which has no part in this
    folder = shared if os.access(shared, os.W_OK) else str(tmp_path)
    assert run(CYCLES, os.path.join(folder, f"fastnn-test-{os.getpid()}"))[0] < 2


def test_numbers_are_read():
    before, after = run("before = status('VmRSS'); a = np.ones(50 << 17); print(before, status('VmRSS'))")
    assert 45 < after - before < 60
    assert np.isfinite(before)
