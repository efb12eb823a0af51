"""Data sets from a server on this machine, with small stand-ins: fetched once, verified, converted."""

import bz2
import gzip
import hashlib
import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from helpers.idx import idx

import fastnn as fn
from fastnn.cli import main
from fastnn.data import converters
from fastnn.data.caffe import layers_of
from fastnn.data.fetch import RECORD, fetch
from fastnn.data.sets import SETS, DataSet

pytest.importorskip("pooch")
rng = np.random.default_rng(0)


def packed_idx(array):
    return gzip.compress(idx(array))


def tar(files):
    with io.BytesIO() as memory:
        with tarfile.open(fileobj=memory, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return memory.getvalue()


IMAGES = [rng.integers(0, 256, (n, 28, 28)) for n in (6, 4)]
LABELS = [np.array([0, 1, 2, 9, 4, 5]), np.array([9, 0, 3, 4])]
GREY = np.round(rng.uniform(-1, 1, (3, 256)), 3)
GREY[GREY < -0.9] = 0
DIGITS = [9, 0, 5]
COLOURS = rng.integers(0, 256, (6, 2, 3, 32, 32)).astype(np.uint8)
KINDS = np.array([[1, 2], [3, 9], [0, 0], [9, 1], [2, 3], [9, 4]], np.uint8)


def libsvm(rows, labels):
    lines = [
        " ".join([str(label + 1), *(f"{j + 1}:{value:g}" for j, value in enumerate(row) if value)])
        for row, label in zip(rows, labels, strict=True)
    ]
    return bz2.compress(("\n".join(lines) + "\n").encode())


def records(part):
    return b"".join(bytes([kind]) + image.tobytes() for kind, image in zip(KINDS[part], COLOURS[part], strict=True))


def varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def message(field, content):
    """A field with a length, as protocol buffers have it."""
    return varint(field << 3 | 2) + varint(len(content)) + content


FIRES = [("fire2", 96, 2), ("fire3", 16, 3)]
SHAPES = {"conv1": (96, 3, 7, 7), "conv10": (1000, 24, 1, 1)} | {
    f"{name}/{part}": shape
    for name, inputs, squeeze in FIRES
    for part, shape in {
        "squeeze1x1": (squeeze, inputs, 1, 1),
        "expand1x1": (4 * squeeze, squeeze, 1, 1),
        "expand3x3": (4 * squeeze, squeeze, 3, 3),
    }.items()
}
WEIGHTS = {name: [rng.standard_normal(s).astype("<f4") for s in (shape, shape[:1])] for name, shape in SHAPES.items()}


def caffemodel(layer, name_field, blobs_field, packed):
    """A net of that name, a layer without weights, and the layers with them."""
    data = message(1, b"SqueezeNet") + message(layer, message(name_field, b"relu_conv1"))
    for name, blobs in WEIGHTS.items():
        content = message(name_field, name.encode()) + varint(5 << 3) + varint(300)
        for blob in blobs:
            numbers = [message(5, blob.tobytes())] if packed else [b"\x2d" + one.tobytes() for one in blob.ravel()]
            content += message(blobs_field, varint(1 << 3) + varint(len(blob)) + b"".join(numbers))
        data += message(layer, content)
    return data


PUBLISHED = {
    "train-images-idx3-ubyte.gz": packed_idx(IMAGES[0]),
    "train-labels-idx1-ubyte.gz": packed_idx(LABELS[0]),
    "t10k-images-idx3-ubyte.gz": packed_idx(IMAGES[1]),
    "t10k-labels-idx1-ubyte.gz": packed_idx(LABELS[1]),
    "squeezenet_v1.0.caffemodel": caffemodel(100, 1, 7, True),
    "usps.bz2": libsvm(GREY, DIGITS),
    "usps.t.bz2": libsvm(GREY[:2], DIGITS[:2]),
    "input.txt": b"To be, or not to be",
    "cifar-10-binary.tar.gz": tar(
        {**{f"data_batch_{i + 1}.bin": records(i) for i in range(5)}, "test_batch.bin": records(5)}
    ),
}
CONVERT = {
    "squeezenet": partial(converters.squeezenet_arrays, squeezes=(2, 3)),
    "mnist": partial(converters.keep_idx, sizes=(6, 4)),
    "usps": partial(converters.usps_rows, sizes=(3, 2)),
    "shakespeare": partial(converters.keep_text, size=19),
    "cifar10": partial(converters.cifar_arrays, size=2),
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of PUBLISHED; gives its address and the paths that were asked for."""
    folder, asked = tmp_path / "published", []
    folder.mkdir()
    for name, content in PUBLISHED.items():
        (folder / name).write_bytes(content)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()
        thread.join()


def stand_in(name, address, **sums):
    """The set of that name, with its own files and folder, from our server with our checksums."""
    real = SETS[name]
    files = tuple(
        (file, address, sums.get(file.split(".")[0], "sha256:" + hashlib.sha256(PUBLISHED[file]).hexdigest()))
        for file, _, _ in real.files
    )
    return DataSet(name, real.about, real.page, real.licence, real.folder, files, CONVERT[name])


def test_mnist(server, tmp_path):
    folder = fetch(stand_in("mnist", server[0]), tmp_path / "data")
    assert folder == tmp_path / "data" / "mnist"
    for part, images, labels in zip(("train", "t10k"), IMAGES, LABELS, strict=True):
        np.testing.assert_array_equal(fn.read_idx(folder / f"{part}-images-idx3-ubyte.gz"), images)
        np.testing.assert_array_equal(fn.read_idx(folder / f"{part}-labels-idx1-ubyte.gz"), labels)


def test_usps(server, tmp_path):
    folder = fetch(stand_in("usps", server[0]), tmp_path)
    for part, count in (("train", 3), ("test", 2)):
        table = np.loadtxt(folder / f"zip.{part}.gz")
        np.testing.assert_array_equal(table[:, 0], DIGITS[:count])
        np.testing.assert_allclose(table[:, 1:], GREY[:count], atol=1e-12)


def test_shakespeare(server, tmp_path):
    folder = fetch(stand_in("shakespeare", server[0]), tmp_path)
    assert (folder / "tinyshakespeare.txt").read_text() == "To be, or not to be"
    assert folder.name == "text"


def test_cifar10(server, tmp_path):
    folder = fetch(stand_in("cifar10", server[0]), tmp_path)
    for part, some in (("train", slice(0, 5)), ("test", slice(5, 6))):
        X, y = fn.data.read_npz(folder / f"cifar10_{part}.npz")
        assert X.dtype == y.dtype == np.uint8
        np.testing.assert_array_equal(X, np.moveaxis(COLOURS[some].reshape(-1, 3, 32, 32), 1, -1))
        np.testing.assert_array_equal(y, KINDS[some].ravel())


def test_squeezenet(server, tmp_path):
    folder = fetch(stand_in("squeezenet", server[0]), tmp_path)
    assert folder.name == "squeezenet_v1.0"
    with np.load(folder / "squeezenet_v1.0_decoded.npz") as archive:
        assert len(archive.files) == 16
        for name, (w, b) in WEIGHTS.items():
            np.testing.assert_array_equal(archive[f"{name}.w"], w)
            np.testing.assert_array_equal(archive[f"{name}.b"], b)


def test_layers_of_older_files_of_caffe(tmp_path):
    """V1LayerParameter, and numbers one by one."""
    (tmp_path / "old").write_bytes(caffemodel(2, 4, 6, False))
    found = layers_of(tmp_path / "old")
    assert list(found) == list(WEIGHTS)
    np.testing.assert_array_equal(found["conv1"][0], WEIGHTS["conv1"][0].ravel())
    for broken in (caffemodel(100, 1, 7, True)[:-9], b"\x9b", b"\x0b"):
        (tmp_path / "old").write_bytes(broken)
        with pytest.raises(ValueError, match="expected a"):
            layers_of(tmp_path / "old")


def test_a_set_is_fetched_once_and_nothing_else_is_left(server, tmp_path):
    for _ in range(2):
        fetch(stand_in("mnist", server[0]), tmp_path / "data")
    assert len(server[1]) == 4
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mnist"]
    record = json.loads((tmp_path / "data" / "mnist" / RECORD).read_text())
    assert record["licence"] == SETS["mnist"].licence
    assert (
        record["sha256"]["t10k-labels-idx1-ubyte.gz"]
        == hashlib.sha256(PUBLISHED["t10k-labels-idx1-ubyte.gz"]).hexdigest()
    )


def test_a_set_that_changed_afterwards_is_refused(server, tmp_path):
    one = stand_in("shakespeare", server[0])
    (fetch(one, tmp_path) / "tinyshakespeare.txt").write_text("To be, or not to bee")
    with pytest.raises(
        ValueError, match=r"tinyshakespeare\.txt as it was fetched, got it changed or gone; remove .*text"
    ):
        fetch(one, tmp_path)


def test_a_set_put_there_by_hand_is_taken_as_it_is(server, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"mine")
    assert fetch(stand_in("mnist", server[0]), tmp_path) == tmp_path / "mnist"
    assert server[1] == []


def test_an_empty_folder_is_no_set(server, tmp_path):
    (tmp_path / "text").mkdir()
    assert (fetch(stand_in("shakespeare", server[0]), tmp_path) / "tinyshakespeare.txt").exists()


@pytest.mark.parametrize("known", ["md5:" + "0" * 32, "sha1:" + "0" * 40, "sha256:" + "0" * 64])
def test_another_checksum_keeps_nothing(server, tmp_path, known):
    with pytest.raises(
        ValueError, match=rf"fetch_data: expected http.*input.txt with the checksum {known}, got another"
    ):
        fetch(stand_in("shakespeare", server[0], input=known), tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("name", "convert", "message"), [
    ("mnist", partial(converters.keep_idx, sizes=(7, 4)), r"train-images.*: expected an array of shape \(7, 28, 28\)"),
    ("usps", partial(converters.usps_rows, sizes=(4, 2)), "usps.bz2: expected 4 lines, got 3"),
    ("shakespeare", partial(converters.keep_text, size=20), "input.txt: expected 20 bytes, got 19"),
    ("cifar10", partial(converters.cifar_arrays, size=3), "train: expected 15 records, got 10"),
    ("squeezenet", converters.squeezenet_arrays, "expected fire2/squeeze1x1 with 1536 weights and 16 biases"),
])  # fmt: skip
def test_what_is_not_the_set_keeps_nothing(server, tmp_path, name, convert, message):
    one = stand_in(name, server[0])
    wrong = DataSet(one.name, one.about, one.page, one.licence, one.folder, one.files, convert)
    with pytest.raises(ValueError, match=message):
        fetch(wrong, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_labels_that_are_none_are_found():
    with pytest.raises(ValueError, match="expected labels from 0 to 9, got some up to 8"):
        converters.require("train", np.array([8, 0]), (2,), 9)


def test_no_server(tmp_path):
    one = stand_in("shakespeare", "http://127.0.0.1:9/")
    with pytest.raises(
        OSError, match=r"could not fetch http://127.0.0.1:9/input.txt \(ConnectionError\); is there a netw"
    ):
        fetch(one, tmp_path)


def test_a_file_that_is_not_there(server, tmp_path):
    with pytest.raises(OSError, match=r"could not fetch http.*/gone/input.txt \(HTTPError\)"):
        fetch(stand_in("shakespeare", server[0] + "gone/"), tmp_path)


def test_what_may_not_be_passed_on_names_its_page(tmp_path):
    with pytest.raises(
        ValueError, match=r"expected a set that may be passed on, got 'pfnn' .*see https://theorangeduck"
    ):
        fn.fetch_data("pfnn", tmp_path)
    with pytest.raises(ValueError, match=r"expected one of mnist, usps, .*, got 'minst'"):
        fn.fetch_data("minst", tmp_path)


def test_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    assert fn.data_folder() == tmp_path
    monkeypatch.delenv("FASTNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert fn.data_folder().name == "fastnn"


def test_every_published_file_has_a_checksum():
    for one in SETS.values():
        assert bool(one.files) == (one.convert is not None)
        for _, base, known in one.files:
            kind, _, digits = known.partition(":")
            assert base.startswith("https://")
            assert base.endswith("/")
            assert len(bytes.fromhex(digits)) == {"md5": 16, "sha1": 20, "sha256": 32}[kind]


def test_command(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SETS, "shakespeare", stand_in("shakespeare", server[0]))
    assert main(["data", "shakespeare", "--folder", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for part in ("public domain", server[0], "sha256:", str(tmp_path / "text"), "tinyshakespeare.txt  19 bytes"):
        assert part in shown
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{name}: " in shown and one.licence in shown for name, one in SETS.items())
    assert main(["data", "mnits", "--folder", str(tmp_path)]) == 2
    assert "expected some of mnist, usps" in capsys.readouterr().err


def test_the_examples_name_the_command(monkeypatch, tmp_path):
    from helpers.examples import load

    load("mnist")
    import common

    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with pytest.raises(
        common.MissingData, match=r"expected mnist in .*; fetch it: python -m fastnn data mnist; or set"
    ):
        common.mnist()
    with pytest.raises(common.MissingData, match="python -m fastnn data shakespeare"):
        common.data("text/tinyshakespeare.txt")
    with pytest.raises(common.MissingData, match=r"see https://theorangeduck\.com"):
        common.data("pfnn/weights/a.npz")
