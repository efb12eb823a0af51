"""The safetensors format: a header that says where arrays lie, and the arrays.

Eight bytes with the length of the header, little-endian; the header, JSON; the arrays without gaps, little-endian.  The
texts of ``__metadata__`` are ours: one describes the model, ``sha256`` is the checksum of the whole file, taken with
zeros in its own place.  Other programs read these files; here only what ``pack`` writes is read.
"""

import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastnn._core.engine import MAX_AXES
from fastnn._core.table import all_finite
from fastnn.data.regular import open_regular
from fastnn.errors import ModelFormatError
from fastnn.formats.files import not_a_file

# By what files call them.  NumPy has no bfloat16: its bits are uint16 there.
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "BF16": np.dtype("<u2"), "I8": np.dtype("i1"),
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}
HEADER_LIMIT = 7 << 20  # bytes; four times as many are needed to read it
ARRAYS = 1 << 15  # at most
NAME_LIMIT = 255
PIECE = 1 << 20  # bytes that are read at a time for the checksum
ZEROS = "0" * 64

NUMBER = rb"[1-9]\d{0,18}"
ENTRY = re.compile(
    rb'"((?:\d{1,5}/)?[\w-]+(?:[.:][\w-]+)*)":\{"dtype":"(%b)","shape":\[(|%b(?:,%b){0,%d})\],'
    rb'"data_offsets":\[(0|%b),(%b)\]\}' % ("|".join(DTYPES).encode(), NUMBER, NUMBER, MAX_AXES, NUMBER, NUMBER)
)
CHECKSUM = re.compile(rb',"sha256":"([0-9a-f]{64})"')
OTHERS = (b"PK", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x1f\x8b")


class Entry(NamedTuple):
    """Where an array lies: from byte ``begin`` to ``end`` after the header."""

    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def pack(key: str, text: str, tensors: Mapping[str, np.ndarray]) -> bytearray:
    """Return a file of arrays, with a text under a key of its metadata."""
    arrays = sorted(tensors.items(), key=lambda item: -item[1].itemsize)  # in their order, each aligned
    entries, end = [], 0
    for name, array in arrays:
        begin, end = end, end + array.nbytes
        shape = ",".join(map(str, array.shape))
        dtype = NAMES[array.dtype.newbyteorder("<")]
        entries.append(f',"{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}')
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    header = f'{{"__metadata__":{{"{key}":"{escaped}","sha256":"{ZEROS}"}}{"".join(entries)}}}'.encode()
    header += b" " * (-len(header) % 8)
    data = bytearray(8 + len(header) + end)
    data[: 8 + len(header)] = struct.pack("<Q", len(header)) + header
    place = 8 + len(header)
    for _, array in arrays:
        np.frombuffer(data, array.dtype.newbyteorder("<"), array.size, place)[:] = array.ravel()
        place += array.nbytes
    header_only = BytesIO(data[: 8 + len(header)])
    found = Contents(header_only, len(data), key, "a model", verify=False)  # refuses what would be refused later
    data[found.digest_at : found.digest_at + len(ZEROS)] = sha256(data).hexdigest().encode()
    return data


class Contents:
    """An open file whose header has been read and checked, and, with ``verify``, whose checksum is right.

    Attributes
    ----------
    text : str
        The description under ``key``.
    checked : bool
        Whether there is a checksum: files of formats 1 and 2 have none.
    entries : dict of str to Entry
        The arrays that were not taken yet.
    size : int
        Bytes of the file.
    """

    def __init__(self, file: Any, size: int, key: str, what: str, *, verify: bool) -> None:
        self.file, self.size = file, size
        self._parse(self._header(what), key, what)  # which nobody else holds: it may be most of the file
        if verify and self.checked:
            self._verify()

    def _header(self, what: str) -> bytearray:
        """Return the header, if it can be one."""
        start = self._read(min(9, self.size))
        # A header of 1152 bytes, for one, begins like a pickle too.
        if bytes(start[:2]) in OTHERS and start[8:9] != b"{":
            raise ModelFormatError(
                f"expected {what} saved by fastnn, a safetensors file, got a zip, pickle or gzip file; fastnn reads no "
                "pickles",
                "alien",
            )
        if self.size < 8:
            raise ModelFormatError(f"expected a safetensors file, got {self.size} bytes; it is truncated", "truncated")
        (length,) = struct.unpack("<Q", start[:8])
        if length > self.size - 8:
            raise ModelFormatError(
                f"expected a safetensors file, got a header of {length} bytes in a file of {self.size}; it is "
                "truncated or something else",
                "truncated",
            )
        if not 2 <= length <= HEADER_LIMIT:
            raise ModelFormatError(f"expected a header of 2 to {HEADER_LIMIT} bytes, got {length}", "header")
        self.start = 8 + length
        self.file.seek(8)
        return self._read(length)

    def _read(self, count: int) -> bytearray:
        """Return so many bytes from where the file is; ModelFormatError if it ends before."""
        data = bytearray(count)
        self._fill(memoryview(data))
        return data

    def _fill(self, room: memoryview) -> None:
        """Read until there is no more room; ModelFormatError if the file ends before."""
        while room:
            count = self.file.readinto(room)
            if not count:
                raise ModelFormatError("the file became shorter while it was read", "changed")
            room = room[count:]

    def _parse(self, head: bytearray, key: str, what: str) -> None:
        """Read texts and table of arrays; ModelFormatError unless they are written as ``pack`` writes."""
        start = b'{"__metadata__":{"%b":"' % key.encode()
        if not head.startswith(start):
            if head.startswith(b'{"__metadata__":{"fastnn'):
                raise ModelFormatError(f"expected {what} saved by fastnn, got another kind of model", "kind")
            if head.startswith(b'{"') and head.rstrip(b" ").endswith(b"}"):
                raise ModelFormatError(f"expected {what} saved by fastnn, got another safetensors file", "alien")
            raise ModelFormatError("the header is not valid JSON as fastnn writes it", "header")
        if not head.isascii() or len(head.translate(None, bytes(range(32)))) != len(head):
            raise ModelFormatError("the header is not valid: expected printable ASCII", "header")
        if head.count(b'"data_offsets":') > ARRAYS:
            raise ModelFormatError(f"expected at most {ARRAYS} arrays, got more", "limit")
        length = len(head)
        head = head.replace(rb"\\", b"\0").replace(rb"\"", b"\1")  # what is left of these two characters is not text
        end = head.find(b'"', len(start))
        text, head = head[len(start) : end], head[end:]
        if end < 0 or b"\\" in text:
            raise ModelFormatError("the header is not valid: the description does not end", "header")
        text = text.replace(b"\1", b'"')
        text = text.replace(b"\0", b"\\")
        self.text = text.decode("ascii")
        del text
        place = 1
        found = CHECKSUM.match(head, place)
        self.checked = found is not None
        if found is not None:
            self.digest_at = 8 + length - (len(head) - found.start(1))
            place = found.end()
        if head[place : place + 1] != b"}":
            raise ModelFormatError("the header is not valid: unknown metadata beside the description", "header")
        place = self._table(head, place + 1)
        spaces = head[place + 1 :]
        if head[place : place + 1] != b"}" or spaces != b" " * (-(length - len(spaces)) % 8):
            raise ModelFormatError(
                f"the header is not valid: expected an array or its end at byte {length - len(head) + place}", "header"
            )

    def _table(self, head: bytearray, place: int) -> int:
        """Read the table of arrays, and return where it ends."""
        self.entries: dict[str, Entry] = {}
        last = 0
        while head[place : place + 1] == b",":
            found = ENTRY.match(head, place + 1)
            if found is None:
                break
            place = found.end()
            name, dtype = found[1].decode("ascii"), DTYPES[found[2].decode("ascii")]
            shape = tuple(map(int, found[3].split(b","))) if found[3] else ()
            begin, end = int(found[4]), int(found[5])
            if len(name) > NAME_LIMIT:
                raise ModelFormatError(f"expected names of arrays of at most {NAME_LIMIT} letters", "limit")
            if name in self.entries:
                raise ModelFormatError(f"the header names the array {name!r:.100} twice", "arrays")
            if begin != last or begin % dtype.itemsize or end - begin != prod(shape) * dtype.itemsize:
                raise ModelFormatError(
                    f"{name!r:.100}: expected {prod(shape)} numbers of {dtype.itemsize} bytes from byte {last} on, got "
                    f"bytes {begin} to {end}",
                    "arrays",
                )
            self.entries[name] = Entry(dtype, shape, begin, end)
            last = end
        if head[place : place + 1] == b"}" and self.start + last != self.size:
            code = "truncated" if self.start + last > self.size else "arrays"
            raise ModelFormatError(
                f"expected a file of {self.start + last} bytes, as its arrays need, got {self.size}", code
            )
        return place

    def _verify(self) -> None:
        """Raise ModelFormatError unless the checksum is that of the file."""
        digest, place, room = sha256(), 0, memoryview(bytearray(min(PIECE, self.size)))
        self.file.seek(0)
        while place < self.size:
            end = next(end for end in (self.digest_at, self.digest_at + 64, self.size) if end > place)
            piece = room[: min(end - place, PIECE)]
            self._fill(piece)
            if place == self.digest_at:
                found = bytes(piece)
            digest.update(ZEROS.encode() if place == self.digest_at else piece)
            place += len(piece)
        if digest.hexdigest().encode() != found:
            raise ModelFormatError(
                "the file is damaged: its checksum is not that of its contents; take it from a copy, or pass "
                "verify=False to read it as it is",
                "checksum",
            )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that were not taken yet."""
        return sum(entry.end - entry.begin for entry in self.entries.values())

    def take(self, name: str, shape: tuple[int, ...], dtype: np.dtype, out: np.ndarray | None = None) -> np.ndarray:
        """Return an array of the file, read into ``out`` if it is given, and take it out of ``entries``.

        ModelFormatError if it is missing, of another shape or dtype, or not finite.
        """
        entry = self.entries.pop(name, None)
        if entry is None or entry.shape != shape or entry.dtype != dtype.newbyteorder("<"):
            got = "nothing" if entry is None else f"{entry.dtype} {entry.shape}"
            raise ModelFormatError(f"{name}: expected {dtype} {shape}, got {got}", "mismatch")
        packed = out is not None and out.flags.c_contiguous and out.dtype.isnative and entry.dtype.isnative
        array = out if packed and out is not None else np.empty(shape, entry.dtype)
        self.file.seek(self.start + entry.begin)
        self._fill(memoryview(array.reshape(-1).view(np.uint8).data))
        if array.dtype.kind == "f" and not all_finite(np.ascontiguousarray(array, array.dtype.newbyteorder("="))):
            raise ModelFormatError(f"{name}: expected finite numbers, got NaN or inf", "not finite")
        if out is None or packed:
            return array
        out[...] = array
        return out

    def require_empty(self) -> None:
        """Raise ModelFormatError if there are arrays that nobody took."""
        if self.entries:
            raise ModelFormatError(
                f"the file holds arrays that the model does not have: {', '.join(sorted(self.entries))[:200]}",
                "mismatch",
            )


@contextmanager
def opened(who: str, path: "str | os.PathLike[str]", key: str, what: str, verify: bool = True) -> Iterator[Contents]:
    """Open a file and check its header; what is wrong with it, then and in the block, says who read which file."""
    name = f"{who} {os.path.basename(path)!r}"
    try:
        with open_regular(who, path, not_a_file) as (file, before):
            yield Contents(file, before.st_size, key, what, verify=verify)
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise ModelFormatError("the file became another while it was read", "changed")
    except ModelFormatError as error:
        if error.code == "not a file":
            raise
        raise ModelFormatError(f"{name}: {error}", error.code) from error.__cause__


def of_bytes(data: bytes, key: str, what: str, verify: bool = True) -> Contents:
    """Return the contents of a file that is in memory."""
    return Contents(BytesIO(data), len(data), key, what, verify=verify)
