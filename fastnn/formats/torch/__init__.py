"""Weights and modules of PyTorch."""
