"""Memory of a process that learns, answers, saves and loads for a long time."""

import gc
import tempfile
from pathlib import Path

import numpy as np

import fastnn as fn

PROMISE = (
    "10^6 train_steps and 10^5 networks made, fitted, saved, loaded and dropped grow the process by less than 1 MB"
)
SHORT = 1 / 1000
LIMIT = 1 << 20
STEPS, NETWORKS = 1_000_000, 100_000


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def learn(steps: int) -> None:
    """Learn from one row after the other."""
    net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(1)], input_shape=8, seed=0)
    net.compile("squared_error", fn.Adam(1e-3))
    rows = np.random.default_rng(0).standard_normal((256, 8), np.float32)
    for step in range(steps):
        net.train_step(rows[step % 256], 0.5)


def live(networks: int, folder: Path) -> None:
    """Make networks of several kinds, one after the other, and all that one does with them."""
    random = np.random.default_rng(0)
    X, images = random.standard_normal((8, 6), np.float32), random.standard_normal((4, 8, 8, 1), np.float32)
    for k in range(networks):
        if k % 10:
            net = fn.Sequential([fn.Dense(4 + k % 5, "relu"), fn.Dense(2)], input_shape=6, seed=k)
            net.fit(X, X[:, :2], loss="squared_error", optimizer="adam", batch_size=4, verbose=0)
        else:
            net = fn.Sequential([fn.Conv2D(4, 3, "relu"), fn.Flatten(), fn.Dense(2)], input_shape=(8, 8, 1), seed=k)
            net.fit(images, [0, 1, 0, 1], loss="cross_entropy", optimizer="sgd", batch_size=4, verbose=0)
        net.save(folder / "net.safetensors", optimizer=True)
        again = fn.load(folder / "net.safetensors")
        assert np.array_equal(again.params, net.params)


def run(share: float) -> dict:
    grown = {}
    with tempfile.TemporaryDirectory() as folder:
        work = {"train_step": lambda n: learn(n), "networks": lambda n: live(n, Path(folder))}
        for (name, do), count in zip(work.items(), (STEPS, NETWORKS), strict=True):
            do(max(50, round(count * min(share, 0.002))))  # caches, arenas and pools fill up
            before = resident()
            do(round(count * share))
            grown[name] = resident() - before
    for name, size in grown.items():
        assert size < LIMIT, f"{name}: {size} bytes more"
    return {"grown_bytes": grown}
