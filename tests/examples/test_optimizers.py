"""The race of the optimisers."""

from helpers.examples import load

optimizers = load("optimizers")


def test_short_version_reaches_its_figures_again_and_again(tmp_path):
    figures = optimizers.run(True, tmp_path)
    assert set(optimizers.GOALS) <= set(figures)
    assert figures["one row, Adagrad / SGD"] < 0.9
    assert figures["all rows, momentum / SGD"] < 0.2
    assert figures["all rows, Adam / SGD"] < 0.2
    assert figures["loss with decay / without, worst seed"] < 0.85
    assert {path.name for path in tmp_path.iterdir()} == {"optimizers-race.png", "optimizers-decay.png"}
    assert optimizers.run(True, tmp_path) == figures
