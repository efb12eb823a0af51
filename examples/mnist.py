"""MNIST: two networks, three seeds, test accuracy and seconds.

Run ``python examples/mnist.py [DATA]`` with DATA a folder that holds the four IDX files of MNIST (default: mnist/ in
the folder named by FASTNN_DATA, or in ../shared/data).  Writes learning curves to examples/output/.
"""

import os
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import fastnn as fn


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training and test images (N, 784) in [0, 1], and labels."""
    parts = []
    for name in ("train", "t10k"):
        images = fn.read_idx(folder / f"{name}-images-idx3-ubyte.gz")
        parts += [images.reshape(len(images), -1).astype(np.float32) / 255]
        parts += [fn.read_idx(folder / f"{name}-labels-idx1-ubyte.gz").astype(np.int64)]
    return parts[0], parts[1], parts[2], parts[3]


def small(
    seed: int, X: np.ndarray, y: np.ndarray, test: tuple[np.ndarray, np.ndarray]
) -> tuple[fn.Network, fn.History]:
    """784-128-10, Adam, 10 epochs."""
    net = fn.Sequential([fn.Dense(128, "relu"), fn.Dense(10)], input_shape=784, seed=seed)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(1e-3), metrics=["accuracy"])
    return net, net.fit(X, y, epochs=10, batch_size=128, validation_data=test)


def large(
    seed: int, X: np.ndarray, y: np.ndarray, test: tuple[np.ndarray, np.ndarray]
) -> tuple[fn.Network, fn.History]:
    """784-512-512-10 with dropout, Adam with a cosine schedule, 20 epochs."""
    layers = [fn.Dense(512, "relu"), fn.Dropout(0.2), fn.Dense(512, "relu"), fn.Dropout(0.2), fn.Dense(10)]
    net = fn.Sequential(layers, input_shape=784, seed=seed)
    steps = 20 * -(-len(X) // 128)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(fn.CosineDecay(1e-3, total_steps=steps)), metrics=["accuracy"])
    return net, net.fit(X, y, epochs=20, batch_size=128, validation_data=test)


def main() -> int:
    """Train, print a table, draw the curves."""
    default = Path(os.environ.get("FASTNN_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mnist"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        print(f"mnist: expected the four IDX files of MNIST in {folder}; pass their folder", file=sys.stderr)
        return 2
    X, y, *test = load(folder)
    output = Path(__file__).parent / "output"
    output.mkdir(exist_ok=True)
    print("network                       seed  test accuracy  seconds, evaluation included")
    for name, train in (("784-128-10", small), ("784-512-512-10, dropout 0.2", large)):
        for seed in range(3):
            began = perf_counter()
            net, history = train(seed, X, y, (test[0], test[1]))
            seconds = perf_counter() - began
            print(f"{name:28}  {seed:4}  {net.evaluate(*test)['accuracy']:13.2%}  {seconds:7.1f}", flush=True)
        fn.plot_history(history, output / f"mnist-{train.__name__}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
