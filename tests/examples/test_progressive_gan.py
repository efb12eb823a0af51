"""Networks that grow: what growing leaves as it was, and the short version's samples."""

import sys

import numpy as np
import pytest
from helpers.examples import load
from PIL import Image

import fastnn as fn

progressive = load("progressive_gan")
growing = sys.modules["growing"]
rng = np.random.default_rng(0)
Z = rng.standard_normal((6, growing.LATENT))


def pair(make, side, colours=2):
    """A network of half the size whose new layers count, and the one that has grown out of it."""
    old = growing.grown(None, make(side // 2, colours, 0))
    growing.fade([old], 1.0)
    return old, growing.grown(old, make(side, colours, 1))


@pytest.mark.parametrize("side", [8, 16, 32])
def test_new_layers_of_the_generator_fade_in(side):
    old, new = pair(growing.generator, side)
    growing.fade([new], 0.0)
    small = old.predict(Z)
    np.testing.assert_allclose(new.predict(Z), small.repeat(2, axis=1).repeat(2, axis=2), rtol=0, atol=1e-6)
    growing.fade([new], 1.0)
    before, view = new.predict(Z), next(view for view in new.layers if view.name == f"to{side // 2}")
    view.weight[...] = 100
    np.testing.assert_array_equal(new.predict(Z), before)  # the old way to pictures has no influence any more


@pytest.mark.parametrize("side", [8, 16, 32])
def test_new_layers_of_the_critic_fade_in(side):
    old, new = pair(growing.critic, side)
    for net in (old, new):
        next(view for view in net.layers if "running_deviation" in view.parameters).running_deviation[...] = 0.3
    growing.fade([new], 0.0)
    x = rng.standard_normal((6, side, side, 2))
    small = x.reshape(6, side // 2, 2, side // 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(new.predict(x), old.predict(small), rtol=0, atol=1e-5)


def test_pixels_have_unit_mean_square():
    found = growing.generator(16, 1, 0).activations(Z)
    normed = [a for name, a in found.items() if name.startswith("pixelnorm")]
    assert len(normed) == 7
    assert max(abs((a**2).mean(axis=-1) - 1).max() for a in normed) <= 1e-4


def test_the_critic_descends_its_loss():
    """One step of plain descent is the difference quotient of Wasserstein loss, drift and penalty."""
    G, D = growing.generator(4, 1, 0), growing.critic(4, 1, 1)
    net = D.astype("float64")
    net.compile(optimizer=fn.SGD(1.0))
    real, random, size = rng.standard_normal((4, 4, 4, 1)), np.random.default_rng(5), 1e-7
    fake, share = G.forward(Z[:4]), np.random.default_rng(5).uniform(size=(4, 1, 1, 1)).astype(np.float32)
    between, start = fake + share * (real - fake), net.params.copy()

    def loss(params):
        net.params[:] = params
        y = net.forward(np.concatenate([real, fake]), training=True)
        slope = np.linalg.norm(net_slope(between).reshape(4, -1), axis=1)
        return y[4:].mean() - y[:4].mean() + growing.DRIFT * (y[:4] ** 2).mean() + 10 * ((slope - 1) ** 2).mean()

    def net_slope(x):
        y = net.forward(x, training=True)
        return net.backward(np.ones_like(y), parameters=False)

    way = rng.standard_normal(net.n_params) * np.concatenate([np.full(p.size, p.learned) for p in net.places])
    way /= np.linalg.norm(way)
    expected = (loss(start + size * way) - loss(start - size * way)) / (2 * size)
    net.params[:] = start
    growing.learn_critic(G, net, real, Z[:4], random)
    assert abs((start - net.params) @ way - expected) <= 1e-4 * abs(expected)


def test_short_version_learns_digits(tmp_path):
    figures = progressive.run(True, tmp_path)
    assert figures["Digits, distance of samples / of noise"] <= 0.4
    assert figures["Digits, distance of samples / of two real halves"] <= 3
    assert figures["Digits, samples like an image that was learned"] <= 0.05
    net = fn.load(tmp_path / "progressive-gan.safetensors")
    assert net.predict(Z).shape == (6, 8, 8, 1)
    assert (tmp_path / "progressive-gan.png").exists()
    with Image.open(tmp_path / "progressive-gan.gif") as film:
        assert film.n_frames == 120
