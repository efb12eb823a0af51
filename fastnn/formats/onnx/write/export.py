"""Networks as ONNX models, for every runtime that reads them."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fastnn.formats.arrays import require_finite
from fastnn.formats.files import write_atomically
from fastnn.formats.onnx.write.graph import IR_VERSION, Applied, Graph
from fastnn.formats.onnx.write.layers import write_layer
from fastnn.formats.safetensors import described
from fastnn.formats.text import to_json
from fastnn.graph import graph as graphs
from fastnn.layers.base import check_name

KEY = "fastnn"  # of what the metadata of a model say about the network
LIMIT = 2_000_000_000  # bytes of one file, which protobuf cannot read beyond 2**31


def to_onnx(
    net: graphs.Graph,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
) -> Any:
    """Return the network as an ONNX model, checked.

    Parameters
    ----------
    net : Network
        Of any layers but ``Custom``.
    input_names, output_names : list of str, optional
        Names in the model.  If not given, inputs have those of ``Input(name=...)``, or ``input``, and outputs
        ``output``; where there are several, ``input_1`` or ``output_1`` and so on.
    metadata : dict of JSON values, optional
        Kept with the model instead of ``net.metadata``.

    Returns
    -------
    onnx.ModelProto
        Its inputs and outputs are ``(batch, *shape)`` in the network's dtype, with a free batch: the indices of an
        Embedding too.  It computes what ``predict`` does: nothing is dropped, BatchNorm takes its running statistics.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If net is not a network.
    ValueError
        If a layer is Custom, a parameter is not finite, a name is not allowed or there twice, metadata is not JSON,
        or the model would not fit into the 2 GB of one ONNX file.

    Notes
    -----
    Opset 17, 18 where ``Reduce("max")`` needs it, or 20 where a gelu does; IR version 8 or 9.  The LSTM without forget
    gate is one whose forget gate stands open.  A recurrent layer with ``mask_value``, and any in float64, is written as
    a Scan, for no operator of ONNX can pass over steps and ONNX Runtime has LSTM, GRU and RNN in float32 alone.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    >>> model = fn.interchange.to_onnx(net)
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Relu', 'Gemm']
    """
    onnx = import_onnx("to_onnx")
    if not isinstance(net, graphs.Graph):
        raise TypeError(f"to_onnx: expected a Network, got {type(net).__name__}")
    require_finite("to_onnx", net)
    if net.params.nbytes > LIMIT:
        raise ValueError(
            f"to_onnx: expected at most {LIMIT:,} bytes of parameters, got {net.params.nbytes:,}; use net.save"
        )
    inputs = port_names("input", input_names, net.structure.input_names)
    outputs = port_names("output", output_names, [None] * len(net.output_shapes))
    if both := set(inputs) & set(outputs):
        raise ValueError(
            f"to_onnx: expected inputs and outputs of different names, got {', '.join(sorted(both))} twice"
        )
    description = described(net, metadata)
    del description["dtype"]  # which the model itself says
    graph = Graph(net.dtype, (*inputs, *outputs))
    write_nodes(graph, net, inputs, outputs)
    ports = [
        [
            onnx.helper.make_tensor_value_info(name, graph.kind, ["batch", *shape])
            for name, shape in zip(*of, strict=True)
        ]
        for of in ((inputs, net.input_shapes), (outputs, net.output_shapes))
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "network",
            *ports,
            list(graph.constants.values()),
        ),
        producer_name="fastnn",
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        ir_version=IR_VERSION if graph.opset < 19 else 9,
    )
    onnx.helper.set_model_props(model, {KEY: to_json("to_onnx", description, net.params.nbytes)})
    onnx.checker.check_model(model, full_check=True)
    return model


def save_onnx(net: graphs.Graph, path: str | PathLike[str], **options: Any) -> None:
    """See ``Network.to_onnx``."""
    write_atomically(Path(path), to_onnx(net, **options).SerializeToString(deterministic=True))


def import_onnx(who: str) -> Any:
    """Return the package onnx; raises ImportError if it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f'{who}: needs the package onnx; install it with: pip install "fastnn[onnx]"') from error
    return onnx


def port_names(what: str, given: Sequence[str] | None, own: Sequence[str | None]) -> list[str]:
    """Return the given names or, if None, the ports' own, "input" or "input_2" without; TypeError or ValueError."""
    if isinstance(given, str):
        raise TypeError(f"to_onnx: expected {what}_names to be a list of names, got the string {given!r:.60}")
    default = [name or (f"{what}_{i + 1}" if len(own) > 1 else what) for i, name in enumerate(own)]
    names = default if given is None else list(given)
    for name in names:
        check_name(f"to_onnx, {what}_names", name)
        if name is None or names.count(name) > 1:
            raise ValueError(f"to_onnx: expected every one of {what}_names once, got {names!r:.200}")
    if len(names) != len(own):
        raise ValueError(f"to_onnx: expected {len(own)} {what} names, got {len(names)}")
    return names


def write_nodes(graph: Graph, net: graphs.Graph, inputs: list[str], outputs: list[str]) -> None:
    """Add every layer where it is applied, and give what comes out its names."""
    from onnx import helper

    parameters = {view.name: view.parameters for view in net.layers}
    tensors = dict(enumerate(inputs))
    for applied in net.applications:
        graph.scope = applied.name
        read = tuple(tensors[i] for i in applied.inputs)
        given = Applied(
            applied.name, applied.layer, parameters[applied.name], read, applied.input_shapes, applied.output_shape
        )
        tensors[applied.output] = write_layer(graph, given)
    renamed: dict[str, str] = {}
    for name, index in zip(outputs, net.structure.outputs, strict=True):
        if index < len(inputs) or tensors[index] in renamed or tensors[index] in inputs:
            graph.nodes.append(helper.make_node("Identity", [tensors[index]], [name], name))
        else:
            renamed[tensors[index]] = name
    for made in graph.nodes:
        made.input[:] = [renamed.get(name, name) for name in made.input]
        made.output[:] = [renamed.get(name, name) for name in made.output]
