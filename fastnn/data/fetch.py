"""Data sets that others publish: fetched once, verified, converted, and kept."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from fastnn.data.sets import SETS, DataSet

WHO = "fetch_data"
RECORD = "origin.json"  # in the folder of a set: where it came from, and a checksum of every file
TIMEOUT = 30  # seconds without a byte


def data_folder() -> Path:
    """Return the folder of the data sets: the one that FASTNN_DATA names, or one in the user's cache.

    Returns
    -------
    Path
        Each set has a folder of its own in it.  It may not exist yet.

    Raises
    ------
    ImportError
        If FASTNN_DATA is not set and pooch is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.data.data_folder()  # doctest: +SKIP
    PosixPath('/home/ada/.cache/fastnn')
    """
    if named := os.environ.get("FASTNN_DATA"):
        return Path(named)
    return Path(_pooch().os_cache("fastnn"))


def fetch_data(name: str, folder: str | os.PathLike[str] | None = None, *, progress: bool = False) -> Path:
    """Fetch a data set unless it is there, and return the folder that holds it.

    Each file is compared with its published checksum before it is opened, converted to what the readers of this package
    read, and looked through; the set appears once it is complete.  A set that is there is compared with what was noted
    of it when it was fetched.  Needs pooch (extra ``data``).

    Parameters
    ----------
    name : str
        "mnist", "usps", "shakespeare", "cifar10" or "squeezenet"; ``python -m fastnn data`` lists them with sources
        and licences.
    folder : str or Path, optional
        The folder of all sets, in which this one gets its own; `data_folder()` if not given.
    progress : bool, default False
        Show a bar on the error stream.

    Returns
    -------
    Path
        The folder of the set: "mnist" holds the four IDX files, "usps" ``zip.train.gz`` and ``zip.test.gz``,
        "shakespeare" ``tinyshakespeare.txt``, "cifar10" ``cifar10_train.npz`` and ``cifar10_test.npz``,
        "squeezenet" ``squeezenet_v1.0_decoded.npz``.

    Raises
    ------
    ValueError
        If there is no such set, it may not be passed on (its page is named), a file has another checksum than is
        published, or a set that is there has changed.
    OSError
        If a file cannot be fetched or written.
    ImportError
        If pooch is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> folder = fn.fetch_data("mnist")  # doctest: +SKIP
    >>> images = fn.read_idx(folder / "train-images-idx3-ubyte.gz")  # doctest: +SKIP
    """
    if name not in SETS:
        raise ValueError(f"{WHO}: expected one of {', '.join(SETS)}, got {name!r:.60}")
    return fetch(SETS[name], Path(data_folder() if folder is None else folder), progress)


def fetch(one: DataSet, root: Path, progress: bool = False) -> Path:
    """Fetch a set into its folder below ``root``, unless it is there; see `fetch_data`."""
    target = root / one.folder
    if target.is_dir() and any(target.iterdir()):
        _compare(one, target)
        return target
    if one.convert is None:
        raise ValueError(
            f"{WHO}: expected a set that may be passed on, got {one.name!r} ({one.licence}); see {one.page}, and put "
            f"it into {target}"
        )
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{one.name}-") as scratch:
        raw = {name: _download(one, name, base, known, Path(scratch), progress) for name, base, known in one.files}
        made = Path(scratch) / "made"
        made.mkdir()
        one.convert(raw, made)
        sums = {path.name: _sha256(path) for path in sorted(made.iterdir())}
        record = {"name": one.name, "page": one.page, "licence": one.licence, "sha256": sums}
        (made / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if target.is_dir():  # empty
            target.rmdir()
        made.rename(target)
    return target


def _download(one: DataSet, name: str, base: str, known: str, folder: Path, progress: bool) -> Path:
    """Fetch one file, and make sure of it."""
    pooch = _pooch()
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
    try:
        return Path(pooch.retrieve(base + name, known, name, folder / "raw", downloader=downloader))
    except ValueError as error:
        raise ValueError(
            f"{WHO}: expected {base}{name} with the checksum {known}, got another file; nothing was kept.  Is there a "
            "page of your network in between?"
        ) from error
    except OSError as error:
        raise OSError(
            f"{WHO}: could not fetch {base}{name} ({type(error).__name__}); is there a network?  {one.name!r} is also "
            f"described at {one.page}"
        ) from error


def _compare(one: DataSet, folder: Path) -> None:
    """Raise ValueError if a set that was fetched is no longer what it was; one put there by hand is taken as it is."""
    if not (folder / RECORD).exists():
        return
    sums = json.loads((folder / RECORD).read_text(encoding="utf-8"))["sha256"]
    for name, known in sums.items():
        if not (folder / name).exists() or _sha256(folder / name) != known:
            raise ValueError(
                f"{WHO}: expected {folder / name} as it was fetched, got it changed or gone; remove {folder} and fetch "
                f"{one.name!r} again"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f'{WHO} needs pooch: pip install "fastnn[data]"') from error
    return pooch
