"""ONNX models that keep numbers in other files: read from regular files of their own folder, and from nowhere else."""

import os

import numpy as np
import pytest

import fastnn as fn

onnx = pytest.importorskip("onnx")

from helpers.onnx_graphs import graph  # noqa: E402

WEIGHT = np.arange(8, dtype=np.float32).reshape(4, 2)
ROW = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)


def model(**facts):
    """A product with a weight that lies elsewhere, as these entries say."""
    made = graph(["y = MatMul(x, w)"], w=WEIGHT)
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    for key, value in facts.items():
        tensor.external_data.add(key=key, value=value)
    return made.SerializeToString()


@pytest.fixture
def folder(tmp_path):
    """A folder for the model, with its weights after 16 other bytes, beside a file that is none of the model's."""
    inside = tmp_path / "inside"
    (inside / "deeper").mkdir(parents=True)
    for path in (inside / "w.bin", inside / "deeper" / "w.bin", tmp_path / "w.bin"):
        path.write_bytes(b"x" * 16 + WEIGHT.tobytes())
    return inside


def read(folder, **facts):
    path = folder / "m.onnx"
    path.write_bytes(model(**facts))
    return fn.from_onnx(path)


@pytest.mark.parametrize(
    "facts",
    [
        {"location": "w.bin", "offset": "16", "length": "32"},
        {"location": "w.bin", "offset": "16"},
        {"location": "deeper/w.bin", "offset": "16"},
        {"location": "deeper/../w.bin", "offset": "16", "checksum": "none"},
    ],
)
def test_numbers_of_the_folder(folder, facts, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where another file of that name lies
    np.testing.assert_allclose(read(folder, **facts).predict(ROW), ROW @ WEIGHT, rtol=1e-6)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"location": "../w.bin", "offset": "16"}, "in the folder of the model"),
        ({"location": "deeper/../../w.bin", "offset": "16"}, "in the folder of the model"),
        ({"location": "{above}/w.bin", "offset": "16"}, "in the folder of the model"),
        ({"location": "link", "offset": "16"}, "in the folder of the model"),
        ({"location": "", "offset": "16"}, "in the folder of the model"),
        ({}, "in the folder of the model"),
        ({"location": "pipe"}, "expected a file, got"),
        ({"location": "zero"}, "in the folder of the model"),
        ({"location": "deeper"}, "expected a file, got"),
        ({"location": "w.bin", "offset": "17", "length": "32"}, "w.bin"),
        ({"location": "w.bin", "offset": "99"}, "w.bin"),
        ({"location": "w.bin", "offset": "-1"}, "w.bin"),
        ({"location": "w.bin", "offset": "1e1"}, "w.bin"),
        ({"location": "w.bin", "offset": "16", "length": "9" * 30}, "w.bin"),
    ],
)
def test_numbers_from_elsewhere_are_refused(folder, facts, message):
    (folder / "link").symlink_to(folder.parent / "w.bin")
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    facts = {key: value.replace("{above}", str(folder.parent)) for key, value in facts.items()}
    with pytest.raises(fn.ModelFormatError, match=message):
        read(folder, **facts)


def test_a_file_that_is_not_there(folder):
    with pytest.raises(FileNotFoundError):
        read(folder, location="none.bin")


def test_bytes_have_no_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(fn.ModelFormatError, match="give the path of the model, so that its folder is known"):
        fn.from_onnx(model(location="w.bin", offset="16"))
