"""ONNX models from lines of text."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def graph(nodes, shape=(None, 4), kind=TensorProto.FLOAT, opset=17, outputs=("y",), **constants):
    """A model of nodes written as ``"y = Kind(x, w)"`` or with attributes in a tuple; ``ml.Kind`` is of ai.onnx.ml."""
    made = []
    for node in nodes:
        text, attributes = node if isinstance(node, tuple) else (node, {})
        names, _, call = text.partition(" = ")
        operator, _, inputs = call.rstrip(")").partition("(")
        domain = {"domain": "ai.onnx.ml"} if operator.startswith("ml.") else {}
        operator = operator.removeprefix("ml.")
        made.append(helper.make_node(operator, inputs.split(", "), names.split(", "), names, **domain, **attributes))
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ports = helper.make_tensor_value_info("x", kind, shape)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    for end in ends:
        end.type.tensor_type.shape.dim.add().dim_param = "batch"
    made = helper.make_graph(made, "g", [ports], ends, values)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(made, opset_imports=imports, ir_version=9 if opset > 18 else 8)
