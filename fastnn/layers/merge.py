"""Where several tensors meet: add, multiply, blend, concatenate; and where a part of one goes on: slice."""

import builtins
from dataclasses import KW_ONLY, dataclass
from math import prod
from numbers import Integral

from fastnn._core.ops import AddOp, BlendOp, ConcatenateOp, MultiplyOp, SliceOp
from fastnn._spec import checked, require_number
from fastnn.initializers import Constant, Initializer
from fastnn.layers.base import Built, Layer, Shape, Tensor, batched


@dataclass(frozen=True, eq=False, repr=False)
class Add(Layer):
    """The sum of two or more tensors of one shape, as in a residual link.

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes differ.
    """

    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the sum."""
        if len(input_shapes) < 2 or any(shape != input_shapes[0] for shape in input_shapes):
            raise ValueError(
                f"{self.title}: expected two or more inputs of one shape, got "
                f"{', '.join(map(batched, input_shapes))}; bring them to one shape with Dense"
            )
        return Built((AddOp(prod(input_shapes[0]), len(input_shapes)),), input_shapes[0])


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Layer):
    """The product, element by element, of two or more tensors of one shape, as where a gate lets a part through.

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(8)
    >>> net = fn.Network(x, fn.Multiply()(fn.Dense(3)(x), fn.Dense(3, "sigmoid")(x)), seed=0)
    >>> net.output_shape
    (3,)
    """

    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the product."""
        if len(input_shapes) < 2 or any(shape != input_shapes[0] for shape in input_shapes):
            raise ValueError(
                f"{self.title}: expected two or more inputs of one shape, got "
                f"{', '.join(map(batched, input_shapes))}; bring them to one shape with Dense"
            )
        return Built((MultiplyOp(prod(input_shapes[0]), len(input_shapes)),), input_shapes[0])


@dataclass(frozen=True, eq=False, repr=False)
class Blend(Layer):
    """Two tensors of one shape, one fading into the other: ``y = (1 - alpha) x_0 + alpha x_1``, elsewhere called lerp.

    Alpha is set while the network learns, as a part that is new comes in step by step; it is not learned.

    Parameters
    ----------
    alpha : float
        What the second counts at the start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If alpha is no finite number, or there are not two inputs of one shape.

    Notes
    -----
    ``alpha`` (1,) stands among the parameters, is saved with them and has no gradient: ``layer.alpha[...] = 0.5`` sets
    it.  At 0 the output has the bits of the first input, at 1 those of the second, if both are finite.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> x = fn.Input(2)
    >>> net = fn.Network(x, fn.Blend(name="fade")(x, fn.Activation("relu")(x)), seed=0)
    >>> fade = next(layer for layer in net.layers if layer.name == "fade")
    >>> for fade.alpha[...] in (0, 0.5, 1):
    ...     net.predict_one([-4, 4])
    array([-4.,  4.], dtype=float32)
    array([-2.,  4.], dtype=float32)
    array([0., 4.], dtype=float32)
    """

    alpha: float = checked(0.0, require_number)
    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the mixture."""
        if len(input_shapes) != 2 or input_shapes[0] != input_shapes[1]:
            raise ValueError(
                f"{self.title}: expected two inputs of one shape, got {', '.join(map(batched, input_shapes))}"
            )
        return Built((BlendOp(prod(input_shapes[0])),), input_shapes[0])

    def initializer(self, parameter: str) -> Initializer:
        """Return how alpha starts."""
        return Constant(float(self.alpha))


@dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Layer):
    """The vectors of several tensors, one after the other: along the last axis, if there are more.

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or they differ in more than the last axis.
    """

    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the longer vectors."""
        if len(input_shapes) < 2 or any(shape[:-1] != input_shapes[0][:-1] for shape in input_shapes):
            raise ValueError(
                f"{self.title}: expected two or more inputs that differ in the last axis alone, got "
                f"{', '.join(map(batched, input_shapes))}; add Flatten()"
            )
        widths, leading = [shape[-1] for shape in input_shapes], input_shapes[0][:-1]
        return Built((ConcatenateOp(widths, prod(leading)),), (*leading, sum(widths)))


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Layer):
    """Elements ``start`` to ``stop`` of a vector: along the last axis, if there are more.

    Parameters
    ----------
    start, stop : int, optional
        As in a Python slice: negative numbers count from the end, none means to the end.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If nothing is left, or there is more than one input.

    Notes
    -----
    ``y = x[..., start:stop]``: of an image or a sequence, whose channels are last, some of the channels.  Some rows and
    columns of an image: ``Crop2D``.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(10)
    >>> fn.slice(x, 2, -1).shape
    (7,)
    """

    start: int | None = None
    stop: int | None = None
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for value in (self.start, self.stop):
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise TypeError(f"{self.title}: expected start and stop to be integers, got {value!r:.60}")

    def ends(self, width: int) -> tuple[int, int]:
        """Return start and stop counted from the first of so many elements.

        Parameters
        ----------
        width : int
            Of the last axis.
        """
        start, stop, _ = builtins.slice(self.start, self.stop).indices(width)
        return start, stop

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the part."""
        *leading, width = self.one_input(input_shapes)
        start, stop = self.ends(width)
        if start >= stop:
            raise ValueError(
                f"{self.title}: expected a part of the {width} elements, got [{self.start}:{self.stop}], which is empty"
            )
        return Built((SliceOp(width, start, stop, prod(leading)),), (*leading, stop - start))


def add(*inputs: Tensor) -> Tensor:
    """Return the sum of tensors of one shape.

    Parameters
    ----------
    inputs : Tensor
        At least two.

    Raises
    ------
    ValueError
        If there are fewer than two, or their shapes differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(64)
    >>> fn.add(fn.Dense(64, "tanh")(x), x).shape
    (64,)
    """
    return Add()(*inputs)


def concatenate(*inputs: Tensor) -> Tensor:
    """Return the vectors one after the other: along the last axis, if there are more.

    Parameters
    ----------
    inputs : Tensor
        At least two, of shapes that differ in the last axis alone.

    Raises
    ------
    ValueError
        If there are fewer than two, or they differ in more than the last axis.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.concatenate(fn.Input(3), fn.Input(4)).shape
    (7,)
    """
    return Concatenate()(*inputs)


def slice(x: Tensor, start: int | None = None, stop: int | None = None) -> Tensor:  # the name users know
    """Return elements ``start`` to ``stop`` of a vector: along the last axis, if there are more.

    Parameters
    ----------
    x : Tensor of shape (..., I)
        The vector, or an image or a sequence, of which some channels are taken.
    start, stop : int, optional
        As in Python: from the first of these to before the second; negative ones count from the end.

    Raises
    ------
    ValueError
        If nothing is left.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.slice(fn.Input(10), 0, 4).shape
    (4,)
    >>> fn.slice(fn.Input((28, 28, 16)), -8).shape
    (28, 28, 8)
    """
    return Slice(start, stop)(x)
