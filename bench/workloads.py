"""What is timed: one table of workloads, each a network, what is done with it, and on how many threads."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

LEARNING_RATES = {"sgd": 1e-2, "adam": 1e-4, "adamw": 1e-4}
WEIGHT_DECAY = 1e-2  # of AdamW
MNIST_DENSITY = 0.19  # share of the pixels of MNIST that are not zero
MNIST_ROWS = 60_000
NARROW: dict[Literal["", "bfloat16", "int8"], int] = {"bfloat16": 2, "int8": 1}  # bytes of a weight


@dataclass(frozen=True)
class Workload:
    """A dense network with a linear last layer, and one kind of call.

    ``mode``: predict_one (one row), predict (``batch`` rows), step (loss, gradient and update on ``batch`` rows),
    gradient (loss and gradient), epoch (over MNIST, shuffled, in mini-batches of ``batch``).
    ``narrow``: the narrowest numbers that an answer may be computed in, "bfloat16" or "int8"; none: those of dtype.
    ``only``: the peers asked; none: all.  ``headline``: a row of the chart in the README.
    """

    mode: str
    sizes: tuple[int, ...]
    batch: int = 1
    optimizer: str = ""
    activation: str = "relu"
    dtype: str = "float32"
    dropout: float = 0.0
    density: float = 1.0
    threads: int = 1
    narrow: Literal["", "bfloat16", "int8"] = ""
    only: tuple[str, ...] = ()
    headline: bool = False

    @property
    def name(self) -> str:
        """What tables and ``--workloads`` call it."""
        kind = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}.get(self.optimizer, self.mode)
        parts = ["epoch" if self.mode == "epoch" else "", kind, self.net]
        parts += [] if self.mode == "predict_one" else [f"b{self.batch}"]
        parts += [self.activation] if self.activation != "relu" else []
        parts += ["f64"] if self.dtype == "float64" else []
        parts += [self.narrow] if self.narrow else []
        parts += [f"dropout {self.dropout:g}"] if self.dropout else []
        parts += [f"{self.density:.0%} non-zero"] if self.density < 1 else []
        parts += [f"x{self.threads}"] if self.threads > 1 else []
        return " ".join(part for part in parts if part)

    @property
    def net(self) -> str:
        """The sizes of the layers, as 784-128-10."""
        return "-".join(map(str, self.sizes))

    @property
    def trains(self) -> bool:
        """Whether gradients are computed."""
        return self.mode in ("step", "gradient", "epoch")

    @property
    def loss(self) -> str:
        """Labels are learnt by cross-entropy, numbers by the mean of squares over rows and outputs."""
        return "cross_entropy" if self.mode == "epoch" else "squared_error"

    @property
    def learning_rate(self) -> float:
        """Of the optimiser."""
        return LEARNING_RATES[self.optimizer]

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def flops(self) -> int:
        """Of the products of one call: forward, input gradients but the first layer's, weight gradients."""
        rows = MNIST_ROWS if self.mode == "epoch" else self.batch
        forward = sum(i * o for i, o in self.layers)
        total = 3 * forward - self.sizes[0] * self.sizes[1] if self.trains else forward
        return 2 * rows * total

    @property
    def weight_bytes(self) -> int:
        """Of all parameters."""
        return sum((i + 1) * o for i, o in self.layers) * NARROW.get(self.narrow, np.dtype(self.dtype).itemsize)

    @property
    def bytes_read(self) -> int:
        """Of parameters that one call must read: once forward, and once more to update or pass back."""
        return self.weight_bytes * (2 if self.trains else 1)


TINY, SMALL, MNIST = (4, 64, 64, 2), (64, 64, 64, 10), (784, 128, 10)
WIDE, BOTH = (784, 512, 512, 10), (342, 512, 512, 311)
HUGE, TABULAR = (1024, 2048, 2048, 1000), (1446, 512, 256, 64, 1)
NETS = (TINY, SMALL, MNIST, WIDE, BOTH)
NARROW_PEERS = ("fastnn", "onnxruntime", "openvino")  # ONNX Runtime has int8, OpenVINO on processors bfloat16


def sgd(sizes: tuple[int, ...], batch: int, **options: object) -> Workload:
    return Workload("step", sizes, batch, "sgd", **options)  # type: ignore[arg-type]


ONE_THREAD = [
    *(Workload("predict_one", sizes, headline=True) for sizes in NETS),
    *(Workload("predict_one", sizes, density=MNIST_DENSITY) for sizes in (MNIST, WIDE)),
    *(sgd(sizes, 1, headline=sizes in (TINY, MNIST)) for sizes in NETS),
    *(sgd(sizes, 32, headline=True) for sizes in NETS),
    *(sgd(sizes, batch, headline=batch == 128) for sizes in (MNIST, WIDE, BOTH) for batch in (128, 512)),
    *(Workload("step", MNIST, batch, "adam", headline=batch == 128) for batch in (32, 128)),
    *(Workload("predict", sizes, batch, headline=batch == 128) for sizes in NETS for batch in (32, 128, 512)),
    *(Workload("predict_one", WIDE, narrow=narrow, only=NARROW_PEERS, headline=True) for narrow in NARROW),
    *(Workload("predict", WIDE, 128, narrow=narrow, only=NARROW_PEERS, headline=narrow == "int8") for narrow in NARROW),
    sgd(HUGE, 128, headline=True),
    Workload("gradient", (24, 8, 2), 200, activation="tanh", dtype="float64", headline=True),
    Workload("step", (4, 32, 16, 4), 10_000, "adam", activation="tanh"),
    Workload("epoch", MNIST, 128, "adam", headline=True),
    Workload("step", TABULAR, 128, "adamw", dropout=0.1, headline=True),
    sgd(MNIST, 128, dtype="float64"),
]
SHARED = {  # rows where peers get two threads too
    sgd(WIDE, 128).name,
    sgd(BOTH, 512).name,
    Workload("step", (4, 32, 16, 4), 10_000, "adam", activation="tanh").name,
    Workload("epoch", MNIST, 128, "adam").name,
}
TWO_THREADS = [
    replace(w, threads=2, only=() if w.name in SHARED else ("fastnn",), headline=w.name in SHARED)
    for w in ONE_THREAD
    if not w.narrow
]
WORKLOADS = ONE_THREAD + TWO_THREADS

CROSSOVER = [
    sgd((width,) * 4, batch, threads=threads, only=("fastnn", "torch"))
    for threads in (1, 2)
    for batch in (32, 128)
    for width in (32, 64, 128, 256, 512, 1024, 2048)
]
