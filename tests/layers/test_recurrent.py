"""Recurrent layers beyond the table: masks, truncation, long sequences, streams, PyTorch's cells."""

import copy

import numpy as np
import pytest
from helpers import reference as ref
from helpers.bits import native
from helpers.cases import cell, parameters

import fastnn as fn
from fastnn._core import workspace
from fastnn._core.ops import recurrent as recurrent_module

KINDS = {"simplernn": (fn.SimpleRNN, ref.simple_rnn), "lstm": (fn.LSTM, ref.lstm), "gru": (fn.GRU, ref.gru)}
B, T, I, H = 5, 9, 3, 4

over_kinds = pytest.mark.parametrize("name", KINDS)


def make(name, dtype="float64", shape=(T, I), **options):
    net = fn.Sequential([KINDS[name][0](H, return_sequences=True, **options)], shape, dtype=dtype, seed=1)
    net.params[:] = 0.5 * np.random.default_rng(0).standard_normal(net.n_params)
    return net


def padded(seed=0):
    """Sequences of different lengths, filled up with zeros; the second also lacks a step within."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((B, T, I))
    mask = np.arange(T) < np.array([[9], [7], [1], [4], [0]])
    mask[1, 3] = False
    X[~mask] = 0
    return X, mask


# ---- masks ----------------------------------------------------------------------------------------------------------


@over_kinds
@pytest.mark.parametrize("reverse", [False, True])
def test_steps_that_do_not_count_leave_the_state(name, reverse):
    net = make(name, mask_value=0.0, go_backwards=reverse)
    X, mask = padded()
    expected, _ = cell(parameters(net), f"{name}_1", KINDS[name][1], X, mask=mask, reverse=reverse)
    for y in (net.predict(X), net.forward(X)):
        assert np.abs(y - expected).max() < 1e-14
        assert (y[~mask] == 0).all()


@native()
@over_kinds
def test_a_padded_sequence_is_the_short_one(name):
    net, last = make(name, mask_value=0.0), fn.Sequential([KINDS[name][0](H, mask_value=0.0)], (T, I), dtype="float64")
    last.params[:] = net.params
    X, _ = padded()
    short = fn.Sequential([KINDS[name][0](H)], (4, I), dtype="float64")
    short.params[:] = net.params
    assert np.array_equal(last.predict(X)[3], short.predict(X[3:4, :4])[0])


@over_kinds
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_pass_over_steps_that_do_not_count(name, reverse):
    """Difference quotients in all parameters, and in the inputs that count; those that do not have gradient 0."""
    net = make(name, mask_value=0.0, go_backwards=reverse)
    X, mask = padded()
    dy = np.random.default_rng(5).standard_normal((B, T, H))
    net.forward(X)
    dX, exact = net.backward(dy), net.grads.copy()
    assert (dX[~mask] == 0).all()

    def value():
        return float(np.vdot(net.predict(X), dy))

    assert slope_error(value, net.params, exact) < 1e-7
    for b, t in ((0, 0), (0, 8), (1, 2), (1, 4), (3, 3)):
        assert slope_error(value, X[b, t], dX[b, t]) < 1e-7


def slope_error(value, x, gradient, step=1e-6):
    """Relative error of a gradient against central differences in every element of x."""
    numeric = np.empty_like(gradient)
    for i in range(x.size):
        kept = x[i]
        x[i] = kept + step
        above = value()
        x[i] = kept - step
        numeric[i] = (above - value()) / (2 * step)
        x[i] = kept
    return np.linalg.norm(numeric - gradient) / np.linalg.norm(gradient)


@native()
@over_kinds
def test_a_mask_goes_through_a_second_layer(name):
    kind = KINDS[name][0]
    layers = [kind(H, return_sequences=True, mask_value=0.0), kind(2, mask_value=0.0)]
    net = fn.Sequential(layers, (T, I), dtype="float64", seed=0)
    short = fn.Sequential([kind(H, return_sequences=True), kind(2)], (4, I), dtype="float64", seed=0)
    X, _ = padded()
    assert np.array_equal(net.predict(X)[3], short.predict(X[3:4, :4])[0])


@over_kinds
def test_nothing_unwritten_is_read_under_a_mask(name, monkeypatch):
    X, _ = padded()
    net = make(name, mask_value=0.0)
    dy = np.random.default_rng(5).standard_normal((B, T, H))
    clean = [net.forward(X), net.backward(dy), net.grads.copy(), net.predict(X)]
    zeros = workspace.aligned_zeros

    def filled(n, dtype):
        array = zeros(n, dtype)
        array.view(np.uint8).fill(0xFF)
        return array

    monkeypatch.setattr(workspace, "aligned_zeros", filled)
    net = copy.deepcopy(net)
    again = [net.forward(X), net.backward(dy), net.grads.copy(), net.predict(X)]
    assert all(np.array_equal(a, b) for a, b in zip(clean, again, strict=True))


# ---- back-propagation through time, cut -----------------------------------------------------------------------------


@over_kinds
@pytest.mark.parametrize("truncate", [1, 4])
def test_truncated_gradients_are_those_of_pieces(name, truncate):
    """Cut into pieces that each begin with the state that the one before ended with, taken as a constant."""
    net = make(name, truncate=truncate)
    rng = np.random.default_rng(3)
    X, dy = rng.standard_normal((B, T, I)), rng.standard_normal((B, T, H))
    net.forward(X)
    net.backward(dy)
    states = 2 if name == "lstm" else 1
    expected, state = 0.0, np.zeros((B, states, H))
    for start in range(0, T, truncate):
        piece = X[:, start : start + truncate]
        x, s = fn.Input(piece.shape[1:]), fn.Input((states, H))
        y, after = KINDS[name][0](H, return_sequences=True, return_state=True)(x, s)
        part = fn.Network([x, s], [y, after], dtype="float64", seed=0)
        part.params[:] = net.params
        _, state_after = part.forward([piece, state])
        part.backward([dy[:, start : start + truncate], None])
        expected, state = expected + part.grads, state_after
    assert ref.relative(net.grads, expected) < 1e-13


# ---- long sequences, threads ----------------------------------------------------------------------------------------


@native()
@over_kinds
def test_inference_in_blocks_has_the_bits_of_the_whole(name):
    """So many steps that predict works through them in blocks, forward keeps them all."""
    steps = recurrent_module.BLOCK_BYTES // (4 * 64) // 3
    net = fn.Sequential([KINDS[name][0](64)], (steps, 2), seed=0)
    X = np.random.default_rng(0).standard_normal((7, steps, 2)).astype("f4")
    assert 7 * steps * 64 * 4 > recurrent_module.BLOCK_BYTES
    whole = net.forward(X)
    assert np.array_equal(net.predict(X), whole)
    assert np.array_equal(net.predict(X[2:3])[0], whole[2])
    assert np.array_equal(net.predict_one(X[3]), whole[3])


@native()
@over_kinds
@pytest.mark.parametrize("units", [20, 100])
def test_bits_do_not_depend_on_threads(name, units):
    rng = np.random.default_rng(0)
    X, dy = rng.standard_normal((33, 12, 20)).astype("f4"), rng.standard_normal((33, 12, units)).astype("f4")
    results = []
    before = fn.get_num_threads()
    try:
        for threads in (1, 2, 3):
            fn.set_num_threads(threads)
            net = fn.Sequential([KINDS[name][0](units, return_sequences=True)], (12, 20), seed=0)
            results.append([net.forward(X), net.backward(dy), net.grads.copy(), net.predict(X)])
    finally:
        fn.set_num_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


# ---- many rows: all products of a step before the next step, gradients of weights over blocks of steps ---------------


ROWS, STEPS, INPUTS, UNITS = 19, 60, 20, 100  # several blocks, panels and threads, none of them full

MANY = [
    ("simplernn", {}),
    ("lstm", {"peepholes": True}),
    ("lstm", {"forget_gate": False}),
    ("gru", {}),
    *((name, {"truncate": 7}) for name in KINDS),
    *((name, {"mask_value": 0.0, "go_backwards": True}) for name in KINDS),
]
over_many = pytest.mark.parametrize(("name", "options"), MANY)


def many(name, options, units=UNITS):
    net = fn.Sequential(
        [KINDS[name][0](units, return_sequences=True, **options)], (STEPS, INPUTS), dtype="float64", seed=1
    )
    rng = np.random.default_rng(0)
    net.params[:] = 0.05 * rng.standard_normal(net.n_params)
    X = rng.standard_normal((ROWS, STEPS, INPUTS))
    mask = np.ones((ROWS, STEPS), bool)
    if "mask_value" in options:
        mask = rng.random((ROWS, STEPS)) < 0.8
        X[~mask] = 0

    def run(X, steps, **state):
        own = {"forget_gate": False} if "forget_gate" in options else {}
        reverse = options.get("go_backwards", False)
        return cell(
            parameters(net),
            f"{name}_1",
            KINDS[name][1],
            X[:, steps],
            mask=mask[:, steps],
            reverse=reverse,
            **own,
            **state,
        )

    width = options.get("truncate", STEPS)
    pieces = [slice(start, start + width) for start in range(0, STEPS, width)]
    states = [run(X, slice(0, piece.start))[1] for piece in pieces]  # through which no gradient goes

    def expected(X):
        return np.concatenate([run(X, piece, state=s)[0] for piece, s in zip(pieces, states, strict=True)], axis=1)

    return net, X, expected


def slope_along(value, x, direction, step=1e-5):
    """Central difference of ``value()`` as x moves along a direction."""
    kept = x.copy()
    values = []
    for side in (1, -1):
        x[...] = kept + side * step * direction
        values.append(value())
    x[...] = kept
    return (values[0] - values[1]) / (2 * step)


@over_many
def test_many_rows(name, options):
    """The sequence of every row, and the slopes of the NumPy twin in random directions, are those of the network."""
    net, X, expected = many(name, options)
    rng = np.random.default_rng(1)
    dy = rng.standard_normal((ROWS, STEPS, UNITS))
    for y in (net.predict(X), net.forward(X)):
        assert np.abs(y - expected(X)).max() < 1e-13
    dX = net.backward(dy)
    for _ in range(3):
        for x, gradient in ((net.params, net.grads), (X, dX)):
            direction = rng.standard_normal(x.shape)
            direction[x == 0] = 0  # what is masked stays so
            slope = slope_along(lambda: float(np.vdot(expected(X), dy)), x, direction)
            assert abs(float(np.vdot(gradient, direction)) - slope) < 1e-5 * np.linalg.norm(gradient)


@pytest.mark.parametrize(("name", "options"), [("lstm", {"peepholes": True}), ("gru", {})])
def test_plain_sgd_on_many_rows(name, options):
    """The step of plain SGD, which changes weights while the backward pass runs, is the slope of the loss."""
    units = 40  # so little work that the mini-batch is not cut
    net, X, expected = many(name, options, units)
    rng = np.random.default_rng(2)
    target, before, rate = rng.standard_normal((ROWS, STEPS, units)), net.params.copy(), 50.0
    directions = rng.standard_normal((3, net.n_params))
    slopes = [
        slope_along(lambda: float(np.mean((expected(X) - target) ** 2)), net.params, direction)
        for direction in directions
    ]
    net.compile(optimizer=fn.SGD(rate), loss="squared_error")
    net.train_step(X, target)
    change = (before - net.params) / rate
    for direction, slope in zip(directions, slopes, strict=True):
        assert abs(float(change @ direction) - slope) < 1e-5 * np.linalg.norm(change)


@native()
@over_kinds
def test_bits_of_a_row_do_not_depend_on_how_many_there_are(name):
    """Few rows take another way than many."""
    rng = np.random.default_rng(3)
    X, dy = (rng.standard_normal((33, 12, width)).astype("f4") for width in (INPUTS, UNITS))
    net = fn.Sequential([KINDS[name][0](UNITS, return_sequences=True)], (12, INPUTS), seed=0)
    y, dX = net.forward(X), net.backward(dy)
    for rows in (1, 15, 16):
        assert np.array_equal(net.forward(X[:rows]), y[:rows])
        assert np.array_equal(net.backward(dy[:rows]), dX[:rows])
        assert np.array_equal(net.predict(X[:rows]), y[:rows])


# ---- initial values -------------------------------------------------------------------------------------------------


def test_gates_start_each_for_itself():
    net = fn.Sequential([fn.LSTM(6, forget_bias=1.5)], (T, I), dtype="float64", seed=0)
    layer = net.layers[0]
    assert np.array_equal(layer.bias, np.repeat([0, 1.5, 0, 0], 6))
    for gate in np.split(layer.recurrent_weight, 4, axis=1):
        assert np.abs(gate.T @ gate - np.eye(6)).max() < 1e-12
    assert np.abs(layer.weight).max() <= np.sqrt(6 / (I + 6))  # Glorot's bound for one gate
    assert (fn.Sequential([fn.LSTM(6, forget_gate=False)], (T, I)).layers[0].bias == 0).all()


# ---- streams --------------------------------------------------------------------------------------------------------


@native()
@over_kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_gives_the_bits_of_the_whole_sequence(name, dtype):
    kind = KINDS[name][0]
    layers = [kind(H, return_sequences=True), fn.Dense(6, "relu"), kind(5, return_sequences=True), fn.Dense(2)]
    net = fn.Sequential(layers, (T, I), dtype=dtype, seed=0)
    X = np.random.default_rng(0).standard_normal((2, T, I)).astype(dtype)
    whole, streams = net.predict(X), [fn.Stream(net), fn.Stream(net)]
    for t in range(T):  # side by side
        for b, stream in enumerate(streams):
            assert np.array_equal(stream.step(X[b, t]), whole[b, t])
    streams[0].reset()
    assert np.array_equal(streams[0].step(X[1, 0].tolist()), whole[1, 0])


def test_a_stream_keeps_its_state_where_it_can_be_set():
    net = fn.Sequential([fn.LSTM(H), fn.Dense(2)], (T, I), dtype="float64", seed=0)
    stream, twin = fn.Stream(net), fn.Stream(net)
    for x in np.random.default_rng(0).standard_normal((3, I)):
        stream.step(x)
    assert stream.state["lstm_1"].shape == (2, H)
    twin.state["lstm_1"][...] = stream.state["lstm_1"]
    x, out = np.ones(I), np.empty(2)
    assert twin.step(x, out) is out
    assert np.array_equal(out, stream.step(x))


def test_a_stream_uses_what_the_network_learns():
    net = fn.Sequential([fn.GRU(H)], (T, I), seed=0)
    stream = fn.Stream(net)
    net.params[:] = 0
    assert (stream.step(np.ones(I)) == 0).all()


def test_a_refused_step_leaves_the_state():
    net = fn.Sequential([fn.GRU(H)], (T, I), seed=0)
    stream = fn.Stream(net)
    stream.step(np.ones(I))
    before = stream.state["gru_1"].copy()
    for x, message in (
        (np.full(I, np.nan), "finite"),
        (np.ones(I + 1), "expected x of shape"),
        ("abc", "real numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=f"step: .*{message}"):
            stream.step(x)
    with pytest.raises(ValueError, match="step: expected out of shape"):
        stream.step(np.ones(I), np.empty(H + 1, "f4"))
    assert np.array_equal(stream.state["gru_1"], before)


SEQUENCE = fn.GRU(H, return_sequences=True)


def both_ways():
    return fn.Sequential([fn.Bidirectional(fn.GRU(H))], (T, I), seed=0)


def with_state():
    x = fn.Input((T, I))
    return fn.Network(x, fn.GRU(H, return_state=True)(x)[1], seed=0)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: fn.Sequential([fn.Dense(2)], 3), "with a recurrent layer or a causal Conv1D, got none"),
        (both_ways, "go forwards"),
        (with_state, "neither take nor give a state"),
        (lambda: fn.Sequential([SEQUENCE, fn.Flatten(), fn.Dense(2)], (T, I)), "depend on the length"),
        (lambda: fn.Sequential([SEQUENCE, fn.Reshape((T * H,))], (T, I)), "one step at a time"),
    ],
)  # fmt: skip
def test_a_stream_refuses_what_needs_the_whole_sequence(net, message):
    with pytest.raises(ValueError, match=f"^Stream: expected .*{message}"):
        fn.Stream(net())
    with pytest.raises(TypeError, match="Stream: expected a Network"):
        fn.Stream("net")


# ---- PyTorch's cells (optional) -------------------------------------------------------------------------------------


@over_kinds
def test_equal_to_pytorch(name):
    torch = pytest.importorskip("torch")
    net, rng = make(name), np.random.default_rng(1)
    X, dy = rng.standard_normal((B, T, I)), rng.standard_normal((B, T, H))
    twin = {"simplernn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](I, H, batch_first=True)
    twin = twin.double()
    p, g = dict(net.named_parameters()), dict(net.named_gradients())
    with torch.no_grad():
        twin.weight_ih_l0[:] = torch.from_numpy(p[f"{name}_1.weight"].T.copy())
        twin.weight_hh_l0[:] = torch.from_numpy(p[f"{name}_1.recurrent_weight"].T.copy())
        twin.bias_ih_l0[:] = torch.from_numpy(p[f"{name}_1.bias"].copy())
        twin.bias_hh_l0[:] = 0
        if name == "gru":
            twin.bias_hh_l0[2 * H :] = torch.from_numpy(p["gru_1.recurrent_bias"].copy())
    x = torch.from_numpy(X).requires_grad_()
    y, _ = twin(x)
    y.backward(torch.from_numpy(dy))
    assert np.abs(net.forward(X) - y.detach().numpy()).max() < 1e-12
    assert np.abs(net.backward(dy) - x.grad.numpy()).max() < 1e-12
    assert np.abs(g[f"{name}_1.weight"] - twin.weight_ih_l0.grad.numpy().T).max() < 1e-12
    assert np.abs(g[f"{name}_1.recurrent_weight"] - twin.weight_hh_l0.grad.numpy().T).max() < 1e-12
    assert np.abs(g[f"{name}_1.bias"] - twin.bias_ih_l0.grad.numpy()).max() < 1e-12
