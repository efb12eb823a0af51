"""Arrays of .npz files: a member is read as far as its own header says, and its header is short."""

import errno
import io
import struct
import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from fastnn.data.regular import open_regular

HEADER_LIMIT = 1 << 16  # bytes of the header of an array; NumPy's are of 128 or a little more
PIECE = 1 << 20  # bytes that are read at a time, so that memory grows with what there is
# What NumPy raises for texts that are no header, beside ValueError.
UNREADABLE = (SyntaxError, tokenize.TokenError, TypeError, LookupError, AttributeError, RecursionError, MemoryError)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that NumPy writes


class Header(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return prod(map(int, self.shape)) * self.dtype.itemsize


@contextmanager
def open_npz(who: str, path: Any, refusal: Any = ValueError) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file; ``refusal``: what says that there is no regular file.

    Raises what the block does, and zipfile.BadZipFile.
    """
    with open_regular(who, path, refusal) as (raw, _), io.BufferedReader(raw) as file:
        if file.peek(6)[:6] == npy.MAGIC_PREFIX:
            raise ValueError("it holds a single array; save it with numpy.savez(path, X=..., y=...)")
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ValueError("its directory says that an array lies before the file begins") from error


def names_in(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays; ValueError if one is there twice."""
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if len({*names}) != len(names):
        raise ValueError("it holds two arrays of one name")
    return names


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[Any, Header]]:
    """Open an array, past its header; ValueError if that is none of an array of plain values."""
    found = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name)
    if found.compress_type not in METHODS:
        raise ValueError(f"array {name!r:.60} is compressed in a way that NumPy does not write")
    with archive.open(found) as file:
        start = file.read(8)
        if start[:6] != npy.MAGIC_PREFIX or start[6:8] not in (b"\1\0", b"\2\0"):
            raise ValueError(f"array {name!r:.60} has no header of NumPy's, of format 1 or 2")
        form, read = ("<H", npy.read_array_header_1_0) if start[6] == 1 else ("<I", npy.read_array_header_2_0)
        size = file.read(struct.calcsize(form))
        (length,) = struct.unpack(form, size)
        if length > HEADER_LIMIT:
            raise ValueError(f"array {name!r:.60} has a header of {length} bytes, of at most {HEADER_LIMIT}")
        try:
            header = Header(*read(io.BytesIO(size + file.read(length))))
        except UNREADABLE as error:
            raise ValueError(f"array {name!r:.60} has a header that cannot be read: {error!r:.200}") from error
        if any(type(size) is not int or size < 0 for size in header.shape):
            raise ValueError(f"array {name!r:.60} has a header with the shape {header.shape!r:.60}")
        yield file, header


def read_member(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Return an array; ValueError if the file holds more or less of it than its header says."""
    with open_member(archive, name) as (file, header):
        return read_values(file, name, header)


def read_values(file: Any, name: str, header: Header) -> npt.NDArray[Any]:
    """Return the values that follow a header; ValueError if they are more or less than it says."""
    if header.dtype.hasobject:
        raise ValueError(f"array {name!r:.60} holds Python objects, which are code")
    content = bytearray()
    while len(content) <= header.nbytes and (piece := file.read(min(PIECE, header.nbytes + 1 - len(content)))):
        content += piece
    if len(content) != header.nbytes:
        found = "more" if len(content) > header.nbytes else str(len(content))
        raise ValueError(f"array {name!r:.60} of {header.shape} needs {header.nbytes} bytes, got {found}")
    return np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
