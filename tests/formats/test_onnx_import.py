"""ONNX models that fastnn reads: its own, and graphs as other exporters write them, beside ONNX Runtime."""
# ruff: noqa: E501  (a case of a table is one line)

import contextlib
import importlib

import numpy as np
import pytest
from helpers.answers import answers, largest_error
from helpers.cases import CASES, ready
from helpers.random_networks import random_network, random_rows

import fastnn as fn

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from helpers.foreign_onnx import foreign  # noqa: E402
from helpers.onnx_graphs import graph  # noqa: E402
from helpers.onnx_runtime import run  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402

RANDOM = 200


# ---- models of our own ----------------------------------------------------------------------------------------------


def with_padding_of_zeros(net):
    """Give padding the vector that the model holds."""
    for layer in net.layers:
        if isinstance(layer.spec, fn.Embedding) and layer.spec.padding_index is not None:
            layer.weight[layer.spec.padding_index] = 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back_as_it_was(dtype, tmp_path):
    for seed in range(60):
        net = random_network(seed, dtype)
        xs = random_rows(net, 3, seed)
        with_padding_of_zeros(net)
        net.metadata = {"seed": seed}
        net.to_onnx(tmp_path / "m.onnx", input_names=[f"in{i}" for i in range(len(xs))])
        again = fn.from_onnx(str(tmp_path / "m.onnx"))
        assert (type(again), again.summary(), again.metadata) == (type(net), net.summary(), net.metadata)
        assert again.structure.to_config() == net.structure.to_config()
        assert np.array_equal(again.params, net.params)
        assert all(np.array_equal(a, b) for a, b in zip(answers(again, xs), answers(net, xs), strict=True))


def by_its_nodes(net):
    """Can the nodes alone say what the network is?"""
    return not any(
        isinstance(layer, (fn.PhaseDense, fn.MinibatchStdDev, fn.Gram))
        or getattr(layer, "mask_value", None) is not None
        or (isinstance(layer, fn.SimpleRNN) and layer.activation == "identity")
        for layer in net.structure.layers
    )


def stripped(net):
    model = fn.interchange.to_onnx(net)
    del model.metadata_props[:]
    return model


@pytest.mark.parametrize("case", [case for case in CASES if not case.custom], ids=lambda case: case.id)
def test_every_case_by_its_nodes(case):
    net, xs = ready(case, "float32", 5)[:2]
    if by_its_nodes(net):
        assert largest_error(answers(fn.from_onnx(stripped(net)), xs), answers(net, xs)) < 1e-5
    else:
        with pytest.raises(
            ValueError,
            match=r"from_onnx: node '\w+/\w+' (\(Floor\): fastnn has no layer for it|\(Pad\): it changes the axes \[\d\]|"
            r"\(MatMul\): its input 1 is not a constant)",
        ):
            fn.from_onnx(stripped(net))


@pytest.mark.parametrize("case", [case for case in CASES if not case.custom], ids=lambda case: case.id)
def test_every_case_comes_back_as_it_was(case):
    net = ready(case, "float32", 3)[0]
    with_padding_of_zeros(net)
    again = fn.from_onnx(fn.interchange.to_onnx(net))
    assert again.structure.to_config() == net.structure.to_config()
    assert np.array_equal(again.params, net.params)


def test_random_graphs_by_their_nodes():
    read = 0
    for seed in range(RANDOM):
        net = random_network(seed, "float32")
        xs = random_rows(net, 3, seed)
        # An output that is turned over is taken for one with channels first, as other programs write them.
        turned = any(isinstance(layer, fn.Permute) for layer in net.structure.layers)
        if by_its_nodes(net) and not turned:
            again = fn.from_onnx(stripped(net))
            assert largest_error(answers(again, xs), answers(net, xs)) < 1e-5, net.summary()
            read += 1
    assert read > RANDOM // 4


def test_a_changed_model_is_read_as_it_is_now():
    net = fn.Sequential([fn.Dense(3, "relu", name="first"), fn.Dropout(0.2), fn.Dense(2)], input_shape=4, seed=0)
    model = fn.interchange.to_onnx(net)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    model.graph.node[1].op_type = "Tanh"
    again = fn.from_onnx(model)
    assert np.allclose(again.predict(x), run(model, [x])[0], atol=1e-6)
    assert not np.allclose(again.predict(x), net.predict(x), atol=1e-2)
    model = fn.interchange.to_onnx(net)
    weights = numpy_helper.to_array(model.graph.initializer[0]) * 2
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[0].name))
    assert np.array_equal(fn.from_onnx(model).layers[0].weight, weights)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', "nonsense", '{"format": NaN}'])
def test_a_description_that_is_none_is_passed_over(text):
    net = fn.Sequential([fn.Dense(3, "relu", name="first")], input_shape=4, seed=0)
    model = fn.interchange.to_onnx(net)
    model.metadata_props[0].value = text
    assert np.array_equal(fn.from_onnx(model).params, net.params)


def test_layers_keep_their_names_shared_layers_stay_shared_and_rows_of_layers_are_a_sequential():
    net = fn.Sequential([fn.Dense(3, name="hidden"), fn.Dropout(0.25), fn.Dropout(0.5, inverted=False)], 4, seed=0)
    again = fn.from_onnx(stripped(net), seed=9)
    assert type(again) is fn.Sequential
    assert [view.name for view in again.layers] == ["hidden", "dropout_1", "dropout_2"]
    assert [again.layers[i].rate for i in (1, 2)] == [0.25, 0.5]
    assert [again.layers[i].inverted for i in (1, 2)] == [True, False]
    assert again.seed == 9
    x, same = fn.Input(4), fn.Dense(4, "tanh", name="same")
    twice = fn.from_onnx(stripped(fn.Network(x, fn.add(same(same(x)), x), seed=0)))
    assert type(twice) is fn.Network
    assert twice.n_params == 20


# ---- models of others -----------------------------------------------------------------------------------------------


def test_random_graphs():
    kinds = set()
    for seed in range(RANDOM):
        model, x, used = foreign(seed)
        assert largest_error([fn.from_onnx(model).predict(x)], run(model, [x])) < 1e-5, seed
        kinds |= used
    assert kinds >= {
        "Add", "BatchNormalization", "Cast", "Concat", "Constant", "Div", "Dropout", "Elu", "Flatten", "GRU", "Gather", "Gelu",
        "Gemm", "Identity", "LSTM", "LayerNormalization", "LeakyRelu", "MatMul", "Mul", "RNN", "Relu", "Reshape", "Selu",
        "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "ConstantOfShape",
    }  # fmt: skip


F4 = np.float32
W = np.ones((4, 3), F4)
REFUSED = [
    (graph(["y = Sin(x)"]), r"node 'y' \(Sin\): fastnn has no layer for it"),
    (graph(["a = Relu(x)", "y = Sin(a)"]), r"no layer for it; outputs= can name a tensor before it, such as 'a'"),
    (graph([("y = LogSoftmax(x)", {"axis": 0})]), r"\(LogSoftmax\): it is along axis 0 of \(batch, 4\)"),
    (graph(["y = Clip(x, a, b)"], a=F4(2), b=F4(1)), r"\(Clip\): its bounds are 2 and 1"),
    (graph(["y = Max(x, x)"]), r"\(Max\): it compares tensors with one another"),
    (graph(["y = Pow(x, c)"], c=F4(0.5)), r"\(Pow\): its exponent is no whole number"),
    (graph([("y = ReduceMean(x)", {"axes": [0]})]), r"\(ReduceMean\): it is taken over the batch"),
    (graph([("y = Celu(x)", {"alpha": 2.0})]), r"\(Celu\): its alpha is not 1"),
    (graph(["y = Div(x, x)"]), r"\(Div\): it divides by what is not a constant"),
    (graph([("y = ml.Normalizer(x)", {"norm": "L1"})]), "1 behind a softmax alone; outputs='x' ends before it"),
    (graph([("y = ml.Normalizer(x)", {"norm": "L2"})]), "it divides rows by their L2 norm"),
    (graph([("y = ml.LinearRegressor(x)", {"coefficients": [1.0]})]), "it has 1 coefficients, not 1 times 4"),
    (graph(["z = Softmax(x)", "y = ArgMax(z)"]), "output 'y' holds labels, .* outputs='z', and take argmax of it"),
    (graph([("y = Softmax(x)", {"axis": 0})]), r"\(Softmax\): it is along axis 0 of \(batch, 4\)"),
    (graph([("y = Selu(x)", {"alpha": 1.0})]), "its alpha is 1.0, not 1.6732632"),
    (graph(["y = MatMul(x, x)"]), r"node 'y' \(MatMul\): its input 1 is not a constant"),
    (graph(["y = Div(c, x)"], c=F4(1)), r"\(Div\): it divides by what is not a constant"),
    (graph(["y = Mul(x, c)"], c=np.ones((2, 4), F4)), r"its constant of shape \(2, 4\) has more numbers than|differs from row to row"),
    (graph(["y = Gemm(x, w, c)"], w=W, c=np.ones((2, 3), F4)), r"its bias of shape \(2, 3\) is not one for each"),
    (graph(["y = Transpose(x)"]), r"output 'y': what of shape \(4, batch\) does not have the batch alone"),
    (graph([("y = Flatten(x)", {"axis": 0})]), "it merges the batch with something else"),
    (graph(["y = Reshape(x, s)"], s=np.array([-1, 2])), r"\(Reshape\): it reshapes \(batch, 4\) to \[-1, 2\]"),
    (graph(["y = Reshape(x, s)"], s=np.array([3, 4])), r"\(Reshape\): it reshapes \(batch, 4\) to \[3, 4\]"),
    (graph([("y = Concat(x, x)", {"axis": 0})]), "it joins along axis 0"),
    (graph(["y = Slice(x, a, b, c)"], a=np.array([0]), b=np.array([1]), c=np.array([0])), "it takes a part of axis 0"),
    (graph(["y = Slice(x, a, b, c, d)"], a=np.array([0]), b=np.array([4]), c=np.array([1]), d=np.array([2])), "steps other"),
    (graph([("y = Gather(x, i)", {"axis": 1})], i=np.array([0, 1])), "it takes several elements of an axis"),
    (graph([("y = Cast(x)", {"to": TensorProto.INT64})]), "it rounds numbers"),
    (graph(["y = Dropout(x, r, t)"], r=F4(0.5), t=np.array(True)), "it is in training mode"),
    (graph(["y = Identity(w)"], w=W), "output 'y' is a constant"),
    (graph(["y = Relu(x)"], shape=(None, None)), r"input 'x': expected a batch, .* got \(\?, \?\)"),
    (graph(["y = Relu(x)"], shape=(4,)), r"input 'x': expected a batch, .* got \(4\)"),
    (graph(["y = Relu(x)"], kind=TensorProto.FLOAT16), "input 'x': expected float32, float64, int32 or int64"),
    (graph(["y = Relu(x)"], opset=8), "expected an opset of at least 9, got 8"),
    (graph(["y = Gemm(x, w)"], w=np.full((4, 3), np.nan, F4)), "expected dense_1.weight to be finite"),
    (graph(["y = Gemm(x, w)"], w=W.astype(np.float16)), "expected parameters in float32 or float64, got float16"),
    (graph(["s = ConstantOfShape(n)", "y = Add(x, s)"], n=np.array([1 << 40])), r"\(ConstantOfShape\): cannot be worked out"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_nodes_that_are_refused(model, message):
    with pytest.raises(ValueError, match=f"from_onnx: .*{message}"):
        fn.from_onnx(model)


def test_a_graph_that_grows_without_end_takes_no_memory():
    nodes = [(f"c{i + 1} = Concat(c{i}, c{i})", {"axis": 1}) for i in range(45)]
    model = graph(["c0 = Identity(x)", *nodes, "y = Identity(c45)"])
    with pytest.raises(fn.ModelFormatError, match="Concatenate is too large"):
        fn.from_onnx(model)


def cell(kind, gates, **attributes):
    constants = {"w": np.ones((1, gates * 2, 4), F4), "r": np.ones((1, gates * 2, 2), F4), "n": np.array([3], np.int32)}
    inputs = "t, w, r, , n" if attributes.pop("lengths", False) else "t, w, r"
    nodes = [("t = Transpose(x)", {"perm": [1, 0, 2]}), (f", h = {kind}({inputs})", {"hidden_size": 2, **attributes})]
    return graph([*nodes, "y = Squeeze(h, z)"], shape=(None, 3, 4), z=np.array([0]), **constants)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (cell("GRU", 3, clip=1.0), r"\(GRU\): it has clip"),
        (cell("LSTM", 4, clip=1.0), "it has clip"),
        (cell("LSTM", 4, input_forget=1), "it has input_forget"),
        (cell("LSTM", 4, lengths=True), "it has sequence_lens; pad with a value"),
        (cell("LSTM", 4, activations=["HardSigmoid", "Tanh", "Tanh"]), "its activations are HardSigmoid, Tanh, Tanh"),
        (cell("RNN", 1, activations=["Elu"]), "its activations are Elu; known: Tanh, Relu, Sigmoid"),
    ],
)
def test_cells_that_are_refused(model, message):
    with pytest.raises(ValueError, match=f"from_onnx: .*{message}"):
        fn.from_onnx(model)
    assert fn.from_onnx(cell("LSTM", 4)).output_shape == (2,)


def test_outputs_choose_what_is_read():
    model = graph(["z = Gemm(x, w)", "p = Softmax(z)", "y = ArgMax(p)"], outputs=("y",), w=np.eye(4, 3, dtype=F4))
    with pytest.raises(ValueError, match=r"output 'y' holds labels, .* outputs='p'"):
        fn.from_onnx(model)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(F4)
    assert np.allclose(fn.from_onnx(model, outputs="p").predict(x).sum(axis=1), 1)
    both = fn.from_onnx(model, outputs=["z", "p"]).predict(x)
    assert np.array_equal(both[0], x[:, :3])
    with pytest.raises(fn.ModelFormatError, match="the graph has no output 'q'"):
        fn.from_onnx(model, outputs="q")


def test_float64_stays_float64():
    model = graph(["y = Gemm(x, w)"], kind=TensorProto.DOUBLE, w=np.full((4, 3), 0.1))
    net = fn.from_onnx(model)
    assert net.dtype == np.float64
    assert net.params.tolist() == [0.1] * 12
    assert fn.from_onnx(graph(["y = Tanh(x)"], kind=TensorProto.DOUBLE)).dtype == np.float64
    assert fn.from_onnx(graph(["y = Tanh(x)"])).dtype == np.float32


def test_the_model_is_not_changed():
    model, _, _ = foreign(3)
    before = model.SerializeToString()
    fn.from_onnx(model)
    assert model.SerializeToString() == before


def test_what_is_no_model(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"hello")
    for source in (tmp_path / "m.onnx", b"hello", onnx.ModelProto()):
        with pytest.raises(fn.ModelFormatError, match="from_onnx: expected an ONNX model, got something else"):
            fn.from_onnx(source)
    with pytest.raises(FileNotFoundError):
        fn.from_onnx(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match=r"expected a path, bytes or an onnx\.ModelProto, got int"):
        fn.from_onnx(3)


# ---- the cases of the standard --------------------------------------------------------------------------------------

STANDARD = {  # module of onnx.backend.test.case.node: how many of its cases are read, the others refused by name
    "gemm": 5, "matmul": 1, "relu": 1, "sigmoid": 1, "tanh": 1, "elu": 1, "leakyrelu": 1, "selu": 1, "softplus": 1,
    "softmax": 2, "gelu": 1, "layernormalization": 1, "identity": 1, "concat": 1,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STANDARD)
def test_cases_of_the_standard(name):
    """Weights, which the cases give as inputs, become constants."""
    node_cases = importlib.import_module("onnx.backend.test.case.node")
    first = len(node_cases._NodeTestCases)
    importlib.import_module(f"onnx.backend.test.case.node.{name}")
    cases = [case for case in node_cases._NodeTestCases[first:] if "expanded" not in case.name]
    read = 0
    for case in cases or pytest.skip("imported before"):
        model, (inputs, expected) = case.model, case.data_sets[0]
        count = len(inputs) if name == "concat" else 1
        for entry, value in list(zip(model.graph.input, inputs, strict=True))[count:]:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), entry.name))
            model.graph.input.remove(entry)
        net = None
        with contextlib.suppress(ValueError):
            net = fn.from_onnx(model, outputs=model.graph.output[0].name)
        if net is not None:
            assert largest_error(answers(net, inputs[:count]), list(expected[:1])) < 1e-5, case.name
            read += 1
    assert read >= STANDARD[name], f"{read} of {len(cases)}"


@pytest.mark.parametrize("kind", [255, 32768])
def test_numbers_of_a_type_that_onnx_does_not_have(kind):
    model = graph(["y = MatMul(x, w)"], w=np.ones((4, 2), np.float32))
    model.graph.initializer[0].data_type = kind
    with pytest.raises(fn.ModelFormatError, match="expected an ONNX model, got") as found:
        fn.from_onnx(model.SerializeToString())
    assert found.value.code in ("alien", "description")


def test_a_model_without_nodes():
    model = graph(["y = MatMul(x, w)"], w=np.ones((4, 2), np.float32))
    del model.graph.node[:], model.graph.output[:]
    with pytest.raises(ValueError, match="from_onnx"):
        fn.from_onnx(model.SerializeToString())
