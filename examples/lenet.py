"""MNIST with convolutions: LeNet-5, and a net that errs on fewer than one digit in two hundred.

1. LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998) as it is taught today, ten epochs of Adam on digits moved by a
   pixel now and then: accuracy, and seconds of an epoch.
2. A net of six layers, on digits that are moved, turned and resized a little each time they are seen: the error of
   three seeds, and how long each took.

Draws the learning curves, the first filters, and the digits that the second net gets wrong.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "LeNet-5, test accuracy": ">= 0.99",
    "small net, worst error of three seeds": "<= 0.0045",
    "small net, longest training, seconds": "<= 300",
}
IMAGE = (28, 28, 1)


def lenet5(seed: int) -> fn.Network:
    """Two convolutions of 5 by 5, each with a pool, and three dense layers: 44,426 parameters."""
    layers = [
        fn.Conv2D(6, 5, "relu", padding="valid"),
        fn.MaxPool2D(2),
        fn.Conv2D(16, 5, "relu", padding="valid"),
        fn.MaxPool2D(2),
        fn.Flatten(),
        fn.Dense(120, "relu"),
        fn.Dense(84, "relu"),
        fn.Dense(10),
    ]
    return fn.Sequential(layers, IMAGE, seed=seed)


def small(seed: int) -> fn.Network:
    """Four convolutions with two pools, and two dense layers behind dropout."""
    layers = [
        fn.Conv2D(16, 5, "relu", padding="valid", name="first"),
        fn.MaxPool2D(2),
        fn.Conv2D(48, 3, "relu", padding="valid"),
        fn.Conv2D(48, 3, "relu", padding="valid"),
        fn.MaxPool2D(2),
        fn.Conv2D(96, 3, "relu", padding="valid"),
        fn.Flatten(),
        fn.Dropout(0.4),
        fn.Dense(128, "relu"),
        fn.Dropout(0.4),
        fn.Dense(10),
    ]
    return fn.Sequential(layers, IMAGE, seed=seed)


def cosine(rate: float, images: int, epochs: int) -> fn.Adam:
    """Adam whose rate falls to 0 over these epochs."""
    return fn.Adam(fn.CosineDecay(rate, total_steps=epochs * -(-images // 128)))


def mistakes(net: fn.Network, X: np.ndarray, y: np.ndarray, path: Path, most: int = 40) -> None:
    """Draw digits that the network gets wrong, the surest mistakes first."""
    logits = net.predict(X)
    wrong = np.flatnonzero(logits.argmax(axis=1) != y)
    order = wrong[np.argsort(logits[wrong, y[wrong]] - logits[wrong].max(axis=1))][:most]
    columns = 10
    tiles = np.zeros((-(-len(order) // columns), columns, 784), np.float32)
    tiles.reshape(-1, 784)[: len(order)] = X[order].reshape(-1, 784)
    figure = pictures.figure(9, 0.9 * len(tiles) + 0.6)
    pictures.show(
        figure.subplots(), tiles, 28, title=f"the {len(order)} surest of {len(wrong)} mistakes on {len(y)} digits"
    )
    pictures.save(figure, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train both, print a line for each, draw."""
    (X, y), (X_test, y_test) = common.mnist()
    X, X_test = (images.reshape(-1, *IMAGE) for images in (X, X_test))
    if quick:
        X, y, X_test, y_test = X[:4000], y[:4000], X_test[:1000], y_test[:1000]
    figures = {}

    epochs = 2 if quick else 10
    net = lenet5(seed=0)
    net.compile("cross_entropy", cosine(2e-3, len(X), epochs), metrics=["accuracy"])
    moved = fn.Augmented(X, y, [fn.PadCrop(1)], seed=0)
    history = net.fit(moved, epochs=epochs, batch_size=128)
    figures["LeNet-5, test accuracy"] = net.evaluate(X_test, y_test)["accuracy"]
    figures["LeNet-5, seconds of an epoch"] = float(np.median(history["seconds"]))
    print(
        f"LeNet-5, {net.n_params:,} parameters: accuracy {figures['LeNet-5, test accuracy']:.2%}, "
        f"{figures['LeNet-5, seconds of an epoch']:.2f} s an epoch",
        flush=True,
    )

    errors, seconds, epochs = [], [], 2 if quick else 24
    for seed in range(1 if quick else 3):
        net = small(seed)
        net.compile("cross_entropy", cosine(2e-3, len(X), epochs), metrics=["accuracy"])
        data = fn.Augmented(X, y, [fn.PadCrop(2), fn.Affine(rotate=10, scale=0.1, shift=0)], seed=seed)
        began = perf_counter()
        history = net.fit(data, epochs=epochs, batch_size=128, validation_data=(X_test, y_test))
        seconds.append(perf_counter() - began)
        errors.append(1 - net.evaluate(X_test, y_test)["accuracy"])
        print(f"small net, seed {seed}: error {errors[-1]:.2%}, {seconds[-1]:.0f} s, tests included", flush=True)
    figures["small net, worst error of three seeds"] = max(errors)
    figures["small net, longest training, seconds"] = max(seconds)

    fn.plot_history(history, output / "lenet-curves.png")
    fn.plot_filters(net, output / "lenet-filters.png")
    mistakes(net, X_test, y_test, output / "lenet-mistakes.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
