"""Quantised networks: what they answer, their bits, what they keep and what they refuse."""

import copy
import json
import pickle
import shutil
import struct
import subprocess

import numpy as np
import pytest
from helpers.bits import native
from helpers.cases import CASES
from helpers.model_files import assemble, parts

import fastnn as fn
from fastnn._core import table
from fastnn.errors import ModelFormatError
from fastnn.graph.quantize import quantize

DTYPES = ["int8", "bfloat16"]
FMA = table.has_fma()


def rows(n, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal((n, *shape)).astype(np.float32)


def network(seed=3):
    """Layers of every kind around dense ones, and a dense layer that is applied twice."""
    a, b = fn.Input((5, 8), name="left"), fn.Input(20)
    shared = fn.Dense(33, fn.Activation("leaky_relu", alpha=0.2), name="both")
    h = fn.LSTM(20, name="memory")(a)
    h = fn.concatenate(shared(h), shared(b))
    h = fn.Residual([fn.Dense(70, "relu"), fn.LayerNorm(), fn.Dense(66, bias=False)])(h)
    h = fn.DropConnect(12, "tanh", rate=0.2)(h)
    return fn.Network([a, b], [fn.Dense(3, "softmax", name="head")(h), fn.Dense(130, name="wide")(h)], seed=seed)


def inputs(n):
    return [rows(n, 5, 8), rows(n, 20, seed=1)]


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@native()
@pytest.mark.skipif(not FMA, reason="needs a fused multiply-add")
def test_bfloat16_answers_are_those_of_float32_with_its_weights():
    small = network().quantized("bfloat16")
    other = small.dequantized()
    for n in (1, 2, 9, 70):
        same(small.predict(inputs(n)), other.predict(inputs(n)))
    weights = dict(network().named_parameters())["both.weight"]
    assert (np.abs(dict(other.named_parameters())["both.weight"] - weights) <= 2.0**-8 * np.abs(weights)).all()


def test_int8_answers_are_those_of_its_definition():
    """One layer, recomputed with whole numbers."""
    net = fn.Sequential([fn.Dense(9, "relu"), fn.Dense(4)], input_shape=30, seed=1)
    small, h = net.quantized("int8"), rows(11, 30)
    for view, last in zip(net.layers, (False, True), strict=True):
        scale = np.abs(view.weight).max(axis=0) / np.float32(127)
        q = np.rint(view.weight / scale)
        low, high = np.minimum(h.min(axis=1), 0), np.maximum(h.max(axis=1), 0)
        step = (high - low)[:, None] / 255
        zero = np.rint(-low[:, None] / step)
        z = (np.clip(np.rint(h / step + zero), 0, 255) - zero) @ q * (step * scale) + view.bias
        h = z if last else np.maximum(z, 0)
    np.testing.assert_allclose(small.predict(rows(11, 30)), h, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_has_the_same_bits_in_any_batch_and_on_any_number_of_threads(dtype):
    net = fn.Sequential([fn.Dense(600, "relu"), fn.Dense(520, "tanh"), fn.Dense(10)], input_shape=700, seed=0)
    small, X = net.quantized(dtype), np.abs(rows(150, 700)) * (rows(150, 700, seed=2) > 0.4)
    before = fn.get_num_threads()
    try:
        fn.set_num_threads(1)
        y = small.predict(X)
        out = np.empty(10, np.float32)
        if FMA:
            for b in range(0, 150, 7):
                np.testing.assert_array_equal(small.predict_one(X[b]), y[b])
        assert small.predict_one(X[3], out=out) is out
        for threads in (2, 3):
            fn.set_num_threads(threads)
            for n in (1, 5, 40, 150):
                if FMA:
                    np.testing.assert_array_equal(small.predict(X[:n]), y[:n])
                else:
                    np.testing.assert_allclose(small.predict(X[:n]), y[:n], rtol=1e-4, atol=1e-4)
    finally:
        fn.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_may_stand_in_it(case, dtype):
    net = case.build("float32", 1)
    small = net.quantized(dtype)
    X = [rows(6, *shape, seed=i) for i, shape in enumerate(net.input_shapes)]
    for place, vocabulary in case.indices.items():
        X[place] = np.abs(X[place] * 7).astype(int).astype(np.float32) % vocabulary
    X = X if len(X) > 1 else X[0]
    ours, theirs = small.predict(X), net.predict(X)
    several = len(net.output_shapes) > 1
    for a, b in zip(ours if several else [ours], theirs if several else [theirs], strict=True):
        assert np.abs(a - b).max() <= 0.06 * max(np.abs(b).max(), 1)
    assert small.n_params == net.n_params
    assert small.summary()


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_and_copies_bring_it_back(dtype, tmp_path):
    net = network()
    net.metadata = {"note": "ü"}
    small, X = net.quantized(dtype), inputs(9)
    small.save(tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert header["both.weight"]["dtype"] == {"int8": "I8", "bfloat16": "BF16"}[dtype]
    assert header["both.bias"]["dtype"] == "F32"
    for other in (fn.load(tmp_path / "m.safetensors"), copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert isinstance(other, fn.QuantizedNetwork)
        assert (other.weights_dtype, other.metadata, other.nbytes) == (dtype, {"note": "ü"}, small.nbytes)
        same(other.predict(X), small.predict(X))
        np.testing.assert_array_equal(other.matrices["both"].weights, small.matrices["both"].weights)
    assert small.nbytes < net.params.nbytes


@pytest.mark.parametrize("dtype", DTYPES)
def test_damaged_files_are_refused(dtype, tmp_path):
    small = fn.Sequential([fn.Dense(20, "relu"), fn.Dense(3)], input_shape=6, seed=0).quantized(dtype)
    path = tmp_path / "m.safetensors"
    small.save(path)
    data = path.read_bytes()
    header, said, body = parts(data)
    size = len(data) - len(body) - 8

    def written(header, said=said, body=body):
        path.write_bytes(assemble(header, said, body))
        return path

    assert isinstance(fn.load(written(header)), fn.QuantizedNetwork)
    without = {name: entry for name, entry in header.items() if name != "dense_1.bias"}
    renamed = {{"dense_1.bias": "dense_9.bias"}.get(name, name): entry for name, entry in header.items()}
    other = json.loads(json.dumps(header))
    other["dense_1.weight"]["shape"].reverse()
    for damaged in (without, renamed, other):
        with pytest.raises(ModelFormatError):
            fn.load(written(damaged))
    for changed in ({"dtype": "float32"}, {"seed": "0"}, {"training": {}}):
        with pytest.raises(ModelFormatError):
            fn.load(written(header, said | changed))
    for cut in (5, size, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelFormatError):
            fn.load(path)
    if dtype == "bfloat16":
        body = bytearray(body)
        start = header["dense_1.weight"]["data_offsets"][0]
        body[start : start + 2] = b"\x80\x7f"  # infinity
        with pytest.raises(ModelFormatError, match="finite"):
            fn.load(written(header, body=bytes(body)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_c_has_its_weights(dtype, tmp_path):
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    small = fn.Sequential([fn.Dense(40, "relu"), fn.GRU(6), fn.Dense(3)], input_shape=(4, 5), seed=2).quantized(dtype)
    report = small.export_c(tmp_path / "net.c")
    command = ["cc", "-std=c99", "-O1", "-DNET_SELFTEST", str(report.source), "-lm", "-o", str(tmp_path / "test")]
    subprocess.run(command, check=True)
    assert " 0 of " in subprocess.run([tmp_path / "test"], capture_output=True, text=True, check=True).stdout
    if dtype == "int8":
        for name, matrix in small.matrices.items():
            again = quantize(small.dequantized().layers[{"dense_1": 0, "dense_2": 2}[name]].weight)
            np.testing.assert_array_equal(again.values, matrix.values)
    with pytest.raises(TypeError, match="no dtype"):
        small.export_c(tmp_path / "net.c", dtype="float32")


def test_evaluate_shows_what_is_lost(capsys):
    X, y = fn.load_digits()
    net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    net.fit(X, y, epochs=5, loss="cross_entropy", optimizer="adam", metrics=["accuracy"], verbose=0)
    small = net.quantized("int8")
    plain = small.evaluate(X, y)
    logits = small.predict(X).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
    assert plain["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert plain["accuracy"] == (logits.argmax(axis=1) == y).mean()
    assert not capsys.readouterr().out
    scores = small.evaluate(X, y, reference=net)
    assert scores == plain | {f"reference_{name}": value for name, value in net.evaluate(X, y).items()}
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["int8", "float32", "change"]
    assert shown[2].split() == ["accuracy", *[f"{v:.6g}" for v in (plain["accuracy"], scores["reference_accuracy"])],
                                f"{plain['accuracy'] - scores['reference_accuracy']:+.3g}"]  # fmt: skip
    small.evaluate(X, y, reference=net, verbose=False)
    assert not capsys.readouterr().out
    with pytest.raises(ValueError, match="read twice"):
        small.evaluate(iter([(X, y)]), reference=net)
    with pytest.raises(TypeError, match="a Network"):
        small.evaluate(X, y, reference=small)


def test_it_is_a_copy_and_read_only():
    net = network()
    small, X = net.quantized("int8"), inputs(3)
    before = small.predict(X)
    net.params[:] = 0
    same(small.predict(X), before)
    with pytest.raises(RuntimeError, match="read-only"):
        small.train_step(inputs(1), [0, np.zeros(130)])
    for name in ("fit", "backward", "forward", "apply_gradients", "load_weights", "tap"):
        with pytest.raises(AttributeError, match="read-only"):
            getattr(small, name)
    with pytest.raises(AttributeError, match="no attribute 'weights'"):
        small.weights  # noqa: B018
    with pytest.raises(RuntimeError, match="call compile"):
        small.evaluate(X, [np.zeros(3), np.zeros((3, 130))])
    with pytest.raises(ValueError, match="NaN or inf"):
        small.predict([x * np.nan for x in X])


def test_what_is_refused():
    net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
    with pytest.raises(ValueError, match="unknown dtype"):
        net.quantized("int4")
    with pytest.raises(TypeError, match="a string"):
        net.quantized(np.int8)
    with pytest.raises(ValueError, match=r"astype\('float32'\)"):
        net.astype("float64").quantized("int8")
    net.params[0] = 3.4e38
    with pytest.raises(ValueError, match="dense_1"):
        net.quantized("bfloat16")
    assert np.isfinite(net.quantized("int8").predict(np.ones((1, 2)))).all()
    net.params[0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        net.quantized("int8")


def test_a_layer_of_too_many_inputs_stays_float32():
    net = fn.Sequential([fn.Dense(2, name="huge"), fn.Dense(2, name="small")], input_shape=65537, seed=0)
    assert list(net.quantized("int8").matrices) == ["small"]
    rows_of = [line.split() for line in net.quantized("int8").summary().splitlines()]
    assert [(row[0], row[5]) for row in rows_of[4:6]] == [("huge", "float32"), ("small", "int8")]
