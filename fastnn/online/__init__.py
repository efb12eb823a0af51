"""Learning from one row after the other, of features by name: regression and classification on streams."""

from fastnn.online.classifier import OnlineClassifier
from fastnn.online.regressor import OnlineRegressor

__all__ = ["OnlineClassifier", "OnlineRegressor"]
