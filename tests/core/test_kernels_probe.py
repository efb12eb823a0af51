"""The probes do the work they state; how fast is a matter of bench/."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_probe_multiply_add_runs_every_chain_n_times(dtype, isa):
    for n in (0, 1, 2, 1001):
        total, chains = table.probe_multiply_add(n, -1.0, 1.0, dtype, isa)  # c, 1 - c, c, ...
        start = np.arange(chains)
        assert chains * np.dtype(dtype).itemsize >= 12 * 16  # a dozen of the narrowest vectors
        assert total == (1 - start if n % 2 else start).sum()
    total, chains = table.probe_multiply_add(3, 2.0, 0.5, dtype, isa)
    assert total == (8 * np.arange(chains) + 3.5).sum()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_probe_read_reads_every_element_every_time(dtype, isa):
    for n in (0, 1, 31, 127, 128, 1000):
        x = np.random.default_rng(n).integers(-8, 8, n).astype(dtype)  # sums of integers are exact in any order
        for repeats in (0, 1, 3):
            assert doors.probe_read(x, repeats, isa) == repeats * x.sum()
