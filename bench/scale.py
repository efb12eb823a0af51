"""What more machines would bring: steps measured here, networks modelled: ``python -m bench.scale`` on an idle machine.

Steps of Adam on one thread, by rows, are measured; what adding up the gradients takes is the model of ``links``.  From
both follow

- the rows that a worker needs in each step so that 80 % of its time is work, by network and link (16 workers);
- ``--simulate 1000``: efficiency of 2 to 1,000 workers, each with ``--batch`` rows (weak scaling), all with
  ``--together`` rows (strong scaling), and with parameters averaged every so many steps (local SGD);
- ``--rows 10000000``: a table of that many rows scored by Dask workers, timed in truth (``scoring``).
"""

import argparse
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import pairwise
from time import process_time
from timeit import Timer

import numpy as np

import fastnn as fn
from bench import scoring
from bench.links import LINKS, Link
from bench.machine import describe

NETS = {  # by name, widths
    "-".join(map(str, widths)): widths
    for widths in ((64, 128, 10), (64, 128, 128, 32), (784, 128, 10), (784, 512, 512, 10), (2048, 2048, 2048, 784))
}
ROWS = (1, 8, 32, 128, 512, 2048)
WORKERS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
EVERY = (1, 8, 64)  # steps between two averages of local SGD
GOAL, CREW = 0.8, 16  # efficiency, and of how many workers
ALGORITHMS: dict[str, Callable[[Link, float, int], float]] = {"pairs": Link.pairs, "best": Link.best}

Times = dict[int, float]  # seconds of a step, by its rows


def network(widths: tuple[int, ...]) -> fn.Sequential:
    """An untrained network."""
    net = fn.nets.mlp(widths[0], widths[-1], hidden=widths[1:-1], seed=0)
    net.compile("squared_error", fn.Adam(1e-4))
    return net


def measure(widths: tuple[int, ...], rows: Iterable[int], seconds: float) -> Times:
    """Processor time of a step of Adam on one thread: the least of three runs of so long each, at least one step."""
    net = network(widths)
    random, found = np.random.default_rng(0), {}
    for count in rows:
        x, y = (random.standard_normal((count, width), np.float32) for width in (widths[0], widths[-1]))
        clock = Timer(lambda x=x, y=y: net.train_step(x, y), timer=process_time)  # type: ignore[misc]
        once = max(min(clock.repeat(2, 1)), 1e-6)
        number = max(1, int(seconds / once))
        found[count] = min(clock.repeat(3, number)) / number
    return found


def parameters(widths: tuple[int, ...]) -> int:
    """Parameters of a network, biases included."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))


def between(times: Times, rows: float) -> float:
    """Seconds of a step of any number of rows: a straight line in rows between two measured ones, and beyond them."""
    known = sorted(times)
    upper = min(max(bisect_left(known, rows), 1), len(known) - 1)
    low, high = known[upper - 1], known[upper]
    share = (rows - low) / (high - low)
    return max(times[low] + share * (times[high] - times[low]), 0.0)


def efficiency(work: float, waiting: float) -> float:
    """Share of the time of a worker that is work."""
    return work / (work + waiting)


def needed(times: Times, waiting: float, goal: float = GOAL) -> int:
    """The fewest rows of a worker, a power of two, whose step is so much of the time."""
    rows = 1
    while efficiency(between(times, rows), waiting) < goal:
        rows *= 2
    return rows


def payoff(nets: dict[str, Times], add: Callable[[Link, float, int], float]) -> list[list[str]]:
    """For each network the rows that a worker needs, by link."""
    table = [["network", "parameters", *(link.name for link in LINKS)]]
    for name, times in nets.items():
        n_bytes = 4 * parameters(NETS[name])
        rows = [needed(times, add(link, n_bytes, CREW)) for link in LINKS]
        table.append([name, f"{parameters(NETS[name]):,}", *(f"{count:,}" for count in rows)])
    return table


def weak(times: Times, n_bytes: int, link: Link, workers: int, rows: int, every: int, add: Callable) -> float:
    """Efficiency where each worker has so many rows, and parameters are added up every so many steps."""
    return efficiency(every * between(times, rows), add(link, n_bytes, workers))


def strong(times: Times, n_bytes: int, link: Link, workers: int, rows: int, add: Callable) -> float:
    """Speed beside one worker that has all of the rows, by workers: their efficiency, with what smaller parts cost."""
    step = between(times, max(rows / workers, 1)) + add(link, n_bytes, workers)
    return between(times, rows) / step / workers


def simulate(
    nets: dict[str, Times], workers: list[int], batch: int, together: int, add: Callable
) -> dict[str, list[list[str]]]:
    """Tables of efficiency in per cent, by what is scaled."""
    head = ["network", "link", *map(str, workers)]
    tables = {
        f"weak scaling, {batch} rows for each worker": [head],
        f"strong scaling, {together} rows for all": [head],
        **{f"local SGD, {batch} rows for each worker, averages every {k} steps": [head] for k in EVERY[1:]},
    }
    for name, times in nets.items():
        n_bytes = 4 * parameters(NETS[name])
        for link in LINKS:
            rows = [
                [weak(times, n_bytes, link, n, batch, 1, add) for n in workers],
                [strong(times, n_bytes, link, n, together, add) for n in workers],
                *([weak(times, n_bytes, link, n, batch, k, add) for n in workers] for k in EVERY[1:]),
            ]
            for table, shares in zip(tables.values(), rows, strict=True):
                table.append([name, link.name, *(f"{100 * share:.0f}" for share in shares)])
    return tables


def printed(table: list[list[str]]) -> str:
    """The lines of a table, columns to the right but the first."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m bench.scale"
    )
    parser.add_argument("--simulate", type=int, metavar="WORKERS", help="tables of efficiency up to so many workers")
    parser.add_argument("--batch", type=int, default=128, help="rows of each worker")
    parser.add_argument("--together", type=int, default=4096, help="rows of all workers, for strong scaling")
    parser.add_argument("--nets", nargs="*", default=[*NETS], choices=[*NETS], help="which networks")
    parser.add_argument("--seconds", type=float, default=0.2, help="of a run, of which the best of three counts")
    parser.add_argument("--algorithm", choices=[*ALGORITHMS], default="best", help="how gradients are added up")
    scoring.add_options(parser)
    options = parser.parse_args(arguments)
    about = describe()
    print(f"{about['processor']}, fastnn {about['commit']}, {about['date']}")
    if options.rows is not None:
        scoring.run(options)
        return
    fn.set_num_threads(1)
    nets = {name: measure(NETS[name], ROWS, options.seconds) for name in options.nets}
    print("\nmicroseconds of a step of Adam on one thread, measured")
    head = ["rows", *map(str, ROWS)]
    print(printed([head, *([name, *(f"{one * 1e6:,.0f}" for one in times.values())] for name, times in nets.items())]))
    for link in LINKS:
        print(f"{link.name}, assumed: {link.latency * 1e6:g} us and {link.bandwidth / 1e9:g} GB/s")
    add = ALGORITHMS[options.algorithm]
    print(f"\nrows of a worker from which on {GOAL:.0%} of its time is work, {CREW} workers")
    print(printed(payoff(nets, add)))
    if options.simulate:
        workers = [*(n for n in WORKERS if n < options.simulate), options.simulate]
        for title, table in simulate(nets, workers, options.batch, options.together, add).items():
            print(f"\nefficiency in %, {title}; by workers")
            print(printed(table))


if __name__ == "__main__":
    main()
