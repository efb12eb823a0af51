"""Answers of saved models that ``fastnn train`` did not write: networks, estimators, online models, ensembles."""

from typing import Any

import numpy as np

from fastnn.cli.files import Array, Options, flat, is_table, read_arrays
from fastnn.data import TableEncoder, read_table
from fastnn.data.categories import Category
from fastnn.data.columns import Date, Time
from fastnn.data.table import read_frame


def answers(path: str, net: Any, data: str, options: Options) -> tuple[Array, Array | None, list[Any] | None]:
    """Return prediction (B, ...), probabilities (B, K) or None, and classes or None, of a model for rows of a file."""
    import fastnn as fn

    if net is None:
        ensemble = fn.Ensemble.load(path)
        return ensemble.predict(_numbers(data, options, None, ensemble.models[0].input_shape)), None, None
    metadata = net.metadata if isinstance(net.metadata, dict) else {}
    if "estimator" in metadata:
        kind = fn.MLPRegressor if metadata["estimator"].get("class") == "MLPRegressor" else fn.MLPClassifier
        return _of_estimator(kind.load(path), data, options)
    if "online" in metadata:
        return _of_online(path, metadata["online"].get("type"), data, options)
    return net.predict(_numbers(data, options, None, net.input_shape)), None, None


def _of_estimator(model: Any, data: str, options: Options) -> tuple[Array, Array | None, list[Any] | None]:
    if getattr(model, "encoder_", None) is not None:
        X: Any = read_frame(data, model.encoder_, options.sep, options.encoding or "utf-8")
    else:
        X = _of_columns(model, data, options)
    prediction = model.predict(X)
    if not hasattr(model, "predict_proba") or prediction.ndim != 1:
        return prediction, None, None
    return prediction, model.predict_proba(X), model.classes_.tolist()


def _of_columns(model: Any, data: str, options: Options) -> Any:
    """Return rows of numbers, by name if the estimator knows names."""
    names = getattr(model, "feature_names_in_", None)
    X = _numbers(data, options, None if names is None else list(names), (model.n_features_in_,))
    if names is not None:
        import pandas as pd

        X = pd.DataFrame(X, columns=names)
    return X


def _of_online(path: str, kind: Any, data: str, options: Options) -> tuple[Array, Array | None, list[Any] | None]:
    import fastnn as fn

    model = (fn.OnlineRegressor if kind == "OnlineRegressor" else fn.OnlineClassifier).load(path)
    if is_table(data):
        table = _table(data, options, None)
        rows: Any = [dict(zip(table.feature_names, row.tolist(), strict=True)) for row in table.X]
        return np.asarray([model.predict_one(row) for row in rows]), None, None
    return np.asarray([model.predict_one(row) for row in flat(read_arrays(data))]), None, None


def _numbers(data: str, options: Options, names: list[str] | None, shape: tuple[int, ...]) -> Array:
    """Return a file as rows of a shape, or as pictures, for a model that says nothing of how they are read."""
    X = _table(data, options, names).X if is_table(data) else read_arrays(data)
    if len(shape) > 1:
        return X
    X = flat(X)
    if X.shape[1] != shape[0]:
        raise ValueError(f"predict: expected {shape[0]} columns, as the model has inputs, got {X.shape[1]} in {data}")
    return X


def _table(data: str, options: Options, names: list[str] | None) -> Any:
    encoder = options.encoder or TableEncoder()
    table = read_table(
        data, None, columns=names, encoder=encoder, sep=options.sep, encoding=options.encoding or "utf-8"
    )
    for column in table.encoder.columns_.values():
        if isinstance(column, Category | Date | Time):
            raise ValueError(
                f"predict: the model takes numbers, and column {column.name!r} holds texts or dates; "
                f"drop=[{column.name!r}] leaves it out"
            )
    return table
