"""fastnn: small and medium neural networks on the CPU, trained and run at the speed of the machine.

>>> import fastnn as fn
>>> X, y = fn.load_digits()
>>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
>>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
>>> net.evaluate(X, y)["accuracy"] > 0.97
True
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fastnn import initializers as initializers
from fastnn import losses as losses
from fastnn import metrics as metrics
from fastnn import optimizers as optimizers
from fastnn import schedules as schedules
from fastnn._version import __version__ as __version__
from fastnn.data import Examples as Examples
from fastnn.data import RunningStandardizer as RunningStandardizer
from fastnn.data import Standardizer as Standardizer
from fastnn.data import Table as Table
from fastnn.data import TableBatches as TableBatches
from fastnn.data import Windows as Windows
from fastnn.data import load_digits as load_digits
from fastnn.data import read_batches as read_batches
from fastnn.data import read_idx as read_idx
from fastnn.data import read_npz as read_npz
from fastnn.data import read_table as read_table
from fastnn.data import split as split
from fastnn.errors import DivergenceError as DivergenceError
from fastnn.errors import ModelFormatError as ModelFormatError
from fastnn.graph.stream import Stream as Stream
from fastnn.initializers import Orthogonal as Orthogonal
from fastnn.initializers import VarianceScaling as VarianceScaling
from fastnn.layers import *  # noqa: F403
from fastnn.losses import AbsoluteError as AbsoluteError
from fastnn.losses import BinaryCrossEntropy as BinaryCrossEntropy
from fastnn.losses import CrossEntropy as CrossEntropy
from fastnn.losses import Distance as Distance
from fastnn.losses import Hinge as Hinge
from fastnn.losses import Huber as Huber
from fastnn.losses import LogCosh as LogCosh
from fastnn.losses import Poisson as Poisson
from fastnn.losses import Quantile as Quantile
from fastnn.losses import SquaredError as SquaredError
from fastnn.metrics import accuracy as accuracy
from fastnn.metrics import confusion_matrix as confusion_matrix
from fastnn.metrics import error as error
from fastnn.metrics import r2 as r2
from fastnn.network import Network as Network
from fastnn.network import Sequential as Sequential
from fastnn.optimizers import SGD as SGD
from fastnn.optimizers import Adadelta as Adadelta
from fastnn.optimizers import Adagrad as Adagrad
from fastnn.optimizers import Adam as Adam
from fastnn.optimizers import AdamW as AdamW
from fastnn.optimizers import AMSGrad as AMSGrad
from fastnn.optimizers import Group as Group
from fastnn.optimizers import RMSprop as RMSprop
from fastnn.schedules import CosineDecay as CosineDecay
from fastnn.schedules import ExponentialDecay as ExponentialDecay
from fastnn.schedules import InverseTimeDecay as InverseTimeDecay
from fastnn.schedules import OneCycle as OneCycle
from fastnn.schedules import ReduceOnPlateau as ReduceOnPlateau
from fastnn.schedules import StepDecay as StepDecay
from fastnn.threads import get_num_threads as get_num_threads
from fastnn.threads import set_num_threads as set_num_threads
from fastnn.training.callbacks import Callback as Callback
from fastnn.training.callbacks import Checkpoint as Checkpoint
from fastnn.training.callbacks import EarlyStopping as EarlyStopping
from fastnn.training.callbacks import EpochLog as EpochLog
from fastnn.training.callbacks import LearningRateLogger as LearningRateLogger
from fastnn.training.callbacks import ProgressBar as ProgressBar
from fastnn.training.history import History as History

if _TYPE_CHECKING:
    from fastnn import formats as formats
    from fastnn._core.headers import get_include as get_include
    from fastnn.ensemble import Ensemble as Ensemble
    from fastnn.ensemble import Uncertainty as Uncertainty
    from fastnn.estimators import MLPClassifier as MLPClassifier
    from fastnn.estimators import MLPRegressor as MLPRegressor
    from fastnn.formats import from_keras as from_keras
    from fastnn.formats import from_onnx as from_onnx
    from fastnn.formats import from_sklearn as from_sklearn
    from fastnn.formats import from_torch as from_torch
    from fastnn.formats.safetensors import load as load
    from fastnn.graph.resampling import resample_phase as resample_phase
    from fastnn.insight import Attribution as Attribution
    from fastnn.insight import GradientFlow as GradientFlow
    from fastnn.insight import Histograms as Histograms
    from fastnn.insight import IntegratedGradients as IntegratedGradients
    from fastnn.insight import LinearProbes as LinearProbes
    from fastnn.insight import MaximisedInputs as MaximisedInputs
    from fastnn.insight import PermutationImportance as PermutationImportance
    from fastnn.insight import gradient_flow as gradient_flow
    from fastnn.insight import histograms as histograms
    from fastnn.insight import integrated_gradients as integrated_gradients
    from fastnn.insight import linear_probes as linear_probes
    from fastnn.insight import maximise_activation as maximise_activation
    from fastnn.insight import occlusion as occlusion
    from fastnn.insight import permutation_importance as permutation_importance
    from fastnn.insight import plot_attribution as plot_attribution
    from fastnn.insight import plot_gradient_flow as plot_gradient_flow
    from fastnn.insight import plot_histograms as plot_histograms
    from fastnn.insight import plot_importance as plot_importance
    from fastnn.insight import plot_maximised as plot_maximised
    from fastnn.insight import plot_probes as plot_probes
    from fastnn.insight import saliency as saliency
    from fastnn.insight import smooth_grad as smooth_grad
    from fastnn.insight.gradcheck import gradcheck as gradcheck
    from fastnn.online import OnlineClassifier as OnlineClassifier
    from fastnn.online import OnlineRegressor as OnlineRegressor
    from fastnn.plotting import plot_confusion_matrix as plot_confusion_matrix
    from fastnn.plotting import plot_history as plot_history
    from fastnn.reporting import Report as Report
    from fastnn.reporting import report as report
    from fastnn.training.many import fit_many as fit_many
    from fastnn.training.range_test import RateSweep as RateSweep
    from fastnn.training.range_test import lr_find as lr_find
    from fastnn.training.range_test import plot_lr_find as plot_lr_find

# What stands on top of networks is loaded when it is first asked for: what names each module has.
_LATER = {
    "insight.gradcheck": ("gradcheck",),
    "ensemble": ("Ensemble", "Uncertainty"),
    "estimators": ("MLPClassifier", "MLPRegressor"),
    "formats.c": (),
    "_core.headers": ("get_include",),
    "insight": (
        "Attribution",
        "GradientFlow",
        "Histograms",
        "IntegratedGradients",
        "LinearProbes",
        "MaximisedInputs",
        "PermutationImportance",
        "gradient_flow",
        "histograms",
        "integrated_gradients",
        "linear_probes",
        "maximise_activation",
        "occlusion",
        "permutation_importance",
        "plot_attribution",
        "plot_gradient_flow",
        "plot_histograms",
        "plot_importance",
        "plot_maximised",
        "plot_probes",
        "saliency",
        "smooth_grad",
    ),
    "formats": ("from_keras", "from_onnx", "from_sklearn", "from_torch"),
    "training.many": ("fit_many",),
    "online": ("OnlineClassifier", "OnlineRegressor"),
    "plotting": ("plot_confusion_matrix", "plot_history"),
    "training.range_test": ("RateSweep", "lr_find", "plot_lr_find"),
    "reporting": ("Report", "report"),
    "graph.resampling": ("resample_phase",),
    "formats.safetensors": ("load",),
}
# Modules that public things were reached by, and where these are now.
_MOVED = {
    "callbacks": "training.callbacks",
    "diagnostics": "insight.gradcheck",
    "export_c": "formats.c",
    "history": "training.history",
    "interchange": "formats",
    "layer_view": "graph.layer_view",
}
_PACKAGES = ("data", "ensemble", "estimators", "formats", "insight", "online", "plotting", "reporting")
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> _Any:
    """Load what is not there yet.

    Raises
    ------
    AttributeError
        If there is nothing of that name.
    """
    if name in _PACKAGES:
        return _import_module(f"fastnn.{name}")
    if name in _MOVED:
        return _import_module(f"fastnn.{_MOVED[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    value = globals()[name] = getattr(_import_module(f"fastnn.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return all names, loaded or not."""
    return sorted({*globals(), *_HOMES, *_PACKAGES})
