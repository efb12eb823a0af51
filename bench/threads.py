"""Several threads against one: ``python -m bench.threads`` on an idle machine.

One process, both numbers of threads in turn, medians of the rounds: what is printed is the time on one thread, that on
several, and their ratio, below 1 where several are slower.  ``--pause`` waits between two calls as a program would that
does something else meanwhile: then the workers of the pool sleep when a call comes.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from time import perf_counter
from timeit import Timer

import numpy as np

import fastnn as fn
from bench import recurrent, workloads
from bench.machine import describe
from bench.peers.fastnn_peer import case
from bench.problem import problem, why_not
from bench.workloads import HUGE, NETS, Workload

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MODES = (("predict", ""), ("step", "sgd"), ("step", "adam"))
SLOWER = 0.97  # a ratio below this is no noise

Call = Callable[[], object]


def grid() -> Iterator[Workload]:
    """Every net with every batch in every mode, the largest net, and what else ``workloads`` has but whole epochs."""
    for sizes, batch, (mode, optimizer) in ((s, b, m) for s in NETS for b in BATCHES for m in MODES):
        yield Workload(mode, sizes, batch, optimizer)
    for mode, optimizer in MODES:
        yield Workload(mode, HUGE, 128, optimizer)
    for workload in workloads.ONE_THREAD:
        if workload.mode != "epoch":
            yield replace(workload, headline=False, only=())


def calls(pattern: str) -> Iterator[tuple[str, Callable[[], Call]]]:
    """Yield (name, how to make the call) of the rows whose name matches, each once."""
    made: dict[str, Callable[[], Call]] = {}
    for workload in grid():
        if why_not(workload) is None:
            made.setdefault(workload.name, partial(bound, workload))
    for kind in recurrent.KINDS:
        made[f"{kind} {recurrent.UNITS} b{recurrent.BATCH} T{recurrent.STEPS}"] = partial(sequences, kind)
    return ((name, make) for name, make in made.items() if re.search(pattern, name))


def bound(workload: Workload) -> Call:
    """The call of a workload."""
    ready = case(workload, problem(workload))
    return lambda: ready.function(*ready.args)


def sequences(kind: str) -> Call:
    """Forward and backward pass of a recurrent layer."""
    random = np.random.default_rng(0)
    X, dy = (
        random.standard_normal((recurrent.BATCH, recurrent.STEPS, width), np.float32)
        for width in (recurrent.INPUTS, recurrent.UNITS)
    )
    return recurrent.ours(kind, X, dy)[1]


def time_of(call: Call, seconds: float, pause: float) -> float:
    """Seconds of one call, over as many as fill ``seconds``, each after a pause; the median where there is one."""
    if pause == 0.0:
        clock = Timer(call)
        clock.timeit(2)  # workers that slept are awake, caches warm
        count = max(1, int(seconds / max(clock.timeit(1), 1e-7)))
        return clock.timeit(count) / count
    times: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(times) < 9:
        resume = perf_counter() + pause
        while perf_counter() < resume:
            pass
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return median(times)


def compare(call: Call, threads: int, rounds: int, seconds: float, pause: float) -> tuple[float, float, float]:
    """Median seconds on one thread and on several, and the median of the ratios of the rounds."""
    found: dict[int, list[float]] = {1: [], threads: []}
    for turn in range(rounds):
        for count in (1, threads) if turn % 2 else (threads, 1):
            fn.set_num_threads(count)
            found[count].append(time_of(call, seconds, pause))
    ratios = [one / several for one, several in zip(found[1], found[threads], strict=True)]
    return median(found[1]), median(found[threads]), median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", metavar="PATTERN", help="rows whose name matches")
    parser.add_argument("--threads", type=int, default=fn.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.01, help="of a round, at least")
    parser.add_argument("--pause", type=float, default=0.0, metavar="MICROSECONDS", help="between two calls")
    options = parser.parse_args()
    if options.threads < 2:
        parser.error(f"--threads: expected at least 2, got {options.threads}; this process may use one processor")
    print(describe()["processor"], f"{options.threads} threads", f"{options.pause:g} us between calls", sep=", ")
    print(f"{'':48} {'1 thread us':>12} {options.threads:>4} threads us {'ratio':>7}")
    slower = 0
    for name, make in calls(options.rows):
        one, several, ratio = compare(make(), options.threads, options.rounds, options.seconds, options.pause * 1e-6)
        slower += ratio < SLOWER
        print(
            f"{name:48} {one * 1e6:12.1f} {several * 1e6:15.1f} {ratio:7.2f}{' slower' * (ratio < SLOWER)}", flush=True
        )
    print(f"{slower} rows slower on {options.threads} threads")


if __name__ == "__main__":
    main()
