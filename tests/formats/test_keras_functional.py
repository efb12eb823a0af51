"""Keras itself: functional models, and the layers that have no twin in NumPy; skipped where it is not installed."""

# ruff: noqa: E501  (a case of a table is one line)

import os

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
L, Input, Model, Sequential = keras.layers, keras.Input, keras.Model, keras.Sequential


def gated():
    x = Input((6,))
    a, b = L.Dense(4)(x), L.Dense(4, "sigmoid")(x)
    return Model(x, L.Dense(2)(L.Multiply()([a, b])))


def branches():
    x, y = Input((6,), name="x"), Input((3,), name="y")
    shared = L.Dense(4, "gelu", name="shared")
    h = L.Concatenate()([shared(x), L.Dense(5, "tanh")(y), shared(L.Dense(6)(y))])
    difference = L.Subtract()([L.Dense(4)(h), shared(x)])
    mean = L.Average()([difference, shared(x)])
    return Model([x, y], [L.Dense(2)(mean), L.Add()([difference, mean])])


def nested():
    x = Input((6,))
    inner = Sequential([Input((6,)), L.Dense(5, "relu"), L.BatchNormalization(), L.Dense(6)])
    return Model(x, L.Add()([inner(x), x]))


def sequence():
    x = Input((5,))
    h = L.Embedding(9, 4, mask_zero=True)(x)
    return Model(x, L.Dense(2)(L.LSTM(3)(h)))


MODELS = {
    "gated": (gated, None),
    "branches": (branches, None),
    "nested": (nested, None),
    "mask-zero": (sequence, 9),
    "mask-zero-bidirectional": (lambda: Sequential([Input((5,)), L.Embedding(9, 4, mask_zero=True), L.Bidirectional(L.GRU(3))]), 9),
    "reset-first": (lambda: Sequential([Input((4, 3)), L.GRU(5, reset_after=False, return_sequences=True), L.GRU(2, reset_after=False, use_bias=False)]), None),
    "rescaling": (lambda: Sequential([Input((3, 4)), L.Rescaling(1 / 255, -0.5), L.Flatten(), L.Dense(2)]), None),
    "distributed": (lambda: Sequential([Input((3, 4)), L.TimeDistributed(L.Dense(5, "relu")), L.LSTM(2)]), None),
    "mean": (lambda: Sequential([Input((3, 4)), L.GlobalAveragePooling1D(), L.Dense(2)]), None),
    "largest": (lambda: Sequential([Input((3, 4)), L.GlobalMaxPooling1D(keepdims=True), L.Dense(2)]), None),
    "limits": (lambda: Sequential([Input((4,)), L.Dense(5, "relu6"), L.ReLU(max_value=2.0), L.Dense(3, "log_softmax")]), None),
    "gelu": (lambda: Sequential([Input((4,)), L.Dense(5, "gelu"), L.Activation("gelu")]), None),
}  # fmt: skip


def rows_for(model, vocabulary):
    rng = np.random.default_rng(0)
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    if vocabulary is None:
        return [rng.normal(0, 3, (7, *shape)).astype(np.float32) for shape in shapes]
    x = rng.integers(1, vocabulary, (7, *shapes[0]))
    x[1:, 3:] = 0
    return [x]


@pytest.mark.parametrize("name", MODELS)
def test_models_answer_the_same(name):
    keras.utils.set_random_seed(1)
    make, vocabulary = MODELS[name]
    model = make()
    xs = rows_for(model, vocabulary)
    expected = model(xs if len(xs) > 1 else xs[0])
    expected = expected if isinstance(expected, list | tuple) else [expected]
    net = fn.from_keras(model)
    found = net.predict(xs if len(xs) > 1 else xs[0])
    found = found if isinstance(found, list | tuple) else [found]
    for y, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, keras.ops.convert_to_numpy(truth), atol=1e-5, rtol=1e-5)


def refused():
    x = Input((3, 4))
    yield Model(x, L.Conv1D(2, 2)(x)), r"no layer for 'conv1d.*' \(Conv1D\); known"
    yield Model(x, L.Concatenate(axis=1)([x, x])), "expected axis=-1"
    y = Input((5,))
    embedded = L.Embedding(9, 4, mask_zero=True)(y)
    yield Model(y, L.Add()([embedded, embedded])), "expected no mask before it"
    yield (
        Model(y, L.GlobalAveragePooling1D()(embedded)),
        "expected LSTM, GRU or SimpleRNN right after Masking or mask_zero",
    )
    yield (
        Sequential([Input((3, 4)), L.TimeDistributed(L.Flatten())]),
        "expected a layer within that acts along the last",
    )
    z = Input((None, 4))
    yield Model(z, L.LSTM(2)(z)), "expected sizes that are known for all axes beside the batch"


def test_models_that_are_refused():
    for model, message in refused():
        with pytest.raises(ValueError, match=f"from_keras: .*{message}"):
            fn.from_keras(model)
