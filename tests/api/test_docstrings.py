"""Docstrings say what signatures say: every parameter by its name, what comes back, and no section without a body."""

import inspect
import re

import pytest

import fastnn as fn
from fastnn.graph.layer_view import LayerView

ALSO = (LayerView, fn.losses.Loss, fn.optimizers.Optimizer, fn.schedules.Schedule, fn.initializers.Initializer)
# Classes whose methods users call; those of specifications and callbacks are for fastnn, which calls them.
WITH_METHODS = (fn.Network, fn.Stream, fn.History, fn.Standardizer, fn.Table, fn.Callback, fn.Layer, LayerView)
SECTION = re.compile(r"^([A-Z][a-z]+(?: [A-Z][a-z]+)?)\n(-+)$", re.MULTILINE)
ORDER = ["Parameters", "Attributes", "Returns", "Yields", "Raises", "Notes", "References", "Examples"]


def subjects():
    """Yield (name, function or class) of everything that a user meets."""
    classes = []
    everything = [(name, getattr(fn, name)) for name in dir(fn)]
    for name, value in [*everything, *((value.__name__, value) for value in ALSO)]:
        if not name.startswith("_") and callable(value):
            yield name, value
            classes += [(name, value)] if inspect.isclass(value) and value in WITH_METHODS else []
    for name, value in classes:
        for method, function in inspect.getmembers(value, callable):
            if not method.startswith("_") and function.__module__.startswith("fastnn"):
                yield f"{name}.{method}", function


SUBJECTS = dict(subjects())


def sections(subject):
    """Return the text of each section by its name."""
    parts = SECTION.split(inspect.getdoc(subject) or "")
    return dict(zip(parts[1::3], parts[3::3], strict=True))


def entries(text):
    """Names that the entries of a section begin with: ``a, b : type``."""
    heads = [line.partition(" : ")[0] for line in text.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*`").rstrip("`") for head in heads for name in head.split(",")]


def others_told(subject, wanted):
    """Names that another docstring explains, to which this one refers: all of them, or the others of ``wanted``."""
    other = re.search(r"(P|Other p)arameters are those of `?(\w+)`?\.", inspect.getdoc(subject) or "")
    if other is None:
        return []
    there = {one.__name__: one for one in ALSO}.get(other[2]) or getattr(fn, other[2], None)
    there = there or getattr(fn.Network, other[2])
    names = [*entries(sections(there).get("Parameters", "")), *others_told(there, wanted)]
    return [name for name in names if name in wanted] if other[1] == "Other p" else names


def parameters(subject):
    return [name for name in inspect.signature(subject).parameters if name not in ("self", "cls")]


def fault(subject):
    """What is wrong with a docstring, or an empty string."""
    found = sections(subject)
    known = [name for name in found if name in ORDER]
    if known != sorted(known, key=ORDER.index) or len(known) < len(found):
        return f"sections {list(found)}"
    if any(not text.strip() for text in found.values()):
        return "a section without a body"
    if inspect.isclass(subject) and issubclass(subject, Exception):
        return ""
    told = entries(found.get("Parameters", ""))
    if len(told) != len(set(told)):
        return f"parameters told twice: {told}"
    wanted = set(parameters(subject))
    told += [name for name in others_told(subject, wanted) if name not in told]
    if inspect.isclass(subject) and "Parameters" not in found and "Attributes" in found:  # made by fastnn, to be read
        return ""
    if set(told) != wanted:
        return f"told {sorted(set(told) - wanted)} too much, {sorted(wanted - set(told))} too little"
    if not inspect.isclass(subject):
        gives = inspect.signature(subject).return_annotation not in (None, "None", inspect.Signature.empty)
        said = found.keys() & {"Returns", "Yields"} or inspect.getdoc(subject).startswith(("Return", "Yield"))
        if gives and not said:
            return "nothing on what it returns"
    return ""


@pytest.mark.parametrize("name", SUBJECTS)
def test_docstring(name):
    assert fault(SUBJECTS[name]) == ""


@pytest.mark.parametrize(("text", "message"), [
    ("Other parameters are those of accuracy.\n\nParameters\n----------\nk : int\n    One.", ""),
    ("Parameters are those of accuracy.\n\nParameters\n----------\nk : int\n    One.", "['sample_weight'] too much"),
    ("Other parameters are those of accuracy.", "['k'] too little"),
    ("Other parameters are those of saliency.\n\nParameters\n----------\nk : int\n    One.", "'y_true'] too little"),
])  # fmt: skip
def test_parameters_that_are_told_elsewhere(text, message):
    def function(y_true, y_pred, threshold, k): ...

    function.__doc__ = f"Do.\n\n{text}\n"
    assert message in fault(function)
    assert bool(message) == bool(fault(function))


def right(x, y=1):
    """Return the sum.

    Parameters
    ----------
    x, y : int
        What is added.

    Returns
    -------
    int
        The sum.
    """


PLANTED = {
    "too little": lambda text: text.replace("x, y", "x"),
    "too much": lambda text: text.replace("x, y", "x, y, z"),
    "told twice": lambda text: text.replace("x, y", "x, y, y"),
    "sections": lambda text: text.replace("Returns\n", "Result\n"),
    "without a body": lambda text: text.replace("int\n    The sum.", ""),
    "nothing on what": lambda text: text.split("Returns\n")[0].replace("Return the", "The"),
}


@pytest.mark.parametrize("message", PLANTED)
def test_the_check_bites(message):
    def wrong(x, y=1) -> int: ...

    text = inspect.getdoc(right)  # from Python 3.13 on the compiler takes the indentation off
    wrong.__doc__ = text
    assert fault(wrong) == ""
    wrong.__doc__ = PLANTED[message](text)
    assert wrong.__doc__ != text
    assert message in fault(wrong)
