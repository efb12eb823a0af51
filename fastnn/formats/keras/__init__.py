"""Weights and models of Keras."""

from fastnn.formats.keras.convert import from_keras

__all__ = ["from_keras"]
