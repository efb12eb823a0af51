"""Layers: one concept per file."""

from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer, Tensor
from fastnn.layers.custom import Custom
from fastnn.layers.dense import Dense
from fastnn.layers.dropconnect import DropConnect
from fastnn.layers.dropout import Dropout
from fastnn.layers.input import Input
from fastnn.layers.merge import Add, Concatenate, Slice, add, concatenate, slice
from fastnn.layers.phase_dense import PhaseDense
from fastnn.layers.reshape import Flatten, Reshape
from fastnn.layers.residual import Residual

__all__ = [
    "Activation",
    "Add",
    "Concatenate",
    "Custom",
    "Dense",
    "DropConnect",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "PhaseDense",
    "Reshape",
    "Residual",
    "Slice",
    "Tensor",
    "add",
    "concatenate",
    "slice",
]
