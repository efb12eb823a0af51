"""Inference of a net by the runtimes that read ONNX, those that are installed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastnn as fn

Call = Callable[[], Any]


def channels_first(model: Any) -> Any:
    """The model without the turns of axes at its ends: images (B, C, H, W) go in, and come out."""
    nodes, ends = model.graph.node, (model.graph.input[0], model.graph.output[0])
    for node, end, inner in ((nodes[0], ends[0], nodes[0].output[0]), (nodes[-1], ends[1], nodes[-1].input[0])):
        if node.op_type == "Transpose":
            sizes = [end.type.tensor_type.shape.dim[axis] for axis in (0, 3, 1, 2)]
            turned = [type(size)() for size in sizes]
            for mine, size in zip(turned, sizes, strict=True):
                mine.CopyFrom(size)
            for mine, size in zip(end.type.tensor_type.shape.dim, turned, strict=True):
                mine.CopyFrom(size)
            end.name = inner
            nodes.remove(node)
    return model


def infer(request: Any, _x: np.ndarray) -> np.ndarray:
    """Let OpenVINO answer; ``_x``: the memory that it reads, which nobody else may hold."""
    request.infer()
    return request.get_output_tensor().data


def runtimes(net: fn.Network, X: np.ndarray, threads: int) -> dict[str, Call]:
    """Inference of the net by ONNX Runtime and OpenVINO, where they are installed."""
    model = channels_first(fn.interchange.to_onnx(net)).SerializeToString()
    x, calls = np.ascontiguousarray(X.transpose(0, 3, 1, 2)), {}
    try:
        import onnxruntime as ort
    except ImportError:
        pass
    else:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        given = {session.get_inputs()[0].name: x}
        calls["ONNX Runtime"] = lambda: session.run(None, given)[0]
    try:
        import openvino as ov
    except ImportError:
        pass
    else:
        core = ov.Core()
        read = core.read_model(model, b"")
        read.reshape(list(x.shape))
        hints = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
        hints |= {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
        request = core.compile_model(read, "CPU", hints).create_infer_request()
        request.set_input_tensor(ov.Tensor(x, shared_memory=True))
        calls["OpenVINO"] = partial(infer, request, x)
    return calls
