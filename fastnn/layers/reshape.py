"""The same numbers in another shape; costs nothing."""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fastnn.layers.base import Built, Layer, Shape, as_shape, batched


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(Layer):
    """Each row becomes one vector: (B, 28, 28) to (B, 784).

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Flatten(), fn.Dense(10)], input_shape=(28, 28), seed=0)
    """

    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return no op, and the flat shape."""
        return Built((), (prod(self.one_input(input_shapes)),))


@dataclass(frozen=True, eq=False, repr=False)
class Reshape(Layer):
    """Each row takes a given shape, in row-major order.

    Parameters
    ----------
    shape : int or tuple of int
        The new shape, without the batch.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the numbers do not fit into the shape.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(6), fn.Reshape((2, 3))], input_shape=4, seed=0)
    >>> net.output_shape
    (2, 3)
    """

    shape: int | tuple[int, ...]
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        as_shape(self.title, self.shape)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return no op, and the new shape."""
        shape, new = self.one_input(input_shapes), as_shape(self.title, self.shape)
        if prod(shape) != prod(new):
            raise ValueError(
                f"{self.title}: expected input of {prod(new)} numbers per row for shape {batched(new)}, "
                f"got {batched(shape)}"
            )
        return Built((), new)
