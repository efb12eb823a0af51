"""Weights in npz files: what is saved comes back, and anything else is refused before a number changes."""

import io
import os
import zipfile

import numpy as np
import pytest

import fastnn as fn


def net(dtype="float32", seed=0):
    return fn.Sequential(
        [fn.Dense(3, "tanh", name="first"), fn.BatchNorm(), fn.Reshape((1, 3)), fn.LSTM(2, peepholes=True)],
        input_shape=4, seed=seed, dtype=dtype,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_saved_comes_back(dtype, tmp_path):
    one, other = net(dtype), net(dtype, seed=1)
    one.save_weights(tmp_path / "w.npz")
    other.load_weights(str(tmp_path / "w.npz"))
    assert np.array_equal(one.params, other.params)
    assert other.seed == 1
    with np.load(tmp_path / "w.npz", allow_pickle=False) as arrays:
        assert arrays.files == [name for name, _ in one.named_parameters()]
        assert all(np.array_equal(arrays[name], view) for name, view in one.named_parameters())


def test_the_same_weights_are_the_same_file(tmp_path):
    net().save_weights(tmp_path / "a")
    net().save_weights(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy(save, tmp_path):
    values = {name: np.asfortranarray(np.random.default_rng(3).normal(size=view.shape).astype("f4"))
              for name, view in net().named_parameters()}  # fmt: skip
    save(tmp_path / "w.npz", **values)
    loaded = net()
    loaded.load_weights(tmp_path / "w.npz")
    assert all(np.array_equal(values[name], view) for name, view in loaded.named_parameters())


def test_a_network_without_parameters(tmp_path):
    flat = fn.Sequential([fn.Flatten()], input_shape=(2, 2))
    flat.save_weights(tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as arrays_of_file:
        assert arrays_of_file.files == []
    flat.load_weights(tmp_path / "w.npz")
    net().save_weights(tmp_path / "other.npz")
    with pytest.raises(fn.ModelFormatError):
        flat.load_weights(tmp_path / "other.npz")


def arrays(**changes):
    made = {name: view.copy() for name, view in net(seed=7).named_parameters()}
    return {name: array for name, array in {**made, **changes}.items() if array is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first.bias": None}, "the file lacks first.bias"),
        ({"more": np.ones(2, "f4")}, "the file has more.npy"),
        ({"first.bias": np.ones(4, "f4")}, r"expected first.bias of float32 \(3,\), got float32 \(4,\)"),
        ({"first.bias": np.ones((1, 3), "f4")}, r"expected first.bias of float32 \(3,\), got float32 \(1, 3\)"),
        ({"first.bias": np.ones(3)}, r"expected first.bias of float32 \(3,\), got float64 \(3,\)"),
        ({"first.bias": np.ones(3, ">f4")}, r"expected first.bias of float32 \(3,\), got >f4"),
        ({"first.bias": np.array([1, np.nan, 1], "f4")}, "expected first.bias to be finite"),
        ({"first.bias": np.array([1, np.inf, 1], "f4")}, "expected first.bias to be finite"),
        ({"first.bias": np.array([1, None, 1], object)}, r"expected first.bias of float32 \(3,\), got object"),
    ],
)
def test_what_does_not_fit_changes_nothing(changes, message, tmp_path):
    np.savez(tmp_path / "w.npz", **arrays(**changes))
    kept = net()
    before = kept.params.copy()
    with pytest.raises(fn.ModelFormatError, match=f"load_weights.*{message}"):
        kept.load_weights(tmp_path / "w.npz")
    assert np.array_equal(kept.params, before)


def broken():
    whole = io.BytesIO()
    np.savez(whole, **arrays())
    data = whole.getvalue()
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        for name, array in arrays().items():
            member = io.BytesIO()
            np.save(member, array)
            archive.writestr(f"{name}.npy", member.getvalue() + (b"x" if name == "first.bias" else b""))
    flipped = bytearray(data)
    flipped[data.index(b"NUMPY") + 150] ^= 1  # in the numbers: the checksum says so
    return {"empty": b"", "text": b"hello", "cut": data[: len(data) // 2], "longer": twice.getvalue(),
            "flipped": bytes(flipped), "no header": data.replace(b"NUMPY", b"NUMPI")}  # fmt: skip


@pytest.mark.parametrize("kind", broken())
def test_damage_has_one_exception(kind, tmp_path):
    (tmp_path / "w.npz").write_bytes(broken()[kind])
    kept = net()
    before = kept.params.copy()
    with pytest.raises(fn.ModelFormatError, match="load_weights"):
        kept.load_weights(tmp_path / "w.npz")
    assert np.array_equal(kept.params, before)


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        net().load_weights(tmp_path / "none.npz")
    with pytest.raises(fn.ModelFormatError, match="expected a file, got a folder"):
        net().load_weights(tmp_path)


def test_nothing_is_left_where_saving_fails(tmp_path, monkeypatch):
    net().save_weights(tmp_path / "w.npz")
    before = (tmp_path / "w.npz").read_bytes()
    sick = net(seed=1)
    sick.params[2] = np.inf
    with pytest.raises(ValueError, match="save_weights: expected finite parameters"):
        sick.save_weights(tmp_path / "w.npz")

    def fails(*args):
        raise OSError("planted")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="planted"):
        net(seed=1).save_weights(tmp_path / "w.npz")
    assert (tmp_path / "w.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]
