"""In River's own loops, where River is installed."""

import pytest

river = pytest.importorskip("river")

from river import datasets, evaluate, metrics, preprocessing  # noqa: E402

import fastnn as fn  # noqa: E402


def test_classification_with_probabilities():
    model = fn.OnlineClassifier((32,), optimizer=fn.SGD(0.05), seed=0)
    area = evaluate.progressive_val_score(datasets.Phishing(), model, metrics.ROCAUC())
    assert area.get() > 0.9
    assert model.net.trainer.step == 1250
    assert sorted(model.classes) == [False, True]


def test_many_classes_and_a_delay():
    model = fn.OnlineClassifier((64,), classes=7, optimizer=fn.Adam(0.003), seed=0)
    score = evaluate.progressive_val_score(datasets.ImageSegments(), model, metrics.Accuracy(), delay=10)
    assert score.get() > 0.8


def test_behind_a_transformer_and_standardising_itself():
    """Standardised by River or by the model: the same to rounding, so the same predictions."""
    errors = []
    for standardize in (False, True):
        model = fn.OnlineRegressor((), optimizer=fn.SGD(0.02), standardize=standardize, seed=0, dtype="float64")
        pipeline = model if standardize else preprocessing.StandardScaler() | model
        errors.append(evaluate.progressive_val_score(datasets.TrumpApproval(), pipeline, metrics.MAE()).get())
    assert errors[0] == pytest.approx(errors[1], rel=0.1)  # a prediction knows the scale one row earlier
    assert errors[1] < 2
