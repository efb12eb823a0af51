"""Models and weights of Keras, beside Keras where it is installed, and beside NumPy twins of its layers."""

import inspect
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import keras_twins

import fastnn as fn

RANDOM = 200
ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "silu", "leaky_relu", "softmax")
MASK = -1.5


def keras():
    """Keras with whatever backend is there."""
    for name in () if "KERAS_BACKEND" in os.environ else ("torch", "jax", "tensorflow"):
        if name in sys.modules:
            os.environ["KERAS_BACKEND"] = name
    return pytest.importorskip("keras")


LIBRARIES = {
    "twins": lambda: (keras_twins, keras_twins.Sequential),
    "keras": lambda: (keras().layers, keras().Sequential),
}


def random_model(layers, sequential, rng):
    """A Sequential of any of the layers, and rows for it."""
    size, flag = (lambda: int(rng.integers(1, 6))), (lambda: bool(rng.integers(2)))
    pick = lambda values: values[rng.integers(len(values))]  # noqa: E731
    kind = rng.integers(3)
    if kind == 2:
        shape, vocabulary, units = (size(),), size(), size()
        x = rng.integers(0, vocabulary, size=(4, *shape))
        made, first, shape = [layers.Embedding(vocabulary, units)], shape, (*shape, units)
    else:
        first = shape = (size(),) if kind == 0 else (size(), size())
        x = rng.normal(size=(4, *shape)).astype(np.float32)
        made = []

    def recurrent(**options):
        kind, options = pick(("LSTM", "GRU", "SimpleRNN")), {"use_bias": flag(), **options}
        if kind == "SimpleRNN":
            options["activation"] = pick(("tanh", "relu", "sigmoid", "linear"))
        if kind == "GRU":
            options["reset_after"] = flag()
        return getattr(layers, kind)(size(), **options)

    if kind == 1 and flag():
        x[rng.random(x.shape[:2]) < 0.3] = MASK
        x[:, 0] = 1  # Keras gives no answer for a sequence without steps
        made += [layers.Masking(mask_value=MASK), recurrent(go_backwards=flag())]
        shape = (made[-1].get_config()["units"],)
    for _ in range(1 + rng.integers(5)):
        kind = pick(("dense", "activation", "numbers", "shape", "norm", "recurrent", "recurrent", "nested"))
        if kind == "dense":
            made.append(layers.Dense(size(), activation=pick(ACTIVATIONS), use_bias=flag()))
            shape = (*shape[:-1], made[-1].get_config()["units"])
        elif kind == "activation":
            made.append(layers.Activation(pick(ACTIVATIONS)))
        elif kind == "numbers":
            made.append(
                pick((layers.ReLU(), layers.ReLU(negative_slope=0.1), layers.LeakyReLU(), layers.ELU(alpha=0.7),
                      layers.Softmax(), layers.Dropout(0.3)))
            )  # fmt: skip
        elif kind == "shape":
            made.append(layers.Flatten() if len(shape) > 1 else layers.Reshape((1, -1)))
            shape = (shape[0] * shape[1],) if len(shape) > 1 else (1, *shape)
        elif kind == "norm":
            norm = layers.LayerNormalization if shape[-1] > 1 and flag() else layers.BatchNormalization
            made.append(norm(center=flag(), scale=flag()))
        elif kind == "nested":
            made.append(sequential([layers.Input(shape), layers.Dense(shape[-1]), layers.Activation("tanh")]))
        elif len(shape) == 2:
            sequences = flag()
            if flag():
                inner, merge = recurrent(return_sequences=sequences), pick(("concat", "sum"))
                made.append(layers.Bidirectional(inner, merge_mode=merge))
                units = inner.get_config()["units"] * (2 if merge == "concat" else 1)
            else:
                made.append(recurrent(return_sequences=sequences, go_backwards=not sequences and flag()))
                units = made[-1].get_config()["units"]
            shape = (shape[0], units) if sequences else (units,)
    if not made:
        made.append(layers.Activation("tanh"))
    model = sequential([layers.Input(first), *made])
    weights = [(0.5 * rng.normal(size=array.shape)).astype(np.float32) for array in model.get_weights()]
    weights = [np.abs(array) + 0.5 if array.ndim == 1 else array for array in weights]  # variances among them
    model.set_weights(weights)
    return model, x, weights


@pytest.mark.parametrize("library", LIBRARIES)
def test_random_models(library):
    """As a new network, and as arrays into one that is there."""
    kinds = set()
    for seed in range(RANDOM):
        model, x, weights = random_model(*LIBRARIES[library](), np.random.default_rng([seed, 4]))
        y = model(x)
        expected = np.asarray(y.detach() if hasattr(y, "detach") else y)
        net = fn.from_keras(model)
        check(net.predict(x), expected)
        for source in (weights, model):
            net.params[:] = 0
            assert fn.from_keras(source, into=net) is net
            check(net.predict(x), expected)
        kinds |= {type(layer) for layer in net.structure.layers}
    assert kinds >= {fn.Dense, fn.Activation, fn.BatchNorm, fn.LayerNorm, fn.Embedding, fn.LSTM, fn.GRU, fn.SimpleRNN}


def check(y, expected):
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() / max(1, np.abs(expected).max()) < 1e-5


def test_every_twin_is_one_of_keras():
    layers, values = keras().layers, {"activation": "relu", "target_shape": (2,), "rate": 0.5}
    for name, twin in inspect.getmembers(keras_twins, inspect.isclass):
        if name not in ("Bidirectional", "GlobalPooling2D", "Layer", "Masked", "Pooling2D", "Recurrent", "Sequential"):
            made = getattr(layers, name)(*[values.get(argument, 2) for argument in twin.first])
            beyond = {"noise_shape", "recurrent_activation"}  # left out where there is none
            assert set(twin.defaults) <= {*made.get_config(), *beyond}, name


L = keras_twins


def model(*layers, shape=(3, 2)):
    return L.Sequential([L.Input(shape), *layers])


class Conv3D(keras_twins.Layer):
    pass


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (model(L.Dense(2, activation="mish")), {}, "expected activation to be one of linear, sigmoid"),
        (model(Conv3D()), {}, r"no layer for 'conv3d' \(Conv3D\); known: Activation, AveragePooling1D"),
        (model(L.LSTM(2, activation="relu")), {}, "expected activation='tanh' and recurrent_activation='sigmoid'"),
        (model(L.LSTM(2, stateful=True)), {}, "it has stateful"),
        (model(L.LSTM(2, go_backwards=True, return_sequences=True)), {}, "it gives the last step first"),
        (model(L.Embedding(3, 2, mask_zero=True), shape=(3,)), {}, "expected no vector of zeros behind index 0"),
        (model(L.Embedding(1, 2, mask_zero=True), shape=(3,)), {}, "after Masking or mask_zero, got the end"),
        (model(L.Masking(), L.LSTM(2, return_sequences=True)), {}, "after Masking a sequence repeats"),
        (model(L.Masking(), L.Dense(2)), {}, "expected LSTM, GRU or SimpleRNN right after Masking"),
        (model(L.Masking()), {}, "expected a recurrent layer after Masking or mask_zero, got the end"),
        (model(L.Softmax(axis=1)), {}, "expected axis=-1, got 1"),
        (model(L.ReLU(threshold=1.0)), {}, "it has a threshold"),
        (model(L.Bidirectional(L.LSTM(2), merge_mode="ave")), {}, "expected merge_mode concat or sum, got 'ave'"),
        (SimpleNamespace(get_weights=list), {}, "expected a Sequential or functional model, got SimpleNamespace"),
        ([np.ones((2, 3))], {}, "expected a network to load the arrays into"),
        (model(L.Flatten()), {"into": fn.Sequential([fn.Flatten()], (3, 2)), "seed": 1}, "input_shape and seed are of"),
    ],
)  # fmt: skip
def test_models_that_are_refused(given, options, message):
    with pytest.raises(ValueError, match=f"from_keras: .*{message}"):
        fn.from_keras(given, **options)


def test_settings_go_along():
    made = fn.from_keras(
        model(L.BatchNormalization(momentum=0.8), L.LayerNormalization(epsilon=1e-4), L.Dropout(0.3), shape=(4,))
    )
    norm, other, dropout = (view.spec for view in made.layers)
    assert (norm.momentum, norm.epsilon, other.epsilon, dropout.rate) == (0.8, 1e-3, 1e-4, 0.3)


def test_a_sequence_of_any_length_needs_a_shape():
    made = model(L.LSTM(2))
    made.input_shape = (None, None, 2)
    with pytest.raises(ValueError, match=r"expected input_shape, .* for the model has \(None, None, 2\)"):
        fn.from_keras(made)
    assert fn.from_keras(made, input_shape=(5, 2)).input_shape == (5, 2)


def two():
    return fn.Sequential([fn.Dense(3, name="a"), fn.GRU(2, name="b")], input_shape=(5, 4), seed=0)


def arrays():
    return [np.ones(shape, np.float32) for shape in ((4, 3), (3,), (3, 6), (2, 6), (2, 6))]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (4, None, "expected 5 arrays .a: kernel, bias; b: kernel, recurrent_kernel, bias., got 4"),
        (0, np.ones((3, 4)), r"expected a.weight of shape \(4, 3\), got \(3, 4\)"),
        (4, np.ones(6), r"b cannot take kernel \(3, 6\), recurrent_kernel \(2, 6\), bias \(6,\)"),
        (4, np.ones((2, 7)), "b cannot take"),
        (2, np.full((3, 6), np.inf), "expected b.weight to be finite"),
    ],
)
def test_arrays_that_are_refused_change_nothing(place, value, message):
    given, net = arrays(), two()
    given[place : place + 1] = [] if value is None else [value]
    before = net.params.copy()
    with pytest.raises(ValueError, match=f"from_keras: {message}"):
        fn.from_keras(given, into=net)
    assert np.array_equal(net.params, before)
    fn.from_keras(arrays(), into=net)
    assert net.params.tolist() == [1] * 15 + [1] * 30 + [2] * 4 + [1] * 4  # r and u add both biases


def test_kinds_that_are_refused():
    with pytest.raises(TypeError, match="expected a model or a list of arrays, got int"):
        fn.from_keras(3)
    with pytest.raises(TypeError, match="expected into to be a Network, got list"):
        fn.from_keras([], into=[])
    with pytest.raises(TypeError, match=r"expected weights\[0\] in float32 or float64, got int64"):
        fn.from_keras([np.ones((4, 3), int)], into=two())


def test_layers_that_keras_does_not_have_are_refused():
    net = fn.Sequential([fn.LSTM(2, peepholes=True)], input_shape=(3, 2), seed=0)
    with pytest.raises(ValueError, match="from_keras: expected LSTM with forget gate and without peepholes"):
        fn.from_keras([], into=net)
    scale = fn.Custom(
        lambda x, a: a * x, lambda x, y, dy, a: (a * dy, {"a": (x * dy).sum(0)}), parameters={"a": (2, "ones")}
    )
    with pytest.raises(ValueError, match="from_keras: expected layers that Keras has, got Custom"):
        fn.from_keras([], into=fn.Sequential([scale], 2, seed=0))
