"""The digits that come with fastnn."""

import importlib.resources

import numpy as np

from fastnn.data import load_digits


def test_shapes_types_and_range():
    X, y = load_digits()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((1797, 64), np.float32, (1797,), np.int64)
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert (np.round(X * 16) == X * 16).all()


def test_content_is_the_uci_test_set():
    """Counts of the classes as in optdigits.names; the first image, a zero, as printed in scikit-learn's user guide."""
    X, y = load_digits()
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (X[0] * 16).astype(int)[:24].tolist() == [
        0, 0, 5, 13, 9, 1, 0, 0,
        0, 0, 13, 15, 10, 15, 5, 0,
        0, 3, 15, 2, 0, 11, 8, 0,
    ]  # fmt: skip


def test_a_nearest_neighbour_knows_them():
    """Labels belong to their images: a 1-nearest neighbour errs on about 1 of 50."""
    X, y = load_digits()
    train, test = X[:1000].astype(np.float64), X[1000:].astype(np.float64)
    distance = (train**2).sum(1)[None, :] - 2 * test @ train.T
    assert (y[:1000][distance.argmin(axis=1)] == y[1000:]).mean() > 0.95


def test_size_and_attribution():
    folder = importlib.resources.files("fastnn.data")
    assert len((folder / "digits.npz").read_bytes()) < 100_000
    text = (folder / "digits.LICENSE").read_text()
    for part in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "Changes made"):
        assert part in text


def test_each_call_gives_its_own_arrays():
    load_digits()[0][:] = 5
    assert load_digits()[0].max() == 1.0
