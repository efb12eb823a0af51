"""One peer at work: ``python -m bench.worker PEER --threads N --cores 0``, asked by the coordinator."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from timeit import Timer
from typing import Any

from bench.clock import timed
from bench.peers.case import Case, Peer
from bench.pipe import serve
from bench.problem import problem
from bench.reference import STEPS, digest, disagreement
from bench.variants import OWN, add_folder, take_from
from bench.workloads import Workload

TRIALS = 3  # when ways of doing the same are compared


def timer(case: Case) -> Timer:
    """Time the call as a user's loop would make it, through local names and nothing between."""
    names = ["f", *(f"a{i}" for i in range(len(case.args)))]
    setup = f"{', '.join(names)}, = bound"
    return Timer(f"f({', '.join(names[1:])})", setup, globals={"bound": (case.function, *case.args)})


def seconds_per_call(clock: Timer, at_least: float) -> float:
    """Seconds of one call, over as many calls as fill ``at_least`` seconds."""
    calls, total = 1, clock.timeit(1)
    while total < at_least:
        calls = max(2 * calls, int(calls * 1.2 * at_least / max(total, 1e-7)))
        calls = min(calls, 10_000_000)
        total = clock.timeit(calls)
    return total / calls


def answer_of(workload: Workload, case: Case) -> list[float]:
    """What this case computes, in the form of ``bench.reference``."""

    def call() -> Any:
        return case.result(case.function(*case.args))

    if workload.mode == "step":
        return [float(call()) for _ in range(STEPS)]
    if workload.mode == "epoch":
        return [float(call())]
    if workload.mode == "gradient":
        loss, gradient = call()
        return [float(loss), *digest(gradient)]
    return digest(call())


class Desk:
    """Holds the case being timed."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.clock: Timer | None = None

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        if request["do"] == "hello":
            return {"version": self.peer.version}
        if request["do"] == "time":
            assert self.clock is not None
            calls = request["calls"]
            self.clock.timeit(calls // 2 + 1)  # caches, clock rates and threads that slept come back
            clock = self.clock
            seconds, share = timed(lambda: clock.timeit(calls))
            return {"seconds": seconds / calls, "share": share}
        return self.build(Workload(**{**request["workload"], "sizes": tuple(request["workload"]["sizes"])}), request)

    def build(self, workload: Workload, request: dict[str, Any]) -> dict[str, Any]:
        """Prepare a workload in every way this peer knows and keep the fastest that answers right."""
        self.clock = None
        reason = self.peer.why_not(workload)
        if reason:
            return {"cannot": reason}
        best: tuple[float, str, str, Timer] | None = None
        faults = {}
        for name, make in self.peer.ways(workload, problem(workload), thorough=request["thorough"]).items():
            try:
                case = make()
                found = answer_of(workload, case)
                fault = disagreement(workload, request["expected"], found, case.precision)
            except Exception as error:
                traceback.print_exc()
                fault = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            if fault:
                faults[name] = fault
                continue
            clock = timer(case)
            seconds = min(
                seconds_per_call(clock, request["trial"]) for _ in range(TRIALS if workload.mode != "epoch" else 1)
            )
            if best is None or seconds < best[0]:
                best = seconds, name, case.precision, clock
        if best is None:
            return {"error": "; ".join(f"{name}: {fault}" for name, fault in faults.items())}
        seconds, way, precision, self.clock = best
        return {"seconds": seconds, "way": way, "precision": precision, "faults": faults}


def open_desk(name: str, threads: int, folder: Path) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Import the peer, fastnn from a folder; a peer that is not installed answers "hello" with the reason."""
    if name == OWN:
        take_from(folder)
    try:
        module = importlib.import_module(f"bench.peers.{name}_peer")
    except ImportError as error:
        traceback.print_exc(file=sys.stderr)
        reason = f"not installed: {error}"
        return lambda _: {"absent": reason}
    return Desk(module.open_peer(threads))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--cores", required=True)
    add_folder(parser)
    options = parser.parse_args()
    serve(lambda: open_desk(options.peer, options.threads, options.fastnn), options.cores)
