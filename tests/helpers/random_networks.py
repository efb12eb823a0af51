"""Networks drawn at random from all layers and shapes of graphs, and rows for them."""

import numpy as np
from helpers.random_images import WINDOWS, ImageLayers

import fastnn as fn

NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "softmax", "identity")
WORDS = 7


class Builder(ImageLayers):
    """A graph under construction: tensors that layers may read, and those that nothing has read yet."""

    def __init__(self, rng, dtype):
        self.rng, self.dtype, self.inputs, self.pool, self.unread = rng, dtype, [], [], []
        self.applied = []  # (layer, shapes of its inputs), to be applied again
        # In float64 ONNX Runtime has no convolutions, and ONNX's reference no sequences from their end: one of both.
        one = dtype == "float64"
        self.left_out = (WINDOWS if self.flag() else {"add_recurrent", "add_bidirectional"}) if one else set()

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def flag(self):
        return bool(self.rng.integers(2))

    def size(self, most=12):
        return int(self.rng.integers(1, most + 1))

    def input(self, shape, *, pool=True):
        x = fn.Input(shape)
        self.inputs.append(x)
        if pool:
            self.pool.append(x)
            self.unread.append(x)
        return x

    def apply(self, layer, *tensors):
        out = layer(*tensors)
        self.unread = [t for t in self.unread if t not in tensors]
        for y in out if isinstance(out, tuple) else (out,):
            self.pool.append(y)
            self.unread.append(y)
        if isinstance(out, fn.layers.Tensor) and not isinstance(layer, fn.layers.Composite):
            self.applied.append((layer, tuple(t.shape for t in tensors)))

    def tensor(self, axes=None):
        """A tensor of so many axes, an unread one if there is one."""
        fitting = [t for t in self.pool if axes is None or len(t.shape) == axes]
        fresh = [t for t in fitting if t in self.unread]
        chosen = fresh if fresh and self.rng.random() < 0.7 else fitting
        return self.pick(*chosen) if chosen else self.input(tuple(self.size(8) for _ in range(axes or 1)))

    def activation(self):
        name = self.pick(*NAMES, None)
        if name in ("leaky_relu", "elu") and self.flag():
            return fn.Activation(name, alpha=float(self.rng.uniform(0, 1)))
        return self.pick(name, name, fn.Dropout(0.3, inverted=False)) if name != "softmax" else name

    def recurrent(self, **options):
        kind = self.pick(fn.SimpleRNN, fn.LSTM, fn.GRU)
        if kind is fn.SimpleRNN:
            options["activation"] = self.pick("tanh", "relu", "sigmoid", "identity")
        if kind is fn.LSTM:
            options |= {"forget_gate": self.flag(), "peepholes": self.flag()}
        if kind is fn.GRU:
            options["reset_after"] = self.flag()
        return kind(self.size(11), bias=self.flag(), return_sequences=self.flag(), **options)

    def grow(self):
        """One more layer of any kind."""
        getattr(
            self, self.pick(*(name for name in dir(self) if name.startswith("add_") and name not in self.left_out))
        )()

    def add_dense(self):
        self.apply(fn.Dense(self.size(20), self.activation(), bias=self.flag()), self.tensor())

    def add_dropconnect(self):
        layer = fn.DropConnect(self.size(20), self.activation(), bias=self.flag(), rate=0.4, inverted=self.flag())
        self.apply(layer, self.tensor(1))

    def add_activation(self):
        self.apply(fn.Activation(self.pick(*NAMES)), self.tensor())

    def add_dropout(self):
        self.apply(fn.Dropout(0.4, inverted=self.flag()), self.tensor())

    def add_norms(self):
        x = self.tensor()
        self.apply(fn.BatchNorm(scale=self.flag(), shift=self.flag()), x)
        if x.shape[-1] > 2:
            self.apply(fn.LayerNorm(scale=self.flag(), shift=self.flag()), x)

    def add_embedding(self):
        indices = self.input(self.pick((3,), (2, 2)), pool=False)
        padding = self.pick(None, 0, WORDS - 1)
        self.apply(fn.Embedding(WORDS, self.size(5), padding_index=padding), indices)

    def add_shapes(self):
        x = self.tensor()
        if len(x.shape) > 1:
            self.apply(fn.Flatten(), x)
        else:
            self.apply(fn.Reshape(self.pick((1, x.shape[0]), (x.shape[0], 1))), x)

    def add_arithmetic(self):
        x = self.tensor()
        same = [t for t in self.pool if t.shape == x.shape]
        self.apply(fn.Multiply(), x, *(fn.Activation("sigmoid")(self.pick(*same)) for _ in range(self.size(2))))
        self.apply(fn.Scale(scale=True, shift=self.flag()), x)
        self.apply(fn.Reduce(self.pick("mean", "max", "sum"), axis=self.pick(0, -1)), x)

    def add_slice(self):
        x = self.tensor()
        start = int(self.rng.integers(x.shape[-1]))
        stop = int(self.rng.integers(start + 1, x.shape[-1] + 1))
        self.apply(fn.Slice(start, stop), x)

    def add_merge(self):
        x = self.tensor()
        same = [t for t in self.pool if t.shape == x.shape]
        self.apply(fn.Add(), x, *(self.pick(*same) for _ in range(self.size(3))))
        beside = [t for t in self.pool if t.shape[:-1] == x.shape[:-1]]
        self.apply(fn.Concatenate(), x, *(self.pick(*beside) for _ in range(self.size(2))))

    def add_residual(self):
        x = self.tensor()
        body = [fn.Dense(self.size(9), self.activation()), fn.Dropout(0.2), fn.Dense(x.shape[-1])]
        self.apply(fn.Residual(body, projection=self.pick(None, fn.Dense(x.shape[-1], bias=False))), x)

    def add_recurrent(self):
        x = self.tensor(2)
        options = {"go_backwards": self.flag(), "return_state": self.flag(), "mask_value": self.pick(None, 0.0)}
        layer = self.recurrent(**options)
        states = [t for t in self.pool if t.shape == (layer.states, layer.units)]
        if not states and self.flag():
            states = [self.input((layer.states, layer.units))]
        self.apply(layer, x, *([self.pick(*states)] if states else []))

    def add_bidirectional(self):
        self.apply(fn.Bidirectional(self.recurrent(), merge=self.pick("concat", "sum")), self.tensor(2))

    def add_phase(self):
        function = self.pick("cubic", "linear", "constant")
        layer = fn.PhaseDense(
            self.size(9),
            self.activation(),
            control_points=self.pick(4, 5, 7),
            phase_function=function,
            bias=self.flag(),
        )
        self.apply(layer, self.tensor(1), self.input(1, pool=False))

    def add_again(self):
        """A layer that was there already: shared parameters."""
        for layer, shapes in self.applied:
            fitting = [[t for t in self.pool if t.shape == shape] for shape in shapes]
            if all(fitting) and not isinstance(layer, fn.Embedding | fn.PhaseDense) and self.rng.random() < 0.5:
                self.apply(layer, *(self.pick(*found) for found in fitting))
                return


def random_network(seed, dtype=None):
    """A network of about ten layers; all that nothing reads is an output, and sometimes something that is read too.

    ``dtype``: if not given, every fifth network is float64.
    """
    dtype = dtype or ("float64" if seed % 5 == 4 else "float32")
    builder = Builder(np.random.default_rng(seed), dtype)
    rng = builder.rng
    image = tuple(builder.size(6) for _ in "hwc")
    builder.input(builder.pick((builder.size(9),), (builder.size(5), builder.size(6)), image))
    for _ in range(rng.integers(3, 14)):
        builder.grow()
    outputs = list(builder.unread)
    if builder.flag():
        outputs.append(builder.tensor())
    net = fn.Network(builder.inputs, outputs, seed=int(seed), dtype=dtype)
    net.params[:] = rng.normal(0, 0.5, net.n_params)
    for name, view in net.named_parameters():
        if name.endswith("running_variance"):
            view[...] = rng.uniform(0.2, 3, view.shape)
        elif view.ndim > 1:  # sums of size 1
            view[...] *= 2 / np.sqrt(np.prod(view.shape[:-1]) if view.ndim == 4 else view.shape[-2])
    return net


def random_rows(net, count, seed):
    """Rows for each input, with indices where an Embedding reads, and steps of zeros where there are sequences."""
    rng, rows = np.random.default_rng(seed), []
    readers = {i: net.structure.layers[node.layer] for node in net.structure.nodes for i in node.inputs}
    for i, shape in enumerate(net.input_shapes):
        x = rng.normal(size=(count, *shape))
        if isinstance(readers.get(i), fn.Embedding):
            x = rng.integers(0, WORDS, (count, *shape))
        elif len(shape) == 2:
            x[rng.random((count, shape[0])) < 0.3] = 0
        rows.append(x.astype(net.dtype))
    return rows


def layers_of(net):
    """The kinds of layers in a network."""
    return {type(layer) for layer in net.structure.layers}
