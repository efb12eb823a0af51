"""The version, where all of the package can read it."""

__version__ = "0.1.0"
