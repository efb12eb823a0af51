"""Numbers of an ONNX model that lie in files beside it: read from regular files in its folder, or refused."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastnn.data.regular import open_regular
from fastnn.errors import ModelFormatError
from fastnn.formats.files import not_a_file


def take_external(model: Any, folder: Path | None) -> None:
    """Put into a model what it keeps in files of its folder; ModelFormatError if it names others, or has no folder."""
    for tensor in tensors_of(model):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        facts = {entry.key: entry.value for entry in tensor.external_data}
        name = facts.get("location", "")
        if folder is None:
            raise ModelFormatError(
                f"from_onnx: expected a model that holds its numbers, got one with {tensor.name!r:.60} in the file "
                f"{name!r:.60}; give the path of the model, so that its folder is known",
                "alien",
            )
        tensor.raw_data = read(folder, name, facts.get("offset", "0"), facts.get("length", ""))
        tensor.data_location = tensor.DEFAULT
        del tensor.external_data[:]


def read(folder: Path, name: str, offset: str, length: str) -> bytes:
    """Return bytes of a file in the folder; ModelFormatError if it is elsewhere, no regular file or too short."""
    place = Path(os.path.realpath(folder / name))
    if not name or not place.is_relative_to(os.path.realpath(folder)):
        raise ModelFormatError(f"from_onnx: expected numbers in the folder of the model, got {name!r:.80}", "alien")
    numbers = [int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1 for text in (offset, length)]
    with open_regular("from_onnx", place, not_a_file) as (file, found):
        start, count = numbers[0], numbers[1] if length else found.st_size - numbers[0]
        if start < 0 or not 0 <= count <= found.st_size - start:
            raise ModelFormatError(
                f"from_onnx: expected bytes {offset!r:.30} + {length!r:.30} of {name!r:.80}, got a file of "
                f"{found.st_size}",
                "truncated",
            )
        file.seek(start)
        data = bytearray(count)
        room = memoryview(data)
        while room and (got := file.readinto(room)):
            room = room[got:]
        return bytes(data)


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield all tensors of a model, those of nodes, functions and graphs within nodes too."""
    nodes, graphs = [node for function in model.functions for node in function.node], [model.graph]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        while nodes:
            for attribute in nodes.pop().attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                for sparse in (*attribute.sparse_tensors, attribute.sparse_tensor):
                    yield from (sparse.values, sparse.indices)
                graphs.extend((*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ())))
