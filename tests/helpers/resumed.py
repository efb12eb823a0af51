"""Training that is resumed from a file beside the training that was never disturbed."""

import copy
import pickle
import random
from pathlib import Path

import numpy as np

import fastnn as fn

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


def compare(case: int, folder: Path) -> bool:
    """Fit with callbacks in some order, again from a file of some epoch on: the same bits and the same files.

    False if the fit stopped after its first epoch, where there is nothing to resume.
    """
    chance = random.Random(case)
    epochs, patience = chance.randint(4, 14), chance.choice([1, 2, 3, 100])
    order = chance.sample(range(6), 6)
    options = {"validation_data": (XV, YV), "batch_size": chance.choice([7, 16, 60]), "verbose": 0}
    whole = network()
    (folder / "whole").mkdir()
    undisturbed = callbacks(whole, folder / "whole" / "m", order, patience)
    history = whole.fit(X, Y, epochs=epochs, callbacks=undisturbed, **options)
    ran = len(history.epochs)
    if ran < 2:
        return False
    stop = chance.randint(1, ran - 1)  # as if the machine had failed after that epoch
    net = fn.load(folder / "whole" / f"e{stop}")
    assert net.epoch == stop
    if case % 3 == 1:
        net = copy.deepcopy(net)
    elif case % 3 == 2:
        net.save(folder / "again", optimizer=True)
        assert (folder / "again").read_bytes() == (folder / "whole" / f"e{stop}").read_bytes()
        net = pickle.loads(pickle.dumps(fn.load(folder / "again")))
    (folder / "rest").mkdir()
    calls = callbacks(net, folder / "rest" / "m", order, patience)
    net.fit(X, Y, epochs=epochs - stop, callbacks=calls, **options)
    assert outcome(net, calls) == outcome(whole, undisturbed), f"case {case}, resumed after epoch {stop} of {ran}"
    for epoch in range(stop + 1, ran + 1):
        rest, complete = ((folder / name / f"e{epoch}").read_bytes() for name in ("rest", "whole"))
        assert rest == complete, f"case {case}, the file of epoch {epoch}"
    return True
