"""From files as they are published to files as they are read here, each known to hold what it should."""

import bz2
import gzip
import shutil
import tarfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.data.caffe import layers_of
from fastnn.data.readers import read_idx

SQUEEZES = (16, 16, 32, 32, 48, 48, 64, 64)
CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then planes of red, green and blue


def keep_idx(raw: dict[str, Path], folder: Path, sizes: tuple[int, int] = (60_000, 10_000)) -> None:
    """Keep the four IDX files of a set of images of 28 by 28 pixels, of ``sizes`` training and test images."""
    for part, size in zip(("train", "t10k"), sizes, strict=True):
        images, labels = (f"{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
        require(images, read_idx(raw[images]), (size, 28, 28))
        require(labels, read_idx(raw[labels]), (size,), 9)
        for name in (images, labels):
            shutil.copyfile(raw[name], folder / name)


def usps_rows(raw: dict[str, Path], folder: Path, sizes: tuple[int, int] = (7291, 2007)) -> None:
    """Write ``zip.train.gz`` and ``zip.test.gz``, a line a digit and its 256 grey values, from files of LIBSVM."""
    for name, target, size in zip(("usps.bz2", "usps.t.bz2"), ("zip.train.gz", "zip.test.gz"), sizes, strict=True):
        table = np.zeros((size, 257))
        with bz2.open(raw[name], "rt", encoding="ascii") as file:
            lines = file.read().splitlines()
        if len(lines) != size:
            raise ValueError(f"{name}: expected {size} lines, got {len(lines)}")
        for row, line in zip(table, lines, strict=True):
            label, *pairs = line.split()
            row[0] = float(label) - 1  # LIBSVM counts its classes from 1
            for pair in pairs:  # zeros are left out
                place, value = pair.split(":")
                row[int(place)] = float(value)
        if np.abs(table[:, 1:]).max() > 1:
            raise ValueError(f"{name}: expected grey values from -1 to 1, got {np.abs(table[:, 1:]).max()}")
        require(name, table[:, 0], (size,), 9)
        with gzip.open(folder / target, "wt", encoding="ascii") as file:
            np.savetxt(file, table, fmt="%.4f")


def keep_text(raw: dict[str, Path], folder: Path, size: int = 1_115_394) -> None:
    """Keep a text of so many bytes as ``tinyshakespeare.txt``."""
    text = raw["input.txt"].read_bytes()
    if len(text) != size:
        raise ValueError(f"input.txt: expected {size} bytes, got {len(text)}")
    (folder / "tinyshakespeare.txt").write_bytes(text)


def cifar_arrays(raw: dict[str, Path], folder: Path, size: int = 10_000) -> None:
    """Write ``cifar10_train.npz`` and ``cifar10_test.npz``, X uint8 (N, 32, 32, 3) and y uint8 (N,), from records."""
    parts = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    with tarfile.open(raw["cifar-10-binary.tar.gz"]) as archive:
        members = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}
        for part, names in parts.items():
            blocks = []
            for name in names:
                file = archive.extractfile(members[name]) if name in members else None
                if file is None:
                    raise ValueError(f"cifar-10-binary.tar.gz: expected {name} in it, got {', '.join(sorted(members))}")
                blocks.append(np.frombuffer(file.read(), np.uint8))
            records = np.concatenate(blocks)
            if records.size != len(names) * size * CIFAR_RECORD:
                raise ValueError(f"{part}: expected {len(names) * size} records, got {records.size / CIFAR_RECORD:g}")
            records = records.reshape(-1, CIFAR_RECORD)
            X = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            y = records[:, 0].copy()
            require(part, y, (len(names) * size,), 9)
            np.savez(folder / f"cifar10_{part}.npz", X=X, y=y)


def squeezenet_arrays(raw: dict[str, Path], folder: Path, squeezes: tuple[int, ...] = SQUEEZES) -> None:
    """Write ``squeezenet_v1.0_decoded.npz`` from a file of Caffe: ``.w`` (O, I, H, W) and ``.b`` (O,) of every layer.

    ``squeezes`` are the filters that the fire modules, from the second part on, squeeze into.
    """
    shapes, channels = {"conv1": (96, 3, 7, 7)}, 96
    for part, squeeze in enumerate(squeezes, 2):
        shapes[f"fire{part}/squeeze1x1"] = (squeeze, channels, 1, 1)
        shapes |= {f"fire{part}/expand{k}x{k}": (4 * squeeze, squeeze, k, k) for k in (1, 3)}
        channels = 8 * squeeze
    shapes["conv10"] = (1000, channels, 1, 1)
    name = "squeezenet_v1.0.caffemodel"
    found, arrays = layers_of(raw[name]), dict[str, Any]()
    for layer, shape in shapes.items():
        sizes, weights = [blob.size for blob in found.get(layer, [])], prod(shape)
        if sizes != [weights, shape[0]]:
            raise ValueError(f"{name}: expected {layer} with {weights} weights and {shape[0]} biases, got {sizes}")
        arrays[f"{layer}.w"], arrays[f"{layer}.b"] = found[layer][0].reshape(shape), found[layer][1]
    np.savez(folder / "squeezenet_v1.0_decoded.npz", **arrays)


def require(what: str, values: np.ndarray, shape: tuple[int, ...], most: int | None = None) -> None:
    """Raise ValueError unless an array has this shape, and its largest value is ``most``."""
    if values.shape != shape:
        raise ValueError(f"{what}: expected an array of shape {shape}, got {values.shape}")
    if most is not None and values.max() != most:
        raise ValueError(f"{what}: expected labels from 0 to {most}, got some up to {values.max()}")
