"""Pictures, in a folder or an array: how they are read, and changed for training, and the network that learns them."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.cli.reading import whole_numbers
from fastnn.data import Affine, Augmentation, BrightnessContrast, Cutout, HorizontalFlip, Images, PadCrop, read_images
from fastnn.data.folders import picture_files
from fastnn.layers import (
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    MaxPool2D,
    Standardize,
)

Array = npt.NDArray[Any]
MOST = 64  # pixels along a side, where pictures are not of one smaller size
CHANGES = ("move", "flip", "turn", "light", "cutout")
# Options of pictures in files, and of all pictures, with what they are where they are not given; those of tables alone.
OF_FILES: dict[str, Any] = {"size": None, "color": "rgb", "fit": "crop"}
OF_PICTURES: dict[str, Any] = {"filters": (16, 32, 64), "augment": ("move",)}
OF_TABLES = (
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
    group = parser.add_argument_group(
        "pictures, where DATA is a folder with a folder for each class (--size, --color and --fit are for it alone), "
        "an IDX file of images, or an array (B, H, W, C) of a .npz file"
    )
    group.add_argument(
        "--size",
        type=_size,
        metavar="H,W",
        help=f"height and width to bring them to; if not given their own where all are alike and at most {MOST}, "
        f"otherwise {MOST},{MOST}",
    )
    group.add_argument("--color", choices=["rgb", "gray"], help=f"three channels or one (default: {OF_FILES['color']})")
    group.add_argument(
        "--fit", choices=["crop", "stretch"], help=f"what fits them to another shape (default: {OF_FILES['fit']})"
    )
    group.add_argument(
        "--filters", type=_filters, metavar="N,N,...", help="of the convolutions, the picture halved after each, or "
        "'none' for a dense network (default: 16,32,64)",
    )  # fmt: skip
    group.add_argument(
        "--augment",
        type=_changes,
        metavar="WORDS",
        help=f"what changes in every epoch: {', '.join(CHANGES)}, or none (default: move)",
    )


def is_folder(path: str) -> bool:
    """Whether data are pictures: a folder."""
    return Path(path).is_dir()


def require_options(arguments: argparse.Namespace, table: bool) -> None:
    """Raise ValueError for options that data of this kind do not have; of a folder, set those that are not given."""
    if not table:
        _refuse(arguments, OF_TABLES, "tables")
    if is_folder(arguments.data):
        _refuse(arguments, ["target"], "tables and arrays")
        _complete(arguments, OF_FILES)
        arguments.target = "class"
    else:
        _refuse(arguments, OF_FILES, "a folder of pictures")


def complete_options(arguments: argparse.Namespace, images: bool) -> None:
    """Set what is not given of the network; ValueError for options of pictures if the data are none."""
    if images:
        _complete(arguments, OF_PICTURES)
    else:
        _refuse(arguments, OF_PICTURES, "pictures")
    if arguments.hidden is None:
        arguments.hidden = () if images and arguments.filters else (64, 64)


def _refuse(arguments: argparse.Namespace, names: Iterable[str], kind: str) -> None:
    for name in names:
        if getattr(arguments, name) not in (None, []):
            raise ValueError(f"train: --{name.replace('_', '-')} is for {kind}, got {arguments.data!r}")


def _complete(arguments: argparse.Namespace, defaults: dict[str, Any]) -> None:
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def reading_of(X: Array) -> dict[str, Any]:
    """Return ``reading`` of pictures that came as one array: their shape."""
    return {"images": {"shape": list(X.shape[1:])}}


def in_files(reading: dict[str, Any]) -> bool:
    """Whether a model learned from pictures that are files, of any size."""
    return "size" in reading.get("images", ())


def of_shape(X: Array, reading: dict[str, Any], who: str, path: str) -> Array:
    """Return pictures of an array; ValueError if they have another shape than those of the training."""
    expected = tuple(reading["images"]["shape"])
    if X.shape[1:] != expected:
        raise ValueError(f"{who}: expected pictures of shape {expected}, got {X.shape[1:]} in {path}")
    return X


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
    side, grey = min(X.shape[1:3]), float(X.mean())
    if X.dtype == np.uint8:
        grey, white = float(round(grey)), 255.0
    else:
        white = float(X.max()) - float(X.min()) or 1.0
    known: dict[str, Augmentation] = {
        "move": PadCrop(max(1, side // 8), fill=grey),
        "flip": HorizontalFlip(),
        "turn": Affine(15, scale=0.1, shift=0, fill=grey),
        "light": BrightnessContrast(white=white),
        "cutout": Cutout(max(1, side // 4), fill=grey),
    }
    return [known[word] for word in words]


def layers(arguments: argparse.Namespace, X: Array, outputs: int) -> list[Layer]:
    """Return a small convolutional network: convolution, normalisation, activation and halving, again and again.

    Without filters a dense one.
    """
    result: list[Layer] = [Standardize.of(X)]
    side = min(X.shape[1:3])
    for filters in arguments.filters:
        result += [Conv2D(filters, 3, bias=False), BatchNorm(), Activation(arguments.activation)]
        if side >= 2:
            result.append(MaxPool2D(2))
            side //= 2
    result.append(GlobalAvgPool2D() if arguments.filters else Flatten())
    for width in arguments.hidden:
        result.append(Dense(width, arguments.activation))
    if arguments.dropout:
        result.append(Dropout(arguments.dropout))
    return [*result, Dense(outputs)]


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
    return () if text == "none" else whole_numbers(text, "numbers of filters such as 16,32,64 or 'none'")


def _changes(text: str) -> tuple[str, ...]:
    words = () if text == "none" else tuple(word.strip() for word in text.split(","))
    for word in words:
        if word not in CHANGES:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(CHANGES)}, or none, got {text!r}")
    return words
