"""ONNX models of images, beside ONNX Runtime and PyTorch's formulas: channels second there, last here."""
# ruff: noqa: E501  (a case of a table is one line)

from pathlib import Path

import numpy as np
import pytest
from helpers import reference as ref
from helpers.answers import largest_error

import fastnn as fn

onnx = pytest.importorskip("onnx")
from helpers.onnx_graphs import graph  # noqa: E402
from onnx import numpy_helper  # noqa: E402

F4 = np.float32
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = [
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512",
]  # fmt: skip
LARGEST = 25088 * 4096  # of the constants that they make of a shape


def runtime(model, x):
    """What ONNX Runtime answers for images (B, H, W, C), channels last where there is an image."""
    pytest.importorskip("onnxruntime")
    from helpers.onnx_runtime import run

    found = run(model, [first(x)])
    return [last(y) if y.ndim == 4 else y for y in found]


def first(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def last(y):
    return np.moveaxis(y, 1, -1)


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(F4)


def kernel(*shape, seed=1):
    return (drawn(seed, *shape) / np.sqrt(np.prod(shape[1:]))).astype(F4)


# ---- the networks that the package onnx ships -----------------------------------------------------------------------


def light(name):
    path = LIGHT / f"light_{name}.onnx"
    if not path.exists():
        pytest.skip("the package onnx ships no light networks")
    return onnx.load(path)


def pictures(b=1):
    """The picture that the stored outputs are of: arange(n) / n."""
    n = 3 * 224 * 224
    return last((np.arange(n) / n).astype(F4).reshape(1, 3, 224, 224)) * F4(b)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_light_networks_answer_as_stored(name):
    net = fn.from_onnx(light(name), max_constant=LARGEST)
    assert net.input_shape == (224, 224, 3)
    expected = numpy_helper.to_array(onnx.load_tensor(LIGHT / f"light_{name}_output_0.pb"))
    np.testing.assert_allclose(net.predict(pictures()).ravel(), expected.ravel(), rtol=1e-4, atol=1e-7)


def with_small_weights(model):
    """The model with random numbers in place of every constant that it makes of a shape, of a size that keeps signals."""
    rng = np.random.default_rng(0)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    readers = {name: node for node in model.graph.node for name in node.input}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(shapes[node.input[0]])
        name, reader = node.output[0], readers.get(node.output[0])
        if reader is None:
            continue
        place = list(reader.input).index(name)
        values = rng.normal(size=shape).astype(F4)
        if reader.op_type == "BatchNormalization":
            values = F4(0.1) * values + F4(place in (1, 4))
            values = np.abs(values) if place == 4 else values
        elif reader.op_type == "Unsqueeze" and readers[reader.output[0]].op_type == "Mul":
            values = F4(0.1) * values + 1
        elif len(shape) > 1:
            values *= F4(np.sqrt(2 / np.prod(shape[1:])))
        else:
            values *= F4(0.1)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.ir_version = 8  # before 4, every initializer has to be an input too
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "vgg19"])
def test_the_light_networks_with_weights_answer_as_onnx_runtime(name):
    """vgg19, of 574 MB, is left out: its operators are those of the others."""
    model = with_small_weights(light(name))
    x = np.concatenate([pictures(), np.abs(drawn(7, 1, 224, 224, 3))])
    net = fn.from_onnx(model)
    with_softmax = model.graph.node[-1].op_type == "Softmax"
    cut = model.graph.node[-1].input[0] if with_softmax else model.graph.output[0].name
    if with_softmax:  # the numbers before it say more
        net = fn.from_onnx(model, outputs=cut)
        del model.graph.node[-1], model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(cut, onnx.TensorProto.FLOAT, None))
    expected = np.concatenate([runtime(model, row)[0].reshape(1, -1) for row in (x[:1], x[1:])])
    found = net.predict(x).reshape(2, -1)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
    again = fn.from_onnx(fn.interchange.to_onnx(net))
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


# ---- operators ------------------------------------------------------------------------------------------------------

W = kernel(4, 3, 3, 3)
CASES = {
    "conv": (["y = Conv(x, w)"], {"w": W}),
    "conv-bias": (["y = Conv(x, w, b)"], {"w": W, "b": drawn(2, 4)}),
    "conv-pads": ([("y = Conv(x, w)", {"pads": [1, 0, 2, 3]})], {"w": W}),
    "conv-strides": ([("y = Conv(x, w)", {"strides": [2, 3], "pads": [1, 1, 1, 1]})], {"w": W}),
    "conv-dilations": ([("y = Conv(x, w)", {"dilations": [2, 1], "pads": [2, 1, 2, 1]})], {"w": W}),
    "conv-same-upper": ([("y = Conv(x, w)", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], {"w": kernel(4, 3, 4, 3)}),
    "conv-same-lower": ([("y = Conv(x, w)", {"auto_pad": "SAME_LOWER", "strides": [2, 2]})], {"w": kernel(4, 3, 4, 3)}),
    "conv-valid": ([("y = Conv(x, w)", {"auto_pad": "VALID"})], {"w": W}),
    "conv-groups": ([("y = Conv(x, w)", {"group": 3})], {"w": kernel(6, 1, 3, 2)}),
    "pad-reflect-conv": ([("p = Pad(x, s)", {"mode": "reflect"}), "y = Conv(p, w)"], {"w": W, "s": np.array([0, 0, 1, 2, 0, 0, 3, 0])}),
    "pad-edge-conv": ([("p = Pad(x, s)", {"mode": "edge"}), "y = Conv(p, w)"], {"w": W, "s": np.array([0, 0, 1, 2, 0, 0, 3, 0])}),
    "pad-zeros-conv": (["p = Pad(x, s)", ("y = Conv(p, w)", {"pads": [1, 1, 0, 0]})], {"w": W, "s": np.array([0, 0, 1, 2, 0, 0, 3, 0])}),
    "pad-zeros-conv-same": (["p = Pad(x, s)", ("y = Conv(p, w)", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], {"w": W, "s": np.array([0, 0, 1, 2, 0, 0, 3, 1])}),
    "max-pool": ([("y = MaxPool(x)", {"kernel_shape": [2, 3]})], {}),
    "max-pool-strides": ([("y = MaxPool(x)", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 1, 1]})], {}),
    "max-pool-ceil": ([("y = MaxPool(x)", {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1})], {}),
    "max-pool-same": ([("y = MaxPool(x)", {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"})], {}),
    "average-pool": ([("y = AveragePool(x)", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})], {}),
    "average-pool-counting": ([("y = AveragePool(x)", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1})], {}),
    "average-pool-counting-nothing": ([("y = AveragePool(x)", {"kernel_shape": [3, 3], "strides": [2, 2], "count_include_pad": 1, "ceil_mode": 1})], {}),
    "average-pool-exact": ([("y = AveragePool(x)", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1], "count_include_pad": 1, "ceil_mode": 1})], {}),
    "lrn": ([("y = LRN(x)", {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 1.5})], {}),
    "global-average": (["y = GlobalAveragePool(x)"], {}),
    "global-max": (["y = GlobalMaxPool(x)"], {}),
    "reduce-mean": ([("r = ReduceMean(x, a)", {"keepdims": 0}), "c = Conv(x, w)", "g = GlobalMaxPool(c)", "f = Flatten(g)", ("y = Concat(r, f)", {"axis": 1})], {"a": np.array([2, 3]), "w": W}),
    "batch-norm": (["c = Conv(x, w)", "y = BatchNormalization(c, g, b, m, v)"], {"w": W, "g": drawn(3, 4), "b": drawn(4, 4), "m": drawn(5, 4), "v": np.abs(drawn(6, 4)) + 1}),
    "per-channel": (["c = Conv(x, w)", "d = Mul(c, g)", "e = Relu(d)", "y = Add(e, b)"], {"w": W, "g": drawn(3, 4, 1, 1), "b": drawn(4, 1, 4, 1, 1)}),
    "per-pixel": (["c = Conv(x, w)", "d = Mul(c, g)", "y = Sub(b, d)"], {"w": W, "g": drawn(3, 5, 7), "b": drawn(4, 4, 5, 1)}),
    "prelu": (["c = Conv(x, w)", "y = PRelu(c, s)"], {"w": W, "s": drawn(3, 4, 1, 1)}),
    "flatten-gemm": (["c = Conv(x, w)", "f = Flatten(c)", ("y = Gemm(f, v, b)", {"transB": 1, "alpha": 0.5})], {"w": W, "v": drawn(3, 6, 140), "b": drawn(4, 6)}),
    "flatten-relu-matmul": (["c = Conv(x, w)", "f = Flatten(c)", "r = Relu(f)", "z = MatMul(r, v)", "y = Add(z, b)"], {"w": W, "v": drawn(3, 140, 6), "b": drawn(4, 6)}),
    "flatten-constants": (["c = Conv(x, w)", "f = Flatten(c)", "m = Mul(f, v)", "y = Add(m, b)"], {"w": W, "v": drawn(3, 140), "b": drawn(4, 1, 140)}),
    "reshape-gemm": (["c = Conv(x, w)", "f = Reshape(c, s)", "y = MatMul(f, v)"], {"w": W, "v": drawn(3, 140, 6), "s": np.array([0, -1])}),
    "reshape-batch-gemm": (["c = Conv(x, w)", "f = Reshape(c, s)", "y = MatMul(f, v)"], {"w": W, "v": drawn(3, 140, 6), "s": np.array([-1, 140])}),
    "flatten-answer": (["c = Conv(x, w)", "y = Flatten(c)"], {"w": W}),
    "flatten-norm": (["c = Conv(x, w)", "f = Flatten(c)", "y = BatchNormalization(f, g, b, m, v)"], {"w": kernel(2, 3, 6, 8), "g": drawn(3, 8), "b": drawn(4, 8), "m": drawn(5, 8), "v": np.abs(drawn(6, 8)) + 1}),
    "shuffle": (["c = Conv(x, w)", "r = Reshape(c, s)", ("t = Transpose(r)", {"perm": [0, 2, 1, 3, 4]}), "q = Reshape(t, u)", ("y = Conv(q, v)", {"group": 2})], {"w": kernel(6, 3, 3, 3), "s": np.array([0, 2, 3, 5, 7]), "u": np.array([0, 6, 5, 7]), "v": kernel(4, 3, 2, 2)}),
    "concat": (["c = Conv(x, w)", ("m = MaxPool(x)", {"kernel_shape": [3, 3]}), ("y = Concat(c, m, c)", {"axis": 1})], {"w": W}),
    "concat-rows": (["c = Conv(x, w)", ("y = Concat(c, c)", {"axis": 2})], {"w": W}),
    "sum": (["a = Conv(x, w)", "b = Relu(a)", "s = Sum(a, b, a)", "y = Mul(s, b)"], {"w": W}),
    "difference": (["a = Conv(x, w)", "b = Sigmoid(a)", "y = Sub(a, b)"], {"w": W}),
    "softmax-channels": (["c = Conv(x, w)", ("y = Softmax(c)", {"axis": 1})], {"w": W}),
    "softmax-rows": (["c = Conv(x, w)", ("y = LogSoftmax(c)", {"axis": 2})], {"w": W}),
    "clip": (["c = Conv(x, w)", "y = Clip(c, l, h)"], {"w": W, "l": F4(-0.3), "h": F4(0.4)}),
    "dropout-leaky": (["c = Conv(x, w)", "d = Dropout(c)", ("y = LeakyRelu(d)", {"alpha": 0.1})], {"w": W}),
    "to-image": (["f = Flatten(x)", "z = MatMul(f, v)", "r = Reshape(z, s)", "y = Conv(r, w)"], {"v": drawn(3, 189, 60) / 10, "s": np.array([-1, 3, 4, 5]), "w": W}),
    "conv-depthwise-twice": ([("y = Conv(x, w, b)", {"group": 3, "strides": [2, 1]})], {"w": kernel(6, 1, 3, 2), "b": drawn(2, 6)}),
    "transposed": (["y = ConvTranspose(x, w, b)"], {"w": kernel(3, 4, 3, 2), "b": drawn(2, 4)}),
    "transposed-options": ([("y = ConvTranspose(x, w)", {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 0], "dilations": [1, 2]})], {"w": kernel(3, 4, 3, 2)}),
    "transposed-groups": ([("y = ConvTranspose(x, w)", {"group": 3, "strides": [2, 2]})], {"w": kernel(3, 2, 3, 2)}),
    "transposed-same-upper": ([("y = ConvTranspose(x, w)", {"auto_pad": "SAME_UPPER", "strides": [2, 1]})], {"w": kernel(3, 4, 3, 2)}),
    "transposed-same-lower": ([("y = ConvTranspose(x, w)", {"auto_pad": "SAME_LOWER", "strides": [2, 1]})], {"w": kernel(3, 4, 3, 2)}),
    "transposed-output-shape": ([("y = ConvTranspose(x, w)", {"output_shape": [12, 18], "strides": [2, 2]})], {"w": kernel(3, 4, 3, 3)}),
    "transposed-output-shape-more": ([("y = ConvTranspose(x, w)", {"output_shape": [12, 18], "strides": [2, 2], "output_padding": [1, 1]})], {"w": kernel(3, 4, 3, 3)}),
    "pad-edge-padded-conv": ([("p = Pad(x, s)", {"mode": "edge"}), ("y = Conv(p, w)", {"pads": [1, 1, 1, 1]})], {"w": W, "s": np.array([0, 0, 1, 1, 0, 0, 1, 2])}),
    "pad-ones-conv": (["p = Pad(x, s, v)", "y = Conv(p, w)"], {"w": W, "s": np.array([0, 0, 1, 0, 0, 0, 2, 3]), "v": F4(1)}),
    "pad-conv-pad": (["c = Conv(x, w)", ("p = Pad(c, s)", {"mode": "reflect"}), "y = Relu(p)"], {"w": W, "s": np.array([0, 0, 1, 0, 0, 0, 2, 3])}),
    "crop": (["c = Conv(x, w)", "y = Slice(c, a, b, i)"], {"w": W, "a": np.array([1, 2]), "b": np.array([-1, 6]), "i": np.array([2, 3])}),
    "crop-channels": (["c = Conv(x, w)", "y = Slice(c, a, b, i)"], {"w": W, "a": np.array([1, 2]), "b": np.array([3, 99]), "i": np.array([1, 3])}),
    "split-channels": (["c = Conv(x, w)", ("d, e = Split(c)", {"axis": 1}), "f = Relu(e)", "y = Add(d, f)"], {"w": W}),
    "resize-asymmetric": ([("y = Resize(x, , s)", {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})], {"s": np.array([1, 1, 2, 3], F4)}),
    "resize-nearest": (["y = Resize(x, , s)"], {"s": np.array([1, 1, 3, 2], F4)}),
    "resize-linear": ([("y = Resize(x, , s)", {"mode": "linear"})], {"s": np.array([1, 1, 2, 3], F4)}),
    "resize-sizes": ([("y = Resize(x, , , s)", {"mode": "linear", "axes": [2, 3], "coordinate_transformation_mode": "pytorch_half_pixel"})], {"s": np.array([14, 9])}),
    "depth-to-space": (["c = Conv(x, w)", ("y = DepthToSpace(c)", {"blocksize": 2})], {"w": kernel(12, 3, 3, 3)}),
    "depth-to-space-crd": (["c = Conv(x, w)", ("y = DepthToSpace(c)", {"blocksize": 2, "mode": "CRD"})], {"w": kernel(12, 3, 3, 3)}),
    "space-to-depth": (["c = Conv(x, w)", ("y = SpaceToDepth(c)", {"blocksize": 2})], {"w": kernel(5, 3, 2, 2)}),
    "instance-norm": (["y = InstanceNormalization(x, g, b)"], {"g": drawn(3, 3), "b": drawn(4, 3)}),
    "group-norm-by-reshape": (["c = Conv(x, w)", "r = Reshape(c, s)", "n = InstanceNormalization(r, o, z)", "q = Reshape(n, t)", "m = Mul(q, g)", "y = Add(m, b)"], {"w": W, "s": np.array([0, 2, -1]), "o": np.array([1, 2], F4), "z": np.array([0, 1], F4), "t": np.array([-1, 4, 5, 7]), "g": drawn(3, 4, 1, 1), "b": drawn(4, 4, 1, 1)}),
    "norm-written-out": ([("c = Conv(x, w)"), ("m = ReduceMean(c)", {"axes": [2, 3]}), "d = Sub(c, m)", "q = Pow(d, k)", ("v = ReduceMean(q)", {"axes": [2, 3]}), "e = Add(v, eps)", "r = Sqrt(e)", "y = Div(d, r)"], {"w": W, "k": F4(2), "eps": F4(1e-3)}),
    "pixel-norm-written-out": ([("c = Conv(x, w)"), "q = Mul(c, c)", ("v = ReduceMean(q)", {"axes": [1]}), "e = Add(v, eps)", "r = Sqrt(e)", "y = Div(c, r)"], {"w": W, "eps": F4(1e-3)}),
    "first-transposed": ([("t = Transpose(x)", {"perm": [0, 1, 3, 2]}), "y = Conv(t, w)"], {"w": W}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_operators(name):
    nodes, constants = CASES[name]
    model = graph(
        nodes, shape=(None, 3, 7, 9), opset=18 if name in ("reduce-mean", "resize-sizes") else 17, **constants
    )
    net = fn.from_onnx(model)
    as_it_is = name in ("to-image", "first-transposed")  # no operator on images reads the input itself
    assert net.input_shape == ((3, 7, 9) if as_it_is else (7, 9, 3))
    x = drawn(0, 4, *net.input_shape)
    expected = runtime(model, last(x) if as_it_is else x)[0]
    found = net.predict(x)
    assert found.shape == expected.shape
    assert largest_error([found], [expected]) < 1e-5
    own = fn.from_onnx(fn.interchange.to_onnx(net))  # with its names and options, to the last bit
    assert own.structure.to_config() == net.structure.to_config()
    np.testing.assert_array_equal(own.params, net.params)
    assert largest_error([fn.from_onnx(stripped(net)).predict(x)], [found]) < 1e-5


SEQUENCES = {
    "conv": ([("y = Conv(x, w, b)", {"pads": [1, 2]})], {"w": kernel(4, 3, 3), "b": drawn(2, 4)}),
    "conv-options": ([("y = Conv(x, w)", {"strides": [2], "dilations": [2], "group": 3})], {"w": kernel(6, 1, 3)}),
    "conv-same": ([("y = Conv(x, w)", {"auto_pad": "SAME_LOWER", "strides": [2]})], {"w": kernel(4, 3, 4)}),
    "pad-causal": (["p = Pad(x, s)", ("y = Conv(p, w)", {"dilations": [2]})], {"w": kernel(4, 3, 3), "s": np.array([0, 0, 4, 0, 0, 0])}),
    "pad-reflect": ([("p = Pad(x, s)", {"mode": "reflect"}), "y = Conv(p, w)"], {"w": kernel(4, 3, 3), "s": np.array([0, 0, 2, 0, 0, 1])}),
    "pad-behind": (["c = Conv(x, w)", "p = Pad(c, s, v)", "y = Relu(p)"], {"w": kernel(4, 3, 3), "s": np.array([0, 0, 2, 0, 0, 1]), "v": F4(0.5)}),
    "max-pool": ([("y = MaxPool(x)", {"kernel_shape": [3], "strides": [2], "pads": [1, 0]})], {}),
    "average-pool": ([("y = AveragePool(x)", {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "count_include_pad": 1})], {}),
    "slice": (["c = Conv(x, w)", "y = Slice(c, a, b, i)"], {"w": kernel(4, 3, 3), "a": np.array([1]), "b": np.array([-2]), "i": np.array([2])}),
    "instance-norm": (["y = InstanceNormalization(x, g, b)"], {"g": drawn(3, 3), "b": drawn(4, 3)}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_operators_on_sequences(name):
    from helpers.onnx_runtime import run

    nodes, constants = SEQUENCES[name]
    model = graph(nodes, shape=(None, 3, 11), **constants)
    net = fn.from_onnx(model)
    assert net.input_shape == (11, 3)
    x = drawn(0, 4, 11, 3)
    expected = run(model, [first(x)])[0]
    assert largest_error([net.predict(x)], [last(expected)]) < 1e-5
    assert largest_error([fn.from_onnx(stripped(net)).predict(x)], [net.predict(x)]) < 1e-5


def test_layers_are_those_that_one_would_write():
    for nodes, shape, expected, constants in (
        ([("y = Conv(x, w)", {"group": 3})], (None, 3, 7, 9), [fn.DepthwiseConv2D], {"w": kernel(6, 1, 3, 2)}),
        (SEQUENCES["pad-causal"][0], (None, 3, 11), [fn.Conv1D], SEQUENCES["pad-causal"][1]),
        (CASES["crop"][0], (None, 3, 7, 9), [fn.Conv2D, fn.Crop2D], CASES["crop"][1]),
        (CASES["norm-written-out"][0], (None, 3, 7, 9), [fn.Conv2D, fn.InstanceNorm], CASES["norm-written-out"][1]),
    ):
        net = fn.from_onnx(graph(nodes, shape=shape, **constants))
        assert [type(view.spec) for view in net.layers] == expected
        if expected == [fn.Conv1D]:
            assert net.layers[0].padding == "causal"


@pytest.mark.parametrize(("operator", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_earlier_opsets_of_resize(operator, opset):
    nodes = ["c = Conv(x, w)", f"y = {operator}(c, s)"]
    net = fn.from_onnx(graph(nodes, (None, 3, 7, 9), opset=opset, w=W, s=np.array([1, 1, 2, 3], F4)))
    x = drawn(0, 2, 7, 9, 3)
    plain = fn.from_onnx(graph(["y = Conv(x, w)"], (None, 3, 7, 9), w=W)).predict(x)
    np.testing.assert_array_equal(net.predict(x), plain.repeat(2, 1).repeat(3, 2))
    nodes[1] = (nodes[1], {"mode": "linear"})
    with pytest.raises(ValueError, match=rf"\({operator}\): its mode is 'linear' with 'asymmetric'"):
        fn.from_onnx(graph(nodes, (None, 3, 7, 9), opset=opset, w=W, s=np.array([1, 1, 2, 3], F4)))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pads_and_parts_of_channels_that_come_last(mode):
    nodes = [("p = Pad(x, s)", {"mode": mode}), "y = Slice(p, a, b, i)"]
    constants = {
        "s": np.array([0, 1, 2, 0, 0, 0, 1, 0]),
        "a": np.array([0, 1]),
        "b": np.array([99, 3]),
        "i": np.array([1, 3]),
    }
    net = fn.from_onnx(graph(nodes, (None, 3, 7, 4), **constants))
    x = drawn(0, 2, 3, 7, 4)
    expected = np.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0)), mode=mode)[..., 1:3]
    np.testing.assert_array_equal(net.predict(x), expected)


@pytest.mark.parametrize(
    ("axes", "count", "message"),
    [
        ([1], 4, r"it normalises the axes \[1\] of \(batch, 4, 5, 7\)"),
        ([2, 3], 34, "its mean is of 35 numbers, and divided by 34"),
        ([0, 2, 3], 35, "it is taken over the batch"),
    ],
)
def test_norms_that_are_refused(axes, count, message):
    nodes = [
        "c = Conv(x, w)", ("m = ReduceSum(c, a)"), "n = Div(m, k)", "d = Sub(c, n)", "q = Mul(d, d)", "v = ReduceSum(q, a)",
        "u = Div(v, k)", "e = Add(u, eps)", "r = Sqrt(e)", "y = Div(d, r)",
    ]  # fmt: skip
    model = graph(nodes, (None, 3, 7, 9), w=W, a=np.array(axes), k=F4(count), eps=F4(1e-3))
    with pytest.raises(ValueError, match=f"from_onnx: node 'y' .*{message}"):
        fn.from_onnx(model)


def test_group_normalization_by_its_formula():
    gamma, beta = drawn(3, 6), drawn(4, 6)
    nodes = [("y = GroupNormalization(x, g, b)", {"num_groups": 2, "epsilon": 1e-3})]
    net = fn.from_onnx(graph(nodes, shape=(None, 6, 3, 4), opset=21, g=gamma, b=beta))
    x = drawn(0, 5, 3, 4, 6)
    rows = first(x).astype(float).reshape(5, 2, -1)
    normed = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + 1e-3)
    expected = last(normed.reshape(5, 6, 3, 4)) * gamma + beta
    np.testing.assert_allclose(net.predict(x), expected, atol=1e-5)


def stripped(net):
    model = fn.interchange.to_onnx(net)
    del model.metadata_props[:]
    return model


def test_a_small_network_beside_numpy():
    """Conv, pool and Flatten, Gemm, by their formulas: no other library has a part in it."""
    w, b, v, c = kernel(4, 3, 3, 3), drawn(2, 4), drawn(3, 5, 4 * 2 * 3), drawn(4, 5)
    nodes = [
        ("c = Conv(x, w, b)", {"pads": [1, 0, 0, 1]}), "r = Relu(c)", ("m = MaxPool(r)", {"kernel_shape": [2, 2], "strides": [3, 3]}),
        "f = Flatten(m)", ("y = Gemm(f, v, a)", {"transB": 1}),
    ]  # fmt: skip
    net = fn.from_onnx(graph(nodes, shape=(None, 3, 7, 9), w=w, b=b, v=v, a=c))
    x = drawn(0, 3, 7, 9, 3)
    z = ref.conv2d(x.astype(float), w.transpose(2, 3, 1, 0).astype(float), b, before=(1, 0), after=(0, 1))
    pooled = ref.pool2d(np.maximum(z, 0), "max", (2, 2), (3, 3))
    assert pooled.shape[1:] == (2, 3, 4)
    expected = first(pooled).reshape(3, -1) @ v.T.astype(float) + c
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5, atol=1e-5)


def test_nothing_is_turned_over_on_the_way():
    """Weights are turned, not images: the layers are those that one would write."""
    w, v = kernel(4, 3, 3, 3), drawn(3, 140, 6)
    net = fn.from_onnx(
        graph(["c = Conv(x, w)", "r = Relu(c)", "f = Flatten(r)", "y = MatMul(f, v)"], shape=(None, 3, 7, 9), w=w, v=v)
    )
    assert [type(view.spec) for view in net.layers] == [fn.Conv2D, fn.Activation, fn.Flatten, fn.Dense]
    assert type(net) is fn.Sequential


REFUSED = [
    ([("y = MaxPool(x)", {"kernel_shape": [2, 2], "dilations": [2, 1]})], {}, r"\(MaxPool\): its windows have gaps, dilations=\[2, 1\]"),
    (["c = Conv(x, w)", "y = Conv(c, c)"], {"w": W}, r"\(Conv\): its input 1 is not a constant"),
    ([("y = Conv(x, w)", {"pads": [0, -1, 0, 0]})], {"w": W}, r"\(Conv\): its pads are \[0, -1, 0, 0\], and take something away"),
    ([("y = AveragePool(x)", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": 1, "ceil_mode": 1})], {}, r"\(AveragePool\): it counts padding and has windows beyond it"),
    (["c = ConstantOfShape(s)", "d = Add(c, c)", "y = Mul(x, d)"], {"s": np.array([5000, 5000])}, r"\(ConstantOfShape\): cannot be worked out: it would have the shape \(5000, 5000\); max_constant=25000000 allows it"),
    ([("y = ConvTranspose(x, w)", {"pads": [0, -1, 0, 0]})], {"w": kernel(3, 4, 3, 3)}, r"\(ConvTranspose\): its pads are \(\(0, 0\), \(-1, 0\)\), and add something; give a larger output_padding"),
    (["y = ConvTranspose(x, w)"], {"w": kernel(3, 4, 3)}, r"\(ConvTranspose\): its input has the shape \(batch, 3, 7, 9\); images"),
    (["y = Pad(x, s)"], {"s": np.array([0, 1, 0, 1, 0, 0, 0, 0])}, r"\(Pad\): it changes the axes \[1, 3\] of"),
    (["y = Pad(x, s)"], {"s": np.array([0, 0, -1, 0, 0, 0, 0, 0])}, r"\(Pad\): its pads are .*; to take something away, use Slice"),
    ([("y = Pad(x, s)", {"mode": "wrap"})], {"s": np.array([0, 0, 1, 0, 0, 0, 0, 0])}, r"\(Pad\): its mode is 'wrap'; known: constant, edge, reflect"),
    (["y = Resize(x, , s)"], {"s": np.array([1, 1, 1.5, 2], F4)}, r"\(Resize\): it resizes by \[1.0, 1.0, 1.5, 2.0\]; whole factors"),
    (["y = Resize(x, , s)"], {"s": np.array([1, 2, 2, 2], F4)}, r"\(Resize\): it changes the axes \[1, 2, 3\] of"),
    ([("y = Resize(x, , s)", {"mode": "cubic"})], {"s": np.array([1, 1, 2, 2], F4)}, r"\(Resize\): its mode is 'cubic' with 'half_pixel'"),
    ([("y = Resize(x, , s)", {"mode": "linear", "coordinate_transformation_mode": "align_corners"})], {"s": np.array([1, 1, 2, 2], F4)}, r"its mode is 'linear' with 'align_corners' .* export it as nearest"),
    ([("y = Resize(x, , s)", {"nearest_mode": "floor"})], {"s": np.array([1, 1, 2, 2], F4)}, r"its mode is 'nearest' with 'half_pixel' and 'floor'"),
    (["y = Resize(x)"], {}, r"\(Resize\): it has neither scales nor sizes"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants", "message"), REFUSED)
def test_refusals(nodes, constants, message):
    model = graph(nodes, shape=(None, 3, 7, 9), **constants)
    with pytest.raises(ValueError, match=f"from_onnx: node .*{message}"):
        fn.from_onnx(model)


def test_the_caller_raises_the_limit_of_constants():
    model = graph(["c = ConstantOfShape(s)", "y = MatMul(x, c)"], s=np.array([4, 1000]))
    with pytest.raises(ValueError, match=r"it would have the shape \(4, 1000\); max_constant=4000 allows it"):
        fn.from_onnx(model, max_constant=3999)
    assert fn.from_onnx(model, max_constant=4000).output_shape == (1000,)
    with pytest.raises(ValueError, match="from_onnx: expected max_constant"):
        fn.from_onnx(model, max_constant=0)


def test_the_limit_holds_for_arithmetic():
    a, b = np.ones((1, 300), F4), np.ones((300, 1), F4)
    model = graph(["c = Mul(a, b)", "y = MatMul(x, c)"], shape=(None, 300), a=a, b=b)
    with pytest.raises(ValueError, match="it would have 90000 numbers; max_constant=90000 allows it"):
        fn.from_onnx(model, max_constant=89999)
    assert fn.from_onnx(model, max_constant=90000).output_shape == (300,)
