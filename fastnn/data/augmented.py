"""Examples whose pictures are changed anew every epoch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._core import pictures
from fastnn._core.rng import AUGMENT, RandomStream
from fastnn._spec import optional, require_count, require_seed
from fastnn.data.ahead import made_ahead
from fastnn.data.augment import Augmentation, Mixup
from fastnn.data.examples import Examples
from fastnn.data.numbers import as_numeric
from fastnn.data.targets import as_weights

Array = npt.NDArray[Any]


class ChangingPictures(Examples):
    """Base of the pictures that ``fit`` sees changed: those in memory, and those in files.

    ``taken(rows)`` gives new packed pictures (B, H, W, C), float32 or float64, as they are; ``y`` are their targets,
    ``sample_weight`` their weights or None.
    """

    sample_weight: Array | None = None

    def __init__(self, y: Array, augment: Iterable[Augmentation], classes: int | None, seed: int, workers: int) -> None:
        who = type(self).__name__
        self.y, self.augment, self.seed, self.workers = y, as_changes(who, augment), seed, workers
        require_seed(who, seed)
        require_count(who, "workers", workers, low=0)
        optional(require_count, who, "classes", classes)
        self.mixes = any(isinstance(change, Mixup) for change in self.augment)
        self.n_classes = class_count(who, y, classes) if self.mixes else None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.y)

    def taken(self, rows: Array) -> Array:
        """Return pictures as they are."""
        raise NotImplementedError

    def gather(self, rows: Any) -> tuple[Array, ...]:
        """Return pictures of these numbers as they are, and their targets: what ``evaluate`` and ``predict`` see.

        Parameters
        ----------
        rows : array_like of shape (B,), int
            Numbers from 0 to ``len(self) - 1``.

        Returns
        -------
        X : ndarray of shape (B, H, W, C), float32 or float64
            Pictures.
        y : ndarray
            Targets.
        sample_weight : ndarray of shape (B,), float64
            Weights, where the data have any.
        """
        numbers = np.asarray(rows, np.int64)
        return self._weighed(numbers, self.taken(numbers), self.y[numbers])

    def at_epoch(self, rows: Any, epoch: int) -> tuple[Array, ...]:
        """Return pictures of these numbers as ``fit`` sees them in an epoch.

        Parameters
        ----------
        rows : array_like of shape (B,), int
            Numbers from 0 to ``len(self) - 1``.
        epoch : int
            Its number, from 0.

        Returns
        -------
        X : ndarray of shape (B, H, W, C), float32 or float64
            Pictures, changed as seed, epoch and their numbers say, whatever other rows are asked for.
        y : ndarray
            Targets; with `Mixup` probabilities (B, K) in place of labels.
        sample_weight : ndarray of shape (B,), float64
            Weights, where the data have any.
        """
        numbers = np.asarray(rows, np.int64)
        return self._weighed(numbers, *self._changed(numbers, epoch, len(self.augment)))

    def _weighed(self, rows: Array, images: Array, targets: Array) -> tuple[Array, ...]:
        """Return pictures and targets, and the weights if there are any."""
        return (images, targets) if self.sample_weight is None else (images, targets, self.sample_weight[rows])

    def _changed(self, rows: Array, epoch: int, count: int) -> tuple[Array, Array]:
        """Return pictures and targets after the first ``count`` changes."""
        if not count:
            return self.taken(rows), self._targets(rows)
        images, targets = self._changed(rows, epoch, count - 1)
        change = self.augment[count - 1]
        numbers = RandomStream(self.seed, AUGMENT + count - 1, epoch).of_rows(rows, change.draws)
        if not isinstance(change, Mixup):
            changed = np.ascontiguousarray(change.apply(images, numbers), images.dtype)
            if changed.shape != images.shape:
                raise ValueError(
                    f"{change.title}: expected apply to keep the shape {images.shape}, got {changed.shape}"
                )
            return changed, targets
        shares = change.shares(numbers)
        others, their_targets = self._changed(change.partners(numbers, len(self)), epoch, count - 1)
        pictures.mix(images, others, shares)
        share = shares.reshape(-1, *[1] * (targets.ndim - 1)).astype(targets.dtype)
        return images, share * targets + (1 - share) * their_targets

    def _targets(self, rows: Array) -> Array:
        """Return targets, such as can be mixed if they are to be."""
        targets = self.y[rows]
        if self.n_classes is not None:
            hot = np.zeros((len(rows), self.n_classes), np.float32)
            hot[np.arange(len(rows)), targets] = 1
            return hot
        if self.mixes and targets.dtype != np.float64:
            return targets.astype(np.float32)
        return targets

    def stream(self, parts: Sequence[Array], epoch: int | None) -> Iterator[tuple[Any, ...]]:
        """Yield the examples of each part: changed in an epoch of ``fit``, as they are otherwise."""
        make = self.gather if epoch is None else lambda rows: self.at_epoch(rows, epoch)
        return made_ahead(make, parts, self.workers)


class Augmented(ChangingPictures):
    """Pictures in memory, changed anew every epoch of ``fit``.

    ``evaluate`` and ``predict`` see them as they are.

    Parameters
    ----------
    X : array_like of shape (B, H, W, C)
        Pictures; bytes stay bytes here, and become numbers from 0 to 255.
    y : array_like of shape (B, ...)
        Targets.
    augment : Augmentation or list of them
        `PadCrop`, `HorizontalFlip`, `Affine`, `Cutout`, `BrightnessContrast`, `Mixup`, in the order in which they are
        applied.
    sample_weight : array_like of shape (B,), optional
        Weight of each picture, at least 0, as for ``fit``; not with `Mixup`, which would have to mix it too.
    classes : int, optional
        Number of classes of labels, for `Mixup`; one more than the largest label if not given.
    seed : int
        Of the changes.
    workers : int
        Threads that change pictures ahead of training; 0: the one that trains does.

    Attributes
    ----------
    X, y : ndarray
        The data.
    sample_weight : ndarray of shape (B,), float64, or None
        The weights.
    augment : tuple of Augmentation
        The changes.

    Raises
    ------
    TypeError, ValueError
        If the data are not such pictures, targets and weights, or a change is none.

    Notes
    -----
    The random numbers of a picture are a function of the seed, the epoch (over all fits of the network) and its number:
    they do not depend on batch size, order or threads, so that a fit repeats bit for bit and goes on where it stopped.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> data = fn.Augmented(X.reshape(-1, 8, 8, 1), y, fn.PadCrop(1))
    >>> layers = [fn.Conv2D(16, 3, "relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(10)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    >>> history = net.fit(data, epochs=15, loss="cross_entropy", optimizer=fn.Adam(3e-3), metrics=["accuracy"])
    >>> net.evaluate(data)["accuracy"] > 0.9
    True
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        augment: Any,
        *,
        sample_weight: Any = None,
        classes: int | None = None,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self.X = as_pictures("Augmented", X)
        targets = as_numeric("Augmented", "y", y)
        if targets.ndim == 0 or len(targets) != len(self.X):
            raise ValueError(f"Augmented: expected a target for each of {len(self.X)} pictures, got {targets.shape}")
        super().__init__(targets, augment, classes, seed, workers)
        if sample_weight is not None:
            if self.mixes:
                raise ValueError("Augmented: expected no sample_weight beside Mixup, which mixes pictures, not weights")
            self.sample_weight = as_weights("Augmented", sample_weight, len(targets), 1, np.dtype(np.float64))

    def taken(self, rows: Array) -> Array:
        """Return pictures as they are, as new numbers."""
        return np.ascontiguousarray(self.X[rows], np.float64 if self.X.dtype == np.float64 else np.float32)

    def __repr__(self) -> str:
        return f"Augmented({len(self):,} pictures of {self.X.shape[1:]}, augment={list(self.augment)})"


def as_pictures(who: str, X: Any) -> Array:
    """Return pictures as an array (B, H, W, C); TypeError or ValueError if they are none."""
    images = as_numeric(who, "X", X)
    if images.ndim != 4:
        hint = "; for grey ones add the axis of the channel: X[..., None]" if images.ndim == 3 else ""
        raise ValueError(f"{who}: expected pictures X of shape (B, H, W, C), got {images.shape}{hint}")
    return images


def as_changes(who: str, augment: Any) -> tuple[Augmentation, ...]:
    """Return changes as a tuple; TypeError if one is none."""
    changes = (augment,) if isinstance(augment, Augmentation) else augment
    if isinstance(changes, str) or not isinstance(changes, Iterable):
        raise TypeError(f"{who}: expected augment to be a list such as [fn.PadCrop(4)], got {augment!r:.60}")
    changes = tuple(changes)
    for change in changes:
        if not isinstance(change, Augmentation):
            made = "; write it with parentheses" if isinstance(change, type) else ""
            raise TypeError(f"{who}: expected changes such as fn.PadCrop(4) in augment, got {change!r:.60}{made}")
    return changes


def class_count(who: str, y: Array, classes: int | None) -> int | None:
    """Return the number of classes of labels, None for other targets; ValueError if a label is beyond."""
    if y.ndim != 1 or y.dtype.kind not in "iub":
        return None
    if y.size and y.min() < 0:
        raise ValueError(f"{who}: expected labels from 0 on to mix, got {y.min()}")
    if classes is None:
        return int(y.max()) + 1 if y.size else None
    if y.size and y.max() >= classes:
        raise ValueError(f"{who}: expected labels below {classes}, the number of classes, got {y.max()}")
    return classes
