"""The forecaster of ``examples/load_forecast.py`` beside the same in PyTorch, as whole processes, in turn.

``python -m bench.forecast``: wall time, import included, and the most memory each process had.  Both learn from the
same series by as many updates, fine-tune and roll forecasts out as often, and must reach the same loss on the day held
out, else the comparison fails.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).parents[1]
MEASURE = "bench.forecast:"  # begins the line that a process ends with
CONTESTANTS = {
    "fastnn": ("bench.forecast_fastnn",),
    "PyTorch": ("bench.forecast_torch",),
    "PyTorch, compiled": ("bench.forecast_torch", "--compile"),
}
SAME = 1.5  # losses this many times apart are the same level: on one day seeds of one library differ as much


@dataclass(frozen=True)
class Task:
    """What both do: series until time ``now``, epochs of at most ``limit`` batches, rounds of fine-tuning."""

    now: int
    epochs: int
    limit: int
    rounds: int
    threads: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what the coordinator wrote."""
        return cls(**json.loads((folder / "task.json").read_text()))


def report(
    began: float, imported: float, learned: float, loss: float, forecasts: "dict[int, np.ndarray]", load: "np.ndarray"
) -> None:
    """End a process: say what it found, and how long its parts took."""
    parts = {"import": imported - began, "learn": learned - imported, "follow": perf_counter() - learned}
    misses = [abs(made - load[start:][: len(made)]).mean() for start, made in forecasts.items()]
    said = {"loss": loss, "error": float(sum(misses) / len(misses)), "MB": most_memory(), **parts}
    print(MEASURE, json.dumps(said), flush=True)


def most_memory() -> float:
    """Most memory of this process in MB; what the system tells of a child begins with that of its parent."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def once(command: tuple[str, ...], folder: Path, threads: int, isa: str = "") -> dict[str, float]:
    """Run one process to its end; seconds by the wall and of the processor, MB, and what it says."""
    from bench.pipe import environment
    from bench.variants import held

    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", command[0], str(folder), *command[1:]],
        stdout=subprocess.PIPE, env=environment(threads, held(isa) if isa else None), cwd=ROOT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # of this child alone; getrusage has the largest of all
    seconds = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    lines = [line for line in said.splitlines() if line.startswith(MEASURE)]
    if process.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    spent = usage.ru_utime + usage.ru_stime
    return {
        "seconds": seconds,
        "CPU": spent,
        **json.loads(lines[-1].removeprefix(MEASURE)),
    }


def prepare(folder: Path, days: int, epochs: int, limit: int, rounds: int, threads: int) -> None:
    """Write series and task."""
    import numpy as np

    sys.path.insert(0, str(ROOT / "examples"))
    home = importlib.import_module("household")
    for name, values in home.household(days + 4).items():
        np.save(folder / f"{name}.npy", values)
    task = Task(now=days * home.DAY, epochs=epochs, limit=limit, rounds=rounds, threads=threads)
    (folder / "task.json").write_text(json.dumps(asdict(task)))


def compare(names: list[str], folder: Path, turns: int, threads: int, isa: str = "") -> dict[str, dict[str, Any]]:
    """Run all in turn; medians by name."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(once(CONTESTANTS[name], folder, threads, isa))
            latest = ", ".join(f"{key} {value:.4g}" for key, value in found[name][-1].items())
            print(f"round {turn + 1}: {name}: {latest}", flush=True)
    return {name: {key: median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the medians as a Markdown table, each beside the first."""
    ours = next(iter(found.values()))
    lines = ["| | wall | | most memory | | import | learn | follow | loss | error, kW |", "|---|" + "---:|" * 9]
    for name, row in found.items():
        cells = [f"{row['seconds']:.2f} s", f"{row['seconds'] / ours['seconds']:.2f}x", f"{row['MB']:.0f} MB"]
        cells += [f"{row['MB'] / ours['MB']:.2f}x", *(f"{row[part]:.2f} s" for part in ("import", "learn", "follow"))]
        cells += [f"{row['loss']:.4f}", f"{row['error']:.3f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    from bench.goals import judged
    from bench.machine import describe

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    for name, default in (("rounds", 3), ("days", 365), ("epochs", 15), ("limit", 200), ("tunings", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--compiled", action="store_true", help="also PyTorch with torch.compile")
    parser.add_argument("--isa", default="", help="hold all to an instruction set")
    parser.add_argument("--only", choices=CONTESTANTS, help="one of them, for a look")
    options = parser.parse_args()
    names = [options.only] if options.only else list(CONTESTANTS)[: 3 if options.compiled else 2]
    machine = describe()
    print(f"{machine['processor']}, {options.threads} threads, commit {machine['commit']}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, options.days, options.epochs, options.limit, options.tunings, options.threads)
        found = compare(names, folder, options.rounds, options.threads, options.isa)
    print(f"\n{table(found)}")
    if "PyTorch" in found and "fastnn" in found:
        print(f"\n{judged('load forecaster', found['PyTorch']['seconds'] / found['fastnn']['seconds'])}")
    losses = [row["loss"] for row in found.values()]
    if max(losses) > SAME * min(losses):
        print(f"bench.forecast: expected losses of one level, within {SAME} times, got {losses}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
