"""Layers of windows and normalisations of images beside PyTorch, shapes and options drawn at random.

Outputs and gradients with respect to input, weight and bias.  PyTorch computes in float64 from the numbers that the
network has, so that what differs is rounding of the network: within 1e-5 of the largest element in float32, where
chains of some thousand terms that eps = 6e-8 rounds differ by far less, and 1e-12 in float64.
"""

import numpy as np
import pytest

import fastnn as fn

torch = pytest.importorskip("torch", reason="needs PyTorch")
F = torch.nn.functional
WITHIN = {"float32": 1e-5, "float64": 1e-12}
SHORT, ALL = 60, 500
KINDS = ("conv1d", "conv2d", "depthwise", "transposed", "pool1d", "pool2d")


class Draw:
    """Sizes and options drawn at random."""

    def __init__(self, seed, axes):
        self.rng, self.axes = np.random.default_rng((11, seed)), axes

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def flag(self):
        return bool(self.rng.integers(2))

    def sizes(self, low, high):
        """Return a number for each direction, of a sequence or an image."""
        return tuple(int(n) for n in self.rng.integers(low, high + 1, self.axes))

    def count(self, high):
        """Return a number of channels, from few to as many as several vectors hold."""
        return int(self.rng.integers(1, self.pick(4, high) + 1))

    def given(self, values):
        """Return numbers as a layer takes them: one each for rows and columns, alone for a sequence."""
        return values[0] if self.axes == 1 else values


def around(draw, size, kernel, strides, dilation=None, most=3):
    """Draw padding: how a layer is given it, and what stands (before, after) each axis."""
    dilation = dilation or (1,) * draw.axes
    kind = draw.pick("same", "valid", "even", "uneven", "uneven")
    if kind == "same":  # for ceil(n / s) outputs, the odd one after
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(size, kernel, strides, dilation, strict=True)
        ]
        return kind, [(t // 2, t - t // 2) for t in totals]
    if kind == "valid":
        return kind, [(0, 0)] * draw.axes
    before = draw.sizes(0, most)
    after = before if kind == "even" else draw.sizes(0, most)
    pairs = list(zip(before, after, strict=True))
    return draw.given(pairs), pairs


def padded(x, pairs, mode="constant", value=0.0):
    """Return a tensor with its padding, the last axis first as PyTorch counts."""
    flat = [n for pair in reversed(pairs) for n in pair]
    return F.pad(x, flat, mode, value) if mode == "constant" else F.pad(x, flat, mode)


def first(array):
    """Channels first, as PyTorch has them; a copy, for else its gradient of instance_norm is wrong of one row."""
    return array.movedim(-1, 1).contiguous()


def convolution(draw, kind):
    """Conv1D, Conv2D or DepthwiseConv2D: the layer, the shape of its input, and the same in PyTorch."""
    size = draw.sizes(1, draw.pick(9, 26))
    kernel, strides, dilation = draw.sizes(1, draw.pick(3, 6)), draw.sizes(1, draw.pick(1, 3)), draw.sizes(1, 2)
    mode = draw.pick("zeros", "zeros", "reflect", "replicate")
    padding, pairs = around(draw, size, kernel, strides, dilation)
    if kind == "conv1d" and mode == "zeros" and draw.flag():
        padding, pairs = "causal", [((kernel[0] - 1) * dilation[0], 0)]
    if any(n + sum(p) < (k - 1) * d + 1 for n, p, k, d in zip(size, pairs, kernel, dilation, strict=True)) or (
        mode == "reflect" and any(max(p) >= n for n, p in zip(size, pairs, strict=True))
    ):
        return convolution(draw, kind)
    options = {
        "strides": draw.given(strides), "padding": padding, "padding_mode": mode, "dilation": draw.given(dilation),
        "bias": draw.flag(),
    }  # fmt: skip
    groups = draw.pick(1, 1, 2, 3)
    channels, filters = groups * draw.count(40), groups * draw.count(70)
    if kind == "depthwise":
        groups = channels
        layer = fn.DepthwiseConv2D(kernel, depth_multiplier=draw.pick(1, 1, 2, 3), **options)
    elif kind == "conv1d":
        layer = fn.Conv1D(filters, kernel[0], groups=groups, **options)
    else:
        layer = fn.Conv2D(filters, kernel, groups=groups, **options)
    there = {"zeros": "constant"}.get(mode, mode)
    function = F.conv1d if draw.axes == 1 else F.conv2d

    def twin(x, weight, bias):
        if kind == "depthwise":  # (KH, KW, C, M): filter c M + m sees channel c
            weight = weight.flatten(2).unsqueeze(2)
        filters_first = weight.movedim((-1, -2), (0, 1)).contiguous()
        return function(padded(x, pairs, there), filters_first, bias, strides, 0, dilation, groups)

    return layer, (*size, channels), twin


def transposed(draw):
    """ConvTranspose2D, likewise; what padding cuts off is cut off here."""
    size = draw.sizes(1, draw.pick(5, 14))
    kernel, strides, dilation = draw.sizes(1, draw.pick(3, 5)), draw.sizes(1, 3), draw.sizes(1, 2)
    groups = draw.pick(1, 1, 2, 3)
    channels, filters = groups * draw.count(40), groups * draw.count(40)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if draw.flag():
        padding, more = "same", [max(s - r, 0) for r, s in zip(reach, strides, strict=True)]
        totals = [max(r - s, 0) for r, s in zip(reach, strides, strict=True)]
        pairs = [(t // 2, t - t // 2) for t in totals]
    else:
        more = [int(draw.rng.integers(s)) for s in strides]
        pairs = padding = [draw.sizes(0, 2) for _ in range(2)]
    whole = [(n - 1) * s + r + m for n, s, r, m in zip(size, strides, reach, more, strict=True)]
    if any(n <= sum(p) for n, p in zip(whole, pairs, strict=True)):
        return transposed(draw)
    layer = fn.ConvTranspose2D(
        filters, kernel, strides=strides, padding=padding, output_padding=0 if padding == "same" else tuple(more),
        dilation=dilation, groups=groups, bias=draw.flag(),
    )  # fmt: skip

    def twin(x, weight, bias):
        there = weight.movedim((3, 2), (0, 1)).contiguous()
        # PyTorch allows output_padding below strides or dilation alone: rows and columns of the bias, as any other
        y = F.conv_transpose2d(x, there, None, strides, 0, 0, groups, dilation)
        y = F.pad(y, (0, more[1], 0, more[0]))
        y = y if bias is None else y + bias[:, None, None]
        (top, bottom), (left, right) = pairs
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]

    return layer, (*size, channels), twin


def pooling(draw):
    """MaxPool and AvgPool of sequences and images, likewise; PyTorch pads as much before as after, so it gets -inf
    or zeros around the image, and how many numbers of each window lie in it."""
    size, kernel = draw.sizes(2, draw.pick(9, 26)), draw.sizes(1, 4)
    strides = kernel if draw.flag() else draw.sizes(1, 3)
    largest, ceil, counted = draw.flag(), draw.flag(), draw.flag()
    counted = counted and not ceil and not largest
    padding, pairs = around(draw, size, kernel, strides, most=2)
    if any(max(p) >= k or n + sum(p) < k for n, p, k in zip(size, pairs, kernel, strict=True)):
        return pooling(draw)
    options = {"strides": draw.given(strides), "padding": padding, "ceil_mode": ceil}
    kind = (fn.MaxPool1D, fn.MaxPool2D) if largest else (fn.AvgPool1D, fn.AvgPool2D)
    layer = kind[draw.axes - 1](draw.given(kernel), **options, **({} if largest else {"count_padding": counted}))
    # a last window may end beyond the padding if it begins within the image
    count = [-(-(n + sum(p) - k) // s) + 1 for n, p, k, s in zip(size, pairs, kernel, strides, strict=True)]
    count = [c - (ceil and (c - 1) * s >= n + p[0]) for c, n, p, s in zip(count, size, pairs, strides, strict=True)]
    room = [(c - 1) * s + k for c, s, k in zip(count, strides, kernel, strict=True)]
    beyond = [(p[0], max(r - n - p[0], p[1])) for p, r, n in zip(pairs, room, size, strict=True)] if ceil else pairs
    most, mean = (F.max_pool1d, F.avg_pool1d) if draw.axes == 1 else (F.max_pool2d, F.avg_pool2d)

    def cut(y):
        return y[(..., *(slice(c) for c in count))] if ceil else y

    def twin(x, weight, bias):
        if largest:
            return cut(most(padded(x, beyond, value=-torch.inf), kernel, strides))
        total = cut(mean(padded(x, beyond), kernel, strides))
        return total if counted else total / cut(mean(padded(torch.ones_like(x), beyond), kernel, strides))

    return layer, (*size, draw.count(70)), twin


def drawn(seed):
    """A layer, the shape of its input, the same in PyTorch."""
    kind = KINDS[seed % len(KINDS)]
    draw = Draw(seed, 1 if kind.endswith("1d") else 2)
    if kind == "transposed":
        return transposed(draw)
    return pooling(draw) if kind.startswith("pool") else convolution(draw, kind)


def check(layer, shape, twin, seed, dtype):
    """Outputs and all gradients of one layer; what it has no bias or weight for is None there."""
    rng = np.random.default_rng(seed)
    net = fn.Sequential([layer], shape, seed=seed, dtype=dtype)
    for _, view in net.named_parameters():
        view[...] = rng.normal(size=view.shape)
    x = rng.normal(size=(int(rng.integers(1, 6)), *shape)).astype(dtype)
    # named as the layer calls them, in the order in which it has them: weight or gamma, bias or beta
    given = {name: torch.from_numpy(p.astype(float)).requires_grad_() for name, p in net.layers[0].parameters.items()}
    there = torch.from_numpy(x.astype(float)).requires_grad_()
    multiply, shift = (next((given[n] for n in names if n in given), None) for names in NAMES)
    y = first(torch.as_tensor(net.forward(x)))
    expected = twin(first(there), multiply, shift)
    beside("y", y, expected, dtype)
    dy = rng.normal(size=(len(x), *net.output_shape)).astype(dtype)
    (first(torch.from_numpy(dy.astype(float))) * expected).sum().backward()
    beside("dx", torch.as_tensor(net.backward(dy)), there.grad, dtype)
    for name, gradient in net.named_gradients():
        beside(name, torch.as_tensor(gradient), given[name.split(".")[1]].grad, dtype)


NAMES = ("weight", "gamma"), ("bias", "beta")


def beside(name, found, expected, dtype):
    assert tuple(found.shape) == tuple(expected.shape), name
    off, largest = (found - expected).abs().max(), expected.abs().max()
    assert off <= WITHIN[dtype] * largest, f"{name} is {off / largest:.1e} off"


@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("block", [
    pytest.param(range(SHORT), id="short"),
    *(pytest.param(range(i, i + 110), id=f"{i}", marks=pytest.mark.slow) for i in range(SHORT, ALL, 110)),
])  # fmt: skip
def test_random_shapes(block, dtype):
    """Every kind of layer in turn; every block holds some of each."""
    for seed in block:
        layer, shape, twin = drawn(seed)
        try:
            check(layer, shape, twin, seed, dtype)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {layer!r} of {shape}: {error}") from None


@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("seed", range(12))
def test_norms_of_images(seed, dtype):
    """InstanceNorm, GroupNorm and LocalResponseNorm."""
    draw = Draw(seed, 2)
    groups = draw.pick(1, 2, 4)
    shape = (*draw.sizes(2, draw.pick(7, 20)), groups * draw.count(24))
    epsilon, affine = draw.pick(1e-5, 1e-3), {"scale": draw.flag(), "shift": draw.flag()}
    size = draw.pick(1, 3, 5, 9)

    def whole(w, b):
        """PyTorch's backward needs both or neither."""
        return (torch.ones(shape[-1:]) if w is None else w).double(), (
            torch.zeros(shape[-1:]) if b is None else b
        ).double()

    across = {"alpha": draw.pick(1e-4, 0.5), "beta": draw.pick(0.5, 0.75, 1.0), "k": draw.pick(1.0, 2.0)}
    for layer, twin in (
        (
            fn.InstanceNorm(epsilon=epsilon, **affine),
            lambda x, w, b: F.instance_norm(x, None, None, *whole(w, b), eps=epsilon),
        ),
        (
            fn.GroupNorm(groups, epsilon=epsilon, **affine),
            lambda x, w, b: F.group_norm(x, groups, *whole(w, b), epsilon),
        ),
        (fn.LocalResponseNorm(size, **across), lambda x, w, b: F.local_response_norm(x, size, **across)),
    ):
        check(layer, shape, twin, seed, dtype)


@pytest.mark.parametrize("fault", ["mirrored", "bias", "group"])
def test_the_check_bites(fault):
    """A kernel that is mirrored, a bias that is left out, the wrong share of the channels."""
    layer = fn.Conv2D(4, 3, groups=2)

    def twin(x, weight, bias):
        if fault == "mirrored":
            weight = weight.flip(0)
        there = weight.movedim((-1, -2), (0, 1)).contiguous()
        if fault == "group":
            x = x.flip(1)
        return F.conv2d(x, there, None if fault == "bias" else bias, 1, 1, 1, 2)

    with pytest.raises(AssertionError, match=r"y is .* off"):
        check(layer, (5, 6, 4), twin, 0, "float32")
