"""Graphs of layers: laid out as a plan, with their parameters, and ready to run."""
