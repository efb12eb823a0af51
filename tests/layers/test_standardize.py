"""Given means and deviations as a layer: learned from data, kept in files, left alone by training."""

import numpy as np
import pytest

import fastnn as fn


def pictures(n=50, shape=(6, 5, 3)):
    random = np.random.default_rng(0)
    return (random.integers(0, 200, (n, *shape)) + np.array([0, 20, 55])).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_of_brings_channels_to_mean_0_and_deviation_1(dtype):
    X = pictures().astype(dtype)
    layer = fn.Standardize.of(X)
    values = X.astype(np.float64)
    np.testing.assert_allclose(layer.mean, values.mean(axis=(0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(layer.scale, values.std(axis=(0, 1, 2)), rtol=1e-13)
    for precision, tolerance in (("float32", 1e-6), ("float64", 1e-14)):
        y = fn.Sequential([layer], input_shape=(6, 5, 3), seed=0, dtype=precision).predict(X)
        np.testing.assert_allclose(
            y, (values - values.mean(axis=(0, 1, 2))) / values.std(axis=(0, 1, 2)), atol=4 * tolerance
        )


def test_of_goes_through_large_data_in_pieces(monkeypatch):
    X = pictures()
    whole = fn.Standardize.of(X)
    monkeypatch.setattr("fastnn.layers.standardize._PIECE", 50)
    again = fn.Standardize.of(X)
    np.testing.assert_allclose([again.mean, again.scale], [whole.mean, whole.scale], rtol=1e-13)


def test_of_takes_some_examples_and_what_does_not_vary(monkeypatch):
    monkeypatch.setattr("fastnn.layers.standardize.ROWS", 4)
    X = pictures(10)
    X[..., 1] = 9
    layer = fn.Standardize.of(fn.Augmented(X, np.zeros(10), fn.PadCrop(1)))
    some = X[[0, 3, 6, 9]].astype(np.float64)
    np.testing.assert_allclose(layer.mean, some.mean(axis=(0, 1, 2)), rtol=1e-13)
    assert layer.scale[1] == 1


@pytest.mark.parametrize(("rows", "channels"), [(1, 3), (7, 3), (30, 3), (64, 1), (12, 200), (1024, 16)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_however_many_pixels_are_taken_at_once(rows, channels, dtype):
    random = np.random.default_rng(1)
    mean, scale = random.normal(0, 5, channels), random.uniform(0.5, 3, channels)
    X = random.normal(0, 9, (5, rows, channels)).astype(dtype)
    net = fn.Sequential([fn.Standardize(mean, scale)], input_shape=(rows, channels), seed=0, dtype=dtype)
    # difference and factor are rounded, the latter from a rounded square
    np.testing.assert_allclose(net.predict(X), (X - mean) / scale, rtol=0, atol=60 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(net.predict(X[3:4]), net.predict(X)[3:4])
    dx = net.backward(np.ones_like(X)) if net.forward(X) is not None else None
    np.testing.assert_allclose(dx, np.broadcast_to(1 / scale, X.shape), rtol=4 * np.finfo(dtype).eps)


def test_it_stays_through_training_and_files(tmp_path):
    X, y = pictures(), np.arange(50) % 2
    layer = fn.Standardize.of(X)
    net = fn.Sequential(
        [layer, fn.Conv2D(4, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(2)], input_shape=(6, 5, 3), seed=0
    )
    net.fit(X, y, epochs=2, loss="cross_entropy")
    net.save(tmp_path / "net.safetensors")
    again = fn.load(tmp_path / "net.safetensors")
    assert again.layers[0].spec.to_config() == layer.to_config()
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert net.layers[0].n_params == 0


def test_numbers_and_arrays_are_one():
    found = fn.Standardize(np.array([1, 2]), [3, 4.0])
    assert (found.mean, found.scale) == ((1.0, 2.0), (3.0, 4.0))
    assert fn.Standardize(np.float32(1)).to_config() == fn.Standardize(1.0).to_config()


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: fn.Standardize(scale=0), ValueError, "expected scale to be a finite number above 0"),
    (lambda: fn.Standardize((0, np.nan)), ValueError, "expected mean to be a finite number"),
    (lambda: fn.Standardize("mean"), TypeError, "expected mean to be a number"),
    (lambda: fn.Standardize(()), ValueError, "got none"),
    (lambda: fn.Sequential([fn.Standardize((1, 2))], input_shape=3), ValueError, "expected mean as one number or 3"),
    (lambda: fn.Standardize.of(np.zeros((0, 3))), ValueError, "expected rows"),
    (lambda: fn.Standardize.of([[np.inf, 1], [0, 1]]), ValueError, "expected finite numbers"),
    (lambda: fn.Standardize.of([["a"]]), TypeError, "expected numbers"),
])  # fmt: skip
def test_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
