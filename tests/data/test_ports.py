"""Where user data enter: what is packed is C-contiguous, aligned, of the dtype asked for, and the same numbers."""

import numpy as np
import pytest

from fastnn.data.feed import _filled, parts
from fastnn.data.numbers import packed
from fastnn.data.targets import as_labels, as_weights


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


@pytest.mark.parametrize("given", ["float32", "float64", "float16"])
@pytest.mark.parametrize("form", ["transposed", "read-only"])
def test_what_is_converted_must_be_finite_too(form, given):
    for bad in (np.nan, np.inf, -np.inf):
        values = VALUES.astype(given)
        values[1, 2] = bad
        with pytest.raises(ValueError, match=r"finite in float32, got 1 NaN or infinite .* at \(1, 2\)"):
            packed("test", "X", FORMS[form](values), np.dtype("float32"))
    with pytest.raises(ValueError, match=r"finite in float32.* the first, 1e\+300, at \(0,\)"):
        packed("test", "X", np.array([1e300]), np.dtype("float32"))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_labels_end_before_the_number_of_outputs(dtype):
    assert as_labels("fit", np.array([0, 2], dtype), 3).tolist() == [0, 2]
    for bad in (3, 100, *(() if dtype == "uint8" else (-1,))):
        with pytest.raises(ValueError, match=f"labels from 0 to 2 for 3 outputs, got {bad};"):
            as_labels("fit", np.array([0, bad], dtype), 3)


def test_weights_start_at_0():
    assert as_weights("fit", [0, 0.5], 2, 1, np.dtype("float32")).tolist() == [0, 0.5]
    for bad in (-1e-6, -0.5, -2):
        with pytest.raises(ValueError, match="sample_weight of at least 0, got -"):
            as_weights("fit", [1, bad], 2, 1, np.dtype("float32"))


@pytest.mark.parametrize("n", [1, 2, 8, 9, 10, 23, 24, 25])
@pytest.mark.parametrize("run", [1, 3, 5, 8, 11])
def test_runs_fill_buffers_with_every_row_once(n, run):
    starts = np.random.default_rng(run).permutation(np.arange(0, n, run))
    found = [
        np.concatenate([np.arange(part.start, part.stop) for part in buffer]) for buffer in _filled(starts, run, n, 8)
    ]
    assert [len(rows) for rows in found] == [len(range(n)[part]) for part in parts(n, 8)]
    assert np.concatenate(found).tolist() == [row for start in starts for row in range(start, min(start + run, n))]
    assert n == 1 or min(map(len, found)) > 1
