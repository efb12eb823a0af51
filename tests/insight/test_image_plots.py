"""Pictures of filters, maps of features, inversions and explanations of images: what stands where, in what scale."""

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("matplotlib")
random = np.random.default_rng(31)


def network(channels=1, filters=6):
    layers = [
        fn.Conv2D(filters, 3, "relu", name="first"),
        fn.MaxPool2D(2, name="pool"),
        fn.Conv2D(4, 3, "relu", name="second"),
        fn.Flatten(),
        fn.Dense(3),
    ]
    return fn.Sequential(layers, input_shape=(6, 8, channels), seed=0)


def images(channels=1, count=2):
    return random.random((count, 6, 8, channels)).astype(np.float32)


def drawn(axes):
    return np.asarray(axes.get_images()[0].get_array())


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_filters_of_one_channel(tmp_path):
    net = network(filters=10)
    figure = fn.plot_filters(net, tmp_path / "filters.png", most=9)
    assert is_png(tmp_path / "filters.png")
    weight = net.layers[0].weight
    assert len(figure.axes) == 16  # two lines of eight, the last seven empty
    for i, axes in enumerate(figure.axes):
        if i >= 9:
            assert not axes.axison
            assert not axes.get_images()
            continue
        assert np.array_equal(drawn(axes), weight[:, :, 0, i])
        limit = np.abs(weight[:, :, 0, i]).max()
        assert axes.get_images()[0].get_clim() == (-limit, limit)
    assert figure.get_suptitle() == "9 of 10 filters of first"


def test_filters_of_colours_are_about_grey():
    net = network(channels=3)
    figure = fn.plot_filters(net)
    weight = net.layers[0].weight
    np.testing.assert_allclose(
        drawn(figure.axes[2]), 0.5 + weight[..., 2] / np.abs(weight[..., 2]).max() / 2, rtol=1e-6
    )
    assert figure.get_suptitle() == "6 filters of first"


def test_filters_of_many_channels_share_a_scale_by_line():
    net = network()
    figure = fn.plot_filters(net, layer="second", most=3)
    weight = net.layers[2].weight
    assert len(figure.axes) == 3 * 6
    assert np.array_equal(drawn(figure.axes[6 + 4]), weight[:, :, 4, 1])
    assert figure.axes[6 + 4].get_images()[0].get_clim()[1] == np.abs(weight[..., 1]).max()
    assert figure.get_suptitle() == "3 of 4 filters of second"


def test_filters_that_are_refused():
    with pytest.raises(ValueError, match=r"plot_filters: unknown layer of filters 'pool'; .*known: first, second"):
        fn.plot_filters(network(), layer="pool")
    with pytest.raises(ValueError, match="plot_filters: expected a network with a convolution of images, got none"):
        fn.plot_filters(fn.Sequential([fn.Dense(2)], input_shape=3, seed=0))
    with pytest.raises(ValueError, match="plot_filters: expected most of at least 1, got 0"):
        fn.plot_filters(network(), most=0)
    with pytest.raises(TypeError, match="plot_filters: expected a Network"):
        fn.plot_filters(3)


def test_feature_maps(tmp_path):
    net, x = network(), images()[0]
    figure = fn.plot_feature_maps(net, x, tmp_path / "maps.png", most=5)
    assert is_png(tmp_path / "maps.png")
    said = net.activations(x[None])
    assert len(figure.axes) == 3 * 6  # a name and five maps each
    for line, name in enumerate(("first", "pool", "second")):
        shape = said[name].shape
        assert figure.axes[6 * line].texts[0].get_text().startswith(f"{name}\n{shape[1]} x {shape[2]}\n")
        for column in range(min(5, shape[-1])):
            assert np.array_equal(drawn(figure.axes[6 * line + 1 + column]), said[name][0, :, :, column])
    assert not figure.axes[-1].axison  # the second convolution has four
    one = fn.plot_feature_maps(net, x, layers=["second"])
    assert np.array_equal(drawn(one.axes[2]), said["second"][0, :, :, 1])


def test_feature_maps_that_are_refused():
    with pytest.raises(ValueError, match=r"plot_feature_maps: expected one image of \(6, 8, 1\) .* got \(2, 6, 8, 1\)"):
        fn.plot_feature_maps(network(), images())
    with pytest.raises(ValueError, match=r"plot_feature_maps: unknown layer of images 'dense_1'; .*known: first, pool"):
        fn.plot_feature_maps(network(), images()[0], layers=["dense_1"])
    with pytest.raises(ValueError, match="plot_feature_maps: expected at least one layer, got an empty list"):
        fn.plot_feature_maps(network(), images()[0], layers=[])
    flat = fn.Sequential([fn.Flatten(), fn.Dense(2)], input_shape=(6, 8, 1), seed=0)
    with pytest.raises(ValueError, match="plot_feature_maps: expected a network with a layer that gives images"):
        fn.plot_feature_maps(flat, images()[0])


def test_inversions(tmp_path):
    net, X = network(channels=3), images(3, 4)
    found = [fn.invert_features(net, X, layer, steps=5) for layer in ("first", "second")]
    figure = fn.plot_inversion(found, tmp_path / "inverted.png", rows=2)
    assert is_png(tmp_path / "inverted.png")
    assert [axes.get_title() for axes in figure.axes[:3]] == ["input", "first", "second"]
    assert len(figure.axes) == 6
    assert np.array_equal(drawn(figure.axes[3]), X[1])
    values = found[1].values[1]
    low, high = min(values.min(), 0), max(values.max(), 1)
    np.testing.assert_allclose(drawn(figure.axes[5]), (values - low) / (high - low), atol=1e-6)
    assert figure.axes[5].get_xlabel() == f"distance {found[1].distances[-1, 1]:.2g}"
    assert len(fn.plot_inversion(found[0]).axes) == 8
    with pytest.raises(ValueError, match="plot_inversion: expected images made for the same inputs"):
        fn.plot_inversion([found[0], fn.invert_features(net, X[:2], "first", steps=1)])
    with pytest.raises(TypeError, match="plot_inversion: expected InvertedFeatures or a list of them"):
        fn.plot_inversion([])


def test_attributions_of_images(tmp_path):
    net, X = network(channels=3), images(3)
    maps = [fn.saliency(net, X), fn.occlusion(net, X, window=2), fn.grad_cam(net, X)]
    figure = fn.plot_attribution(maps, tmp_path / "maps.png")
    assert is_png(tmp_path / "maps.png")
    assert [axes.get_title() for axes in figure.axes[:4]] == ["input", "saliency", "occlusion", "Grad-CAM"]
    assert np.array_equal(drawn(figure.axes[4]), X[1])
    np.testing.assert_allclose(drawn(figure.axes[5]), maps[0].values[1].sum(axis=-1))
    below, above = figure.axes[7].get_images()
    assert np.array_equal(below.get_array(), X[1])
    assert np.array_equal(above.get_array(), maps[2].values[1])
    assert above.get_alpha() == 0.6
    grey = network()
    figure = fn.plot_attribution(fn.saliency(grey, images()))
    assert drawn(figure.axes[0]).shape == (6, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_maximised_images(channels):
    found = fn.maximise_activation(network(channels), range(4), layer="second", noise=1.0, steps=3)
    figure = fn.plot_maximised(found)
    values = found.values[1]
    if channels == 1:
        assert np.array_equal(drawn(figure.axes[1]), values[..., 0])
        assert figure.axes[1].get_images()[0].get_clim()[1] == np.abs(values).max()
    else:
        low, high = min(values.min(), 0), max(values.max(), 1)
        np.testing.assert_allclose(drawn(figure.axes[1]), (values - low) / (high - low), atol=1e-6)
