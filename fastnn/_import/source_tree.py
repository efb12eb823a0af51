"""What to say where the source of the package lies without its compiled modules."""

import sys
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def uncompiled(package: Path) -> bool:
    """Return whether a Cython source below this folder has no module beside it that this Python can load."""
    return any(
        not any(source.with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES)
        for source in package.rglob("*.pyx")
    )


def hidden(package: Path) -> Path | None:
    """Return the folder of another package of this name, which Python would find were this one not before it."""
    elsewhere = [path for path in sys.path if Path(path).resolve() != package.parent]
    spec = PathFinder.find_spec(package.name, elsewhere)
    return Path(spec.origin).parent if spec and spec.origin else None


def refuse_uncompiled(error: ImportError) -> None:
    """Do nothing where the compiled modules are there: the error has another reason.

    Raises
    ------
    ImportError
        If they are not.
    """
    if not uncompiled(PACKAGE):
        return
    installed = hidden(PACKAGE)
    hides = f", and hides the one installed in {installed}" if installed else ""
    run = "run Python from another folder, or type" if installed else "type"
    raise ImportError(
        f"fastnn: {PACKAGE} holds the source of fastnn without modules compiled for this Python{hides}; "
        f"{run} `make build` in {PACKAGE.parent} and use .venv/bin/python"
    ) from error
