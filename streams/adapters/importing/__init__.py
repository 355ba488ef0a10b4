"""Models that people bring, as ONNX, TorchScript or a MONAI bundle, become model folders."""
