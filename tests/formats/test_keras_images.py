"""Models of images of Keras, beside Keras where it is installed, and beside NumPy twins of its layers."""

import os
import sys

import numpy as np
import pytest
from helpers import keras_twins

import fastnn as fn

RANDOM = 60


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
    """A Sequential of layers of images, perhaps with vectors at its end, and rows for it."""
    flag = lambda: bool(rng.integers(2))  # noqa: E731
    shape = (*rng.integers(6, 11, 2).tolist(), int(rng.integers(1, 5)))
    channels, made = shape[-1], []
    for place in range(1 + rng.integers(3)):
        kind = "conv" if place == 0 else ("conv", "max", "mean", "norm", "activation")[rng.integers(5)]
        if kind == "conv":
            groups = channels if flag() else 1
            dilation = 1 + int(rng.integers(2))
            strides = 1 if dilation > 1 else tuple(rng.integers(1, 3, 2).tolist())  # Keras has one or the other
            channels = groups * int(rng.integers(1, 4))
            made.append(
                layers.Conv2D(
                    channels, tuple(rng.integers(1, 4, 2).tolist()), strides=strides, dilation_rate=dilation,
                    padding="same", groups=groups, use_bias=flag(),
                    activation=("linear", "relu", "tanh")[rng.integers(3)],
                )
            )  # fmt: skip
        elif kind in ("max", "mean"):
            pool = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
            strides = int(rng.integers(1, 3)) if flag() else None
            made.append(pool(tuple(rng.integers(1, 4, 2).tolist()), strides=strides, padding="same"))
        elif kind == "norm":
            made.append(layers.BatchNormalization(center=flag(), scale=flag()))
        else:
            made.append(layers.Activation("elu"))
    end = rng.integers(4)
    if end == 1:
        made += [layers.Conv2D(3, 1, padding="valid"), layers.Flatten(), layers.Dense(4)]
    elif end:
        made += [(layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)[end - 2](keepdims=flag()), layers.Dense(3)]
    model = sequential([layers.Input(shape), *made])
    weights = [(0.5 * rng.normal(size=array.shape)).astype(np.float32) for array in model.get_weights()]
    weights = [np.abs(array) + 0.5 if array.ndim == 1 else array for array in weights]  # variances among them
    model.set_weights(weights)
    return model, rng.normal(size=(3, *shape)).astype(np.float32), weights


@pytest.mark.parametrize("library", LIBRARIES)
def test_random_models(library):
    """As a new network, and as arrays into one that is there."""
    kinds = set()
    for seed in range(RANDOM):
        model, x, weights = random_model(*LIBRARIES[library](), np.random.default_rng([seed, 6]))
        y = model(x)
        expected = np.asarray(y.detach() if hasattr(y, "detach") else y)
        net = fn.from_keras(model)
        check(net.predict(x), expected)
        for source in (weights, model):
            net.params[:] = 0
            assert fn.from_keras(source, into=net) is net
            check(net.predict(x), expected)
        kinds |= {type(layer) for layer in net.structure.layers}
    assert kinds >= {fn.Conv2D, fn.MaxPool2D, fn.AvgPool2D, fn.GlobalAvgPool2D, fn.GlobalMaxPool2D, fn.Flatten}


def check(y, expected):
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() / max(1, np.abs(expected).max()) < 1e-5


def test_valid_padding():
    k = keras_twins
    model = k.Sequential([k.Input((7, 6, 2)), k.Conv2D(3, (3, 2), strides=2), k.AveragePooling2D(2, strides=1)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    x = rng.normal(size=(2, 7, 6, 2)).astype(np.float32)
    assert fn.from_keras(model).output_shape == (2, 2, 3)
    check(fn.from_keras(model).predict(x), model(x))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (keras_twins.Conv2D(2, 3, data_format="channels_first"), (3, 4, 4), "expected data_format='channels_last'"),
        (keras_twins.MaxPooling2D(2), (4, 4), r"expected images \(B, H, W, C\), got \(B, 4, 4\)"),
        (keras_twins.GlobalMaxPooling2D(), (4,), r"expected images \(B, H, W, C\), got \(B, 4\)"),
    ],
)
def test_layers_that_are_refused(layer, shape, message):
    model = keras_twins.Sequential([keras_twins.Input(shape)])
    model.layers.append(layer)
    with pytest.raises(ValueError, match=f"from_keras: layer .*{message}"):
        fn.from_keras(model)
