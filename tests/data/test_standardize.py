"""Standardizer against NumPy on the whole, exact fractions and hand calculation."""

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

from fastnn.data import Standardizer
from fastnn.errors import ModelFormatError


def test_by_hand():
    standardizer = Standardizer().fit([[1.0, 5.0, 0.0], [3.0, 5.0, 8.0]])
    assert standardizer.mean.tolist() == [2.0, 5.0, 4.0]
    assert standardizer.scale.tolist() == [1.0, 1.0, 4.0]
    assert standardizer.transform([[4.0, 6.0, 0.0]]).tolist() == [[2.0, 1.0, -1.0]]
    assert standardizer.inverse_transform([[2.0, 1.0, -1.0]]).tolist() == [[4.0, 6.0, 0.0]]


@pytest.mark.parametrize("sizes", [[1] * 50, [7, 13, 30], [50]])
def test_pieces_give_the_whole(sizes):
    X = np.random.default_rng(0).standard_normal((50, 4)) * [1, 10, 1e-3, 1e3] + [0, 5, -1, 1e6]
    standardizer, start = Standardizer(), 0
    for size in sizes:
        standardizer.partial_fit(X[start : start + size])
        start += size
    assert standardizer.rows == 50
    np.testing.assert_allclose(standardizer.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(standardizer.scale, X.std(axis=0), rtol=1e-10)


def test_large_mean_costs_no_digits():
    X = 1e9 + np.random.default_rng(1).integers(0, 4, 5000).astype(float)
    exact = [Fraction(value) for value in X]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    standardizer = Standardizer()
    for start in range(0, 5000, 11):
        standardizer.partial_fit(X[start : start + 11])
    assert standardizer.mean == pytest.approx(float(mean), rel=1e-14)
    assert standardizer.scale**2 == pytest.approx(float(variance), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e7 / 3])
def test_constant_columns_have_scale_one(value):
    standardizer = Standardizer()
    for rows in (3, 7, 1):
        standardizer.partial_fit(np.full((rows, 1), value))
    assert standardizer.scale.tolist() == [1.0]
    assert standardizer.transform([[value]]).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8")]
)
def test_kinds_of_numbers(dtype, expected):
    X = np.array([[0, 1], [1, 1], [1, 0]], dtype=dtype)
    standardizer = Standardizer()
    Z = standardizer.fit_transform(X)
    assert Z.dtype == np.dtype(expected)
    assert standardizer.inverse_transform(Z).dtype == np.dtype(expected)
    np.testing.assert_allclose(standardizer.inverse_transform(Z), X.astype(float), atol=1e-6)


def test_float32_data_are_summed_in_float64():
    X = np.full((3_000_000, 1), 0.1, dtype=np.float32)
    X[0] = 0.2
    assert Standardizer().fit(X).mean[0] == pytest.approx(X.astype(np.float64).mean(), rel=1e-12)


def test_vectors_and_images():
    assert Standardizer().fit_transform([1.0, 3.0]).tolist() == [-1.0, 1.0]
    images = np.random.default_rng(0).standard_normal((9, 3, 2))
    np.testing.assert_allclose(
        Standardizer().fit_transform(images), (images - images.mean(0)) / images.std(0), rtol=1e-12
    )


def test_rows_of_many_axes():
    X = np.random.default_rng(0).standard_normal((5, *(1,) * 18, 3))
    standardizer = Standardizer().fit(X)
    np.testing.assert_allclose(standardizer.variance, X.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standardizer.transform(X), (X - X.mean(0)) / X.std(0), rtol=1e-12)


@pytest.mark.parametrize("carry", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_learns_on_its_own(carry):
    first, second = np.random.default_rng(3).standard_normal((2, 6, 2, 2))
    standardizer = Standardizer().fit(first)
    other = carry(standardizer).partial_fit(second)
    both = np.concatenate([first, second])
    np.testing.assert_allclose(other.mean, both.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(other.variance, both.var(axis=0), rtol=1e-12)
    assert other.count.tolist() == [[12, 12], [12, 12]]
    np.testing.assert_allclose(standardizer.mean, first.mean(axis=0), rtol=1e-12)
    assert repr(standardizer) == "Standardizer(rows=6, shape=(2, 2))"
    assert repr(Standardizer()) == "Standardizer(rows=0, shape=None)"


def test_pickles_of_earlier_versions_go_on():
    first, second = np.random.default_rng(4).standard_normal((2, 6, 3))
    old = Standardizer.__new__(Standardizer)
    old.__setstate__({"rows": 6, "mean": first.mean(axis=0), "_squares": 6 * first.var(axis=0)})
    np.testing.assert_allclose(old.scale, first.std(axis=0), rtol=1e-12)
    old.partial_fit(second)
    both = np.concatenate([first, second])
    np.testing.assert_allclose(old.mean, both.mean(axis=0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(old.variance, both.var(axis=0), rtol=1e-12)
    new = Standardizer.__new__(Standardizer)
    new.__setstate__({"rows": 0, "mean": np.zeros(0), "_squares": np.zeros(0)})
    assert new.fit(first).rows == 6


def test_inputs_stay_as_they_are():
    X = np.arange(6.0).reshape(3, 2)
    X.setflags(write=False)
    Standardizer().fit_transform(X)
    Z = Standardizer().fit(X).transform(X)
    assert not np.shares_memory(X, Z)


def test_fit_forgets_and_config_goes_on():
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 5, 3))
    standardizer = Standardizer().fit(second).fit(first)
    again = Standardizer.from_config(json.loads(json.dumps(standardizer.to_config())))
    again.partial_fit(second)
    both = np.concatenate([first, second])
    np.testing.assert_allclose(again.mean, both.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(again.scale, both.std(axis=0), rtol=1e-13)
    scalar = Standardizer.from_config(json.loads(json.dumps(Standardizer().fit([1.0, 3.0]).to_config())))
    assert scalar.transform([5.0]).tolist() == [3.0]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Normalizer"},
        {"rows": -1},
        {"rows": 0},
        {"rows": 10**400},
        {"squares": [10**400, 0.0]},
        {"rows": True},
        {"mean": [0.0]},
        {"squares": [-1.0, 0.0]},
        {"mean": ["a", "b"]},
        {"mean": [float("nan"), 0.0]},
        {"extra": 1},
    ],
)
def test_damaged_config(change):
    config = {**Standardizer().fit([[1.0, 2.0], [2.0, 3.0]]).to_config(), **change}
    with pytest.raises(ModelFormatError, match="Standardizer: expected"):
        Standardizer.from_config(config)


def test_refusals():
    with pytest.raises(RuntimeError, match="Standardizer: nothing learnt yet; call fit first"):
        Standardizer().transform([[1.0]])
    with pytest.raises(TypeError, match="Standardizer: expected X to hold real numbers, got texts"):
        Standardizer().fit([["a"]])
    with pytest.raises(ValueError, match="at least one row"):
        Standardizer().fit(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"got 3 that are not, the first in column 1 \(2 of its 3 rows\)"):
        Standardizer().fit([[0.0, np.nan, 1.0], [0.0, np.inf, np.nan], [0.0, 0.0, 0.0]])
    standardizer = Standardizer().fit([[1.0, 2.0]])
    for call in (standardizer.transform, standardizer.inverse_transform, standardizer.partial_fit):
        with pytest.raises(ValueError, match=r"rows of shape \(2,\) as when it was fitted, got \(3,\)"):
            call([[1.0, 2.0, 3.0]])
