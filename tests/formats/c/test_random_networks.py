"""Exported networks answer as NumPy and as ``predict`` do: all layers, alone and in random graphs."""

import numpy as np
import pytest
from helpers import c_code
from helpers.random_networks import layers_of, random_network, random_rows

from fastnn.formats.c.emitters import EMITTERS

pytestmark = c_code.needs_compiler
PER_UNIT = 20  # networks that are compiled in one go
BOUND = {"float32": 1e-5, "float64": 1e-12}


def as_list(y):
    return [y] if isinstance(y, np.ndarray) else y


def assert_close(found, expected, bound, who):
    for y, truth in zip(found, expected, strict=True):
        assert y.shape == truth.shape
        scale = max(1.0, float(np.abs(truth).max()))
        assert float(np.abs(y - truth).max()) <= bound * scale, who


def check(folder, networks):
    """Export, compile as C and as C++, compare, and let the self tests run under the sanitizers."""
    names = [f"net{i}" for i in range(len(networks))]
    reports = [net.export_c(folder / f"{name}.c") for name, (net, _, _) in zip(names, networks, strict=True)]
    code = c_code.library(folder, names)
    for name, report, (net, rows, expected) in zip(names, reports, networks, strict=True):
        found = c_code.answers(code, name, net, rows)
        bound = BOUND[str(net.dtype)]
        assert_close(found, expected, bound, (name, net.summary()))
        assert report.ram_bytes <= 1 << 16
    assert c_code.selftests(folder, names, "c99", *c_code.SANITIZE) == (0, "")
    assert c_code.selftests(folder, names, "c++98") == (0, "")


def drawn(seeds):
    for seed in seeds:
        net = random_network(seed)
        rows = random_rows(net, 3, seed)
        yield net, rows, as_list(net.predict(rows if len(rows) > 1 else rows[0]))


@pytest.mark.parametrize("first", range(0, 40, PER_UNIT))
def test_random_networks(first, tmp_path):
    check(tmp_path, list(drawn(range(first, first + PER_UNIT))))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(40, 200, PER_UNIT))
def test_more_random_networks(first, tmp_path):
    check(tmp_path, list(drawn(range(first, first + PER_UNIT))))


def test_the_random_networks_have_every_layer():
    kinds = set().union(*(layers_of(random_network(seed)) for seed in range(40)))
    assert kinds == set(EMITTERS)
