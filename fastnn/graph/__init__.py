"""Graphs of layers: as a plan of ops, with their parameters."""
