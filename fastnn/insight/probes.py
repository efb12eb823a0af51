"""How much of the classes a linear classifier reads off each layer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._spec import require_count, require_number
from fastnn.data.numbers import as_numeric
from fastnn.data.split import split
from fastnn.data.standardize import Standardizer
from fastnn.graph.summary import aligned
from fastnn.insight.score import by_name, require_network
from fastnn.layers.dense import Dense
from fastnn.network import Sequential
from fastnn.optimizers import Adam
from fastnn.schedules import CosineDecay
from fastnn.training.progress import track


@dataclass(frozen=True, eq=False, repr=False)
class LinearProbes:
    """Accuracy of a linear classifier on the activations of each layer; ``print`` shows a table.

    Attributes
    ----------
    layers : list of str
        "input" (several inputs: "input_1" ...) and the layers, in the order in which they run.
    accuracy : ndarray of shape (L,), float64
        Share of held-out rows that the probe of each layer puts in the right class.
    training_accuracy : ndarray of shape (L,), float64
        The same on the rows that it learned from.
    chance : float
        Share of the most frequent class among the held-out rows.
    """

    layers: list[str]
    accuracy: np.ndarray
    training_accuracy: np.ndarray
    chance: float

    def __str__(self) -> str:
        shares = zip(self.layers, self.accuracy, self.training_accuracy, strict=True)
        rows = [("layer", "held-out accuracy", "training accuracy")]
        rows += [(name, f"{held:.2%}", f"{learned:.2%}") for name, held, learned in shares]
        return "\n".join(aligned([*rows, ("(chance)", f"{self.chance:.2%}", "")], 1))

    __repr__ = __str__


def linear_probes(
    net: Any,
    X: Any,
    y: Any,
    *,
    held_out: Any = 0.25,
    epochs: int = 20,
    batch_size: int = 128,
    l2: float = 1e-4,
    seed: int = 0,
    verbose: int | str = "auto",
) -> LinearProbes:
    """Train a linear classifier on what each layer says, and test it on rows that were held out.

    Parameters
    ----------
    net : Network
        Left as it is; nothing is dropped out.
    X : array_like of shape (B, *input_shape)
        Rows; for several inputs a list.  What the network learned from, or other rows.
    y : array_like of int of shape (B,)
        Class of each row.
    held_out : float or tuple (X, y)
        Part of the rows, above 0 and below 1, to test on, in which every class keeps its share; or other rows.
    epochs, batch_size : int
        Of the training of each probe.
    l2 : float
        Penalty ``l2/2 |w|^2`` on its weights.
    seed : int
        Decides split and training.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    LinearProbes
        By layer.  A layer that only passes on what an earlier one said (Dropout, Flatten) is left out.

    Raises
    ------
    TypeError, ValueError
        If X or y does not fit, there are fewer than 2 classes, or a number is out of range.

    Notes
    -----
    Alain and Bengio 2016.  A probe is softmax regression on standardised activations, trained by Adam with a cosine
    schedule; it does not change the network.  In a trained network accuracy rises with depth, up to the last hidden
    layer: a layer without activation after it is itself linear, and gains nothing.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> probes = fn.linear_probes(net, X[:600], y[:600], epochs=5)
    >>> probes.layers
    ['input', 'dense_1', 'dense_2']
    >>> bool(probes.accuracy[0] > 0.8)
    True
    """
    who = "linear_probes"
    require_number(who, "l2", l2, low=0)
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        require_count(who, name, value)
    require_network(who, net)
    if isinstance(held_out, tuple | list):
        if len(held_out) != 2:
            raise ValueError(f"{who}: expected held_out to be a number or (X, y), got {len(held_out)} values")
        parts = [_labelled(net, X, y), _labelled(net, *held_out)]
        inputs = [np.concatenate(pair) for pair in zip(parts[0][0], parts[1][0], strict=True)]
        names = np.concatenate([parts[0][1], parts[1][1]])
        train, test = np.split(np.arange(len(names)), [len(parts[0][1])])
    else:
        require_number(who, "held_out", held_out, low=0, high=1)
        inputs, names = _labelled(net, X, y)
        train, test, _, _ = split(np.arange(len(names)), names, held_out, stratify=True, seed=seed)
    classes, labels = np.unique(names, return_inverse=True)
    if len(np.unique(labels[train])) < 2:
        raise ValueError(f"{who}: expected at least 2 classes in y, got only {names[train[0]]}")
    steps = epochs * -(-len(train) // batch_size)
    optimizer = Adam(CosineDecay(0.01, total_steps=steps), l2=l2)
    representations = _representations(net, inputs)
    accuracies = []
    for values in track(who, representations.values(), verbose, unit="layer"):
        rows = Standardizer().fit(values[train]).transform(values)
        layer = Dense(len(classes), kernel_initializer="zeros")
        probe = Sequential([layer], input_shape=rows.shape[1], seed=seed, dtype=net.dtype)
        probe.compile("cross_entropy", optimizer, metrics=["accuracy"])
        probe.fit(rows[train], labels[train], epochs=epochs, batch_size=batch_size, verbose=0)
        accuracies.append([probe.evaluate(rows[part], labels[part])["accuracy"] for part in (test, train)])
    tested, learned = np.array(accuracies).T
    chance = float(np.bincount(labels[test]).max() / len(test))
    return LinearProbes(list(representations), tested, learned, chance)


def _labelled(net: Any, X: Any, y: Any) -> tuple[list[np.ndarray], np.ndarray]:
    """Return packed inputs, and the class of each row; TypeError or ValueError if they do not fit."""
    inputs, n = net.ports.rows("linear_probes", X)
    labels = as_numeric("linear_probes", "y", y)
    if labels.shape != (n,):
        raise ValueError(f"linear_probes: expected y of shape ({n},), one class per row, got {labels.shape}")
    if labels.dtype.kind not in "iub":
        raise TypeError(
            f"linear_probes: expected y to hold integer class labels, got dtype {labels.dtype}; use y.astype(int)"
        )
    return inputs, labels


def _representations(net: Any, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return inputs and activations as rows of numbers, without those that repeat earlier ones."""
    everything = by_name(inputs) | net.astype(net.dtype).activations(inputs if len(inputs) > 1 else inputs[0])
    result: dict[str, np.ndarray] = {}
    for name, values in everything.items():
        flat = values.reshape(len(values), -1)
        if not any(np.array_equal(flat, earlier) for earlier in result.values()):
            result[name] = flat
    return result
