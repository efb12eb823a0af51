"""Time every kernel of csrc by its door: ``make bench``.  Vectors have 4,096 elements unless a case says more."""

import numpy as np
import pytest

from bench.arrays import draw
from fastnn._core import doors, table

N = 4096
DTYPES = ["float32", "float64"]
MATRIX = (64, 64)  # N elements
PRODUCTS = [  # rows, inputs, outputs
    (1, 64, 64),
    (1, 784, 128),
    (1, 784, 512),
    (32, 64, 64),
    (32, 784, 128),
    (128, 784, 128),
    (128, 128, 10),
    (128, 512, 512),
    (512, 342, 512),
    (128, 2048, 2048),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "inputs", "outputs"), PRODUCTS)
def bench_product_forward(benchmark, B, inputs, outputs, dtype):
    x, w, bias = (draw(*shape, dtype=dtype) for shape in ((B, inputs), (inputs, outputs), (outputs,)))
    benchmark(doors.product_forward, x, w, bias, out=draw(B, outputs, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "inputs", "outputs"), PRODUCTS)
def bench_product_input_gradient(benchmark, B, inputs, outputs, dtype):
    dy, w = draw(B, outputs, dtype=dtype), draw(inputs, outputs, dtype=dtype)
    benchmark(doors.product_input_gradient, dy, w, out=draw(B, inputs, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "inputs", "outputs"), PRODUCTS)
def bench_product_weight_gradient(benchmark, B, inputs, outputs, dtype):
    x, dy, dw = (draw(*shape, dtype=dtype) for shape in ((B, inputs), (B, outputs), (inputs, outputs)))
    benchmark(doors.product_weight_gradient, x, dy, dw, 1e-9, out=dw)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (784, 128), (512, 512)])
def bench_product_row_gradients(benchmark, inputs, outputs, dtype):
    x, dy, w = (draw(*shape, dtype=dtype) for shape in ((1, inputs), (1, outputs), (inputs, outputs)))
    benchmark(doors.product_row_gradients, x, dy, w, 1e-9, out=draw(1, inputs, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", table.ACTIVATIONS)
def bench_activation_forward(benchmark, name, dtype):
    z = draw(N, dtype=dtype)
    benchmark(doors.activation_forward, name, z, out=np.empty_like(z))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", table.ACTIVATIONS)
def bench_activation_backward(benchmark, name, dtype):
    z, da = draw(N, dtype=dtype), draw(N, dtype=dtype, seed=1)
    benchmark(doors.activation_backward, name, z, doors.activation_forward(name, z), da, out=np.empty_like(z))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), (64, 64), (4, 1000)])
def bench_softmax_forward(benchmark, shape, dtype):
    z = draw(*shape, dtype=dtype)
    benchmark(doors.softmax_forward, z, out=np.empty_like(z))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), (64, 64), (4, 1000)])
def bench_softmax_backward(benchmark, shape, dtype):
    a = doors.softmax_forward(draw(*shape, dtype=dtype))
    benchmark(doors.softmax_backward, a, draw(*shape, dtype=dtype), out=np.empty_like(a))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), MATRIX])
def bench_log_sum_exp(benchmark, shape, dtype):
    benchmark(doors.log_sum_exp, draw(*shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), MATRIX])
@pytest.mark.parametrize("name", table.LOSSES)
def bench_loss(benchmark, name, shape, dtype):
    B, O = shape
    y, labels = draw(B, O, dtype=dtype), np.arange(B) % O
    target = labels if name in table.LABEL_LOSSES else np.eye(O, dtype=dtype)[labels]
    benchmark(doors.loss, name, y, target, parameter=0.1, scale=1 / B, out=np.empty_like(y))


@pytest.mark.parametrize("n", [N, 100_000])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", table.OPTIMIZERS)
def bench_update(benchmark, name, dtype, n):
    w, g = draw(n, dtype=dtype), draw(n, dtype=dtype, seed=1)
    states = [np.ones_like(w) for _ in range(table.STATE_VECTORS[name])]
    benchmark(doors.update, name, w, g, states, learning_rate=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_row_sum(benchmark, dtype):
    db = draw(64, dtype=dtype)
    benchmark(doors.add_row_sum, draw(*MATRIX, dtype=dtype), db, 1e-9, out=db)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add(benchmark, dtype):
    x, y = draw(N, dtype=dtype), draw(N, dtype=dtype, seed=1)
    benchmark(doors.add, x, y, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_multiply(benchmark, dtype):
    x, y = draw(N, dtype=dtype), draw(N, dtype=dtype, seed=1)
    benchmark(doors.multiply, x, y, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_column_maxima(benchmark, dtype):
    benchmark(doors.column_maxima, draw(*MATRIX, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_column_maxima_backward(benchmark, dtype):
    x = draw(*MATRIX, dtype=dtype)
    benchmark(doors.column_maxima_backward, x, x[0].copy())


@pytest.mark.parametrize("dtype", DTYPES)
def bench_log_softmax_forward(benchmark, dtype):
    z = draw(400, 10, dtype=dtype)
    benchmark(doors.log_softmax_forward, z, out=np.empty_like(z))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_log_softmax_backward(benchmark, dtype):
    a = doors.log_softmax_forward(draw(400, 10, dtype=dtype))
    benchmark(doors.log_softmax_backward, a, draw(400, 10, dtype=dtype), out=np.empty_like(a))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_scaled(benchmark, dtype):
    benchmark(doors.add_scaled, draw(N, dtype=dtype), draw(N, dtype=dtype, seed=1), 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_scale(benchmark, dtype):
    x = draw(N, dtype=dtype)
    benchmark(doors.scale, x, 0.5, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_clip(benchmark, dtype):
    benchmark(doors.clip, draw(N, dtype=dtype), 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [doors.sum, doors.sum_squares, table.all_finite], ids=lambda kernel: kernel.__name__)
def bench_reduction(benchmark, kernel, dtype):
    benchmark(kernel, draw(N, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_penalty(benchmark, dtype):
    benchmark(doors.add_penalty, draw(N, dtype=dtype), draw(N, dtype=dtype, seed=1), 1e-9, 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_limit_columns(benchmark, dtype):
    benchmark(doors.limit_columns, draw(*MATRIX, dtype=dtype), 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_column_moments(benchmark, dtype):
    benchmark(doors.column_moments, draw(*MATRIX, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_batch_norm_forward(benchmark, dtype):
    x, gamma = draw(*MATRIX, dtype=dtype), draw(MATRIX[1], dtype=dtype)
    mean, variance = doors.column_moments(x)
    benchmark(doors.batch_norm_forward, x, mean, variance, gamma, gamma, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_batch_norm_backward(benchmark, dtype):
    x, gamma = draw(*MATRIX, dtype=dtype), draw(MATRIX[1], dtype=dtype)
    mean, variance = doors.column_moments(x)
    dgamma, dbeta = np.zeros_like(gamma), np.zeros_like(gamma)
    benchmark(doors.batch_norm_backward, x, mean, variance, x, gamma, dgamma, dbeta, scale=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), (64, 64), (4, 1000)])
def bench_layer_norm_forward(benchmark, shape, dtype):
    x, gamma = draw(*shape, dtype=dtype), draw(shape[1], dtype=dtype)
    benchmark(doors.layer_norm_forward, x, gamma, gamma, out=np.empty_like(x), moments=np.empty((shape[0], 2), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 10), (64, 64), (4, 1000)])
def bench_layer_norm_backward(benchmark, shape, dtype):
    x, gamma = draw(*shape, dtype=dtype), draw(shape[1], dtype=dtype)
    moments, dgamma, dbeta = np.empty((shape[0], 2), dtype), np.zeros_like(gamma), np.zeros_like(gamma)
    doors.layer_norm_forward(x, gamma, gamma, moments=moments)
    benchmark(doors.layer_norm_backward, x, moments, x, gamma, dgamma, dbeta, scale=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_dropout_forward(benchmark, dtype):
    x = draw(N, dtype=dtype)
    benchmark(doors.dropout_forward, x, 0, 0, 0, 0, 0.8, 1.25, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_dropout_backward(benchmark, dtype):
    dy = draw(N, dtype=dtype)
    mask = (dy > 0).astype(np.uint8)
    benchmark(doors.dropout_backward, mask, dy, 1.25, out=np.empty_like(dy))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_masked(benchmark, dtype):
    x = draw(N, dtype=dtype)
    benchmark(doors.add_masked, (x > 0).astype(np.uint8), x, np.zeros_like(x), 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_lstm_forward(benchmark, dtype):
    z, c, peephole = draw(32, 512, dtype=dtype), draw(32, 128, dtype=dtype), np.zeros((3, 128), dtype)
    benchmark(doors.lstm_forward, z, c, peephole)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_lstm_backward(benchmark, dtype):
    a, c, peephole = draw(32, 512, dtype=dtype), draw(32, 128, dtype=dtype), np.zeros((3, 128), dtype)
    benchmark(doors.lstm_backward, a, c, np.tanh(c), c, c, peephole)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_products(benchmark, dtype):
    x, y = draw(32, 512, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(doors.add_products, x, y, np.zeros(128, dtype), 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_gru_forward(benchmark, dtype):
    z, h = draw(32, 384, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(doors.gru_forward, z, h, h)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_gru_backward(benchmark, dtype):
    a, h = draw(32, 384, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(doors.gru_backward, a, h, h, h)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("half", ["gru_reset", "gru_update"])
def bench_gru_reset_first_forward(benchmark, half, dtype):
    z, h = draw(32, 384, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(getattr(doors, half), z, h)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_gru_update_backward(benchmark, dtype):
    a, h = draw(32, 384, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(doors.gru_update_backward, a, h, h)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_gru_reset_backward(benchmark, dtype):
    a, h = draw(32, 384, dtype=dtype), draw(32, 128, dtype=dtype)
    benchmark(doors.gru_reset_backward, a, h, h, a, h)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_probe_multiply_add(benchmark, dtype):
    benchmark(table.probe_multiply_add, 10_000, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_probe_read(benchmark, dtype):
    benchmark(doors.probe_read, draw(N, dtype=dtype), 100)


IMAGE = (32, 32, 16)


def image(dtype):
    """An image with a border, what each pixel of a 3 x 3 convolution sees of it, and weights for 16 outputs."""
    height, width, channels = IMAGE
    x, w = draw(height + 2, width + 2, channels, dtype=dtype), draw(9 * channels, 16, dtype=dtype)
    rows, columns = np.arange(height)[:, None], np.arange(width)
    at = ((rows * (width + 2) + columns) * channels).ravel().astype(np.int32)
    run_at = (np.arange(3) * (width + 2) * channels).astype(np.int32)
    return x, w, at, run_at, 3 * channels


@pytest.mark.parametrize("dtype", DTYPES)
def bench_window_forward(benchmark, dtype):
    x, w, at, run_at, run = image(dtype)
    benchmark(doors.window_forward, x, w, draw(16, dtype=dtype), at, run_at, run)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_window_gradient(benchmark, dtype):
    x, w, at, run_at, run = image(dtype)
    benchmark(doors.window_gradient, x, draw(len(at), 16, dtype=dtype), w, at, run_at, run)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_scatter(benchmark, dtype):
    x, w, at, run_at, run = image(dtype)
    benchmark(doors.scatter, draw(len(at), 16, dtype=dtype), w, np.append(x, x[0, 0]), at, run_at, run, IMAGE[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["forward", "gradient"])
def bench_depthwise(benchmark, kind, dtype):
    """A row of 32 pixels of 16 channels, 3 x 3."""
    x, w, _, run_at, _ = image(dtype)
    w, at, C = w[:9].copy(), run_at.astype(np.intp), IMAGE[2]
    if kind == "forward":
        benchmark(doors.depthwise_forward, x, w, draw(C, dtype=dtype), at, IMAGE[1], C, C)
    else:
        benchmark(doors.depthwise_gradient, x, draw(IMAGE[1], C, dtype=dtype), w, at, C, C)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["weights", "input", "output"])
def bench_winograd(benchmark, kind, dtype):
    """64 channels of a tile, or as many weights as 64 of them have for 64 filters."""
    C, at = 64, np.arange(6, dtype=np.int32)
    if kind == "weights":
        benchmark(doors.winograd_weights, draw(3, 3, C * C, dtype=dtype))
    elif kind == "input":
        benchmark(doors.winograd_input, draw(6, 6, C, dtype=dtype), at, at)
    else:
        benchmark(doors.winograd_output, draw(6, 6, C, dtype=dtype), draw(C, dtype=dtype), draw(4, 4, C, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.75, 0.6])
def bench_local_response(benchmark, beta, dtype):
    benchmark(doors.local_response_forward, draw(1024, 64, dtype=dtype), beta=beta)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_local_response_gradient(benchmark, dtype):
    benchmark(doors.local_response_backward, draw(1024, 64, dtype=dtype), draw(1024, 64, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1024, 64), (1024, 3), (3, 1024)])
def bench_turn_over(benchmark, shape, dtype):
    benchmark(doors.turn_over, draw(*shape, dtype=dtype), repeats=16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["max_pool_forward", "max_pool_backward", "mean_pool_forward", "mean_pool_backward"])
def bench_pools(benchmark, kind, dtype):
    x, y = draw(*IMAGE, dtype=dtype), draw(16, 16, 16, dtype=dtype)
    given = {"max_pool_backward": (y, y), "mean_pool_backward": (y,)}.get(kind, ((16, 16),))
    benchmark(getattr(doors, kind), x, *given, (2, 2), (2, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_map_columns(benchmark, dtype):
    x, gain = draw(*MATRIX, dtype=dtype), draw(MATRIX[1], dtype=dtype)
    benchmark(doors.map_columns, x, gain, gain, gain, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_group_moments(benchmark, dtype):
    benchmark(doors.group_moments, draw(*MATRIX, dtype=dtype), 8)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_pixel_norm_forward(benchmark, dtype):
    x = draw(*MATRIX, dtype=dtype)
    benchmark(doors.pixel_norm_forward, x, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def bench_pixel_norm_backward(benchmark, dtype):
    x = draw(*MATRIX, dtype=dtype)
    benchmark(doors.pixel_norm_backward, x, np.ones(MATRIX[0], dtype), x)


@pytest.mark.parametrize("dtype", DTYPES)
def bench_add_noise(benchmark, dtype):
    x = draw(N, dtype=dtype)
    benchmark(doors.add_noise, x, 1, 2, 3, 0, 0.1, out=np.empty_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def bench_upsample(benchmark, direction, mode, dtype):
    """By 2, to 32 x 32 pixels of 16 channels."""
    if direction == "forward":
        benchmark(doors.upsample_forward, draw(16, 16, 16, dtype=dtype), (2, 2), mode)
    else:
        benchmark(doors.upsample_backward, draw(*IMAGE, dtype=dtype), (2, 2), mode)


# Kernels that are timed within the doors of others, which call them one after the other.
WITHIN = {
    "batch_norm_forward": ("inverse_deviations",),
    "batch_norm_backward": (
        "column_slopes", "join_slopes", "norm_levels", "column_gradient", "scale_slopes", "add_slopes",
    ),
    "column_moments": ("join_moments",),
    "scatter": ("scatter_size", "scatter_turn"),
    "upsample_forward": ("upsample_nearest_forward", "upsample_bilinear_forward"),
    "upsample_backward": ("upsample_nearest_backward", "upsample_bilinear_backward"),
}  # fmt: skip
