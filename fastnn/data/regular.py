"""Files that are opened for reading: regular ones alone, so that nothing waits for a pipe or fills memory."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any


@contextmanager
def open_regular(
    who: str, path: "str | os.PathLike[str]", refusal: Callable[[str], Exception] = ValueError
) -> Iterator[tuple[Any, os.stat_result]]:
    """Open a file for reading, unbuffered, and say what it was when it was opened.

    Raises OSError if it cannot be opened, and what ``refusal`` makes of a message for a folder, a pipe or a device.
    """
    if os.path.isdir(path):
        raise refusal(f"{who}: expected a file, got a folder: {path}")
    # A pipe that nobody writes to would keep open() waiting.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    with FileIO(os.open(path, flags), "rb", closefd=True) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise refusal(f"{who}: expected a file, got something else, such as a pipe or a device: {path}")
        yield file, found
