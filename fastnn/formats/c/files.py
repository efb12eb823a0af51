"""The mark by which an exported file is known as one that may be replaced."""

from pathlib import Path

MARK = "written by fastnn"


def check_replaceable(path: Path) -> None:
    """Raise FileExistsError unless nothing is at ``path``, or a file that was written here."""
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
