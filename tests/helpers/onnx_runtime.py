"""What ONNX Runtime answers."""

import onnx
import onnxruntime

SINGLE = {"ConvTranspose", "Conv", "AveragePool"}  # that ONNX Runtime computes in float32 alone


def run(model, xs):
    """The outputs of a model, or of its bytes, for rows of each input; where it cannot, of ONNX's own reference."""
    graph = onnx.load_from_string(model).graph if isinstance(model, bytes) else model.graph
    if graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE and SINGLE & {
        n.op_type for n in graph.node
    }:
        from onnx.reference import ReferenceEvaluator

        names = [entry.name for entry in graph.input]
        return ReferenceEvaluator(model).run(None, dict(zip(names, xs, strict=True)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session.run(None, {entry.name: x for entry, x in zip(session.get_inputs(), xs, strict=True)})
