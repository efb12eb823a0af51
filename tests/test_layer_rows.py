"""Every layer has its rows: where layers are tested, timed, and written as C and as ONNX.

A composite needs none, for a network holds the layers that it is made of; nor does Custom, which is code.
"""

import sys
from pathlib import Path

import pytest
from helpers.cases import CASES

import fastnn as fn
from fastnn.formats.c.emitters import EMITTERS, WITHOUT
from fastnn.formats.onnx.write.layers import LAYERS, REFUSED
from fastnn.layers import Composite

ROOT = Path(__file__).parents[1]
if not (ROOT / "bench").is_dir():
    pytest.skip("needs bench/ of the source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT))
from bench import bench_core  # noqa: E402


def plain_layers():
    """The layers that are neither composite nor code, by name."""
    known = fn.Layer.registry
    return {name: layer for name, layer in known.items() if not issubclass(layer, Composite) and layer is not fn.Custom}


def missing_rows():
    """Return ``"layer: no row in table"`` for each row that is not there."""
    cases = {type(layer) for case in CASES for layer in case.build("float32", 0).structure.layers}
    bench = {layer for name, layer in fn.Layer.registry.items() if name in bench_core.LAYERS}
    tables = {
        "CASES of tests/helpers/cases.py": cases,
        "LAYERS of bench/bench_core.py": bench,
        "EMITTERS or WITHOUT of fastnn/formats/c/emitters.py": {*EMITTERS, *WITHOUT},
        "LAYERS or REFUSED of fastnn/formats/onnx/write/layers.py": {*LAYERS, *REFUSED},
    }
    return [
        f"{name}: no row in {table}"
        for name, layer in plain_layers().items()
        for table, rows in tables.items()
        if layer not in rows
    ]


def test_every_layer_has_its_rows():
    assert missing_rows() == []
    assert len(plain_layers()) >= 16
    assert set(fn.Layer.registry.values()) - set(plain_layers().values()) == {fn.Custom, fn.Residual, fn.Bidirectional}


def test_every_layer_is_public():
    assert [name for name in fn.Layer.registry if getattr(fn, name, None) is not fn.Layer.registry[name]] == []


def test_a_row_is_one_thing_or_the_other():
    assert not set(EMITTERS) & set(WITHOUT)
    assert not set(LAYERS) & set(REFUSED)
    assert all(len(reason) > 20 for reason in {**WITHOUT, **REFUSED}.values())


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        (EMITTERS, fn.GRU, "GRU: no row in EMITTERS or WITHOUT of fastnn/formats/c/emitters.py"),
        (LAYERS, fn.Slice, "Slice: no row in LAYERS or REFUSED of fastnn/formats/onnx/write/layers.py"),
        (bench_core.LAYERS, "Reshape", "Reshape: no row in LAYERS of bench/bench_core.py"),
    ],
)
def test_a_missing_row_is_named(table, row, message, monkeypatch):
    monkeypatch.delitem(table, row)
    assert missing_rows() == [message]


def test_a_missing_case_is_named(monkeypatch):
    without = [
        case
        for case in CASES
        if not any(isinstance(layer, fn.DropConnect) for layer in case.build("float32", 0).structure.layers)
    ]
    monkeypatch.setattr(f"{__name__}.CASES", without)
    assert missing_rows() == ["DropConnect: no row in CASES of tests/helpers/cases.py"]
