"""JSON as fastnn writes it, and no other: what is written is what is accepted.

JSON says one thing in many ways; fastnn in one.  A text is accepted if it is what the values in it would be written as,
which leaves no room for names said twice, spaces, other escapes or other spellings of numbers.
"""

import json
from typing import Any

from fastnn.errors import ModelFormatError

DEPTH = 32  # lists and objects within one another
VALUES = 1 << 16  # that a text may hold, and as many more as
BYTES_OF_VALUE = 128  # the file has bytes for: about what one takes while it is read
SMALLEST, LARGEST = -(1 << 63), (1 << 64) - 1  # integers


def to_json(who: str, description: dict[str, Any], nbytes: int = 0) -> str:
    """Return a description as JSON, for a file with ``nbytes`` of arrays; ValueError if it holds something else.

    Only metadata can, which is the user's.
    """
    try:
        text = json.dumps(description, allow_nan=False)
        from_json(text, nbytes + len(text))
    except ModelFormatError as error:
        raise ValueError(f"{who}: expected metadata of JSON values within the limits of files, but {error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{who}: expected metadata of JSON values, got something else: {error}") from error
    return text


def from_json(text: str, nbytes: int) -> Any:
    """Return what JSON says in a file of so many bytes; ModelFormatError if it is none, or written in another way."""
    count, most = sum(map(text.count, ",:[{")), VALUES + nbytes // BYTES_OF_VALUE
    if count > most:
        raise ModelFormatError(f"the description has {count} values or more, of at most {most}", "limit")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_integer)
        require_depth(value)
        same = json.dumps(value, allow_nan=False) == text
        if "\\ud" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ModelFormatError("the description holds half a character, a lone surrogate", "json") from None
    except ModelFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"the description is not valid JSON: {error}", "json") from None
    if not same:
        raise ModelFormatError("the description is JSON, but not as fastnn writes it, or names something twice", "json")
    return value


def require_depth(value: Any) -> None:
    """Raise ModelFormatError if lists and objects lie too deep within one another."""
    level, depth = [value], 0
    while level := [
        item
        for one in level
        for item in (one.values() if type(one) is dict else one if type(one) is list else ())
        if type(item) in (dict, list)
    ]:
        depth += 1
        if depth >= DEPTH:
            raise ModelFormatError(f"the description has lists or objects within {DEPTH} others", "limit")


def _integer(digits: str) -> int:
    """Return an integer of at most 64 bits, as seeds are."""
    if len(digits) > 20 or not SMALLEST <= (value := int(digits)) <= LARGEST:
        raise ModelFormatError(f"the description holds the integer {digits:.40}, of more than 64 bits", "json")
    return value


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ModelFormatError(f"the description holds {constant}, which is not JSON", "json")


def difference(given: Any, written: Any, exact: bool) -> str | None:
    """Return the place where a description is not what would be written for what was made of it; None if it is.

    ``exact``: False for those of earlier formats, which may lack fields that came later.
    """
    if given is written:
        return None
    if isinstance(written, dict):
        if not isinstance(given, dict) or given.keys() - written.keys() or (exact and list(given) != list(written)):
            return ""
        pairs = [(name, given[name], written[name]) for name in given]
    elif isinstance(written, list | tuple):
        if not isinstance(given, list) or len(given) != len(written):
            return ""
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(given, written, strict=True))]
    else:
        return None if type(given) is type(written) and given == written else ""
    for name, one, other in pairs:
        if (place := difference(one, other, exact)) is not None:
            return f"{name}.{place}" if place else name
    return None


def require_as_written(given: Any, written: Any, exact: bool) -> None:
    """Raise ModelFormatError unless a description is what would be written for what was made of it."""
    place = difference(given, written, exact)
    if place is not None:
        raise ModelFormatError(
            f"expected a description as fastnn writes it, got another in {place.rstrip('.')[:200] or 'its fields'!r}"
        )
