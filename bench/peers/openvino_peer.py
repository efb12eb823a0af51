"""OpenVINO: inference of an ONNX model, for latency; in full precision, or bfloat16 where weights are narrow."""

import os
from collections.abc import Callable

import openvino as ov

from bench.peers import onnx_model
from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import Workload


class OpenvinoPeer:
    """Compiled models of OpenVINO."""

    version = ov.__version__

    def __init__(self, threads: int) -> None:
        self.core = ov.Core()
        self.options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
        self.options |= {"ENABLE_CPU_PINNING": False}  # the process is pinned

    def why_not(self, workload: Workload) -> str | None:
        if workload.narrow and "ONEDNN_MAX_CPU_ISA" in os.environ:  # held to a lesser one, see bench/variants.py
            return "has no bfloat16 on that instruction set"
        return onnx_model.why_not(workload)

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        narrow = "bfloat16" if workload.narrow else ""
        precision = "bf16" if narrow else {"float32": "f32", "float64": "f64"}[workload.dtype]

        def request() -> ov.InferRequest:
            model = self.core.read_model(onnx_model.model(workload, given), b"")
            options = {**self.options, "INFERENCE_PRECISION_HINT": precision}
            made = self.core.compile_model(model, "CPU", options).create_infer_request()
            made.set_input_tensor(ov.Tensor(given.X, shared_memory=True))
            return made

        def infer() -> Case:
            opened = request()
            return Case(opened.infer, (), lambda _: opened.get_output_tensor().data, narrow)

        def bare() -> Case:
            opened = request()
            # What ``infer`` calls, without its conversions: no inputs to set, results shared, no strings.
            call: Callable[..., object] = getattr(super(ov.InferRequest, opened), "infer")  # noqa: B009
            return Case(call, ({}, True, False), lambda _: opened.get_output_tensor().data, narrow)

        return {"infer": infer, "bare infer": bare}


def open_peer(threads: int) -> OpenvinoPeer:
    return OpenvinoPeer(threads)
