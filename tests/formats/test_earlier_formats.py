"""Files of format 1, where gelu was the tanh form, mean the same as then; and files come first in a new process."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn


def as_format_1(path, ensemble=False):
    """Say format 1, and the tanh form under its name of then, in a file."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    key = "fastnn_ensemble" if ensemble else "fastnn"
    text = header["__metadata__"][key]
    assert text.count('"format": 2') >= 1
    header["__metadata__"][key] = text.replace('"format": 2', '"format": 1').replace("gelu_tanh", "gelu")
    new = json.dumps(header).encode()
    new += b" " * (-len(new) % 8)
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + size :])


def test_networks(tmp_path):
    layers = [
        fn.Dense(5, "gelu_tanh"),
        fn.Activation("gelu_tanh"),
        fn.Dense(3, fn.Activation("gelu_tanh")),
        fn.Dense(2, "elu"),
    ]
    net = fn.Sequential([fn.Residual([fn.Dense(4, "gelu_tanh")]), *layers], input_shape=4, seed=0)
    net.metadata = {"activation": "gelu", "note": {"type": "Activation", "function": "gelu"}}
    net.save(tmp_path / "a.safetensors")
    as_format_1(tmp_path / "a.safetensors")
    again = fn.load(tmp_path / "a.safetensors")
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.metadata == net.metadata  # what is the user's stays
    one = fn.Sequential([fn.Activation("gelu")], input_shape=4, seed=0, dtype="float64")
    one.save(tmp_path / "b.safetensors")
    as_format_1(tmp_path / "b.safetensors")
    np.testing.assert_allclose(
        fn.load(tmp_path / "b.safetensors").predict(x), ref.gelu_tanh(x.astype(float)), rtol=1e-12
    )


def test_quantized_networks(tmp_path):
    net = fn.Sequential([fn.Dense(5, "gelu_tanh"), fn.Dense(2)], input_shape=4, seed=0).quantized("int8")
    net.save(tmp_path / "a.safetensors")
    as_format_1(tmp_path / "a.safetensors")
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(fn.load(tmp_path / "a.safetensors").predict(x), net.predict(x))


@pytest.mark.filterwarnings("ignore:MLPClassifier")
@pytest.mark.parametrize("activation", ["gelu_tanh", ["elu", "gelu_tanh"], ("gelu_tanh", "elu")])
def test_estimators(activation, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    model = fn.MLPClassifier((4, 3), activation=activation, max_iter=2, random_state=0).fit(X, y)
    model.save(tmp_path / "a.safetensors")
    as_format_1(tmp_path / "a.safetensors")
    again = fn.MLPClassifier.load(tmp_path / "a.safetensors")
    assert again.activation == activation
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_ensembles(tmp_path):
    nets = [fn.Sequential([fn.Dense(5, "gelu_tanh"), fn.Dense(2)], input_shape=4, seed=seed) for seed in (0, 1)]
    ensemble = fn.Ensemble(nets, loss="squared_error")
    ensemble.save(tmp_path / "a.safetensors")
    as_format_1(tmp_path / "a.safetensors", ensemble=True)
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(fn.Ensemble.load(tmp_path / "a.safetensors").predict(x), ensemble.predict(x))


def test_onnx_of_format_1(tmp_path):
    pytest.importorskip("onnx")
    net = fn.Sequential([fn.Dense(5, "gelu_tanh", name="hidden"), fn.Dense(2)], input_shape=4, seed=0)
    model = fn.interchange.to_onnx(net)
    text = model.metadata_props[0].value
    model.metadata_props[0].value = text.replace('"format": 2', '"format": 1').replace("gelu_tanh", "gelu")
    again = fn.from_onnx(model)
    assert again.structure.to_config() == net.structure.to_config()


@pytest.mark.parametrize("call", ["load('a.safetensors')", "from_onnx('a.onnx')", "interchange.from_sklearn(mlp)"])
def test_a_network_may_come_first_in_a_process(call, tmp_path):
    pytest.importorskip("onnx")
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    net.save(tmp_path / "a.safetensors")
    net.to_onnx(tmp_path / "a.onnx")
    mlp = "from types import SimpleNamespace as N; import numpy as np\nmlp = N(activation='relu', "
    mlp += "out_activation_='identity', coefs_=[np.ones((3, 2))], intercepts_=[np.ones(2)])"
    done = subprocess.run(
        [sys.executable, "-c", f"import fastnn as fn\n{mlp}\nprint(type(fn.{call}).__name__)"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "Sequential", done.stderr
