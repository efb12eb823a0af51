"""Looking into a network: what its outputs rest on, what its layers know, how it learns and at what rate.

What draws needs matplotlib (ImportError says how to install it) and returns a figure with an Agg canvas: no window, no
global state.
"""

from fastnn.insight.attribution import Attribution, IntegratedGradients, integrated_gradients, saliency, smooth_grad
from fastnn.insight.flow import GradientFlow, gradient_flow
from fastnn.insight.grad_cam import GradCAM, grad_cam
from fastnn.insight.histograms import Histograms, histograms
from fastnn.insight.image_plots import plot_feature_maps, plot_filters, plot_inversion
from fastnn.insight.importance import PermutationImportance, permutation_importance
from fastnn.insight.inversion import InvertedFeatures, invert_features
from fastnn.insight.maximise import MaximisedInputs, maximise_activation
from fastnn.insight.occlusion import occlusion
from fastnn.insight.plots import (
    plot_attribution,
    plot_gradient_flow,
    plot_histograms,
    plot_importance,
    plot_maximised,
    plot_probes,
)
from fastnn.insight.probes import LinearProbes, linear_probes
from fastnn.insight.range_test import RateSweep, lr_find, plot_lr_find
from fastnn.insight.style import StyledImage, style_transfer
from fastnn.insight.style_loss import StyleLoss, StyleTerms
from fastnn.insight.temperature import Calibrated, calibrate

__all__ = [
    "Attribution",
    "Calibrated",
    "GradCAM",
    "GradientFlow",
    "Histograms",
    "IntegratedGradients",
    "InvertedFeatures",
    "LinearProbes",
    "MaximisedInputs",
    "PermutationImportance",
    "RateSweep",
    "StyleLoss",
    "StyleTerms",
    "StyledImage",
    "calibrate",
    "grad_cam",
    "gradient_flow",
    "histograms",
    "integrated_gradients",
    "invert_features",
    "linear_probes",
    "lr_find",
    "maximise_activation",
    "occlusion",
    "permutation_importance",
    "plot_attribution",
    "plot_feature_maps",
    "plot_filters",
    "plot_gradient_flow",
    "plot_histograms",
    "plot_importance",
    "plot_inversion",
    "plot_lr_find",
    "plot_maximised",
    "plot_probes",
    "saliency",
    "smooth_grad",
    "style_transfer",
]
