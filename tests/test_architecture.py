"""The floors hold: a file imports only from lower floors, or from files named before it within its floor."""
# ruff: noqa: E501  (a case of a table is one line)

import ast
import graphlib
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
CORE = "fastnn._core."
FLOORS = [
    # F1: typed Cython
    ["_import.words", "_import.lazy", "_import.source_tree", "_import", "errors", "_core", "_core.table", "_core.doors", "_core.pool", "_core.step", "_core.carry", "_core.memory", "_core.views", "_core.held", "_core.aligned", "_core.sparse", "_core.blas_int", "_core.blas_threads", "_core.blas", "_core.headers", "_core.backend", "_core.rng", "_core.parts", "_core.products", "_core.panels", "_core.ops.fused", "_core.ops.dense", "_core.ops.convolution_tables", "_core.ops.padding", "_core.ops.upsample", "_core.ops.local_response", "_core.ops.gram", "_core.ops.windows", "_core.ops.convolution", "_core.ops.depthwise", "_core.ops.transposed", "_core.ops.winograd", "_core.ops.pooling", "_core.ops.pad", "_core.ops.permutation", "_core.ops.permute",
     "_core.ops.quantized", "_core.ops.activation", "_core.ops.dropconnect", "_core.ops.phase", "_core.ops.dropout", "_core.ops.merge", "_core.ops.recurrent_memory", "_core.ops.recurrent", "_core.ops.columns", "_core.ops.learned", "_core.ops.norm", "_core.ops.standardize", "_core.ops.image_norm", "_core.ops.noise", "_core.ops.minibatch", "_core.ops.past", "_core.ops.reduce", "_core.ops.embedding", "_core.ops.custom", "_core.ops",
     "_core.plan", "_core.workspace", "_core.idle", "_core.hits", "_core.loss", "_core.optimizer", "_core.guard", "_core.claim", "_core.versions", "_core.rows", "_core.lanes", "_core.evaluator", "_core.trainer", "_core.moments", "_core.pictures", "_core.engine", "_core.undo", "_core.stream", "_core.capi"],
    # F2: specifications in plain Python
    ["_version", "_spec", "markup", "markup.html", "markup.notebook", "markup.chart", "threads", "initializers", "layers.base", "layers.activation", "layers.dense",
     "layers.dropconnect", "layers.phase_dense", "layers.dropout", "layers.reshape", "layers.merge", "layers.composite", "layers.residual", "layers.input",
     "layers.recurrent", "layers.simple_rnn", "layers.lstm", "layers.gru", "layers.bidirectional", "layers.custom", "layers.images", "layers.filters", "layers.series", "layers.conv1d", "layers.conv2d", "layers.depthwise_conv2d", "layers.conv_transpose2d", "layers.pooling", "layers.depth_to_space", "layers.padding", "layers.upsample", "layers.permute", "layers.local_response_norm", "layers.pooling1d",
     "layers.batch_norm", "layers.layer_norm", "layers.group_norm", "layers.pixel_norm", "layers.gram", "layers.minibatch_std_dev", "layers.noise", "layers.scale", "layers.standardize", "layers.reduce", "layers.embedding", "layers", "losses.link", "losses", "metrics.base", "metrics.labels", "metrics.classification",
     "metrics.regression", "metrics.calibration", "metrics.samples", "metrics", "schedules", "optimizers"],
    # user data
    ["data.class_weights", "data.sparse", "data.containers", "data.shuffle", "data.sequences", "data.numbers", "data.targets", "data.ports", "data.digits", "data.regular", "data.npz", "data.readers", "data.caffe", "data.converters", "data.sets", "data.fetch", "data.split", "data.standardize", "data.running", "data.texts", "data.values", "data.columns", "data.categories", "data.row_numbers", "data.rules", "data.study", "data.learning", "data.frames", "data.encoder", "data.table_files", "data.share", "data.table", "data.batches",
     "data.examples", "data.ahead", "data.augment", "data.augmented", "data.pictures", "data.folders", "data.images", "data.series", "data.timeline", "data.fill", "data.inputs", "data.roll_out", "data.windows", "data.feed", "data"],
    # F3: graphs of layers
    ["graph.kinds", "graph.structure", "graph.padding", "graph.layer_view", "graph.assembly", "graph.composition", "graph.outputs", "graph.binding", "graph.answers", "graph.passes", "graph.weights", "graph.graph", "graph.memory", "graph.folding", "graph.quantize", "graph.quantized", "graph.summary", "graph.stream", "graph.resampling", "graph.penalty", "graph"],
    # F4: learning
    ["training.progress", "training.history", "training.callbacks", "training.average", "training.csv_logger", "training.tensorboard", "training.mlflow", "training.subtrees", "training.team", "training.groups", "training.own_rows", "training.joined", "training.validation", "training.decisions", "training.loop", "training.elsewhere", "training.many", "training"],
    # files, and what other programs read and write; the header of the interface for C
    ["formats.files", "formats.text", "formats.tensors", "formats.earlier", "formats.arrays", "formats.safetensors", "formats.weights", "formats.activations", "formats.gates", "formats.foreign", "formats.sklearn",
     "formats.c.text", "formats.c.products", "formats.c.images", "formats.c.program", "formats.c.layout", "formats.c.functions", "formats.c.recurrent", "formats.c.emitters",
     "formats.c.translation", "formats.c.selftest", "formats.c.files", "formats.c.header", "formats.c.source", "formats.c",
     "formats.onnx.write.graph", "formats.onnx.write.activations", "formats.onnx.write.norms", "formats.onnx.write.images", "formats.onnx.write.layout", "formats.onnx.write.phase", "formats.onnx.write.scan", "formats.onnx.write.recurrent", "formats.onnx.write.layers",
     "formats.onnx.write.export", "formats.onnx.write", "formats.onnx.read.values", "formats.onnx.read.constants", "formats.onnx.read.written", "formats.onnx.read.patterns", "formats.onnx.read.reader",
     "formats.onnx.read.sequences", "formats.onnx.read.shapes", "formats.onnx.read.arithmetic", "formats.onnx.read.reductions", "formats.onnx.read.images", "formats.onnx.read.norms", "formats.onnx.read.tables", "formats.onnx.read.tails", "formats.onnx.read.operators", "formats.onnx.read.build",
     "formats.onnx.read.own", "formats.onnx.read.external", "formats.onnx.read.model", "formats.onnx.read", "formats.onnx",
     "formats.torch.images", "formats.torch.image_modules", "formats.torch.channel_modules", "formats.torch.modules", "formats.torch.convert", "formats.torch.write", "formats.torch", "formats.keras.images", "formats.keras.layers", "formats.keras.functional", "formats.keras.convert", "formats.keras", "formats"],
    # F5: the face
    ["network", "capi"],
    # architectures that papers describe
    ["nets"],
    # what draws
    ["plotting.figure", "plotting.curves", "plotting.layers", "plotting.model", "plotting"],
    # F6: leaves, each on its own
    ["insight.score", "insight.gradcheck", "insight.attribution", "insight.occlusion", "insight.seam", "insight.grad_cam", "insight.variation", "insight.descent", "insight.maximise", "insight.inversion", "insight.style_loss", "insight.style", "insight.importance", "insight.probes", "insight.flow",
     "insight.histograms", "insight.temperature", "insight.range_test", "insight.plots", "insight.image_plots", "insight"],
    ["estimators.parameters", "estimators.routing", "estimators.peers", "estimators.encoding", "estimators.available", "estimators.rows", "estimators.targets",
     "estimators.holdout", "estimators.design", "estimators.objective", "estimators.pace", "estimators.stopping",
     "estimators.lbfgs", "estimators.rules", "estimators.files", "estimators.fitted", "estimators.base",
     "estimators.classifier", "estimators.regressor", "estimators"],
    ["online.arguments", "online.model", "online.regressor", "online.classifier", "online"],
    ["ensemble.ensemble", "ensemble"],
    # the report shows what metrics, plotting and insight find, on one page
    ["reporting.features", "reporting.subject", "reporting.scores", "reporting.threshold", "reporting.page", "reporting.figures", "reporting.sections", "reporting.mistakes", "reporting.sight", "reporting.content", "reporting.report", "reporting"],
    # the command line uses leaves
    ["cli.launch", "cli.reading", "cli.pictures", "cli.files", "cli.model", "cli.threshold", "cli.others", "cli.demo", "cli.info", "cli.predict", "cli.report", "cli.train", "cli.export", "cli.bench", "cli.data", "cli.style", "cli", "__main__"],
    # what users import
    [""],
]  # fmt: skip
# Packages that do not know each other.
LEAVES = ("insight", "estimators", "online", "ensemble")
TOP = ("", "cli", "__main__")  # what users import and run stands on everything
OPTIONAL = {
    "matplotlib",
    "pandas",
    "pyarrow",
    "tqdm",
    "scipy",
    "sklearn",
    "onnx",
    "onnxruntime",
    "google",
    "torch",
    "keras",
    "pooch",
    "PIL",
    "tensorboardX",
    "mlflow",
    "mpi4py",
    "graphviz",
}
BLAS = {"_core.blas", "_core.blas_int"}
STATE = "fnn_pool.c"  # the one C file that may have mutable globals, and threads
STATE_HEADERS = {"pthread.h", "sched.h", "signal.h", "stdatomic.h", "stdbool.h", "time.h", "unistd.h"}
# They use the package by its public names, within functions.
FRIENDS = {
    "cli.bench", "cli.data", "cli.demo", "cli.export", "cli.info", "cli.others", "cli.predict", "cli.report", "cli.style", "cli.train"
}  # fmt: skip


def name_of(path):
    """The module of a file below fastnn/, without the first part."""
    parts = path.relative_to(ROOT / "fastnn").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources():
    """Yield (module, suffix, text)."""
    for path in sorted((ROOT / "fastnn").rglob("*")):
        if path.suffix in (".py", ".pyx", ".pxd") or (path.suffix == ".pyi" and path.with_suffix(".py").exists()):
            yield name_of(path), path.suffix, path.read_text()


def known():
    return {module for floor in FLOORS for module in floor}


def package_of(module):
    return module.split(".")[0]


def resolve(base, name):
    """``from base import name``: the module meant."""
    full = f"{base}.{name}"
    short = full.removeprefix("fastnn").lstrip(".")
    return full if base.split(".")[0] == "fastnn" and short in known() else base


def python_imports(text):
    """Yield (module, level) with level "top", "types" (under TYPE_CHECKING) or "function"."""

    def walk(node, level):
        for child in ast.iter_child_nodes(node):
            inner = level
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inner = "function"
            elif isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
                inner = "types"
            if isinstance(child, ast.Import):
                yield from ((alias.name, level) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, "imports are absolute"
                yield from ((resolve(child.module, alias.name), level) for alias in child.names)
            yield from walk(child, inner)

    yield from walk(ast.parse(text), "top")


def cython_imports(text):
    """Likewise, by the look of the lines outside docstrings."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", text)
    for line in text.splitlines():
        level = "function" if line.startswith(" ") else "top"
        if found := re.match(r"\s*from ([\w.]+) c?import (.+)", line):
            names = re.split(r"[,\s()]+", found[2].split("#")[0].strip())
            yield from ((resolve(found[1], name), level) for name in names if name and name != "as")
        elif found := re.match(r"\s*c?import ([\w.]+)", line):
            yield found[1], level


def faults(modules):
    """What is wrong with these (module, suffix, text)."""
    place = {module: (i, k) for i, floor in enumerate(FLOORS) for k, module in enumerate(floor)}
    result = []
    for module, suffix, text in modules:
        if module not in place:
            result.append(f"{module}: has no place in FLOORS")
            continue
        for imported, level in imports_of(suffix, text):
            package = imported.split(".")[0]
            if package in OPTIONAL and level == "top" and not (module in BLAS and package == "scipy"):
                result.append(f"{module}: imports {imported} at its top")
            if package != "fastnn":
                continue
            target = imported.removeprefix("fastnn").lstrip(".")
            if target not in place:
                result.append(f"{module}: imports {imported}, which has no place in FLOORS")
            elif target == module:
                continue
            elif len({package_of(module), package_of(target)} & set(LEAVES)) > 1:
                result.append(f"{module}: a leaf imports the leaf {target}")
            elif target == "" and level == "function" and module in FRIENDS:
                continue
            elif place[target] >= place[module]:
                result.append(f"{module}: imports {target}, which stands above or beside it")
    return result


def imports_of(suffix, text):
    return python_imports(text) if suffix in (".py", ".pyi") else cython_imports(text)


def circle(modules):
    """Packages that import each other in a circle, anywhere in their files, with the first one again at the end."""
    graph = {}
    for module, suffix, text in modules:
        for imported, _ in imports_of(suffix, text):
            package, target = package_of(module), package_of(imported.removeprefix("fastnn").lstrip("."))
            if imported.split(".")[0] == "fastnn" and package not in (target, *TOP):
                graph.setdefault(package, set()).add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]
    return []


def c_faults(files):
    """What the C sources may not have: Python, memory from the heap, input and output, mutable globals."""
    result = []
    for name, text in files:
        code = re.sub(r"/\*(?:.|\n)*?\*/|//[^\n]*", "", text)
        for header in re.findall(r"#\s*include\s*[<\"]([^>\"]+)", code):
            if not (
                header.startswith("fnn_")
                or header
                in ("math.h", "stddef.h", "stdint.h", "string.h", "float.h", "immintrin.h", "emmintrin.h", "arm_neon.h")
                or (name == STATE and header in STATE_HEADERS)
                or (
                    name in ("fnn_dispatch.c", "fnn_quantized.c") and header == "cpuid.h"
                )  # asks the processor, on Windows
            ):
                result.append(f"{name}: includes {header}")
        for word in (
            "malloc",
            "calloc",
            "realloc",
            "alloca",
            "free",
            "printf",
            "fprintf",
            "cblas_",
            "PyObject",
            "getenv",
            "exit",
            "abort",
        ):
            if re.search(rf"\b{word}\b", code):
                result.append(f"{name}: uses {word}")
        if name == STATE:
            continue
        for line in re.findall(
            r"^static (?!inline|const|void|int|double|float|fnn_\w+ \w+\(|[\w ]+\*?\w+\()[^\n(]*[;=]",
            code,
            re.MULTILINE,
        ):
            result.append(f"{name}: has the mutable global {line.strip()!r}")
    return result


def c_sources():
    return [(path.name, path.read_text()) for path in sorted((ROOT / "csrc").glob("*.[ch]"))]


def test_every_file_imports_only_from_below():
    assert faults(sources()) == []


def test_no_packages_import_each_other_in_a_circle():
    assert circle(sources()) == []


def test_the_table_names_no_file_twice_and_none_that_is_gone():
    listed = [module for floor in FLOORS for module in floor]
    assert len(listed) == len(set(listed))
    assert set(listed) == {module for module, _, _ in sources()}


def test_c_stays_c():
    assert len(c_sources()) > 10
    assert c_faults(c_sources()) == []


def test_blas_has_one_door():
    users = [
        module
        for module, suffix, text in sources()
        for name, _ in imports_of(suffix, text)
        if name.startswith("scipy.linalg")
    ]
    assert "_core.blas" in users
    assert set(users) <= BLAS  # blas_int.pxd, written by setup.py, may name SciPy's integer


def kernels():
    """Every kernel by name: members of the table, and the rows of its families."""
    header = (ROOT / "csrc" / "fnn_kernels.h").read_text()
    products, table = header.split("typedef struct fnn_products {")[1].split("typedef struct fnn_kernels {")
    names = [f"product_{name}" for name in re.findall(r"\(\*(\w+)\)\(", products)] + re.findall(r"\(\*(\w+)\)\(", table)
    families = (ROOT / "csrc" / "fnn_families.def").read_text()
    return names + re.findall(r"^FNN_[A-Z]+\(\w+, (\w+), \w+\)", families, re.MULTILINE)


def test_every_kernel_is_named_in_a_test():
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert len(kernels()) > 40
    assert [name for name in kernels() if not re.search(rf"\b{name}\b", text)] == []


def test_every_module_imports_alone():
    modules = [
        f"fastnn.{module}" if module else "fastnn"
        for module, suffix, _ in sources()
        if suffix in (".py", ".pyx") and module not in ("__main__",)
    ]
    code = """
import os, sys, types
import numpy, scipy.linalg.cython_blas  # dear, and not ours
failed = []
for module in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert not any(name.startswith("fastnn") for name in sys.modules)
            if module != "fastnn":  # a bare package, so that fastnn/__init__.py does not import everything beforehand
                bare = types.ModuleType("fastnn")
                bare.__path__ = [sys.argv[1]]
                sys.modules["fastnn"] = bare
            __import__(module)
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        failed.append(module)
sys.exit(", ".join(failed) or 0)
"""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "fastnn"), *modules],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(modules) > 40


def test_every_compiled_module_has_a_stub():
    """But those that Python sees nothing of, and the ops: one stub, of their package, has them all."""
    stubs = {name_of(path) for path in (ROOT / "fastnn").rglob("*.pyi") if not path.with_suffix(".py").exists()} | {
        "_core.ops"
    }
    compiled = {module: text for module, suffix, text in sources() if suffix == ".pyx"}
    ops = {module for module in compiled if module.startswith("_core.ops.")}
    assert compiled.keys() - stubs - ops == {
        "_core.hits",
        "_core.products",
        "_core.panels",
        "_core.views",
    }
    assert stubs <= {*compiled, "_core.ops"} - ops
    stub = (ROOT / "fastnn/_core/ops/__init__.pyi").read_text()
    classes = {name for module in ops for name in re.findall(r"^cdef class (\w+)", compiled[module], re.MULTILINE)}
    assert classes == set(re.findall(r"^class (\w+)", stub, re.MULTILINE))


def code_lines(text):
    """Lines of a Python file that are not docstrings."""
    lines = len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines


def too_large(files):
    """What is too large: a file, or half of them."""
    lines = {module: code_lines(text) for module, suffix, text in files if suffix == ".py"}
    result = [f"{module}: {size} lines" for module, size in lines.items() if size > 350]
    if (middle := median(lines.values())) > 90:
        result.append(f"median: {middle} lines")
    return result


def test_files_are_small():
    assert too_large(sources()) == []
    assert len([path for path in (ROOT / "fastnn").iterdir() if path.is_file()]) <= 14


def test_large_files_are_found():
    text = '"""A docstring\n\nof three lines."""\n'
    assert code_lines(text + "x = 1\n" * 7) == 7
    assert too_large([*sources(), ("layers.long", ".py", "x = 1\n" * 351)]) == ["layers.long: 351 lines"]
    assert too_large([("layers.long", ".py", "x = 1\n" * 91)]) == ["median: 91 lines"]


PLANTED = [
    ("layers.dense", ".py", "from fastnn.network import Network", "layers.dense: imports network"),
    ("layers.dense", ".py", "from fastnn.layers.residual import Residual", "layers.dense: imports layers.residual"),
    ("layers.dense", ".py", "def f():\n    from fastnn.training.loop import fit", "layers.dense: imports training"),
    ("losses", ".py", "import fastnn as fn", "losses: imports "),
    ("losses", ".py", "def f():\n    import fastnn as fn", "losses: imports "),
    ("network", ".py", "from fastnn.insight import saliency", "network: imports insight"),
    ("network", ".py", "def f():\n    from fastnn.plotting import plot_history", "network: imports plotting"),
    ("training.loop", ".py", "from fastnn.network import Network", "training.loop: imports network"),
    ("formats.weights", ".py", "def f():\n    from fastnn.network import Network", "formats.weights: imports network"),
    ("online.model", ".py", "from fastnn.insight import saliency", "a leaf imports the leaf insight"),
    ("insight.score", ".py", "def f():\n    from fastnn.estimators import MLPClassifier", "a leaf imports the leaf estimators"),
    ("plotting.curves", ".py", "import matplotlib.pyplot as plt", "plotting.curves: imports matplotlib.pyplot at its top"),
    ("metrics", ".py", "from scipy.special import softmax", "metrics: imports scipy.special at its top"),
    ("metrics", ".py", "class A:\n    import pandas", "metrics: imports pandas at its top"),
    ("_core.plan", ".pyx", "from fastnn._core.engine cimport Engine", "_core.plan: imports _core.engine"),
    ("_core.plan", ".pxd", "from fastnn._core.trainer cimport Trainer", "_core.plan: imports _core.trainer"),
    ("_core.plan", ".pyx", "    from fastnn.network import Network", "_core.plan: imports network"),
    ("_core.table", ".pyx", "from scipy.linalg.cython_blas cimport sgemm", "_core.table: imports scipy.linalg.cython_blas at its top"),
    ("data", ".pyi", "from fastnn.network import Network as Network", "data: imports network"),
    ("newcomer", ".py", "", "newcomer: has no place in FLOORS"),
    ("metrics", ".py", "import fastnn.gone", "metrics: imports fastnn.gone, which has no place"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "suffix", "text", "message"), PLANTED)
def test_the_check_bites(module, suffix, text, message):
    assert [fault for fault in faults([(module, suffix, text)]) if message in fault]


@pytest.mark.parametrize(("module", "text", "target"), [
    ("training.range_test", "from fastnn.plotting.figure import finish", "plotting"),
    ("data.feed", "def f():\n    from fastnn.graph.graph import Graph", "graph"),
    ("losses.link", "def f():\n    import fastnn.formats", "formats"),
    ("schedules", "if TYPE_CHECKING:\n    from fastnn.optimizers import Adam", "optimizers"),
])  # fmt: skip
def test_the_check_of_circles_bites(module, text, target):
    first, *rest = circle([*sources(), (module, ".py", text)])
    assert rest[-1] == first
    assert {package_of(module), target} <= set(rest)


@pytest.mark.parametrize(("text", "message"), [
    ("#include <Python.h>", "includes Python.h"), ("#include <stdio.h>", "includes stdio.h"),
    ("# include <stdlib.h>", "includes stdlib.h"), ("void f(void) { char *p = malloc(3); }", "uses malloc"),
    ("static long counter = 0;", "mutable global"), ("static atomic_int counter;", "mutable global"),
    ("#include <pthread.h>", "includes pthread.h"),
])  # fmt: skip
def test_the_check_of_c_bites(text, message):
    assert [fault for fault in c_faults([("a.c", text)]) if message in fault]
    assert c_faults([("a.c", "/* malloc */ #include <math.h>\nstatic const int table[3] = {1, 2, 3};")]) == []
