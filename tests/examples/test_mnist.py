"""The MNIST example, on a tenth of the images."""

from helpers.examples import load

mnist = load("mnist")


def test_both_networks_learn(tmp_path):
    figures = mnist.run(True, tmp_path)
    assert set(figures) == set(mnist.GOALS)
    assert min(figures.values()) > 0.85  # chance is .1
    assert {path.name for path in tmp_path.iterdir()} == {"mnist-small.png", "mnist-large.png"}
