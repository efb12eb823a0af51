"""Convolution and pooling of sequences: random shapes beside NumPy, short sequences, streams, refusals."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn
from fastnn.layers.series import padding_of

RANDOM_SHAPES = 60


def drawn(seed):
    """A layer and a sequence of random sizes, and what the NumPy twin is called with."""
    r = np.random.default_rng(seed)
    groups = int(r.choice([1, 1, 1, 2, 3]))
    C = groups * int(r.integers(1, 9))
    groups = C if r.integers(4) == 0 else groups
    O = groups * int(r.integers(1, 21))
    K, stride, dilation, T = (int(r.integers(low, high)) for low, high in ((1, 6), (1, 4), (1, 4), (6, 30)))
    mode = str(r.choice(["zeros", "zeros", "reflect", "replicate"]))
    padding = ["same", "valid", int(r.integers(0, 3)), tuple(int(p) for p in r.integers(0, 4, 2)), "causal"][
        r.integers(5)
    ]
    mode = "zeros" if padding == "causal" else mode
    layer = fn.Conv1D(
        O, K, strides=stride, padding=padding, padding_mode=mode, dilation=dilation, groups=groups,
        bias=bool(r.integers(2)),
    )  # fmt: skip
    before, after = padding_of(layer, T, K, stride, dilation)
    if T + before + after < (K - 1) * dilation + 1 or (mode == "reflect" and max(before, after) >= T):
        return drawn(seed + 1000)
    options = {
        "strides": stride,
        "before": before,
        "after": after,
        "mode": mode,
        "dilation": dilation,
        "groups": groups,
    }
    return layer, (T, C), options


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(RANDOM_SHAPES))
def test_random_shapes(seed, dtype):
    """Forward as NumPy; the gradients as the adjoints of NumPy's forward, which is linear in x and in the weights."""
    layer, shape, options = drawn(seed)
    r = np.random.default_rng(seed)
    net = fn.Sequential([layer], shape, seed=seed, dtype=dtype)
    x = r.normal(size=(3, *shape)).astype(dtype)
    w = net.layers[0].weight
    assert w.shape == (layer.kernel_size, shape[1] // layer.groups, layer.filters)
    b = r.normal(size=layer.filters).astype(dtype)
    if layer.bias:
        net.layers[0].bias[:] = b
    expected = ref.conv1d(x.astype(float), w.astype(float), b.astype(float) if layer.bias else 0.0, **options)
    tolerance = 20 * np.finfo(dtype).eps * w[..., 0].size ** 0.5
    y = net.forward(x)
    np.testing.assert_allclose(y, expected, atol=tolerance * np.abs(expected).max(), rtol=0)
    np.testing.assert_array_equal(net.predict(x), y)
    np.testing.assert_array_equal(net.predict_one(x[-1]), y[-1])
    dy = r.normal(size=y.shape).astype(dtype)
    dx = net.backward(dy)
    v, u = r.normal(size=x.shape), r.normal(size=w.shape)
    moved = ref.conv1d(v, w.astype(float), 0.0, **options)
    assert abs((dy * moved).sum() - (dx * v).sum()) < tolerance * np.sqrt((dy**2).sum() * (moved**2).sum())
    moved = ref.conv1d(x.astype(float), u, 0.0, **options)
    found = (dict(net.named_gradients())["conv1d_1.weight"] * u).sum()
    assert abs((dy * moved).sum() - found) < 10 * tolerance * np.sqrt((dy**2).sum() * (moved**2).sum())
    if layer.bias:
        total = dy.astype(float).sum(axis=(0, 1))
        found = dict(net.named_gradients())["conv1d_1.bias"]
        np.testing.assert_allclose(found, total, atol=tolerance * np.abs(dy).sum(), rtol=0)


def test_causal_sees_no_later_step():
    net = fn.Sequential(
        [fn.Conv1D(4, 3, padding="causal", dilation=2), fn.Conv1D(2, 2, padding="causal")], (12, 3), seed=0
    )
    x = np.random.default_rng(0).normal(size=(1, 12, 3)).astype("float32")
    y = net.predict(x)
    later = x.copy()
    later[0, 7:] = 100.0
    found = net.predict(later)
    np.testing.assert_array_equal(found[0, :7], y[0, :7])
    assert (found[0, 7:] != y[0, 7:]).all()


# ---- sequences shorter than T ----

ENDS = [7, 12, 1, 4]


@pytest.mark.parametrize("layers", [
    [lambda: fn.Conv1D(4, 3, "relu", padding="causal", dilation=2)],
    [lambda: fn.Conv1D(4, 3)],
    [lambda: fn.Conv1D(4, 4, padding=(1, 2))],
    [lambda: fn.Conv1D(4, 1, padding="valid")],
    [lambda: fn.Conv1D(4, 3), lambda: fn.Conv1D(5, 2, "tanh", padding="causal"), lambda: fn.Dense(2)],
])  # fmt: skip
def test_short_sequences_have_the_answers_that_they_have_by_themselves(layers):
    net = fn.Sequential([make() for make in layers], (12, 3), seed=0)
    r = np.random.default_rng(1)
    net.params[:] = r.normal(size=net.params.shape)  # biases, too
    X = [r.normal(size=(n, 3)).astype("float32") for n in ENDS]
    X[0][3] = 0  # a step like any other
    for x, y in zip(X, net.predict(X), strict=True):
        alone = fn.Sequential([make() for make in layers], x.shape, seed=0)
        alone.params[:] = net.params
        np.testing.assert_array_equal(y, alone.predict(x[None])[0])


@pytest.mark.parametrize(("layers", "message"), [
    ([lambda: fn.Conv1D(4, 3, strides=2, padding="causal")], "Conv1D would see the padding"),
    ([lambda: fn.Conv1D(4, 3, padding="valid")], "Conv1D would see the padding"),
    ([lambda: fn.Conv1D(4, 3, padding=2)], "Conv1D would see the padding"),
    ([lambda: fn.Conv1D(4, 3, padding_mode="replicate")], "Conv1D would see the padding"),
    ([lambda: fn.Conv1D(4, 3), lambda: fn.Conv1D(4, 3)], "padding other than 'causal' would see the padding, which is"),
    ([lambda: fn.Conv1D(4, 3), lambda: fn.GlobalMaxPool1D()], "GlobalMaxPool1D would see the padding"),
    ([lambda: fn.Conv1D(4, 3), lambda: fn.LSTM(4, mask_value=0.0)], "filled with other than its mask_value"),
    ([lambda: fn.MaxPool1D(2)], "MaxPool1D would see the padding"),
])  # fmt: skip
def test_short_sequences_are_refused_where_the_answer_would_be_wrong(layers, message):
    net = fn.Sequential([make() for make in layers], (12, 3), seed=0)
    with pytest.raises(ValueError, match=message):
        net.predict([np.ones((n, 3), np.float32) for n in ENDS])


def test_an_embedding_before_it():
    net = fn.Sequential([fn.Embedding(9, 3, padding_index=0), fn.Conv1D(4, 3), fn.Dense(2)], 8, seed=0)
    alone = fn.Sequential([fn.Embedding(9, 3, padding_index=0), fn.Conv1D(4, 3), fn.Dense(2)], 5, seed=0)
    alone.params[:] = net.params
    found = net.predict([[1, 2, 3, 4, 8], [3, 1, 2, 5, 6, 7, 8, 1]])
    np.testing.assert_array_equal(found[0], alone.predict(np.array([[1, 2, 3, 4, 8]]))[0])


# ---- streams ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_has_the_bits_of_the_whole_sequence(dtype):
    layers = [
        fn.Conv1D(8, 3, "relu", padding="causal", dilation=4), fn.Conv1D(6, 1), fn.LSTM(5, return_sequences=True),
        fn.Conv1D(6, 2, "tanh", padding="causal"), fn.Conv1D(6, 3, padding="causal", groups=6), fn.Dense(2),
    ]  # fmt: skip
    net = fn.Sequential(layers, (30, 3), seed=0, dtype=dtype)
    net.params[:] += 0.1
    x = np.random.default_rng(2).normal(size=(30, 3)).astype(dtype)
    stream = fn.Stream(net)
    for _ in range(2):
        np.testing.assert_array_equal([stream.step(row) for row in x], net.predict(x[None])[0])
        np.testing.assert_array_equal(stream.state["conv1d_1"], x[-8:])
        stream.reset()
    assert not stream.state["conv1d_1"].any()


@pytest.mark.parametrize("layer", [
    fn.Conv1D(4, 3), fn.Conv1D(4, 3, strides=2, padding="causal"), fn.Conv1D(4, 3, padding=(2, 0)), fn.MaxPool1D(1),
    fn.AvgPool1D(2, padding="same"), fn.GlobalAvgPool1D(), fn.GlobalMaxPool1D(),
], ids=repr)  # fmt: skip
def test_a_stream_refuses_what_sees_several_steps(layer):
    net = fn.Sequential([fn.Conv1D(4, 3, padding="causal"), layer], (30, 3), seed=0)
    with pytest.raises(ValueError, match=r"expected layers that take one step at a time, got .* which sees several"):
        fn.Stream(net)


def test_learning_from_short_sequences_sees_their_steps_alone():
    """Gradients are those of the sequences by themselves, added up."""
    r = np.random.default_rng(3)

    def make(T):
        layers = [fn.Conv1D(4, 3, "tanh"), fn.Conv1D(2, 2, padding="causal")]
        return fn.Sequential(layers, (T, 3), seed=0, dtype="float64")

    X, Y = [r.normal(size=(n, 3)) for n in ENDS], [r.normal(size=(n, 2)) for n in ENDS]
    net = make(12)
    net.compile(loss="squared_error", optimizer=fn.SGD(0.1))
    before = net.params.copy()
    net.fit(X, Y, epochs=1, batch_size=len(X), shuffle=False)
    total, count = np.zeros_like(before), sum(ENDS)
    for x, y in zip(X, Y, strict=True):
        alone = make(len(x))
        answer = alone.forward(x[None], training=True)
        alone.backward(answer - y[None])
        total += alone.grads
    moved = before - net.params
    slope = (moved @ total) / (total @ total)  # of the same direction, whatever a loss is divided by
    np.testing.assert_allclose(moved, slope * total, atol=1e-12 * np.abs(moved).max() * count)
    assert slope > 0


# ---- refusals ----


@pytest.mark.parametrize(("make", "shape", "error", "message"), [
    (lambda: fn.Conv1D(8, 3), (28,), ValueError,
     r"sequences \(B, T, C\), channels last, got \(B, 28\); add Reshape\(\(28, 1\)\), or give the network"),
    (lambda: fn.Conv1D(8, 3), (28, 28, 1), ValueError, r"sequences \(B, T, C\), channels last, got \(B, 28, 28"),
    (lambda: fn.Conv1D(8, 7, padding="valid"), (5, 9), ValueError, "a sequence of at least 7 steps .* got 5"),
    (lambda: fn.Conv1D(8, 3, groups=2), (5, 3), ValueError, "expected channels that 2 groups can share, got 3"),
    (lambda: fn.Conv1D(7, 3, groups=2), (5, 4), ValueError, "expected filters that 2 groups can share, got 7"),
    (lambda: fn.Conv1D(8, 5, padding_mode="reflect"), (2, 9), ValueError, "padding less than the sequence of 2 steps"),
    (lambda: fn.Conv1D(0, 3), (5, 1), ValueError, "expected filters of at least 1"),
    (lambda: fn.Conv1D(8, (3,)), (5, 1), TypeError, "kernel_size"),
    (lambda: fn.Conv1D(8, 3, padding="full"), (5, 1), ValueError, "'same', 'valid', 'causal', an integer, or two"),
    (lambda: fn.Conv1D(8, 3, padding=-1), (5, 1), ValueError, "expected padding of at least 0"),
    (lambda: fn.Conv1D(8, 3, padding=(1, 2, 3)), (5, 1), ValueError, "padding of an integer, or two"),
    (lambda: fn.Conv1D(8, 3, padding=1.5), (5, 1), TypeError, "an integer, or two, got 1.5"),
    (lambda: fn.Conv1D(8, 3, padding="causal", padding_mode="reflect"), (5, 1), ValueError, "with padding 'causal'"),
    (lambda: fn.MaxPool1D(3), (2, 5), ValueError, "a sequence of at least 3 steps with its padding, got 2"),
    (lambda: fn.MaxPool1D(2, padding=2), (8, 1), ValueError, "padding below pool_size"),
    (lambda: fn.MaxPool1D(2, padding="causal"), (8, 1), ValueError, "padding 'same', 'valid', an integer, or two"),
    (lambda: fn.AvgPool1D(2, count_padding=True, ceil_mode=True), (8, 1), ValueError, "got both"),
    (lambda: fn.GlobalAvgPool1D(), (8,), ValueError, r"expected sequences \(B, T, C\)"),
])  # fmt: skip
def test_refusals(make, shape, error, message):
    with pytest.raises(error, match=message):
        make()(fn.Input(shape))
