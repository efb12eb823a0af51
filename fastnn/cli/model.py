"""What ``train`` stores beside the parameters and ``predict`` and ``report`` read back.

Task, classes, standardising and columns in ``Recipe``; history, loss and optimiser in ``Training``.
"""

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any, Self

import numpy as np

from fastnn.cli.files import Array
from fastnn.data import Standardizer, TableEncoder
from fastnn.errors import ModelFormatError
from fastnn.losses import Loss
from fastnn.metrics.labels import class_numbers
from fastnn.optimizers import Optimizer
from fastnn.training.history import History

KEY, _TRAINING = "fastnn.cli", "fastnn.training"
_FEW = 20  # distinct integers up to which a target is taken for classes


@dataclass(frozen=True)
class Recipe:
    """From the data of a file to the inputs of a network, and from its outputs to an answer.

    ``classes`` is None for a regression; ``targets`` (how they were standardised) is None for a classification;
    ``inputs`` is None for pictures (``images`` in ``reading``), which the network standardises itself.
    """

    target: str
    reading: dict[str, Any]
    inputs: Standardizer | None
    classes: list[Any] | None = None
    targets: Standardizer | None = None
    threshold: list[float] | None = None  # number of one of two classes, and from which probability on it is the answer

    def to_metadata(self) -> dict[str, Any]:
        """Return the recipe as JSON values, to be saved with the network."""
        targets = None if self.targets is None else self.targets.to_config()
        inputs = None if self.inputs is None else self.inputs.to_config()
        values = {"target": self.target, "reading": self.reading, "inputs": inputs}
        more = {} if self.threshold is None else {"threshold": self.threshold}
        return {KEY: {**values, "classes": self.classes, "targets": targets, **more}}

    @classmethod
    def from_metadata(cls, metadata: Any, who: str = "predict") -> Self:
        """Return the recipe that ``to_metadata`` described; ModelFormatError where there is none."""
        values = metadata.get(KEY) if isinstance(metadata, dict) else None
        names = {"target", "reading", "inputs", "classes", "targets"}
        if not isinstance(values, dict) or set(values) - {"threshold"} != names:
            raise ModelFormatError(
                f"{who}: expected a model written by 'fastnn train'; use fastnn.load(path).predict(X)"
            )
        targets = None if values["targets"] is None else Standardizer.from_config(values["targets"])
        if not isinstance(values["reading"], dict) or not {"inputs", "features", "images"} & values["reading"].keys():
            raise ModelFormatError(f"{who}: the model does not say how its data are to be read")
        if (values["classes"] is None) == (targets is None):
            raise ModelFormatError(f"{who}: the model does not say whether it is a classification or a regression")
        if ("images" in values["reading"]) != (values["inputs"] is None):
            raise ModelFormatError(f"{who}: the model does not say how its inputs are standardised")
        inputs = None if values["inputs"] is None else Standardizer.from_config(values["inputs"])
        threshold = values.get("threshold")
        if threshold is not None and (
            targets is not None
            or len(values["classes"]) != 2
            or not isinstance(threshold, list)
            or len(threshold) != 2
            or threshold[0] not in (0, 1)
            or not isinstance(threshold[1], int | float)
        ):
            raise ModelFormatError(f"{who}: the model has a threshold that does not fit its classes")
        return cls(values["target"], values["reading"], inputs, values["classes"], targets, threshold)

    def chosen(self, shares: Array) -> Array:
        """Return the numbers of the classes (B,) that probabilities (B, K) stand for."""
        if self.threshold is None:
            return shares.argmax(axis=1)
        positive = int(self.threshold[0])
        return np.where(shares[:, positive] >= self.threshold[1], positive, 1 - positive)

    def network_inputs(self, X: Array) -> Array:
        """Standardised inputs, (B, I) float32; pictures (B, H, W, C) as they are."""
        if self.inputs is None:
            return X.astype(np.float32, copy=False)
        return self.inputs.transform(X).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Training:
    """How a network was trained: the columns of its history by name, and the specifications of loss and optimiser.

    Without any (a file of an older kind) a network is prepared with the loss of its task and an empty history.
    """

    history: dict[str, list[float | None]]
    loss: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None

    @classmethod
    def of(cls, net: Any) -> Self:
        """Return how a network was trained last."""
        columns = {
            name: [None if isnan(value) else float(f"{value:.6g}") for value in column]
            for name, column in net.history.items()
        }
        columns["epochs"] = [*net.history.epochs]
        return cls(columns, net.losses[0].to_config(), net.optimizer.to_config())

    def to_metadata(self) -> dict[str, Any]:
        """Return it as JSON values, to be saved with the network."""
        return {_TRAINING: asdict(self)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> Self:
        """Return what ``to_metadata`` described; ModelFormatError for something else."""
        values = metadata.get(_TRAINING, {"history": {}})
        try:
            return cls(**{**values, "history": {name: list(column) for name, column in values["history"].items()}})
        except (TypeError, KeyError, AttributeError) as error:
            raise ModelFormatError(f"the model does not say how it was trained: {error}") from error

    def prepare(self, net: Any, recipe: Recipe) -> History:
        """Compile a network as it was while it learned, and return the history."""
        usual = "squared_error" if recipe.classes is None else "cross_entropy"
        loss = usual if self.loss is None else Loss.from_config(self.loss)
        net.compile(loss, "adam" if self.optimizer is None else Optimizer.from_config(self.optimizer))
        history = History()
        try:
            names = [name for name in self.history if name != "epochs"]
            for i, epoch in enumerate(self.history.get("epochs", [])):
                found = {name: self.history[name][i] for name in names}
                history.append(int(epoch or 0), **{name: nan if v is None else float(v) for name, v in found.items()})
        except (TypeError, ValueError, IndexError) as error:
            raise ModelFormatError(f"the model does not say how it was trained: {error}") from error
        return history


def network_targets(recipe: Recipe, y: Array, who: str = "report") -> Array:
    """Class numbers (B,), or standardised values (B, O)."""
    if recipe.targets is None:
        return class_numbers(who, y, np.asarray(recipe.classes))
    return recipe.targets.transform(y).reshape(len(y), -1).astype(np.float32, copy=False)


def is_classification(y: Array) -> bool:
    """Whether targets look like classes: texts, bools, bytes (as labels come in IDX), or few distinct integers."""
    if y.ndim > 1:
        return False
    if y.dtype.kind in "iu":
        return y.dtype == np.uint8 or len(np.unique(y)) <= _FEW
    return y.dtype.kind in "Ub"


def fit_inputs(X: Array, encoder: TableEncoder | None = None) -> Standardizer:
    """Mean 0 and deviation 1 per column, of a table per amount; bytes, as pixels come, are divided by 255 all alike."""
    if encoder is not None:
        return encoder.scaler(X)
    if X.dtype != np.uint8:
        return Standardizer().fit(X)
    width = X.shape[1]
    return Standardizer.from_config(
        {"type": "Standardizer", "rows": 1, "mean": [0.0] * width, "squares": [255.0**2] * width}
    )
