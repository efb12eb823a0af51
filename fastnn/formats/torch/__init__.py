"""Weights and modules of PyTorch."""

from fastnn.formats.torch.convert import from_torch

__all__ = ["from_torch"]
