"""The C kernels: the table for this process, and a thin door for tests and benchmarks.

The instruction set is chosen once, at import: the best this processor has, or the one ``FASTNN_ISA`` names.
"""

import os

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cnp.import_array()


cdef extern from "fnn_dispatch.h" nogil:
    const fnn_kernels* fnn_kernel_table(Py_ssize_t itemsize, const char* isa)


cdef extern from "fnn_random.h" nogil:
    void fnn_philox(const uint32_t* counter, const uint32_t* key, uint32_t* out)
    void fnn_random_uniform(Py_ssize_t N, const fnn_random* random, double* out)
    void fnn_random_normal(Py_ssize_t N, const fnn_random* random, double* out)
    void fnn_random_permutation(Py_ssize_t N, const fnn_random* random, int64_t first, int64_t* out)


ACTIVATIONS = {
    "identity": FNN_IDENTITY,
    "sigmoid": FNN_SIGMOID,
    "tanh": FNN_TANH,
    "relu": FNN_RELU,
    "leaky_relu": FNN_LEAKY_RELU,
    "elu": FNN_ELU,
    "selu": FNN_SELU,
    "softplus": FNN_SOFTPLUS,
    "gelu": FNN_GELU,
    "silu": FNN_SILU,
}
LOSSES = {
    "squared_error": FNN_SQUARED_ERROR,
    "distance": FNN_DISTANCE,
    "absolute_error": FNN_ABSOLUTE_ERROR,
    "huber": FNN_HUBER,
    "quantile": FNN_QUANTILE,
    "log_cosh": FNN_LOG_COSH,
    "poisson": FNN_POISSON,
    "cross_entropy": FNN_CROSS_ENTROPY,
    "cross_entropy_labels": FNN_CROSS_ENTROPY_LABELS,
    "binary_cross_entropy": FNN_BINARY_CROSS_ENTROPY,
    "hinge": FNN_HINGE,
    "hinge_labels": FNN_HINGE_LABELS,
}
OPTIMIZERS = {
    "sgd": FNN_SGD,
    "momentum": FNN_MOMENTUM,
    "nesterov": FNN_NESTEROV,
    "adagrad": FNN_ADAGRAD,
    "rmsprop": FNN_RMSPROP,
    "adadelta": FNN_ADADELTA,
    "adam": FNN_ADAM,
    "amsgrad": FNN_AMSGRAD,
}
LABEL_LOSSES = frozenset({"cross_entropy_labels", "hinge_labels"})
STATES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adadelta": 2, "adam": 2, "amsgrad": 3}
ISAS = ("base", "avx2", "avx512")

cdef const fnn_kernels* chosen_float = NULL
cdef const fnn_kernels* chosen_double = NULL


cdef int choose() except -1:
    global chosen_float, chosen_double
    name = os.environ.get("FASTNN_ISA", "")
    if name and name not in ISAS:
        raise ImportError(f"FASTNN_ISA={name!r} is no instruction set of fastnn; expected one of {', '.join(ISAS)}")
    encoded = name.encode()
    cdef const char* isa = NULL
    if name:
        isa = encoded
    chosen_float = fnn_kernel_table(4, isa)
    chosen_double = fnn_kernel_table(8, isa)
    if chosen_float == NULL or chosen_double == NULL:
        raise ImportError(f"FASTNN_ISA={name}: not supported by this processor, "
                          f"which has {', '.join(supported_isas())}")
    return 0


cdef const fnn_kernels* kernel_table(Py_ssize_t itemsize) except NULL:
    """The table for float (itemsize 4) or double (8)."""
    if itemsize == 4:
        return chosen_float
    if itemsize == 8:
        return chosen_double
    raise ValueError(f"expected an item size of 4 or 8 bytes, got {itemsize}")


cdef void random_uniform(Py_ssize_t N, const fnn_random* random, double* out) noexcept nogil:
    fnn_random_uniform(N, random, out)


cdef void random_normal(Py_ssize_t N, const fnn_random* random, double* out) noexcept nogil:
    fnn_random_normal(N, random, out)


cdef void random_permutation(Py_ssize_t N, const fnn_random* random, int64_t first, int64_t* out) noexcept nogil:
    fnn_random_permutation(N, random, first, out)


def isa():
    """Name of the instruction set in use."""
    return chosen_float.isa.decode()


def has_fma():
    """Whether the instruction set in use has a fused multiply-add."""
    return bool(chosen_float.has_fma)


def supported_isas():
    """Names of the instruction sets this build and this processor have, simplest first."""
    return tuple(name for name in ISAS if fnn_kernel_table(4, name.encode()) != NULL)


choose()

# ---- the door for tests and benchmarks: one function per kernel, checked arguments, no other logic ----

cdef const fnn_kernels* table_of(x, isa) except NULL:
    if not isinstance(x, np.ndarray) or x.dtype not in (np.float32, np.float64):
        raise TypeError(f"expected an ndarray of float32 or float64, got {getattr(x, 'dtype', type(x).__name__)}")
    if isa is None:
        return kernel_table(x.dtype.itemsize)
    cdef const fnn_kernels* table = fnn_kernel_table(x.dtype.itemsize, isa.encode())
    if table == NULL:
        raise ValueError(f"expected isa to be one of {', '.join(supported_isas())}, got {isa!r}")
    return table


cdef void* data(array, dtype, shape, bint writable=False) except? NULL:
    """Address of the elements of an array that is what a kernel takes; NULL for None."""
    if array is None:
        return NULL
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        found = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"expected an ndarray of {np.dtype(dtype)}, got {found}")
    if not array.flags.c_contiguous or (writable and not array.flags.writeable):
        raise ValueError("expected a C-contiguous array, writable where it is an output")
    if array.shape != shape:
        raise ValueError(f"expected an array of shape {shape}, got {array.shape}")
    return cnp.PyArray_DATA(<cnp.ndarray>array)


cdef object ready(out, like):
    return np.empty_like(like) if out is None else out


cdef tuple rows_of(x):
    if x.ndim != 2:
        raise ValueError(f"expected a matrix, got shape {x.shape}")
    return x.shape


cdef Py_ssize_t number(dict names, name) except -1:
    if name not in names:
        raise ValueError(f"expected one of {', '.join(names)}, got {name!r}")
    return names[name]


def activation_forward(name, z, double alpha=1.0, isa=None, out=None):
    """a = sigma(z)."""
    cdef const fnn_kernels* k = table_of(z, isa)
    out = ready(out, z)
    k.activation_forward[number(ACTIVATIONS, name)](
        z.size, alpha, data(z, z.dtype, z.shape), data(out, z.dtype, z.shape, True))
    return out


def activation_backward(name, z, a, da, double alpha=1.0, isa=None, out=None):
    """dz = da * sigma'(z); z or a may be None where the activation does not read it."""
    cdef const fnn_kernels* k = table_of(da, isa)
    if (z if name in ("gelu", "silu") else a) is None and name != "identity":
        raise ValueError(f"{name} reads {'z' if name in ('gelu', 'silu') else 'a'}, got None")
    out = ready(out, da)
    if name == "identity" and a is None:
        a = da
    k.activation_backward[number(ACTIVATIONS, name)](
        da.size, alpha, data(z, da.dtype, da.shape), data(a, da.dtype, da.shape), data(da, da.dtype, da.shape),
        data(out, da.dtype, da.shape, True))
    return out


def softmax_forward(z, isa=None, out=None):
    """Softmax of each row."""
    cdef const fnn_kernels* k = table_of(z, isa)
    B, O = rows_of(z)
    out = ready(out, z)
    k.softmax_forward(B, O, data(z, z.dtype, z.shape), data(out, z.dtype, z.shape, True))
    return out


def softmax_backward(a, da, isa=None, out=None):
    """dz from the output a and its gradient."""
    cdef const fnn_kernels* k = table_of(a, isa)
    B, O = rows_of(a)
    out = ready(out, a)
    k.softmax_backward(B, O, data(a, a.dtype, a.shape), data(da, a.dtype, a.shape), data(out, a.dtype, a.shape, True))
    return out


def log_sum_exp(z, isa=None):
    """log sum_o exp z_bo of each row."""
    cdef const fnn_kernels* k = table_of(z, isa)
    B, O = rows_of(z)
    out = np.empty(B, z.dtype)
    k.log_sum_exp(B, O, data(z, z.dtype, z.shape), data(out, z.dtype, (B,), True))
    return out


def loss(name, y, target, weight=None, double parameter=0.0, double scale=1.0, isa=None, bint gradient=True, out=None):
    """Return (sum_b weight_b L_b, dy); dy is None where gradient is false."""
    cdef const fnn_kernels* k = table_of(y, isa)
    B, O = rows_of(y)
    cdef bint labels = name in LABEL_LOSSES
    cdef void* goal = data(target, np.int64 if labels else y.dtype, (B,) if labels else y.shape)
    if labels and target.size and not 0 <= target.min() <= target.max() < O:
        raise ValueError(f"expected labels in [0, {O})")
    dy = ready(out, y) if gradient else None
    value = k.loss[number(LOSSES, name)](
        B, O, parameter, data(y, y.dtype, y.shape), goal, data(weight, y.dtype, (B,)), scale,
        data(dy, y.dtype, y.shape, True))
    return value, dy


def update(name, w, g, states=(), isa=None, double learning_rate=0.01, double beta1=0.9, double beta2=0.999,
           double epsilon=1e-8, double correction1=1.0, double correction2=1.0):
    """One step of an optimiser, in place."""
    cdef const fnn_kernels* k = table_of(w, isa)
    cdef fnn_update u = fnn_update(learning_rate, beta1, beta2, epsilon, correction1, correction2)
    cdef Py_ssize_t rule = number(OPTIMIZERS, name)
    if len(states) != STATES[name]:
        raise ValueError(f"{name} keeps {STATES[name]} state vectors, got {len(states)}")
    cdef void* state[3]
    state[0] = state[1] = state[2] = NULL
    for j, vector in enumerate(states):
        state[j] = data(vector, w.dtype, w.shape, True)
    k.update[rule](w.size, &u, data(g, w.dtype, w.shape), data(w, w.dtype, w.shape, True), state[0], state[1], state[2])


cdef object roomy(array, fill=None):
    """A copy with the 64 bytes after it that products may read; what stands there is NaN, and must not matter."""
    cdef Py_ssize_t n = array.size, spare = 64 // array.itemsize
    block = np.full(n + spare, np.nan, array.dtype)
    block[:n] = array.ravel() if fill is None else fill
    return block[:n].reshape(array.shape)


# Products: with ``out`` the arrays go to the kernel as they are, and the caller keeps 64 bytes to spare after each.

cdef fnn_shape packed(x, w) except *:
    """The whole product of packed x (B, I) and w (I, O)."""
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0]:
        raise ValueError(f"expected matrices (B, I) and (I, O), got {x.shape} and {w.shape}")
    return fnn_shape(batch=len(x), inputs=w.shape[0], outputs=w.shape[1], x_row=w.shape[0], w_row=w.shape[1], y_row=w.shape[1],
                     bias_row=0)


cdef int narrow(fnn_shape* shape, axis, part) except -1:
    """Keep the range ``part`` of one axis; the arrays keep their rows."""
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
    return 0


def product_forward(x, w, bias=None, activation="identity", double alpha=0.0, isa=None, axis="O", part=None,
                    out=None):
    """activation(x w + bias): x (B, I), w (I, O), bias (O,) or (B, O); a ``part`` (range) of B or O leaves NaN elsewhere."""
    cdef const fnn_kernels* k = table_of(x, isa)
    cdef fnn_shape shape = packed(x, w)
    cdef Py_ssize_t size = x.itemsize, b = 0, o = 0
    cdef char* start = NULL
    y = out
    if out is None:
        w, y = roomy(w), roomy(np.empty((len(x), w.shape[1]), x.dtype), np.nan)
        bias = None if bias is None else roomy(bias)
    if activation not in ("identity", "relu", "leaky_relu"):
        raise ValueError(f"expected activation identity, relu or leaky_relu, got {activation!r}")
    if part is not None:
        narrow(&shape, axis, part)
        b, o = (part.start, 0) if axis == "B" else (0, part.start)
    if bias is not None:
        shape.bias_row = w.shape[1] if bias.ndim == 2 else 0
        start = <char*> data(bias, x.dtype, (len(x), w.shape[1])[-bias.ndim:]) + (b * shape.bias_row + o) * size
    k.product_forward(&shape, <char*> data(x, x.dtype, x.shape) + b * shape.x_row * size,
                      <char*> data(w, x.dtype, w.shape) + o * size, start, ACTIVATIONS[activation], alpha,
                      <char*> data(y, x.dtype, (len(x), w.shape[1]), True) + (b * shape.y_row + o) * size)
    return y


def product_input_gradient(dy, w, isa=None, axis="I", part=None, out=None):
    """dy w^T: dy (B, O), w (I, O); a ``part`` (range) of B or I leaves NaN elsewhere."""
    cdef const fnn_kernels* k = table_of(dy, isa)
    cdef fnn_shape shape = packed(np.empty((len(dy), len(w)), np.bool_), w)
    cdef Py_ssize_t size = dy.itemsize, b = 0, i = 0
    dx = out
    if out is None:
        w, dx = roomy(w), roomy(np.empty((len(dy), w.shape[0]), dy.dtype), np.nan)
    if part is not None:
        narrow(&shape, axis, part)
        b, i = (part.start, 0) if axis == "B" else (0, part.start)
    k.product_input_gradient(&shape, <char*> data(dy, dy.dtype, (len(dy), w.shape[1])) + b * shape.y_row * size,
                             <char*> data(w, dy.dtype, w.shape) + i * shape.w_row * size,
                             <char*> data(dx, dy.dtype, (len(dy), w.shape[0]), True) + (b * shape.x_row + i) * size)
    return dx


def product_weight_gradient(x, dy, dw, double scale=1.0, isa=None, axis="O", part=None, out=None):
    """dw + scale x^T dy: x (B, I), dy (B, O), dw (I, O); ``out`` is dw itself, or None for a new array; a ``part`` (range) of I or O leaves dw elsewhere."""
    cdef const fnn_kernels* k = table_of(x, isa)
    cdef fnn_shape shape = packed(x, dw)
    cdef Py_ssize_t size = x.itemsize, i = 0, o = 0
    if out is None:
        dy, dw = roomy(dy), roomy(dw)
    elif out is not dw:
        raise ValueError("product_weight_gradient: expected out to be dw itself, or None")
    if part is not None:
        narrow(&shape, axis, part)
        i, o = (part.start, 0) if axis == "I" else (0, part.start)
    k.product_weight_gradient(&shape, scale, <char*> data(x, x.dtype, x.shape) + i * size,
                              <char*> data(dy, x.dtype, (len(x), dw.shape[1])) + o * size,
                              <char*> data(dw, x.dtype, dw.shape, True) + (i * shape.w_row + o) * size)
    return dw


def product_row_gradients(x, dy, w, double scale=1.0, isa=None, out=None):
    """(dx, w + scale x^T dy) of one row, the latter in place of w: x (1, I), dy (1, O), w (I, O); ``out`` is for dx."""
    cdef const fnn_kernels* k = table_of(x, isa)
    cdef fnn_shape shape = packed(x, w)
    dx = out
    if out is None:
        w, dy, dx = roomy(w), roomy(dy), roomy(np.empty(x.shape, x.dtype), np.nan)
    if len(x) != 1:
        raise ValueError(f"expected one row, got {len(x)}")
    k.product_row_gradients(&shape, scale, data(x, x.dtype, x.shape), data(dy, x.dtype, (1, w.shape[1])),
                            data(w, x.dtype, w.shape), data(dx, x.dtype, x.shape, True),
                            data(w, x.dtype, w.shape, True))
    return dx, w


def add_row_sum(x, db, double scale=1.0, isa=None, out=None):
    """db + scale * sum_b x_b; ``out`` is db itself, or None for a new array."""
    cdef const fnn_kernels* k = table_of(x, isa)
    B, O = rows_of(x)
    if out is None:
        x, db = roomy(x), roomy(db)
    elif out is not db:
        raise ValueError("add_row_sum: expected out to be db itself, or None")
    k.add_row_sum(B, O, scale, data(x, x.dtype, x.shape), data(db, x.dtype, (O,), True))
    return db


def add(x, y, isa=None, out=None):
    """x + y."""
    cdef const fnn_kernels* k = table_of(x, isa)
    out = ready(out, x)
    k.add(x.size, data(x, x.dtype, x.shape), data(y, x.dtype, x.shape), data(out, x.dtype, x.shape, True))
    return out


def add_scaled(x, y, double scale=1.0, isa=None):
    """Add to y: scale * x."""
    cdef const fnn_kernels* k = table_of(x, isa)
    k.add_scaled(x.size, scale, data(x, x.dtype, x.shape), data(y, x.dtype, x.shape, True))


def scale(x, double factor, isa=None, out=None):
    """Return factor * x."""
    cdef const fnn_kernels* k = table_of(x, isa)
    out = ready(out, x)
    k.scale(x.size, factor, data(x, x.dtype, x.shape), data(out, x.dtype, x.shape, True))
    return out


def clip(x, double limit, isa=None):
    """Clip to [-limit, limit], in place."""
    cdef const fnn_kernels* k = table_of(x, isa)
    k.clip(x.size, limit, data(x, x.dtype, x.shape, True))


def sum(x, isa=None):
    """Sum of the elements."""
    return table_of(x, isa).sum(x.size, data(x, x.dtype, x.shape))


def sum_squares(x, isa=None):
    """Sum of the squares of the elements."""
    return table_of(x, isa).sum_squares(x.size, data(x, x.dtype, x.shape))


def all_finite(x, isa=None):
    """Whether no element is NaN or infinite."""
    return bool(table_of(x, isa).all_finite(x.size, data(x, x.dtype, x.shape)))


def add_penalty(w, g, double l1=0.0, double l2=0.0, isa=None):
    """Add to g: l1 sign(w) + l2 w."""
    cdef const fnn_kernels* k = table_of(w, isa)
    k.add_penalty(w.size, l1, l2, data(w, w.dtype, w.shape), data(g, w.dtype, w.shape, True))


def limit_columns(w, double limit, isa=None):
    """Scale long columns back to norm limit, in place."""
    cdef const fnn_kernels* k = table_of(w, isa)
    I, O = rows_of(w)
    work = np.empty(O, w.dtype)
    k.limit_columns(I, O, limit, data(w, w.dtype, w.shape, True), data(work, w.dtype, (O,), True))


def dropout_forward(x, uint64_t seed, uint64_t step, uint32_t stream, uint64_t first, double keep, double scale,
                    isa=None, out=None):
    """Return (mask * scale * x, mask)."""
    cdef const fnn_kernels* k = table_of(x, isa)
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = ready(out, x)
    mask = np.empty(x.shape, np.uint8)
    k.dropout_forward(x.size, &random, first, keep, scale, data(x, x.dtype, x.shape),
                      data(out, x.dtype, x.shape, True), <uint8_t*>data(mask, np.uint8, x.shape, True))
    return out, mask


def dropout_backward(mask, dy, double scale, isa=None, out=None):
    """Return mask * scale * dy."""
    cdef const fnn_kernels* k = table_of(dy, isa)
    out = ready(out, dy)
    k.dropout_backward(dy.size, scale, <uint8_t*>data(mask, np.uint8, dy.shape), data(dy, dy.dtype, dy.shape),
                       data(out, dy.dtype, dy.shape, True))
    return out


def add_masked(mask, x, y, double scale, isa=None):
    """Add to y: mask * scale * x."""
    cdef const fnn_kernels* k = table_of(x, isa)
    k.add_masked(x.size, scale, <uint8_t*>data(mask, np.uint8, x.shape), data(x, x.dtype, x.shape),
                 data(y, x.dtype, x.shape, True))


def lstm_forward(z, c_before, peephole, bint forgets=True, isa=None):
    """(a, c, tanh c, h) of one step: z (B, gates * H), c_before (B, H), peephole (gates - 1, H)."""
    cdef const fnn_kernels* k = table_of(z, isa)
    B, H = rows_of(c_before)
    a, c, s, h = z.copy(), np.empty_like(c_before), np.empty_like(c_before), np.empty_like(c_before)
    k.lstm_forward(B, H, forgets, data(peephole, z.dtype, (2 + forgets, H)), data(c_before, z.dtype, (B, H)),
                   data(a, z.dtype, (B, (3 + forgets) * H), True), data(c, z.dtype, (B, H), True),
                   data(s, z.dtype, (B, H), True), data(h, z.dtype, (B, H), True))
    return a, c, s, h


def lstm_backward(a, c_before, s, dh, dc, peephole, bint forgets=True, isa=None):
    """(dz, dc_before) of one step."""
    cdef const fnn_kernels* k = table_of(a, isa)
    B, H = rows_of(c_before)
    dz, dc = np.empty_like(a), dc.copy()
    k.lstm_backward(B, H, forgets, data(peephole, a.dtype, (2 + forgets, H)),
                    data(a, a.dtype, (B, (3 + forgets) * H)), data(c_before, a.dtype, (B, H)),
                    data(s, a.dtype, (B, H)), data(dh, a.dtype, (B, H)), data(dc, a.dtype, (B, H), True),
                    data(dz, a.dtype, a.shape, True))
    return dz, dc


def add_products(x, y, out, double scale=1.0, isa=None):
    """Add to out (N,): scale * sum over rows of x (B, M >= N), its first columns, times y (B, N)."""
    cdef const fnn_kernels* k = table_of(y, isa)
    B, N = rows_of(y)
    k.add_products(B, N, scale, data(x, y.dtype, x.shape), x.shape[1], data(y, y.dtype, (B, N)),
                   data(out, y.dtype, (N,), True))


def gru_forward(z, q, h_before, isa=None):
    """(a, h) of one step: z (B, 3 H), q and h_before (B, H)."""
    cdef const fnn_kernels* k = table_of(z, isa)
    B, H = rows_of(h_before)
    a, h = z.copy(), np.empty_like(h_before)
    k.gru_forward(B, H, data(q, z.dtype, (B, H)), data(h_before, z.dtype, (B, H)), data(a, z.dtype, (B, 3 * H), True),
                  data(h, z.dtype, (B, H), True))
    return a, h


def gru_backward(a, q, h_before, dh, isa=None):
    """(dz, dq, dh_before) of one step."""
    cdef const fnn_kernels* k = table_of(a, isa)
    B, H = rows_of(h_before)
    dz, dq, dh_before = np.empty_like(a), np.empty_like(q), np.empty_like(q)
    k.gru_backward(B, H, data(a, a.dtype, (B, 3 * H)), data(q, a.dtype, (B, H)), data(h_before, a.dtype, (B, H)),
                   data(dh, a.dtype, (B, H)), data(dz, a.dtype, a.shape, True), data(dq, a.dtype, (B, H), True),
                   data(dh_before, a.dtype, (B, H), True))
    return dz, dq, dh_before


def probe_multiply_add(Py_ssize_t n, double factor=-1.0, double addend=1.0, dtype=np.float32, isa=None):
    """Return (sum of the chains after n multiply-adds each, number of chains)."""
    cdef const fnn_kernels* k = table_of(np.empty(0, dtype), isa)
    cdef Py_ssize_t chains = 0
    total = k.probe_multiply_add(n, factor, addend, &chains)
    return total, chains


def probe_read(x, Py_ssize_t repeats=1, isa=None):
    """Return repeats * sum of the elements, reading them every time."""
    cdef const fnn_kernels* k = table_of(x, isa)
    return k.probe_read(repeats, x.size, data(x, x.dtype, x.shape))


def philox(counter, key):
    """One block of Philox4x32-10 as four integers."""
    cdef uint32_t c[4]
    cdef uint32_t k[2]
    cdef uint32_t out[4]
    c[0], c[1], c[2], c[3] = counter
    k[0], k[1] = key
    fnn_philox(c, k, out)
    return out[0], out[1], out[2], out[3]


def uniform(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0):
    """Uniforms of a stream."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n)
    fnn_random_uniform(n, &random, <double*>data(out, np.float64, (n,), True))
    return out


def normal(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0):
    """Standard normals of a stream."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n)
    fnn_random_normal(n, &random, <double*>data(out, np.float64, (n,), True))
    return out


def permutation(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0, int64_t first=0):
    """Return a permutation of first .. first + n - 1."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n, np.int64)
    fnn_random_permutation(n, &random, first, <int64_t*>data(out, np.int64, (n,), True))
    return out
