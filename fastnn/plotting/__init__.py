"""Plots: learning curves and confusion matrices, drawn without any global state of matplotlib."""

from fastnn.plotting.curves import plot_confusion_matrix, plot_history

__all__ = ["plot_confusion_matrix", "plot_history"]
