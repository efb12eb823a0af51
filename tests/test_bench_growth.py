"""The curves of growth: where a point is off, and what is said of it; nothing is timed here."""

import pytest

growth = pytest.importorskip("bench.growth", reason="bench/ is in the source tree only")

from bench import variants  # noqa: E402
from bench.run import Effort  # noqa: E402


def test_the_axes_are_those_of_the_goal():
    assert (growth.WIDTHS[0], growth.WIDTHS[-1], growth.BATCHES[0], growth.BATCHES[-1]) == (16, 2048, 1, 4096)
    assert (growth.DEPTHS[0], growth.DEPTHS[-1]) == (1, 64)
    for axis in growth.AXES.values():
        assert axis == sorted(set(axis))
    assert sum(width % 2 for width in growth.WIDTHS) >= 8
    names = [point.name for point in growth.POINTS]
    assert len(names) == len(set(names)) == 4 * sum(map(len, growth.AXES.values()))
    deep = growth.Point("depth", 3, "SGD", 2).workload
    assert (deep.sizes, deep.batch, deep.optimizer, deep.threads) == ((64,) * 4, 32, "sgd", 2)


def test_powers_lie_on_the_curve_and_cliffs_do_not():
    sizes = [16, 24, 31, 64, 65, 100, 2048]
    assert growth.off_the_curve(sizes, [3 * size**1.7 for size in sizes]) == pytest.approx([1] * 7)
    spike = [float(size) for size in sizes]
    spike[3] *= 2
    assert [factor > growth.CLIFF for factor in growth.off_the_curve(sizes, spike)] == [0, 0, 0, 1, 0, 0, 0]
    step = [size * (2.0 if size >= 65 else 1.0) for size in sizes]
    assert [factor > growth.CLIFF for factor in growth.off_the_curve(sizes, step)] == [0, 0, 0, 0, 1, 0, 0]
    for few in range(4):
        assert growth.off_the_curve(sizes[:few], spike[:few]) == pytest.approx([1] * few)


def made_up_result():
    def row(size, threads, us, alone=None, **peers):
        return {
            "what": "width",
            "size": size,
            "mode": "SGD",
            "threads": threads,
            "us": {"fastnn avx2": us, **peers},
            "alone": {"fastnn avx2": alone} if alone else {},
        }

    rows = [row(1, 1, 1.0, numpy=3.0, torch=2.0), row(2, 1, 3.2, numpy=2.0), row(4, 1, 4.0, numpy=9.0)]
    rows += [row(1, 2, 1.0, alone=0.5), row(2, 2, 2.0, alone=4.0)]
    machine = {"processor": "p", "date": "2026-01-02T03", "commit": "c"}
    return {"machine": machine, "isas": ["avx2"], "rows": rows, "failures": ["width 4 SGD x1: torch FAILED: died"]}


def test_what_is_said_of_a_result(tmp_path):
    result = made_up_result()
    text = growth.markdown(result)
    for line in (
        "above the line between their neighbours: 1 of 5",
        "- width 2 SGD x1, fastnn avx2: 3.20 us a row, 1.60x",
        "two threads are slower than one: 1 of 5",
        "- width 1 SGD x2, fastnn avx2: 2.00x the time on one",
        "a peer is faster: 1 of 5",
        "- width 2 SGD x1, fastnn avx2: NumPy by hand takes 0.62x of ours",
        "- width 4 SGD x1: torch FAILED: died",
    ):
        assert line in text
    assert growth.curve(result, "width", "SGD", 1, "best") == ([1, 2, 4], [2.0, 2.0, 9.0])
    growth.draw(result, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes()[:4] == b"\x89PNG"


def test_times_are_per_row(monkeypatch, tmp_path):
    asked = []

    def measure(crew, workload, chosen, effort):
        asked.append((workload, [variant.name for variant in chosen], effort))
        return {"batch": 8, "times": {"fastnn avx2": {"median_us": 16.0}}, "alone": {}, "failures": {"torch": "died"}}

    monkeypatch.setattr(growth, "measure", measure)
    points = [growth.Point("batch", 8, "predict", 1)]
    result = growth.run(points, [variants.Variant("avx2")], [0], tmp_path, lambda line: None)
    assert result["rows"][0]["us"] == {"fastnn avx2": 2.0}
    assert result["failures"] == ["batch 8 predict x1: torch FAILED: died"]
    assert asked[0][1] == ["fastnn avx2", "numpy", "onnxruntime", "torch"]
    assert isinstance(asked[0][2], Effort)
