"""Normalisation of images, dropout of channels, noise: what may not change their bits, statistics, what is refused."""

import numpy as np
import pytest
from helpers import reference as ref
from helpers.bits import native

import fastnn as fn

rng = np.random.default_rng(0)
LAYERS = {
    "instance": lambda: fn.InstanceNorm(),
    "group": lambda: fn.GroupNorm(4),
    "pixel": lambda: fn.PixelNorm(),
    "channels": lambda: fn.SpatialDropout(0.3),
    "noise": lambda: fn.GaussianNoise(0.5),
}


@pytest.fixture
def threads():
    """Leave the number of threads as it was."""
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_row_depends_on_itself_alone(name, dtype):
    net = fn.Sequential([LAYERS[name]()], (5, 7, 12), seed=0, dtype=dtype)
    x = rng.normal(size=(9, 5, 7, 12)).astype(dtype)
    whole = net.predict(x)
    for size in (1, 2, 5):
        parts = [net.predict(x[i : i + size]) for i in range(0, 9, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@native(10)
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", LAYERS)
def test_bits_do_not_depend_on_threads(name):
    found = []
    for count in (1, 2, 3):
        fn.set_num_threads(count)
        layers = [fn.Conv2D(12, 3, "relu"), LAYERS[name](), fn.Conv2D(4, 3), fn.GlobalAvgPool2D()]
        net = fn.Sequential(layers, (16, 16, 3), seed=0)
        x, y = np.random.default_rng(1).normal(size=(64, 16, 16, 3)), np.random.default_rng(2).normal(size=(64, 4))
        net.fit(x, y, epochs=2, batch_size=32, loss="squared_error", optimizer="adam")
        found.append((net.params.copy(), net.predict(x)))
    for params, answers in found[1:]:
        np.testing.assert_array_equal(params, found[0][0])
        np.testing.assert_array_equal(answers, found[0][1])


@native(10)
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("channels", [1, 3, 16, 40])
def test_batch_norm_of_images_gives_the_same_bits_on_any_number_of_threads(channels):
    found = []
    x = rng.normal(size=(32, 32, 32, channels))
    for count in (1, 2, 3):
        fn.set_num_threads(count)
        layers = [fn.BatchNorm(), fn.Activation("relu"), fn.GlobalAvgPool2D(), fn.Dense(2)]
        net = fn.Sequential(layers, (32, 32, channels), seed=0)
        net.fit(x, np.ones((32, 2)), epochs=2, batch_size=32, loss="squared_error", optimizer="adam")
        found.append(net.params.copy())
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_batch_norm_of_many_pixels_far_from_zero():
    """A quarter of a million pixels at 1,000 +- 1: mean and variance to the last digits of float32."""
    x = (1000 + rng.normal(size=(16, 128, 128, 3))).astype(np.float32)
    net = fn.Sequential([fn.BatchNorm(momentum=0.0)], (128, 128, 3), seed=0)
    y = net.forward(x, training=True)
    net.backward(np.ones_like(x))
    view, wide = net.layers[0], x.astype(np.float64).reshape(-1, 3)
    np.testing.assert_allclose(view.running_mean, wide.mean(0), rtol=1e-7)
    np.testing.assert_allclose(view.running_variance, wide.var(0, ddof=1), rtol=1e-6)
    assert ref.relative(y, ref.batch_norm_training(x.astype(np.float64), 1, 0)) <= 1e-4  # 1,000 has 6e-5 of an ulp


def test_steps_with_their_activation_have_the_gradient_of_steps_by_themselves():
    """BatchNorm, Add, GroupNorm and a scale with a relu after each: fused in training, apart by hand."""
    body = [fn.Conv2D(4, 3, bias=False), fn.BatchNorm(), fn.Activation("relu"), fn.Conv2D(4, 3), fn.BatchNorm()]
    layers = [fn.Conv2D(4, 1), fn.BatchNorm(), fn.Activation("leaky_relu"), fn.Residual(body), fn.Activation("relu")]
    layers += [fn.GroupNorm(2), fn.Activation("relu"), fn.Scale(), fn.Activation("relu"), fn.GlobalAvgPool2D()]
    net = fn.Sequential(layers, (5, 6, 3), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1, momentum=0.9))
    x, t = rng.normal(size=(7, 5, 6, 3)), rng.normal(size=(7, 4))
    net.trainer.step_on([x], [t], None, 7, 0.1, update=False)
    fused = net.grads.copy()
    y = net.forward(x, training=True)
    net.backward(2 * (y - t) / y.size)
    assert np.abs(fused).max() > 0.01
    np.testing.assert_allclose(fused, net.grads, rtol=1e-10, atol=1e-14)


def test_a_step_of_group_norm_is_that_of_numpy():
    """Loss, gradients of gamma and beta, and the update, written out."""
    x, t = rng.normal(size=(6, 3, 4, 8)), rng.normal(size=(6, 3, 4, 8))
    net = fn.Sequential([fn.GroupNorm(2, epsilon=1e-3)], (3, 4, 8), seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.5))
    n = ref.group_norm(x, 2, epsilon=1e-3)
    loss = net.train_step(x, t)
    assert loss == pytest.approx(((n - t) ** 2).mean(), rel=1e-12)
    dy = 2 * (n - t) / n.size
    np.testing.assert_allclose(net.layers[0].gamma, 1 - 0.5 * (dy * n).sum((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(net.layers[0].beta, -0.5 * dy.sum((0, 1, 2)), rtol=1e-10, atol=1e-14)


def test_spatial_dropout_drops_whole_channels_as_often_as_it_should():
    net = fn.Sequential([fn.SpatialDropout(0.3)], (3, 5, 50), seed=0, dtype="float64")
    x = rng.normal(size=(400, 3, 5, 50))
    y = net.forward(x, training=True)
    there = y != 0
    assert (there == there[:, :1, :1]).all()
    np.testing.assert_allclose(y, x * there / 0.7, rtol=1e-12)
    kept = there[:, 0, 0]
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / kept.size)
    assert abs(np.corrcoef(kept[:, :-1].ravel(), kept[:, 1:].ravel())[0, 1]) < 0.03
    np.testing.assert_allclose(net.backward(np.ones_like(x)), there / 0.7, rtol=1e-12)
    assert not np.array_equal(net.forward(x, training=True), y)
    np.testing.assert_array_equal(net.predict(x), x)


def test_gaussian_noise_has_its_deviation_and_passes_gradients_on():
    net = fn.Sequential([fn.GaussianNoise(0.25)], (40, 50), seed=0, dtype="float64")
    x = rng.normal(size=(100, 40, 50))
    noise = net.forward(x, training=True) - x
    assert abs(noise.mean()) < 5 * 0.25 / np.sqrt(noise.size)
    assert abs(noise.std() / 0.25 - 1) < 5 / np.sqrt(2 * noise.size)
    dy = rng.normal(size=x.shape)
    np.testing.assert_array_equal(net.backward(dy), dy)
    np.testing.assert_array_equal(net.predict(x), x)
    none = fn.Sequential([fn.GaussianNoise(0)], 3, seed=0)
    np.testing.assert_array_equal(none.forward(np.ones((2, 3)), training=True), 1)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: fn.GroupNorm(3), (2, 2, 4), "expected channels that 3 groups can share, got 4"),
        (lambda: fn.GroupNorm(4), (1, 1, 4), "at least 2 numbers to normalise over"),
        (lambda: fn.GroupNorm(0), (2, 2, 4), "groups"),
        (lambda: fn.InstanceNorm(), (4,), r"expected images \(B, H, W, C\)"),
        (lambda: fn.InstanceNorm(), (1, 1, 4), "at least 2 numbers"),
        (lambda: fn.InstanceNorm(epsilon=0), (2, 2, 4), "epsilon"),
        (lambda: fn.PixelNorm(epsilon=-1), (2, 2, 4), "epsilon"),
        (lambda: fn.SpatialDropout(1), (2, 2, 4), "rate"),
        (lambda: fn.GaussianNoise(-0.1), (2, 2, 4), "stddev"),
    ],
)
def test_what_is_refused(make, shape, message):
    with pytest.raises(ValueError, match=message):
        fn.Sequential([make()], shape, seed=0)


@pytest.mark.parametrize("affine", [True, False])
def test_beside_pytorch(affine):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    x, dy = rng.normal(size=(2, 3, 4, 5, 6))
    for ours, theirs in (
        (fn.InstanceNorm(scale=affine, shift=affine), torch.nn.InstanceNorm2d(6, affine=affine)),
        (fn.GroupNorm(3, scale=affine, shift=affine), torch.nn.GroupNorm(3, 6, affine=affine)),
        (fn.BatchNorm(scale=affine, shift=affine), torch.nn.BatchNorm2d(6, affine=affine)),
    ):
        net, theirs = fn.Sequential([ours], (4, 5, 6), seed=0, dtype="float64"), theirs.double()
        if affine:
            gamma, beta = rng.normal(size=(2, 6))
            net.layers[0].gamma[:], net.layers[0].beta[:] = gamma, beta
            with torch.no_grad():
                theirs.weight[:], theirs.bias[:] = torch.tensor(gamma), torch.tensor(beta)
        first = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
        answer = theirs(first)
        answer.backward(torch.tensor(dy.transpose(0, 3, 1, 2).copy()))
        y = net.forward(x, training=True)
        assert ref.relative(y, answer.detach().numpy().transpose(0, 2, 3, 1)) <= 1e-12
        assert ref.relative(net.backward(dy), first.grad.numpy().transpose(0, 2, 3, 1)) <= 1e-11
        if affine:
            assert ref.relative(net.layers[0].gradients["gamma"], theirs.weight.grad.numpy()) <= 1e-12


def test_epsilon_of_pixel_norm_and_groups_of_vectors():
    x = np.array([[3e-4, 4e-4, 0, 0], [3, 4, 0, 0]])
    net = fn.Sequential([fn.PixelNorm()], input_shape=4, seed=0, dtype="float64")
    np.testing.assert_allclose(net.predict(x), x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8), rtol=1e-14)
    net = fn.Sequential([fn.GroupNorm(2, epsilon=1e-12)], input_shape=4, seed=0, dtype="float64")
    np.testing.assert_allclose(net.predict([[1, 3, 7, 5]]), [[-1, 1, 1, -1]], rtol=1e-9)
