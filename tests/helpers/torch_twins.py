"""Plain NumPy twins of PyTorch's modules: the same names, attributes, state dicts, formulas."""

import numpy as np
from helpers import reference as ref


class Module:
    def __init__(self):
        self.parameters = {}

    def state_dict(self):
        return dict(self.parameters)

    def named_children(self):
        return []

    def parameter(self, name, *shape):
        self.parameters[name] = np.zeros(shape, np.float32)
        return self.parameters[name]


class Sequential(Module):
    def __init__(self, *modules):
        self.modules = modules

    def named_children(self):
        return [(str(i), module) for i, module in enumerate(self.modules)]

    def __iter__(self):
        return iter(self.modules)

    def state_dict(self):
        return {
            f"{i}.{name}": array for i, module in enumerate(self.modules) for name, array in module.state_dict().items()
        }

    def __call__(self, x):
        for module in self.modules:
            x = module(x)
        return x


class Linear(Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = self.parameter("weight", out_features, in_features)
        self.bias = self.parameter("bias", out_features) if bias else None

    def __call__(self, x):
        return x @ self.weight.T + (0 if self.bias is None else self.bias)


def elementwise(name, function):
    class Elementwise(Module):
        def __call__(self, x):
            return function(x)

    Elementwise.__name__ = name
    return Elementwise


ReLU = elementwise("ReLU", ref.relu)
SELU = elementwise("SELU", ref.selu)
SiLU = elementwise("SiLU", ref.silu)
Sigmoid = elementwise("Sigmoid", ref.sigmoid)
Tanh = elementwise("Tanh", ref.tanh)
Identity = elementwise("Identity", ref.identity)


class LeakyReLU(Module):
    def __init__(self, negative_slope=0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def __call__(self, x):
        return ref.leaky_relu(x, self.negative_slope)


class Hardtanh(Module):
    def __init__(self, min_val=-1.0, max_val=1.0):
        super().__init__()
        self.min_val, self.max_val = min_val, max_val

    def __call__(self, x):
        return np.clip(x, self.min_val, self.max_val)


class PReLU(Module):
    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.weight = self.parameter("weight", num_parameters)
        self.weight[...] = init

    def __call__(self, x):
        return np.where(x > 0, x, self.weight * x)


class ELU(Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def __call__(self, x):
        return ref.elu(x, self.alpha)


class GELU(Module):
    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def __call__(self, x):
        return ref.gelu_tanh(x) if self.approximate == "tanh" else ref.gelu(x)


class Softplus(Module):
    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def __call__(self, x):
        return ref.softplus(x)


class Softmax(Module):
    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def __call__(self, x):
        return ref.softmax(x)


class Dropout(Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def __call__(self, x):
        return x


class Flatten(Module):
    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def __call__(self, x):
        start, end = self.start_dim, self.end_dim % x.ndim
        return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


class Unflatten(Module):
    def __init__(self, dim, unflattened_size):
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def __call__(self, x):
        dim = self.dim % x.ndim
        return x.reshape(*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :])


class BatchNorm1d(Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = self.parameter("weight", num_features) if affine else None
        self.bias = self.parameter("bias", num_features) if affine else None
        self.running_mean = self.parameter("running_mean", num_features)
        self.running_var = self.parameter("running_var", num_features)
        self.parameters["num_batches_tracked"] = np.array(3)

    def __call__(self, x):
        gamma, beta = (1, 0) if self.weight is None else (self.weight, self.bias)
        return ref.batch_norm(x, gamma, beta, self.running_mean, self.running_var, self.eps)


class LayerNorm(Module):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        super().__init__()
        self.normalized_shape, self.eps = (normalized_shape,), eps
        self.weight = self.parameter("weight", normalized_shape) if elementwise_affine else None
        self.bias = self.parameter("bias", normalized_shape) if elementwise_affine and bias else None

    def __call__(self, x):
        gamma, beta = (1 if self.weight is None else self.weight), (0 if self.bias is None else self.bias)
        return ref.layer_norm(x, gamma, beta, self.eps)


class Embedding(Module):
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.weight = None, self.parameter("weight", num_embeddings, embedding_dim)

    def __call__(self, x):
        return self.weight[x]


class Recurrent(Module):
    """Several layers, each in one or both directions; gates in PyTorch's order, with two biases."""

    gates = 1

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
        nonlinearity="tanh",
    ):  # fmt: skip
        super().__init__()
        assert batch_first
        self.hidden_size, self.num_layers, self.bias, self.dropout = hidden_size, num_layers, bias, dropout
        self.bidirectional, self.nonlinearity, self.proj_size = bidirectional, nonlinearity, 0
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for end in ("", "_reverse")[: 1 + bidirectional]:
                self.parameter(f"weight_ih_l{layer}{end}", self.gates * hidden_size, width)
                self.parameter(f"weight_hh_l{layer}{end}", self.gates * hidden_size, hidden_size)
                for name in ("bias_ih", "bias_hh") if bias else ():
                    self.parameter(f"{name}_l{layer}{end}", self.gates * hidden_size)

    def __call__(self, x):
        for layer in range(self.num_layers):
            ways = []
            for reverse in (False, True)[: 1 + self.bidirectional]:
                end = f"_l{layer}{'_reverse' if reverse else ''}"
                w, u = self.parameters[f"weight_ih{end}"], self.parameters[f"weight_hh{end}"]
                b, c = (self.parameters.get(f"{name}{end}", np.zeros(len(w))) for name in ("bias_ih", "bias_hh"))
                state = np.zeros((2, len(x), self.hidden_size))
                step = lambda x, s, w=w, u=u, b=b, c=c: self.step(x @ w.T + b, s[0] @ u.T + c, s)  # noqa: E731
                ways.append(ref.recurrent(step, x, state, reverse=reverse)[0])
            x = np.concatenate(ways, axis=-1)
        return x, None


class RNN(Recurrent):
    def step(self, z, q, s):
        h = (np.tanh if self.nonlinearity == "tanh" else ref.relu)(z + q)
        return np.stack([h, h])


class LSTM(Recurrent):
    gates = 4

    def step(self, z, q, s):
        i, f, g, o = np.split(z + q, 4, axis=-1)
        c = ref.sigmoid(f) * s[1] + ref.sigmoid(i) * np.tanh(g)
        return np.stack([ref.sigmoid(o) * np.tanh(c), c])


class GRU(Recurrent):
    gates = 3

    def step(self, z, q, s):
        (zr, zz, zn), (qr, qz, qn) = np.split(z, 3, axis=-1), np.split(q, 3, axis=-1)
        r, u = ref.sigmoid(zr + qr), ref.sigmoid(zz + qz)
        h = (1 - u) * np.tanh(zn + r * qn) + u * s[0]
        return np.stack([h, h])


# ---- images, channels second ----------------------------------------------------------------------------------------


def two(value):
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def last(x):
    return np.moveaxis(x, 1, -1)


def first(y):
    return np.moveaxis(y, -1, 1)


class Conv2d(Module):
    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros",
    ):  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels, self.groups, self.padding_mode = (
            in_channels,
            out_channels,
            groups,
            padding_mode,
        )
        self.kernel_size, self.stride, self.dilation = two(kernel_size), two(stride), two(dilation)
        self.padding = padding if isinstance(padding, str) else two(padding)
        self.weight = self.parameter("weight", out_channels, in_channels // groups, *self.kernel_size)
        self.bias = self.parameter("bias", out_channels) if bias else None

    def __call__(self, x):
        before = after = self.padding
        if self.padding == "valid":
            before = after = (0, 0)
        elif self.padding == "same":
            totals = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            before, after = [t // 2 for t in totals], [t - t // 2 for t in totals]
        w = self.weight.transpose(2, 3, 1, 0).astype(float)
        options = {"strides": self.stride, "before": before, "after": after, "mode": self.padding_mode}
        y = ref.conv2d(last(x), w, 0.0, dilation=self.dilation, groups=self.groups, **options)
        return first(y + (0 if self.bias is None else self.bias))


class Conv1d(Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        self.out_channels, self.groups, self.padding_mode = out_channels, groups, "zeros"
        self.kernel_size, self.stride, self.padding, self.dilation = (kernel_size,), (stride,), (padding,), (dilation,)
        self.weight = self.parameter("weight", out_channels, in_channels // groups, kernel_size)
        self.bias = self.parameter("bias", out_channels) if bias else None

    def __call__(self, x):
        (p,), (s,), (d,) = self.padding, self.stride, self.dilation
        w = self.weight.transpose(2, 1, 0).astype(float)
        bias = 0 if self.bias is None else self.bias
        return first(ref.conv1d(last(x), w, bias, strides=s, before=p, after=p, dilation=d, groups=self.groups))


class ConvTranspose2d(Module):
    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1,
    ):  # fmt: skip
        super().__init__()
        self.out_channels, self.groups, self.kernel_size, self.stride = (
            out_channels,
            groups,
            two(kernel_size),
            two(stride),
        )
        self.padding, self.output_padding, self.dilation = two(padding), two(output_padding), two(dilation)
        self.weight = self.parameter("weight", in_channels, out_channels // groups, *self.kernel_size)
        self.bias = self.parameter("bias", out_channels) if bias else None

    def __call__(self, x):
        w = self.weight.transpose(2, 3, 1, 0).astype(float)
        options = {"strides": self.stride, "before": self.padding, "after": self.padding, "more": self.output_padding}
        bias = 0.0 if self.bias is None else self.bias
        return first(ref.conv_transpose2d(last(x), w, bias, dilation=self.dilation, groups=self.groups, **options))


class ZeroPad2d(Module):
    """Rows and columns put around, or taken off where there are less than none."""

    mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = padding if isinstance(padding, tuple) else (padding,) * 4

    def __call__(self, x):
        left, right, top, bottom = self.padding
        around = [(0, 0), (0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
        x = np.pad(x, around, mode=self.mode)
        rows, columns = (
            slice(max(-top, 0), x.shape[2] + min(bottom, 0)),
            slice(max(-left, 0), x.shape[3] + min(right, 0)),
        )
        return x[:, :, rows, columns]


class ReflectionPad2d(ZeroPad2d):
    mode = "reflect"


class PixelShuffle(Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def __call__(self, x):
        return first(ref.depth_to_space(last(x), self.upscale_factor, "CRD"))


class Upsample(Module):
    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None):
        super().__init__()
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def __call__(self, x):
        factor = two(self.scale_factor) if self.size is None else np.array(two(self.size)) // x.shape[2:]
        return first(ref.upsample2d(last(x), tuple(map(int, factor)), self.mode))


class GroupNorm(Module):
    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        super().__init__()
        self.num_groups, self.eps, self.affine = num_groups, eps, affine
        self.weight = self.parameter("weight", num_channels) if affine else 1
        self.bias = self.parameter("bias", num_channels) if affine else 0

    def __call__(self, x):
        return first(ref.group_norm(last(x), self.num_groups, self.weight, self.bias, self.eps))


class InstanceNorm2d(GroupNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False):
        super().__init__(num_features, num_features, eps, affine)
        self.track_running_stats = track_running_stats


class LocalResponseNorm(Module):
    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def __call__(self, x):
        return first(ref.local_response_norm(last(x), self.size, self.alpha, self.beta, self.k))


class Dropout2d(Dropout):
    pass


class Pool2d(Module):
    """Windows as in PyTorch's documentation: with ceil_mode each begins within the image or the padding before it."""

    kind = "max"

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        self.kernel_size, self.stride, self.padding = two(kernel_size), two(stride or kernel_size), two(padding)
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode
        self.count_include_pad, self.divisor_override = True, None

    def __call__(self, x):
        output = []
        for n, k, s, p in zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True):
            count = (-(-(n + 2 * p - k) // s) if self.ceil_mode else (n + 2 * p - k) // s) + 1
            output.append(count - 1 if self.ceil_mode and (count - 1) * s >= n + p else count)
        options = {"before": self.padding, "output": output, "count_padding": self.count_include_pad}
        return first(ref.pool2d(last(x), self.kind, self.kernel_size, self.stride, **options))


class MaxPool2d(Pool2d):
    pass


class AvgPool2d(Pool2d):
    kind = "mean"

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode=ceil_mode)
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override


class AdaptiveAvgPool2d(Module):
    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def __call__(self, x):
        rows, columns = two(self.output_size)
        size = x.shape[2] // rows, x.shape[3] // columns
        return first(ref.pool2d(last(x), "mean", size, size))


class BatchNorm2d(BatchNorm1d):
    def __call__(self, x):
        return first(super().__call__(last(x)))
