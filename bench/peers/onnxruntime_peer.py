"""ONNX Runtime: inference of an ONNX model, all graph optimisations on."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

from bench.peers import onnx_model
from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import Workload


class OnnxruntimePeer:
    """Sessions of ONNX Runtime."""

    version = ort.__version__

    def __init__(self, threads: int) -> None:
        self.options = ort.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        self.options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL

    def why_not(self, workload: Workload) -> str | None:
        return "has no bfloat16 on processors" if workload.narrow == "bfloat16" else onnx_model.why_not(workload)

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        model, precision = onnx_model.model(workload, given), ""
        if workload.narrow:
            model, precision = in_8_bits(model), "int8"

        def session() -> ort.InferenceSession:
            return ort.InferenceSession(model, self.options, providers=["CPUExecutionProvider"])

        def run() -> Case:
            return Case(session().run, (None, {"X": given.X}), lambda outputs: outputs[0], precision)

        def values() -> Case:
            return Case(
                session().run_with_ort_values,
                (None, {"X": ort.OrtValue.ortvalue_from_numpy(given.X)}),
                lambda outputs: outputs[0].numpy(),
                precision,
            )

        def binding() -> Case:
            opened = session()
            bound = opened.io_binding()
            bound.bind_ortvalue_input("X", ort.OrtValue.ortvalue_from_numpy(given.X))
            shape = [workload.batch, workload.sizes[-1]]
            bound.bind_ortvalue_output("Y", ort.OrtValue.ortvalue_from_shape_and_type(shape, given.X.dtype))
            return Case(opened.run_with_iobinding, (bound,), lambda _: bound.copy_outputs_to_cpu()[0], precision)

        return {"run": run, "run_with_ort_values": values, "run_with_iobinding": binding}


def in_8_bits(model: bytes) -> bytes:
    """Dynamic quantisation, as its documentation advises for layers that multiply: a scale for each output."""
    with TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(model)
        quantize_dynamic(given, made, weight_type=QuantType.QInt8, per_channel=True)
        return made.read_bytes()


def open_peer(threads: int) -> OnnxruntimePeer:
    return OnnxruntimePeer(threads)
