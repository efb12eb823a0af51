"""Every case of the table of layers, in C, against its twin in NumPy; and 8-bit weights against their definition."""

import numpy as np
import pytest
from helpers import c_code
from helpers import reference as ref
from helpers.cases import CASES, parameters, ready

import fastnn as fn
from fastnn.layers.base import Layer

pytestmark = c_code.needs_compiler
BOUND = {"float32": 1e-5, "float64": 1e-12}


def as_layers(spec):
    """The layer and its activation, if that is a layer."""
    return [spec, *([spec.activation] if isinstance(getattr(spec, "activation", None), Layer) else [])]


@pytest.mark.parametrize("dtype", BOUND)
def test_every_case_of_the_table(dtype, tmp_path):
    networks = {}
    for case in CASES:
        net, rows, _ = ready(case, dtype, 3)
        if any(isinstance(layer, fn.Custom) for spec in net.structure.layers for layer in as_layers(spec)):
            continue
        name = f"net{len(networks)}"
        networks[name] = case, net, rows
        net.export_c(tmp_path / f"{name}.c", selftest=False)
    assert len(networks) > 100
    code = c_code.library(tmp_path, list(networks))
    for name, (case, net, rows) in networks.items():
        found = c_code.answers(code, name, net, rows)
        for y, truth in zip(found, case.twin(parameters(net), *(x.astype(np.float64) for x in rows)), strict=True):
            scale = max(1.0, float(np.abs(truth).max()))
            assert float(np.abs(y - truth).max()) <= BOUND[dtype] * scale, case.id


def eight_bits(w):
    """The matrix that 8-bit whole numbers stand for, column by column."""
    scale = np.abs(w).max(axis=0) / 127
    return np.round(w / scale) * scale


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_8_bits_is_within_its_bound(seed, tmp_path):
    rng = np.random.default_rng(seed)
    net = fn.Sequential([fn.Dense(21)], input_shape=40, seed=seed)
    net.params[:] = rng.normal(size=net.n_params)
    w, b = (np.array(view, np.float64) for view in net.layers[0].parameters.values())
    x = rng.normal(size=(50, 40)).astype(np.float32)
    report = net.export_c(tmp_path / "one.c", dtype="int8", rows=x)
    (y,) = c_code.answers(c_code.library(tmp_path, ["one"]), "one", net, [x])
    error = np.abs(y - (x @ w + b))
    bound = np.abs(x).sum(axis=1, keepdims=True) * np.abs(w).max(axis=0) / 254
    assert (error <= bound + 1e-5).all()
    assert error.max() > 0.05 * bound.max()  # 8 bits were at work
    np.testing.assert_allclose(report.quantization_error, error.max(), rtol=1e-3)
    np.testing.assert_allclose(y, x @ eight_bits(w) + b, atol=2e-5)
    assert report.flash_bytes == 40 * 21 + 4 * 21 + 4 * 21  # weights, scales, biases


def test_8_bits_in_recurrent_and_other_layers(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 5, 6))
    layers = [fn.LSTM(7, return_sequences=True), fn.GRU(5, return_sequences=True), fn.SimpleRNN(4), fn.BatchNorm()]
    layers += [fn.DropConnect(9, "tanh", rate=0.25, inverted=False), fn.Dense(3)]
    net = fn.Sequential(layers, input_shape=(5, 6), seed=0, dtype="float64")
    randomize_all(net)
    p = {name: eight_bits(v) if v.ndim == 2 else v.copy() for name, v in net.named_parameters()}
    cells = [[p.get(f"{name}_1.{kind}") for kind in ("weight", "recurrent_weight", "bias")] for name in ("lstm", "gru")]
    h, _ = ref.lstm(x, *cells[0])
    h, _ = ref.gru(h, *cells[1], p["gru_1.recurrent_bias"])
    _, state = ref.simple_rnn(h, *(p[f"simplernn_1.{kind}"] for kind in ("weight", "recurrent_weight", "bias")))
    norm = [p[f"batchnorm_1.{name}"] for name in ("gamma", "beta", "running_mean", "running_variance")]
    h = ref.batch_norm(state[0], *norm)
    h = np.tanh(ref.dropconnect_inference(h, p["dropconnect_1.weight"], p["dropconnect_1.bias"], 0.25, False))
    expected = ref.dense(h, p["dense_1.weight"], p["dense_1.bias"])
    report = net.export_c(tmp_path / "all.c", dtype="int8", rows=x)
    assert c_code.selftests(tmp_path, ["all"], "c99", *c_code.SANITIZE) == (0, "")
    (y,) = c_code.answers(c_code.library(tmp_path, ["all"]), "all", net, [x])
    np.testing.assert_allclose(y, expected, atol=1e-13)
    assert 1e-4 < report.quantization_error < 0.1
    np.testing.assert_allclose(report.quantization_error, np.abs(y - net.predict(x)).max(), rtol=1e-9)


def randomize_all(net):
    """Parameters of size 1 / sqrt(inputs), variances positive."""
    rng = np.random.default_rng(1)
    for name, view in net.named_parameters():
        view[...] = rng.normal(size=view.shape) / np.sqrt(len(view))
        if name.endswith("variance"):
            view[...] = np.abs(view) + 0.5


def test_a_float64_network_in_float32(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 6))
    net = fn.Sequential([fn.Dense(9, "gelu"), fn.LayerNorm(), fn.Dense(2)], input_shape=6, seed=0, dtype="float64")
    report = net.export_c(tmp_path / "small.c", dtype="float32")
    (y,) = c_code.answers(c_code.library(tmp_path, ["small"]), "small", net, [x], np.float32)
    np.testing.assert_allclose(y, net.predict(x), atol=1e-5)
    assert report.flash_bytes == 4 * net.n_params
