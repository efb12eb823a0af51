"""The axes of a row in another order."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from fastnn._core.ops import PermuteOp
from fastnn._spec import checked_by, require_count
from fastnn.layers.base import Built, Layer, Shape, batched


def _require_axes(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value is each of 0, 1, ... once."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{who}: expected {name} to be a tuple of integers such as (2, 0, 1), got {value!r:.60}")
    for axis in value:
        require_count(who, name, axis, low=0)
    if sorted(value) != list(range(len(value))):
        raise ValueError(
            f"{who}: expected {name} to be each of 0 to {len(value) - 1} once, counted without the batch, got "
            f"{value!r:.60}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Permute(Layer):
    """The axes of each row in another order: channels first, say, or the channels of groups mixed.

    Parameters
    ----------
    axes : tuple of int
        The new axis i is the old axis ``axes[i]``, as in ``numpy.transpose``: counted from 0, without the batch.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If axes are not each of 0, 1, ... once, or a row has another number of them.

    Notes
    -----
    ``y[b] = numpy.transpose(x[b], axes)``, a copy; ``Permute`` of Keras counts the same axes from 1.  Channels are
    shuffled among groups as in ShuffleNet [Zhang et al. 2018] by ``Reshape((H, W, groups, C // groups))``,
    ``Permute((0, 1, 3, 2))`` and ``Reshape((H, W, C))``.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Permute((2, 0, 1))], input_shape=(28, 28, 3), seed=0)
    >>> net.output_shape
    (3, 28, 28)
    >>> x = np.random.default_rng(0).standard_normal((5, 28, 28, 3)).astype(np.float32)
    >>> np.array_equal(net.predict(x), x.transpose(0, 3, 1, 2))
    True
    """

    axes: tuple[int, ...] = field(metadata=checked_by(_require_axes))
    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op; none where the numbers stay in their order."""
        shape = self.one_input(input_shapes)
        if len(shape) != len(self.axes):
            raise ValueError(f"{self.title}: expected rows of {len(self.axes)} axes, got {batched(shape)}")
        moving = [axis for axis in self.axes if shape[axis] > 1]
        ops = () if moving == sorted(moving) else (PermuteOp(shape, self.axes),)
        return Built(ops, tuple(shape[axis] for axis in self.axes))
