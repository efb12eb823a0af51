"""How files are written: what killed saves leave behind, what an error says, who owns a file."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import fastnn as fn
from fastnn.formats import files as writing

NET = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)


def killed(path, count=1):
    """Leave behind what a killed save does: part of a file under the name of a part, held by nobody."""
    for i in range(count):
        (path.parent / f".{path.name[:200]}.{i:08x}.part").write_bytes(b"half of a file")


@pytest.mark.parametrize("name", ["m", "with.dots.safetensors", "[a-z]*", "n" * 240])
def test_leftovers_go_with_the_next_save(name, tmp_path):
    path = tmp_path / name
    killed(path, 5)
    NET.save(path)
    assert os.listdir(tmp_path) == [name]
    assert np.array_equal(fn.load(path).params, NET.params)


def test_what_is_not_left_behind_stays(tmp_path):
    path = tmp_path / "m"
    others = [".m2.00000000.part", ".m.0000000.part", ".m.00000000.part.txt", "m.00000000.part", ".m.0000000G.part"]
    for name in others:
        (tmp_path / name).write_bytes(b"of somebody else")
    (tmp_path / ".m.11111111.part").mkdir()
    os.mkfifo(tmp_path / ".m.22222222.part")
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / ".m.33333333.part").symlink_to(tmp_path / "target")
    with open(tmp_path / ".m.44444444.part", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        NET.save(path)
        kept = {*others, ".m.11111111.part", ".m.22222222.part", ".m.33333333.part", ".m.44444444.part", "target", "m"}
        assert set(os.listdir(tmp_path)) == kept
    NET.save(path)
    assert set(os.listdir(tmp_path)) == kept - {".m.44444444.part"}


def test_a_part_that_is_being_written_is_held(tmp_path, monkeypatch):
    """Another save of the same file, at every call to the system of the first, does not take its part away."""
    path = tmp_path / "m"
    fsync, replace, again = os.fsync, os.replace, []

    def amid(call):
        def called(*arguments):
            if not again:
                again.append(True)
                NET.save(path)
                again.pop()
            return call(*arguments)

        return called

    monkeypatch.setattr(os, "fsync", amid(fsync))
    monkeypatch.setattr(os, "replace", amid(replace))
    NET.save(path)
    assert os.listdir(tmp_path) == ["m"]
    assert np.array_equal(fn.load(path).params, NET.params)


def test_a_part_that_is_taken_before_it_is_held_is_made_anew(tmp_path, monkeypatch):
    """Between making a part and holding it, another process may take it for one that was left behind."""
    real, taken = fcntl.flock, []

    def flock(place, how):
        if not taken and not how & fcntl.LOCK_NB:
            (part,) = tmp_path.glob(".m.*.part")
            taken.append(part)
            part.unlink()
        return real(place, how)

    monkeypatch.setattr(writing, "flock", flock)
    NET.save(tmp_path / "m")
    assert taken
    assert os.listdir(tmp_path) == ["m"]


def test_without_locks_nothing_is_reaped_and_files_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "flock", None)
    killed(tmp_path / "m")
    NET.save(tmp_path / "m")
    assert sorted(os.listdir(tmp_path)) == [".m.00000000.part", "m"]
    assert np.array_equal(fn.load(tmp_path / "m").params, NET.params)


def test_an_error_of_the_folder_says_that_the_new_file_stands(tmp_path, monkeypatch):
    path, fsync = tmp_path / "m", os.fsync
    fn.Sequential([fn.Dense(3)], input_shape=4, seed=1).save(path)

    def failing(place):
        if stat.S_ISDIR(os.fstat(place).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(place)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="the new file is in place, but may not outlast a loss of power") as found:
        NET.save(path)
    assert found.value.errno == errno.EIO
    assert np.array_equal(fn.load(path).params, NET.params)
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_memory_that_runs_out_after_all_is_written_says_that_the_new_file_stands(tmp_path, monkeypatch):
    path = tmp_path / "m"
    path.write_bytes(b"old")

    def refuse(*given):
        raise MemoryError

    monkeypatch.setattr(writing, "new_part", refuse)
    with pytest.raises(MemoryError) as found:
        writing.write_atomically(path, b"new")
    assert (str(found.value), path.read_bytes()) == ("", b"old")
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda file: refuse() if stat.S_ISDIR(os.fstat(file).st_mode) else None)
    with pytest.raises(MemoryError, match="save: the new file is in place; there was no memory"):
        writing.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_owner_stays(tmp_path):
    path = tmp_path / "m"
    NET.save(path)
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    NET.save(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o640)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_file_of_another_owner_is_replaced_where_he_cannot_be_kept():
    with TemporaryDirectory() as folder:  # whose parents everybody may pass, as those of tmp_path need not
        os.chmod(folder, 0o777)
        replaced_by_another_user(Path(folder))


def replaced_by_another_user(folder):
    NET.save(folder / "m")
    (folder / "m").chmod(0o644)
    code = """
import os, sys, fastnn as fn
net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=3)
net.save(sys.argv[1] + "x")  # so that all is imported that root alone can read
os.remove(sys.argv[1] + "x")
os.setgid(4321), os.setuid(4321)
net.save(sys.argv[1])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(folder / "m")], env=environment, check=True)
    found = (folder / "m").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (4321, 0o644)
    assert os.listdir(folder) == ["m"]


def test_a_folder_that_cannot_be_listed(tmp_path):
    """Files can be made in it all the same."""
    monkey = os.scandir

    def refuse(path):
        raise PermissionError(errno.EACCES, "no", str(path))

    os.scandir = refuse
    try:
        NET.save(tmp_path / "m")
    finally:
        os.scandir = monkey
    assert np.array_equal(fn.load(tmp_path / "m").params, NET.params)


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    nested = 0
    for _ in range(40):
        nested = [nested]
    for metadata, message in [
        ({"a": 2**70}, "of more than 64 bits"), ({"a": nested}, "within 32 others"),
        ({"a": "\ud800"}, "lone surrogate"),
        ({"a": [[]] * 100_000}, "values or more"), ({1: 2, "1": 3}, "names something twice"),
        ({"a": "x" * (17 << 20)}, "header of 2 to 7340032 bytes"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            net.save(tmp_path / "m", metadata=metadata)
    code = fn.Custom(lambda x, p: x * p, lambda x, y, dy, p: (dy, {"é": p}), parameters={"é": (1, "ones")}, name="c")
    with pytest.raises(ValueError, match="save: expected a model that a file can hold"):
        fn.Sequential([code], input_shape=4, seed=0).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_other_programs_read_the_files(tmp_path):
    """All kinds of arrays, at places that suit them, by way of the safetensors package."""
    safetensors = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    nets = [
        fn.Sequential([fn.Conv2D(3, 3), fn.Flatten(), fn.Dense(3)], (6, 6, 1), seed=0, dtype=dtype)
        for dtype in ("float32", "float64")
    ]
    for net in nets:
        net.save(tmp_path / "m", metadata={"text": '€ "quoted" \\ \n \x7f'})
        arrays = numpy.load_file(tmp_path / "m")
        assert {name: array.tobytes() for name, array in arrays.items()} == {
            name: view.tobytes() for name, view in net.named_parameters()
        }
        with safetensors.safe_open(tmp_path / "m", "numpy") as file:
            assert set(file.metadata()) == {"fastnn", "sha256"}
        assert fn.load(tmp_path / "m").metadata == {"text": '€ "quoted" \\ \n \x7f'}
    small = nets[0].quantized("int8")
    small.save(tmp_path / "m")
    arrays = numpy.load_file(tmp_path / "m")
    assert np.array_equal(arrays["dense_1.weight"], small.matrices["dense_1"].values)
    assert arrays["dense_1.weight"].dtype == np.int8
