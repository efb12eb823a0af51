"""The adding problem: two numbers far apart in a sequence, and gradients that must reach the first of them.

A sequence has T steps of two inputs: a random number in [0, 1], and a mark, 1 at one step of each half, 0 elsewhere.
The answer after the last step is the sum of the two marked numbers; always saying 1 has a mean squared error of 1/6.
An LSTM of 8 units learns it.  A tanh RNN knows at best the later number (1/12): no gradient reaches the other.

The second picture shows that gradient at every step.  At the start the LSTM's falls as well: a forget bias of 1 keeps
sigmoid(1) = 0.73 of a cell per step, and only a bias like log T (Tallec & Ollivier 2018) nearly all of it.  But gates
learn: trained, they hold the marked number for as long as it takes, and the gradient with it.  An RNN has no gates:
training leaves its gradient anywhere from vanished to exploding, and the number is not found.

Hochreiter & Schmidhuber 1997, section 5.4, in the form of Le, Jaitly & Hinton 2015.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "LSTM, T=100, worst error": "<= 0.002",
    "RNN, T=100, best error": ">= 0.02",
    "LSTM, trained: gradient falls by": "<= 100",
    "RNN, at the start: gradient falls by": ">= 10000",
}
BATCHES, BATCH = 8000, 32
PER_EPOCH = 500  # batches
COLORS = {"LSTM": "#1f5fa8", "RNN": "#d1541f"}


def sequences(n: int, steps: int, random: np.random.Generator) -> common.Labelled:
    """Return sequences (N, T, 2) and their sums (N, 1)."""
    X = np.zeros((n, steps, 2), np.float32)
    X[..., 0] = random.random((n, steps))
    rows, half = np.arange(n), steps // 2
    first, second = random.integers(0, half, n), random.integers(half, steps, n)
    X[rows, first, 1] = X[rows, second, 1] = 1
    return X, (X[rows, first, 0] + X[rows, second, 0])[:, None]


def untrained(layer: fn.Layer, steps: int, seed: int) -> fn.Network:
    """Return a network that answers after the last step."""
    return fn.Sequential([layer, fn.Dense(1)], input_shape=(steps, 2), seed=seed)


def train(net: fn.Network, steps: int, seed: int, batches: int) -> list[float]:
    """Train on ever new sequences; return the error on 2,000 others after every epoch."""
    random, test = np.random.default_rng(seed), sequences(2000, steps, np.random.default_rng(1000 + seed))
    net.compile(loss="squared_error", optimizer=fn.Adam(fn.CosineDecay(0.01, total_steps=batches)))
    errors = []
    for _ in common.progress(range(batches // PER_EPOCH), "epochs"):
        net.fit(*sequences(PER_EPOCH * BATCH, steps, random), batch_size=BATCH, epochs=1, verbose=0)
        errors.append(net.evaluate(*test)["loss"])
    return errors


def gradient_through_time(net: fn.Network, steps: int) -> np.ndarray:
    """Return the norm of dL/dx_t at every step t, over 1,000 sequences, in double precision: it may be very small."""
    net = net.astype("float64")
    X, y = sequences(1000, steps, np.random.default_rng(0))
    dX = net.backward(2 * (net.forward(X) - y) / len(y))
    return np.linalg.norm(dX, axis=(0, 2))


def draw_errors(curves: dict[str, list[list[float]]], steps: int, path: Path) -> None:
    """Draw the errors of every seed while it learns; dashed: longer sequences."""
    picture = pictures.figure(8, 4.8)
    axes = picture.add_subplot()
    for name, seeds in curves.items():
        style = "-" if name.endswith(f"T={steps}") else "--"
        for seed, errors in enumerate(seeds):
            batches = PER_EPOCH * np.arange(1, len(errors) + 1)
            axes.semilogy(batches, errors, style, color=COLORS[name.split(",")[0]], label="" if seed else name)
    axes.axhline(1 / 6, color="#555555", linewidth=1, linestyle=":", label="always 1")
    pictures.dress(axes, f"batches of {BATCH} sequences", "mean squared error on new sequences", "adding, 8 units")
    axes.legend(frameon=False, loc="lower left")
    pictures.save(picture, path)


def draw_gradients(gradients: dict[str, np.ndarray], path: Path) -> None:
    """Draw each gradient relative to its last step; dashed: before training."""
    picture = pictures.figure(8, 4.8)
    axes = picture.add_subplot()
    for name, norms in gradients.items():
        style = "-" if name.endswith("trained") else ":" if "log T" in name else "--"
        axes.semilogy(
            np.arange(1, len(norms) + 1), norms / norms[-1], style, color=COLORS[name.split(",")[0]], label=name
        )
    pictures.dress(axes, "step t", "|dL/dx$_t$| / |dL/dx$_T$|", "gradient through time, 8 units")
    axes.legend(frameon=False, loc="lower right")
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train both networks, and look at the gradients before and after."""
    layers = {"LSTM": fn.LSTM(8), "RNN": fn.SimpleRNN(8)}
    steps, batches = 100, 3000 if quick else BATCHES
    open_gates = untrained(fn.LSTM(8, forget_bias=float(np.log(steps))), steps, seed=0)
    gradients = {"LSTM, at the start, forget bias log T": gradient_through_time(open_gates, steps)}
    curves: dict[str, list[list[float]]] = {}
    print("layer    T  seed  mean squared error  seconds")
    for name, T in (("LSTM", steps), ("RNN", steps)) if quick else (("LSTM", steps), ("RNN", steps), ("LSTM", 200)):
        curves[f"{name}, T={T}"] = []
        for seed in range(1 if quick else 3):
            net, began = untrained(layers[name], T, seed), perf_counter()
            before = gradient_through_time(net, T)
            curves[f"{name}, T={T}"].append(train(net, T, seed, batches))
            error = curves[f"{name}, T={T}"][-1][-1]
            print(f"{name:4}  {T:4}  {seed:4}  {error:18.5f}  {perf_counter() - began:7.1f}", flush=True)
            if seed == 0 and steps == T:
                gradients[f"{name}, at the start"] = before
                gradients[f"{name}, trained"] = gradient_through_time(net, T)
    draw_errors(curves, steps, output / "adding-errors.png")
    draw_gradients(gradients, output / "adding-gradients.png")
    figures = {}
    for name, seeds in curves.items():
        last = [errors[-1] for errors in seeds]
        figures |= {f"{name}, worst error": max(last), f"{name}, best error": min(last)}
    least = np.finfo(float).tiny  # an RNN's may be 0
    return figures | {
        f"{name}: gradient falls by": norms[-1] / max(norms[0], least) for name, norms in gradients.items()
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
