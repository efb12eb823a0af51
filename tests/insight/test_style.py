"""Style transfer: the loss beside NumPy, its gradient beside differences, the way down beside closed forms."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

random = np.random.default_rng(31)
PHOTOGRAPH, PAINTING, IMAGE = random.random((3, 7, 9, 3))
LAYERS = {"content_layers": "second", "style_layers": ["first", "second"]}
FOLDER = Path(os.environ.get("FASTNN_DATA", Path(__file__).parents[3] / "shared" / "data"))


def network(dtype="float64"):
    layers = [
        fn.Conv2D(4, 3, "relu", name="first"),
        fn.AvgPool2D(2, name="halved"),
        fn.Conv2D(5, 3, "tanh", name="second"),
        fn.Flatten(),
        fn.Dense(2, name="logits"),
    ]
    return fn.Sequential(layers, input_shape=(7, 9, 3), seed=0, dtype=dtype)


def features(net, x):
    """What the two convolutions say, by NumPy."""
    p = {name: view.astype(float) for name, view in net.named_parameters()}
    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    first = np.maximum(ref.conv2d(np.pad(x[None], pad), p["first.weight"], p["first.bias"]), 0)
    second = np.tanh(
        ref.conv2d(np.pad(ref.pool2d(first, "mean", (2, 2), (2, 2)), pad), p["second.weight"], p["second.bias"])
    )
    return {"first": first[0], "second": second[0]}


def by_hand(net, x, content, style, content_weights, style_weights):
    """The formulas, layer by layer, from features by NumPy."""
    F, P, S = (features(net, picture) for picture in (x, content, style))
    terms = [0.0, 0.0]
    for name in F:
        scale = 2 / (np.abs(P[name]).mean() + np.abs(S[name]).mean())
        f, p, s = (scale * one[name].reshape(-1, one[name].shape[-1]) for one in (F, P, S))
        M, N = f.shape
        terms[0] += content_weights.get(name, 0) / 2 * ((f - p) ** 2).mean()
        terms[1] += style_weights.get(name, 0) / (4 * N**2 * M**2) * ((f.T @ f - s.T @ s) ** 2).sum()
    return terms


WEIGHTS = [
    ("second", ["first", "second"], {"second": 1.0}, {"first": 0.5, "second": 0.5}),
    ({"first": 0.3, "second": 2.0}, {"second": 0.7}, {"first": 0.3, "second": 2.0}, {"second": 0.7}),
]


@pytest.mark.parametrize(("content_layers", "style_layers", "content_weights", "style_weights"), WEIGHTS)
def test_the_loss_beside_numpy(content_layers, style_layers, content_weights, style_weights):
    net = network()
    options = {"content_layers": content_layers, "style_layers": style_layers}
    loss = fn.StyleLoss(net, PHOTOGRAPH, PAINTING, ratio=0.2, smooth=0.01, **options)
    content, style = by_hand(net, IMAGE, PHOTOGRAPH, PAINTING, content_weights, style_weights)
    down, right = np.zeros((2, *IMAGE.shape))
    down[:-1], right[:, :-1] = np.diff(IMAGE, axis=0), np.diff(IMAGE, axis=1)
    variation = (down**2 + right**2).mean()
    expected = (0.2 * content + style + 0.01 * variation, content, style, variation)
    np.testing.assert_allclose(loss.terms(IMAGE), expected, rtol=1e-11)
    assert loss(IMAGE)[0] == loss.terms(IMAGE).total


def slopes(function, x, directions, h):
    """Derivatives along directions, by central differences."""
    return [(function(x + h * way)[0] - function(x - h * way)[0]) / (2 * h) for way in directions]


@pytest.mark.parametrize(("dtype", "h", "most"), [("float64", 1e-5, 1e-6), ("float32", 1e-2, 1e-3)])
def test_the_gradient_beside_differences(dtype, h, most):
    """Of tanh and mean pooling alone: no kink lies between x - h and x + h, in float32 either."""
    layers = [fn.Conv2D(4, 3, "tanh", name="first"), fn.AvgPool2D(2), fn.Conv2D(5, 3, "tanh", name="second")]
    net = fn.Sequential([*layers, fn.Flatten(), fn.Dense(2)], input_shape=(7, 9, 3), seed=0, dtype=dtype)
    loss = fn.StyleLoss(net, PHOTOGRAPH, PAINTING, ratio=0.2, smooth=0.01, **LAYERS)
    gradient = loss(IMAGE)[1]
    assert gradient.dtype == dtype
    ways = [random.standard_normal(IMAGE.shape) for _ in range(5)] + [gradient / np.linalg.norm(gradient)]
    found = slopes(loss, IMAGE, ways, h)
    expected = [np.vdot(gradient, way) for way in ways]
    np.testing.assert_allclose(found, expected, atol=most * np.abs(expected).max(), rtol=0)


def test_one_layer_and_one_picture():
    net = network()
    content = fn.StyleLoss(net, PHOTOGRAPH, content_layers="first")
    style = fn.StyleLoss(net, style=PAINTING, style_layers="second")
    assert content.terms(IMAGE).style == style.terms(IMAGE).content == 0
    assert list(content.scales) == ["first"]
    own = features(net, PAINTING)["second"]
    assert style.scales["second"] == pytest.approx(1 / np.abs(own).mean(), rel=1e-12)
    for loss in (content, style):
        way = random.standard_normal(IMAGE.shape)
        found = slopes(loss, IMAGE, [way], 1e-6)
        assert np.vdot(loss(IMAGE)[1], way) == pytest.approx(found[0], rel=1e-5)


def test_the_network_stays_as_it_is():
    net = network()
    before, y = net.params.copy(), net.forward(IMAGE[None])
    fn.style_transfer(net, PHOTOGRAPH, PAINTING, evaluations=3, **LAYERS)
    assert np.array_equal(net.params, before)
    assert not net.grads.any()
    assert net.backward(np.ones_like(y)).shape == (1, 7, 9, 3)  # of the forward before


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["noise", "content"])
def test_an_image_comes_near(optimizer, start):
    net = network("float32")
    options = {"start": start, "optimizer": optimizer, "bounds": (0, 1), "evaluations": 150, "ratio": 0.03}
    found = fn.style_transfer(net, PHOTOGRAPH, PAINTING, **options, **LAYERS)
    pictures = [found.loss.terms(x.astype("float32")).total for x in (PHOTOGRAPH, PAINTING)]
    assert found.best.total < min(found.losses[0, 0], *pictures)  # nearer than either, of which it has one half each
    assert found.best == found.loss.terms(found.values)
    assert found.values.dtype == "float32"
    assert 0 <= found.values.min() <= found.values.max() <= 1
    assert found.losses.shape == (150, 4) or optimizer == "lbfgs"
    if start == "content":
        np.testing.assert_array_equal(found.start, PHOTOGRAPH.astype("float32"))
        assert found.losses[0, 1] == 0
    assert repr(found).startswith("<image (7, 9, 3); loss ")
    np.testing.assert_array_equal(np.asarray(found), found.values)


def test_content_alone_and_style_alone():
    """Down to where nothing is left to gain: where a picture still differs, relu says nothing of it.

    The picture's own features can be had, but a value that relu holds at 0 has no slope towards them: what is left of
    the content stands there alone.  The products of a Gram matrix have slopes all over.
    """
    net = network()
    content = fn.style_transfer(net, PHOTOGRAPH, None, content_layers="first", ratio=1, evaluations=400)
    made, own = (features(net, x)["first"] for x in (content.values, PHOTOGRAPH))
    assert (made > 0).any()
    np.testing.assert_allclose(made[made > 0], own[made > 0], rtol=0, atol=1e-6 * own.max())
    style = fn.style_transfer(net, None, PAINTING, style_layers=["first", "second"], evaluations=400)
    assert style.best.style < 1e-5 * style.losses[0, 2]
    assert by_hand(net, style.values, PAINTING, PAINTING, {}, {"first": 1, "second": 1})[1] < 1e-4
    assert np.abs(style.values - PAINTING).max() > 0.1  # where things are, a Gram matrix does not say


def test_more_weight_of_the_content_costs_style():
    found = [
        fn.style_transfer(network(), PHOTOGRAPH, PAINTING, ratio=ratio, start="content", **LAYERS).best
        for ratio in (1e-3, 1e-2, 1e-1, 1)
    ]
    assert np.all(np.diff([one.content for one in found]) < 0)
    assert np.all(np.diff([one.style for one in found]) > 0)


def test_noise_is_decided_by_the_seed_and_like_the_picture():
    starts = [
        fn.style_transfer(network(), 5 + 3 * PHOTOGRAPH, PAINTING, seed=seed, evaluations=1, **LAYERS).start
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])
    assert starts[0].mean() == pytest.approx(5 + 3 * PHOTOGRAPH.mean(), abs=4 * 3 * PHOTOGRAPH.std() / np.sqrt(189))
    assert starts[0].std() == pytest.approx(3 * PHOTOGRAPH.std(), rel=0.25)


def test_whoever_follows_sees_the_best_so_far():
    seen = []
    found = fn.style_transfer(
        network(), PHOTOGRAPH, PAINTING, start=IMAGE, evaluations=40, **LAYERS,
        callback=lambda number, image, terms: seen.append((number, image, terms)),
    )  # fmt: skip
    assert [number for number, _, _ in seen] == list(range(40))
    assert [terms.total for _, _, terms in seen] == np.minimum.accumulate(found.losses[:, 0]).tolist()
    assert np.array_equal(seen[0][1], IMAGE)
    assert seen[-1][1] is found.values


REFUSED = [
    ({"content": None, "style": None}, ValueError, "StyleLoss: expected a content, a style or both, got None"),
    ({"content_layers": ()}, ValueError, "StyleLoss: expected content_layers to name layers"),
    ({"style_layers": "nose"}, ValueError, "StyleLoss: unknown layer 'nose'"),
    ({"style_layers": "logits"}, ValueError, r"style_layers that give images, got 'logits': \(B, 2\)"),
    ({"style_layers": {"first": -1}}, ValueError, "weights of style_layers"),
    ({"content": PHOTOGRAPH[:5]}, ValueError, r"StyleLoss: expected content of shape \(7, 9, 3\), got \(5, 9, 3\)"),
    ({"ratio": -1}, ValueError, "expected ratio"),
    ({"smooth": -1}, ValueError, "expected smooth"),
    ({"start": "photo"}, ValueError, "style_transfer: unknown start 'photo'"),
    ({"start": IMAGE[:5]}, ValueError, "style_transfer: expected start of shape"),
    ({"start": "content", "content": None}, ValueError, "style_transfer: expected a content to start from"),
    ({"optimizer": "sgd"}, ValueError, "style_transfer: unknown optimizer 'sgd'"),
    ({"evaluations": 0}, ValueError, "expected evaluations of at least 1"),
    ({"learning_rate": 0}, ValueError, "expected learning_rate"),
    ({"bounds": (1, 0)}, ValueError, "expected bounds with low < high"),
    ({"verbose": 2}, ValueError, "expected verbose"),
]


@pytest.mark.parametrize(("options", "exception", "message"), REFUSED)
def test_what_is_refused(options, exception, message):
    given = {"content": PHOTOGRAPH, "style": PAINTING, **LAYERS} | options
    with pytest.raises(exception, match=message):
        fn.style_transfer(network(), given.pop("content"), given.pop("style"), **given)


def test_layers_that_say_nothing_are_refused():
    net = network()
    net.layers[0].weight[...] = -1
    net.layers[0].bias[...] = 0
    with pytest.raises(ValueError, match="features that are not all 0, got none else from 'first'"):
        fn.StyleLoss(net, PHOTOGRAPH, content_layers="first")
    with pytest.raises(ValueError, match=r"expected a network for images \(H, W, C\), got \(B, 4\)"):
        fn.StyleLoss(fn.Sequential([fn.Dense(2)], input_shape=4, seed=0), np.ones(4))


# ---- with published weights -----------------------------------------------------------------------------------------

PAINTED = {"content_layers": "fire4", "style_layers": ["conv1", "fire2", "fire3", "fire4", "fire5"]}


def published(dtype="float32"):
    """SqueezeNet for pictures of 48 by 64 pixels, and Tuebingen and the starry night in that size."""
    weights, pictures = FOLDER / "squeezenet_v1.0" / "squeezenet_v1.0_decoded.npz", FOLDER / "style"
    if not weights.exists() or not pictures.exists():
        pytest.skip("needs squeezenet_v1.0 and style in the folder of FASTNN_DATA")
    pytest.importorskip("PIL")
    names = ("Tuebingen_Neckarfront.jpg", "vangogh_starry_night.jpg")
    X = fn.read_images([pictures / name for name in names], (48, 64)).X
    net = fn.nets.squeezenet(input_shape=X.shape[1:], weights=weights, pooling="average", rgb=True, dtype=dtype)
    return net, *X


@pytest.mark.parametrize(("dtype", "h", "most"), [("float64", 1e-5, 1e-6), ("float32", 1e-2, 1e-3)])
def test_the_gradient_of_published_weights(dtype, h, most):
    """All elements move up or down by h, as the gradient says: large beside rounding, few kinks of relu between."""
    net, photograph, painting = published(dtype)
    loss = fn.StyleLoss(net, photograph, painting, ratio=0.1, smooth=1e-6, **PAINTED)
    x = 0.5 * photograph + 40 + 20 * np.random.default_rng(0).standard_normal(photograph.shape)
    gradient = loss(x)[1].astype(float)
    way = np.sign(gradient)
    assert slopes(loss, x, [way], h)[0] == pytest.approx(np.vdot(gradient, way), rel=most)


def test_a_night_over_tuebingen():
    """From noise within 300 evaluations: 5 % of the loss, 2 % of the style's; half of the photograph's own at most."""
    net, photograph, painting = published()
    found = fn.style_transfer(net, photograph, painting, bounds=(0, 255), evaluations=300, **PAINTED)
    assert found.best.total <= 0.05 * found.losses[0, 0]
    assert found.best.style <= 0.02 * found.losses[0, 2]
    assert found.best.style < 0.5 * found.loss.terms(photograph).style
    assert found.best.content < found.losses[0, 1]
