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


MODELS = {
    "transposed": (lambda k: [k.Conv2DTranspose(3, (3, 2), strides=2, activation="relu", padding="same"),
                              k.Conv2DTranspose(2, (2, 3), strides=(3, 1), use_bias=False)], (4, 5, 2)),
    "depthwise": (lambda k: [k.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same", activation="tanh"),
                             k.SpatialDropout2D(0.2), k.SeparableConv2D(5, 3, strides=2, activation="relu"),
                             k.SeparableConv2D(2, 2, use_bias=False, padding="same", depth_multiplier=2)], (7, 6, 3)),
    "places": (lambda k: [k.ZeroPadding2D(((1, 0), (2, 1))), k.UpSampling2D((2, 3)), k.Cropping2D(((0, 2), (1, 0))),
                          k.UpSampling2D((2, 1), interpolation="bilinear"), k.Permute((3, 1, 2)), k.GaussianNoise(0.1)],
               (3, 4, 2)),
    "norms": (lambda k: [k.GroupNormalization(2), k.Conv2D(6, 1), k.GroupNormalization(-1, center=False),
                         k.GroupNormalization(1, scale=False, epsilon=1e-2)], (4, 5, 4)),
    "given": (lambda k: [k.Normalization(mean=[1.0, -2.0], variance=[4.0, 0.0]), k.Dense(3)], (2,)),
    "sequences": (lambda k: [k.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"), k.MaxPooling1D(2),
                             k.Conv1D(4, 2, strides=2, padding="same", groups=2),
                             k.AveragePooling1D(2, strides=1, padding="same"),
                             k.Conv1D(3, 2)], (13, 2)),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", MODELS)
def test_models(name, library):
    layers, sequential = LIBRARIES[library]()
    make, shape = MODELS[name]
    model, rng = sequential([layers.Input(shape), *make(layers)]), np.random.default_rng(0)
    weights = [rng.normal(size=array.shape).astype(np.float32) for array in model.get_weights()]
    model.set_weights(weights)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    x[..., -1] = -2 if name == "given" else x[..., -1]  # whose variance is 0
    y = model(x)
    expected = np.asarray(y.detach() if hasattr(y, "detach") else y)
    net = fn.from_keras(model)
    check(net.predict(x), expected)
    if weights:
        net.params[:] = 0
        check(fn.from_keras(weights, into=net).predict(x), expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_normalization_was_adapted_to_is_a_setting(library):
    """Its mean, variance and count stand among the weights of a model, and are none of a network's."""
    layers, sequential = LIBRARIES[library]()
    rng, first = np.random.default_rng(0), layers.Normalization()
    x = rng.normal([3, -200], [5, 0.1], size=(50, 2)).astype(np.float32)
    first.adapt(x)
    model = sequential([layers.Input((2,)), first, layers.Dense(3)])
    net = fn.from_keras(model)
    y = model(x)
    np.testing.assert_allclose(net.layers[0].spec.mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(net.layers[0].spec.scale, x.std(0), rtol=1e-4)
    check(net.predict(x), np.asarray(y.detach() if hasattr(y, "detach") else y))
    net.params[:] = 0
    check(fn.from_keras(model, into=net).predict(x), np.asarray(y.detach() if hasattr(y, "detach") else y))


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
        (keras_twins.Conv1D(2, 3), (4, 4, 3), r"expected sequences \(B, T, C\), got \(B, 4, 4, 3\)"),
        (keras_twins.Conv2DTranspose(2, 3, output_padding=1), (4, 4, 3), "it has output_padding"),
        (
            keras_twins.UpSampling2D(2, interpolation="lanczos3"),
            (4, 4, 3),
            "expected interpolation nearest or bilinear, got",
        ),
        (keras_twins.Normalization(mean=0.0, variance=1.0, invert=True), (4,), "it has invert"),
        (keras_twins.GroupNormalization(2, axis=1), (4, 4, 2), "expected axis=-1, got 1"),
        (keras_twins.GlobalMaxPooling2D(), (4,), r"expected images \(B, H, W, C\), got \(B, 4\)"),
    ],
)
def test_layers_that_are_refused(layer, shape, message):
    model = keras_twins.Sequential([keras_twins.Input(shape)])
    model.layers.append(layer)
    with pytest.raises(ValueError, match=f"from_keras: layer .*{message}"):
        fn.from_keras(model)
