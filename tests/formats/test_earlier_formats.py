"""Files of format 1, where gelu was the tanh form, mean the same as then; and files come first in a new process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import reference as ref
from helpers.model_files import assemble, parts

import fastnn as fn
from fastnn.formats.safetensors import from_bytes

GOLDEN = Path(__file__).with_name("golden")  # written by fastnn of format 2, by way of the safetensors package


def as_format(number, path, ensemble=False):
    """Say an earlier format, in 1 the tanh form under its name of then, and leave the checksum out."""
    key = "fastnn_ensemble" if ensemble else "fastnn"
    header, description, body = parts(path.read_bytes(), key)
    text = json.dumps(description)
    assert text.count('"format": 3') >= 1
    text = text.replace('"format": 3', f'"format": {number}')
    text = text.replace("gelu_tanh", "gelu") if number == 1 else text
    path.write_bytes(assemble(header, {"format": number}, body, text, key))


@pytest.mark.parametrize("number", [1, 2])
def test_networks(number, tmp_path):
    layers = [
        fn.Dense(5, "gelu_tanh"),
        fn.Activation("gelu_tanh"),
        fn.Dense(3, fn.Activation("gelu_tanh")),
        fn.Dense(2, "elu"),
    ]
    net = fn.Sequential([fn.Residual([fn.Dense(4, "gelu_tanh")]), *layers], input_shape=4, seed=0)
    net.metadata = {"activation": "gelu", "note": {"type": "Activation", "function": "gelu"}}
    net.save(tmp_path / "a.safetensors")
    as_format(number, tmp_path / "a.safetensors")
    again = fn.load(tmp_path / "a.safetensors")
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.metadata == net.metadata  # what is the user's stays
    one = fn.Sequential([fn.Activation("gelu")], input_shape=4, seed=0, dtype="float64")
    gelu = ref.gelu_tanh if number == 1 else ref.gelu
    one.save(tmp_path / "b.safetensors")
    as_format(number, tmp_path / "b.safetensors")
    np.testing.assert_allclose(fn.load(tmp_path / "b.safetensors").predict(x), gelu(x.astype(float)), rtol=1e-12)


@pytest.mark.parametrize("number", [1, 2])
def test_quantized_networks(number, tmp_path):
    net = fn.Sequential([fn.Dense(5, "gelu_tanh"), fn.Dense(2)], input_shape=4, seed=0).quantized("int8")
    net.save(tmp_path / "a.safetensors")
    as_format(number, tmp_path / "a.safetensors")
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(fn.load(tmp_path / "a.safetensors").predict(x), net.predict(x))


@pytest.mark.filterwarnings("ignore:MLPClassifier")
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("activation", ["gelu_tanh", ["elu", "gelu_tanh"], ("gelu_tanh", "elu")])
def test_estimators(activation, number, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    model = fn.MLPClassifier((4, 3), activation=activation, max_iter=2, random_state=0).fit(X, y)
    model.save(tmp_path / "a.safetensors")
    as_format(number, tmp_path / "a.safetensors")
    again = fn.MLPClassifier.load(tmp_path / "a.safetensors")
    assert again.activation == activation
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("number", [1, 2])
def test_ensembles(number, tmp_path):
    nets = [fn.Sequential([fn.Dense(5, "gelu_tanh"), fn.Dense(2)], input_shape=4, seed=seed) for seed in (0, 1)]
    ensemble = fn.Ensemble(nets, loss="squared_error")
    ensemble.save(tmp_path / "a.safetensors")
    as_format(number, tmp_path / "a.safetensors", ensemble=True)
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    np.testing.assert_array_equal(fn.Ensemble.load(tmp_path / "a.safetensors").predict(x), ensemble.predict(x))


def test_onnx_of_format_1(tmp_path):
    pytest.importorskip("onnx")
    net = fn.Sequential([fn.Dense(5, "gelu_tanh", name="hidden"), fn.Dense(2)], input_shape=4, seed=0)
    model = fn.interchange.to_onnx(net)
    text = model.metadata_props[0].value
    model.metadata_props[0].value = text.replace('"format": 3', '"format": 1').replace("gelu_tanh", "gelu")
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


def test_files_that_were_written_in_format_2():
    """Arrays and answers by NumPy from what the safetensors package reads."""
    from safetensors.numpy import load_file

    x = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)

    def answer(a, first="first", last="dense_1"):
        h = np.tanh(x.astype(float) @ a[f"{first}.weight"] + a[f"{first}.bias"])
        return h @ a[f"{last}.weight"] + a[f"{last}.bias"]

    net, arrays = fn.load(GOLDEN / "network.safetensors"), load_file(GOLDEN / "network.safetensors")
    for name, view in net.named_parameters():
        np.testing.assert_array_equal(view, arrays[name])
    np.testing.assert_array_equal(net.trainer.optimizer.state.ravel(), arrays["optimizer:state"].ravel())
    np.testing.assert_allclose(net.predict(x), answer(arrays), atol=1e-6)
    assert net.metadata == {"units": ["kW", None, 1.5], "caf\u00e9": '\u20ac "x" \\'}
    assert (net.epoch, net.metrics, net.optimizer.momentum) == (2, ("accuracy",), 0.9)
    for dtype in ("bfloat16", "int8"):
        small = fn.load(GOLDEN / f"{dtype}.safetensors")
        np.testing.assert_allclose(small.predict(x), answer(arrays), atol=0.05)
    ensemble, arrays = fn.Ensemble.load(GOLDEN / "ensemble.safetensors"), load_file(GOLDEN / "ensemble.safetensors")
    members = [{name[2:]: a for name, a in arrays.items() if name[0] == k} for k in "01"]
    mean = sum(answer(a, "dense_1", "dense_2") for a in members) / 2
    np.testing.assert_allclose(ensemble.predict(x), mean, atol=1e-6)
    images = fn.load(GOLDEN / "images.safetensors")
    for name, array in load_file(GOLDEN / "images.safetensors").items():
        np.testing.assert_array_equal(dict(images.named_parameters())[name], array)
    classifier = fn.MLPClassifier.load(GOLDEN / "classifier.safetensors")
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert fn.OnlineRegressor.load(GOLDEN / "online.safetensors").features == ["a", "b", "c", "d"]


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_old_files_are_read_as_strictly(name):
    """A field that no version wrote, JSON in other words, and the new format without its checksum."""
    key = "fastnn_ensemble" if name.startswith("ensemble") else "fastnn"
    load = fn.Ensemble._from_bytes if key == "fastnn_ensemble" else from_bytes
    header, description, body = parts((GOLDEN / name).read_bytes(), key)
    load(assemble(header, description, body, key=key), {})
    for changed in (description | {"code": 1}, json.dumps(description, indent=1), description | {"format": 3}):
        text = changed if isinstance(changed, str) else json.dumps(changed)
        with pytest.raises(fn.ModelFormatError):
            load(assemble(header, {"format": 2}, body, text, key), {})
