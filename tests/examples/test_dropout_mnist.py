"""The long dropout example, on a tenth of the images."""

from helpers.examples import load

dropout_mnist = load("dropout_mnist")


def test_both_networks_learn(tmp_path):
    figures = dropout_mnist.run(True, tmp_path)
    assert set(dropout_mnist.GOALS) <= set(figures)
    assert figures["plain, test error, %"] < 15  # chance is 90
    assert figures["dropout and max-norm, test error, %"] < 25
    assert (tmp_path / "dropout-mnist.png").exists()
