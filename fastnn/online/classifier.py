"""Classification on a stream."""

from collections.abc import Sequence
from math import exp
from typing import Any

from fastnn._spec import require_count
from fastnn.data import RunningStandardizer
from fastnn.data.containers import is_missing
from fastnn.graph.outputs import read_outputs
from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.online.arguments import as_json
from fastnn.online.model import OnlineModel


class OnlineClassifier(OnlineModel):
    """Learns a class from rows that come one at a time, with the methods that River's classifiers have.

    Parameters
    ----------
    network : sequence of int or Network
        Sizes of the hidden layers (relu); the network is made when its width is known, at the first row at the latest.
        Or a network with one input (B, I) and one output (B, C); it is trained itself, no copy of it.
    classes : sequence of labels, or int, optional
        The classes; or how many there will be, to be discovered: a label takes the next output when ``learn_one``
        first meets it.  Not given: as many as a given network has outputs, or 2.
    features, n_features, optimizer, standardize, unknown, seed, dtype
        As for `OnlineRegressor`.
    loss : str or Loss, optional
        cross_entropy; or, for two classes and a given network with a single output, binary_cross_entropy.  Not given:
        what the network was compiled with, or cross_entropy.

    Attributes
    ----------
    net : Network or None
        None before the first row, if that decides its width.
    standardizer : RunningStandardizer or None
    features : list
        Names of the features that have a column, in order.
    classes : list
        Labels that have an output, in order.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other.

    Notes
    -----
    Labels are texts, numbers, bools, or anything else that a dict may have as a key.  Probabilities are those of the
    classes known so far: outputs that wait for a label have no part in them.  A label for which there is no output
    left is refused.  Of rows and features the same holds as for `OnlineRegressor`.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> model = fn.OnlineClassifier((64,), classes=10, optimizer=fn.Adam(0.003), seed=0)
    >>> right = 0
    >>> for x, digit in zip(X, y):
    ...     right += model.predict_one(x) == digit  # first the answer, then the truth
    ...     loss = model.learn_one(x, digit)
    >>> bool(right / len(y) > 0.8)
    True
    """

    kind = "Classifier"
    fields = OnlineModel.fields | {"classes"}
    default_loss = "cross_entropy"

    def __init__(
        self,
        network: Network | Sequence[int] = (32,),
        *,
        classes: Sequence[Any] | int | None = None,
        features: Sequence[Any] | None = None,
        n_features: int | None = None,
        loss: Any = None,
        optimizer: Any = None,
        standardize: bool | RunningStandardizer = True,
        unknown: str = "raise",
        seed: int | None = None,
        dtype: Any = None,
    ) -> None:
        self._labels: dict[Any, int] = {}
        if isinstance(classes, str | bytes) or not (classes is None or isinstance(classes, int | Sequence)):
            raise TypeError(f"OnlineClassifier: expected classes to be labels or their number, got {classes!r:.60}")
        if isinstance(classes, Sequence):
            self._labels = {label: place for place, label in enumerate(classes)}
            if len(self._labels) != len(classes):
                raise ValueError(f"OnlineClassifier: expected every class once, got {classes!r:.80}")
        count = len(classes) if isinstance(classes, Sequence) else classes
        if count is not None:
            require_count("OnlineClassifier", "classes", count, low=2)
        self._most = count
        super().__init__(network, count or 2, features, n_features, loss, optimizer, standardize, unknown, seed, dtype)

    def _check_outputs(self, net: Network, loss: Loss) -> None:
        outputs = net.output_shape[-1]
        self._binary = loss.kernel == "binary_cross_entropy"
        if loss.kernel != "cross_entropy" and not (self._binary and outputs == 1):
            raise ValueError(
                "OnlineClassifier: expected cross_entropy, or binary_cross_entropy and a network with a single output, "
                f"got {loss.kernel} and {outputs}"
            )
        most = 2 if self._binary else outputs
        if len(net.output_shape) != 1 or (self._most is not None and self._most != most):
            raise ValueError(
                f"OnlineClassifier: expected a network with one output per class, got {self._most} classes and outputs "
                f"of shape (B, {', '.join(map(str, net.output_shape))})"
            )
        self._logits = not read_outputs(net.plan, [loss.link], net.output_shapes)[0].applied

    @property
    def classes(self) -> list[Any]:
        """Labels that have an output, in order."""
        return list(self._labels)

    def learn_one(self, x: Any, y: Any) -> float:
        """Learn from one row.

        Parameters
        ----------
        x : dict of name to number, or array_like of shape (I,)
            The features; None or NaN where one is missing.
        y : label
            Its class.

        Returns
        -------
        float
            The loss before the update.

        Raises
        ------
        TypeError, ValueError
            If a value does not fit, or there is no input for a feature or no output for a class; nothing has changed
            then.
        DivergenceError
            If the loss is not finite; nothing has changed then.
        """
        try:
            place = self._labels.get(y)
        except TypeError:
            raise TypeError(f"learn_one: expected a class that a dict can have as a key, got {y!r:.60}") from None
        known = place is not None
        if place is None:
            place = self._labels[y] = self._next_output(y)
        try:
            return self._learn(x, float(place) if self._binary else place)
        except Exception:
            if not known:
                del self._labels[y]
            raise

    def _next_output(self, y: Any) -> int:
        """Return the first output that waits for a class, to be that of ``y``."""
        if is_missing(y):
            raise ValueError(f"learn_one: expected a class, got {y!r}")
        most = 2 if self._most is None else self._most
        if self.net is not None:
            most = 2 if self._binary else self.net.output_shape[0]
        if len(self._labels) == most:
            raise ValueError(
                f"learn_one: expected one of the {most} classes {', '.join(map(repr, self._labels))}, got {y!r:.60}; "
                "name all classes beforehand, or say how many there will be"
            )
        return len(self._labels)

    def predict_proba_one(self, x: Any) -> dict[Any, float]:
        """Return the probability of each class known so far.

        Parameters
        ----------
        x : dict of name to number, or array_like of shape (I,)
            The features; None or NaN where one is missing.

        Returns
        -------
        dict of label to float
            They sum to 1; empty as long as no class is known, and all alike before the first row.

        Raises
        ------
        TypeError, ValueError
            If a value does not fit.
        """
        labels = self._labels
        if self.net is None or not labels:
            return dict.fromkeys(labels, 1 / max(len(labels), 1))
        shares = self._output(x).tolist()
        if self._binary:  # one output is the difference of two logits, or the probability of the second class
            shares = [0.0 if self._logits else 1.0 - shares[0], shares[0]]
        shares = shares[: len(labels)]
        if self._logits:
            top = max(shares)
            shares = [exp(z - top) for z in shares]  # SciPy's softmax takes 5 us for any few numbers
        total = sum(shares)
        shares = [share / total for share in shares] if total > 0 else [1 / len(shares)] * len(shares)
        return dict(zip(labels, shares, strict=True))

    def predict_one(self, x: Any) -> Any:
        """Return the most probable class; None as long as no class is known.

        Parameters
        ----------
        x : dict of name to number, or array_like of shape (I,)
            The features; None or NaN where one is missing.

        Returns
        -------
        label

        Raises
        ------
        TypeError, ValueError
            If a value does not fit.
        """
        shares = self.predict_proba_one(x)
        return max(shares, key=shares.__getitem__) if shares else None

    @property
    def _multiclass(self) -> bool:
        """For River: there may be more than two classes."""
        return True

    def _config(self) -> dict[str, Any]:
        return {**super()._config(), "classes": [as_json("OnlineClassifier", "class", label) for label in self._labels]}

    def _resume(self, config: dict[str, Any]) -> None:
        assert self.net is not None
        labels = config["classes"]
        self._labels = {label: place for place, label in enumerate(labels)}
        if len(self._labels) != len(labels) or len(labels) > (2 if self._binary else self.net.output_shape[0]):
            raise ValueError(f"expected a class for each output at most, got {labels!r:.80}")
        super()._resume(config)
