"""The names of the design exist, with those signatures, are documented, and importing them changes nothing else."""
# ruff: noqa: E501  (a case of a table is one line)

import ast
import importlib
import importlib.util
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.processes import complaint

import fastnn as fn

SIGNATURES = {
    fn.Sequential: "layers, input_shape, *, seed, dtype",
    fn.Network: "inputs, outputs, *, seed, dtype",
    fn.Dense: "units, activation, *, bias, kernel_initializer, bias_initializer, name",
    fn.PhaseDense: "units, activation, *, bias, kernel_initializer, bias_initializer, name, control_points, phase_function",
    fn.Dropout: "rate, *, inverted, name",
    fn.DropConnect: "units, activation, *, bias, kernel_initializer, bias_initializer, name, rate, inverted",
    fn.Activation: "function, *, alpha, name",
    fn.Residual: "layers, *, projection, name",
    fn.Flatten: "*, name",
    fn.Reshape: "shape, *, name",
    fn.Custom: "forward, backward, *, output_shape, parameters, name",
    fn.Input: "shape, *, name",
    fn.add: "*inputs",
    fn.concatenate: "*inputs",
    fn.SGD: "learning_rate, *, l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows, momentum, nesterov",
    fn.MLPClassifier.fit: "self, X, y, sample_weight, *, X_val, y_val, sample_weight_val",
    fn.MLPClassifier.partial_fit: "self, X, y, sample_weight, classes",
    fn.MLPRegressor.partial_fit: "self, X, y, sample_weight",
    fn.MLPClassifier.predict_one: "self, x",
    fn.MLPClassifier.score: "self, X, y, sample_weight",
    fn.MLPClassifier.save: "self, path",
    fn.MLPClassifier.plot_history: "self, path, *, log",
    fn.Examples: "",
    fn.Windows: "series, target, *, lags, horizon, columns, sample_weight, scalers, fill, fill_limit, mask, freq, stride, epoch_size, dtype",
    fn.Windows.between: "self, start, stop",
    fn.Windows.split: "self, at",
    fn.Windows.append: "self, values, *, at",
    fn.Windows.gather: "self, rows",
    fn.Windows.row: "self, time, out",
    fn.Windows.inverse_transform: "self, y",
    fn.Windows.roll_out: "self, net, steps, *, start",
    fn.EarlyStopping: "monitor, *, patience, min_delta, restore_best, mode",
    fn.Checkpoint: "path, *, monitor, mode, optimizer",
    fn.load: "path, *, custom, verify",
    fn.read_batches: "path, target, *, columns, categories, encoder, weight, batch_size, shuffle, seed, buffer_rows, dtype, sep, encoding, share",
    fn.lr_find: "net, X, y, *, sample_weight, batch_size, start, stop, steps, smoothing",
    fn.plot_lr_find: "sweep, path",
    fn.RunningStandardizer: "*, half_life, clip",
    fn.RunningStandardizer.update: "self, x",
    fn.RunningStandardizer.transform: "self, x, out",
    fn.OnlineRegressor: "network, *, features, n_features, loss, optimizer, standardize, standardize_target, unknown, seed, dtype",
    fn.OnlineRegressor.learn_one: "self, x, y",
    fn.OnlineRegressor.predict_one: "self, x",
    fn.OnlineRegressor.save: "self, path",
    fn.OnlineRegressor.load: "path, *, custom, verify",
    fn.OnlineClassifier: "network, *, classes, features, n_features, loss, optimizer, standardize, unknown, seed, dtype",
    fn.OnlineClassifier.learn_one: "self, x, y",
    fn.OnlineClassifier.predict_one: "self, x",
    fn.OnlineClassifier.predict_proba_one: "self, x",
    fn.fit_many: "models, X, y, *, rows, each, n_threads, executor, return_exceptions, verbose, **options",
    fn.Ensemble: "models, *, loss",
    fn.Ensemble.predict: "self, X, *, return_std",
    fn.Ensemble.predict_left_out: "self, X, rows",
    fn.Ensemble.save: "self, path, *, optimizer",
    fn.Ensemble.load: "path, *, custom, verify",
    fn.gradcheck: "net, X, y, *, tolerance, samples, seed",
    fn.gradient_flow: "net, X, y, sample_weight",
    fn.histograms: "net, X, y, *, bins",
    fn.saliency: "net, X, target",
    fn.smooth_grad: "net, X, target, *, noise, samples, seed, verbose",
    fn.integrated_gradients: "net, X, target, *, baseline, steps, verbose",
    fn.occlusion: "net, X, target, *, window, stride, fill, shape, verbose",
    fn.maximise_activation: "net, unit, *, layer, steps, learning_rate, l2, smooth, noise, bounds, seed, verbose",
    fn.grad_cam: "net, X, target, *, layer",
    fn.invert_features: "net, X, layer, *, smooth, beta, steps, learning_rate, noise, bounds, seed, verbose",
    fn.StyleLoss: "net, content, style, *, content_layers, style_layers, ratio, smooth",
    fn.StyleLoss.terms: "self, image",
    fn.StyleLoss.look: "self, image",
    fn.style_transfer: "net, content, style, *, content_layers, style_layers, ratio, smooth, start, optimizer, evaluations, learning_rate, bounds, seed, callback, verbose",
    fn.Attribution.by_pixel: "self, channels",
    fn.linear_probes: "net, X, y, *, held_out, epochs, batch_size, l2, seed, verbose",
    fn.permutation_importance: "net, X, y, *, groups, repeats, seed, verbose",
    fn.plot_gradient_flow: "flow, path",
    fn.plot_histograms: "counted, path",
    fn.plot_attribution: "attributions, path, *, shape, rows, names",
    fn.plot_maximised: "found, path, *, shape",
    fn.plot_filters: "net, path, *, layer, most",
    fn.plot_feature_maps: "net, x, path, *, layers, most",
    fn.plot_inversion: "found, path, *, rows",
    fn.plot_probes: "probes, path",
    fn.plot_importance: "found, path, *, shape, names, most",
    fn.report: "model, path, X, y, *, classes, feature_names, shape, standardizer, history, title, rows, seed, verbose",
    fn.from_onnx: "model, *, outputs, seed, max_constant",
    fn.from_sklearn: "mlp, *, logits, seed",
    fn.from_torch: "source, *, into, names, input_shape, seed",
    fn.from_keras: "source, *, into, input_shape, seed",
    fn.interchange.to_onnx: "net, *, input_names, output_names, metadata",
    fn.set_num_threads: "n",
    fn.get_num_threads: "",
    fn.Network.compile: "self, loss, optimizer, *, metrics, loss_weights",
    fn.Network.fit: "self, X, y, *, epochs, batch_size, sample_weight, class_weight, validation_data, validation_split, callbacks, "
    "shuffle, verbose, loss, optimizer, metrics, team, average_every, accumulate",
    fn.Network.evaluate: "self, X, y, *, sample_weight",
    fn.Network.forward: "self, X, training",
    fn.Network.backward: "self, dy, *, accumulate, parameters, inputs",
    fn.Network.activations: "self, X",
    fn.Network.preactivations: "self, X",
    fn.Network.named_parameters: "self",
    fn.Network.summary: "self",
    fn.Network.save: "self, path, *, optimizer, metadata",
    fn.Network.export_c: "self, path, name, *, dtype, rows, selftest, standardizer, target_standardizer, notes",
    fn.Network.save_weights: "self, path",
    fn.Network.load_weights: "self, path",
    fn.Network.to_onnx: "self, path, *, input_names, output_names, metadata",
    fn.Network.apply_gradients: "self, *, learning_rate",
    fn.Network.copy: "self",
    fn.Network.get_weights: "self",
    fn.Network.set_weights: "self, weights",
    fn.Network.predict_proba: "self, X",
    fn.CustomLoss: "function, *, target_shape, target_dtype",
}  # fmt: skip


def written(function):
    """The parameters as in a call, without annotations and defaults."""
    names, star = [], False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names.append(f"*{name}")
            star = True
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            names.append("*")
            star = True
        names.append(f"**{name}" if parameter.kind is parameter.VAR_KEYWORD else name)
    return ", ".join(names)


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: getattr(function, "__qualname__", str(function)))
def test_signature(function):
    assert written(function) == SIGNATURES[function]


def test_compiled_entry_points_take_the_design_s_arguments():
    for name, first in (
        ("predict", "predict(self, X, out=None)"),
        ("predict_one", "predict_one(self, x, out=None)"),
        ("train_step", "train_step(self, x, y, sample_weight=None, *, learning_rate=None)"),
    ):
        assert getattr(fn.Network, name).__doc__.lstrip().splitlines()[0].replace("Engine.", "").startswith(first)


def test_attributes_of_a_network():
    net = fn.Sequential([fn.Dense(128, "relu"), fn.Dropout(0.2), fn.Dense(10)], input_shape=784, seed=0)
    net.compile(loss="cross_entropy", optimizer=fn.SGD(0.1, momentum=0.9))
    assert net.params.ndim == net.grads.ndim == 1
    assert net.params.flags.c_contiguous
    assert net.params.size == net.grads.size == net.n_params == 785 * 128 + 129 * 10
    assert net.layers[0].weight.base is not None
    net.layers[0].weight[3, 5] = 7.0
    assert net.params[3 * 128 + 5] == 7.0
    assert dict(net.named_parameters())["dense_1.weight"][3, 5] == 7.0
    assert str(net.dtype) == "float32"


def public():
    for name in dir(fn):
        value = getattr(fn, name)
        if not name.startswith("_") and not inspect.ismodule(value):
            yield name, value


def stub_imports(package):
    """What type checkers read of a package, in its stub or its ``__all__``: the module and the name there of each name."""
    stub = Path(package.__file__).with_suffix(".pyi")
    if not stub.exists():
        return {name: (package.__name__, name) for name in package.__all__}
    found = {}
    for node in ast.parse(stub.read_text()).body[1:]:
        if isinstance(node, ast.Assign):
            found[node.targets[0].id] = found[node.value.id]
            continue
        if isinstance(node, ast.FunctionDef):
            found[node.name] = found[f"_{node.name}"]
            continue
        assert isinstance(node, ast.ImportFrom)
        if not node.module.startswith("fastnn"):
            continue  # for annotations
        for alias in node.names:
            if alias.name == "*":
                found |= stub_imports(importlib.import_module(node.module))
            else:
                assert alias.asname not in found, f"{alias.asname} stands twice in {stub}"
                found[alias.asname] = node.module, alias.name
    return found


@pytest.mark.parametrize("package", [fn, fn.data], ids=["fastnn", "fastnn.data"])
def test_every_name_of_a_stub_is_found(package):
    names = stub_imports(package)
    assert len(names) > 10
    assert None not in names, "an import without `as` gives others no name"
    assert {*package.__all__} == {name for name in names if not name.startswith("_")}
    assert {*names} <= {*dir(package)}
    for public, (module, name) in names.items():
        if importlib.util.find_spec(module).submodule_search_locations is None:
            expected = getattr(importlib.import_module(module), name)
        else:
            expected = getattr(importlib.import_module(module), name, None) or importlib.import_module(
                f"{module}.{name}"
            )
        assert getattr(package, public) is expected, public
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_functions_that_the_stub_types_have_those_parameters():
    functions = [
        node
        for node in ast.parse(Path(fn.__file__).with_suffix(".pyi").read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(functions) > 3
    for node in functions:
        names = [
            *(argument.arg for argument in node.args.args),
            "*",
            *(argument.arg for argument in node.args.kwonlyargs),
        ]
        assert written(getattr(fn, node.name)) == ", ".join(names), node.name


@pytest.mark.parametrize("name", [
    "callbacks", "data", "diagnostics", "ensemble", "errors", "estimators", "export_c", "formats", "graph", "history", "initializers", "insight",
    "interchange", "layer_view", "layers", "losses", "metrics", "nets", "network", "online", "optimizers", "plotting", "reporting", "schedules", "threads", "training",
])  # fmt: skip
def test_modules_are_reached_from_the_top(name):
    assert inspect.ismodule(getattr(fn, name))


IMPORTS = """
import sys
import numpy
before = set(sys.modules)
import fastnn as fn
loaded = {name for name in sys.modules if name not in before and "cy" not in name and not name.startswith("fastnn._core")}
assert loaded <= {"fastnn", "fastnn._import", "fastnn._import.lazy", "fastnn.errors"}, loaded
assert {"Dense", "Windows", "load", "report", "data", "__version__"} <= set(dir(fn))

before = set(sys.modules)
net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
assert net.predict_one([1.0, 2.0]).shape == (3,)
loaded = {name.removeprefix("fastnn.") for name in sys.modules if name not in before}
packages = {"training", "formats", "insight", "estimators", "online", "ensemble", "reporting", "plotting", "cli"}
unwanted = {name for name in loaded if name.partition(".")[0] in packages}
unwanted |= loaded & {"data.digits", "data.readers", "data.table", "data.batches", "data.windows", "data.running", "data.standardize"}
unwanted |= loaded & {"scipy", "scipy.linalg", "tqdm", "safetensors", "json", "urllib", "urllib.parse", "html", "difflib", "concurrent.futures"}
assert not unwanted, unwanted

import fastnn.data.split
assert callable(fastnn.data.split), "the module took the name of its function"
"""


def test_import_loads_the_core_and_a_network_no_more_than_it_needs():
    assert complaint(IMPORTS, PYTHONPATH=os.pathsep.join(sys.path)) == ""


def test_everything_comes_with_a_star():
    code = "before = set(globals())\nfrom fastnn import *\nimport fastnn\nassert not set(fastnn.__all__) - set(globals())\nassert slice is fastnn.slice"
    assert complaint(code, PYTHONPATH=os.pathsep.join(sys.path)) == ""


def copied_sources(folder):
    """A copy of the package's sources in a folder, without what was compiled."""
    leave = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", "*.npz")
    return shutil.copytree(Path(fn.__file__).parent, folder / "fastnn", ignore=leave)


def test_sources_without_compiled_modules_say_so(tmp_path):
    package = copied_sources(tmp_path)
    if not list(package.rglob("*.pyx")):
        pytest.skip("a wheel holds no sources of the core")
    installed = Path(fn.__file__).parent

    def said(*folders):
        """What ``import fastnn`` says where these folders, in this order, hold all packages of that name."""
        code = (
            "import os, sys\nothers = [path for path in sys.path if not os.path.isdir(os.path.join(path, 'fastnn'))]\n"
        )
        code += f"sys.path[:] = {[str(folder) for folder in folders]} + others\nimport fastnn"
        return complaint(code).splitlines()[-1]

    assert said(tmp_path) == (
        f"ImportError: fastnn: {package} holds the source of fastnn without modules compiled for this Python; "
        f"type `make build` in {tmp_path} and use .venv/bin/python"
    )
    assert said(tmp_path, installed.parent) == (
        f"ImportError: fastnn: {package} holds the source of fastnn without modules compiled for this Python, and hides "
        f"the one installed in {installed}; run Python from another folder, or type `make build` in {tmp_path} and use "
        ".venv/bin/python"
    )


def test_another_failure_to_load_the_core_keeps_its_own_words():
    """Compiled modules are there, and one of them does not load: that is what to say."""
    code = "import sys\nsys.modules['numpy'] = None\nimport fastnn"
    last = complaint(code, PYTHONPATH=os.pathsep.join(sys.path)).splitlines()[-1]
    assert "numpy" in last
    assert "compiled for this Python" not in last


def test_everything_public_is_documented():
    missing = []
    for name, value in public():
        if not inspect.getdoc(value):
            missing.append(name)
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if (
                    not method.startswith("_")
                    and (callable(function) or isinstance(function, property))
                    and not inspect.getdoc(getattr(value, method))
                ):
                    missing.append(f"{name}.{method}")
    for name in ("predict", "predict_one", "train_step"):
        if not getattr(fn.Network, name).__doc__:
            missing.append(name)
    assert missing == []
    assert len(list(public())) > 60


def test_no_dataclass_writes_its_own_docstring():
    """A class without docstring would get one from dataclass: its signature."""
    for name, value in public():
        if inspect.isclass(value):
            assert not value.__doc__.startswith(f"{value.__name__}("), name


def test_specifications_are_keyword_only_after_two():
    for _, value in public():
        if inspect.isclass(value) and issubclass(value, (fn.Layer, fn.losses.Loss, fn.optimizers.Optimizer)):
            positional = [p for p in inspect.signature(value).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
            own = fn.Conv1D, fn.Conv2D, fn.ConvTranspose2D  # kernel_size is of the first two, too
            assert len(positional) <= (3 if value in own else 2), value


PROBE = """
import locale, os, signal, sys, threading, warnings
import numpy as np
state = lambda: (np.geterr(), list(warnings.filters), [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGFPE)],
                 signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count(), len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1,
                 dict(os.environ), locale.setlocale(locale.LC_ALL), os.getcwd(), np.get_printoptions(), sys.getswitchinterval(), np.random.get_state()[1].tobytes(),
                 np.float32(1e-40) * np.float32(1))  # denormals are not flushed
before = state()
import fastnn
after = state()
for was, now in zip(before, after, strict=True):
    assert was == now, (was, now)
if os.path.isdir("/proc/self/task"):
    grown = after[5] - before[5]
    assert grown == 0, grown
loaded = {name for name in ("scipy.linalg", "matplotlib", "pandas", "tqdm", "safetensors", "pyarrow", "sklearn", "onnx", "google.protobuf", "torch", "keras") if name in sys.modules}
assert not loaded, loaded
print("ok")
"""


def test_importing_changes_nothing_else():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE], capture_output=True, text=True, env=environment, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("ok\n", "", 0)


def test_errors_are_kinds_of_value_error():
    assert issubclass(fn.ModelFormatError, ValueError)
    assert issubclass(fn.DivergenceError, ValueError)
