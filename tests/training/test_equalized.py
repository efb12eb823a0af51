"""The equalised learning rate against the form of its paper: weights of deviation 1, multiplied as they are used."""

import numpy as np
import pytest

import fastnn as fn

rng = np.random.default_rng(0)
OPTIMIZERS = {
    "adam": lambda **o: fn.Adam(0.01, beta1=0.5, **o),
    "adam, epsilon before the correction": lambda **o: fn.Adam(0.01, epsilon_hat=True, **o),
    "amsgrad": lambda **o: fn.AMSGrad(0.01, **o),
}
LAYERS = {
    "he": ({"kernel_initializer": "he_normal"}, lambda i, o: np.sqrt(2 / i)),
    "gain": ({"kernel_initializer": fn.VarianceScaling(0.125, "fan_in", "normal")}, lambda i, o: np.sqrt(0.125 / i)),
    "uniform": ({"kernel_initializer": "glorot_uniform"}, lambda i, o: np.sqrt(2 / (i + o))),
    "orthogonal": ({"kernel_initializer": fn.Orthogonal(3.0)}, lambda i, o: 3 / np.sqrt(max(i, o))),
    "zeros": ({"kernel_initializer": "zeros"}, lambda i, o: 1.0),
}


def network(options):
    return fn.Sequential([fn.Dense(7, "tanh", **options), fn.Dense(3, **options)], 20, seed=0, dtype="float64")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("epsilon", [1e-8, 0.03])  # the second counts
def test_it_is_the_learning_of_scaled_weights(optimizer, kind, epsilon):
    options, deviation = LAYERS[kind]
    net = network(options)
    net.compile(optimizer=OPTIMIZERS[optimizer](epsilon=epsilon, equalized=True))
    # Weights u and biases as one vector, learned by the optimiser as it is; w = c u is what the network runs on.
    c = np.ones(net.n_params)
    for place in net.places:
        if place.name == "weight":
            c[place.start : place.start + place.size] = deviation(*place.shape)
    twin = fn.Sequential([fn.Dense(net.n_params, bias=False, kernel_initializer="zeros")], 1, seed=0, dtype="float64")
    twin.compile(optimizer=OPTIMIZERS[optimizer](epsilon=epsilon))
    twin.params[:] = net.params / c
    for _ in range(5):
        net.grads[:] = rng.normal(size=net.n_params) * rng.choice([1e-3, 0.1, 1], size=net.n_params)
        twin.grads[:] = c * net.grads
        net.apply_gradients()
        twin.apply_gradients()
        assert np.linalg.norm(net.params - c * twin.params) <= 1e-14 * np.linalg.norm(net.params)


def test_a_group_and_training_steps_heed_it():
    rates, x, y = {}, rng.normal(size=(9, 20)), rng.normal(size=(9, 3))
    for equalized in (False, True):
        net = network(LAYERS["he"][0])
        before = net.params.copy()
        groups = {"dense_2": fn.Group(rate=3)}
        net.compile("squared_error", fn.Adam(1e-3, epsilon=1e-12, groups=groups, equalized=equalized))
        net.train_step(x, y)
        rates[equalized] = np.abs(net.params - before)  # the first step of Adam is the rate
    for place, factor in zip(net.places, [np.sqrt(2 / 20), 1, np.sqrt(2 / 7), 1], strict=True):
        assert np.allclose(place.of(rates[True]), factor * place.of(rates[False]), rtol=1e-5)


@pytest.mark.parametrize("inputs", [1, 5, 64, 1000])
def test_outputs_have_variance_1_for_every_number_of_inputs(inputs):
    net = fn.Sequential([fn.Dense(2000, kernel_initializer="lecun_normal")], inputs, seed=0, dtype="float64")
    variance = net.predict(rng.normal(size=(2000, inputs))).var()
    assert abs(variance - 1) <= 5 * np.sqrt(2 / 2000) * (2 if inputs == 1 else 1)


@pytest.mark.parametrize("filters", [1, 16, 96])
def test_so_have_those_of_convolutions(filters):
    layer = fn.Conv2D(64, 3, kernel_initializer="lecun_normal", padding="valid")
    net = fn.Sequential([layer], (12, 12, filters), seed=0, dtype="float64")
    variance = net.predict(rng.normal(size=(32, 12, 12, filters))).var()
    assert abs(variance - 1) <= 5 * np.sqrt(2 / (64 * 9 * filters)) + 0.02


def test_it_is_saved(tmp_path):
    net = network(LAYERS["he"][0])
    net.compile("squared_error", fn.Adam(1e-3, equalized=True))
    net.save(tmp_path / "net.safetensors", optimizer=True)
    assert fn.load(tmp_path / "net.safetensors").optimizer.equalized
