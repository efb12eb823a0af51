"""The ops, by name; each family of them is a compiled module here."""
# ruff: noqa: F401  (what the stub beside it names)

from fastnn._core.ops.activation import ActivationOp
from fastnn._core.ops.convolution import ConvolutionOp
from fastnn._core.ops.convolution_tables import Geometry
from fastnn._core.ops.custom import CustomOp
from fastnn._core.ops.dense import DenseOp
from fastnn._core.ops.depthwise import DepthwiseOp
from fastnn._core.ops.dropconnect import DropConnectOp
from fastnn._core.ops.dropout import DropoutOp
from fastnn._core.ops.embedding import EmbeddingOp
from fastnn._core.ops.gram import GramOp
from fastnn._core.ops.image_norm import GroupNormOp, PixelNormOp
from fastnn._core.ops.local_response import LocalResponseOp
from fastnn._core.ops.merge import AddOp, BlendOp, ConcatenateOp, FanOutOp, MultiplyOp, SliceOp
from fastnn._core.ops.minibatch import MinibatchStdDevOp
from fastnn._core.ops.noise import ChannelDropoutOp, NoiseOp
from fastnn._core.ops.norm import BatchNormOp, LayerNormOp, ScaleOp
from fastnn._core.ops.pad import CropOp, PadOp
from fastnn._core.ops.past import PastOp
from fastnn._core.ops.permute import PermuteOp
from fastnn._core.ops.phase import COUNTING, PhaseDenseOp, basis
from fastnn._core.ops.pooling import PoolOp
from fastnn._core.ops.quantized import BFloat16Weights, Int8Weights, NarrowWeights, QuantizedDenseOp, bfloat16, widened
from fastnn._core.ops.recurrent import RecurrentOp
from fastnn._core.ops.reduce import ReduceOp
from fastnn._core.ops.standardize import StandardizeOp
from fastnn._core.ops.transposed import TransposedConvolutionOp
from fastnn._core.ops.upsample import UpsampleOp
from fastnn._core.ops.winograd import WinogradOp
