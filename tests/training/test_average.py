"""The moving average of weights: its numbers, what it takes as it is, and what it refuses."""

import numpy as np
import pytest

import fastnn as fn

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))


def network(seed=0):
    net = fn.Sequential([fn.Dense(5), fn.BatchNorm(name="norm"), fn.Dense(1)], 3, seed=seed, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    return net


def learned(net):
    """Which numbers of the parameter vector are no running statistics."""
    kept = np.ones(net.n_params, bool)
    for place in net.places:
        if "running" in place.name:
            kept[place.start : place.start + place.size] = False
    return kept


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.9])
def test_the_average_by_hand(decay):
    net = network()
    average = fn.WeightAverage(net, decay)
    expected, weights = net.params.copy(), learned(net)
    for i in range(5):
        net.train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
        average.update()
        keep = min(decay, (i + 1) / (i + 10))
        expected = np.where(weights, keep * expected + (1 - keep) * net.params, net.params)
        assert np.allclose(average.network.params, expected, rtol=1e-13, atol=1e-15)
        assert np.array_equal(average.network.params[~weights], net.params[~weights])
    assert np.allclose(average.network.predict(X), network_of(expected).predict(X), rtol=1e-11)


def network_of(params):
    net = network(1)
    net.params[:] = params
    return net


def test_in_fit_it_is_a_callback():
    nets = [network(), network()]
    averages = [fn.WeightAverage(net, 0.8) for net in nets]
    nets[0].fit(X, Y, epochs=2, batch_size=8, shuffle=False, callbacks=[averages[0]])
    for _ in range(2):
        for i in range(5):
            nets[1].train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
            averages[1].update()
    assert np.array_equal(averages[0].network.params, averages[1].network.params)
    with pytest.raises(ValueError, match="expected fit of the network that it was made for"):
        network().fit(X, Y, callbacks=[averages[0]])


def test_what_it_refuses():
    with pytest.raises(TypeError, match="WeightAverage: expected a network, got ndarray"):
        fn.WeightAverage(X)
    with pytest.raises(ValueError, match="decay"):
        fn.WeightAverage(network(), 1.0)
