"""README and docs tell what was measured: their tables are those of bench/published.json, and so is the chart."""

import json
import zlib

import pytest

publish = pytest.importorskip("bench.publish", reason="bench/ is in the source tree only")

from test_bench import made_up_result, times  # noqa: E402

from bench import chart, image_tables  # noqa: E402
from bench.goals import GOALS  # noqa: E402
from bench.workloads import WORKLOADS  # noqa: E402


def published():
    return json.loads(publish.RESULT.read_text())


@pytest.mark.parametrize("path", publish.MARKS, ids=lambda path: path.name)
def test_tables_are_those_of_the_published_result(path):
    assert path.read_text() == publish.pages(published())[path], "python -m bench.publish writes the tables"


def test_tables_of_images_are_those_of_the_published_runs():
    runs = json.loads(image_tables.PUBLISHED.read_text())
    assert publish.MEASURED.read_text() == image_tables.page(runs), "python -m bench.image_tables writes them"


def test_cells_of_a_net():
    times = {"fastnn": 0.002, "fastnn with winograd": 0.001, "JAX": 0.004, "PyTorch NHWC": 0.003}
    assert image_tables.net_cells(times) == ["2 / 1", "PyTorch NHWC 3", "1.50x / 3.00x"]


def texts(png):
    """Text chunks of a PNG file."""
    found, at = {}, 8
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(png[at + 8 + size : at + 12 + size], "big")
        if kind == b"tEXt":
            key, _, value = body.partition(b"\0")
            found[key.decode()] = value.decode("latin-1")
        at += 12 + size
    return found


def test_the_chart_is_of_the_published_result():
    assert texts(publish.CHART.read_bytes())["Description"] == chart.about(published())


def test_what_is_published_are_workloads():
    assert set(publish.BRIEF) <= {workload.name for workload in WORKLOADS} & set(GOALS)


def test_a_claim_is_bold_and_holds_on_all_instruction_sets():
    result = made_up_result()
    behind, ahead = publish.cells(result, result["rows"][0], "avx2", "**"), made_up_result()
    assert behind == ["4.00", "ONNX Runtime 5.00", "1.25x"]  # on AVX-512 NumPy is ahead
    ahead["rows"][0]["times"]["numpy"] = times(30.0)
    ahead["rows"][0]["times"]["onnxruntime"] = times(40.0)
    assert publish.cells(ahead, ahead["rows"][0], "avx2", "**") == ["4.00", "NumPy by hand 9.00", "**2.25x**"]
    assert publish.cells(ahead, ahead["rows"][0], "avx512", "**") == ["2.00", "NumPy by hand 30.0", "**15x**"]
    assert "| answers for 128 rows, 784-128-10 | 4.00 | NumPy by hand 9.00 | **2.25x** | 2.00 |" in publish.readme(
        ahead
    )
    assert "Peers: NumPy by hand, ONNX Runtime, each tuned. ONNX Runtime cannot be held to AVX2." in " ".join(
        publish.measured(ahead).split()
    )


def test_a_page_keeps_what_stands_around_the_table(monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    monkeypatch.setitem(publish.MARKS, page, ("<!-- bench -->", "<!-- /bench -->"))
    page.write_text("before\n<!-- bench -->\n\nold\n\n<!-- /bench -->\nafter\n")
    assert publish.between(page, "new") == "before\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\nafter\n"
    page.write_text("before\n<!-- bench -->\nafter\n")
    with pytest.raises(ValueError, match="expected a line '<!-- bench -->' and later a line"):
        publish.between(page, "new")


def test_what_is_published_is_cut_to_the_tables():
    kept = publish.cut(made_up_result())
    assert set(kept["machine"]) == {"processor", "python", "date", "commit"}
    assert [row["workload"] for row in kept["rows"]] == ["predict 784-128-10 b128", "SGD 784-512-512-10 b128 x2"]
    assert kept["rows"][0]["times"]["numpy"] == {"median_us": 1.9, "precision": ""}
    assert "limits" not in kept
    assert publish.readme(kept) == publish.readme(made_up_result())
    assert publish.measured(kept).count("   * - ") == 3
