"""From ONNX models to networks."""
