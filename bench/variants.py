"""Whose times are taken: builds of fastnn on each instruction set, and the peers beside each."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = "fastnn"
NUMPY_AVX2 = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
HELD = {  # by instruction set and peer: variables that keep its kernels to it; who is not named has no such switch
    "avx2": {
        "numpy": NUMPY_AVX2,
        "sklearn": NUMPY_AVX2,
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        "torch": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
        "jax": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    }
}


@dataclass(frozen=True)
class Variant:
    """A column of the tables.

    ``isa``: the FASTNN_ISA of a build, or what a peer is held to; none: as it dispatches by itself.  ``label``: what
    tables call it.  ``folder``: where a build of fastnn lies, compiled.
    """

    isa: str = ""
    label: str = OWN
    folder: Path = ROOT
    peer: str = OWN

    @property
    def name(self) -> str:
        """Its column."""
        return f"{self.label} {self.isa}".strip()

    @property
    def variables(self) -> dict[str, str]:
        """What its worker's environment says of the instruction set."""
        if self.peer == OWN:
            return {"FASTNN_ISA": self.isa}
        held = HELD[self.isa][self.peer] if self.isa else {}
        if self.peer == "torch":
            # What is compiled for one instruction set gives wrong answers on another, and the cache does not tell.
            folder = Path(tempfile.gettempdir()) / f"fastnn-bench-inductor-{self.isa or 'own'}"
            return held | {"TORCHINDUCTOR_CACHE_DIR": str(folder)}
        return held


def held(isa: str) -> dict[str, str]:
    """Variables that keep fastnn to an instruction set, and the peers too where it is not the machine's best."""
    peers = HELD.get(isa, {}) if isa != best_isa() else {}
    return {name: value for variables in peers.values() for name, value in variables.items()} | {"FASTNN_ISA": isa}


def hold(isa: str | None) -> None:
    """Start this program again, if need be, with its libraries held to an instruction set: they ask but once."""
    if isa and os.environ.get("FASTNN_ISA") != isa:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **held(isa)})


def variants(isas: list[str], others: list[tuple[str, str]] | None = None) -> list[Variant]:
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
        if label in dict(builds) or not label or " " in label:
            raise ValueError(f"--fastnn: expected a label of its own without blanks, got {label!r}")
        builds.append((label, folder))
    return [Variant(isa, label, folder) for label, folder in builds for isa in isas]


def beside(isas: list[str], best: str, peers: Iterable[str]) -> list[Variant]:
    """List the peers, each held to every instruction set but the machine's best, where it can be."""
    held = [[isa for isa in isas if isa != best and peer in HELD.get(isa, {})] for peer in peers]
    free = [len(own) < len(isas) for own in held]
    return [
        Variant(isa, peer, peer=peer)
        for peer, own, other in zip(peers, held, free, strict=True)
        for isa in [*own, *([""] if other else [])]
    ]


def best_isa() -> str:
    """Name the instruction set that this machine's kernels choose by themselves, and so do the peers."""
    from fastnn._core import table

    return table.supported_isas()[-1]


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
