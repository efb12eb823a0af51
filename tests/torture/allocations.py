"""Memory that Python refuses: each allocation of a call fails in turn; MemoryError, and all is as before the call."""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastnn as fn

PROMISE = (
    "whichever allocation of Python's in compile, fit, train_step, predict, evaluate and set_weights fails, an "
    "exception says so, MemoryError but where NumPy or Python itself makes it another; the network is as before the "
    "call, and the same call works afterwards"
)
SHORT = 0.1
DONE = 30  # calls in a row without a failure: there are no more allocations to fail

RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.normal(size=(24, 4)).astype(np.float32), RANDOM.integers(0, 3, 24)


def network() -> fn.Sequential:
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.BatchNorm(), fn.Dense(3)], input_shape=4, seed=0)
    net.compile("cross_entropy", fn.Adam(0.01), metrics=["accuracy"])
    return net


def state(net: fn.Sequential) -> list[Any]:
    """What a call that fails must leave as it was."""
    trainer = net.trainer
    return [
        net.params.tobytes(),
        trainer.optimizer.state.tobytes(),
        trainer.optimizer.step,
        trainer.step,
        id(trainer),
        [id(loss) for loss in net.losses],
        id(net.optimizer),
        net.epoch,
        net.schedule.state,
        id(net.history),
    ]


def calls() -> dict[str, Callable[[fn.Sequential], Any]]:
    """Calls on a network, by name."""
    given = network().get_weights()
    rows, labels = X.tolist(), LABELS.tolist()
    return {
        "compile": lambda net: net.compile("squared_error", "sgd"),
        "fit": lambda net: net.fit(X, LABELS, epochs=2, batch_size=8, verbose=0),
        "train_step": lambda net: net.train_step(X, LABELS),
        "train_step of lists": lambda net: net.train_step(rows, labels),
        "predict": lambda net: net.predict(X),
        "predict of lists": lambda net: net.predict(rows),
        "predict_one": lambda net: net.predict_one(X[0]),
        "evaluate": lambda net: net.evaluate(X, LABELS),
        "set_weights": lambda net: net.set_weights(given),
    }


def attempt(call: Callable[[Any], Any], net: fn.Sequential, k: int) -> BaseException | None:
    """Make a call whose allocation k fails; return what it raised."""
    import _testcapi

    error = None
    _testcapi.set_nomemory(k, k + 1)
    try:
        call(net)
    except BaseException as found:  # also what nobody should raise: SystemError
        error = found
    finally:
        _testcapi.remove_mem_hooks()
    return error


def ours(error: BaseException) -> bool:
    """Whether the exception that was there first is another than MemoryError, and the package's."""
    while (first := error.__cause__ or error.__context__) is not None:
        error = first
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SystemError) and "ufunc" in str(error):  # NumPy's, which forgets to say why
        return False
    return type(error) is not MemoryError and bool(frames) and "fastnn" in frames[-1].filename


def every(call: Callable[[Any], Any], step: int) -> tuple[int, list[str]]:
    """Fail every ``step``-th allocation of a call; return how many there were, and what was wrong."""
    call(network())
    wrong, k, quiet, net = [], 0, 0, network()
    while quiet < DONE:
        before = state(net)
        error = attempt(call, net, k)
        if error is None:
            quiet, net = quiet + 1, network()
        else:
            quiet = 0
            if ours(error):
                wrong.append(f"allocation {k}: {error!r:.120}")
            if state(net) != before:
                wrong.append(f"allocation {k}: the network changed")
                net = network()
        k += step
    call(net)
    return k - DONE * step, wrong


def child(name: str, share: float) -> None:
    """Try one call, and print what was found."""
    count, wrong = every(calls()[name], max(1, round(1 / share)))
    print(json.dumps({"allocations": count, "wrong": wrong}))


def run(share: float) -> dict[str, Any]:
    try:
        import _testcapi  # noqa: F401
    except ImportError:
        return {"skipped": "needs CPython's _testcapi"}
    counts, wrong = {}, {}
    for name in calls():
        code = f"import sys; sys.path[:0] = {sys.path!r}\n"
        code += f"from tests.torture.allocations import child; child({name!r}, {share})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
        )
        if done.returncode:
            wrong[name] = [f"status {done.returncode}: {done.stderr[-300:]}"]
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        counts[name] = found["allocations"]
        if found["wrong"]:
            wrong[name] = found["wrong"]
    assert not wrong, json.dumps(wrong)
    return {"allocations": counts}
