"""Style transfer of the side-by-side suite: PyTorch's loss is ours, and each way goes down it."""

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("torch", reason="PyTorch is not installed: it is what the suite compares with")
import torch

from bench import style
from bench.images import agree

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(scope="module")
def pair():
    """Pictures, our loss of them, and what makes PyTorch's."""
    content, painting, image = np.random.default_rng(0).uniform(0, 255, (3, 49, 56, 3)).astype(np.float32)
    net = fn.nets.squeezenet(input_shape=content.shape, pooling="average", rgb=True, seed=1)
    options = {"content_layers": style.CONTENT, "style_layers": style.STYLE}
    mine = fn.StyleLoss(net, content, painting, ratio=style.RATIO, smooth=style.SMOOTH, **options)

    def theirs(layout):
        module = style.with_weights(style.Features(), net).to(memory_format=layout)
        pictures = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (content, painting)]
        return style.TorchLoss(module, *pictures, [mine.scales[layer] for layer in style.STYLE])

    return image, mine, theirs


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_loss_and_gradient_in_pytorch(pair, layout):
    image, mine, theirs = pair
    (value, slope), (expected, gradient) = mine(image), theirs(layout).function(layout)(image)
    assert value == pytest.approx(expected, rel=1e-4)
    agree("PyTorch", slope, gradient)


def test_all_ways_descend(pair):
    """Within few evaluations, from the same image; those with the same gradient and the same L-BFGS alike."""
    image, mine, theirs = pair
    first, layout = mine(image)[0], LAYOUTS[0]
    ours = style.by_ours(mine, image, 4.0, 8)
    same = style.by_ours(theirs(layout).function(layout), image, 4.0, 8)
    own = style.by_theirs(theirs(layout), image, 4.0, layout, 12)
    assert ours < 0.8 * first
    assert same == pytest.approx(ours, rel=1e-2)
    assert own < 0.8 * first
