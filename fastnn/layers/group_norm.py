"""Normalisation of each image by itself: groups of channels over its pixels."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod

from fastnn._core.ops import GroupNormOp
from fastnn._spec import above_0, checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class _GroupNorm(Layer):
    """Base of GroupNorm and InstanceNorm: which channels share a mean and a variance, says ``channels_of``."""

    def channels_of(self, shape: Shape) -> int:
        """Return how many neighbouring channels share them, or raise ValueError."""
        raise NotImplementedError

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        pixels, channels = prod(shape[:-1]), shape[-1]
        group = self.channels_of(shape)
        if pixels * group < 2:
            raise ValueError(f"{self.title}: expected at least 2 numbers to normalise over, got 1 of shape {shape}")
        scale, shift, epsilon = self.scale, self.shift, self.epsilon  # type: ignore[attr-defined]
        return Built((GroupNormOp(pixels, channels, group, epsilon, scale, shift),), shape)


@dataclass(frozen=True, eq=False, repr=False)
class GroupNorm(_GroupNorm):
    """Groups of neighbouring channels of an image are brought to mean 0 and variance 1, then scaled and shifted.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and variance over all pixels and the
    channels of a group: those of each image alone, the same in training and after it.

    Parameters
    ----------
    groups : int
        Into how many groups of equal size the channels fall; 1: all channels together.
    epsilon : float
        Added to the variance.
    scale : bool
        Whether there is a learned gamma, one number per channel.
    shift : bool
        Whether there is a learned beta.
    gamma_initializer, beta_initializer : str or Initializer
        How gamma and beta start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If epsilon is not positive, an initializer is unknown, the groups cannot share the channels, or there is one
        number to normalise over, which would be 0.

    Notes
    -----
    Wu & He 2018.  The input is an image (H, W, C), or any shape (..., C).  Weight decay and max-norm do not apply to
    gamma and beta.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.GroupNorm(1)], input_shape=(1, 2, 2), seed=0)
    >>> net.predict(np.array([[[[1, 3], [1, 3]]]])).round(4).tolist()
    [[[[-1.0, 1.0], [-1.0, 1.0]]]]
    """

    groups: int = field(metadata=checked_by(require_count))
    _: KW_ONLY
    epsilon: float = checked(1e-5, above_0)
    scale: bool = checked(True, require_flag)
    shift: bool = checked(True, require_flag)
    gamma_initializer: str | Initializer = "ones"
    beta_initializer: str | Initializer = "zeros"
    name: str | None = None

    def channels_of(self, shape: Shape) -> int:
        """Return how many neighbouring channels a group has, or raise ValueError."""
        if shape[-1] % self.groups:
            raise ValueError(f"{self.title}: expected channels that {self.groups} groups can share, got {shape[-1]}")
        return shape[-1] // self.groups


@dataclass(frozen=True, eq=False, repr=False)
class InstanceNorm(_GroupNorm):
    """Each channel of an image is brought to mean 0 and variance 1 over the pixels, then scaled and shifted.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and variance of each channel of each image:
    the same in training and after it.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    scale : bool
        Whether there is a learned gamma, one number per channel.
    shift : bool
        Whether there is a learned beta.  PyTorch's ``InstanceNorm2d`` has neither unless it is asked for them.
    gamma_initializer, beta_initializer : str or Initializer
        How gamma and beta start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If epsilon is not positive, an initializer is unknown, or the input has fewer than two pixels: it is an image
        (H, W, C), or a sequence (T, C).

    Notes
    -----
    Ulyanov, Vedaldi & Lempitsky 2016.  Weight decay and max-norm do not apply to gamma and beta.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.InstanceNorm()], input_shape=(1, 2, 2), seed=0)
    >>> net.predict(np.array([[[[1, 30], [3, 10]]]])).round(4).tolist()
    [[[[-1.0, 1.0], [1.0, -1.0]]]]
    """

    _: KW_ONLY
    epsilon: float = checked(1e-5, above_0)
    scale: bool = checked(True, require_flag)
    shift: bool = checked(True, require_flag)
    gamma_initializer: str | Initializer = "ones"
    beta_initializer: str | Initializer = "zeros"
    name: str | None = None

    def channels_of(self, shape: Shape) -> int:
        """Return 1, or raise ValueError."""
        if len(shape) < 2:
            raise ValueError(f"{self.title}: expected images (B, H, W, C), or sequences (B, T, C), got shape {shape}")
        return 1
