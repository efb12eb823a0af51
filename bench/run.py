"""The coordinator: workload by workload, rounds over the peers in turn, and the probes of the machine between them."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.clock import ALONE
from bench.limits import bound
from bench.machine import describe
from bench.pipe import Worker, WorkerError
from bench.problem import problem, why_not
from bench.reference import answer
from bench.workloads import Workload

FORMAT = 1
RETRIES = 3  # of a round that others disturbed
SETTLE = 0.2  # seconds for which the threads of the peer before may still spin


@dataclass(frozen=True)
class Effort:
    """How much is measured: ``seconds`` a round at least; ``thorough``: also what takes long to prepare."""

    rounds: int = 7
    seconds: float = 0.02
    thorough: bool = True


class Crew:
    """The workers, started when first needed, one per peer and number of threads."""

    def __init__(self, cores: list[int], logs: Path) -> None:
        self.cores, self.logs = cores, logs
        self.workers: dict[tuple[str, int], Worker] = {}
        self.versions: dict[str, str] = {}
        self.absent: dict[str, str] = {}
        self.probe = Worker("bench.limits", threads=1, cores=cores[:1], log=logs / "limits.log")

    def worker(self, peer: str, threads: int) -> Worker | None:
        """The worker of a peer, or None where it is not installed."""
        if peer in self.absent:
            return None
        found = self.workers.get((peer, threads))
        if found is None or not found.alive:
            log = self.logs / f"{peer}-{threads}.log"
            arguments = ("bench.worker", peer, "--threads", str(threads))
            found = Worker(*arguments, threads=threads, cores=self.cores[:threads], log=log)
            self.workers[peer, threads] = found
            hello = found.ask("hello")
            if "absent" in hello:
                self.absent[peer] = hello["absent"]
                self.dismiss(peer, threads)
                return None
            self.versions[peer] = hello["version"]
        return found

    def dismiss(self, peer: str, threads: int) -> None:
        """End one worker."""
        self.workers.pop((peer, threads)).end()

    def dismiss_all(self) -> None:
        """End all workers."""
        for worker in (*self.workers.values(), self.probe):
            worker.end()
        self.workers.clear()


def measure(
    crew: Crew, workload: Workload, peers: list[str], effort: Effort, before: dict[str, float]
) -> tuple[dict[str, Any], dict[str, float]]:
    """One row of the result, and the limits as they were after it."""
    row: dict[str, Any] = {"workload": workload.name, **asdict(workload), "net": workload.net, "flops": workload.flops}
    row |= {"bytes_read": workload.bytes_read, "times": {}, "failures": {}, "cannot": {}, "faults": {}}
    expected = answer(workload, problem(workload))
    ready: dict[str, tuple[Worker, int]] = {}
    for peer in peers:
        try:
            worker = crew.worker(peer, workload.threads)
            if worker is None:
                continue
            built = worker.ask("build", workload=asdict(workload), expected=expected, thorough=effort.thorough)
        except WorkerError as error:
            row["failures"][peer] = str(error)
            continue
        if "cannot" in built:
            row["cannot"][peer] = built["cannot"]
            continue
        # Threads that slept through the pause take some milliseconds to be back.
        seconds = effort.seconds * (5 if workload.threads > 1 else 1)
        calls = max(1, math.ceil(seconds / built["seconds"]))
        row["times"][peer] = {"way": built["way"], "calls": calls, "rounds_us": [], "disturbed": 0}
        row["faults"] |= {f"{peer}, {way}": fault for way, fault in built["faults"].items()}
        ready[peer] = worker, calls
    for turn in range(effort.rounds):
        order = list(ready)
        for peer in order[turn % max(1, len(order)) :] + order[: turn % max(1, len(order))]:
            if workload.threads > 1:
                time.sleep(SETTLE)
            try:
                seconds, alone = one_round(*ready[peer], workload.threads)
            except WorkerError as error:
                row["failures"][peer] = str(error)
                del ready[peer], row["times"][peer]
                continue
            row["times"][peer]["rounds_us"].append(seconds * 1e6)
            row["times"][peer]["disturbed"] += not alone
    for times in row["times"].values():
        times |= spread(times["rounds_us"])
    after = crew.probe.ask("probe")
    row["limits"] = {name: median((before[name], after[name])) for name in after}
    return row, after


def one_round(worker: Worker, calls: int, threads: int) -> tuple[float, bool]:
    """Seconds per call, and whether nobody else had the core meanwhile.

    Tried again where somebody had; a round that stays disturbed counts only the time for which the worker ran.
    """
    for _ in range(RETRIES):
        found = worker.ask("time", calls=calls)
        if threads > 1 or found["share"] >= ALONE:  # of several threads some may well wait
            return found["seconds"], True
    return found["seconds"] * found["share"], False


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median_us": middle, "q1_us": low, "q3_us": high}


def run(
    workloads: Iterable[Workload],
    peers: list[str],
    effort: Effort,
    cores: list[int],
    logs: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Measure all workloads; returns what is written as JSON."""
    crew = Crew(cores, logs)
    result: dict[str, Any] = {"format": FORMAT, "machine": describe(), "effort": asdict(effort), "peers": peers}
    result |= {"rows": [], "skipped": {}}
    try:
        machine = crew.probe.ask("hello")
        result["machine"] |= machine
        limits = crew.probe.ask("probe")
        for workload in workloads:
            reason = why_not(workload)
            if reason:
                result["skipped"][workload.name] = reason
                tell(f"{workload.name}: skipped: {reason}")
                continue
            chosen = [peer for peer in peers if not workload.only or peer in workload.only]
            row, limits = measure(crew, workload, chosen, effort, limits)
            row["bound"] = bound(workload, row["limits"], machine["caches"])
            result["rows"].append(row)
            times = ", ".join(f"{peer} {times['median_us']:.4g}" for peer, times in row["times"].items())
            tell(f"{workload.name}: {times} us" + "".join(f"; {p} FAILED: {why}" for p, why in row["failures"].items()))
    finally:
        crew.dismiss_all()
    result["versions"], result["absent"] = crew.versions, crew.absent
    names = {name for row in result["rows"] for name in row["limits"]}
    result["limits"] = {name: median(row["limits"][name] for row in result["rows"]) for name in sorted(names)}
    return result
