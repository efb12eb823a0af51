"""Networks that grow: a generator and a critic for pictures of any size from 4 x 4 on, and how both learn."""

from collections.abc import Iterator
from time import process_time

import common
import numpy as np

import fastnn as fn

LATENT, BATCH, DRIFT = 64, 16, 1e-3
FILTERS = {4: 64, 8: 64, 16: 32, 32: 16}
LEAKY = fn.Activation("leaky_relu", alpha=0.2)


def convolved(filters: int, name: str) -> fn.Layer:
    """3 x 3 pixels, in tiles where there are channels enough for that to pay."""
    return fn.Conv2D(filters, 3, LEAKY, winograd=filters >= 32, name=name)


def generator(side: int, colours: int, seed: int) -> fn.Network:
    """From the hypersphere to pictures; at the end the layers of a size come in for those of the size before."""
    z = fn.Input(LATENT)
    first = fn.VarianceScaling(2 / 16, "fan_in", "normal")
    h = fn.Dense(16 * FILTERS[4], LEAKY, kernel_initializer=first, name="g4a")(fn.PixelNorm()(z))
    h = fn.PixelNorm()(fn.Reshape((4, 4, FILTERS[4]))(h))
    h = fn.PixelNorm()(convolved(FILTERS[4], "g4b")(h))
    picture, size = None, 4
    while size <= side:
        if size > 4:
            h = fn.Upsample2D(2)(h)
            for part in "ab":
                h = fn.PixelNorm()(convolved(FILTERS[size], f"g{size}{part}")(h))
        if size >= side // 2:  # of smaller ones nothing is left
            new = fn.Conv2D(colours, 1, kernel_initializer="lecun_normal", name=f"to{size}")(h)
            picture = new if picture is None else fn.Blend(name="fade")(fn.Upsample2D(2)(picture), new)
        size *= 2
    return fn.Network(z, picture, seed=seed)


def critic(side: int, colours: int, seed: int) -> fn.Network:
    """The way back, to one number: high for real pictures."""
    picture, size = fn.Input((side, side, colours)), side
    h = fn.Conv2D(FILTERS[side], 1, LEAKY, name=f"from{side}")(picture)
    while size > 4:
        h = convolved(FILTERS[size], f"d{size}a")(h)
        h = fn.AvgPool2D(2)(convolved(FILTERS[size // 2], f"d{size}b")(h))
        if size == side:
            old = fn.Conv2D(FILTERS[side // 2], 1, LEAKY, name=f"from{side // 2}")(fn.AvgPool2D(2)(picture))
            h = fn.Blend(name="fade")(old, h)
        size //= 2
    h = convolved(FILTERS[4], "d4a")(fn.MinibatchStdDev(4)(h))
    h = fn.Dense(FILTERS[4], LEAKY, name="d4b")(fn.Flatten()(h))
    return fn.Network(picture, fn.Dense(1, kernel_initializer="lecun_normal", name="judge")(h), seed=seed)


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Means of blocks of pixels, or pixels repeated."""
    n, now, _, colours = images.shape
    if side > now:
        return images.repeat(side // now, axis=1).repeat(side // now, axis=2)
    return images.reshape(n, side, now // side, side, now // side, colours).mean(axis=(2, 4))


def learn_critic(G: fn.Network, D: fn.Network, real: np.ndarray, z: np.ndarray, random: np.random.Generator) -> None:
    """One update of the critic: E D(fake) - E D(real), drift and penalty."""
    n, fake = len(real), G.forward(z)
    y = D.forward(np.concatenate([real, fake]), training=True)
    D.backward(np.concatenate([2 * DRIFT * y[:n] - 1, np.ones((n, 1))]) / n, inputs=False)
    between = fake + random.uniform(size=(n, 1, 1, 1)).astype(np.float32) * (real - fake)
    fn.gradient_penalty(D, between, 10.0)
    D.apply_gradients()


def learn_generator(G: fn.Network, D: fn.Network, z: np.ndarray) -> None:
    """One update of the generator: -E D(G(z))."""
    D.forward(G.forward(z, training=True), training=True)
    G.backward(D.backward(np.full((len(z), 1), -1 / len(z)), parameters=False), inputs=False)
    G.apply_gradients()


def grown(old: fn.Network | None, new: fn.Network) -> fn.Network:
    """Give a network the weights of the smaller one before it, and an optimiser that knows nothing yet."""
    if old is not None:
        new.take_weights(old)
    new.compile(optimizer=fn.Adam(1e-3, beta1=0.0, beta2=0.99, equalized=True))
    return new


def fade(nets: list[fn.Network], alpha: float) -> None:
    """Set what the new layers count."""
    for view in (view for net in nets for view in net.layers if view.name == "fade"):
        view.alpha[...] = alpha


def train(
    images: np.ndarray, sides: list[int], thousands: tuple[int, ...], seed: int, seconds: float = np.inf
) -> Iterator[fn.Network]:
    """Yield the averaged generator after each size, of which so many thousand images are seen, half while it fades in.

    ``seconds`` of the processor end the training early.
    """
    random, began = np.random.default_rng(seed), process_time()
    colours, G, D, mean = images.shape[-1], None, None, None
    for level, (side, count) in enumerate(zip(sides, thousands, strict=False)):
        G, D = grown(G, generator(side, colours, seed)), grown(D, critic(side, colours, seed + 1))
        average = fn.WeightAverage(G, 0.999)
        if mean is not None:
            average.network.take_weights(mean)
        mean, real = average.network, resized(images, side)
        steps = 1000 * count // BATCH
        for step in common.progress(range(steps), f"{side} x {side}"):
            alpha = min(1.0, 2 * step / steps) if level else 1.0
            fade([G, D], alpha)
            batch = real[random.integers(0, len(real), BATCH)]
            if alpha < 1:
                batch = (1 - alpha) * resized(resized(batch, side // 2), side) + alpha * batch
            z = random.standard_normal((2, BATCH, LATENT), dtype=np.float32)
            learn_critic(G, D, batch.astype(np.float32), z[0], random)
            learn_generator(G, D, z[1])
            average.update()
            if process_time() - began > seconds:
                break
        yield mean
