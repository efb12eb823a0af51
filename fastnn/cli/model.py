"""What ``train`` stores beside the parameters and ``predict`` reads back: task, classes, standardising, columns."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn.data import Standardizer
from fastnn.errors import ModelFormatError

Array = npt.NDArray[Any]
_KEY = "fastnn.cli"
_FEW = 20  # distinct integers up to which a target is taken for classes


@dataclass(frozen=True)
class Recipe:
    """From the data of a file to the inputs of a network, and from its outputs to an answer.

    ``classes`` is None for a regression; ``targets`` (how they were standardised) is None for a classification.
    """

    target: str
    reading: dict[str, Any]
    inputs: Standardizer
    classes: list[Any] | None = None
    targets: Standardizer | None = None

    def to_metadata(self) -> dict[str, Any]:
        """Return the recipe as JSON values, to be saved with the network."""
        targets = None if self.targets is None else self.targets.to_config()
        values = {"target": self.target, "reading": self.reading, "inputs": self.inputs.to_config()}
        return {_KEY: {**values, "classes": self.classes, "targets": targets}}

    @classmethod
    def from_metadata(cls, metadata: Any) -> Self:
        """Return the recipe that ``to_metadata`` described; ModelFormatError where there is none."""
        values = metadata.get(_KEY) if isinstance(metadata, dict) else None
        if not isinstance(values, dict) or set(values) != {"target", "reading", "inputs", "classes", "targets"}:
            raise ModelFormatError(
                "predict: expected a model written by 'fastnn train'; use fastnn.load(path).predict(X)"
            )
        targets = None if values["targets"] is None else Standardizer.from_config(values["targets"])
        if not isinstance(values["reading"], dict) or not {"inputs", "features"} & values["reading"].keys():
            raise ModelFormatError("predict: the model does not say how its data are to be read")
        if (values["classes"] is None) == (targets is None):
            raise ModelFormatError("predict: the model does not say whether it is a classification or a regression")
        inputs = Standardizer.from_config(values["inputs"])
        return cls(values["target"], values["reading"], inputs, values["classes"], targets)

    def network_inputs(self, X: Array) -> Array:
        """Standardised inputs, (B, I) float32."""
        return self.inputs.transform(X).astype(np.float32, copy=False)


def is_classification(y: Array) -> bool:
    """Whether targets look like classes: texts, bools, bytes (as labels come in IDX), or few distinct integers."""
    if y.ndim > 1:
        return False
    if y.dtype.kind in "iu":
        return y.dtype == np.uint8 or len(np.unique(y)) <= _FEW
    return y.dtype.kind in "Ub"


def fit_inputs(X: Array) -> Standardizer:
    """Mean 0 and deviation 1 per column; bytes, as pixels come, are divided by 255 all alike."""
    if X.dtype != np.uint8:
        return Standardizer().fit(X)
    width = X.shape[1]
    return Standardizer.from_config(
        {"type": "Standardizer", "rows": 1, "mean": [0.0] * width, "squares": [255.0**2] * width}
    )
