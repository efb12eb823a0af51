"""Training that is resumed from a file is the training that was never disturbed, callbacks with a memory too."""

import pytest
from helpers.model_files import assemble, parts
from helpers.resumed import XV, YV, X, Y, compare, network

import fastnn as fn
from fastnn.formats import safetensors as files


@pytest.mark.parametrize("case", range(24))
def test_resumed_and_undisturbed_are_the_same(case, tmp_path):
    if not compare(case, tmp_path):
        pytest.skip("it stopped after its first epoch")


def test_the_next_fit_forgets(tmp_path):
    """What a file says is for the next fit alone, whether it has callbacks or not; a new fit begins anew."""
    net = network()
    options = {"validation_data": (XV, YV), "verbose": 0}
    stop = fn.EarlyStopping(patience=50)
    net.fit(X, Y, epochs=3, callbacks=[stop, fn.Checkpoint(tmp_path / "m")], **options)
    assert net.callback_states == []
    for first in ({"callbacks": [fn.EarlyStopping("loss", patience=9)], **options}, {"verbose": 0}):
        net = fn.load(tmp_path / "m")
        assert [state["type"] for state in net.callback_states] == ["EarlyStopping"]
        net.learning_rate = 0.01
        net.fit(X, Y, epochs=1, **first)
        assert net.callback_states == []
    again = fn.load(tmp_path / "m")
    again.fit(X, Y, epochs=1, callbacks=[fn.EarlyStopping("loss", patience=9)], **options)  # another monitor: its own
    assert again.epoch == 4


def test_states_that_do_not_fit(tmp_path):
    net = network()
    calls = [fn.EarlyStopping(patience=50), fn.Checkpoint(tmp_path / "m")]
    net.fit(X, Y, epochs=2, validation_data=(XV, YV), verbose=0, callbacks=calls)
    header, description, body = parts((tmp_path / "m").read_bytes())
    (known,) = description["training"]["callbacks"]
    assert known["arrays"] == ["params"]

    def said(**changes):
        training = description["training"] | {"callbacks": [known | changes]}
        return assemble(header, description | {"training": training}, body)

    files.from_bytes(said(), {})
    for changes in (
        {"arrays": []}, {"arrays": ["other"]}, {"arrays": ["params", "params"]}, {"arrays": "params"}, {"type": 1},
        {"values": []}, {"code": 1}, {"values": {**known["values"], "type": "x"}},
    ):  # fmt: skip
        with pytest.raises(fn.ModelFormatError):
            files.from_bytes(said(**changes), {})
    for values in (
        {"monitor": "val_loss"}, {**known["values"], "best": "x"}, {**known["values"], "epochs_without_gain": -1},
    ):  # fmt: skip
        net = files.from_bytes(said(values=values), {})
        before = net.params.tobytes()
        with pytest.raises(fn.ModelFormatError, match="EarlyStopping cannot go on from what the file says"):
            net.fit(X, Y, validation_data=(XV, YV), verbose=0, callbacks=[fn.EarlyStopping()])
        assert net.params.tobytes() == before
