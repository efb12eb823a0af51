"""Random networks of every layer: graphs of vectors, sequences, indices and phases."""

import numpy as np

import fastnn as fn

MASK = -1.5
ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "gelu",
    "silu",
    "softmax",
)


class Grower:
    """A graph that grows by one random layer at a time."""

    def __init__(self, rng):
        self.rng = rng
        self.inputs, self.makers = [], []  # makers: what draws the rows of each input
        self.vectors, self.sequences = [], []

    def pick(self, values):
        return values[self.rng.integers(len(values))]

    def size(self, high=7):
        return int(self.rng.integers(1, high))

    def flag(self):
        return bool(self.rng.integers(2))

    def input(self, shape, draw):
        self.inputs.append(fn.Input(shape))
        self.makers.append(lambda rng, rows: draw(rng, (rows, *np.atleast_1d(shape))))
        return self.inputs[-1]

    def activation(self):
        name = self.pick(ACTIVATIONS)
        if name in ("leaky_relu", "elu") and self.flag():
            return fn.Activation(name, alpha=self.pick((0.0, 0.2, 1.7)))
        return name

    def start(self):
        kind = self.rng.integers(3)
        if kind == 0:
            self.vectors.append(self.input(self.size(), normal))
        elif kind == 1:
            self.sequences.append(self.input((self.size(5), self.size()), with_gaps))
        else:
            vocabulary, steps = self.size(), self.size(5)
            indices = self.input(steps, lambda rng, shape: rng.integers(0, vocabulary, size=shape).astype(float))
            padding = self.pick((None, 0))
            self.sequences.append(fn.Embedding(vocabulary, self.size(), padding_index=padding)(indices))

    def recurrent_layer(self, **options):
        kind = self.pick((fn.SimpleRNN, fn.LSTM, fn.GRU))
        if kind is fn.SimpleRNN:
            options["activation"] = self.pick(("tanh", "relu", "sigmoid", "identity"))
        if kind is fn.LSTM:
            options |= {"forget_gate": self.flag(), "peepholes": self.flag()}
        masks = {"mask_value": MASK} if self.flag() else {}
        return kind(self.size(), return_sequences=self.flag(), bias=self.flag(), **masks, **options)

    def keep(self, x):
        (self.vectors if len(x.shape) == 1 else self.sequences).append(x)

    def grow(self):
        if self.sequences and self.flag():
            self.grow_sequence(self.pick(self.sequences))
        elif self.vectors:
            self.grow_vector(self.pick(self.vectors))

    def grow_sequence(self, x):
        kind = self.rng.integers(8)
        if kind == 0:
            self.keep(fn.Dense(self.size(), self.activation(), bias=self.flag())(x))
        elif kind == 1:
            self.keep(fn.Flatten()(x))
        elif kind == 2:
            self.keep(fn.Bidirectional(self.recurrent_layer(), merge=self.pick(("concat", "sum")))(x))
        elif kind == 3:
            y, state = self.recurrent_layer(return_state=True, go_backwards=self.flag())(x)
            self.keep(y)
            self.keep(fn.Flatten()(state))
        elif kind == 4:
            first = self.recurrent_layer(return_state=True)
            _, state = first(x)
            values = {**first._values(), "return_state": False, "name": None}
            self.keep(type(first)(values.pop("units"), **values)(x, state))
        elif kind == 5:
            self.keep(self.recurrent_layer(go_backwards=self.flag())(x))
        elif kind == 6:
            self.keep(self.norm(x)(x))
        else:
            self.keep(fn.concatenate(x, fn.Activation(self.pick(ACTIVATIONS))(x)))

    def norm(self, x):
        options = {"epsilon": self.pick((1e-5, 1e-3)), "scale": self.flag(), "shift": self.flag()}
        return fn.LayerNorm(**options) if x.shape[-1] > 1 and self.flag() else fn.BatchNorm(**options)

    def grow_vector(self, x):
        kind, width = self.rng.integers(9), x.shape[0]
        if kind == 0:
            self.keep(fn.Dense(self.size(), self.activation(), bias=self.flag())(x))
        elif kind == 1:
            self.keep(
                fn.DropConnect(self.size(), self.activation(), rate=0.3, inverted=self.flag(), bias=self.flag())(x)
            )
        elif kind == 2:
            self.keep(fn.Dropout(0.3, inverted=self.flag())(x))
        elif kind == 3:
            self.keep(fn.Reshape((width // 2, 2) if width % 2 == 0 else (1, width))(x))
        elif kind == 4:
            self.keep(fn.slice(x, self.pick((0, -1)), None))
        elif kind == 5:
            self.keep(fn.Residual([fn.Dense(width, "tanh"), self.norm(x)])(x))
        elif kind == 6:
            same = fn.Dense(width, "tanh")  # applied again
            self.keep(fn.add(same(x), same(same(x)), x))
        elif kind == 7:
            phase = self.input(1, normal)
            function, points = self.pick((("cubic", 4), ("cubic", 6), ("linear", 2), ("linear", 5), ("constant", 3)))
            options = {"control_points": points, "phase_function": function, "bias": self.flag()}
            self.keep(fn.PhaseDense(self.size(), self.activation(), **options)(x, phase))
        else:
            self.keep(fn.concatenate(x, self.pick(self.vectors)))


def normal(rng, shape):
    return rng.normal(size=shape)


def with_gaps(rng, shape):
    """Sequences some of whose steps are the mask."""
    x = rng.normal(size=shape)
    x[rng.random(shape[:2]) < 0.3] = MASK
    return x


def random_network(seed, dtype="float32", rows=3):
    """A network and rows for it, the same for the same seed."""
    rng = np.random.default_rng([seed, 77])
    grower = Grower(rng)
    for _ in range(1 + rng.integers(2)):
        grower.start()
    for _ in range(2 + rng.integers(6)):
        grower.grow()
    ends = [grower.vectors[-1:], grower.sequences[-1:]]
    outputs = [x for end in ends for x in end]
    reached = inputs_of(outputs)
    used = [i for i, x in enumerate(grower.inputs) if x in reached]
    net = fn.Network([grower.inputs[i] for i in used], outputs, seed=seed, dtype=dtype)
    net.params[:] = (net.params + 0.3 * rng.normal(size=net.n_params)).astype(np.float32)
    for name, view in net.named_parameters():
        if name.endswith("variance"):
            view[...] = (np.abs(view) + 0.5).astype(np.float32)
    xs = [grower.makers[i](rng, rows).astype(np.float32).astype(dtype) for i in used]
    return net, xs


def inputs_of(outputs):
    stack, seen = list(outputs), set()
    while stack:
        x = stack.pop()
        if x not in seen:
            seen.add(x)
            stack += x.inputs
    return seen


def answers(net, xs):
    """What ``predict`` gives, as a list."""
    ys = net.predict(xs if len(xs) > 1 else xs[0])
    return ys if isinstance(ys, list) else [ys]


def largest_error(ys, expected):
    """The largest difference, relative to numbers above 1; shapes and dtypes must be the same."""
    assert [(y.shape, y.dtype) for y in ys] == [(e.shape, e.dtype) for e in expected]
    return max(float((np.abs(y - e) / np.maximum(np.abs(e), 1)).max()) for y, e in zip(ys, expected, strict=True))
