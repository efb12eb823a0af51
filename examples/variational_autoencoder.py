"""A variational autoencoder: it learns what digits look like, and draws new ones [Kingma & Welling 2014].

The encoder answers an image x with a Gaussian over codes z, mean mu and variance sigma^2 for each of two coordinates;
the decoder answers a code with the probability of ink in each pixel.  Both learn to make the evidence lower bound
large, in nats per image:

    ELBO = E[log p(x | z)] - KL(N(mu, sigma^2) || N(0, 1)),   KL = sum (mu^2 + sigma^2 - log sigma^2 - 1) / 2

The sample z = mu + sigma * eps, eps ~ N(0, 1), is a smooth function of mu and sigma, so the gradient of the decoder
passes through it into the encoder.  Two networks are joined by hand here: forward, forward, backward, backward.
"""

import sys
from pathlib import Path

import common
import numpy as np
import pictures
from scipy.special import expit, ndtri

import fastnn as fn

GOALS = {"ELBO on new images, nats": ">= -140", "ELBO before training, nats": "<= -500"}
CODE = 2  # coordinates of the code: two can be drawn


def networks(pixels: int, units: int, dtype: str = "float32") -> tuple[fn.Network, fn.Network]:
    """Return encoder, with the two outputs mu and log sigma^2, and decoder, which gives logits."""
    x = fn.Input(pixels)
    h = fn.Dense(units, "relu")(fn.Dense(units, "relu")(x))
    encoder = fn.Network(x, [fn.Dense(CODE)(h), fn.Dense(CODE)(h)], seed=0, dtype=dtype)
    layers = [fn.Dense(units, "relu"), fn.Dense(units, "relu"), fn.Dense(pixels)]
    return encoder, fn.Sequential(layers, input_shape=CODE, seed=1, dtype=dtype)


def bound(encoder: fn.Network, decoder: fn.Network, x: np.ndarray, eps: np.ndarray, learn: bool = False) -> np.ndarray:
    """Return the ELBO of each image (B,); with ``learn``, leave the gradient of -mean(ELBO) in ``grads`` of both."""
    mu, log_variance = encoder.forward(x)
    sigma = np.exp(log_variance / 2)
    logits = decoder.forward(mu + sigma * eps)
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
    kl = (mu**2 + sigma**2 - log_variance - 1).sum(axis=1) / 2
    if learn:
        dz = decoder.backward((expit(logits) - x) / len(x))
        dmu = dz + mu / len(x)
        dlog_variance = dz * eps * sigma / 2 + (sigma**2 - 1) / 2 / len(x)
        encoder.backward([dmu, dlog_variance], inputs=False)
    return log_likelihood - kl


def train(
    encoder: fn.Network, decoder: fn.Network, X: np.ndarray, new: np.ndarray, epochs: int, batch_size: int = 100
) -> list[float]:
    """Climb the ELBO with Adam; return the ELBO of new images, before the first epoch and after each."""
    random, history = np.random.default_rng(0), []
    for net in (encoder, decoder):
        net.compile(optimizer=fn.Adam(fn.CosineDecay(2e-3, total_steps=epochs * -(-len(X) // batch_size))))
    test = ink(new, np.random.default_rng(1))
    for epoch in range(epochs + 1):
        history.append(float(bound(encoder, decoder, test, normal(len(new), random)).mean()))
        print(f"epoch {epoch:3}: ELBO of new images {history[-1]:.1f} nats", flush=True)
        order = random.permutation(len(X)) if epoch < epochs else ()
        for start in range(0, len(order), batch_size):
            x = ink(X[order[start : start + batch_size]], random)
            bound(encoder, decoder, x, normal(len(x), random), learn=True)
            encoder.apply_gradients()
            decoder.apply_gradients()
    return history


def ink(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw black and white images, with grey values as the probability of ink: what the likelihood speaks of."""
    return (random.random(grey.shape, dtype=np.float32) < grey).astype(grey.dtype)


def normal(rows: int, random: np.random.Generator) -> np.ndarray:
    """Draw eps."""
    return random.standard_normal((rows, CODE), dtype=np.float32)


def draw(encoder: fn.Network, decoder: fn.Network, new: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Draw the codes of new images, what the decoder sees all over the plane of codes, and random samples."""
    side = round(new.shape[1] ** 0.5)
    picture = pictures.figure(15, 5.2)
    codes, manifold, samples = picture.subplots(1, 3)
    mu = encoder.predict(new)[0]
    dots = codes.scatter(mu[:, 0], mu[:, 1], c=labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=4)
    picture.colorbar(dots, ax=codes, ticks=range(10), label="digit, which the network was never told")
    pictures.dress(codes, "first coordinate of the code", "second coordinate", "Codes of new images")
    codes.set_aspect("equal", "datalim")
    z = ndtri(np.linspace(0.03, 0.97, 15))  # equal steps of probability
    grid = np.stack(np.meshgrid(z, z[::-1]), axis=-1)
    probabilities = expit(decoder.predict(grid.reshape(-1, CODE))).reshape(15, 15, -1)
    pictures.show(manifold, probabilities, side, title="The plane of codes, decoded")
    z = np.random.default_rng(2).standard_normal((225, CODE))
    pictures.show(samples, expit(decoder.predict(z)).reshape(15, 15, -1), side, title="Samples: codes drawn at random")
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train on MNIST, or in short on the small digits; draw codes and samples."""
    if quick:
        X, new, _, labels = fn.split(*fn.load_digits(), 0.2, stratify=True, seed=0)
    else:
        (X, _), (new, labels) = common.mnist()
    encoder, decoder = networks(X.shape[1], 64 if quick else 256)
    history = train(encoder, decoder, X, new, 30)
    draw(encoder, decoder, new, labels, output / "variational-autoencoder.png")
    return {"ELBO before training, nats": history[0], "ELBO on new images, nats": history[-1]}


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
