"""Writing several files so that all of them are there, whole, or none has changed."""

import os
from pathlib import Path

MARK = "written by fastnn"


def check_replaceable(path: Path) -> None:
    """Raise unless nothing is at ``path``, or a file that was written here.

    Raises
    ------
    FileExistsError
        If it is something else.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise FileExistsError(f"export_c: expected a file to write or replace, got something else: {path}")
    with open(path, "rb") as file:
        head = file.read(400)
    if MARK.encode() not in head:
        raise FileExistsError(
            f"export_c: expected no file, or one that export_c wrote, got another: {path}; remove it or choose a path"
        )


def write_together(contents: dict[Path, str]) -> None:
    """Write the files, each beside its place first; then they take their places.

    Raises
    ------
    OSError
        If one cannot be written or replaced: the old ones stand again, and nothing is left beside them.
    """
    for path in contents:
        check_replaceable(path)
    before = {path: path.read_bytes() if path.exists() else None for path in contents}
    parts: dict[Path, Path] = {}
    done: list[Path] = []
    try:
        for path, text in contents.items():
            parts[path] = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.part")
            with open(parts[path], "xb") as file:
                file.write(text.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            os.replace(part, path)
            done.append(path)
    except BaseException:
        for path in done:
            old = before[path]
            if old is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(old)
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise
