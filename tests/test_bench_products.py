"""Products alone: what is asked of a build and how it is counted; nothing is timed here."""

import sys

import numpy as np
import pytest

products = pytest.importorskip("bench.products", reason="bench/ is in the source tree only")

from bench import product_worker, variants  # noqa: E402
from bench.__main__ import options  # noqa: E402
from bench.arrays import draw  # noqa: E402
from bench.run import Effort  # noqa: E402
from fastnn._core import doors, table  # noqa: E402


def test_all_products_of_the_goal_are_there():
    names = [product.name for product in products.PRODUCTS]
    assert len(names) == len(set(names)) == 20 * 3 * 2
    assert "weight gradient 512x512x311 f64" in names
    assert products.Product("forward", (3, 5, 7), "float32").flops == 210


@pytest.mark.parametrize("direction", products.DIRECTIONS)
def test_what_is_timed_is_the_product_it_is_called(direction, monkeypatch):
    made = []
    monkeypatch.setattr(
        product_worker, "draw", lambda *shape, dtype: made.append(draw(*shape, dtype=dtype)) or made[-1]
    )
    work = product_worker.product(doors, direction, (3, 20, 33), "float64")
    x, w, dy, bias = (array.copy() for array in made)
    if direction == "weight gradient":
        work(2)
        np.testing.assert_allclose(made[1] - w, 2e-9 * x.T @ dy, rtol=0, atol=1e-15)
        return
    expected, place = (x @ w + bias, made[2]) if direction == "forward" else (dy @ w.T, made[0])
    place[...] = np.nan
    work(2)
    np.testing.assert_allclose(place, expected, rtol=1e-12, atol=1e-12)


def test_a_desk_answers_seconds_and_the_peaks_around_them():
    desk = product_worker.Desk()
    answer = desk({"do": "time", "direction": "forward", "shape": [2, 3, 4], "dtype": "float32", "seconds": 1e-5})
    assert set(answer) == {"seconds", "peaks"}
    assert answer["seconds"] > 0
    assert len(answer["peaks"]) == 2


class MadeUpWorker:
    """10 ns a product on AVX2; on AVX-512 5, at half the rate while it is watched first."""

    def __init__(self, module, *arguments, threads, cores, log, variables):
        self.isa, self.asked = variables["FASTNN_ISA"], 0

    def ask(self, do, *, direction, shape, dtype, seconds):
        self.asked += 1
        if self.isa == "avx2":
            return {"seconds": 1e-8, "peaks": [20e9, 30e9]}
        return {"seconds": 5e-9 * (2 if self.asked == 1 else 1), "peaks": [50e9, 50e9]}

    def end(self):
        pass


def test_shares_are_medians_of_rounds_beside_their_own_peaks(monkeypatch, tmp_path):
    monkeypatch.setattr(products, "Worker", MadeUpWorker)
    chosen = [variants.Variant("avx2"), variants.Variant("avx512")]
    two = [products.Product("forward", shape, "float32") for shape in ((3, 5, 7), (2, 5, 7))]
    result = products.measure(two, chosen, Effort(3), 0, tmp_path, lambda line: None)
    assert result["rows"][0]["shares"] == {"fastnn avx2": pytest.approx(0.84), "fastnn avx512": pytest.approx(0.84)}
    assert result["rows"][1]["shares"] == {"fastnn avx2": pytest.approx(0.56), "fastnn avx512": pytest.approx(0.56)}
    text = products.markdown(result)
    assert "| 3x5x7 | 84% | 84% |" in text
    assert "| float32 fastnn avx2 | forward | 25.0 | 2x5x7 | 56% | 0 of 2 | missed |" in text


def test_builds_and_instruction_sets(tmp_path, capsys):
    has = list(table.supported_isas())
    with_fma = has[1:] or has
    assert [variant.name for variant in options(["--products"]).variants] == [f"fastnn {isa}" for isa in with_fma]
    (tmp_path / "fastnn").mkdir()
    (tmp_path / "fastnn" / "__init__.py").touch()
    chosen = options(["--products", "--isa", has[0], "--fastnn", str(tmp_path), "clang"]).variants
    assert [(variant.name, variant.folder) for variant in chosen] == [
        (f"fastnn {has[0]}", variants.ROOT),
        (f"clang {has[0]}", tmp_path.resolve()),
    ]
    for arguments, message in (
        (["--isa", "avx1"], "--isa: expected some of"),
        (["--fastnn", str(tmp_path / "none"), "x"], "--fastnn: expected a folder that holds fastnn/"),
        (["--fastnn", str(tmp_path), "fastnn"], "--fastnn: expected a label of its own"),
        (["--products", "--crossover"], "not allowed with"),
        (["--products", "--publish"], "--publish: expected the whole suite"),
    ):
        with pytest.raises(SystemExit):
            options(arguments)
        assert message in capsys.readouterr().err


def test_a_worker_takes_the_fastnn_it_was_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    variants.take_from(variants.ROOT)
    with pytest.raises(ImportError, match="expected the fastnn in"):
        variants.take_from(tmp_path)
