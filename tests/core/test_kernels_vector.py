"""Vector kernels against NumPy, and the choice of instruction set."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
both = pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")


def vectors(n, dtype, seed=0):
    rng = np.random.default_rng((seed, n))
    return rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise_of_every_length(dtype, isa):
    eps = np.finfo(dtype).eps
    close = {"rtol": 2 * eps, "atol": 2 * eps}
    for n in range(68):
        x, y = vectors(n, dtype)
        x[n // 2 : n // 2 + 1] = 0
        kept = x.copy(), y.copy()
        store = np.full(n + 20, 7, dtype)
        out = store[:n]
        np.testing.assert_array_equal(doors.add(x, y, isa=isa, out=out), x + y)
        np.testing.assert_array_equal(doors.multiply(x, y, isa=isa, out=out), x * y)
        np.testing.assert_array_equal(doors.scale(x, 0.3, isa=isa, out=out), x * dtype(0.3))
        out[:] = y
        doors.add_scaled(x, out, 0.3, isa=isa)
        np.testing.assert_allclose(out, y + dtype(0.3) * x.astype(np.float64), **close)
        out[:] = y
        doors.add_penalty(x, out, 0.2, 0.3, isa=isa)
        np.testing.assert_allclose(out, y + 0.2 * np.sign(x) + 0.3 * x, **close)
        out[:] = x
        doors.clip(out, 0.5, isa=isa)
        np.testing.assert_array_equal(out, np.clip(x, -0.5, 0.5))
        for first, second in ((x.copy(), y), (x, y.copy())):
            target = first if second is y else second
            np.testing.assert_array_equal(doors.add(first, second, isa=isa, out=target), kept[0] + kept[1])
        same = x.copy()
        np.testing.assert_array_equal(doors.scale(same, 2.0, isa=isa, out=same), 2 * x)
        np.testing.assert_array_equal((x, y), kept)
        np.testing.assert_array_equal(store[n:], 7)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_maxima_of_columns_and_where_their_gradient_goes(dtype, isa):
    for rows, columns in ((1, 1), (1, 5), (4, 1), (7, 3), (3, 67), (50, 20)):
        rng = np.random.default_rng((rows, columns))
        x, dy = rng.integers(-3, 3, (rows, columns)).astype(dtype), rng.normal(size=columns).astype(dtype)  # with ties
        np.testing.assert_array_equal(doors.column_maxima(x, isa=isa), x.max(axis=0))
        expected = np.zeros_like(x)
        expected[x.argmax(axis=0), np.arange(columns)] = dy  # NumPy's is the first too
        np.testing.assert_array_equal(doors.column_maxima_backward(x, dy, isa=isa), expected)
    x = np.array([[1, np.nan, 3], [np.nan, 2, 1], [3, 1, 2]], dtype)
    np.testing.assert_array_equal(doors.column_maxima(x, isa=isa), x.max(axis=0))
    where = doors.column_maxima_backward(x, np.ones(3, dtype), isa=isa)
    np.testing.assert_array_equal(where, [[0, 1, 1], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_every_length(dtype, isa):
    for n in (*range(68), 1000, 4097):
        x, _ = vectors(n, dtype)
        exact = x.astype(np.longdouble)
        np.testing.assert_allclose(doors.sum(x, isa=isa), float(exact.sum()), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(doors.sum_squares(x, isa=isa), float((exact**2).sum()), rtol=1e-14)
        for isa_other in ISAS:
            assert doors.sum(x, isa=isa_other) == doors.sum(x, isa=isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_in_double(dtype, isa):
    x = np.full(100_000, 0.1, dtype)
    np.testing.assert_allclose(doors.sum(x, isa=isa), 100_000 * float(dtype(0.1)), rtol=1e-12)
    assert doors.sum_squares(np.full(4, 1e25, np.float32), isa=isa) > 3.9e50


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity(dtype, isa):
    x = np.array([np.nan, np.inf, -np.inf, 3], dtype)
    doors.clip(x, 1.0, isa=isa)
    np.testing.assert_array_equal(x, [np.nan, 1, -1, 1])
    top = np.finfo(dtype).max
    for n in range(1, 68):
        x = np.full(n, top, dtype)
        assert table.all_finite(x, isa=isa)
        for bad in (np.nan, np.inf, -np.inf):
            for place in {0, n // 2, n - 1}:
                x[place] = bad
                assert not table.all_finite(x, isa=isa)
                x[place] = -top
    assert table.all_finite(np.empty(0, dtype), isa=isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows(dtype, isa):
    rng = np.random.default_rng(1)
    eps = np.finfo(dtype).eps
    for B in (0, 1, 3, 20):
        for O in (0, 1, 5, 16, 33, 67, 255, 300):
            x = rng.normal(size=(B, O)).astype(dtype)
            db = rng.normal(size=O).astype(dtype)
            total = doors.add_row_sum(x, db, 0.7, isa=isa)
            expected = db + 0.7 * x.astype(np.float64).sum(0)
            np.testing.assert_allclose(total, expected, rtol=8 * eps, atol=16 * eps)
            assert np.isnan(total.base[O:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_row_sum_adds_in_order(dtype):
    big = 1 / np.finfo(dtype).eps
    x = np.array([[1.0], [big * 4], [-big * 4], [2.0]], dtype)
    for isa in ISAS:
        assert doors.add_row_sum(x, np.zeros(1, dtype), isa=isa)[0] == 2.0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_limit_columns(dtype, isa):
    rng = np.random.default_rng(2)
    for I, O in ((1, 1), (3, 5), (20, 33), (7, 67)):
        w = rng.normal(size=(I, O)).astype(dtype)
        w[:, 0] *= 1e-3
        norm = np.linalg.norm(w.astype(np.float64), axis=0)
        expected = w * np.minimum(1, 1.1 / norm)
        before = w.copy()
        doors.limit_columns(w, 1.1, isa=isa)
        np.testing.assert_allclose(w, expected, rtol=20 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(w[:, norm < 1.09], before[:, norm < 1.09])
    w = np.zeros((3, 2), dtype)
    doors.limit_columns(w, 1.0, isa=isa)
    np.testing.assert_array_equal(w, 0)


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_avx2_and_avx512_agree_bit_for_bit(dtype):
    for n in (*range(68), 1001):
        results = []
        for isa in ("avx2", "avx512"):
            x, y = vectors(n, dtype)
            scaled, penalty = y.copy(), y.copy()
            doors.add_scaled(x, scaled, 0.3, isa=isa)
            doors.add_penalty(x, penalty, 0.1, 0.3, isa=isa)
            matrix = np.stack([x, y, x])
            rows = doors.add_row_sum(matrix, y, 0.3, isa=isa)
            doors.limit_columns(matrix, 0.7, isa=isa)
            sums = np.array([doors.sum(x, isa=isa), doors.sum_squares(x, isa=isa)])
            results.append([scaled, penalty, rows, matrix, sums])
        for left, right in zip(*results, strict=True):
            np.testing.assert_array_equal(left, right)


def import_with(isa):
    code = "from fastnn._core import doors, table; print(table.isa())"
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "FASTNN_ISA": isa}, capture_output=True, text=True, check=False
    )


def test_isa_is_chosen_at_import():
    for name in ISAS:
        assert import_with(name).stdout.strip() == name
    assert import_with("").stdout.strip() == ISAS[-1]
    wrong = import_with("sse9")
    assert wrong.returncode != 0
    assert "ImportError: FASTNN_ISA='sse9'" in wrong.stderr
    assert "base, avx2, avx512" in wrong.stderr
    for name in set(table.ISAS) - set(ISAS):
        assert "not supported by this processor" in import_with(name).stderr


def test_names_follow_the_enums():
    assert table.isa() in ISAS
    for names in (table.ACTIVATIONS, table.LOSSES, table.OPTIMIZERS):
        assert list(names.values()) == list(range(len(names)))
