"""ONNX graphs as other exporters write them, grown at random: what ``from_onnx`` meets."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Foreign:
    """One value that goes through random nodes, batch first: shape (B, *shape)."""

    def __init__(self, seed):
        self.rng = np.random.default_rng([seed, 5])
        self.nodes, self.constants = [], []
        self.kinds = set()
        self.start()

    def start(self):
        kind = self.rng.integers(3)
        if kind == 0:
            self.shape, self.x, dtype = (int(self.rng.integers(1, 7)),), "x", TensorProto.FLOAT
            self.draw = lambda rng, rows: rng.normal(size=(rows, *self.first)).astype(np.float32)
        elif kind == 1:
            self.shape, self.x, dtype = tuple(map(int, self.rng.integers(1, 5, 2))), "x", TensorProto.FLOAT
            self.draw = lambda rng, rows: rng.normal(size=(rows, *self.first)).astype(np.float32)
        else:
            self.shape, self.x, dtype = (int(self.rng.integers(1, 5)),), "x", TensorProto.INT64
            self.draw = lambda rng, rows: rng.integers(0, 5, size=(rows, *self.first))
        self.first = self.shape
        batch = self.pick(["batch", None, 3])
        self.input = helper.make_tensor_value_info("x", dtype, [batch, *self.shape])
        if kind == 2:
            width = self.width()
            self.x = self.node("Gather", self.weights("emb.weight", 5, width), "x")
            self.shape = (*self.shape, width)

    def width(self):
        return int(self.rng.integers(1, 7))

    def pick(self, values):
        return values[self.rng.integers(len(values))]

    def flag(self):
        return bool(self.rng.integers(2))

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, f"node_{len(self.nodes)}", **attributes))
        self.kinds.add(kind)
        return names[0] if outputs == 1 else names

    def constant(self, array, name=None):
        """As an initializer, or as a node."""
        name = f"{name or 'c'}_{len(self.constants)}_{len(self.nodes)}"
        if self.flag():
            self.constants.append(numpy_helper.from_array(np.asarray(array), name))
            return name
        return self.node("Constant", value=numpy_helper.from_array(np.asarray(array), name))

    def weights(self, name, *shape):
        return self.constant((0.6 * self.rng.normal(size=shape)).astype(np.float32), name)

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    # ---- fragments ----------------------------------------------------------------------------------------------

    def grow(self):
        fragments = [self.activation, self.noise, self.affine]
        if len(self.shape) == 1:
            fragments += [
                self.gemm,
                self.gemm,
                self.skip,
                self.batch_norm,
                self.join,
                self.slices,
                self.split,
                self.reshape,
            ]
        elif len(self.shape) == 2:
            fragments += [self.recurrent, self.recurrent, self.recurrent, self.flatten, self.last, self.norm, self.join]
        if len(self.shape) < 4:
            fragments += [self.matmul, self.matmul]
        self.pick(fragments)()

    def gemm(self):
        units, options, x = self.width(), {}, self.x
        shape = (self.shape[0], units)
        if self.flag():
            options["transB"], shape = 1, shape[::-1]
        if self.flag():
            options |= {"alpha": 0.5, "beta": 2.0}
        if self.flag():
            options["transA"], x = 1, self.node("Transpose", x, perm=[1, 0])
        bias = [] if self.flag() else [self.weights("fc.bias", *self.pick([(units,), (1, units), (1,), ()]))]
        self.x, self.shape = self.node("Gemm", x, self.weights("fc.weight", *shape), *bias, **options), (units,)

    def matmul(self):
        units = self.width()
        if self.flag():
            w = self.node("Transpose", self.weights("w", units, self.shape[-1]), perm=[1, 0])
        else:
            w = self.weights("w", self.shape[-1], units)
        self.x, self.shape = self.node("MatMul", self.x, w), (*self.shape[:-1], units)
        if self.flag():
            bias = self.weights("b", *self.pick([(units,), (1, units)]))
            self.x = self.node("Add", *((self.x, bias) if self.flag() else (bias, self.x)))

    def activation(self):
        kind = self.pick(["Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Gelu", "Softmax", "Silu"])
        if kind == "Silu":
            gate = self.node("Sigmoid", self.x)
            self.x = self.node("Mul", *((self.x, gate) if self.flag() else (gate, self.x)))
            return
        options = {"Gelu": {"approximate": "tanh"}, "Softmax": {"axis": -1}, "LeakyRelu": {"alpha": 0.2}}.get(kind, {})
        self.x = self.node(kind, self.x, **options)

    def noise(self):
        kind = self.pick(["Identity", "Dropout", "Cast", "Reshape"])
        if kind == "Cast":
            self.x = self.node("Cast", self.x, to=TensorProto.FLOAT)
        elif kind == "Dropout":
            self.x = self.node("Dropout", self.x, self.constant(np.float32(0.3)))
        elif kind == "Reshape":
            rank = len(self.shape) + 1
            sizes = self.node("Concat", self.node("Slice", self.node("Shape", self.x), self.ints(0), self.ints(1)),
                              self.ints(*self.shape[:-1], -1), axis=0)  # fmt: skip
            self.x = self.node("Reshape", self.x, sizes)
            assert rank > 1
        else:
            self.x = self.node(kind, self.x)

    def affine(self):
        kind = self.pick(["Add", "Sub", "Mul", "Div"])
        shape = self.pick([(), (1,), (self.shape[-1],)])
        c = self.constant(self.rng.uniform(0.5, 1.5, size=shape).astype(np.float32))
        self.x = self.node(kind, *((c, self.x) if kind != "Div" and self.flag() else (self.x, c)))

    def batch_norm(self):
        width = self.shape[0]
        scales = [self.weights(name, width) for name in ("gamma", "beta", "mean")]
        variance = self.constant(self.rng.uniform(0.5, 2, width).astype(np.float32))
        self.x = self.node("BatchNormalization", self.x, *scales, variance, epsilon=1e-3)

    def norm(self):
        width = self.shape[-1]
        if width > 1:
            bias = [] if self.flag() else [self.weights("ln.bias", width)]
            self.x = self.node("LayerNormalization", self.x, self.weights("ln.weight", width), *bias, epsilon=1e-3)

    def skip(self):
        x, width = self.x, self.shape[0]
        self.gemm()
        back = self.node("Gemm", self.x, self.weights("fc.weight", *self.shape, width))
        self.x, self.shape = self.node(self.pick(["Add", "Sum"]), x, back), (width,)

    def join(self):
        axis = self.pick([-1, len(self.shape)])
        self.x = self.node("Concat", self.x, self.node("Tanh", self.x), axis=axis)
        self.shape = (*self.shape[:-1], 2 * self.shape[-1])
        if len(self.shape) == 2 and self.flag():
            self.x = self.node("Concat", self.x, self.x, axis=1)
            self.shape = (2 * self.shape[0], self.shape[1])

    def slices(self):
        if self.shape[0] > 2:
            self.x = self.node("Slice", self.x, self.ints(1), self.ints(np.iinfo(np.int64).max), self.ints(-1))
            self.shape = (self.shape[0] - 1,)

    def split(self):
        if self.shape[0] > 2:
            parts = self.node("Split", self.x, self.ints(1, self.shape[0] - 1), axis=-1, outputs=2)
            self.x, self.shape = parts[1], (self.shape[0] - 1,)

    def reshape(self):
        self.x, self.shape = self.node("Reshape", self.x, self.ints(0, 1, -1)), (1, *self.shape)

    def flatten(self):
        if self.flag():
            self.x = self.node("Flatten", self.x, axis=1)
        else:
            self.x = self.node(
                "Reshape", self.x, self.pick([self.ints(0, -1), self.ints(-1, int(np.prod(self.shape)))])
            )
        self.shape = (int(np.prod(self.shape)),)

    def last(self):
        """The last step, as ``out[:, -1]``."""
        self.x = self.node("Gather", self.x, self.constant(np.array(-1)), axis=1)
        self.shape = self.shape[1:]

    def recurrent(self):
        """As PyTorch (batch_first) and Keras write it."""
        kind, steps, inputs = self.pick(["LSTM", "GRU", "RNN"]), *self.shape
        units, direction = self.width(), self.pick(["forward", "reverse", "bidirectional"])
        ways, gates = 1 + (direction == "bidirectional"), {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
        options = {"hidden_size": units, "direction": direction}
        if kind == "GRU":
            options["linear_before_reset"] = int(self.flag())
        if kind == "RNN" and self.flag():
            options["activations"] = ["Relu"] * ways
        x = self.node("Transpose", self.x, perm=[1, 0, 2])
        bias = self.weights("B", ways, 2 * gates * units) if self.flag() else ""
        given = [x, self.weights("W", ways, gates * units, inputs), self.weights("R", ways, gates * units, units), bias]
        if kind == "LSTM" and self.flag():
            given += ["", "", "", self.weights("P", ways, 3 * units)]
        elif self.flag():  # zeros for as many rows as there are
            rows = self.node("Slice", self.node("Shape", x), self.ints(1), self.ints(2))
            sizes = self.node("Concat", self.ints(ways), rows, self.ints(units), axis=0)
            given += ["", *[self.node("ConstantOfShape", sizes)] * (2 if kind == "LSTM" else 1)]
        outputs = self.node(kind, *given, outputs=3 if kind == "LSTM" else 2, **options)
        form = self.rng.integers(3)
        if form == 0:  # every step
            y = self.node("Transpose", outputs[0], perm=[0, 2, 1, 3])
            y = self.node("Reshape", y, self.ints(0, 0, -1))
            self.x, self.shape = self.node("Transpose", y, perm=[1, 0, 2]), (steps, ways * units)
        elif form == 1:  # the final h of both ways
            y = self.node("Transpose", outputs[1], perm=[1, 0, 2])
            self.x, self.shape = self.node("Reshape", y, self.ints(-1, ways * units)), (ways * units,)
        elif ways == 1:  # every step beside the final state
            y = self.node("Transpose", self.node("Squeeze", outputs[0], self.ints(1)), perm=[1, 0, 2])
            end = self.node("Squeeze", outputs[-1], self.ints(0))
            self.x = self.node("Concat", self.node("Flatten", y), end, axis=1)
            self.shape = ((steps + 1) * units,)
        else:  # the final state of the second way
            self.x, self.shape = self.node("Gather", outputs[-1], self.constant(np.array(1)), axis=0), (units,)

    def model(self):
        result = self.node("Identity", self.x)
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, [None, *self.shape])
        graph = helper.make_graph(self.nodes, "foreign", [self.input], [output], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def foreign(seed, rows=3):
    """A model and rows for it."""
    made = Foreign(seed)
    for _ in range(1 + made.rng.integers(5)):
        made.grow()
    return made.model(), made.draw(made.rng, rows), made.kinds
