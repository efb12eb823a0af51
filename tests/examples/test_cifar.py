"""Residual nets on a few photographs."""

import numpy as np
from helpers.examples import load

cifar = load("cifar")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_short_version(tmp_path):
    figures = cifar.run(True, tmp_path)
    assert set(figures) == set(cifar.GOALS)
    assert 0 <= figures["ResNet-20, test accuracy"] <= 1
    assert {path.name for path in tmp_path.iterdir()} == {"cifar-curves.png", "cifar-filters.png", "cifar-evidence.png"}


def test_nets_have_the_layers_of_the_paper():
    """n filters of the first layer, two in each of the blocks, and a dense one; links of 1 x 1 where images shrink."""
    for depth, links in ((20, True), (56, True), (20, False)):
        net = cifar.network(depth, IMAGES, links)
        windows = [view.weight.shape for view in net.layers if "weight" in view.parameters and view.weight.ndim == 4]
        assert sum(shape[:2] == (3, 3) for shape in windows) == depth - 1
        assert sum(shape[:2] == (1, 1) for shape in windows) == (2 if links else 0)
        assert [view.output_shape for view in net.layers if len(view.output_shape) == 3][-1] == (8, 8, 64)
    net = cifar.network(20, IMAGES, links=False)
    weights = sum(view.weight.size for view in net.layers if "weight" in view.parameters)
    assert weights == 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64) + 640


def test_blocks_without_normalisation_start_at_nothing():
    """What goes past a block by its link is all that comes out of it: relu(x + 0) = x for x that came from a relu."""
    net = cifar.network(14, IMAGES, normalised=False)
    assert sum(not value.any() for name, value in net.named_parameters() if name.endswith("weight")) == 6
    values = net.activations(IMAGES.astype(np.float32))
    stage = [values[view.name] for view in net.layers if view.output_shape == (32, 32, 16)]
    stem, end = stage[1], stage[-1]
    assert stem.std() > 0
    np.testing.assert_array_equal(stem, end)
