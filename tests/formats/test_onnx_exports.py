"""Graphs in the shape in which PyTorch, Keras and skl2onnx write them, beside ONNX Runtime; and sixty exported networks."""
# ruff: noqa: E501  (a case of a table is one line)

import importlib.util
import os

import numpy as np
import pytest
from helpers.answers import answers, largest_error

import fastnn as fn

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from helpers.exported_networks import NETWORKS  # noqa: E402
from helpers.onnx_graphs import graph  # noqa: E402
from helpers.onnx_runtime import run  # noqa: E402

F4 = np.float32
RNG = np.random.default_rng(7)
V4, V5 = RNG.normal(size=4).astype(F4), RNG.normal(size=(5, 4)).astype(F4)
ERF = ["d = Div(z, r)", "e = Erf(d)", "o = Add(e, one)", "m = Mul(z, o)", "y = Mul(m, half)"]  # PyTorch, opset 14
ERF_TOO = ["h = Mul(half, z)", "d = Mul(z, q)", "e = Erf(d)", "o = Add(one, e)", "y = Mul(h, o)"]  # PyTorch, dynamo
TANH = [
    "c = Pow(z, three)",
    "s = Mul(c, k)",
    "a = Add(z, s)",
    "b = Mul(a, w)",
    "t = Tanh(b)",
    "o = Add(t, one)",
    "m = Mul(z, o)",
    "y = Mul(m, half)",
]
TANH_TOO = [
    "p = Mul(z, z)",
    "c = Mul(p, z)",
    "s = Mul(k, c)",
    "a = Add(s, z)",
    "b = Mul(w, a)",
    "t = Tanh(b)",
    "h = Mul(half, z)",
    "o = Add(one, t)",
    "y = Mul(o, h)",
]
NORM = [
    ("m = ReduceMean(z)", {"axes": [-1]}), "c = Sub(z, m)", "p = Pow(c, two)", ("v = ReduceMean(p)", {"axes": [-1]}), "e = Add(v, eps)",
    "d = Sqrt(e)", "n = Div(c, d)", "g = Mul(n, gamma)", "y = Add(g, beta)",
]  # fmt: skip
NUMBERS = {
    "r": F4(1.4142135), "q": F4(0.70710677), "one": F4(1), "half": F4(0.5), "three": F4(3), "two": F4(2), "k": F4(0.044715), "w": F4(0.7978846),
    "eps": F4(1e-5), "gamma": V4, "beta": V4[::-1].copy(), "bias": V4, "low": F4(-0.5), "high": F4(0.7), "place": V5[None], "third": F4(1 / 3),
}  # fmt: skip
SCALED = {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.5, 0.25, 2.0, 1.0]}


def model(nodes, shape=(None, 4), opset=17, **options):
    """With those of the numbers that the nodes read."""
    text = " ".join(node if isinstance(node, str) else node[0] for node in nodes)
    used = {
        name: value
        for name, value in NUMBERS.items()
        if f"({name}," in text or f" {name})" in text or f" {name}," in text
    }
    return graph(nodes, shape, opset=opset, **used, **options)


BIAS = ["z = Add(x, bias)"]
GRAPHS = {
    "gelu": (model([*BIAS, *ERF]), ["scale", "gelu"]),
    "gelu, other order": (model([*BIAS, *ERF_TOO]), ["scale", "gelu"]),
    "gelu, tanh": (model([*BIAS, *TANH], opset=14), ["scale", "gelu_tanh"]),
    "gelu, tanh, other order": (model([*BIAS, *TANH_TOO]), ["scale", "gelu_tanh"]),
    "gelu, then its double": (model([*BIAS, *ERF[:-1], "u = Mul(m, half)", "y = Add(u, u)"]), ["scale", "gelu", "add"]),
    "gelu, twice in a row": (model([*BIAS, *ERF[:-1], "u = Mul(m, half)", "y = Gelu(u)"], opset=20), ["scale", "gelu", "gelu"]),
    "softplus": (model([*BIAS, "e = Exp(z)", "o = Add(e, one)", "y = Log(o)"]), ["scale", "softplus"]),
    "silu": (model([*BIAS, "n = Neg(z)", "e = Exp(n)", "o = Add(one, e)", "y = Div(z, o)"]), ["scale", "silu"]),
    "layer norm": (model([*BIAS, *NORM], (None, 5, 4)), ["scale", "layernorm"]),
    "layer norm, axis by number": (model([*BIAS, *[(n[0], {"axes": [2]}) if isinstance(n, tuple) else n for n in NORM]], (None, 5, 4)), ["scale", "layernorm"]),
    "layer norm, no gamma": (model([*BIAS, *NORM[:6], "y = Div(c, d)"]), ["scale", "layernorm"]),
    "mish": (model(["y = Mish(x)"], opset=18), None),
    "hard swish": (model(["y = HardSwish(x)"]), None),
    "hard sigmoid": (model([("y = HardSigmoid(x)", {"alpha": 0.3})]), None),
    "celu": (model(["y = Celu(x)"]), ["elu"]),
    "prelu, one slope": (model(["y = PRelu(x, third)"]), ["leaky_relu"]),
    "prelu, a slope each": (model(["y = PRelu(x, gamma)"]), None),
    "clip": (model(["y = Clip(x, low, high)"]), None),
    "clip below": (model(["y = Clip(x, low, )"]), None),
    "clip above": (model(["y = Min(x, high)"]), None),
    "relu6": (model([("y = Clip(x)", {"min": 0.0, "max": 0.7})], opset=10), ["clipped_relu"]),
    "max": (model(["y = Max(low, x)"]), None),
    "abs": (model(["y = Abs(x)"]), None),
    "log-softmax": (model([("y = LogSoftmax(x)", {"axis": -1})]), ["log_softmax"]),
    "product": (model(["a = Tanh(x)", "y = Mul(a, x)"]), ["tanh", "multiply"]),
    "difference": (model(["a = Tanh(x)", "y = Sub(a, x)"]), None),
    "one minus": (model(["y = Sub(one, x)"]), ["scale"]),
    "square": (model(["y = Pow(x, two)"]), ["multiply"]),
    "cube": (model(["y = Pow(x, three)"]), ["multiply"]),
    "the same constant twice": (model(["a = Mul(x, gamma)", "b = Div(a, gamma)", "c = Add(b, gamma)", "y = Sub(c, gamma)"]), ["scale"] * 4),
    "positions": (model(["y = Add(x, place)"], (None, 5, 4)), None),
    "mean of time": (model([("y = ReduceMean(x)", {"axes": [1], "keepdims": 0})], (None, 5, 4)), ["reduce"]),
    "largest of time": (model([("m = ReduceMax(x)", {"axes": [1], "keepdims": 1}), ("y = Squeeze(m, s)")], (None, 5, 4), s=np.array([1])), ["reduce"]),
    "sum of channels": (model([("y = ReduceSum(x, s)", {"keepdims": 1})], (None, 5, 4), s=np.array([-1])), None),
    "mean of channels first": (model([("t = Transpose(x)", {"perm": [0, 2, 1]}), ("m = GlobalAveragePool(t)"), ("y = Flatten(m)")], (None, 5, 4)), ["reduce"]),
    "mean of all": (model([("y = ReduceMean(x)", {"axes": [1, 2]}), ], (None, 5, 4)), None),
    "norm of channels second": (model([("t = Transpose(x)", {"perm": [0, 2, 1]}), "b = BatchNormalization(t, v, v, v, v)", ("y = Transpose(b)", {"perm": [0, 2, 1]})], (None, 5, 4), v=np.abs(V4)), ["batchnorm"]),
    "two scalers": (model([("s = ml.Scaler(x)", SCALED), ("y = ml.Scaler(s)", {"offset": [0.5], "scale": [3.0]})]), ["scale"] * 4),
    "linear": (model([("s = ml.Scaler(x)", SCALED), ("y = ml.LinearRegressor(s)", {"coefficients": [1.0, 2.0, 3.0, 4.0], "intercepts": [0.5]})]), ["scale", "scale", "dense"]),
}  # fmt: skip


def names(net):
    """What the layers are, activations by their function."""
    return [
        getattr(view.spec, "function", None)
        if isinstance(view.spec, fn.Activation)
        else type(view.spec).__name__.lower()
        for view in net.layers
    ]


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_read(name):
    made, expected = GRAPHS[name]
    shape = [d.dim_value or 9 for d in made.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).normal(0, 2, shape).astype(F4)
    net = fn.from_onnx(made)
    assert largest_error([net.predict(x)], run(made, [x])) < 1e-5
    if expected is not None:
        assert names(net) == expected


def test_a_region_that_only_looks_like_one_is_left_alone():
    nearly = [*BIAS, *ERF]
    nearly[3] = "o = Add(e, half)"
    with pytest.raises(
        ValueError, match=r"\(Erf\): fastnn has no layer for it; outputs= can name a tensor before it, such as 'd'"
    ):
        fn.from_onnx(model(nearly))
    other = [*BIAS, *NORM]
    other[3] = "p = Pow(c, three)"
    with pytest.raises(ValueError, match=r"\((Sub|Sqrt|Div)\): "):
        fn.from_onnx(model(other, (None, 5, 4)))


def classifier(last, **options):
    """Standardised inputs, two layers, and what skl2onnx puts behind them."""
    nodes = [
        ("s = ml.Scaler(x)", SCALED),
        "a = MatMul(s, w)",
        "b = Add(a, c)",
        ("p = Softmax(b)", {"axis": -1}),
        ("i = ArgMax(p)", {"axis": 1}),
        "l = ml.ArrayFeatureExtractor(k, i)",
    ]
    w = np.random.default_rng(3).normal(size=(4, 3)).astype(F4)
    return graph([*nodes, *last], opset=17, outputs=("y", "q"), w=w, c=w[0], k=np.array([10, 20, 30]), **options)


def test_tails_of_classifiers_leave_the_probabilities_and_the_labels_in_the_metadata():
    made = classifier(["y = Identity(l)", ("q = ml.ZipMap(p)", {"classlabels_int64s": [10, 20, 30]})])
    net = fn.from_onnx(made)
    assert net.metadata == {"classes": [10, 20, 30]}
    x = np.random.default_rng(1).normal(0, 2, (9, 4)).astype(F4)
    w = np.random.default_rng(3).normal(size=(4, 3)).astype(F4)
    z = (x - SCALED["offset"]) * SCALED["scale"] @ w + w[0]
    e = np.exp(z - z.max(1, keepdims=True))
    np.testing.assert_allclose(net.predict(x), e / e.sum(1, keepdims=True), atol=1e-6)
    without = fn.from_onnx(classifier(["y = Identity(l)", "q = Identity(p)"]))
    assert without.metadata == {"classes": [10, 20, 30]}
    np.testing.assert_array_equal(without.predict(x), net.predict(x))


def test_a_linear_classifier():
    options = {
        "coefficients": [float(i) for i in range(12)],
        "intercepts": [0.1, 0.2, 0.3],
        "post_transform": "SOFTMAX",
        "classlabels_strings": ["a", "b", "c"],
    }
    made = graph(
        [
            ("y, q = ml.LinearClassifier(x)", options),
            ("n = ml.Normalizer(q)", {"norm": "L1"}),
            ("m = ml.ZipMap(n)", {"classlabels_strings": ["a", "b", "c"]}),
        ],
        outputs=("y", "m"),
    )
    net = fn.from_onnx(made)
    x = np.random.default_rng(1).normal(0, 0.2, (9, 4)).astype(F4)
    z = x @ np.arange(12).reshape(3, 4).T + [0.1, 0.2, 0.3]
    e = np.exp(z - z.max(1, keepdims=True))
    np.testing.assert_allclose(net.predict(x), e / e.sum(1, keepdims=True), atol=1e-5)
    assert net.metadata == {"classes": ["a", "b", "c"]}
    with pytest.raises(ValueError, match="its labels are no numbers; read the scores alone, outputs='q'"):
        fn.from_onnx(made, outputs="y")


NEEDED = {
    "torch": ("torch", "onnxscript"),
    "sklearn": ("sklearn", "skl2onnx"),
    "keras": ("keras", "torch", "onnxscript"),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_exported_networks_answer_as_where_they_come_from(name):
    """Every one is read, with the right answers, or refused by the name of an operator and a way out."""
    if any(importlib.util.find_spec(package) is None for package in NEEDED[name.partition("-")[0]]):
        pytest.skip("the library that exports it is not installed")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    data, xs, expected = NETWORKS[name]()
    if any(part in name for part in REFUSED):
        with pytest.raises(ValueError, match=r"from_onnx: node .* \(\w+\): .*"):
            fn.from_onnx(data)
        return
    found = answers(fn.from_onnx(data), xs)
    assert [y.shape for y in found] == [y.shape for y in expected]
    for y, truth in zip(found, expected, strict=True):
        assert (np.abs(y - truth) / np.maximum(np.abs(truth), 1)).max() < 2e-5


REFUSED = ("attention", "convolution")
