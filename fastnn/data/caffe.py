"""Weights in files of Caffe: just enough of protocol buffers to find them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Fields of NetParameter, and of LayerParameter and V1LayerParameter (caffe.proto): a layer, its name, its blobs.
LAYERS = {100: (1, 7), 2: (4, 6)}
DATA = 5  # of BlobProto: the numbers


def fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield the fields of a message: number, wire type, and the bytes of what has a length (type 2) or 4 bytes (5).

    [Protocol Buffers, Encoding]
    """
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            at = varint(data, at)[1]
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"expected a field of a known type, got type {kind}")
        if at + size > len(data):
            raise ValueError("expected a whole message, got one that is cut off")
        yield number, kind, data[at : at + size]
        at += size


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a whole number, seven bits in each byte from the lowest, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("expected a whole message, got one that is cut off")
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def layers_of(path: Path) -> dict[str, list[np.ndarray]]:
    """Return the numbers of every layer that has some, flat, by the layer's name; ValueError if it is no such file."""
    found: dict[str, list[np.ndarray]] = {}
    for number, kind, layer in fields(memoryview(path.read_bytes())):
        if number not in LAYERS or kind != 2:
            continue
        name_field, blobs_field = LAYERS[number]
        name, blobs = "", []
        for part, form, content in fields(layer):
            if part == name_field and form == 2:
                name = bytes(content).decode()
            elif part == blobs_field and form == 2:
                numbers = b"".join(
                    bytes(one) for field, kind, one in fields(content) if field == DATA and kind in (2, 5)
                )
                blobs.append(np.frombuffer(numbers, "<f4"))
        if blobs:
            found[name] = blobs
    return found
