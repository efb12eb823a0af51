"""The pages of the scripts in examples/: what each shows, what its figures should be, and its code."""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from api import write_if_changed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = Path(__file__).parents[2] / "examples"


def scripts() -> dict[str, ModuleType]:
    """Return the examples by name: the modules in the folder that have GOALS; the others are what they share."""
    sys.path.insert(0, str(FOLDER))
    try:
        names = [path.stem for path in sorted(FOLDER.glob("*.py")) if "GOALS" in assigned(path)]
        return {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(FOLDER))


def assigned(path: Path) -> set[str]:
    """Return the names that a file assigns at its top level."""
    statements = ast.parse(path.read_text()).body
    targets = [t for s in statements if isinstance(s, ast.Assign) for t in s.targets]
    targets += [s.target for s in statements if isinstance(s, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def escape(text: str) -> str:
    """Return text that reStructuredText shows as it is: ``|a - b|`` is no substitution."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def page(name: str, module: ModuleType) -> str:
    """Return the page of one example."""
    about, title = inspect.getdoc(module) or "", f"{name}.py"
    goals = [f"   * - {escape(figure)}\n     - ``{goal}``" for figure, goal in module.GOALS.items()]
    table = [".. list-table::", "   :header-rows: 1", "", "   * - figure", "     - goal", *goals, ""]
    code = [f".. literalinclude:: ../../examples/{title}", "   :language: python", ""]
    return "\n".join([title, "=" * len(title), "", about, "", *(table if goals else []), *code])


def write(app: "Sphinx") -> None:
    """Write the pages, and the table of them."""
    folder = Path(app.srcdir) / "examples"
    folder.mkdir(exist_ok=True)
    found = scripts()
    for old in folder.glob("*.rst"):
        if old.stem not in found:
            old.unlink()
    rows = []
    for name, module in found.items():
        write_if_changed(folder / f"{name}.rst", page(name, module))
        summary = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
        goals = "\n       ".join(f"| {escape(figure)} ``{goal}``" for figure, goal in module.GOALS.items())
        rows.append(f"   * - :doc:`{name}`\n     - {summary}\n     - {goals}")
    text = (Path(app.srcdir) / "examples.rst.in").read_text()
    head = [".. list-table::", "   :header-rows: 1", "   :widths: 15 45 40", ""]
    head += ["   * - script", "     - what it shows", "     - figures and goals"]
    contents = ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in found), ""]
    write_if_changed(folder / "index.rst", "\n".join([text, *head, *rows, *contents]))


def setup(app: "Sphinx") -> dict[str, Any]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
