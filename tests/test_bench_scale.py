"""The model of many machines against closed forms and messages that are counted; nothing is timed here."""

import numpy as np
import pytest

scale = pytest.importorskip("bench.scale", reason="bench/ is in the source tree only")

from bench.links import LINKS, Link  # noqa: E402

LINK = Link("made up", 1e-3, 1e6)
TIMES = {1: 1e-3, 128: 3e-3, 512: 11e-3}


def exchanged(processes):
    """Vectors that each process adds up, pair by pair, and how many messages follow one another, counted."""
    power = 1 << (processes.bit_length() - 1)
    sums, messages = [1 << k for k in range(processes)], 0
    if processes > power:  # those beyond the power of two hand theirs over
        for k in range(power, processes):
            sums[k - power] += sums[k]
        messages += 1
    distance = 1
    while distance < power:
        sums[:power] = [sums[k] + sums[k ^ distance] for k in range(power)]
        messages += 1
        distance *= 2
    if processes > power:
        messages += 1
    assert sums[:power] == [(1 << processes) - 1] * power  # each has the sum of all, once
    return messages


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 8, 16, 31, 1000, 1024])
def test_pairs_take_as_many_messages_as_a_sum_needs(processes):
    assert LINK.pairs(5000, processes) == pytest.approx(exchanged(processes) * (1e-3 + 5e-3))


@pytest.mark.parametrize("processes", [2, 4, 8, 64])
def test_halves_move_two_vectors_less_what_a_process_has(processes):
    seconds, part = 0.0, 5000.0
    while processes > 1 and part > 5000 / processes + 1e-9:
        part /= 2
        seconds += 2 * (1e-3 + part / 1e6)  # there and back
    assert LINK.halves(5000, processes) == pytest.approx(seconds)
    assert LINK.best(5000, processes) == pytest.approx(min(seconds, LINK.pairs(5000, processes)))


def test_nobody_waits_alone():
    assert LINK.pairs(5000, 1) == LINK.halves(5000, 1) == 0


def test_steps_between_measured_ones():
    assert scale.between(TIMES, 128) == pytest.approx(3e-3)
    assert scale.between(TIMES, 320) == pytest.approx(7e-3)
    assert scale.between(TIMES, 1024) == pytest.approx(11e-3 + 512 * 8e-3 / 384)  # the line goes on
    assert scale.between({1: 0.1, 11: 0.2}, 6) == pytest.approx(0.15)


def test_the_rows_that_a_worker_needs_are_the_fewest():
    for waiting in (1e-6, 1e-3, 0.1):
        rows = scale.needed(TIMES, waiting)
        assert scale.between(TIMES, rows) >= 4 * waiting  # 80 % of the time
        assert rows == 1 or scale.between(TIMES, rows // 2) < 4 * waiting


def test_efficiency_in_closed_form():
    waiting = 3 * (1e-3 + 40e-6)  # 40 bytes in three rounds
    assert scale.weak(TIMES, 40, LINK, 8, 128, 1, Link.pairs) == pytest.approx(3e-3 / (3e-3 + waiting))
    assert scale.weak(TIMES, 40, LINK, 8, 128, 64, Link.pairs) == pytest.approx(0.192 / (0.192 + waiting))
    whole, part = 11e-3 + 512 * 8e-3 / 384, 3e-3
    assert scale.strong(TIMES, 40, LINK, 8, 1024, Link.pairs) == pytest.approx(whole / (part + waiting) / 8)


def test_networks_have_the_parameters_that_are_sent():
    for name, widths in scale.NETS.items():
        if max(widths) < 1000:
            net = scale.network(widths)
            assert net.params.size == scale.parameters(widths)
        assert name == "-".join(map(str, widths))


def test_all_tables_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(scale, "measure", lambda widths, rows, seconds: {n: n * 1e-6 for n in rows})
    scale.main(["--simulate", "40", "--algorithm", "pairs", "--nets", "64-128-10", "784-512-512-10"])
    out = capsys.readouterr().out
    for text in ("steps of Adam", "rows of a worker", "weak scaling, 128", "strong scaling, 4096", "every 64 steps"):
        assert text in out or text.replace("steps of Adam", "a step of Adam") in out
    lines = [line.split() for line in out.splitlines() if line.startswith("784-512-512-10") and "1 GbE" in line]
    weak = [float(value) for value in lines[0][3:]]
    n_bytes = 4 * (785 * 512 + 513 * 512 + 513 * 10)
    rounds = np.array([1, 2, 3, 4, 5, 7])  # 2, 4, 8, 16, 32, and 40 workers, of which 8 are beyond 32
    expected = 100 * 128e-6 / (128e-6 + rounds * (50e-6 + n_bytes / 117e6))
    np.testing.assert_allclose(weak, expected, atol=0.5)
    assert [link.name for link in LINKS] == ["1 GbE", "10 GbE", "100 GbE"]


@pytest.mark.slow
def test_a_table_is_scored_by_workers_with_the_bits_of_a_loop(monkeypatch, capsys):
    pytest.importorskip("dask.dataframe", reason='Dask is not installed: pip install "fastnn[dask]"')
    monkeypatch.setattr("bench.scoring.GROUP", 70)
    scale.main(["--rows", "3000"])
    out = capsys.readouterr().out
    assert "3,000 rows of 16 columns" in out
    assert "scores have the same bits: True" in out
