"""Training that is resumed from a file is the training that was never disturbed, callbacks with a memory too."""

import copy
import pickle
import random

import numpy as np
import pytest
from helpers.model_files import assemble, parts

import fastnn as fn
from fastnn.formats import safetensors as files

rng = np.random.default_rng(0)
X, XV = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
Y, YV = np.sin(X.sum(axis=1, keepdims=True)), np.sin(XV.sum(axis=1, keepdims=True))


def network():
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dropout(0.2), fn.Dense(1)], input_shape=4, seed=3)
    net.compile("squared_error", fn.Adam(fn.ReduceOnPlateau(0.05, factor=0.5, patience=1)))
    return net


class Counter(fn.Callback):
    """A callback of a user's, with numbers and arrays to remember."""

    def __init__(self):
        self.epochs, self.sums = 0, np.zeros(3)

    def on_epoch_end(self, info):
        self.epochs += 1
        self.sums += [info.loss, info.val_loss, self.epochs]

    def state(self):
        return {"epochs": self.epochs, "sums": self.sums}

    def set_state(self, net, state):
        self.epochs, self.sums = state["epochs"], state["sums"].copy()


def callbacks(net, path, order, patience):
    made = [
        fn.EarlyStopping("val_loss", patience=patience),
        fn.EarlyStopping("loss", patience=100, restore_best=False),
        fn.Checkpoint(path.with_name("best"), monitor="val_loss"),
        fn.Checkpoint(path.with_name("e{epoch}")),
        Counter(),
        fn.WeightAverage(net, 0.9),
    ]
    return [made[i] for i in order]


def outcome(net, calls):
    """Everything that a fit leaves behind."""
    stops = [call for call in calls if isinstance(call, fn.EarlyStopping)]
    (counter,) = [call for call in calls if isinstance(call, Counter)]
    (average,) = [call for call in calls if isinstance(call, fn.WeightAverage)]
    return (
        net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.epoch, net.trainer.step, net.schedule.state,
        [(stop.monitor, stop.best, stop.best_epoch, stop.stopped_epoch) for stop in stops],
        [call.best for call in calls if isinstance(call, fn.Checkpoint)],
        counter.epochs, counter.sums.tobytes(), average.updates, average.network.params.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize("case", range(24))
def test_resumed_and_undisturbed_are_the_same(case, tmp_path):
    chance = random.Random(case)
    epochs, patience = chance.randint(4, 14), chance.choice([1, 2, 3, 100])
    order = chance.sample(range(6), 6)
    options = {"validation_data": (XV, YV), "batch_size": chance.choice([7, 16, 60]), "verbose": 0}
    whole = network()
    (tmp_path / "whole").mkdir()
    undisturbed = callbacks(whole, tmp_path / "whole" / "m", order, patience)
    history = whole.fit(X, Y, epochs=epochs, callbacks=undisturbed, **options)
    ran = len(history.epochs)
    if ran < 2:
        pytest.skip("it stopped after its first epoch")
    stop = chance.randint(1, ran - 1)  # as if the machine had failed after that epoch
    net = fn.load(tmp_path / "whole" / f"e{stop}")
    assert net.epoch == stop
    if case % 3 == 1:
        net = copy.deepcopy(net)
    elif case % 3 == 2:
        net.save(tmp_path / "again", optimizer=True)
        assert (tmp_path / "again").read_bytes() == (tmp_path / "whole" / f"e{stop}").read_bytes()
        net = pickle.loads(pickle.dumps(fn.load(tmp_path / "again")))
    (tmp_path / "rest").mkdir()
    calls = callbacks(net, tmp_path / "rest" / "m", order, patience)
    net.fit(X, Y, epochs=epochs - stop, callbacks=calls, **options)
    assert outcome(net, calls) == outcome(whole, undisturbed)
    for epoch in range(stop + 1, ran + 1):
        assert (tmp_path / "rest" / f"e{epoch}").read_bytes() == (tmp_path / "whole" / f"e{epoch}").read_bytes()


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
