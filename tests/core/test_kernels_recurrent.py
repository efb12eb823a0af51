"""Cells of recurrent layers: one step against the formulas, their gradients against difference quotients."""

import numpy as np
import pytest
from helpers import reference as ref

from fastnn._core import doors, table

ISAS = table.supported_isas()
FMA = [isa for isa in ISAS if isa != "base"]
SIZES = [(1, 1), (3, 5), (2, 16), (4, 33)]


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def close(a, b, dtype):
    """Some 20 roundings of numbers of a size of about 1."""
    return np.abs(a - b).max() <= 20 * np.finfo(dtype).eps


def lstm_step(z, c, p, forgets):
    """Gers et al. 2002, from the sums of all products."""
    gates = np.split(z, 3 + forgets, axis=1)
    i = ref.sigmoid(gates[0] + p[0] * c)
    f = ref.sigmoid(gates[1] + p[1] * c) if forgets else 1.0
    cell = f * c + i * np.tanh(gates[-2])
    return ref.sigmoid(gates[-1] + p[-1] * cell) * np.tanh(cell), cell


def gru_step(z, q, h):
    r, u, n = np.split(z, 3, axis=1)
    candidate = np.tanh(n + ref.sigmoid(r) * q)
    return ref.sigmoid(u) * h + (1 - ref.sigmoid(u)) * candidate


def slope(function, x, weight, step=1e-6):
    """Gradient of sum(weight * function(x)) by central differences."""
    result = np.empty_like(x)
    for at in np.ndindex(*x.shape):
        x[at] += step
        above = np.vdot(weight, function(x))
        x[at] -= 2 * step
        result[at] = (above - np.vdot(weight, function(x))) / (2 * step)
        x[at] += step
    return result


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_lstm_forward(B, H, forgets, dtype, isa):
    z, c, p = (a.astype(dtype) for a in (draw(B, (3 + forgets) * H), draw(B, H, seed=1), draw(2 + forgets, H)))
    a, cell, squashed, h = doors.lstm_forward(z, c, p, forgets, isa=isa)
    expected, expected_cell = lstm_step(*(x.astype(np.float64) for x in (z, c, p)), forgets)
    assert close(h, expected, dtype)
    assert close(cell, expected_cell, dtype)
    assert close(squashed, np.tanh(expected_cell), dtype)
    assert a.shape == z.shape


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_lstm_backward(B, H, forgets, isa):
    z, c, p = draw(B, (3 + forgets) * H), draw(B, H, seed=1), draw(2 + forgets, H)
    dh, dc = draw(B, H, seed=2), draw(B, H, seed=3)
    a, _, squashed, _ = doors.lstm_forward(z, c, p, forgets, isa=isa)
    dz, dc_before = doors.lstm_backward(a, c, squashed, dh, dc, p, forgets, isa=isa)
    weight = np.stack([dh, dc])
    assert np.allclose(dz, slope(lambda z: np.stack(lstm_step(z, c, p, forgets)), z, weight), rtol=0, atol=1e-8)
    assert np.allclose(dc_before, slope(lambda c: np.stack(lstm_step(z, c, p, forgets)), c, weight), rtol=0, atol=1e-8)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_gru_forward(B, H, dtype, isa):
    z, q, h = (a.astype(dtype) for a in (draw(B, 3 * H), draw(B, H), draw(B, H, seed=1)))
    _, after = doors.gru_forward(z, q, h, isa=isa)
    assert close(after, gru_step(*(x.astype(np.float64) for x in (z, q, h))), dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_gru_backward(B, H, isa):
    z, q, h, dh = draw(B, 3 * H), draw(B, H), draw(B, H, seed=1), draw(B, H, seed=2)
    a, _ = doors.gru_forward(z, q, h, isa=isa)
    dz, dq, dh_before = doors.gru_backward(a, q, h, dh, isa=isa)
    assert np.allclose(dz, slope(lambda z: gru_step(z, q, h), z, dh), rtol=0, atol=1e-8)
    assert np.allclose(dq, slope(lambda q: gru_step(z, q, h), q, dh), rtol=0, atol=1e-8)
    assert np.allclose(dh_before, slope(lambda h: gru_step(z, q, h), h, dh), rtol=0, atol=1e-8)


def gru_step_reset_first(z, h, u):
    """Cho et al. 2014; u (H, H) multiplies what the reset gate leaves of the state."""
    r, k, n = np.split(z, 3, axis=1)
    r, k = ref.sigmoid(r), ref.sigmoid(k)
    return k * h + (1 - k) * np.tanh(n + (r * h) @ u)


def both_halves(z, h, u, isa):
    """(a, s, h) of a step with the product by NumPy between its halves."""
    a, s = doors.gru_reset(z, h, isa=isa)
    a[:, 2 * h.shape[1] :] += s @ u
    a, after = doors.gru_update(a, h, isa=isa)
    return a, s, after


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_gru_with_the_reset_first(B, H, dtype, isa):
    """With U = 1 / H everywhere: a sum of so many rounds little more than a number."""
    z, h = (a.astype(dtype) for a in (draw(B, 3 * H), draw(B, H, seed=1)))
    u = np.full((H, H), 1 / H, dtype)
    _, s, after = both_halves(z, h, u, isa)
    expected = gru_step_reset_first(*(x.astype(np.float64) for x in (z, h, u)))
    assert close(after, expected, dtype)
    assert close(s, ref.sigmoid(z[:, :H].astype(np.float64)) * h, dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("B", "H"), SIZES)
def test_gru_with_the_reset_first_backward(B, H, isa):
    z, h, dh, u = draw(B, 3 * H), draw(B, H, seed=1), draw(B, H, seed=2), draw(H, H, seed=3) / np.sqrt(H)
    a, _, _ = both_halves(z, h, u, isa)
    dz, dh_before = doors.gru_update_backward(a, h, dh, isa=isa)
    dz, dh_before = doors.gru_reset_backward(a, h, dz[:, 2 * H :] @ u.T, dz, dh_before, isa=isa)
    assert np.allclose(dz, slope(lambda z: gru_step_reset_first(z, h, u), z, dh), rtol=0, atol=1e-8)
    assert np.allclose(dh_before, slope(lambda h: gru_step_reset_first(z, h, u), h, dh), rtol=0, atol=1e-8)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_add_products(dtype, isa):
    x, y, out = (a.astype(dtype) for a in (draw(7, 9), draw(7, 5), draw(5)))
    expected = out + 0.5 * (x[:, :5].astype(np.float64) * y).sum(axis=0)
    doors.add_products(x, y, out, 0.5, isa=isa)
    assert close(out, expected, dtype)


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets with a fused multiply-add")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_instruction_sets_with_fma_agree_bit_for_bit(dtype):
    z, c, p, dh = (a.astype(dtype) for a in (draw(3, 4 * 21), draw(3, 21), draw(3, 21), draw(3, 21, seed=5)))
    results = []
    for isa in FMA:
        a, cell, squashed, h = doors.lstm_forward(z, c, p, isa=isa)
        gates, after = doors.gru_forward(z[:, :63].copy(), c, dh, isa=isa)
        first, s, second = both_halves(z[:, :63].copy(), c, np.zeros((21, 21), dtype), isa)
        halves = doors.gru_update_backward(first, c, dh, isa=isa)
        results.append(
            [
                *(a, cell, squashed, h, gates, after),
                *doors.lstm_backward(a, c, squashed, dh, c, p, isa=isa),
                *doors.gru_backward(gates, c, dh, c, isa=isa),
                *(first, s, second, *halves, *doors.gru_reset_backward(first, c, dh, *halves, isa=isa)),
            ]
        )
    for other in results[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(results[0], other, strict=True))
