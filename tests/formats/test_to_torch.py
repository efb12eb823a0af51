"""Networks as modules of PyTorch: the same answers, and back again; state dicts for what no row of modules holds."""

# ruff: noqa: E501  (a case of a table is one line)

import subprocess
import sys

import numpy as np
import pytest

import fastnn as fn
from fastnn.layers.activation import NAMES

torch = pytest.importorskip("torch")
BOUND = {"float32": 1e-5, "float64": 1e-12}
SETS = {
    "dense": (lambda: [fn.Dense(7, "relu"), fn.Dense(3, bias=False)], (4,)),
    "norms": (lambda: [fn.BatchNorm(scale=False), fn.Dense(6), fn.LayerNorm(shift=False), fn.Dense(2)], (4,)),
    "norms-2": (lambda: [fn.BatchNorm(shift=False), fn.LayerNorm(scale=False), fn.BatchNorm(scale=False, shift=False)], (4,)),
    "shapes": (lambda: [fn.Dense(4, "tanh"), fn.Reshape((2, 6)), fn.LayerNorm(), fn.Flatten(), fn.Dropout(0.3)], (3, 5)),
    **{f"activation-{name}": (lambda name=name: [fn.Dense(6), fn.Activation(name)], (4,)) for name in NAMES},
    "alphas": (lambda: [fn.Dense(6, fn.Activation("leaky_relu", alpha=0.3)), fn.Activation("elu", alpha=0.5)], (4,)),
}  # fmt: skip


def filled(net, seed=0):
    rng = np.random.default_rng(seed)
    for name, view in net.named_parameters():
        view[...] = np.abs(rng.normal(size=view.shape)) + 0.5 if "variance" in name else rng.normal(size=view.shape)
    return net


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("name", SETS)
def test_the_module_answers_as_the_network_and_comes_back(name, dtype):
    layers, shape = SETS[name]
    net = filled(fn.Sequential(layers(), input_shape=shape, seed=0, dtype=dtype))
    x = np.random.default_rng(1).normal(0, 3, (5, *shape)).astype(dtype)
    module = net.to_torch()
    assert isinstance(module, torch.nn.Sequential)
    assert not module.training
    with torch.no_grad():
        y = module(torch.from_numpy(x)).numpy()
    assert y.dtype == dtype
    expected = net.predict(x)
    assert np.abs(y - expected).max() <= BOUND[dtype] * max(1, np.abs(expected).max())
    again = fn.from_torch(module, input_shape=shape)
    assert np.abs(again.predict(x) - expected).max() <= BOUND[dtype] * max(1, np.abs(expected).max())
    for tensor in module.parameters():
        tensor.data[:] = 0
    np.testing.assert_array_equal(net.predict(x), expected)  # tensors are copies


def test_embeddings_take_integers_and_their_padding_is_0():
    net = filled(fn.Sequential([fn.Embedding(9, 4, padding_index=2), fn.Flatten(), fn.Dense(2)], input_shape=3, seed=0))
    x = np.array([[0, 2, 8], [2, 2, 1]])
    with torch.no_grad():
        np.testing.assert_allclose(net.to_torch()(torch.from_numpy(x)).numpy(), net.predict(x), atol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_layers_give_a_state_dict(kind, bias):
    made = {"LSTM": fn.LSTM, "GRU": fn.GRU, "RNN": fn.SimpleRNN}[kind](5, return_sequences=True, bias=bias, name="cell")
    net = filled(fn.Sequential([made, fn.Dense(2, name="out")], input_shape=(6, 3), seed=0))

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = getattr(torch.nn, kind)(3, 5, batch_first=True, bias=bias)
            self.out = torch.nn.Linear(5, 2)

        def forward(self, x):
            return self.out(self.cell(x)[0])

    state, twin = net.to_torch(), Twin()
    assert twin.load_state_dict(state) is not None
    x = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(twin(torch.from_numpy(x)).numpy(), net.predict(x), atol=1e-5)
    again = fn.Sequential([made, fn.Dense(2, name="out")], input_shape=(6, 3), seed=5)
    np.testing.assert_allclose(fn.from_torch(state, into=again).predict(x), net.predict(x), atol=1e-6)


def test_what_is_no_row_of_modules_gives_a_state_dict():
    x = fn.Input(4)
    h = fn.Dense(4, "tanh", name="h")(x)
    graph = fn.Network(x, fn.Dense(2, name="y")(fn.add(x, h)), seed=0)
    assert list(graph.to_torch()) == ["h.weight", "h.bias", "y.weight", "y.bias"]
    np.testing.assert_array_equal(graph.to_torch()["y.weight"].numpy(), graph.layers[-1].weight.T)
    for layer, names in ((fn.Scale(name="s"), ["s.gamma", "s.beta"]), (fn.Dropout(0.3, inverted=False), [])):
        assert list(fn.Sequential([layer], input_shape=3, seed=0).to_torch()) == names
    dense = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
    assert list(dense.to_torch(state_dict=True)) == ["dense_1.weight", "dense_1.bias"]
    with pytest.raises(ValueError, match="to_torch: expected LSTM with forget gate and without peepholes"):
        fn.Sequential([fn.LSTM(2, peepholes=True)], input_shape=(3, 2), seed=0).to_torch()
    reset_first = fn.Sequential([fn.GRU(2, reset_after=False)], input_shape=(3, 2), seed=0)
    with pytest.raises(ValueError, match="to_torch: expected GRU with reset_after=True, the only one of PyTorch"):
        reset_first.to_torch()
    with pytest.raises(ValueError, match="from_torch: expected GRU with reset_after=True, the only one of PyTorch"):
        fn.from_torch(torch.nn.GRU(2, 2, batch_first=True), into=reset_first)


def test_a_layer_twice_is_a_module_twice():
    same = fn.Dense(4, "tanh", name="same")
    net = fn.Sequential([same, same], input_shape=4, seed=0)
    module = net.to_torch()
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(x)).numpy(), net.predict(x), atol=1e-6)
    assert len(list(module.parameters())) == 2


def test_without_torch_the_package_is_named():
    code = "import sys; sys.modules['torch'] = None\nimport fastnn as fn\nfn.Sequential([fn.Dense(1)], 2, seed=0).to_torch()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: to_torch: needs the package torch" in done.stderr
