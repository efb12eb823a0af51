"""The convolutional nets for MNIST on a few images, and the moves that keep digits what they are."""

import numpy as np
import pytest
from helpers.examples import load

lenet, augment = load("lenet"), load("lenet").augment
random = np.random.default_rng(41)
IMAGES = random.integers(0, 256, (20, 7, 9, 3), dtype=np.uint8)
NAMES = np.arange(20)


def test_both_nets_learn(tmp_path):
    figures = lenet.run(True, tmp_path)
    assert set(lenet.GOALS) < set(figures)
    assert figures["LeNet-5, test accuracy"] > 0.8  # chance is .1
    assert figures["small net, worst error of three seeds"] < 0.4
    assert {path.name for path in tmp_path.iterdir()} == {"lenet-curves.png", "lenet-filters.png", "lenet-mistakes.png"}


def test_lenet5_is_that_of_the_paper():
    """156 + 2,416 + 30,840 + 10,164 + 850 parameters: the second convolution sees all six maps, as is usual today."""
    net = lenet.lenet5(0)
    assert [view.n_params for view in net.layers if view.n_params] == [156, 2416, 30840, 10164, 850]


def test_shifts_are_by_whole_pixels_and_every_one_occurs():
    data = augment.Augmented(IMAGES, NAMES, shift=1, seed=0)
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0))) / np.float32(255)
    seen = set()
    for _ in range(10):
        images, classes = data.gather(NAMES[::-1])
        assert classes.tolist() == NAMES[::-1].tolist()
        assert images.dtype == np.float32
        for image, row in zip(images, classes, strict=True):
            found = [
                (down, right)
                for down in range(3)
                for right in range(3)
                if np.allclose(image, padded[row, down : down + 7, right : right + 9])
            ]
            assert len(found) == 1
            seen.update(found)
    assert len(seen) == 9
    assert len(data) == 20


def test_flips_and_scaling():
    scaling = augment.scaling(IMAGES)
    whole = augment.scaled(IMAGES, scaling)
    assert whole.mean(axis=(0, 1, 2)) == pytest.approx(np.zeros(3), abs=1e-6)
    assert whole.std(axis=(0, 1, 2)) == pytest.approx(np.ones(3), rel=1e-5)
    images, _ = augment.Augmented(IMAGES, NAMES, shift=0, flip=True, scaling=scaling, seed=0).gather(NAMES)
    flipped = [np.allclose(image, other[:, ::-1]) for image, other in zip(images, whole, strict=True)]
    kept = [np.allclose(image, other) for image, other in zip(images, whole, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 3 < sum(flipped) < 17


def test_seeds_decide():
    one, again, other = (
        augment.Augmented(IMAGES, NAMES, shift=2, turn=0.1, seed=seed).gather(NAMES)[0] for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_interpolation_is_exact_where_an_image_is_bilinear():
    rows, columns = np.mgrid[:7, :9].astype(np.float32)
    image = (1 + 2 * rows - columns + 0.5 * rows * columns)[None, :, :, None]
    places = random.uniform(0, [6, 8], (1, 63, 2)).astype(np.float32)
    r, c = places[0].T
    expected = 1 + 2 * r - c + 0.5 * r * c
    np.testing.assert_allclose(augment.interpolate(image, places).ravel(), expected, rtol=1e-5, atol=1e-5)
    beyond = np.full((1, 63, 2), [-3.0, 20.0], np.float32)  # above the upper right corner: what stands there
    np.testing.assert_allclose(augment.interpolate(image, beyond), image[0, 0, -1, 0], rtol=1e-6)


def test_a_turn_leaves_the_middle_where_it_is():
    image = np.zeros((1, 7, 7, 1), np.uint8)
    image[0, 3, 3] = 255
    data = augment.Augmented(image, NAMES[:1], shift=0, turn=0.2, seed=0)
    found = data.gather(np.zeros(50, np.int64))[0]
    np.testing.assert_allclose(found[:, 3, 3], 1, rtol=1e-6)
    assert len({x.tobytes() for x in found}) > 25  # the others shrink the dot alike
