"""Pictures in files: read at once into memory, or in batches while a network learns from them."""

from collections.abc import Iterator, Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fastnn._spec import optional, require_count
from fastnn.data.ahead import made_ahead
from fastnn.data.augmented import ChangingPictures
from fastnn.data.folders import picture_files
from fastnn.data.numbers import as_numeric
from fastnn.data.pictures import Opening, Size, require_pillow
from fastnn.data.split import split
from fastnn.threads import get_num_threads

Array = npt.NDArray[Any]
Source = str | PathLike[str] | Sequence[str | PathLike[str]]


class Images(NamedTuple):
    """Pictures that ``read_images`` read.

    Attributes
    ----------
    X : ndarray of shape (B, H, W, C), uint8
        The pictures.
    y : ndarray of shape (B,), int64, or None
        Numbers of their classes; None where no folders name any.
    classes : list of str or None
        Names of the classes, by number.
    files : list of Path
        Where each picture is from.
    """

    X: Array
    y: npt.NDArray[np.int64] | None
    classes: list[str] | None
    files: list[Path]


def read_images(
    source: Source,
    size: Size | None = None,
    *,
    color: Literal["rgb", "gray"] = "rgb",
    fit: Literal["crop", "stretch"] = "crop",
    classes: Sequence[str] | None = None,
    background: int = 255,
    workers: int | None = None,
) -> Images:
    """Read pictures from files (by Pillow) into one array.  A folder for each class says what they are.

    Parameters
    ----------
    source : str, Path or list of them
        A folder that has a folder for each class, or pictures alone; or a list of files.  Hidden files are left out.
    size : (H, W), optional
        Height and width to bring them to; where it is left out all must have one size.
    color : {"rgb", "gray"}
        Three channels, or one.
    fit : {"crop", "stretch"}
        Whether pictures of other proportions lose what sticks out on two sides, or are distorted.
    classes : list of str, optional
        Folders there may be, in the order of their numbers: those of the training data, so that a class without
        pictures keeps its number.  Those that are there, sorted, if not given.
    background : int
        What is seen through transparent pixels, from 0, black, to 255, white.
    workers : int, optional
        Threads that read; as many as `get_num_threads` says if not given.

    Returns
    -------
    Images
        ``X, y, classes, files``, in the order of the file names within the classes.

    Raises
    ------
    OSError
        If the folder or a file is not there.
    ImportError
        If Pillow is not installed (extra ``image``).
    ValueError
        If a file is broken or no picture, has 32-bit or floating-point values, stands beside the folders of the
        classes, or is of another size than the others.  The message names it.
    TypeError
        If an argument is of the wrong kind.

    Notes
    -----
    Pictures are bytes, as files have them: a quarter of the memory of float32.  Networks take them as numbers from 0
    to 255; `Standardize` as the first layer brings them to mean 0 and deviation 1, and goes into the file with the
    network.  Pictures are turned upright as their EXIF data say, palettes become colours, 16-bit grey values 8-bit
    ones, and of an animation the first picture is taken.  Sizes change by Pillow's bilinear filter, which reads every
    pixel; a large JPEG file is decoded at a half, a quarter or an eighth of its size first, where that is twice what is
    wanted or more.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, fastnn as fn
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name, value in (("dark", 20), ("light", 230)):
    ...     (pathlib.Path(folder.name) / name).mkdir()
    ...     Image.new("RGB", (12, 10), (value, value, value)).save(f"{folder.name}/{name}/1.png")
    >>> X, y, classes, files = fn.read_images(folder.name, size=(8, 8))
    >>> X.shape, X.dtype, y, classes
    ((2, 8, 8, 3), dtype('uint8'), array([0, 1]), ['dark', 'light'])
    >>> folder.cleanup()
    """
    who = "read_images"
    require_pillow(who)
    optional(require_count, who, "workers", workers)
    opening = Opening(who, size, color, fit, background)
    files = picture_files(who, source, classes)
    made = made_ahead(opening.read, files.paths, get_num_threads() if workers is None else workers)
    first = next(made)
    X = np.empty((len(files.paths), *first.shape), np.uint8)
    X[0] = first
    for number, picture in enumerate(made, 1):
        if picture.shape != first.shape:
            raise ValueError(
                f"{who}: expected pictures of one size, got {first.shape[:2]} in {files.paths[0]} and "
                f"{picture.shape[:2]} in {files.paths[number]}; give size=(height, width)"
            )
        X[number] = picture
    return Images(X, files.y, files.classes, files.paths)


class ImageBatches(ChangingPictures):
    """Pictures in files as `Examples`: read, resized and changed by threads ahead of training; never all in memory.

    ``fit`` sees them changed by ``augment``; ``evaluate``, ``predict`` and ``validation_data`` as they are.

    Parameters
    ----------
    source : str, Path or list of them
        A folder that has a folder for each class; or a list of files, with ``y``.
    size : (H, W)
        Height and width to bring them to.
    y : array_like of shape (B, ...), optional
        Targets of a list of files.
    augment : Augmentation or list of them
        As for `Augmented`.
    color, fit, classes, background
        As for `read_images`; of a list of files ``classes`` is how many there are, for `Mixup`.
    seed : int
        Of the changes.
    workers : int, optional
        Threads that read ahead; as many as `get_num_threads` says if not given.  0: the one that trains does, when it
        needs them.

    Attributes
    ----------
    files : list of Path
        The pictures.
    y : ndarray
        Their targets: of folders the numbers of the classes, int64.
    classes : list of str or None
        Names of the classes, by number.
    waited : float
        Seconds that training waited for pictures in its last epoch.

    Raises
    ------
    OSError, ImportError, ValueError, TypeError
        As `read_images`; a ``fit`` that meets a broken file leaves the network as it was.

    Notes
    -----
    At most two blocks (a few megabytes each, one mini-batch at least) of each thread are ready at a time.  Order and
    bits are those of one thread, whatever the number of workers.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, fastnn as fn
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name, value in (("dark", 20), ("light", 230)):
    ...     (pathlib.Path(folder.name) / name).mkdir()
    ...     for i in range(8):
    ...         Image.new("L", (12, 10), value + i).save(f"{folder.name}/{name}/{i}.png")
    >>> batches = fn.ImageBatches(folder.name, (8, 8), color="gray", augment=[fn.HorizontalFlip()])
    >>> layers = [fn.Standardize.of(batches), fn.Conv2D(4, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(2)]
    >>> net = fn.Sequential(layers, input_shape=batches.shape, seed=0)
    >>> history = net.fit(batches, epochs=30, batch_size=4, loss="cross_entropy", optimizer=fn.Adam(0.05))
    >>> net.compile("cross_entropy", metrics=["accuracy"])
    >>> net.evaluate(batches)["accuracy"]
    1.0
    >>> folder.cleanup()
    """

    def __init__(
        self,
        source: Source,
        size: Size,
        *,
        y: Any = None,
        augment: Any = (),
        color: Literal["rgb", "gray"] = "rgb",
        fit: Literal["crop", "stretch"] = "crop",
        classes: Any = None,
        background: int = 255,
        seed: int = 0,
        workers: int | None = None,
    ) -> None:
        who = "ImageBatches"
        require_pillow(who)
        if size is None:
            raise TypeError(f"{who}: expected size as (height, width), got None")
        self._opening = Opening(who, size, color, fit, background)
        listed = not isinstance(source, str | PathLike)
        found = picture_files(who, source, None if listed else classes)
        self.files, self.classes = found.paths, found.classes
        if listed or found.y is None:
            targets = _targets(who, y, len(found.paths))
        elif y is not None:
            raise ValueError(f"{who}: expected no y beside a folder for each class, which says what the pictures are")
        else:
            targets = found.y
        count = classes if self.classes is None else len(self.classes)
        super().__init__(targets, augment, count, seed, get_num_threads() if workers is None else workers)
        self.waited = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (H, W, C) of a picture."""
        height, width = self._opening.size or (0, 0)
        return height, width, self._opening.channels

    def taken(self, rows: Array) -> Array:
        """Return pictures as they are, float32 from 0 to 255."""
        made = np.empty((len(rows), *self.shape), np.float32)
        for place, row in enumerate(rows):
            made[place] = self._opening.read(self.files[row])
        return made

    def split(self, fraction: float = 0.2, *, seed: int = 0) -> tuple[Self, Self]:
        """Return two parts at random, of labels such that each class keeps its share: to train on, and to judge by.

        Parameters
        ----------
        fraction : float
            Part of the pictures that goes to the second, above 0 and below 1.
        seed : int
            Of the choice.

        Returns
        -------
        train, test : ImageBatches
            With the options of this one.

        Raises
        ------
        ValueError
            As `split`.
        """
        labels = self.y.ndim == 1 and self.y.dtype.kind in "iu"
        parts = split(np.arange(len(self)), self.y, fraction, stratify=labels, seed=seed)
        return self._part(parts[0]), self._part(parts[1])

    def _part(self, rows: Array) -> Self:
        part = copy(self)
        part.files, part.y = [self.files[row] for row in rows], self.y[rows]
        return part

    def stream(self, parts: Sequence[Array], epoch: int | None) -> Iterator[tuple[Any, ...]]:
        """Yield the examples of each part, which threads make ahead; count how long training waits for them."""
        if epoch is None:
            yield from made_ahead(self.gather, parts, self.workers)
            return
        self.waited = 0.0

        def waited(seconds: float) -> None:
            self.waited += seconds

        yield from made_ahead(lambda rows: self.at_epoch(rows, epoch), parts, self.workers, waited)

    def __repr__(self) -> str:
        return f"ImageBatches({len(self):,} pictures of {self.shape}, augment={list(self.augment)})"


def _targets(who: str, y: Any, count: int) -> Array:
    """Return the targets of files."""
    if y is None:
        raise ValueError(f"{who}: expected y, the targets of the files, or a folder with a folder for each class")
    targets = as_numeric(who, "y", y)
    if targets.ndim == 0 or len(targets) != count:
        raise ValueError(f"{who}: expected a target for each of {count} files, got {targets.shape}")
    return targets
