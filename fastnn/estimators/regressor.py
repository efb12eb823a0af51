"""A regressor with scikit-learn's names."""

from typing import Any, Self

import numpy as np

from fastnn.data.ports import Block
from fastnn.estimators import parameters
from fastnn.estimators.available import stochastic_only
from fastnn.estimators.base import MultilayerPerceptron
from fastnn.estimators.objective import Objective, of_values
from fastnn.estimators.parameters import one_of
from fastnn.estimators.targets import as_values
from fastnn.losses import BinaryCrossEntropy, CrossEntropy, Hinge, Loss
from fastnn.metrics import r2

LOSSES = ("squared_error", "poisson", "absolute_error", "huber", "quantile", "log_cosh", "distance")
LOSS = one_of(
    *LOSSES,
    or_else=(
        "a Loss of real targets or a function",
        lambda value: (
            (isinstance(value, Loss) and not isinstance(value, CrossEntropy | BinaryCrossEntropy | Hinge))
            or (callable(value) and not isinstance(value, Loss | type))
        ),
    ),
)


class MLPRegressor(MultilayerPerceptron):
    """Multi-layer perceptron that predicts numbers: scikit-learn's names and results, and what was missed there.

    The same parameters and ``random_state`` draw the same weights and batches as scikit-learn's ``MLPRegressor`` and
    give the same model up to rounding.  scikit-learn need not be installed; with it, the estimator works in pipelines,
    grid searches and all else that takes one.

    Parameters
    ----------
    loss : str, Loss or callable
        ``squared_error, poisson, absolute_error, huber, quantile, log_cosh, distance``, a Loss such as
        ``fn.Quantile(0.9)``, or a function ``(y_true, y_pred) -> (losses (B,), gradient (B, O))``.  "poisson":
        the network gives the logarithm of the rate, ``predict`` the rate.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter
        As of MLPClassifier.
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum
        As of MLPClassifier.
    early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As of MLPClassifier; the score on rows held out is R2.
    dropout, residual, normalization, callbacks, encode
        As of MLPClassifier.

    Attributes
    ----------
    network_ : Sequential
        The network.
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, n_iter_, t_, history_
        As of MLPClassifier.
    validation_scores_, best_validation_score_, validation_loss_curve_
        As of MLPClassifier; scores are R2.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As of MLPClassifier.

    Raises
    ------
    ValueError
        By ``fit``: if a parameter is out of range.

    Notes
    -----
    Losses are those of scikit-learn: squared error is halved, and the gradient adds up over several outputs.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> regressor = fn.MLPRegressor(
    ...     hidden_layer_sizes=(32,), activation="tanh", solver="lbfgs", max_iter=500, random_state=0
    ... )
    >>> regressor.fit(X, np.sin(2 * X[:, 0])).score(X, np.sin(2 * X[:, 0])) > 0.99
    True
    """

    loss: Any
    _kind = "regressor"
    _score_name = "r2"

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        residual: bool = False,
        normalization: Any = None,
        callbacks: Any = None,
        encode: Any = None,
    ) -> None:
        self._keep(locals())

    # ---- targets and objective ---------------------------------------------------------------------------------------

    def _targets(
        self, y: Any, weights: np.ndarray | None, n: int, dtype: Any, first: bool
    ) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
        who = type(self).__name__
        values = as_values(who, y, n, dtype)
        if not values.shape[1]:
            raise ValueError(f"{who}: expected y with at least one column, got shape {values.shape}")
        if not first and hasattr(self, "n_outputs_") and values.shape[1] != self.n_outputs_:
            raise ValueError(f"{who}: expected y with {self.n_outputs_} outputs, as before, got {values.shape[1]}")
        return {"n_outputs_": values.shape[1]}, values, weights

    def _validation_targets(self, y: Any, n: int, dtype: Any, found: dict[str, Any]) -> np.ndarray:
        who = f"{type(self).__name__}: y_val"
        values = as_values(who, y, n, dtype)
        if values.shape[1] != found["n_outputs_"]:
            raise ValueError(f"{who}: expected {found['n_outputs_']} outputs, as y, got {values.shape[1]}")
        return values

    def _check_loss(self) -> None:
        parameters.check(self, {"loss": LOSS})

    def _objective(self, found: dict[str, Any], data: Block) -> Objective:
        self._check_loss()
        objective, y = of_values(self.loss, data.targets[0], data.weights), data.targets[0]
        if objective.loss.targets == "non-negative" and (y < 0).any():
            raise ValueError(f"{type(self).__name__}: expected y of at least 0 for loss='poisson', got {y.min()}")
        return objective

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        is_rate = self.loss == "poisson" or getattr(self.loss, "kernel", None) == "poisson"
        return r2(targets, self._values(outputs, is_rate), sample_weight=weights)

    @staticmethod
    def _values(outputs: np.ndarray, is_rate: bool) -> np.ndarray:
        """Return what is predicted; ``is_rate``: the network gives the logarithm of a rate."""
        return np.exp(outputs) if is_rate else outputs

    # ---- learning ----------------------------------------------------------------------------------------------------

    @stochastic_only
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go once through some rows, a mini-batch at a time, going on from the weights so far.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter do not fit, or ``early_stopping`` is on.  The estimator is left as it was.
        AttributeError
            With solver "lbfgs".

        Notes
        -----
        ``loss_curve_`` keeps the last 10,000 losses.
        """
        self._check_parameters()
        first = not hasattr(self, "coefs_")
        found, data = self._data(X, y, sample_weight, first)
        self._partial_fit(found, data, first)
        return self

    # ---- answering ---------------------------------------------------------------------------------------------------

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        values = self._values(outputs, self.out_activation_ == "exp")
        return values[:, 0] if self.n_outputs_ == 1 else values

    def predict_one(self, x: Any) -> Any:
        """Return the prediction for one row, without the cost of handling many.

        Parameters
        ----------
        x : array_like of shape (I,), dict or Series
            One row; an array of the network's dtype is read by C without conversion.  A dict has a value for each
            column that ``fit`` was given, by name; names of a Series come in the order of ``fit``.

        Returns
        -------
        float, or ndarray of shape (n_outputs,)
            The prediction.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError, TypeError
            If x does not fit.
        """
        values = self._values(self._outputs_of_one(x), self.out_activation_ == "exp")
        return values[0] if self.n_outputs_ == 1 else values

    def _score_answers(self, answers: np.ndarray, y: Any, weights: np.ndarray | None) -> float:
        values = as_values(type(self).__name__, y, len(answers), np.float64)
        return r2(values, answers.reshape(values.shape), sample_weight=weights)
