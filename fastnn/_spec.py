"""Specifications: frozen descriptions (of a layer, an optimiser, a schedule ...) with a JSON form.

A specification is a frozen dataclass.  ``to_config`` turns it into plain JSON values, ``from_config`` turns those
back, choosing the class by name from a closed table: a file can name what fastnn has, and nothing else.
Comparing and printing are written once, here: what dataclasses would generate for each class costs import time.
"""

from collections.abc import Callable, Iterable
from dataclasses import field, fields
from functools import cache, partial, wraps
from numbers import Integral, Real
from sys import float_info
from typing import Any, ClassVar, Self

import numpy as np

from fastnn.errors import ModelFormatError


class Spec:
    """Base of all specifications; a family (layers, losses ...) is a direct subclass with its own table.

    Files cannot name ``abstract`` classes, nor those whose names begin with an underscore.
    """

    registry: ClassVar[dict[str, type["Spec"]]]
    family: ClassVar[str] = ""

    def __init_subclass__(cls, family: str = "", abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if family:
            cls.family, cls.registry = family, {}
        elif not (abstract or cls.__name__.startswith("_")) and cls.__module__.startswith("fastnn."):
            cls.registry[cls.__name__] = cls

    def __post_init__(self) -> None:
        """Check the fields that are ``checked``; one whose check returns a value keeps that."""
        for name, check in _checks(type(self)):  # type: ignore[arg-type]
            meant = check(self.title, name, getattr(self, name))
            if meant is not None:
                object.__setattr__(self, name, meant)

    @property
    def title(self) -> str:
        """How messages call it."""
        return type(self).__name__

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def _values(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def to_config(self) -> dict[str, Any]:
        """Return the specification as a dict of JSON values, ``{"type": class name, field: value, ...}``."""
        return {"type": type(self).__name__, **{name: _to_json(value) for name, value in self._values().items()}}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the specification that ``to_config`` described.

        Parameters
        ----------
        config : dict
            Its type, and its fields by name.

        Raises
        ------
        ModelFormatError
            If the type is unknown in this family, or a field is unknown or has a value the class refuses.
        """
        if not isinstance(config, dict) or not isinstance(config.get("type"), str):
            raise ModelFormatError(f"{cls.family}: expected an object with a 'type', got {config!r:.80}")
        spec = cls.registry.get(config["type"])
        if spec is None:
            raise ModelFormatError(f"unknown {cls.family} {config['type']!r:.80}; known: {', '.join(cls.registry)}")
        known = {one.name for one in fields(spec)}  # type: ignore[arg-type]
        arguments = {name: value for name, value in config.items() if name != "type"}
        if unknown := sorted(set(arguments) - known):
            raise ModelFormatError(f"{cls.family} {config['type']}: unknown field {unknown[0]!r:.80}")
        try:
            return spec(**{name: spec._field_from_json(name, value) for name, value in arguments.items()})  # type: ignore[return-value]
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelFormatError(f"{cls.family} {config['type']}: {error}") from error

    @classmethod
    def _field_from_json(cls, name: str, value: Any) -> Any:
        """Turn one JSON value back into the field's value; classes with nested specifications override it."""
        return tuple(value) if isinstance(value, list) else value


def listed(names: Iterable[object], most: int = 20) -> str:
    """Return names for a message, no more than ``most``."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


Check = Callable[..., Any]  # (who, name, value): raises unless that argument may have that value


@cache
def _checks(kind: type) -> tuple[tuple[str, Check], ...]:
    """Return the fields of a class that are checked, and by what."""
    return tuple((one.name, one.metadata["check"]) for one in fields(kind) if "check" in one.metadata)


def checked_by(check: Check, **facts: Any) -> dict[str, Any]:
    """Return the metadata of a field whose values are checked: ``field(metadata=checked_by(require_count))``."""
    return {"check": check, **facts}


def checked(default: Any, check: Check, **facts: Any) -> Any:
    """Return a field with a default value and such metadata."""
    return field(default=default, metadata=checked_by(check, **facts))


def _to_json(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_config()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else value


def choose(what: str, name: object, known: Any) -> None:
    """Raise ValueError unless ``name`` is one of ``known``, which suggests the nearest one."""
    if isinstance(name, str) and name in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(name), list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"{what} {name!r:.80}; {hint}known: {', '.join(known)}")


def spelled(word: str) -> str:
    """Return a word as it is compared: ReLU, relu and re_lu are one."""
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def meant(what: str, name: object, known: Any, words: dict[str, str]) -> str:
    """Return the one of ``known`` that a name means: itself, another spelling of it, or another of its ``words``.

    Raises ValueError if it means none, or several: in place of ours the word then has a sentence that says so.
    """
    if isinstance(name, str):
        if name in known:
            return name
        meanings = {spelled(word): word for word in known} | {spelled(word): text for word, text in words.items()}
        meaning = meanings.get(spelled(name))
        if meaning is not None and meaning in known:
            return meaning
        if meaning is not None and " " in meaning:
            raise ValueError(f"{what} {name!r:.80}; {meaning}")
    choose(what, name, known)
    raise AssertionError


def take_words(kinds: Iterable[type], words: dict[str, str]) -> None:
    """Let the constructors of these dataclasses take arguments by other words, and say what they do not know."""
    for kind in kinds:
        _take_words(kind, words)


def _take_words(kind: type, words: dict[str, str]) -> None:
    init = kind.__init__  # type: ignore[misc]
    known = [one.name for one in fields(kind)]
    words = {word: name for word, name in words.items() if name in known}

    @wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for word in [word for word in kwargs if word not in known]:
            if word not in words:
                try:
                    choose(f"{kind.__name__}: unknown argument", word, known)
                except ValueError as error:
                    raise TypeError(str(error)) from None
            name = words[word]
            if name in kwargs:
                raise TypeError(f"{kind.__name__}: expected {name} or {word}, which is the same, got both")
            kwargs[name] = kwargs.pop(word)
        init(self, *args, **kwargs)

    kind.__init__ = __init__  # type: ignore[misc]


def require_number(
    who: str, name: str, value: object, *, low: float | None = None, high: float | None = None, strict: bool = False
) -> None:
    """Raise TypeError unless ``value`` is a real number (a bool is none), ValueError unless it is finite and in range.

    The range is [low, high], with ``strict`` above low.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who}: expected {name} to be a number, got {type(value).__name__} {value!r:.60}")
    number: Any = value.item() if hasattr(value, "item") else value  # a NumPy scalar
    below = low is not None and (number <= low if strict else number < low)
    if not abs(number) <= float_info.max or below or (high is not None and number > high):
        bound = f" {'above' if strict else 'of at least'} {low:g}" if low is not None else ""
        bound += f" and at most {high:g}" if high is not None else ""
        raise ValueError(f"{who}: expected {name} to be a finite number{bound}, got {value!r}")


at_least_0 = partial(require_number, low=0)
above_0 = partial(require_number, low=0, strict=True)


def require_fraction(who: str, name: str, value: object, why: str = "") -> None:
    """Raise TypeError or ValueError unless ``value`` is a number in [0, 1); ``why`` not 1 ends the message."""
    require_number(who, name, value, low=0, high=1)
    if value == 1:
        raise ValueError(f"{who}: expected {name} below 1, got 1{why}")


def require_flag(who: str, name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{who}: expected {name} to be True or False, got {value!r:.60}")


def require_count(who: str, name: str, value: Any, *, low: int = 1, high: int | None = None) -> None:
    """Raise TypeError unless ``value`` is an integer, ValueError unless it is at least ``low`` and at most ``high``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{who}: expected {name} to be an integer, got {type(value).__name__} {value!r:.60}")
    if value < low:
        raise ValueError(f"{who}: expected {name} of at least {low}, got {value}")
    if high is not None and int(value) > high:
        raise ValueError(f"{who}: expected {name} of at most {high}, got {value}")


def require_seed(who: str, seed: Any) -> None:
    """Raise TypeError or ValueError unless ``seed`` is an integer from 0 to below 2**64."""
    require_count(who, "seed", seed, low=0)
    if seed >= 1 << 64:
        raise ValueError(f"{who}: expected seed below 2**64, got {seed}")


def optional(check: Check, who: str, name: str, value: Any, **bounds: Any) -> None:
    """Make this check unless the value is None."""
    if value is not None:
        check(who, name, value, **bounds)


def float_dtype(who: str, dtype: Any) -> np.dtype:
    """Return float32 or float64; raise ValueError if it is another dtype."""
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        result = np.dtype(object)
    if dtype is None or result not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"{who}: expected dtype float32 or float64, got {dtype!r:.60}")
    return result
