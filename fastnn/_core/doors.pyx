"""Single kernels as functions of NumPy arrays, for tests and benchmarks: checked arguments, no other logic.

A function is named after its kernel, whose formula stands in ``csrc/fnn_kernels.h`` or ``csrc/fnn_families.def``.
``isa``: an instruction set by name, None for the one in use.  ``out``: where the result goes, None for a new array.
``repeats``: how often a kernel runs, one call after the other.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from fastnn._core.table cimport (
    address, fnn_columns, fnn_depthwise, fnn_kernels, fnn_local_response, fnn_norm, fnn_pool_shape, fnn_random, fnn_shape,
    fnn_update, fnn_upsample, fnn_windows, table_for)

import numpy as np

from fastnn._core.table import ACTIVATIONS, LABEL_LOSSES, LOSSES, OPTIMIZERS, READS_INPUT, STATE_VECTORS, philox


cdef class Call:
    """One call of a kernel.  All arrays have the dtype of ``first``, and its shape where no other is asked for."""

    cdef const fnn_kernels* kernels
    cdef object dtype, out
    cdef tuple shape
    cdef Py_ssize_t N, rows, columns

    def __init__(self, first, isa, bint matrix=False, out=None):
        self.kernels, self.out = table_for(first, isa), out
        self.dtype, self.shape, self.N = first.dtype, first.shape, first.size
        if matrix:
            if first.ndim != 2:
                raise ValueError(f"expected a matrix, got shape {first.shape}")
            self.rows, self.columns = first.shape

    cdef object new(self, shape=None):
        """An array for results."""
        return np.empty(self.shape if shape is None else shape, self.dtype)

    cdef void* result(self) except NULL:
        """Address of ``out``, a new array if there is none."""
        self.out = self.new() if self.out is None else self.out
        return self.write(self.out)

    cdef void* read(self, array, shape=None, Py_ssize_t skip=0, bint writable=False) except? NULL:
        """Address of an array's element number ``skip``; NULL for None."""
        start = <char*> address(array, self.dtype, self.shape if shape is None else shape, writable)
        return NULL if start == NULL else start + skip * self.kernels.itemsize

    cdef void* write(self, array, shape=None, Py_ssize_t skip=0) except? NULL:
        """The same of an array that the kernel writes."""
        return self.read(array, shape, skip, True)


cdef Py_ssize_t number(dict names, name) except -1:
    if name not in names:
        raise ValueError(f"expected one of {', '.join(names)}, got {name!r}")
    return names[name]


# ---- activations, losses, optimisers ----

def activation_forward(name, z, double alpha=1.0, isa=None, out=None):
    """a = sigma(z)."""
    c = Call(z, isa, False, out)
    c.kernels.activation_forward[number(ACTIVATIONS, name)](c.N, alpha, c.read(z), c.result())
    return c.out


def activation_backward(name, z, a, da, double alpha=1.0, isa=None, out=None):
    """dz = da * sigma'(z); z or a may be None where the activation does not read it."""
    c = Call(da, isa, False, out)
    if (z if name in READS_INPUT else a) is None and name != "identity":
        raise ValueError(f"{name} reads {'z' if name in READS_INPUT else 'a'}, got None")
    a = da if a is None and name == "identity" else a
    c.kernels.activation_backward[number(ACTIVATIONS, name)](c.N, alpha, c.read(z), c.read(a), c.read(da), c.result())
    return c.out


def softmax_forward(z, isa=None, out=None):
    """Softmax of each row."""
    c = Call(z, isa, True, out)
    c.kernels.softmax_forward(c.rows, c.columns, c.read(z), c.result())
    return c.out


def softmax_backward(a, da, isa=None, out=None):
    """dz from the output a and its gradient."""
    c = Call(a, isa, True, out)
    c.kernels.softmax_backward(c.rows, c.columns, c.read(a), c.read(da), c.result())
    return c.out


def log_sum_exp(z, isa=None):
    """log sum_o exp z_bo of each row."""
    c = Call(z, isa, True)
    out = c.new((c.rows,))
    c.kernels.log_sum_exp(c.rows, c.columns, c.read(z), c.write(out, out.shape))
    return out


def log_softmax_forward(z, isa=None, out=None):
    """log softmax of each row."""
    c = Call(z, isa, True, out)
    c.kernels.log_softmax_forward(c.rows, c.columns, c.read(z), c.result())
    return c.out


def log_softmax_backward(a, da, isa=None, out=None):
    """dz from the output a and its gradient."""
    c = Call(a, isa, True, out)
    c.kernels.log_softmax_backward(c.rows, c.columns, c.read(a), c.read(da), c.result())
    return c.out


def loss(name, y, target, weight=None, double parameter=0.0, double scale=1.0, isa=None, bint gradient=True, out=None):
    """Return (sum_b weight_b L_b, dy); dy is None where gradient is false."""
    c = Call(y, isa, True, out)
    if name in LABEL_LOSSES:
        goal = address(target, np.int64, (c.rows,))
    else:
        goal = c.read(target)
    value = c.kernels.loss[number(LOSSES, name)](
        c.rows, c.columns, parameter, c.read(y), goal, c.read(weight, (c.rows,)), scale,
        c.result() if gradient else <void*> NULL)
    return value, c.out if gradient else None


def update(name, w, g, states=(), isa=None, double learning_rate=0.01, double beta1=0.9, double beta2=0.999,
           double epsilon=1e-8, double correction1=1.0, double correction2=1.0):
    """One step of an optimiser, in place."""
    c = Call(w, isa)
    cdef fnn_update u = fnn_update(learning_rate, beta1, beta2, epsilon, correction1, correction2)
    cdef Py_ssize_t rule = number(OPTIMIZERS, name)
    if len(states) != STATE_VECTORS[name]:
        raise ValueError(f"{name} keeps {STATE_VECTORS[name]} state vectors, got {len(states)}")
    s0, s1, s2 = (*states, None, None, None)[:3]
    c.kernels.update[rule](c.N, &u, c.read(g), c.write(w), c.write(s0), c.write(s1), c.write(s2))


# ---- products: with ``out`` the arrays go to the kernel as they are, and the caller keeps 64 bytes to spare after each

cdef object roomy(array, fill=None):
    """A copy with the 64 bytes after it that products may read; what stands there is NaN, and must not matter."""
    cdef Py_ssize_t n = array.size, spare = 64 // array.itemsize
    block = np.full(n + spare, np.nan, array.dtype)
    block[:n] = array.ravel() if fill is None else fill
    return block[:n].reshape(array.shape)


cdef fnn_shape packed(left, right) except *:
    """The whole product of packed matrices (B, I) and (I, O), given by their shapes."""
    if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
        raise ValueError(f"expected matrices (B, I) and (I, O), got {left} and {right}")
    return fnn_shape(batch=left[0], inputs=right[0], outputs=right[1], x_row=right[0], w_row=right[1], y_row=right[1],
                     bias_row=0)


cdef tuple narrow(fnn_shape* shape, axis, part):
    """Keep the range ``part`` of one axis, all of it for None; the arrays keep their rows.  Return where b, i, o start."""
    if part is None:
        return 0, 0, 0
    if axis not in ("B", "I", "O"):
        raise ValueError(f"expected axis B, I or O, got {axis!r}")
    size = {"B": shape.batch, "I": shape.inputs, "O": shape.outputs}[axis]
    if not 0 <= part.start < part.stop <= size:
        raise ValueError(f"expected a range within 0 .. {size}, got {part}")
    if axis == "B":
        shape.batch = len(part)
    elif axis == "I":
        shape.inputs = len(part)
    else:
        shape.outputs = len(part)
    return tuple(part.start if axis == each else 0 for each in "BIO")


def product_forward(x, w, bias=None, activation="identity", double alpha=0.0, isa=None, axis="O", part=None,
                    out=None, Py_ssize_t repeats=1):
    """activation(x w + bias): x (B, I), w (I, O), bias (O,) or (B, O); a ``part`` (range) of B or O leaves NaN elsewhere."""
    c = Call(x, isa)
    cdef fnn_shape shape = packed(x.shape, w.shape)
    outputs, y = (len(x), w.shape[1]), out
    if out is None:
        w, y = roomy(w), roomy(c.new(outputs), np.nan)
        bias = None if bias is None else roomy(bias)
    if activation not in ("identity", "relu", "leaky_relu"):
        raise ValueError(f"expected activation identity, relu or leaky_relu, got {activation!r}")
    b, _, o = narrow(&shape, axis, part)
    if bias is not None and bias.ndim == 2:
        shape.bias_row = w.shape[1]
    cdef void* xs = c.read(x, x.shape, b * shape.x_row)
    cdef void* ws = c.read(w, w.shape, o)
    cdef void* biases = c.read(bias, None if bias is None else outputs[-bias.ndim:], b * shape.bias_row + o)
    cdef void* ys = c.write(y, outputs, b * shape.y_row + o)
    cdef int kind = ACTIVATIONS[activation]
    for _ in range(repeats):
        c.kernels.products.forward(&shape, xs, ws, biases, kind, alpha, ys)
    return y


def product_input_gradient(dy, w, isa=None, axis="I", part=None, out=None, Py_ssize_t repeats=1):
    """dy w^T: dy (B, O), w (I, O); a ``part`` (range) of B or I leaves NaN elsewhere."""
    c, dx = Call(dy, isa), out
    inputs = (len(dy), len(w))
    cdef fnn_shape shape = packed(inputs, w.shape)
    if out is None:
        w, dx = roomy(w), roomy(c.new(inputs), np.nan)
    b, i, _ = narrow(&shape, axis, part)
    cdef void* dys = c.read(dy, (len(dy), w.shape[1]), b * shape.y_row)
    cdef void* ws = c.read(w, w.shape, i * shape.w_row)
    cdef void* dxs = c.write(dx, inputs, b * shape.x_row + i)
    for _ in range(repeats):
        c.kernels.products.input_gradient(&shape, dys, ws, dxs)
    return dx


def product_weight_gradient(x, dy, dw, double scale=1.0, isa=None, axis="O", part=None, out=None,
                            Py_ssize_t repeats=1):
    """dw + scale x^T dy: x (B, I), dy (B, O), dw (I, O); ``out`` is dw itself, or None for a new array; a ``part`` (range) of I or O leaves dw elsewhere."""
    c = Call(x, isa)
    cdef fnn_shape shape = packed(x.shape, dw.shape)
    if out is None:
        dy, dw = roomy(dy), roomy(dw)
    elif out is not dw:
        raise ValueError("product_weight_gradient: expected out to be dw itself, or None")
    _, i, o = narrow(&shape, axis, part)
    cdef void* xs = c.read(x, x.shape, i)
    cdef void* dys = c.read(dy, (len(x), dw.shape[1]), o)
    cdef void* dws = c.write(dw, dw.shape, i * shape.w_row + o)
    for _ in range(repeats):
        c.kernels.products.weight_gradient(&shape, scale, xs, dys, dws)
    return dw


def product_row_gradients(x, dy, w, double scale=1.0, isa=None, out=None):
    """(dx, w + scale x^T dy) of one row, the latter in place of w: x (1, I), dy (1, O), w (I, O); ``out`` is for dx."""
    c, dx = Call(x, isa), out
    cdef fnn_shape shape = packed(x.shape, w.shape)
    if len(x) != 1:
        raise ValueError(f"expected one row, got {len(x)}")
    if out is None:
        w, dy, dx = roomy(w), roomy(dy), roomy(c.new(), np.nan)
    c.kernels.products.row_gradients(&shape, scale, c.read(x), c.read(dy, (1, w.shape[1])), c.read(w, w.shape),
                                    c.write(dx), c.write(w, w.shape))
    return dx, w


def add_row_sum(x, db, double scale=1.0, isa=None, out=None):
    """db + scale * sum_b x_b; ``out`` is db itself, or None for a new array."""
    c = Call(x, isa, True)
    if out is None:
        x, db = roomy(x), roomy(db)
    elif out is not db:
        raise ValueError("add_row_sum: expected out to be db itself, or None")
    c.kernels.add_row_sum(c.rows, c.columns, scale, c.read(x), c.columns, c.write(db, (c.columns,)))
    return db


# ---- vectors ----

def add(x, y, isa=None, out=None):
    """x + y."""
    c = Call(x, isa, False, out)
    c.kernels.add(c.N, c.read(x), c.read(y), c.result())
    return c.out


def multiply(x, y, isa=None, out=None):
    """x * y."""
    c = Call(x, isa, False, out)
    c.kernels.multiply(c.N, c.read(x), c.read(y), c.result())
    return c.out


def column_maxima(x, isa=None):
    """max_r x_rc."""
    c = Call(x, isa, True)
    out = c.new((c.columns,))
    c.kernels.column_maxima(c.rows, c.columns, c.read(x), c.write(out, out.shape))
    return out


def column_maxima_backward(x, dy, isa=None):
    """dx from the input and the gradient of its maxima."""
    c = Call(x, isa, True)
    c.kernels.column_maxima_backward(c.rows, c.columns, c.read(x), c.read(dy, (c.columns,)), c.result())
    return c.out


def add_scaled(x, y, double scale=1.0, isa=None):
    """Add to y: scale * x."""
    c = Call(x, isa)
    c.kernels.add_scaled(c.N, scale, c.read(x), c.write(y))


def scale(x, double factor, isa=None, out=None):
    """Return factor * x."""
    c = Call(x, isa, False, out)
    c.kernels.scale(c.N, factor, c.read(x), c.result())
    return c.out


def clip(x, double limit, isa=None):
    """Clip to [-limit, limit], in place."""
    c = Call(x, isa)
    c.kernels.clip(c.N, limit, c.write(x))


def sum(x, isa=None):
    """Sum of the elements."""
    c = Call(x, isa)
    return c.kernels.sum(c.N, c.read(x))


def sum_squares(x, isa=None):
    """Sum of the squares of the elements."""
    c = Call(x, isa)
    return c.kernels.sum_squares(c.N, c.read(x))


def add_penalty(w, g, double l1=0.0, double l2=0.0, isa=None):
    """Add to g: l1 sign(w) + l2 w."""
    c = Call(w, isa)
    c.kernels.add_penalty(c.N, l1, l2, c.read(w), c.write(g))


def limit_columns(w, double limit, isa=None):
    """Scale long columns back to norm limit, in place."""
    c = Call(w, isa, True)
    work = c.new((c.columns,))
    c.kernels.limit_columns(c.rows, c.columns, c.columns, limit, c.write(w), c.write(work, work.shape))


# ---- convolutions, pooling ----

cdef fnn_windows windows_of(Call c, at, run_at, to, Py_ssize_t run, Py_ssize_t outputs, Py_ssize_t columns=0) except *:
    cdef fnn_windows windows
    memset(&windows, 0, sizeof(windows))
    windows.pixels, windows.runs, windows.run, windows.columns = len(at), len(run_at), run, columns
    windows.outputs = windows.w_row = outputs
    windows.at = <const int32_t*> address(at, np.int32, (len(at),))
    windows.run_at = <const int32_t*> address(run_at, np.int32, (len(run_at),))
    windows.to = <const int32_t*> address(to, np.int32, (len(at),))
    return windows


def window_forward(x, w, bias, at, run_at, Py_ssize_t run, activation="identity", double alpha=0.0, isa=None,
                   Py_ssize_t columns=0):
    """y of the pixels, one after the other; at and run_at int32, w (runs * run, O); ``columns``: as in fnn_windows."""
    c = Call(x, isa)
    outputs = w.shape[1]
    to = np.arange(len(at), dtype=np.int32) * np.int32(outputs)
    y, w, bias = roomy(c.new((len(at), outputs)), np.nan), roomy(w), None if bias is None else roomy(bias)
    cdef fnn_windows windows = windows_of(c, at, run_at, to, run, outputs, columns)
    c.kernels.window_forward(&windows, c.read(x), c.read(w, w.shape), c.read(bias, (outputs,)), ACTIVATIONS[activation],
                             alpha, c.write(y, y.shape))
    return y


def window_gradient(x, dy, dw, at, run_at, Py_ssize_t run, double scale=1.0, isa=None, part=None, Py_ssize_t columns=0):
    """Add to dw: scale * sum over the pixels of x dy; to a ``part`` (range) of its rows.  ``columns``: as in fnn_windows."""
    c = Call(x, isa)
    outputs = dw.shape[1]
    to = np.arange(len(at), dtype=np.int32) * np.int32(outputs)
    cdef fnn_windows windows = windows_of(c, at, run_at, to, run, outputs, columns)
    rows, dy, sums = range(len(dw)) if part is None else part, roomy(dy), roomy(dw)
    c.kernels.window_gradient(&windows, rows.start, rows.stop, scale, c.read(x), c.read(dy, dy.shape),
                              c.write(sums, dw.shape))
    dw[...] = sums


def scatter(dy, w, dx, at, run_at, Py_ssize_t run, Py_ssize_t columns, isa=None):
    """Add to dx: sum over the pixels, in rows of ``columns``, of dy w; dx is flat and longer than it must be by a vector."""
    c = Call(dx, isa)
    outputs = w.shape[1]
    to = np.arange(len(at), dtype=np.int32) * np.int32(outputs)
    cdef fnn_windows windows = windows_of(c, at, run_at, to, run, outputs)
    turned = c.new((c.kernels.scatter_size(&windows),))
    c.kernels.scatter_turn(&windows, c.read(w, w.shape), c.write(turned, turned.shape))
    c.kernels.scatter(&windows, columns, c.read(dy, dy.shape), c.read(turned, turned.shape), c.write(dx))


cdef fnn_depthwise depthwise_of(w, at, Py_ssize_t pixels, Py_ssize_t step, Py_ssize_t gap) except *:
    return fnn_depthwise(pixels=pixels, step=step, to=w.shape[1], rows=len(at), columns=w.shape[0] // len(at), gap=gap,
                         size=w.shape[1], w_row=w.shape[1])


def depthwise_forward(x, w, bias, at, Py_ssize_t pixels, Py_ssize_t step, Py_ssize_t gap, activation="identity",
                      double alpha=0.0, isa=None):
    """y (pixels, C) of a row; at intp, by row of the window, w (rows * columns, C)."""
    c = Call(x, isa)
    y, x, w, bias = c.new((pixels, w.shape[1])), roomy(x), roomy(w), None if bias is None else roomy(bias)
    cdef fnn_depthwise shape = depthwise_of(w, at, pixels, step, gap)
    c.kernels.depthwise_forward(&shape, <const Py_ssize_t*> address(at, np.intp, (len(at),)), c.read(x),
                                c.read(w, w.shape), c.read(bias, (w.shape[1],)), ACTIVATIONS[activation], alpha,
                                c.write(y, y.shape))
    return y


def depthwise_gradient(x, dy, dw, at, Py_ssize_t step, Py_ssize_t gap, isa=None):
    """Add to dw (rows * columns, C): the sum over a row's outputs of x dy."""
    c = Call(x, isa)
    cdef fnn_depthwise shape = depthwise_of(dw, at, len(dy), step, gap)
    x, dy, sums = roomy(x), roomy(dy), roomy(dw)
    c.kernels.depthwise_gradient(&shape, <const Py_ssize_t*> address(at, np.intp, (len(at),)), c.read(x),
                                 c.read(dy, dy.shape), c.write(sums, dw.shape))
    dw[...] = sums


cdef fnn_pool_shape pool_of(x, output, size, strides, before, bint counts_outside) except *:
    return fnn_pool_shape(height=x.shape[0], width=x.shape[1], channels=x.shape[2], out_height=output[0],
                          out_width=output[1], rows=size[0], columns=size[1], row_step=strides[0],
                          column_step=strides[1], top=before[0], left=before[1], counts_outside=counts_outside)


def winograd_weights(w, isa=None):
    """u (6, 6, N) of w (3, 3, N), both longer by a vector at the end of the last matrix."""
    c = Call(w, isa)
    N, spare = w.shape[2], 64 // w.dtype.itemsize
    u = c.new((36 * (N + spare),))
    padded = np.append(w, np.zeros(spare, w.dtype))
    c.kernels.winograd_weights(N, N, c.read(padded, padded.shape), N + spare, c.write(u, u.shape))
    return u.reshape(6, 6, N + spare)[..., :N]


def winograd_input(x, rows, columns, isa=None):
    """v (6, 6, C) of the pixels of an image (H, W, C) at 6 rows and 6 columns, int32; -1: zeros."""
    c = Call(x, isa)
    C, spare = x.shape[2], 64 // x.dtype.itemsize
    v, zeros = c.new((36 * (C + spare),)), np.zeros(C, x.dtype)
    c.kernels.winograd_input(C, x.shape[1], <const int32_t*> address(rows, np.int32, (6,)),
                             <const int32_t*> address(columns, np.int32, (6,)), c.read(x), c.read(zeros, zeros.shape), C + spare,
                             c.write(v, v.shape))
    return v.reshape(6, 6, C + spare)[..., :C]


def winograd_output(m, bias, y, activation="identity", double alpha=0.0, isa=None):
    """y (up to 4, up to 4, O) of m (6, 6, O)."""
    c = Call(m, isa)
    rows, columns, O = y.shape
    spare = np.zeros(64 // m.dtype.itemsize, m.dtype)
    m, bias = np.append(m, spare), None if bias is None else np.append(bias, spare)
    c.kernels.winograd_output(O, rows, columns, O, c.read(m, m.shape), c.read(bias, None if bias is None else bias.shape),
                              ACTIVATIONS[activation], alpha, columns * O, c.write(y, y.shape))


def max_pool_forward(x, output, size, strides, before=(0, 0), isa=None):
    """The largest of each window of an image (H, W, C)."""
    c = Call(x, isa)
    y = c.new((*output, x.shape[2]))
    cdef fnn_pool_shape shape = pool_of(x, output, size, strides, before, False)
    c.kernels.max_pool_forward(&shape, 0, output[0], c.read(x), c.write(y, y.shape))
    return y


def max_pool_backward(x, y, dy, size, strides, before=(0, 0), isa=None):
    """dx of the largest of each window."""
    c = Call(x, isa)
    dx = np.zeros_like(x)
    cdef fnn_pool_shape shape = pool_of(x, y.shape[:2], size, strides, before, False)
    c.kernels.max_pool_backward(&shape, c.read(x), c.read(y, y.shape), c.read(dy, y.shape), c.write(dx))
    return dx


def mean_pool_forward(x, output, size, strides, before=(0, 0), bint counts_outside=False, isa=None):
    """The mean of each window of an image (H, W, C)."""
    c = Call(x, isa)
    y = c.new((*output, x.shape[2]))
    cdef fnn_pool_shape shape = pool_of(x, output, size, strides, before, counts_outside)
    c.kernels.mean_pool_forward(&shape, 0, output[0], c.read(x), c.write(y, y.shape))
    return y


def mean_pool_backward(x, dy, size, strides, before=(0, 0), bint counts_outside=False, isa=None):
    """dx of the mean of each window; of x the shape alone is asked for."""
    c = Call(x, isa)
    dx = np.zeros_like(x)
    cdef fnn_pool_shape shape = pool_of(x, dy.shape[:2], size, strides, before, counts_outside)
    c.kernels.mean_pool_backward(&shape, c.read(dy, dy.shape), c.write(dx))
    return dx


# ---- larger images ----

def upsample_forward(x, factor, mode="nearest", isa=None):
    """An image (H, W, C) so many times as high and as wide."""
    c = Call(x, isa)
    (H, W, C), (rows, columns) = x.shape, factor
    cdef fnn_upsample u = fnn_upsample(height=H, width=W, channels=C, row_factor=rows, column_factor=columns)
    y = c.new((H * rows, W * columns, C))
    if mode == "nearest":
        c.kernels.upsample_nearest_forward(&u, 0, H, c.read(x), c.write(y, y.shape))
    else:
        c.kernels.upsample_bilinear_forward(&u, 0, H * rows, c.read(x), c.write(y, y.shape))
    return y


def upsample_backward(dy, factor, mode="nearest", isa=None):
    """dx of the same."""
    c = Call(dy, isa)
    (rows, columns), (OH, OW, C) = factor, dy.shape
    H, W = OH // rows, OW // columns
    cdef fnn_upsample u = fnn_upsample(height=H, width=W, channels=C, row_factor=rows, column_factor=columns)
    dx = c.new((H, W, C))
    if mode == "nearest":
        c.kernels.upsample_nearest_backward(&u, 0, H, c.read(dy), c.write(dx, dx.shape))
    else:
        c.kernels.upsample_bilinear_backward(&u, c.read(dy), c.write(dx, dx.shape))
    return dx


# ---- axes in another order ----

def turn_over(x, isa=None, out=None, Py_ssize_t repeats=1):
    """y = x^T."""
    c = Call(x, isa, True, out)
    c.out = c.new((c.columns, c.rows)) if out is None else out
    cdef const char* start = <const char*> c.read(x)
    cdef char* end = <char*> c.write(c.out, (c.columns, c.rows))
    cdef Py_ssize_t i
    for i in range(repeats):
        c.kernels.turn_over(c.rows, c.columns, start, c.columns, end, c.rows)
    return c.out


# ---- normalisation by the columns beside ----

cdef fnn_local_response local_response_of(Call c, Py_ssize_t size, double alpha, double beta, double k):
    return fnn_local_response(rows=c.rows, columns=c.columns, reach=size // 2, alpha=alpha / size, beta=beta, k=k)


def local_response_forward(x, Py_ssize_t size=5, double alpha=1e-4, double beta=0.75, double k=1.0, isa=None, out=None):
    """y = x / (k + alpha / size sum of the squares of size columns)^beta."""
    c = Call(x, isa, True, out)
    cdef fnn_local_response p = local_response_of(c, size, alpha, beta, k)
    c.kernels.local_response_forward(&p, c.read(x), c.result())
    return c.out


def local_response_backward(x, dy, Py_ssize_t size=5, double alpha=1e-4, double beta=0.75, double k=1.0, isa=None,
                            out=None):
    """dx of the same."""
    c = Call(x, isa, True, out)
    cdef fnn_local_response p = local_response_of(c, size, alpha, beta, k)
    work = c.new((c.columns,))
    c.kernels.local_response_backward(&p, c.read(x), c.read(dy), c.write(work, work.shape), c.result())
    return c.out


# ---- normalisation ----

cdef fnn_norm norm_of(Call c, gamma, beta, double epsilon) except *:
    cdef tuple columns = (c.columns,)
    return fnn_norm(rows=c.rows, columns=c.columns, x_row=c.columns, epsilon=epsilon, gamma=c.read(gamma, columns),
                    beta=c.read(beta, columns))


def column_moments(x, block=None, isa=None):
    """Return mean and variance of each column, from moments of blocks of so many rows."""
    c = Call(x, isa, True)
    cdef Py_ssize_t rows = c.rows if block is None else block, r
    mean, variance, parts = c.new(x.shape[1:]), c.new(x.shape[1:]), np.empty(((c.rows + rows - 1) // rows, 2, c.columns))
    cdef double* moments = <double*> address(parts, np.float64, parts.shape, True)
    for r in range(0, c.rows, rows):
        c.kernels.column_moments(min(rows, c.rows - r), c.columns, c.read(x, None, r * c.columns),
                                 moments + r // rows * 2 * c.columns)
    c.kernels.join_moments(c.rows, rows, c.columns, moments)
    c.kernels.group_moments(c.rows, c.columns, 1, moments, c.write(mean, mean.shape), c.write(variance, mean.shape))
    return mean, variance


def group_moments(x, Py_ssize_t group, isa=None):
    """Return mean and variance of each group of columns, for each column."""
    c = Call(x, isa, True)
    mean, variance, parts = c.new(x.shape[1:]), c.new(x.shape[1:]), np.empty((2, c.columns))
    cdef double* moments = <double*> address(parts, np.float64, parts.shape, True)
    c.kernels.column_moments(c.rows, c.columns, c.read(x), moments)
    c.kernels.group_moments(c.rows, c.columns, group, moments, c.write(mean, mean.shape), c.write(variance, mean.shape))
    return mean, variance


cdef fnn_columns map_of(Call c, center, gain, shift, activation, double alpha) except *:
    cdef tuple columns = (c.columns,)
    return fnn_columns(columns=c.columns, center=c.read(center, columns), gain=c.read(gain, columns),
                       shift=c.read(shift, columns), activation=ACTIVATIONS[activation], alpha=alpha)


cdef object inverse_of(Call c, variance, double epsilon):
    inverse = c.new((c.columns,))
    c.kernels.inverse_deviations(c.columns, epsilon, c.read(variance, inverse.shape), c.write(inverse, inverse.shape))
    return inverse


def map_columns(x, center=None, gain=None, shift=None, activation="identity", double alpha=0.0, isa=None, out=None):
    """activation((x - center) gain + shift), by column."""
    c = Call(x, isa, True, out)
    cdef fnn_columns columns = map_of(c, center, gain, shift, activation, alpha)
    c.kernels.map_columns(&columns, c.rows, c.read(x), c.result())
    return c.out


def batch_norm_forward(x, mean, variance, gamma=None, beta=None, double epsilon=1e-5, activation="identity",
                       double alpha=0.0, isa=None, out=None):
    """activation(gamma (x - mean) / sqrt(variance + epsilon) + beta), by column."""
    gain = inverse_of(Call(x, isa, True), variance, epsilon)
    return map_columns(x, mean, gain if gamma is None else gain * gamma, beta, activation, alpha, isa, out)


def batch_norm_backward(x, mean, variance, dy, gamma=None, dgamma=None, dbeta=None, double epsilon=1e-5,
                        bint coupled=True, double scale=1.0, isa=None, bint gradient=True, beta=None,
                        activation="identity", double alpha=0.0, Py_ssize_t group=1, block=None):
    """Return dx, None where ``gradient`` is false; adds to dgamma and dbeta where they are given."""
    c = Call(x, isa, True)
    inverse = inverse_of(c, variance, epsilon)
    gain, level, tilt = inverse if gamma is None else inverse * gamma, c.new(x.shape[1:]), c.new(x.shape[1:])
    cdef fnn_columns columns = map_of(c, mean, gain, beta, activation, alpha)
    cdef Py_ssize_t rows = c.rows if block is None else block, r
    dx, parts = c.new() if gradient else None, np.empty(((c.rows + rows - 1) // rows, 2, c.columns))
    cdef double* sums = <double*> address(parts, np.float64, parts.shape, True)
    for r in range(0, c.rows, rows):
        c.kernels.column_slopes(&columns, min(rows, c.rows - r), c.read(x, None, r * c.columns),
                                c.read(dy, None, r * c.columns), sums + r // rows * 2 * c.columns)
    c.kernels.join_slopes(len(parts), c.columns, 2 * c.columns, sums)
    c.kernels.norm_levels(c.rows, c.columns, group, c.read(gamma, mean.shape), c.read(inverse, mean.shape), sums,
                          c.write(level, mean.shape), c.write(tilt, mean.shape))
    if gradient:
        c.kernels.column_gradient(&columns, c.rows, c.read(level, mean.shape) if coupled else NULL,
                                  c.read(tilt, mean.shape), c.read(x), c.read(dy), c.write(dx))
    c.kernels.scale_slopes(c.columns, c.read(inverse, mean.shape), sums)
    c.kernels.add_slopes(c.columns, scale, sums, c.write(dgamma, mean.shape), c.write(dbeta, mean.shape))
    return dx


def pixel_norm_forward(x, double epsilon=1e-8, isa=None, out=None, inverse=None):
    """x / sqrt(mean of its squares + epsilon), by row; ``inverse`` (R,) takes what backward reads."""
    c = Call(x, isa, True, out)
    c.kernels.pixel_norm_forward(c.rows, c.columns, epsilon, c.read(x), c.result(), c.write(inverse, (c.rows,)))
    return c.out


def pixel_norm_backward(x, inverse, dy, isa=None):
    """Return dx."""
    c = Call(x, isa, True)
    dx = c.new()
    c.kernels.pixel_norm_backward(c.rows, c.columns, c.read(x), c.read(inverse, (c.rows,)), c.read(dy), c.write(dx))
    return dx


def layer_norm_forward(x, gamma=None, beta=None, double epsilon=1e-5, isa=None, out=None, moments=None):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, by row; ``moments`` (R, 2) takes what backward reads."""
    c = Call(x, isa, True, out)
    cdef fnn_norm norm = norm_of(c, gamma, beta, epsilon)
    c.kernels.layer_norm_forward(&norm, c.read(x), c.result(), c.write(moments, (c.rows, 2)))
    return c.out


def layer_norm_backward(x, moments, dy, gamma=None, dgamma=None, dbeta=None, double scale=1.0, isa=None,
                        bint gradient=True):
    """Return dx, None where ``gradient`` is false; adds to dgamma and dbeta where they are given."""
    c = Call(x, isa, True)
    cdef fnn_norm norm = norm_of(c, gamma, None, 0.0)
    dx, columns = c.new() if gradient else None, x.shape[1:]
    c.kernels.layer_norm_backward(
        &norm, scale, c.read(x), c.read(moments, (c.rows, 2)), c.read(dy), c.write(dx), c.write(dgamma, columns),
        c.write(dbeta, columns))
    return dx


# ---- dropout ----

def dropout_forward(x, uint64_t seed, uint64_t step, uint32_t stream, uint64_t first, double keep, double scale,
                    isa=None, out=None):
    """Return (mask * scale * x, mask)."""
    c = Call(x, isa, False, out)
    cdef fnn_random random = fnn_random(seed, step, stream)
    mask = np.empty(x.shape, np.uint8)
    c.kernels.dropout_forward(c.N, &random, first, keep, scale, c.read(x), c.result(),
                              <uint8_t*> address(mask, np.uint8, x.shape, True))
    return c.out, mask


def add_noise(x, uint64_t seed, uint64_t step, uint32_t stream, uint64_t first, double deviation, isa=None, out=None):
    """x + deviation * normal."""
    c = Call(x, isa, False, out)
    cdef fnn_random random = fnn_random(seed, step, stream)
    c.kernels.add_noise(c.N, &random, first, deviation, c.read(x), c.result())
    return c.out


def dropout_backward(mask, dy, double scale, isa=None, out=None):
    """Return mask * scale * dy."""
    c = Call(dy, isa, False, out)
    c.kernels.dropout_backward(c.N, scale, <uint8_t*> address(mask, np.uint8, dy.shape), c.read(dy), c.result())
    return c.out


def add_masked(mask, x, y, double scale, isa=None):
    """Add to y: mask * scale * x."""
    c = Call(x, isa)
    c.kernels.add_masked(c.N, scale, <uint8_t*> address(mask, np.uint8, x.shape), c.read(x), c.write(y))


# ---- recurrent cells ----

def lstm_forward(z, c_before, peephole, bint forgets=True, isa=None):
    """(a, c, tanh c, h) of one step: z (B, gates * H), c_before (B, H), peephole (gates - 1, H)."""
    k = Call(c_before, isa, True)
    a, c, s, h = z.copy(), k.new(), k.new(), k.new()
    k.kernels.lstm_forward(k.rows, k.columns, forgets, k.read(peephole, (2 + forgets, k.columns)), k.read(c_before),
                           k.write(a, (k.rows, (3 + forgets) * k.columns)), k.write(c), k.write(s), k.write(h))
    return a, c, s, h


def lstm_backward(a, c_before, s, dh, dc, peephole, bint forgets=True, isa=None):
    """(dz, dc_before) of one step."""
    c = Call(c_before, isa, True)
    gates = c.rows, (3 + forgets) * c.columns
    dz, dc = c.new(gates), dc.copy()
    c.kernels.lstm_backward(c.rows, c.columns, forgets, c.read(peephole, (2 + forgets, c.columns)), c.read(a, gates),
                            c.read(c_before), c.read(s), c.read(dh), c.write(dc), c.write(dz, gates))
    return dz, dc


def add_products(x, y, out, double scale=1.0, isa=None):
    """Add to out (N,): scale * sum over rows of x (B, M >= N), its first columns, times y (B, N)."""
    c = Call(y, isa, True)
    c.kernels.add_products(c.rows, c.columns, scale, c.read(x, x.shape), x.shape[1], c.read(y),
                           c.write(out, (c.columns,)))


def gru_forward(z, q, h_before, isa=None):
    """(a, h) of one step: z (B, 3 H), q and h_before (B, H)."""
    c = Call(h_before, isa, True)
    a, h = z.copy(), c.new()
    c.kernels.gru_forward(c.rows, c.columns, c.read(q), c.read(h_before), c.write(a, (c.rows, 3 * c.columns)),
                          c.write(h))
    return a, h


def gru_backward(a, q, h_before, dh, isa=None):
    """(dz, dq, dh_before) of one step."""
    c = Call(h_before, isa, True)
    gates = c.rows, 3 * c.columns
    dz, dq, dh_before = c.new(gates), c.new(), c.new()
    c.kernels.gru_backward(c.rows, c.columns, c.read(a, gates), c.read(q), c.read(h_before), c.read(dh),
                           c.write(dz, gates), c.write(dq), c.write(dh_before))
    return dz, dq, dh_before


def gru_reset(z, h_before, isa=None):
    """(a, s) of the first half of a step with the reset before the product: z (B, 3 H), h_before (B, H)."""
    c = Call(h_before, isa, True)
    a, s = z.copy(), c.new()
    c.kernels.gru_reset(c.rows, c.columns, c.read(h_before), c.write(a, (c.rows, 3 * c.columns)), c.write(s))
    return a, s


def gru_update(z, h_before, isa=None):
    """(a, h) of the second half: z (B, 3 H) with r and u of the first and all of z_n."""
    c = Call(h_before, isa, True)
    a, h = z.copy(), c.new()
    c.kernels.gru_update(c.rows, c.columns, c.read(h_before), c.write(a, (c.rows, 3 * c.columns)), c.write(h))
    return a, h


def gru_update_backward(a, h_before, dh, isa=None):
    """(dz, dh_before) of the second half; dz_r is 0."""
    c = Call(h_before, isa, True)
    gates = c.rows, 3 * c.columns
    dz, dh_before = np.zeros(gates, a.dtype), c.new()
    c.kernels.gru_update_backward(c.rows, c.columns, c.read(a, gates), c.read(h_before), c.read(dh),
                                  c.write(dz, gates), c.write(dh_before))
    return dz, dh_before


def gru_reset_backward(a, h_before, ds, dz, dh_before, isa=None):
    """(dz, dh_before) of both halves, given those of the second."""
    c = Call(h_before, isa, True)
    gates = c.rows, 3 * c.columns
    dz, dh_before = dz.copy(), dh_before.copy()
    c.kernels.gru_reset_backward(c.rows, c.columns, c.read(a, gates), c.read(h_before), c.read(ds),
                                 c.write(dz, gates), c.write(dh_before))
    return dz, dh_before


# ---- probes ----

def probe_read(x, Py_ssize_t repeats=1, isa=None):
    """Return repeats * sum of the elements, reading them every time."""
    c = Call(x, isa)
    return c.kernels.probe_read(repeats, c.N, c.read(x))
