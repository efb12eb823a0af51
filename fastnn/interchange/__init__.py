"""Other libraries: networks as ONNX models and back, and weights of scikit-learn, PyTorch and Keras."""

from fastnn.interchange.keras import from_keras
from fastnn.interchange.onnx_export import to_onnx
from fastnn.interchange.onnx_import import from_onnx
from fastnn.interchange.pytorch import from_torch
from fastnn.interchange.scikit_learn import from_sklearn

__all__ = ["from_keras", "from_onnx", "from_sklearn", "from_torch", "to_onnx"]
