"""Files: written whole or not at all, and what is wrong with those that are read, as one exception."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from fastnn.errors import ModelFormatError

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

REASONS = (  # of failing to make something of contents that do not fit
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, NotImplementedError,
)  # fmt: skip


def write_together(contents: Mapping[Path, bytes | bytearray]) -> None:
    """Write files so that at every moment the old or the new contents are there, whole; after an error the old.

    But if the folder itself cannot be written to disk, or there is no memory to go on once all are in place: then the
    new ones are there, and the error says so.
    """
    contents = {Path(os.path.realpath(path)): data for path, data in contents.items()}
    found = {path: found_at(path) for path in contents}
    folders = {str(path.parent) for path in contents}  # texts: what makes one of a Path hides that memory ran out
    several = len(contents) > 1
    before = {path: path.read_bytes() for path, old in found.items() if several and old is not None}
    in_place = f"save: the new {'files are' if several else 'file is'} in place"
    order, done = list(contents), 0
    try:
        with ExitStack() as stack:
            parts: dict[Path, Path] = {}
            try:
                for path, data in contents.items():
                    reap(path)
                    parts[path], file = new_part(path)
                    stack.callback(close, file)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    if (old := found[path]) is not None:
                        keep_owner_and_mode(file.fileno(), parts[path], old)
                    if flock is None:
                        file.close()  # an open file has its name for good there
                for path, part in parts.items():
                    os.replace(str(part), str(path))
                    done += 1  # a small number, which needs no memory
            except BaseException:
                for path in order[:done] if done < len(order) else ():
                    if path in before:
                        path.write_bytes(before[path])
                    else:
                        path.unlink(missing_ok=True)
                for part in parts.values():
                    part.unlink(missing_ok=True)
                raise
        sync(folders, in_place)
    except MemoryError as error:
        if done == len(order):
            raise MemoryError(f"{in_place}; there was no memory for what comes after") from error
        raise


def sync(folders: Iterable[str], in_place: str) -> None:
    """Let folders reach the disk, with the names in them."""
    for folder in folders if hasattr(os, "O_DIRECTORY") else ():
        try:
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            text = f"{in_place}, but may not outlast a loss of power: the folder could not be synced"
            raise OSError(error.errno, f"{text} ({error.strerror})", folder) from error


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write one file as ``write_together`` does."""
    write_together({path: data})


def close(file: Any) -> None:
    """Close a file whose contents have reached the disk, or that is given up: an error then says nothing of them."""
    with suppress(OSError):
        file.close()


def new_part(path: Path) -> tuple[Path, Any]:
    """Make an empty file beside a path and hold it, so that nobody takes it for one that was left behind."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        part = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.part")
        file = os.fdopen(os.open(part, flags, 0o666), "wb")
        if flock is None:
            return part, file
        try:
            with suppress(OSError):  # some file systems have no locks
                flock(file.fileno(), LOCK_EX)
            if os.path.exists(part):  # else it was reaped before it was held
                return part, file
        except BaseException:
            part.unlink(missing_ok=True)
            file.close()
            raise
        file.close()


def reap(path: Path) -> None:
    """Remove what processes left behind that ended while they wrote this file; what a living one holds stays."""
    if flock is None:
        return
    pattern = re.compile(re.escape(f".{path.name[:200]}.") + r"[0-9a-f]{8}\.part")
    parts: list[str] = []
    with suppress(PermissionError), os.scandir(path.parent) as entries:
        parts = [entry.path for entry in entries if pattern.fullmatch(entry.name)]
    for part in parts:
        with suppress(OSError):  # of somebody else, or held, or gone meanwhile
            place = os.open(part, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if stat.S_ISREG(os.fstat(place).st_mode):
                    flock(place, LOCK_EX | LOCK_NB)
                    os.unlink(part)
            finally:
                os.close(place)


def found_at(path: Path) -> os.stat_result | None:
    """Return what is known of a file, None where there is none; raises OSError if something else is there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"save: expected a file to write or replace, got something else: {path}")
    return found


def keep_owner_and_mode(place: int, part: Path, old: os.stat_result) -> None:
    """Give a new file the permissions of the one that it replaces, and its owner and group where the system allows."""
    if hasattr(os, "fchown"):
        new = os.fstat(place)
        if new.st_uid != old.st_uid:
            with suppress(PermissionError):
                os.fchown(place, old.st_uid, -1)
        if new.st_gid != old.st_gid:
            with suppress(PermissionError):
                os.fchown(place, -1, old.st_gid)
    os.chmod(part, stat.S_IMODE(old.st_mode))  # after the owner, whose change takes bits away


def not_a_file(message: str) -> ModelFormatError:
    """Return the error that says that there is something that is no file."""
    return ModelFormatError(message, "not a file")


@contextmanager
def damaged(what: str, *others: type[BaseException], code: str = "description") -> Iterator[None]:
    """Turn what goes wrong within, while something is made of a file's contents, into one ModelFormatError."""
    reasons: tuple[type[BaseException], ...] = (*REASONS, *others)
    try:
        yield
    except ModelFormatError:
        raise
    except reasons as error:
        raise ModelFormatError(f"{what}: {error}", code) from error
