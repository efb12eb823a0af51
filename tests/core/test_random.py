"""Philox against its published answers; uniforms, normals and permutations against their definitions."""

import numpy as np
import pytest
from scipy import stats

from fastnn._core import doors, table

FULL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    assert doors.philox(counter, key) == expected


def test_philox_against_numpy():
    """numpy.random.Philox is the 4x64 variant; write the 4x32 rounds in Python integers instead."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        counter, key = [int(v) for v in rng.integers(0, 2**32, 4)], [int(v) for v in rng.integers(0, 2**32, 2)]
        c, (k0, k1) = counter, key
        for _ in range(10):
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(b >> 32) ^ c[1] ^ k0, b & FULL, (a >> 32) ^ c[3] ^ k1, a & FULL]
            k0, k1 = (k0 + 0x9E3779B9) & FULL, (k1 + 0xBB67AE85) & FULL
        assert doors.philox(counter, key) == tuple(c)


def expected_uniform(n, seed, stream, step):
    out = []
    for i in range(n):
        counter = (i // 2, stream, step % 2**32, step >> 32)
        words = doors.philox(counter, (seed % 2**32, seed >> 32))[2 * (i % 2) :][:2]
        out.append(((words[1] << 32 | words[0]) >> 11) / 2**53)
    return np.array(out)


def test_uniform_is_53_bits_of_each_index():
    key = (0xDEADBEEF12345678, 9, 0x3_0000_0001)
    whole = expected_uniform(200, *key)
    for n in (*range(68), 200):
        np.testing.assert_array_equal(table.uniform(n, *key), whole[:n])


def test_normal_is_box_muller_of_the_uniforms():
    key = (77, 3, 5)
    u = table.uniform(200, *key).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log(1 - u[:, 0]))
    expected = np.stack([radius * np.cos(2 * np.pi * u[:, 1]), radius * np.sin(2 * np.pi * u[:, 1])], 1).ravel()
    for n in (*range(68), 200):
        np.testing.assert_allclose(table.normal(n, *key), expected[:n], rtol=1e-12, atol=1e-15)


def test_distributions():
    u = table.uniform(200_000, 1)
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    z = table.normal(200_000, 2)
    assert np.isfinite(z).all()
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 0.01


def test_streams_are_independent():
    draws = [
        table.uniform(5000, *key) for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**32, 0, 0), (0, 0, 2**32)]
    ]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.06


def test_permutation_holds_each_number_once():
    for n in (*range(70), 1000):
        np.testing.assert_array_equal(np.sort(table.permutation(n, 5, first=-3)), np.arange(n) - 3)
    np.testing.assert_array_equal(table.permutation(50, 6), table.permutation(50, 6))
    assert (table.permutation(50, 6) != table.permutation(50, 6, step=1)).any()
    np.testing.assert_array_equal(table.permutation(50, 6, first=100), table.permutation(50, 6) + 100)


def test_permutations_are_uniform():
    counts = {}
    for seed in range(12_000):
        order = tuple(table.permutation(4, seed))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
