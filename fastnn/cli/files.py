"""Which file is read how: tables, .npz and IDX as inputs and targets, for training and again for prediction."""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fastnn.data import read_idx, read_npz, read_table

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Inputs (B, I), targets (B,) or (B, O), and ``reading``: what prediction needs to read its inputs alike."""

    X: Array
    y: Array
    reading: dict[str, Any]


def read_dataset(path: str, target: str) -> Dataset:
    """Read inputs and targets; ``target`` is a column of a table, an array of a .npz, or the IDX file of the labels."""
    if path.endswith(".npz"):
        inputs, targets = read_npz(path, y=target)
        assert targets is not None
    elif _is_idx(path):
        inputs, targets = read_idx(path), read_idx(target)
        if len(inputs) != len(targets):
            raise ValueError(f"train: expected as many labels as images, got {len(targets)} and {len(inputs)}")
    else:
        table = read_table(path, target)
        assert table.y is not None
        reading = {"columns": table.columns, "categories": table.categories, "features": table.feature_names}
        return Dataset(table.X, table.y, reading)
    inputs = _flat(inputs, path)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    return Dataset(inputs, targets, {"inputs": inputs.shape[1]})


def read_labelled(path: str, target: str, reading: dict[str, Any]) -> Array:
    """Read the targets (B,) or (B, O) of a file whose inputs ``read_inputs`` reads."""
    if path.endswith(".npz") or _is_idx(path):
        return read_dataset(path, target).y
    found = read_table(path, target, columns=reading.get("columns"), categories=reading.get("categories")).y
    assert found is not None
    return found


def read_inputs(path: str, reading: dict[str, Any], who: str = "predict") -> Array:
    """Read inputs for prediction in the way ``reading`` of the training data says."""
    width = reading["inputs"] if "inputs" in reading else len(reading["features"])
    if not path.endswith(".npz") and not _is_idx(path):
        if "columns" not in reading:
            raise ValueError(f"{who}: the model was trained on arrays, expected a .npz or IDX file, got {path}")
        return read_table(path, None, columns=reading["columns"], categories=reading["categories"]).X
    inputs = _flat(read_npz(path, y=None)[0] if path.endswith(".npz") else read_idx(path), path)
    if inputs.shape[1] != width:
        raise ValueError(f"{who}: expected {width} inputs per row, got {inputs.shape[1]} in {path}")
    return inputs


def whole_numbers(text: str, expected: str, count: int = 0) -> tuple[int, ...]:
    """Return the positive whole numbers of an option, as many as ``count`` if that is given."""
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(numbers) < 1 or len(numbers) != (count or len(numbers)):
        raise ArgumentTypeError(f"expected {expected}, got {text!r}")
    return tuple(numbers)


def _flat(inputs: Array, path: str) -> Array:
    if not len(inputs) or inputs.dtype.kind not in "biuf":
        raise ValueError(f"expected rows of numbers in {path}, got {inputs.dtype} of shape {inputs.shape}")
    return inputs.reshape(len(inputs), -1)


def _is_idx(path: str) -> bool:
    """Whether a file has the name of an IDX file: ``...-ubyte``, ``.idx``, ``-idx3-...``, with or without ``.gz``."""
    name = Path(path).name.lower().removesuffix(".gz")
    return name.endswith(("ubyte", ".idx")) or "-idx" in name or ".idx" in name
