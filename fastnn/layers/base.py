"""What a layer is: a frozen specification that can be applied to tensors and built into ops.

A layer says what is computed and how its parameters start; it owns no memory.  ``layer(x)`` notes the application
and returns the tensor that comes out; a network later asks ``build`` for the ops and gives them their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastnn._core.engine import MAX_AXES
from fastnn._core.step import Op
from fastnn._spec import Spec, require_count
from fastnn.initializers import Initializer, as_initializer

Shape = tuple[int, ...]


class Built(NamedTuple):
    """A chain of ops, each reading what the one before writes, and the shape that comes out (without the batch)."""

    ops: tuple[Op, ...]
    output_shape: Shape


@dataclass(frozen=True, eq=False, repr=False)
class Tensor:
    """What one application of a layer gives: its shape (without the batch) and where it comes from.

    Made by ``Input`` and by applying layers; it holds no numbers.

    Attributes
    ----------
    shape : tuple of int
        Of one row.
    layer : Layer or None
        What gives it; None for an input.
    inputs : tuple of Tensor
        What that layer was applied to.
    name : str or None
        Of an input.
    source : Network or None
        The network that the layer stems from, if one was applied: there its parameters have the values that they start
        from.

    Examples
    --------
    Tensors of one shape are added by ``+``:

    >>> import fastnn as fn
    >>> x = fn.Input(64)
    >>> fn.Network(x, x + fn.Dense(64, "tanh")(x))
    <Network (B, 64) -> (B, 64), 4,160 parameters, float32>
    """

    shape: Shape
    layer: Layer | None = None
    inputs: tuple[Tensor, ...] = ()
    name: str | None = None
    source: Any = None

    __array_ufunc__ = None  # an array beside a tensor leaves the operator to it

    def __add__(self, other: object) -> Tensor:
        """Return the sum, as ``fn.add``."""
        if not isinstance(other, Tensor):
            raise TypeError(_no_operator("+", other))
        return Layer.registry["Add"]()(self, other)  # type: ignore[operator]

    def __radd__(self, other: object) -> Tensor:
        """Return the tensor itself for 0, with which Python's ``sum`` begins."""
        if isinstance(other, int) and other == 0:
            return self
        raise TypeError(_no_operator("+", other))

    def __sub__(self, other: object) -> Any:
        """Refuse: no layer does this."""
        raise TypeError(_no_operator("-", other))

    def __mul__(self, other: object) -> Any:
        """Refuse: no layer does this."""
        raise TypeError(_no_operator("*", other))

    def __truediv__(self, other: object) -> Any:
        """Refuse: no layer does this."""
        raise TypeError(_no_operator("/", other))

    def __matmul__(self, other: object) -> Any:
        """Refuse: no layer does this."""
        raise TypeError(_no_operator("@", other))

    def __neg__(self) -> Any:
        """Refuse: no layer does this."""
        raise TypeError(_no_operator("-", self))

    __rsub__, __rmul__, __rtruediv__, __rmatmul__ = __sub__, __mul__, __truediv__, __matmul__


def _no_operator(sign: str, other: object) -> str:
    """Return what to do in place of an operator that no layer carries out."""
    if not isinstance(other, Tensor):
        return (
            f"Tensor: expected another tensor at {sign!r}, got {type(other).__name__}; a fixed number or array is a "
            "layer of your own, fn.Custom(forward, backward), and one that is learned is in Dense"
        )
    return (
        f"Tensor: no layer carries out {sign!r}; tensors are added (x + y, fn.add) and joined (fn.concatenate), and "
        "fn.Custom(forward, backward) of what is joined does the rest"
    )


def as_shape(who: str, shape: int | tuple[int, ...]) -> Shape:
    """Return ``shape`` as a tuple of positive integers; an integer n is (n,).

    Raises
    ------
    TypeError
        If it is not made of integers.
    ValueError
        If it holds a number below 1, or has too many axes.
    """
    result = (shape,) if isinstance(shape, Integral) and not isinstance(shape, bool) else shape
    if not isinstance(result, tuple | list) or not result:
        raise TypeError(f"{who}: expected a shape such as 784 or (28, 28), got {shape!r:.60}")
    if len(result) > MAX_AXES:
        raise ValueError(f"{who}: expected a shape of at most {MAX_AXES} axes, got {len(result)}")
    for size in result:
        require_count(who, "each size of the shape", size)
    return tuple(map(int, result))


class Layer(Spec, family="layer"):
    """Base of all layers.  A layer applied twice (the same object) shares its parameters.

    Attributes
    ----------
    name : str or None
        Name of the layer.
    matrices : tuple of str
        Names of its parameters (I, O) that rows are multiplied by, each as a whole.
    """

    name: str | None
    matrices: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(abstract=abstract, **kwargs)
        if cls.build is Layer.build and not abstract and not hasattr(cls, "expand"):
            raise TypeError(
                f"{cls.__name__}: a subclass of fn.Layer needs build, which gives compiled ops; a layer of your own in "
                f"NumPy is fn.Custom(forward, backward, name={cls.__name__.lower()!r})"
            )

    @property
    def activation_function(self) -> Any:
        """The Activation through which its z becomes its a; None: there is none, or it is code of the user's."""
        return None

    @property
    def states(self) -> int:
        """Vectors of H numbers that it carries from one time step to the next; 0: it is not recurrent."""
        return 0

    @property
    def past(self) -> int:
        """Time steps of its input before the present one that its answer to a step depends on, if on no later ones."""
        return 0

    def __post_init__(self) -> None:
        """Check the name, the fields that are ``checked``, and how parameters start."""
        check_name(type(self).__name__, self.name)
        super().__post_init__()
        for field, value in vars(self).items():
            if field.endswith("_initializer") and value is not None:
                as_initializer(self.title, value)
            elif isinstance(value, np.integer):
                object.__setattr__(self, field, int(value))

    # A layer is itself and no other: the same object twice means shared parameters.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__  # type: ignore[assignment]

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the ops for inputs of these shapes.

        Parameters
        ----------
        input_shapes : tuple of tuple of int
            The shape of a row of each input.

        Raises
        ------
        ValueError
            If the layer cannot take such inputs.
        """
        raise NotImplementedError

    def initializer(self, parameter: str) -> Initializer:
        """Return how the parameter of that name starts: as its field ``..._initializer`` says, else at 0.

        Parameters
        ----------
        parameter : str
            One of the names that ``build`` gave.
        """
        return as_initializer(self.title, getattr(self, f"{parameter}_initializer", "zeros"))

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Apply the layer and return what comes out.

        Raises
        ------
        TypeError
            If an input is not a Tensor.
        ValueError
            If the layer cannot take inputs of these shapes.
        """
        check_tensors(self.title, inputs)
        return Tensor(self.build(tuple(x.shape for x in inputs)).output_shape, self, inputs)

    @classmethod
    def _field_from_json(cls, name: str, value: Any) -> Any:
        """Turn one JSON value back into the field's value: an object is an initializer or another layer."""
        if isinstance(value, dict):
            return (Initializer if name.endswith("initializer") else Layer).from_config(value)
        if isinstance(value, list):
            return tuple(cls._field_from_json(name, item) for item in value)
        return value

    @property
    def title(self) -> str:
        """How messages call the layer: ``Dense 'hidden'``."""
        return f"{type(self).__name__} {self.name!r}" if self.name else type(self).__name__

    def one_input(self, shapes: tuple[Shape, ...]) -> Shape:
        """Return the only shape, or raise ValueError.

        Parameters
        ----------
        shapes : tuple of tuple of int
            The shapes that ``build`` was given.
        """
        if len(shapes) != 1:
            raise ValueError(f"{self.title}: expected one input, got {len(shapes)}; merge them first, e.g. concatenate")
        return shapes[0]

    def one_vector(self, shapes: tuple[Shape, ...]) -> int:
        """Return the size of the only input, which must be one-dimensional, or raise ValueError.

        Parameters
        ----------
        shapes : tuple of tuple of int
            The shapes that ``build`` was given.
        """
        shape = self.one_input(shapes)
        if len(shape) != 1:
            raise ValueError(f"{self.title}: expected input of shape (B, I), got {batched(shape)}; add Flatten()")
        return shape[0]


def batched(shape: Shape) -> str:
    """Write a shape with its batch: ``(B, 28, 28)``."""
    return f"(B, {', '.join(map(str, shape))})"


def check_tensors(who: str, inputs: tuple[Any, ...]) -> None:
    """Raise TypeError unless all inputs are tensors."""
    for x in inputs:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{who}: expected tensors made by Input or another layer, got {type(x).__name__}; "
                "numbers go to net.predict once the network is built"
            )


def check_name(who: str, name: object) -> None:
    """Raise unless ``name`` is None or a plain name.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is empty, long, or holds anything but letters, digits, '_' and '-'.
    """
    if name is None:
        return
    if not isinstance(name, str):
        raise TypeError(f"{who}: expected name to be a string, got {type(name).__name__}")
    if not name.replace("_", "").replace("-", "").isalnum() or len(name) > 100 or not name.isascii():
        raise ValueError(f"{who}: expected a name of letters, digits, '_' and '-', got {name!r:.60}")
