"""``fastnn bench``: how long calls take on this machine, and what share of its peak that is."""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import numpy as np

from fastnn.graph.summary import aligned
from fastnn.losses import CrossEntropy, Hinge
from fastnn.training.progress import track

STANDARD = ((4, 64, 64, 2), (784, 128, 10), (784, 512, 512, 10))
CALLS = (("predict_one", 1), ("predict", 512), ("train_step", 1), ("train_step", 128))
HELP = "how fast networks are on this machine"
SECONDS, ROUNDS = 4e-3, 15  # of one measurement at least, and how many there are


@dataclass(frozen=True)
class Timing:
    """Microseconds of a call: median and quartiles over the rounds; and the share of the peak of the threads used."""

    network: str
    call: str
    rows: int
    us: float
    lower_us: float
    upper_us: float
    share_of_peak: float | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a saved network; usual sizes without it")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> None:
    """Time answers, batches and steps of training of a saved network, or of a few usual sizes, in some seconds."""
    networks = [standard(sizes) for sizes in STANDARD] if arguments.model is None else [saved(arguments.model)]
    peak = peak_rate(networks[0][1].dtype)
    cases = [(name, net, call, rows) for name, net in networks for call, rows in CALLS]
    timings = [timing(*case, peak) for case in track("bench", cases, "auto", unit="call")]
    about = {**machine(), "peak_gflops_per_core": round(peak / 1e9, 1), "dtype": str(networks[0][1].dtype)}
    if arguments.json:
        print(json.dumps({"machine": about, "timings": [asdict(one) for one in timings]}, indent=1))
        return
    print(f"{about['processor']}, {about['isa']}, {about['threads']} threads, products {about['products']}")
    print(f"fastnn {about['fastnn']}, NumPy {about['numpy']}, Python {about['python']}")
    print(f"peak of one core {peak / 1e9:.0f} GFLOP/s in {about['dtype']}; shares are of the cores of all threads\n")
    print(table(timings))


def table(timings: list[Timing]) -> str:
    """Return the timings as text."""
    rows = [("network", "call", "rows", "us", "quartiles", "of peak")]
    for one in timings:
        quartiles = f"{_digits(one.lower_us)} - {_digits(one.upper_us)}"
        share = "" if one.share_of_peak is None else f"{one.share_of_peak:.0%}"
        rows.append((one.network, one.call, str(one.rows), _digits(one.us), quartiles, share))
    return "\n".join(aligned(rows, 2))


def _digits(us: float) -> str:
    """Three digits that count."""
    return f"{us:.0f}" if us >= 100 else f"{us:.3g}"


def machine() -> dict[str, str | int]:
    """Return name and value of what decides speed here."""
    import fastnn as fn
    from fastnn._core import backend
    from fastnn._core.table import isa

    return {
        "processor": processor(),
        "isa": isa(),
        "threads": fn.get_num_threads(),
        "products": backend.MATMUL,
        "fastnn": fn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def processor() -> str:
    """Name of the processor as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def standard(sizes: tuple[int, ...]) -> tuple[str, Any]:
    """Return a classifier of these widths and its name, ready to learn by SGD."""
    import fastnn as fn

    layers = [*(fn.Dense(width, "relu") for width in sizes[1:-1]), fn.Dense(sizes[-1])]
    net = fn.Sequential(layers, input_shape=sizes[0], seed=0)
    net.compile("cross_entropy", fn.SGD(0.01))
    return "-".join(map(str, sizes)), net


def saved(path: str) -> tuple[str, Any]:
    """Return the network of a file and its name; one that does not say how it learns does by squared error and Adam."""
    import fastnn as fn

    net = fn.load(path)
    if net.trainer is None or not net.losses:
        net.compile("squared_error" if len(net.output_shapes) == 1 else ["squared_error"] * len(net.output_shapes))
    return Path(path).stem, net


def peak_rate(dtype: Any) -> float:
    """Return the multiply-adds of one core, counted as two operations each, in FLOP/s."""
    from fastnn._core.table import probe_multiply_add

    n, chains = 1000, probe_multiply_add(1, dtype=dtype)[1]

    def work() -> None:
        probe_multiply_add(n, dtype=dtype)

    while _seconds(work, 1) < SECONDS:
        n *= 2
    return max(2.0 * n * chains / _seconds(work, 1) for _ in range(ROUNDS))


def timing(name: str, net: Any, call: str, rows: int, peak: float) -> Timing:
    """Measure one call of a network."""
    work = bound_call(net, call, rows)
    n = 1
    while (seconds := _seconds(work, n)) < SECONDS:
        n = max(2 * n, int(1.2 * n * SECONDS / max(seconds, 1e-7)))
    times = [_seconds(work, n) / n * 1e6 for _ in range(ROUNDS)]
    lower, _, upper = quantiles(times, n=4)
    us, products = median(times), multiply_adds(net)
    share = None
    if products is not None and rows > 1:  # one row reads weights, and is bound by that
        import fastnn as fn

        flops = 2.0 * rows * products[call == "train_step"]
        share = flops / (us * 1e-6 * peak * fn.get_num_threads())
    return Timing(name, call, rows, us, lower, upper, share)


def _seconds(work: Callable[[], object], n: int) -> float:
    began = perf_counter()
    for _ in range(n):
        work()
    return perf_counter() - began


def bound_call(net: Any, call: str, rows: int) -> Callable[[], object]:
    """Return a call on made-up data; steps of training change a copy."""
    from copy import deepcopy

    random, whole = np.random.default_rng(0), net.plan.index_inputs(unchanged=False)
    X: Any = [
        np.zeros((rows, *shape), net.dtype) if i in whole else random.normal(size=(rows, *shape)).astype(net.dtype)
        for i, shape in enumerate(net.input_shapes)
    ]
    y: Any = [_targets(loss, (rows, *s), net.dtype) for loss, s in zip(net.losses, net.output_shapes, strict=True)]
    if call == "predict_one":
        X = [x[0] for x in X]
    X, y = (part[0] if len(part) == 1 else part for part in (X, y))
    if call == "train_step":
        twin = deepcopy(net)  # at rate 0 it does the same work, and does not wander off
        twin.compile(net.losses, replace(net.optimizer, learning_rate=0.0), loss_weights=net.loss_weights)
        return lambda: twin.train_step(X, y)
    method = getattr(net, call)
    return lambda: method(X)


def _targets(loss: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return targets that the loss takes: the first class, a margin to keep, or zeros."""
    targets = np.full(shape, isinstance(loss, Hinge), dtype)
    if isinstance(loss, CrossEntropy):
        targets[..., 0] = 1
    return targets


def multiply_adds(net: Any) -> tuple[int, int] | None:
    """Return those of one row, forward and in a step of training; None where there are none, or nobody can count them.

    A product takes part up to three times: forward, in the gradient of its weights, and in that of its inputs, if
    something below learns.  Not counted: functions of the user's, and control points of which a phase picks some.
    """
    plan, forward, learning = net.plan, 0, 0
    wanted = plan.wanted_gradients([True] * len(plan.ops))
    for index, op in enumerate(plan.ops):
        if any(len(parameter.shape) > 2 or op.backward_may_fail for parameter in op.parameters):
            return None
        forward += op.multiply_adds
        learning += op.multiply_adds * (3 if any(wanted[tensor] for tensor in plan.step_inputs(index)) else 2)
    return (forward, learning) if forward else None
