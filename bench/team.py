"""What a second process brings, one thread each: ``mpiexec -n 2 python -m bench.team`` on an idle machine of two cores.

By network and mini-batch, microseconds of an update: of ``fit`` alone, in a team of one, of two, and of two that
average parameters every 8 updates; all in turn, round after round, in the same processes, of which the second one
sleeps while the first is alone.  ``--executors``, without mpiexec, trains 64 networks by ``fit_many`` on one worker and
on two: of loky, Dask, and in ``mpiexec -n 3 python -m mpi4py.futures -m bench.team --executors`` of MPI.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn as fn
from bench.machine import describe
from fastnn.cli.launch import launched

SMALL, LARGE = (64, 128, 10), (784, 512, 512, 10)
CASES = ((SMALL, 128, 400), (SMALL, 1024, 80), (LARGE, 128, 24), (LARGE, 1024, 8))  # widths, rows, updates of an epoch
NETWORKS, EPOCHS = 64, 50  # of fit_many


def network(widths: tuple[int, ...], seed: int = 0) -> fn.Sequential:
    """An untrained network."""
    net = fn.nets.mlp(widths[0], widths[-1], hidden=widths[1:-1], seed=seed)
    net.compile("cross_entropy", fn.Adam(1e-3))
    return net


def teams(rounds: int) -> None:
    """Print a line for each case, of the median of all rounds."""
    from mpi4py import MPI

    everybody, first = MPI.COMM_WORLD, MPI.COMM_WORLD.Get_rank() == 0
    fn.set_num_threads(1)
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[everybody.Get_rank()]})
    ways: dict[str, dict[str, Any]] = {
        "alone": {},
        "team of one": {"team": MPI.COMM_SELF},
        "team of two": {"team": everybody},
        "two, every 8": {"team": everybody, "average_every": 8},
    }
    if first:
        print(f"{'network':20} {'rows':>5}" + "".join(f"{way:>14}" for way in ways), "  us of an update")
    for widths, rows, updates in CASES:
        random = np.random.default_rng(0)
        x = random.standard_normal((rows * updates, widths[0]), np.float32)
        y = random.integers(0, widths[-1], len(x))
        nets = {way: network(widths) for way in ways}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds + 1):  # the first to warm up
            for way, options in ways.items():
                together = options.get("team") is everybody
                if together:
                    everybody.Barrier()
                if first or together:
                    began = time.perf_counter()
                    nets[way].fit(x, y, batch_size=rows, verbose=0, **options)
                    times[way].append((time.perf_counter() - began) / updates * 1e6)
                request = everybody.Ibarrier()
                while not request.Test():
                    time.sleep(0.002)
        if first:
            name = "-".join(map(str, widths))
            for what, of in (("median", statistics.median), ("least", min)):
                found = [of(times[way][1:]) for way in ways]
                print(f"{name:20} {rows:>5}" + "".join(f"{one:>14.1f}" for one in found), what, flush=True)


def fitted(executor: Any, n_tasks: int) -> float:
    """Seconds of fit_many."""
    X, y = fn.load_digits()
    nets = [network((64, 128, 10), seed) for seed in range(NETWORKS)]
    began = time.perf_counter()
    fn.fit_many(nets, X, y, epochs=EPOCHS, batch_size=32, executor=executor, n_threads=n_tasks, verbose=0)
    return time.perf_counter() - began


def executors(rounds: int) -> None:
    """Print seconds on one worker and on two, in turn."""
    if launched():
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor() as pool:
            _print("MPI", rounds, lambda workers: fitted(pool, workers))
        return
    from dask.distributed import Client, LocalCluster
    from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

    _print("loky", rounds, lambda workers: fitted(get_reusable_executor(2, timeout=600), workers))
    options = {"threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        _print("Dask", rounds, lambda workers: fitted(client.get_executor(), workers))


def _print(name: str, rounds: int, run: Callable[[int], float]) -> None:
    run(2)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, found in times.items():
            found.append(run(workers))
    one, two = (statistics.median(found) for found in times.values())
    print(f"{name}: {NETWORKS} networks on one worker {one:.2f} s, on two {two:.2f} s: {one / two:.2f}x", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m bench.team"
    )
    parser.add_argument("--executors", action="store_true", help="many networks on executors, not one on a team")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    about = describe()
    if "PMIX_RANK" not in os.environ or os.environ["PMIX_RANK"] == "0":
        print(f"{about['processor']}, fastnn {about['commit']}, {about['date']}")
    (executors if options.executors else teams)(options.rounds)


if __name__ == "__main__":
    main()
