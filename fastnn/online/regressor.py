"""Regression on a stream."""

from collections.abc import Sequence
from math import exp, inf, isfinite
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from fastnn._spec import float_dtype
from fastnn.data import RunningStandardizer
from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.online.arguments import as_standardizer
from fastnn.online.model import OnlineModel

CLASSES_ONLY = ("cross_entropy", "binary_cross_entropy", "hinge")
EXP_LIMIT = 709.0


class OnlineRegressor(OnlineModel):
    """Learns a number from rows that come one at a time, with the methods that River's regressors have.

    Parameters
    ----------
    network : sequence of int or Network
        Sizes of the hidden layers (relu); the network is made when its width is known, at the first row at the latest.
        Or a network with one input (B, I) and one output (B, 1); it is trained itself, no copy of it.
    features : sequence of names, optional
        Names of the first columns, in order.
    n_features : int, optional
        Inputs of the network to make; without it as many as there are ``features``, or values in the first row.
    loss : str, Loss or callable, optional
        As for ``compile``; no loss of classes.  Not given: what the network was compiled with, or squared_error.
    optimizer : str or Optimizer, optional
        As for ``compile``.  Not given: what the network was compiled with, or adam.
    standardize : bool or RunningStandardizer
        Whether each column is standardised by what came so far, the row that is learnt included; or what does it.
    standardize_target : bool or RunningStandardizer
        Likewise for the target.  A prediction is turned back; losses are those of standardised targets.
    unknown : {"raise", "ignore"}
        What happens to a feature for which the network has no input left.
    seed : int, optional
        Of the network to make.
    dtype : {"float32", "float64"}, optional
        Of the network to make; float32 if not given.

    Attributes
    ----------
    net : Network or None
        None before the first row, if that decides its width.
    standardizer, target_standardizer : RunningStandardizer or None
    features : list
        Names of the features that have a column, in order.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other.

    Notes
    -----
    A row is a dict of names and numbers, or an array (I,) of the columns; the first one that is learnt decides which.
    Names take columns in the order in which ``learn_one`` meets them, until every input of the network has one.  A
    feature that is absent, None or NaN counts as missing: it becomes 0, which is the mean of a standardised column.
    ``predict_one`` changes nothing; it takes no notice of a name that has not been learnt yet.

    A call that fails leaves everything as it was.  A model belongs to one thread at a time.

    Loops of River, such as ``evaluate.progressive_val_score``, take the model if River was imported before it was made.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> random = np.random.default_rng(0)
    >>> model = fn.OnlineRegressor((16,), optimizer=fn.Adam(0.01), seed=0)
    >>> for step in range(3000):
    ...     hour, sunny = random.uniform(0, 24), float(random.random() < 0.5)
    ...     loss = model.learn_one({"hour": hour, "sunny": sunny}, 10 + 5 * sunny - abs(hour - 14) / 2)
    >>> abs(model.predict_one({"hour": 14.0, "sunny": 1.0}) - 15) < 1
    True
    """

    kind = "Regressor"
    fields = OnlineModel.fields | {"target"}
    scalers: ClassVar = {**OnlineModel.scalers, "target": "standardize_target"}
    default_loss = "squared_error"

    def __init__(
        self,
        network: Network | Sequence[int] = (32,),
        *,
        features: Sequence[Any] | None = None,
        n_features: int | None = None,
        loss: Any = None,
        optimizer: Any = None,
        standardize: bool | RunningStandardizer = True,
        standardize_target: bool | RunningStandardizer = True,
        unknown: str = "raise",
        seed: int | None = None,
        dtype: Any = None,
    ) -> None:
        half_life = standardize.half_life if isinstance(standardize, RunningStandardizer) else None
        self.target_standardizer = as_standardizer(
            "OnlineRegressor", "standardize_target", standardize_target, half_life
        )
        self._target = None if self.target_standardizer is None else self.target_standardizer.begin(1)
        super().__init__(network, 1, features, n_features, loss, optimizer, standardize, unknown, seed, dtype)
        kind = network.dtype if isinstance(network, Network) else float_dtype("Network", dtype or "float32")
        self._given, self._wanted = np.zeros(1), np.zeros(1, kind)

    def _check_outputs(self, net: Network, loss: Loss) -> None:
        if net.output_shape != (1,):
            raise ValueError(
                f"OnlineRegressor: expected a network with one output, (B, 1), got (B, {net.output_shape})"
            )
        if loss.kernel in CLASSES_ONLY:
            raise ValueError(f"OnlineRegressor: expected a loss of numbers, got {loss.kernel}; use OnlineClassifier")
        self._counts = loss.kernel == "poisson"
        if self._counts and self._target is not None:
            raise ValueError(
                "OnlineRegressor: poisson expected targets as they are, counts; give standardize_target=False"
            )

    def learn_one(self, x: Any, y: float) -> float:
        """Learn from one row.

        Parameters
        ----------
        x : dict of name to number, or array_like of shape (I,)
            The features; None or NaN where one is missing.
        y : float
            The target.

        Returns
        -------
        float
            The loss before the update, of the standardised target.

        Raises
        ------
        TypeError, ValueError
            If a value does not fit, or there is no input for a feature; nothing has changed then.
        DivergenceError
            If the loss is not finite; nothing has changed then.
        """
        if type(y) is not float or not isfinite(y):
            y = _number(y)
        if self._target is None:
            return self._learn(x, y)
        self._given[0] = y
        if not self._target.take(self._given):
            raise ValueError(f"learn_one: expected a target up to 1e150, got {y}")
        self._target.learn()
        self._target.write(self._wanted)
        try:
            return self._learn(x, self._wanted)
        except Exception:
            self._target.undo()
            raise

    def predict_one(self, x: Any) -> float:
        """Return the prediction for one row; 0.0 before anything is known.

        Parameters
        ----------
        x : dict of name to number, or array_like of shape (I,)
            The features; None or NaN where one is missing.

        Returns
        -------
        float
            In the units of the target; under the loss poisson the rate, the exponential of what the network answers.

        Raises
        ------
        TypeError, ValueError
            If a value does not fit.
        """
        if self.net is None:
            return 0.0
        answer = float(self._output(x)[0])
        if self._counts:
            return exp(answer) if answer < EXP_LIMIT else inf
        return answer if self._target is None else self._target.number(answer)

    def _config(self) -> dict[str, Any]:
        target = self.target_standardizer
        return {**super()._config(), "target": None if target is None else target.to_config()}


def _number(y: Any) -> float:
    """Return a target as a finite float."""
    if not isinstance(y, Real):
        raise TypeError(f"learn_one: expected the target to be a number, got {type(y).__name__} {y!r:.60}")
    try:
        number = float(y)
    except OverflowError:  # a whole number that no float holds
        number = inf
    if not isfinite(number):
        raise ValueError(f"learn_one: expected a finite target, got {y!r:.60}")
    return number
