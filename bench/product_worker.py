"""One build's products at work: ``python -m bench.product_worker --fastnn FOLDER --cores 0``, asked by ``products``."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.arrays import draw
from bench.clock import ALONE, timed
from bench.pipe import serve
from bench.variants import add_folder, take_from

TRIES = 4  # of a measurement that others disturbed
PROBE = 1e-3  # seconds of the probe before a product, and of the one after it
Work = Callable[[int], object]


def product(doors: Any, direction: str, shape: tuple[int, int, int], dtype: str) -> Work:
    """``work(n)`` computes it n times over, on arrays of its own, in C."""
    B, inputs, outputs = shape
    x, w, dy = (draw(*size, dtype=dtype) for size in ((B, inputs), (inputs, outputs), (B, outputs)))
    calls: dict[str, Callable[..., object]] = {
        "forward": partial(doors.product_forward, x, w, draw(outputs, dtype=dtype), out=dy),
        "input gradient": partial(doors.product_input_gradient, dy, w, out=x),
        "weight gradient": partial(doors.product_weight_gradient, x, dy, w, 1e-9, out=w),
    }
    call = calls[direction]
    return lambda n: call(repeats=n)


def count_for(work: Work, seconds: float) -> int:
    """How large an n fills this many seconds."""
    count, took = 1, timed(partial(work, 1))[0]
    while took < seconds:
        count = max(2 * count, int(count * 1.1 * seconds / max(took, 1e-7)))
        took = timed(partial(work, count))[0]
    return count


def undisturbed(work: Work, n: int) -> float:
    """Seconds of ``work(n)``; again where another process had the core, and at last only the time that was ours."""
    for _ in range(TRIES):
        seconds, share = timed(partial(work, n))
        if share >= ALONE:
            return seconds
    return seconds * share


class Desk:
    """Answers "time" with seconds of a product, and with the peak rate (flop/s) just before and just after it."""

    def __init__(self) -> None:
        from fastnn._core import doors, table

        self.doors, self.table = doors, table
        self.probes: dict[str, int] = {}
        self.kept: tuple[Any, Work, int] | None = None

    def peak(self, dtype: str) -> float:
        """Flop/s of multiply-adds in registers alone."""

        def probe(n: int) -> float:
            return float(self.table.probe_multiply_add(1000 * n, dtype=dtype)[1])

        if dtype not in self.probes:
            self.probes[dtype] = count_for(probe, PROBE)
        n = self.probes[dtype]
        return 2 * 1000 * n * probe(0) / undisturbed(probe, n)

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        if request["do"] == "hello":
            return {"isa": self.table.isa()}
        key = direction, shape, dtype = request["direction"], tuple(request["shape"]), request["dtype"]
        if self.kept is None or self.kept[0] != key:
            self.kept = None  # the arrays of the last case go before others come
            work = product(self.doors, direction, shape, dtype)
            self.kept = key, work, count_for(work, request["seconds"])
        _, work, n = self.kept
        work(n // 4 + 1)  # another process had the caches
        before = self.peak(dtype)
        seconds = undisturbed(work, n) / n
        return {"seconds": seconds, "peaks": [before, self.peak(dtype)]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cores", required=True)
    add_folder(parser)
    options = parser.parse_args()

    def open_desk() -> Desk:
        take_from(options.fastnn)
        return Desk()

    serve(open_desk, options.cores)
