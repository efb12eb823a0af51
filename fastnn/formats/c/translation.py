"""A whole network translated: its statements, its ports, and the formulas that its header shows."""

from math import prod
from typing import NamedTuple

from fastnn.data import Standardizer
from fastnn.formats.c.emitters import emit
from fastnn.formats.c.program import Buffer, Program, Site, Value, last_reads
from fastnn.graph.graph import Graph
from fastnn.graph.quantize import Quantized
from fastnn.layers.base import Shape


class Port(NamedTuple):
    """An input or output: its name in C and the shape of a row."""

    name: str
    shape: Shape

    @property
    def size(self) -> int:
        """How many numbers a row has."""
        return prod(self.shape)


class Translation(NamedTuple):
    """A network in C, before it is text; ``copies`` are statements that end it, ``scratch`` counts numbers."""

    program: Program
    inputs: list[Port]
    outputs: list[Port]
    copies: list[str]
    formulas: list[str]
    scratch: int
    standardizer: Standardizer | None
    target_standardizer: Standardizer | None

    @property
    def name(self) -> str:
        """What all names begin with."""
        return self.program.name

    @property
    def upper(self) -> str:
        """What all macros begin with."""
        return self.program.name.upper()

    @property
    def ports(self) -> list[Port]:
        """Inputs, then outputs."""
        return [*self.inputs, *self.outputs]

    @property
    def signature(self) -> str:
        """The declaration of the function that runs the network."""
        real = self.program.real
        arrays = [f"const {real} *{port.name}" for port in self.inputs]
        arrays += [f"{real} *{port.name}" for port in self.outputs]
        result = "int" if self.program.can_fail else "void"
        return f"{result} {self.name}_run({self.name}_scratch *scratch, {', '.join(arrays)})"

    @property
    def standardize(self) -> str:
        """The declaration of the function from measured numbers to inputs."""
        return f"void {self.name}_standardize(const double *raw, {self.program.real} *x)"

    @property
    def unstandardize(self) -> str:
        """The declaration of the function from outputs to numbers with their unit."""
        return f"void {self.name}_unstandardize(const {self.program.real} *y, double *values)"


def translate(
    net: Graph,
    name: str,
    quantized: dict[tuple[str, str], Quantized],
    standardizer: Standardizer | None,
    target_standardizer: Standardizer | None,
) -> Translation:
    """Emit every layer where it is applied, and give every tensor its place; raises ValueError if C cannot hold one."""
    structure = net.structure
    program = Program(name, net.dtype, quantized, last_reads(structure))
    inputs = ports("x", structure.input_shapes)
    outputs = ports("y", net.output_shapes)
    values: dict[int, Value] = {}
    called: dict[int, str] = {}  # what formulas call each tensor
    formulas: list[str] = []
    for i, (port, given) in enumerate(zip(inputs, structure.input_names, strict=True)):
        values[i], called[i] = Value(Buffer(port.name, port.size, -1, -1, "input"), 0, port.size), port.name
        formulas.append(f"{port.name}: {f'the input {given!r}' if given else 'input'}, {sized(port.shape)}")
        program.keep(i, values[i])
    views = {view.name: view for view in net.layers}
    for applied in net.applications:
        site = Site(
            program,
            applied.layer,
            applied.name,
            applied.output - len(inputs),
            [values[i] for i in applied.inputs],
            applied.input_shapes,
            applied.output_shape,
            views[applied.name].parameters,
            [called[i] for i in applied.inputs],
        )
        value, formula = emit(site)
        values[applied.output], called[applied.output] = value, applied.title
        formulas.append(f"{applied.title} = {formula}, {sized(applied.output_shape)}")
        program.keep(applied.output, value)
    copies = []
    for port, tensor in zip(outputs, structure.outputs, strict=True):
        value = values[tensor]
        formulas.append(f"{port.name} = {called[tensor]}")
        if value.whole and value.buffer.place == "scratch":
            value.buffer.place = port.name
        else:
            program.functions.add("copy")
            copies.append(f"{name}_copy({value.size}, {value.c}, {port.name});")
    scratch = program.lay_out()
    return Translation(program, inputs, outputs, copies, formulas, scratch, standardizer, target_standardizer)


def ports(letter: str, shapes: tuple[Shape, ...]) -> list[Port]:
    """Return x, or x1, x2 ..., with their shapes."""
    several = len(shapes) > 1
    return [Port(f"{letter}{i + 1}" if several else letter, shape) for i, shape in enumerate(shapes)]


def sized(shape: Shape) -> str:
    """Write a shape: ``(20, 3)``."""
    return f"({', '.join(map(str, shape))})"
