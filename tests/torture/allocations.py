"""Memory that Python refuses: each allocation of a call fails in turn; MemoryError, and all is as before the call."""

import gc
import json
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastnn as fn

PROMISE = (
    "whichever allocation of Python's fails in fit, partial_fit, train_step, predict, evaluate, compile, set_weights, "
    "copy, save and load of networks, estimators, online models and ensembles, an exception says so, MemoryError but "
    "where NumPy or Python itself makes it another; what was called and its file are as before, the same call works "
    "afterwards, and compiled code keeps no memory of calls that failed"
)
SHORT = 0.02
DONE = 30  # calls in a row without a failure: there are no more allocations to fail
LEFT, ROUNDS = 12, 8  # blocks that may stay of a whole round of failures, in one of so many

RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.normal(size=(24, 4)).astype(np.float32), RANDOM.integers(0, 3, 24)
FOLDER = Path(tempfile.mkdtemp())
FILE, WEIGHTS, OTHER, SAVED = (FOLDER / name for name in ("model", "weights.npz", "other", "saved"))


# What the interpreter and NumPy say where they forget the MemoryError.
FORGOTTEN = ("error return without exception set", "can't allocate", "path should be string", "ufunc")


# Where it is counted what stays in memory.  The others build networks or labels, in which CPython loses more than can
# be told apart.
STEADY = {
    "train_step", "train_step of lists", "predict", "predict of lists", "predict_one", "evaluate", "set_weights",
    "classifier predict_proba", "online learn_one", "online predict_one",
}  # fmt: skip


class Case(NamedTuple):
    """A call on something, how it is made, and what of it must stay as it was where the call fails."""

    make: Callable[[], Any]
    state: Callable[[Any], list[Any]]
    call: Callable[[Any], Any]


def network() -> fn.Sequential:
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.BatchNorm(), fn.Dense(3)], input_shape=4, seed=0)
    net.compile("cross_entropy", fn.Adam(fn.ReduceOnPlateau(0.01, patience=1, monitor="loss")), metrics=["accuracy"])
    return net


def of_network(net: Any) -> list[Any]:
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
        net.feature_names,
        sorted(vars(net)),
    ]


def estimator(kind: Any, **more: Any) -> Callable[[], Any]:
    def make() -> Any:
        model = kind(
            hidden_layer_sizes=(5,),
            solver="sgd",
            learning_rate="invscaling",
            max_iter=2,
            batch_size=8,
            random_state=0,
            **more,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(X, LABELS)

    return make


def of_estimator(model: Any) -> list[Any]:
    fitted = {name: value for name, value in vars(model).items() if name not in ("network_", "_checked")}
    lists = {name: [*value] for name, value in fitted.items() if isinstance(value, list)}
    pace = fitted.pop("_optimizer", None)
    return [
        *([] if "network_" not in vars(model) else of_network(model.network_)),
        None if pace is None else vars(pace).copy(),
        {name: len(value) for name, value in lists.items()},
        {name: repr(value) for name, value in fitted.items()},
    ]


def online() -> Any:
    model = fn.OnlineClassifier([3], seed=0)
    for row, label in zip(X[:6], LABELS, strict=False):
        model.learn_one(dict(zip("abcd", row.tolist(), strict=True)), int(label) % 2)
    return model


def of_online(model: Any) -> list[Any]:
    model.save(OTHER)  # a file has all of it
    return [OTHER.read_bytes()]


def ensemble() -> Any:
    return fn.Ensemble([network(), network()], loss="cross_entropy")


def of_ensemble(members: Any) -> list[Any]:
    return [net.params.tobytes() for net in members.models]


def partial_fit(model: Any) -> Any:
    return model.partial_fit(X, LABELS, classes=[0, 1, 2])


def cases() -> dict[str, Case]:
    """Calls by name."""
    given = network().get_weights()
    rows, labels = X.tolist(), LABELS.tolist()
    net = {
        "compile": lambda net: net.compile("squared_error", "sgd"),
        "fit": lambda net: net.fit(X, LABELS, epochs=2, batch_size=8, verbose=0),
        "fit with validation": lambda net: net.fit(
            X, LABELS, epochs=2, batch_size=8, verbose=0, validation_data=(X, LABELS), callbacks=[fn.EarlyStopping()]
        ),
        "train_step": lambda net: net.train_step(X, LABELS),
        "train_step of lists": lambda net: net.train_step(rows, labels),
        "predict": lambda net: net.predict(X),
        "predict of lists": lambda net: net.predict(rows),
        "predict_one": lambda net: net.predict_one(X[0]),
        "evaluate": lambda net: net.evaluate(X, LABELS),
        "set_weights": lambda net: net.set_weights(given),
        "copy": lambda net: net.copy(),
        "save": lambda net: net.save(SAVED, optimizer=True),
        "load": lambda net: fn.load(FILE),
        "save_weights": lambda net: net.save_weights(SAVED),
        "load_weights": lambda net: net.load_weights(WEIGHTS),
    }
    found = {name: Case(network, of_network, call) for name, call in net.items()}
    classifier = estimator(fn.MLPClassifier)
    of_model = {
        "classifier fit": (classifier, lambda model: model.fit(X, LABELS)),
        "classifier fit, early stopping": (
            estimator(fn.MLPClassifier, early_stopping=True), lambda model: model.fit(X, LABELS)),
        "classifier first partial_fit": (lambda: fn.MLPClassifier((5,), random_state=0), partial_fit),
        "classifier partial_fit": (classifier, partial_fit),
        "classifier predict_proba": (classifier, lambda model: model.predict_proba(X)),
        "classifier save": (classifier, lambda model: model.save(SAVED)),
        "classifier load": (classifier, lambda model: fn.MLPClassifier.load(FILE)),
        "regressor fit": (estimator(fn.MLPRegressor), lambda model: model.fit(X, X[:, 0])),
        "regressor partial_fit": (
            estimator(fn.MLPRegressor), lambda model: model.partial_fit(X, LABELS.astype(np.float32))),
    }  # fmt: skip
    found |= {name: Case(make, of_estimator, call) for name, (make, call) in of_model.items()}
    row = dict(zip("abcd", X[7].tolist(), strict=True))
    found["online learn_one"] = Case(online, of_online, lambda model: model.learn_one(row, 1))
    found["online predict_one"] = Case(online, of_online, lambda model: model.predict_one(row))
    found["online load"] = Case(online, of_online, lambda model: fn.OnlineClassifier.load(FILE))
    found["ensemble predict"] = Case(ensemble, of_ensemble, lambda members: members.predict(X))
    found["ensemble save"] = Case(ensemble, of_ensemble, lambda members: members.save(SAVED))
    found["ensemble load"] = Case(ensemble, of_ensemble, lambda members: fn.Ensemble.load(FILE))
    return found


def attempt(call: Callable[[Any], Any], model: Any, k: int) -> BaseException | None:
    """Make a call whose allocation k fails; return what it raised."""
    import _testcapi

    error = None
    _testcapi.set_nomemory(k, k + 1)
    try:
        call(model)
    except BaseException as found:  # also what nobody should raise: SystemError
        error = found
    finally:
        _testcapi.remove_mem_hooks()
    return error


def ours(error: BaseException) -> bool:
    """Whether an exception is another than MemoryError, does not come from one, and is the package's."""
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    if any(isinstance(link, MemoryError) or any(text in str(link) for text in FORGOTTEN) for link in chain):
        return False
    frames = traceback.extract_tb(chain[-1].__traceback__)
    return bool(frames) and "fastnn" in frames[-1].filename


def where(error: BaseException) -> str:
    """The last lines of a traceback, the last one first."""
    frames = traceback.extract_tb(error.__traceback__)[:-5:-1]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def told_truly(case: Case, model: Any, error: BaseException) -> bool:
    """Whether the file that should have been saved is the old one, or, where the error says so, the new one."""
    found = SAVED.read_bytes()
    if "in place" not in str(error):
        return found == b"old"
    case.call(model)
    return found == SAVED.read_bytes()


def every(case: Case, step: int) -> tuple[int, list[str]]:
    """Fail every ``step``-th allocation of a call; return how many there were, and what was wrong."""
    made = case.make()
    case.call(made)
    saves = SAVED.exists()
    wrong, k, quiet, model = [], 0, 0, case.make()
    while quiet < DONE:
        if saves:
            SAVED.write_bytes(b"old")
        before = case.state(model)
        error = attempt(case.call, model, k)
        if error is None:
            quiet, model = quiet + 1, case.make()
        else:
            quiet = 0
            if ours(error):
                wrong.append(f"allocation {k}: {error!r:.120} in {where(error)}")
            if (after := case.state(model)) != before:
                places = [i for i, (old, new) in enumerate(zip_longest(before, after)) if old != new]
                wrong.append(f"allocation {k}: of its state {places} changed, {error!r:.60} in {where(error)}")
                model = case.make()
            if saves and not told_truly(case, model, error):
                wrong.append(f"allocation {k}: another file is there, {error!r:.90} in {where(error)}")
        k += step
    case.call(model)
    if left := {path.name for path in FOLDER.iterdir()} - {"model", "weights.npz", "other", "saved"}:
        wrong.append(f"{len(left)} files were left beside the one that was saved")
    return k - DONE * step, wrong


def blocks() -> int:
    """Blocks of memory that Python has handed out, without those of its caches."""
    for clear in ("_clear_internal_caches", "_clear_type_cache"):  # it keeps names of attributes, made by f-strings too
        if hasattr(sys, clear):
            getattr(sys, clear)()
            break
    gc.collect()
    return sys.getallocatedblocks()


def in_compiled_code(error: BaseException) -> bool:
    """Whether an exception comes from a line that Cython compiled."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.endswith(".pyx")


def kept(case: Case, step: int, count: int) -> int:
    """Return how many blocks stay in memory of a round of failures in compiled code, of any round: caches fill up.

    Python's own code is left out: where CPython 3.11 and 3.12 find no memory for the cell of a variable, they forget
    what the frame holds.
    """
    model, places = case.make(), []
    for k in range(0, count, step):
        error = attempt(case.call, model, k)
        if error is None:
            model = case.make()
        elif in_compiled_code(error):
            places.append(k)
    model = error = None
    least = sys.maxsize
    for _ in range(ROUNDS):
        before = blocks()
        model = case.make()
        for k in places:
            attempt(case.call, model, k)
        model = None
        least = min(least, blocks() - before)
        if least <= LEFT:
            break
    return least


def child(name: str, share: float) -> None:
    """Try one call, and print what was found."""
    case, step = cases()[name], max(1, round(1 / share))
    prepare(case)
    count, wrong = every(case, step)
    left = kept(case, step, count) if name in STEADY else 0
    if left > LEFT:
        wrong.append(f"{left} blocks of {count // step} failures stayed in memory")
    shutil.rmtree(FOLDER)
    print(json.dumps({"allocations": count, "left": left, "wrong": wrong}))


def prepare(case: Case) -> None:
    """Have a file of such a thing, for what loads it."""
    model = case.make()
    if not isinstance(model, fn.MLPClassifier) or hasattr(model, "coefs_"):
        model.save(FILE)
    network().save_weights(WEIGHTS)


def run(share: float) -> dict[str, Any]:
    try:
        import _testcapi  # noqa: F401
    except ImportError:
        return {"skipped": "needs CPython's _testcapi"}
    counts, wrong, left = {}, {}, 0
    for name in cases():
        code = f"import sys; sys.path[:0] = {sys.path!r}\n"
        code += f"from tests.torture.allocations import child; child({name!r}, {share})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
        )
        if done.returncode:
            wrong[name] = [f"status {done.returncode}: {done.stderr[-300:]}"]
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        counts[name], left = found["allocations"], max(left, found["left"])
        if found["wrong"]:
            wrong[name] = found["wrong"]
    shutil.rmtree(FOLDER)
    assert not wrong, json.dumps(wrong)
    return {"allocations": counts, "most_blocks_left": left}
