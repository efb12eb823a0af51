"""Translation without pairs: the gradients of both steps, what the networks share, and the short version."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from helpers.examples import load
from scipy.special import log_softmax

import fastnn as fn

unit = load("unit")
networks = import_module("unit_networks")
HOW = unit.Recipe(1, real=0.7, own=2.0, back=3.0, code=0.4, digit=1.5, alike=0.3, translated=0.8, kept=0.6)
ROWS, WIDTH = 3, 4


def small_generator():
    """Ten answers to two inputs, as the generator's, of dense layers and without noise."""
    a, b = fn.Input(WIDTH), fn.Input(WIDTH)
    encode, code, decode = [fn.Dense(3, "tanh") for _ in "ab"], fn.Dense(2), [fn.Dense(WIDTH) for _ in "ab"]
    of_a, of_b = (code(layer(x)) for layer, x in zip(encode, (a, b), strict=True))
    aa, ab, ba, bb = (layer(x) for x in (of_a, of_b) for layer in decode)
    of_ab, of_ba = code(encode[1](ab)), code(encode[0](ba))
    images = [aa, ab, bb, ba, decode[0](of_ab), decode[1](of_ba)]
    return fn.Network([a, b], [*images, of_a, of_b, of_ab, of_ba], seed=1, dtype="float64")


def small_critics(digits):
    """Scores, digits and tops of two inputs, as the critics'."""
    inputs, judge, score, read = [fn.Input(WIDTH), fn.Input(WIDTH)], fn.Dense(5, "tanh"), fn.Dense(2), fn.Dense(10)
    tops = [judge(fn.Dense(3, "elu")(x)) for x in inputs]
    answers = [score(top) for top in tops] + ([read(top) for top in tops] + tops if digits else [])
    return fn.Network(inputs, answers, seed=2, dtype="float64")


def squared(scores, goal):
    return HOW.real / 2 * np.mean((scores - goal) ** 2)


def cross_entropy(logits, labels):
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()


def critics_loss(net, batch, made, sign=1):
    """Digits are read in images and translations times the sign."""
    (a, b, labels), (aa, ab, bb, ba) = batch, made[:4]
    real, translated, given = (net.predict(pair) for pair in ([a, b], [ba, ab], [aa, bb]))
    loss = sum(squared(real[k], 1) + squared(translated[k], 0) for k in (0, 1))
    if labels is None:
        return loss
    apart = np.sum((given[4] - translated[5]) ** 2) + np.sum((given[5] - translated[4]) ** 2)
    read = net.predict([sign * a, sign * ab])
    loss += HOW.digit * cross_entropy(read[2], labels) + HOW.translated * cross_entropy(read[3], labels)
    return loss + HOW.alike / 2 / ROWS * apart


def generator_loss(net, judge, batch):
    a, b, labels = batch
    aa, ab, bb, ba, aba, bab, *codes = net.predict([a, b])
    answers = judge.predict([ba, ab])
    loss = squared(answers[0], 1) + squared(answers[1], 1)
    loss += HOW.own * (np.abs(aa - a).mean() + np.abs(bb - b).mean())
    loss += HOW.back * (np.abs(aba - a).mean() + np.abs(bab - b).mean())
    loss += HOW.code / 2 * sum(np.sum(code**2) / ROWS for code in codes)
    return loss if labels is None else loss + HOW.kept * cross_entropy(judge.predict([ab, ba])[2], labels)


def slopes(net, loss, h=1e-6):
    """Central differences in every parameter."""
    start, found = net.params.copy(), []
    for i in range(net.n_params):
        values = []
        for sign in (1, -1):
            net.params[:] = start
            net.params[i] += sign * h
            values.append(loss())
        found.append((values[0] - values[1]) / (2 * h))
    net.params[:] = start
    return np.array(found)


@pytest.fixture(params=[False, True], ids=["images", "digits"])
def small(request):
    """Generator, critics and a batch, whose steps go down the slope of the loss by 1."""
    random, nets = np.random.default_rng(0), (small_generator(), small_critics(request.param))
    for net in nets:
        net.params[:] = random.normal(0, 0.6, net.n_params)
        net.compile(optimizer=fn.SGD(1.0))
    a, b = random.standard_normal((2, ROWS, WIDTH))
    return *nets, (a, b, np.array([3, 0, 7]) if request.param else None)


class Negative(fn.Augmentation):
    draws = 1

    def apply(self, images, numbers):
        assert numbers.shape == (len(images), 1)
        images *= -1  # it may write to those it was given
        return images


@pytest.mark.parametrize("moved", [None, Negative()], ids=["as they are", "moved"])
def test_critics_descend_their_loss(small, moved):
    net, judge, batch = small
    made, how = net.predict(batch[:2]), replace(HOW, moved=moved)
    given = [np.array(image) for image in (*batch[:2], *made)]
    expected, before = slopes(judge, lambda: critics_loss(judge, batch, made, -1 if moved else 1)), judge.params.copy()
    unit.critics_step(judge, batch, made, how, np.random.default_rng(0))
    np.testing.assert_allclose(before - judge.params, expected, rtol=1e-6, atol=1e-9)
    for image, old in zip((*batch[:2], *made), given, strict=True):
        np.testing.assert_array_equal(image, old)


def test_generator_descends_its_loss_and_leaves_the_critics(small):
    net, judge, batch = small
    expected, before, of_judge = (
        slopes(net, lambda: generator_loss(net, judge, batch)),
        net.params.copy(),
        judge.params.copy(),
    )
    unit.generator_step(net, judge, batch, net.forward(batch[:2]), HOW)
    np.testing.assert_allclose(before - net.params, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(judge.params, of_judge)


def test_both_learn_from_the_same_images_and_the_labels_of_a(monkeypatch):
    random, seen = np.random.default_rng(0), {"critics": [], "generator": []}
    a, b = random.uniform(0.1, 1, (2, 9, 16, 16, 1)).astype(np.float32)
    monkeypatch.setattr(unit, "critics_step", lambda net, batch, *_: seen["critics"].append(batch))
    monkeypatch.setattr(unit, "generator_step", lambda net, judge, batch, made, how: seen["generator"].append(batch))
    pair = unit.Pair("some", "some.png", True, (a, np.arange(9)), (b, np.arange(9)), (a, b), (a, b))
    unit.train(pair, unit.Recipe(2, batch=4, channels=2, moved=Negative()), seed=0)
    for of_critics, of_generator in zip(*seen.values(), strict=True):
        np.testing.assert_array_equal(of_critics[0], a[of_critics[2]])
        assert all(one is other for one, other in zip(of_critics, of_generator, strict=True))
        assert all((image == b).all(axis=(1, 2, 3)).any() for image in of_critics[1])
    assert len(seen["critics"]) == 2


def test_held_out_images_are_not_learned():
    learned, held = unit.common.held_out((np.arange(12), np.arange(12) + 100))
    assert [*learned[0], *held[0]] == [*range(12)]
    assert held[0].tolist() == [10, 11]
    assert held[1].tolist() == [110, 111]


@pytest.mark.parametrize("side", [16, 32])
def test_networks_share_the_middle_and_private_layers_start_alike(side):
    """Twice the private layers, once the shared ones; before training both domains are translated alike."""
    shape, c = (side, side, 1), 4
    parts, net = networks.autoencoder(shape, c, 0), networks.generator(shape, c, 0)
    assert net.n_params == sum(times * part.n_params for times, part in zip((2, 1, 1, 2), parts, strict=True))
    a = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    for images in (net.predict([a, a])[:4], net.predict([a, a])[4:6], net.predict([a, a])[6:8]):
        for image in images[1:]:
            np.testing.assert_array_equal(image, images[0])
    encode, code, uncode, decode = parts
    np.testing.assert_array_equal(
        net.predict([a, a])[1], decode.predict(uncode.predict(code.predict(encode.predict(a))))
    )


@pytest.mark.parametrize("digits", [False, True], ids=["images", "digits"])
def test_critics_of_digits_share_all_but_their_first_layer(digits):
    """Weights and biases, counted: each image sees a first layer of its own, and all others once."""
    c, net = 4, networks.critics((16, 16, 1), 4, digits, 0)
    shared = (25 * c + 1) * 2 * c + (9 * 2 * c + 1) * 4 * c + (2 * 2 * 4 * c + 1) * 8 * c + (8 * c + 1)
    assert net.n_params == 2 * (25 + 1) * c + shared + digits * (8 * c + 1) * 10
    assert net.output_shapes == ((1,), (1,), *(((10,), (10,), (8 * c,), (8 * c,)) if digits else ()))


def test_critics_of_pictures_score_patches_of_two_sizes():
    c, net = 4, networks.critics((32, 32, 1), 4, False, 0)
    shared = (16 * c + 1) * 2 * c + (9 * 2 * c + 1) * 4 * c + (4 * c + 1)
    assert net.n_params == 2 * (2 * (16 + 1) * c + shared)
    assert net.output_shapes == ((8 * 8 + 4 * 4,),) * 2


IMAGES = np.random.default_rng(1).uniform(-1, 1, (2, 3, 16, 16, 1)).astype(np.float32)


def unsettled_generator():
    """One whose private layers are no longer alike."""
    net = networks.generator((16, 16, 1), 2, 0)
    net.params[:] += 0.1 * np.random.default_rng(2).standard_normal(net.n_params)
    return net


def test_each_domain_of_digits_has_dense_layers_of_its_own():
    """From all pixels to all numbers of what is shared, and back: by that a digit changes its place and its size."""
    encode, code, uncode, decode = networks.autoencoder((16, 16, 1), 4, 0)
    assert [net.input_shape for net in (code, uncode, decode)] == [(32,)] * 3
    dense = [next(view for view in net.layers if "Dense" in type(view.spec).__name__) for net in (encode, decode)]
    assert [view.weight.shape for view in dense] == [(4 * 4 * 8, 32), (32, 4 * 4 * 16)]


def test_a_part_answers_as_the_whole():
    net = unsettled_generator()
    answers = net.predict(list(IMAGES))
    for domain, answer in ((0, 1), (0, 4), (1, 3)):
        np.testing.assert_array_equal(networks.part(net, domain, answer).predict(IMAGES[domain]), answers[answer])
    assert np.abs(answers[1] - answers[0]).max() > 0.01


def test_what_is_translated_is_read_in_the_domain_it_is_in():
    """There and back is a translation of the translation, and its code that of an image of the other domain."""
    net = unsettled_generator()
    answers = net.predict(list(IMAGES))
    (_, ab, _, ba, aba, bab), codes = answers[:6], answers[6:]
    a_to_b, b_to_a, of_a, of_b = (networks.part(net, *which) for which in ((0, 1), (1, 3), (0, 6), (1, 7)))
    for found, expected in (
        *((aba, b_to_a.predict(ab)), (bab, a_to_b.predict(ba))),
        *((codes[2], of_b.predict(ab)), (codes[3], of_a.predict(ba))),
    ):
        np.testing.assert_array_equal(found, expected)


def test_pixels_of_resampled_images_are_means():
    """By the overlap of intervals: of three pixels the middle one falls half into each of two."""
    np.testing.assert_allclose(unit.common.resampled(np.array([[[0.0, 3.0, 9.0]] * 3]), 2), [[[1.0, 7.0]] * 2])
    image = np.random.default_rng(0).random((1, 6, 4))
    np.testing.assert_allclose(unit.common.resampled(image, 2)[0], image[0].reshape(2, 3, 2, 2).mean((1, 3)), rtol=1e-6)


def test_short_version(tmp_path):
    figures = unit.run(True, tmp_path, faces=True)
    assert set(unit.GOALS) < set(figures)
    assert all(np.isfinite(value) for value in figures.values())
    for name in ("negative", "mnist-to-usps", "usps-to-mnist", "faces"):
        translate, made = fn.load(tmp_path / f"unit-{name}.safetensors"), np.load(tmp_path / f"unit-{name}.npz")
        assert made["x"].shape == (len(made["y"]), *translate.output_shape)
        assert np.abs(made["x"]).max() <= 1
        assert (tmp_path / f"unit-{name}.png").exists()
