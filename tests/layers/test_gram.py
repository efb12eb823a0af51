"""Gram matrices beside sums by hand; the contract of the op and its gradients are those of all layers."""

import numpy as np
import pytest

import fastnn as fn


@pytest.mark.parametrize("places", [(2, 3), (5,), (2, 1, 2)])
def test_means_of_products_of_channels_of_each_row(places):
    x = np.random.default_rng(0).standard_normal((3, *places, 4))
    y = fn.Sequential([fn.Gram()], (*places, 4), dtype="float64", seed=0).predict(x)
    rows = x.reshape(3, -1, 4)
    expected = [[[np.mean(row[:, a] * row[:, b]) for b in range(4)] for a in range(4)] for row in rows]
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("threads", [1, 2])
def test_wide_images_beside_numpy_and_the_slope_of_an_unsymmetrical_loss(threads):
    """Large enough for several threads; dL/dx = x (dy + dy') / places, here by differences of the loss."""
    random, before = np.random.default_rng(1), fn.get_num_threads()
    x, dy = random.standard_normal((2, 40, 50, 130)), random.standard_normal((2, 130, 130))
    net = fn.Sequential([fn.Gram()], x.shape[1:], dtype="float64", seed=0)
    fn.set_num_threads(threads)
    try:
        y, dx = net.forward(x), net.backward(dy)
    finally:
        fn.set_num_threads(before)
    rows = x.reshape(2, -1, 130)
    np.testing.assert_allclose(y, np.einsum("bpi,bpj->bij", rows, rows) / 2000, rtol=1e-12, atol=1e-13)
    way, h = random.standard_normal(x.shape), 1e-5

    def loss(of):
        flat = of.reshape(2, -1, 130)
        return np.sum(dy * (flat.transpose(0, 2, 1) @ flat)) / 2000

    np.testing.assert_allclose(np.sum(dx * way), (loss(x + h * way) - loss(x - h * way)) / (2 * h), rtol=1e-7)


def test_numbers_without_places_are_refused():
    with pytest.raises(
        ValueError, match=r"Gram: expected images \(B, H, W, C\) or sequences \(B, T, C\), got \(B, 4\)"
    ):
        fn.Sequential([fn.Gram()], 4, seed=0)
