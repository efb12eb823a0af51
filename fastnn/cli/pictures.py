"""Folders of pictures: how they are read, how they are changed for training, and the network that learns them."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.cli.reading import whole_numbers
from fastnn.data import Affine, Augmentation, BrightnessContrast, Cutout, HorizontalFlip, Images, PadCrop, read_images
from fastnn.data.folders import picture_files
from fastnn.layers import Activation, BatchNorm, Conv2D, Dense, Dropout, GlobalAvgPool2D, Layer, MaxPool2D, Standardize

Array = npt.NDArray[Any]
MOST = 64  # pixels along a side, where pictures are not of one smaller size
CHANGES = ("move", "flip", "turn", "light", "cutout")
# Options of pictures alone, with what they are where they are not given, and those of tables alone.
OWN: dict[str, Any] = {"size": None, "color": "rgb", "fit": "crop", "filters": (16, 32, 64), "augment": ("move",)}
OF_TABLES = (
    "target",
    "drop",
    "kind",
    "impute",
    "other",
    "na",
    "decimal",
    "thousands",
    "date_format",
    "sep",
    "encoding",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of pictures."""
    group = parser.add_argument_group("pictures, where DATA is a folder with a folder for each class")
    group.add_argument(
        "--size",
        type=_size,
        metavar="H,W",
        help=f"height and width to bring them to; if not given their own where all are alike and at most {MOST}, "
        f"otherwise {MOST},{MOST}",
    )
    group.add_argument("--color", choices=["rgb", "gray"], help=f"three channels or one (default: {OWN['color']})")
    group.add_argument(
        "--fit", choices=["crop", "stretch"], help=f"what fits them to another shape (default: {OWN['fit']})"
    )
    group.add_argument(
        "--filters", type=_filters, metavar="N,N,...", help="of the convolutions (default: 16,32,64), each halved after"
    )
    group.add_argument(
        "--augment",
        type=_changes,
        metavar="WORDS",
        help=f"what changes in every epoch: {', '.join(CHANGES)}, or none (default: move)",
    )


def is_folder(path: str) -> bool:
    """Whether data are pictures: a folder."""
    return Path(path).is_dir()


def require_options(arguments: argparse.Namespace, folder: bool) -> None:
    """Set what is not given; ValueError for options that the data do not have."""
    for name in OF_TABLES if folder else OWN:
        if getattr(arguments, name, None):
            kind = "tables" if folder else "a folder of pictures"
            raise ValueError(f"train: --{name.replace('_', '-')} is for {kind}, got {arguments.data!r}")
    if folder and arguments.class_weight and arguments.augment != ():
        raise ValueError("train: --class-weight takes pictures as they are: add --augment none")
    if folder:
        for name, value in OWN.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
        arguments.target = "class"


def read_folder(arguments: argparse.Namespace) -> tuple[Array, Array, dict[str, Any]]:
    """Return pictures (B, H, W, C), the names of their classes (B,), and ``reading``: how to read further ones."""
    size = arguments.size or _own_size(arguments.data)
    reading = {"images": {"size": list(size), "color": arguments.color, "fit": arguments.fit}}
    X, y = labelled(arguments.data, reading, "train")
    return X, y, reading


def labelled(path: str, reading: dict[str, Any], who: str) -> tuple[Array, Array]:
    """Return pictures of a folder and the names of their classes."""
    images = read([path], reading, who)
    if images.y is None or images.classes is None:
        raise ValueError(f"{who}: expected a folder for each class in {path}, got pictures alone")
    return images.X, np.array(images.classes)[images.y]


def read(paths: Sequence[str], reading: dict[str, Any], who: str) -> Images:
    """Return the pictures of a folder or of files, in the way of the training data."""
    options = reading["images"]
    if len(paths) > 1 and any(map(is_folder, paths)):
        raise ValueError(f"{who}: expected one folder, or files, got {', '.join(paths)[:200]}")
    source: Any = paths[0] if is_folder(paths[0]) else list(paths)
    return read_images(source, tuple(options["size"]), color=options["color"], fit=options["fit"])


def changes(words: Sequence[str], X: Array) -> list[Augmentation]:
    """Return the changes that are meant; what comes in from outside is as grey as the pictures are on average."""
    side, grey = min(X.shape[1:3]), float(round(X.mean()))
    known: dict[str, Augmentation] = {
        "move": PadCrop(max(1, side // 8), fill=grey),
        "flip": HorizontalFlip(),
        "turn": Affine(15, scale=0.1, shift=0, fill=grey),
        "light": BrightnessContrast(),
        "cutout": Cutout(max(1, side // 4), fill=grey),
    }
    return [known[word] for word in words]


def layers(arguments: argparse.Namespace, X: Array, classes: int) -> list[Layer]:
    """Return a small convolutional network: convolution, normalisation, activation and halving, again and again."""
    result: list[Layer] = [Standardize.of(X)]
    side = min(X.shape[1:3])
    for filters in arguments.filters:
        result += [Conv2D(filters, 3, bias=False), BatchNorm(), Activation(arguments.activation)]
        if side >= 2:
            result.append(MaxPool2D(2))
            side //= 2
    result.append(GlobalAvgPool2D())
    for width in arguments.hidden:
        result.append(Dense(width, arguments.activation))
    if arguments.dropout:
        result.append(Dropout(arguments.dropout))
    return [*result, Dense(classes)]


def _own_size(path: str) -> tuple[int, int]:
    """Return the size of all pictures, if it is one and small."""
    from fastnn.data.pictures import require_pillow

    require_pillow("train")
    from PIL import Image

    sizes = set()
    for one in picture_files("train", path, None).paths:
        try:
            with Image.open(one) as image:
                sizes.add(image.size)
        except (OSError, SyntaxError, ValueError):
            continue  # told when it is read
        if len(sizes) > 1:
            return MOST, MOST
    width, height = sizes.pop() if sizes else (MOST, MOST)
    return (height, width) if max(width, height) <= MOST else (MOST, MOST)


def _size(text: str) -> tuple[int, ...]:
    return whole_numbers(text, "height and width such as 64,64", 2)


def _filters(text: str) -> tuple[int, ...]:
    return whole_numbers(text, "numbers of filters such as 16,32,64")


def _changes(text: str) -> tuple[str, ...]:
    words = () if text == "none" else tuple(word.strip() for word in text.split(","))
    for word in words:
        if word not in CHANGES:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(CHANGES)}, or none, got {text!r}")
    return words
