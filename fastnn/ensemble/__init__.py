"""Ensembles: many networks that answer together, and how sure they are."""

from fastnn.ensemble.ensemble import Ensemble, Uncertainty

__all__ = ["Ensemble", "Uncertainty"]
