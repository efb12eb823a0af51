"""How much the rows of a minibatch differ, as one more channel."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import prod

from fastnn._core.ops import MinibatchStdDevOp
from fastnn._spec import above_0, checked, require_count, require_number
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class MinibatchStdDev(Layer):
    """One more channel, whose value says how much the rows of a group differ: a critic sees whether samples vary.

    ``y = [x, s]`` along the last axis with ``s = mean_j sqrt(mean_i (x_ij - mean_i x_ij)^2 + epsilon)``: the standard
    deviation of every number j over the rows i of the group, and the mean of these.

    Parameters
    ----------
    group : int
        Rows that are compared: neighbours in the batch, so that real and generated rows may stand in one batch, one
        after the other.  What remains at the end joins the last group; a batch of fewer rows is one group.
    momentum : float
        In [0, 1]: what the running mean of s keeps of itself at each training step.
    epsilon : float
        Added to each variance.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If group is below 2 or a number is out of range; in training, for a batch of one row.

    Notes
    -----
    Karras et al. 2018, section 3.  The input is an image (H, W, C), or any shape (..., C); the output is (..., C + 1).

    After training, an answer is not to depend on the rows beside: s is then ``running_deviation``, which stands among
    the parameters, is saved with them and has no gradient.  A training step updates it, or by hand the first
    ``backward`` after a ``forward(training=True)``.  A frozen layer (``Group(frozen=True)``) always takes it.
    Mini-batches are not cut into micro-batches for several threads.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.MinibatchStdDev()], input_shape=(1, 2), seed=0)
    >>> net.forward(np.array([[[1, 5]], [[3, 5]]]), training=True).round(3).tolist()
    [[[1.0, 5.0, 0.5]], [[3.0, 5.0, 0.5]]]
    """

    group: int = checked(4, partial(require_count, low=2))
    _: KW_ONLY
    momentum: float = checked(0.9, partial(require_number, low=0, high=1))
    epsilon: float = checked(1e-8, above_0)
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op, which appends the channel."""
        *leading, channels = self.one_input(input_shapes)
        op = MinibatchStdDevOp(self.title, prod(leading), channels, self.group, self.momentum, self.epsilon)
        return Built((op,), (*leading, channels + 1))
