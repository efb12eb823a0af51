"""fastnn: small and medium neural networks on the CPU, trained and run at the speed of the machine.

>>> import fastnn as fn
>>> X, y = fn.load_digits()
>>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
>>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
>>> net.evaluate(X, y)["accuracy"] > 0.97
True
"""

from fastnn import initializers as initializers
from fastnn import losses as losses
from fastnn import metrics as metrics
from fastnn import optimizers as optimizers
from fastnn import schedules as schedules
from fastnn.callbacks import Callback as Callback
from fastnn.callbacks import Checkpoint as Checkpoint
from fastnn.callbacks import EarlyStopping as EarlyStopping
from fastnn.callbacks import EpochLog as EpochLog
from fastnn.callbacks import LearningRateLogger as LearningRateLogger
from fastnn.callbacks import ProgressBar as ProgressBar
from fastnn.data import Standardizer as Standardizer
from fastnn.data import Table as Table
from fastnn.data import load_digits as load_digits
from fastnn.data import read_idx as read_idx
from fastnn.data import read_npz as read_npz
from fastnn.data import read_table as read_table
from fastnn.data import split as split
from fastnn.diagnostics import gradcheck as gradcheck
from fastnn.ensemble import Ensemble as Ensemble
from fastnn.ensemble import Uncertainty as Uncertainty
from fastnn.errors import DivergenceError as DivergenceError
from fastnn.errors import ModelFormatError as ModelFormatError
from fastnn.history import History as History
from fastnn.initializers import Orthogonal as Orthogonal
from fastnn.initializers import VarianceScaling as VarianceScaling
from fastnn.insight import Attribution as Attribution
from fastnn.insight import GradientFlow as GradientFlow
from fastnn.insight import Histograms as Histograms
from fastnn.insight import IntegratedGradients as IntegratedGradients
from fastnn.insight import LinearProbes as LinearProbes
from fastnn.insight import MaximisedInputs as MaximisedInputs
from fastnn.insight import gradient_flow as gradient_flow
from fastnn.insight import histograms as histograms
from fastnn.insight import integrated_gradients as integrated_gradients
from fastnn.insight import linear_probes as linear_probes
from fastnn.insight import maximise_activation as maximise_activation
from fastnn.insight import occlusion as occlusion
from fastnn.insight import plot_attribution as plot_attribution
from fastnn.insight import plot_gradient_flow as plot_gradient_flow
from fastnn.insight import plot_histograms as plot_histograms
from fastnn.insight import plot_maximised as plot_maximised
from fastnn.insight import plot_probes as plot_probes
from fastnn.insight import saliency as saliency
from fastnn.insight import smooth_grad as smooth_grad
from fastnn.layers import GRU as GRU
from fastnn.layers import LSTM as LSTM
from fastnn.layers import Activation as Activation
from fastnn.layers import Add as Add
from fastnn.layers import BatchNorm as BatchNorm
from fastnn.layers import Bidirectional as Bidirectional
from fastnn.layers import Concatenate as Concatenate
from fastnn.layers import Custom as Custom
from fastnn.layers import Dense as Dense
from fastnn.layers import DropConnect as DropConnect
from fastnn.layers import Dropout as Dropout
from fastnn.layers import Embedding as Embedding
from fastnn.layers import Flatten as Flatten
from fastnn.layers import Input as Input
from fastnn.layers import Layer as Layer
from fastnn.layers import LayerNorm as LayerNorm
from fastnn.layers import PhaseDense as PhaseDense
from fastnn.layers import Reshape as Reshape
from fastnn.layers import Residual as Residual
from fastnn.layers import SimpleRNN as SimpleRNN
from fastnn.layers import Slice as Slice
from fastnn.layers import Tensor as Tensor
from fastnn.layers import add as add
from fastnn.layers import concatenate as concatenate
from fastnn.layers import slice as slice
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
from fastnn.many import fit_many as fit_many
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
from fastnn.plotting import plot_confusion_matrix as plot_confusion_matrix
from fastnn.plotting import plot_history as plot_history
from fastnn.resampling import resample_phase as resample_phase
from fastnn.schedules import CosineDecay as CosineDecay
from fastnn.schedules import ExponentialDecay as ExponentialDecay
from fastnn.schedules import InverseTimeDecay as InverseTimeDecay
from fastnn.schedules import OneCycle as OneCycle
from fastnn.schedules import ReduceOnPlateau as ReduceOnPlateau
from fastnn.schedules import StepDecay as StepDecay
from fastnn.serialization import load as load
from fastnn.stream import Stream as Stream
from fastnn.threads import get_num_threads as get_num_threads
from fastnn.threads import set_num_threads as set_num_threads

__version__ = "0.1.0"
