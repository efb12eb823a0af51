"""Calls to the system that fail while a model is saved or loaded: what is said is true, and a whole file is there."""

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastnn as fn

PROMISE = (
    "whichever call to the system fails while a model is saved or loaded, OSError or ModelFormatError says "
    "so, and the file is the old one whole, or, where it says so, the new one"
)
SHORT = 0.25
SHIM = Path(__file__).with_name("failing_calls.c")
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES, "EINTR": errno.EINTR, "short": 0}
MOST = 200  # calls of one save


def models() -> list[Any]:
    """An old and a new model of some kinds."""

    def both(layers, shape, **more):
        return [fn.Sequential(layers(), shape, seed=seed, **more) for seed in (0, 1)]

    plain = both(lambda: [fn.Dense(8, "relu"), fn.Dense(3)], 4)
    images = both(lambda: [fn.Conv2D(2, 3), fn.Flatten(), fn.Dense(2)], (6, 6, 1), dtype="float64")
    small = [net.quantized("int8") for net in plain]
    ensembles = [fn.Ensemble([plain[k], plain[1 - k]], loss="squared_error") for k in (0, 1)]
    return [plain, images, small, ensembles]


def saved(shim: Any, old: Any, new: Any, path: Path, error: int, k: int) -> bool:
    """Save a model over another while call k fails; return whether there was such a call."""
    new.save(path)
    after = path.read_bytes()
    old.save(path)
    before, said = path.read_bytes(), None
    shim.arm(k, error)
    try:
        new.save(path)
    except OSError as found:
        said = str(found)
    finally:
        calls = shim.disarm()
    data, left = path.read_bytes(), set(os.listdir(path.parent)) - {path.name}
    where = f"call {k}, error {error}: {said}"
    if said is None or "in place" in said:
        assert data == after, f"{where}: the new file is not there"
    else:
        assert data == before, f"{where}: the old file is not there"
    old.save(path)
    assert os.listdir(path.parent) == [path.name], f"{where}: {left} was left, and after the next save too"
    return calls > k


def loaded(shim: Any, load: Any, path: Path, error: int, k: int) -> bool:
    """Load a model while call k fails; return whether there was such a call."""
    model = None
    before = path.read_bytes()
    shim.arm(k, error)
    try:
        model = load(path)
    except (OSError, fn.ModelFormatError):
        pass
    finally:
        calls = shim.disarm()
    if model is not None:
        model.save(path)
        assert path.read_bytes() == before, f"call {k}, error {error}: a model that is not that of the file"
    return calls > k


def child(library: str, share: float) -> None:
    """Try every call, in a process that has the shim before the library of C."""
    shim = ctypes.CDLL(library)
    shim.disarm.restype, shim.arm.argtypes = ctypes.c_long, [ctypes.c_long, ctypes.c_int]
    points = {"save": 0, "load": 0}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        every = models()
        for old, new in every[: max(1, round(len(every) * share))]:
            load = fn.Ensemble.load if isinstance(old, fn.Ensemble) else fn.load
            old.save(path)
            load(path)
            for error in ERRORS.values():
                k = 0
                while saved(shim, old, new, path, error, k):
                    k += 1
                points["save"] += k
                assert 5 < k < MOST, f"{k} calls of a save"
                k = 0
                while loaded(shim, load, path, error, k):
                    k += 1
                points["load"] += k
                assert 5 < k < MOST, f"{k} calls of a load"
    print(json.dumps(points))


def run(share: float) -> dict[str, Any]:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return {"skipped": "needs a compiler and Linux"}
    with TemporaryDirectory() as folder:
        library = str(Path(folder) / "failing_calls.so")
        command = [*compiler.split(), "-O1", "-shared", "-fPIC", "-w", str(SHIM), "-o", library, "-ldl"]
        subprocess.run(command, check=True)
        code = f"from tests.torture.calls_failing import child; child({library!r}, {share})"
        environment = {**os.environ, "LD_PRELOAD": library, "PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=SHIM.parents[2]
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return {"errors": len(ERRORS), **json.loads(done.stdout)}
