"""Normalisation over the batch."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import prod

from fastnn._core.ops import BatchNormOp
from fastnn._spec import above_0, checked, require_flag, require_number
from fastnn.initializers import NAMES, Initializer
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class BatchNorm(Layer):
    """Every channel is brought to mean 0 and variance 1 over the batch, then scaled and shifted by what is learned.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, per channel: the last axis of the input.  In training
    mean and variance are those of the mini-batch, otherwise the running ones.

    Parameters
    ----------
    momentum : float
        Share of the running statistics that a training step keeps, in [0, 1]; PyTorch counts what is new, so its
        ``momentum=0.1`` is 0.9 here.
    epsilon : float
        Added to the variance.
    scale : bool
        Whether there is a learned gamma.
    shift : bool
        Whether there is a learned beta.  A bias right before the layer does nothing: ``Dense(..., bias=False)``.
    gamma_initializer, beta_initializer : str or Initializer
        How gamma and beta start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If momentum is not a number in [0, 1], epsilon is not positive, or an initializer is unknown.

    Notes
    -----
    Ioffe & Szegedy 2015, alg. 1 and 2.  An input of shape (..., C) has C channels, and as many values of each as there
    are rows, times the axes between: B * T for (T, C).  At least 2 are needed to train; in ``fit``, a single row that
    remains at the end of an epoch joins the last mini-batch.

    ``running_mean`` and ``running_variance`` (the unbiased estimate) stand among the parameters, are saved with them
    and have no gradient.  A training step updates them once its loss is known to be finite; by hand, the first
    ``backward`` after a ``forward(training=True)`` does.  Weight decay and max-norm apply to nothing here.  A frozen
    layer (``Group(frozen=True)``) normalises by its running statistics in training too, and keeps them.

    Mini-batches are not cut into micro-batches for several threads; sample weights do not count in the statistics.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Dense(32, bias=False), fn.BatchNorm(), fn.Activation("relu"), fn.Dense(10)]
    >>> net = fn.Sequential(layers, input_shape=64, seed=0)
    >>> y = fn.Sequential([fn.BatchNorm()], input_shape=1, seed=0).forward([[1], [3]], training=True)
    >>> y.round(4).ravel()
    array([-1.,  1.], dtype=float32)
    """

    _: KW_ONLY
    momentum: float = checked(0.9, partial(require_number, low=0, high=1))
    epsilon: float = checked(1e-5, above_0)
    scale: bool = checked(True, require_flag)
    shift: bool = checked(True, require_flag)
    gamma_initializer: str | Initializer = "ones"
    beta_initializer: str | Initializer = "zeros"
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        op = BatchNormOp(self.title, prod(shape[:-1]), shape[-1], self.momentum, self.epsilon, self.scale, self.shift)
        return Built((op,), shape)

    def initializer(self, parameter: str) -> Initializer:
        """Return how a parameter starts: running statistics at mean 0 and variance 1."""
        return NAMES["ones"] if parameter == "running_variance" else super().initializer(parameter)
