"""The pages of the scripts in examples/: what each shows and found, what its figures should be, and its code."""

import ast
import importlib
import inspect
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from api import write_if_changed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = Path(__file__).parents[2] / "examples"
GALLERY = Path(__file__).parents[1] / "gallery"  # pictures, and what was found
STATIC = Path(__file__).parents[1] / "static"  # pages that examples made, too


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


def page(name: str, module: ModuleType, entry: dict[str, str]) -> str:
    """Return the page of one example."""
    about, script = inspect.getdoc(module) or "", f"{name}.py"
    title = entry["title"]
    goals = [f"   * - {escape(figure)}\n     - ``{goal}``" for figure, goal in module.GOALS.items()]
    table = [".. list-table::", "   :header-rows: 1", "", "   * - figure", "     - goal", *goals, ""]
    picture = [f".. image:: ../gallery/{name}.png", "   :class: example-page", f"   :alt: What {script} draws.", ""]
    found = [f"**Found:** {escape(entry['found'])}.", ""]
    code = [".. rubric:: The script", "", f".. literalinclude:: ../../examples/{script}", "   :language: python", ""]
    shown = picture if (GALLERY / f"{name}.png").exists() else []
    if "second" in entry:
        shown = [*picture, *(line.replace(f"{name}.png", f"{name}-second.png") for line in picture)]
    if (STATIC / f"{name}.html").exists():
        frame = f'<iframe src="../_static/{name}.html" title="{title}" loading="lazy"></iframe>'
        shown = [".. raw:: html", "", f'   <div class="{name}">{frame}</div>', ""]
    return "\n".join([title, "=" * len(title), "", about, "", *shown, *found, *(table if goals else []), *code])


def card(name: str, module: ModuleType, entry: dict[str, str]) -> list[str]:
    """Return the card of one example."""
    summary = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
    image = [f"      :img-top: ../gallery/{name}.png"] if (GALLERY / f"{name}.png").exists() else []
    head = [f"   .. grid-item-card:: {entry['title']}", f"      :link: {name}", "      :link-type: doc"]
    return [
        *head,
        "      :class-card: example-card",
        *image,
        "",
        f"      {summary}",
        "",
        f"      *{escape(entry['found'])}*",
        "",
    ]


def write(app: "Sphinx") -> None:
    """Write the pages, and the gallery of them."""
    folder = Path(app.srcdir) / "examples"
    folder.mkdir(exist_ok=True)
    entries = tomllib.loads((GALLERY / "examples.toml").read_text(encoding="utf-8"))
    found = scripts()
    if set(found) != set(entries):
        raise ValueError(f"gallery/examples.toml: expected {sorted(found)}, got {sorted(entries)}")
    for old in folder.glob("*.rst"):
        if old.stem not in found:
            old.unlink()
    groups: dict[str, list[str]] = {}
    for name, entry in entries.items():
        write_if_changed(folder / f"{name}.rst", page(name, found[name], entry))
        groups.setdefault(entry["group"], []).append(name)
    lines = [(Path(app.srcdir) / "examples.rst.in").read_text()]
    for group, names in groups.items():
        lines += [group, "-" * len(group), "", ".. grid:: 1 2 3 3", "   :gutter: 3", ""]
        for name in names:
            lines += card(name, found[name], entries[name])
    contents = ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in entries), ""]
    write_if_changed(folder / "index.rst", "\n".join([*lines, *contents]))


def setup(app: "Sphinx") -> dict[str, Any]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
