"""A workload's network as an ONNX model, for the two runtimes that read it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.problem import Problem
from bench.workloads import Workload


def why_not(workload: Workload) -> str | None:
    """ONNX models answer and do not learn."""
    return "answers only" if workload.trains else None


def model(workload: Workload, given: Problem) -> bytes:
    """Gemm and activation per layer, for a fixed batch; input "X", output "Y"."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(workload.dtype))
    assert kind in (TensorProto.FLOAT, TensorProto.DOUBLE)
    nodes, constants, name = [], [], "X"
    last = len(workload.layers) - 1
    for layer, (w, b) in enumerate(zip(given.weights, given.biases, strict=True)):
        constants += [numpy_helper.from_array(w, f"W{layer}"), numpy_helper.from_array(b, f"b{layer}")]
        result = "Y" if layer == last else f"z{layer}"
        nodes.append(helper.make_node("Gemm", [name, f"W{layer}", f"b{layer}"], [result]))
        if layer < last:
            name = f"a{layer}"
            nodes.append(helper.make_node(workload.activation.capitalize(), [result], [name]))
    ends = [
        helper.make_tensor_value_info(name, kind, [workload.batch, width])
        for name, width in (("X", workload.sizes[0]), ("Y", workload.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
