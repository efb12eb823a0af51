"""What the package promises, held to for long: ``python -m tests.torture [PART ...] [--share 0.1]`` (``make torture``).

Each part is a file beside this one with ``PROMISE``, ``SHORT`` and ``run(share)``: ``share`` is how much of the full
work is done, ``SHORT`` the share that the suite does (test_short.py), and ``run`` returns the figures found.  A broken
promise is an AssertionError.  Parts run one after the other, each in a process of its own, and print one line of JSON.
"""

import argparse
import importlib
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
PARTS = sorted(path.stem for path in HERE.glob("[a-z]*.py") if not path.stem.startswith(("test_", "__")))


def line(name: str, share: float) -> bool:
    """Run a part in this process and print its line; return whether the promise held."""
    sys.path.insert(0, str(HERE.parent))  # for helpers, as pyproject.toml tells pytest
    part = importlib.import_module(f"tests.torture.{name}")
    began = perf_counter()
    try:
        found, held = part.run(share), True
    except AssertionError as error:
        found, held = {"broken": str(error)[:2000]}, False
    seconds = round(perf_counter() - began, 1)
    print(
        json.dumps({"part": name, "promise": part.PROMISE, "held": held, **found, "share": share, "seconds": seconds})
    )
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], prog="python -m tests.torture")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without")
    parser.add_argument("--share", type=float, default=1.0, help="of the full work")
    parser.add_argument("--inside", action="store_true", help="in this process, which a crash of one part would end")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"expected parts among {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    held = True
    if not given.inside:
        print(json.dumps({"date": str(date.today()), "machine": machine()}), flush=True)
    for name in given.parts or PARTS:
        if given.inside:
            held &= line(name, given.share)
            continue
        command = [sys.executable, "-m", "tests.torture", name, "--share", str(given.share), "--inside"]
        status = subprocess.run(command, cwd=HERE.parents[1]).returncode
        if status not in (0, 1):
            print(json.dumps({"part": name, "held": False, "broken": f"the process ended with status {status}"}))
        held &= status == 0
        sys.stdout.flush()
    return 0 if held else 1


def machine() -> str:
    """Return the processor and how its kernels run."""
    from fastnn._core.table import isa

    names = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")]
    return f"{names[0].partition(': ')[2] if names else 'unknown'}, {len(names)} CPUs, {isa()}"


if __name__ == "__main__":
    sys.exit(main())
