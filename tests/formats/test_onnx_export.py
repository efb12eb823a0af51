"""ONNX models that fastnn writes, beside ONNX Runtime."""

import json
import sys

import numpy as np
import pytest
from helpers.answers import answers, largest_error
from helpers.cases import CASES, ready
from helpers.random_networks import random_network, random_rows

import fastnn as fn
from fastnn.formats.onnx.write.layers import LAYERS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from helpers.onnx_runtime import run  # noqa: E402

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
RANDOM = 200


def check(net, xs):
    error = largest_error(run(fn.interchange.to_onnx(net), xs), answers(net, xs))
    assert error < TOLERANCE[str(net.dtype)], (error, net.summary())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [case for case in CASES if not case.custom], ids=lambda case: case.id)
def test_every_case(case, dtype):
    if case.id.startswith("conv_transpose2d-3x3-groups") and dtype == "float64":
        pytest.skip("ONNX Runtime has ConvTranspose in float32 alone, and ONNX's own reference knows no groups of it")
    check(*ready(case, dtype, 5)[:2])


@pytest.mark.parametrize(("dtype", "seeds"), [("float32", range(RANDOM)), ("float64", range(RANDOM, RANDOM + 50))])
def test_random_graphs(dtype, seeds):
    for seed in seeds:
        net = random_network(seed, dtype)
        check(net, random_rows(net, 3, seed))


def test_the_random_graphs_have_every_layer_in_every_form():
    layers = [layer for seed in range(RANDOM) for layer in random_network(seed).structure.layers]
    assert {type(layer) for layer in layers} == set(LAYERS)
    recurrent = [layer for layer in layers if hasattr(layer, "return_sequences")]
    for option in ("return_sequences", "return_state", "go_backwards", "bias", "forget_gate", "peepholes"):
        assert {getattr(layer, option) for layer in recurrent if hasattr(layer, option)} == {True, False}, option
    assert {layer.mask_value is None for layer in recurrent} == {True, False}


@pytest.mark.parametrize("act", [None, "square"])
def test_custom_layers_are_refused(act, tmp_path):
    square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
    layers = [fn.Dense(2, square)] if act else [fn.Dense(2), square]
    net = fn.Sequential(layers, input_shape=3, seed=0)
    with pytest.raises(ValueError, match=r"to_onnx: .*Custom 'square': it is code in Python"):
        net.to_onnx(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_layer_of_elsewhere_is_refused():
    class Mine(fn.Flatten):
        pass

    net = fn.Sequential([Mine()], input_shape=(2, 2), seed=0)
    with pytest.raises(ValueError, match=r"Mine: it has no row in LAYERS of fastnn\.formats\.onnx\.write\.layers"):
        fn.interchange.to_onnx(net)


def small(dtype="float32"):
    return fn.Sequential([fn.Dense(3, "relu", name="first"), fn.Dense(2)], input_shape=4, seed=0, dtype=dtype)


def test_the_graph_is_what_one_would_write_by_hand():
    model = fn.interchange.to_onnx(small())
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm"]
    assert [tensor.name for tensor in model.graph.initializer] == [
        "first.weight", "first.bias", "dense_1.weight", "dense_1.bias",
    ]  # fmt: skip
    assert [entry.version for entry in model.opset_import] == [17]
    assert (model.producer_name, model.ir_version) == ("fastnn", 8)


def ports(model):
    return [
        (entry.name, [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim])
        for entry in (*model.graph.input, *model.graph.output)
    ]


def test_names_and_a_free_batch():
    assert ports(fn.interchange.to_onnx(small())) == [("input", ["batch", 4]), ("output", ["batch", 2])]
    a, b = fn.Input(4, name="left"), fn.Input((2, 2))
    net = fn.Network([a, b], [fn.add(a, fn.Flatten()(b)), b, a], seed=0)
    expected = [
        ("left", ["batch", 4]), ("input_2", ["batch", 2, 2]),
        ("output_1", ["batch", 4]), ("output_2", ["batch", 2, 2]), ("output_3", ["batch", 4]),
    ]  # fmt: skip
    assert ports(fn.interchange.to_onnx(net)) == expected
    model = fn.interchange.to_onnx(net, input_names=["p", "q"], output_names=["x", "y", "z"])
    assert [name for name, _ in ports(model)] == ["p", "q", "x", "y", "z"]
    xs = [np.ones((7, 4), np.float32), np.ones((7, 2, 2), np.float32)]
    assert [len(y) for y in run(model, xs)] == [7, 7, 7]
    assert [len(y) for y in run(model, [x[:1] for x in xs])] == [1, 1, 1]


def test_an_input_may_have_the_name_of_a_layer():
    x = fn.Input(4, name="dense_1")
    net = fn.Network(x, fn.Dense(2)(x), seed=0)
    check(net, [np.ones((2, 4), np.float32)])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"input_names": ["a", "b"]}, ValueError, "expected 1 input names, got 2"),
        ({"output_names": []}, ValueError, "expected 1 output names, got 0"),
        ({"input_names": "input"}, TypeError, "to be a list of names, got the string"),
        ({"input_names": ["x/y"]}, ValueError, "expected a name of letters"),
        ({"input_names": [None]}, ValueError, "every one of input_names once"),
        ({"input_names": ["output"]}, ValueError, "different names, got output twice"),
        ({"metadata": {"a": object()}}, ValueError, "metadata of JSON values"),
        ({"metadata": {"a": float("nan")}}, ValueError, "metadata of JSON values"),
    ],
)
def test_options_that_are_refused(options, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        small().to_onnx(tmp_path / "m.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_metadata_go_along():
    net = small()
    net.metadata = {"classes": ["a", "b"]}
    for given, expected in ((None, net.metadata), ({"x": 1}, {"x": 1})):
        (entry,) = fn.interchange.to_onnx(net, metadata=given).metadata_props
        assert json.loads(entry.value)["metadata"] == expected


def test_what_is_no_network_or_not_finite_is_refused():
    with pytest.raises(TypeError, match="expected a Network, got dict"):
        fn.interchange.to_onnx({})
    net = small()
    net.params[3] = np.nan
    with pytest.raises(ValueError, match="expected finite parameters"):
        fn.interchange.to_onnx(net)


def test_a_model_beyond_one_file_is_refused(monkeypatch):
    monkeypatch.setattr("fastnn.formats.onnx.write.export.LIMIT", 10)
    with pytest.raises(ValueError, match=r"expected at most 10 bytes of parameters, got 92; use net\.save"):
        fn.interchange.to_onnx(small())


def test_a_file_is_checked_before_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    small().to_onnx(path)
    before = path.read_bytes()
    assert np.array_equal(
        run(before, [np.ones((2, 4), np.float32)])[0], run(onnx.load(path), [np.ones((2, 4), np.float32)])[0]
    )

    def fails(*args, **options):
        raise onnx.checker.ValidationError("planted")

    monkeypatch.setattr(onnx.checker, "check_model", fails)
    with pytest.raises(onnx.checker.ValidationError, match="planted"):
        small("float64").to_onnx(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]


def test_without_onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'to_onnx: needs the package onnx; .*"fastnn\[onnx\]"'):
        fn.interchange.to_onnx(small())
    with pytest.raises(ImportError, match=r'from_onnx: needs the package onnx; .*"fastnn\[onnx\]"'):
        fn.from_onnx("m.onnx")
