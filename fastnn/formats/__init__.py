"""Other libraries: networks as ONNX models and back, and weights of scikit-learn, PyTorch and Keras."""

from fastnn.formats.keras.convert import from_keras
from fastnn.formats.onnx.read.model import from_onnx
from fastnn.formats.onnx.write.export import to_onnx
from fastnn.formats.sklearn import from_sklearn
from fastnn.formats.torch.convert import from_torch

__all__ = ["from_keras", "from_onnx", "from_sklearn", "from_torch", "to_onnx"]
