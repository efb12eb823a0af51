"""Data: readers of common files, splitting, standardising, windows over series, and a small data set to start with."""

from fastnn._import.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__)
