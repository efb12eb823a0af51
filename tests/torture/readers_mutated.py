"""Files of others, changed: ONNX models, archives of arrays, IDX files, tables: read, or refused in a sentence."""

import gzip
import io
import random
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from helpers.mutants import change_at

import fastnn as fn

PROMISE = (
    "of 200,000 changed ONNX models, .npz archives, IDX files and tables each is read or refused with ValueError, a "
    "network so read answers, and none takes two seconds"
)
SHORT = 1 / 200
MUTANTS, PATIENCE = 200_000, 2.0
NUMBERS = [0, 1, -1, 2, 3, 5, 7, 127, 255, 256, 1 << 15, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63)]
TEXTS = ["", "x", "y", "Relu", "Gemm", "Conv", "Reshape", "\0", "../x", "x" * 300, "é", "dense_1.weight"]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e30, -1e30, 1e-40, float("nan"), float("inf")]
CELLS = [
    "", " ", "nan", "inf", "-inf", "1e400", "1e-400", "0x10", "1_000", "1,5", "é", "\0", '"', '""', "'", "\ufeff",
    "=1+1", "2001-13-45", "2001-05-01", "99999-01-01", "9" * 400, "-" + "9" * 30, "True", "NULL", "a;b", "\x85", "#",
    "\\",
]  # fmt: skip


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Flip, put in, take out and repeat bytes."""
    broken = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        change_at(chance.randrange(len(broken)) if broken else 0, broken, b"\0\1\x7f\x80\xff", chance)
    return bytes(broken)


# ---- ONNX: any field of any message ----------------------------------------------------------------------------------


def messages(message: Any) -> list[Any]:
    """A message and all within it."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "__len__") else [value]:
                found += messages(part)
    return found


def field_changed(message: Any, chance: random.Random) -> None:
    """Give one field of a message another value, or take it away."""
    field = chance.choice(message.DESCRIPTOR.fields)
    value = getattr(message, field.name)
    if chance.random() < 0.15:
        message.ClearField(field.name)
        return
    new: Any = chance.choice(NUMBERS)
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        new = chance.choice(TEXTS) if field.type == field.TYPE_STRING else chance.randbytes(chance.choice([0, 4, 16]))
    elif field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        new = chance.choice(FLOATS)
    elif field.type == field.TYPE_INT32 or field.type == field.TYPE_ENUM:
        new = chance.choice([number for number in NUMBERS if abs(number) < 1 << 31])
    elif field.type == field.TYPE_UINT64:
        new = abs(new)
    many = hasattr(value, "__len__") and not isinstance(value, str | bytes)
    if field.message_type is not None:
        if many and len(value):
            at = chance.randrange(len(value))
            if chance.random() < 0.5:
                del value[at]
            else:
                value.add().CopyFrom(value[at])
        elif many:
            value.add()
        return
    try:
        if not many:
            setattr(message, field.name, new)
        elif len(value) and chance.random() < 0.7:
            value[chance.randrange(len(value))] = new
        else:
            value.append(new)
    except (ValueError, TypeError):  # an enum that has no such value
        message.ClearField(field.name)


class Onnx:
    """Models that fastnn writes, and others."""

    def __init__(self, folder: Path) -> None:
        from helpers.foreign_onnx import foreign

        nets = [
            fn.Sequential([fn.Dense(4, "relu"), fn.Dense(2, "softmax")], 3, seed=0),
            fn.Sequential([fn.Conv2D(2, 3, "relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(2)], (6, 6, 1), seed=0),
            fn.Sequential([fn.BatchNorm(), fn.Residual([fn.Dense(3, "tanh")]), fn.LayerNorm()], 3, seed=0),
            fn.Sequential([fn.LSTM(2), fn.Dense(1)], (4, 2), seed=0),
        ]
        self.seeds = []
        for net in nets:
            net.to_onnx(folder / "m.onnx")
            self.seeds.append((folder / "m.onnx").read_bytes())
        self.seeds += [foreign(seed)[0].SerializeToString() for seed in range(12)]

    def mutant(self, chance: random.Random) -> bytes:
        """A changed model."""
        import onnx

        seed = chance.choice(self.seeds)
        if chance.random() < 0.2:
            return bytes_changed(seed, chance)
        model = onnx.ModelProto.FromString(seed)
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            field_changed(chance.choice(messages(model)), chance)
        try:
            return model.SerializeToString()
        except ValueError:
            return bytes_changed(seed, chance)

    def read(self, data: bytes) -> None:
        """Read a model, and ask it."""
        net = fn.from_onnx(data)
        if net.n_params < 1 << 20 and all(np.prod(shape) < 1 << 16 for shape in net.input_shapes):
            rows = [np.zeros((2, *shape), net.dtype) for shape in net.input_shapes]
            answers = net.predict(rows if len(rows) > 1 else rows[0])
            for answer, shape in zip(
                answers if isinstance(answers, list) else [answers], net.output_shapes, strict=True
            ):
                assert answer.shape == (2, *shape)


# ---- archives of arrays ----------------------------------------------------------------------------------------------


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")  # names that are there twice
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


class Npz:
    """Archives with X and y, and weights of a network."""

    HEADERS = (
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (4, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 3), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (-4, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 10**4000), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 12), }",
        "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': 'f4,f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<U9999999', 'fortran_order': 1, 'shape': ()}",
        "{'descr': [('a', '<f4')], 'shape': (4,)}",
        *("{" * 3000, "(" * 3000, "[1]" * 30000, "__import__('os').getcwd()", "\0", "{1: 2}", "{'shape': 1.5}"),
    )

    def __init__(self, folder: Path) -> None:
        self.path = folder / "m.npz"
        self.net = fn.Sequential([fn.Dense(3)], 3, seed=0)
        arrays = {"X": np.ones((4, 3), np.float32), "y": np.arange(4), "dense_1.weight": np.ones((3, 3)),
                  "dense_1.bias": np.ones(3, np.float32)}  # fmt: skip
        self.members = {}
        for name, array in arrays.items():
            out = io.BytesIO()
            np.save(out, array)
            self.members[f"{name}.npy"] = out.getvalue()

    def mutant(self, chance: random.Random) -> bytes:
        """A changed archive: its bytes, an array in it, or the header of one."""
        members, kind = dict(self.members), chance.randrange(4)
        method = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        name = chance.choice([*members])
        if kind == 0:
            return bytes_changed(npz(members, method), chance)
        if kind == 1:
            members[name] = bytes_changed(members[name], chance)
        elif kind == 2:
            header = chance.choice(self.HEADERS).encode()
            if chance.random() < 0.5:
                header = bytes_changed(header, chance)
            long = chance.random() < 0.3 or len(header) >= 1 << 16
            size = len(header).to_bytes(4 if long else 2, "little")
            members[name] = b"\x93NUMPY" + (b"\2\0" if long else b"\1\0") + size + header + members[name][128:]
        else:
            members[chance.choice(["X.npy", "y.npy", "z", "../X.npy", "X"])] = chance.choice([*members.values(), b""])
        return npz(members, method)

    def read(self, data: bytes) -> None:
        """Read as data, and as weights."""
        self.path.write_bytes(data)
        refused = None
        try:
            X, y = fn.data.read_npz(self.path)
            assert y is None or len(X) == len(y)
        except ValueError as error:
            refused = error
        before = self.net.params.tobytes()
        try:
            self.net.load_weights(self.path)
        except ValueError:
            assert self.net.params.tobytes() == before
        if refused is not None:
            raise refused


class Idx:
    """IDX files, packed or not."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "m.idx"

    def mutant(self, chance: random.Random) -> bytes:
        """A changed file: its type, sizes, bytes or packing."""
        sizes = [chance.choice([0, 1, 2, 3]) for _ in range(chance.choice([0, 1, 2, 3, 4]))]
        kind = chance.choice([8, 9, 11, 12, 13, 14, 8, 8, 7, 0, 255])
        data = bytes([0, 0, kind, chance.choice([len(sizes), len(sizes), 255])])
        data += b"".join((size if chance.random() < 0.9 else 0xFFFFFFFF).to_bytes(4, "big") for size in sizes)
        data += chance.randbytes(int(np.prod(sizes)) * {11: 2, 12: 4, 13: 4, 14: 8}.get(kind, 1))
        if chance.random() < 0.5:
            data = bytes_changed(data, chance)
        if chance.random() < 0.3:
            data = gzip.compress(data)
            if chance.random() < 0.5:
                data = bytes_changed(data, chance)
        return data

    def read(self, data: bytes) -> None:
        """Read it with and without channels."""
        self.path.write_bytes(data)
        array = fn.data.read_idx(self.path)
        assert array.nbytes <= 1100 * len(data) + 64  # deflate packs a thousand to one
        if array.ndim == 3:
            fn.data.read_idx(self.path, channels=True)


class Table:
    """Tables of numbers, dates, labels and holes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "m.csv"

    def mutant(self, chance: random.Random) -> bytes:
        """A table with cells, lines or bytes that nobody expects."""
        sep = chance.choice([",", ";", "\t"])
        rows = [["size", "built", "kind", "y"]]
        rows += [
            [f"{k / 2}", f"200{k}-05-0{k + 1}", "ab"[k % 2], str(k % 3)] for k in range(chance.choice([0, 1, 4, 8]))
        ]
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            row = chance.choice(rows)
            kind = chance.randrange(5)
            if kind <= 2 and row:
                row[chance.randrange(len(row))] = chance.choice(CELLS)
            elif kind == 3:
                row.append(chance.choice(CELLS))
            elif row:
                del row[chance.randrange(len(row))]
        text = chance.choice(["\n", "\r\n", "\r"]).join(sep.join(row) for row in rows)
        data = text.encode(chance.choice(["utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig"]))
        return bytes_changed(data, chance) if chance.random() < 0.3 else data

    def read(self, data: bytes) -> None:
        """Read it, and the target too."""
        self.path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = fn.data.read_table(self.path, "y")
        assert len(table.X) == len(table.y)


KINDS: dict[str, Callable[[Path], Any]] = {"onnx": Onnx, "npz": Npz, "idx": Idx, "table": Table}


def tried(reader: Any, data: bytes) -> bool:
    """Read a file; return whether it was taken.  AssertionError for other errors than ValueError, and long waits."""
    began = time.process_time()
    try:
        reader.read(data)
    except ValueError:
        return False
    except AssertionError as error:
        raise AssertionError(f"{error} for {data!r:.3000}") from error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {data!r:.3000}") from error
    finally:
        took = time.process_time() - began
        assert took < PATIENCE, f"{took:.2f} s for {data!r:.3000}"
    return True


def run(share: float) -> dict[str, Any]:
    chance, found = random.Random(20261130), {}
    with TemporaryDirectory() as folder:
        for name, kind in KINDS.items():
            reader = kind(Path(folder))
            tried(reader, reader.mutant(random.Random(0)))  # what is imported at first use is not waited for
            taken = sum(tried(reader, reader.mutant(chance)) for _ in range(round(MUTANTS * share / len(KINDS))))
            found[name] = {"read": taken, "refused": round(MUTANTS * share / len(KINDS)) - taken}
    return {"files": found}
