"""Each optimiser against its textbook recurrence, written out in NumPy."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
NAMES = list(table.OPTIMIZERS)
H, B1, B2, EPS = 0.01, 0.9, 0.99, 1e-6


def step(name, t, w, g, s):
    """One step of the published rule; s is the list of states, replaced in place."""
    if name == "sgd":
        return w - H * g
    if name == "momentum":
        s[0] = B1 * s[0] - H * g
        return w + s[0]
    if name == "nesterov":
        s[0] = B1 * s[0] - H * g
        return w + B1 * s[0] - H * g
    if name == "adagrad":
        s[0] = s[0] + g**2
        return w - H * g / (np.sqrt(s[0]) + EPS)
    if name == "rmsprop":
        s[0] = B2 * s[0] + (1 - B2) * g**2
        return w - H * g / (np.sqrt(s[0]) + EPS)
    if name == "adadelta":
        s[0] = B2 * s[0] + (1 - B2) * g**2
        d = g * np.sqrt(s[1] + EPS) / np.sqrt(s[0] + EPS)
        s[1] = B2 * s[1] + (1 - B2) * d**2
        return w - H * d
    s[0] = B1 * s[0] + (1 - B1) * g
    s[1] = B2 * s[1] + (1 - B2) * g**2
    second = s[1]
    if name == "amsgrad":
        second = s[2] = np.maximum(s[2], s[1])
    return w - H * (s[0] / (1 - B1**t)) / (np.sqrt(second / (1 - B2**t)) + EPS)


def scalars(t):
    return {
        "learning_rate": H,
        "beta1": B1,
        "beta2": B2,
        "epsilon": EPS,
        "correction1": 1 - B1**t,
        "correction2": 1 - B2**t,
    }


def states(name, n, dtype):
    return [np.zeros(n, dtype) for _ in range(table.STATE_VECTORS[name])]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
def test_thousand_steps_equal_the_recurrence(name, isa):
    rng = np.random.default_rng(8)
    w = rng.normal(size=13)
    ours, s, own = w.copy(), states(name, 13, np.float64), states(name, 13, np.float64)
    for t in range(1, 1001):
        g = w + rng.normal(0, 0.3, 13)
        w = step(name, t, w, g, s)
        doors.update(name, ours, g, own, isa=isa, **scalars(t))
    np.testing.assert_allclose(ours, w, rtol=1e-12, atol=1e-12)
    for left, right in zip(own, s, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_length_and_canaries(name, dtype, isa):
    rng = np.random.default_rng(9)
    eps = np.finfo(dtype).eps
    for n in range(68):
        store = np.full((5, n + 20), 7, dtype)
        w, g, *s = store[:, :n]
        w[:], g[:] = rng.normal(size=(2, n))
        s = s[: table.STATE_VECTORS[name]]
        for state in s:
            state[:] = rng.uniform(0.1, 1, n)
        expected_states = [state.astype(np.float64) for state in s]
        expected = step(name, 3, w.astype(np.float64), g.astype(np.float64), expected_states)
        kept = g.copy()
        doors.update(name, w, g, s, isa=isa, **scalars(3))
        np.testing.assert_allclose(w, expected, rtol=8 * eps, atol=8 * eps)
        for state, value in zip(s, expected_states, strict=True):
            np.testing.assert_allclose(state, value, rtol=8 * eps, atol=4 * eps)
        np.testing.assert_array_equal(g, kept)
        np.testing.assert_array_equal(store[:, n:], 7)
        np.testing.assert_array_equal(store[2 + len(s) :], 7)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
def test_zero_gradient_moves_nothing_and_nan_shows(name, isa):
    w = np.ones(5)
    doors.update(name, w, np.zeros(5), states(name, 5, np.float64), isa=isa, **scalars(1))
    np.testing.assert_array_equal(w, 1)
    s = states(name, 5, np.float64)
    doors.update(name, w, np.full(5, np.nan), s, isa=isa, **scalars(1))
    assert np.isnan(w).all()
    assert all(np.isnan(state).all() for state in s)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_avx2_and_avx512_agree_bit_for_bit(name, dtype):
    results = []
    for isa in ("avx2", "avx512"):
        rng = np.random.default_rng(10)
        w, s = rng.normal(size=1003).astype(dtype), states(name, 1003, dtype)
        for t in range(1, 21):
            doors.update(name, w, rng.normal(size=1003).astype(dtype), s, isa=isa, **scalars(t))
        results.append([w, *s])
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_door_counts_states():
    with pytest.raises(ValueError, match="keeps 2 state vectors, got 1"):
        doors.update("adam", np.ones(3), np.ones(3), [np.ones(3)])
