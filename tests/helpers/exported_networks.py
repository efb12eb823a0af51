"""Some sixty networks as people export them: by both exporters of PyTorch, by skl2onnx, and by Keras.

Each maker returns the model as ONNX, rows for it, and the answer of the library that it comes from.
"""

# ruff: noqa: E501  (a network is one line)
import io
import warnings

import numpy as np

NETWORKS = {}


def network(name):
    def add(make):
        NETWORKS[name] = make
        return make

    return add


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def torch_modules():
    """The modules, by name: each with the shape of a row, or the shapes, and the highest index if it takes indices."""
    from torch import nn

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(6, 5)

        def forward(self, x):
            return self.a(x) * self.b(x).sigmoid()

    class ResidualBlock(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.norm, self.up, self.down, self.act = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8), act

        def forward(self, x):
            return x + self.down(self.act(self.up(self.norm(x))))

    class TwoInputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.out = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(8, 2)

        def forward(self, x, y):
            import torch

            return self.out(torch.cat([self.a(x).relu(), self.b(y).tanh()], dim=1))

    class TwoOutputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 3), nn.Linear(8, 1)

        def forward(self, x):
            h = self.body(x).relu()
            return self.a(h).softmax(-1), self.b(h)

    class Last(nn.Module):
        def __init__(self, cell, **options):
            super().__init__()
            self.cell = cell(4, 6, batch_first=True, **options)
            self.out = nn.Linear(12 if options.get("bidirectional") else 6, 2)

        def forward(self, x):
            return self.out(self.cell(x)[0][:, -1])

    class FinalState(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 2)

        def forward(self, x):
            return self.out(self.cell(x)[1][0][-1])

    class Pooled(nn.Module):
        def __init__(self, how):
            super().__init__()
            self.embed, self.out, self.how = nn.Embedding(20, 6), nn.Linear(6, 3), how

        def forward(self, x):
            e = self.embed(x)
            return self.out({"mean": e.mean(1), "max": e.amax(1), "sum": e.sum(dim=1)}[self.how])

    class Standardized(nn.Module):
        def __init__(self):
            super().__init__()
            import torch

            self.register_buffer("mean", torch.tensor([1.0, 2.0, 3.0]))
            self.register_buffer("std", torch.tensor([2.0, 3.0, 4.0]))
            self.out = nn.Linear(3, 2)

        def forward(self, x):
            return self.out((x - self.mean) / self.std) * 10 + 5

    class Dueling(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.value, self.advantage = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 3)

        def forward(self, x):
            h = self.body(x).relu()
            return self.value(h), self.advantage(h) - self.advantage(h) * 0.5

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.mean = (
                nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh()),
                nn.Linear(8, 2),
            )

        def forward(self, x):
            return self.mean(self.body(x)).clamp(-1.0, 1.0)

    class Positional(nn.Module):
        def __init__(self):
            super().__init__()
            import torch

            self.embed, self.place = nn.Embedding(20, 6), nn.Parameter(torch.randn(1, 5, 6))
            self.norm, self.out = nn.LayerNorm(6), nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.norm(self.embed(x) + self.place).mean(dim=1))

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return (self.q(x) @ self.k(x).transpose(1, 2)).softmax(-1) @ self.v(x)

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.deep, self.wide = nn.Sequential(nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 1)), nn.Linear(6, 1)

        def forward(self, x):
            return (self.deep(x) + self.wide(x)).sigmoid().squeeze(-1).unsqueeze(-1)

    seq, linear = nn.Sequential, nn.Linear
    return {
        "mlp-relu": (seq(linear(6, 8), nn.ReLU(), linear(8, 3)), (6,)),
        "mlp-gelu": (seq(linear(6, 8), nn.GELU(), linear(8, 3)), (6,)),
        "mlp-gelu-tanh": (seq(linear(6, 8), nn.GELU(approximate="tanh"), linear(8, 3)), (6,)),
        "mlp-silu": (seq(linear(6, 8), nn.SiLU(), linear(8, 3), nn.Softmax(dim=-1)), (6,)),
        "mlp-mish": (seq(linear(6, 8), nn.Mish(), linear(8, 3)), (6,)),
        "mlp-relu6": (seq(linear(6, 8), nn.ReLU6(), linear(8, 3)), (6,)),
        "mlp-hard": (seq(linear(6, 8), nn.Hardswish(), linear(8, 8), nn.Hardsigmoid(), nn.Hardtanh()), (6,)),
        "mlp-prelu": (seq(linear(6, 8), nn.PReLU(), linear(8, 4), nn.PReLU(4)), (6,)),
        "mlp-elu-selu": (seq(linear(6, 8), nn.ELU(), linear(8, 4), nn.SELU(), nn.CELU(), nn.LeakyReLU(0.2)), (6,)),
        "mlp-log-softmax": (seq(linear(6, 8), nn.Softplus(), linear(8, 3), nn.LogSoftmax(dim=1)), (6,)),
        "mlp-batch-norm": (seq(linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), linear(8, 3)), (6,)),
        "mlp-layer-norm": (seq(linear(6, 8), nn.LayerNorm(8), nn.Tanh(), linear(8, 3, bias=False)), (6,)),
        "images": (seq(nn.Flatten(), linear(12, 8), nn.ReLU(), linear(8, 3)), (1, 3, 4)),
        "residual": (seq(linear(6, 8), ResidualBlock(nn.GELU()), ResidualBlock(nn.SiLU()), linear(8, 3)), (6,)),
        "gated": (Gated(), (6,)),
        "two-inputs": (TwoInputs(), [(3,), (2,)]),
        "two-outputs": (TwoOutputs(), (5,)),
        "lstm": (Last(nn.LSTM), (7, 4)),
        "lstm-two-layers": (Last(nn.LSTM, num_layers=2), (7, 4)),
        "lstm-final": (FinalState(), (7, 4)),
        "gru": (Last(nn.GRU), (7, 4)),
        "gru-bidirectional": (Last(nn.GRU, bidirectional=True), (7, 4)),
        "rnn": (Last(nn.RNN), (7, 4)),
        "embedding-mean": (Pooled("mean"), (5,), 20),
        "embedding-max": (Pooled("max"), (5,), 20),
        "embedding-sum": (Pooled("sum"), (5,), 20),
        "positional": (Positional(), (5,), 20),
        "standardized": (Standardized(), (3,)),
        "dueling": (Dueling(), (4,)),
        "policy": (Policy(), (4,)),
        "wide-and-deep": (Wide(), (6,)),
        "attention": (Attention(), (5, 8)),
        "convolution": (seq(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(), linear(20, 2)), (3, 7)),
    }


TORCH = (
    "mlp-relu", "mlp-gelu", "mlp-gelu-tanh", "mlp-silu", "mlp-mish", "mlp-relu6", "mlp-hard", "mlp-prelu", "mlp-elu-selu",
    "mlp-log-softmax", "mlp-batch-norm", "mlp-layer-norm", "images", "residual", "gated", "two-inputs", "two-outputs",
    "lstm", "lstm-two-layers", "lstm-final", "gru", "gru-bidirectional", "rnn", "embedding-mean", "embedding-max",
    "embedding-sum", "positional", "standardized", "dueling", "policy", "wide-and-deep", "attention", "convolution",
)  # fmt: skip


def by_torch(name, dynamo, opset):
    """Export one of them; random numbers in running statistics too."""
    import torch

    torch.manual_seed(0)
    module, shapes, *indices = torch_modules()[name]
    module.eval()
    for key, tensor in module.state_dict().items():
        if tensor.dtype.is_floating_point and "running" in key:
            tensor.copy_(tensor + 0.3)
    shapes = shapes if isinstance(shapes, list) else [shapes]
    if indices:
        rows = [torch.randint(0, indices[0], (4, *shape)) for shape in shapes]
    else:
        rows = [torch.randn(4, *shape) for shape in shapes]
    with torch.no_grad():
        found = module(*rows)
    expected = [y.numpy() for y in (found if isinstance(found, tuple) else (found,))]
    names = [f"x{i}" for i in range(len(rows))]
    file = io.BytesIO()
    options = {"input_names": names, "opset_version": opset}
    if dynamo:
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(
            module, tuple(rows), dynamo=True, dynamic_shapes=tuple({0: batch} for _ in rows), verbose=False, **options
        )
        program.save(file)
    else:
        torch.onnx.export(
            module, tuple(rows), file, dynamo=False, dynamic_axes={name: {0: "batch"} for name in names}, **options
        )
    return file.getvalue(), [x.numpy() for x in rows], expected


for _name in TORCH[:18]:
    NETWORKS[f"torch-script-14-{_name}"] = lambda name=_name: by_torch(name, False, 14)
for _name in TORCH[1:4] + TORCH[7:10] + TORCH[18:]:
    NETWORKS[f"torch-script-17-{_name}"] = lambda name=_name: by_torch(name, False, 17)
DYNAMO = (
    "mlp-gelu", "mlp-hard", "mlp-prelu", "mlp-log-softmax", "mlp-batch-norm", "residual", "gated", "two-inputs", "embedding-mean",
    "positional", "policy", "lstm",
)  # fmt: skip
for _name in DYNAMO:
    NETWORKS[f"torch-dynamo-18-{_name}"] = lambda name=_name: by_torch(name, True, 18)


# ---- scikit-learn ----------------------------------------------------------------------------------------------------


def by_sklearn(model, classes=None, **options):
    """Fit, export, and answer with probabilities or values."""
    from skl2onnx import to_onnx

    rng = np.random.default_rng(0)
    X = rng.normal(2, 3, (60, 4)).astype(np.float32)
    y = X @ rng.normal(size=4) if classes is None else (X[:, 0] + X[:, 1] * classes) // 3 % classes
    if classes:
        y = np.array([f"class {int(label)}" for label in y]) if classes == 3 else y.astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    expected = model.predict_proba(X) if classes else model.predict(X).reshape(len(X), -1)
    return to_onnx(model, X[:1], options=options).SerializeToString(), [X], [expected]


def sklearn_models():
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    mlp = {"hidden_layer_sizes": (6,), "max_iter": 20, "random_state": 0}
    return {
        "mlp-regressor": lambda: by_sklearn(MLPRegressor(**mlp)),
        "mlp-binary": lambda: by_sklearn(MLPClassifier(**mlp, activation="tanh"), 2),
        "mlp-binary-no-zipmap": lambda: by_sklearn(MLPClassifier(**mlp), 2, zipmap=False),
        "mlp-texts": lambda: by_sklearn(MLPClassifier(**mlp, activation="logistic"), 3),
        "mlp-standardized": lambda: by_sklearn(make_pipeline(StandardScaler(), MLPClassifier(**mlp)), 3),
        "mlp-min-max": lambda: by_sklearn(make_pipeline(MinMaxScaler(), MLPRegressor(**mlp))),
        "logistic": lambda: by_sklearn(LogisticRegression(), 3),
        "logistic-binary": lambda: by_sklearn(make_pipeline(StandardScaler(), LogisticRegression()), 2),
        "linear": lambda: by_sklearn(make_pipeline(StandardScaler(), LinearRegression())),
    }


SKLEARN = (
    "mlp-regressor", "mlp-binary", "mlp-binary-no-zipmap", "mlp-texts", "mlp-standardized", "mlp-min-max", "logistic",
    "logistic-binary", "linear",
)  # fmt: skip
for _name in SKLEARN:
    NETWORKS[f"sklearn-{_name}"] = lambda name=_name: sklearn_models()[name]()


# ---- Keras -----------------------------------------------------------------------------------------------------------


def keras_models():
    from keras import Input, Model, Sequential, layers

    def functional():
        x = Input((6,))
        h = layers.Dense(8, "gelu")(x)
        h = layers.Concatenate()([h, layers.Dense(3, "relu")(x)])
        return Model(x, layers.Dense(2)(layers.BatchNormalization()(h)))

    def gated():
        x = Input((6,))
        return Model(x, layers.Multiply()([layers.Dense(4)(x), layers.Dense(4, "sigmoid")(x)]))

    L = layers
    return {
        "mlp": lambda: (Sequential([Input((6,)), L.Dense(8, "relu"), L.Dense(3, "softmax")]), None),
        "gelu-norm": lambda: (Sequential([Input((6,)), L.Dense(8, "gelu"), L.BatchNormalization(), L.Dense(3)]), None),
        "silu": lambda: (Sequential([Input((6,)), L.Dense(8, "silu"), L.Dropout(0.2), L.Dense(3)]), None),
        "pooled": lambda: (
            Sequential([Input((5, 4)), L.Dense(8, "elu"), L.GlobalAveragePooling1D(), L.Dense(3)]),
            None,
        ),
        "max-pooled": lambda: (
            Sequential([Input((5, 4)), L.Dense(8, "tanh"), L.GlobalMaxPooling1D(), L.Dense(3)]),
            None,
        ),
        "rescaling": lambda: (Sequential([Input((5, 4)), L.Rescaling(0.5, -1.0), L.Flatten(), L.Dense(3)]), None),
        "embedding": lambda: (Sequential([Input((5,)), L.Embedding(20, 4), L.Flatten(), L.Dense(3, "relu6")]), 20),
        "functional": lambda: (functional(), None),
        "gated": lambda: (gated(), None),
    }


KERAS = ("mlp", "gelu-norm", "silu", "pooled", "max-pooled", "rescaling", "embedding", "functional", "gated")


def by_keras(name):
    import tempfile

    import keras

    keras.utils.set_random_seed(0)
    model, vocabulary = keras_models()[name]()
    shape = model.input_shape[1:]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, *shape)) if vocabulary is None else rng.integers(0, vocabulary, (4, *shape))
    x = x.astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x))
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        model.export(file.name, format="onnx", verbose=False)
        with open(file.name, "rb") as again:
            return again.read(), [x], [expected]


for _name in KERAS:
    NETWORKS[f"keras-{_name}"] = lambda name=_name: by_keras(name)
