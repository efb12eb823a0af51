"""What a network for MNIST looks at: five ways to ask, each with its picture and its check.

1. Attributions (saliency, SmoothGrad, integrated gradients, occlusion): which pixels speak for the answer?
   Integrated gradients are complete: they sum to f(x) - f(0).
2. Deletion: if the attributed pixels matter, blackening them must hurt far more than blackening as many at random.
3. Activation maximisation: an input of which the network is sure.
4. Linear probes: how far each layer has taken the digits apart.
5. Histograms of weights, activations and gradients.
"""

import sys
from pathlib import Path

import common
import numpy as np

import fastnn as fn

IMAGE = (28, 28)
GOALS = {
    "integrated gradients, worst |sum - (f(x) - f(0))| / |f(x) - f(0)|": "<= 0.01",
    "accuracy cut by top pixels / by random pixels": ">= 3",
    "maximised inputs, least p": ">= 0.99",
    "probes, least gain from layer to layer": ">= 0",
}


def deletion(net: fn.Network, X: np.ndarray, y: np.ndarray, ranking: np.ndarray, share: float = 0.1) -> float:
    """Return by how much accuracy falls when the pixels of the highest rank in each image are blackened."""
    deleted = X.copy()
    top = np.argsort(ranking, axis=1)[:, -round(share * X.shape[1]) :]
    np.put_along_axis(deleted, top, 0, axis=1)
    return net.evaluate(X, y)["accuracy"] - net.evaluate(deleted, y)["accuracy"]


def probability(logits: np.ndarray) -> np.ndarray:
    """Softmax over each row."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def run(quick: bool, output: Path) -> common.Figures:
    """Train a network, then look into it."""
    (X, y), (X_test, y_test) = common.mnist()
    if quick:
        X, y, X_test, y_test = X[:6000], y[:6000], X_test[:300], y_test[:300]
    layers = [fn.Dense(64, "relu"), fn.Dense(64, "relu"), fn.Dense(64, "relu"), fn.Dense(10)]
    net = fn.Sequential(layers, input_shape=784, seed=0)
    net.compile(loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
    net.fit(X, y, epochs=3 if quick else 10, batch_size=128)
    accuracy = net.evaluate(X_test, y_test)["accuracy"]
    print(f"784-64-64-64-10, test accuracy {accuracy:.2%}")
    figures = {"test accuracy": accuracy}

    # The first image of each digit; f is the logit of the predicted class.
    shown = X_test[[int(np.argmax(y_test == digit)) for digit in range(6)]]
    maps = [
        fn.saliency(net, shown),
        fn.smooth_grad(net, shown),
        fn.integrated_gradients(net, shown),
        fn.occlusion(net, shown, window=4, shape=IMAGE),
    ]
    fn.plot_attribution(maps, output / "insight-attributions.png", shape=IMAGE)

    attribution = fn.integrated_gradients(net, X_test)
    error = attribution.relative_delta
    rough = error > 0.005  # a sum of 50 steps is not enough for these paths: they cross many kinks of relu
    print(
        f"integrated gradients, 50 steps: {error.mean():.1e} from complete on average, {rough.sum()} images above .005"
    )
    if rough.any():
        error[rough] = fn.integrated_gradients(net, X_test[rough], steps=1000).relative_delta
    figures["integrated gradients, worst |sum - (f(x) - f(0))| / |f(x) - f(0)|"] = error.max()

    random = np.random.default_rng(0)
    cut = deletion(net, X_test, y_test, attribution.values)
    chance = np.mean([deletion(net, X_test, y_test, random.random(X_test.shape)) for _ in range(3)])
    ink = np.mean([deletion(net, X_test, y_test, random.random(X_test.shape) * (X_test > 0)) for _ in range(3)])
    print(f"blackening 10 % of the pixels cuts accuracy by {cut:.2%} where they are those most attributed,")
    print(f"by {chance:.2%} where chosen at random, by {ink:.2%} at random among those with ink")
    figures["accuracy cut by top pixels / by random pixels"] = cut / max(chance, 1 / len(X_test))
    figures["accuracy cut by top pixels / by random pixels with ink"] = cut / max(ink, 1 / len(X_test))

    found = fn.maximise_activation(net, range(10), bounds=(0, 1), l2=0.5)
    fn.plot_maximised(found, output / "insight-maximised.png", shape=IMAGE)
    figures["maximised inputs, least p"] = probability(net.predict(found.values)).diagonal().min()

    probes = fn.linear_probes(net, X, y, held_out=(X_test, y_test), epochs=5)
    print(probes)
    fn.plot_probes(probes, output / "insight-probes.png")
    gains = np.diff(probes.accuracy[:-1])  # the last layer is linear itself: there is nothing for it to gain
    figures["probes, least gain from layer to layer"] = gains.min()

    fn.plot_histograms(fn.histograms(net, X_test[:500], y_test[:500]), output / "insight-histograms.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
