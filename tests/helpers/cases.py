"""The table: every layer, alone and in company, with its twin in NumPy.

A twin takes the parameters by name (float64) and the inputs, and gives the outputs of inference as a list.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from helpers import reference as ref

import fastnn as fn

KINK_MARGIN = 5e-3  # of every z from the kink of its activation; a difference quotient moves z by some 1e-3


@dataclass(frozen=True)
class Case:
    """``build(dtype, seed)`` makes the network; ``random``: it draws masks while training; ``coupled``: training takes
    the rows of a batch together, at least ``least`` of them; ``indices``: {place of an input: its vocabulary}."""

    id: str
    build: Callable[..., fn.Network]
    twin: Callable[..., list]
    random: bool = False
    coupled: bool = False
    least: int = 1
    indices: dict = field(default_factory=dict)
    custom: dict = field(default_factory=dict)


def sequential(id, layers, shape, twin, **options):
    """A Sequential; ``layers`` makes fresh ones; the twin gives one array."""
    return Case(
        id,
        lambda dtype, seed: fn.Sequential(layers(), shape, dtype=dtype, seed=seed),
        lambda p, x: [twin(p, x)],
        **options,
    )


def graph(id, ports, twin, **options):
    """A Network; ``ports`` makes (inputs, outputs)."""
    return Case(id, lambda dtype, seed: fn.Network(*ports(), dtype=dtype, seed=seed), twin, **options)


def layer(p, name, x):
    """The Dense layer of that name, before its activation."""
    return ref.dense(x, p[f"{name}.weight"], p.get(f"{name}.bias"))


def phase_layer(p, name, x, phase, function="cubic"):
    """The PhaseDense layer of that name, before its activation."""
    return ref.phase_dense(x, phase, p[f"{name}.weight"], p.get(f"{name}.bias"), function)


# ---- layers of one's own --------------------------------------------------------------------------------------------


def affine_forward(x, gain, shift):
    return x @ gain + shift


def affine_backward(x, y, dy, gain, shift):
    return dy @ gain.T, {"gain": x.T @ dy, "shift": dy.sum(axis=0)}


def cubic_forward(x):
    return x + x**3 / 3


def cubic_backward(x, y, dy):
    return dy * (1 + x * x)


def norms_forward(x):
    return np.stack([(x * x).sum(axis=1), x.sum(axis=1)], axis=1)


def norms_backward(x, y, dy):
    return 2 * x * dy[:, :1] + dy[:, 1:]


def last_axis(shape):
    return (*shape, 3)


# Functions, not lambdas: a Custom layer is pickled with them.
AFFINE = fn.Custom(
    affine_forward,
    affine_backward,
    output_shape=3,
    name="affine",
    parameters={"gain": (last_axis, "glorot_uniform"), "shift": ((3,), "zeros")},
)
CUBIC = fn.Custom(cubic_forward, cubic_backward, name="cubic")
NORMS = fn.Custom(norms_forward, norms_backward, output_shape=2, name="norms")


# ---- one layer after the other --------------------------------------------------------------------------------------


def chain_cases():
    D, A = fn.Dense, fn.Activation
    for name, f in ref.ACTIVATIONS.items():
        yield sequential(
            f"dense-{name}", lambda name=name: [D(5, name)], 4, lambda p, x, f=f: f(layer(p, "dense_1", x))
        )
        yield sequential(f"activation-{name}", lambda name=name: [A(name)], 6, lambda p, x, f=f: f(x))
    for name, alpha in (("leaky_relu", 0.3), ("elu", 0.5), ("leaky_relu", 0)):
        yield sequential(
            f"dense-{name}-alpha-{alpha}",
            lambda name=name, alpha=alpha: [D(5, A(name, alpha=alpha))],
            4,
            lambda p, x, f=ref.ACTIVATIONS[name], alpha=alpha: f(layer(p, "dense_1", x), alpha),
        )
    yield sequential(
        "dense-no-bias",
        lambda: [D(5, "tanh", bias=False), D(3, bias=False)],
        4,
        lambda p, x: layer(p, "dense_2", np.tanh(layer(p, "dense_1", x))),
    )
    yield sequential(
        "dense-1-1-1",
        lambda: [D(1, "tanh"), D(1)],
        1,
        lambda p, x: layer(p, "dense_2", np.tanh(layer(p, "dense_1", x))),
    )
    yield sequential(
        "dense-17-33-17",
        lambda: [D(33, "tanh"), D(17, "softplus")],
        17,
        lambda p, x: ref.softplus(layer(p, "dense_2", np.tanh(layer(p, "dense_1", x)))),
    )
    yield sequential(
        "dense-33-17-relu",
        lambda: [D(17, "relu"), D(2)],
        33,
        lambda p, x: layer(p, "dense_2", ref.relu(layer(p, "dense_1", x))),
    )
    yield sequential("dense-8-deep", lambda: [D(6, "tanh") for _ in range(8)], 6, eight_deep)
    yield sequential(
        "softmax-in-the-middle",
        lambda: [D(5), A("softmax"), D(3, "sigmoid")],
        4,
        lambda p, x: ref.sigmoid(layer(p, "dense_2", ref.softmax(layer(p, "dense_1", x)))),
    )
    yield sequential(
        "activations-in-a-row",
        lambda: [D(5), A("tanh"), A("gelu"), A("silu"), A("relu"), A("sigmoid")],
        4,
        lambda p, x: ref.sigmoid(ref.relu(ref.silu(ref.gelu(np.tanh(layer(p, "dense_1", x)))))),
    )
    yield sequential(
        "activations-of-matrices", lambda: [A("tanh"), A("softplus")], (2, 3), lambda p, x: ref.softplus(np.tanh(x))
    )
    yield sequential(
        "flatten",
        lambda: [fn.Flatten(), D(4, "tanh")],
        (2, 3),
        lambda p, x: np.tanh(layer(p, "dense_1", ref.flatten(x))),
    )
    yield sequential("flatten-alone", lambda: [fn.Flatten()], (2, 3, 2), lambda p, x: ref.flatten(x))
    yield sequential(
        "reshape",
        lambda: [D(6, "tanh"), fn.Reshape((2, 3))],
        4,
        lambda p, x: ref.reshape(np.tanh(layer(p, "dense_1", x)), (2, 3)),
    )
    yield sequential(
        "reshape-there-and-back",
        lambda: [fn.Reshape((3, 2)), A("gelu"), fn.Flatten(), D(3)],
        (2, 3),
        lambda p, x: layer(p, "dense_1", ref.gelu(x.reshape(len(x), 6))),
    )
    yield sequential(
        "slice-front",
        lambda: [fn.Slice(0, 2), D(3, "tanh")],
        5,
        lambda p, x: np.tanh(layer(p, "dense_1", ref.part(x, 0, 2))),
    )
    yield sequential(
        "slice-middle",
        lambda: [D(6, "tanh"), fn.Slice(2, 5)],
        5,
        lambda p, x: ref.part(np.tanh(layer(p, "dense_1", x)), 2, 5),
    )
    yield sequential(
        "slice-negative",
        lambda: [D(6), fn.Slice(-4, -1), A("tanh"), D(2)],
        5,
        lambda p, x: layer(p, "dense_2", np.tanh(ref.part(layer(p, "dense_1", x), -4, -1))),
    )
    yield sequential(
        "slice-of-channels",
        lambda: [fn.Slice(1, -2), D(3, "tanh"), fn.Slice(1)],
        (3, 2, 6),
        lambda p, x: np.tanh(layer(p, "dense_1", x[..., 1:-2]))[..., 1:],
    )


def convolved(p, name, x, **options):
    """The Conv2D layer of that name, before its activation."""
    return ref.conv2d(x, p[f"{name}.weight"], p.get(f"{name}.bias", 0.0), **options)


def image_cases():
    C, D = fn.Conv2D, fn.Dense
    one = {"before": (1, 1), "after": (1, 1)}
    for id, shape, options, twin in (
        ("3x3", (5, 6, 3), {}, one),
        ("3x3-one-channel", (6, 5, 1), {}, one),
        ("3x3-one-channel-wide", (9, 17, 1), {}, one),
        ("3x3-valid", (5, 6, 2), {"padding": "valid"}, {}),
        ("3x3-stride-2-even", (6, 8, 3), {"strides": 2}, {"strides": (2, 2), "after": (1, 1)}),
        ("3x3-stride-2-odd", (5, 7, 2), {"strides": 2}, {"strides": (2, 2), **one}),
        ("3x3-stride-3-1", (7, 5, 2), {"strides": (3, 1), "padding": 1}, {"strides": (3, 1), **one}),
        ("3x3-dilated", (7, 8, 2), {"dilation": (2, 1), "padding": (2, 1)},
         {"dilation": (2, 1), "before": (2, 1), "after": (2, 1)}),
        ("3x3-dilated-stride", (9, 8, 3), {"dilation": 2, "strides": 2, "padding": "valid"},
         {"dilation": (2, 2), "strides": (2, 2)}),
        ("3x3-groups", (5, 4, 4), {"groups": 2}, {"groups": 2, **one}),
        ("3x3-depthwise", (5, 4, 6), {"groups": 6}, {"groups": 6, **one}),
        ("3x3-reflect", (4, 5, 2), {"padding_mode": "reflect"}, {"mode": "reflect", **one}),
        ("3x3-replicate", (4, 5, 2), {"padding_mode": "replicate", "padding": ((2, 1), (0, 3)), "strides": (2, 1)},
         {"mode": "replicate", "before": (2, 0), "after": (1, 3), "strides": (2, 1)}),
        ("3x3-no-bias", (4, 4, 2), {"bias": False}, one),
        ("3x3-winograd", (5, 6, 3), {"winograd": True}, one),
        ("3x3-winograd-deep", (7, 5, 17), {"winograd": True, "padding": ((1, 2), (0, 3)), "bias": False},
         {"before": (1, 0), "after": (2, 3)}),
        ("3x3-winograd-reflect", (4, 5, 16), {"winograd": True, "padding_mode": "reflect"}, {"mode": "reflect", **one}),
    ):  # fmt: skip
        yield sequential(
            f"conv2d-{id}",
            lambda options=options: [C(6, 3, **options)],
            shape,
            lambda p, x, twin=twin: convolved(p, "conv2d_1", x, **twin),
        )
    for size, shape in (((1, 1), (4, 3, 5)), ((2, 4), (5, 6, 2)), ((5, 5), (3, 4, 1)), ((1, 7), (2, 9, 3))):
        before, after = ([(k - 1) // 2 for k in size], [k // 2 for k in size])
        yield sequential(
            f"conv2d-{size[0]}x{size[1]}-tanh",
            lambda size=size: [C(19, size, "tanh"), fn.Flatten(), D(3)],
            shape,
            lambda p, x, before=before, after=after: layer(
                p, "dense_1", ref.flatten(np.tanh(convolved(p, "conv2d_1", x, before=before, after=after)))
            ),
        )
    T = fn.ConvTranspose2D
    for id, shape, options, twin in (
        ("4x4-stride-2", (3, 4, 3), {"kernel_size": 4, "strides": 2}, {"strides": (2, 2), **one}),
        ("3x3", (3, 4, 2), {"kernel_size": 3}, {"before": (1, 1), "after": (1, 1)}),
        ("3x3-stride-2", (4, 3, 2), {"kernel_size": 3, "strides": 2}, {"strides": (2, 2), "after": (1, 1)}),
        ("2x1-stride-3", (3, 4, 2), {"kernel_size": (2, 1), "strides": 3},
         {"strides": (3, 3), "more": (1, 2)}),
        ("3x2-valid", (3, 4, 5), {"kernel_size": (3, 2), "strides": (2, 1), "padding": "valid"}, {"strides": (2, 1)}),
        ("5x3-padding", (4, 3, 3),
         {"kernel_size": (5, 3), "strides": 3, "padding": ((2, 1), (0, 2)), "output_padding": (2, 1)},
         {"strides": (3, 3), "before": (2, 0), "after": (1, 2), "more": (2, 1)}),
        ("3x3-dilated", (4, 3, 2), {"kernel_size": 3, "strides": 2, "dilation": (1, 2), "padding": 1},
         {"strides": (2, 2), "dilation": (1, 2), "before": (1, 1), "after": (1, 1)}),
        ("3x3-groups", (3, 3, 6), {"kernel_size": 3, "groups": 2, "bias": False},
         {"groups": 2, "before": (1, 1), "after": (1, 1)}),
    ):  # fmt: skip
        for filters in (4, 18):
            yield sequential(
                f"conv_transpose2d-{id}-{filters}-tanh",
                lambda options=options, filters=filters: [T(filters, activation="tanh", **options)],
                shape,
                lambda p, x, twin=twin: np.tanh(
                    ref.conv_transpose2d(x, p["convtranspose2d_1.weight"], p.get("convtranspose2d_1.bias", 0.0), **twin)
                ),
            )
    yield sequential(
        "conv_transpose2d-relu-of-two",
        lambda: [T(5, 4, "relu", strides=2), T(2, 3)],
        (3, 2, 3),
        lambda p, x: ref.conv_transpose2d(
            ref.relu(
                ref.conv_transpose2d(
                    x, p["convtranspose2d_1.weight"], p["convtranspose2d_1.bias"], strides=(2, 2), **one
                )
            ),
            p["convtranspose2d_2.weight"],
            p["convtranspose2d_2.bias"],
            **one,
        ),
    )
    yield sequential(
        "conv2d-relu-of-two",
        lambda: [C(5, 3, "relu", padding="valid"), C(7, 3, "tanh"), fn.GlobalAvgPool2D(), D(2)],
        (7, 6, 2),
        lambda p, x: layer(
            p,
            "dense_1",
            np.tanh(convolved(p, "conv2d_2", ref.relu(convolved(p, "conv2d_1", x)), **one)).mean(axis=(1, 2)),
        ),
    )
    yield sequential(
        "conv2d-residual-batchnorm",
        lambda: [fn.Residual([C(3, 3, bias=False), fn.BatchNorm(), fn.Activation("softplus"), C(3, 1)])],
        (4, 4, 3),
        lambda p, x: (
            x + convolved(p, "conv2d_2", ref.softplus(normed(p, "batchnorm_1", convolved(p, "conv2d_1", x, **one))))
        ),
        coupled=True,
    )
    for kind, P in (("max", fn.MaxPool2D), ("mean", fn.AvgPool2D)):
        for id, shape, options, twin in (
            ("2", (4, 6, 3), {"pool_size": 2}, {"size": (2, 2), "strides": (2, 2)}),
            ("3-stride-2", (7, 5, 2), {"pool_size": 3, "strides": 2}, {"size": (3, 3), "strides": (2, 2)}),
            ("2x3-same", (5, 7, 2), {"pool_size": (2, 3), "strides": 1, "padding": "same"},
             {"size": (2, 3), "strides": (1, 1), "before": (0, 1), "after": (1, 1)}),
            ("2-ceil", (5, 7, 3), {"pool_size": 2, "ceil_mode": True},
             {"size": (2, 2), "strides": (2, 2), "output": (3, 4)}),
            # A last window counts if it begins within the image: at row 4 of 5, not at column 6 of 6; behind a padding
            # of 1 at row 5 of 6, not at column 5 of 5.
            ("1-ceil-beyond", (5, 6, 2), {"pool_size": 1, "strides": 2, "ceil_mode": True},
             {"size": (1, 1), "strides": (2, 2), "output": (3, 3)}),
            ("3-ceil-padded", (6, 5, 2), {"pool_size": 3, "strides": (2, 3), "padding": 1, "ceil_mode": True},
             {"size": (3, 3), "strides": (2, 3), "before": (1, 1), "output": (4, 2)}),
            ("3-padded", (6, 6, 17), {"pool_size": 3, "strides": 2, "padding": 1},
             {"size": (3, 3), "strides": (2, 2), "before": (1, 1), "after": (1, 1)}),
        ):  # fmt: skip
            yield sequential(
                f"{kind}-pool-{id}",
                lambda P=P, options=options: [P(**options)],
                shape,
                lambda p, x, kind=kind, twin=twin: ref.pool2d(x, kind, **twin),
            )
    yield sequential(
        "mean-pool-counting-padding",
        lambda: [fn.AvgPool2D(3, strides=1, padding=1, count_padding=True)],
        (4, 5, 2),
        lambda p, x: ref.pool2d(x, "mean", (3, 3), (1, 1), (1, 1), (1, 1), count_padding=True),
    )
    yield sequential("global-max-pool", lambda: [fn.GlobalMaxPool2D()], (3, 4, 5), lambda p, x: x.max(axis=(1, 2)))
    yield sequential("global-mean-pool", lambda: [fn.GlobalAvgPool2D()], (3, 4, 5), lambda p, x: x.mean(axis=(1, 2)))


def depthwise_cases():
    """Each channel by itself: beside the convolution with a group for each."""
    one = {"before": (1, 1), "after": (1, 1)}
    for id, shape, size, options, twin in (
        ("3x3", (5, 9, 6), 3, {}, one),
        ("3x3-of-17", (4, 11, 17), 3, {}, one),
        ("3x3-one-channel", (6, 5, 1), 3, {"depth_multiplier": 2}, one),
        ("3x3-twice", (5, 4, 3), 3, {"depth_multiplier": 2, "strides": 2},
         {"strides": (2, 2), "before": (1, 0), "after": (1, 1)}),
        ("3x3-stride-2-even", (6, 8, 5), 3, {"strides": 2}, {"strides": (2, 2), "after": (1, 1)}),
        ("2x3-stride-3-valid", (8, 10, 2), (2, 3), {"strides": 3, "padding": "valid"}, {"strides": (3, 3)}),
        ("3x2-dilated-strides", (9, 8, 3), (3, 2), {"dilation": (2, 3), "strides": (1, 2), "padding": (2, 1)},
         {"dilation": (2, 3), "strides": (1, 2), "before": (2, 1), "after": (2, 1)}),
        ("5x5-no-bias", (6, 9, 4), 5, {"bias": False}, {"before": (2, 2), "after": (2, 2)}),
        ("2x1-of-a-padded-column", (5, 1, 3), (2, 1), {"padding": (1, 2)}, {"before": (1, 2), "after": (1, 2)}),
        ("3x3-reflect", (4, 5, 16), 3, {"padding_mode": "reflect"}, {"mode": "reflect", **one}),
        ("3x3-replicate-twice", (4, 5, 2), 3, {"padding_mode": "replicate", "padding": ((2, 1), (0, 3)),
         "depth_multiplier": 2}, {"mode": "replicate", "before": (2, 0), "after": (1, 3)}),
    ):  # fmt: skip
        yield sequential(
            f"depthwise-{id}",
            lambda size=size, options=options: [fn.DepthwiseConv2D(size, **options)],
            shape,
            lambda p, x, twin=twin: depthwise(p, "depthwiseconv2d_1", x, **twin),
        )
    yield sequential(
        "depthwise-separable",
        lambda: [fn.DepthwiseConv2D(3, "relu"), fn.Conv2D(5, 1, "tanh"), fn.GlobalAvgPool2D(), fn.Dense(2)],
        (4, 6, 3),
        lambda p, x: layer(
            p,
            "dense_1",
            np.tanh(convolved(p, "conv2d_1", ref.relu(depthwise(p, "depthwiseconv2d_1", x, **one)))).mean(axis=(1, 2)),
        ),
    )


def depthwise(p, name, x, **options):
    """The DepthwiseConv2D layer of that name, before its activation."""
    w = p[f"{name}.weight"]
    w = w.reshape(*w.shape[:2], 1, -1)
    return ref.conv2d(x, w, p.get(f"{name}.bias", 0.0), groups=x.shape[-1], **options)


def sequence_cases():
    """Convolution and pooling of sequences: beside those of images of one column."""
    C = fn.Conv1D
    for id, shape, options, twin in (
        ("same", (7, 3), {}, {"before": 1, "after": 1}),
        ("one-channel", (9, 1), {"padding": 2}, {"before": 2, "after": 2}),
        ("valid-stride-2", (8, 2), {"padding": "valid", "strides": 2}, {"strides": 2}),
        ("same-stride-2", (8, 2), {"strides": 2}, {"strides": 2, "after": 1}),
        ("causal", (6, 2), {"padding": "causal"}, {"before": 2}),
        ("causal-dilated-stride", (9, 3), {"padding": "causal", "dilation": 3, "strides": 2},
         {"before": 6, "dilation": 3, "strides": 2}),
        ("groups", (5, 4), {"groups": 2, "padding": (0, 3)}, {"groups": 2, "after": 3}),
        ("depthwise", (5, 6), {"groups": 6}, {"groups": 6, "before": 1, "after": 1}),
        ("reflect", (5, 2), {"padding_mode": "reflect", "bias": False}, {"mode": "reflect", "before": 1, "after": 1}),
        ("replicate", (5, 2), {"padding_mode": "replicate", "padding": (4, 1)},
         {"mode": "replicate", "before": 4, "after": 1}),
        ("many-channels", (7, 20), {}, {"before": 1, "after": 1}),
    ):  # fmt: skip
        yield sequential(
            f"conv1d-{id}",
            lambda options=options: [C(6, 3, **options)],
            shape,
            lambda p, x, twin=twin: ref.conv1d(x, p["conv1d_1.weight"], p.get("conv1d_1.bias", 0.0), **twin),
        )
    yield sequential(
        "conv1d-causal-of-two",
        lambda: [C(5, 3, "tanh", padding="causal"), C(17, 2, "relu", padding="causal", dilation=2), fn.Dense(2)],
        (9, 2),
        lambda p, x: layer(
            p,
            "dense_1",
            ref.relu(
                ref.conv1d(
                    np.tanh(ref.conv1d(x, p["conv1d_1.weight"], p["conv1d_1.bias"], before=2)),
                    p["conv1d_2.weight"],
                    p["conv1d_2.bias"],
                    before=2,
                    dilation=2,
                )
            ),
        ),
    )
    for kind, P in (("max", fn.MaxPool1D), ("mean", fn.AvgPool1D)):
        for id, shape, options, twin in (
            ("2", (8, 3), {}, {"size": 2, "strides": 2}),
            ("3-stride-2", (9, 17), {"pool_size": 3, "strides": 2, "padding": "same"},
             {"size": 3, "strides": 2, "before": 1, "after": 1}),
            ("2-ceil", (5, 2), {"pool_size": 2, "ceil_mode": True}, {"size": 2, "strides": 2, "output": 3}),
            ("4-padded", (6, 5), {"pool_size": 4, "strides": 1, "padding": (3, 1)},
             {"size": 4, "strides": 1, "before": 3, "after": 1}),
        ):  # fmt: skip
            yield sequential(
                f"{kind}-pool-1d-{id}",
                lambda P=P, options=options: [P(**options)],
                shape,
                lambda p, x, kind=kind, twin=twin: ref.pool1d(x, kind, **twin),
            )
    yield sequential(
        "mean-pool-1d-counting-padding",
        lambda: [fn.AvgPool1D(3, strides=1, padding=1, count_padding=True)],
        (4, 2),
        lambda p, x: ref.pool1d(x, "mean", 3, 1, 1, 1, count_padding=True),
    )
    yield sequential("global-max-pool-1d", lambda: [fn.GlobalMaxPool1D()], (6, 5), lambda p, x: x.max(axis=1))
    yield sequential("global-mean-pool-1d", lambda: [fn.GlobalAvgPool1D()], (6, 5), lambda p, x: x.mean(axis=1))


def local_response_cases():
    for shape, options in (
        ((3, 2, 7), {"alpha": 0.8}),
        ((2, 2, 6), {"size": 3, "alpha": 2.0, "beta": 0.5, "k": 0.7}),
        ((17,), {"size": 9, "alpha": 0.5, "beta": 1.3}),
        ((2, 3), {"size": 7, "alpha": 1.5, "beta": 1.0, "k": 2.0}),
    ):
        yield sequential(
            f"local-response-of-{'x'.join(map(str, shape))}",
            lambda options=options: [fn.LocalResponseNorm(**options)],
            shape,
            lambda p, x, options=options: ref.local_response_norm(x, **options),
        )


def images_side_by_side():
    """As in SqueezeNet and residual networks: images joined along their channels, and added."""
    x = fn.Input((3, 4, 2))
    h = fn.Conv2D(3, 1, "tanh")(x)
    joined = fn.concatenate(fn.Conv2D(2, 1)(h), fn.Conv2D(4, 3)(h), x)
    return x, [joined, fn.add(h, fn.Conv2D(3, 3)(h)), fn.Multiply()(h, fn.Conv2D(3, 1, "sigmoid")(x))]


def images_side_by_side_twin(p, x):
    one = {"before": (1, 1), "after": (1, 1)}
    h = np.tanh(convolved(p, "conv2d_1", x))
    joined = [convolved(p, "conv2d_2", h), convolved(p, "conv2d_3", h, **one), x]
    gate = ref.sigmoid(convolved(p, "conv2d_5", x))
    return [np.concatenate(joined, axis=3), h + convolved(p, "conv2d_4", h, **one), h * gate]


def layout_cases():
    """Layers that give numbers other places."""
    D, A = fn.Dense, fn.Activation
    for axes, shape in (
        ((1, 0), (17, 3)),
        ((2, 0, 1), (9, 8, 5)),
        ((1, 2, 0), (5, 9, 8)),
        ((1, 0, 2), (3, 4, 5)),
        ((2, 1, 0), (3, 4, 2)),
        ((0, 2, 1), (1, 1, 6)),
    ):
        yield sequential(
            f"permute-{''.join(map(str, axes))}-of-{'x'.join(map(str, shape))}",
            lambda axes=axes: [fn.Permute(axes)],
            shape,
            lambda p, x, axes=axes: x.transpose(0, *(axis + 1 for axis in axes)),
        )
    for mode in ("zeros", "reflect", "replicate", "constant"):
        options = {"value": -1.5} if mode == "constant" else {}
        for padding, before, after in ((1, (1, 1), (1, 1)), (((2, 1), (0, 3)), (2, 0), (1, 3))):
            yield sequential(
                f"pad-{mode}-{before[0]}{before[1]}",
                lambda padding=padding, mode=mode, options=options: [fn.Pad2D(padding, mode, **options)],
                (3, 4, 5),
                lambda p, x, b=before, a=after, mode=mode, options=options: ref.padded(
                    x, b, a, "zeros" if mode == "constant" else mode, **options
                ),
            )
    yield sequential("crop", lambda: [fn.Crop2D(1)], (4, 3, 5), lambda p, x: x[:, 1:-1, 1:-1])
    yield sequential("crop-three-sides", lambda: [fn.Crop2D(((0, 1), (2, 1)))], (3, 5, 2), lambda p, x: x[:, :-1, 2:-1])
    for mode in ("nearest", "bilinear"):
        for factor, shape in ((2, (3, 4, 5)), ((1, 3), (2, 3, 1)), ((3, 2), (1, 2, 17)), ((4, 5), (2, 2, 2))):
            both = factor if isinstance(factor, tuple) else (factor, factor)
            yield sequential(
                f"upsample-{mode}-{both[0]}-{both[1]}",
                lambda factor=factor, mode=mode: [fn.Upsample2D(factor, mode)],
                shape,
                lambda p, x, both=both, mode=mode: ref.upsample2d(x, both, mode),
            )
    for mode in ("DCR", "CRD"):
        yield sequential(
            f"depth-to-space-{mode}",
            lambda mode=mode: [D(12, "tanh"), fn.DepthToSpace(2, mode), D(2)],
            (2, 3, 4),
            lambda p, x, mode=mode: layer(p, "dense_2", ref.depth_to_space(np.tanh(layer(p, "dense_1", x)), 2, mode)),
        )
        yield sequential(
            f"depth-to-space-and-back-{mode}",
            lambda mode=mode: [fn.DepthToSpace(3, mode), A("tanh"), fn.SpaceToDepth(3, mode)],
            (2, 3, 18),
            lambda p, x: np.tanh(x),
        )
    yield sequential(
        "space-to-depth",
        lambda: [fn.SpaceToDepth(2)],
        (4, 6, 3),
        lambda p, x: np.concatenate([x[:, k::2, m::2] for k in (0, 1) for m in (0, 1)], axis=3),
    )
    yield graph("images-side-by-side", images_side_by_side, images_side_by_side_twin)
    yield sequential(
        "channel-shuffle",
        lambda: [D(6, "tanh"), fn.Reshape((2, 3, 3, 2)), fn.Permute((0, 1, 3, 2)), fn.Reshape((2, 3, 6)), D(2)],
        (2, 3, 4),
        lambda p, x: layer(
            p, "dense_2", np.tanh(layer(p, "dense_1", x))[..., [0, 2, 4, 1, 3, 5]]
        ),  # channel 2 g + i of group g comes third after third
    )


def eight_deep(p, x):
    for i in range(1, 9):
        x = np.tanh(layer(p, f"dense_{i}", x))
    return x


def random_cases():
    D, A = fn.Dense, fn.Activation
    for inverted in (True, False):
        form = "inverted" if inverted else "test-time"
        yield sequential(
            f"dropout-{form}",
            lambda i=inverted: [D(6, "tanh"), fn.Dropout(0.4, inverted=i), D(3)],
            5,
            lambda p, x, i=inverted: layer(
                p, "dense_2", ref.dropout_inference(np.tanh(layer(p, "dense_1", x)), 0.4, i)
            ),
            random=True,
        )
        yield sequential(
            f"dropout-{form}-on-the-input",
            lambda i=inverted: [fn.Dropout(0.3, inverted=i), D(3, "softmax")],
            6,
            lambda p, x, i=inverted: ref.softmax(layer(p, "dense_1", ref.dropout_inference(x, 0.3, i))),
            random=True,
        )
        yield sequential(
            f"dropout-{form}-of-matrices",
            lambda i=inverted: [fn.Dropout(0.5, inverted=i)],
            (2, 3),
            lambda p, x, i=inverted: ref.dropout_inference(x, 0.5, i),
            random=True,
        )
        yield sequential(
            f"dropout-{form}-before-activations",
            lambda i=inverted: [
                D(7),
                fn.Dropout(0.3, inverted=i),
                A("relu"),
                fn.Dropout(0.2, inverted=i),
                A("silu"),
                D(2),
            ],
            5,
            lambda p, x, i=inverted: layer(
                p,
                "dense_2",
                ref.silu(
                    ref.dropout_inference(ref.relu(ref.dropout_inference(layer(p, "dense_1", x), 0.3, i)), 0.2, i)
                ),
            ),
            random=True,
        )
        yield sequential(
            f"dropconnect-{form}",
            lambda i=inverted: [fn.DropConnect(6, "tanh", rate=0.4, inverted=i), D(3)],
            5,
            lambda p, x, i=inverted: layer(
                p,
                "dense_1",
                np.tanh(ref.dropconnect_inference(x, p["dropconnect_1.weight"], p["dropconnect_1.bias"], 0.4, i)),
            ),
            random=True,
        )
        yield sequential(
            f"dropconnect-{form}-stacked-no-bias",
            lambda i=inverted: [
                fn.DropConnect(9, "gelu", rate=0.2, inverted=i, bias=False),
                fn.DropConnect(4, rate=0.5, inverted=i),
            ],
            5,
            lambda p, x, i=inverted: ref.dropconnect_inference(
                ref.gelu(ref.dropconnect_inference(x, p["dropconnect_1.weight"], 0, 0.2, i)),
                p["dropconnect_2.weight"],
                p["dropconnect_2.bias"],
                0.5,
                i,
            ),
            random=True,
        )
    yield sequential(
        "dropout-rate-0",
        lambda: [D(6, "tanh"), fn.Dropout(0), fn.DropConnect(3, rate=0)],
        5,
        lambda p, x: layer(p, "dropconnect_1", np.tanh(layer(p, "dense_1", x))),
    )


def normed(p, name, x):
    """The BatchNorm layer of that name, after training."""
    mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_variance"]
    return ref.batch_norm(x, p.get(f"{name}.gamma", 1), p.get(f"{name}.beta", 0), mean, variance)


def image_norm_cases():
    C = fn.Conv2D
    for name, make, groups, shape in (
        ("instancenorm", fn.InstanceNorm, 5, (3, 4, 5)),
        ("instancenorm-of-sequences", fn.InstanceNorm, 3, (6, 3)),
        ("groupnorm-2", lambda **o: fn.GroupNorm(2, **o), 2, (3, 2, 6)),
        ("groupnorm-1-of-vectors", lambda **o: fn.GroupNorm(1, **o), 1, (9,)),
        ("groupnorm-wide", lambda **o: fn.GroupNorm(3, **o), 3, (2, 1, 150)),
    ):
        yield sequential(
            name,
            lambda make=make: [make(name="norm")],
            shape,
            lambda p, x, groups=groups: ref.group_norm(x, groups, p["norm.gamma"], p["norm.beta"]),
        )
        # Differences need a smooth activation where numbers are many: one would always be near the kink of ReLU.
        activation = "relu" if np.prod(shape) < 100 else "softplus"
        yield sequential(
            f"{name}-{activation}-without-gamma",
            lambda make=make, act=activation: [
                make(name="norm", scale=False),
                fn.Activation(act),
                fn.Activation("tanh"),
            ],
            shape,
            lambda p, x, groups=groups, act=activation: np.tanh(
                getattr(ref, act)(ref.group_norm(x, groups, 1, p["norm.beta"]))
            ),
        )
    yield sequential(
        "pixelnorm",
        lambda: [C(17, 3, "tanh"), fn.PixelNorm(), C(2, 1)],
        (3, 4, 2),
        lambda p, x: convolved(
            p,
            "conv2d_2",
            ref.pixel_norm(np.tanh(convolved(p, "conv2d_1", x, before=(1, 1), after=(1, 1)))),
        ),
    )
    yield sequential(
        "gram",
        lambda: [C(17, 3, "tanh"), fn.Gram(), fn.Activation("tanh")],
        (3, 4, 2),
        lambda p, x: np.tanh(ref.gram(np.tanh(convolved(p, "conv2d_1", x, before=(1, 1), after=(1, 1))))),
    )
    yield sequential(
        "minibatchstddev",
        lambda: [C(3, 3, "tanh"), fn.MinibatchStdDev(3, name="m"), C(2, 3), fn.Flatten(), fn.MinibatchStdDev(name="n")],
        (3, 4, 2),
        lambda p, x: ref.with_channel(
            ref.flatten(
                convolved(
                    p,
                    "conv2d_2",
                    ref.with_channel(
                        np.tanh(convolved(p, "conv2d_1", x, before=(1, 1), after=(1, 1))), p["m.running_deviation"][0]
                    ),
                    before=(1, 1),
                    after=(1, 1),
                )
            ),
            p["n.running_deviation"][0],
        ),
        coupled=True,
        least=2,
    )
    yield sequential(
        "spatial-dropout",
        lambda: [fn.SpatialDropout(0.4), C(3, 1, "tanh"), fn.SpatialDropout(0.3)],
        (3, 2, 5),
        lambda p, x: np.tanh(convolved(p, "conv2d_1", x)),
        random=True,
    )
    yield sequential(
        "gaussian-noise",
        lambda: [fn.GaussianNoise(0.3), fn.Dense(4, "tanh"), fn.GaussianNoise(0.2)],
        5,
        lambda p, x: np.tanh(layer(p, "dense_1", x)),
        random=True,
    )


def residual_images(p, x):
    x = ref.softplus(normed(p, "batchnorm_1", x))
    return ref.softplus(x + normed(p, "batchnorm_2", convolved(p, "conv2d_1", x, before=(1, 1), after=(1, 1))))


def norm_cases():
    D, N, L = fn.Dense, fn.BatchNorm, fn.LayerNorm
    yield sequential(
        "batchnorm",
        lambda: [D(6, bias=False), N(), fn.Activation("tanh"), D(3)],
        5,
        lambda p, x: layer(p, "dense_2", np.tanh(normed(p, "batchnorm_1", layer(p, "dense_1", x)))),
        coupled=True,
        least=2,
    )
    yield sequential(
        "batchnorm-first-and-last",
        lambda: [N(scale=False), D(17, "tanh"), N(momentum=0.5)],
        5,
        lambda p, x: normed(p, "batchnorm_2", np.tanh(layer(p, "dense_1", normed(p, "batchnorm_1", x)))),
        coupled=True,
        least=2,
    )
    yield sequential(
        "batchnorm-learns-nothing",
        lambda: [D(4, "tanh"), N(scale=False, shift=False)],
        5,
        lambda p, x: normed(p, "batchnorm_1", np.tanh(layer(p, "dense_1", x))),
        coupled=True,
        least=2,
    )
    yield sequential(
        "batchnorm-of-sequences",
        lambda: [N(shift=False), fn.Activation("gelu"), N()],
        (5, 3),
        lambda p, x: normed(p, "batchnorm_2", ref.gelu(normed(p, "batchnorm_1", x))),
        coupled=True,
    )
    yield sequential(
        "batchnorm-residual-dropout",
        lambda: [fn.Residual([N(), fn.Activation("softplus"), fn.Dropout(0.3), D(5)]), N()],
        5,
        lambda p, x: normed(p, "batchnorm_2", layer(p, "dense_1", ref.softplus(normed(p, "batchnorm_1", x))) + x),
        coupled=True,
        least=2,
    )
    yield graph("multiply", gates, gates_twin)
    yield graph("blend", faded, faded_twin)
    yield sequential(
        "batchnorm-add-of-images",
        lambda: [
            N(),
            fn.Activation("softplus"),
            fn.Residual([fn.Conv2D(3, 3, bias=False), N(scale=False)]),
            fn.Activation("softplus"),
        ],
        (5, 4, 3),
        lambda p, x: residual_images(p, x),
        coupled=True,
    )
    yield graph("batchnorm-shared", shared_batch_norm, shared_batch_norm_twin, coupled=True, least=2)
    S = fn.Scale
    yield sequential(
        "scale",
        lambda: [S(), D(7, "tanh"), S(shift=False), fn.Activation("tanh"), S(scale=False)],
        5,
        lambda p, x: (
            np.tanh(p["scale_2.gamma"] * np.tanh(layer(p, "dense_1", p["scale_1.gamma"] * x + p["scale_1.beta"])))
            + p["scale_3.beta"]
        ),
    )
    yield sequential(
        "scale-of-sequences",
        lambda: [S(gamma_initializer=fn.initializers.Constant(0.7), beta_initializer="ones"), fn.Flatten()],
        (3, 17),
        lambda p, x: ref.flatten(p["scale_1.gamma"] * x + p["scale_1.beta"]),
    )
    yield sequential(
        "standardize",
        lambda: [fn.Standardize((1.0, -2.0, 0.5), (2.0, 0.5, 3.0)), D(7, "tanh"), fn.Standardize(0.25, 4)],
        (5, 3),
        lambda p, x: (np.tanh(layer(p, "dense_1", (x - [1, -2, 0.5]) / [2, 0.5, 3])) - 0.25) / 4,
    )
    for function in ("mean", "max", "sum"):
        yield sequential(
            f"reduce-{function}-of-sequences",
            lambda function=function: [D(4, "tanh"), fn.Reduce(function), D(2)],
            (5, 3),
            lambda p, x, f=function: layer(p, "dense_2", getattr(np.tanh(layer(p, "dense_1", x)), f)(axis=1)),
        )
    yield sequential(
        "reduce-axes",
        lambda: [fn.Reduce("sum", axis=-1), fn.Reduce("mean", axis=1), fn.Reduce("max", axis=-1), D(2)],
        (2, 3, 4),
        lambda p, x: layer(p, "dense_1", x.sum(axis=3).mean(axis=2).max(axis=1, keepdims=True)),
    )
    yield sequential(
        "layernorm",
        lambda: [D(6), L(), fn.Activation("tanh"), D(3)],
        5,
        lambda p, x: layer(p, "dense_2", np.tanh(rows_normed(p, "layernorm_1", layer(p, "dense_1", x)))),
    )
    yield sequential(
        "layernorm-of-sequences",
        lambda: [L(shift=False), fn.Activation("gelu"), L(scale=False), L(scale=False, shift=False), fn.Flatten()],
        (2, 17),
        lambda p, x: ref.flatten(
            rows_normed(
                p,
                "layernorm_3",
                rows_normed(p, "layernorm_2", ref.gelu(rows_normed(p, "layernorm_1", x))),
            )
        ),
    )


def embedding_cases():
    D, E = fn.Dense, fn.Embedding
    yield sequential(
        "embedding",
        lambda: [E(5, 3), fn.Flatten(), D(4, "tanh")],
        4,
        lambda p, x: np.tanh(layer(p, "dense_1", ref.flatten(ref.embedding(x, p["embedding_1.weight"])))),
        indices={0: 5},
    )
    yield sequential(
        "embedding-padded-of-matrices",
        lambda: [E(3, 17, padding_index=2), fn.LayerNorm()],
        (2, 3),
        lambda p, x: rows_normed(p, "layernorm_1", ref.embedding(x, p["embedding_1.weight"], 2)),
        indices={0: 3},
    )
    yield sequential(
        "embedding-one",
        lambda: [E(1, 1, padding_index=0)],
        1,
        lambda p, x: ref.embedding(x, p["embedding_1.weight"], 0),
        indices={0: 1},
    )
    yield graph(
        "embedding-shared-and-beside", embedding_shared_and_beside, embedding_shared_and_beside_twin, indices={0: 6}
    )


def embedding_shared_and_beside():
    """One table for two uses of the same indices, beside an input of real numbers."""
    words, numbers, table = fn.Input(3), fn.Input(4), fn.Embedding(6, 2, name="table")
    first = fn.Flatten()(table(words))
    second = fn.Activation("tanh")(fn.Flatten()(table(fn.slice(words, 1, 3))))
    return [words, numbers], fn.Dense(3)(fn.concatenate(first, second, fn.Dense(5, "tanh")(numbers)))


def embedding_shared_and_beside_twin(p, words, numbers):
    first = ref.flatten(ref.embedding(words, p["table.weight"]))
    second = np.tanh(ref.flatten(ref.embedding(words[:, 1:], p["table.weight"])))
    return [layer(p, "dense_2", np.concatenate([first, second, np.tanh(layer(p, "dense_1", numbers))], axis=1))]


def rows_normed(p, name, x):
    """The LayerNorm layer of that name."""
    return ref.layer_norm(x, p.get(f"{name}.gamma", 1), p.get(f"{name}.beta", 0))


def gates():
    x = fn.Input(5)
    a, b, c = fn.Dense(4)(x), fn.Dense(4, "sigmoid")(x), fn.Dense(4, "tanh")(x)
    y = fn.Multiply()(a, b, c)
    return x, [fn.Multiply()(y, b), fn.Multiply()(x, x)]


def gates_twin(p, x):
    a, b, c = layer(p, "dense_1", x), ref.sigmoid(layer(p, "dense_2", x)), np.tanh(layer(p, "dense_3", x))
    return [a * b * c * b, x * x]


def faded():
    """One part coming in for another, a tensor blended with itself, and what both are made of beside."""
    x = fn.Input(5)
    a, b = fn.Dense(4, "tanh")(x), fn.Dense(4)(x)
    return x, [fn.Dense(2)(fn.Blend(0.3, name="fade")(a, b)), fn.Blend(name="same")(x, x), a]


def faded_twin(p, x):
    a, b, c = np.tanh(layer(p, "dense_1", x)), layer(p, "dense_2", x), p["fade.alpha"][0]
    return [layer(p, "dense_3", (1 - c) * a + c * b), x, a]


def shared_batch_norm():
    """One layer on two tensors: both leave their statistics in it, one after the other."""
    x, same = fn.Input(4), fn.BatchNorm(name="same")
    return x, fn.add(fn.Activation("tanh")(same(fn.Dense(4)(x))), same(fn.Dense(4)(x)))


def shared_batch_norm_twin(p, x):
    return [np.tanh(normed(p, "same", layer(p, "dense_1", x))) + normed(p, "same", layer(p, "dense_2", x))]


# ---- graphs ---------------------------------------------------------------------------------------------------------


def merge_ports(merge, count):
    def ports():
        x = fn.Input(4)
        return x, fn.Dense(2)(merge(*(fn.Dense(5, "tanh")(x) for _ in range(count))))

    return ports


def merge_twin(merge, count):
    def twin(p, x):
        return [layer(p, f"dense_{count + 1}", merge(*(np.tanh(layer(p, f"dense_{i + 1}", x)) for i in range(count))))]

    return twin


def itself(merge):
    def ports():
        x = fn.Input(4)
        h = fn.Dense(3, "sigmoid")(x)
        return x, merge(h, h)

    return ports


def overlapping_slices():
    x = fn.Input(6)
    return x, fn.add(fn.slice(x, 0, 4), fn.slice(x, 1, 5), fn.slice(x, -4))


def nested_residual():
    inner = fn.Residual([fn.Dense(5, "tanh"), fn.Dense(5)])
    return [fn.Residual([fn.Dense(5, "tanh"), inner, fn.Activation("gelu")])]


def nested_residual_twin(p, x):
    h = np.tanh(layer(p, "dense_1", x))
    h = layer(p, "dense_3", np.tanh(layer(p, "dense_2", h))) + h
    return ref.gelu(h) + x


def shared_in_a_row():
    x, same = fn.Input(5), fn.Dense(5, "tanh")
    return x, same(same(same(x)))


def shared_in_a_row_twin(p, x):
    for _ in range(3):
        x = np.tanh(layer(p, "dense_1", x))
    return [x]


def siamese():
    x1, x2, same = fn.Input(4, name="left"), fn.Input(4, name="right"), fn.Dense(3, "tanh")
    return [x1, x2], fn.Dense(2)(fn.concatenate(same(x1), same(x2)))


def shared_dropconnect():
    x, same = fn.Input(4), fn.DropConnect(4, "tanh", rate=0.3)
    return x, same(same(x))


def input_used_twice():
    x = fn.Input(4)
    return x, fn.concatenate(fn.Dense(4, "tanh")(x), x)


def input_is_an_output():
    x = fn.Input(4)
    return x, [fn.Dense(3, "tanh")(x), x]


def inputs_only():
    x1, x2 = fn.Input(3), fn.Input((2, 2))
    return [x1, x2], [x2, x1]


def one_input_passes_through():
    x1, x2 = fn.Input(3), fn.Input(2)
    return [x1, x2], [x2, fn.Dense(2, "tanh")(x1)]


def hidden_is_an_output():
    x = fn.Input(4)
    h = fn.Dense(5, "tanh")(x)
    return x, [h, fn.Dense(2)(h)]


def one_output_twice():
    x = fn.Input(4)
    y = fn.Dense(3, "softmax")(x)
    return x, [y, y]


def several():
    x1, x2 = fn.Input(4), fn.Input((2, 2))
    h1 = fn.Dense(5, "tanh")(x1)
    h2 = fn.Dense(5, "gelu")(fn.Flatten()(x2))
    h = fn.add(h1, h2)
    return [x1, x2], [fn.Dense(2, "softmax")(h), fn.Dense(1)(fn.concatenate(h, x1)), fn.slice(h2, 1, 4)]


def several_twin(p, x1, x2):
    h1 = np.tanh(layer(p, "dense_1", x1))
    h2 = ref.gelu(layer(p, "dense_2", ref.flatten(x2)))
    h = h1 + h2
    return [ref.softmax(layer(p, "dense_3", h)), layer(p, "dense_4", np.concatenate([h, x1], axis=1)), h2[:, 1:4]]


def fan_of_activations():
    """One z under several activations, beside itself: in-place steps must not spoil it for the others."""
    x = fn.Input(4)
    z = fn.Dense(3)(x)
    parts = [fn.Activation(name)(z) for name in ("tanh", "gelu", "softmax", "sigmoid")]
    return x, fn.concatenate(*parts, z, fn.add(z, z))


def fan_of_activations_twin(p, x):
    z = layer(p, "dense_1", x)
    return [np.concatenate([np.tanh(z), ref.gelu(z), ref.softmax(z), ref.sigmoid(z), z, 2 * z], axis=1)]


def fan_of_the_input():
    x = fn.Input(4)
    return x, fn.add(fn.Activation("tanh")(x), fn.Dropout(0)(x), x, fn.Dense(4, "sigmoid")(x))


def diamonds():
    x = h = fn.Input(4)
    for _ in range(3):
        h = fn.add(fn.Dense(4, "tanh")(h), fn.Dense(4, "sigmoid")(h))
    return x, h


def diamonds_twin(p, x):
    for i in (1, 3, 5):
        x = np.tanh(layer(p, f"dense_{i}", x)) + ref.sigmoid(layer(p, f"dense_{i + 1}", x))
    return [x]


def long_links():
    """Tensors that must outlive many steps, of different widths, so that places in memory are reused around them."""
    x = fn.Input(3)
    a = fn.Dense(9, "tanh")(x)
    b = fn.Dense(2, "gelu")(a)
    c = fn.Dense(17, "tanh")(b)
    d = fn.Dense(2, "softplus")(c)
    e = fn.Dense(9, "tanh")(d)
    return x, [fn.add(a, e), fn.concatenate(b, d, x)]


def long_links_twin(p, x):
    a = np.tanh(layer(p, "dense_1", x))
    b = ref.gelu(layer(p, "dense_2", a))
    c = np.tanh(layer(p, "dense_3", b))
    d = ref.softplus(layer(p, "dense_4", c))
    e = np.tanh(layer(p, "dense_5", d))
    return [a + e, np.concatenate([b, d, x], axis=1)]


def custom_beside():
    x = fn.Input(4)
    h = fn.Dense(3, CUBIC)(x)
    return x, [fn.concatenate(NORMS(h), h), AFFINE(h)]


def custom_beside_twin(p, x):
    h = cubic_forward(layer(p, "dense_1", x))
    return [np.concatenate([norms_forward(h), h], axis=1), affine_forward(h, p["affine.gain"], p["affine.shift"])]


def graph_cases():
    D = fn.Dense
    yield graph("add-2", merge_ports(fn.add, 2), merge_twin(ref.add, 2))
    yield graph("add-3", merge_ports(fn.add, 3), merge_twin(ref.add, 3))
    yield graph("concatenate-2", merge_ports(fn.concatenate, 2), merge_twin(ref.concatenate, 2))
    yield graph("concatenate-3", merge_ports(fn.concatenate, 3), merge_twin(ref.concatenate, 3))
    yield graph("add-itself", itself(fn.add), lambda p, x: [2 * ref.sigmoid(layer(p, "dense_1", x))])
    yield graph(
        "concatenate-itself",
        itself(fn.concatenate),
        lambda p, x: [np.concatenate([ref.sigmoid(layer(p, "dense_1", x))] * 2, axis=1)],
    )
    yield graph("slices-that-overlap", overlapping_slices, lambda p, x: [x[:, :4] + x[:, 1:5] + x[:, 2:]])
    yield sequential(
        "residual",
        lambda: [fn.Residual([D(7, "tanh"), D(5)]), D(2)],
        5,
        lambda p, x: layer(p, "dense_3", layer(p, "dense_2", np.tanh(layer(p, "dense_1", x))) + x),
    )
    yield sequential(
        "residual-projection",
        lambda: [fn.Residual([D(7, "tanh"), D(3)], projection=D(3, bias=False))],
        5,
        lambda p, x: layer(p, "dense_2", np.tanh(layer(p, "dense_1", x))) + layer(p, "dense_3", x),
    )
    yield sequential("residual-nested", nested_residual, 5, nested_residual_twin)
    yield sequential(
        "residual-of-an-activation",
        lambda: [D(4), fn.Residual([fn.Activation("tanh")])],
        3,
        lambda p, x: np.tanh(layer(p, "dense_1", x)) + layer(p, "dense_1", x),
    )
    yield graph("shared-in-a-row", shared_in_a_row, shared_in_a_row_twin)
    yield graph(
        "shared-by-two-inputs",
        siamese,
        lambda p, x1, x2: [
            layer(p, "dense_2", np.concatenate([np.tanh(layer(p, "dense_1", x)) for x in (x1, x2)], axis=1))
        ],
    )
    yield graph(
        "shared-dropconnect",
        shared_dropconnect,
        lambda p, x: [np.tanh(layer(p, "dropconnect_1", np.tanh(layer(p, "dropconnect_1", x))))],
        random=True,
    )
    yield graph(
        "input-used-twice",
        input_used_twice,
        lambda p, x: [np.concatenate([np.tanh(layer(p, "dense_1", x)), x], axis=1)],
    )
    yield graph("input-is-an-output", input_is_an_output, lambda p, x: [np.tanh(layer(p, "dense_1", x)), x])
    yield graph("inputs-only", inputs_only, lambda p, x1, x2: [x2, x1])
    yield graph(
        "input-passes-through", one_input_passes_through, lambda p, x1, x2: [x2, np.tanh(layer(p, "dense_1", x1))]
    )
    yield graph(
        "hidden-is-an-output",
        hidden_is_an_output,
        lambda p, x: [np.tanh(layer(p, "dense_1", x)), layer(p, "dense_2", np.tanh(layer(p, "dense_1", x)))],
    )
    yield graph("one-output-twice", one_output_twice, lambda p, x: [ref.softmax(layer(p, "dense_1", x))] * 2)
    yield graph("several-inputs-and-outputs", several, several_twin)
    yield graph("fan-of-activations", fan_of_activations, fan_of_activations_twin)
    yield graph(
        "fan-of-the-input", fan_of_the_input, lambda p, x: [np.tanh(x) + 2 * x + ref.sigmoid(layer(p, "dense_1", x))]
    )
    yield graph("diamonds", diamonds, diamonds_twin)
    yield graph("long-links", long_links, long_links_twin)


def phase_ports(function, points, bias=True):
    """Two phase layers that read one phase."""

    def ports():
        x, p = fn.Input(4), fn.Input(1)
        options = {"control_points": points, "phase_function": function, "bias": bias}
        h = fn.PhaseDense(5, "tanh", **options)(x, p)
        return [x, p], fn.PhaseDense(3, "softplus", **options)(h, p)

    return ports


def phase_twin(function):
    def twin(p, x, phase):
        h = np.tanh(phase_layer(p, "phasedense_1", x, phase, function))
        return [ref.softplus(phase_layer(p, "phasedense_2", h, phase, function))]

    return twin


def phase_that_is_learnt():
    """The phase comes out of a layer, and the features are read elsewhere too."""
    x = fn.Input(5)
    phase = fn.Dense(1, "sigmoid")(x)
    return x, [fn.PhaseDense(2)(fn.PhaseDense(33, "tanh")(x, phase), phase), phase]


def phase_that_is_learnt_twin(p, x):
    phase = ref.sigmoid(layer(p, "dense_1", x))
    h = np.tanh(phase_layer(p, "phasedense_1", x, phase))
    return [phase_layer(p, "phasedense_2", h, phase), phase]


def phase_shared():
    x, p, same = fn.Input(3), fn.Input(1), fn.PhaseDense(3, "tanh", phase_function="linear")
    return [x, p], same(same(x, p), p)


def phase_shared_twin(p, x, phase):
    for _ in range(2):
        x = np.tanh(phase_layer(p, "phasedense_1", x, phase, "linear"))
    return [x]


def phase_cases():
    for function, points in (
        ("cubic", 4),
        ("cubic", 7),
        ("cubic", 17),  # row by row, as are those of 9 and of 5 below
        ("linear", 2),
        ("linear", 4),
        ("linear", 9),
        ("constant", 1),
        ("constant", 3),
        ("constant", 5),
    ):
        yield graph(f"phase-{function}-{points}", phase_ports(function, points), phase_twin(function))
    for points in (4, 17):
        yield graph(f"phase-no-bias-{points}", phase_ports("cubic", points, bias=False), phase_twin("cubic"))
    yield graph("phase-learnt", phase_that_is_learnt, phase_that_is_learnt_twin)
    yield graph("phase-shared", phase_shared, phase_shared_twin)


def custom_cases():
    D = fn.Dense
    yield sequential(
        "custom-with-parameters",
        lambda: [D(4, "tanh"), AFFINE, fn.Activation("tanh")],
        5,
        lambda p, x: np.tanh(affine_forward(np.tanh(layer(p, "dense_1", x)), p["affine.gain"], p["affine.shift"])),
        custom={"affine": AFFINE},
    )
    yield sequential("custom-alone", lambda: [NORMS], 5, lambda p, x: norms_forward(x), custom={"norms": NORMS})
    yield sequential(
        "custom-activation",
        lambda: [D(4, CUBIC), D(2)],
        5,
        lambda p, x: layer(p, "dense_2", cubic_forward(layer(p, "dense_1", x))),
        custom={"cubic": CUBIC},
    )
    yield graph(
        "custom-beside", custom_beside, custom_beside_twin, custom={"cubic": CUBIC, "norms": NORMS, "affine": AFFINE}
    )


def cell(p, name, run, x, **options):
    """One of the recurrent twins with the parameters of that layer."""
    own = {key.split(".")[1]: value for key, value in p.items() if key.startswith(f"{name}.")}
    return run(x, own.pop("weight"), own.pop("recurrent_weight"), own.pop("bias", 0), **own, **options)


def recurrent_cases():
    D, shape = fn.Dense, (4, 3)
    cells = {
        "simple-rnn": (fn.SimpleRNN, {}, ref.simple_rnn, {}),
        "simple-rnn-sigmoid": (fn.SimpleRNN, {"activation": "sigmoid"}, ref.simple_rnn, {"activation": ref.sigmoid}),
        "lstm": (fn.LSTM, {}, ref.lstm, {}),
        "lstm-no-bias": (fn.LSTM, {"bias": False}, ref.lstm, {}),
        "lstm-no-forget-gate": (fn.LSTM, {"forget_gate": False}, ref.lstm, {"forget_gate": False}),
        "lstm-peepholes": (fn.LSTM, {"peepholes": True}, ref.lstm, {}),
        "lstm-1997-peepholes": (
            fn.LSTM,
            {"peepholes": True, "forget_gate": False, "bias": False},
            ref.lstm,
            {"forget_gate": False},
        ),
        "lstm-backwards": (fn.LSTM, {"go_backwards": True}, ref.lstm, {"reverse": True}),
        "gru": (fn.GRU, {}, ref.gru, {}),
        "gru-no-bias": (fn.GRU, {"bias": False}, ref.gru, {}),
        "gru-backwards": (fn.GRU, {"go_backwards": True}, ref.gru, {"reverse": True}),
        "gru-reset-first": (fn.GRU, {"reset_after": False}, ref.gru, {"reset_after": False}),
        "gru-reset-first-no-bias": (fn.GRU, {"reset_after": False, "bias": False}, ref.gru, {"reset_after": False}),
    }
    for name, (kind, options, run, settings) in cells.items():
        layer_name = f"{kind.__name__.lower()}_1"
        yield sequential(
            f"{name}-last",
            lambda kind=kind, options=options: [kind(5, **options)],
            shape,
            lambda p, x, run=run, n=layer_name, s=settings: cell(p, n, run, x, **s)[1][0],
        )
        yield sequential(
            f"{name}-sequence",
            lambda kind=kind, options=options: [kind(5, return_sequences=True, **options)],
            shape,
            lambda p, x, run=run, n=layer_name, s=settings: cell(p, n, run, x, **s)[0],
        )
    yield sequential("lstm-17-units", lambda: [fn.LSTM(17)], (3, 2), lambda p, x: cell(p, "lstm_1", ref.lstm, x)[1][0])
    yield sequential("gru-one-step", lambda: [fn.GRU(3)], (1, 2), lambda p, x: cell(p, "gru_1", ref.gru, x)[1][0])
    yield sequential(
        "recurrent-stack",
        lambda: [
            D(4, "tanh"),
            fn.LSTM(5, return_sequences=True),
            fn.GRU(3, return_sequences=True),
            D(4, "softmax"),
        ],
        shape,
        recurrent_stack_twin,
    )
    for merge, join in (("concat", ref.concatenate), ("sum", ref.add)):
        yield sequential(
            f"bidirectional-{merge}",
            lambda merge=merge: [fn.Bidirectional(fn.LSTM(3, return_sequences=True), merge=merge), D(2)],
            shape,
            lambda p, x, join=join: layer(
                p,
                "dense_1",
                join(
                    cell(p, "lstm_1", ref.lstm, x)[0],
                    cell(p, "lstm_2", ref.lstm, x, reverse=True)[0],
                ),
            ),
        )
    yield sequential(
        "concatenate-sequences",
        lambda: [fn.Bidirectional(fn.GRU(3))],
        shape,
        lambda p, x: np.concatenate(
            [cell(p, "gru_1", ref.gru, x)[1][0], cell(p, "gru_2", ref.gru, x, reverse=True)[1][0]], axis=1
        ),
    )
    yield graph("state-to-state", state_to_state, state_to_state_twin)
    yield graph("state-in-and-out", state_in_and_out, state_in_and_out_twin)


def recurrent_stack_twin(p, x):
    x = cell(p, "lstm_1", ref.lstm, np.tanh(layer(p, "dense_1", x)))[0]
    return ref.softmax(layer(p, "dense_2", cell(p, "gru_1", ref.gru, x)[0]))


def state_to_state():
    """Sequence to sequence: what the first layer ends with, the second begins with."""
    source, target = fn.Input((4, 3)), fn.Input((3, 2))
    y, state = fn.LSTM(5, return_state=True)(source)
    return [source, target], [y, fn.LSTM(5, return_sequences=True)(target, state)]


def state_to_state_twin(p, source, target):
    _, state = cell(p, "lstm_1", ref.lstm, source)
    return [state[0], cell(p, "lstm_2", ref.lstm, target, state=state)[0]]


def state_in_and_out():
    x, state = fn.Input((4, 3)), fn.Input((1, 5))
    y, after = fn.GRU(5, return_sequences=True, return_state=True)(x, state)
    return [x, state], [y, after]


def state_in_and_out_twin(p, x, state):
    y, after = cell(p, "gru_1", ref.gru, x, state=state.transpose(1, 0, 2))
    return [y, after.transpose(1, 0, 2)]


CASES = [
    *chain_cases(),
    *random_cases(),
    *norm_cases(),
    *image_norm_cases(),
    *embedding_cases(),
    *image_cases(),
    *depthwise_cases(),
    *sequence_cases(),
    *local_response_cases(),
    *layout_cases(),
    *graph_cases(),
    *phase_cases(),
    *recurrent_cases(),
    *custom_cases(),
]
BY_ID = {case.id: case for case in CASES}
assert len(BY_ID) == len(CASES)


# ---- using the table ------------------------------------------------------------------------------------------------


def as_list(values):
    return values if isinstance(values, list) else [values]


def kinked(view):
    """Does the layer apply an activation with a kink at 0?"""
    activation = getattr(view.spec, "activation", view.spec)
    return getattr(activation, "function", activation) in ref.KINKED


def near_a_knot(net, xs):
    """Is a phase near a place where the phase function has a kink, in it or in its slope?"""
    values = [*xs, *net.activations(one(xs)).values()]  # by tensor of the structure
    for node in net.structure.nodes:
        spec = net.structure.layers[node.layer]
        if isinstance(spec, fn.PhaseDense):
            place = values[node.inputs[1]] * spec.control_points + (spec.phase_function == "constant") / 2
            if np.abs(place - np.round(place)).min() < KINK_MARGIN:
                return True
    return False


def near_a_kink(net, xs):
    z = net.preactivations(xs if len(xs) > 1 else xs[0])
    names = {view.name for view in net.layers if kinked(view)}
    return any(np.abs(z[name]).min() < KINK_MARGIN for name in z if name.split(":")[0] in names)


def randomize(net, rng):
    """Parameters away from special values, the same in both dtypes."""
    net.params[:] = (net.params + 0.3 * rng.normal(size=net.n_params)).astype(np.float32)
    for name, view in net.named_parameters():
        if name.endswith("variance"):
            view[...] = (np.abs(view) + 0.5).astype(np.float32)


def ready(case, dtype, batch, seed=0):
    """The case's network with random parameters, and inputs and cotangents: the same numbers in both dtypes."""
    for attempt in range(200):
        rng = np.random.default_rng([seed, batch, attempt])
        net = case.build("float64", seed)
        randomize(net, rng)
        xs = [rng.normal(size=(batch, *shape)).astype(np.float32).astype(np.float64) for shape in net.input_shapes]
        for i, vocabulary in case.indices.items():
            xs[i] = rng.integers(0, vocabulary, size=xs[i].shape).astype(np.float64)
        if not near_a_kink(net, xs) and not near_a_knot(net, xs):
            break
    else:
        raise AssertionError(f"{case.id}: every draw is near a kink")
    dys = [rng.normal(size=(batch, *shape)).astype(np.float32) for shape in net.output_shapes]
    if np.dtype(dtype) == np.float32:
        narrow = case.build("float32", seed)
        narrow.params[:] = net.params
        net = narrow
    return net, [x.astype(dtype) for x in xs], [dy.astype(dtype) for dy in dys]


def one(values):
    """As the API takes it: a list only where there are several."""
    return values if len(values) > 1 else values[0]


def forward(net, xs, training=False, mask=0):
    """Outputs as a list; ``mask`` numbers the random masks, which otherwise change with every training forward."""
    net.forwards = mask
    return as_list(net.forward(one(xs), training))


def backward(net, dys, **options):
    return as_list(net.backward(one(dys), **options))


def gradients(net, xs, dys, training=False):
    """(outputs, input gradients, parameter gradient) as copies."""
    ys = forward(net, xs, training)
    dxs = backward(net, dys)
    return ys, dxs, net.grads.copy()


def gradient_errors(net, xs, dys, training=False, seed=0):
    """By input and parameter: error of the gradient of sum(dy * y) against difference quotients (float64 only)."""
    rng = np.random.default_rng([seed, 99])
    ys, dxs, _ = gradients(net, xs, dys, training)
    size = sum(float(np.abs(y * dy).sum()) for y, dy in zip(ys, dys, strict=True))
    exact = {name: view.copy() for name, view in net.named_gradients()}

    def value():
        return sum(float(np.vdot(y, dy)) for y, dy in zip(forward(net, xs, training), dys, strict=True))

    whole = net.plan.index_inputs()
    assert not any(dxs[i].any() for i in whole)
    errors = {
        f"input {i}": ref.slope_error(value, x, dx, rng, size)
        for i, (x, dx) in enumerate(zip(xs, dxs, strict=True))
        if i not in whole
    }
    for name, view in net.named_parameters():
        if name in exact:  # running statistics have no gradient
            errors[name] = ref.slope_error(value, view, exact[name], rng, size)
    return errors


def learned(net):
    """Which elements of ``params`` have a gradient."""
    named = {name for name, _ in net.named_gradients()}
    return np.concatenate([np.full(view.size, name in named) for name, view in net.named_parameters()] or [[]]) > 0


def parameters(net):
    """By name, in float64."""
    return {name: view.astype(np.float64) for name, view in net.named_parameters()}


def rounding(net):
    """How far, relative to the norm, rounding may take a result of this network: 2e-6 sqrt(depth) in float32.

    A product over I inputs rounds by about sqrt(I) eps / 2 in the mean, an activation by 2 eps; for the widths of the
    table (33 at most) some 5 eps per step, and steps add up like a random walk; 17 eps leaves a factor of 3.  A
    recurrent layer is as deep as its sequence is long.
    """
    depth = max(1, sum(op.repeats for op in net.plan.ops))
    return 2e-6 / np.finfo(np.float32).eps * np.finfo(net.dtype).eps * np.sqrt(depth)
