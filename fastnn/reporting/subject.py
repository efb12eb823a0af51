"""What a report is about: a network, rows with the truth, and what it answers to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.data.numbers import as_numeric
from fastnn.data.standardize import Standardizer
from fastnn.layers.base import batched
from fastnn.losses.link import MARGIN
from fastnn.metrics.labels import class_numbers, to_labels
from fastnn.network import Network
from fastnn.reporting.features import Source, source_of

WHO = "report"


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """A network and its answers.

    ``X`` are arrays or CSR matrices, of several inputs a list; ``y`` is an array; ``source`` is what X was made of.  A
    classifier has ``classes`` (K names), and ``true`` and ``predicted`` are class numbers, int64 of shape (B,);
    ``probabilities`` are float64 (B, K), or None where the outputs are none.  A regressor has no classes, and ``true``
    and ``predicted`` are float64 of shape (B, O).
    """

    net: Network
    X: Any
    y: Any
    source: Source
    loss: float
    true: np.ndarray
    predicted: np.ndarray
    classes: list[str] | None = None
    probabilities: np.ndarray | None = None

    @property
    def task(self) -> str:
        """What the network is taken for."""
        return "regression" if self.classes is None else "classification"

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.true)

    def some(self, most: int, seed: int) -> tuple[Any, Any]:
        """Return inputs and targets of at most so many rows, chosen at random and in their order."""
        if self.rows <= most:
            return self.X, self.y
        index = np.sort(np.random.default_rng(seed).choice(self.rows, most, replace=False))
        parts = [x[index] for x in (self.X if len(self.net.input_shapes) > 1 else [self.X])]
        return (parts if len(parts) > 1 else parts[0]), self.y[index]


def subject_of(model: Any, X: Any, y: Any, classes: Any, standardizer: Any) -> Subject:
    """Return what ``report`` is about, after checking everything."""
    source = source_of(model, X)
    net, known = _network(source.model)
    X = source.X
    if y is None:
        raise ValueError(f"{WHO}: expected targets y, got None; there is nothing to judge the network by")
    output = net.outputs[0]
    if known is not None:
        classes = known if classes is None else classes
        labels = np.asarray(y)
        if np.ndim(known) != 1 or labels.ndim != 1:
            raise ValueError(f"{WHO}: expected one label per row, got y of shape {labels.shape}")
        y = class_numbers(WHO, labels, np.asarray(known))
        if output.link is MARGIN and output.width == 1:
            y = 2 * y - 1
    if standardizer is not None and not isinstance(standardizer, Standardizer):
        raise TypeError(f"{WHO}: expected standardizer to be a Standardizer, got {type(standardizer).__name__}")
    loss = float(net.evaluate(X, y)["loss"])  # refuses what does not fit
    inputs = net.ports.sources(WHO, X)
    X, y = inputs if len(inputs) > 1 else inputs[0], as_numeric(WHO, "y", y)
    targets, outputs = y, net.predict(X)
    if not np.isfinite(outputs).all():
        wrong = int((~np.isfinite(outputs)).any(axis=1).sum())
        raise ValueError(
            f"{WHO}: expected finite outputs, got NaN or infinity in {wrong} of {len(outputs)} rows; has training "
            "diverged?"
        )
    if classes is None and output.task == "regression":
        values = output.answers(outputs.astype(np.float64))
        true = targets.astype(np.float64).reshape(values.shape)
        return Subject(net, X, y, source, loss, _in_units(true, standardizer), _in_units(values, standardizer))
    if standardizer is not None:
        raise ValueError(f"{WHO}: expected no standardizer for a classification, got {standardizer!r}")
    if classes is None and output.task == "labels":
        raise ValueError(
            f"{WHO}: expected one class per row, got a network of {output.width} yes-or-no outputs; give classes=[...] "
            "if exactly one of them holds in each row, or report each output alone"
        )
    if output.width > 1:
        targets = np.maximum(targets, 0)  # of margins, -1 for the other classes
    true, _ = to_labels(WHO, targets, outputs, output.threshold)
    count = max(2, output.width)
    given = range(count) if classes is None else classes
    names = as_names("classes", given, count, "as many as the network tells apart")
    return Subject(net, X, y, source, loss, true, output.classes(outputs), names, output.probabilities(outputs))


def _network(model: Any) -> tuple[Network, Any]:
    """Return the network of a model, and the classes that an estimator knows."""
    net = getattr(model, "network_", model)
    if not isinstance(net, Network):
        raise TypeError(f"{WHO}: expected a Network or a fitted estimator, got {type(model).__name__}")
    net.require_compiled(WHO)
    if len(net.output_shapes) != 1 or len(net.output_shape) != 1:
        shapes = ", ".join(map(batched, net.output_shapes))
        raise ValueError(f"{WHO}: expected a network with one output (B, O), got {shapes}")
    return net, None if net is model else getattr(model, "classes_", None)


def _in_units(values: np.ndarray, standardizer: Standardizer | None) -> np.ndarray:
    """Return values (B, O) in the unit of the data."""
    if standardizer is None:
        return values
    shape = (len(values), *standardizer.mean.shape)
    if np.prod(shape) != values.size:
        raise ValueError(
            f"{WHO}: expected a standardizer of {values.shape[1]} columns, got one of shape {standardizer.mean.shape}"
        )
    return standardizer.inverse_transform(values.reshape(shape)).reshape(values.shape)


def as_names(what: str, given: Any, count: int, why: str) -> list[str]:
    """Return as many names as there must be, as texts; or raise, with ``why`` there must be so many."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{WHO}: expected {what} to be a list of names, got {given!r:.60}")
    names = [str(name) for name in given]
    if len(names) != count:
        raise ValueError(f"{WHO}: expected {count} {what}, {why}, got {len(names)}")
    return names
