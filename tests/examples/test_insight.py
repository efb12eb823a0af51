"""The insight example, on a tenth of the images."""

from helpers.examples import load

insight = load("insight")


def test_what_a_network_looks_at(tmp_path):
    figures = insight.run(True, tmp_path)
    assert set(figures) >= set(insight.GOALS)
    assert figures["test accuracy"] > 0.85
    assert figures["integrated gradients, worst |sum - (f(x) - f(0))| / |f(x) - f(0)|"] < 0.02
    assert figures["accuracy cut by top pixels / by random pixels"] > 6
    assert figures["maximised inputs, least p"] > 0.9
    assert figures["probes, least gain from layer to layer"] > -0.05
    assert {path.stem for path in tmp_path.iterdir()} == {
        "insight-attributions",
        "insight-maximised",
        "insight-probes",
        "insight-histograms",
    }
