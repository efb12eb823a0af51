"""Files that must be refused: those of helpers.refused_files, what is no file, and what changes while it is read."""

import os
import pickle
import struct
import time

import pytest
from helpers.model_files import assemble, parts, sign, unsigned
from helpers.refused_files import GOOD, NET, REFUSED

import fastnn as fn
from fastnn.errors import CODES
from fastnn.formats import safetensors as files


def test_good_files_are_taken():
    square = fn.Custom(lambda x: x, lambda x, y, dy: dy, name="mine")
    for data in GOOD.values():
        header, description, body = parts(data)
        assert assemble(header, description, body) == data  # what plain Python makes of it is what was written
        files.from_bytes(data, {"mine": square})


def test_the_corpus_is_large_and_knows_all_codes():
    assert len(REFUSED) >= 150
    assert len({row[0] for row in REFUSED}) == len(REFUSED)
    elsewhere = {"not a file", "changed", "labels"}
    assert {row[2] for row in REFUSED} | elsewhere == set(CODES)


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_with_its_code(data, code):
    began = time.process_time()
    with pytest.raises(fn.ModelFormatError) as found:
        files.from_bytes(data, {})
    assert found.value.code == code, str(found.value)
    assert time.process_time() - began < 1.0 + 5e-9 * len(data)


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "socket"])
def test_what_is_no_file(what, tmp_path):
    path = tmp_path / "m.csv"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        import socket

        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()  # its name stays
    net = fn.Sequential([fn.Dense(1)], 2, seed=0)
    for read in (
        fn.load, fn.Ensemble.load, fn.MLPClassifier.load, fn.OnlineRegressor.load, fn.from_onnx, net.load_weights,
    ):  # fmt: skip
        if what == "socket":
            with pytest.raises(OSError, match="No such device"):
                read(path)
            continue
        with pytest.raises(fn.ModelFormatError, match="expected a file, got") as found:
            read(path)
        assert found.value.code == "not a file"
    for read in (fn.data.read_npz, fn.data.read_idx, lambda path: fn.data.read_table(path, "y")):
        if what != "socket":
            with pytest.raises(ValueError, match="expected a file, got"):
                read(path)


def test_a_file_that_changes_while_it_is_read(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(NET)

    def change(x):
        with open(path, "ab") as file:
            file.write(b"x")
        return x

    from fastnn.formats.tensors import opened

    with pytest.raises(fn.ModelFormatError) as found, opened("load", path, "fastnn", "a network") as contents:
        change(contents)
    assert found.value.code == "changed"
    path.write_bytes(NET)
    with (  # noqa: PT012
        pytest.raises(fn.ModelFormatError) as found,
        opened("load", path, "fastnn", "a network", False) as contents,
    ):
        path.write_bytes(NET[:-40])
        files.network_of(contents, {})
    assert found.value.code == "changed"


def test_verify_can_be_left_out(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(sign(unsigned(NET))[:-4] + struct.pack("<f", 0.25))
    with pytest.raises(fn.ModelFormatError) as found:
        fn.load(path)
    assert found.value.code == "checksum"
    assert fn.load(path, verify=False).trainer.optimizer.state.ravel()[-1] == 0.25
    with pytest.raises(TypeError, match="verify"):
        fn.load(path, verify=1)


def test_codes_come_through_pickles():
    error = pickle.loads(pickle.dumps(fn.ModelFormatError("x", "size")))
    assert (str(error), error.code) == ("x", "size")
