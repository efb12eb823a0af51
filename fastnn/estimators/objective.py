"""What an estimator makes small, in scikit-learn's scale."""

from typing import Any, NamedTuple

import numpy as np

from fastnn.losses import BinaryCrossEntropy, CrossEntropy, Loss, Poisson, as_loss


class Objective(NamedTuple):
    """A loss, and its scale: scikit-learn adds up over outputs where fastnn takes the mean, and halves squares.

    Attributes
    ----------
    loss : Loss
        As compiled into the network.
    share : float
        What it is multiplied by to be trained on.
    report : float
        What the trained-on value is multiplied by to be shown.
    constant : float
        Added to what is shown.
    activation : str or None
        Of the network's last layer.
    output : str
        ``out_activation_``.
    """

    loss: Loss
    share: float = 1.0
    report: float = 1.0
    constant: float = 0.0
    activation: str | None = None
    output: str = "identity"

    def shown(self, loss: float) -> float:
        """Return a loss in scikit-learn's scale."""
        return self.report * float(loss) + self.constant


def of_classes(loss: Any, type: str, n_outputs: int) -> Objective:
    """Return the objective of a classifier; ``type``: that of its classes."""
    if type == "multiclass":
        chosen = CrossEntropy() if loss == "log_loss" else as_loss(loss)
        return Objective(chosen, activation="softmax", output="softmax")
    chosen = BinaryCrossEntropy() if loss == "log_loss" else as_loss(loss)
    share = float(n_outputs) if isinstance(chosen, BinaryCrossEntropy) else 1.0
    return Objective(chosen, share=share, activation="sigmoid", output="logistic")


def of_values(loss: Any, y: np.ndarray, weights: np.ndarray | None) -> Objective:
    """Return the objective of a regressor with the targets y (N, O)."""
    outputs = float(y.shape[1])
    chosen = as_loss(loss)
    if chosen.kernel == "custom":
        return Objective(chosen)
    if chosen.kernel == "squared_error":
        return Objective(chosen, share=outputs / 2, report=1 / outputs)
    if isinstance(chosen, Poisson):
        from scipy.special import xlogy

        rest = np.average(xlogy(y, y) - y, weights=weights, axis=0).sum()  # makes it the deviance, 0 at best
        return Objective(chosen, share=outputs, constant=float(rest), output="exp")
    return Objective(chosen, share=outputs, report=1 / outputs)
