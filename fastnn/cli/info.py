"""``fastnn info``: versions and instruction sets, and what a saved network is."""

import argparse
import json
import os
import platform
from typing import Any

HELP = "versions and instruction sets, or what a file holds"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a saved network to describe as well")


def run(arguments: argparse.Namespace) -> None:
    """Say what runs here."""
    import fastnn as fn

    for name, value in versions().items():
        print(f"{name:<20}{value}")
    if arguments.model is None:
        return
    net = fn.load(arguments.model)
    print(f"\n{arguments.model}\n{net.summary()}")
    for name, value in (net.metadata or {}).items():
        text = json.dumps(value)
        print(f"{name:<20}{text if len(text) <= 400 else f'{text[:400]} ... ({len(text)} characters)'}")


def versions() -> dict[str, str]:
    """Return name and value of all that decides speed and results here."""
    import numpy
    import scipy

    import fastnn as fn
    from fastnn._core.table import isa, supported_isas

    return {
        "fastnn": fn.__version__,
        "instruction set": f"{isa()} (of {', '.join(supported_isas())})",
        "processor": f"{platform.machine()}, {os.cpu_count()} logical",
        "system": platform.platform(),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "BLAS": blas(scipy),
    }


def blas(scipy: Any) -> str:
    """Name and version of the BLAS that SciPy was built with."""
    found = scipy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(found[key]) for key in ("name", "version") if found.get(key)) or "unknown"
