"""Which file is read how: tables, .npz and IDX as inputs and targets, for training and again for prediction."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from fastnn.cli import pictures
from fastnn.data import Table, TableEncoder, read_idx, read_npz, read_table

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Inputs (B, I) or pictures (B, H, W, C), targets (B,) or (B, O), and how prediction is to read the like."""

    X: Array
    y: Array
    reading: dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How a table is read: what its columns are (None: as the model says), and what a CSV file is."""

    encoder: TableEncoder | None = None
    sep: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, arguments: Namespace, encoder: TableEncoder | None = None) -> Self:
        """Return what the command line says."""
        return cls(encoder, arguments.sep, arguments.encoding)

    def read(
        self, path: str, target: str | None, reading: dict[str, Any], encoder: TableEncoder | None = None
    ) -> Table:
        """Read a table; what the options do not say is as in ``reading``."""
        sep, encoding = self.sep or reading.get("sep"), self.encoding or reading.get("encoding") or "utf-8"
        if encoder is None and "columns" in reading:  # a model of before there were encoders
            columns, categories = reading["columns"], reading["categories"]
            return read_table(path, target, columns=columns, categories=categories, sep=sep, encoding=encoding)
        return read_table(path, target, encoder=encoder or self.encoder, sep=sep, encoding=encoding)


NO_OPTIONS = Options()


def read_dataset(path: str, target: str, options: Options = NO_OPTIONS) -> Dataset:
    """Read inputs and targets; ``target`` is a column of a table, an array of a .npz, or the IDX file of the labels."""
    if path.endswith(".npz"):
        inputs, targets = read_npz(path, y=target)
        assert targets is not None
    elif _is_idx(path):
        inputs, targets = read_idx(path), read_idx(target)
        if len(inputs) != len(targets):
            raise ValueError(f"train: expected as many labels as images, got {len(targets)} and {len(inputs)}")
    else:
        table = options.read(path, target, {})
        assert table.y is not None
        reading = {"encoder": table.encoder.to_config(), "features": table.feature_names}
        given = {"sep": options.sep, "encoding": options.encoding}
        return Dataset(table.X, table.y, reading | {name: value for name, value in given.items() if value is not None})
    inputs = _pictures_or_rows(inputs, path)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if inputs.ndim == 4:
        return Dataset(inputs, targets, pictures.reading_of(inputs))
    return Dataset(inputs, targets, {"inputs": inputs.shape[1]})


def read_labelled(path: str, target: str, reading: dict[str, Any], options: Options = NO_OPTIONS) -> Array:
    """Read the targets (B,) or (B, O) of a file whose inputs ``read_inputs`` reads."""
    if pictures.in_files(reading):
        return pictures.labelled(path, reading, "report")[1]
    if path.endswith(".npz") or _is_idx(path):
        return read_dataset(path, target).y
    found = options.read(path, target, reading, _encoder(reading)).y
    assert found is not None
    return found


def read_inputs(path: str, reading: dict[str, Any], who: str = "predict", options: Options = NO_OPTIONS) -> Array:
    """Read inputs for prediction in the way ``reading`` of the training data says."""
    if pictures.in_files(reading):
        return pictures.read([path], reading, who).X
    if pictures.is_folder(path):
        raise ValueError(f"{who}: expected a file, since the model did not learn from a folder, got the folder {path}")
    if is_table(path):
        if "features" not in reading:
            raise ValueError(f"{who}: the model was trained on arrays, expected a .npz or IDX file, got {path}")
        return options.read(path, None, reading, _encoder(reading)).X
    inputs = read_arrays(path)
    if "images" in reading:
        return pictures.of_shape(inputs, reading, who, path)
    inputs = flat(inputs)
    width = reading["inputs"] if "inputs" in reading else len(reading["features"])
    if inputs.shape[1] != width:
        raise ValueError(f"{who}: expected {width} inputs per row, got {inputs.shape[1]} in {path}")
    return inputs


def read_arrays(path: str) -> Array:
    """Read the inputs of a .npz or IDX file: pictures (B, H, W, C), or rows (B, I)."""
    return _pictures_or_rows(read_npz(path, y=None)[0] if path.endswith(".npz") else read_idx(path), path)


def flat(inputs: Array) -> Array:
    """Return inputs as rows (B, I)."""
    return inputs.reshape(len(inputs), -1)


def is_table(path: str) -> bool:
    """Whether a file is neither .npz nor IDX."""
    return not path.endswith(".npz") and not _is_idx(path)


def _encoder(reading: dict[str, Any]) -> TableEncoder | None:
    return None if "encoder" not in reading else TableEncoder.from_config(reading["encoder"])


def _pictures_or_rows(inputs: Array, path: str) -> Array:
    """Return pictures (B, H, W, C), which IDX files have as (B, H, W) too, and all else as rows (B, I)."""
    if not inputs.size or inputs.dtype.kind not in "biuf":
        raise ValueError(f"expected rows of numbers in {path}, got {inputs.dtype} of shape {inputs.shape}")
    if inputs.ndim == 3 and _is_idx(path):
        return inputs[..., None]
    return inputs if inputs.ndim == 4 else flat(inputs)


def _is_idx(path: str) -> bool:
    """Whether a file has the name of an IDX file: ``...-ubyte``, ``.idx``, ``-idx3-...``, with or without ``.gz``."""
    name = Path(path).name.lower().removesuffix(".gz")
    return name.endswith(("ubyte", ".idx")) or "-idx" in name or ".idx" in name
