"""Sequences of different lengths: every answer and gradient that of the sequence by itself."""

import numpy as np
import pytest
from helpers.bits import native

import fastnn as fn

RANDOM = np.random.default_rng(0)
T, LENGTHS = 9, (3, 9, 1, 5, 8)
X = [RANDOM.normal(size=(n, 4)) for n in LENGTHS]
WORDS = [RANDOM.integers(1, 20, n) for n in LENGTHS]


def last(kind, **options):
    return lambda: [kind(6, mask_value=0.0, **options), fn.Dense(3)]


def every(kind, **options):
    return lambda: [kind(6, mask_value=0.0, return_sequences=True, **options), fn.Dense(5, "tanh"), fn.Dense(3)]


NETS = {
    "SimpleRNN, last": last(fn.SimpleRNN),
    "LSTM, last": last(fn.LSTM, peepholes=True),
    "GRU, last": last(fn.GRU),
    "backwards, last": last(fn.LSTM, go_backwards=True),
    "SimpleRNN": every(fn.SimpleRNN),
    "LSTM": every(fn.LSTM),
    "GRU": every(fn.GRU, go_backwards=True),
    "truncated": every(fn.LSTM, truncate=2),
    "both ways, last": lambda: [fn.Bidirectional(fn.LSTM(4, mask_value=0.0)), fn.Dense(3)],
    "both ways": lambda: [fn.Bidirectional(fn.GRU(4, mask_value=0.0, return_sequences=True), merge="sum"), fn.Dense(3)],
    "two layers": lambda: [
        fn.LSTM(6, mask_value=-7.0, return_sequences=True), fn.Activation("tanh"),
        fn.Bidirectional(fn.GRU(5, mask_value=0.0, return_sequences=True)), fn.LayerNorm(), fn.Dense(3),
    ],
    "two layers, last": lambda: [
        fn.GRU(6, mask_value=0.0, return_sequences=True), fn.LSTM(5, mask_value=0.0), fn.Dense(3),
    ],
}  # fmt: skip
WORD_NETS = {
    "words": lambda: [fn.Embedding(20, 4, padding_index=0), fn.LSTM(5, mask_value=0.0), fn.Dense(3)],
    "tagged words": lambda: [
        fn.Embedding(20, 4, padding_index=0), fn.GRU(5, mask_value=0.0, return_sequences=True), fn.Dense(3),
    ],
}  # fmt: skip
ALL = {**NETS, **WORD_NETS}


def network(name, steps=T, dtype="float64"):
    shape = (steps,) if name in WORD_NETS else (steps, 4)
    return fn.Sequential(ALL[name](), shape, seed=3, dtype=dtype)


def rows(name):
    return WORDS if name in WORD_NETS else X


@native()
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_answers_are_those_to_each_sequence_by_itself(name, dtype):
    net = network(name, dtype=dtype)
    found = net.predict(rows(name))
    assert len(found) == len(LENGTHS)
    for x, answer in zip(rows(name), found, strict=True):
        alone = network(name, len(x), dtype).predict(x[None])[0]
        assert answer.dtype == dtype
        np.testing.assert_array_equal(answer, alone)
        np.testing.assert_array_equal(net.predict_one(x), alone)
    lists = [x.tolist() for x in rows(name)]
    for a, b in zip(net.predict(lists), found, strict=True):
        np.testing.assert_array_equal(a, b)


def by_itself(name, targets, loss, weights):
    """Loss and gradient of a mini-batch: the mean over all steps (or rows) of all sequences, weighted."""
    total, value, gradient = 0.0, 0.0, 0.0
    for x, y, w in zip(rows(name), targets, weights, strict=True):
        net = network(name, len(x))
        net.compile(loss)
        weight, w = np.sum(w), np.asarray(w)[None]
        w = w[0] if len(x) == 1 < w.ndim else w  # one step: a weight of the row
        value += weight * net.evaluate(x[None], np.asarray(y)[None], sample_weight=w)["loss"]
        before = net.params.copy()
        net.compile(loss, fn.SGD(1.0))
        net.train_step(x[None], np.asarray(y)[None], sample_weight=w)
        gradient = gradient + weight * (before - net.params)
        total += weight
    return value / total, gradient / total


@pytest.mark.parametrize("weighted", ["no", "by sequence", "by step"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", ["LSTM, last", "GRU", "truncated", "both ways", "two layers", "words", "tagged words"])
def test_a_step_learns_the_mean_over_all_steps(name, loss, weighted):
    net = network(name)
    by_step = len(net.output_shape) == 2
    random = np.random.default_rng(1)
    if loss == "cross_entropy":
        y = [random.integers(0, 3, n if by_step else ()) for n in LENGTHS]
    else:
        y = [random.normal(size=(n, 3) if by_step else 3) for n in LENGTHS]
    each = [np.ones(n) if by_step else 1.0 for n in LENGTHS]
    given = None
    if weighted == "by sequence" or (weighted == "by step" and not by_step):
        given = random.uniform(0.5, 2, len(LENGTHS))
        each = [w * one for w, one in zip(given, each, strict=True)]
    elif weighted == "by step":
        given = each = [random.uniform(0.5, 2, n) for n in LENGTHS]
    value, gradient = by_itself(name, y, loss, each)
    net.compile(loss, fn.SGD(1.0))
    assert net.evaluate(rows(name), y, sample_weight=given)["loss"] == pytest.approx(value, rel=1e-12)
    before = net.params.copy()
    assert net.train_step(rows(name), y, sample_weight=given) == pytest.approx(value, rel=1e-12)
    # sums of at most 26 steps in another order: 26 roundings of numbers of the size of a gradient
    np.testing.assert_allclose(before - net.params, gradient, rtol=1e-12, atol=26 * 2**-52 * np.abs(before).max())


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "poisson"])
def test_targets_that_must_be_of_a_kind(loss):
    """What stands for the targets of steps that do not count is of that kind, too."""
    random = np.random.default_rng(2)
    y = [np.eye(3)[random.integers(0, 3, n)] for n in LENGTHS]
    y = [2 * one - 1 for one in y] if loss == "hinge" else y
    value, _ = by_itself("GRU", y, loss, [np.ones(n) for n in LENGTHS])
    net = network("GRU")
    net.compile(loss)
    assert net.evaluate(X, y)["loss"] == pytest.approx(value, rel=1e-12)


def test_fit_over_lists_is_fit_over_padded_rows():
    y = [RANDOM.integers(0, 3, n) for n in LENGTHS]
    padded, labels, weight = np.zeros((5, T, 4)), np.zeros((5, T), int), np.zeros((5, T))
    for k, n in enumerate(LENGTHS):
        padded[k, :n], labels[k, :n], weight[k, :n] = X[k], y[k], 1
    nets = [network("LSTM") for _ in range(2)]
    for net in nets:
        net.compile("cross_entropy", "adam", metrics=["accuracy"])
    one = nets[0].fit(X, y, epochs=3, batch_size=2, validation_data=(X, y))
    other = nets[1].fit(
        padded, labels, sample_weight=weight, epochs=3, batch_size=2, validation_data=(padded, labels, weight)
    )
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    assert one["loss"] == other["loss"]
    assert one["val_accuracy"] == other["val_accuracy"]
    right = sum(int((np.argmax(a, axis=1) == b).sum()) for a, b in zip(nets[0].predict(X), y, strict=True))
    assert nets[0].evaluate(X, y)["accuracy"] == pytest.approx(right / sum(LENGTHS))


@native()
def test_from_sequence_to_sequence():
    def made(steps):
        source, target = fn.Input((steps, 4)), fn.Input((6, 2))
        _, state = fn.LSTM(5, return_state=True, mask_value=0.0)(source)
        y = fn.Dense(3)(fn.LSTM(5, return_sequences=True)(target, state))
        return fn.Network([source, target], y, seed=0, dtype="float64")

    target = RANDOM.normal(size=(5, 6, 2))
    found = made(T).predict([X, target])
    assert found.shape == (5, 6, 3)
    for k, x in enumerate(X):
        np.testing.assert_array_equal(found[k], made(len(x)).predict([x[None], target[k : k + 1]])[0])
        np.testing.assert_array_equal(made(T).predict_one([x, target[k]]), found[k])


@native()
def test_a_residual_link_along_the_steps():
    def made(steps):
        x = fn.Input((steps, 4))
        h = fn.GRU(4, return_sequences=True, mask_value=0.0)(x)
        h = fn.add(h, fn.GRU(4, return_sequences=True, mask_value=0.0)(h))
        return fn.Network(x, fn.LSTM(3, mask_value=0.0)(fn.Dropout(0.2)(h)), seed=0, dtype="float64")

    for x, found in zip(X, made(T).predict(X), strict=True):
        np.testing.assert_array_equal(found, made(len(x)).predict(x[None])[0])


def test_outputs_of_both_kinds_answer():
    x = fn.Input((T, 4))
    h = fn.GRU(4, return_sequences=True, mask_value=0.0)(x)
    net = fn.Network(x, [fn.Dense(2)(h), fn.GRU(3, mask_value=0.0)(h)], seed=0)
    by_step, at_end = net.predict(X)
    assert [y.shape for y in by_step] == [(n, 2) for n in LENGTHS]
    assert at_end.shape == (5, 3)
    net.compile(["squared_error", "squared_error"])
    with pytest.raises(
        ValueError, match="evaluate: expected one input of sequences, and losses of fastnn's own on outp"
    ):
        net.evaluate(X, [by_step, at_end])


MASKED = fn.LSTM(3, mask_value=0.0, return_sequences=True)


@pytest.mark.parametrize(("layers", "why"), [
    ([fn.LSTM(3)], "LSTM has no mask_value, the value of steps that do not count"),
    ([fn.Dense(3), fn.LSTM(3, mask_value=0.0)], "Dense would see the padding"),
    ([MASKED, fn.Flatten(), fn.Dense(1)], "Flatten would see the padding"),
    ([MASKED, fn.LSTM(3)], "LSTM would see steps filled with other than its mask_value"),
    ([MASKED, fn.Dense(2), fn.GRU(3, mask_value=0.0)], "GRU would see steps filled with other than its mask_value"),
    ([MASKED, fn.Activation("sigmoid"), fn.GRU(3, mask_value=0.0)], "GRU would see steps filled with other"),
    ([MASKED, fn.BatchNorm(), fn.Dense(2)], "BatchNorm would see the padding"),
    ([fn.LSTM(3, mask_value=0.0, go_backwards=True, truncate=2)], "LSTM truncates gradients from the padded end on"),
])  # fmt: skip
def test_networks_that_would_see_the_padding_refuse(layers, why):
    net = fn.Sequential(layers, (T, 4), seed=0)
    with pytest.raises(ValueError, match=rf"predict: expected sequences of 9 steps, got shorter ones, but .*{why}"):
        net.predict(X)
    with pytest.raises(ValueError, match="expected x of shape"):
        net.predict_one(X[0])


def test_refused_sequences():
    net = network("LSTM")
    net.compile("squared_error")
    with pytest.raises(
        ValueError, match=r"hold sequences \(t, 4\) of 1 to 9 steps, got \(10, 4\) at 1; give the network"
    ):
        net.predict([X[0], np.ones((10, 4))])
    with pytest.raises(ValueError, match=r"of 1 to 9 steps, got \(0, 4\) at 0"):
        net.predict([np.ones((0, 4)), X[0]])
    with pytest.raises(ValueError, match=r"hold sequences \(t, 4\) of 1 to 9 steps, got \(3, 5\) at 1"):
        net.predict([X[0], np.ones((3, 5))])
    zero = X[3].copy()
    zero[2] = 0
    with pytest.raises(ValueError, match=r"without steps that consist of 0, which stands .* got one at 1, step 2"):
        net.predict([X[0], zero])
    nan = X[3].copy()
    nan[2, 1] = np.nan
    with pytest.raises(ValueError, match="predict: expected X to be finite"):
        net.predict([X[0], nan])
    with pytest.raises(
        ValueError, match="evaluate: expected as many targets as steps in every sequence, got 4 for 3 at 0"
    ):
        net.evaluate(X[:2], [np.ones((4, 3)), np.ones((9, 3))])
    with pytest.raises(ValueError, match="expected as many targets as steps in every sequence, got 1 of them"):
        net.evaluate(X[:2], [np.ones((3, 3))])
    with pytest.raises(ValueError, match="expected targets y, got None"):
        net.fit(X, None, loss="squared_error")
    net.compile(lambda z, y: ((z - y) ** 2).mean())
    with pytest.raises(ValueError, match="losses of fastnn's own on outputs"):
        net.evaluate(X, [np.ones((n, 3)) for n in LENGTHS])


def test_forward_pads_and_backward_stops_at_the_ends():
    net = network("LSTM")
    y = net.forward(X, training=True)
    assert y.shape == (5, T, 3)
    dx = net.backward(np.ones_like(y))
    for k, n in enumerate(LENGTHS):
        assert np.abs(dx[k, :n]).min() > 0
        assert (dx[k, n:] == 0).all()


@native()
def test_a_network_of_narrow_weights_takes_them_too():
    net = network("LSTM", dtype="float32").quantized("int8")
    found = net.predict(X)
    for x, answer in zip(X, found, strict=True):
        np.testing.assert_array_equal(answer, network("LSTM", len(x), "float32").quantized("int8").predict(x[None])[0])
