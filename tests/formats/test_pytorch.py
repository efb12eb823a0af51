"""Modules and state dicts of PyTorch, beside PyTorch where it is installed, and beside NumPy twins of its modules."""

import inspect
import sys

import numpy as np
import pytest
from helpers import torch_twins

import fastnn as fn

RANDOM = 200
WITHOUT_NUMBERS = ("ReLU", "SELU", "SiLU", "Sigmoid", "Tanh", "Identity", "Softplus")


class Twins:
    """NumPy twins as the library."""

    nn = torch_twins

    @staticmethod
    def fill(module, rng):
        for name, array in module.state_dict().items():
            if array.dtype == np.float32:
                array[...] = drawn(name, array.shape, rng)

    @staticmethod
    def run(module, x):
        y = module(x if x.dtype == np.int64 else x.astype(np.float64))
        return y[0] if isinstance(y, tuple) else y


class Torch:
    """PyTorch itself."""

    @property
    def nn(self):
        return pytest.importorskip("torch").nn

    @staticmethod
    def fill(module, rng):
        import torch

        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                if tensor.dtype.is_floating_point:
                    tensor.copy_(torch.from_numpy(np.asarray(drawn(name, tuple(tensor.shape), rng))))
        module.eval()

    @staticmethod
    def run(module, x):
        import torch

        with torch.no_grad():
            y = module(torch.from_numpy(x))
        return (y[0] if isinstance(y, tuple) else y).numpy()


LIBRARIES = {"twins": Twins(), "torch": Torch()}


def drawn(name, shape, rng):
    values = 0.5 * rng.normal(size=shape)
    return (np.abs(values) + 0.5 if name.endswith("running_var") else values).astype(np.float32)


def random_module(nn, rng):
    """A Sequential of any of the modules, rows for it, and the shape of a row."""
    modules, size = [], lambda: int(rng.integers(1, 6))
    flag = lambda: bool(rng.integers(2))  # noqa: E731
    kind = rng.integers(3)
    if kind == 0:
        shape = (size(),)
        x = rng.normal(size=(4, *shape)).astype(np.float32)
    elif kind == 1:
        shape = (size(), size())
        x = rng.normal(size=(4, *shape)).astype(np.float32)
    else:
        shape, vocabulary, units = (size(),), size(), size()
        x = rng.integers(0, vocabulary, size=(4, *shape))
        modules.append(nn.Embedding(vocabulary, units, padding_idx=0 if flag() else None))
    first, shape = shape, (*shape, modules[0].embedding_dim) if modules else shape
    for _ in range(1 + rng.integers(5)):
        kind = ("linear", "activation", "numbers", "shape", "norm", "nested")[rng.integers(6)]
        if kind == "linear":
            units = size()
            modules.append(nn.Linear(shape[-1], units, bias=flag()))
            shape = (*shape[:-1], units)
        elif kind == "activation":
            modules.append(getattr(nn, WITHOUT_NUMBERS[rng.integers(len(WITHOUT_NUMBERS))])())
        elif kind == "numbers":
            made = (
                nn.LeakyReLU(0.2),
                nn.ELU(0.7),
                nn.GELU(approximate="tanh"),
                nn.GELU(),
                nn.Softmax(dim=-1),
                nn.Dropout(0.3),
            )
            modules.append(made[rng.integers(len(made))])
        elif kind == "norm" and len(shape) == 1 and flag():
            modules.append(nn.BatchNorm1d(shape[0], eps=1e-3, affine=flag()))
        elif kind == "norm" and shape[-1] > 1:
            modules.append(nn.LayerNorm(shape[-1], elementwise_affine=flag(), bias=flag()))
        elif kind == "shape" and len(shape) > 1:
            modules.append(nn.Flatten(1, 2))
            shape = (shape[0] * shape[1], *shape[2:])
        elif kind == "shape":
            modules.append(nn.Unflatten(1, (1, shape[0])))
            shape = (1, *shape)
        elif kind == "nested":
            units = shape[-1]
            same = nn.Linear(units, units)  # twice the same module: twice the same layer
            modules.append(nn.Sequential(same, nn.Sequential(nn.Tanh(), same)))
    if len(shape) == 2 and flag():
        options = {"num_layers": 1 + int(rng.integers(2)), "bias": flag(), "bidirectional": flag(), "batch_first": True}
        kind = ("LSTM", "GRU", "RNN")[rng.integers(3)]
        if kind == "RNN":
            options["nonlinearity"] = ("tanh", "relu")[rng.integers(2)]
        modules.append(getattr(nn, kind)(shape[-1], size(), **options))
    return nn.Sequential(*(modules or [nn.Tanh()])), x, first


@pytest.mark.parametrize("library", LIBRARIES)
def test_random_modules(library):
    """As a new network, and as a state dict into one that is there."""
    lib, kinds = LIBRARIES[library], set()
    for seed in range(RANDOM):
        rng = np.random.default_rng([seed, 3])
        module, x, shape = random_module(lib.nn, rng)
        lib.fill(module, rng)
        expected = lib.run(module, x)
        net = fn.from_torch(module, input_shape=shape)
        check(net.predict(x), expected)
        if not any(type(part).__name__ == "Sequential" for part in module):  # they have a module twice
            for source in (module.state_dict(), module):
                net.params[:] = 0
                assert fn.from_torch(source, into=net) is net
                check(net.predict(x), expected)
        kinds |= {type(layer) for layer in net.structure.layers}
    assert kinds >= {fn.Dense, fn.Activation, fn.BatchNorm, fn.LayerNorm, fn.Embedding, fn.LSTM, fn.GRU, fn.SimpleRNN}


@pytest.mark.parametrize("library", LIBRARIES)
def test_bounds_and_slopes(library):
    """Hardtanh with any bounds and PReLU with any slopes; between two layers, first, last, and one of them twice."""
    lib = LIBRARIES[library]
    nn, rng = lib.nn, np.random.default_rng(2)
    x = 2 * rng.normal(size=(40, 3)).astype(np.float32)
    for number, middle in enumerate((
        nn.Hardtanh(), nn.Hardtanh(-0.5, 2.0), nn.Hardtanh(0.25, 0.75), nn.Hardtanh(-1.5, -0.5), nn.Hardtanh(0.0, 1.0),
        nn.PReLU(), nn.PReLU(3), nn.PReLU(init=-0.5), nn.PReLU(3, init=1.5),
    )):  # fmt: skip
        module = nn.Sequential(nn.Linear(3, 3), middle, nn.Linear(3, 3), middle, nn.PReLU(3))
        for part in (module[0], module[2], module[4]) if library == "torch" else module.modules[::2]:
            lib.fill(part, rng)
        expected = lib.run(module, x)
        net = fn.from_torch(module)
        assert np.abs(net.predict(x) - expected).max() < 20 * np.finfo("f4").eps * np.abs(expected).max(), number
        alone = fn.from_torch(nn.Sequential(middle), input_shape=3)
        np.testing.assert_allclose(alone.predict(x), lib.run(middle, x), rtol=0, atol=8 * np.finfo("f4").eps)


def test_slopes_of_channels_that_are_not_the_last_axis_are_refused():
    with pytest.raises(ValueError, match=r"module '0' \(PReLU\): its channels are axis 1 of \(B, 2, 3\)"):
        fn.from_torch(nn.Sequential(nn.PReLU(2)), input_shape=(2, 3))
    one = fn.from_torch(nn.Sequential(nn.PReLU(init=-2.0)), input_shape=(2, 3))
    np.testing.assert_array_equal(one.predict([[[1, -1, 2], [0, -3, 4]]]), [[[1, 2, 2], [0, 6, 4]]])


def check(y, expected):
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() / max(1, np.abs(expected).max()) < 1e-5


def test_every_twin_is_one_of_pytorch():
    nn = pytest.importorskip("torch").nn
    for name, twin in inspect.getmembers(torch_twins, inspect.isclass):
        if name not in ("Module", "Recurrent", "Pool2d"):
            assert hasattr(nn, name), name
            assert twin.__name__ == name


nn = torch_twins


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Sequential(nn.Sequential(nn.Softmax(dim=1))), (2, 3), r"module '0\.0' \(Softmax\): expected dim=-1, got 1"),
        (nn.Sequential(nn.BatchNorm1d(2)), (2, 3), r"module '0' \(BatchNorm1d\): its channels are axis 1"),
        (nn.Sequential(nn.Softplus(beta=2.0)), 3, r"module '0' \(Softplus\): expected beta=1"),
        (nn.Sequential(nn.Flatten(0)), (2, 3), r"module '0' \(Flatten\): it merges the batch"),
        (nn.Sequential(nn.GRU(3, 2, batch_first=True), nn.Linear(2, 2)), (2, 3), "expected GRU '0' as the last module"),
        (nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), None, "expected input_shape"),
        (nn.Sequential(), None, "expected at least one module"),
        (nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1)), None, r"expected dense_2.weight of shape \(2, 1\)"),
    ],
)  # fmt: skip
def test_modules_that_are_refused(module, shape, message):
    with pytest.raises(ValueError, match=f"from_torch: {message}"):
        fn.from_torch(module, input_shape=shape)


def test_an_unknown_module_is_named():
    class Fold(torch_twins.Module):
        pass

    with pytest.raises(
        ValueError, match=r"no layer for module '1' \(Fold\); known: AdaptiveAvgPool1d, AdaptiveAvgPool2d"
    ):
        fn.from_torch(nn.Sequential(nn.Linear(2, 2), Fold()))
    with pytest.raises(ValueError, match=r"no layer for module '0' \(Fold\)"):  # not: the shape is missing
        fn.from_torch(nn.Sequential(Fold(), nn.Linear(2, 2)))


def test_a_module_whose_forward_is_code_is_said_to_be_that():
    class Net(torch_twins.Module):
        pass

    with pytest.raises(
        ValueError, match=r"from_torch: expected a Sequential .* got a Net, whose forward is code; .*into=net"
    ):
        fn.from_torch(Net())


def two():
    return fn.Sequential([fn.Dense(3, "relu", name="a"), fn.Dense(2, bias=False, name="b")], input_shape=4, seed=0)


def state(**changes):
    made = {"x.weight": np.ones((3, 4)), "x.bias": np.ones(3), "y.weight": np.ones((2, 3))}
    return {name: array for name, array in {**made, **changes}.items() if array is not None}


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (state(), {}, "expected a network to load the state dict into"),
        (state(**{"y.weight": None}), {"into": two()}, r"expected weights for 2 layers \(a, b\), got 1 \(x\)"),
        (state(**{"y.bias": np.ones(2)}), {"into": two()}, "expected weight for Dense 'b', got weight, bias from 'y'"),
        (state(**{"x.weight": np.ones((4, 3))}), {"into": two()}, r"expected a.weight of shape \(4, 3\), got \(3, 4\)"),
        (state(**{"x.bias": np.full(3, np.nan)}), {"into": two()}, "expected a.bias to be finite in float32"),
        (state(**{"x.bias": np.full(3, 1e39)}), {"into": two()}, "expected a.bias to be finite in float32"),
        (state(), {"into": two(), "names": {"x": "a", "y": "c"}}, "expected names to lead from each of x, y"),
        (state(), {"into": two(), "names": {"x": "a"}}, "expected names to lead from each of x, y"),
        (state(), {"into": two(), "seed": 3}, "input_shape and seed are of a new network"),
        (nn.Linear(2, 2), {"names": {}}, "names goes with into"),
    ],
)
def test_states_that_are_refused_change_nothing(given, options, message):
    net = options.get("into")
    before = None if net is None else net.params.copy()
    with pytest.raises(ValueError, match=f"from_torch: {message}"):
        fn.from_torch(given, **options)
    assert net is None or np.array_equal(net.params, before)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (3, {}, "expected a torch.nn.Module or a state dict, got int"),
        (state(), {"into": []}, "expected into to be a Network, got list"),
        (state(**{"x.bias": np.ones(3, np.float16)}), {"into": two()}, "x.bias in float32 or float64, got float16"),
    ],
)
def test_kinds_that_are_refused(given, options, message):
    with pytest.raises(TypeError, match=f"from_torch: .*{message}"):
        fn.from_torch(given, **options)


def test_layers_that_pytorch_does_not_have_are_refused():
    for layer in (fn.LSTM(2, peepholes=True), fn.LSTM(2, forget_gate=False)):
        net = fn.Sequential([layer], input_shape=(3, 2), seed=0)
        with pytest.raises(ValueError, match="from_torch: expected LSTM with forget gate and without peepholes"):
            fn.from_torch({"weight_ih_l0": np.ones((8, 2)), "weight_hh_l0": np.ones((8, 2))}, into=net)
    x, phase = fn.Input(2), fn.Input(1)
    with pytest.raises(ValueError, match="expected layers that PyTorch has, got PhaseDense"):
        fn.from_torch({"weight": np.ones((3, 2))}, into=fn.Network([x, phase], fn.PhaseDense(3)(x, phase), seed=0))


def test_names_choose_another_order():
    net = fn.from_torch(
        {"y.weight": np.full((2, 3), 2.0), "x.weight": np.ones((3, 4)), "x.bias": np.ones(3)},
        into=two(), names={"y": "b", "x": "a"},
    )  # fmt: skip
    assert net.layers[0].weight.min() == 1
    assert net.layers[1].weight.min() == 2


def test_dtypes_are_those_of_the_weights_or_of_the_network():
    module = nn.Sequential(nn.Linear(2, 3))
    assert fn.from_torch(module).dtype == np.float32
    next(iter(module)).parameters["weight"] = np.ones((3, 2))
    assert fn.from_torch(module).dtype == np.float64
    assert fn.from_torch(module, into=fn.Sequential([fn.Dense(3)], 2, seed=0)).dtype == np.float32


def test_a_padding_that_is_not_zero_is_an_index_like_any_other():
    table = nn.Embedding(3, 2, padding_idx=1)
    table.weight[...] = np.arange(6).reshape(3, 2)
    assert fn.from_torch(table, input_shape=1).predict([[1]]).tolist() == [[[2, 3]]]
    table.weight[1] = 0
    assert fn.from_torch(table, input_shape=1).layers[0].padding_index == 1


def test_settings_go_along():
    made = fn.from_torch(
        nn.Sequential(
            nn.BatchNorm1d(4, eps=1e-3, momentum=0.2), nn.LayerNorm(4, eps=1e-4), nn.Dropout(0.3), nn.LeakyReLU(0.1)
        )
    )
    norm, other, dropout, leaky = (view.spec for view in made.layers)
    assert (norm.momentum, norm.epsilon, other.epsilon, dropout.rate, leaky.alpha) == (0.8, 1e-3, 1e-4, 0.3, 0.1)


def test_torch_is_not_imported():
    before = "torch" in sys.modules
    fn.from_torch(nn.Sequential(nn.Linear(2, 3)))
    assert ("torch" in sys.modules) == before
