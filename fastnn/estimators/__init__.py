"""Estimators with scikit-learn's names, that work without it."""

from fastnn.estimators.classifier import MLPClassifier as MLPClassifier
from fastnn.estimators.regressor import MLPRegressor as MLPRegressor
