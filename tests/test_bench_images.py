"""Layers and nets of the side-by-side suite for images: what they count, and that a wrong answer stops it."""

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("torch", reason="PyTorch is not installed: it is what the suite compares with")
from bench import images
from bench.image_layers import LAYERS, ImageLayer, torch_calls
from bench.image_nets import WORKLOADS


@pytest.mark.parametrize("one", LAYERS, ids=lambda one: one.name)
def test_flops(one):
    """Two for each weight, once for each pixel that it meets."""
    net = fn.Sequential([one.layer()], (one.size, one.size, one.channels), seed=0)
    weights = net.layers[0].weight.size
    height, width, _ = net.output_shape
    pixels = one.size**2 if one.kind == "transposed" else height * width
    assert one.flops(height * width) == 2 * one.batch * weights * pixels


@pytest.mark.parametrize("kind", ["convolution", "depthwise", "transposed"])
def test_the_same_in_pytorch(kind):
    filters = 4 if kind == "depthwise" else 6
    one = ImageLayer(2, 4, 9, filters, 3, stride=2, padding=1, kind=kind)
    net = fn.Sequential([one.layer()], (9, 9, 4), seed=0)
    random = np.random.default_rng(0)
    X = random.standard_normal((2, 9, 9, 4), np.float32)
    y = net.forward(X)
    dy = random.standard_normal(y.shape, np.float32)
    dx = net.backward(dy)
    for name, (forward, both) in torch_calls(one, net, X, dy).items():
        images.agree(name, y, forward())
        images.agree(name, dx, both()[1])
        with pytest.raises(SystemExit, match=f"{name}: another answer, by"):
            images.agree(name, y * 1.001, forward())


@pytest.mark.parametrize("name", [name for name in WORKLOADS if "LeNet" in name or "ResNet-20, answer to 1" in name])
def test_workloads_run(name):
    calls = WORKLOADS[name](1, False)
    values = {who: call() for who, call in calls.items()}
    assert {"fastnn", "PyTorch NCHW", "PyTorch NHWC"} <= set(values)
    assert ("fastnn with winograd" in values) == ("LeNet" not in name)
    mine = np.asarray(values.pop("fastnn"))
    for who, value in values.items():
        np.testing.assert_allclose(np.asarray(value).reshape(mine.shape), mine, rtol=1e-4, atol=1e-4, err_msg=who)
