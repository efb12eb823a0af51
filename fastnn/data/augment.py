"""Changes that make further pictures of those there are: moved, mirrored, turned, covered, mixed.

A change takes pictures (B, H, W, C) and, for each of them, so many uniform random numbers of its own; what it does to a
picture depends on nothing else.  Whoever applies it (``augmented``) draws the numbers by seed, epoch and row.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastnn._core import pictures
from fastnn._spec import Spec, above_0, at_least_0, checked, require_count, require_fraction, require_number

Array = npt.NDArray[Any]


def _share(who: str, name: str, value: object) -> None:
    """Raise TypeError or ValueError unless the value is a number from 0 to 1."""
    require_number(who, name, value, low=0, high=1)


def _to_each_side(u: Array, reach: Any) -> Array:
    """Return uniform numbers from -reach to reach."""
    return (2.0 * u - 1.0) * reach


class Augmentation(Spec, family="augmentation"):
    """Base of the changes of pictures.  For one of your own: ``draws``, and ``apply``.

    Attributes
    ----------
    draws : int
        How many random numbers each picture needs.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> class Darker(fn.Augmentation):
    ...     draws = 1
    ...     def apply(self, images, numbers):
    ...         return images * (1 - 0.5 * numbers[:, :, None, None])
    >>> X, y = fn.load_digits()
    >>> data = fn.Augmented(X.reshape(-1, 8, 8, 1), y, [Darker()])
    >>> images, labels = data.at_epoch([0, 1], epoch=0)
    >>> images.shape, bool((images <= data.X[:2]).all())
    ((2, 8, 8, 1), True)
    """

    draws: ClassVar[int] = 0

    def apply(self, images: Array, numbers: Array) -> Array:
        """Return the pictures changed; it may write to those it was given.

        Parameters
        ----------
        images : ndarray of shape (B, H, W, C), float32 or float64
            Packed.
        numbers : ndarray of shape (B, draws), float64
            Uniform in [0, 1), of each picture.

        Returns
        -------
        ndarray of the same shape
            A picture's pixels must not depend on the other pictures.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected a method apply(images, numbers)")


@dataclass(frozen=True, eq=False, repr=False)
class PadCrop(Augmentation):
    """Pad each side, and cut a picture of the old size out at a random place: it moves by up to ``pad`` pixels.

    Parameters
    ----------
    pad : int
        Pixels on each side, at least 1.
    fill : float
        What the padding holds.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    With 4 pixels, and mirrored: the augmentation of CIFAR-10 by He et al. 2016, section 4.2.  Draws 2 numbers.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.PadCrop(2)
    PadCrop(pad=2, fill=0.0)
    """

    pad: int = checked(4, require_count)
    _: KW_ONLY
    fill: float = checked(0.0, require_number)
    draws: ClassVar[int] = 2

    def apply(self, images: Array, numbers: Array) -> Array:
        """Move each picture by whole pixels, each number of them equally likely."""
        by = np.floor(numbers * (2 * self.pad + 1)).astype(np.int64) - self.pad
        pictures.move(images, by, self.fill)
        return images


@dataclass(frozen=True, eq=False, repr=False)
class HorizontalFlip(Augmentation):
    """Mirror some of the pictures: left becomes right.

    Parameters
    ----------
    probability : float
        Share of the pictures that are mirrored, from 0 to 1.

    Raises
    ------
    ValueError, TypeError
        If it is no such number.

    Notes
    -----
    Not for letters and digits, which are others then.  Draws 1 number.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.HorizontalFlip()
    HorizontalFlip(probability=0.5)
    """

    probability: float = checked(0.5, _share)
    draws: ClassVar[int] = 1

    def apply(self, images: Array, numbers: Array) -> Array:
        """Mirror those whose number is below the probability, in place."""
        pictures.mirror(images, numbers[:, 0] < self.probability)
        return images


@dataclass(frozen=True, eq=False, repr=False)
class Affine(Augmentation):
    """Turn, resize and move each picture a little about its centre; pixels between pixels are bilinear.

    Parameters
    ----------
    rotate : float
        Most degrees, to either side.
    scale : float
        Largest change of the size as a share of it, below 1: by factors from ``1 - scale`` to ``1 + scale``.
    shift : float
        Longest way as a share of height and width, to each side.
    fill : float
        What is seen from outside.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    Angle, factor and both ways are uniform and independent: 4 numbers.  Places are rounded to ``2**-24`` pixels.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.Affine(rotate=15)
    Affine(rotate=15, scale=0.1, shift=0.1, fill=0.0)
    """

    rotate: float = checked(10.0, at_least_0)
    _: KW_ONLY
    scale: float = checked(0.1, require_fraction)
    shift: float = checked(0.1, at_least_0)
    fill: float = checked(0.0, require_number)
    draws: ClassVar[int] = 4

    def apply(self, images: Array, numbers: Array) -> Array:
        """Look each pixel up where it was: ``R(-angle) / factor (place - centre - way) + centre``."""
        angle = np.deg2rad(_to_each_side(numbers[:, 0], self.rotate))
        factor = 1.0 + _to_each_side(numbers[:, 1], self.scale)
        down, right = (_to_each_side(numbers[:, 2 + k], self.shift * images.shape[1 + k]) for k in range(2))
        i, j = ((size - 1) / 2 for size in images.shape[1:3])
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        maps = np.empty((len(images), 6))
        maps[:, 0], maps[:, 1], maps[:, 2] = cos, sin, i - cos * (i + down) - sin * (j + right)
        maps[:, 3], maps[:, 4], maps[:, 5] = -sin, cos, j + sin * (i + down) - cos * (j + right)
        pictures.warp(images, maps, self.fill)
        return images


@dataclass(frozen=True, eq=False, repr=False)
class Cutout(Augmentation):
    """Cover a square of each picture; its centre is anywhere, so that part of it may be outside.

    Parameters
    ----------
    size : int
        Pixels along a side of the square.
    fill : float
        What it is covered with.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    DeVries & Taylor 2017.  Draws 2 numbers.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.Cutout(8, fill=127.5)
    Cutout(size=8, fill=127.5)
    """

    size: int = checked(8, require_count)
    _: KW_ONLY
    fill: float = checked(0.0, require_number)
    draws: ClassVar[int] = 2

    def apply(self, images: Array, numbers: Array) -> Array:
        """Write to the squares, in place."""
        first = np.floor(numbers * images.shape[1:3]).astype(np.int64) - self.size // 2
        pictures.cover(images, np.stack([first, first + self.size], axis=2).reshape(-1, 4), self.fill)
        return images


@dataclass(frozen=True, eq=False, repr=False)
class BrightnessContrast(Augmentation):
    """Make each picture lighter or darker, and its contrast higher or lower: ``m + f (x - m) + s``, m its mean.

    Parameters
    ----------
    brightness : float
        Largest shift s, to either side, as a share of ``white``.
    contrast : float
        Largest change of the factor f from 1, to either side; at most 1.
    white : float
        The value of white: 255 for bytes, 1 for pictures from 0 to 1.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    Values are not cut off at black and white.  Draws 2 numbers.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.BrightnessContrast(0.1, white=1)
    BrightnessContrast(brightness=0.1, contrast=0.2, white=1)
    """

    brightness: float = checked(0.2, at_least_0)
    contrast: float = checked(0.2, _share)
    _: KW_ONLY
    white: float = checked(255.0, above_0)
    draws: ClassVar[int] = 2

    def apply(self, images: Array, numbers: Array) -> Array:
        """Change the pictures in place."""
        reach = np.array([self.contrast, self.brightness * self.white])
        pictures.stretch(images, np.array([1.0, 0.0]) + _to_each_side(numbers, reach))
        return images


@dataclass(frozen=True, eq=False, repr=False)
class Mixup(Augmentation):
    """Mix each picture with another of the data, and its target likewise: labels become probabilities of the classes.

    Parameters
    ----------
    alpha : float
        Of the Beta(alpha, alpha) distribution of the share that a picture keeps: small ones mix few of them.

    Raises
    ------
    ValueError, TypeError
        If it is not positive.

    Notes
    -----
    Zhang et al. 2018, with a share and a partner of each row by itself, so that nothing depends on the batch: ``x =
    r x_i + (1 - r) x_j``, the partner j any of the data, both as the changes listed before left them.  Draws 2 numbers.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> images = np.zeros((10, 4, 4, 1), np.uint8)
    >>> data = fn.Augmented(images, np.arange(10), [fn.Mixup(1.0)])
    >>> _, targets = data.at_epoch([3, 4], epoch=0)
    >>> targets.shape, targets.sum(axis=1)
    ((2, 10), array([1., 1.], dtype=float32))
    """

    alpha: float = checked(0.2, above_0)
    draws: ClassVar[int] = 2

    def apply(self, images: Array, numbers: Array) -> Array:
        """Raise TypeError: the pictures alone do not say what to mix with."""
        raise TypeError("Mixup: expected to be among the changes of Augmented or ImageBatches, which know all pictures")

    def shares(self, numbers: Array) -> Array:
        """Return the share that each picture keeps, by the inverse of the Beta distribution."""
        from scipy.special import betaincinv

        return np.asarray(betaincinv(self.alpha, self.alpha, numbers[:, 0]))

    def partners(self, numbers: Array, count: int) -> Array:
        """Return the number of the picture that each is mixed with, of so many."""
        return np.floor(numbers[:, 1] * count).astype(np.int64)
