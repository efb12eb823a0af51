"""Mean and variance of columns exactly, and how far a kernel that joins moments of pieces may be from them.

Rows are whole numbers times 2**-10, so that every sum of them is exact in double, in whatever order; what is rounded is
followed from there [Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1]: ``U`` is one rounding.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

UNIT = 2.0**-10
U = 2.0**-53
BLOCK, NEAR = 256, 4096  # csrc: columns that are summed together; elements whose mean is taken before their deviations


def rows_of(array, dtype):
    """The whole numbers next to ``array`` in units of 2**-10, and the rows that they are."""
    whole = np.round(array / UNIT).astype(np.int64)
    rows = (whole * UNIT).astype(dtype)
    assert (rows.astype(np.float64) == whole * UNIT).all()  # no digit was lost
    return whole, rows


class Moments(NamedTuple):
    """Of columns: how many rows, mean and sum of squared deviations, and how far each may be off."""

    rows: int
    mean: np.ndarray
    squares: np.ndarray
    mean_error: np.ndarray
    squares_error: np.ndarray

    def variance(self, dtype):
        """Variance, and how far it may be off once it is multiplied with 1 / rows and rounded to the dtype."""
        variance, error = self.squares / self.rows, self.squares_error / self.rows
        return variance, error + variance * (4 * U + _last(dtype))

    def middle(self, dtype):
        """Mean, and how far it may be off once it is rounded to the dtype."""
        return self.mean, self.mean_error + np.abs(self.mean) * (U + _last(dtype))


def _last(dtype):
    """One rounding to the dtype; double is where the moments are already."""
    return 0.0 if dtype == np.float64 else np.finfo(dtype).eps / 2


class _Sums(NamedTuple):
    """Whole numbers that say mean and squared deviations of columns: of values, and of their squares."""

    rows: int
    values: np.ndarray
    squares: np.ndarray

    def __add__(self, other):
        return _Sums(*(one + two for one, two in zip(self, other, strict=True)))

    def exact(self):
        """Mean and sum of squared deviations, rounded once, at the end."""
        n, both = self.rows, list(zip(self.values.tolist(), self.squares.tolist(), strict=True))
        mean = [float(Fraction(s, n << 10)) for s, _ in both]
        return np.array(mean), np.array([float(Fraction(n * q - s * s, n << 20)) for s, q in both])


def _sums(whole):
    """Sums of columns, exact: they are below 2**63 for what the tests draw."""
    return _Sums(len(whole), whole.sum(0), (whole * whole).sum(0))


def _piece(whole, times):
    """One piece, ``times`` of its rows summed as one: sums are exact, the mean is their quotient.

    A deviation is rounded, and so is its square where there is no FMA; sums of squares have no cancellation.
    """
    n = len(whole)
    mean, squares = _sums(whole).exact()
    off = U * np.abs(mean)
    added = -(-n // times) + times - 1
    return Moments(n, mean, squares, off, U * (3 + added) * squares + n * off**2)


def _join(before, after, together):
    """Moments of both from those of each, as `merge_moments` has them."""
    mean, squares = together
    rows = before.rows + after.rows
    share = after.rows / rows
    weight = share * before.rows
    apart = np.abs(after.mean - before.mean)
    apart_error = before.mean_error + after.mean_error + U * apart
    return Moments(
        rows,
        mean,
        squares,
        (1 - share) * before.mean_error + share * after.mean_error + 3 * U * share * apart + U * np.abs(mean),
        before.squares_error
        + after.squares_error
        + weight * (2 * apart * apart_error + apart_error**2)
        + 4 * U * weight * apart**2
        + U * (before.squares + after.squares + squares),
    )


def _joined(whole, size, of_one):
    """Moments of rows in pieces of so many, joined in their order."""
    joined, sums = of_one(whole[:size]), _sums(whole[:size])
    for start in range(size, len(whole), size):
        part = whole[start : start + size]
        sums += _sums(part)
        joined = _join(joined, of_one(part), sums.exact())
    return joined


def of_columns(whole, block):
    """Moments of columns, from moments of blocks of so many rows, which are joined of pieces that are near."""
    columns = whole.shape[1]

    def of_block(rows):
        times = min(max(BLOCK // columns, 1), len(rows)) if columns <= BLOCK // 2 else 1
        found = []
        for first in range(0, columns, BLOCK):
            part = rows[:, first : first + BLOCK]
            near = NEAR // (times * part.shape[1]) * times
            found.append(_joined(part, near, lambda piece, times=times: _piece(piece, times)))
        return Moments(len(rows), *(np.concatenate(one) for one in list(zip(*found, strict=True))[1:]))

    return _joined(whole, block, of_block)


def of_groups(whole, group):
    """Moments of groups of neighbouring columns, for each of their columns."""
    R, C = whole.shape
    columns = of_columns(whole, R)
    whole = whole.reshape(R, C // group, group).transpose(0, 2, 1).reshape(R * group, C // group)
    mean, squares = _sums(whole).exact()

    def sums(of_each):
        return of_each.reshape(-1, group).sum(1)

    off = sums(columns.mean_error) / group + U * (group + 1) * sums(np.abs(columns.mean)) / group
    apart = np.abs(columns.mean - np.repeat(mean, group))
    apart_error = columns.mean_error + np.repeat(off, group) + U * apart
    squares_error = (
        sums(columns.squares_error)
        + R * sums(2 * apart * apart_error + apart_error**2)
        + U * (3 * R * sums(apart**2) + (group + 1) * squares)
    )
    each = (np.repeat(one, group) for one in (mean, squares / group, off, squares_error / group))
    return Moments(R, *each)


def assert_within(found, moments, dtype):
    """Mean and variance are as near as their roundings say; 1.001: products of roundings."""
    for name, values, (expected, error) in zip(
        ("mean", "variance"), found, (moments.middle(dtype), moments.variance(dtype)), strict=True
    ):
        off = np.abs(values.astype(np.float64) - expected)
        assert (off <= 1.001 * error).all(), (name, (off / np.maximum(error, 1e-300)).max())
