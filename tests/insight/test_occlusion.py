"""Occlusion: what a linear network loses when parts of its input are covered, in closed form."""

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(5)


def linear(inputs, outputs=3):
    return fn.Sequential([fn.Dense(outputs)], input_shape=inputs, seed=1, dtype="float64")


def twin(w, x, fill, layout, window, stride):
    """f(x) - f(covered) = sum of w (x - fill) over the window; the mean over the windows at each element."""
    losses = (w * (x - fill)).reshape(layout)
    total, count = np.zeros(layout), np.zeros(layout)
    rows, columns = (
        sorted({*range(0, size - width + 1, step), size - width})
        for size, width, step in zip(layout, window, stride, strict=True)
    )
    for i in rows:
        for j in columns:
            part = slice(i, i + window[0]), slice(j, j + window[1])
            total[part] += losses[part].sum()
            count[part] += 1
    return (total / count).ravel()


def test_single_elements_of_a_linear_network():
    net, X = linear(6), random.normal(size=(4, 6))
    values = fn.occlusion(net, X, 1, window=1).values
    assert values == pytest.approx(X * net.layers[0].weight[:, 1], abs=1e-12)


@pytest.mark.parametrize(
    "fill", [0.0, 0.7, np.arange(6.0), random.normal(size=(4, 6))], ids=["0", "0.7", "row", "rows"]
)
def test_fill(fill):
    net, X = linear(6), random.normal(size=(4, 6))
    values = fn.occlusion(net, X, [0, 1, 2, 0], window=1, fill=fill).values
    assert values == pytest.approx((X - fill) * net.layers[0].weight.T[[0, 1, 2, 0]], abs=1e-12)


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (3, 2), (2, 2), ((2, 3), (1, 2)), ((5, 7), 1), ((1, 4), 1)])
def test_windows_over_images_that_come_as_vectors(window, stride):
    net, X = linear(35), random.normal(size=(3, 35))
    values = fn.occlusion(net, X, 2, window=window, stride=stride, fill=0.5, shape=(5, 7)).values
    pair = [(v, v) if isinstance(v, int) else v for v in (window, stride)]
    expected = [twin(net.layers[0].weight[:, 2], x, 0.5, (5, 7), *pair) for x in X]
    assert values == pytest.approx(np.array(expected), abs=1e-12)


def test_images_that_come_as_images():
    flat = linear(35)
    net = fn.Sequential([fn.Flatten(), fn.Dense(3)], input_shape=(5, 7), seed=1, dtype="float64")
    net.params[:] = flat.params
    X = random.normal(size=(3, 5, 7))
    values = fn.occlusion(net, X, window=(2, 3)).values
    assert values.shape == (3, 5, 7)
    expected = fn.occlusion(flat, X.reshape(3, 35), window=(2, 3), shape=(5, 7)).values
    assert np.array_equal(values.reshape(3, 35), expected)


def test_the_class_of_the_whole_input_is_looked_at():
    net, X = linear(6), random.normal(size=(4, 6))
    attribution = fn.occlusion(net, X, window=6)
    z = X @ net.layers[0].weight
    assert attribution.targets.tolist() == z.argmax(axis=1).tolist()
    assert attribution.values == pytest.approx(np.repeat(z.max(axis=1)[:, None], 6, axis=1), abs=1e-12)


@pytest.mark.parametrize(
    ("options", "exception", "message"),
    [
        ({"window": 7}, ValueError, r"stride <= window <= size along each axis of \(6,\), got stride 1 and window 7"),
        ({"window": 2, "stride": 3}, ValueError, "got stride 3 and window 2 at size 6"),
        ({"window": 0}, ValueError, "expected window of at least 1, got 0"),
        ({"window": 1.5}, TypeError, "expected window to be an integer"),
        ({"window": (2, 2)}, ValueError, "expected window to be one integer or 1, one per axis"),
        ({"window": 2, "shape": (2, 4)}, ValueError, r"expected a shape of 6 elements, as a row has, got \(2, 4\)"),
        ({"window": 2, "fill": np.zeros(5)}, ValueError, "expected fill to be a number or to broadcast"),
    ],
)
def test_what_is_refused(options, exception, message):
    with pytest.raises(exception, match=rf"^occlusion: .*{message}"):
        fn.occlusion(linear(6), np.ones((2, 6)), **options)


def conv_net():
    """f_o = sum over the image of a 1 x 1 convolution: every pixel has the weight of its channel."""
    layers = [fn.Conv2D(3, 1, bias=False), fn.GlobalAvgPool2D()]
    return fn.Sequential(layers, input_shape=(5, 7, 2), seed=1, dtype="float64")


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), ((2, 3), (1, 2)), ((5, 7), 1)])
def test_patches_of_an_image_cover_all_channels(window, stride):
    net, X = conv_net(), random.normal(size=(3, 5, 7, 2))
    values = fn.occlusion(net, X, 1, window=window, stride=stride, fill=0.5).values
    pair = [(v, v) if isinstance(v, int) else v for v in (window, stride)]
    w = net.layers[0].weight[0, 0, :, 1] / 35
    for x, found in zip(X, values, strict=True):
        expected = twin(1.0, (x - 0.5) @ w, 0.0, (5, 7), *pair).reshape(5, 7)
        for channel in range(2):  # both were covered, so both are said to have cost what the patch did
            assert found[..., channel] == pytest.approx(expected, abs=1e-12)


def test_single_channels_of_patches():
    net, X = conv_net(), random.normal(size=(3, 5, 7, 2))
    values = fn.occlusion(net, X, 1, window=(1, 1, 1)).values
    assert values == pytest.approx(X * net.layers[0].weight[0, 0, :, 1] / 35, abs=1e-12)
    with pytest.raises(ValueError, match="expected window to be one integer, two for rows and columns, or three"):
        fn.occlusion(net, X, window=(2,))
