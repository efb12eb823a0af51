"""Names of a package that are loaded when they are first asked for.

They stand once, in the package's ``__init__.pyi``, where type checkers find them too.  Each line is one of

    from fastnn.layers import Dense as Dense
    from fastnn.data import *
    interchange = formats
    def load(path: ...) -> Network: ...

The second needs a package that has such a file itself, or a module that lists its names in ``__all__``.  The third
gives what a line above names a second name, and the fourth says more of the type of what was imported as ``_load``.
"""

import sys
from ast import literal_eval
from collections.abc import Callable
from importlib import import_module
from os.path import dirname, isfile, join
from typing import Any

FOLDER = dirname(dirname(__file__))


def homes(package: str) -> dict[str, tuple[str, str]]:
    """Return where each name of a package is: its module, and what it is called there."""
    found: dict[str, tuple[str, str]] = {}
    place = join(FOLDER, *package.split(".")[1:])
    if not isfile(join(place, "__init__.pyi")):
        return {name: (package, name) for name in listed(place)}
    with open(join(place, "__init__.pyi"), encoding="utf-8") as stub:
        for line in stub:
            match line.split():
                case ["from", module, "import", "*", *_]:
                    found |= homes(module)
                case ["from", module, "import", name, "as", public]:
                    found[public] = module, name
                case [public, "=", name]:
                    found[public] = found[name]
                case ["def", rest, *_]:
                    public = rest.partition("(")[0]
                    found[public] = found[f"_{public}"]
    return found


def listed(place: str) -> list[str]:
    """Return what a module, or a package, has in ``__all__``, without running it."""
    with open(f"{place}.py" if isfile(f"{place}.py") else join(place, "__init__.py"), encoding="utf-8") as source:
        text = source.read()
    start = text.index("[", text.index("\n__all__ = ["))
    return list(literal_eval(text[start : text.index("]", start) + 1]))


def attach(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package with an ``__init__.pyi``."""
    names = homes(package)
    namespace = vars(sys.modules[package])

    def load(public: str) -> Any:
        if public not in names:
            said = ""
            if not public.startswith("_"):
                from fastnn._import.words import hint

                said = hint(public)
            raise AttributeError(
                f"module {package!r} has no attribute {public!r}{said}", name=public, obj=sys.modules[package]
            )
        module, name = names[public]
        if module == package:  # a module of this package: asking the package for it would lead here again
            value = import_module(f"{module}.{name}")
        else:
            value = getattr(__import__(module, fromlist=[name]), name)
        namespace[public] = value
        return value

    for public, (module, _) in names.items():
        if module == f"{package}.{public}":  # a later import of that module would take the name
            load(public)
    return load, lambda: sorted({*namespace, *names}), [name for name in names if not name.startswith("_")]
