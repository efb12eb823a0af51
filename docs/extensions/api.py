"""The API reference: one page for each module that gives public names, made of their docstrings.

A new public name comes in by itself.  The page of a module is its docstring, a table, and every name in full.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastnn as fn
from fastnn._spec import Spec

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Known modules first, in reading order; others follow by name.
ORDER = (
    "network", "layers", "initializers", "losses", "optimizers", "schedules", "metrics", "training.callbacks",
    "training.history",
)  # fmt: skip
TITLES = {
    "_core.headers": "C and Cython",
    "data": "Data",
    "errors": "Errors",
    "formats.c": "Export to C",
    "formats.safetensors": "Files",
    "layers": "Layers",
    "training.history": "History",
    "threads": "Threads",
}
# Packages whose modules have a page each.
BY_MODULE = ("_core", "graph", "training")
# What users meet without importing it from the top: bases to derive from, and what calls give back.
ALSO = (
    "graph.layer_view.LayerView",
    "graph.outputs.Output",
    "losses.Loss",
    "losses.link.Link",
    "optimizers.Optimizer",
    "schedules.Schedule",
    "schedules.Constant",
    "initializers.Initializer",
    "initializers.Constant",
    "metrics.Metric",
    "metrics.mean_squared_error",
    "metrics.mean_absolute_error",
    "training.callbacks.EpochInfo",
    "insight.gradcheck.GradientCheck",
    "formats.c.CExport",
    "formats.to_onnx",
)
# Specifications are described by their parameters; only the bases show the methods, for who derives from them.
BASES = (fn.Layer, fn.losses.Loss, fn.optimizers.Optimizer, fn.schedules.Schedule, fn.initializers.Initializer)
SHOWN_WITH = {
    "graph.layer_view": "network",
    "graph.outputs": "network",
    "training.csv_logger": "training.callbacks",
    "training.tensorboard": "training.callbacks",
    "training.mlflow": "training.callbacks",
}


def public_names() -> dict[str, list[str]]:
    """Return the full names of everything public, by the module of ``fastnn`` that defines it."""
    found: dict[str, list[str]] = {}
    every = {name: getattr(fn, name) for name in dir(fn)}
    top = {name: value for name, value in every.items() if not name.startswith("_") and not inspect.ismodule(value)}
    modules = {name: page_of(value.__module__.removeprefix("fastnn.")) for name, value in top.items()}
    for name, module in [*modules.items(), *((name, page_of(name.rpartition(".")[0])) for name in ALSO)]:
        found.setdefault(SHOWN_WITH.get(module, module), []).append(f"fastnn.{name}")
    return dict(sorted(found.items(), key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else 99, item[0])))


def page_of(module: str) -> str:
    """Return the module whose page shows what this one defines."""
    package = module.partition(".")[0]
    if package == "formats":
        return module if module in ("formats.c", "formats.safetensors") else package
    return module if package in BY_MODULE else package


def look_up(name: str) -> Any:
    """Return the object of a full name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def entry(name: str) -> list[str]:
    """Return the directive that shows one name."""
    value = look_up(name)
    if not inspect.isclass(value):
        return [f".. autofunction:: {name}", ""]
    lines = [f".. autoclass:: {name}"]
    if value in BASES:
        lines += ["   :members:", "   :special-members: __call__"]
    elif issubclass(value, Exception):
        lines += ["   :show-inheritance:"]
    elif not issubclass(value, Spec):
        lines += ["   :members:", "   :inherited-members: object, Mapping, float"]
    return [*lines, ""]


def page(module: str, names: list[str]) -> tuple[str, str]:
    """Return title and text of the page of a module."""
    about = inspect.getdoc(importlib.import_module(f"fastnn.{module}")) or ""
    first, colon, rest = about.partition(":")
    title = TITLES.get(module, first.partition("\n")[0].rstrip("."))
    if colon and title == first:  # "Loss functions: what a network is trained to make small."
        about = rest.strip()[:1].upper() + rest.strip()[1:]
    short = [name.removeprefix("fastnn.") for name in names]
    lines = [title, "=" * len(title), "", about, "", ".. currentmodule:: fastnn", ""]
    lines += [".. autosummary::", "", *(f"   {name}" for name in short), ""]
    for name in names:
        lines += entry(name)
    return title, "\n".join(lines)


def write(app: "Sphinx") -> None:
    """Write the pages, and the list of them."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {module: page(module, names) for module, names in public_names().items()}
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for module, (_, text) in pages.items():
        write_if_changed(folder / f"{module}.rst", text)
    lines = ["API reference", "=============", "", "Public names are those of ``import fastnn as fn``.", ""]
    lines += [".. currentmodule:: fastnn", ""]
    for module, names in public_names().items():
        title = pages[module][0]
        lines += [title, "-" * len(title), "", f":doc:`In full <{module}>`", "", ".. autosummary::", ""]
        lines += [*(f"   {name.removeprefix('fastnn.')}" for name in names), ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {module}" for module in pages), ""]
    write_if_changed(folder / "index.rst", "\n".join(lines))


def write_if_changed(path: Path, text: str) -> None:
    """Write a file; one that stays as it is keeps its time, so that its page is not built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def escape(app: "Sphinx", what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep the star of a shape ``(B, *input_shape)`` from being read as emphasis."""
    lines[:] = [re.sub(r"\*(\w+_shape\))", r"\\*\1", line) for line in lines]


def setup(app: "Sphinx") -> dict[str, Any]:
    """Write the pages before Sphinx looks for sources, and escape docstrings before numpydoc reads them."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True}
