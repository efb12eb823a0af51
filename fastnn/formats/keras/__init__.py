"""Weights and models of Keras."""
