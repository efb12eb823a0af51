"""Pictures of the insight functions: what stands on the axes, and files that are pictures."""

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("matplotlib")
random = np.random.default_rng(17)
X, Y = random.normal(size=(40, 6)), random.integers(0, 3, 40)


def network(*activations):
    layers = [*(fn.Dense(5, activation) for activation in activations or ("tanh",)), fn.Dense(3)]
    net = fn.Sequential(layers, input_shape=6, seed=0)
    net.compile("cross_entropy", "sgd")
    return net


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines() if not line.get_label().startswith("_")}


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_gradient_flow(tmp_path):
    net = network("relu", "tanh")
    flow = fn.gradient_flow(net, X, Y)
    norms, shares = fn.plot_gradient_flow(flow, tmp_path / "flow.png").axes
    assert is_png(tmp_path / "flow.png")
    assert norms.get_yscale() == "log"
    drawn = lines(norms)
    assert np.array_equal(drawn["gradient"], flow.gradient)
    assert np.array_equal(drawn["weights"], flow.weight)
    assert np.array_equal(drawn["update"], flow.update)
    dead, saturated = ([bar.get_height() for bar in bars] for bars in shares.containers)
    assert dead == [flow.dead[0], 0, 0]
    assert saturated == [0, flow.saturated[1], 0]
    assert [text.get_text() for text in shares.get_xticklabels()] == ["dense_1", "dense_2", "dense_3"]
    again = fn.plot_gradient_flow((net, X, Y)).axes[0]
    assert np.array_equal(lines(again)["gradient"], flow.gradient)


def test_several_gradient_flows_share_their_axes():
    flows = {name: fn.gradient_flow(network(name, name), X, Y) for name in ("relu", "tanh")}
    figure = fn.plot_gradient_flow(flows)
    assert [axes.get_title() for axes in figure.axes] == ["relu", "tanh", "", ""]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "gradient", "weights", "update", "dead units", "saturated"
    ]  # fmt: skip
    with pytest.raises(TypeError, match=r"plot_gradient_flow: expected a GradientFlow, .* got int"):
        fn.plot_gradient_flow(3)
    with pytest.raises(ValueError, match="got an empty dict"):
        fn.plot_gradient_flow({})


def test_histograms(tmp_path):
    counted = fn.histograms(network("tanh"), X, Y)
    figure = fn.plot_histograms(counted, tmp_path / "histograms.png")
    assert is_png(tmp_path / "histograms.png")
    assert [axes.get_title() for axes in figure.axes] == ["weights", "activations", "gradients"]
    counts, edges = counted.gradients["dense_2"]
    line = figure.axes[2].get_lines()[1]
    assert np.array_equal(line.get_xdata(), edges)
    assert line.get_ydata()[:-1] == pytest.approx(1 + 0.9 * np.sqrt(counts / counts.max()))
    assert len(fn.plot_histograms(fn.histograms(network("tanh"), X)).axes) == 2


def test_attribution_of_images(tmp_path):
    net = network()
    maps = [fn.saliency(net, X), fn.occlusion(net, X, window=2, shape=(2, 3))]
    figure = fn.plot_attribution(maps, tmp_path / "maps.png", shape=(2, 3), rows=4)
    assert is_png(tmp_path / "maps.png")
    assert len(figure.axes) == 12
    assert [axes.get_title() for axes in figure.axes[:3]] == ["input", "saliency", "occlusion"]
    image = figure.axes[5].get_images()[0]  # the second row's occlusion
    assert np.array_equal(image.get_array(), maps[1].values[1].reshape(2, 3))
    assert image.get_clim() == (-np.abs(maps[1].values[1]).max(), np.abs(maps[1].values[1]).max())


def test_attribution_of_vectors():
    attribution = fn.saliency(network(), X)
    figure = fn.plot_attribution(attribution, rows=2, names=list("abcdef"))
    assert [bar.get_height() for bar in figure.axes[1].containers[0]] == attribution.values[1].tolist()
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == list("abcdef")


def test_attributions_that_are_refused():
    net = network()
    with pytest.raises(TypeError, match="plot_attribution: expected an Attribution or a list of them"):
        fn.plot_attribution([])
    with pytest.raises(ValueError, match="expected attributions of the same inputs"):
        fn.plot_attribution([fn.saliency(net, X), fn.saliency(net, X + 1)])
    with pytest.raises(ValueError, match=r"expected a shape \(H, W\) of 6 elements, got \(2, 2\)"):
        fn.plot_attribution(fn.saliency(net, X), shape=(2, 2))
    with pytest.raises(ValueError, match="expected 6 names, one per element, got 2"):
        fn.plot_attribution(fn.saliency(net, X), names=["a", "b"])


def test_maximised_inputs(tmp_path):
    found = fn.maximise_activation(network(), range(3), steps=5)
    figure = fn.plot_maximised(found, tmp_path / "inputs.png", shape=(2, 3))
    assert is_png(tmp_path / "inputs.png")
    assert np.array_equal(figure.axes[1].get_images()[0].get_array(), found.values[1].reshape(2, 3))
    assert figure.axes[2].get_title() == f"unit 2: {found.activations[-1, 2]:.3g}"
    bars = fn.plot_maximised(found).axes[1].containers[0]
    assert [bar.get_height() for bar in bars] == found.values[1].tolist()
    with pytest.raises(ValueError, match=r"plot_maximised: expected a shape \(H, W\) of 6 elements, got \(4, 4\)"):
        fn.plot_maximised(found, shape=(4, 4))


def test_probes(tmp_path):
    probes = fn.linear_probes(network(), X, Y, epochs=1)
    axes = fn.plot_probes(probes, tmp_path / "probes.png").axes[0]
    assert is_png(tmp_path / "probes.png")
    assert np.array_equal(lines(axes)["held-out rows"], probes.accuracy)
    assert np.array_equal(lines(axes)["training rows"], probes.training_accuracy)
    two = fn.plot_probes({"trained": probes, "untrained": probes}).axes[0]
    assert list(lines(two))[::2] == ["trained, held-out rows", "untrained, held-out rows"]
    with pytest.raises(ValueError, match="expected probes of the same layers"):
        fn.plot_probes({"a": probes, "b": fn.linear_probes(network("relu", "relu"), X, Y, epochs=1)})
    with pytest.raises(TypeError, match="plot_probes: expected a LinearProbes, a dict of them by title, got int"):
        fn.plot_probes(3)
    with pytest.raises(ValueError, match="expected at least one LinearProbes"):
        fn.plot_probes({})
