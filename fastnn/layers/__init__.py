"""Layers: what networks are made of; specifications that hold no numbers, one concept per file."""

from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer, Tensor
from fastnn.layers.batch_norm import BatchNorm
from fastnn.layers.bidirectional import Bidirectional
from fastnn.layers.composite import Composite as Composite
from fastnn.layers.conv1d import Conv1D
from fastnn.layers.conv2d import Conv2D
from fastnn.layers.conv_transpose2d import ConvTranspose2D
from fastnn.layers.custom import Custom
from fastnn.layers.dense import Dense
from fastnn.layers.depth_to_space import DepthToSpace, SpaceToDepth
from fastnn.layers.depthwise_conv2d import DepthwiseConv2D
from fastnn.layers.dropconnect import DropConnect
from fastnn.layers.dropout import Dropout
from fastnn.layers.embedding import Embedding
from fastnn.layers.gram import Gram
from fastnn.layers.group_norm import GroupNorm, InstanceNorm
from fastnn.layers.gru import GRU
from fastnn.layers.input import Input
from fastnn.layers.layer_norm import LayerNorm
from fastnn.layers.local_response_norm import LocalResponseNorm
from fastnn.layers.lstm import LSTM
from fastnn.layers.merge import Add, Blend, Concatenate, Multiply, Slice, add, concatenate, slice
from fastnn.layers.minibatch_std_dev import MinibatchStdDev
from fastnn.layers.noise import GaussianNoise, SpatialDropout
from fastnn.layers.padding import Crop2D, Pad2D
from fastnn.layers.permute import Permute
from fastnn.layers.phase_dense import PhaseDense
from fastnn.layers.pixel_norm import PixelNorm
from fastnn.layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from fastnn.layers.pooling1d import AvgPool1D, GlobalAvgPool1D, GlobalMaxPool1D, MaxPool1D
from fastnn.layers.reduce import Reduce
from fastnn.layers.reshape import Flatten, Reshape
from fastnn.layers.residual import Residual
from fastnn.layers.scale import Scale
from fastnn.layers.simple_rnn import SimpleRNN
from fastnn.layers.standardize import Standardize
from fastnn.layers.upsample import Upsample2D

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "Bidirectional",
    "Blend",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Crop2D",
    "Custom",
    "Dense",
    "DepthToSpace",
    "DepthwiseConv2D",
    "DropConnect",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "Gram",
    "GroupNorm",
    "Input",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LocalResponseNorm",
    "MaxPool1D",
    "MaxPool2D",
    "MinibatchStdDev",
    "Multiply",
    "Pad2D",
    "Permute",
    "PhaseDense",
    "PixelNorm",
    "Reduce",
    "Reshape",
    "Residual",
    "Scale",
    "SimpleRNN",
    "Slice",
    "SpaceToDepth",
    "SpatialDropout",
    "Standardize",
    "Tensor",
    "Upsample2D",
    "add",
    "concatenate",
    "slice",
]
