"""A learned vector for each index."""

from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from math import prod

import numpy as np

from fastnn._core.ops import EmbeddingOp
from fastnn._core.rng import RandomStream
from fastnn._spec import checked, checked_by, optional, require_count
from fastnn.initializers import Initializer
from fastnn.layers.base import Built, Layer, Shape, as_shape


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Layer):
    """Each index becomes its vector, which is learned: ``y = weight[x]``.

    An input of shape (T,) gives (T, units), one of any shape ``(*shape, units)``.  Indices are whole numbers from 0 to
    vocabulary - 1; they reach the network as numbers of its dtype, integers are converted.

    Parameters
    ----------
    vocabulary : int
        How many indices there are; at most 2**24 in float32, where larger whole numbers are not all exact.
    units : int
        Size of a vector.
    padding_index : int, optional
        The index that stands for nothing, such as what fills up short sequences: its vector is 0 and does not learn.
    weight_initializer : str or Initializer
        How vectors start; an index is an input of 1 among zeros, so its fan-in is 1, and lecun_normal has variance 1.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If vocabulary or units is not a positive integer, padding_index is no index, or the initializer is unknown.
        When the network runs: if an input is no index; nothing has changed then.

    Notes
    -----
    A step of plain SGD touches the vectors of the mini-batch alone; the other optimisers go through all of them.
    Penalties, weight decay and max-norm do not apply.  The gradient with respect to the input is 0.  Mini-batches are
    not cut into micro-batches for several threads.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Embedding(65, 16), fn.Flatten(), fn.Dense(65)]  # the next of 65 characters, after eight
    >>> net = fn.Sequential(layers, input_shape=8, seed=0)
    >>> net.predict(np.arange(16).reshape(2, 8)).shape
    (2, 65)
    """

    vocabulary: int = field(metadata=checked_by(require_count))
    units: int = field(metadata=checked_by(require_count))
    _: KW_ONLY
    padding_index: int | None = checked(None, partial(optional, require_count, low=0))
    weight_initializer: str | Initializer = "lecun_normal"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding_index is not None and self.padding_index >= self.vocabulary:
            raise ValueError(
                f"{self.title}: expected padding_index below the vocabulary of {self.vocabulary}, got "
                f"{self.padding_index}"
            )

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all indices of a row."""
        shape = self.one_input(input_shapes)
        padding = -1 if self.padding_index is None else self.padding_index
        op = EmbeddingOp(self.title, prod(shape), self.vocabulary, self.units, padding)
        return Built((op,), as_shape(self.title, (*shape, self.units)))

    def initializer(self, parameter: str) -> Initializer:
        """Return how the vectors start, that of padding_index at 0."""
        chosen = super().initializer(parameter)
        return chosen if self.padding_index is None else _Padded(chosen, self.padding_index)


@dataclass(frozen=True, eq=False, repr=False)
class _Padded(Initializer):
    """Another initializer, but for one row, which is 0."""

    others: Initializer
    row: int

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape``."""
        values = self.others.draw(shape, fan_in, fan_out, random)
        values[self.row] = 0
        return values
