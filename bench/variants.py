"""The builds of fastnn that are measured: each a folder with a compiled package, on one instruction set."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = "fastnn"


@dataclass(frozen=True)
class Variant:
    """``folder`` holds ``fastnn/``, compiled; ``label`` is what tables call it, ``isa`` its FASTNN_ISA."""

    isa: str
    label: str = OWN
    folder: Path = ROOT

    @property
    def name(self) -> str:
        """Its column."""
        return f"{self.label} {self.isa}"


def variants(isas: list[str], others: list[tuple[str, str]] | None) -> list[Variant]:
    """List this build and the (folder, label) pairs of others, each on every instruction set.

    Raises
    ------
    ValueError
        If a folder holds no fastnn, or a label is not one of its own.
    """
    builds = [(OWN, ROOT)]
    for given, label in others or ():
        folder = Path(given).resolve()
        if not (folder / "fastnn" / "__init__.py").exists():
            raise ValueError(f"--fastnn: expected a folder that holds fastnn/, compiled; got {given}")
        if label in dict(builds) or " " in label:
            raise ValueError(f"--fastnn: expected a label of its own without blanks, got {label!r}")
        builds.append((label, folder))
    return [Variant(isa, label, folder) for label, folder in builds for isa in isas]


def measured_isas(asked: str | None) -> list[str]:
    """The instruction sets that were asked for, by commas; by default all with FMA that this machine has.

    Raises
    ------
    ValueError
        If this machine or this build lacks one.
    """
    from fastnn._core import table

    has = table.supported_isas()
    if asked is None:
        return [isa for isa in has if isa != "base"] or list(has)
    chosen = list(dict.fromkeys(asked.split(",")))
    if missing := [isa for isa in chosen if isa not in has]:
        raise ValueError(f"--isa: expected some of {', '.join(has)}, which this machine has; got {', '.join(missing)}")
    return sorted(chosen, key=has.index)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Let a worker's command line say where its fastnn is."""
    parser.add_argument("--fastnn", type=Path, default=ROOT)


def take_from(folder: Path) -> None:
    """Import fastnn from a folder, in a worker.

    Raises
    ------
    ImportError
        If another one comes, or none.
    """
    sys.path.insert(0, str(folder))
    import fastnn

    found = Path(fastnn.__file__).parents[1]
    if found != folder.resolve():
        raise ImportError(f"expected the fastnn in {folder}, got the one in {found}")
