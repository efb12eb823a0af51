"""Functions that exporters write out in elementary nodes: found by what they compute, whatever the order of the nodes.

A tensor that is made of one other by arithmetic with constants alone is tried on numbers.  If the answers are those of
an activation, or of a normalised row, one node of fastnn's own takes the place of all of them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastnn.formats.files import REASONS
from fastnn.formats.onnx.read.written import with_norms
from fastnn.graph.graph import Graph
from fastnn.graph.structure import chain
from fastnn.layers.activation import Activation

DOMAIN = "fastnn"  # of the nodes that stand for several
ELEMENTWISE = frozenset(
    ("Abs", "Add", "Div", "Erf", "Exp", "Greater", "Identity", "Less", "Log", "Max", "Min", "Mul", "Neg", "Pow",
     "Reciprocal", "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh", "Where")
)  # fmt: skip
OF_INDICES = frozenset(("Add", "Cast", "Identity", "Less", "Where"))
OF_ROWS = ELEMENTWISE | {"ReduceMean", "ReduceSum"}
ANSWERS = frozenset(("Erf", "Tanh", "Sigmoid", "Softplus", "Exp"))  # without one of them there is no activation
NAMES = ("gelu", "gelu_tanh", "silu", "softplus")
CLOSE = 2e-5  # relative above 1: the two forms of gelu are ten times as far apart
WIDEST = 4096


MOST = 24  # nodes that one function may take
Constants = dict[str, np.ndarray]


class Region(NamedTuple):
    """What makes one tensor of another: its nodes in order."""

    source: str
    nodes: list[Any]

    def numbers(self, constants: Constants) -> dict[str, np.ndarray]:
        """Return the constants in floating point that the nodes read."""
        names = {name for node in self.nodes for name in node.input if name in constants}
        return {name: constants[name] for name in sorted(names) if constants[name].dtype.kind == "f"}


def simplified(graph: Any, opset: int) -> list[Any]:
    """Return the nodes of a graph, with one in place of those that write a known function out."""
    constants = constants_of(graph)
    nodes = list(graph.node)
    for allowed, replacement in ((ELEMENTWISE, as_activation), (OF_ROWS, as_layer_norm)):
        makers = {node.output[0]: node for node in nodes if is_arithmetic(node, allowed)}
        places = {id(node): i for i, node in enumerate(nodes)}
        inner: set[str] = set()  # of what has been replaced
        for i in reversed(range(len(nodes))):
            if not is_arithmetic(nodes[i], allowed) or nodes[i].output[0] in inner:
                continue
            for region in regions(nodes[i], makers, constants, places):
                made = replacement(nodes[i].output[0], region, constants, opset)
                if made is not None:
                    inner.update(node.output[0] for node in region.nodes)
                    nodes[i] = made
                    break
    return with_norms(with_plain_indices(nodes, constants, opset), constants, own_node)


def with_plain_indices(nodes: list[Any], constants: Constants, opset: int) -> list[Any]:
    """Return the nodes, without those that let negative indices of a table count from its end: here there are none."""
    makers = {node.output[0]: node for node in nodes if is_arithmetic(node, OF_INDICES)}
    places = {id(node): i for i, node in enumerate(nodes)}
    result = list(nodes)
    for gather in nodes:
        if gather.op_type != "Gather" or gather.input[0] not in constants or gather.input[1] not in makers:
            continue
        last = makers[gather.input[1]]
        indices = np.arange(len(constants[gather.input[0]]))
        for region in reversed(list(regions(last, makers, constants, places))):
            y = answers(last.output[0], region, constants, opset, indices, "iu")
            if y is not None and np.array_equal(y, indices):
                result[places[id(last)]] = own_node("Indices", last.output[0], [region.source])
                break
    return result


def is_arithmetic(node: Any, allowed: frozenset[str]) -> bool:
    """Return whether it is one of these operators of ONNX."""
    return node.op_type in allowed and node.domain in ("", "ai.onnx") and len(node.output) == 1


def regions(last: Any, makers: dict[str, Any], constants: Constants, places: dict[int, int]) -> Iterator[Region]:
    """Yield what makes the tensor of a node of one other, for every other that it can be, the nearest first."""
    within, stack = {id(last): last}, [last]
    names: list[str] = []
    while stack and len(within) <= MOST:
        for name in stack.pop(0).input:
            if name and name not in constants and name not in names:
                names.append(name)
                if name in makers and id(makers[name]) not in within:
                    within[id(makers[name])] = makers[name]
                    stack.append(makers[name])
    for source in names:
        nodes = between(source, last, makers, constants)
        if nodes is not None and 3 <= len(nodes) <= MOST:
            yield Region(source, sorted(nodes, key=lambda node: places[id(node)]))


def between(source: str, last: Any, makers: dict[str, Any], constants: Constants) -> list[Any] | None:
    """Return the nodes that make the tensor of the last one of the source and of constants alone, or None."""
    found, stack = {id(last): last}, [last]
    while stack and len(found) <= MOST:
        for name in stack.pop().input:
            if not name or name in constants or name == source:
                continue
            if name not in makers:
                return None
            if id(makers[name]) not in found:
                found[id(makers[name])] = makers[name]
                stack.append(makers[name])
    return list(found.values())


def constants_of(graph: Any) -> dict[str, np.ndarray]:
    """Return initializers and the values of Constant nodes that are numbers."""
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def answers(name: str, region: Region, constants: Constants, opset: int, x: np.ndarray, kinds: str = "f") -> Any:
    """Return what the nodes make of x, of one of these kinds, or None if that cannot be worked out."""
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    dtype = next((c.dtype for c in region.numbers(constants).values()), np.dtype(np.float32))
    used = {n for node in region.nodes for n in node.input if n in constants}
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph = helper.make_graph(
        region.nodes,
        "region",
        [helper.make_tensor_value_info(region.source, kind, None)],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(constants[n], n) for n in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            (y,) = ReferenceEvaluator(model).run(None, {region.source: x.astype(dtype)})
    except (*REASONS, RuntimeError):
        return None
    y = np.asarray(y)
    return y.astype(np.float64) if y.shape == x.shape and y.dtype.kind in kinds and np.isfinite(y).all() else None


def as_activation(name: str, region: Region, constants: Constants, opset: int) -> Any | None:
    """Return a node for the activation that the nodes amount to, if they do."""
    if not any(node.op_type in ANSWERS for node in region.nodes):
        return None
    if any(constants[n].size != 1 for node in region.nodes for n in node.input if n in constants):
        return None
    z = np.concatenate([np.linspace(-6, 6, 97), [-60, -30, -15, 9, 12, 19, 21, 30, 60]]).reshape(1, -1)
    y = answers(name, region, constants, opset, z)
    if y is None:
        return None
    for function in NAMES:
        net = Graph.of(chain([Activation(function)], z.shape[1]), kind="Sequential", seed=0, dtype=np.dtype(np.float64))
        if (np.abs(net.predict(z) - y) <= CLOSE * np.maximum(1, np.abs(y))).all():
            return own_node("Activation", name, [region.source], function=function)
    return None


def as_layer_norm(name: str, region: Region, constants: Constants, opset: int) -> Any | None:
    """Return a node for the normalisation of rows that the nodes amount to, if they do."""
    means = [node for node in region.nodes if node.op_type in ("ReduceMean", "ReduceSum")]
    axes = {axis_of(node, constants) for node in means}
    numbers = region.numbers(constants).values()
    width = max((c.size for c in numbers), default=1)
    if (
        len(means) < 2
        or len(axes) > 1
        or None in axes
        or width > WIDEST
        or any(c.size not in (1, width) for c in numbers)
    ):
        return None
    axis = int(axes.pop() or 0)
    rng = np.random.default_rng(0)
    columns = width if width > 1 else 5
    x = rng.normal(size=(8, columns)) * np.geomspace(1e-3, 3, 8)[:, None] + rng.normal(size=(8, 1))
    shape = (8, columns) if axis == -1 else (8, *[1] * (axis - 1), columns)
    y = answers(name, region, constants, opset, x.reshape(shape))
    if y is None:
        return None
    y = y.reshape(x.shape)
    for epsilon in {float(c.ravel()[0]) for c in numbers if c.size == 1 and 0 < c.ravel()[0] < 0.1}:
        n = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + epsilon)
        gamma = ((n - n.mean(0)) * (y - y.mean(0))).sum(0) / ((n - n.mean(0)) ** 2).sum(0)
        beta = y.mean(0) - gamma * n.mean(0)
        if np.abs(gamma * n + beta - y).max() <= 1e-4 * max(1.0, np.abs(y).max()):
            learned = exact(region, constants, width, gamma, beta)
            if learned is not None:
                return own_node("LayerNorm", name, [region.source, *learned], epsilon=epsilon, axis=axis)
    return None


def axis_of(node: Any, constants: Constants) -> int | None:
    """Return the only axis that a sum or a mean is taken along, -1 or one beside the batch; else None."""
    given = [list(entry.ints) for entry in node.attribute if entry.name == "axes"]
    if len(node.input) > 1 and node.input[1] in constants:
        given = [constants[node.input[1]].ravel().tolist()]
    return int(given[0][0]) if given and len(given[0]) == 1 and (given[0][0] == -1 or given[0][0] > 0) else None


def exact(region: Region, constants: Constants, width: int, gamma: np.ndarray, beta: np.ndarray) -> list[str] | None:
    """Return the constants that gamma and beta are, "" for 1 and 0; None if they are not there as they are."""
    names = [name for name, array in region.numbers(constants).items() if array.size == width > 1]
    result = []
    for array, trivial in ((gamma, 1.0), (beta, 0.0)):
        near = [n for n in names if np.abs(constants[n].ravel() - array).max() <= 1e-3 * max(1.0, np.abs(array).max())]
        if near:
            result.append(near[0])
        elif np.abs(array - trivial).max() <= 1e-3:
            result.append("")
        else:
            return None
    return result


def own_node(kind: str, name: str, inputs: list[str], **attributes: Any) -> Any:
    """Return a node that stands for several."""
    from onnx import helper

    return helper.make_node(kind, inputs, [name], name, domain=DOMAIN, **attributes)
