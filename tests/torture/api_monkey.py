"""Public calls with arguments that nobody should give, one after the other: refused as documented, or carried out."""

import io
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import fastnn as fn
from fastnn.cli import main

PROMISE = (
    "10^5 calls of networks, estimators, online models and ensembles with hostile arguments, and 2,000 command lines, "
    "end by an answer or by ValueError, TypeError, RuntimeError or OSError, or what is derived of these; a call that "
    "raises changes no parameter"
)
SHORT = 1 / 200
CALLS, LINES = 100_000, 2_000
ALLOWED = (ValueError, TypeError, RuntimeError, OSError)  # NotFittedError and ModelFormatError are ValueErrors

RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3


class Odd:
    """What looks like an array and is none."""

    shape, dtype, ndim = (12, 4), np.dtype("f4"), 2

    def __len__(self) -> int:
        return 12

    def __getitem__(self, k: Any) -> Any:
        raise ValueError("odd")


def frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def values() -> list[Any]:
    """Arguments: what fits, what nearly does, and what does not at all."""
    return [
        *(None, True, False, 0, 1, -1, 2, 3, 1 << 31, 1 << 63, -(1 << 70), 10**400, 0.0, 0.5, -0.5, 1e308, 1j),
        *(float("nan"), float("inf"), "", "adam", "cross_entropy", "\0", "é" * 9, "../x", b"x", [], (), {}, set()),
        *([[]], [None], [[1, 2], [3]], {"a": 1}, object(), Odd(), lambda *given: 1 / 0, range(4), iter([]), iter([1])),
        *(np.float32(1), np.int8(-1), np.bool_(True), np.datetime64("2001-01-01"), slice(None), Ellipsis, type, fn),
        *(
            X,
            X.astype("f8"),
            X.astype(">f4"),
            X.astype("f2"),
            X.astype(complex),
            X.astype(object),
            X.astype(str),
            X > 0,
        ),
        *(X[::-1], X[:, ::-1], X.T, np.asfortranarray(X), X[::2, ::2], frozen(X), X[:0], X[:1], X[0], X[:, :3]),
        *(X[..., None], np.broadcast_to(X[:1], (12, 4)), np.full_like(X, np.nan), np.full_like(X, np.inf)),
        *(np.full_like(X, 1e38), np.zeros((0, 4), "f4"), np.zeros((12, 0), "f4"), np.zeros((1 << 40, 0), "f4")),
        *(np.array(1.0), np.array("x"), LABELS, LABELS.astype("f4"), LABELS.astype("u1"), LABELS - 1, LABELS * 10**9),
        *(LABELS.astype(object), LABELS[:5], LABELS[:, None], np.eye(3, dtype="f4")[LABELS], X.tolist()),
        *(np.ma.masked_array(X, X > 0), X.view(np.recarray), np.ndarray((12, 4), "f4", bytes(193), 1), np.array([{}])),
        *(np.array([X, None], dtype=object), LABELS.tolist(), X > 0),
    ]


def networks() -> list[Any]:
    made = [
        fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(3)], 4, seed=0),
        fn.Sequential([fn.Reshape((2, 2)), fn.LSTM(3), fn.Dense(3)], 4, seed=0),
        fn.Sequential([fn.BatchNorm(), fn.Dropout(0.5), fn.Dense(3, "softmax")], 4, seed=0, dtype="float64"),
    ]
    made[0].compile("cross_entropy", "adam")
    made[2].compile("squared_error", fn.SGD(0.01))
    return made


OPTIONS_OF_FIT = (
    "batch_size", "sample_weight", "class_weight", "validation_data", "validation_split", "callbacks", "shuffle",
    "verbose", "loss", "optimizer", "metrics",
)  # fmt: skip
CALLS_OF_NETWORKS: dict[str, tuple[int, tuple[str, ...]]] = {  # positions, and names
    "predict": (1, ("out",)), "predict_one": (1, ("out",)), "fit": (2, OPTIONS_OF_FIT),
    "train_step": (2, ("sample_weight",)), "evaluate": (2, ("sample_weight",)), "forward": (1, ("training",)),
    "backward": (1, ("accumulate", "parameters", "inputs")), "apply_gradients": (0, ()), "set_weights": (1, ()),
    "take_weights": (1, ()), "compile": (2, ("metrics", "loss_weights")), "activations": (1, ()), "tap": (1, ()),
    "astype": (1, ()), "copy": (0, ("seed",)), "summary": (0, ()), "load_weights": (1, ()), "quantized": (1, ()),
    "get_weights": (0, ()), "preactivations": (1, ()), "stream": (0, ("x",)),
}  # fmt: skip
CALLS_OF_ESTIMATORS: dict[str, tuple[int, tuple[str, ...]]] = {
    "fit": (2, ("sample_weight", "X_val", "y_val")), "partial_fit": (2, ("classes", "sample_weight")),
    "predict": (1, ()), "predict_proba": (1, ()), "predict_one": (1, ()), "score": (2, ("sample_weight",)),
    "set_params": (0, ("alpha", "hidden_layer_sizes", "batch_size", "solver", "max_iter", "activation")),
}  # fmt: skip
CALLS_OF_ONLINE: dict[str, tuple[int, tuple[str, ...]]] = {
    "learn_one": (2, ()), "predict_one": (1, ()), "predict_proba_one": (1, ()), "learn_many": (2, ()),
    "predict_many": (1, ()),
}  # fmt: skip


def estimators() -> list[Any]:
    model = fn.MLPClassifier((4,), max_iter=2, random_state=0).fit(X, LABELS)
    return [
        model,
        fn.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0),
        fn.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(X, X[:, 0]),
    ]


def online() -> list[Any]:
    model = fn.OnlineClassifier([3], seed=0)
    model.learn_one({"a": 1.0, "b": 2.0}, 1)
    return [model, fn.OnlineRegressor([3], seed=0)]


def ensembles() -> list[Any]:
    nets = [fn.Sequential([fn.Dense(3)], 4, seed=seed) for seed in (0, 1)]
    return [fn.Ensemble(nets, loss="cross_entropy")]


KINDS: list[tuple[Callable[[], list[Any]], dict[str, tuple[int, tuple[str, ...]]]]] = [
    (networks, CALLS_OF_NETWORKS), (networks, CALLS_OF_NETWORKS), (estimators, CALLS_OF_ESTIMATORS),
    (online, CALLS_OF_ONLINE), (ensembles, {"predict": (1, ()), "predict_proba": (1, ()), "uncertainty": (1, ())}),
]  # fmt: skip


def parameters(model: Any) -> bytes:
    """The parameters of what is called, which an exception must leave."""
    net = getattr(model, "params", None)
    if net is None:
        inner = vars(model).get("network_") or vars(model).get("net")
        net = getattr(inner, "params", None)
    return b"" if net is None else net.tobytes()


def called(model: Any, name: str, given: list[Any], named: dict[str, Any]) -> str:
    """Call; return the kind of exception, "" if there was none.  AssertionError where none of these was promised."""
    before, what = parameters(model), f"{type(model).__name__}.{name}(*{given!r:.300}, **{named!r:.300})"
    try:
        getattr(model, name)(*given, **named)
    except ALLOWED as error:
        kind = type(error).__name__
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error!s:.300}") from error
    else:
        return ""
    assert parameters(model) == before, f"{what}: {kind}, and the parameters changed"
    return kind


def arguments(
    many: int, names: tuple[str, ...], chance: random.Random, good: list[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments, of which some fit; fits are short."""
    pool = values()
    given = [chance.choice(good) if chance.random() < 0.5 else chance.choice(pool) for _ in range(many)]
    if given and chance.random() < 0.05:
        given.pop()
    return given, {name: chance.choice(pool) for name in names if chance.random() < 0.15}


def monkey(count: int, chance: random.Random) -> Counter[str]:
    """Make so many calls."""
    found: Counter[str] = Counter()
    good = [X, LABELS, X[0], np.eye(3, dtype="f4")[LABELS], {"a": 1.0, "b": 0.5}, 1]
    models = [(model, calls) for make, calls in KINDS for model in make()]
    for k in range(count):
        if k % 500 == 0:
            models = [(model, calls) for make, calls in KINDS for model in make()]
        model, calls = chance.choice(models)
        name = chance.choice([name for name in calls if hasattr(model, name)] or ["__repr__"])
        many, names = calls.get(name, (0, ()))
        given, named = arguments(many, names, chance, good)
        if name == "fit" and not hasattr(model, "get_params"):
            named.setdefault("verbose", 0)
        found[called(model, name, given, named)] += 1
    return found


# ---- command lines ---------------------------------------------------------------------------------------------------

WORDS = [
    "", "0", "1", "-1", "2", "3", "nan", "inf", "1e400", "99999999999", "x", "y", "adam", "relu", "a,b", ",", "8,4",
    "8,-4", "../x", "\0", "é", "{data}", "{model}", "{folder}", "{none}", "{other}", "float64", "cross_entropy", "--",
    "-", "@{data}", "=1+1", "%s", "{{}}",
]  # fmt: skip


def options_of(command: str) -> list[str]:
    """The options that a command has, as its help names them."""
    out = io.StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        main([command, "--help"])
    return sorted({word for word in re.findall(r"--[a-z][a-z0-9-]*", out.getvalue()) if word != "--help"})


def command_lines(count: int, chance: random.Random, folder: Path) -> Counter[str]:
    """Run so many command lines; return how often each status came."""
    found: Counter[str] = Counter()
    places = {name: str(folder / name) for name in ("data", "model", "none", "other")} | {"folder": str(folder)}
    (folder / "data").write_text("a,b,y\n" + "".join(f"{k},{k * k % 7},{k % 2}\n" for k in range(20)))
    (folder / "data.csv").write_text((folder / "data").read_text())
    places["data"] = str(folder / "data.csv")
    (folder / "other").write_bytes(bytes(range(256)))
    net = fn.Sequential([fn.Dense(2)], 2, seed=0)
    net.compile("cross_entropy")
    net.save(folder / "model")
    starts = {
        "train": [[places["data"], "--target", "y"], [places["data"]], []],
        "predict": [[places["model"], places["data"]], [places["model"]], []],
        "info": [[places["model"]], [], [places["data"]]], "export": [[places["model"]], []],
    }  # fmt: skip
    options = {command: options_of(command) for command in starts}
    for _ in range(count):
        command = chance.choice([*starts])
        line = [command, *chance.choice(starts[command])]
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            if options[command] and chance.random() < 0.8:
                line.append(chance.choice(options[command]))
            if chance.random() < 0.8:
                line.append(chance.choice(WORDS).format(**places))
        if command == "train":
            line += ["--epochs", "1", "--out", str(folder / "trained")]
        status: Any
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
            warnings.simplefilter("ignore")
            try:
                status = main(line)
            except SystemExit as error:
                status = error.code
            except Exception as error:
                raise AssertionError(f"{line}: {type(error).__name__}: {error}") from error
        assert status in (0, 2, None), f"{line}: status {status}"
        assert status != 2 or told.getvalue().strip(), f"{line}: no word about what is wrong"
        found[f"status {status or 0}"] += 1
    return found


def run(share: float) -> dict[str, Any]:
    chance = random.Random(20261130)
    with TemporaryDirectory() as folder, chdir(folder), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            calls = monkey(round(CALLS * share), chance)
        lines = command_lines(round(LINES * share), chance, Path(folder))
    return {"calls": dict(calls), "lines": dict(lines)}
