"""What ONNX Runtime answers."""

import onnxruntime


def run(model, xs):
    """The outputs of a model, or of its bytes, for rows of each input."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session.run(None, {entry.name: x for entry, x in zip(session.get_inputs(), xs, strict=True)})
