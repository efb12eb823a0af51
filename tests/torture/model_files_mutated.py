"""Files of models, changed: a reader takes them apart as what they say, or refuses them."""

import json
import random
import struct
import time
import warnings
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from helpers.model_files import assemble, parts, sign, unsigned
from helpers.mutants import change_at, mutate

import fastnn as fn
from fastnn.formats import safetensors as files
from fastnn.formats.tensors import of_bytes

PROMISE = (
    "of 10^6 changed files of 18 models each is refused with ModelFormatError or gives a model that is written as it "
    "was read, none takes a second; 10,000 single flipped bits are all found"
)
SHORT = 1 / 200
MUTANTS, FLIPS, PATIENCE = 1_000_000, 10_000, 1.0
SIZES = {"F64": 8, "F32": 4, "BF16": 2, "I8": 1}


def models() -> dict[str, tuple[Any, bool]]:
    """Models of every kind, and whether their optimiser is saved too."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3
    learned = fn.Sequential([fn.Dense(6, "relu", name="first"), fn.Dropout(0.3), fn.Dense(3)], 4, seed=5)
    schedule = fn.ReduceOnPlateau(0.05, monitor="loss")
    learned.compile(
        "cross_entropy", fn.SGD(schedule, momentum=0.9, groups={"first": fn.Group(rate=0.5)}), metrics=["accuracy"]
    )
    learned.fit(X, y, verbose=0)
    adam = fn.Sequential([fn.Dense(5, fn.Activation("leaky_relu", alpha=0.2)), fn.Dense(1)], 4, seed=1, dtype="float64")
    adam.compile(fn.Huber(0.5), fn.Adam(fn.OneCycle(0.1, total_steps=9)))
    a, b = fn.Input(4, name="left"), fn.Input((2, 2))
    shared = fn.Dense(5, name="both")
    h = fn.Residual([fn.Dense(7, "elu"), fn.Dense(10)])(fn.concatenate(shared(a), shared(fn.Flatten()(b))))
    graph = fn.Network([a, b], [fn.Dense(3, "softmax")(h), fn.Reshape((2, 2))(fn.slice(h, 1, 5))], seed=11)
    graph.compile(["cross_entropy", "squared_error"], "adam", loss_weights=[1.0, 0.25])
    image = [fn.Conv2D(2, 3, "relu", padding="same"), fn.BatchNorm(), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(2)]
    turned = [fn.Conv2D(2, 3, strides=2), fn.ConvTranspose2D(2, 3), fn.GroupNorm(1), fn.GlobalAvgPool2D()]
    named = fn.Sequential([fn.Dense(2)], 4, seed=0)
    made: dict[str, tuple[Any, bool]] = {
        "learned": (learned, True), "adam": (adam, True), "graph": (graph, True),
        "plain": (fn.Sequential([fn.Dense(3, kernel_initializer=fn.Orthogonal(1.5))], 4, seed=0), False),
        "images": (fn.Sequential(image, (4, 4, 1), seed=0), False),
        "turned": (fn.Sequential(turned, (7, 7, 2), seed=0), False),
        "depthwise": (fn.Sequential([fn.DepthwiseConv2D(3), fn.LayerNorm(), fn.Flatten()], (5, 5, 2), seed=0), False),
        "sequences": (fn.Sequential([fn.Embedding(9, 4), fn.LSTM(3), fn.Dense(2)], 5, seed=0), False),
        "both ways": (fn.Sequential([fn.Bidirectional(fn.GRU(3)), fn.Dense(2)], (5, 2), seed=0), False),
        "series": (fn.Sequential([fn.Conv1D(3, 2), fn.MaxPool1D(2), fn.Flatten()], (6, 2), seed=0), False),
        "phases": (phased(), False),
        "nothing": (fn.Sequential([fn.Flatten(), fn.Activation("tanh")], (2, 2), seed=0), False),
    }  # fmt: skip
    made["int8"] = learned.quantized("int8"), False
    made["bfloat16"] = learned.quantized("bfloat16"), False
    made["ensemble"] = fn.Ensemble([named, fn.Sequential([fn.Dense(2)], 4, seed=1)], loss="cross_entropy"), False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made["classifier"] = (
            fn.MLPClassifier((4,), max_iter=3, random_state=0).fit(X, np.array(["a", "b", "c"])[y]),
            False,
        )
        made["regressor"] = fn.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(X, X[:, 0]), False
    online = fn.OnlineClassifier([3], seed=0)
    for row, label in zip(X, y, strict=True):
        online.learn_one(dict(zip("abcd", row.tolist(), strict=True)), int(label) % 2)
    made["online"] = online, False
    return made


def phased() -> Any:
    x, phase = fn.Input(4), fn.Input(1)
    return fn.Network([x, phase], fn.PhaseDense(3)(x, phase), seed=0)


class Reader:
    """Reads files of one kind, and says what would be written for what was read."""

    def __init__(self, model: Any, optimizer: bool, folder: Path) -> None:
        self.kind, self.optimizer, self.path = type(model), optimizer, folder / "m"
        self.key = "fastnn_ensemble" if self.kind is fn.Ensemble else "fastnn"
        self.load = self.kind.load if hasattr(self.kind, "load") else fn.load
        self.seed = self.written(model)

    def written(self, model: Any) -> bytes:
        model.save(self.path, **({"optimizer": True} if self.optimizer else {}))
        return self.path.read_bytes()

    def read(self, data: bytes) -> Any:
        """Return the model of a file, None if it is refused, soon and with a code that is documented."""
        began = time.process_time()
        try:
            if self.load is fn.load:
                model = files.from_bytes(data, {})
            elif self.kind is fn.Ensemble:
                model = fn.Ensemble._from_bytes(data, {})
            else:
                self.path.write_bytes(data)
                model = self.load(self.path)
        except fn.ModelFormatError as error:
            if error.code not in fn.errors.CODES:
                raise AssertionError(f"unknown code {error.code}") from error
            return None
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} for {data!r:.3000}") from error
        finally:
            took = time.process_time() - began
            assert took < PATIENCE, f"{took:.2f} s for {data!r:.3000}"
        return model


def arrays_changed(header: dict[str, Any], body: bytes, chance: random.Random) -> tuple[dict[str, Any], bytes]:
    """Change the table of arrays, so that offsets are right again in half of the cases, and sometimes the numbers."""
    table = mutate({name: entry for name, entry in header.items() if name != "__metadata__"}, chance)
    if chance.random() < 0.5:
        end = 0
        for entry in table.values():
            if isinstance(entry, dict) and isinstance(entry.get("shape"), list):
                sizes = [size for size in entry["shape"] if type(size) is int]
                begin, end = end, end + abs(prod(sizes)) * SIZES.get(str(entry.get("dtype")), 4)
                entry["data_offsets"] = [begin, end]
        body = (body + bytes(64))[: min(end, 1 << 20)]
    if body and chance.random() < 0.3:
        at = chance.randrange(len(body))
        body = (
            body[:at] + struct.pack("<f", chance.choice([np.nan, np.inf, 1e38, 0.0]))[: len(body) - at] + body[at + 4 :]
        )
    return {"__metadata__": None, **table}, body


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Flip, put in, take out and repeat bytes, most of them in the header; signed again in half of the cases."""
    broken = bytearray(unsigned(data))
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        if not broken:
            break
        at = chance.randrange(len(broken)) if chance.random() < 0.3 else chance.randrange(min(len(broken), 3000))
        change_at(at, broken, b'0123456789{}[]",:-.eEntf\\\0\xff', chance)
    if chance.random() < 0.5 and len(broken) > 8:  # the length of the header as it is now
        end = broken.find(b"}", 8 + chance.randrange(max(1, len(broken) - 8)))
        broken[:8] = struct.pack("<Q", max(0, end - 7))
    return sign(broken) if chance.random() < 0.5 else bytes(broken)


def mutant(reader: Reader, taken: tuple[Any, Any, bytes], chance: random.Random) -> bytes:
    """Return a changed file of a reader's kind."""
    if chance.random() < 0.2:
        return bytes_changed(reader.seed, chance)
    header, description, body = taken
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        if chance.random() < 0.85 or len(header) < 2:
            description = mutate(description, chance) if isinstance(description, dict) else description
        else:
            header, body = arrays_changed(header, body, chance)
    try:
        text = json.dumps(description)
        return assemble(header, description if isinstance(description, dict) else {}, body, text, reader.key)
    except (UnicodeEncodeError, ValueError):
        return bytes_changed(reader.seed, chance)


def run(share: float) -> dict[str, Any]:
    chance, loaded, refused, flips = random.Random(20261130), 0, 0, 0
    with TemporaryDirectory() as folder:
        readers = {name: Reader(*made, Path(folder)) for name, made in models().items()}
        assert len(readers) >= 16
        taken = {name: parts(reader.seed, reader.key) for name, reader in readers.items()}
        for name, reader in readers.items():
            assert reader.read(reader.seed) is not None, name
            assert assemble(*taken[name], key=reader.key) == reader.seed, name
        order = [*readers]
        for k in range(max(1, round(MUTANTS * share))):
            name = order[k % len(order)]
            reader = readers[name]
            data = mutant(reader, taken[name], chance)
            model = reader.read(data)
            if model is None:
                refused += 1
                continue
            loaded += 1
            found = of_bytes(data, reader.key, "a model")
            again = of_bytes(reader.written(model), reader.key, "a model")
            version = json.loads(found.text)["format"]
            assert version != 3 or again.text == found.text, f"{name}: written otherwise than read: {data!r:.3000}"
        for k in range(max(1, round(FLIPS * share))):
            reader = readers[order[k % len(order)]]
            at = chance.randrange(len(reader.seed))
            broken = bytearray(reader.seed)
            broken[at] ^= 1 << chance.randrange(8)
            assert reader.read(bytes(broken)) is None, f"a flipped bit at {at} was not found"
            flips += 1
    return {"models": len(readers), "mutants": loaded + refused, "refused": refused, "loaded": loaded, "flips": flips}
