"""Grad-CAM: networks whose maps have a closed form, links that run past the layer, and what is refused."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.insight.grad_cam import resizing

random = np.random.default_rng(23)
X = random.normal(size=(3, 4, 6, 2))


def maps_net(dtype="float64"):
    """f_o = sum_c w[c, o] mean(relu(x)_c): one map per channel, and a Dense layer over their means."""
    layers = [fn.Conv2D(2, 1, "relu", bias=False, name="maps"), fn.GlobalAvgPool2D(), fn.Dense(3, name="classes")]
    net = fn.Sequential(layers, input_shape=(4, 6, 2), seed=1, dtype=dtype)
    net.layers[0].weight[...] = np.eye(2)
    return net


def test_class_activation_maps():
    """Where means of maps and a Dense layer follow, weights are that layer's [Zhou et al. 2016]."""
    net = maps_net()
    w = net.layers[2].weight
    found = fn.grad_cam(net, X, [0, 1, 2])
    weights = w.T / 24
    expected = np.maximum((np.maximum(X, 0) * weights[:, None, None]).sum(axis=-1), 0)
    assert found.layer == "maps"
    np.testing.assert_allclose(found.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(found.maps, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.values, expected, rtol=1e-12, atol=1e-15)  # no smaller than the image
    assert (expected == 0).any()
    assert (expected > 0).any()
    np.testing.assert_allclose(found.outputs, net.predict(X)[[0, 1, 2], [0, 1, 2]], rtol=1e-12)
    assert found.method == "Grad-CAM"


def test_the_predicted_class_by_default_and_float32():
    net = maps_net("float32")
    found = fn.grad_cam(net, X)
    answers = np.maximum(X, 0).mean(axis=(1, 2)) @ net.layers[2].weight + net.layers[2].bias
    assert found.targets.tolist() == answers.argmax(axis=1).tolist()
    assert {found.values.dtype, found.maps.dtype, found.weights.dtype} == {np.dtype("float32")}


def linked():
    """A = x U; f = tanh(mean over pixels of (A + A V + x)) W: A has a way around the layer after it, x one around A."""
    x = fn.Input((4, 6, 2))
    a = fn.Conv2D(2, 1, bias=False, name="a")(x)
    b = fn.Conv2D(2, 1, bias=False, name="b")(a)
    pooled = fn.Activation("tanh")(fn.GlobalAvgPool2D()(fn.add(a, b, x)))
    return fn.Network(x, fn.Dense(3, name="classes")(pooled), seed=2, dtype="float64")


def test_a_layer_with_a_link_around_the_next():
    net = linked()
    parts = {view.name: view for view in net.layers}
    u, v, w = (parts[name].weight for name in ("a", "b", "classes"))
    u, v = u[0, 0], v[0, 0]
    a = X @ u
    means = np.tanh((a + a @ v + X).mean(axis=(1, 2)))
    back = (1 - means**2) * w[:, 1] / 24
    for layer, said, weights in (("a", a, back + back @ v.T), ("b", a @ v, back)):
        found = fn.grad_cam(net, X, 1, layer=layer)
        np.testing.assert_allclose(found.weights, weights, rtol=1e-10)
        expected = np.maximum(np.einsum("bijc,bc->bij", said, weights), 0)
        np.testing.assert_allclose(found.maps, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("layer", ["conv2d_1", "maxpool2d_1", "conv2d_2"])
def test_weights_are_slopes(layer):
    """Against a network that begins behind the layer, by finite differences of the mean of a map."""
    layers = [fn.Conv2D(3, 3, "tanh"), fn.MaxPool2D(2), fn.Conv2D(4, 3, "tanh"), fn.Flatten(), fn.Dense(3)]
    net = fn.Sequential(layers, input_shape=(4, 6, 2), seed=3, dtype="float64")
    found = fn.grad_cam(net, X, 2, layer=layer)
    cut = [view.name for view in net.layers].index(layer) + 1
    rest = fn.Sequential(layers[cut:], input_shape=net.layers[cut - 1].output_shape, seed=0, dtype="float64")
    for ours, view in zip(rest.layers, net.layers[cut:], strict=True):
        for name, values in ours.parameters.items():
            values[...] = view.parameters[name]
    said = net.activations(X)[layer]
    step, pixels = 1e-5, said.shape[1] * said.shape[2]
    for channel in range(said.shape[-1]):
        moved = step * np.eye(said.shape[-1])[channel]
        rise = (rest.predict(said + moved) - rest.predict(said - moved))[:, 2] / (2 * step)
        np.testing.assert_allclose(found.weights[:, channel], rise / pixels, rtol=1e-7, atol=1e-10)


def test_small_maps_grow_to_the_image():
    """Bilinear, pixels as wide as their distance: 2 to 4 is 1, 3/4, 1/4, 0, as in PyTorch without align_corners."""
    np.testing.assert_allclose(resizing(2, 4), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(resizing(3, 3), np.eye(3))
    np.testing.assert_allclose(resizing(3, 5) @ [1, 2, 4], [1, 1.4, 2, 3.2, 4])  # places -.2, .4, 1, 1.6, 2.2
    np.testing.assert_allclose(resizing(1, 3), np.ones((3, 1)))
    layers = [fn.MaxPool2D(2), fn.Conv2D(1, 1, "relu", name="maps"), fn.GlobalAvgPool2D(), fn.Dense(1)]
    net = fn.Sequential(layers, input_shape=(4, 6, 1), seed=0, dtype="float64")
    for view in (net.layers[1], net.layers[3]):
        view.weight[...] = 1
    x = random.random((1, 4, 6, 1))
    found = fn.grad_cam(net, x)
    pooled = x.reshape(2, 2, 3, 2).max(axis=(1, 3)) / 6
    np.testing.assert_allclose(found.maps[0], pooled, rtol=1e-12)
    np.testing.assert_allclose(found.values[0], resizing(2, 4) @ pooled @ resizing(3, 6).T, rtol=1e-12)


def test_resizing_is_that_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for size, wanted in ((3, 8), (7, 28), (4, 4), (5, 13)):
        values = random.normal(size=size)
        theirs = torch.nn.functional.interpolate(torch.tensor(values)[None, None], wanted, mode="linear")
        np.testing.assert_allclose(resizing(size, wanted) @ values, theirs[0, 0].numpy(), rtol=1e-6, atol=1e-7)


def test_the_layer_that_is_looked_at():
    def layer_of(*layers):
        net = fn.Sequential([*layers, fn.Flatten(), fn.Dense(2)], input_shape=(4, 6, 2), seed=0)
        return fn.grad_cam(net, X).layer

    assert layer_of(fn.Conv2D(3, 3), fn.Conv2D(3, 3), fn.MaxPool2D(2)) == "conv2d_2"
    assert layer_of(fn.Conv2D(3, 3), fn.BatchNorm(), fn.Activation("relu"), fn.AvgPool2D(2)) == "activation_1"
    assert layer_of(fn.Conv2D(3, 3), fn.MaxPool2D(2), fn.Conv2D(3, 1)) == "conv2d_2"


def test_more_rows_than_run_at_once_and_the_network_stays_as_it_is():
    net = maps_net()
    net.grads[:] = 7
    before = net.params.copy()
    rows = random.normal(size=(net.chunk + 3, 4, 6, 2))
    targets = np.arange(len(rows)) % 3
    targets[-3:] = 2
    found = fn.grad_cam(net, rows, targets)
    np.testing.assert_allclose(found.weights, net.layers[2].weight.T[targets] / 24, rtol=1e-12)
    assert np.array_equal(net.params, before)
    assert (net.grads == 7).all()


def test_what_is_refused():
    net = maps_net()
    with pytest.raises(ValueError, match="grad_cam: unknown layer 'map'; did you mean 'maps'"):
        fn.grad_cam(net, X, layer="map")
    with pytest.raises(ValueError, match=r"expected a layer that gives images, got 'classes', which gives \(B, 3\)"):
        fn.grad_cam(net, X, layer="classes")
    with pytest.raises(ValueError, match=r"grad_cam: expected a network for images \(H, W, C\), got \(B, 4\)"):
        fn.grad_cam(fn.Sequential([fn.Dense(2)], input_shape=4, seed=0), np.ones((1, 4)))
    flat = fn.Sequential([fn.Flatten(), fn.Dense(2)], input_shape=(4, 6, 2), seed=0)
    with pytest.raises(ValueError, match="grad_cam: expected a network with a layer that gives images"):
        fn.grad_cam(flat, X)
    with pytest.raises(TypeError, match="grad_cam: expected a Network or Sequential, got int"):
        fn.grad_cam(3, X)
