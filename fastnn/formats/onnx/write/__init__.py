"""From networks to ONNX models."""
