"""Ready nets as C: they answer as NumPy does, need no memory but what they are given, and are of a sane size."""

import numpy as np
import pytest
from helpers import c_code

import fastnn as fn

pytestmark = c_code.needs_compiler
NETS = {
    "lenet": lambda: fn.nets.lenet5(seed=0),
    "resnet": lambda: small_resnet(),
}


def small_resnet():
    """A residual net of one block a stage, with both kinds of links: 8 layers with weights."""
    x = image = fn.Input((16, 16, 3))
    x = fn.Conv2D(8, 3, "relu", bias=False)(x)
    for filters in (8, 16):
        stride = filters // 8
        y = fn.BatchNorm()(fn.Conv2D(filters, 3, strides=stride, bias=False)(x))
        y = fn.BatchNorm()(fn.Conv2D(filters, 3, bias=False)(fn.Activation("relu")(y)))
        link = x if stride == 1 else fn.BatchNorm()(fn.Conv2D(filters, 1, strides=2, bias=False)(x))
        x = fn.Activation("relu")(y + link)
    return fn.Network(image, fn.Dense(10)(fn.GlobalAvgPool2D()(x)), seed=0)


def filled(net):
    """Statistics and scales that are not those of a new network."""
    rng = np.random.default_rng(0)
    for name, view in net.named_parameters():
        if name.endswith(("gamma", "running_variance")):
            view[...] = rng.uniform(0.5, 1.5, view.shape)
        elif name.endswith(("bias", "beta", "running_mean")):
            view[...] = 0.1 * rng.normal(size=view.shape)
    return net


@pytest.mark.parametrize("name", NETS)
def test_a_net_in_c(name, tmp_path):
    net = filled(NETS[name]())
    x = np.random.default_rng(1).normal(size=(4, *net.input_shape)).astype(np.float32)
    report = net.export_c(tmp_path / f"{name}.c")
    source = (tmp_path / f"{name}.c").read_text()
    assert "alloc" not in source
    assert c_code.selftests(tmp_path, [name], "c99", *c_code.SANITIZE) == (0, "")
    code = c_code.library(tmp_path, [name], "c99", "-O2")
    (y,) = c_code.answers(code, name, net, [x])
    expected = net.predict(x)
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    largest = max(int(np.prod(view.output_shape)) for view in net.layers)
    assert report.ram_bytes <= 4 * 4 * largest
    assert report.flash_bytes <= 4 * net.n_params + 4096
    loops = source[: source.index("_SELFTEST")]
    statements = [line for line in loops.splitlines() if line.strip() and line.strip()[0] not in "-0123456789"]
    assert len(statements) < 400  # what is not numbers


def test_a_published_shortcut_in_c(tmp_path):
    """ResNet-20, whose links without weights move channels."""
    net = filled(fn.nets.resnet_cifar(20, seed=0))
    x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
    report = net.export_c(tmp_path / "one.c", selftest=False)
    assert report.ram_bytes <= 4 * c_code.SCRATCH
    (y,) = c_code.answers(c_code.library(tmp_path, ["one"], "c99", "-O2"), "one", net, [x])
    np.testing.assert_allclose(y, net.predict(x), atol=1e-5 * max(1, np.abs(y).max()))
