"""Time layers and entry points: ``make bench``.

Figures are per call.  Pin one core (``taskset -c 0``) and set OPENBLAS_NUM_THREADS=1 to compare runs.
"""

import copy
import time

import numpy as np
import pytest

import fastnn as fn
from fastnn._core import pool

NETS = {
    "4-64-64-2": (4, 64, 64, 2),
    "64-64-64-10": (64, 64, 64, 10),
    "784-128-10": (784, 128, 10),
    "784-512-512-10": (784, 512, 512, 10),
}
WIDTH, ROWS = 128, 128
LAYERS = {  # by name: a function of the tensor (B, 128) before it
    "Activation": fn.Activation("gelu"),
    "Bidirectional": lambda x: fn.Bidirectional(fn.GRU(16))(fn.Reshape((8, 16))(x)),
    "Add": lambda x: fn.add(x, fn.Dense(WIDTH)(x)),
    "AvgPool1D": lambda x: fn.AvgPool1D(2)(fn.Reshape((16, 8))(x)),
    "AvgPool2D": lambda x: fn.AvgPool2D(2)(fn.Reshape((4, 4, 8))(x)),
    "BatchNorm": fn.BatchNorm(),
    "Conv1D": lambda x: fn.Conv1D(16, 3, "relu")(fn.Reshape((16, 8))(x)),
    "Blend": lambda x: fn.Blend(0.5)(x, fn.Dense(WIDTH)(x)),
    "Conv2D": lambda x: fn.Conv2D(16, 3, "relu")(fn.Reshape((4, 4, 8))(x)),
    "ConvTranspose2D": lambda x: fn.ConvTranspose2D(16, 4, "relu", strides=2)(fn.Reshape((4, 4, 8))(x)),
    "Concatenate": lambda x: fn.concatenate(x, fn.Dense(WIDTH)(x)),
    "Custom": fn.Custom(lambda x: 2 * x, lambda x, y, dy: 2 * dy, name="double"),
    "DepthwiseConv2D": lambda x: fn.DepthwiseConv2D(3, "relu")(fn.Reshape((4, 4, 8))(x)),
    "Dense": fn.Dense(WIDTH, "relu"),
    "DropConnect": fn.DropConnect(WIDTH, "relu", rate=0.2),
    "Dropout": fn.Dropout(0.2),
    # Dense gives zeros and learns nothing: indices from real numbers.
    "Embedding": lambda x: fn.Embedding(1000, 16)(fn.Dense(8, kernel_initializer="zeros", bias=False)(x)),
    "Flatten": fn.Flatten(),
    "GlobalAvgPool1D": lambda x: fn.GlobalAvgPool1D()(fn.Reshape((16, 8))(x)),
    "GaussianNoise": fn.GaussianNoise(0.1),
    "GlobalAvgPool2D": lambda x: fn.GlobalAvgPool2D()(fn.Reshape((4, 4, 8))(x)),
    "GlobalMaxPool1D": lambda x: fn.GlobalMaxPool1D()(fn.Reshape((16, 8))(x)),
    "GlobalMaxPool2D": lambda x: fn.GlobalMaxPool2D()(fn.Reshape((4, 4, 8))(x)),
    "GroupNorm": lambda x: fn.GroupNorm(4)(fn.Reshape((4, 4, 8))(x)),
    "GRU": lambda x: fn.GRU(32)(fn.Reshape((8, 16))(x)),
    "InstanceNorm": lambda x: fn.InstanceNorm()(fn.Reshape((4, 4, 8))(x)),
    "LSTM": lambda x: fn.LSTM(32)(fn.Reshape((8, 16))(x)),
    "LayerNorm": fn.LayerNorm(),
    "MaxPool1D": lambda x: fn.MaxPool1D(2)(fn.Reshape((16, 8))(x)),
    "LocalResponseNorm": lambda x: fn.LocalResponseNorm()(fn.Reshape((4, 4, 8))(x)),
    "MaxPool2D": lambda x: fn.MaxPool2D(2)(fn.Reshape((4, 4, 8))(x)),
    "Gram": lambda x: fn.Gram()(fn.Reshape((4, 4, 8))(x)),
    "MinibatchStdDev": lambda x: fn.MinibatchStdDev()(fn.Reshape((4, 4, 8))(x)),
    "Multiply": lambda x: fn.Multiply()(x, fn.Dense(WIDTH)(x)),
    "Crop2D": lambda x: fn.Crop2D(1)(fn.Reshape((4, 4, 8))(x)),
    "DepthToSpace": lambda x: fn.DepthToSpace(2)(fn.Reshape((4, 4, 8))(x)),
    "Pad2D": lambda x: fn.Pad2D(1)(fn.Reshape((4, 4, 8))(x)),
    "SpaceToDepth": lambda x: fn.SpaceToDepth(2)(fn.Reshape((4, 4, 8))(x)),
    "Upsample2D": lambda x: fn.Upsample2D(2, "bilinear")(fn.Reshape((4, 4, 8))(x)),
    "Permute": lambda x: fn.Permute((2, 0, 1))(fn.Reshape((4, 4, 8))(x)),
    "PhaseDense": lambda x: fn.PhaseDense(WIDTH, "relu")(x, fn.Dense(1)(x)),
    "PixelNorm": lambda x: fn.PixelNorm()(fn.Reshape((4, 4, 8))(x)),
    "Reduce": lambda x: fn.Reduce("mean")(fn.Reshape((8, 16))(x)),
    "Reshape": fn.Reshape((8, 16)),
    "Residual": fn.Residual([fn.Dense(WIDTH, "relu")]),
    "Scale": fn.Scale(),
    "SimpleRNN": lambda x: fn.SimpleRNN(32)(fn.Reshape((8, 16))(x)),
    "Slice": fn.Slice(0, 64),
    "Standardize": fn.Standardize(127.5, 73.9),
    "SpatialDropout": lambda x: fn.SpatialDropout(0.2)(fn.Reshape((4, 4, 8))(x)),
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


def around(layer: str) -> fn.Network:
    """A network of two dense layers with this one between them."""
    x = fn.Input(WIDTH)
    middle = LAYERS[layer](fn.Dense(WIDTH, "relu")(x))
    return fn.Network(inputs=x, outputs=fn.Dense(10)(fn.Flatten()(middle)), seed=0)


# ---- layers: forward, and a step of learning, on 128 rows of 128; "Dense" twice is the measure of the others ----


@pytest.mark.parametrize("layer", LAYERS)
def bench_layer_predict(benchmark, layer):
    X = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
    benchmark(around(layer).predict, X)


@pytest.mark.parametrize("layer", LAYERS)
def bench_layer_train_step(benchmark, layer):
    net = around(layer)
    net.compile(loss="squared_error", optimizer=fn.SGD(1e-3))
    random = np.random.default_rng(0)
    X, y = (random.standard_normal((ROWS, width)).astype(np.float32) for width in (WIDTH, 10))
    benchmark(net.train_step, X, y)


# ---- convolutions of 3 x 3: by windows, by tiles ----

IMAGES = [(128, 16, 32), (128, 8, 64), (1, 56, 64)]  # batch, rows and columns, channels


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize(("batch", "size", "channels"), IMAGES)
def bench_convolution(benchmark, batch, size, channels, winograd):
    net = fn.Sequential([fn.Conv2D(channels, 3, "relu", winograd=winograd)], (size, size, channels), seed=0)
    X = np.random.default_rng(0).standard_normal((batch, size, size, channels)).astype(np.float32)
    benchmark(net.predict, X)


# ---- entry points ----


@pytest.mark.parametrize("name", NETS)
def bench_predict_one(benchmark, name):
    net, (X, y) = network(name), rows(name, 1)
    benchmark(net.predict_one, X[0], np.empty_like(y[0]))


def bench_predict_one_converted(benchmark):
    net, (X, _) = network("4-64-64-2"), rows("4-64-64-2", 1)
    benchmark(net.predict_one, X[0].tolist())


@pytest.mark.parametrize("name", NETS)
def bench_train_step_one_row(benchmark, name):
    net, (X, y) = network(name), rows(name, 1)
    benchmark(net.train_step, X[0], y[0])


@pytest.mark.parametrize("form", ["dict", "array"])
@pytest.mark.parametrize("what", ["learn_one", "predict_one"])
def bench_online(benchmark, what, form):
    """Eight features, 64-64, one output: beside train_step and predict_one, what standardising and names add."""
    model, (X, _) = fn.OnlineRegressor((64, 64), optimizer=fn.SGD(1e-4), seed=0), rows("64-64-64-10", 2)
    first, x = X[:, :8] if form == "array" else [{f"feature {i}": float(v) for i, v in enumerate(row[:8])} for row in X]
    model.learn_one(first, 1.0)
    if what == "learn_one":
        benchmark(model.learn_one, x, 1.0)
    else:
        benchmark(model.predict_one, x)


def bench_read_batches(benchmark, tmp_path):
    """An epoch of 131,072 rows of 64 columns in batches of 256, without learning."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = np.random.default_rng(0).standard_normal((65, 1 << 17)).astype(np.float32)
    table = pa.table({f"column {i}": column for i, column in enumerate(values)})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=1 << 14)
    batches = fn.read_batches(tmp_path / "t.parquet", "column 64", batch_size=256)
    benchmark.pedantic(lambda: sum(len(x) for x, _ in batches), rounds=5)


@pytest.mark.parametrize("n", [1, 32, 128, 512])
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


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", NETS)
def bench_fit(benchmark, name, shuffle):
    net, (X, y) = network(name, fn.Adam(1e-4)), rows(name, 4096)
    benchmark(net.fit, X, y, batch_size=128, shuffle=shuffle, verbose=0)


@pytest.mark.parametrize("name", NETS)
def bench_evaluate(benchmark, name):
    net, (X, y) = network(name), rows(name, 512)
    benchmark(net.evaluate, X, y)


@pytest.mark.parametrize("name", NETS)
def bench_forward(benchmark, name):
    net, (X, _) = network(name), rows(name, 128)
    benchmark(net.forward, X, training=True)


@pytest.mark.parametrize("name", NETS)
def bench_forward_backward_apply(benchmark, name):
    net, (X, y) = network(name), rows(name, 128)

    def by_hand():
        net.forward(X, training=True)
        net.backward(y)
        net.apply_gradients()

    benchmark(by_hand)


def bench_activations(benchmark):
    net, (X, _) = network("784-128-10"), rows("784-128-10", 128)
    benchmark(net.activations, X)


def bench_preactivations(benchmark):
    net, (X, _) = network("784-128-10"), rows("784-128-10", 128)
    benchmark(net.preactivations, X)


def bench_build_and_compile(benchmark):
    benchmark(network, "784-128-10")


def bench_deepcopy(benchmark):
    benchmark(copy.deepcopy, network("784-128-10"))


def bench_save_and_load(benchmark, tmp_path):
    net, path = network("784-128-10"), tmp_path / "net.safetensors"

    def there_and_back():
        net.save(path)
        return fn.load(path)

    benchmark(there_and_back)


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
