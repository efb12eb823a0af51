"""Accuracy and error of the training: counted by NumPy over the outputs that each update was made from."""

import numpy as np
import pytest

import fastnn as fn

RNG = np.random.default_rng(3)
N, K, T = 70, 4, 5
X = RNG.normal(size=(N, 6))
LABELS = RNG.integers(K, size=N)
WEIGHTS = RNG.uniform(0, 2, size=N)
BITS = RNG.integers(2, size=(N, K))


def right_class(t, p):
    """1 where the largest output is that of the label (B, ...)."""
    return (p.argmax(axis=-1) == t).astype(float)


def sides(threshold):
    """Share of the outputs of each row that are on the right side of a threshold."""
    return lambda t, p: ((p > threshold) == (t.reshape(p.shape) > 0)).mean(axis=-1)


def soft(labels):
    rows = np.full((len(labels), K), 0.1)
    rows[np.arange(len(labels)), labels] = 1 - 0.1 * (K - 1)
    return rows


def nothing(t, p):
    return np.zeros(len(p)), np.zeros_like(p)


# loss, units and activation of the last layer, targets, and the right decisions of each row.
CASES = {
    "labels": ("cross_entropy", K, None, LABELS, right_class),
    "labels, softmax": ("cross_entropy", K, "softmax", LABELS, right_class),
    "one-hot": ("cross_entropy", K, None, np.eye(K)[LABELS], lambda t, p: right_class(t.argmax(axis=1), p)),
    "shares": ("cross_entropy", K, None, soft(LABELS), lambda t, p: right_class(t.argmax(axis=1), p)),
    "hinge": ("hinge", K, None, LABELS, right_class),
    "yes or no": ("binary_cross_entropy", 1, None, BITS[:, 0], sides(0.0)),
    "yes or no, sigmoid": ("binary_cross_entropy", 1, "sigmoid", BITS[:, 0], sides(0.5)),
    "yes or no, squares": ("squared_error", 1, None, BITS[:, :1], sides(0.5)),
    "signs": ("hinge", 1, None, 2 * BITS[:, 0] - 1, sides(0.0)),
    "several labels": ("binary_cross_entropy", K, None, BITS, sides(0.0)),
    "several labels, sigmoid": ("binary_cross_entropy", K, "sigmoid", BITS, sides(0.5)),
    "own loss": (nothing, K, None, np.eye(K)[LABELS], lambda t, p: right_class(t.argmax(axis=1), p)),
    "own loss of labels": (fn.CustomLoss(nothing, target_shape=(), target_dtype="int64"), K, None, LABELS, right_class),
    "own loss of bits": (
        fn.CustomLoss(nothing, target_shape=(), target_dtype="int64"), 1, None, BITS[:, 0], sides(0.5)),
}  # fmt: skip


def make(name, dtype="float32", rate=0.3):
    loss, units, last, *_ = CASES[name]
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(units, last)], input_shape=6, seed=4, dtype=dtype)
    net.compile(loss, fn.SGD(rate), metrics=["accuracy", "error"])
    return net


def by_hand(net, y, right, batch_size, weights=None):
    """The accuracy of an epoch of the rows in their order; the network learns."""
    hits = total = 0.0
    w = np.ones(len(X)) if weights is None else weights
    for start in range(0, len(X), batch_size):
        part = slice(start, start + batch_size)
        rows = right(y[part], net.predict(X[part]))
        each = w[part].reshape(-1, *(1,) * (rows.ndim - 1)) * np.ones_like(rows)
        hits, total = hits + (each * rows).sum(), total + each.sum()
        net.train_step(X[part].astype(net.dtype), y[part], None if weights is None else w[part])
    return hits / total


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_accuracy_is_that_of_the_outputs_before_each_update(name, dtype, weights):
    *_, y, right = CASES[name]
    net, watched, twin = (make(name, dtype) for _ in range(3))
    options = {"epochs": 3, "batch_size": 16, "sample_weight": weights, "shuffle": False}
    history = net.fit(X, y, **options)
    assert watched.fit(X, y, **options, callbacks=[lambda info: None])["accuracy"] == history["accuracy"]
    expected = [by_hand(twin, y, right, 16, weights) for _ in range(3)]
    assert len(set(expected)) > 1 or "own" in name
    np.testing.assert_allclose(history["accuracy"], expected, rtol=1e-6)
    np.testing.assert_allclose(history["error"], 1 - np.array(expected), rtol=1e-6, atol=1e-12)


ROADS = {
    "validation": {"validation_data": (X, LABELS)},
    "callback": {"callbacks": [lambda info: None]},
    "shuffled": {"shuffle": True},
    "one batch": {"batch_size": N},
}


@pytest.mark.parametrize("road", ROADS)
def test_every_road_through_fit_counts_alike(road):
    """Without learning, the order does not matter, and the accuracy is that of the network."""
    net = make("labels", rate=0.0)
    history = net.fit(X, LABELS, epochs=2, **{"shuffle": False, "batch_size": 16, **ROADS[road]})
    expected = (net.predict(X).argmax(axis=1) == LABELS).mean()
    assert history["accuracy"] == pytest.approx([expected] * 2, rel=1e-12)
    if road == "validation":
        assert history["val_accuracy"] == history["accuracy"]


def test_batches_of_an_iterable_and_rows_in_parts(monkeypatch):
    monkeypatch.setattr("fastnn.data.feed.BUFFER_BYTES", 1000)
    expected = (make("labels").predict(X).argmax(axis=1) == LABELS).mean()
    for arguments in ((X, LABELS), ([(X[:30], LABELS[:30]), (X[30:], LABELS[30:])],)):
        history = make("labels", rate=0.0).fit(*arguments, epochs=2, batch_size=8)
        assert history["accuracy"] == pytest.approx([expected] * 2, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_mini_batches_that_threads_share(weighted):
    rows = np.repeat(X, 60, axis=0).astype(np.float32)
    labels = RNG.integers(K, size=len(rows))
    weights = RNG.uniform(0, 2, size=len(rows)).astype(np.float32) if weighted else None
    net = make("labels", rate=0.0)
    assert net.trainer.lanes.cut_from < len(rows)
    found = net.fit(rows, labels, batch_size=len(rows), epochs=2, sample_weight=weights)["accuracy"]
    right = right_class(labels, net.predict(rows))
    assert found == pytest.approx([np.average(right, weights=weights)] * 2, rel=1e-12)
    assert found[0] == found[1]


def test_steps_of_sequences_are_decisions_of_their_own():
    rows, labels = RNG.normal(size=(N, T, 3)), RNG.integers(K, size=(N, T))
    by_step = RNG.uniform(0, 2, size=(N, T))
    net = fn.Sequential([fn.LSTM(5, return_sequences=True), fn.Dense(K)], (T, 3), seed=0)
    net.compile("cross_entropy", fn.SGD(0.0), metrics=["accuracy"])
    right = right_class(labels, net.predict(rows))
    assert net.fit(rows, labels, batch_size=9)["accuracy"][0] == pytest.approx(right.mean(), rel=1e-12)
    for weights, each in ((by_step, by_step), (WEIGHTS, WEIGHTS[:, None] * np.ones((N, T)))):
        found = net.fit(rows, labels, batch_size=9, sample_weight=weights)["accuracy"][0]
        assert found == pytest.approx((each * right).sum() / each.sum(), rel=1e-6)


def test_several_outputs_are_told_apart():
    x = fn.Input(6)
    net = fn.Network(x, [fn.Dense(K)(x), fn.Dense(1)(x)], seed=0)
    net.compile(["cross_entropy", "squared_error"], fn.SGD(0.0), metrics=[["acc"], ["mse"]])
    history = net.fit(X, [LABELS, X[:, 0]])
    assert list(history) == ["loss", "accuracy_1", "learning_rate", "seconds"]
    assert history["accuracy_1"][0] == pytest.approx((net.predict(X)[0].argmax(axis=1) == LABELS).mean())


def test_targets_that_are_no_classes_are_refused_and_the_network_stays():
    net = make("yes or no, squares")
    before = net.params.copy()
    for options in ({}, {"validation_data": (X, BITS[:, 0])}):
        with pytest.raises(ValueError, match=r"accuracy: expected labels, .*use r2 for real targets"):
            net.fit(X, X[:, 0], epochs=2, **options)
        assert np.array_equal(net.params, before)
    with pytest.raises(ValueError, match="accuracy: expected labels"):
        make("several labels").fit(X, np.full((N, K), 0.5))


def test_what_cannot_be_counted_is_left_out():
    def pairs(t, p):
        return np.zeros(len(p)), np.zeros_like(p)

    net = make("labels")
    net.compile(fn.CustomLoss(pairs, target_shape=2), metrics=["accuracy"])
    assert list(net.fit(X, X[:, :2])) == ["loss", "learning_rate", "seconds"]
    net.compile("cross_entropy", metrics=[fn.metrics.Accuracy(0.3), "r2"])  # one with a threshold of its own
    assert list(net.fit(X, LABELS)) == ["loss", "learning_rate", "seconds"]


def test_rows_without_weight_leave_the_accuracy_open():
    history = make("labels").fit(X, LABELS, sample_weight=np.zeros(N))
    assert np.isnan(history["accuracy"][0])


def test_counting_changes_no_bit():
    plain = make("labels")
    plain.compile("cross_entropy", fn.SGD(0.3))
    counted = make("labels")
    for net in (plain, counted):
        net.fit(X, LABELS, epochs=3)
    assert np.array_equal(plain.params, counted.params)
    assert plain.history["loss"] == counted.history["loss"]


def test_of_equal_outputs_the_first_decides():
    net = fn.Sequential([fn.Dense(K, kernel_initializer="zeros")], 6, seed=0)
    net.compile("cross_entropy", fn.SGD(0.0), metrics=["accuracy"])
    assert net.fit(X, LABELS)["accuracy"][0] == pytest.approx((LABELS == 0).mean())
