"""A layer as a part of a network: its specification with its parameters."""

from typing import Any

import numpy as np

from fastnn.layers.base import Layer, Shape, batched


class LayerView:
    """A layer within a network: its specification's fields, and its parameters as views.

    Attributes
    ----------
    name : str
        Unique within the network.
    spec : Layer
        The specification.
    input_shapes : tuple of tuple of int
        Shape of a row of each input.
    output_shape : tuple of int
        Shape of a row of the output.
    parameters, gradients : dict of str to ndarray
        Views into ``net.params`` and ``net.grads`` (running statistics have no gradient); assign with
        ``view[...] = value``.  Each parameter is an attribute too: ``layer.weight``, ``layer.bias``.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(3, "relu", name="hidden"), fn.Dense(1)], input_shape=2, seed=0)
    >>> net.layers[0]
    <Dense 'hidden' (B, 3), 9 parameters>
    >>> net.layers[0].bias[...] = 1
    >>> net.params[6:9]
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        name: str,
        spec: Layer,
        input_shapes: tuple[Shape, ...],
        output_shape: Shape,
        parameters: dict[str, np.ndarray],
        gradients: dict[str, np.ndarray],
    ) -> None:
        self.name, self.spec = name, spec
        self.input_shapes, self.output_shape = input_shapes, output_shape
        self.parameters, self.gradients = parameters, gradients

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "parameters" not in self.__dict__:
            raise AttributeError(name)
        return self.parameters[name] if name in self.parameters else getattr(self.spec, name)

    @property
    def n_params(self) -> int:
        """Number of parameters."""
        return sum(view.size for view in self.parameters.values())

    def __repr__(self) -> str:
        return f"<{type(self.spec).__name__} {self.name!r} {batched(self.output_shape)}, {self.n_params:,} parameters>"
