"""What one core can do at most, by the probes of csrc: multiply-adds a second, and bytes read from each level.

``python -m bench.limits --cores 0`` is the worker; ``bound`` says what they allow a workload.
"""

import argparse
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.clock import ALONE, timed
from bench.pipe import serve
from bench.workloads import Workload

SECONDS = 2e-3  # of one measurement
REPEATS = 7
PATIENCE = 30  # measurements, until enough were undisturbed
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL = {"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}  # where the system does not say


def cache_sizes() -> dict[str, int]:
    """Bytes of the data caches that a core reads through, nearest first."""
    found = {}
    for index in sorted(CACHES.glob("index*")):
        size = re.fullmatch(r"(\d+)([KM])", (index / "size").read_text().strip())
        if (index / "type").read_text().strip() != "Instruction" and size:
            level = f"L{(index / 'level').read_text().strip()}"
            found[level] = int(size[1]) << {"K": 10, "M": 20}[size[2]]
    return found or dict(USUAL)


def aligned(count: int) -> np.ndarray:
    """Ones in float32, from an address that is a multiple of a cache line."""
    block = np.ones(count + 16, np.float32)
    start = -block.ctypes.data % 64 // 4
    return block[start : start + count]


def rate(work: Callable[[int], float]) -> float:
    """Median rate of ``work(n)``, which returns how much was done, in units a second."""
    n = 1
    while (seconds := timed(partial(work, n))[0]) < SECONDS:
        n = max(2 * n, int(n * 1.2 * SECONDS / max(seconds, 1e-7)))
    done, call = work(n), partial(work, n)
    samples = [timed(call) for _ in range(REPEATS)]
    while len(samples) < PATIENCE and sum(share >= ALONE for _, share in samples) < REPEATS:
        samples.append(timed(call))
    samples.sort(key=lambda sample: -sample[1])  # the least disturbed
    return median(done / (seconds * min(share, 1.0)) for seconds, share in samples[:REPEATS])


def open_desk() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Allocate what the probes read; answer "probe" with a rate (flop/s, byte/s) by name."""
    from fastnn._core import doors, table

    sizes = cache_sizes()
    nearer = [0, *sizes.values()]
    # Half of the first two levels; of the third, which other cores share, a quarter; memory: four times the last.
    parts = {
        level: max(size // (2 if level in ("L1", "L2") else 4), nearer[i])
        for i, (level, size) in enumerate(sizes.items())
    }
    parts["memory"] = 4 * max(sizes.values())
    buffers = {level: aligned(size // 4) for level, size in parts.items()}

    def multiply_add(dtype: type) -> Callable[[int], float]:
        def work(n: int) -> float:
            return 2.0 * n * 100 * float(table.probe_multiply_add(100 * n, dtype=dtype)[1])

        return work

    def read(buffer: np.ndarray) -> Callable[[int], float]:
        def work(n: int) -> float:
            doors.probe_read(buffer, n)
            return float(n * buffer.nbytes)

        return work

    probes = {"fma_float32": multiply_add(np.float32), "fma_float64": multiply_add(np.float64)}
    probes |= {f"read_{level}": read(buffer) for level, buffer in buffers.items()}

    def desk(request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "hello":
            return {"isa": table.isa(), "caches": sizes}
        return {name: rate(work) for name, work in probes.items()}

    return desk


def home(size: int, caches: dict[str, int]) -> str:
    """The nearest level that holds this many bytes."""
    return next((level for level, capacity in caches.items() if size <= capacity), "memory")


def bound(workload: Workload, limits: dict[str, float], caches: dict[str, int]) -> dict[str, Any]:
    """Microseconds that a workload takes at least: by its multiply-adds, and by reading its weights."""
    level = home(workload.weight_bytes, caches)
    by_flops = workload.flops / (limits[f"fma_{workload.dtype}"] * workload.threads) * 1e6
    by_bytes = 0.0 if workload.mode == "epoch" else workload.bytes_read / limits[f"read_{level}"] * 1e6
    by_bytes /= workload.threads
    name = "FMA" if by_flops >= by_bytes else level
    return {"flops_us": by_flops, "read_us": by_bytes, "us": max(by_flops, by_bytes), "by": name}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cores", required=True)
    serve(open_desk, parser.parse_args().cores)
