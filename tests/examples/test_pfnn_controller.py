"""The character in closed loop, for some seconds, and the geometry that it stands on."""

import numpy as np
import pytest
from helpers.examples import load

controller = load("pfnn_controller")


def test_the_character_follows_the_stick(tmp_path):
    figures = controller.run(True, tmp_path)
    assert set(controller.GOALS) <= set(figures)
    assert controller.common.missed(figures, controller.GOALS) == []
    assert {path.name for path in tmp_path.iterdir()} == {"pfnn-flat.png", "pfnn-height-map.png", "pfnn-walk.gif"}


def test_heights_between_grid_points_are_bilinear():
    from pfnn.ground import HeightMap

    x, z = np.meshgrid(np.arange(6.0), np.arange(9.0), indexing="ij")
    ground = HeightMap(2 * x - 3 * z + 0.5 * x * z, cell=10.0)
    points = np.random.default_rng(0).uniform(-25, 15, (50, 2))
    x, z = (points / 10 + [3, 4]).T  # the origin is grid point (3, 4)
    np.testing.assert_allclose(ground.height(points), 2 * x - 3 * z + 0.5 * x * z, atol=1e-9)
    far = ground.height(np.array([[-1e4, 0.0], [1e4, 1e4]]))
    np.testing.assert_allclose(far, [-12, 10 - 24 + 20], atol=0.05)  # level beyond the edge


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0, 3.1])
def test_turns(angle):
    from pfnn import trajectory

    ahead = np.array([0.0, 1.0])
    direction = trajectory.turn(ahead, angle)
    np.testing.assert_allclose(direction, [np.sin(angle), np.cos(angle)], atol=1e-15)
    assert trajectory.angle(direction) == pytest.approx(angle)
    np.testing.assert_allclose(trajectory.turn(direction, -angle), ahead, atol=1e-15)
    np.testing.assert_allclose(trajectory.mix_directions(ahead, direction, 0.25), trajectory.turn(ahead, angle / 4))


def test_the_shorter_way_round():
    from pfnn.trajectory import angle, mix_directions, turn

    a, b = (turn(np.array([0.0, 1.0]), value) for value in (3.0, -3.0))
    assert angle(mix_directions(a, b, 0.5)) % (2 * np.pi) == pytest.approx(np.pi)
