"""The example of a network in C: trained shortly, it answers as in Python and keeps the pole up."""

from helpers.examples import load

embed_c = load("embed_c")


def test_the_controller_in_c(tmp_path):
    figures = embed_c.run(True, tmp_path)
    assert set(figures) >= set(embed_c.GOALS)
    assert figures["float32: largest difference from Python / largest force"] < 1e-5
    assert 1e-5 < figures["8 bits: largest difference from float32 / largest force"] < 0.1
    assert all(value < 0.1 for name, value in figures.items() if "largest angle" in name)
    weights = 4 * 32 + 32 * 32 + 32
    numbers = 65 + 65  # biases, and a scale for each output
    assert figures["8 bits: bytes of constants"] == weights + 4 * numbers
    assert figures["float32: bytes of constants"] == 4 * (weights + 65)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embed_c", "embed_c.png"]
