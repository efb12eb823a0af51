"""The exceptions that fastnn adds to Python's own.

Everything else is a builtin: ValueError for shapes and values, TypeError for dtypes and kinds, RuntimeError for
state, MemoryError for memory.
"""


class ModelFormatError(ValueError):
    """A model file is damaged, alien, or asks for something that a file may not ask for."""


class DivergenceError(ValueError):
    """The loss became infinite or not a number during training."""
