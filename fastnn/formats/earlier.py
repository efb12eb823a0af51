"""Files that earlier versions wrote, as this one would write them."""

from typing import Any

NAMES = {"gelu": "gelu_tanh"}  # of activations, by the name that they had in format 1


def upgraded(description: Any) -> Any:
    """Return a description of formats 1 and 2 in the words of format 3; others as they are.

    Format 2 had no checksum; in format 1 besides, ``gelu`` was the tanh form.  In metadata, only what estimators keep
    there is theirs; the rest is the user's.
    """
    if not isinstance(description, dict) or description.get("format") not in (1, 2):
        return description
    if description["format"] == 2:
        members = description.get("members")
        parts = {"members": [upgraded(member) for member in members]} if isinstance(members, list) else {}
        return {**description, **parts, "format": 3}
    result = {key: value if key == "metadata" else renamed(value) for key, value in description.items()}
    if isinstance(metadata := description.get("metadata"), dict):
        result["metadata"] = {key: renamed(value) if key == "estimator" else value for key, value in metadata.items()}
    if isinstance(members := description.get("members"), list):  # of an ensemble
        result["members"] = [upgraded(member) for member in members]
    return {**result, "format": 3}


def renamed(value: Any) -> Any:
    """Return part of a description with the activations by the names that they have now."""
    if isinstance(value, list):
        return [renamed(part) for part in value]
    if not isinstance(value, dict):
        return value
    result = {key: names(part) if key == "activation" else renamed(part) for key, part in value.items()}
    if value.get("type") == "Activation":
        result["function"] = names(value.get("function"))
    return result


def names(value: Any) -> Any:
    """Return an activation, or those of a list or of an estimator's tuple, by the names that they have now."""
    if isinstance(value, str):
        return NAMES.get(value, value)
    if isinstance(value, dict) and set(value) == {"tuple"}:
        return {"tuple": names(value["tuple"])}
    return [names(part) for part in value] if isinstance(value, list) else renamed(value)
