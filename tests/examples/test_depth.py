"""The depth example, on a part of the images and for one seed."""

from helpers.examples import load

depth = load("depth")


def test_shortcuts_carry_depth(tmp_path):
    figures = depth.run(True, tmp_path)
    plain, residual, normed, both = figures.values()
    assert set(figures) >= set(depth.GOALS)
    assert min(plain, normed) > 1.3
    assert max(residual, both) < min(1.5, plain - 0.2)  # after 96 updates; the whole example has 1,570
    assert [path.name for path in tmp_path.iterdir()] == ["depth.png"]
