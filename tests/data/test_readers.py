"""IDX and .npz files written byte by byte, whole, damaged and alien."""

import gzip
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastnn as fn
from fastnn.data import read_idx, read_npz

TYPES = [
    (0x08, "B", "u1"),
    (0x09, "b", "i1"),
    (0x0B, "h", "i2"),
    (0x0C, "i", "i4"),
    (0x0D, "f", "f4"),
    (0x0E, "d", "f8"),
]


def idx(code, letter, values, shape):
    head = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + struct.pack(f">{len(values)}{letter}", *values)


@pytest.mark.parametrize(("code", "letter", "dtype"), TYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_every_type(tmp_path, code, letter, dtype, packed):
    values = [1, 2, 3, 100, 5, 6]
    content = idx(code, letter, values, (2, 3))
    path = tmp_path / "data"  # the content says whether it is packed, not the name
    path.write_bytes(gzip.compress(content) if packed else content)
    array = read_idx(path)
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.tolist() == [[1, 2, 3], [100, 5, 6]]
    array[0, 0] = 7  # writable


def test_byte_order(tmp_path):
    path = tmp_path / "data.idx"
    path.write_bytes(b"\0\0\x0b\x01\0\0\0\x02\x01\x00\xff\xfe")
    assert read_idx(path).tolist() == [256, -2]


WHOLE = idx(0x08, "B", range(12), (3, 2, 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file .* got b''"),
        (b"\0\0\x08", "expected an IDX file"),
        (b"PK\x03\x04 something else", "expected an IDX file"),
        (b"\0\0\x07\x01\0\0\0\x01\0", "expected an IDX file"),
        (b"\0\0\x08\x00", "expected an IDX file"),
        (WHOLE[:9], "expected 3 dimensions, got a file that ends before"),
        (WHOLE[:-1], r"expected 12 bytes for shape \(3, 2, 2\) of uint8, got 11"),
        (WHOLE + b"\0", r"expected 12 bytes .* got more"),
        (b"\0\0\x0e\x03" + b"\xff" * 12, r"expected \d{20,} bytes .* got 0"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_and_alien_idx(tmp_path, content, message, packed):
    path = tmp_path / "data.idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=f"read_idx: {message}"):
        read_idx(path)


@pytest.mark.parametrize("cut", [2, 8, 15, -9, -1])
def test_truncated_gzip(tmp_path, cut):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(WHOLE)[:cut])
    with pytest.raises(ValueError, match="read_idx: expected a whole gzip file"):
        read_idx(path)


def test_gzip_with_a_wrong_checksum(tmp_path):
    content = bytearray(gzip.compress(WHOLE))
    content[-6] ^= 1
    path = tmp_path / "data.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="read_idx: expected a whole gzip file"):
        read_idx(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "nothing.npz")


MNIST = Path(os.environ.get("FASTNN_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mnist"


@pytest.mark.skipif(not MNIST.exists(), reason="needs the MNIST files in FASTNN_DATA or ../shared/data")
def test_mnist():
    images, labels = read_idx(MNIST / "t10k-images-idx3-ubyte.gz"), read_idx(MNIST / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10000, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_npz(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.eye(3), y=[0, 1, 2], images=np.zeros((2, 4)), one=np.array(5))
    X, y = read_npz(path)
    assert X.tolist() == np.eye(3).tolist()
    assert y.tolist() == [0, 1, 2]
    assert read_npz(path, X="images", y=None)[1] is None
    with pytest.raises(ValueError, match="no array 'labels', only X, y, images, one"):
        read_npz(path, y="labels")
    with pytest.raises(ValueError, match="as many rows in 'images' as in 'y', got \\[2, 3\\]"):
        read_npz(path, X="images")
    with pytest.raises(ValueError, match="'one' is a single value"):
        read_npz(path, y="one")


def test_npz_refuses_python_objects(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.array([{}], dtype=object), y=[0])
    with pytest.raises(ValueError, match=r"read_npz: .*Python objects"):
        read_npz(path)


def test_npz_that_is_none(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.zeros(1000), y=np.zeros(1000))
    whole = path.read_bytes()
    for content in (b"", b"abc", b"PK\x03\x04", whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"read_npz: expected a .npz file of plain arrays"):
            read_npz(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"read_npz: .*single array; save it with numpy.savez"):
        read_npz(path)


def test_grey_images_get_an_axis_of_one_channel(tmp_path):
    path = tmp_path / "data.idx"
    path.write_bytes(WHOLE)
    images = read_idx(path, channels=True)
    assert images.shape == (3, 2, 2, 1)
    np.testing.assert_array_equal(images[..., 0], np.arange(12).reshape(3, 2, 2))
    path.write_bytes(idx(0x08, "B", range(4), (4,)))
    with pytest.raises(ValueError, match=r"expected images \(B, H, W\) for channels=True, got shape \(4,\)"):
        read_idx(path, channels=True)
    with pytest.raises(TypeError, match="expected channels to be True or False"):
        read_idx(path, channels=1)


def npz_with_header(path, header, member="X.npy"):
    """An archive with one array, whose header is this text."""
    with zipfile.ZipFile(path, "w") as archive:
        content = b"\x93NUMPY\2\0" + struct.pack("<I", len(header)) + header.encode() + bytes(48)
        archive.writestr(member, content)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (" " * (1 << 16) + "\n", "header of 65537 bytes, of at most 65536"),
        ("{" * 3000, "header that cannot be read"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (12 ", "header that cannot be read"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 12), }", "header with the shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -3), }", "header with the shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 3), }", "needs 1199999999988 bytes, got 48"),
    ],
)
def test_headers_of_an_npz_file_that_are_none(tmp_path, header, message):
    with pytest.raises(ValueError, match=message):
        fn.data.read_npz(npz_with_header(tmp_path / "a.npz", header), y=None)


def test_a_header_that_is_packed_a_thousand_to_one_takes_no_memory(tmp_path):
    """As long as it says, 64 MiB, but of a file of 64 KiB."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 26) + bytes(1 << 26))
    tracemalloc.start()
    with pytest.raises(ValueError, match="header of 67108864 bytes, of at most 65536"):
        fn.data.read_npz(tmp_path / "a.npz", y=None)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20


def test_an_npz_directory_that_points_before_the_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.ones((4, 3)), y=np.arange(4))
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    data[end + 16 : end + 20] = struct.pack("<I", len(data))  # where the directory begins: it moves all offsets
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"expected a \.npz file"):
        fn.data.read_npz(path)


def test_a_table_with_a_number_that_no_float_holds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1," + "9" * 400 + "\n2,3\n")
    with pytest.raises(ValueError, match=r"in column 'y', got one above 1.8e308"):
        fn.data.read_table(path, "y")
