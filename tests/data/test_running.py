"""RunningStandardizer against NumPy on all rows so far, weights written out, and exact fractions."""

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

from fastnn.data import RunningStandardizer
from fastnn.errors import ModelFormatError

X = np.random.default_rng(0).standard_normal((60, 4)) * [1, 10, 1e-3, 1e3] + [0, 5, -1, 1e6]


def holes(X, share=0.3):
    """The rows with values missing, no column of them wholly."""
    result = X.copy()
    result[np.random.default_rng(1).random(X.shape) < share] = np.nan
    result[0] = X[0]
    return result


@pytest.mark.parametrize("sizes", [[1] * 60, [7, 13, 40], [60]])
def test_mean_and_variance_of_all_rows(sizes):
    running, start = RunningStandardizer(), 0
    for size in sizes:
        running.update(X[start] if size == 1 else X[start : start + size])
        start += size
        np.testing.assert_allclose(running.mean, X[:start].mean(axis=0), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(running.variance, X[:start].var(axis=0), rtol=1e-10)
    assert running.rows == 60
    assert running.count.tolist() == [60] * 4
    np.testing.assert_allclose(running.transform(X), (X - X.mean(axis=0)) / X.std(axis=0), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(running.inverse_transform(running.transform(X)), X, rtol=1e-10)


def test_missing_values_are_neither_learnt_from_nor_kept():
    Y = holes(X)
    running = RunningStandardizer().update(Y)
    np.testing.assert_allclose(running.mean, np.nanmean(Y, axis=0), rtol=1e-13)
    np.testing.assert_allclose(running.scale, np.nanstd(Y, axis=0), rtol=1e-10)
    assert running.count.tolist() == (~np.isnan(Y)).sum(axis=0).tolist()
    Z = running.transform(Y)
    assert (Z[np.isnan(Y)] == 0).all()
    np.testing.assert_allclose(
        Z[~np.isnan(Y)], ((Y - np.nanmean(Y, axis=0)) / np.nanstd(Y, axis=0))[~np.isnan(Y)], rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("half_life", [0.5, 3.0, 100.0])
def test_half_life_is_a_weight_by_age(half_life):
    Y = holes(X)
    running = RunningStandardizer(half_life=half_life).update(Y)
    for column, values in enumerate(Y.T):
        known = values[~np.isnan(values)]
        weights = 0.5 ** (np.arange(len(known))[::-1] / half_life)  # the last one counts 1, by its column's values
        mean = np.average(known, weights=weights)
        variance = np.average((known - mean) ** 2, weights=weights)
        assert running.count[column] == pytest.approx(weights.sum(), rel=1e-12)
        assert running.mean[column] == pytest.approx(mean, rel=1e-12)
        assert running.variance[column] == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("half_life", [None, 10.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_rows_together_have_the_bits_of_rows_one_by_one(half_life, dtype):
    Y = (X[:, :2] * 100).astype(dtype)
    together, single = RunningStandardizer(half_life=half_life).update(Y), RunningStandardizer(half_life=half_life)
    for row in Y:
        single.update(row)
    assert together.to_config() == single.to_config()
    rows = np.stack([together.transform(row) for row in Y])
    np.testing.assert_array_equal(together.transform(Y), rows)
    assert rows.dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_large_mean_costs_no_digits():
    values = 1e9 + np.random.default_rng(1).integers(0, 4, 5000).astype(float)
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    running = RunningStandardizer().update(values[:, None])
    assert running.mean[0] == pytest.approx(float(mean), rel=1e-14)
    assert running.variance[0] == pytest.approx(float(variance), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e7 / 3])
@pytest.mark.parametrize("half_life", [None, 2.5])
def test_what_has_not_varied_has_no_scale(value, half_life):
    running = RunningStandardizer(half_life=half_life).update(np.full((1000, 1), value))
    assert running.variance.tolist() == [0.0]
    assert running.scale.tolist() == [1.0]
    assert running.transform([value + 5]).tolist() == [0.0]
    assert running.inverse_transform([3.0]).tolist() == [value]


def test_clip():
    running = RunningStandardizer(clip=1.5).update([[-1.0], [1.0]])
    assert running.transform([[0.5], [9.0], [-9.0]]).tolist() == [[0.5], [1.5], [-1.5]]
    assert running.transform(np.array([9.0])).tolist() == [1.5]


def test_out_and_inputs():
    running = RunningStandardizer().update(X)
    Y, out = X.copy(), np.empty(X.shape, np.float32)
    Y.setflags(write=False)
    assert running.transform(Y, out) is out
    np.testing.assert_array_equal(out, running.transform(Y).astype(np.float32))
    turned = np.empty((4, 60)).T
    assert running.transform(Y, turned) is turned
    np.testing.assert_array_equal(turned, running.transform(Y))
    again = X.copy()
    running.transform(again, again)
    np.testing.assert_array_equal(again, turned)
    row = np.empty(4)
    assert running.transform(X[3], row) is row
    np.testing.assert_array_equal(row, turned[3])
    np.testing.assert_array_equal(running.transform(X[3]), turned[3])
    assert np.shares_memory(running.mean, running._moments.state) is False


def test_merge_is_as_if_all_rows_had_come():
    Y = holes(X)
    merged = RunningStandardizer().update(Y[:25]).merge(RunningStandardizer().update(Y[25:]))
    whole = RunningStandardizer().update(Y)
    np.testing.assert_allclose(merged.mean, np.nanmean(Y, axis=0), rtol=1e-13)
    np.testing.assert_allclose(merged.variance, np.nanvar(Y, axis=0), rtol=1e-10)
    assert merged.count.tolist() == whole.count.tolist()
    assert merged.rows == 60
    assert RunningStandardizer().merge(whole).to_config() == whole.to_config()
    assert whole.merge(RunningStandardizer()).rows == 60


@pytest.mark.parametrize("carry", [pickle.dumps, json.dumps, copy.deepcopy])
def test_state_goes_on_with_the_same_bits(carry):
    running = RunningStandardizer(half_life=7.0, clip=2.0).update(holes(X)[:30])
    if carry is json.dumps:
        again = RunningStandardizer.from_config(json.loads(json.dumps(running.to_config())))
    else:
        again = pickle.loads(carry(running)) if carry is pickle.dumps else carry(running)
    for row in holes(X)[30:]:
        running.update(row)
        again.update(row)
    assert again.to_config() == running.to_config()
    np.testing.assert_array_equal(again.transform(X), running.transform(X))
    empty = RunningStandardizer.from_config(json.loads(json.dumps(RunningStandardizer().to_config())))
    assert empty.update([1.0]).rows == 1


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Standardizer"},
        {"rows": -1},
        {"rows": True},
        {"rows": 0},
        {"mean": [0.0]},
        {"squares": [-1.0, 0.0]},
        {"count": [-1.0, 0.0]},
        {"mean": ["a", "b"]},
        {"mean": [float("nan"), 0.0]},
        {"half_life": 0},
        {"extra": 1},
        {"count": [], "mean": [], "squares": []},
        {"count": [[2.0, 2.0]], "mean": [[0.0, 0.0]], "squares": [[1.0, 1.0]]},
        {"rows": 1 << 63},
        {"mean": [10**400, 0.0]},
    ],
)
def test_damaged_config(change):
    config = {**RunningStandardizer().update([[1.0, 2.0], [2.0, 3.0]]).to_config(), **change}
    with pytest.raises(ModelFormatError, match="RunningStandardizer: expected"):
        RunningStandardizer.from_config(config)


def test_refusals_change_nothing():
    with pytest.raises(RuntimeError, match="nothing learnt yet; call update first"):
        RunningStandardizer().transform([1.0])
    running = RunningStandardizer().update([[1.0, 2.0], [3.0, 4.0]])
    before = running.to_config()
    for bad, message in (
        ([1.0, 2.0, 3.0], r"a row of shape \(2,\) or rows \(B, 2\), got \(3,\)"),
        (np.zeros((0, 2)), "got"),
        (np.zeros((1, 2, 2)), "got"),
        (1.0, "got"),
        ([[0.0, 1.0], [0.0, np.inf]], "got inf in column 1"),
        ([-np.inf, 0.0], "got -inf in column 0"),
        (np.array([0.0, 1e200]), r"up to 1e150, or NaN where one is missing, got 1e\+200 in column 1"),
        (np.array([0.0, np.inf], np.float32), "got inf in column 1"),
    ):
        for call in (running.update, running.transform):
            with pytest.raises(ValueError, match=message):
                call(bad)
    for call in (running.update, running.transform, running.inverse_transform):
        with pytest.raises(TypeError, match="expected X to hold real numbers, got texts"):
            call(["a", "b"])
    with pytest.raises(TypeError, match="got list"):
        running.transform([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(TypeError, match="int64"):
        running.transform([1.0, 2.0], np.zeros(2, int))
    with pytest.raises(ValueError, match=r"out of shape \(2,\), got \(1, 2\)"):
        running.transform([1.0, 2.0], np.zeros((1, 2)))
    with pytest.raises(ValueError, match="without half_life"):
        running.merge(RunningStandardizer(half_life=3).update([1.0, 2.0]))
    with pytest.raises(ValueError, match="expected 2 columns as before, got 1"):
        running.merge(RunningStandardizer().update([1.0]))
    with pytest.raises(TypeError, match="got int"):
        running.merge(3)
    assert running.to_config() == before
    with pytest.raises(ValueError, match="half_life"):
        RunningStandardizer(half_life=0)
    with pytest.raises(TypeError, match="clip"):
        RunningStandardizer(clip="1")
