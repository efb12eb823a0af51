from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnn._core.table import philox as philox

_Array: TypeAlias = NDArray[Any]

def activation_forward(
    name: str, z: _Array, alpha: float = 1.0, isa: str | None = None, out: _Array | None = None
) -> _Array: ...
def activation_backward(
    name: str,
    z: _Array | None,
    a: _Array | None,
    da: _Array,
    alpha: float = 1.0,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def softmax_forward(z: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def softmax_backward(a: _Array, da: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def log_sum_exp(z: _Array, isa: str | None = None) -> _Array: ...
def log_softmax_forward(z: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def log_softmax_backward(a: _Array, da: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def loss(
    name: str,
    y: _Array,
    target: NDArray[Any],
    weight: _Array | None = None,
    parameter: float = 0.0,
    scale: float = 1.0,
    isa: str | None = None,
    gradient: bool = True,
    out: _Array | None = None,
) -> tuple[float, _Array | None]: ...
def update(
    name: str,
    w: _Array,
    g: _Array,
    states: Sequence[_Array] = (),
    isa: str | None = None,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    correction1: float = 1.0,
    correction2: float = 1.0,
) -> None: ...
def product_forward(
    x: _Array,
    w: _Array,
    bias: _Array | None = None,
    activation: str = "identity",
    alpha: float = 0.0,
    isa: str | None = None,
    axis: str = "O",
    part: range | None = None,
    out: _Array | None = None,
    repeats: int = 1,
) -> _Array: ...
def product_input_gradient(
    dy: _Array,
    w: _Array,
    isa: str | None = None,
    axis: str = "I",
    part: range | None = None,
    out: _Array | None = None,
    repeats: int = 1,
) -> _Array: ...
def product_weight_gradient(
    x: _Array,
    dy: _Array,
    dw: _Array,
    scale: float = 1.0,
    isa: str | None = None,
    axis: str = "O",
    part: range | None = None,
    out: _Array | None = None,
    repeats: int = 1,
) -> _Array: ...
def product_row_gradients(
    x: _Array, dy: _Array, w: _Array, scale: float = 1.0, isa: str | None = None, out: _Array | None = None
) -> tuple[_Array, _Array]: ...
def add_row_sum(
    x: _Array, db: _Array, scale: float = 1.0, isa: str | None = None, out: _Array | None = None
) -> _Array: ...
def add(x: _Array, y: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def multiply(x: _Array, y: _Array, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def column_maxima(x: _Array, isa: str | None = None) -> _Array: ...
def column_maxima_backward(x: _Array, dy: _Array, isa: str | None = None) -> _Array: ...
def add_scaled(x: _Array, y: _Array, scale: float = 1.0, isa: str | None = None) -> None: ...
def scale(x: _Array, factor: float, isa: str | None = None, out: _Array | None = None) -> _Array: ...
def clip(x: _Array, limit: float, isa: str | None = None) -> None: ...
def sum(x: _Array, isa: str | None = None) -> float: ...
def sum_squares(x: _Array, isa: str | None = None) -> float: ...
def add_penalty(w: _Array, g: _Array, l1: float = 0.0, l2: float = 0.0, isa: str | None = None) -> None: ...
def limit_columns(w: _Array, limit: float, isa: str | None = None) -> None: ...
def column_moments(x: _Array, block: int | None = None, isa: str | None = None) -> tuple[_Array, _Array]: ...
def group_moments(x: _Array, group: int, isa: str | None = None) -> tuple[_Array, _Array]: ...
def map_columns(
    x: _Array,
    center: _Array | None = None,
    gain: _Array | None = None,
    shift: _Array | None = None,
    activation: str = "identity",
    alpha: float = 0.0,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def pixel_norm_forward(
    x: _Array,
    epsilon: float = 1e-8,
    isa: str | None = None,
    out: _Array | None = None,
    inverse: _Array | None = None,
) -> _Array: ...
def pixel_norm_backward(x: _Array, inverse: _Array, dy: _Array, isa: str | None = None) -> _Array: ...
def add_noise(
    x: _Array,
    seed: int,
    step: int,
    stream: int,
    first: int,
    deviation: float,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def window_forward(
    x: _Array,
    w: _Array,
    bias: _Array | None,
    at: NDArray[np.int32],
    run_at: NDArray[np.int32],
    run: int,
    activation: str = "identity",
    alpha: float = 0.0,
    isa: str | None = None,
    columns: int = 0,
) -> _Array: ...
def window_gradient(
    x: _Array,
    dy: _Array,
    dw: _Array,
    at: NDArray[np.int32],
    run_at: NDArray[np.int32],
    run: int,
    scale: float = 1.0,
    isa: str | None = None,
    part: range | None = None,
    columns: int = 0,
) -> None: ...
def scatter(
    dy: _Array,
    w: _Array,
    dx: _Array,
    at: NDArray[np.int32],
    run_at: NDArray[np.int32],
    run: int,
    columns: int,
    isa: str | None = None,
) -> None: ...
def depthwise_forward(
    x: _Array,
    w: _Array,
    bias: _Array | None,
    at: NDArray[np.intp],
    pixels: int,
    step: int,
    gap: int,
    activation: str = "identity",
    alpha: float = 0.0,
    isa: str | None = None,
) -> _Array: ...
def depthwise_gradient(
    x: _Array, dy: _Array, dw: _Array, at: NDArray[np.intp], step: int, gap: int, isa: str | None = None
) -> None: ...
def winograd_weights(w: _Array, isa: str | None = None) -> _Array: ...
def winograd_input(
    x: _Array, rows: NDArray[np.int32], columns: NDArray[np.int32], isa: str | None = None
) -> _Array: ...
def winograd_output(
    m: _Array, bias: _Array | None, y: _Array, activation: str = "identity", alpha: float = 0.0, isa: str | None = None
) -> None: ...
def max_pool_forward(
    x: _Array,
    output: tuple[int, int],
    size: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int] = (0, 0),
    isa: str | None = None,
) -> _Array: ...
def max_pool_backward(
    x: _Array,
    y: _Array,
    dy: _Array,
    size: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int] = (0, 0),
    isa: str | None = None,
) -> _Array: ...
def mean_pool_forward(
    x: _Array,
    output: tuple[int, int],
    size: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int] = (0, 0),
    counts_outside: bool = False,
    isa: str | None = None,
) -> _Array: ...
def mean_pool_backward(
    x: _Array,
    dy: _Array,
    size: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int] = (0, 0),
    counts_outside: bool = False,
    isa: str | None = None,
) -> _Array: ...
def upsample_forward(x: _Array, factor: tuple[int, int], mode: str = "nearest", isa: str | None = None) -> _Array: ...
def upsample_backward(dy: _Array, factor: tuple[int, int], mode: str = "nearest", isa: str | None = None) -> _Array: ...
def turn_over(x: _Array, isa: str | None = None, out: _Array | None = None, repeats: int = 1) -> _Array: ...
def local_response_forward(
    x: _Array,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def local_response_backward(
    x: _Array,
    dy: _Array,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def batch_norm_forward(
    x: _Array,
    mean: _Array,
    variance: _Array,
    gamma: _Array | None = None,
    beta: _Array | None = None,
    epsilon: float = 1e-5,
    activation: str = "identity",
    alpha: float = 0.0,
    isa: str | None = None,
    out: _Array | None = None,
) -> _Array: ...
def batch_norm_backward(
    x: _Array,
    mean: _Array,
    variance: _Array,
    dy: _Array,
    gamma: _Array | None = None,
    dgamma: _Array | None = None,
    dbeta: _Array | None = None,
    epsilon: float = 1e-5,
    coupled: bool = True,
    scale: float = 1.0,
    isa: str | None = None,
    gradient: bool = True,
    beta: _Array | None = None,
    activation: str = "identity",
    alpha: float = 0.0,
    group: int = 1,
    block: int | None = None,
) -> _Array | None: ...
def layer_norm_forward(
    x: _Array,
    gamma: _Array | None = None,
    beta: _Array | None = None,
    epsilon: float = 1e-5,
    isa: str | None = None,
    out: _Array | None = None,
    moments: _Array | None = None,
) -> _Array: ...
def layer_norm_backward(
    x: _Array,
    moments: _Array,
    dy: _Array,
    gamma: _Array | None = None,
    dgamma: _Array | None = None,
    dbeta: _Array | None = None,
    scale: float = 1.0,
    isa: str | None = None,
    gradient: bool = True,
) -> _Array | None: ...
def dropout_forward(
    x: _Array,
    seed: int,
    step: int,
    stream: int,
    first: int,
    keep: float,
    scale: float,
    isa: str | None = None,
    out: _Array | None = None,
) -> tuple[_Array, NDArray[np.uint8]]: ...
def dropout_backward(
    mask: NDArray[np.uint8], dy: _Array, scale: float, isa: str | None = None, out: _Array | None = None
) -> _Array: ...
def add_masked(mask: NDArray[np.uint8], x: _Array, y: _Array, scale: float, isa: str | None = None) -> None: ...
def lstm_forward(
    z: _Array, c_before: _Array, peephole: _Array | None, forgets: bool = True, isa: str | None = None
) -> tuple[_Array, _Array, _Array, _Array]: ...
def lstm_backward(
    a: _Array,
    c_before: _Array,
    s: _Array,
    dh: _Array,
    dc: _Array,
    peephole: _Array | None,
    forgets: bool = True,
    isa: str | None = None,
) -> tuple[_Array, _Array]: ...
def add_products(x: _Array, y: _Array, out: _Array, scale: float = 1.0, isa: str | None = None) -> None: ...
def gru_forward(z: _Array, q: _Array, h_before: _Array, isa: str | None = None) -> tuple[_Array, _Array]: ...
def gru_backward(
    a: _Array, q: _Array, h_before: _Array, dh: _Array, isa: str | None = None
) -> tuple[_Array, _Array, _Array]: ...
def gru_reset(z: _Array, h_before: _Array, isa: str | None = None) -> tuple[_Array, _Array]: ...
def gru_update(z: _Array, h_before: _Array, isa: str | None = None) -> tuple[_Array, _Array]: ...
def gru_update_backward(a: _Array, h_before: _Array, dh: _Array, isa: str | None = None) -> tuple[_Array, _Array]: ...
def gru_reset_backward(
    a: _Array, h_before: _Array, ds: _Array, dz: _Array, dh_before: _Array, isa: str | None = None
) -> tuple[_Array, _Array]: ...
def probe_read(x: _Array, repeats: int = 1, isa: str | None = None) -> float: ...
