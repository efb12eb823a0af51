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
from bench.variants import OWN, Variant
from bench.workloads import Workload

FORMAT = 2
RETRIES = 3  # of a round that others disturbed


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    ``seconds``: of a round at least.  ``thorough``: also what takes long to prepare.  ``settle``: seconds for which the
    threads of the peer before may still spin.
    """

    rounds: int = 7
    seconds: float = 0.02
    thorough: bool = True
    settle: float = 0.2


Limits = dict[str, dict[str, float]]  # by instruction set: rates by name


class Crew:
    """The workers, started when first needed, one per variant and number of threads; a probe per instruction set."""

    def __init__(self, cores: list[int], logs: Path, isas: list[str]) -> None:
        self.cores, self.logs = cores, logs
        self.workers: dict[tuple[str, int], Worker] = {}
        self.versions: dict[str, str] = {}
        self.absent: dict[str, str] = {}
        self.probes = {isa: self.probe(isa) for isa in isas}

    def probe(self, isa: str) -> Worker:
        """Start the probes of an instruction set."""
        log = self.logs / f"limits-{isa}.log"
        return Worker("bench.limits", threads=1, cores=self.cores[:1], log=log, variables={"FASTNN_ISA": isa})

    def limits(self) -> Limits:
        """What the machine can do at the moment, by instruction set."""
        return {isa: probe.ask("probe") for isa, probe in self.probes.items()}

    def worker(self, variant: Variant, threads: int) -> Worker | None:
        """The worker of a variant, or None where it is not installed."""
        if variant.peer in self.absent:
            return None
        found = self.workers.get((variant.name, threads))
        if found is None or not found.alive:
            log = self.logs / f"{variant.name.replace(' ', '-')}-{threads}.log"
            arguments = ("bench.worker", variant.peer, "--threads", str(threads), "--fastnn", str(variant.folder))
            found = Worker(
                *arguments, threads=threads, cores=self.cores[:threads], log=log, variables=variant.variables
            )
            self.workers[variant.name, threads] = found
            hello = found.ask("hello")
            if "absent" in hello:
                self.absent[variant.peer] = hello["absent"]
                self.dismiss(variant, threads)
                return None
            self.versions[variant.label] = hello["version"]
        return found

    def dismiss(self, variant: Variant, threads: int) -> None:
        """End one worker."""
        self.workers.pop((variant.name, threads)).end()

    def dismiss_all(self) -> None:
        """End all workers."""
        for worker in (*self.workers.values(), *self.probes.values()):
            worker.end()
        self.workers.clear()


def measure(crew: Crew, workload: Workload, chosen: list[Variant], effort: Effort) -> dict[str, Any]:
    """One row of the result.

    Where a workload has several threads, fastnn runs on one too, in the same rounds: ``alone``.
    """
    row: dict[str, Any] = {"workload": workload.name, **asdict(workload), "net": workload.net, "flops": workload.flops}
    row |= {"bytes_read": workload.bytes_read, "times": {}, "alone": {}, "failures": {}, "cannot": {}, "faults": {}}
    expected = answer(workload, problem(workload))
    ready: dict[tuple[str, int], tuple[Worker, int]] = {}
    sides = [(variant, workload.threads) for variant in chosen]
    sides += [(variant, 1) for variant in chosen if variant.peer == OWN and workload.threads > 1]
    for variant, threads in sides:
        name = variant.name
        try:
            worker = crew.worker(variant, threads)
            if worker is None:
                continue
            built = worker.ask(
                "build", workload=asdict(workload), expected=expected, thorough=effort.thorough, trial=effort.seconds
            )
        except WorkerError as error:
            row["failures"][name] = str(error)
            continue
        if "cannot" in built:
            row["cannot"][name] = built["cannot"]
            continue
        # Threads that slept through the pause take some milliseconds to be back.
        seconds = effort.seconds * (5 if workload.threads > 1 else 1)
        calls = max(1, math.ceil(seconds / built["seconds"]))
        times = {"way": built["way"], "precision": built["precision"], "calls": calls, "rounds_us": [], "disturbed": 0}
        row["times" if threads == workload.threads else "alone"][name] = times
        row["faults"] |= {f"{name}, {way}": fault for way, fault in built["faults"].items()}
        ready[name, threads] = worker, calls
    for turn in range(effort.rounds):
        order = list(ready)
        for name, threads in order[turn % max(1, len(order)) :] + order[: turn % max(1, len(order))]:
            kind = row["times" if threads == workload.threads else "alone"]
            if workload.threads > 1:
                time.sleep(effort.settle)
            try:
                seconds, alone = one_round(*ready[name, threads], threads)
            except WorkerError as error:
                row["failures"][name] = str(error)
                del ready[name, threads], kind[name]
                continue
            kind[name]["rounds_us"].append(seconds * 1e6)
            kind[name]["disturbed"] += not alone
    for times in (*row["times"].values(), *row["alone"].values()):
        times |= spread(times["rounds_us"])
    return row


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
    chosen: list[Variant],
    effort: Effort,
    cores: list[int],
    logs: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Measure all workloads; returns what is written as JSON."""
    isas = list(dict.fromkeys(variant.isa for variant in chosen if variant.peer == OWN))
    crew = Crew(cores, logs, isas)
    columns = [{"name": v.name, "peer": v.peer, "label": v.label, "isa": v.isa} for v in chosen]
    result: dict[str, Any] = {"format": FORMAT, "machine": describe(), "effort": asdict(effort), "isas": isas}
    result |= {"columns": columns, "rows": [], "skipped": {}}
    try:
        result["machine"]["caches"] = caches = next(iter(crew.probes.values())).ask("hello")["caches"]
        limits = crew.limits()
        for workload in workloads:
            reason = why_not(workload)
            if reason:
                result["skipped"][workload.name] = reason
                tell(f"{workload.name}: skipped: {reason}")
                continue
            asked = [variant for variant in chosen if not workload.only or variant.peer in workload.only]
            row = measure(crew, workload, asked, effort)
            before, limits = limits, crew.limits()
            row["limits"] = {isa: medians([before[isa], limits[isa]]) for isa in isas}
            row["bound"] = {isa: bound(workload, row["limits"][isa], caches) for isa in isas}
            result["rows"].append(row)
            times = ", ".join(f"{name} {times['median_us']:.4g}" for name, times in row["times"].items())
            tell(f"{workload.name}: {times} us" + "".join(f"; {p} FAILED: {why}" for p, why in row["failures"].items()))
    finally:
        crew.dismiss_all()
    result["versions"], result["absent"] = crew.versions, crew.absent
    result["limits"] = {isa: medians([row["limits"][isa] for row in result["rows"]]) for isa in isas}
    return result


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    """Of each rate, over several measurements."""
    return {rate: median(rates[rate] for rates in found) for rate in (found[0] if found else ())}
