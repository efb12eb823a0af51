from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastnn._core.ops.convolution_tables import Geometry as Geometry
from fastnn._core.step import Op

class DenseOp(Op):
    def __init__(self, inputs: int, outputs: int, bias: bool, vectors: int = 1) -> None: ...

class ActivationOp(Op):
    def __init__(self, width: int, activation: str, alpha: float = 0.0, vectors: int = 1) -> None: ...
    @property
    def alpha(self) -> float: ...

class ConvolutionOp(Op):
    def __init__(self, geometry: Geometry, bias: bool, weight: tuple[int, ...] | None = None) -> None: ...

class WinogradOp(ConvolutionOp): ...

class DepthwiseOp(Op):
    def __init__(self, geometry: Geometry, bias: bool, weight: tuple[int, ...]) -> None: ...

class PastOp(Op):
    def __init__(self, T: int, C: int, past: int) -> None: ...

class TransposedConvolutionOp(Op):
    def __init__(self, geometry: Geometry, bias: bool) -> None: ...

class PoolOp(Op):
    def __init__(
        self,
        kind: str,
        image: tuple[int, int, int],
        output: tuple[int, int],
        kernel: tuple[int, int],
        strides: tuple[int, int],
        before: tuple[int, int],
        counts_outside: bool,
    ) -> None: ...

class PadOp(Op):
    def __init__(
        self,
        image: tuple[int, int, int],
        before: tuple[int, int],
        rows: Sequence[int],
        columns: Sequence[int],
        value: float = 0.0,
    ) -> None: ...

class CropOp(Op):
    def __init__(self, image: tuple[int, int, int], before: tuple[int, int], size: tuple[int, int]) -> None: ...

class UpsampleOp(Op):
    def __init__(self, image: tuple[int, int, int], factor: tuple[int, int], bilinear: bool) -> None: ...

class PermuteOp(Op):
    def __init__(self, shape: Sequence[int], axes: Sequence[int]) -> None: ...

class LocalResponseOp(Op):
    def __init__(self, rows: int, columns: int, size: int, alpha: float, beta: float, k: float) -> None: ...

class DropConnectOp(Op):
    def __init__(self, inputs: int, outputs: int, bias: bool, rate: float, inverted: bool) -> None: ...

COUNTING: Final[dict[str, int]]

class PhaseDenseOp(Op):
    def __init__(self, inputs: int, outputs: int, control_points: int, function: str, bias: bool) -> None: ...

def basis(phases: Sequence[float] | NDArray[Any], control_points: int, function: str) -> NDArray[np.float64]: ...

class DropoutOp(Op):
    def __init__(self, width: int, rate: float, inverted: bool) -> None: ...

class AddOp(Op):
    def __init__(self, width: int, count: int) -> None: ...

class MultiplyOp(Op):
    def __init__(self, width: int, count: int) -> None: ...

class BlendOp(Op):
    def __init__(self, width: int) -> None: ...

class ConcatenateOp(Op):
    def __init__(self, widths: Sequence[int], count: int = 1) -> None: ...

class SliceOp(Op):
    def __init__(self, width: int, start: int, stop: int, count: int = 1) -> None: ...

class FanOutOp(Op):
    def __init__(self, width: int, count: int) -> None: ...

class ScaleOp(Op):
    def __init__(self, rows: int, columns: int, scale: bool, shift: bool) -> None: ...

class StandardizeOp(Op):
    def __init__(self, rows: int, mean: Sequence[float], scale: Sequence[float]) -> None: ...

class ReduceOp(Op):
    def __init__(self, function: str, outer: int, count: int, inner: int) -> None: ...

class RecurrentOp(Op):
    def __init__(
        self,
        kind: str,
        T: int,
        I: int,
        H: int,
        *,
        bias: bool,
        sequences: bool,
        final: bool,
        initial: bool,
        reverse: bool,
        mask_value: float | None,
        truncate: int,
        activation: str = "tanh",
        forgets: bool = True,
        peepholes: bool = False,
        resets_first: bool = False,
    ) -> None: ...
    def state_gradients(self, batch: int, itemsize: int) -> tuple[int, tuple[int, int, int]]: ...

class BatchNormOp(Op):
    def __init__(
        self, who: str, rows: int, columns: int, momentum: float, epsilon: float, scale: bool, shift: bool
    ) -> None: ...

class MinibatchStdDevOp(Op):
    def __init__(self, who: str, pixels: int, channels: int, group: int, momentum: float, epsilon: float) -> None: ...

class LayerNormOp(Op):
    def __init__(self, rows: int, columns: int, epsilon: float, scale: bool, shift: bool) -> None: ...

class GroupNormOp(Op):
    def __init__(self, rows: int, columns: int, group: int, epsilon: float, scale: bool, shift: bool) -> None: ...

class GramOp(Op):
    def __init__(self, places: int, channels: int) -> None: ...

class PixelNormOp(Op):
    def __init__(self, rows: int, columns: int, epsilon: float) -> None: ...

class ChannelDropoutOp(Op):
    def __init__(self, rows: int, columns: int, rate: float) -> None: ...

class NoiseOp(Op):
    def __init__(self, width: int, deviation: float) -> None: ...

class EmbeddingOp(Op):
    def __init__(self, who: str, length: int, vocabulary: int, units: int, padding: int) -> None: ...

class CustomOp(Op):
    def __init__(
        self,
        who: str,
        forward_function: Callable[..., Any],
        backward_function: Callable[..., Any],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        parameters: dict[str, tuple[int, ...]],
    ) -> None: ...

class NarrowWeights:
    @property
    def nbytes(self) -> int: ...
    def product(
        self,
        x: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        activation: str = "identity",
        alpha: float = 0.0,
    ) -> NDArray[np.float32]: ...

class Int8Weights(NarrowWeights):
    def __init__(self, values: NDArray[np.int8], scale: NDArray[np.float32], kernels: str | None = None) -> None: ...
    @property
    def values(self) -> NDArray[np.int8]: ...
    @property
    def scale(self) -> NDArray[np.float32]: ...

class BFloat16Weights(NarrowWeights):
    def __init__(self, values: NDArray[np.uint16], kernels: str | None = None) -> None: ...
    @property
    def values(self) -> NDArray[np.uint16]: ...

class QuantizedDenseOp(Op):
    def __init__(self, weights: NarrowWeights, bias: bool, vectors: int = 1) -> None: ...

def bfloat16(w: NDArray[np.float32]) -> NDArray[np.uint16]: ...
def widened(values: NDArray[np.uint16]) -> NDArray[np.float32]: ...
