"""The replay of the released phase-functioned network: the errors are those of the whole take."""

from helpers.examples import load

replay = load("pfnn_replay")


def test_the_released_weights_predict_the_take(tmp_path):
    figures = replay.run(True, tmp_path)
    errors = {name: goal for name, goal in replay.GOALS.items() if "distance" in name or "MB" in name}
    assert len(errors) == 6
    assert replay.common.missed(figures, errors) == []
    assert set(replay.GOALS) <= set(figures)
    assert [path.name for path in tmp_path.iterdir()] == ["pfnn-replay.png"]
