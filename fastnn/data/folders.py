"""Which files of a folder are pictures, and of which class: that of the folder they are in."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnn._spec import listed

SUFFIXES = {
    *(
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".bmp",
        ".dib",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
    ),
    *(".pnm", ".jp2", ".j2k", ".avif", ".tga", ".ico", ".icns"),
}
_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini"}


class Files(NamedTuple):
    """Files of pictures, the numbers of their classes, and the names of these; both None where none are known."""

    paths: list[Path]
    y: npt.NDArray[np.int64] | None
    classes: list[str] | None


def picture_files(who: str, source: Any, classes: Sequence[str] | None) -> Files:
    """Return the pictures of a folder, or of a list of files, sorted by their names; ValueError for anything else.

    ``classes``: the names of the folders there may be, in the order of their numbers.
    """
    if not isinstance(source, str | PathLike):
        return Files(_named(who, source, classes), None, None)
    folder = Path(source)
    if not folder.is_dir():
        if folder.is_file():
            raise ValueError(f"{who}: expected a folder, got the file {folder}; for files give a list")
        raise FileNotFoundError(f"{who}: expected a folder of pictures, got {str(folder)!r}, which is not there")
    here = [one for one in sorted(folder.iterdir()) if not _hidden(one)]
    folders, files = [one for one in here if one.is_dir()], [one for one in here if not one.is_dir()]
    if folders and files:
        raise ValueError(
            f"{who}: expected a folder for each class and nothing beside them in {folder}, got {files[0].name!r}"
        )
    if not folders:
        if classes is not None:
            raise ValueError(f"{who}: expected a folder for each class in {folder}, got none")
        return Files(_pictures(who, files, folder), None, None)
    names = [one.name for one in folders]
    known = names if classes is None else [str(name) for name in classes]
    if len(set(known)) != len(known):
        raise ValueError(f"{who}: expected each of classes once, got {listed(known)}")
    for name in names:
        if name not in known:
            raise ValueError(f"{who}: expected folders of the classes {listed(known)} in {folder}, got {name!r}")
    paths: list[Path] = []
    labels: list[int] = []
    for one in folders:
        inside = sorted(path for path in one.rglob("*") if not path.is_dir() and not _below_hidden(path, one))
        if not inside:
            raise ValueError(f"{who}: expected pictures in every folder, got none in {one}")
        paths += _pictures(who, inside, one)
        labels += [known.index(one.name)] * len(inside)
    return Files(paths, np.array(labels, np.int64), known)


def _named(who: str, source: Any, classes: Any) -> list[Path]:
    """Return files that a list names."""
    if classes is not None:
        raise ValueError(f"{who}: expected no classes beside a list of files; give their labels as y where they go")
    if not isinstance(source, Iterable):
        raise TypeError(f"{who}: expected a folder or a list of files, got {type(source).__name__}")
    paths = [Path(one) for one in source]
    if not paths:
        raise ValueError(f"{who}: expected at least one file, got an empty list")
    return paths


def _pictures(who: str, files: list[Path], folder: Path) -> list[Path]:
    """Return files if all of them have the names of pictures."""
    if not files:
        raise ValueError(f"{who}: expected pictures in {folder}, got none")
    for one in files:
        if one.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"{who}: expected pictures alone, such as .png or .jpg, got {one}; move it elsewhere, or give a list "
                "of files"
            )
    return files


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS


def _below_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts) or _hidden(path)
