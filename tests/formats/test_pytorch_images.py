"""Modules of images of PyTorch, channels second there and last here, beside PyTorch and beside NumPy twins of them."""
# ruff: noqa: E501  (a case of a table is one line)

import numpy as np
import pytest
from helpers import torch_twins

import fastnn as fn

RANDOM = 60


class Twins:
    """NumPy twins as the library."""

    nn = torch_twins

    @staticmethod
    def fill(module, rng):
        for name, array in module.state_dict().items():
            if array.dtype == np.float32:
                array[...] = drawn(name, array.shape, rng)

    @staticmethod
    def run(module, x):
        return module(x.astype(np.float64))


class Torch:
    """PyTorch itself."""

    @property
    def nn(self):
        return pytest.importorskip("torch").nn

    @staticmethod
    def fill(module, rng):
        import torch

        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                if tensor.dtype.is_floating_point:
                    tensor.copy_(torch.from_numpy(np.asarray(drawn(name, tuple(tensor.shape), rng))))
        module.eval()

    @staticmethod
    def run(module, x):
        import torch

        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()


LIBRARIES = {"twins": Twins(), "torch": Torch()}


def drawn(name, shape, rng):
    values = rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
    return (np.abs(values) + 0.5 if name.endswith("running_var") else values).astype(np.float32)


def first(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def last(y):
    return np.moveaxis(y, 1, -1) if y.ndim == 4 else y


def random_module(lib, rng):
    """A Sequential of modules of images, perhaps with vectors at its end, and the shape (H, W, C) of its input."""
    nn, flag = lib.nn, lambda: bool(rng.integers(2))
    C, H, W = int(rng.integers(1, 5)), int(rng.integers(7, 12)), int(rng.integers(7, 12))
    modules, x = [], np.zeros((2, C, H, W), np.float32)
    for place in range(1 + rng.integers(5)):
        if min(x.shape[2:]) < 4:
            break
        kind = "conv" if place == 0 else ("conv", "max", "mean", "norm", "activation", "numbers")[rng.integers(6)]
        channels = x.shape[1]
        if kind == "conv":
            groups = channels if flag() else 1
            filters, size, same = groups * int(rng.integers(1, 4)), tuple(rng.integers(1, 4, 2).tolist()), flag()
            padding = "same" if same else tuple(rng.integers(0, 3, 2).tolist())
            strides = 1 if same else tuple(rng.integers(1, 3, 2).tolist())
            mode = "zeros" if same else ("zeros", "reflect", "replicate")[rng.integers(3)]
            dilation = int(rng.integers(1, 3)) if same else 1
            modules.append(nn.Conv2d(channels, filters, size, strides, padding, dilation, groups, flag(), mode))
        elif kind in ("max", "mean"):
            k = int(rng.integers(2, 4))
            padding, stride, ceil = int(rng.integers(0, k // 2 + 1)), int(rng.integers(1, 3)), flag()
            made = (
                nn.MaxPool2d(k, stride, padding, ceil_mode=ceil)
                if kind == "max"
                else nn.AvgPool2d(
                    k, stride, padding, ceil_mode=ceil, count_include_pad=flag() and not (ceil and padding)
                )
            )
            modules.append(made)
        elif kind == "norm":
            modules.append(nn.BatchNorm2d(channels, eps=1e-3, affine=flag()))
        elif kind == "activation":
            modules.append((nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.1), nn.Sigmoid())[rng.integers(4)])
        else:
            modules.append(nn.Dropout(0.2))
        lib.fill(modules[-1], rng)
        x = lib.run(nn.Sequential(modules[-1]), x)
    if flag():
        if flag():
            modules.append(nn.AdaptiveAvgPool2d(1))
            x = x[:, :, :1, :1]
        modules.append(nn.Flatten())
        flat = int(np.prod(x.shape[1:]))
        modules += [nn.BatchNorm1d(flat), nn.Tanh()] if flag() else []
        modules += [nn.Linear(flat, 5), nn.ReLU(), nn.Linear(5, 3)]
    return nn.Sequential(*modules), (H, W, C)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("library", LIBRARIES)
def test_random_modules(library):
    """As a new network, and as a state dict into one that is there."""
    lib, kinds = LIBRARIES[library], set()
    for seed in range(RANDOM):
        rng = np.random.default_rng([seed, 5])
        module, shape = random_module(lib, rng)
        lib.fill(module, rng)
        x = rng.normal(size=(3, *shape)).astype(np.float32)
        expected = last(lib.run(module, first(x)))
        net = fn.from_torch(module, input_shape=shape)
        check(net.predict(x), expected)
        for source in (module.state_dict(), module):
            net.params[:] = 0
            assert fn.from_torch(source, into=net) is net
            check(net.predict(x), expected)
        kinds |= {type(layer) for layer in net.structure.layers}
    assert kinds >= {fn.Conv2D, fn.MaxPool2D, fn.AvgPool2D, fn.BatchNorm, fn.GlobalAvgPool2D, fn.Flatten, fn.Dense}


def check(y, expected):
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() / max(1, np.abs(expected).max()) < 1e-5


IMAGES = {
    "transposed": lambda nn: [nn.ConvTranspose2d(4, 6, (3, 4), (2, 1), (1, 0), (1, 0), groups=2), nn.ReLU()],
    "transposed-dilated": lambda nn: [nn.ConvTranspose2d(4, 3, 2, bias=False, dilation=2), nn.Conv2d(3, 2, 1)],
    "group-norm": lambda nn: [nn.Conv2d(4, 6, 3), nn.GroupNorm(3, 6), nn.ReLU(), nn.GroupNorm(1, 6, affine=False)],
    "instance-norm": lambda nn: [nn.InstanceNorm2d(4), nn.InstanceNorm2d(4, 1e-3, affine=True), nn.Dropout2d(0.3)],
    "local-response": lambda nn: [nn.LocalResponseNorm(3, 0.1, 0.5, 2.0), nn.Flatten(), nn.Linear(120, 3)],
    "shuffle": lambda nn: [nn.PixelShuffle(2), nn.Conv2d(1, 2, 3)],
    "upsample": lambda nn: [nn.Upsample(scale_factor=2), nn.Conv2d(4, 2, 3), nn.Upsample(scale_factor=(1, 3), mode="bilinear")],
    "upsample-to-a-size": lambda nn: [nn.Upsample((15, 12), mode="bilinear", align_corners=False)],
    "pads": lambda nn: [nn.ZeroPad2d((1, 0, 2, 1)), nn.ReLU(), nn.ReflectionPad2d((2, 1, 0, 3)), nn.MaxPool2d(2)],
    "pad-of-a-convolution": lambda nn: [nn.ReflectionPad2d((2, 1, 0, 3)), nn.Conv2d(4, 2, 3)],
    "crop": lambda nn: [nn.ZeroPad2d((-1, 0, -2, -1)), nn.Conv2d(4, 2, 1)],
    "sequences": lambda nn: [nn.Conv1d(4, 6, 3, 2, 1, 2, 2), nn.ReLU(), nn.Conv1d(6, 2, 1, bias=False)],
}  # fmt: skip
# What there is in PyTorch alone: no twin of it is as plain as what it is compared with.
BESIDE = {
    "unshuffle": (lambda nn: [nn.PixelUnshuffle(2), nn.Conv2d(16, 2, 1)], (4, 6, 4)),
    "pads": (lambda nn: [nn.ConstantPad2d((1, 2, 0, 1), 0.5), nn.ReLU(), nn.ReplicationPad2d(2)], (4, 5, 2)),
    "nearest": (lambda nn: [nn.UpsamplingNearest2d(scale_factor=3)], (4, 5, 2)),
    "vectors": (lambda nn: [nn.Linear(5, 6), nn.GroupNorm(2, 6), nn.ReLU(), nn.Linear(6, 2)], (5,)),
    "sequences": (lambda nn: [nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(3, 6, 3, dilation=2), nn.InstanceNorm1d(6),
                              nn.MaxPool1d(3, 2, 1, ceil_mode=True), nn.BatchNorm1d(6), nn.Dropout1d(0.2), nn.Flatten(),
                              nn.Linear(30, 3)], (8, 3)),
    "sequences-reflected": (lambda nn: [nn.Conv1d(3, 4, 3, padding=2, padding_mode="reflect"), nn.GroupNorm(2, 4),
                                        nn.AvgPool1d(3, 2, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)], (9, 3)),
    "sequences-same": (lambda nn: [nn.Conv1d(3, 4, 4, padding="same"), nn.AdaptiveMaxPool1d(3)], (9, 3)),
    "decoder": (lambda nn: [nn.Linear(5, 24), nn.Unflatten(1, (4, 2, 3)), nn.ConvTranspose2d(4, 3, 3, 2), nn.InstanceNorm2d(3),
                            nn.ReLU(), nn.ConvTranspose2d(3, 1, 4, 2, 1), nn.Sigmoid()], (5,)),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", IMAGES)
def test_modules_of_images(name, library):
    lib = LIBRARIES[library]
    module = lib.nn.Sequential(*IMAGES[name](lib.nn))
    as_network(lib, module, (9, 4) if name == "sequences" else (5, 6, 4))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", BESIDE)
def test_modules_beside_pytorch(name):
    make, shape = BESIDE[name]
    lib = LIBRARIES["torch"]
    as_network(lib, lib.nn.Sequential(*make(lib.nn)), shape)


def as_network(lib, module, shape):
    """The answers of a module, of the network that it becomes, and of its weights in a network of other ones."""
    rng = np.random.default_rng(0)
    lib.fill(module, rng)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    y = lib.run(module, first(x) if len(shape) > 1 else x)
    expected = np.moveaxis(y, 1, -1)
    net = fn.from_torch(module, input_shape=shape)
    check(net.predict(x), expected)
    net.params[:] = 0
    if net.n_params:
        check(fn.from_torch(module.state_dict(), into=net).predict(x), expected)


def test_softmax_of_channels_and_sizes_that_divide():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    for module, shape in (
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(dim=1)), (5, 6, 3)),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.LogSoftmax(dim=-3)), (5, 6, 3)),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax2d()), (5, 6, 3)),
        (nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(18, 2)), (4, 6, 3)),
        (nn.Sequential(nn.AdaptiveMaxPool2d((2, None))), (4, 6, 3)),
        (nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Conv2d(3, 2, 1)), (4, 6, 3)),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(72, 2)), (4, 6, 3)),
    ):
        Torch.fill(module, np.random.default_rng(0))
        x = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
        check(fn.from_torch(module, input_shape=shape).predict(x), last(Torch.run(module, first(x))))


@pytest.mark.parametrize("layers", [
    lambda: [fn.Conv2D(4, 3, "relu"), fn.MaxPool2D(2), fn.Conv2D(6, (2, 3), "tanh", padding="valid", groups=2), fn.Flatten(), fn.Dense(5)],
    lambda: [fn.Conv2D(4, 4, strides=2), fn.BatchNorm(), fn.Activation("relu"), fn.AvgPool2D(2), fn.GlobalAvgPool2D(), fn.Dense(5)],
    lambda: [fn.Conv2D(4, 3, padding=((0, 1), (2, 0)), padding_mode="reflect", bias=False), fn.Activation("softmax"), fn.GlobalMaxPool2D()],
    lambda: [fn.Conv2D(4, 3, "softmax", padding=1, padding_mode="replicate", dilation=2), fn.BatchNorm(scale=False), fn.Flatten(), fn.BatchNorm(), fn.LayerNorm(), fn.Dense(3)],
    lambda: [fn.AvgPool2D(3, strides=2, padding=1, count_padding=True), fn.Dropout(0.2), fn.Conv2D(2, 1)],
    lambda: [fn.BatchNorm(), fn.Flatten(), fn.Dense(3)],
    lambda: [fn.Flatten(), fn.Dense(3)],
    lambda: [fn.ConvTranspose2D(4, 3, "relu", strides=2), fn.ConvTranspose2D(3, (2, 5), strides=3, padding=((0, 1), (2, 1)), output_padding=(0, 2))],
    lambda: [fn.ConvTranspose2D(4, 2, strides=(3, 1), dilation=(1, 2), groups=2, bias=False), fn.InstanceNorm(shift=False)],
    lambda: [fn.DepthwiseConv2D(3, "tanh", depth_multiplier=3, padding=((0, 1), (1, 1))), fn.GroupNorm(2, scale=False), fn.Conv2D(4, 1), fn.LocalResponseNorm(3)],
    lambda: [fn.Pad2D(((1, 0), (2, 3)), "constant", value=0.5), fn.Crop2D((1, 2)), fn.Conv2D(3, 1), fn.Pad2D(1, "reflect"), fn.MaxPool2D(2), fn.SpatialDropout(0.3)],
    lambda: [fn.Upsample2D((2, 1)), fn.Conv2D(8, 1), fn.DepthToSpace(2, "CRD"), fn.Upsample2D(2, "bilinear"), fn.SpaceToDepth(4, "CRD")],
    lambda: [fn.Upsample2D(2), fn.Flatten(), fn.Dense(3)],
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_becomes_a_module_and_comes_back(layers, dtype):
    torch = pytest.importorskip("torch")
    net = fn.Sequential(layers(), input_shape=(8, 9, 2), seed=0, dtype=dtype)
    rng = np.random.default_rng(0)
    for name, view in net.named_parameters():
        view[...] = np.abs(rng.normal(size=view.shape)) + 0.5 if "variance" in name else rng.normal(size=view.shape) / 4
    x = rng.normal(size=(3, 8, 9, 2)).astype(dtype)
    module = net.to_torch()
    assert isinstance(module, torch.nn.Sequential)
    as_it_is = isinstance(net.structure.layers[0], fn.Flatten)  # nothing there is made for images
    y = last(Torch.run(module, x if as_it_is else first(x)))
    bound = {"float32": 1e-5, "float64": 1e-12}[dtype]
    assert np.abs(y - net.predict(x)).max() <= bound * max(1, np.abs(y).max())
    again = fn.from_torch(module, input_shape=(8, 9, 2))
    assert np.abs(again.predict(x) - net.predict(x)).max() <= bound * max(1, np.abs(y).max())
    state = net.to_torch(state_dict=True)
    other = fn.Sequential(layers(), input_shape=(8, 9, 2), seed=1, dtype=dtype)
    np.testing.assert_array_equal(fn.from_torch(state, into=other).params, net.params)


@pytest.mark.parametrize("layers", [
    lambda: [fn.Conv1D(6, 3, "relu", padding="causal", dilation=2), fn.BatchNorm(), fn.MaxPool1D(2), fn.Conv1D(4, 2, groups=2), fn.GlobalAvgPool1D(), fn.Dense(2)],
    lambda: [fn.Conv1D(6, 3, padding=2, padding_mode="replicate", strides=2), fn.InstanceNorm(), fn.SpatialDropout(0.2), fn.GroupNorm(3), fn.Flatten(), fn.Dense(2)],
    lambda: [fn.AvgPool1D(3, strides=2, padding=1, count_padding=True), fn.Conv1D(4, 1, "softmax"), fn.GlobalMaxPool1D()],
])  # fmt: skip
def test_a_network_of_sequences_becomes_a_module_and_comes_back(layers):
    torch = pytest.importorskip("torch")
    net = fn.Sequential(layers(), input_shape=(12, 3), seed=0, dtype="float64")
    rng = np.random.default_rng(0)
    for name, view in net.named_parameters():
        view[...] = np.abs(rng.normal(size=view.shape)) + 0.5 if "variance" in name else rng.normal(size=view.shape)
    x, module = rng.normal(size=(3, 12, 3)), net.to_torch()
    assert isinstance(module, torch.nn.Sequential)
    y = Torch.run(module, first(x))
    assert np.abs(y - net.predict(x)).max() <= 1e-12 * max(1, np.abs(y).max())
    again = fn.from_torch(module, input_shape=(12, 3))
    assert np.abs(again.predict(x) - net.predict(x)).max() <= 1e-12 * max(1, np.abs(y).max())


def test_a_depthwise_convolution_takes_the_weights_of_one_of_groups():
    """Filter c M + m sees channel c: (C M, 1, KH, KW) there, (KH, KW, C, M) here."""
    net = fn.Sequential([fn.DepthwiseConv2D((2, 3), depth_multiplier=2, padding="valid")], (2, 3, 4), seed=0)
    weight = np.random.default_rng(0).normal(size=(8, 1, 2, 3)).astype(np.float32)
    fn.from_torch({"0.weight": weight, "0.bias": np.arange(8.0)}, into=net)
    x = np.random.default_rng(1).normal(size=(1, 2, 3, 4)).astype(np.float32)
    expected = [(x[0, :, :, o // 2] * weight[o, 0]).sum() + o for o in range(8)]
    np.testing.assert_allclose(net.predict(x).ravel(), expected, rtol=1e-5)


def test_what_has_no_twin_is_a_state_dict():
    """Dense along the channels of an image: PyTorch's Linear acts along the width."""
    pytest.importorskip("torch")
    net = fn.Sequential([fn.Dense(4), fn.Conv2D(2, 1)], input_shape=(4, 5, 3), seed=0)
    assert sorted(net.to_torch()) == ["conv2d_1.bias", "conv2d_1.weight", "dense_1.bias", "dense_1.weight"]
    for layer in (fn.MaxPool2D(2, padding=((0, 1), (0, 0))), fn.DepthToSpace(1), fn.SpaceToDepth(2), fn.PixelNorm()):
        net = fn.Sequential([layer, fn.Conv2D(2, 1)], input_shape=(6, 4, 3), seed=0)
        assert callable(net.to_torch()) == (getattr(layer, "block", 2) == 1)
    vectors = fn.Sequential([fn.SpatialDropout(0.3)], input_shape=4, seed=0)
    assert not callable(vectors.to_torch())


nn = torch_twins


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 2, 1)), None, r"expected input_shape, .* of images \(H, W, C\), the channels last"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.Linear(4, 2)), (4, 4, 3), r"module '1' \(Linear\): it acts along the width"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.LayerNorm(4)), (4, 4, 3), r"module '1' \(LayerNorm\): it acts along the width"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.Softmax(dim=-1)), (4, 4, 3), r"\(Softmax\): expected dim=1, the channels, got -1"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(2)), (4, 4, 3), r"\(Flatten\): it flattens a part of an image"),
        (nn.Sequential(nn.Conv2d(3, 2, 1, padding_mode="circular")), (4, 4, 3), r"expected padding_mode zeros, reflect, replicate, got 'circular'"),
        (nn.Sequential(nn.ConvTranspose2d(3, 2, 3, 1, 0, 1, dilation=2)), (4, 4, 3), r"expected output_padding less than stride \(1, 1\), got \(1, 1\)"),
        (nn.Sequential(nn.ZeroPad2d((1, -1, 0, 0))), (4, 4, 3), r"put around or taken off, got both: \(1, -1, 0, 0\)"),
        (nn.Sequential(nn.Upsample(scale_factor=1.5)), (4, 4, 3), "expected an image that is a whole number of times as large, got 1.5"),
        (nn.Sequential(nn.Upsample((6, 8))), (4, 4, 3), r"a whole number of times as large, got \(6, 8\)"),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bicubic")), (4, 4, 3), "expected mode nearest, or bilinear with align_corners=False, got bicubic"),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)), (4, 4, 3), "got bilinear, align_corners=True"),
        (nn.Sequential(nn.Upsample(scale_factor=2)), (4, 3), "expected images; fastnn makes no sequences longer"),
        (nn.Sequential(nn.LocalResponseNorm(4)), (4, 4, 3), r"\(LocalResponseNorm\): expected an odd size, got 4"),
        (nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True)), (4, 4, 3), "expected track_running_stats=False"),
        (nn.Sequential(nn.GroupNorm(1, 4)), (4, 3), r"\(GroupNorm\): its channels are axis 1 of \(B, 4, 3\)"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), (4, 4, 3), r"\(MaxPool2d\): it has dilation"),
        (nn.Sequential(nn.AvgPool2d(2, 2, 1, ceil_mode=True)), (5, 5, 3), r"\(AvgPool2d\): it counts padding and has windows"),
        (nn.Sequential(nn.AvgPool2d(2, divisor_override=3)), (5, 5, 3), r"\(AvgPool2d\): it has divisor_override"),
        (nn.Sequential(nn.AdaptiveAvgPool2d((2, 3))), (5, 6, 3), r"\(AdaptiveAvgPool2d\): expected output_size to divide the image of 5 x 6"),
        (nn.Sequential(nn.Conv2d(3, 2, 1)), (4, 4, 5), r"expected conv2d_1.weight of shape \(1, 1, 5, 2\), got \(1, 1, 3, 2\)"),
    ],
)  # fmt: skip
def test_modules_that_are_refused(module, shape, message):
    with pytest.raises(ValueError, match=f"from_torch: .*{message}"):
        fn.from_torch(module, input_shape=shape)


def test_the_first_product_behind_flatten_by_hand():
    """One image of 1 x 2 pixels and 3 channels: PyTorch counts channel by channel."""
    layers = [fn.Conv2D(3, 1, bias=False), fn.Flatten(), fn.Dense(1, bias=False)]
    net = fn.Sequential(layers, input_shape=(1, 2, 3), seed=0)
    state = {"0.weight": np.eye(3).reshape(3, 3, 1, 1), "2.weight": 10.0 ** np.arange(6).reshape(1, 6)}
    fn.from_torch(state, into=net)
    np.testing.assert_array_equal(net.predict([[[[1, 2, 3], [4, 5, 6]]]]), [[635241]])


def test_a_bias_as_long_as_the_image_keeps_its_order():
    """What is turned are the rows that meet the image, and the numbers along it, not what comes behind it."""
    layers = [fn.Conv2D(3, 1, bias=False), fn.Flatten(), fn.BatchNorm(), fn.Dense(6), fn.BatchNorm()]
    net = fn.Sequential(layers, input_shape=(1, 2, 3), seed=0)
    state = {"a.weight": np.eye(3).reshape(3, 3, 1, 1), "c.weight": np.eye(6), "c.bias": 100.0 * np.arange(6)}
    for name, scale in (("b", 1.0), ("d", 2.0)):
        state |= {f"{name}.weight": np.ones(6), f"{name}.bias": scale * np.arange(6.0)}
        state |= {f"{name}.running_mean": np.zeros(6), f"{name}.running_var": np.full(6, 1 - 1e-5)}
    fn.from_torch({name: state[name] for name in sorted(state)}, into=net)
    y = net.predict([[[[10, 20, 30], [40, 50, 60]]]])
    np.testing.assert_allclose(y, [[10, 141, 222, 353, 434, 565] + 2 * np.arange(6)], rtol=1e-6)


def test_a_network_that_branches():
    """Where images are flattened on two ways, both are turned; what reads no image is not."""
    image, row = fn.Input((4, 5, 2)), fn.Input(3)
    a = fn.Dense(2, name="a")(fn.Flatten()(fn.Conv2D(3, 3, name="conv")(image)))
    b = fn.Dense(2, name="b")(fn.Activation("tanh")(fn.Flatten()(image)))
    net = fn.Network([image, row], fn.add(a, b, fn.Dense(2, name="c")(row)), seed=0)
    names = dict(net.named_parameters())
    rng = np.random.default_rng(0)
    state = {"conv.weight": rng.normal(size=(3, 2, 3, 3)), "conv.bias": np.zeros(3)}
    state |= {f"{name}.weight": rng.normal(size=(2, n)) for name, n in (("a", 60), ("b", 40), ("c", 3))}
    state |= {f"{name}.bias": np.zeros(2) for name in "abc"}
    fn.from_torch(state, into=net, names={name: name for name in ("conv", "a", "b", "c")})
    np.testing.assert_allclose(names["conv.weight"], state["conv.weight"].transpose(2, 3, 1, 0), rtol=1e-6)
    turned = state["a.weight"].reshape(2, 3, 4, 5).transpose(0, 2, 3, 1).reshape(2, 60)
    np.testing.assert_allclose(names["a.weight"], turned.T, rtol=1e-6)
    np.testing.assert_allclose(names["b.weight"], state["b.weight"].T, rtol=1e-6)
    np.testing.assert_allclose(names["c.weight"], state["c.weight"].T, rtol=1e-6)
