"""A layer, or an activation, of your own in NumPy."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from fastnn._core.ops import CustomOp
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.base import Built, Layer, Shape, as_shape


@dataclass(frozen=True, eq=False, repr=False)
class Custom(Layer):
    """Two NumPy functions as a layer; it trains, is checked by ``gradcheck`` and saved by name like any other.

    Parameters
    ----------
    forward : callable
        ``forward(x, **parameters) -> y`` with x (B, *input_shape) and y (B, *output_shape).  Arguments are read-only.
    backward : callable
        ``backward(x, y, dy, **parameters) -> dx``, or ``-> (dx, {name: gradient})`` if there are parameters; gradients
        are sums over the batch.
    output_shape : int, tuple of int or callable, optional
        Shape of a row of y, or a function of the input shape that gives it; if not given, that of x.
    parameters : dict, optional
        ``{name: (shape, initializer)}``; a shape may be a function of the input shape.
    name : str
        Under which ``fn.load(path, custom={name: layer})`` finds the layer again: files hold no code.

    Raises
    ------
    TypeError
        If forward or backward cannot be called.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
    >>> net = fn.Sequential([fn.Dense(4, square), fn.Dense(1)], input_shape=2, seed=0, dtype="float64")
    >>> bool(fn.gradcheck(net, np.ones((3, 2))) < 1e-6)
    True
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    _: KW_ONLY
    output_shape: int | Shape | Callable[[Shape], int | Shape] | None = None
    parameters: dict[str, tuple[Any, str | Initializer]] = field(default_factory=dict)
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.forward) or not callable(self.backward):
            raise TypeError(f"{self.title}: expected forward and backward to be functions")
        for parameter, (_, initializer) in self.parameters.items():
            if not parameter.isidentifier():
                raise ValueError(f"{self.title}: expected parameter names to be identifiers, got {parameter!r}")
            as_initializer(self.title, initializer)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op that calls the functions."""
        shape = self.one_input(input_shapes)
        output = self._shape(shape if self.output_shape is None else self.output_shape, shape)
        parameters = {name: self._shape(given, shape) for name, (given, _) in self.parameters.items()}
        return Built((CustomOp(self.title, self.forward, self.backward, shape, output, parameters),), output)

    def _shape(self, given: Any, input_shape: Shape) -> Shape:
        return as_shape(self.title, given(input_shape) if callable(given) else given)

    def initializer(self, parameter: str) -> Initializer:
        """Return how a parameter starts."""
        return as_initializer(self.title, self.parameters[parameter][1])

    def to_config(self) -> dict[str, Any]:
        """Return the name alone.

        Raises
        ------
        ValueError
            If the layer has no name.
        """
        if self.name is None:
            raise ValueError(
                "Custom: expected a name for saving, got none; files hold no code, so give Custom(..., "
                "name='...') and pass it again to fn.load(path, custom={name: layer})"
            )
        return {"type": "Custom", "name": self.name}
