"""Dropout: which elements are kept is defined by Philox words alone, however the work is split."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
SEED, STEP, STREAM = 0x123456789ABCDEF0, 0x1_0000_0007, 42


def expected_mask(first, n, keep, seed=SEED, step=STEP, stream=STREAM):
    """Word n % 4 of block n / 4, as an exact fraction of 2^32, below keep."""
    mask = np.empty(n, np.uint8)
    for i in range(n):
        block, word = divmod(first + i, 4)
        counter = (block % 2**32, stream, step % 2**32, (step >> 32) ^ (block >> 32))
        mask[i] = doors.philox(counter, (seed % 2**32, seed >> 32))[word] / 2**32 < keep
    return mask


def forward(x, first, keep, isa, scale=1.0, **options):
    return doors.dropout_forward(x, SEED, STEP, STREAM, first, keep, scale, isa=isa, **options)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("first", [0, 1, 4, 127, 130, 2**34 - 6, 2**34 + 5])
def test_mask_is_the_uniform_of_each_index(first, isa):
    x = np.random.default_rng(0).normal(size=300).astype(np.float32)
    y, mask = forward(x, first, 0.7, isa, 1.5)
    np.testing.assert_array_equal(mask, expected_mask(first, 300, 0.7))
    np.testing.assert_array_equal(y, mask * np.float32(1.5) * x)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_split_any_length_gives_the_same_mask(dtype, isa):
    x = np.random.default_rng(1).normal(size=400).astype(dtype)
    whole_y, whole_mask = forward(x, 3, 0.4, "base", 2.0)
    for start in (0, 1, 2, 3, 5, 61, 125, 130):
        for n in range(68):
            store = np.full(n + 20, 7, dtype)
            y, mask = forward(x[start : start + n], 3 + start, 0.4, isa, 2.0, out=store[:n])
            np.testing.assert_array_equal(y, whole_y[start : start + n])
            np.testing.assert_array_equal(mask, whole_mask[start : start + n])
            np.testing.assert_array_equal(store[n:], 7)
    same = x.copy()
    forward(same, 3, 0.4, isa, 2.0, out=same)
    np.testing.assert_array_equal(same, whole_y)


@pytest.mark.parametrize("isa", ISAS)
def test_the_ends_of_keep(isa):
    x = np.ones(1_000_000, np.float32)
    assert forward(x, 0, 1.0, isa)[1].all()
    assert not forward(x, 0, 0.0, isa)[1].any()
    assert forward(x, 0, np.nextafter(1.0, 0), isa)[1].all()
    assert forward(x, 0, 2.0**-32, isa)[1].sum() <= 1
    for keep in (0.1, 0.5, 0.9):
        kept = forward(x, 0, keep, isa)[1].mean()
        assert abs(kept - keep) < 4 * np.sqrt(keep * (1 - keep) / x.size)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_backward_and_add_masked(dtype, isa):
    rng = np.random.default_rng(2)
    for n in range(68):
        dy, y = rng.normal(size=(2, n)).astype(dtype)
        mask = rng.integers(0, 2, n).astype(np.uint8)
        expected = mask * dtype(1.25) * dy
        np.testing.assert_array_equal(doors.dropout_backward(mask, dy, 1.25, isa=isa), expected)
        store = np.full(n + 20, 7, dtype)
        store[:n] = y
        doors.add_masked(mask, dy, store[:n], 1.25, isa=isa)
        np.testing.assert_allclose(store[:n], y + expected, rtol=2e-7 if dtype == np.float32 else 4e-16, atol=2e-7)
        np.testing.assert_array_equal(store[:n][mask == 0], y[mask == 0])
        np.testing.assert_array_equal(store[n:], 7)
        same = dy.copy()
        np.testing.assert_array_equal(doors.dropout_backward(mask, same, 1.25, isa=isa, out=same), expected)


def test_seed_step_and_stream_each_change_the_mask():
    x = np.ones(1000)
    masks = [
        doors.dropout_forward(x, *key, 0, 0.5, 1.0)[1]
        for key in [(0, 0, 0), (1, 0, 0), (2**32, 0, 0), (0, 1, 0), (0, 2**32, 0), (0, 0, 1)]
    ]
    for i, left in enumerate(masks):
        for right in masks[:i]:
            assert 400 < np.sum(left != right) < 600


@pytest.mark.parametrize("isa", ISAS)
def test_nan_of_a_dropped_input_is_not_hidden(isa):
    y, _ = forward(np.full(50, np.nan), 0, 0.5, isa)
    assert np.isnan(y).all()
