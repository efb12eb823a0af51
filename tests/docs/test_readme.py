"""README and overview pages are true: their code runs, their links lead somewhere, no name is missing."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import fastnn as fn
from fastnn.layers.activation import ACTIVATIONS

ROOT = Path(__file__).parents[2]
if not (ROOT / "README.md").exists():
    pytest.skip("the README is not part of the wheel", allow_module_level=True)

README = (ROOT / "README.md").read_text()
MOST_CHARACTERS = 4_500  # what a person reads in two minutes: some 700 words


def test_it_is_read_in_two_minutes():
    assert len(README) < MOST_CHARACTERS
    assert len(re.findall(r"^\|.*\|$", README, re.MULTILINE)) < 12, "one table"


def test_its_code_runs_and_learns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    loss, accuracy = (float(number) for number in re.findall(r"[\d.]+(?=[,}])", capsys.readouterr().out))
    assert loss < 0.3
    assert accuracy > 0.95
    assert names["answer"].shape == (10,)
    assert names["classifier"].score(names["X_test"], names["y_test"]) > 0.95


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"\bmake (\w+)", README)
    assert {"demo", "test", "docs"} <= set(commands)
    assert [command for command in commands if not re.search(rf"^{command}:", makefile, re.MULTILINE)] == []


def words(page):
    return set(re.findall(r"\w+", (ROOT / "docs" / page).read_text()))


def public(family):
    """The names of all public classes of a family, but its base."""
    values = {name: getattr(fn, name) for name in fn.__all__}
    return {name for name, value in values.items() if inspect.isclass(value) and family in value.__mro__[1:]}


@pytest.mark.parametrize("family", [fn.Layer, fn.optimizers.Optimizer], ids=["layers", "optimisers"])
def test_features_name_every_class(family):
    assert len(public(family)) > 5
    assert public(family) - words("features.rst") == set()


def test_features_name_every_loss_and_activation():
    losses = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in public(fn.losses.Loss)}
    assert len(losses) > 8
    assert {*ACTIVATIONS, *losses} - words("features.rst") == set()


def test_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for_users = set(extras) - {"test", "bench", "docs", "lint"}
    told = dict(re.findall(r"\* - ``(\w+)``\n     - (.+)", (ROOT / "docs" / "install.rst").read_text()))
    assert set(told) == for_users
    for name, brings in told.items():
        assert brings.split(", ") == [re.split("[><=]", need)[0] for need in extras[name]], name
