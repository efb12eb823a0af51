"""Readers of arrays: IDX (the format of MNIST) and NumPy's .npz."""

from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fastnn._spec import require_flag
from fastnn.data.regular import open_regular

Array = npt.NDArray[Any]

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 1 << 20


def read_idx(path: str | Path, *, channels: bool = False) -> Array:
    """Read an IDX file, plain or compressed by gzip.

    Parameters
    ----------
    path : str or Path
        The file, such as ``train-images-idx3-ubyte.gz``.
    channels : bool
        Whether grey images (B, H, W) get an axis of one channel, (B, H, W, 1), such as ``Conv2D`` reads.

    Returns
    -------
    ndarray
        The array in the shape and type that the file says, in the byte order of the machine.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no IDX file, has an unknown type, or more or fewer bytes than it says; with ``channels``, if it has
        other than three dimensions.
    TypeError
        If ``channels`` is neither True nor False.

    Notes
    -----
    Two zero bytes, a byte for the type, one for the number of dimensions, the dimensions as big-endian 32-bit integers,
    then the elements, big-endian, the last index fastest: LeCun, Cortes & Burges, The MNIST database of handwritten
    digits (1998), http://yann.lecun.com/exdb/mnist.

    Examples
    --------
    >>> import fastnn as fn
    >>> images = fn.data.read_idx("train-images-idx3-ubyte.gz")  # doctest: +SKIP
    """
    require_flag("read_idx", "channels", channels)
    array = _opened_idx(path)
    if not channels:
        return array
    if array.ndim != 3:
        raise ValueError(f"read_idx: expected images (B, H, W) for channels=True, got shape {array.shape} in {path}")
    return array[..., None]


def _opened_idx(path: str | Path) -> Array:
    import gzip
    import io
    import zlib

    with open_regular("read_idx", path) as (raw, _), io.BufferedReader(raw) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _read_idx(file, path)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read_idx(unpacked, path)  # type: ignore[arg-type]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"read_idx: expected a whole gzip file, got a damaged one: {path} ({error})") from error


def read_npz(path: str | Path, *, X: str = "X", y: str | None = "y") -> tuple[Array, Array | None]:
    """Read inputs and targets from a .npz file; arrays of Python objects are refused.

    Parameters
    ----------
    path : str or Path
        The file.
    X : str, default "X"
        Name of the array of inputs.
    y : str or None, default "y"
        Name of the array of targets; None for none.

    Returns
    -------
    X : ndarray of shape (B, ...)
        Inputs.
    y : ndarray of shape (B, ...) or None
        Targets.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no .npz file, an array is missing or holds Python objects, or the numbers of rows differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.data.read_npz("data.npz", X="images", y="labels")  # doctest: +SKIP
    """
    import struct
    import zlib
    from zipfile import BadZipFile

    from fastnn.data.npz import open_npz

    try:
        with open_npz("read_npz", path) as archive:
            found = [_member(archive, name) for name in (X, y) if name is not None]
    except (ValueError, EOFError, BadZipFile, RuntimeError, NotImplementedError, zlib.error, struct.error) as error:
        raise ValueError(f"read_npz: expected a .npz file of plain arrays, got {path}: {error}") from error
    if len({len(array) for array in found}) != 1:
        raise ValueError(f"read_npz: expected as many rows in {X!r} as in {y!r}, got {[len(one) for one in found]}")
    return found[0], found[1] if y is not None else None


def _read_idx(file: BinaryIO, path: str | Path) -> Array:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not head[3]:
        raise ValueError(f"read_idx: expected an IDX file (two zero bytes, type, dimensions), got {head!r} in {path}")
    dtype, sizes = np.dtype(_IDX_TYPES[head[2]]), file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise ValueError(f"read_idx: expected {head[3]} dimensions, got a file that ends before: {path}")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    expected, content = prod(shape) * dtype.itemsize, bytearray()
    while len(content) <= expected and (piece := file.read(min(_PIECE, expected + 1 - len(content)))):
        content += piece
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        raise ValueError(
            f"read_idx: expected {expected} bytes for shape {shape} of {dtype.name}, got {found} in {path}"
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _member(archive: Any, name: str) -> Array:
    from fastnn.data.npz import names_in, read_member

    names = names_in(archive)
    if name not in names:
        raise ValueError(f"it has no array {name!r:.60}, only {', '.join(names[:20])}")
    array = read_member(archive, name)
    if array.ndim == 0:
        raise ValueError(f"array {name!r} is a single value, expected shape (B, ...)")
    return array
