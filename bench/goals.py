"""What fastnn should reach, workload by workload, and whether a result shows it."""

from dataclasses import dataclass
from typing import Any

from bench.tables import OWN, Row, best_peer, side
from bench.workloads import (
    BOTH,
    HUGE,
    MNIST,
    MNIST_ROWS,
    NARROW,
    NETS,
    ONE_THREAD,
    SMALL,
    TINY,
    TWO_THREADS,
    WIDE,
    Workload,
    sgd,
)


@dataclass(frozen=True)
class Goal:
    """``ratio``: the best peer's time over ours; ``of_peak`` by multiply-adds, ``of_limit`` by the slower of the two.

    ``speedup``: our time on one thread over that on several.
    """

    ratio: float = 0.0
    of_peak: float = 0.0
    of_limit: float = 0.0
    speedup: float = 0.0


def one(sizes: tuple[int, ...]) -> Workload:
    return Workload("predict_one", sizes)


def adam(batch: int) -> Workload:
    return Workload("step", MNIST, batch, "adam")


def per_batch(workload: Workload) -> float:
    return workload.flops * (workload.batch / MNIST_ROWS if workload.mode == "epoch" else 1)


ALONE = {
    one(TINY): Goal(25),
    one(SMALL): Goal(17),
    one(MNIST): Goal(3, of_limit=0.85),
    one(WIDE): Goal(1.5, of_limit=0.85),
    sgd(TINY, 1): Goal(30),
    sgd(MNIST, 1): Goal(4),
    sgd(TINY, 32): Goal(6),
    sgd(SMALL, 32): Goal(4),
    sgd(MNIST, 32): Goal(1.5, 0.85),
    sgd(MNIST, 128): Goal(1.25, 0.85),
    sgd(MNIST, 512): Goal(1.15, 0.85),
    sgd(WIDE, 128): Goal(1.2, 0.85),
    sgd(BOTH, 128): Goal(1.2, 0.85),
    sgd(HUGE, 128): Goal(1.1, 0.80),
    adam(32): Goal(1.8),
    adam(128): Goal(1.35),
    Workload("predict", WIDE, 128, narrow="int8"): Goal(1.0),
    **{Workload("predict_one", WIDE, narrow=narrow): Goal(1.0) for narrow in NARROW},
    **{
        Workload("predict", sizes, batch): Goal(1.0, 0.88 if sizes in (MNIST, WIDE, BOTH) else 0.0)
        for sizes in NETS
        for batch in (32, 128, 512)
    },
}
LARGE = Workload("predict", WIDE, 128).flops  # of a mini-batch, from where on two threads are to pay
NEVER_SLOWER = 0.97  # two threads against one, less what repeated measurements differ by
GOALS = {workload.name: goal for workload, goal in ALONE.items()}
GOALS |= {w.name: Goal(speedup=1.8 if per_batch(w) >= LARGE else NEVER_SLOWER) for w in TWO_THREADS}
assert set(GOALS) <= {workload.name for workload in (*ONE_THREAD, *TWO_THREADS)}


OTHERS = {  # ratios to the peer, by the names that bench.recurrent, bench.estimators and bench.forecast give their rows
    "LSTM": 1.3,
    "fit digits, 64-100-10, 50 epochs, float64": 6.0,
    "fit MNIST 10k, 784-100-10, 10 epochs, float32": 3.5,
    "load forecaster": 2.0,
}


def judged(name: str, ratio: float) -> str:
    """Say whether a ratio reaches the goal of its row; nothing where there is none."""
    goal = OTHERS.get(name)
    return f"goal {goal:.2g}x {'reached' if ratio >= goal else 'MISSED'}" if goal else ""


@dataclass(frozen=True)
class Verdict:
    """One number of a goal: ``found`` is None where it was not measured."""

    what: str
    goal: float
    found: float | None

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.found is not None and self.found >= self.goal

    @property
    def text(self) -> str:
        """What was found, and whether that is enough."""
        if self.found is None:
            return "-"
        return f"{self.shown(self.found)} {'reached' if self.reached else 'MISSED'}"

    def shown(self, value: float) -> str:
        """A ratio, or a share."""
        return f"{value:.2f}x" if self.what.startswith("beside") else f"{value:.0%}"


def verdicts(result: dict[str, Any], row: Row, isa: str) -> list[Verdict]:
    """The numbers of a row's goal on one instruction set; none where it has no goal."""
    goal = GOALS.get(row["workload"])
    own = row["times"].get(side(OWN, isa))
    if goal is None:
        return []
    us = own["median_us"] if own else None
    best, bound, alone = best_peer(result, row, isa), row["bound"][isa], row["alone"].get(side(OWN, isa))
    found = [
        ("beside the best peer", goal.ratio, row["times"][best]["median_us"] / us if us and best else None),
        ("of the peak", goal.of_peak, bound["flops_us"] / us if us else None),
        ("of the limit", goal.of_limit, bound["us"] / us if us else None),
        ("beside one thread", goal.speedup, alone["median_us"] / us if us and alone else None),
    ]
    return [Verdict(*entry) for entry in found if entry[1]]
