"""The variational autoencoder, on the small digits, and its gradient through the sampling."""

import numpy as np
import pytest
from helpers.examples import load

vae = load("variational_autoencoder")


def test_short_version_reaches_its_figures(tmp_path):
    figures = vae.run(True, tmp_path)
    assert set(figures) == set(vae.GOALS)
    # A decoder that ignores the code gets the entropy of 64 independent pixels, 27.1 nats: it must have learned more.
    assert -26.8 < figures["ELBO on new images, nats"] < -20
    assert (tmp_path / "variational-autoencoder.png").exists()


@pytest.fixture
def small():
    random = np.random.default_rng(3)
    encoder, decoder = vae.networks(6, 5, dtype="float64")
    for net in (encoder, decoder):
        net.params[:] = random.normal(0, 0.5, net.n_params)
    return encoder, decoder, (random.random((4, 6)) < 0.5).astype(float), random.standard_normal((4, vae.CODE))


@pytest.mark.parametrize("which", [0, 1], ids=["encoder", "decoder"])
def test_gradient_is_that_of_finite_differences(small, which):
    net = small[which]
    vae.bound(*small, learn=True)
    grads, h = net.grads.copy(), 1e-6
    expected = np.empty_like(grads)
    for i in range(net.n_params):
        before = net.params[i]
        net.params[i] = before + h
        above = -vae.bound(*small).mean()
        net.params[i] = before - h
        expected[i] = (above + vae.bound(*small).mean()) / (2 * h)
        net.params[i] = before
    np.testing.assert_allclose(grads, expected, rtol=1e-6, atol=1e-8)


def test_bound_holds_the_divergence_of_two_gaussians(small):
    """With a decoder that ignores the code, all that is left of the encoder is KL, here by integration."""
    encoder, decoder, x, eps = small
    decoder.params[:] = 0
    mu, log_variance = encoder.predict(x)
    z = np.linspace(-30, 30, 200_001)
    sigma = np.exp(log_variance[..., None] / 2)
    log_q = -(((z - mu[..., None]) / sigma) ** 2) / 2 - np.log(sigma)
    kl = (np.exp(log_q) / np.sqrt(2 * np.pi) * (log_q + z**2 / 2)).sum(axis=-1).sum(axis=-1) * (z[1] - z[0])
    np.testing.assert_allclose(vae.bound(encoder, decoder, x, eps), -6 * np.log(2) - kl, rtol=1e-9)
