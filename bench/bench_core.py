"""Time the kernels, layers and entry points: ``make bench``.

Figures are per call.  Pin one core (``taskset -c 0``) and set OPENBLAS_NUM_THREADS=1 to compare runs.
"""

import time

import numpy as np
import pytest
from fastnn._core.optimizer import STATE_VECTORS

import fastnn as fn
from fastnn._core import kernels, pool

NETS = {
    "4-64-64-2": (4, 64, 64, 2),
    "64-64-64-10": (64, 64, 64, 10),
    "784-128-10": (784, 128, 10),
    "784-512-512-10": (784, 512, 512, 10),
}


def network(name: str, optimizer: fn.optimizers.Optimizer | None = None) -> fn.Sequential:
    sizes = NETS[name]
    layers = [fn.Dense(size, "relu") for size in sizes[1:-1]]
    net = fn.Sequential([*layers, fn.Dense(sizes[-1])], input_shape=sizes[0], seed=0)
    net.compile(loss="squared_error", optimizer=optimizer or fn.SGD(1e-3))
    return net


def rows(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return (
        random.standard_normal((n, NETS[name][0])).astype(np.float32),
        random.standard_normal((n, NETS[name][-1])).astype(np.float32),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def bench_activation_4096(benchmark, name, dtype):
    z = np.random.default_rng(0).standard_normal(4096).astype(dtype)
    benchmark(kernels.activation_forward, name, z, out=np.empty_like(z))


@pytest.mark.parametrize("name", kernels.OPTIMIZERS)
def bench_update_100000(benchmark, name):
    w, g = (np.random.default_rng(i).standard_normal(100_000).astype(np.float32) for i in range(2))
    states = [np.zeros_like(w) for _ in range(STATE_VECTORS[name])]
    benchmark(kernels.update, name, w, g, states, learning_rate=1e-9)


def bench_dropout_4096(benchmark):
    x = np.ones(4096, np.float32)
    benchmark(kernels.dropout_forward, x, 0, 0, 0, 0, 0.8, 1.25)


@pytest.mark.parametrize("name", NETS)
def bench_predict_one(benchmark, name):
    net, (X, y) = network(name), rows(name, 1)
    benchmark(net.predict_one, X[0], np.empty_like(y[0]))


@pytest.mark.parametrize("name", NETS)
def bench_train_step_one_row(benchmark, name):
    net, (X, y) = network(name), rows(name, 1)
    benchmark(net.train_step, X[0], y[0])


@pytest.mark.parametrize("n", [32, 128])
@pytest.mark.parametrize("name", NETS)
def bench_predict(benchmark, name, n):
    net, (X, _) = network(name), rows(name, n)
    benchmark(net.predict, X)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("n", [32, 128])
@pytest.mark.parametrize("name", NETS)
def bench_train_step(benchmark, name, n, optimizer):
    net, (X, y) = network(name, fn.optimizers.NAMES[optimizer](1e-4)), rows(name, n)
    benchmark(net.train_step, X, y)


@pytest.mark.parametrize("layer", ["Dropout", "DropConnect", "Residual"])
def bench_layer_step_128(benchmark, layer):
    middle = {
        "Dropout": fn.Dropout(0.2),
        "DropConnect": fn.DropConnect(128, "relu", rate=0.2),
        "Residual": fn.Residual([fn.Dense(128, "relu")]),
    }[layer]
    net = fn.Sequential([fn.Dense(128, "relu"), middle, fn.Dense(10)], input_shape=128, seed=0)
    net.compile(loss="squared_error", optimizer=fn.SGD(1e-3))
    random = np.random.default_rng(0)
    X, y = random.standard_normal((128, 128)).astype(np.float32), random.standard_normal((128, 10)).astype(np.float32)
    benchmark(net.train_step, X, y)


@pytest.mark.parametrize("workers", ["spinning", "asleep"])
def bench_fork_join_2_threads(benchmark, workers):
    """One run of two empty parts: 1,000 of them in a row, or one after a pause that sends the worker to sleep."""
    before = pool.get_threads()
    pool.set_threads(2)
    if workers == "spinning":
        benchmark(pool.run_empty, 2, 1000)  # ms here is us per run
    else:
        benchmark.pedantic(pool.run_empty, (2, 1), setup=lambda: time.sleep(1e-3), rounds=500)
    pool.set_threads(before)
