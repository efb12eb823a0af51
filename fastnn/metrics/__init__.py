"""Metrics: how good the outputs of a network are, in one call or streaming over chunks of rows.

Conventions, the same for all:

- Network outputs may be scores ``(B, O)`` with O > 1 (logits or probabilities), the score of a single output,
  ``(B, 1)`` or floating ``(B,)``, or labels: integers, bools or texts of shape ``(B,)``.
- Targets of a classification may be integer labels ``(B,)`` or ``(B, 1)``, one-hot or soft rows ``(B, O)`` that sum
  to 1, or, for several labels at once, 0/1 decisions ``(B, O)``.  A single output takes targets 0/1 (or -1/1).
- A single output, and each output where several labels hold at once, says yes above ``threshold``: 0.0 for logits,
  0.5 for probabilities.
- Outputs over time ``(B, T, O)`` are rows of their own: B*T decisions, each with the weight of its row.
"""

from collections.abc import Callable

from fastnn._spec import meant
from fastnn.metrics.base import Array, CallableMetric, Metric
from fastnn.metrics.classification import Accuracy, Error, accuracy, confusion_matrix, error
from fastnn.metrics.regression import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
    r2,
)
from fastnn.metrics.samples import ms_ssim, nearest_neighbours, sliced_wasserstein

__all__ = [
    "METRICS", "R2", "Accuracy", "CallableMetric", "Error", "MeanAbsoluteError", "MeanSquaredError", "Metric",
    "accuracy", "confusion_matrix", "error", "get_metric", "mean_absolute_error", "mean_squared_error", "ms_ssim",
    "nearest_neighbours", "r2", "sliced_wasserstein",
]  # fmt: skip

METRICS: dict[str, type[Metric]] = {cls.name: cls for cls in (Accuracy, Error, R2, MeanSquaredError, MeanAbsoluteError)}
WORDS = {  # of other libraries
    "acc": "accuracy", "accuracy_score": "accuracy", "binary_accuracy": "accuracy", "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy", "error_rate": "error", "r2_score": "r2", "r_squared": "r2",
    "mse": "mean_squared_error", "squared_error": "mean_squared_error", "mae": "mean_absolute_error",
    "absolute_error": "mean_absolute_error",
}  # fmt: skip
FUNCTIONS = (accuracy, error, r2, mean_squared_error, mean_absolute_error)  # each in one call what its name streams


def get_metric(metric: str | Metric | Callable[[Array, Array], float], *, threshold: float = 0.5) -> Metric:
    """Return a fresh streaming metric.

    Parameters
    ----------
    metric : str, Metric or callable
        One of "accuracy", "error", "r2", "mean_squared_error", "mean_absolute_error", or another word for it such as
        "acc" or "mse"; one of the functions of these names; a function ``(y_true, y_pred) -> float``, averaged over
        chunks by rows; or a streaming metric of one's own, which is reset.
    threshold : float, default 0.5
        Score above which a single output says yes: 0.0 for logits, 0.5 for probabilities.

    Returns
    -------
    Metric
        The metric, with its name in ``name``.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor callable.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.metrics.get_metric("r2").name
    'r2'
    """
    if isinstance(metric, Metric):
        metric.reset()
        return metric
    metric = next((function.__name__ for function in FUNCTIONS if function is metric), metric)
    if not isinstance(metric, str):
        return CallableMetric(metric)
    cls = METRICS[meant("unknown metric", metric, METRICS, WORDS)]
    return cls(threshold) if issubclass(cls, Accuracy) else cls()
