"""Pictures in files: what Pillow reads, what is refused by name, and batches that threads make ahead."""

import re
import threading
from itertools import count

import numpy as np
import pytest

import fastnn as fn

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def picture(size=(6, 8), seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels)).astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three classes of pictures of one size; returns the folder and what is in it, in order."""
    made = []
    for label, name in enumerate(["cat", "dog", "eel"]):
        for k in range(4 + label):
            array = picture(seed=10 * label + k)
            save(tmp_path / "data" / name / f"{k:02}.png", array)
            made.append((label, array))
    return tmp_path / "data", made


# ---- which files, in which order ----


@pytest.mark.parametrize("workers", [None, 1, 5])
def test_a_folder_for_each_class(folder, workers):
    path, made = folder
    (path / ".hidden").write_text("no picture")
    (path / "dog" / ".DS_Store").write_text("no picture")
    (path / "dog" / "Thumbs.db").write_text("no picture")
    X, y, classes, files = fn.read_images(path, workers=workers)
    assert X.dtype == np.uint8
    np.testing.assert_array_equal(X, [array for _, array in made])
    np.testing.assert_array_equal(y, [label for label, _ in made])
    assert classes == ["cat", "dog", "eel"]
    assert [f"{one.parent.name}/{one.name}" for one in files[:5]] == [
        "cat/00.png", "cat/01.png", "cat/02.png", "cat/03.png", "dog/00.png",
    ]  # fmt: skip


def test_classes_keep_their_numbers_where_one_is_missing(folder):
    path, _ = folder
    _, y, classes, _ = fn.read_images(path, classes=["eel", "bee", "cat", "dog"])
    assert classes == ["eel", "bee", "cat", "dog"]
    np.testing.assert_array_equal(y, [2] * 4 + [3] * 5 + [0] * 6)
    with pytest.raises(ValueError, match=r"expected folders of the classes cat, dog in .*, got 'eel'"):
        fn.read_images(path, classes=["cat", "dog"])


def test_pictures_alone_and_lists_of_files_have_no_labels(folder):
    path, made = folder
    X, y, classes, files = fn.read_images(path / "dog")
    assert (len(X), y, classes) == (5, None, None)
    again = fn.read_images([str(files[3]), files[0]])
    np.testing.assert_array_equal(again.X, [made[7][1], made[4][1]])


def test_folders_within_classes_belong_to_them(tmp_path):
    for name in ("a/x/1.png", "a/y/2.png", "b/1.png"):
        save(tmp_path / name, picture())
    assert fn.read_images(tmp_path).y.tolist() == [0, 0, 1]


# ---- what becomes of a file ----


def read_one(tmp_path, image, name="a.png", save_options=None, **options):
    image.save(tmp_path / name, **(save_options or {}))
    return fn.read_images([tmp_path / name], **options).X[0]


GREY = (np.arange(48).reshape(6, 8) * 5).astype(np.uint8)


def test_grey_pictures_become_colours_and_colours_grey(tmp_path):
    grey = Image.fromarray(GREY)
    np.testing.assert_array_equal(read_one(tmp_path, grey), np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(read_one(tmp_path, grey, color="gray"), GREY[..., None])
    colours = picture()
    luma = colours @ [0.299, 0.587, 0.114]  # ITU-R 601-2, as Pillow says
    found = read_one(tmp_path, Image.fromarray(colours), color="gray")[..., 0]
    np.testing.assert_allclose(found, luma, atol=1)


def test_palettes_become_colours(tmp_path):
    palette = Image.new("P", (8, 6))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    which = np.arange(48).reshape(6, 8) % 3
    palette.putdata(which.ravel().tolist())
    np.testing.assert_array_equal(read_one(tmp_path, palette), (255 * np.eye(3, dtype=int))[which])


@pytest.mark.parametrize("background", [255, 0, 100])
def test_what_is_transparent_shows_the_background(tmp_path, background):
    colours, alpha = picture(), np.zeros((6, 8, 1), np.uint8)
    alpha[:3] = 255
    found = read_one(tmp_path, Image.fromarray(np.concatenate([colours, alpha], axis=2)), background=background)
    np.testing.assert_array_equal(found[:3], colours[:3])
    assert (found[3:] == background).all()
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 8, 8, 8])
    palette.putdata([0, 1])
    found = read_one(tmp_path, palette, "b.png", {"transparency": 1}, background=background)
    np.testing.assert_array_equal(found[0], [[9] * 3, [background] * 3])


@pytest.mark.parametrize(("orientation", "upright"), [
    (1, lambda x: x),
    (3, lambda x: x[::-1, ::-1]),
    (6, lambda x: np.rot90(x, -1)),  # the top of the scene is on the right of the file: turn it with the clock
    (8, lambda x: np.rot90(x, 1)),
])  # fmt: skip
def test_pictures_are_upright(tmp_path, orientation, upright):
    array, exif = picture(), Image.Exif()
    exif[0x0112] = orientation
    found = read_one(tmp_path, Image.fromarray(array), save_options={"exif": exif})
    np.testing.assert_array_equal(found, upright(array))


def test_sixteen_bits_become_eight(tmp_path):
    values = np.array([[0, 257, 300, 65535, 32896, 128 * 257]], np.uint16)
    found = read_one(tmp_path, Image.fromarray(values), color="gray")
    np.testing.assert_array_equal(found[0, :, 0], [0, 1, 1, 255, 128, 128])


def test_other_modes_become_colours(tmp_path):
    one_bit = Image.fromarray(GREY > 100)
    np.testing.assert_array_equal(read_one(tmp_path, one_bit, color="gray")[..., 0], 255 * (GREY > 100))
    cmyk = read_one(tmp_path, Image.new("CMYK", (3, 2), (255, 0, 0, 0)), "c.tif")
    np.testing.assert_array_equal(cmyk, np.broadcast_to([0, 255, 255], (2, 3, 3)))


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    first, second = (Image.new("L", (4, 3), value) for value in (10, 200))
    found = read_one(tmp_path, first, "a.gif", {"save_all": True, "append_images": [second]}, color="gray")
    assert (found == 10).all()


# ---- sizes ----


def test_stretch_and_crop(tmp_path):
    """A picture twice as wide as high: its left half black, its right half white but for grey at both ends."""
    array = np.zeros((20, 40), np.uint8)
    array[:, 20:] = 255
    array[:, :10] = array[:, 30:] = 99
    image = Image.fromarray(array)
    crop = read_one(tmp_path, image, size=(10, 10), color="gray")[..., 0]
    assert (crop[:, 1:4] == 0).all()  # the filter reaches one pixel beyond what is cut off
    assert (crop[:, 6:9] == 255).all()
    stretch = read_one(tmp_path, image, size=(10, 10), color="gray", fit="stretch")[..., 0]
    np.testing.assert_array_equal(stretch[:, [0, 1, 8, 9]], 99)
    assert stretch.shape == (10, 10)
    assert (stretch[:, 3] < 20).all()


def test_halving_is_near_the_mean_of_squares(tmp_path):
    """Pillow's bilinear filter is wider than the step: smooth pictures become the means of their pixels."""
    i, j = np.indices((64, 64))
    smooth = np.round(127 + 60 * np.sin(i / 20) + 60 * np.cos(j / 15)).astype(np.uint8)
    found = read_one(tmp_path, Image.fromarray(smooth), size=(32, 32), color="gray")[..., 0]
    means = smooth.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(found[2:-2, 2:-2], means[2:-2, 2:-2], atol=1.5)


def test_a_large_jpeg_is_read_at_a_part_of_its_size_and_hardly_shows_it(tmp_path):
    i, j = np.indices((800, 640))
    smooth = np.round(127 + 60 * np.sin(i / 120) + 60 * np.cos(j / 90)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    found = fn.read_images([tmp_path / "a.jpg"], (40, 32), color="gray").X[0, ..., 0]
    np.testing.assert_allclose(found, smooth.reshape(40, 20, 32, 20).mean(axis=(1, 3)), atol=4)


# ---- refused, by name ----


def damaged(path):
    whole = save(path.with_suffix(".whole.png"), picture((40, 40))).read_bytes()
    path.with_suffix(".whole.png").unlink()
    path.write_bytes(whole[: len(whole) // 2])


def text(path):
    path.write_text("no picture")


def floats(path):
    Image.fromarray(np.ones((3, 3), np.float32)).save(path.with_suffix(".tif"))
    path.with_suffix(".tif").rename(path)


@pytest.mark.parametrize(("spoil", "message"), [
    (damaged, r"expected a picture in .*bad\.png, got what Pillow cannot read"),
    (text, r"expected a picture in .*bad\.png, got what Pillow cannot read"),
    (floats, r"expected grey values or colours in .*bad\.png, got floating-point numbers \(mode 'F'\)"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(folder, spoil, message):
    path, _ = folder
    spoil(path / "dog" / "bad.png")
    with pytest.raises(ValueError, match=f"read_images: {message}"):
        fn.read_images(path)
    batches = fn.ImageBatches(path, (6, 8), workers=2)
    net = network(batches)
    before = net.params.copy()
    with pytest.raises(ValueError, match=f"ImageBatches: {message}"):
        net.fit(batches, epochs=2, batch_size=4)
    np.testing.assert_array_equal(net.params, before)


def test_another_size_is_named(folder):
    path, _ = folder
    save(path / "eel" / "zz.png", picture((7, 8)))
    with pytest.raises(ValueError, match=r"got \(6, 8\) in .*00\.png and \(7, 8\) in .*zz\.png; give size="):
        fn.read_images(path)


def put_beside(path):
    (path / "list.csv").write_text("")


def put_within(path):
    (path / "dog" / "notes.txt").write_text("")


def put_empty(path):
    (path / "fox").mkdir()


@pytest.mark.parametrize(("put", "message"), [
    (put_beside, r"expected a folder for each class and nothing beside them in .*, got 'list\.csv'"),
    (put_within, r"expected pictures alone, such as \.png or \.jpg, got .*notes\.txt; move it elsewhere"),
    (put_empty, r"expected pictures in every folder, got none in .*fox"),
])  # fmt: skip
def test_what_else_is_in_the_folder_is_named(folder, put, message):
    path, _ = folder
    put(path)
    with pytest.raises(ValueError, match=message):
        fn.read_images(path)


@pytest.mark.parametrize(("call", "kind", "message"), [
    (lambda p: fn.read_images(p / "nowhere"), FileNotFoundError, "which is not there"),
    (lambda p: fn.read_images([p / "nowhere.png"]), FileNotFoundError, "nowhere.png"),
    (lambda p: fn.read_images(p / "dog" / "00.png"), ValueError, "expected a folder, got the file"),
    (lambda p: fn.read_images([]), ValueError, "got an empty list"),
    (lambda p: fn.read_images(3), TypeError, "expected a folder or a list of files, got int"),
    (lambda p: fn.read_images(p / "dog", classes=["a"]), ValueError, "expected a folder for each class"),
    (lambda p: fn.read_images([p / "dog/00.png"], classes=["a"]), ValueError, "expected no classes beside a list"),
    (lambda p: fn.read_images(p, classes=["cat", "cat"]), ValueError, "each of classes once"),
    (lambda p: fn.read_images(p, 8), TypeError, "expected size as (height, width), got 8"),
    (lambda p: fn.read_images(p, (0, 8)), ValueError, "expected size of at least 1"),
    (lambda p: fn.read_images(p, color="grey"), ValueError, "did you mean 'gray'?"),
    (lambda p: fn.read_images(p, fit="pad"), ValueError, "unknown fit 'pad'"),
    (lambda p: fn.read_images(p, background=256), ValueError, "expected background of at most 255"),
    (lambda p: fn.read_images(p, workers=0), ValueError, "expected workers of at least 1"),
    (lambda p: fn.ImageBatches(p, None), TypeError, "expected size as (height, width), got None"),
    (lambda p: fn.ImageBatches(p, (4, 4), y=[1]), ValueError, "expected no y beside a folder"),
    (lambda p: fn.ImageBatches(p / "dog", (4, 4)), ValueError, "expected y, the targets of the files"),
    (lambda p: fn.ImageBatches([p / "dog/00.png"], (4, 4), y=[1, 2]), ValueError, "a target for each of 1 files"),
    (lambda p: fn.ImageBatches(p, (4, 4), workers=-1), ValueError, "expected workers of at least 0"),
])  # fmt: skip
def test_refused(folder, call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call(folder[0])


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=re.escape('read_images needs Pillow: pip install "fastnn[image]"')):
        fn.read_images(folder[0])


# ---- batches ----


def network(batches, seed=0):
    layers = [fn.Standardize.of(batches) if len(batches) < 3 else fn.Standardize(127.5, 74), fn.Conv2D(4, 3, "relu"),
              fn.GlobalAvgPool2D(), fn.Dense(3)]  # fmt: skip
    net = fn.Sequential(layers, input_shape=batches.shape, seed=seed)
    net.compile("cross_entropy", fn.Adam(1e-2), metrics=["accuracy"])
    return net


CHANGES = [fn.PadCrop(1), fn.HorizontalFlip(), fn.Affine(5), fn.Mixup(0.3)]


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_batches_are_the_pictures_in_memory(folder, workers, color):
    path, _ = folder
    X, y, classes, files = fn.read_images(path, (5, 7), color=color)
    batches = fn.ImageBatches(path, (5, 7), color=color, augment=CHANGES, seed=2, workers=workers)
    assert (batches.files, batches.classes, batches.shape) == (files, classes, X.shape[1:])
    np.testing.assert_array_equal(batches.y, y)
    from_files, from_memory = network(batches), network(batches)
    from_files.fit(batches, epochs=3, batch_size=4, validation_data=batches)
    from_memory.fit(fn.Augmented(X, y, CHANGES, seed=2, classes=3), epochs=3, batch_size=4, validation_data=(X, y))
    np.testing.assert_array_equal(from_files.params, from_memory.params)
    assert [*from_files.history["val_loss"]] == [*from_memory.history["val_loss"]]
    np.testing.assert_array_equal(from_files.predict(batches), from_memory.predict(X))
    assert batches.waited > 0


def test_a_list_of_files_with_targets(folder):
    path, _ = folder
    files = sorted((path / "eel").iterdir())
    targets = np.linspace(-1, 1, len(files))
    batches = fn.ImageBatches(files, (6, 8), y=targets)
    images, y = batches.gather([4, 1])
    np.testing.assert_array_equal(y, targets[[4, 1]])
    np.testing.assert_array_equal(images, fn.read_images([files[4], files[1]]).X)
    assert batches.classes is None
    labels = fn.ImageBatches(files, (6, 8), y=[0, 1, 0, 1, 0, 1], classes=4, augment=fn.Mixup())
    assert labels.at_epoch([0], 0)[1].shape == (1, 4)


def test_split_keeps_the_shares_of_the_classes(folder):
    path, _ = folder
    whole = fn.ImageBatches(path, (6, 8), augment=CHANGES)
    train, test = whole.split(1 / 3, seed=1)
    assert sorted(train.files + test.files) == whole.files
    assert whole.split(1 / 3, seed=2)[1].files != test.files
    assert [int((test.y == k).sum()) for k in range(3)] in ([1, 2, 2], [2, 1, 2], [1, 1, 3])
    for part in (train, test):
        assert [part.classes[k] for k in part.y] == [one.parent.name for one in part.files]
        assert part.at_epoch([0], 0)[1].shape == (1, 3)
    np.testing.assert_array_equal(train.gather([0])[0][0], fn.read_images([train.files[0]]).X[0])


def test_learning_stops_cleanly_while_threads_read_ahead(folder):
    """A callback ends the fit in the middle of an epoch: no thread is left, and a new fit works."""

    class Stop(fn.Callback):
        def on_batch_end(self, *_):
            raise KeyboardInterrupt

    batches = fn.ImageBatches(folder[0], (6, 8), workers=3)
    net = network(batches)
    with pytest.raises(KeyboardInterrupt):
        net.fit(batches, epochs=3, batch_size=2, callbacks=[Stop()])
    assert not [one for one in threading.enumerate() if one.name.startswith("fastnn-ahead")]
    net.fit(batches, epochs=1)


def test_split_keeps_the_share_of_a_rare_class_whatever_the_seed(folder):
    """A fifth of 40, 15 and 5 pictures is 8, 3 and 1; numbers that are no labels are not taken for classes."""
    one = folder[0] / "cat" / "00.png"
    labels = np.repeat([0, 1, 2], [40, 15, 5])
    batches = fn.ImageBatches([one] * 60, (6, 8), y=labels)
    for seed in range(20):
        train, test = batches.split(0.2, seed=seed)
        assert np.bincount(test.y).tolist() == [8, 3, 1]
        assert np.bincount(train.y).tolist() == [32, 12, 4]
    for targets in (labels.astype(float), np.eye(3)[labels]):
        tests = [fn.ImageBatches([one] * 60, (6, 8), y=targets).split(0.2, seed=seed)[1].y for seed in range(20)]
        assert len({tuple(np.sort(test, axis=0).ravel()) for test in tests}) > 1


@pytest.mark.parametrize("workers", [0, 2])
def test_waiting_adds_up_within_an_epoch_and_begins_anew_with_the_next(folder, workers, monkeypatch):
    """Every look at the clock finds it a second later, so that each part takes a second."""
    ticks = count()
    monkeypatch.setattr("fastnn.data.ahead.perf_counter", lambda: float(next(ticks)))
    batches = fn.ImageBatches(folder[0], (6, 8), workers=workers)
    assert batches.waited == 0
    parts = np.array_split(np.arange(15), 5)
    for epoch, taken in enumerate((5, 3)):
        assert len(list(batches.stream(parts[:taken], epoch))) == taken
        assert batches.waited == taken
        assert len(list(batches.stream(parts[:1], None))) == 1  # evaluation is not training
        assert batches.waited == taken


class Seen(fn.Augmentation):
    """Leaves pictures as they are, and notes which threads see them, so many of them at a time."""

    def __init__(self, together):
        self.together, self.threads = threading.Barrier(together, timeout=60), []

    def apply(self, images, numbers):
        self.threads.append(threading.current_thread())
        self.together.wait()
        return images


def threads_seen(folder, workers, together):
    """The threads that made two parts for each of those that are to be at work at a time."""
    seen = Seen(together)
    batches = fn.ImageBatches(folder, (6, 8), augment=seen, **({} if workers is None else {"workers": workers}))
    list(batches.stream([np.array([row]) for row in range(2 * together)], 0))
    return set(seen.threads)


def test_the_thread_that_trains_makes_batches_where_there_are_no_workers(folder):
    assert threads_seen(folder[0], 0, 1) == {threading.current_thread()}


@pytest.mark.parametrize("workers", [1, 3])
def test_so_many_workers_make_batches(folder, workers):
    found = threads_seen(folder[0], workers, workers)
    assert len(found) == workers
    assert threading.current_thread() not in found


def test_there_are_as_many_workers_as_threads_if_no_number_is_given(folder):
    before = fn.get_num_threads()
    try:
        fn.set_num_threads(3)
        assert len(threads_seen(folder[0], None, 3)) == 3
    finally:
        fn.set_num_threads(before)
