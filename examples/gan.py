"""Generative adversarial networks: two networks, one of which learns from the gradient of the other.

The generator turns noise into samples; the discriminator answers with a logit, how surely a sample is real.  The
discriminator learns to tell the two apart.  The generator is never shown a real sample: the discriminator's
``backward`` says how its input should change to look more real, and that gradient goes into the generator's
``backward`` [Goodfellow et al. 2014].

First a ring of eight Gaussians, where one can count which of them a generator has found, then MNIST, where a classifier
that knows real digits looks at the samples.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np
import pictures
from scipy.special import expit, softmax

import fastnn as fn

GOALS = {
    "ring, Gaussians found of 8": ">= 7",
    "ring, samples within 3 sigma": ">= 0.7",
    "MNIST, samples the classifier is sure of": ">= 0.7",
    "MNIST, digits that appear": ">= 10",
}


def discriminator_step(generator: fn.Network, discriminator: fn.Network, real: np.ndarray, noise: np.ndarray) -> float:
    """Teach the discriminator to answer 1 for real samples and 0 for generated ones; return its loss."""
    x = np.concatenate([real, generator.forward(noise)])
    return discriminator.train_step(x, np.repeat([[1.0], [0.0]], len(real), axis=0))


def generator_step(generator: fn.Network, discriminator: fn.Network, noise: np.ndarray) -> float:
    """Teach the generator to be taken for real: its loss is -log sigmoid(D(G(noise))), which does not saturate."""
    logits = discriminator.forward(generator.forward(noise), training=True)
    dlogits = (expit(logits) - 1) / len(noise)
    dx = discriminator.backward(dlogits, parameters=False)  # it only passes the gradient on
    generator.backward(dx, inputs=False)
    generator.apply_gradients()
    return float(np.logaddexp(0, -logits).mean())


def train(
    nets: tuple[fn.Network, fn.Network], rate: float, draw: Callable[[int], np.ndarray], steps: int, snapshots: int
) -> list[np.ndarray]:
    """Take turns; return samples from the same noise at even distances, the first before training."""
    generator, discriminator = nets
    optimizer = fn.Adam(rate, beta1=0.5)  # a short memory: the other network moves too [Radford et al. 2016]
    random = np.random.default_rng(1)
    same, seen = random.standard_normal((1000, *generator.input_shape), dtype=np.float32), []
    generator.compile(optimizer=optimizer)
    discriminator.compile(loss="binary_cross_entropy", optimizer=optimizer)
    for step in range(steps + 1):
        if step % (steps // snapshots) == 0:
            seen.append(generator.predict(same))
        real, noise = draw(128), random.standard_normal((2, 128, *generator.input_shape), dtype=np.float32)
        loss = discriminator_step(generator, discriminator, real, noise[0])
        other = generator_step(generator, discriminator, noise[1])
        if step % (steps // snapshots) == 0:
            print(f"step {step:6}: loss of discriminator {loss:.3f}, of generator {other:.3f}", flush=True)
    return seen


def network(sizes: list[int], activation: str, last: str, seed: int, dropout: float = 0.0) -> fn.Network:
    """Return dense layers of these sizes."""
    layers: list[fn.Layer] = []
    for size in sizes[1:-1]:
        layers += [fn.Dense(size, activation), fn.Dropout(dropout)]
    return fn.Sequential([*layers, fn.Dense(sizes[-1], last)], input_shape=sizes[0], seed=seed)


def ring(steps: int, path: Path) -> common.Figures:
    """Learn eight Gaussians on a circle."""
    random, sigma = np.random.default_rng(0), 0.1
    angles = np.arange(8) * np.pi / 4
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def draw(n: int) -> np.ndarray:
        return centres[random.integers(0, 8, n)] + sigma * random.standard_normal((n, 2))

    generator = network([8, 128, 128, 2], "relu", "identity", seed=0)
    discriminator = network([2, 128, 128, 1], "elu", "identity", seed=1)  # smooth: its gradient is what is learned from
    seen = train((generator, discriminator), 1e-3, draw, steps, 4)
    distances = np.linalg.norm(seen[-1][:, None] - centres, axis=2)
    near = distances.min(axis=1) < 3 * sigma
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=8)
    picture = pictures.figure(13, 3.2)
    for axes, samples, step in zip(picture.subplots(1, 5), seen, np.linspace(0, steps, 5), strict=True):
        axes.plot(*draw(1000).T, ".", color="#bbbbbb", markersize=2)
        axes.plot(*samples.T, ".", color="#d1541f", markersize=2)
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
        axes.set_title(f"step {step:,.0f}", fontsize=12)
    picture.legend(["real", "generated"], loc="outside lower center", ncols=2, markerscale=5, frameon=False)
    pictures.save(picture, path)
    return {
        "ring, Gaussians found of 8": int((counts >= 20).sum()),  # 2 % of the samples
        "ring, samples within 3 sigma": float(near.mean()),
    }


def digits(steps: int, path: Path) -> common.Figures:
    """Learn MNIST, in [-1, 1], and let a classifier judge."""
    random = np.random.default_rng(0)
    (X, y), test = common.mnist()

    def draw(n: int) -> np.ndarray:
        return 2 * X[random.integers(0, len(X), n)] - 1

    generator = network([64, 256, 512, 784], "leaky_relu", "tanh", seed=0)
    discriminator = network([784, 512, 256, 1], "leaky_relu", "identity", seed=1, dropout=0.3)
    seen = [(samples + 1) / 2 for samples in train((generator, discriminator), 2e-4, draw, steps, 8)]
    judge = fn.Sequential([fn.Dense(256, "relu"), fn.Dropout(0.3), fn.Dense(10)], input_shape=784, seed=2)
    judge.fit(X, y, epochs=10, batch_size=128, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
    answers = softmax(judge.predict(seen[-1]), axis=1)
    counts = np.bincount(answers.argmax(axis=1), minlength=10)
    print("samples per digit:", counts)
    picture = pictures.figure(9, 5.4)
    names = [f"step {step:,.0f}" for step in np.linspace(0, steps, 9)]
    pictures.show(picture.add_subplot(), np.stack([s[:16] for s in seen]), 28, names, "One noise, while training")
    pictures.save(picture, path)
    return {
        "classifier, accuracy on real digits": judge.evaluate(*test)["accuracy"],
        "MNIST, samples the classifier is sure of": float((answers.max(axis=1) > 0.9).mean()),
        "MNIST, digits that appear": int((counts >= 20).sum()),  # 2 % of the samples
        "MNIST, smallest share of a digit": counts.min() / 1000,
    }


def run(quick: bool, output: Path) -> common.Figures:
    """Learn the ring, and in the long version MNIST."""
    figures = ring(2000 if quick else 8000, output / "gan-ring.png")
    if not quick:
        figures |= digits(25_000, output / "gan-mnist.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
