"""The gallery of examples: every script has its entry, every picture that an entry names is there and small."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"
if not GALLERY.exists():
    pytest.skip("the guide is not part of the wheel", allow_module_level=True)

ENTRIES = tomllib.loads((GALLERY / "examples.toml").read_text(encoding="utf-8"))
PNG = b"\x89PNG\r\n\x1a\n"


def test_every_example_has_its_entry():
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py") if "\nGOALS = " in path.read_text()}
    assert set(ENTRIES) == scripts


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_whole(name):
    entry = ENTRIES[name]
    assert set(entry) - {"second"} == {"group", "title", "found", "picture"}
    assert len(entry["found"]) < 110
    names = {node.value for node in ast.walk(ast.parse((ROOT / "examples" / f"{name}.py").read_text()))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    assert entry["picture"] in names or "pfnn-" in entry["picture"] or name == "mnist"
    assert entry.get("second", entry["picture"]) in names or "pfnn-" in entry["picture"] or name == "mnist"
    for end in ("", "-second") if "second" in entry else ("",):
        picture = (GALLERY / f"{name}{end}.png").read_bytes()
        assert picture.startswith(PNG)
        assert len(picture) < 60_000


def test_no_picture_is_left_over():
    assert {path.stem for path in GALLERY.glob("*.png")} == {
        *ENTRIES,
        *(f"{name}-second" for name, entry in ENTRIES.items() if "second" in entry),
    }


def test_the_picture_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    first = readme[: readme.index("## ")]
    assert "](docs/static/front.png)" in first
    assert "bench/" not in first
    assert len((ROOT / "docs" / "static" / "front.png").read_bytes()) < 60_000


def test_every_how_to_page_has_its_line():
    index = (ROOT / "docs" / "howto" / "index.rst").read_text()
    lines, contents = index.split(".. toctree::")
    for page in (ROOT / "docs" / "howto").glob("*.rst"):
        if page.stem != "index":
            assert f":doc:`{page.stem}`\n    " in lines
            assert f"   {page.stem}\n" in contents
