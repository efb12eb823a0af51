"""The convolutional nets for MNIST on a few images."""

from helpers.examples import load

lenet = load("lenet")


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
