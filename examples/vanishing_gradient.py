"""The vanishing gradient, made visible, and three cures.

A gradient on its way back is multiplied by weights and slopes, layer after layer.  If the product is below 1, little is
left after 50 layers, and the first ones do not learn.  Four networks of 50 layers, before training:

- plain: tanh, weights and biases uniform in +-1/sqrt(inputs), the default of old (and of some frameworks);
- initialisation: the same with Glorot's, which keeps the size of signals;
- relu: with He's initialisation;
- residual: the plain layers, each with a link around it.

Then the case of the textbooks: six hidden layers of sigmoids, whose slope is at most 1/4, and plain gradient descent.
(Adam divides by the size of the gradient, so its updates hide some of this; it cannot bring back the signal.)
"""

import sys
from pathlib import Path

import common

import fastnn as fn

DEPTH, WIDTH = 50, 64
GOALS = {"plain, first / last gradient norm": "<= 1e-4", "residual, first / last gradient norm": ">= 1e-2"}

old = fn.VarianceScaling(1 / 3, "fan_in", "uniform")  # uniform in +-1/sqrt(inputs): of variance 1 / (3 inputs)


def plain_layer(units: int, activation: str | None = None) -> fn.Dense:
    """A layer with the initial values of old."""
    return fn.Dense(units, activation, kernel_initializer=old, bias_initializer=old)


def networks() -> dict[str, list[fn.Layer]]:
    """Return the layers of each network by its name."""
    between = range(DEPTH - 2)
    plain = [plain_layer(WIDTH, "tanh") for _ in range(DEPTH - 1)]
    links = [plain_layer(WIDTH, "tanh"), *(fn.Residual([plain_layer(WIDTH, "tanh")]) for _ in between)]
    return {
        "plain": [*plain, plain_layer(10)],
        "initialisation": [*(fn.Dense(WIDTH, "tanh") for _ in range(DEPTH - 1)), fn.Dense(10)],
        "relu": [*(fn.Dense(WIDTH, "relu") for _ in range(DEPTH - 1)), fn.Dense(10)],
        "residual": [*links, plain_layer(10)],
    }


def compiled(layers: list[fn.Layer], optimizer: str | fn.optimizers.Optimizer = "adam") -> fn.Sequential:
    """A network for MNIST, ready to learn."""
    net = fn.Sequential(layers, input_shape=784, seed=0)
    net.compile(loss="cross_entropy", optimizer=optimizer, metrics=["accuracy"])
    return net


def run(quick: bool, output: Path) -> common.Figures:
    """Look at the gradients of five networks, and train four of them a little."""
    (X, y), (X_test, y_test) = common.mnist()
    if quick:
        X, y, X_test, y_test = X[:2000], y[:2000], X_test[:1000], y_test[:1000]
    figures, flows = {}, {}
    for name, layers in networks().items():
        net = compiled(layers)
        flow = flows[name] = fn.gradient_flow(net, X[:512], y[:512])
        print(f"{name}: {flow.verdict}\n")
        figures[f"{name}, first / last gradient norm"] = flow.gradient_ratio[0]
        net.fit(X, y, epochs=1, batch_size=128)
        figures[f"{name}, test accuracy after one epoch"] = net.evaluate(X_test, y_test)["accuracy"]
    fn.plot_gradient_flow(flows, output / "vanishing-gradient.png")

    textbook = compiled([*(fn.Dense(30, "sigmoid") for _ in range(6)), fn.Dense(10)], fn.SGD(0.1))
    flow = fn.gradient_flow(textbook, X[:512], y[:512])
    print(f"six hidden layers of sigmoids:\n{flow}")
    fn.plot_gradient_flow(flow, output / "vanishing-gradient-sigmoid.png")
    fn.plot_histograms(fn.histograms(textbook, X[:512], y[:512]), output / "vanishing-gradient-histograms.png")
    figures["sigmoids, first / last gradient norm"] = flow.gradient_ratio[0]
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
