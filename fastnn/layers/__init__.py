"""Layers: what networks are made of; specifications that hold no numbers, one concept per file."""

from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer, Tensor
from fastnn.layers.batch_norm import BatchNorm
from fastnn.layers.bidirectional import Bidirectional
from fastnn.layers.composite import Composite as Composite
from fastnn.layers.conv2d import Conv2D
from fastnn.layers.custom import Custom
from fastnn.layers.dense import Dense
from fastnn.layers.depth_to_space import DepthToSpace, SpaceToDepth
from fastnn.layers.dropconnect import DropConnect
from fastnn.layers.dropout import Dropout
from fastnn.layers.embedding import Embedding
from fastnn.layers.gru import GRU
from fastnn.layers.input import Input
from fastnn.layers.layer_norm import LayerNorm
from fastnn.layers.local_response_norm import LocalResponseNorm
from fastnn.layers.lstm import LSTM
from fastnn.layers.merge import Add, Concatenate, Multiply, Slice, add, concatenate, slice
from fastnn.layers.padding import Crop2D, Pad2D
from fastnn.layers.permute import Permute
from fastnn.layers.phase_dense import PhaseDense
from fastnn.layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from fastnn.layers.reduce import Reduce
from fastnn.layers.reshape import Flatten, Reshape
from fastnn.layers.residual import Residual
from fastnn.layers.scale import Scale
from fastnn.layers.simple_rnn import SimpleRNN
from fastnn.layers.upsample import Upsample2D

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AvgPool2D",
    "BatchNorm",
    "Bidirectional",
    "Concatenate",
    "Conv2D",
    "Crop2D",
    "Custom",
    "Dense",
    "DepthToSpace",
    "DropConnect",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "Input",
    "Layer",
    "LayerNorm",
    "LocalResponseNorm",
    "MaxPool2D",
    "Multiply",
    "Pad2D",
    "Permute",
    "PhaseDense",
    "Reduce",
    "Reshape",
    "Residual",
    "Scale",
    "SimpleRNN",
    "Slice",
    "SpaceToDepth",
    "Tensor",
    "Upsample2D",
    "add",
    "concatenate",
    "slice",
]
