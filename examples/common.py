"""What the examples share: where data lie, where pictures go, and the command line.

An example is a script with ``run(quick, output)``: it does the work, saves pictures to the folder ``output``, prints
what a reader wants to follow, and returns its figures by name.  ``quick`` is a short version of the same thing, which
the tests run.  ``GOALS`` says what each figure should be: ``{"test error": "<= 0.013"}``.
"""

import argparse
import operator
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np
from tqdm import tqdm

import fastnn as fn
from fastnn.data.sets import SETS

COMPARE = {"<=": operator.le, ">=": operator.ge}
Figures = dict[str, float]
Labelled = tuple[np.ndarray, np.ndarray]
T = TypeVar("T")


class MissingData(FileNotFoundError):
    """A data set that an example needs is not there."""


def data(name: str) -> Path:
    """Return a file or folder of the data.

    It lies in the folder named by FASTNN_DATA, in ../shared/data, or where ``python -m fastnn data`` puts it.

    Raises
    ------
    MissingData
        If it is not there.
    """
    shared = Path(__file__).parents[2] / "shared" / "data"
    if "FASTNN_DATA" not in os.environ and (shared / name).exists():
        return shared / name
    try:
        root = fn.data_folder()
        if (root / name).exists():
            return root / name
        place = f"in {root}"
    except ImportError:  # pooch knows where the user's cache is, and nothing can have been fetched without it
        place = "here"
    one = next(one for one in SETS.values() if one.folder == name.partition("/")[0])
    way = f"python -m fastnn data {one.name}" if one.files else f"see {one.page} ({one.licence})"
    raise MissingData(f"expected {name} {place}; fetch it: {way}; or set FASTNN_DATA to the folder that holds it")


def mnist() -> tuple[Labelled, Labelled]:
    """Return training and test set of MNIST: images (N, 784) in [0, 1] and labels (N,)."""
    folder = data("mnist")
    train, test = (
        (
            fn.read_idx(folder / f"{part}-images-idx3-ubyte.gz").reshape(-1, 784).astype(np.float32) / 255,
            fn.read_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return train, test


def usps() -> tuple[Labelled, Labelled]:
    """Return training and test set of USPS: images (N, 256), 16 x 16, in [-1, 1] and labels (N,)."""
    folder = data("usps")
    tables = [np.loadtxt(folder / f"zip.{part}.gz", np.float32) for part in ("train", "test")]
    train, test = ((table[:, 1:], table[:, 0].astype(np.int64)) for table in tables)
    return train, test


def faces() -> Labelled:
    """Return the ORL faces: bytes (400, 112, 92) and who it is (400,), ten pictures of each."""
    with np.load(data("orl_faces") / "orl_faces_400x112x92.npz") as archive:
        return archive["x"], archive["y"].astype(np.int64)


def held_out(train: Labelled) -> tuple[Labelled, Labelled]:
    """Return a training set without its last sixth, and that."""
    at = len(train[0]) * 5 // 6
    return (train[0][:at], train[1][:at]), (train[0][at:], train[1][at:])


def resampled(images: np.ndarray, side: int) -> np.ndarray:
    """Return images (N, H, W) as float32 (N, side, side): each pixel is the mean of what it covers."""
    rows, columns = (np.eye(n).repeat(side, axis=0).reshape(side, n, n).mean(axis=1) for n in images.shape[1:])
    return (rows @ images @ columns.T).astype(np.float32)


def progress(items: Iterable[T], what: str) -> Iterable[T]:
    """Return the items, with a bar on a terminal that shows how many have been taken."""
    return tqdm(items, desc=what, delay=1, leave=False, disable=None)


def missed(figures: Figures, goals: dict[str, str]) -> list[str]:
    """Return the names of the figures that are not what they should be; a run with flags may lack some."""
    result = []
    for name, goal in goals.items():
        sign, bound = goal.split()
        if name in figures and not COMPARE[sign](figures[name], float(bound)):
            result.append(name)
    return result


def main(
    run: Callable[..., Figures], description: str, goals: dict[str, str], flags: dict[str, str] | None = None
) -> int:
    """Run an example from the command line and print its figures beside its goals.

    ``run`` takes ``quick`` and ``output``, and each of the ``flags``, by name whether it was given; their values say
    what they are for.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="a short version")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder for pictures")
    for name, purpose in (flags or {}).items():
        parser.add_argument(f"--{name}", action="store_true", help=purpose)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    began = perf_counter()
    try:
        figures = run(options.quick, options.output, **{name: getattr(options, name) for name in flags or {}})
    except MissingData as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    width = max(map(len, figures), default=0)
    failed = [] if options.quick else missed(figures, goals)
    print()
    for name, value in figures.items():
        goal = f"  goal {goals[name]}" if name in goals else ""
        print(f"{name:{width}}  {value:12.6g}{goal}{'  MISSED' if name in failed else ''}")
    print(f"{perf_counter() - began:.1f} s; pictures in {options.output}")
    return 0
