"""From a structure of layers to a Plan of ops: tensors, names, and each parameter's place in the parameter vector."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastnn._core.engine import MAX_PORTS
from fastnn._core.plan import Plan
from fastnn._core.step import Op
from fastnn.graph.structure import Structure
from fastnn.layers.base import Layer, Shape


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
    """One application of a layer.

    ``title``: its name, with ``:2`` and so on where the layer is applied again.  ``inputs`` and ``output``: tensors of
    the structure.  ``preactivation`` and ``activation``: the tensors of the Plan that hold its z and its a.
    """

    name: str
    title: str
    layer: Layer
    inputs: tuple[int, ...]
    output: int
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    preactivation: int
    activation: int


class Assembly(NamedTuple):
    """What a network runs on.

    ``applications``: in the order in which they run, those that an output depends on.  ``layers``: all layers by name.
    ``step_applications``: what each step of the plan belongs to; None for a FanOutOp, which the plan adds.
    """

    plan: Plan
    applications: list[Application]
    layers: dict[str, Application]
    places: list[Place]
    step_applications: list[Application | None]
    output_shapes: tuple[Shape, ...]


class _Node(NamedTuple):
    op: Op
    inputs: list[int]
    output: int
    offset: int  # of its parameters


MOST_NUMBERS = 1 << 40


def assemble(structure: Structure, dtype: np.dtype, convert: Callable[[str, Op], Op] | None = None) -> Assembly:
    """Build the ops of every application and make a Plan of them.

    ``convert``: gives the op to run in place of one of the layer with this name.

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
    titles: set[str] = set()
    widths = [math.prod(shape) for shape in structure.input_shapes]
    tensors: list[tuple[int, Shape]] = list(enumerate(structure.input_shapes))
    applications: list[Application] = []
    chains: list[list[_Node]] = []
    placement = _Placement()
    for applied in structure.nodes:
        layer, name = structure.layers[applied.layer], names[applied.layer]
        shapes = tuple(tensors[i][1] for i in applied.inputs)
        ops, shape = layer.build(shapes)
        require_sizes(layer, ops, shape)
        if convert is not None:
            ops = tuple(convert(name, op) for op in ops)
        chain = [tensors[applied.inputs[0]][0]]  # tensors from the (first) input to the output
        nodes = []
        for position, op in enumerate(ops):
            op.check(dtype)
            read = [tensors[i][0] for i in applied.inputs] if position == 0 else chain[-1:]
            chain.append(len(widths))
            widths.append(op.output_widths[0])
            nodes.append(_Node(op, read, chain[-1], placement.of(name, (applied.layer, position), op)))
        own = next((position for position, op in enumerate(ops) if op.parameters), 0)  # after it an activation alone
        z = chain[0] if not ops or ops[0].activation else chain[own + 1]
        title = numbered(name, titles)
        titles.add(title)
        applications.append(Application(name, title, layer, applied.inputs, len(tensors), shapes, shape, z, chain[-1]))
        chains.append(nodes)
        tensors.append((chain[-1], shape))
    needed = structure.needed()
    live = [(application, nodes) for application, nodes in zip(applications, chains, strict=True)
            if application.output in needed]  # fmt: skip
    for application, nodes in zip(applications, chains, strict=True):
        if application.output not in needed:
            for node in nodes:
                widths[node.output] = 0
    outputs = [tensors[i] for i in structure.outputs]
    plan = Plan(
        widths,
        [node for _, nodes in live for node in nodes],
        range(len(structure.input_shapes)),
        [tensor for tensor, _ in outputs],
        dtype,
        placement.n_params,
    )
    owner = {id(node.op): application for application, nodes in live for node in nodes}
    return Assembly(
        plan,
        [application for application, _ in live],
        {application.name: application for application in reversed(applications)},
        placement.places,
        [owner.get(id(op)) for op in plan.ops],
        tuple(shape for _, shape in outputs),
    )


def require_sizes(layer: Layer, ops: Sequence[Op], shape: Shape) -> None:
    """Raise ValueError if a layer has more numbers than any machine holds, which could not even be counted."""
    sizes = {parameter.name: parameter.shape for op in ops for parameter in op.parameters} | {"its output": shape}
    for name, size in sizes.items():
        if math.prod(map(int, size)) > MOST_NUMBERS:
            raise ValueError(f"{layer.title}: expected at most 2**40 numbers in {name}, got the shape {size}")


class _Placement:
    """Gives the parameters of each layer a place in one vector, in the order in which layers are first applied."""

    def __init__(self) -> None:
        self.n_params = 0
        self.places: list[Place] = []
        self._first: dict[tuple[int, int], tuple[int, Op]] = {}

    def of(self, layer: str, key: tuple[int, int], op: Op) -> int:
        """Return where the parameters of an op begin; ops of one key, (layer, place among its ops), share them.

        Raises
        ------
        ValueError
            If a layer is applied to inputs of several shapes.
        """
        if key in self._first:
            offset, first = self._first[key]
            if first.parameters != op.parameters:
                raise ValueError(
                    f"{layer}: expected inputs of one shape wherever it is applied, since its parameters are shared; "
                    f"got widths {op.input_widths} and {first.parameters[0].shape[:1]}"
                )
            return offset
        start = self.n_params
        self._first[key] = start, op
        for name, shape, fan_in, fan_out, decays, learned in op.parameters:
            self.places.append(Place(layer, name, self.n_params, shape, decays, fan_in, fan_out, learned))
            self.n_params += self.places[-1].size
        return start


def numbered(name: str, taken: set[str]) -> str:
    """Return the name, with ``:2`` and so on where it is taken."""
    result, again = name, 1
    while result in taken:
        again += 1
        result = f"{name}:{again}"
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
