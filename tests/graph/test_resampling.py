"""resample_phase: the weights of a network with a phase, evaluated beforehand."""

import numpy as np
import pytest
from helpers.reference import phase_coefficients

import fastnn as fn


def network(function="cubic", points=4, dtype="float64"):
    """Two phase layers, one of them applied twice, around an ordinary one."""
    x, p = fn.Input(6, name="features"), fn.Input(1, name="phase")
    options = {"control_points": points, "phase_function": function}
    h = fn.Dense(7, "tanh", name="plain")(fn.PhaseDense(7, "elu", **options)(x, p))
    same = fn.PhaseDense(7, "tanh", name="twice", bias=False, **options)
    net = fn.Network([x, p], [same(same(h, p), p), h], seed=0, dtype=dtype)
    net.params[:] = np.random.default_rng(0).normal(size=net.n_params)
    net.metadata = {"kept": True}
    return net


def rows(phases, dtype="float64"):
    x = np.random.default_rng(1).normal(size=(len(phases), 6))
    return [x.astype(dtype), np.reshape(phases, (-1, 1)).astype(dtype)]


@pytest.mark.parametrize(("function", "points"), [("constant", 50), ("linear", 10), ("cubic", 12)])
@pytest.mark.parametrize("source", ["cubic", "linear"])
def test_parameters_are_those_of_numpy(source, function, points):
    net = network(source)
    before = net.params.copy()
    result = fn.resample_phase(net, points, function)
    c = phase_coefficients(np.arange(points) / points, 4, source)
    expected = {
        "phasedense_1.weight": np.einsum("nk,kio->nio", c, net.layers[0].weight),
        "phasedense_1.bias": c @ net.layers[0].bias,
        "plain.weight": net.layers[1].weight,
        "plain.bias": net.layers[1].bias,
        "twice.weight": np.einsum("nk,kio->nio", c, net.layers[2].weight),
    }
    found = dict(result.named_parameters())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-14)
    assert np.array_equal(net.params, before)
    assert result.dtype == net.dtype
    assert result.metadata == net.metadata
    assert result.metadata is not net.metadata
    assert [view.spec.phase_function for view in result.layers if view.name != "plain"] == [function] * 2


@pytest.mark.parametrize(("function", "points"), [("constant", 50), ("linear", 10), ("cubic", 12)])
def test_answers_are_the_same_at_the_sampled_phases(function, points):
    net = network()
    x = rows(np.arange(-points, 2 * points) / points)
    for y, expected in zip(fn.resample_phase(net, points, function).predict(x), net.predict(x), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-12)


def test_answers_come_nearer_with_more_points():
    """Twice the points: half the error of "constant", a quarter of "linear"."""
    net, x = network(), rows(np.linspace(0, 1, 400))
    exact = net.predict(x)[0]

    def error(function, points):
        return np.sqrt(np.mean((fn.resample_phase(net, points, function).predict(x)[0] - exact) ** 2))

    assert 0.4 < error("constant", 800) / error("constant", 400) < 0.6
    assert 0.2 < error("linear", 400) / error("linear", 200) < 0.3


def test_straight_lines_stay_straight_lines():
    """Lines through 4 points are lines through 12 of them."""
    net, x = network("linear"), rows(np.linspace(-1, 1, 100))
    for y, expected in zip(fn.resample_phase(net, 12, "linear").predict(x), net.predict(x), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-12)


def test_it_can_be_saved_and_trained(tmp_path):
    net = fn.resample_phase(network(dtype="float32"))
    x = rows([0.1, 0.6], "float32")
    net.save(tmp_path / "net.safetensors")
    for y, expected in zip(fn.load(tmp_path / "net.safetensors").predict(x), net.predict(x), strict=True):
        assert y.tobytes() == expected.tobytes()
    net.compile(["squared_error"] * 2, fn.Adam(0.01))
    targets = [np.zeros((2, 7), np.float32)] * 2
    losses = [net.train_step(x, targets) for _ in range(50)]
    assert losses[-1] < losses[0] / 2


def test_what_cannot_be_resampled():
    with pytest.raises(TypeError, match="resample_phase: expected a network, got int"):
        fn.resample_phase(3)
    with pytest.raises(ValueError, match="resample_phase: expected a network with PhaseDense layers, got one without"):
        fn.resample_phase(fn.Sequential([fn.Dense(2)], input_shape=3))
    with pytest.raises(ValueError, match=r"PhaseDense: expected control_points \(linear\) of at least 2, got 1"):
        fn.resample_phase(network(), 1, "linear")
    with pytest.raises(ValueError, match="unknown phase_function 'cubik'; did you mean 'cubic'"):
        fn.resample_phase(network(), 8, "cubik")
    with pytest.raises(TypeError, match=r"expected control_points .* to be an integer, got float"):
        fn.resample_phase(network(), 8.5)
