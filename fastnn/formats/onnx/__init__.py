"""ONNX models: written and read."""
