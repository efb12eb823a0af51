"""The straight way of predict, predict_one and train_step: the checked way's bits, its errors, and nothing else.

Every case is called both ways on twins.  Numbers are held against NumPy; that plain arrays do go straight is shown by
networks whose checked way is closed.
"""
# ruff: noqa: E501  (a case of a table is one line)

import copy
import pickle

import numpy as np
import pytest
from helpers.bits import native
from helpers.threads import in_threads

import fastnn as fn

B = 6
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(B, 4))
LABELS = np.array([0, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3)[LABELS]
SIGNS = 2 * ONE_HOT - 1
REALS = RANDOM.normal(size=(B, 3))


class Straight(fn.Sequential):
    """A network that has no checked way."""

    def _closed(self, *_):
        raise AssertionError("went the checked way")

    _predict_checked = _predict_one_checked = _train_step_checked = _closed


class Array(np.ndarray):
    """A subclass like any other."""


def stacked(loss="squared_error", optimizer=None, *, outputs=3, dtype="float32", kind=fn.Sequential):
    net = kind([fn.Dense(5, "tanh"), fn.Dense(outputs)], input_shape=4, seed=1, dtype=dtype)
    net.compile(loss, optimizer or fn.SGD(0.1))
    return net


def image(kind=fn.Sequential):
    """Rows of shape (2, 3) to answers of shape (3, 2)."""
    net = kind([fn.Flatten(), fn.Dense(6, "tanh"), fn.Reshape((3, 2))], input_shape=(2, 3), seed=1)
    net.compile("squared_error", fn.SGD(0.1))
    return net


def outcome(call):
    """What came back, bit for bit, or what was raised, word for word."""
    try:
        result = call()
    except Exception as error:
        return type(error), str(error)
    if isinstance(result, np.ndarray):
        return result.dtype, result.shape, result.tobytes()
    return type(result), result


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    result = raw[1:].view(a.dtype).reshape(a.shape)
    result[...] = a
    return result


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def on_disk(a, path):
    result = np.memmap(path / "rows", a.dtype, "w+", shape=a.shape)
    result[...] = a
    return result


def spoiled(a, value):
    a = a.copy()
    a.flat[-2] = value
    return a


# By name: what a caller may make of the right array; the first three go straight.
KINDS = {
    "plain": lambda a, path: a,
    "read-only": lambda a, path: read_only(a),
    "a part": lambda a, path: np.concatenate([a, a])[: len(a)],
    "float64": lambda a, path: a.astype(np.float64),
    "float16": lambda a, path: a.astype(np.float16),
    "longdouble": lambda a, path: a.astype(np.longdouble),
    "integers": lambda a, path: np.rint(a).astype(int),
    "booleans": lambda a, path: a > 0,
    "other byte order": lambda a, path: a.astype(a.dtype.newbyteorder()),
    "complex": lambda a, path: a + 1j,
    "objects": lambda a, path: a.astype(object),
    "text": lambda a, path: a.astype(str),
    "Fortran order": lambda a, path: np.asfortranarray(a),
    "every other": lambda a, path: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a, path: a[::-1].copy()[::-1],
    "broadcast": lambda a, path: np.broadcast_to(a[..., :1], a.shape),
    "unaligned": lambda a, path: unaligned(a),
    "subclass": lambda a, path: a.view(Array),
    "memmap": on_disk,
    "masked": lambda a, path: np.ma.masked_array(a, a > 0),
    "list": lambda a, path: a.tolist(),
    "tuple": lambda a, path: tuple(a.tolist()),
    "nan": lambda a, path: spoiled(a, np.nan),
    "inf": lambda a, path: spoiled(a, -np.inf),
    "too large": lambda a, path: spoiled(a.astype(np.float64), 1e300),
    "largest": lambda a, path: spoiled(a, np.finfo(a.dtype).max),
    "none": lambda a, path: a[:0],
    "narrow": lambda a, path: a[..., :-1].copy(),
    "an axis more": lambda a, path: a[None],
    "an axis less": lambda a, path: a[0].copy(),
    "flat": lambda a, path: a.ravel(),
    "0-d": lambda a, path: np.array(1.0, a.dtype),
    "number": lambda a, path: 1.0,
    "None": lambda a, path: None,
    "dict": lambda a, path: {},
}  # fmt: skip
ROW_SHAPES = {"vector": (stacked, (4,)), "float64": (lambda: stacked(dtype="float64"), (4,)), "image": (image, (2, 3))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROW_SHAPES)
def test_predict_gives_what_the_checked_way_gives(name, kind, tmp_path):
    make, shape = ROW_SHAPES[name]
    net = make()
    X = KINDS[kind](RANDOM.normal(size=(B, *shape)).astype(net.dtype), tmp_path)
    assert outcome(lambda: net.predict(X)) == outcome(lambda: net._predict_checked(X, None))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROW_SHAPES)
def test_predict_one_gives_what_the_checked_way_gives(name, kind, tmp_path):
    make, shape = ROW_SHAPES[name]
    net = make()
    x = KINDS[kind](RANDOM.normal(size=shape).astype(net.dtype), tmp_path)
    assert outcome(lambda: net.predict_one(x)) == outcome(lambda: net._predict_one_checked(x, None))


def state(net):
    optimizer = net.trainer.optimizer
    return net.params.tobytes(), optimizer.state.tobytes(), optimizer.step, net.trainer.step, net.epoch


def assert_same_step(net, x, y):
    """Twins, one each way, end alike; and as they were if the call failed."""
    twin, before = copy.deepcopy(net), state(net)
    straight = outcome(lambda: net.train_step(x, y))
    assert straight == outcome(lambda: twin._train_step_checked(x, y, None))
    assert state(net) == state(twin)
    assert (state(net) == before) == (straight[0] is not float)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROW_SHAPES)
def test_train_step_on_all_kinds_of_rows(name, kind, tmp_path):
    make, shape = ROW_SHAPES[name]
    net = make()
    rows = RANDOM.normal(size=(B, *shape)).astype(net.dtype)
    goals = RANDOM.normal(size=(B, *net.output_shape)).astype(net.dtype)
    if kind != "largest":  # its square is not finite, and NumPy warns of that in neither way
        assert_same_step(net, KINDS[kind](rows, tmp_path), goals)
        assert_same_step(net, KINDS[kind](rows[0].copy(), tmp_path), goals[0].copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROW_SHAPES)
def test_train_step_on_all_kinds_of_targets(name, kind, tmp_path):
    make, shape = ROW_SHAPES[name]
    net = make()
    rows = RANDOM.normal(size=(B, *shape)).astype(net.dtype)
    goals = RANDOM.normal(size=(B, *net.output_shape)).astype(net.dtype)
    assert_same_step(net, rows, KINDS[kind](goals, tmp_path))
    assert_same_step(net, rows[0].copy(), KINDS[kind](goals[0].copy(), tmp_path))


def custom(y_true, y_pred):
    return np.abs(y_pred - y_true).sum(axis=1), np.sign(y_pred - y_true)


# loss, outputs, targets of six rows
TARGETS = [
    *[("cross_entropy", 3, LABELS.astype(dtype)) for dtype in ("i8", "i4", "u1", "u8", ">i8", "f4", "f8")],
    *[("hinge", 3, LABELS.astype(dtype)) for dtype in ("i8", "i2")],
    *[(loss, 3, LABELS + shift) for loss in ("cross_entropy", "hinge") for shift in (-1, 1, 2**62, -(2**62))],
    ("cross_entropy", 3, LABELS[:, None]),
    ("cross_entropy", 3, LABELS[:, None, None]),
    ("cross_entropy", 3, LABELS[:-1]),
    ("cross_entropy", 3, np.append(LABELS, 0)),
    ("cross_entropy", 3, LABELS[:0]),
    ("cross_entropy", 3, np.repeat(LABELS, 2)[::2]),
    ("cross_entropy", 3, LABELS.tolist()),
    ("cross_entropy", 3, LABELS.astype("m8[s]")),
    ("cross_entropy", 3, LABELS.astype(np.longlong)),
    ("cross_entropy", 3, LABELS == 1),
    ("squared_error", 3, LABELS),
    ("squared_error", 1, LABELS),
    *[("cross_entropy", 3, (ONE_HOT * (1 + e)).astype("f4")) for e in (0, 9e-4, 9.99e-4, 1.001e-3, 2e-3, -9e-4, -2e-3)],
    *[("cross_entropy", 3, spoiled(ONE_HOT.astype("f4"), v)) for v in (-1e-6, 2, np.nan, np.inf, -0.0)],
    ("cross_entropy", 3, ONE_HOT[:, :2].astype("f4").copy()),
    ("cross_entropy", 3, np.asfortranarray(ONE_HOT.astype("f4"))),
    ("cross_entropy", 3, np.stack([[0.5, 1.5, -1.0]] * B).astype("f4")),
    *[("binary_cross_entropy", 3, spoiled(ONE_HOT.astype("f4"), v)) for v in (0.5, -1e-6, 1.0000001, 2, np.nan, np.inf, -0.0)],
    *[("poisson", 3, spoiled(ONE_HOT.astype("f4"), v)) for v in (1e6, -1e-6, np.nan, np.inf, -np.inf, -0.0)],
    *[("hinge", 3, spoiled(SIGNS.astype("f4"), v)) for v in (-1, 0, 1.0000001, np.nan, np.inf)],
    *[("hinge", 1, LABELS[:, None].astype("f4") * 2 - 1), ("hinge", 1, np.ones(B, "f4")), ("hinge", 1, np.ones(B, int))],
    *[(loss, 3, REALS.astype("f4")) for loss in ("squared_error", "distance", "absolute_error", "huber", "quantile", "log_cosh", custom)],
    *[(loss, 1, REALS[:, 0].astype("f4")) for loss in ("squared_error", "huber", custom)],
    *[("squared_error", 1, REALS[:, :1].astype("f4").copy()), ("squared_error", 1, REALS[:, 0].astype("f8"))],
    *[("squared_error", 1, REALS[:n, 0].astype("f4").copy()) for n in (0, 1, 5)],
    *[("squared_error", 1, value) for value in (1.5, 2, np.float32(1.5), np.float64(1.5), np.array(1.5, "f4"), True, [1.5], "1")],
    *[("binary_cross_entropy", 1, value) for value in (0.5, 1.5, np.float32(0.5), np.float32(-0.5))],
    *[("squared_error", 1, value) for value in (np.nan, -np.inf, 1e39, np.float32(np.inf), 10**400, 1.1, 1e-50)],
    *[("cross_entropy", 3, value) for value in (2, 3, -1, 2**63, -(2**63) - 1, 2**80, True, 1.0, np.int64(1), np.int64(3), np.int64(-1), np.int32(1), np.uint8(1), np.bool_(True), np.float32(1), np.array(1), np.array([1]), [1], None)],
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(len(TARGETS)))
def test_train_step_on_what_losses_take_and_refuse(case, dtype):
    loss, outputs, targets = TARGETS[case]
    if isinstance(targets, np.ndarray) and targets.dtype == "f4":
        targets = targets.astype(dtype, order="K")
    if isinstance(targets, np.float32):
        targets = np.dtype(dtype).type(targets)
    net, rows = stacked(loss, outputs=outputs, dtype=dtype), ROWS.astype(dtype)
    assert_same_step(net, rows, targets)
    assert_same_step(net, rows[0].copy(), targets)
    if isinstance(targets, np.ndarray) and len(targets.shape) and len(targets):
        for one in (targets[0], targets[-1]):
            assert_same_step(net, rows[0].copy(), one)
        assert_same_step(net, rows[:1].copy(), targets[:1].copy())


@pytest.mark.parametrize(("loss", "targets"), [("squared_error", REALS), ("cross_entropy", ONE_HOT), ("hinge", LABELS)])
def test_no_rows_and_weights_go_the_checked_way(loss, targets):
    net, x = stacked(loss, dtype="float64"), ROWS.copy()
    assert_same_step(net, x[:0], targets[:0])
    for rows, goals, weights in ((x, targets, np.arange(6.0)), (x, targets, -np.ones(6)), (x[0], targets[0], 2.0)):
        twin = copy.deepcopy(net)
        straight = outcome(lambda r=rows, g=goals, w=weights: net.train_step(r, g, w))
        assert straight == outcome(lambda r=rows, g=goals, w=weights, t=twin: t._train_step_checked(r, g, w))
        assert state(net) == state(twin)


def test_one_output_in_several_axes():
    """Targets (B,) for answers (B, 1, 1), as the checked way has it."""
    net = fn.Sequential([fn.Dense(1), fn.Reshape((1, 1))], input_shape=4, seed=1)
    net.compile("squared_error", fn.SGD(0.1))
    x = ROWS.astype("f4")
    for y in (x[:, 0].copy(), x[:, :1].copy(), x[:, :1, None].copy()):
        assert_same_step(net, x, y)
        assert_same_step(net, x[0].copy(), y[0])
    assert_same_step(net, x[0].copy(), 1.5)
    with pytest.raises(ValueError, match="cross_entropy expected one output per class"):
        net.compile("cross_entropy")


def test_probabilities_in_several_axes_are_checked_along_the_last():
    net = fn.Sequential([fn.Dense(4), fn.Reshape((2, 2))], input_shape=4, seed=1)
    net.compile("cross_entropy", fn.SGD(0.1))
    x = ROWS.astype("f4")
    assert_same_step(net, x, np.full((B, 2, 2), 0.25, "f4"))
    assert_same_step(net, x, np.full((B, 2, 2), 0.5, "f4"))
    assert_same_step(net, x, np.full(B, 3))


def test_several_ports_and_no_loss_go_the_checked_way():
    a, b = fn.Input(2), fn.Input(3)
    both = fn.Network([a, b], [fn.Dense(2)(fn.concatenate(a, b)), fn.Dense(1)(a)], seed=0)
    both.compile(["squared_error", "huber"], fn.SGD(0.1))
    X = [np.ones((5, 2), "f4"), np.ones((5, 3), "f4")]
    for given in (X, X[0], X[:1], None):
        for out in (None, np.empty((5, 2), "f4"), [np.empty((5, 2), "f4"), np.empty((5, 1), "f4")]):
            assert outcome(lambda x=given, o=out: str(both.predict(x, o))) == outcome(
                lambda x=given, o=out: str(both._predict_checked(x, o))
            )
    assert_same_step(both, X, [np.ones((5, 2), "f4"), np.ones((5, 1), "f4")])
    silent = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    with pytest.raises(RuntimeError, match=r"^train_step: expected a compiled network"):
        silent.train_step(ROWS.astype("f4"), REALS.astype("f4"))
    silent.compile(optimizer=fn.SGD(0.1))
    with pytest.raises(RuntimeError, match=r"^train_step: expected a loss"):
        silent.train_step(ROWS.astype("f4"), REALS.astype("f4"))


# ---- out ----------------------------------------------------------------------------------------------------------

# Answers are (6, 3), of one row (3,): what comes back in out, or why not.
OUTS = {
    "plain": (lambda s, d: np.full(s, 7, d), None),
    "strided": (lambda s, d: np.full((*s[:-1], 6), 7, d)[..., ::2], None),
    "backwards": (lambda s, d: np.full(s, 7, d)[::-1], None),
    "Fortran order": (lambda s, d: np.asfortranarray(np.full(s, 7, d)), None),
    "unaligned": (lambda s, d: unaligned(np.full(s, 7, d)), None),
    "subclass": (lambda s, d: np.full(s, 7, d).view(Array), None),
    "read-only": (lambda s, d: read_only(np.full(s, 7, d)), (TypeError, "expected out to be a writable array of {d}, got a read-only one of {d}")),
    "other dtype": (lambda s, d: np.full(s, 7, "f2"), (TypeError, "expected out to be a writable array of {d}, got dtype float16")),
    "byte order": (lambda s, d: np.full(s, 7, np.dtype(d).newbyteorder()), (TypeError, "expected out to be a writable array of {d}, got dtype >f")),
    "integers": (lambda s, d: np.full(s, 7), (TypeError, "expected out to be a writable array of {d}, got dtype int64")),
    "list": (lambda s, d: np.full(s, 7).tolist(), (TypeError, "expected out to be a writable array of {d}, got list")),
    "bytearray": (lambda s, d: bytearray(72), (TypeError, "expected out to be a writable array of {d}, got bytearray")),
    "number": (lambda s, d: 7.0, (TypeError, "expected out to be a writable array of {d}, got float")),
    "rows missing": (lambda s, d: np.full((s[0] - 1, *s[1:]), 7, d), (ValueError, "expected out of shape {s}, got ({n},")),
    "too many": (lambda s, d: np.full((s[0] + 1, *s[1:]), 7, d), (ValueError, "expected out of shape {s}, got ({m},")),
    "wide": (lambda s, d: np.full((*s[:-1], 4), 7, d), (ValueError, "expected out of shape {s}, got")),
    "flat": (lambda s, d: np.full(18, 7, d), (ValueError, "expected out of shape {s}, got (18,)")),
    "0-d": (lambda s, d: np.full((), 7, d), (ValueError, "expected out of shape {s}, got ()")),
    "an axis more": (lambda s, d: np.full((1, *s), 7, d), (ValueError, "expected out of shape {s}, got (1,")),
}  # fmt: skip


@pytest.mark.parametrize("rows", ["straight", "checked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OUTS)
@pytest.mark.parametrize("method", ["predict", "predict_one"])
def test_out_is_written_to_or_refused(method, name, dtype, rows):
    make, refusal = OUTS[name]
    net = stacked(dtype=dtype)
    x = ROWS.astype(dtype) if method == "predict" else ROWS[0].astype(dtype)
    expected = getattr(net, method)(x)
    out = make(expected.shape, dtype)
    given = x if rows == "straight" else x.tolist()
    if refusal is None:
        assert getattr(net, method)(given, out) is out
        assert np.array_equal(out, expected)
        assert getattr(net, method)(given, out=out) is out
        return
    kind, message = refusal
    shape = expected.shape
    with pytest.raises(kind) as caught:
        getattr(net, method)(given, out)
    assert str(caught.value).startswith(
        f"{method}: " + message.format(d=dtype, s=shape, n=shape[0] - 1, m=shape[0] + 1)
    )
    assert np.all(np.asarray(out) == 7) or isinstance(out, bytearray)


def test_nothing_beside_out_is_written():
    net, x = stacked(), ROWS.astype("f4")
    block = np.full((B + 2, 3), 7, "f4")
    net.predict(x, block[1:-1])
    assert np.array_equal(block[1:-1], net.predict(x))
    assert (block[[0, -1]] == 7).all()


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
@pytest.mark.parametrize("n", [3, 2000])
def test_rows_that_are_not_finite_leave_out_alone(n, spoil):
    """The last row is bad, so that several runs of the steps would have answered many by then."""
    net, x = stacked(), RANDOM.normal(size=(n, 4)).astype("f4")
    x[-1, -1] = spoil
    out = np.full((n, 3), 7, "f4")
    for given in (x, x.tolist()):
        with pytest.raises(
            ValueError, match=rf"^predict: expected X to be finite in float32, got 1 NaN .* at \({n - 1}, 3\)"
        ):
            net.predict(given, out)
    assert (out == 7).all()


@pytest.mark.parametrize("n", [5, 2000])
def test_out_may_overlap_the_rows(n):
    net = fn.Sequential([fn.Dense(4, "tanh")], input_shape=4, seed=0)
    block = RANDOM.normal(size=(n + 1, 4)).astype("f4")
    expected = net.predict(block[:-1].copy())
    net.predict(block[:-1], out=block[1:])
    assert np.array_equal(block[1:], expected)


# ---- the numbers, and which way they came -------------------------------------------------------------------------


@native()
@pytest.mark.parametrize("n", [1, 2, 16, 500, 513, 5000])
def test_predict_is_what_numpy_says_and_the_same_row_by_row(n):
    net, x = stacked(kind=Straight), RANDOM.normal(size=(n, 4)).astype("f4")
    hidden, head = net.layers
    expected = np.tanh(x.astype("f8") @ hidden.weight + hidden.bias) @ head.weight + head.bias
    answers = net.predict(x)
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-6)
    assert all(np.array_equal(net.predict_one(x[i]), answers[i]) for i in {0, n // 2, n - 1})


@pytest.mark.parametrize("n", [1, 7, 32])
def test_a_step_is_what_numpy_says(n):
    """Squared error on one linear layer: dL/dW = 2 / (B O) X^T (X W + b - T)."""
    net = Straight([fn.Dense(3)], input_shape=4, seed=1, dtype="float64")
    net.compile("squared_error", fn.SGD(0.5))
    x, t = RANDOM.normal(size=(n, 4)), RANDOM.normal(size=(n, 3))
    w, b = net.layers[0].weight.copy(), net.layers[0].bias.copy()
    error = x @ w + b - t
    loss = net.train_step(x[0], t[0]) if n == 1 else net.train_step(x, t)
    assert loss == pytest.approx(np.mean(error**2), rel=1e-13)
    np.testing.assert_allclose(net.layers[0].weight, w - 0.5 * 2 / error.size * x.T @ error, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(net.layers[0].bias, b - 0.5 * 2 / error.size * error.sum(axis=0), rtol=1e-12, atol=1e-14)


STRAIGHT_STEPS = [
    ("squared_error", 3, REALS), ("squared_error", 1, REALS[:, 0]), ("squared_error", 1, REALS[:, :1]),
    ("cross_entropy", 3, LABELS), ("cross_entropy", 3, ONE_HOT), ("hinge", 3, LABELS), ("hinge", 3, SIGNS),
    ("binary_cross_entropy", 3, ONE_HOT), ("poisson", 3, ONE_HOT), (custom, 3, REALS),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "outputs", "targets"), STRAIGHT_STEPS)
def test_plain_arrays_go_straight(loss, outputs, targets, dtype):
    targets = np.ascontiguousarray(targets, None if targets is LABELS else dtype)
    schedule = fn.schedules.as_schedule(lambda step: 0.1 / (step + 1))
    for optimizer in (fn.SGD(0.1), fn.Adam(fn.StepDecay(0.1, every=1)), fn.SGD(schedule, momentum=0.9)):
        net, x = stacked(loss, optimizer, outputs=outputs, dtype=dtype, kind=Straight), ROWS.astype(dtype)
        net.train_step(x, targets)
        net.train_step(read_only(x), read_only(targets))
        net.train_step(x[0], targets[0])
        if targets.ndim == 1:
            net.train_step(x[0], targets[0].item())
        assert net.trainer.optimizer.step == 3 + (targets.ndim == 1)
        answers, out, one = net.predict(x), np.empty((B, outputs), dtype), np.empty(outputs, dtype)
        assert net.predict(read_only(x), out) is out
        assert out.tobytes() == answers.tobytes()
        assert net.predict_one(x[1], one) is one
        assert net.predict_one(x[1]).tobytes() == one.tobytes()


@native()
def test_rows_with_axes_go_straight():
    net, x = image(Straight), RANDOM.normal(size=(B, 2, 3)).astype("f4")
    answers = net.predict(x)
    assert answers.shape == (B, 3, 2)
    assert np.array_equal(net.predict_one(x[2]), answers[2])
    net.train_step(x, answers)
    net.train_step(x[2], answers[2])


def test_the_checked_way_is_closed_there():
    with pytest.raises(AssertionError, match="went the checked way"):
        stacked(kind=Straight).predict(ROWS)


RATES = {
    "number": 0.1,
    "step": fn.StepDecay(0.1, every=2),
    "cosine": fn.CosineDecay(0.1, total_steps=5, warmup_steps=2),
    "plateau": fn.ReduceOnPlateau(0.1),
    "function": lambda step: 0.1 / (1 + step),
    "none": lambda step: 0,
}


@pytest.mark.parametrize("optimizer", [fn.SGD, lambda rate: fn.Adam(rate, clip_norm=1.0)])
@pytest.mark.parametrize("rate", RATES)
def test_schedules_both_ways(rate, optimizer):
    net, x, y = stacked(optimizer=optimizer(RATES[rate])), ROWS.astype("f4"), REALS.astype("f4")
    twin = copy.deepcopy(net)
    for _ in range(6):
        assert net.train_step(x, y) == twin._train_step_checked(x, y, None)
        assert net.train_step(x[0], y[0]) == twin._train_step_checked(x[0], y[0], None)
        assert state(net) == state(twin)


class Wrong(fn.schedules.Schedule):
    """Gives what no schedule should."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        if isinstance(self.rate, Exception):
            raise self.rate
        return self.rate


@pytest.mark.parametrize("wrap", [lambda rate: lambda step: rate, Wrong])
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), -np.inf, "fast", None, 1j, [0.1]])
def test_rates_that_are_none(rate, wrap):
    net = stacked()
    net.schedule = fn.schedules.as_schedule(wrap(rate))
    net._bind_trainer(net.trainer, "any", 0, -1.0)  # as compile does with a schedule
    x, y, before = ROWS.astype("f4"), REALS.astype("f4"), state(net)
    straight = outcome(lambda: net.train_step(x, y))
    assert straight[0] in (ValueError, TypeError)
    assert straight == outcome(lambda: net._train_step_checked(x, y, None))
    assert straight == outcome(lambda: net.train_step(x[0], y[0]))
    assert straight == outcome(net.apply_gradients)
    assert state(net) == before
    net.compile("squared_error", fn.SGD(0.1))
    assert net.train_step(x, y) > 0


def test_a_loss_that_is_not_finite_leaves_the_network_alone():
    net = stacked()
    x = np.full((B, 4), 1e38, "f4")
    for y in (np.full((B, 3), -3e38, "f4"), np.full(3, -3e38, "f4")):
        before = state(net)
        with pytest.raises(fn.DivergenceError, match="the loss is inf; the parameters were left as they are"):
            net.train_step(x if y.ndim == 2 else x[0], y)
        assert state(net) == before
    assert net.train_step(ROWS.astype("f4"), REALS.astype("f4")) > 0


# ---- threads, copies, subclasses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [5, 300])
def test_eight_threads_predict_small_batches_of_one_network(width):
    """Narrow: the GIL is kept; wide: it is not, and there are eight workspaces."""
    net = Straight([fn.Dense(width, "tanh"), fn.Dense(width, "relu"), fn.Dense(3)], input_shape=4, seed=1)
    rows = RANDOM.normal(size=(8, 40, 4)).astype("f4")
    many = [net.predict(part).tobytes() for part in rows]
    ones = [[net.predict_one(x).tobytes() for x in part] for part in rows]

    def work(i):
        out = np.empty((40, 3), "f4")
        for k in range(400):
            assert net.predict(rows[i], out).tobytes() == many[i]
            assert net.predict(rows[i]).tobytes() == many[i]
            assert net.predict_one(rows[i, k % 40]).tobytes() == ones[i][k % 40]

    assert in_threads(work) == []


def test_threads_that_step_at_once_are_told_off_or_counted():
    net = Straight([fn.Dense(600, "tanh"), fn.Dense(3)], input_shape=4, seed=1)
    net.compile("squared_error", fn.SGD(1e-3))
    rows, goals = RANDOM.normal(size=(64, 4)).astype("f4"), RANDOM.normal(size=(64, 3)).astype("f4")
    done = []

    def work(i):
        for n in range(1, 65):
            try:
                net.train_step(rows[:n], goals[:n])
            except RuntimeError as error:
                assert "is being trained by another call" in str(error)  # noqa: PT017
            else:
                done.append(n)

    assert in_threads(work, 4) == []
    assert net.trainer.optimizer.step == net.trainer.step == len(done) > 0


def test_copies_go_straight_too():
    net, x = stacked(kind=Straight), ROWS.astype("f4")
    net.train_step(x, REALS.astype("f4"))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin) is Straight
        assert twin.predict(x).tobytes() == net.predict(x).tobytes()
        assert twin.predict_one(x[0]).tobytes() == net.predict_one(x[0]).tobytes()
        assert twin.train_step(x, REALS.astype("f4")) == copy.deepcopy(net).train_step(x, REALS.astype("f4"))


def test_subclasses_may_stand_before_every_entry_point():
    class Doubled(fn.Sequential):
        def predict(self, X, out=None):
            return 2 * super().predict(X, out)

        def predict_one(self, x, out=None):
            return 2 * super().predict_one(x, out)

        def train_step(self, x, y, sample_weight=None):
            return 2 * super().train_step(x, y, sample_weight)

    plain, doubled, x = stacked(), stacked(kind=Doubled), ROWS.astype("f4")
    assert np.array_equal(doubled.predict(x), 2 * plain.predict(x))
    assert np.array_equal(doubled.predict_one(x[0]), 2 * plain.predict_one(x[0]))
    assert doubled.train_step(x, REALS.astype("f4")) == 2 * plain.train_step(x, REALS.astype("f4"))


def test_a_call_of_the_trainer_that_fails_lets_go_of_the_network():
    """After lists in the place of arrays, whichever of the trainer's calls got them, the network trains as before."""
    net = fn.Sequential([fn.LSTM(2), fn.Dense(1)], input_shape=(3, 1), seed=0)
    net.compile(loss="squared_error", optimizer=fn.SGD(0.1))
    trainer, rates, losses = net.trainer, np.full(1, 0.1), np.zeros(1)
    x, y, lists = [np.ones((2, 3, 1), np.float32)], [np.ones((2, 1), np.float32)], [[[1.0], [1.0]]]
    calls = {
        "step_on": lambda X, Y: trainer.step_on(X, Y, None, 2, 0.1),
        "run": lambda X, Y: trainer.run(X, Y, None, None, 2, 2, rates),
        "run_epochs": lambda X, Y: trainer.run_epochs(X, Y, None, None, 2, 2, rates, losses),
        "state_gradients": lambda X, Y: trainer.state_gradients(X, Y, None, 2),
    }
    for call in calls.values():
        for X, Y in ((lists, y), (x, lists)):
            with pytest.raises(TypeError):
                call(X, Y)
            assert trainer.require_idle() == 0
            call(x, y)
