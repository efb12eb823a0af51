"""What a report is about: a network, rows with the truth, and what it answers to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.data.standardize import Standardizer
from fastnn.insight.score import output_layers
from fastnn.layers.base import batched
from fastnn.losses import BinaryCrossEntropy, CrossEntropy, Hinge, Poisson
from fastnn.network import Network

WHO = "report"


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """A network and its answers.

    ``X`` and ``y`` are as ``evaluate`` takes them.  A classifier has ``classes`` (K names), and ``true`` and
    ``predicted`` are class numbers, int64 of shape (B,); ``probabilities`` are float64 (B, K), or None where the
    outputs are none.  A regressor has no classes, and ``true`` and ``predicted`` are float64 of shape (B, O).
    """

    net: Network
    X: Any
    y: Any
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
        parts = [np.asarray(x)[index] for x in (self.X if len(self.net.input_shapes) > 1 else [self.X])]
        return (parts if len(parts) > 1 else parts[0]), np.asarray(self.y)[index]


def subject_of(model: Any, X: Any, y: Any, classes: Any, standardizer: Any) -> Subject:
    """Return what ``report`` is about, after checking everything.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        See ``report``.
    """
    net, known = _network(model)
    if y is None:
        raise ValueError(f"{WHO}: expected targets y, got None; there is nothing to judge the network by")
    if known is not None:
        if classes is None:
            classes = known
        y = _numbers(net, y, known)
    if standardizer is not None and not isinstance(standardizer, Standardizer):
        raise TypeError(f"{WHO}: expected standardizer to be a Standardizer, got {type(standardizer).__name__}")
    loss = float(net.evaluate(X, y)["loss"])  # refuses what does not fit
    targets, outputs = np.asarray(y), net.predict(X)
    if not np.isfinite(outputs).all():
        wrong = int((~np.isfinite(outputs)).any(axis=1).sum())
        raise ValueError(
            f"{WHO}: expected finite outputs, got NaN or infinity in {wrong} of {len(outputs)} rows; has training "
            "diverged?"
        )
    if classes is None and not isinstance(net.losses[0], CrossEntropy | BinaryCrossEntropy | Hinge):
        true, predicted = _values(net, targets, outputs, standardizer)
        return Subject(net, X, y, loss, true, predicted)
    if standardizer is not None:
        raise ValueError(f"{WHO}: expected no standardizer for a classification, got {standardizer!r}")
    true = _classes(net, targets, outputs.shape[1], named=classes is not None)
    predicted = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > _threshold(net)).astype(np.int64)
    names = _names(classes, max(2, outputs.shape[1]))
    return Subject(net, X, y, loss, true, predicted, names, _probabilities(net, outputs))


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


def _numbers(net: Network, y: Any, classes: Any) -> np.ndarray:
    """Return the targets of an estimator's network for the labels of its user."""
    known, labels = np.asarray(classes), np.asarray(y)
    if known.ndim != 1 or labels.ndim != 1:
        raise ValueError(f"{WHO}: expected one label per row, got y of shape {labels.shape}")
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, labels, sorter=order), len(known) - 1)
    if (strange := labels[known[order[place]] != labels]).size:
        raise ValueError(f"{WHO}: label {strange.tolist()[0]!r:.80} is not among the classes {known.tolist()!r:.200}")
    numbers = order[place]
    return 2 * numbers - 1 if isinstance(net.losses[0], Hinge) and net.output_shape == (1,) else numbers


def _classes(net: Network, targets: np.ndarray, width: int, *, named: bool) -> np.ndarray:
    """Return the true class of each row."""
    rows = targets.reshape(len(targets), -1)
    if width == 1:
        if not (np.isin(rows, (0, 1)).all() or np.isin(rows, (-1, 1)).all()):
            raise ValueError(f"{WHO}: expected targets 0 and 1, got {np.unique(rows)[:5].tolist()} ...")
        return (rows[:, 0] > 0).astype(np.int64)
    if rows.shape[1] == 1:
        return rows[:, 0].astype(np.int64)
    if isinstance(net.losses[0], BinaryCrossEntropy) and not named:
        raise ValueError(
            f"{WHO}: expected one class per row, got a network of {width} yes-or-no outputs; give classes=[...] if "
            "exactly one of them holds in each row, or report each output alone"
        )
    positive = np.maximum(rows, 0)
    if not np.allclose(positive.sum(axis=1), 1, atol=1e-4):
        raise ValueError(f"{WHO}: expected targets with one class per row, got rows that do not sum to 1")
    return np.asarray(positive.argmax(axis=1), np.int64)


def _values(
    net: Network, targets: np.ndarray, outputs: np.ndarray, standardizer: Standardizer | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted values in the unit of the data."""
    predicted = outputs.astype(np.float64)
    if isinstance(net.losses[0], Poisson):
        predicted = np.exp(predicted)  # the network gives the logarithm of the rate
    true = targets.astype(np.float64).reshape(predicted.shape)
    if standardizer is None:
        return true, predicted
    columns: tuple[int, ...] = standardizer.mean.shape
    shape = (len(true), *columns)
    if np.prod(shape) != true.size:
        raise ValueError(f"{WHO}: expected a standardizer of {net.output_shape[0]} columns, got one of shape {columns}")
    back = [standardizer.inverse_transform(part.reshape(shape)).reshape(true.shape) for part in (true, predicted)]
    return back[0], back[1]


def _last_activation(net: Network) -> str | None:
    """Return the name of the activation that the outputs come from."""
    name = output_layers(net)[0]
    found = next((view.spec.activation_function for view in net.layers if view.name == name), None)
    return None if found is None else found.function


def _threshold(net: Network) -> float:
    """Return the output above which a single output says yes: 1/2 for a probability, 0 for anything else."""
    if isinstance(net.losses[0], Hinge):
        return 0.0
    logits = isinstance(net.losses[0], BinaryCrossEntropy) and _last_activation(net) != "sigmoid"
    return 0.0 if logits else 0.5


def _probabilities(net: Network, outputs: np.ndarray) -> np.ndarray | None:
    """Return the probability of each class (B, K), float64; None where the outputs do not say."""
    from scipy.special import expit, softmax

    last, loss, values = _last_activation(net), net.losses[0], outputs.astype(np.float64)
    if values.shape[1] > 1:
        if last == "softmax":
            return values / values.sum(axis=1, keepdims=True)
        return softmax(values, axis=1) if isinstance(loss, CrossEntropy) else None
    if last != "sigmoid" and not isinstance(loss, BinaryCrossEntropy):
        return None
    yes = values[:, 0] if last == "sigmoid" else expit(values[:, 0])
    return np.stack([1 - yes, yes], axis=1)


def _names(classes: Any, count: int) -> list[str]:
    """Return the names of the classes."""
    if classes is None:
        return [str(i) for i in range(count)]
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise TypeError(f"{WHO}: expected classes to be a list of names, got {classes!r:.60}")
    names = [str(name) for name in (classes.tolist() if isinstance(classes, np.ndarray) else classes)]
    if len(names) != count:
        raise ValueError(f"{WHO}: expected {count} classes, as many as the network tells apart, got {len(names)}")
    return names
