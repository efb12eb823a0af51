"""The ring of the GAN example, and the gradient that goes from one network into the other."""

import numpy as np
from helpers.examples import load

import fastnn as fn

gan = load("gan")


def test_short_version_reaches_its_figures(tmp_path):
    figures = gan.run(True, tmp_path)
    assert set(figures) == {name for name in gan.GOALS if name.startswith("ring")}
    assert figures["ring, Gaussians found of 8"] >= 6
    assert figures["ring, samples within 3 sigma"] >= 0.5  # a plain ring would have .38
    assert (tmp_path / "gan-ring.png").exists()


def test_generator_descends_its_loss():
    """The step is the finite-difference gradient of mean -log sigmoid(D(G(noise))), and leaves the discriminator."""
    random = np.random.default_rng(0)
    generator = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
    discriminator = fn.Sequential([fn.Dense(4, "elu"), fn.Dense(1)], input_shape=2, seed=1, dtype="float64")
    generator.compile(optimizer=fn.SGD(1.0))
    noise, start, other = random.standard_normal((5, 3)), generator.params.copy(), discriminator.params.copy()

    def loss(params):
        generator.params[:] = params
        return np.logaddexp(0, -discriminator.predict(generator.predict(noise))).mean()

    h = 1e-6
    expected = [(loss(start + h * e) - loss(start - h * e)) / (2 * h) for e in np.eye(generator.n_params)]
    generator.params[:] = start
    value = gan.generator_step(generator, discriminator, noise)
    np.testing.assert_allclose(start - generator.params, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(discriminator.params, other)
    np.testing.assert_allclose(value, loss(start), rtol=1e-12)
