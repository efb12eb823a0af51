"""The graph of a network as plain lists: its layers, and the inputs of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastnn._spec import require_count
from fastnn.errors import ModelFormatError
from fastnn.layers.base import Layer, Shape, Tensor, as_shape, check_name
from fastnn.layers.input import Input

MAX_NODES = 1 << 13  # that a file may ask for


@dataclass(frozen=True)
class Node:
    """One application of ``layers[layer]`` to tensors; tensors count from the inputs on, one per node."""

    layer: int
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """A directed acyclic graph of layers.  Tensor i is input i, or what node i - len(inputs) gives."""

    input_shapes: tuple[Shape, ...]
    input_names: tuple[str | None, ...]
    layers: tuple[Layer, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def needed(self) -> set[int]:
        """Return the tensors that an output depends on, the outputs among them."""
        first, found = len(self.input_shapes), set(self.outputs)
        for position in range(len(self.nodes) - 1, -1, -1):
            if first + position in found:
                found.update(self.nodes[position].inputs)
        return found

    def to_config(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "inputs": [
                {"shape": list(shape), "name": name}
                for shape, name in zip(self.input_shapes, self.input_names, strict=True)
            ],
            "layers": [layer.to_config() for layer in self.layers],
            "nodes": [{"layer": node.layer, "inputs": list(node.inputs)} for node in self.nodes],
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_config(cls, config: Any, custom: dict[str, Layer]) -> Structure:
        """Return what ``to_config`` described; ``custom`` gives the Custom layers by name.

        Raises
        ------
        ModelFormatError
            If anything is missing, unknown or out of range.
        """
        try:
            if set(config) != {"inputs", "layers", "nodes", "outputs"}:
                raise ValueError(f"expected inputs, layers, nodes and outputs, got {sorted(config)!r:.80}")
            shapes = tuple(as_shape("input", tuple(entry["shape"])) for entry in config["inputs"])
            names = tuple(entry["name"] for entry in config["inputs"])
            for name in names:
                check_name("input", name)
            if len(config["layers"]) > MAX_NODES or len(config["nodes"]) > MAX_NODES:
                raise ModelFormatError(f"expected at most {MAX_NODES} layers, got {len(config['nodes'])}", "limit")
            entries = with_custom(config["layers"], custom)
            layers = tuple(entry if isinstance(entry, Layer) else Layer.from_config(entry) for entry in entries)
            nodes = tuple(Node(entry["layer"], tuple(entry["inputs"])) for entry in config["nodes"])
            outputs = tuple(config["outputs"])
            for position, node in enumerate(nodes):
                require_index("layer", node.layer, len(layers))
                for tensor in node.inputs:
                    require_index("tensor", tensor, len(shapes) + position)
            for tensor in outputs:
                require_index("tensor", tensor, len(shapes) + len(nodes))
            if not shapes or not outputs or list(dict.fromkeys(node.layer for node in nodes)) != [*range(len(layers))]:
                raise ValueError("expected an input, an output, and every layer in the order of its first use")
            return cls(shapes, names, layers, nodes, outputs)
        except ModelFormatError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise ModelFormatError(f"structure: {error}", "structure") from error


def require_index(what: str, value: Any, size: int) -> None:
    """Raise unless ``value`` is an integer in [0, size).

    Raises
    ------
    ValueError, TypeError
        If it is not.
    """
    require_count("structure", what, value, low=0)
    if value >= size:
        raise ValueError(f"expected {what} below {size}, got {value}")


def with_custom(config: Any, custom: dict[str, Layer]) -> Any:
    """Put the caller's layers in place of the names that a file holds for them.

    Raises
    ------
    ModelFormatError
        If a name is not in ``custom``.
    """
    if isinstance(config, list):
        return [with_custom(entry, custom) for entry in config]
    if not isinstance(config, dict):
        return config
    if config.get("type") == "Custom":
        name = config.get("name")
        if not isinstance(name, str) or name not in custom:
            raise ModelFormatError(
                f"the file uses the custom layer {name!r:.80}, which holds code that files do not: "
                f"pass fn.load(path, custom={{{name!r:.80}: layer}})",
                "custom",
            )
        if set(config) != {"type", "name"} or custom[name].to_config() != config:
            raise ModelFormatError(
                f"expected the Custom layer of the name {name!r:.80}, got {custom[name]!r:.80}", "custom"
            )
        return custom[name]
    return {key: with_custom(value, custom) for key, value in config.items()}


def trace(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> Structure:
    """Return the part of the graph between these tensors, in an order in which it can run.

    Raises
    ------
    ValueError
        If an output depends on an Input that is not among ``inputs``, or an input is not used.
    """
    number = {tensor: i for i, tensor in enumerate(inputs)}
    if len(number) != len(inputs):
        raise ValueError("Network: expected every input once, got one of them twice; leave the second out")
    layers: list[Layer] = []
    nodes: list[Node] = []
    used: set[Tensor] = set(outputs) & set(inputs)
    stack = list(reversed(outputs))
    while stack:
        tensor = stack[-1]
        if tensor in number:
            stack.pop()
            continue
        if tensor.layer is None:
            raise ValueError(
                f"Network: expected every Input among inputs, got an output that depends on another one "
                f"(shape {tensor.shape}{f', {tensor.name!r}' if tensor.name else ''}); add it to inputs"
            )
        waiting = [x for x in tensor.inputs if x not in number]
        if waiting:
            stack += reversed(waiting)
            continue
        stack.pop()
        if tensor.layer not in layers:
            layers.append(tensor.layer)
        used.update(x for x in tensor.inputs if x in inputs)
        nodes.append(Node(layers.index(tensor.layer), tuple(number[x] for x in tensor.inputs)))
        number[tensor] = len(inputs) + len(nodes) - 1
    for position, tensor in enumerate(inputs):
        if tensor not in used:
            raise ValueError(
                f"Network: expected every input to lead to an output, got input {position} (shape "
                f"{tensor.shape}) that no output depends on; leave it out"
            )
    return Structure(
        tuple(x.shape for x in inputs),
        tuple(x.name for x in inputs),
        tuple(layers),
        tuple(nodes),
        tuple(number[tensor] for tensor in outputs),
    )


def chain(layers: Iterable[Any], input_shape: int | Shape | None) -> Structure:
    """Return the graph of layers one after the other, as ``chained`` takes them."""
    first, last = chained(layers, input_shape)
    return trace((first,), (last,))


def chained(parts: Iterable[Any], input_shape: int | Shape | None) -> tuple[Tensor, Tensor]:
    """Return an input, and what layers or networks, one after the other, make of it.

    ``input_shape`` None: that of the network that comes first.

    Raises
    ------
    TypeError, ValueError
        If a part is neither, or the shapes do not fit.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("Sequential: expected at least one layer, got none")
    if input_shape is None:
        if not is_network(parts[0]):
            raise TypeError(
                "Sequential: expected input_shape, the shape of one row, such as 784 or (28, 28); only a network that "
                "comes first has one of its own"
            )
        input_shape = parts[0].input_shapes[0]
    x = first = Input(as_shape("Sequential", input_shape))
    for position, part in enumerate(parts):
        if not isinstance(part, Layer) and not is_network(part):
            hint = "; write Dense(...), not Dense" if isinstance(part, type) else ""
            raise TypeError(f"Sequential: expected layers, got {part!r:.60} at position {position}{hint}")
        x = part(x)
        if not isinstance(x, Tensor):
            raise TypeError(f"Sequential: expected layers that give one tensor, got {part!r:.200}; build a Network")
    return first, x


def is_network(part: Any) -> bool:
    """Whether this is a network that can be applied to tensors."""
    return callable(part) and isinstance(getattr(part, "structure", None), Structure)
