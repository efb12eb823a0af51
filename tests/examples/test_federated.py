"""The example of federated averaging."""

import numpy as np
from helpers.examples import load

import fastnn as fn

federated = load("federated")


def test_short_version_reaches_its_figures(tmp_path):
    figures = federated.run(True, tmp_path)
    assert set(federated.GOALS) <= set(figures)
    assert figures["test error, federated"] < 0.2
    assert figures["mean test error, alone / federated"] > 2.5
    assert figures["test error, federated"] < figures["best test error, alone"]
    assert [path.name for path in tmp_path.iterdir()] == ["federated.png"]


def test_every_image_has_one_client_and_few_know_all_digits():
    labels = np.random.default_rng(0).integers(0, 10, 5000)
    rows = federated.deal(labels, 10, 0.1)
    assert sorted(np.concatenate(rows)) == list(range(5000))
    shares = np.array([np.bincount(labels[one], minlength=10) for one in rows]) / 500
    assert np.median((shares > 0.01).sum(axis=1)) < 8
    even = federated.deal(labels, 10, 1000.0)
    assert np.ptp([len(one) for one in even]) < 150


def test_the_mean_counts_images():
    vectors = [np.array([1.0, 2.0], np.float32), np.array([4.0, 8.0], np.float32)]
    np.testing.assert_allclose(federated.average(vectors, np.array([3.0, 1.0])), [1.75, 3.5])


def test_a_round_of_whole_batches_is_a_step_of_gradient_descent():
    """One update per client: the weighted mean of their steps is the step of all their rows together, by NumPy."""
    random = np.random.default_rng(0)
    X, y = random.random((90, 784), np.float32), random.integers(0, 10, 90)
    rows = [np.arange(60), np.arange(60, 90)]
    before = federated.network()
    nets = [before.copy() for _ in rows]
    fn.fit_many(nets, X, y, rows=rows, epochs=1, batch_size=90)
    mean = federated.average([net.params for net in nets], np.array([60.0, 30.0]))
    (w1, b1), (w2, b2) = ((layer.weight.astype(float), layer.bias.astype(float)) for layer in before.layers)
    a = np.maximum(X @ w1 + b1, 0)
    z = a @ w2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    d = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[y]) / 90
    expected = [w2 - federated.RATE * a.T @ d, b2 - federated.RATE * d.sum(axis=0)]
    after = before.copy()
    after.params[:] = mean
    for got, one in zip((after.layers[1].weight, after.layers[1].bias), expected, strict=True):
        np.testing.assert_allclose(got, one, rtol=1e-4, atol=2e-7)
