"""A matrix turned over, against NumPy: all ways that blocks, few rows and few columns take."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_turn_over(isa, dtype):
    for rows in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 70):
        for columns in (1, 2, 3, 4, 5, 7, 8, 9, 17, 64):
            x = np.arange(rows * columns, dtype=dtype).reshape(rows, columns)
            np.testing.assert_array_equal(doors.turn_over(x, isa), x.T)


@pytest.mark.parametrize("isa", ISAS)
def test_nothing_but_the_result_is_written(isa):
    for shape in ((3, 5), (2, 7), (4, 3), (33, 3), (17, 6), (40, 2)):
        room = np.full(shape[0] * shape[1] + 64, -1.0, np.float32)
        out = room[32:-32].reshape(shape[::-1])
        doors.turn_over(np.ones(shape, np.float32), isa, out)
        assert (out == 1).all()
        assert (room[:32] == -1).all()
        assert (room[-32:] == -1).all()
