"""A network as a list of C statements over arrays, and where in the scratch memory each array lies.

Every tensor is a **Value**: some of the numbers of a **Buffer**, which is an input, an output, or a stretch of the
scratch.  So a reshaped tensor, or a part of a vector, is no copy but another Value of the same Buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod
from typing import Any

import numpy as np

from fastnn.formats.c import text
from fastnn.graph.quantize import Quantized
from fastnn.graph.structure import Structure
from fastnn.layers.base import Shape

MOST = (1 << 31) - 1  # elements that the int of the usual C compilers can count


@dataclass(eq=False)
class Buffer:
    """Consecutive numbers: their name in C, and from which to which node they are needed."""

    name: str
    size: int
    first: float
    last: float
    place: str = "scratch"  # or "input", or the name of the output that it lies in
    offset: int = 0
    tensors: list[int] = field(default_factory=list)  # of the structure, that lie in it


@dataclass(frozen=True)
class Value:
    """``size`` numbers of a buffer, from ``offset`` on."""

    buffer: Buffer
    offset: int
    size: int

    def part(self, start: int, size: int) -> Value:
        """Return some of the numbers."""
        return Value(self.buffer, self.offset + start, size)

    @property
    def c(self) -> str:
        """The pointer to the first number, in C."""
        return f"{self.buffer.name} + {self.offset}" if self.offset else self.buffer.name

    @property
    def whole(self) -> bool:
        """Whether these are all numbers of the buffer."""
        return self.size == self.buffer.size


class Program:
    """What has been emitted: statements, constants, and the functions that they use."""

    def __init__(self, name: str, dtype: np.dtype, quantized: dict[tuple[str, str], Quantized], reads: list[float]):
        self.name, self.dtype, self.quantized = name, dtype, quantized
        self.real = "float" if dtype == np.float32 else "double"
        self.last_reads = reads  # of each tensor of the structure: the last node that reads it; inf for outputs
        self.statements: list[str] = []
        self.constants: dict[tuple[str, str], list[str]] = {}  # of (layer, parameter): argument, declarations
        self.constant_bytes = 0
        self.functions: set[str] = set()
        self.buffers: list[Buffer] = []
        self.can_fail = False
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        """Return a name that nothing else has: ``wanted``, or with a number after it."""
        name, again = wanted.replace("-", "_"), 1
        while name in self._taken:
            again += 1
            name = f"{wanted.replace('-', '_')}_{again}"
        self._taken.add(name)
        return name

    def buffer(self, wanted: str, size: int, node: int) -> Buffer:
        """Return memory that is needed at this node, and as long as a tensor in it is."""
        if size > MOST:
            raise ValueError(f"export_c: expected tensors of at most {MOST:,} numbers, got {size:,} in {wanted}")
        self.buffers.append(Buffer(self.unique(f"a_{wanted}"), size, node, node))
        return self.buffers[-1]

    def number(self, value: float) -> str:
        """Write a number in the precision of the network."""
        return text.number(float(np.array(value, self.dtype)), self.dtype)

    def constant(self, layer: str, parameter: str, values: np.ndarray) -> str:
        """Return the name of an array of numbers, written once however often it is asked for."""
        if (layer, parameter) not in self.constants:
            with np.errstate(over="ignore"):
                rounded = np.asarray(values, self.dtype)
            if not np.isfinite(rounded).all():
                raise ValueError(
                    f"export_c: expected finite parameters in {self.dtype}, got NaN or infinity in {layer}.{parameter}"
                    "; train again with a lower learning rate"
                )
            name = self._new_constant(layer, parameter, rounded.size)
            self.constants[layer, parameter] = [name, text.array(self.real, name, rounded)]
            self.constant_bytes += rounded.nbytes
        return self.constants[layer, parameter][0]

    def matrix(self, layer: str, parameter: str, values: np.ndarray, factor: float) -> str:
        """Return the argument for a weight matrix times a factor, in 8 bits where it is quantised."""
        found = self.quantized.get((layer, parameter))
        if found is None:
            return self.constant(layer, parameter, values if factor == 1 else values.astype(np.float64) * factor)
        if (layer, parameter) not in self.constants:
            name = self._new_constant(layer, parameter, found.values.size)
            scale = np.asarray(found.scale.astype(np.float64) * factor, self.dtype)
            parts = [
                text.array("signed char", f"{name}_values", found.values),
                text.array(self.real, f"{name}_scale", scale),
                f"static const {self.name}_matrix {name} = {{{name}_values, {name}_scale}};",
            ]
            self.constants[layer, parameter] = [f"&{name}", *parts]
            self.constant_bytes += found.values.nbytes + scale.nbytes
        return self.constants[layer, parameter][0]

    def _new_constant(self, layer: str, parameter: str, size: int) -> str:
        if size > MOST:
            raise ValueError(f"export_c: expected parameters of at most {MOST:,} numbers, got {size:,} in {layer}")
        return self.unique(f"{self.name}_{layer}_{parameter}")

    def keep(self, tensor: int, value: Value) -> None:
        """Note in which buffer a tensor of the structure lies, and that it must stay as long as it is read."""
        value.buffer.tensors.append(tensor)
        value.buffer.last = max(value.buffer.last, self.last_reads[tensor])

    def lay_out(self) -> int:
        """Give every buffer its place in the scratch, and return how many numbers that takes.

        Large ones first, each as low as the buffers allow that are needed at the same time.
        """
        placed: list[Buffer] = []
        for buffer in sorted((b for b in self.buffers if b.place == "scratch"), key=lambda b: (-b.size, b.first)):
            rivals = sorted(
                (other for other in placed if other.first <= buffer.last and buffer.first <= other.last),
                key=lambda other: other.offset,
            )
            for other in rivals:
                if buffer.offset + buffer.size <= other.offset:
                    break
                buffer.offset = max(buffer.offset, other.offset + other.size)
            placed.append(buffer)
        total = max((buffer.offset + buffer.size for buffer in placed), default=0)
        if total > MOST:
            raise ValueError(f"export_c: expected a scratch of at most {MOST:,} numbers, got {total:,}")
        return total


@dataclass
class Site:
    """One application of a layer, as its emitter sees it."""

    program: Program
    layer: Any  # Layer, of the class that the emitter is for
    name: str
    node: int
    inputs: list[Value]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    parameters: dict[str, np.ndarray]
    reads: list[str]  # what the formula calls the inputs

    def line(self, statement: str) -> None:
        """Add a line of C."""
        self.program.statements.append(statement)

    def call(self, function: str, *arguments: Any) -> None:
        """Add a call of one of the functions."""
        self.line(f"{self.use(function)}({', '.join(self.argument(value) for value in arguments)});")

    def use(self, function: str) -> str:
        """Return the name of a function that the file shall have."""
        self.program.functions.add(function)
        return f"{self.program.name}_{function}"

    def argument(self, value: Any) -> str:
        """Write an argument: a value, an integer, a number of the network's precision, or what is C already."""
        if isinstance(value, Value):
            return value.c
        return self.program.number(value) if isinstance(value, float) else str(value)

    def new(self, size: int | None = None, what: str = "") -> Value:
        """Return memory for the output, or for ``size`` other numbers during this node."""
        count = prod(self.output_shape) if size is None else size
        wanted = f"{self.name}_{what}" if what else self.name
        return Value(self.program.buffer(wanted, count, self.node), 0, count)

    def in_place(self) -> Value:
        """Return memory for an output worked out element by element: the input's, if no one reads that again."""
        value = self.inputs[0]
        buffer = value.buffer
        read_again = any(self.program.last_reads[tensor] > self.node for tensor in buffer.tensors)
        beside = any(other.buffer is buffer for other in self.inputs[1:])
        if buffer.place != "scratch" or read_again or beside:
            return self.new()
        return value

    def constant(self, parameter: str, values: np.ndarray | None = None) -> str:
        """Return the argument for a parameter of the layer; ``0``, none, for one that it does not have."""
        if values is None:
            if parameter not in self.parameters:
                return "0"
            values = self.parameters[parameter]
        return self.program.constant(self.name, parameter, values)

    def matrix(self, parameter: str, factor: float = 1.0) -> str:
        """Return the argument for a weight matrix, times a factor."""
        return self.program.matrix(self.name, parameter, self.parameters[parameter], factor)


def last_reads(structure: Structure) -> list[float]:
    """Return for each tensor the last node that reads it: -1 for none, infinity for an output."""
    result: list[float] = [-1] * (len(structure.input_shapes) + len(structure.nodes))
    for position, node in enumerate(structure.nodes):
        for tensor in node.inputs:
            result[tensor] = position
    for tensor in structure.outputs:
        result[tensor] = inf
    return result
