"""What ``fastnn`` has, each name once: type checkers read this, and so does ``fastnn/_import/lazy.py``."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from fastnn import data as data
from fastnn import ensemble as ensemble
from fastnn import errors as errors
from fastnn import estimators as estimators
from fastnn import formats as formats
from fastnn import graph as graph
from fastnn import initializers as initializers
from fastnn import insight as insight
from fastnn import layers as layers
from fastnn import losses as losses
from fastnn import metrics as metrics
from fastnn import nets as nets
from fastnn import network as network
from fastnn import online as online
from fastnn import optimizers as optimizers
from fastnn import plotting as plotting
from fastnn import reporting as reporting
from fastnn import schedules as schedules
from fastnn import threads as threads
from fastnn import training as training
from fastnn._core.headers import get_include as get_include
from fastnn._version import __version__ as __version__
from fastnn.data import *
from fastnn.ensemble import Ensemble as Ensemble
from fastnn.ensemble import Uncertainty as Uncertainty
from fastnn.errors import DivergenceError as DivergenceError
from fastnn.errors import ModelFormatError as ModelFormatError
from fastnn.estimators import MLPClassifier as MLPClassifier
from fastnn.estimators import MLPRegressor as MLPRegressor
from fastnn.formats import c as _c
from fastnn.formats import from_keras as _from_keras
from fastnn.formats import from_onnx as _from_onnx
from fastnn.formats import from_sklearn as _from_sklearn
from fastnn.formats import from_torch as _from_torch
from fastnn.formats.safetensors import load as _load
from fastnn.graph import layer_view as layer_view
from fastnn.graph.penalty import gradient_penalty as gradient_penalty
from fastnn.graph.resampling import resample_phase as resample_phase
from fastnn.graph.stream import Stream as Stream
from fastnn.initializers import Orthogonal as Orthogonal
from fastnn.initializers import VarianceScaling as VarianceScaling
from fastnn.insight import Attribution as Attribution
from fastnn.insight import Calibrated as Calibrated
from fastnn.insight import GradCAM as GradCAM
from fastnn.insight import GradientFlow as GradientFlow
from fastnn.insight import Histograms as Histograms
from fastnn.insight import IntegratedGradients as IntegratedGradients
from fastnn.insight import InvertedFeatures as InvertedFeatures
from fastnn.insight import LinearProbes as LinearProbes
from fastnn.insight import MaximisedInputs as MaximisedInputs
from fastnn.insight import PermutationImportance as PermutationImportance
from fastnn.insight import RateSweep as RateSweep
from fastnn.insight import StyledImage as StyledImage
from fastnn.insight import StyleLoss as StyleLoss
from fastnn.insight import StyleTerms as StyleTerms
from fastnn.insight import calibrate as calibrate
from fastnn.insight import grad_cam as grad_cam
from fastnn.insight import gradcheck as _gradcheck
from fastnn.insight import gradient_flow as gradient_flow
from fastnn.insight import histograms as histograms
from fastnn.insight import integrated_gradients as integrated_gradients
from fastnn.insight import invert_features as invert_features
from fastnn.insight import linear_probes as linear_probes
from fastnn.insight import lr_find as lr_find
from fastnn.insight import maximise_activation as maximise_activation
from fastnn.insight import occlusion as occlusion
from fastnn.insight import permutation_importance as permutation_importance
from fastnn.insight import plot_attribution as plot_attribution
from fastnn.insight import plot_feature_maps as plot_feature_maps
from fastnn.insight import plot_filters as plot_filters
from fastnn.insight import plot_gradient_flow as plot_gradient_flow
from fastnn.insight import plot_histograms as plot_histograms
from fastnn.insight import plot_importance as plot_importance
from fastnn.insight import plot_inversion as plot_inversion
from fastnn.insight import plot_lr_find as plot_lr_find
from fastnn.insight import plot_maximised as plot_maximised
from fastnn.insight import plot_probes as plot_probes
from fastnn.insight import saliency as saliency
from fastnn.insight import smooth_grad as smooth_grad
from fastnn.insight import style_transfer as style_transfer
from fastnn.insight.gradcheck import gradcheck as gradcheck
from fastnn.layers import *
from fastnn.losses import *
from fastnn.metrics import accuracy as accuracy
from fastnn.metrics import confusion_matrix as confusion_matrix
from fastnn.metrics import error as error
from fastnn.metrics import r2 as r2
from fastnn.network import Network as Network
from fastnn.network import QuantizedNetwork as QuantizedNetwork
from fastnn.network import Sequential as Sequential
from fastnn.online import OnlineClassifier as OnlineClassifier
from fastnn.online import OnlineRegressor as OnlineRegressor
from fastnn.optimizers import SGD as SGD
from fastnn.optimizers import Adadelta as Adadelta
from fastnn.optimizers import Adagrad as Adagrad
from fastnn.optimizers import Adam as Adam
from fastnn.optimizers import AdamW as AdamW
from fastnn.optimizers import AMSGrad as AMSGrad
from fastnn.optimizers import Group as Group
from fastnn.optimizers import RMSprop as RMSprop
from fastnn.plotting import ModelPicture as ModelPicture
from fastnn.plotting import plot_confusion_matrix as plot_confusion_matrix
from fastnn.plotting import plot_history as plot_history
from fastnn.plotting import plot_model as plot_model
from fastnn.reporting import Report as Report
from fastnn.reporting import report as report
from fastnn.schedules import CosineDecay as CosineDecay
from fastnn.schedules import ExponentialDecay as ExponentialDecay
from fastnn.schedules import InverseTimeDecay as InverseTimeDecay
from fastnn.schedules import OneCycle as OneCycle
from fastnn.schedules import ReduceOnPlateau as ReduceOnPlateau
from fastnn.schedules import StepDecay as StepDecay
from fastnn.threads import get_num_threads as get_num_threads
from fastnn.threads import set_num_threads as set_num_threads
from fastnn.training import callbacks as callbacks
from fastnn.training import history as history
from fastnn.training.average import WeightAverage as WeightAverage
from fastnn.training.callbacks import Callback as Callback
from fastnn.training.callbacks import Checkpoint as Checkpoint
from fastnn.training.callbacks import EarlyStopping as EarlyStopping
from fastnn.training.callbacks import EpochLog as EpochLog
from fastnn.training.callbacks import LearningRateLogger as LearningRateLogger
from fastnn.training.callbacks import ProgressBar as ProgressBar
from fastnn.training.csv_logger import CSVLogger as CSVLogger
from fastnn.training.history import History as History
from fastnn.training.many import fit_many as fit_many
from fastnn.training.mlflow import MLflow as MLflow
from fastnn.training.tensorboard import TensorBoard as TensorBoard

# What makes networks of files and of other libraries' models stands below Network and cannot name it: here it does.
def load(path: str | PathLike[str], *, custom: dict[str, Layer] | None = None, verify: bool = True) -> Network: ...  # noqa: F405
def from_keras(
    source: Any,
    *,
    into: Network | None = None,
    input_shape: int | tuple[int, ...] | None = None,
    seed: int | None = None,
) -> Network: ...
def from_onnx(
    model: Any,
    *,
    outputs: str | Sequence[str] | None = None,
    seed: int | None = None,
    max_constant: int = 16_777_216,
) -> Network: ...
def from_sklearn(mlp: Any, *, logits: bool = False, seed: int | None = None) -> Sequential: ...
def from_torch(
    source: Any,
    *,
    into: Network | None = None,
    names: Mapping[str, str] | None = None,
    input_shape: int | tuple[int, ...] | None = None,
    seed: int | None = None,
) -> Network: ...

# Modules under the names that they had before.
diagnostics = _gradcheck
export_c = _c
interchange = formats
