"""Progressive growing of GANs: generator and critic learn small pictures first, and grow while they learn.

Both begin with pictures of 4 x 4 pixels.  Each time that they have learned a size, layers for twice as many pixels come
in at the end of the generator and at the beginning of the critic; all others keep their weights, and the new ones fade
in [Karras et al. 2018].  The critic is one of Wasserstein, held by a penalty on its slopes; weights learn at an
equalised rate; the samples are those of the moving average of the generator.

USPS digits of 16 x 16 pixels, or with ``--mnist``, ``--faces``, ``--cars`` something larger in their place.  With
``--race`` the same nets at full size from the start, for the same seconds of the processor, to show what growing is
worth.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import common
import numpy as np
import pictures
from growing import LATENT, resized, train
from PIL import Image
from scipy.special import softmax

import fastnn as fn

GOALS = {
    "USPS, distance of samples / of two real halves": "<= 3",
    "USPS, distance of samples / of noise": "<= 0.25",
    "USPS, samples the classifier is sure of": ">= 0.7",
    "USPS, smallest share of a digit": ">= 0.02",
    "USPS, samples like an image that was learned": "<= 0.05",
}


@dataclass
class Pictures:
    """Images (N, side, side, C) in [-1, 1] to learn, others that are not learned, and what digits they show."""

    name: str
    picture: str
    train: np.ndarray
    other: np.ndarray
    labels: np.ndarray | None = None
    thousands: tuple[int, ...] = (30, 60, 120, 160)  # of images seen at each size

    @property
    def sides(self) -> list[int]:
        """All sizes from 4 on."""
        side = self.train.shape[1]
        return [4 << level for level in range((side // 4).bit_length())]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The mean sliced Wasserstein distance of the two finest sizes."""
    n, side = min(len(a), len(b), 4000), a.shape[1]
    found = fn.metrics.sliced_wasserstein(a[:n], b[:n], smallest=max(side // 2, 8))
    return float(np.mean([*found.values()]))


def measured(data: Pictures, samples: np.ndarray) -> common.Figures:
    """How near the samples are to the real pictures, how different among themselves, and whether they are copies."""
    half, name = len(data.train) // 2, data.name
    noise = np.random.default_rng(0).uniform(-1, 1, samples.shape).astype(np.float32)
    own = distance(data.train[:half], data.train[half:])
    far = distance(samples, data.train[:half])
    threshold = np.quantile(fn.metrics.nearest_neighbours(data.other, data.train)[1], 0.01)
    near = fn.metrics.nearest_neighbours(samples[:2000], data.train)[1] < threshold
    alike = [fn.metrics.ms_ssim(x[:500], x[500:1000], 2.0) for x in (samples, data.train) if len(x) >= 1000]
    figures = {
        f"{name}, distance of samples (1000 x sliced Wasserstein)": far,
        f"{name}, distance of samples / of two real halves": far / own,
        f"{name}, distance of samples / of noise": far / distance(noise, data.train[:half]),
        f"{name}, samples like an image that was learned": float(near.mean()),  # nearer than 1 % of others are
    }
    figures |= dict(zip((f"{name}, similarity among samples", f"{name}, among real images"), alike, strict=False))
    if data.labels is None:
        return figures
    side = data.train.shape[1]
    layers = [fn.Conv2D(16, 3, "relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(64, "relu"), fn.Dropout(0.3)]
    judge = fn.Sequential([*layers, fn.Dense(10)], (side, side, 1), seed=2)
    order = np.random.default_rng(0).permutation(len(data.train))[:12_000]
    judge.fit(data.train[order], data.labels[order], epochs=24, batch_size=64, loss="cross_entropy", verbose=0)
    answers, real = (softmax(judge.predict(images), axis=1) for images in (samples, data.other))
    shares = np.bincount(answers.argmax(axis=1), minlength=10) / len(samples)
    return figures | {
        f"{name}, samples the classifier is sure of": float((answers.max(axis=1) > 0.9).mean()),
        f"{name}, real digits that it is sure of": float((real.max(axis=1) > 0.9).mean()),
        f"{name}, smallest share of a digit": float(shares.min()),
    }


def tiles(images: np.ndarray) -> np.ndarray:
    """Images (rows, columns, side, side, C) in [-1, 1] as one picture in bytes."""
    rows, columns, side, _, colours = images.shape
    framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    whole = framed.transpose(0, 2, 1, 3, 4).reshape(rows * (side + 2), columns * (side + 2), colours)
    return (127.5 * np.clip(whole.repeat(3 // colours, axis=2) + 1, 0, 2)).astype(np.uint8)


def walk(net: fn.Network, keys: int = 8, between: int = 15, across: int = 6) -> Iterator[np.ndarray]:
    """Walks through what the generator has learned, on the sphere from latent to latent and back to the first.

    Yields the pictures (across, side, side, C) of as many walks side by side.
    """
    ends = np.random.default_rng(3).standard_normal((keys, across, LATENT))
    ends /= np.linalg.norm(ends, axis=-1, keepdims=True)
    for a, b in zip(ends, np.roll(ends, -1, axis=0), strict=True):
        angle = np.arccos(np.clip((a * b).sum(axis=1, keepdims=True), -1, 1))
        for t in np.arange(between) / between:
            yield net.predict((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def film(net: fn.Network, path: Path) -> None:
    """The walks as an animation."""
    frames = [Image.fromarray(tiles(images[None])) for images in walk(net)]
    frames = [frame.resize((4 * frame.width, 4 * frame.height), Image.Resampling.NEAREST) for frame in frames]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=60, loop=0)


def draw(data: Pictures, seen: list[np.ndarray], path: Path) -> None:
    """Samples of each size from the same latents, then real pictures."""
    side = data.train.shape[1]
    rows = [resized(samples[:12], side) for samples in seen] + [data.train[:12]]
    picture = pictures.figure(9, 0.8 * len(rows) + 0.6)
    axes = picture.add_subplot()
    axes.imshow(tiles(np.stack(rows)))
    places = (np.arange(len(rows)) + 0.5) * (side + 2)
    axes.set_yticks(places, [f"{samples.shape[1]} x {samples.shape[1]}" for samples in seen] + ["real"], fontsize=11)
    axes.set(xticks=[], title="One latent, while the nets grow")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    pictures.save(picture, path)


def grow(data: Pictures, output: Path) -> common.Figures:
    """Learn all sizes; write samples, a film and the generator."""
    latents, seen = np.random.default_rng(1).standard_normal((2000, LATENT), dtype=np.float32), []
    began, path = perf_counter(), output / data.picture
    for net in train(data.train, data.sides, data.thousands, seed=0):
        seen.append(net.predict(latents))
        if (side := net.output_shape[0]) > 4:
            print(f"{side:3} x {side}: distance {distance(seen[-1], resized(data.train, side)):.0f}", flush=True)
    seconds = perf_counter() - began
    net.save(path.with_suffix(".safetensors"))
    draw(data, seen, path)
    film(net, path.with_suffix(".gif"))
    return {f"{data.name}, minutes of training": seconds / 60} | measured(data, seen[-1])


def race(data: Pictures, thousands: tuple[int, ...], seeds: int) -> common.Figures:
    """Nets that grow, and nets of full size from the start, for the same seconds of the processor."""
    figures, wins = {}, 0
    z = np.random.default_rng(1).standard_normal((2000, LATENT), dtype=np.float32)
    for seed in range(seeds):
        began = process_time()
        *_, growing = train(data.train, data.sides, thousands, seed)
        seconds = process_time() - began
        *_, whole = train(data.train, data.sides[-1:], (10**6,), seed, seconds)
        pair = [distance(net.predict(z), data.train) for net in (growing, whole)]
        figures |= dict(zip((f"seed {seed}, distance of nets that grow", f"seed {seed}, at once"), pair, strict=True))
        wins += pair[0] < pair[1]
    return figures | {"race, seconds of each": seconds, "race, seeds in which growing wins": wins}


def usps() -> Pictures:
    """Digits from envelopes, at their own 16 x 16 pixels."""
    (X, y), (other, _) = common.usps()
    train, other = (images.reshape(-1, 16, 16, 1) for images in (X, other))
    return Pictures("USPS", "progressive-gan.png", train, other, y)


def mnist() -> Pictures:
    """Digits in a frame, 32 x 32 pixels."""
    (X, y), (other, _) = common.mnist()
    frame = ((0, 0), (2, 2), (2, 2), (0, 0))
    train, other = (np.pad(2 * x.reshape(-1, 28, 28, 1) - 1, frame, constant_values=-1) for x in (X, other))
    return Pictures("MNIST", "progressive-gan-mnist.png", train, other, y)


def faces() -> Pictures:
    """Forty people, and their mirror images, 32 x 32 pixels; two of them are not learned."""
    images, _ = common.faces()
    all_faces = common.resampled(images[:, 12:104], 32)[..., None] / 127.5 - 1
    train, other = (np.concatenate([part, part[:, :, ::-1]]) for part in (all_faces[:380], all_faces[380:]))
    return Pictures("Faces", "progressive-gan-faces.png", train, other)


def cars() -> Pictures:
    """One class of CIFAR-10: 1,000 automobiles, and their mirror images."""
    parts = []
    for name in ("cifar10_train_10000.npz", "cifar10_test_2000.npz"):
        with np.load(common.data(f"cifar10/{name}")) as archive:
            images = archive["x"][archive["y"] == 1].astype(np.float32) / 127.5 - 1
        parts.append(np.concatenate([images, images[:, :, ::-1]]))
    return Pictures("Cars", "progressive-gan-cars.png", *parts)


def run(quick: bool, output: Path, **others: bool) -> common.Figures:
    """Learn USPS, or what is asked for in its place; the short version: the digits of the package, 8 x 8 pixels."""
    if quick:
        X, y = fn.load_digits()
        images = 2 * X.reshape(-1, 8, 8, 1) - 1
        digits = Pictures("Digits", "progressive-gan.png", images[:1500], images[1500:], y[:1500], (4, 8))
        return grow(digits, output)
    if others.pop("race", False):
        return race(usps(), (5, 10, 20), 3)
    chosen = [source for name, source in (("mnist", mnist), ("faces", faces), ("cars", cars)) if others.get(name)]
    figures: common.Figures = {}
    for source in chosen or [usps]:
        figures |= grow(source(), output)
    return figures


FLAGS = {
    "mnist": "MNIST, 32 x 32 pixels, in place of USPS",
    "faces": "40 people of the ORL database, 32 x 32 pixels",
    "cars": "automobiles of CIFAR-10 in colour, 32 x 32 pixels",
    "race": "nets that grow against nets of full size from the start, as long, three seeds",
}

if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS, FLAGS))
