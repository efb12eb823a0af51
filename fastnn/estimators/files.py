"""Estimators in safetensors files: the network as always, and parameters and attributes in its metadata."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isfinite
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np

from fastnn._spec import Spec
from fastnn.data import TableEncoder
from fastnn.errors import ModelFormatError
from fastnn.estimators.encoding import Encoding
from fastnn.formats import safetensors as files
from fastnn.formats.files import damaged
from fastnn.formats.text import LARGEST, SMALLEST, require_as_written
from fastnn.losses import Loss
from fastnn.network import Sequential
from fastnn.optimizers import Optimizer
from fastnn.schedules import Schedule
from fastnn.training.history import History

FAMILIES: dict[str, type[Spec]] = {kind.family: kind for kind in (Loss, Optimizer, Schedule)}
PLAIN = (
    "out_activation_", "n_iter_", "t_", "loss_", "best_loss_", "best_validation_score_", "loss_curve_",
    "validation_scores_", "validation_loss_curve_", "_no_improvement_count",
)  # fmt: skip


STANDARD: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: ("timedelta", lambda d: [d.days, d.seconds, d.microseconds], lambda parts: timedelta(*parts)),
    Decimal: ("decimal", str, Decimal),
}
MOST_BITS = 1 << 13  # of an integer; Python refuses texts of more than 4,300 digits
INTEGER = re.compile("-?[1-9][0-9]{0,2499}")
READERS = {key: read for key, _, read in STANDARD.values()}


def save(estimator: Any, path: str | PathLike[str]) -> None:
    """See ``MultilayerPerceptron.save``."""
    if estimator.callbacks:
        raise ValueError("save: expected callbacks=None, got some, and files hold no code; set_params(callbacks=None)")
    estimator._check_parameters()
    estimator._check_loss()
    resumes = estimator._optimizer is not None
    estimator.network_.save(path, optimizer=resumes, metadata={"estimator": describe(estimator)})


def describe(estimator: Any) -> dict[str, Any]:
    """Return as JSON what the network does not know of an estimator."""
    pace, names = estimator._optimizer, estimator.__dict__.get("feature_names_in_")
    description = {
        "class": type(estimator).__name__,
        "params": {name: to_json(name, value) for name, value in estimator.get_params().items()},
        "attributes": {name: to_json(name, getattr(estimator, name)) for name in PLAIN},
        "history": to_json("history_", estimator.history_.to_dict()),
        "rates": None if pace is None else [pace.first, pace.learning_rate],
        "feature_names": None if names is None else list(names),
        "targets": estimator._describe_targets(),
    }
    encoding = estimator.__dict__.get("_encoding")
    if encoding is not None:
        description["encoding"] = encoding.to_config()
    return description


def load(cls: Any, path: str | PathLike[str], verify: bool = True) -> Any:
    """See ``MultilayerPerceptron.load``."""
    net, exact = files.read(path, None, verify)
    found = net.metadata.pop("estimator", None)
    name = found.get("class") if isinstance(found, dict) else None
    if name != cls.__name__ or not isinstance(net, Sequential):
        raise ModelFormatError(
            f"load: expected a file written by {cls.__name__}.save, got {name if name else 'a network'!r:.60}; "
            "fn.load reads networks",
            "kind",
        )
    with damaged(f"load: the description does not make a {cls.__name__}"):
        estimator = cls(**{key: from_json(value) for key, value in found["params"].items()})
        estimator._check_parameters()
        estimator._check_loss()
        attributes = {key: from_json(found["attributes"][key]) for key in PLAIN}
        attributes |= {"n_features_in_": net.input_shape[0], "n_outputs_": net.output_shape[0]}
        attributes |= estimator._targets_of(found["targets"])
        if "encoding" in found:
            attributes |= Encoding.from_config(found["encoding"]).attributes()
        attributes["history_"] = history_of(from_json(found["history"]))
        if found["feature_names"] is not None and "encoding" not in found:
            attributes["feature_names_in_"] = np.asarray(found["feature_names"], dtype=object)
        if attributes["n_outputs_"] != net.output_shape[0]:
            raise ModelFormatError(
                f"expected labels for {net.output_shape[0]} outputs, got those of {attributes['n_outputs_']}", "labels"
            )
        estimator._take_up(net, attributes, None if found["rates"] is None else [float(x) for x in found["rates"]])
        require_as_written(found, describe(estimator), exact)
        require_as_written(net.metadata, {}, exact)  # beside it there is nothing
    return estimator


def to_json(name: str, value: Any) -> Any:
    """Return a value as JSON; what JSON does not know becomes an object with one key that says what it is.

    Raises ValueError if it is code, or of a kind that files do not hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)  # np.str_ too
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.datetime64 | np.timedelta64):  # which is an Integral too
        return {"numpy": [value.dtype.str, int(value.astype(np.int64))]}
    if isinstance(value, Integral):
        return written_integer(name, int(value))
    if isinstance(value, Real):
        return float(value) if isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, list | np.ndarray):
        return [to_json(name, part) for part in value]
    if isinstance(value, tuple):
        return {"tuple": [to_json(name, part) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[to_json(name, key), to_json(name, part)] for key, part in value.items()]}
    if isinstance(value, TableEncoder):
        return {"encoder": value.to_config()}
    if isinstance(value, Spec) and value.family in FAMILIES:
        return {value.family: value.to_config()}
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if type(value) in STANDARD and type(getattr(value, "tzinfo", None)) in (type(None), timezone):
        key, write, _ = STANDARD[type(value)]
        return {key: write(value)}
    raise ValueError(
        f"save: expected {name} to be plain values, got {type(value).__name__}, which files do not hold; of labels, "
        "take y.astype(str)"
    )


def written_integer(name: str, value: int) -> Any:
    """Return an integer as JSON: of more than 64 bits by its digits, as a text.

    Raises ValueError if it has more digits than a file holds.
    """
    if SMALLEST <= value <= LARGEST:
        return value
    if value.bit_length() > MOST_BITS:
        raise ValueError(f"save: expected integers of at most {MOST_BITS} bits in {name}, got {value.bit_length()}")
    return {"integer": str(value)}


def from_json(value: Any) -> Any:
    """Return the value that ``to_json`` wrote; ModelFormatError if it is something else."""
    if isinstance(value, list):
        return [from_json(part) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "float" and inner in ("inf", "-inf", "nan"):
            return float(inner)
        if key == "tuple" and isinstance(inner, list):
            return tuple(from_json(part) for part in inner)
        if key == "dict" and isinstance(inner, list):
            return {from_json(name): from_json(part) for name, part in inner}
        if key == "encoder":
            return TableEncoder.from_config(inner)
        if key in FAMILIES:
            return FAMILIES[key].from_config(inner)
        if key == "integer" and isinstance(inner, str) and INTEGER.fullmatch(inner):
            return int(inner)
        if key == "bytes":
            return b64decode(inner, validate=True)
        if key == "numpy" and np.dtype(inner[0]).kind in "Mm":
            return np.int64(inner[1]).astype(np.dtype(inner[0]))
        if key in READERS:
            return READERS[key](inner)
    raise ModelFormatError(f"load: expected a value, got {value!r:.80}")


def history_of(columns: dict[str, list[Any]]) -> History:
    """Return the history that ``to_dict`` described."""
    history, epochs = History(), columns["epochs"]
    names = [name for name in columns if name != "epochs"]
    for i, epoch in enumerate(epochs):
        history.append(epoch, **{name: columns[name][i] for name in names})
    return history
