"""Tasks in parts: no bit depends on how many threads share them, where every task is cut that can be."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.bits import native
from helpers.cases import CASES, as_list, backward, forward, one, randomize

import fastnn as fn
from fastnn._core import pool
from fastnn._core.parts import parts_of_bytes


@pytest.fixture(autouse=True)
def split_everything():
    """Every run is worth all threads; afterwards all is as it was."""
    before, costs = fn.get_num_threads(), pool.get_costs()
    pool.set_costs(0, 0)
    yield
    pool.set_costs(*costs)
    fn.set_num_threads(before)


def test_what_no_cache_holds_is_shared():
    """A task on 8 MB takes memory longer than the processor, and no line of it waits in another's cache; on 64 kB two
    threads would wait for each other longer than they save."""
    fn.set_num_threads(2)
    pool.set_costs(300, 1)
    assert [parts_of_bytes(nbytes, 15) for nbytes in (1 << 16, 1 << 21, 1 << 23, 1 << 27)] == [1, 2, 2, 2]
    pool.set_costs(10**9, 1)
    assert parts_of_bytes(1 << 27, 15) == 1


def on_threads(result):
    """The results of a function on several numbers of threads, each once."""
    found = set()
    for count in (1, 2, 3, 7):
        fn.set_num_threads(count)
        found.add(result())
    return found


def as_bytes(*arrays):
    return tuple(np.asarray(array).tobytes() for array in arrays)


@native(300 * 300)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_forward_and_backward(case, dtype):
    random = np.random.default_rng(3)
    net = case.build(dtype, 0)
    randomize(net, random)
    xs = [random.standard_normal((37, *shape)).astype(dtype) for shape in net.input_shapes]
    for i, vocabulary in case.indices.items():
        xs[i] = random.integers(0, vocabulary, xs[i].shape).astype(dtype)
    dys = [random.standard_normal((37, *shape)).astype(dtype) for shape in net.output_shapes]

    params = net.params.copy()

    def run():
        count = fn.get_num_threads()
        fn.set_num_threads(1)
        reversed_rows()
        answers_and_gradients()  # so that what lies in memory is another row's
        reversed_rows()
        fn.set_num_threads(count)
        return answers_and_gradients()

    def reversed_rows():
        for x in (*xs, *dys):
            x[...] = x[::-1].copy()

    def answers_and_gradients():
        net.params[...] = params  # with the running statistics
        answers = forward(net, xs, training=True)
        return as_bytes(*answers, *as_list(backward(net, dys)), net.grads, *as_list(net.predict(one(xs))))

    assert len(on_threads(run)) == 1


WIDE = {  # layers of enough elements for parts of several lines
    "dense": lambda: [fn.Dense(209, "relu"), fn.Dense(130, "leaky_relu"), fn.Dense(64, "tanh")],
    "dropout": lambda: [fn.Dense(130), fn.Dropout(0.3), fn.Dense(77, "gelu"), fn.Dropout(0.5)],
    "dropconnect": lambda: [fn.DropConnect(131, rate=0.4), fn.Dense(65, "relu")],
    "batch norm": lambda: [fn.Dense(131), fn.BatchNorm(), fn.Activation("sigmoid"), fn.Dense(64), fn.BatchNorm()],
    "layer norm": lambda: [fn.Dense(131), fn.LayerNorm(), fn.Activation("elu"), fn.Dense(64), fn.LayerNorm()],
    "residual": lambda: [fn.Dense(131), fn.Residual([fn.Dense(131, "silu")]), fn.Dense(64, "softmax")],
    "lstm": lambda: [fn.Reshape((10, 10)), fn.LSTM(33, return_sequences=True), fn.LSTM(17)],
    "gru": lambda: [fn.Reshape((10, 10)), fn.GRU(33, return_sequences=True), fn.Bidirectional(fn.GRU(16))],
}
OPTIMIZERS = {
    "sgd": lambda: fn.SGD(0.01),
    "adam": lambda: fn.Adam(0.01),
    "clipped by norm": lambda: fn.Adam(0.01, clip_norm=1e-3),
    "clipped by value": lambda: fn.SGD(0.01, momentum=0.9, clip_value=1e-4),
    "penalised": lambda: fn.SGD(0.01, l1=1e-3, l2=1e-2, max_norm=0.7),
    "decayed": lambda: fn.AdamW(0.01, weight_decay=0.1),
}


def learnt(layers, optimizer, weighted=True, loss="cross_entropy", dtype="float32"):
    """What comes of some updates, all of it."""
    random = np.random.default_rng(5)
    net = fn.Sequential([*layers(), fn.Dense(10)], input_shape=100, seed=2, dtype=dtype)
    net.compile(loss=loss, optimizer=OPTIMIZERS[optimizer](), metrics=[])
    X, y = random.standard_normal((150, 100)).astype(dtype), random.integers(0, 10, 150)
    weight = random.uniform(0.5, 2, 150).astype(dtype) if weighted else None
    history = net.fit(X, y, epochs=2, batch_size=61, sample_weight=weight, verbose=0)
    result = net.evaluate(X, y, sample_weight=weight)
    loss = result if isinstance(result, float) else result["loss"]
    return *as_bytes(net.params, net.trainer.optimizer.state, net.predict(X)), *history["loss"], loss


@native(300 * 300)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", WIDE)
def test_learning_with_every_layer(layers, dtype):
    assert len(on_threads(lambda: learnt(WIDE[layers], "adam", dtype=dtype))) == 1


@native(300 * 300)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_learning_with_every_optimizer(optimizer):
    assert len(on_threads(lambda: learnt(WIDE["dense"], optimizer, weighted=False))) == 1


def embedded(words, dtype="float32"):
    net = fn.Sequential(
        [fn.Embedding(50, 40), fn.Flatten(), fn.Dense(3)], input_shape=words.shape[1], seed=1, dtype=dtype
    )
    net.compile(loss="squared_error", optimizer=fn.SGD(0.1))
    net.train_step(words, np.ones((len(words), 3), dtype))
    return as_bytes(net.params, net.predict(words))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_of_indices(dtype):
    words = np.random.default_rng(0).integers(0, 50, (90, 11)).astype(dtype)
    assert len(on_threads(lambda: embedded(words, dtype))) == 1


def test_the_first_index_that_is_none_is_named():
    words = np.zeros((90, 11), np.float32)
    words[80, 3], words[30, 5] = 77, 66
    net = fn.Sequential([fn.Embedding(50, 40), fn.Flatten(), fn.Dense(3)], input_shape=11, seed=1)

    def message():
        with pytest.raises(ValueError, match="Embedding") as caught:
            net.predict(words)
        return str(caught.value)

    assert len(messages := on_threads(message)) == 1
    assert "got 66" in messages.pop()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_not_finite_is_found_wherever_it_is(count):
    fn.set_num_threads(count)
    net = fn.Sequential([fn.Dense(2)], input_shape=300, seed=0)
    for place in (0, 15, 16, 149, 150, 151, 8 * 300 - 1):
        X = np.zeros((8, 300), np.float32)
        X.flat[place] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            net.predict(X)


def entropy(z, y):
    """Rows of the cross-entropy, and their gradients."""
    top = z.max(-1, keepdims=True)
    e = np.exp(z - top)
    rows = np.log(e.sum(-1)) + top[..., 0] - np.take_along_axis(z, y[..., None], -1)[..., 0]
    return rows, e / e.sum(-1, keepdims=True) - np.eye(z.shape[-1])[y]


@pytest.mark.parametrize("weights", ["none", "by row", "by step"])
@pytest.mark.parametrize("steps", [1, 3])
def test_losses_of_many_numbers(steps, weights):
    """More than two blocks of them, against NumPy, by the gradient of the biases."""
    random = np.random.default_rng(7)
    B, classes, inputs = 401, 211, 160  # too many weights for micro-batches
    X = random.standard_normal((B, steps, inputs))
    y = random.integers(0, classes, (B, steps))
    each = {"none": np.ones((B, steps)), "by row": np.repeat(random.uniform(0.5, 2, (B, 1)), steps, 1)}.get(
        weights, random.uniform(0.5, 2, (B, steps))
    )
    given = {"none": None, "by row": each[:, 0], "by step": each}[weights]
    if steps == 1:
        X, y = X[:, 0], y[:, 0]
        given = each[:, 0] if weights == "by step" else given
    for count in (1, 2, 5):
        fn.set_num_threads(count)
        layers = [fn.Dense(classes)]
        net = fn.Sequential(layers, input_shape=X.shape[1:], seed=3, dtype="float64")
        net.compile(loss="cross_entropy", optimizer=fn.SGD(1.0))
        w, b = net.layers[0].weight.copy(), net.layers[0].bias.copy()
        rows, slopes = entropy(X @ w + b, y)
        share = each.reshape(rows.shape) / each.sum()
        assert net.train_step(X, y, sample_weight=given) == pytest.approx((share * rows).sum(), rel=1e-13)
        gradient = (slopes * share[..., None]).reshape(-1, classes).sum(0)
        np.testing.assert_allclose(b - net.layers[0].bias, gradient, rtol=0, atol=1e-14)


@native(300 * 300)
def test_a_gradient_that_is_clipped_by_norm_has_that_norm():
    widths = (100, 209, 130, 10)
    for count in (1, 3):
        fn.set_num_threads(count)
        layers = [fn.Dense(o) for _, o in pairwise(widths)]
        net = fn.Sequential(layers, input_shape=100, seed=0, dtype="float64")
        net.compile(loss="squared_error", optimizer=fn.SGD(1.0, clip_norm=0.25))
        before = net.params.copy()
        net.train_step(np.ones((70, 100)), np.full((70, 10), 9.0))
        assert np.linalg.norm(before - net.params) == pytest.approx(0.25, rel=1e-12)
