"""Given means and deviations, by which inputs are standardised within the network."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._core.ops import StandardizeOp
from fastnn._spec import above_0, checked, require_number
from fastnn.layers.base import Built, Layer, Shape

ROWS = 2_000  # of examples that are made as they are needed: so many are looked at
_PIECE = 1 << 20  # numbers that become float64 at a time


def _numbers(who: str, name: str, value: Any) -> float | tuple[float, ...]:
    """Return a number, or one for each channel; TypeError or ValueError if they are none."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    values = list(np.asarray(value).tolist() if hasattr(value, "tolist") else value) if several else [value]
    if not values:
        raise ValueError(f"{who}: expected {name} as a number, or one for each channel, got none")
    for one in values:
        (above_0 if name == "scale" else require_number)(who, name, one)
    return tuple(float(one) for one in values) if several else float(value)


@dataclass(frozen=True, eq=False, repr=False)
class Standardize(Layer):
    """Subtract a given mean of each channel, the last axis, and divide by a given scale: ``y = (x - mean) / scale``.

    The first layer of a network that takes raw data, such as bytes of pictures: what standardises them is saved and
    exported with the network, and not learned.

    Parameters
    ----------
    mean : float or tuple of C floats
        What becomes 0; one number for all channels, or one for each.
    scale : float or tuple of C floats
        What becomes 1, above 0.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If mean and scale are not finite numbers, scale is not above 0, or there are not as many as channels.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Standardize(127.5, 127.5)], input_shape=(1, 1, 3), seed=0)
    >>> net.predict(np.array([[[[0, 51, 255]]]], np.uint8)).ravel()
    array([-1. , -0.6,  1. ], dtype=float32)
    """

    mean: float | tuple[float, ...] = checked(0.0, _numbers)
    scale: float | tuple[float, ...] = checked(1.0, _numbers)
    _: KW_ONLY
    name: str | None = None

    @classmethod
    def of(cls, X: Any, *, name: str | None = None) -> Self:
        """Return the layer that brings each channel of these data to mean 0 and standard deviation 1.

        Parameters
        ----------
        X : array_like of shape (B, ..., C), or Examples
            Rows to learn from; of `ImageBatches` and other `Examples` at most 2,000, evenly spread, as ``gather`` gives
            them.
        name : str, optional
            Name of the layer.

        Returns
        -------
        Standardize
            The scale of a channel that does not vary is 1.

        Raises
        ------
        ValueError, TypeError
            If there are no rows, or no finite numbers.

        Notes
        -----
        Two passes over the data in float64: mean, then deviations from it.  For statistics of each pixel, or of batches
        that come one by one, see `Standardizer`.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> images = np.array([[[[0, 10]], [[4, 10]]]], np.uint8)
        >>> fn.Standardize.of(images)
        Standardize(mean=(2.0, 10.0), scale=(2.0, 1.0), name=None)
        """
        if hasattr(X, "gather"):
            count = len(X)
            rows = np.unique(np.linspace(0, max(count - 1, 0), min(count, ROWS)).round().astype(np.int64))
            X = X.gather(rows)[0] if count else ()
        data = np.asarray(X)
        if data.dtype.kind not in "biuf":
            raise TypeError(f"Standardize.of: expected numbers, got {data.dtype}")
        if data.ndim < 2 or not data.size:
            raise ValueError(f"Standardize.of: expected rows of shape (B, ..., C), got {data.shape}")
        values = data.reshape(-1, data.shape[-1])
        mean = _sum(values, 0.0, 1) / len(values)
        if not np.isfinite(mean).all():
            raise ValueError("Standardize.of: expected finite numbers, got NaN or infinity")
        deviation = np.sqrt(_sum(values, mean, 2) / len(values))
        return cls(tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist()), name=name)

    def of_channels(self, channels: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return mean and scale of each channel; ValueError if there are not so many.

        Parameters
        ----------
        channels : int
            How many.
        """
        for name in ("mean", "scale"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != channels:
                raise ValueError(
                    f"{self.title}: expected {name} as one number or {channels}, one for each channel, got {len(value)}"
                )
        return np.zeros(channels) + self.mean, np.zeros(channels) + self.scale

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        mean, scale = self.of_channels(shape[-1])
        return Built((StandardizeOp(prod(shape[:-1]), mean.tolist(), scale.tolist()),), shape)


def _sum(values: npt.NDArray[Any], center: Any, power: int) -> npt.NDArray[np.float64]:
    """Return ``sum (x - center)**power`` of each column."""
    step = max(1, _PIECE // values.shape[1])
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), step):
        total += ((values[start : start + step].astype(np.float64) - center) ** power).sum(axis=0)
    return total
