"""Splits: every row once, shares kept, seeds obeyed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.data import load_digits, split


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_every_row_once_and_rows_stay_together(rows, fraction, seed):
    X = np.arange(rows * 2).reshape(rows, 2)
    X_train, X_test, y_train, y_test = split(X, np.arange(rows), fraction, seed=seed)
    assert sorted([*y_train, *y_test]) == list(range(rows))
    assert (X_train[:, 0] == 2 * y_train).all()
    assert (X_test[:, 0] == 2 * y_test).all()
    assert len(y_train) >= 1
    assert abs(len(y_test) - fraction * rows) <= 1


@given(st.lists(st.integers(2, 30), min_size=1, max_size=6), st.floats(0.05, 0.95), st.integers(0, 2**32))
def test_stratified_shares_to_within_a_row(counts, fraction, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    _, _, y_train, y_test = split(np.arange(len(y)), y, fraction, stratify=True, seed=seed)
    exact = np.array(counts) * (len(y_test) / len(y))
    assert (np.abs(np.bincount(y_test, minlength=len(counts)) - exact) < 1).all()
    assert (np.bincount(y_train, minlength=len(counts)) + np.bincount(y_test, minlength=len(counts)) == counts).all()


def test_stratified_digits():
    X, y = load_digits()
    _, X_test, _, y_test = split(X, y, 0.2, stratify=True, seed=3)
    assert X_test.shape == (359, 64)
    assert X_test.dtype == np.float32
    assert set(np.bincount(y_test)) <= {34, 35, 36, 37}


def test_stratify_texts_and_one_hot_rows():
    texts = np.array(["a"] * 8 + ["b"] * 4)
    assert sorted(split(texts, texts, 0.25, stratify=True)[3]) == ["a", "a", "b"]
    rows = np.eye(3)[[0] * 8 + [2] * 4]
    assert split(texts, rows, 0.25, stratify=True)[3].sum(axis=0).tolist() == [2, 0, 1]


MIXED = {"a": np.arange(12.0), "b": np.arange(12) % 2 == 0, "c": np.arange(12, dtype="i8") + 2**60}


def frames():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame, table = pd.DataFrame(MIXED, index=range(100, 112)), pa.table(MIXED)
    return {"pandas": frame, "table": table, "batch": table.to_batches()[0], "reader of another": Streamed(table)}


class Streamed:
    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested=None):
        return self.table.__arrow_c_stream__(requested)


@pytest.mark.parametrize("form", ["pandas", "table", "batch", "reader of another"])
@pytest.mark.parametrize("targets", ["array", "frame"])
def test_frames_keep_names_and_dtypes(form, targets):
    X = frames()[form]
    parts = split(X, X if targets == "frame" else np.arange(12), 0.25, seed=5)
    arrays = split(MIXED["a"], np.arange(12), 0.25, seed=5)
    for part, rows in zip(parts[: 4 if targets == "frame" else 2], [*arrays[:2], *arrays[:2]], strict=False):
        found = part if form == "pandas" else part.to_pandas()
        assert list(found.columns) == list(MIXED)
        for name, values in MIXED.items():
            assert found[name].dtype == values.dtype
            assert found[name].tolist() == values[rows.astype(int)].tolist()
    if targets == "array":
        assert [part.tolist() for part in parts[2:]] == [part.tolist() for part in arrays[2:]]


def test_stratify_columns_of_frames():
    pd = pytest.importorskip("pandas")
    texts = pd.Series(["a"] * 8 + ["b"] * 4)
    one_hot = pd.DataFrame({"a": texts == "a", "b": (texts == "b").astype(float)})
    for y in (texts, texts.astype("category"), texts.to_frame("label"), texts.to_numpy(object), one_hot):
        found = split(np.arange(12), y, 0.25, stratify=True)
        assert sorted(texts[found[1]]) == ["a", "a", "b"]
        assert type(found[3]) is (pd.DataFrame if isinstance(y, pd.DataFrame) else np.ndarray)
    assert list(found[3].columns) == ["a", "b"]


def test_seeds():
    X = np.arange(100)
    one, again, other = (split(X, X, seed=seed)[1].tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert one != sorted(one)
    assert not np.shares_memory(split(X, X)[0], X)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2, 3], [1, 2]), {}, r"split: expected as many rows in X as in y, got shapes \(3,\) and \(2,\)"),
        (([1], [1]), {}, "split: expected at least 2 rows"),
        (([1, 2], [1, 2], 1.0), {}, "split: .* fraction below 1, got 2 rows and 1.0"),
        (([1, 2], [1, 2], 0.0), {}, "split: expected fraction .* above 0, got 0.0"),
        ((range(3), ["a", "a", "b"]), {"stratify": True}, "at least 2 rows of each class .* got 1 of class 'b'"),
    ],
)
def test_refusals(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        split(*arguments, **options)
