"""bench/compare.py on made-up results: a loss is found, noise is not, and a missing row is named."""

import json

import pytest

compare = pytest.importorskip("bench.compare", reason="bench/ is in the source tree only")


def result(isa="avx512", peak=2e11, processor="a processor", **rows):
    """Rows: name=(median, q1, q3)."""
    made = [
        {
            "workload": name,
            "limits": {isa: {"fma_float32": peak}},
            "times": {f"fastnn {isa}": {"median_us": m, "q1_us": low, "q3_us": high}, "numpy": {}},
        }
        for name, (m, low, high) in rows.items()
    ]
    return {"format": 2, "machine": {"processor": processor}, "isas": [isa], "rows": made}


def verdict(tmp_path, capsys, old, new):
    for name, value in (("old", old), ("new", new)):
        (tmp_path / name).write_text(json.dumps(value))
    status = compare.main([str(tmp_path / "old"), str(tmp_path / "new")])
    return status, capsys.readouterr().out


def test_a_loss_beyond_noise_fails(tmp_path, capsys):
    old, new = result(a=(100, 99, 101), b=(10, 10, 10)), result(a=(109, 108, 110), b=(10, 10, 10))
    status, text = verdict(tmp_path, capsys, old, new)
    assert status == 1
    assert "SLOWER" in next(line for line in text.splitlines() if line.startswith("a,"))
    assert "SLOWER" not in next(line for line in text.splitlines() if line.startswith("b,"))
    assert "1 of 2 rows slower" in text


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ((100, 100, 100), (104.9, 104.9, 104.9), 0),  # below the floor of 5 %
        ((100, 100, 100), (105.1, 105.1, 105.1), 1),
        ((100, 95, 105), (119, 119, 119), 1),  # 10 % noise
        ((100, 95, 105), (109, 109, 109), 0),
        ((100, 95, 105), (118, 112.1, 123.9), 0),  # 10 % and 10 %
        ((100, 95, 105), (121, 114.95, 127.05), 1),
        ((100, 100, 100), (50, 50, 50), 0),
    ],
)
def test_noise_is_the_sum_of_both_spreads_and_at_least_five_percent(tmp_path, capsys, old, new, status):
    assert verdict(tmp_path, capsys, result(a=old), result(a=new))[0] == status


def test_a_slower_clock_is_no_loss(tmp_path, capsys):
    old = result(a=(100, 100, 100))
    assert verdict(tmp_path, capsys, old, result(peak=1.8e11, a=(111, 111, 111)))[0] == 0
    assert verdict(tmp_path, capsys, old, result(peak=1.8e11, a=(117, 117, 117)))[0] == 1
    assert verdict(tmp_path, capsys, old, result(peak=2.2e11, a=(100, 100, 100)))[0] == 1
    assert verdict(tmp_path, capsys, old, result(processor="another", peak=1e11, a=(111, 111, 111)))[0] == 1


def test_a_gain_is_marked(tmp_path, capsys):
    status, text = verdict(tmp_path, capsys, result(a=(100, 99, 101)), result(a=(80, 79, 81)))
    assert status == 0
    assert "faster" in text


def test_missing_rows_are_named(tmp_path, capsys):
    old, new = result(a=(1, 1, 1), gone=(1, 1, 1)), result(a=(1, 1, 1), come=(1, 1, 1))
    status, text = verdict(tmp_path, capsys, old, new)
    assert status == 0
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["gone,", "avx512", "missing", "in", "NEW"],
        ["come,", "avx512", "missing", "in", "OLD"],
    ]


def test_nothing_in_common_is_not_a_pass(tmp_path, capsys):
    assert verdict(tmp_path, capsys, result(a=(1, 1, 1)), result(b=(1, 1, 1)))[0] == 2


def test_another_machine_is_named(tmp_path, capsys):
    status, text = verdict(tmp_path, capsys, result(a=(1, 1, 1)), result(processor="another", a=(1, 1, 1)))
    assert status == 0
    assert "not the same processor: a processor and another" in text


def test_instruction_sets_are_compared_each_with_itself(tmp_path, capsys):
    status, text = verdict(tmp_path, capsys, result(a=(1, 1, 1)), result(isa="avx2", a=(1, 1, 1)))
    assert status == 2
    assert "a, avx512  missing in NEW" in text


def test_a_result_of_another_format_is_refused(tmp_path, capsys):
    status, text = verdict(tmp_path, capsys, result(a=(1, 1, 1)) | {"format": 1}, result(a=(1, 1, 1)))
    assert status == 2
    assert "expected results of format 2, got 1" in text
