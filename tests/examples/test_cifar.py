"""Residual nets on a few photographs."""

import numpy as np
import pytest
from helpers.examples import load

cifar = load("cifar")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_short_version(tmp_path):
    figures = cifar.run(True, tmp_path)
    assert set(figures) == set(cifar.GOALS)
    assert 0 <= figures["ResNet-20, test accuracy"] <= 1
    assert {path.name for path in tmp_path.iterdir()} == {"cifar-curves.png", "cifar-filters.png", "cifar-evidence.png"}


@pytest.mark.slow
def test_curves(tmp_path):
    figures = cifar.run(True, tmp_path, curves=True)
    errors = [value for name, value in figures.items() if name.endswith("error")]
    assert len(errors) == 8
    assert all(0 <= value <= 1 for value in errors)
    assert (tmp_path / "cifar-depth.png").exists()


def test_nets_have_the_layers_of_the_paper():
    """n filters of the first layer, two in each of the blocks, and a dense one; links of 1 x 1 where images shrink."""
    for depth, links in ((20, True), (56, True), (20, False)):
        net = cifar.network(depth, links, IMAGES)
        windows = [view.weight.shape for view in net.layers if "weight" in view.parameters and view.weight.ndim == 4]
        assert sum(shape[:2] == (3, 3) for shape in windows) == depth - 1
        assert sum(shape[:2] == (1, 1) for shape in windows) == (2 if links else 0)
        assert [view.output_shape for view in net.layers if len(view.output_shape) == 3][-1] == (8, 8, 64)
    thirds = sum(view.weight.size for view in cifar.network(20, False, IMAGES).layers if "weight" in view.parameters)
    assert thirds == 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64) + 640
