"""The vanishing gradient, on a part of the images."""

from helpers.examples import load

vanishing = load("vanishing_gradient")


def test_the_gradient_vanishes_and_comes_back(tmp_path, capsys):
    figures = vanishing.run(True, tmp_path)
    assert figures["plain, first / last gradient norm"] < 1e-8
    assert figures["sigmoids, first / last gradient norm"] < 0.01
    for cure in ("initialisation", "relu", "residual"):
        assert 0.1 < figures[f"{cure}, first / last gradient norm"] < 50
    assert figures["residual, test accuracy after one epoch"] > figures["plain, test accuracy after one epoch"] + 0.2
    said = capsys.readouterr().out
    assert "plain: vanishing from dense_" in said
    assert "residual: healthy" in said
    assert len(list(tmp_path.iterdir())) == 3
