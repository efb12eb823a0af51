"""Training with and without the phase, on one take."""

from helpers.examples import load

training = load("pfnn_train")


def test_the_phase_helps(tmp_path):
    figures = training.run(True, tmp_path)
    assert set(training.GOALS) < set(figures)
    assert training.common.missed(figures, training.GOALS) == []
    assert [path.name for path in tmp_path.iterdir()] == ["pfnn-train.png"]


def test_held_out_frames_are_whole_blocks_of_each_take(monkeypatch):
    lengths = {"a": 260, "b": 130}
    monkeypatch.setattr(training, "TAKES", tuple(lengths))
    whole = {name: training.np.full((n, 1), float(n)) for name, n in lengths.items()}
    monkeypatch.setattr(training, "clip", lambda name: training.Clip(whole[name], whole[name], whole[name]))

    class Released:
        scaled = staticmethod(lambda data: data)

    monkeypatch.setattr(training, "Released", Released)
    _, held_out = training.load(False)
    assert held_out.nonzero()[0].tolist() == [*range(100, 125), *range(225, 250), *range(360, 385)]
