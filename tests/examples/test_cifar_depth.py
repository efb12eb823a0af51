"""Why deep plain nets fail on photographs, in short."""

from helpers.examples import load

depth = load("cifar_depth")


def test_short_version(tmp_path):
    figures = depth.run(True, tmp_path)
    assert set(figures) >= set(depth.GOALS)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-depth.png"]
    ratios = {name.partition(":")[0]: value for name, value in figures.items() if "gradient" in name}
    assert ratios.pop("plain, as of old") < 1e-3  # 14 layers; variance 1/3 of what He's keeps, at each of 13
    assert all(0.01 < ratio < 100 for ratio in ratios.values()), ratios
