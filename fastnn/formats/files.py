"""Files: written whole or not at all, and what is wrong with those that are read, as one exception."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastnn.errors import ModelFormatError

REASONS = (  # of failing to make something of contents that do not fit
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, NotImplementedError,
)  # fmt: skip


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files so that at every moment the old or the new contents are there, whole; after an OSError the old."""
    contents = {Path(os.path.realpath(path)): data for path, data in contents.items()}
    modes = {path: mode_of(path) for path in contents}
    several = len(contents) > 1
    before = {path: path.read_bytes() for path, mode in modes.items() if several and mode is not None}
    parts = {path: path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.part") for path in contents}
    done: list[Path] = []
    try:
        for path, data in contents.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(parts[path], flags, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            mode = modes[path]
            if mode is not None:
                os.chmod(parts[path], mode)
        for path, part in parts.items():
            os.replace(part, path)
            done.append(path)
    except BaseException:
        for path in done if len(done) < len(contents) else ():
            if path in before:
                path.write_bytes(before[path])
            else:
                path.unlink(missing_ok=True)
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise
    for folder in {path.parent for path in contents} if hasattr(os, "O_DIRECTORY") else ():
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_atomically(path: Path, data: bytes) -> None:
    """Write one file as ``write_together`` does."""
    write_together({path: data})


def mode_of(path: Path) -> int | None:
    """Return a file's permissions, None where there is none; raises OSError if something else is there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
    if not path.is_file():
        raise OSError(f"save: expected a file to write or replace, got something else: {path}")
    return mode


def require_file(who: str, path: Path) -> None:
    """Raise ModelFormatError if there is something that is no file; reading what is not there says so itself."""
    if not path.is_file() and path.exists():
        raise ModelFormatError(f"{who}: expected a file, got something else: {path}")


@contextmanager
def damaged(what: str, *others: type[BaseException]) -> Iterator[None]:
    """Turn what goes wrong within, while something is made of a file's contents, into one ModelFormatError."""
    reasons: tuple[type[BaseException], ...] = (*REASONS, *others)
    try:
        yield
    except ModelFormatError:
        raise
    except reasons as error:
        raise ModelFormatError(f"{what}: {error}") from error


def to_json(who: str, description: dict[str, Any]) -> str:
    """Return a description as JSON; raises ValueError if it holds something else, which only metadata can."""
    try:
        return json.dumps(description, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{who}: expected metadata of JSON values, got something else: {error}") from error


def from_json(text: str) -> Any:
    """Return what JSON says; raises ValueError if it is none, ModelFormatError for NaN, Infinity or a name twice."""
    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse JSON objects that say one thing twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ModelFormatError("the header names something twice")
    return result


def refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ModelFormatError(f"the header holds {constant}, which is not JSON")
