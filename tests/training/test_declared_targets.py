"""Losses of the user's that declare what their targets are: focal loss of labels, Q-learning of pairs."""

import numpy as np
import pytest

import fastnn as fn

RNG = np.random.default_rng(6)
N, K = 40, 3
X = RNG.normal(size=(N, 4))
LABELS = RNG.integers(K, size=N)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def focal(gamma):
    """Lin et al. 2017, eq. 4: -(1 - p_t)^gamma log p_t, of logits and labels."""

    def loss(labels, z):
        assert (labels.shape, labels.dtype, labels.flags.writeable) == ((len(z),), np.int64, False)
        p, rows = softmax(z.astype(np.float64)), np.arange(len(z))
        pt = p[rows, labels]
        slope = gamma * (1 - pt) ** (gamma - 1) * np.log(pt) * pt - (1 - pt) ** gamma  # dL/dpt * pt
        gradient = -p * slope[:, None]
        gradient[rows, labels] += slope
        return -((1 - pt) ** gamma) * np.log(pt), gradient

    return fn.CustomLoss(loss, target_shape=(), target_dtype="int64")


def make(loss, outputs=K, dtype="float64", **options):
    net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dense(outputs)], input_shape=4, seed=1, dtype=dtype)
    net.compile(loss, fn.SGD(0.2), **options)
    return net


def test_focal_loss_has_the_right_gradient():
    assert fn.gradcheck(make(focal(2.0)), X[:7], LABELS[:7]) < 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_focal_loss_without_focus_is_cross_entropy(dtype):
    own, ours = make(focal(0.0), dtype=dtype), make("cross_entropy", dtype=dtype)
    histories = [net.fit(X, LABELS, epochs=4, batch_size=7) for net in (own, ours)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(own.params, ours.params, rtol=1e-4, atol=1e-6)
    z = own.predict(X).astype(float)
    expected = -np.log(softmax(z)[np.arange(N), LABELS]).mean()
    assert own.evaluate(X, LABELS)["loss"] == pytest.approx(expected, rel=1e-5)


def test_class_weights_of_declared_labels():
    own, ours = make(focal(0.0)), make("cross_entropy")
    for weights in ("balanced", {0: 3.0, 1: 0.5}):
        for net in (own, ours):
            net.fit(X, LABELS, batch_size=7, class_weight=weights)
        np.testing.assert_allclose(own.params, ours.params, rtol=1e-9)


def q_loss(pairs, q):
    """(action, target) pairs: the squared error of the action's output."""
    rows, action = np.arange(len(q)), pairs[:, 0].astype(int)
    error = q[rows, action] - pairs[:, 1]
    gradient = np.zeros_like(q)
    gradient[rows, action] = 2 * error
    return error**2, gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pairs_learn_what_masked_targets_learn(dtype):
    """The other outputs as their own targets: the gradient is the same, K times the mean over outputs."""
    pairs = np.stack([LABELS, RNG.normal(size=N)], axis=1)
    own = make(fn.CustomLoss(q_loss, target_shape=2), dtype=dtype)
    twin = make("squared_error", dtype=dtype)
    twin.compile("squared_error", fn.SGD(0.2 * K))
    for start in range(0, N, 8):
        x, part = X[start : start + 8], pairs[start : start + 8]
        goal = twin.predict(x)
        goal[np.arange(len(x)), part[:, 0].astype(int)] = part[:, 1]
        losses = own.train_step(x, part), K * twin.train_step(x, goal)
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    np.testing.assert_allclose(own.params, twin.params, rtol=1e-4, atol=1e-6)
    one = own.train_step(X[0], pairs[0]), own.evaluate(X, pairs)["loss"]
    assert all(np.isfinite(one))


DTYPES = {"int64": np.int64, "float32": np.float32, "float64": np.float64}


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), 3, (2, 3), (5, 1, 2)])
@pytest.mark.parametrize("order", [True, False])
def test_the_function_sees_its_targets(target, shape, order):
    """Of every shape and dtype, in every road: fit in both orders, from lists, evaluate, one row, float32 network."""
    rows = (shape,) if isinstance(shape, int) else shape
    y = RNG.integers(-9, 9, size=(N, *rows)).astype(DTYPES[target])
    seen = []

    def look(y_true, y_pred):
        assert (y_true.shape, y_true.dtype) == ((len(y_pred), *rows), DTYPES[target])
        seen.append(y_true.copy())
        return np.zeros(len(y_pred)), np.zeros_like(y_pred)

    net = make(fn.CustomLoss(look, target_shape=shape, target_dtype=target), dtype="float32")
    net.fit(X, y, batch_size=9, shuffle=order)
    got = np.concatenate(seen)
    key = (lambda a: np.sort(a.reshape(N, -1), axis=0)) if order else (lambda a: a)
    assert np.array_equal(key(got), key(y))
    if order:
        drawn = [tuple(row) for row in got.reshape(N, -1)]
        assert sorted(drawn) == sorted(tuple(row) for row in y.reshape(N, -1))
    seen.clear()
    net.evaluate(X, y.tolist())
    net.train_step(X[0], y[0])
    net.train_step(X[:2].astype(np.float32), y[:2])
    assert np.array_equal(np.concatenate(seen), np.concatenate([y, y[:1], y[:2]]))


def test_targets_of_labels_may_stand_in_a_column():
    net = make(focal(0.0))
    assert net.evaluate(X, LABELS[:, None])["loss"] == net.evaluate(X, LABELS)["loss"]


REFUSED = {
    "shape": (2, None, X[:, :3], ValueError, r"the loss expected y of shape \(40, 2\), got \(40, 3\)"),
    "axes": ((), "int64", X[:, :2].astype(int), ValueError, r"the loss expected y of shape \(40,\), got \(40, 2\)"),
    "fractions": ((), "int64", X[:, 0], TypeError, "the loss expected y to hold whole numbers, got dtype float64"),
    "too large": (
        (),
        "int64",
        np.full(N, 1 << 63, np.uint64),
        ValueError,
        "expected y to fit int64, got 9223372036854",
    ),
    "not finite": (2, None, np.full((N, 2), np.nan), ValueError, "nan"),
    "too few": ((), "int64", LABELS[:-1], ValueError, "as many targets as rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_targets_are_refused(name):
    shape, dtype, y, kind, said = REFUSED[name]
    net = make(fn.CustomLoss(lambda t, p: (np.zeros(len(p)), p * 0), target_shape=shape, target_dtype=dtype))
    for call in (net.fit, net.evaluate, net.train_step):
        with pytest.raises(kind, match=said):
            call(X, y)


DECLARED = {
    "no function": (lambda: fn.CustomLoss("mse"), TypeError, "expected a function"),
    "a class": (lambda: fn.CustomLoss(dict), TypeError, "expected a function"),
    "shape": (lambda: fn.CustomLoss(q_loss, target_shape="2"), TypeError, "expected target_shape to be a shape"),
    "empty": (
        lambda: fn.CustomLoss(q_loss, target_shape=(2, 0)),
        ValueError,
        "each size of target_shape of at least 1",
    ),
    "axes": (lambda: fn.CustomLoss(q_loss, target_shape=(1,) * 9), ValueError, "at most 8 axes"),
    "dtype": (lambda: fn.CustomLoss(q_loss, target_dtype="int32"), ValueError, "int64, float32, float64 or None"),
}


@pytest.mark.parametrize("name", DECLARED)
def test_other_declarations_are_refused(name):
    written, kind, said = DECLARED[name]
    with pytest.raises(kind, match=said):
        written()


def test_a_copy_keeps_the_loss_and_a_file_says_what_to_do(tmp_path):
    net = make(focal(2.0))
    again = net.copy()
    assert again.evaluate(X, LABELS) == net.evaluate(X, LABELS)
    with pytest.raises(ValueError, match="save with optimizer=False and compile again"):
        net.save(tmp_path / "m.safetensors", optimizer=True)
    small = make(focal(2.0), dtype="float32").quantized("bfloat16")
    assert small.evaluate(X, LABELS)["loss"] == pytest.approx(net.evaluate(X, LABELS)["loss"], rel=0.05)
