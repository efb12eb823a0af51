"""Pictures changed by seed, epoch and row: what fit sees, and that nothing else decides it."""

import re
import threading

import numpy as np
import pytest
from scipy import stats

import fastnn as fn
from fastnn._core.rng import AUGMENT
from fastnn._core.table import uniform_of_rows
from fastnn.data.ahead import AHEAD, made_ahead

ALL = [
    fn.PadCrop(2), fn.HorizontalFlip(), fn.Affine(20), fn.Cutout(3), fn.BrightnessContrast(), fn.Mixup(0.4),
    fn.Cutout(2),
]  # fmt: skip


def data(n=23, shape=(9, 8, 3), dtype=np.uint8, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, *shape)).astype(dtype), random.integers(0, 4, n)


def numbers(change, rows, epoch=0, seed=0, place=0):
    return uniform_of_rows(rows, change.draws, seed, AUGMENT + place, epoch)


def seen(change, images, rows=None, epoch=0, seed=0):
    rows = np.arange(len(images)) if rows is None else rows
    return fn.Augmented(images, np.zeros(len(images)), change, seed=seed).at_epoch(rows, epoch)[0]


# ---- each change, against its definition ----


def test_pad_crop_cuts_a_window_out_of_the_padded_picture():
    X, change = data()[0], fn.PadCrop(3, fill=5)
    padded = np.pad(X, ((0, 0), (3, 3), (3, 3), (0, 0)), constant_values=5)
    by = np.floor(numbers(change, np.arange(len(X))) * 7).astype(int) - 3
    assert by.min() == -3
    assert by.max() == 3
    expected = [
        one[3 - down : 12 - down, 3 - right : 11 - right] for one, (down, right) in zip(padded, by, strict=True)
    ]
    np.testing.assert_array_equal(seen(change, X), expected)


def test_horizontal_flip_mirrors_its_share():
    X, change = data(400, (2, 3, 1))[0], fn.HorizontalFlip(0.3)
    mirrored = numbers(change, np.arange(400))[:, 0] < 0.3
    assert 90 < mirrored.sum() < 150
    np.testing.assert_array_equal(seen(change, X), np.where(mirrored[:, None, None, None], X[:, :, ::-1], X))
    np.testing.assert_array_equal(seen(fn.HorizontalFlip(0), X), X)
    np.testing.assert_array_equal(seen(fn.HorizontalFlip(1), X), X[:, :, ::-1])


def test_affine_of_nothing_changes_nothing():
    X = data()[0]
    np.testing.assert_array_equal(seen(fn.Affine(0, scale=0, shift=0), X), X)


def place_of(image):
    """Centre of mass, from the middle of the picture: down and right."""
    grid = np.indices(image.shape[:2]) - (np.array(image.shape[:2]) - 1)[:, None, None] / 2
    return (grid * image[..., 0]).sum(axis=(1, 2)) / image.sum()


def test_affine_turns_resizes_and_moves_about_the_centre():
    """A blob right of the centre goes where the formula says: turned against the clock, further out, moved."""
    i, j = np.indices((41, 41))
    blob = np.exp(-((i - 20) ** 2 + (j - 28) ** 2) / 4.0)[None, :, :, None]
    for change in (fn.Affine(90, scale=0, shift=0), fn.Affine(0, scale=0.4, shift=0), fn.Affine(0, scale=0, shift=0.2),
                   fn.Affine(40, scale=0.2, shift=0.1)):  # fmt: skip
        for epoch in range(4):
            u = 2 * numbers(change, [0], epoch)[0] - 1
            angle, factor, shift = np.deg2rad(change.rotate * u[0]), 1 + change.scale * u[1], 41 * change.shift * u[2:]
            expected = 8 * factor * np.array([-np.sin(angle), np.cos(angle)]) + shift
            np.testing.assert_allclose(place_of(seen(change, blob, epoch=epoch)[0]), expected, atol=0.02)


def test_affine_moves_by_shares_of_height_and_width():
    """What comes in from outside is the fill, and all the rest is where it was before it moved by whole pixels."""
    X, change = np.ones((1, 8, 32, 1)), fn.Affine(0, scale=0, shift=0.5, fill=7)
    for epoch in range(5):
        down, right = (2 * numbers(change, [0], epoch)[0, 2:] - 1) * (4, 16)
        i, j = np.indices((8, 32))
        whole = (i - down >= 0) & (i - down <= 7) & (j - right >= 0) & (j - right <= 31)  # looked up between pixels
        outside = (i - down <= -1) | (i - down >= 8) | (j - right <= -1) | (j - right >= 32)
        found = seen(change, X, epoch=epoch)[0, ..., 0]
        assert (whole.any(), outside.any()) == (True, True)
        np.testing.assert_allclose(found[whole], 1, rtol=1e-6)
        np.testing.assert_array_equal(found[outside], 7)


def test_cutout_of_even_size_begins_half_of_it_before_its_centre():
    X, change = np.ones((50, 9, 7, 1)), fn.Cutout(4, fill=-1)
    centre = np.floor(numbers(change, np.arange(50)) * (9, 7)).astype(int)
    expected = X.copy()
    for one, (i, j) in zip(expected, centre, strict=True):
        one[max(i - 2, 0) : i + 2, max(j - 2, 0) : j + 2] = -1
    np.testing.assert_array_equal(seen(change, X), expected)


def test_cutout_covers_a_square_around_any_pixel():
    X, change = np.ones((900, 9, 7, 2)), fn.Cutout(3, fill=-1)
    centre = np.floor(numbers(change, np.arange(900)) * (9, 7)).astype(int)
    assert {tuple(one) for one in centre} == {(i, j) for i in range(9) for j in range(7)}
    expected = X.copy()
    for one, (i, j) in zip(expected, centre, strict=True):
        one[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = -1
    np.testing.assert_array_equal(seen(change, X), expected)


def test_brightness_and_contrast():
    X, change = data(dtype=np.float64)[0], fn.BrightnessContrast(0.1, 0.5, white=100)
    u = 2 * numbers(change, np.arange(len(X))) - 1
    factor, shift = (1 + 0.5 * u[:, 0]).reshape(-1, 1, 1, 1), (10 * u[:, 1]).reshape(-1, 1, 1, 1)
    mean = X.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(seen(change, X), mean + factor * (X - mean) + shift, rtol=1e-12, atol=1e-11)


def test_mixup_mixes_pictures_and_targets_by_one_share():
    X, y = data(dtype=np.float64)
    change, rows = fn.Mixup(0.7), np.array([4, 9, 11])
    u = numbers(change, rows, 2)
    share, partner = stats.beta.ppf(u[:, 0], 0.7, 0.7), np.floor(u[:, 1] * len(X)).astype(int)
    images, targets = fn.Augmented(X, y, change, classes=5).at_epoch(rows, 2)
    r = share.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(images, r * X[rows] + (1 - r) * X[partner], rtol=1e-9)
    expected = share[:, None] * np.eye(5)[y[rows]] + (1 - share[:, None]) * np.eye(5)[y[partner]]
    np.testing.assert_allclose(targets, expected, rtol=0, atol=2e-7)
    assert targets.dtype == np.float32


def test_mixup_mixes_numbers_and_takes_pictures_as_the_changes_before_left_them():
    X, y = data(dtype=np.float64)
    y = y + 0.5
    before = fn.Augmented(X, y, [fn.PadCrop(2)]).at_epoch(np.arange(len(X)), 3)[0]
    images, targets = fn.Augmented(X, y, [fn.PadCrop(2), fn.Mixup(1)]).at_epoch([5], 3)
    u = numbers(fn.Mixup(1), [5], 3, place=1)[0]  # Beta(1, 1) is uniform: the share is the number itself
    partner = int(u[1] * len(X))
    np.testing.assert_allclose(images[0], u[0] * before[5] + (1 - u[0]) * before[partner], rtol=1e-12)
    np.testing.assert_allclose(targets, u[0] * y[5] + (1 - u[0]) * y[partner], rtol=1e-12)
    assert targets.dtype == np.float64


# ---- what decides the numbers ----


def test_a_picture_depends_on_seed_epoch_and_number_alone():
    X, y = data()
    one = fn.Augmented(X, y, ALL, seed=3)
    images, targets = one.at_epoch(np.arange(23), 5)
    for rows in ([7], [22, 0, 7, 7], np.arange(22, -1, -1)):
        again, target = fn.Augmented(X, y, ALL, seed=3).at_epoch(rows, 5)
        np.testing.assert_array_equal(again, images[rows])
        np.testing.assert_array_equal(target, targets[rows])
    for other in (fn.Augmented(X, y, ALL, seed=4).at_epoch(np.arange(23), 5), one.at_epoch(np.arange(23), 6)):
        assert (other[0] != images).any(axis=(1, 2, 3)).all()


def test_two_equal_changes_draw_numbers_of_their_own():
    X = np.zeros((200, 9, 9, 1))
    X[:, 4, 4] = 1
    once, twice = seen(fn.PadCrop(1), X), seen([fn.PadCrop(1), fn.PadCrop(1)], X)
    far = np.abs(np.argwhere(twice[..., 0])[:, 1:] - 4)
    assert far.max() == 2
    assert (far == 0).any()
    assert np.abs(np.argwhere(once[..., 0])[:, 1:] - 4).max() == 1


def test_the_data_stay_as_they_are():
    X, y = data(dtype=np.float32)
    X.flags.writeable = y.flags.writeable = False
    kept, one = X.copy(), fn.Augmented(X, y, [fn.Cutout(5), fn.BrightnessContrast(), fn.Mixup(1)])
    one.at_epoch(np.arange(23), 0)
    images, targets = one.gather([3, 1])
    images += 1
    np.testing.assert_array_equal(X, kept)
    np.testing.assert_array_equal(targets, y[[3, 1]])


@pytest.mark.parametrize(("dtype", "becomes"), [("uint8", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_what_type_pictures_become(dtype, becomes):
    X, y = data(dtype=dtype)
    one = fn.Augmented(X, y, ALL)
    assert one.gather([0])[0].dtype == one.at_epoch([0], 0)[0].dtype == becomes
    np.testing.assert_array_equal(one.gather(np.arange(23))[0], X)


# ---- within fit ----


def conv(seed=0, dtype="float32"):
    layers = [fn.Standardize(127.5, 70), fn.Conv2D(4, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(4)]
    net = fn.Sequential(layers, input_shape=(9, 8, 3), seed=seed, dtype=dtype)
    net.compile("cross_entropy", fn.Adam(1e-3), metrics=["accuracy"])
    return net


class Seen(fn.Augmented):
    """Keeps what it gave."""

    def stream(self, parts, epoch):
        for rows, made in zip(parts, super().stream(parts, epoch), strict=True):
            self.given.append((epoch, rows, made))
            yield made


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_sees_the_epochs_of_the_network_and_evaluate_the_pictures_as_they_are(shuffle):
    X, y = data()
    one, net = Seen(X, y, [fn.PadCrop(2)]), conv()
    one.given = []
    net.fit(one, epochs=2, shuffle=shuffle)
    net.fit(one, epochs=1, shuffle=shuffle, validation_data=one)
    assert [epoch for epoch, _, _ in one.given] == [0, 1, 2, None]
    for epoch, rows, (images, _) in one.given[:3]:
        np.testing.assert_array_equal(images, one.at_epoch(rows, epoch)[0])
        assert sorted(rows) == list(range(23))
        assert (rows[1:] > rows[:-1]).all() != shuffle
    np.testing.assert_array_equal(one.given[3][2][0], X)
    assert net.evaluate(one) == net.evaluate(X, y)
    np.testing.assert_array_equal(net.predict(one), net.predict(X))


def test_a_fit_repeats_bit_for_bit_and_goes_on_where_it_stopped(tmp_path):
    X, y = data(200)
    whole, halves = conv(), conv()
    whole.fit(fn.Augmented(X, y, ALL), epochs=4, batch_size=16)
    halves.fit(fn.Augmented(X, y, ALL), epochs=2, batch_size=16)
    halves.save(tmp_path / "half.safetensors", optimizer=True)
    rest = fn.load(tmp_path / "half.safetensors")
    rest.fit(fn.Augmented(X, y, ALL, workers=3), epochs=2, batch_size=16)
    np.testing.assert_array_equal(rest.params, whole.params)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_workers_does_not_show(workers, monkeypatch):
    monkeypatch.setattr("fastnn.data.feed.MADE_BYTES", 1 << 15)  # blocks of few rows: more of them
    X, y = data(300)
    alone, several = conv(), conv()
    alone.fit(fn.Augmented(X, y, ALL), epochs=2, batch_size=8)
    several.fit(fn.Augmented(X, y, ALL, workers=workers), epochs=2, batch_size=8)
    np.testing.assert_array_equal(several.params, alone.params)


def test_soft_targets_of_mixup_are_counted_as_right_and_wrong():
    X, y = data(100)
    history = conv().fit(fn.Augmented(X, y, fn.Mixup(0.2)), epochs=1)
    assert 0 <= history["accuracy"][0] <= 1


def test_weights_go_along_with_their_pictures():
    X, y = data(200)
    weight = np.random.default_rng(1).uniform(0, 3, 200)
    one = fn.Augmented(X, y, [fn.PadCrop(2)], sample_weight=weight)
    for made in (one.gather([7, 3, 3]), one.at_epoch([7, 3, 3], 2)):
        assert len(made) == 3
        np.testing.assert_array_equal(made[2], weight[[7, 3, 3]])
    alone, beside = conv(), conv()
    alone.fit(fn.Augmented(X, y, (), sample_weight=weight, workers=2), epochs=2, batch_size=16)
    beside.fit(X, y, sample_weight=weight, epochs=2, batch_size=16)
    np.testing.assert_array_equal(alone.params, beside.params)
    assert alone.evaluate(one) == alone.evaluate(X, y, sample_weight=weight) != alone.evaluate(X, y)


# ---- made ahead ----


def test_made_ahead_keeps_order_and_is_not_far_ahead():
    asked = []

    def make(part):
        asked.append(part)
        return 10 * part

    stream = made_ahead(make, range(50), 2)
    assert next(stream) == 0
    assert next(stream) == 10
    assert len(asked) <= 6  # two that were taken, and two for each of two threads
    assert list(stream) == list(range(20, 500, 10))
    assert sorted(asked) == list(range(50))


@pytest.mark.parametrize("workers", [0, 3])
def test_an_error_comes_where_its_part_would_and_ends_the_fit(workers):
    def make(part):
        if part == 3:
            raise ValueError("three")
        return part

    stream = made_ahead(make, range(10), workers)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)

    class Broken(fn.Augmentation):
        draws = 1

        def apply(self, images, numbers):
            raise ValueError("broken")

    net, (X, y) = conv(), data()
    before = net.params.copy()
    with pytest.raises(ValueError, match="broken"):
        net.fit(fn.Augmented(X, y, Broken(), workers=workers), epochs=1)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize("workers", [0, 1])
def test_waiting_is_told(workers, monkeypatch):
    """A clock that ticks with every part that was made: who finds a part ready has not waited."""
    made, looked, changed = [], threading.Event(), threading.Condition()

    def clock():
        now = float(len(made))
        looked.set()
        return now

    def make(part):
        assert looked.wait(60)  # the first is not made before somebody waits for it
        with changed:
            made.append(part)
            changed.notify_all()
        return part

    monkeypatch.setattr("fastnn.data.ahead.perf_counter", clock)
    waited = []
    for taken, _ in enumerate(made_ahead(make, range(4), workers, waited.append), 1):
        with changed:
            ahead = min(taken + AHEAD, 4)  # all that has been asked for: nobody makes any between two looks
            assert not workers or changed.wait_for(lambda: len(made) == ahead, 60)  # noqa: B023
    assert len(waited) == 4
    assert waited[0] >= 1
    assert waited[1:] == [0.0 if workers else 1.0] * 3


# ---- refused ----


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: fn.PadCrop(0), ValueError, "PadCrop: expected pad of at least 1, got 0"),
    (lambda: fn.PadCrop(1.5), TypeError, "PadCrop: expected pad to be an integer"),
    (lambda: fn.HorizontalFlip(1.2), ValueError, "HorizontalFlip: expected probability"),
    (lambda: fn.Affine(-1), ValueError, "Affine: expected rotate"),
    (lambda: fn.Affine(scale=1), ValueError, "Affine: expected scale below 1"),
    (lambda: fn.Cutout(0), ValueError, "Cutout: expected size"),
    (lambda: fn.BrightnessContrast(contrast=2), ValueError, "BrightnessContrast: expected contrast"),
    (lambda: fn.Mixup(0), ValueError, "Mixup: expected alpha"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4)), [0, 1], ()), ValueError, r"(2, 4, 4); for grey ones add the axis"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0], ()), ValueError, "a target for each of 2 pictures, got (1,)"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], fn.PadCrop), TypeError, "got <class"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], [fn.PadCrop]), TypeError, "write it with parentheses"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], "flip"), TypeError, "expected augment to be a list"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 5], fn.Mixup(), classes=3), ValueError, "labels below 3"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 3], fn.Mixup(), classes=3), ValueError, "labels below 3"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, -1], fn.Mixup()), ValueError, "labels from 0 on"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], (), workers=-1), ValueError, "expected workers"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], (), seed=-1), ValueError, "expected seed"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], fn.Mixup(), sample_weight=[1, 2]), ValueError,
     "Augmented: expected no sample_weight beside Mixup"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], (), sample_weight=[1]), ValueError,
     "Augmented: expected sample_weight of shape (2,)"),
    (lambda: fn.Augmented(np.zeros((2, 4, 4, 1)), [0, 1], (), sample_weight=[1, -1]), ValueError,
     "Augmented: expected sample_weight of at least 0"),
    (lambda: fn.Mixup().apply(None, None), TypeError, "expected to be among the changes"),
    (lambda: fn.Augmentation().apply(None, None), NotImplementedError, "a method apply"),
])  # fmt: skip
def test_refused(make, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make()


def test_a_change_that_changes_the_shape_is_refused():
    class Smaller(fn.Augmentation):
        def apply(self, images, numbers):
            return images[:, 1:]

    with pytest.raises(ValueError, match="Smaller: expected apply to keep the shape"):
        fn.Augmented(*data(), Smaller()).at_epoch([0], 0)
