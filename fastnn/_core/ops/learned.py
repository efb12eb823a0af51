"""Parameters that several ops have: gamma and beta of channels."""

from fastnn._core.step import Parameter


def learned(columns: int, scale: bool, shift: bool) -> tuple[Parameter, ...]:
    """Return gamma and beta, those of them that a layer of so many channels has."""
    names = (("gamma", scale), ("beta", shift))
    return tuple(Parameter(name, (columns,), columns, columns, False) for name, there in names if there)
