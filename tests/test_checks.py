"""Checks of arguments: what each lets through, and what it says of the rest."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from fastnn import _spec as checks
from fastnn._spec import Spec, above_0, checked, optional, require_flag, require_fraction


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (checks.at_least_0, [0, 0.5, np.float32(3), np.int64(2), 1e308]),
        (checks.above_0, [1e-300, 1, np.float64(0.5)]),
        (checks.require_fraction, [0, 0.999, np.float32(0.5)]),
        (checks.require_flag, [True, False]),
        (checks.require_count, [1, np.int64(7), 10**30]),
        (partial(checks.require_count, low=0, high=3), [0, 3, np.uint8(3)]),
        (partial(optional, checks.above_0), [None, 2.0]),
        (lambda who, name, value: checks.require_seed(who, value), [0, 2**64 - 1, np.uint64(2**64 - 1)]),
    ],
)
def test_what_passes(check, right):
    for value in right:
        assert check("Who", "it", value) is None


@pytest.mark.parametrize(
    ("check", "value", "error", "message"),
    [
        (checks.at_least_0, -1e-9, ValueError, "Who: expected it to be a finite number of at least 0, got -1e-09"),
        (checks.at_least_0, float("nan"), ValueError, "finite number of at least 0, got nan"),
        (checks.at_least_0, True, TypeError, "Who: expected it to be a number, got bool True"),
        (checks.above_0, 0, ValueError, "Who: expected it to be a finite number above 0, got 0"),
        (checks.require_fraction, 1, ValueError, "^Who: expected it below 1, got 1$"),
        (checks.require_fraction, np.float32(1), ValueError, "^Who: expected it below 1, got 1$"),
        (checks.require_fraction, 1.5, ValueError, "of at least 0 and at most 1, got 1.5"),
        (checks.require_fraction, "a", TypeError, "to be a number, got str 'a'"),
        (partial(require_fraction, why=": gone"), 1.0, ValueError, "below 1, got 1: gone$"),
        (checks.require_flag, 1, TypeError, "Who: expected it to be True or False, got 1"),
        (checks.require_flag, np.True_, TypeError, "to be True or False"),
        (checks.require_count, 0, ValueError, "Who: expected it of at least 1, got 0"),
        (checks.require_count, 1.0, TypeError, "Who: expected it to be an integer, got float 1.0"),
        (partial(checks.require_count, high=3), 4, ValueError, "Who: expected it of at most 3, got 4"),
        (partial(optional, checks.above_0), 0.0, ValueError, "above 0, got 0.0"),
        (partial(optional, checks.require_count), False, TypeError, "integer, got bool False"),
    ],
)
def test_what_is_refused(check, value, error, message):
    with pytest.raises(error, match=message):
        check("Who", "it", value)


def test_seeds_and_dtypes():
    with pytest.raises(ValueError, match=r"Who: expected seed below 2\*\*64, got 18446744073709551616"):
        checks.require_seed("Who", 2**64)
    with pytest.raises(ValueError, match="Who: expected seed of at least 0, got -1"):
        checks.require_seed("Who", -1)
    for right in ("float32", np.float64, np.dtype("f4"), float):
        assert checks.float_dtype("Who", right) == np.dtype(right)
    for wrong in (None, "float16", "nonsense", int, object, 3):
        with pytest.raises(ValueError, match="Who: expected dtype float32 or float64, got"):
            checks.float_dtype("Who", wrong)


def test_long_lists_of_names_are_cut():
    assert checks.listed("abc") == "a, b, c"
    assert checks.listed(range(4), most=2) == "0, 1 and 2 more"
    assert checks.listed(range(20)).endswith("18, 19")


def test_fields_carry_their_checks():
    @dataclass(frozen=True, eq=False, repr=False)
    class Cake(Spec, family="cake"):
        sugar: float = checked(1.0, above_0)
        dark: bool = checked(False, require_flag)
        name: str = "plain"

    @dataclass(frozen=True, eq=False, repr=False)
    class Tart(Cake):
        share: float = checked(0.5, require_fraction, scalar="part")

    assert Tart(2.0, share=0.25).to_config() == {
        "type": "Tart", "sugar": 2.0, "dark": False, "name": "plain", "share": 0.25,
    }  # fmt: skip
    for options, error, message in (
        ({"sugar": 0}, ValueError, "Tart: expected sugar to be a finite number above 0, got 0"),
        ({"dark": "no"}, TypeError, "Tart: expected dark to be True or False, got 'no'"),
        ({"share": 1}, ValueError, "Tart: expected share below 1, got 1"),
    ):
        with pytest.raises(error, match=message):
            Tart(**options)
    assert Cake(1) == Cake()
    assert repr(Cake()) == "Cake(sugar=1.0, dark=False, name='plain')"
