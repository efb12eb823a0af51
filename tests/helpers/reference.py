"""Plain NumPy twins of everything that fastnn computes, in float64: the formulas of the literature, no cleverness.

Dimension letters: B batch, I inputs, O outputs.
"""

from math import erfc

import numpy as np

# ---- layers ---------------------------------------------------------------------------------------------------------


def dense(x, w, b=None):
    """z = x W + b."""
    return x @ w if b is None else x @ w + b


def flatten(x):
    return x.reshape(len(x), -1)


def reshape(x, shape):
    return x.reshape(len(x), *shape)


def add(*xs):
    return sum(xs[1:], xs[0])


def concatenate(*xs):
    return np.concatenate(xs, axis=-1)


def part(x, start=None, stop=None):
    return x[:, start:stop]


def dropout(x, rate, mask, inverted=True):
    """While training: mask is 1 where a unit is kept."""
    return mask * x / (1 - rate) if inverted else mask * x


def dropout_inference(x, rate, inverted=True):
    return x if inverted else (1 - rate) * x


def dropconnect(x, w, b, rate, mask, inverted=True):
    """While training: mask has the shape of w."""
    return x @ (mask * w / (1 - rate) if inverted else mask * w) + b


def dropconnect_inference(x, w, b, rate, inverted=True):
    return x @ (w if inverted else (1 - rate) * w) + b


def phase_coefficients(p, points, function):
    """c_k(p) of each control point (B, K), one row at a time and by the book."""
    result = np.zeros((len(p), points))
    for c, phase in zip(result, np.ravel(p), strict=True):
        w = phase * points % 1
        k = [(int(np.floor(phase * points)) + i) % points for i in (-1, 0, 1, 2)]
        if function == "constant":
            c[k[1] if w < 0.5 else k[2]] += 1
        elif function == "linear":
            c[k[1]] += 1 - w
            c[k[2]] += w
        else:  # Catmull-Rom, as Holden et al. 2017 write it
            a = np.eye(points)[k]
            c += (
                a[1]
                + w * (a[2] - a[0]) / 2
                + w**2 * (a[0] - 2.5 * a[1] + 2 * a[2] - a[3] / 2)
                + w**3 * (1.5 * a[1] - 1.5 * a[2] + a[3] / 2 - a[0] / 2)
            )
    return result


def phase_dense(x, p, w, b=None, function="cubic"):
    """z = x W(p) + b(p), weights made for each row."""
    c = phase_coefficients(p, len(w), function)
    z = np.stack([row @ weights for row, weights in zip(x, np.tensordot(c, w, axes=1), strict=True)])
    return z if b is None else z + c @ b


def recurrent(step, x, state, mask=None, reverse=False):
    """Run ``step(x_t (B, I), state (S, B, H)) -> state`` over x (B, T, I): h of each step (B, T, H), and its end.

    ``mask`` (B, T): a step that does not count leaves the state, and gives 0.
    """
    steps = x.shape[1]
    sequence = np.zeros((len(x), steps, state.shape[2]))
    for t in reversed(range(steps)) if reverse else range(steps):
        after = step(x[:, t], state)
        counts = np.ones(len(x), bool) if mask is None else mask[:, t]
        state = np.where(counts[:, None], after, state)
        sequence[counts, t] = state[0][counts]
    return sequence, state


def simple_rnn(x, w, u, b=0, state=None, activation=np.tanh, **options):
    """Elman 1990."""
    state = np.zeros((1, len(x), len(u))) if state is None else state
    return recurrent(lambda x, s: activation(x @ w + s[0] @ u + b)[None], x, state, **options)


def lstm(x, w, u, b=0, peephole=None, state=None, forget_gate=True, **options):
    """Gers et al. 2000 and 2002; without forget_gate Hochreiter & Schmidhuber 1997."""
    state = np.zeros((2, len(x), len(u))) if state is None else state
    p = np.zeros((3, len(u))) if peephole is None else peephole

    def step(x, s):
        h, c = s
        z = np.split(x @ w + h @ u + b, 4 if forget_gate else 3, axis=1)
        i = sigmoid(z[0] + p[0] * c)
        f = sigmoid(z[1] + p[1] * c) if forget_gate else 1
        c = f * c + i * np.tanh(z[-2])
        return np.stack([sigmoid(z[-1] + p[-1] * c) * np.tanh(c), c])

    return recurrent(step, x, state, **options)


def gru(x, w, u, b=0, recurrent_bias=0, state=None, reset_after=True, **options):
    """Cho et al. 2014, with the reset gate after the product, or, as there, before it."""
    state = np.zeros((1, len(x), len(u))) if state is None else state
    n_units = len(u)

    def step(x, s):
        z, q = x @ w + b, s[0] @ u
        r, k = np.split(sigmoid(z + q)[:, : 2 * n_units], 2, axis=1)
        inner = r * (q[:, 2 * n_units :] + recurrent_bias) if reset_after else (r * s[0]) @ u[:, 2 * n_units :]
        n = np.tanh(z[:, 2 * n_units :] + inner)
        return ((1 - k) * n + k * s[0])[None]

    return recurrent(step, x, state, **options)


def batch_norm(x, gamma, beta, mean, variance, epsilon=1e-5):
    """Ioffe & Szegedy 2015, alg. 2; channels are the last axis."""
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_norm_training(x, gamma, beta, epsilon=1e-5):
    """Ioffe & Szegedy 2015, alg. 1: by the statistics of the batch."""
    axes = tuple(range(x.ndim - 1))
    return batch_norm(x, gamma, beta, x.mean(axes), x.var(axes), epsilon)


def layer_norm(x, gamma, beta, epsilon=1e-5):
    """Ba et al. 2016."""
    return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) + beta


def group_norm(x, groups, gamma=1, beta=0, epsilon=1e-5):
    """Wu & He 2018; groups = C: instance normalisation [Ulyanov et al. 2016]."""
    wide = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean, variance = wide.mean(axis=(1, 3), keepdims=True), wide.var(axis=(1, 3), keepdims=True)
    return gamma * ((wide - mean) / np.sqrt(variance + epsilon)).reshape(x.shape) + beta


def minibatch_std_dev(x, group=4, epsilon=1e-8):
    """Groups of neighbours, the rest with the last: the deviation of each number over the rows, and their mean."""
    parts, groups = [], max(1, len(x) // group)
    for g in range(groups):
        rows = x[g * group : (g + 1) * group if g < groups - 1 else None]
        s = np.sqrt(((rows - rows.mean(axis=0)) ** 2).mean(axis=0) + epsilon).mean()
        parts.append(with_channel(rows, s))
    return np.concatenate(parts)


def with_channel(x, value):
    """One more channel of one value."""
    return np.concatenate([x, np.full_like(x[..., :1], value)], axis=-1)


def gram(x):
    """Gatys, Ecker & Bethge 2015, eq. 3, over the number of places."""
    rows = x.reshape(len(x), -1, x.shape[-1])
    return np.array([sum(np.outer(place, place) for place in row) / len(row) for row in rows])


def pixel_norm(x, epsilon=1e-8):
    """Karras et al. 2018."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)


def padded(x, before, after, mode="zeros", value=0.0):
    """Images (B, H, W, C) with rows and columns around them."""
    pads = [(0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)]
    if mode == "zeros":
        return np.pad(x, pads, constant_values=value)
    return np.pad(x, pads, mode={"reflect": "reflect", "replicate": "edge"}[mode])


def conv2d(x, w, b=0.0, strides=(1, 1), before=(0, 0), after=(0, 0), mode="zeros", dilation=(1, 1), groups=1):
    """A window at a time: w (KH, KW, C / groups, O)."""
    x = padded(x, before, after, mode)
    KH, KW, C, O = w.shape
    OH = (x.shape[1] - (KH - 1) * dilation[0] - 1) // strides[0] + 1
    OW = (x.shape[2] - (KW - 1) * dilation[1] - 1) // strides[1] + 1
    y = np.zeros((len(x), OH, OW, O))
    share = O // groups
    for i in range(OH):
        for j in range(OW):
            rows = i * strides[0] + dilation[0] * np.arange(KH)
            columns = j * strides[1] + dilation[1] * np.arange(KW)
            window = x[:, rows][:, :, columns]
            for g in range(groups):
                own = slice(g * share, (g + 1) * share)
                y[:, i, j, own] = np.tensordot(window[..., g * C : (g + 1) * C], w[..., own], axes=3)
    return y + b


def conv_transpose2d(x, w, b=0.0, strides=(1, 1), before=(0, 0), after=(0, 0), more=(0, 0), dilation=(1, 1), groups=1):
    """Pixel by pixel: w (KH, KW, O / groups, C); ``before`` and ``after`` are cut off, ``more`` added at the end."""
    B, H, W, C = x.shape
    KH, KW, O, _ = w.shape
    sizes = zip((H, W), (KH, KW), strides, dilation, more, strict=True)
    y = np.zeros((B, *((n - 1) * s + (k - 1) * d + 1 + m for n, k, s, d, m in sizes), O * groups))
    share = C // groups
    for i in range(H):
        for j in range(W):
            for k in range(KH):
                for m in range(KW):
                    for g in range(groups):
                        own = slice(g * share, (g + 1) * share)
                        at = i * strides[0] + k * dilation[0], j * strides[1] + m * dilation[1]
                        y[:, at[0], at[1], g * O : (g + 1) * O] += x[:, i, j, own] @ w[k, m, :, own].T
    return y[:, before[0] : y.shape[1] - after[0], before[1] : y.shape[2] - after[1]] + b


def pool2d(x, kind, size, strides, before=(0, 0), after=(0, 0), output=None, count_padding=False):
    """A window at a time; what lies outside the image does not count, or is 0 in a mean that counts it."""
    H, W = x.shape[1:3]
    if output is None:
        sides = zip((H, W), before, after, size, strides, strict=True)
        output = [(n + first + last - k) // s + 1 for n, first, last, k, s in sides]
    y = np.zeros((len(x), *output, x.shape[3]))
    for i in range(output[0]):
        for j in range(output[1]):
            top, left = i * strides[0] - before[0], j * strides[1] - before[1]
            window = x[:, max(top, 0) : top + size[0], max(left, 0) : left + size[1]]
            if kind == "max":
                y[:, i, j] = window.max(axis=(1, 2))
            else:
                count = size[0] * size[1] if count_padding else window.shape[1] * window.shape[2]
                y[:, i, j] = window.sum(axis=(1, 2)) / count
    return y


def conv1d(x, w, b=0.0, strides=1, before=0, after=0, mode="zeros", dilation=1, groups=1):
    """A convolution of images of one column: w (K, C / groups, O)."""
    across = {"strides": (strides, 1), "before": (before, 0), "after": (after, 0), "dilation": (dilation, 1)}
    return conv2d(x[:, :, None], w[:, None], b, mode=mode, groups=groups, **across)[:, :, 0]


def pool1d(x, kind, size, strides, before=0, after=0, output=None, count_padding=False):
    """Pooling of images of one column."""
    output = None if output is None else (output, 1)
    return pool2d(x[:, :, None], kind, (size, 1), (strides, 1), (before, 0), (after, 0), output, count_padding)[:, :, 0]


def upsample2d(x, factor, mode):
    """A row at a time, then a column."""
    for axis, f in zip((1, 2), factor, strict=True):
        size = x.shape[axis]
        places = (np.arange(size * f) + 0.5) / f - 0.5
        if mode == "nearest":
            x = np.take(x, np.rint(places).clip(0, size - 1).astype(int), axis)
            continue
        low = np.floor(places.clip(0, size - 1)).astype(int)
        share = (places.clip(0, size - 1) - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = (1 - share) * np.take(x, low, axis) + share * np.take(x, np.minimum(low + 1, size - 1), axis)
    return x


def depth_to_space(x, block, mode):
    """A pixel of the output at a time."""
    B, H, W, C = x.shape
    y = np.empty((B, H * block, W * block, C // block**2))
    for k in range(block):
        for m in range(block):
            at = k * block + m
            first, step = (at * y.shape[3], 1) if mode == "DCR" else (at, block**2)
            y[:, k::block, m::block] = x[..., first::step][..., : y.shape[3]]
    return y


def local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """A channel at a time, by the squares of those around it."""
    y = np.empty_like(x)
    for c in range(x.shape[-1]):
        window = x[..., max(c - size // 2, 0) : c + size // 2 + 1]
        y[..., c] = x[..., c] / (k + alpha / size * (window**2).sum(axis=-1)) ** beta
    return y


def embedding(x, w, padding=None):
    """The vector of each index: rows of w, 0 for the padding."""
    y = w[x.astype(int)]
    return y if padding is None else np.where((x == padding)[..., None], 0, y)


# ---- activations ----------------------------------------------------------------------------------------------------


def identity(z):
    return z


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def tanh(z):
    return np.tanh(z)


def relu(z):
    return np.maximum(z, 0)


def leaky_relu(z, alpha=0.01):
    return np.where(z > 0, z, alpha * z)


def elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(z))


def selu(z):
    """Klambauer et al. 2017, eq. 2 and 14."""
    return 1.0507009873554804934193349852946 * elu(z, 1.6732632423543772848170429916717)


def softplus(z):
    return np.logaddexp(0, z)


def gelu(z):
    """Hendrycks & Gimpel 2016: z Phi(z)."""
    return 0.5 * z * np.vectorize(erfc, otypes=[float])(-z / np.sqrt(2))


def gelu_tanh(z):
    """Hendrycks & Gimpel 2016, the tanh form."""
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def silu(z):
    return z * sigmoid(z)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z):
    e = z - z.max(axis=-1, keepdims=True)
    return e - np.log(np.exp(e).sum(axis=-1, keepdims=True))


def clipped_relu(z, alpha=6.0):
    return np.clip(z, 0, alpha)


ACTIVATIONS = {
    f.__name__: f
    for f in (
        *(identity, sigmoid, tanh, relu, leaky_relu, elu, selu, softplus, gelu, gelu_tanh, silu, clipped_relu),
        *(softmax, log_softmax),
    )
}
KINKED = ("relu", "leaky_relu", "elu", "selu", "clipped_relu")  # their first or second derivative jumps at 0


# ---- losses: L of each row (B,) -------------------------------------------------------------------------------------


def squared_error(y, t):
    return np.mean((y - t) ** 2, axis=1)


def distance(y, t):
    return np.sqrt(np.sum((y - t) ** 2, axis=1))


def absolute_error(y, t):
    return np.mean(np.abs(y - t), axis=1)


def huber(y, t, delta=1.0):
    e = np.abs(y - t)
    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)), axis=1)


def quantile(y, t, q=0.5):
    return np.mean(np.maximum(q * (t - y), (q - 1) * (t - y)), axis=1)


def log_cosh(y, t):
    return np.mean(np.logaddexp(y - t, t - y) - np.log(2), axis=1)


def poisson(y, t):
    return np.mean(np.exp(y) - t * y, axis=1)


def cross_entropy(y, t, smoothing=0.0):
    """From logits; t are rows of probabilities."""
    t = (1 - smoothing) * t + smoothing / t.shape[1]
    return -np.sum(t * np.log(softmax(y)), axis=1)


def binary_cross_entropy(y, t, smoothing=0.0):
    """From logits."""
    t = (1 - smoothing) * t + smoothing / 2
    return np.mean(-t * np.log(sigmoid(y)) - (1 - t) * np.log(1 - sigmoid(y)), axis=1)


def hinge(y, t):
    return np.mean(np.maximum(0, 1 - t * y), axis=1)


def crammer_singer(y, labels):
    rows = np.arange(len(y))
    rivals = y.copy()
    rivals[rows, labels] = -np.inf
    return np.maximum(0, 1 + rivals.max(axis=1) - y[rows, labels])


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def weighted_mean(rows, weights=None):
    return np.mean(rows) if weights is None else np.sum(weights * rows) / np.sum(weights)


# ---- optimisers: update(w, g, t, state) -> w, t = 1, 2, ...; state is a dict that starts empty ----------------------


def sgd(w, g, t, state, h):
    return w - h * g


def momentum(w, g, t, state, h, m):
    state["v"] = m * state.get("v", 0) - h * g
    return w + state["v"]


def nesterov(w, g, t, state, h, m):
    state["v"] = m * state.get("v", 0) - h * g
    return w + m * state["v"] - h * g


def adagrad(w, g, t, state, h, epsilon, initial=0.0):
    state["s"] = state.get("s", initial) + g**2
    return w - h * g / (np.sqrt(state["s"]) + epsilon)


def rmsprop(w, g, t, state, h, rho, epsilon):
    state["s"] = rho * state.get("s", 0) + (1 - rho) * g**2
    return w - h * g / (np.sqrt(state["s"]) + epsilon)


def adadelta(w, g, t, state, h, rho, epsilon):
    state["s"] = rho * state.get("s", 0) + (1 - rho) * g**2
    d = np.sqrt(state.get("u", 0) + epsilon) / np.sqrt(state["s"] + epsilon) * g
    state["u"] = rho * state.get("u", 0) + (1 - rho) * d**2
    return w - h * d


def adam(w, g, t, state, h, beta1, beta2, epsilon):
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m, v = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
    return w - h * m / (np.sqrt(v) + epsilon)


def adam_hat(w, g, t, state, h, beta1, beta2, epsilon):
    """Epsilon is added before the second moment is corrected (Kingma & Ba, end of section 2)."""
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    return w - h * np.sqrt(1 - beta2**t) / (1 - beta1**t) * state["m"] / (np.sqrt(state["v"]) + epsilon)


def adamw(w, g, t, state, h, beta1, beta2, epsilon, decay):
    """``decay`` is an array: the decay of each weight, 0 for biases."""
    return adam(w * (1 - h * decay), g, t, state, h, beta1, beta2, epsilon)


def amsgrad(w, g, t, state, h, beta1, beta2, epsilon):
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    state["top"] = np.maximum(state.get("top", 0), state["v"])
    return w - h * (state["m"] / (1 - beta1**t)) / (np.sqrt(state["top"] / (1 - beta2**t)) + epsilon)


# ---- a whole small network with backpropagation by hand -------------------------------------------------------------


class TwoLayers:
    """x -> tanh(x W1 + b1) W2 + b2 under the mean over rows and outputs of (y - t)^2; one vector of parameters."""

    def __init__(self, inputs, hidden, outputs):
        self.shapes = [(inputs, hidden), (hidden,), (hidden, outputs), (outputs,)]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.weights = np.concatenate(
            [np.full(size, float(len(shape) == 2)) for size, shape in zip(self.sizes, self.shapes, strict=True)]
        )

    def split(self, params):
        pieces = np.split(params, np.cumsum(self.sizes)[:-1])
        return [piece.reshape(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def forward(self, params, x):
        w1, b1, w2, b2 = self.split(params)
        return np.tanh(x @ w1 + b1) @ w2 + b2

    def loss(self, params, x, t, weights=None):
        return weighted_mean(squared_error(self.forward(params, x), t), weights)

    def gradient(self, params, x, t, weights=None):
        w1, b1, w2, b2 = self.split(params)
        weights = np.ones(len(x)) if weights is None else weights
        a = np.tanh(x @ w1 + b1)
        y = a @ w2 + b2
        delta2 = 2 * (y - t) / t.shape[1] * (weights / weights.sum())[:, None]
        delta1 = (delta2 @ w2.T) * (1 - a**2)
        parts = [x.T @ delta1, delta1.sum(axis=0), a.T @ delta2, delta2.sum(axis=0)]
        return np.concatenate([part.ravel() for part in parts])


# ---- derivatives ----------------------------------------------------------------------------------------------------

STEP = 2e-4  # of the coarse difference: truncation h^4 ~ 2e-15, rounding 1e-16 / h ~ 1e-12, both far below 1e-7


def slope(value, array, direction):
    """Derivative of ``value()`` as ``array`` moves along ``direction``: central differences, Richardson."""
    kept = array.copy()
    differences = []
    for h in (STEP, STEP / 2):
        array[...] = kept + h * direction
        above = value()
        array[...] = kept - h * direction
        differences.append((above - value()) / (2 * h))
    array[...] = kept
    return (4 * differences[1] - differences[0]) / 3


def numerical_gradient(value, array):
    """Gradient of ``value()`` with respect to every element of ``array``."""
    result = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        direction = np.zeros_like(array)
        direction[index] = 1
        result[index] = slope(value, array, direction)
    return result


def slope_error(value, array, gradient, rng, size, directions=3):
    """Largest error of ``gradient`` along random unit directions, relative to what a direction sees of it on average.

    A random unit vector v in N dimensions has |g . v| ~ |g| / sqrt(N).  ``size`` is the sum of |terms| of ``value``:
    below 4 eps size / h the difference quotient itself is noise, which is not counted.
    """
    noise = 4 * np.finfo(np.float64).eps * size / (STEP / 2)
    seen = max(np.linalg.norm(gradient) / np.sqrt(gradient.size), 1e-30)
    worst = 0.0
    for _ in range(directions):
        v = rng.normal(size=array.shape)
        v /= np.linalg.norm(v)
        difference = abs(slope(value, array, v) - float(np.vdot(gradient, v)))
        worst = max(worst, max(0.0, difference - noise) / seen)
    return worst


def relative(a, b):
    """|a - b| / |b| as vectors; 0 / 0 is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = float(np.linalg.norm(a - b))
    return difference / max(float(np.linalg.norm(b)), 1e-300) if difference else 0.0
