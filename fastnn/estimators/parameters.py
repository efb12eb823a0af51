"""The parameters of an estimator: got, set, printed and checked, as scikit-learn's tools expect, without it."""

from collections.abc import Callable
from functools import cache
from inspect import signature
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

Rule = Callable[[Any], bool]


class Parameters:
    """What ``clone``, ``GridSearchCV`` and ``Pipeline`` want of an object: its constructor's arguments, by name."""

    def _keep(self, values: dict[str, Any]) -> None:
        """Set the parameters to the constructor's arguments, its ``locals()``, as they are."""
        for name, value in values.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters of the constructor with their defaults."""
        return dict(_defaults(cls))  # type: ignore[arg-type]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as given or set since; ``deep`` has no effect: none is an estimator itself."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, for the next fit on; ValueError, and none is set, if there is none of such a name."""
        known = self._defaults()
        for name in params:
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__}: invalid parameter {name!r:.60} of set_params; known: {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self._defaults().items()
            if not _same(getattr(self, name, default), default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator with the same parameters, each a copy of its own."""
        from copy import deepcopy

        return type(self)(**{name: deepcopy(value) for name, value in self.get_params().items()})


@cache
def _defaults(cls: type) -> dict[str, Any]:
    parameters = list(signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise TypeError(f"{cls.__name__}: expected a constructor that names its parameters, got one with * or **")
    return {p.name: p.default for p in parameters}


def _same(value: Any, default: Any) -> bool:
    """Whether two values of a parameter are the same, as far as printing goes."""
    try:
        return type(value) is type(default) and bool(np.all(value == default))
    except (TypeError, ValueError):
        return value is default


# ---- rules: what a value must be, in words and as a test -----------------------------------------------------------


def number(low: float, high: float = np.inf, *, above: bool = False, below: bool = False) -> tuple[str, Rule]:
    """Return the rule of a real number; ``above``, ``below``: the bound itself is not allowed."""
    words = f"a number {'above' if above else 'of at least'} {low:g}"
    if high < np.inf:
        words += f" and {'below' if below else 'at most'} {high:g}"

    def holds(value: Any) -> bool:
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
            return False
        try:
            value = float(value)
        except OverflowError:  # a whole number that no float holds
            return False
        return (value > low if above else value >= low) and (value < high if below else value <= high)

    return words, holds


def count(low: int = 1) -> tuple[str, Rule]:
    """Return the rule of a whole number."""
    return f"a whole number of at least {low}", lambda value: is_count(value, low)


def is_count(value: Any, low: int = 1) -> bool:
    """Whether it is a whole number, no bool, of at least ``low``."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_) and int(value) >= low


def flag() -> tuple[str, Rule]:
    """Return the rule of a truth value."""
    return "True or False", lambda value: isinstance(value, bool | np.bool_)


def one_of(*names: str, or_else: tuple[str, Rule] | None = None) -> tuple[str, Rule]:
    """Return the rule of a name out of several, or of something else."""
    words = f"one of {', '.join(map(repr, names))}"
    if or_else is None:
        return words, lambda value: isinstance(value, str) and value in names
    return f"{words} or {or_else[0]}", lambda value: (isinstance(value, str) and value in names) or or_else[1](value)


def check(estimator: Parameters, rules: dict[str, tuple[str, Rule]]) -> None:
    """Raise ValueError for the first parameter that does not obey its rule."""
    for name, (words, holds) in rules.items():
        value = getattr(estimator, name)
        if not holds(value):
            raise ValueError(f"{type(estimator).__name__}: expected {name} to be {words}, got {value!r:.100}")
