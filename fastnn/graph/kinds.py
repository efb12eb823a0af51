"""The classes of networks by the name that files use."""

from __future__ import annotations

import sys
from typing import Any

KINDS: dict[str, type[Any]] = {}  # each class of Graph adds itself


def kinds() -> dict[str, type[Any]]:
    """Return the classes by name.

    They stand above, and nothing here may import them: where a network is made of a file before anyone asked for a
    class, the package is asked for one, which loads them.
    """
    if not KINDS:
        _ = sys.modules["fastnn"].Network
    return KINDS
