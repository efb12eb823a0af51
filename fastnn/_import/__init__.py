"""How the package is imported: names loaded when asked for, and a source tree that was not compiled."""
