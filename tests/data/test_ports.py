"""Where user data enter: what is packed is C-contiguous, aligned, of the dtype asked for, and the same numbers."""

import numpy as np
import pytest

from fastnn.data.numbers import packed


def misaligned(values):
    """The same numbers, one byte beside where their type wants them."""
    room = np.zeros(values.nbytes + 1, np.uint8)
    array = room[1:].view(values.dtype).reshape(values.shape)
    array[...] = values
    assert not array.flags.aligned
    return array


VALUES = np.arange(12.0).reshape(3, 4) / 8  # exact in float32 too
FORMS = {
    "misaligned": misaligned,
    "transposed": lambda values: np.asfortranarray(values),
    "every other": lambda values: np.repeat(values, 2, axis=0)[::2],
    "backwards": lambda values: values[::-1].copy()[::-1],
    "other bytes": lambda values: values.astype(values.dtype.newbyteorder()),
    "a subclass": lambda values: values.view(np.matrix),
    "read-only": lambda values: np.broadcast_to(values, values.shape),
}


@pytest.mark.parametrize("to", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_packed(form, given, to):
    result = packed("test", "X", FORMS[form](VALUES.astype(given)), np.dtype(to))
    assert type(result) is np.ndarray
    assert result.dtype == np.dtype(to)
    assert result.flags.c_contiguous
    assert result.flags.aligned
    np.testing.assert_array_equal(result, VALUES)


def test_what_is_packed_already_is_not_copied():
    array = VALUES.copy()
    assert packed("test", "X", array, np.dtype("float64")) is array
