"""Plots: learning curves and confusion matrices, drawn without any global state of matplotlib, and layers as SVG."""

from fastnn.plotting.curves import plot_confusion_matrix, plot_history
from fastnn.plotting.model import ModelPicture, plot_model

__all__ = ["ModelPicture", "plot_confusion_matrix", "plot_history", "plot_model"]
