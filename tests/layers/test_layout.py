"""Padding, cropping, larger images, blocks of pixels: against PyTorch and closed forms, threads, what is refused."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn


def run(layer, x, dy=None):
    """Outputs, and input gradients."""
    net = fn.Sequential([layer], x.shape[1:], seed=0, dtype=str(x.dtype))
    y = net.forward(x)
    return (y, net.backward(np.ones_like(y) if dy is None else dy)) if dy is not None else y


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_a_line_between_two_pixels():
    """Keras, PyTorch and ONNX print the same: quarters inside, the edge outside."""
    x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    assert run(fn.Upsample2D((1, 2), "bilinear"), x).ravel().tolist() == [0, 1, 3, 4]
    assert run(fn.Upsample2D((1, 4), "bilinear"), x).ravel().tolist() == [0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4]
    assert run(fn.Upsample2D((2, 2)), x)[0, :, :, 0].tolist() == [[0, 0, 4, 4], [0, 0, 4, 4]]


def test_blocks_of_pixels():
    """The example of ONNX's DepthToSpace: eight channels of one pixel."""
    x = np.arange(8.0).reshape(1, 1, 1, 8)
    assert run(fn.DepthToSpace(2), x)[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert run(fn.DepthToSpace(2, "CRD"), x)[0].tolist() == [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_space_to_depth_undoes_depth_to_space(mode, block):
    x = drawn(2, 3, 2, 2 * block**2)
    y, dx = run(fn.DepthToSpace(block, mode), x, ref.depth_to_space(x, block, mode))
    np.testing.assert_array_equal(y, ref.depth_to_space(x, block, mode))
    np.testing.assert_array_equal(dx, x)
    np.testing.assert_array_equal(run(fn.SpaceToDepth(block, mode), y), x)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_the_gradient_of_a_pixel_is_that_of_all_places_that_show_it(mode):
    shape, before, after = (3, 4, 2), (2, 1), (1, 3)
    dy = drawn(1, 6, 8, 2)
    _, dx = run(fn.Pad2D(((2, 1), (1, 3)), mode), np.zeros((1, *shape)), dy)
    shown = ref.padded(np.arange(24.0).reshape(1, *shape), before, after, mode).astype(int)
    np.testing.assert_allclose(dx.ravel(), np.bincount(shown.ravel(), dy.ravel()), rtol=1e-14, atol=1e-14)


def test_cropping_takes_off_what_padding_put_around():
    x = drawn(3, 4, 5, 2)
    for mode in ("zeros", "reflect", "replicate"):
        sides = ((1, 2), (3, 0))
        both = fn.Sequential([fn.Pad2D(sides, mode), fn.Crop2D(sides)], x.shape[1:], seed=0, dtype="float64")
        np.testing.assert_array_equal(both.forward(x), x)
        np.testing.assert_array_equal(both.backward(x), x)


def test_what_changes_nothing_costs_nothing():
    for layer in (fn.Pad2D(0), fn.Crop2D(0), fn.Upsample2D(1), fn.DepthToSpace(1), fn.SpaceToDepth(1)):
        assert len(fn.Sequential([layer], (4, 5, 3), seed=0).plan.ops) == 0


def test_rows_or_columns_alone_are_added_and_taken_away():
    x = np.arange(2 * 4 * 5 * 3, dtype=np.float64).reshape(2, 4, 5, 3)
    for k, sides in enumerate((((1, 2), (0, 0)), ((0, 0), (1, 2)))):
        cut, padded = (
            fn.Sequential([kind(sides)], (4, 5, 3), seed=0, dtype="float64") for kind in (fn.Crop2D, fn.Pad2D)
        )
        np.testing.assert_array_equal(cut.predict(x), x[:, 1:2] if k == 0 else x[:, :, 1:3])
        np.testing.assert_array_equal(padded.predict(x), np.pad(x, ((0, 0), *sides, (0, 0))))


LARGE = [
    (fn.Upsample2D(2), (24, 24, 16)),
    (fn.Upsample2D(2, "bilinear"), (24, 24, 16)),
    (fn.Pad2D(3, "reflect"), (40, 40, 16)),
    (fn.Pad2D(3), (40, 40, 16)),
    (fn.Crop2D(3), (48, 48, 16)),
    (fn.DepthToSpace(2), (24, 24, 64)),
]


@pytest.mark.parametrize(("layer", "shape"), LARGE, ids=str)
def test_batch_and_threads_change_no_bit(layer, shape):
    before, found = fn.get_num_threads(), []
    net = fn.Sequential([layer], shape, seed=0)
    x = drawn(16, *shape).astype(np.float32)
    dy = drawn(16, *net.output_shape, seed=1).astype(np.float32)
    for threads in (1, 2):
        fn.set_num_threads(threads)
        found.append((net.forward(x), net.backward(dy)))
    fn.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(net.forward(x[7:8]), found[0][0][7:8])
    np.testing.assert_array_equal(net.backward(dy[7:8]), found[0][1][7:8])


def torch_twins():
    import torch

    nn, F = torch.nn, torch.nn.functional
    return [
        (fn.Upsample2D(2), nn.Upsample(scale_factor=2), 1),
        (fn.Upsample2D(3, "bilinear"), nn.Upsample(scale_factor=3, mode="bilinear"), 1),
        (fn.Upsample2D((2, 5), "bilinear"), nn.Upsample(scale_factor=(2, 5), mode="bilinear"), 1),
        (fn.Pad2D(((1, 2), (0, 3)), "reflect"), lambda x: F.pad(x, (0, 3, 1, 2), mode="reflect"), 1),
        (fn.Pad2D(((1, 2), (0, 3)), "replicate"), nn.ReplicationPad2d((0, 3, 1, 2)), 1),
        (fn.Pad2D(2, "constant", value=0.7), nn.ConstantPad2d(2, 0.7), 1),
        (fn.Crop2D(((1, 0), (0, 2))), nn.ZeroPad2d((0, -2, -1, 0)), 1),
        (fn.DepthToSpace(2, "CRD"), nn.PixelShuffle(2), 4),
        (fn.SpaceToDepth(2, "CRD"), nn.PixelUnshuffle(2), 1),
    ]


@pytest.mark.parametrize("case", range(9))
def test_as_pytorch(case):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    layer, twin, factor = torch_twins()[case]
    x = drawn(2, 4, 6, 3 * factor)
    given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = twin(given)
    dy = drawn(*expected.permute(0, 2, 3, 1).shape, seed=1)
    expected.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2).copy()))
    y, dx = run(layer, x, dy)
    np.testing.assert_allclose(y, expected.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dx, given.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: fn.Pad2D(2, "reflect")(fn.Input((2, 9, 1))), ValueError, "Pad2D: expected padding less than the image"),
    (lambda: fn.Pad2D(1, "wrap"), ValueError, "Pad2D: unknown mode 'wrap'"),
    (lambda: fn.Pad2D(1, "zeros", value=1.0), ValueError, "expected mode='constant' for a value, got 'zeros'"),
    (lambda: fn.Pad2D("same"), TypeError, "expected padding an integer, or pairs of them, got 'same'"),
    (lambda: fn.Pad2D(-1), ValueError, "expected padding of at least 0"),
    (lambda: fn.Pad2D(1)(fn.Input((5, 5))), ValueError, r"Pad2D: expected images \(B, H, W, C\), channels last"),
    (lambda: fn.Crop2D(2)(fn.Input((4, 9, 1))), ValueError, "Crop2D: expected cropping that leaves something of 4 x 9"),
    (lambda: fn.Crop2D(1.5), TypeError, "expected cropping"),
    (lambda: fn.Upsample2D(0), ValueError, "expected factor of at least 1"),
    (lambda: fn.Upsample2D(2, "cubic"), ValueError, "Upsample2D: unknown mode 'cubic'"),
    (lambda: fn.DepthToSpace(2)(fn.Input((4, 4, 6))), ValueError, "channels that blocks of 2 x 2 can be made of"),
    (lambda: fn.SpaceToDepth(2)(fn.Input((4, 5, 3))), ValueError, "an image that blocks of 2 x 2 fill, got 4 x 5; add"),
    (lambda: fn.DepthToSpace(2, "RCD"), ValueError, "DepthToSpace: unknown mode 'RCD'"),
])  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
