"""An ONNX graph that grows: nodes, constants and names, each name once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn.layers.base import Shape

OPSET = 17  # the least that has everything but Gelu and ReduceMax with axes as an input
IR_VERSION = 8


class Applied(NamedTuple):
    """One application of a layer: the tensors that it reads, by name, and its parameters."""

    name: str
    layer: Any  # Layer, of the class that the function is for
    parameters: dict[str, np.ndarray]
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape


class Graph:
    """Nodes and constants of a graph; ``taken`` are names that are spoken for."""

    def __init__(self, dtype: np.dtype, taken: Sequence[str]) -> None:
        self.dtype, self.opset = dtype, OPSET
        self.scope = "network"  # begin of the names of new nodes
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._taken = set(taken)

    @property
    def kind(self) -> int:
        """ONNX's number of the dtype."""
        from onnx import helper

        return int(helper.np_dtype_to_tensor_dtype(self.dtype))

    @property
    def is_double(self) -> bool:
        """Whether the network computes in float64, for which attributes, which are float32, are too coarse."""
        return self.dtype == np.float64

    def unique(self, name: str) -> str:
        """Return the name, with a number if there is such a one."""
        result, again = name, 1
        while result in self._taken:
            again += 1
            result = f"{name}_{again}"
        self._taken.add(result)
        return result

    def parameter(self, applied: Applied, name: str, array: np.ndarray | None = None) -> str:
        """Return the constant "layer.name"; layers that are applied again share it."""
        key = f"{applied.name}.{name}"  # no other name has a dot
        if key not in self.constants:
            from onnx import numpy_helper

            value = applied.parameters[name] if array is None else array
            self.constants[key] = numpy_helper.from_array(np.ascontiguousarray(value), key)
        return key

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return a new constant of the network's dtype, or of another; integers for sizes are int64."""
        from onnx import numpy_helper

        name = self.unique(f"{self.scope}/constant")
        self.constants[name] = numpy_helper.from_array(np.asarray(value, self.dtype if dtype is None else dtype), name)
        return name

    def sizes(self, *values: int) -> str:
        """Return a constant of integers."""
        return self.constant(values, np.int64)

    def node(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node with one output and return its name; inputs are names, or numbers to be constants."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        return self.node_of(operator, names, 1, **attributes)[0]

    def node_of(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        from onnx import helper

        name = self.unique(f"{self.scope}/{operator}")
        names = [name] if outputs == 1 else [self.unique(f"{name}:{i}") for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name, **attributes))
        return names

    def rows(self, x: str, shape: Shape) -> str:
        """Return the same numbers as rows (B, *shape)."""
        return self.node("Reshape", x, self.sizes(-1, *shape))

    def body(self) -> "Graph":
        """Return a graph for the body of a loop, which shares names and constants with this one."""
        inner = Graph(self.dtype, ())
        inner.scope, inner.constants, inner._taken = f"{self.scope}/body", self.constants, self._taken
        return inner

    def require(self, opset: int) -> None:
        """Take operators of this version."""
        self.opset = max(self.opset, opset)
