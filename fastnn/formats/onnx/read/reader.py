"""An ONNX graph, node by node: constants are worked out first, then every other node becomes layers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.errors import ModelFormatError
from fastnn.formats.files import REASONS
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.constants import KINDS, LIMIT, fold
from fastnn.formats.onnx.read.patterns import simplified
from fastnn.formats.onnx.read.values import Value, as_tensor, image, rows
from fastnn.layers.base import Layer, Tensor, check_name
from fastnn.layers.input import Input

OF_IMAGES = frozenset(
    ("AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool",
     "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool", "Resize", "SpaceToDepth", "Upsample")
)  # fmt: skip
OF_SEQUENCES = frozenset(
    ("AveragePool", "Conv", "ConvTranspose", "GroupNormalization", "InstanceNormalization", "MaxPool")
)  # with three axes, too
TURNING = frozenset(
    ("Flatten", "GRU", "Gather", "Gemm", "LSTM", "MatMul", "RNN", "ReduceMax", "ReduceMean", "ReduceSum", "Reshape",
     "Shape", "Squeeze", "Transpose", "Unsqueeze")
)  # fmt: skip


class Operator:
    """One node, with what it reads: values, constants, or None for an optional input that is not there."""

    def __init__(self, node: Any, reader: "Reader") -> None:
        from onnx import helper

        self.node, self.reader = node, reader
        self.outputs = list(node.output)
        self.kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        self.attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}

    @property
    def title(self) -> str:
        """How messages call the node."""
        return f"node {self.node.name or ', '.join(self.node.output)!r} ({self.kind})"

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a string."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def texts(self, name: str, default: list[str]) -> list[str]:
        """Return an attribute that is a list of strings, not an empty one."""
        values = self.attributes.get(name) or default
        return [value.decode() if isinstance(value, bytes) else value for value in values]

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number: the shortest that is the same in float32."""
        return float(str(np.float32(self.attributes.get(name, default))))

    def whole(self, name: str, default: int) -> int:
        """Return an attribute that is an integer."""
        return int(self.attributes.get(name, default))

    def has(self, place: int) -> bool:
        """Return whether there is an input at that place."""
        return place < len(self.node.input) and bool(self.node.input[place])

    def is_constant(self, place: int) -> bool:
        """Return whether the input there is a constant."""
        return self.has(place) and self.node.input[place] in self.reader.constants

    def constant(self, place: int) -> np.ndarray:
        """Return an input that must be a constant."""
        if not self.is_constant(place):
            raise Unsupported(f"its input {place} is not a constant")
        return self.reader.constants[self.node.input[place]]

    def value(self, place: int) -> Value:
        """Return an input that must depend on the inputs of the graph."""
        if not self.has(place):
            raise Unsupported(f"its input {place} is missing")
        if self.is_constant(place):
            raise Unsupported(f"its input {place} is a constant")
        return self.reader.values[self.node.input[place]]

    def tensor(self, place: int) -> Tensor:
        """Return an input as rows."""
        return as_tensor(self.value(place))

    def integers(self, place: int, name: str) -> list[int] | None:
        """Return integers that are an input, or an attribute in older opsets; None if there are none."""
        if self.has(place):
            return [int(i) for i in self.constant(place).ravel()]
        return [int(i) for i in self.attributes[name]] if name in self.attributes else None

    def is_read(self, place: int) -> bool:
        """Return whether anything reads the output at that place."""
        outputs = self.node.output
        return place < len(outputs) and bool(outputs[place]) and outputs[place] in self.reader.read

    def only_reader(self, kind: str) -> "Operator | None":
        """Return the one node that reads the output, if it is of that kind."""
        name = self.node.output[0]
        readers = self.reader.readers.get(name, [])
        if len(readers) != 1 or name in self.reader.outputs:
            return None
        found = Operator(readers[0], self.reader)
        return found if found.kind == kind else None

    def other(self, name: str) -> int:
        """Return the place of the one of two inputs that is not that tensor."""
        return 1 if self.node.input[0] == name else 0

    def absorb(self, other: "Operator") -> None:
        """Take over what another node would do."""
        self.outputs[0] = other.outputs[0]
        self.reader.absorbed.add(id(other.node))

    def apply(self, layer: Layer, *inputs: Tensor, **parameters: np.ndarray) -> Tensor:
        """Apply a layer with these parameters; one with the same constants as an earlier one is the earlier one."""
        if not parameters:
            return layer(*inputs)
        reader = self.reader
        names = tuple(name for name in self.node.input if name in reader.constants)
        numbers = tuple(
            (name, array.shape, array.tobytes()) for name, array in parameters.items() if array.ndim < 2 or not names
        )
        key = (type(layer), self.kind, names, repr(layer._values()), tuple(x.shape for x in inputs), numbers)
        if key not in reader.shared:
            name = reader.free_name(names[0].rpartition(".")[0]) if names else None
            reader.shared[key] = layer if name is None else replace(layer, name=name)  # type: ignore[type-var]
            reader.parameters[reader.shared[key]] = parameters
        return reader.shared[key](*inputs)


Table = Mapping[str, Callable[[Operator], list[Value]]]  # what reads nodes of each kind


class Reader:
    """Everything that is known of a graph while it is read."""

    def __init__(self, graph: Any, outputs: list[str], table: Table, opset: int, limit: int = LIMIT) -> None:
        self.graph, self.table, self.outputs, self.opset, self.limit = graph, table, outputs, opset, limit
        self.constants: dict[str, np.ndarray] = {}
        self.values: dict[str, Value] = {}
        self.parameters: dict[Layer, dict[str, np.ndarray]] = {}
        self.absorbed: set[int] = set()
        self.inputs: list[Tensor] = []
        self.batch: int | None = None  # a fixed size that stands for the batch
        self.is_double = False  # whether an input is in float64
        self.shared: dict[Any, Layer] = {}  # layers by the constants that they take
        self._names: set[str] = set()
        self.nodes = needed(graph, simplified(graph, opset), outputs)
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.read = {*self.readers, *outputs}
        self.has_images = any(node.op_type in OF_IMAGES for node in self.nodes)

    def run(self) -> list[Tensor]:
        """Read the graph and return its outputs."""
        from onnx import numpy_helper

        for tensor in self.graph.initializer:
            self.constants[tensor.name] = numpy_helper.to_array(tensor)
        self.take_inputs()
        for node in self.nodes:
            if not self.is_folded(node) and id(node) not in self.absorbed:
                self.take(Operator(node, self))
        results = []
        for name in self.outputs:
            if name not in self.values:
                why = "is a constant" if name in self.constants else "is nothing that fastnn computes"
                raise ValueError(f"from_onnx: output {name!r:.80} {why}; choose others with outputs=[...]")
            try:
                results.append(self.answer(self.values[name]))
            except Unsupported as error:
                raise ValueError(f"from_onnx: output {name!r:.80}: {error}".replace("its input", "what")) from error
        return results

    def take_inputs(self) -> None:
        """Make an Input of every input that is read."""
        from onnx import TensorProto

        numbers = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32)
        for entry in self.graph.input:
            if entry.name in self.constants or entry.name not in self.read:
                continue
            kind = entry.type.tensor_type
            sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
            if kind.elem_type not in numbers:
                raise ValueError(f"from_onnx: input {entry.name!r:.80}: expected float32, float64, int32 or int64")
            if len(sizes) < 2 or min(sizes[1:]) < 1:
                raise ValueError(
                    f"from_onnx: input {entry.name!r:.80}: expected a batch, and sizes that are known for all axes "
                    f"beside it, got ({', '.join('?' if size < 1 else str(size) for size in sizes)}); export it with "
                    "the batch alone dynamic"
                )
            if sizes[0] > 0:
                self.batch = sizes[0]
            self.is_double |= kind.elem_type == TensorProto.DOUBLE
            as_images = self.has_channels_second(entry.name, len(sizes))
            shape = (*sizes[2:], sizes[1]) if as_images else tuple(sizes[1:])
            self.inputs.append(Input(shape, name=self.free_name(entry.name)))
            self.values[entry.name] = (image if as_images else rows)(self.inputs[-1])

    def has_channels_second(self, name: str, rank: int) -> bool:
        """Return whether an operator on images, or with three axes on sequences, reads an input as it is.

        As it is: through nodes that leave its axes where they are.
        """
        kinds = OF_IMAGES if rank > 3 else OF_SEQUENCES if rank == 3 else frozenset()
        seen, stack = {name}, [name] if kinds else []
        while stack:
            for node in self.readers.get(stack.pop(), []):
                if node.op_type in kinds and node.input[0] in seen:
                    return True
                new = [] if node.op_type in TURNING else [one for one in node.output if one not in seen]
                seen.update(new)
                stack += new
        return False

    def answer(self, value: Value) -> Tensor:
        """Return an output: images have their channels last, as the inputs have."""
        if len(value.axes) > 2 and value.axes == image(value.tensor).axes and self.has_images:
            return value.tensor
        return as_tensor(value)

    def is_folded(self, node: Any) -> bool:
        """Work a node out if all that it reads is constant."""
        operator = Operator(node, self)
        if operator.kind == "Shape" and node.input[0] in self.values:
            shape = self.values[node.input[0]].shape[operator.whole("start", 0) : operator.attributes.get("end")]
            self.constants[node.output[0]] = np.array(shape, np.int64)
            return True
        if operator.kind not in KINDS or any(name and name not in self.constants for name in node.input):
            return False
        try:
            arrays = [self.constants[name] if name else None for name in node.input]
            results = fold(operator.kind, node, self.opset, arrays, self.limit)
        except (*REASONS, RuntimeError, MemoryError) as error:
            raise ValueError(f"from_onnx: {operator.title}: cannot be worked out: {error}") from error
        self.constants.update(zip(node.output, results, strict=False))
        return True

    def take(self, operator: Operator) -> None:
        """Turn one node into layers."""
        if operator.kind not in self.table:
            raise ValueError(
                f"from_onnx: {operator.title}: fastnn has no layer for it; outputs= can name a tensor before it, such "
                f"as {next((name for name in operator.node.input if name in self.values), 'another')!r:.80}"
            )
        try:
            results = self.table[operator.kind](operator)
        except (ValueError, TypeError, LookupError) as error:
            before = next((name for name in operator.node.input if name in self.values), None)
            hint = f"; outputs={before!r:.80} ends before it" if before and "outputs=" not in str(error) else ""
            raise ValueError(f"from_onnx: {operator.title}: {error}{hint}") from error
        self.values.update(zip(operator.outputs, results, strict=False))

    def free_name(self, text: str) -> str | None:
        """Return a name of a layer or input like this one, or None if there is none."""
        name = text.replace(".", "_").replace("/", "_").strip("_")
        try:
            check_name("from_onnx", name)
        except ValueError:
            return None
        free = name not in self._names
        self._names.add(name)
        return name if free else None


def needed(graph: Any, nodes: list[Any], outputs: list[str]) -> list[Any]:
    """Return the nodes that the outputs need, in the file's order; raises ModelFormatError if one is missing."""
    makers = {name: node for node in nodes for name in node.output if name}
    known = {*makers, *(entry.name for entry in graph.input)}
    wanted: set[int] = set()
    stack = list(outputs)
    for name in outputs:
        if name not in known:
            raise ModelFormatError(f"the graph has no output {name!r:.80}")
    while stack:
        node = makers.get(stack.pop())
        if node is not None and id(node) not in wanted:
            wanted.add(id(node))
            stack += [name for name in node.input if name]
    return [node for node in nodes if id(node) in wanted]
