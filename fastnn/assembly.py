"""From a structure of layers to a Plan of ops: tensors, names, and each parameter's place in the parameter vector."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn._core.engine import MAX_PORTS
from fastnn._core.plan import Plan
from fastnn._core.step import Op
from fastnn.layers.base import Layer, Shape
from fastnn.layers.graph import Structure


class Place(NamedTuple):
    """Where one parameter of a layer lies in the parameter vector."""

    layer: str
    name: str
    start: int
    shape: Shape
    decays: bool
    fan_in: int
    fan_out: int
    learned: bool

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def of(self, vector: np.ndarray) -> np.ndarray:
        """Return the view of the parameter within ``params`` or ``grads``."""
        return vector[self.start : self.start + self.size].reshape(self.shape)


class Application(NamedTuple):
    """One application of a layer: its name in the network, and where in the Plan its z and a are."""

    name: str
    layer: Layer
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    preactivation: int
    activation: int


class Assembly(NamedTuple):
    """What a network runs on; ``step_layers`` names the layer of each step of the plan (None: put in by the plan)."""

    plan: Plan
    applications: list[Application]
    places: list[Place]
    step_layers: list[str | None]
    output_shapes: tuple[Shape, ...]


class _Node(NamedTuple):
    op: Op
    inputs: list[int]
    output: int
    key: tuple[int, int]  # (layer, place among its ops): nodes of one key share their parameters


def assemble(structure: Structure, dtype: np.dtype) -> Assembly:
    """Build every layer where it is applied and lay the ops out as a Plan.

    Raises
    ------
    ValueError
        If a layer cannot take its inputs, names clash, or shared parameters would need two shapes.
    """
    ports = len(structure.input_shapes), len(structure.outputs)
    if max(ports) > MAX_PORTS:
        raise ValueError(
            f"Network: expected at most {MAX_PORTS} inputs and {MAX_PORTS} outputs, got {ports[0]} and {ports[1]}; "
            "concatenate some"
        )
    names = layer_names(structure.layers)
    widths = [math.prod(shape) for shape in structure.input_shapes]
    tensors: list[tuple[int, Shape]] = list(enumerate(structure.input_shapes))
    nodes: list[_Node] = []
    applications = []
    for applied in structure.nodes:
        layer = structure.layers[applied.layer]
        shapes = tuple(tensors[i][1] for i in applied.inputs)
        ops, shape = layer.build(shapes)
        exact = 1 << np.finfo(dtype).nmant + 1  # whole numbers up to this are numbers of the dtype
        largest = max((op.vocabulary for op in ops), default=0)
        if largest > exact:
            raise ValueError(
                f"{layer.title}: expected a vocabulary of at most {exact:,} in {dtype}, whose larger whole numbers are "
                f"not all exact, got {largest:,}; use dtype='float64'"
            )
        chain = [tensors[applied.inputs[0]][0]]  # tensors from the (first) input to the output
        for position, op in enumerate(ops):
            inputs = [tensors[i][0] for i in applied.inputs] if position == 0 else chain[-1:]
            chain.append(len(widths))
            widths.append(op.output_widths[0])
            nodes.append(_Node(op, inputs, chain[-1], (applied.layer, position)))
        starts_with_activation = bool(ops) and getattr(ops[0], "name", None) is not None
        z = chain[0] if not ops or starts_with_activation else chain[1]
        applications.append(Application(names[applied.layer], layer, shapes, shape, z, chain[-1]))
        tensors.append((chain[-1], shape))
    outputs = [tensors[i] for i in structure.outputs]
    plan = Plan(widths, nodes, range(len(structure.input_shapes)), [tensor for tensor, _ in outputs], dtype)
    layer_of = {id(node.op): names[node.key[0]] for node in nodes}
    step_layers = [layer_of.get(id(op)) for op in plan.ops]
    return Assembly(plan, applications, places(plan, step_layers), step_layers, tuple(shape for _, shape in outputs))


def places(plan: Plan, step_layers: list[str | None]) -> list[Place]:
    """Name every stretch of the parameter vector.

    Raises
    ------
    ValueError
        If a layer is applied to inputs of several shapes.
    """
    result: list[Place] = []
    placed: dict[int, Any] = {}
    for op, offset, layer in zip(plan.ops, plan.offsets, step_layers, strict=True):
        if not op.parameters:
            continue
        if placed.setdefault(offset, op.parameters) != op.parameters:
            raise ValueError(
                f"{layer}: expected inputs of one shape wherever it is applied, since its parameters are shared; "
                f"got widths {op.input_widths} and {placed[offset][0].shape[:1]}"
            )
        if placed[offset] is not op.parameters:
            continue
        for name, shape, fan_in, fan_out, decays, learned in op.parameters:
            result.append(Place(str(layer), name, offset, shape, decays, fan_in, fan_out, learned))
            offset += result[-1].size
    return result


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """Return a unique name for each layer: its own, or its type and a number.

    Raises
    ------
    ValueError
        If two layers have one name.
    """
    own = [layer.name for layer in layers if layer.name]
    taken = set(own)
    if len(taken) < len(own):
        twice = next(name for name in own if own.count(name) > 1)
        raise ValueError(f"Network: expected every layer to have its own name, got {twice!r} twice")
    names: list[str] = []
    counts: dict[str, int] = {}
    for layer in layers:
        name = layer.name
        while name is None or (layer.name is None and name in taken):
            kind = type(layer).__name__.lower()
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}_{counts[kind]}"
        names.append(name)
    return names
