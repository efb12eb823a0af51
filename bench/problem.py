"""Weights and data of a workload: the same numbers for every peer, and for the reference."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.workloads import Workload

ROOT = Path(__file__).parents[1]
MNIST_FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")


@dataclass(frozen=True)
class Problem:
    """``weights[l]`` (I, O), ``biases[l]`` (O,), ``X`` (B, I), ``Y`` (B, O) or labels (B,) int64."""

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    X: np.ndarray
    Y: np.ndarray


def mnist_folder() -> Path:
    """Where the IDX files of MNIST are looked for."""
    return Path(os.environ.get("FASTNN_DATA", ROOT.parent / "shared" / "data")) / "mnist"


def why_not(workload: Workload) -> str | None:
    """Why this workload cannot be run here, if so."""
    cores = len(os.sched_getaffinity(0))
    if workload.threads > cores:
        return f"needs {workload.threads} cores, this process may use {cores}"
    if workload.mode == "epoch" and not all((mnist_folder() / name).exists() for name in MNIST_FILES):
        return f"expected {' and '.join(MNIST_FILES)} in {mnist_folder()}; FASTNN_DATA names the folder above"
    return None


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Training images (60000, 784) in [0, 1], and labels."""
    images, labels = (gzip.decompress((mnist_folder() / name).read_bytes()) for name in MNIST_FILES)
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
    return X.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def problem(workload: Workload) -> Problem:
    """Draw the numbers of a workload."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(workload.dtype)

    weights = [normal(i, o) * np.sqrt(2 / i).astype(workload.dtype) for i, o in workload.layers]
    biases = [0.1 * normal(o).astype(workload.dtype) for _, o in workload.layers]
    if workload.mode == "epoch":
        return Problem(weights, biases, *mnist())
    X, Y = normal(workload.batch, workload.sizes[0]), normal(workload.batch, workload.sizes[-1])
    X[random.random(X.shape) >= workload.density] = 0
    return Problem(weights, biases, X, Y)
