"""A whole network translated: its statements, its ports, and the formulas that its header shows."""

from math import prod
from typing import NamedTuple

from fastnn.data import Standardizer
from fastnn.export_c.emitters import emit
from fastnn.export_c.program import Buffer, Program, Site, Value, last_reads
from fastnn.export_c.quantize import Quantized
from fastnn.layers.base import Shape
from fastnn.network import Network


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
    net: Network,
    name: str,
    quantized: dict[tuple[str, str], Quantized],
    standardizer: Standardizer | None,
    target_standardizer: Standardizer | None,
) -> Translation:
    """Emit every layer where it is applied, and give every tensor its place.

    Raises
    ------
    ValueError
        If a layer has no form in C, a parameter is not finite, or something is too large to be counted.
    """
    structure = net.structure
    program = Program(name, net.dtype, quantized, last_reads(structure))
    inputs = ports("x", structure.input_shapes)
    outputs = ports("y", net.output_shapes)
    values: list[Value] = []
    called: list[str] = []  # what formulas call each tensor
    formulas: list[str] = []
    for port, given in zip(inputs, structure.input_names, strict=True):
        values.append(Value(Buffer(port.name, port.size, -1, -1, "input"), 0, port.size))
        called.append(port.name)
        formulas.append(f"{port.name}: {f'the input {given!r}' if given else 'input'}, {sized(port.shape)}")
        program.keep(len(values) - 1, values[-1])
    views = {view.name: view for view in net.layers}
    for position, (node, applied) in enumerate(zip(structure.nodes, net._assembly.applications, strict=True)):
        site = Site(
            program,
            applied.layer,
            applied.name,
            position,
            [values[i] for i in node.inputs],
            applied.input_shapes,
            applied.output_shape,
            views[applied.name].parameters,
            [called[i] for i in node.inputs],
        )
        value, formula = emit(site)
        values.append(value)
        called.append(numbered(applied.name, called))
        formulas.append(f"{called[-1]} = {formula}, {sized(applied.output_shape)}")
        program.keep(len(values) - 1, value)
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


def numbered(name: str, taken: list[str]) -> str:
    """Return the name, with ``:2`` and so on where a layer is applied again."""
    result, again = name, 1
    while result in taken:
        again += 1
        result = f"{name}:{again}"
    return result


def sized(shape: Shape) -> str:
    """Write a shape: ``(20, 3)``."""
    return f"({', '.join(map(str, shape))})"
