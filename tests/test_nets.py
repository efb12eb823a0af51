"""Ready nets: sizes that papers give, beside NumPy, and the weights that others published."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

FOLDER = Path(os.environ.get("FASTNN_DATA", Path(__file__).parents[2] / "shared" / "data"))
PICTURES = ("Tuebingen_Neckarfront", "golden_gate", "shipwreck", "the_scream", "vangogh_starry_night")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def data(*parts):
    """A file of the data that lie beside the tree."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} in the folder of FASTNN_DATA")
    return path


# ---- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "published"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_residual_nets_have_the_published_sizes(depth, published):
    """He et al. 2015, table 6, in millions; layers with weights, shortcuts without any not among them."""
    net = fn.nets.resnet_cifar(depth, seed=0)
    statistics = sum(view.size for name, view in net.named_parameters() if "running" in name)
    assert round((net.n_params - statistics) / 1e6, 2 if published < 1 else 1) == published
    assert sum(isinstance(view.spec, (fn.Conv2D, fn.Dense)) for view in net.layers) == depth
    assert net.output_shape == (10,)
    assert [net.layers[i].output_shape for i in (0, -2)] == [(32, 32, 16), (64,)]


def test_shortcuts():
    plain, a, b = (
        fn.nets.resnet_cifar(20, seed=0, **options) for options in ({"residual": False}, {}, {"shortcut": "B"})
    )
    assert plain.n_params == a.n_params
    assert not any(isinstance(view.spec, fn.Add) for view in plain.layers)
    assert sum(isinstance(view.spec, fn.Add) for view in a.layers) == 9
    # two convolutions of 1 x 1, with four numbers of BatchNorm for each filter
    assert b.n_params - a.n_params == 16 * 32 + 4 * 32 + 32 * 64 + 4 * 64


def in_tiles(net):
    return [view.name for view in net.layers if getattr(view.spec, "winograd", False)]


def test_convolutions_in_tiles():
    """Of 3 x 3, moved by a pixel, and not of the three colours: of 19 convolutions 16; one of each fire module."""
    for shortcut in "AB":
        net = fn.nets.resnet_cifar(20, shortcut=shortcut, winograd=True, seed=0)
        assert in_tiles(net) == [
            f"stage{stage}_{block}{part}"
            for stage in (1, 2, 3)
            for block in (1, 2, 3)
            for part in ("b" if stage > 1 and block == 1 else "ab")
        ]
        np.testing.assert_array_equal(net.params, fn.nets.resnet_cifar(20, shortcut=shortcut, seed=0).params)
    net = fn.nets.squeezenet(winograd=True, input_shape=(64, 64, 3), seed=0)
    assert in_tiles(net) == [f"fire{part}_expand3x3" for part in range(2, 10)]
    for make in (fn.nets.resnet_cifar, fn.nets.squeezenet):
        assert in_tiles(make(seed=0)) == []
        with pytest.raises(TypeError, match=f"{make.__name__}: expected winograd to be True or False"):
            make(winograd=1)


def test_nets_in_tiles_learn_as_those_without():
    """Loss, gradients and answers of a step agree within rounding, though the convolutions are other sums."""
    r = np.random.default_rng(0)
    x, y = r.normal(size=(6, 32, 32, 3)), r.integers(0, 10, 6)
    found = []
    for winograd in (False, True):
        net = fn.nets.resnet_cifar(20, winograd=winograd, seed=0, dtype="float64")
        net.compile("cross_entropy", fn.SGD(0.1, momentum=0.9))
        loss = net.train_step(x, y)
        found.append((loss, net.params.copy(), net.fold().predict(x)))
    for direct, tiles in zip(*found, strict=True):
        assert ref.relative(tiles, direct) <= 1e-12  # double: what is no rounding would be far beyond


def test_squeezenets_have_the_published_sizes():
    """Iandola et al. 2016, table 1: 1,248,424 parameters; version 1.1: 1,235,496, as its authors' model has."""
    assert [fn.nets.squeezenet(version, seed=0).n_params for version in ("1.0", "1.1")] == [1_248_424, 1_235_496]
    net = fn.nets.squeezenet(seed=0)
    shapes = [view.output_shape for view in net.layers if isinstance(view.spec, fn.MaxPool2D)]
    assert shapes == [(55, 55, 96), (27, 27, 256), (13, 13, 512)]
    assert net.layers[-2].output_shape == (15, 15, 1000)  # a border of 1 around the last convolution
    net = fn.nets.squeezenet(input_shape=(224, 224, 3), seed=0)
    shapes = [view.output_shape for view in net.layers if isinstance(view.spec, fn.MaxPool2D)]
    assert shapes == [(54, 54, 96), (27, 27, 256), (13, 13, 512)]  # the second begins within the image and ends beyond
    assert fn.nets.squeezenet("1.1", classes=5, input_shape=(64, 48, 1), seed=0).output_shape == (5,)


def test_images_of_another_size():
    net = fn.nets.resnet_cifar(20, input_shape=(24, 40, 3), seed=0)
    assert net.n_params == fn.nets.resnet_cifar(20, seed=0).n_params
    assert [view.output_shape for view in net.layers if isinstance(view.spec, fn.Activation)][::6] == [
        (24, 40, 16), (24, 40, 16), (12, 20, 32), (6, 10, 64)
    ]  # fmt: skip


def test_squeezenets_that_average():
    net = fn.nets.squeezenet(pooling="average", input_shape=(64, 64, 3), seed=0)
    assert not any(isinstance(view.spec, fn.MaxPool2D) for view in net.layers)
    assert sum(isinstance(view.spec, fn.AvgPool2D) for view in net.layers) == 3
    with pytest.raises(ValueError, match="squeezenet: unknown pooling 'mean'"):
        fn.nets.squeezenet(pooling="mean", seed=0)


def test_squeezenets_that_take_pictures_as_files_have_them():
    """The same answers for RGB from 0 to 255 as for BGR less the means."""
    rng = np.random.default_rng(0)
    of_bgr = fn.nets.squeezenet(input_shape=(64, 64, 3), seed=0)
    state = {}
    for name, view in of_bgr.named_parameters():
        state[name] = rng.standard_normal(view.shape[::-1] if view.ndim == 1 else view.transpose(3, 2, 0, 1).shape) / 8
    options = {"input_shape": (64, 64, 3), "weights": state}
    of_bgr, of_rgb = fn.nets.squeezenet(**options), fn.nets.squeezenet(rgb=True, **options)
    pictures = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    bgr = pictures[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    expected = of_bgr.predict(bgr)
    assert expected.std() > 0
    np.testing.assert_allclose(of_rgb.predict(pictures), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_lenet5_beside_numpy():
    net = fn.nets.lenet5(seed=0, activation="tanh")
    assert net.n_params == 44_426
    p = {name: view.astype(float) for name, view in net.named_parameters()}
    x = np.random.default_rng(0).random((2, 28, 28, 1)).astype(np.float32)
    y = x.astype(float)
    for layer in ("conv1", "conv2"):
        y = np.tanh(ref.conv2d(y, p[f"{layer}.weight"], p[f"{layer}.bias"]))
        y = ref.pool2d(y, "max", (2, 2), (2, 2))
    y = y.reshape(2, 256)
    for layer in ("fc1", "fc2", "fc3"):
        y = y @ p[f"{layer}.weight"] + p[f"{layer}.bias"]
        y = y if layer == "fc3" else np.tanh(y)
    np.testing.assert_allclose(net.predict(x), y, rtol=1e-4, atol=1e-5)


def test_mlp():
    net = fn.nets.mlp(5, 3, hidden=(7, 4), activation="tanh", dropout=0.2, seed=1)
    kinds = [type(view.spec) for view in net.layers]
    assert kinds == [fn.Dense, fn.Dropout, fn.Dense, fn.Dropout, fn.Dense]
    assert [net.layers[i].activation for i in (0, 2, 4)] == ["tanh", "tanh", None]
    assert fn.nets.mlp(5, 3, hidden=(), seed=1).n_params == 18


def test_options_reach_the_network():
    for make in (fn.nets.lenet5, fn.nets.resnet_cifar, fn.nets.squeezenet):
        a, b, c = (make(seed=seed, dtype="float64", classes=4) for seed in (1, 1, 2))
        assert a.dtype == "float64"
        assert a.output_shape == (4,)
        assert np.array_equal(a.params, b.params)
        assert not np.array_equal(a.params, c.params)


# ---- beside NumPy: a whole residual net, as a state dict of PyTorch has it -------------------------------------------


def resnet_by_numpy(state, x, depth):
    """The forward pass of He et al. with option A, from arrays by the names of the published weights."""

    def normed(x, conv, norm, stride=1):
        w = state[f"{conv}.weight"].transpose(2, 3, 1, 0)
        y = conv_by_slices(x, w, stride)
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + 1e-5)
        return y * scale + state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale

    x = np.maximum(normed(x, "conv1", "bn1"), 0)
    for stage in (1, 2, 3):
        for block in range((depth - 2) // 6):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = np.maximum(normed(x, f"{name}.conv1", f"{name}.bn1", stride), 0)
            y = normed(y, f"{name}.conv2", f"{name}.bn2")
            if stride == 2:
                more = x.shape[-1] // 2
                x = np.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (more, more)))
            x = np.maximum(y + x, 0)
    return x.mean((1, 2)) @ state["linear.weight"].T + state["linear.bias"]


def conv_by_slices(x, w, stride):
    """A convolution of 3 x 3 with a border of one zero, tap by tap."""
    H, W = x.shape[1:3]
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(x[:, k : k + H : stride, m : m + W : stride] @ w[k, m] for k in range(3) for m in range(3))


def random_state(depth, seed=0):
    """Arrays in the order and by the names of the published weights."""
    rng, state = np.random.default_rng(seed), {}

    def add(conv, norm, filters, channels):
        state[f"{conv}.weight"] = rng.normal(size=(filters, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        for name in ("weight", "bias", "running_mean", "running_var"):
            values = 0.2 * rng.normal(size=filters)
            state[f"{norm}.{name}"] = values + 1 if name in ("weight", "running_var") else values

    add("conv1", "bn1", 16, 3)
    channels = 16
    for stage, filters in ((1, 16), (2, 32), (3, 64)):
        for block in range((depth - 2) // 6):
            add(f"layer{stage}.{block}.conv1", f"layer{stage}.{block}.bn1", filters, channels)
            add(f"layer{stage}.{block}.conv2", f"layer{stage}.{block}.bn2", filters, filters)
            channels = filters
    state["linear.weight"], state["linear.bias"] = rng.normal(size=(10, 64)) / 8, rng.normal(size=10)
    return state


def test_a_residual_net_beside_numpy(tmp_path):
    """From a mapping and from a file; running variances are positive, and all arrays are different."""
    state = random_state(20)
    net = fn.nets.resnet_cifar(20, weights=state, dtype="float64", seed=0)
    x = np.random.default_rng(1).normal(size=(2, 32, 32, 3))
    expected = resnet_by_numpy(state, x, 20)
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    np.savez(tmp_path / "w.npz", **state)
    again = fn.nets.resnet_cifar(20, weights=tmp_path / "w.npz", dtype="float64", seed=1)
    np.testing.assert_array_equal(again.params, net.params)


# ---- weights that are none ------------------------------------------------------------------------------------------


def test_refusals(tmp_path):
    (tmp_path / "text.npz").write_text("no weights")
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", **{"conv1.w": np.array([{}])})
    for name in ("text.npz", "one.npy", "objects.npz"):
        with pytest.raises(
            fn.errors.ModelFormatError, match="squeezenet: expected weights in an npz file, got something"
        ):
            fn.nets.squeezenet(weights=tmp_path / name)
    with pytest.raises(fn.errors.ModelFormatError, match="lenet5: expected a file"):
        fn.nets.lenet5(weights=tmp_path)
    with pytest.raises(FileNotFoundError):
        fn.nets.lenet5(weights=str(tmp_path / "none.npz"))
    with pytest.raises(ValueError, match="from_torch: expected weights for 5 layers"):
        fn.nets.lenet5(weights=tmp_path / "other.npz")
    with pytest.raises(TypeError, match="lenet5: expected weights to be a path or a mapping of arrays, got list"):
        fn.nets.lenet5(weights=[np.zeros(3)])
    with pytest.raises(ValueError, match="resnet_cifar: expected depth to be one of 20, 32, 44, 56, 110, got 21"):
        fn.nets.resnet_cifar(21)
    with pytest.raises(ValueError, match="resnet_cifar: unknown shortcut 'C'"):
        fn.nets.resnet_cifar(shortcut="C")
    with pytest.raises(ValueError, match=r"squeezenet: unknown version '2\.0'"):
        fn.nets.squeezenet("2.0")
    with pytest.raises(ValueError, match="mlp: expected outputs"):
        fn.nets.mlp(3, 0)


# ---- published weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize(("name", "depth", "right"), [("resnet20-12fca82f", 20, 1643), ("resnet56-4bfd9763", 56, 1673)])
def test_published_residual_nets(name, depth, right, winograd):
    """As many of the 2,000 pictures, give or take two, as a forward pass in NumPy gets right."""
    net = fn.nets.resnet_cifar(depth, winograd=winograd, weights=data("resnet_cifar10", f"{name}.npz"))
    with np.load(data("cifar10", "cifar10_test_2000.npz")) as archive:
        test = dict(archive)
    x = ((test["x"] / 255.0 - MEAN) / DEVIATION).astype(np.float32)
    assert abs(int((net.predict(x).argmax(1) == test["y"]).sum()) - right) <= 2


def squeezenet_by_torch(state, x):
    """The net of Iandola et al. as PyTorch's functions compute it."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional

    def conv(name, x, **options):
        weight, bias = (torch.from_numpy(state[f"{name}.{part}"]) for part in "wb")
        return torch.relu(f.conv2d(x, weight, bias, **options))

    x = conv("conv1", torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))), stride=2)
    for i in range(1, 10):
        if i > 1:
            x = conv(f"fire{i}/squeeze1x1", x)
            x = torch.cat([conv(f"fire{i}/expand1x1", x), conv(f"fire{i}/expand3x3", x, padding=1)], 1)
        if i in (1, 4, 8):
            x = f.max_pool2d(x, 3, 2, ceil_mode=True)
    return conv("conv10", x, padding=1).mean((2, 3)).numpy()


def pictures():
    """The five pictures as the weights of SqueezeNet want them: BGR, less the means."""
    image = pytest.importorskip("PIL.Image")
    found = []
    for name in PICTURES:
        with image.open(data("style", f"{name}.jpg")) as picture:
            rgb = picture.convert("RGB").resize((227, 227), image.Resampling.BILINEAR)
        found.append(np.asarray(rgb, np.float32)[..., ::-1] - np.float32([104, 117, 123]))
    return np.stack(found)


def test_published_squeezenet_names_the_bridge():
    """Golden Gate: pier (718) and suspension bridge (839) come first, of 1000."""
    net = fn.nets.squeezenet(weights=data("squeezenet_v1.0", "squeezenet_v1.0_decoded.npz"))
    y = net.predict(pictures())
    assert np.argsort(-y[1])[:2].tolist() == [718, 839]


def test_published_squeezenet_beside_pytorch():
    path = data("squeezenet_v1.0", "squeezenet_v1.0_decoded.npz")
    x = pictures()
    with np.load(path) as archive:
        expected = squeezenet_by_torch(archive, x)
    for winograd in (False, True):
        y = fn.nets.squeezenet(winograd=winograd, weights=path).predict(x)
        assert np.abs(y - expected).max() <= 1e-4 * np.abs(expected).max()
