"""Transforms of F(4 x 4, 3 x 3) against matrices made of the points (Toom and Cook): values, a convolution, bits."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
over_isas = pytest.mark.parametrize("isa", ISAS)
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
over_sizes = pytest.mark.parametrize("size", [1, 3, 8, 16, 17, 40])
POINTS = (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2)
# Values of polynomials at the points, and their coefficients from them: rows of A and of G are powers of a point, rows
# of B^T the coefficients of the product of (t - p) over the other points, 1 over its value at the point a factor of G.
# Infinity takes the highest coefficient; its row of G and its column of A^T share a factor (3 / 4)^3.
ALL = np.poly(POINTS)[::-1]
B = np.array([*([*np.poly([q for q in POINTS if q != p])[::-1], 0] for p in POINTS), ALL]).T
G = np.array([
    *([p**k / np.prod([p - q for q in POINTS if q != p]) for k in range(3)] for p in POINTS), [0, 0, (4 / 3) ** 3],
])  # fmt: skip
A = np.array([*([p**k for k in range(4)] for p in POINTS), [0, 0, 0, (3 / 4) ** 3]])
TERMS = 8  # roundings of a sum of at most five terms, twice, with its factors


def twice(matrix, x):
    """Matrix x matrix^T for each channel, and the same of magnitudes: what rounding is relative to."""
    x = x.astype(float)
    return (
        np.einsum("ik,klc,jl->ijc", matrix, x, matrix),
        np.einsum("ik,klc,jl->ijc", *map(np.abs, (matrix, x, matrix))),
    )


def close(found, expected, magnitude, dtype):
    assert (np.abs(found - expected) <= TERMS * np.finfo(dtype).eps * magnitude + 1e-30).all()


def drawn(dtype, *shape):
    return np.random.default_rng(shape).normal(size=shape).astype(dtype)


@over_isas
@over_dtypes
@over_sizes
def test_weights(isa, dtype, size):
    w = drawn(dtype, 3, 3, size)
    close(doors.winograd_weights(w, isa), *twice(G, w), dtype)


@over_isas
@over_dtypes
@over_sizes
def test_input(isa, dtype, size):
    """Pixels anywhere, some of them zeros; memory ends with the last pixel."""
    x = drawn(dtype, 7, 5, size)
    rows, columns = np.array([0, 6, 2, -1, 4, 6], np.int32), np.array([-1, 4, 3, 3, 0, 4], np.int32)
    seen = np.where((rows[:, None, None] < 0) | (columns[:, None] < 0), 0, x[rows][:, columns])
    close(doors.winograd_input(x, rows, columns, isa), *twice(B.T, seen), dtype)


@over_isas
@over_dtypes
@over_sizes
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (1, 3), (2, 1)])
def test_output(isa, dtype, size, rows, columns):
    """What does not belong to the map is left as it was."""
    m, b = drawn(dtype, 6, 6, size), drawn(dtype, size)
    z, magnitude = (part[:rows, :columns] for part in twice(A.T, m))
    memory = np.full((rows * columns + 1) * size, 7, dtype)
    y = memory[:-size].reshape(rows, columns, size)
    doors.winograd_output(m, b, y, isa=isa)
    close(y, z + b, magnitude + np.abs(b), dtype)
    doors.winograd_output(m, None, y, "leaky_relu", 0.5, isa)
    close(y, np.where(z > 0, z, 0.5 * z), magnitude, dtype)
    assert (memory[-size:] == 7).all()


@over_isas
def test_products_of_the_points_are_a_convolution(isa):
    """A^T ((G w G^T) (B^T x B)) A is the cross-correlation of x and w: an identity, to rounding."""
    x, w = drawn(np.float64, 6, 6, 1), drawn(np.float64, 3, 3, 1)
    y = np.empty((4, 4, 1))
    at = np.arange(6, dtype=np.int32)
    doors.winograd_output(doors.winograd_weights(w, isa) * doors.winograd_input(x, at, at, isa), None, y, isa=isa)
    expected = [[(x[i : i + 3, j : j + 3] * w).sum() for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(y[..., 0], expected, atol=1e-13)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@over_sizes
def test_bits(dtype, size):
    """Equal on AVX2 and AVX-512, and of a channel alone."""
    x, w, m, b = (drawn(dtype, n, n, size) for n in (6, 3, 6, 1))
    at, found = np.arange(6, dtype=np.int32), []
    for isa, channels in (("avx2", size), ("avx512", size), ("avx2", 1)):
        x, w, m, b = (np.ascontiguousarray(part[..., :channels]) for part in (x, w, m, b))
        y = np.empty((4, 4, channels), dtype)
        doors.winograd_output(m, b[0, 0], y, "relu", isa=isa)
        found.append((doors.winograd_weights(w, isa), doors.winograd_input(x, at, at, isa), y))
    for one, two, alone in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one[..., :1], alone)
