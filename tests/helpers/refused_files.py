"""Files that must be refused, each with the code that says why: made in plain Python, byte by byte where it matters."""
# ruff: noqa: E501  (a case of a table is one line)

import gzip
import json
import pickle
import struct

import numpy as np
import pytest
from helpers.model_files import ZEROS, assemble, parts, sign, unsigned

import fastnn as fn
from fastnn.formats import safetensors as files

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


def trained():
    net = fn.Sequential(
        [fn.Dense(8, "relu", name="first"), fn.Dropout(0.3), fn.Dense(6, "tanh"), fn.Dense(3)], input_shape=4, seed=5
    )
    schedule = fn.ReduceOnPlateau(0.05, monitor="loss")
    net.compile("cross_entropy", fn.SGD(schedule, momentum=0.9), metrics=["accuracy"])
    net.fit(X, np.arange(20) % 3, verbose=0)
    return bytes(files.to_bytes(net, optimizer=True, metadata={"a": [1, 2.5, None, '\u00e9"\\']}))


def two_inputs():
    a, b = fn.Input(4), fn.Input(4)
    net = fn.Network([a, b], [fn.Dense(2)(fn.add(a, b)), fn.Dense(1)(a)], seed=1)
    return bytes(files.to_bytes(net, optimizer=False, metadata=None))


def quantized(dtype="int8"):
    return bytes(files.quantized_to_bytes(fn.Sequential([fn.Dense(5), fn.Dense(2)], 4, seed=0).quantized(dtype), None))


def custom():
    layer = fn.Custom(lambda x: x, lambda x, y, dy: dy, name="mine")
    return bytes(files.to_bytes(fn.Sequential([layer, fn.Dense(2)], 4, seed=0), optimizer=False, metadata=None))


GOOD = {
    "trained": trained(),
    "two": two_inputs(),
    "int8": quantized(),
    "bfloat16": quantized("bfloat16"),
    "custom": custom(),
}
NET = GOOD["trained"]
HEADER, DESCRIPTION, BODY = parts(NET)
TEXT = json.dumps(DESCRIPTION)


# ---- ways to change a file -----------------------------------------------------------------------------------------


def at(*path_and_value, which="trained"):
    """Another value in the description."""
    *path, last, value = path_and_value
    header, description, body = parts(GOOD[which])
    place = description
    for key in path:
        place = place[key]
    place[last] = value
    return assemble(header, description, body)


def without(*path, which="trained"):
    """The description without a field."""
    header, description, body = parts(GOOD[which])
    place = description
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return assemble(header, description, body)


def text(new):
    """Another text in place of the description."""
    assert new != TEXT
    return assemble(HEADER, None, BODY, new)


def said(old, new):
    """The description with one text in place of another."""
    assert TEXT.count(old) >= 1
    return text(TEXT.replace(old, new, 1))


def table(edit, body=BODY):
    """The table of arrays changed."""
    header, description, _ = parts(NET)
    changed = edit(header)
    return assemble(changed if isinstance(changed, dict) else header, description, body)


def entry(**changes):
    """The entry of the first array changed."""
    return table(lambda header: header["first.weight"].update(changes))


def head(edit):
    """The bytes of the header changed, its length right."""
    return assemble(HEADER, DESCRIPTION, BODY, head=edit)


def padded(raw):
    """A header of a multiple of eight bytes."""
    return raw + b" " * (-len(raw) % 8)


def swapped(header):
    """The entries of two arrays in the other order."""
    names = list(header)
    names[1], names[2] = names[2], names[1]
    return {name: header[name] for name in names}


def renamed(old, new):
    return lambda header: {new if name == old else name: value for name, value in header.items()}


def number(value, place=0):
    """The body with another number in it."""
    raw = np.frombuffer(BODY, np.float32).copy()
    raw[place] = value
    return assemble(HEADER, DESCRIPTION, raw.tobytes())


def deep(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def chain(layers, shape, **more):
    """A description of layers one after the other, without arrays."""
    nodes = [{"layer": i, "inputs": [i]} for i in range(len(layers))]
    structure = {"inputs": [{"shape": shape, "name": None}], "layers": layers, "nodes": nodes, "outputs": [len(layers)]}
    description = {
        "format": 3,
        "kind": "Sequential",
        "dtype": "float32",
        "seed": 0,
        "structure": structure,
        "metadata": {},
    }
    return assemble({}, description | more, b"")


def layer(kind, **fields):
    return fn.layers.Layer.registry[kind](**fields).to_config()


def zipped():
    return b"PK\x03\x04" + bytes(100)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


DENSE = layer("Dense", units=2**20)
NODES = ("structure", "nodes")
LAYERS = ("structure", "layers")
OTHER = assemble({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, None, b"1234", "pt", key="format")

REFUSED = [
    # the file
    ("empty", b"", "truncated"),
    ("seven bytes", NET[:7], "truncated"),
    ("length alone", NET[:8], "truncated"),
    ("half of the header", NET[:500], "truncated"),
    ("header alone", NET[: 8 + struct.unpack("<Q", NET[:8])[0]], "truncated"),
    ("one byte less", NET[:-1], "truncated"),
    ("one byte more", NET + b"\0", "arrays"),
    ("a zip after it", NET + zipped(), "arrays"),
    ("no header", struct.pack("<Q", 0), "header"),
    ("header of one byte", struct.pack("<Q", 1) + b"{", "header"),
    ("header of 2^63 bytes", struct.pack("<Q", 1 << 63) + NET[8:], "truncated"),
    ("header of 17 MiB", struct.pack("<Q", 17 << 20) + b"{" + bytes(17 << 20), "header"),
    ("pickle", pickle.dumps(Evil()), "alien"),
    ("pickle of protocol 3", pickle.dumps(list(range(99)), 3), "alien"),
    ("zip", zipped(), "alien"),
    ("gzip", gzip.compress(NET), "alien"),
    ("another safetensors file", OTHER, "alien"),
    ("an empty safetensors file", struct.pack("<Q", 8) + b'{"a":{}}', "alien"),
    ("an ensemble", assemble({}, {"format": 3}, b"", key="fastnn_ensemble"), "kind"),
    ("text", b"hello world, this is no model", "truncated"),
    # the header
    ("not JSON", struct.pack("<Q", 8) + b"{{{{{{{{", "header"),
    ("a list", struct.pack("<Q", 8) + b"[]      ", "header"),
    ("a space before", head(lambda raw: b" " * 8 + raw), "header"),
    ("a byte order mark", head(lambda raw: b"\xef\xbb\xbf" + raw), "header"),
    ("no spaces after", head(lambda raw: raw.rstrip(b" ") if raw.endswith(b" ") else raw + b" "), "header"),
    ("eight spaces more", head(lambda raw: raw + b" " * 8), "header"),
    ("a line feed after", head(lambda raw: raw[:-1] + b"\n" if raw.endswith(b" ") else raw + b"\n"), "header"),
    ("spaces in the table", head(lambda raw: raw.replace(b'"dtype":', b'"dtype": ')), "header"),
    ("spaces in a shape", head(lambda raw: raw.replace(b'"shape":[4,8]', b'"shape":[4, 8]')), "header"),
    ("not UTF-8", head(lambda raw: raw.replace(b"first.bias", b"first\xffbias")), "header"),
    ("UTF-8 beyond ASCII", head(lambda raw: raw.replace(b"first.bias", "first.bi\u00e9s".encode())), "header"),
    ("a NUL in a name", head(lambda raw: raw.replace(b"first.bias", b"first\0bias")), "header"),
    ("an escape in a name", head(lambda raw: raw.replace(b"first.bias", rb"first.\u0062ias")), "header"),
    ("another escape in the description", head(lambda raw: raw.replace(b"Sequential", rb"S\u0065quential")), "header"),
    ("an escaped slash", head(lambda raw: raw.replace(b"Sequential", rb"Sequ\/ntial")), "header"),
    ("a lone backslash", head(lambda raw: raw.replace(b"Sequential", b"Sequ\\ential")), "header"),
    ("a text that does not end", struct.pack("<Q", 32) + b'{"__metadata__":{"fastnn":"{\\"a\\"', "header"),
    ("more metadata", head(lambda raw: raw.replace(b'"sha256":', b'"more":"","sha256":')), "header"),
    ("metadata after", head(lambda raw: raw.replace(b'"},"', b'","more":""},"', 1)), "header"),
    ("metadata twice", head(lambda raw: raw.replace(b',"first.weight"', b',"__metadata__":{},"first.weight"')), "header"),
    ("the table before the metadata", head(lambda raw: b'{"a":{},' + raw[1:]), "alien"),
    ("a comma after", head(lambda raw: raw.rstrip(b" ")[:-1] + b",}"), "header"),
    ("a brace too many", head(lambda raw: raw.rstrip(b" ") + b"}"), "header"),
    ("no end", head(lambda raw: raw.rstrip(b" ")[:-1] + b" "), "header"),
    # the table of arrays
    ("a name twice", head(lambda raw: raw.replace(b"first.bias", b"first.weight")), "arrays"),
    ("a gap", entry(data_offsets=[4, 132]), "arrays"),
    ("an array that overlaps", table(lambda h: h["first.bias"].update(data_offsets=[96, 128])), "arrays"),
    ("an array taken out", table(lambda h: {k: v for k, v in h.items() if k != "first.weight"}), "arrays"),
    ("another order", table(swapped), "arrays"),
    ("a shape that is not its bytes", entry(shape=[4, 9]), "arrays"),
    ("a product of 2^67", entry(shape=[2**62, 32]), "arrays"),
    ("an end beyond the file", entry(data_offsets=[0, 2**60]), "arrays"),
    ("an end of 2^64", entry(data_offsets=[0, 2**64]), "header"),
    ("an array of nothing", entry(shape=[0, 8]), "header"),
    ("an array of nothing and much", entry(shape=[0, 2**62, 8]), "header"),
    ("a negative size", entry(shape=[-4, -8]), "header"),
    ("a size with a fraction", entry(shape=[4.0, 8]), "header"),
    ("a size of true", entry(shape=[True, 32]), "header"),
    ("seventeen axes", entry(shape=[1] * 16 + [4, 8]), "header"),
    ("dtype I64", entry(dtype="I64", shape=[4, 4]), "header"),
    ("dtype BOOL", entry(dtype="BOOL", shape=[4, 32]), "header"),
    ("dtype F16", entry(dtype="F16", shape=[4, 16]), "header"),
    ("dtype O", entry(dtype="O"), "header"),
    ("dtype f32", entry(dtype="f32"), "header"),
    ("a field more", entry(code=1), "header"),
    ("a field less", table(lambda h: h["first.weight"].pop("shape")), "header"),
    ("fields in another order", table(lambda h: {**h, "first.weight": dict(reversed(h["first.weight"].items()))}), "header"),
    ("a list for an entry", table(lambda h: {**h, "first.weight": ["F32", [4, 8], [0, 128]]}), "header"),
    ("a name of 300 letters", table(renamed("first.weight", "n" * 300)), "limit"),
    ("a name out of the folder", table(renamed("first.weight", "../../etc/passwd")), "header"),
    ("a name with a backslash", table(renamed("first.weight", "first\\weight")), "header"),
    ("an empty name", table(renamed("first.weight", "")), "header"),
    ("40,000 arrays", assemble({f"a{i}": {"dtype": "I8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(40_000)}, DESCRIPTION, bytes(40_000)), "limit"),
    ("bytes after the last array", assemble(HEADER, DESCRIPTION, BODY + bytes(8)), "arrays"),
    # the checksum
    ("another byte in the arrays", NET[:-1] + bytes([NET[-1] ^ 1]), "checksum"),
    ("another byte in the description", NET.replace(rb"\"seed\": 5", rb"\"seed\": 6"), "checksum"),
    ("another checksum", unsigned(NET), "checksum"),
    ("a checksum of another length", head(lambda raw: raw.replace(ZEROS, ZEROS[2:])), "header"),
    ("a checksum in capitals", sign(unsigned(NET)).replace(b'"sha256":"', b'"sha256":"A', 1)[:-1], "header"),
    ("format 2 with a checksum", sign(unsigned(NET).replace(rb"\"format\": 3", rb"\"format\": 2")), "checksum"),
    ("format 3 without a checksum", head(lambda raw: padded(raw.rstrip(b" ").replace(b',"sha256":"' + ZEROS + b'"', b""))), "checksum"),
    # JSON
    ("NaN", said('"seed": 5', '"seed": NaN'), "json"),
    ("-Infinity", said('"seed": 5', '"seed": -Infinity'), "json"),
    ("a float beyond all", said('"seed": 5', '"seed": 1e999'), "json"),
    ("a field twice", said('"seed": 5', '"seed": 5, "seed": 6'), "json"),
    ("a field of a layer twice", said('"rate": 0.3', '"rate": 0.3, "rate": 0.4'), "json"),
    ("a space more", said('"seed": 5', '"seed":  5'), "json"),
    ("a space less", said('"seed": 5', '"seed":5'), "json"),
    ("0.30", said('"rate": 0.3', '"rate": 0.30'), "json"),
    ("3e-1", said('"rate": 0.3', '"rate": 3e-1'), "json"),
    ("-0", said('"seed": 5', '"seed": -0'), "json"),
    ("05", said('"seed": 5', '"seed": 05'), "json"),
    ("text after", text(TEXT + " x"), "json"),
    ("a space before the description", text(" " + TEXT), "json"),
    ("half", text(TEXT[: len(TEXT) // 2]), "json"),
    ("no text", text(""), "json"),
    ("an integer of 2^64", said('"seed": 5', f'"seed": {2**64}'), "json"),
    ("an integer of 10,000 digits", said('"seed": 5', '"seed": ' + "9" * 10_000), "json"),
    ("half a character", said('"a": [', r'"a": ["\ud800", '), "json"),
    ("a letter that is not escaped", said(r"\u00e9", "\u00e9"), "header"),
    ("an escape in capitals", said(r"\u00e9", r"\u00E9"), "json"),
    ("33 lists within one another", at("metadata", "a", deep(33)), "limit"),
    ("100,000 open brackets", text("[" * 100_000), "limit"),
    ("50,000 open brackets", text("[" * 50_000), "json"),
    ("100,000 values", at("metadata", "a", [[]] * 100_000), "limit"),
    # fields
    ("a list of things", text("[]"), "version"),
    ("no format", without("format"), "version"),
    ("format 4", at("format", 4), "version"),
    ("format True", at("format", True), "version"),
    ("format 3.0", at("format", 3.0), "version"),
    ("format '3'", at("format", "3"), "version"),
    ("format 0", at("format", 0), "version"),
    ("no seed", without("seed"), "description"),
    ("an unknown field", at("exec", "rm"), "description"),
    ("fields in another order ", text(json.dumps(dict(reversed(DESCRIPTION.items())))), "description"),
    ("kind os.system", at("kind", "os.system"), "description"),
    ("kind a list", at("kind", []), "description"),
    ("dtype float16", at("dtype", "float16"), "description"),
    ("dtype null", at("dtype", None), "description"),
    ("dtype of two", at("dtype", "(1,f4"), "description"),
    ("seed in quotes", at("seed", "0"), "description"),
    ("seed True", at("seed", True), "description"),
    ("seed 5.0", at("seed", 5.0), "description"),
    ("seed below 0", at("seed", -1), "description"),
    ("metadata a list", at("metadata", []), "description"),
    ("names of another length", at("names", [["a", "b"]]), "names"),
    ("names twice", at("names", [["a", "b", "c", "a"]]), "names"),
    ("names of numbers", at("names", [[1, 2, 3, 4]]), "names"),
    ("names of two inputs", at("names", [None, None]), "names"),
    ("names of no input", at("names", []), "description"),
    # layers
    ("units True", at(*LAYERS, 0, "units", True), "description"),
    ("units 8.0", at(*LAYERS, 0, "units", 8.0), "description"),
    ("units of 2^40", at(*LAYERS, 0, "units", 2**40), "size"),
    ("units of 2^62", at(*LAYERS, 0, "units", 2**62), "size"),
    ("one unit less", at(*LAYERS, 0, "units", 7), "mismatch"),
    ("a field that is left out", without(*LAYERS, 0, "bias"), "description"),
    ("an activation to import", at(*LAYERS, 0, "activation", "__import__"), "description"),
    ("an activation in other letters", at(*LAYERS, 0, "activation", "ReLU"), "description"),
    ("a layer of no table", at(*LAYERS, 0, "type", "Network"), "description"),
    ("a private layer", at(*LAYERS, 0, "type", "_Filters"), "description"),
    ("a field that is a method", at(*LAYERS, 0, "build", 1), "description"),
    ("a name that is a path", at(*LAYERS, 0, "name", "../../etc"), "description"),
    ("two layers of one name", at(*LAYERS, 2, "name", "first"), "structure"),
    ("a rate of 1", at(*LAYERS, 1, "rate", 1), "description"),
    ("a rate of -0.0", at(*LAYERS, 1, "rate", -0.5), "description"),
    ("a layer that stands for others", at(*LAYERS, 1, layer("Residual", layers=[fn.Flatten()])), "structure"),
    ("such a layer as an activation", at(*LAYERS, 0, "activation", layer("Residual", layers=[fn.Flatten()])), "description"),
    ("layers nested 900 times", at(*LAYERS, 0, "activation", deep(900)), "limit"),
    ("no layers", at("structure", "layers", []), "structure"),
    ("a layer that nothing uses", at("structure", "layers", [*DESCRIPTION["structure"]["layers"], layer("Flatten")]), "structure"),
    ("layers in another order", at("structure", "nodes", [{"layer": 1, "inputs": [0]}, {"layer": 0, "inputs": [1]}, *DESCRIPTION["structure"]["nodes"][2:]]), "structure"),
    ("a field more in the structure", at("structure", "code", 1), "structure"),
    ("a field less in the structure", without("structure", "nodes"), "structure"),
    ("a structure that is a list", at("structure", []), "structure"),
    ("a cycle", at(*NODES, 0, "inputs", [1]), "structure"),
    ("a node that reads nothing", at(*NODES, 0, "inputs", []), "structure"),
    ("an output beyond", at("structure", "outputs", [99]), "structure"),
    ("no output", at("structure", "outputs", []), "structure"),
    ("a Sequential with two outputs", at("structure", "outputs", [3, 4]), "structure"),
    ("two inputs called a Sequential", at("kind", "Sequential", which="two"), "structure"),
    ("100 outputs", at("structure", "outputs", [2] * 100, which="two"), "structure"),
    ("a layer beyond", at(*NODES, 0, "layer", 77), "structure"),
    ("a layer by a float", at(*NODES, 0, "layer", 0.0), "structure"),
    ("a node with more to say", at(*NODES, 0, "name", "x"), "description"),
    ("an input of size 0", at("structure", "inputs", 0, "shape", [0]), "structure"),
    ("an input of 40 axes", at("structure", "inputs", 0, "shape", [1] * 40), "structure"),
    ("an input of 2^80", chain([layer("Flatten")], [2**40, 2**40]), "size"),
    ("a wide layer without bytes", chain([DENSE, DENSE], [2**20]), "size"),
    ("4,000 layers without bytes", chain([layer("Dense", units=500)] * 4000, [500]), "limit"),
    ("20,000 layers", chain([layer("Flatten")] * 20_000, [4]), "limit"),
    ("a slice of 2^62", chain([layer("Slice", start=0, stop=1)], [2**62]), "size"),
    ("an embedding of 2^50 rows", chain([layer("Embedding", vocabulary=2**50, units=2)], [3]), "size"),
    # training
    ("a loss that is code", at("training", "losses", 0, "type", "CustomLoss"), "description"),
    ("two losses for one output", at("training", "losses", DESCRIPTION["training"]["losses"] * 2), "training"),
    ("an optimiser to call", at("training", "optimizer", "type", "eval"), "description"),
    ("a momentum of 1", at("training", "optimizer", "momentum", 1), "description"),
    ("a schedule that is code", at("training", "optimizer", "learning_rate", {"type": "CallableSchedule", "function": "f"}), "description"),
    ("counters below 0", at("training", "updates", -1), "training"),
    ("counters of 2^63", at("training", "step", 2**63), "training"),
    ("counters with a fraction", at("training", "step", 1.5), "training"),
    ("a metric of no table", at("training", "metrics", ["accurcy"]), "training"),
    ("a plateau's factor of 2", at("training", "schedule", {"multiplier": 2.0, "best": None, "epochs_without_gain": 0}), "training"),
    ("a field of the training more", at("training", "code", 1), "description"),
    ("a field of the training less", without("training", "epoch"), "training"),
    ("training that is a list", at("training", []), "training"),
    # arrays and layers
    ("another shape", entry(shape=[8, 4]), "mismatch"),
    ("another name", table(renamed("first.weight", "second.weight")), "mismatch"),
    ("an array more", table(lambda h: {**h, "more": {"dtype": "F32", "shape": [1], "data_offsets": [len(BODY), len(BODY) + 4]}}, BODY + bytes(4)), "mismatch"),
    ("the optimiser's state of a file without one", without("training"), "mismatch"),
    ("NaN in the weights", number(np.nan), "not finite"),
    ("an infinity in the weights", number(-np.inf), "not finite"),
    ("NaN in the optimiser's state", number(np.nan, -1), "not finite"),
    ("float64 said of float32", at("dtype", "float64"), "mismatch"),
    ("int8 said of float32", at("dtype", "int8"), "description"),
    ("int8 of another kind", at("dtype", "bfloat16", which="int8"), "mismatch"),
    ("a scale that is NaN", (lambda h, d, b: assemble(h, d, b.replace(b[h["dense_1.weight:scale"]["data_offsets"][0]:][:4], struct.pack("<f", float("nan")), 1)))(*parts(GOOD["int8"])), "not finite"),
    ("bfloat16 that is infinite", (lambda h, d, b: assemble(h, d, b[: h["dense_1.weight"]["data_offsets"][0]] + b"\x80\x7f" + b[h["dense_1.weight"]["data_offsets"][0] + 2 :]))(*parts(GOOD["bfloat16"])), "not finite"),
    ("a Custom layer that was not given", GOOD["custom"], "custom"),
    ("a Custom layer in a dense one", at(*LAYERS, 0, "activation", {"type": "Custom", "name": "x"}), "custom"),
]  # fmt: skip
