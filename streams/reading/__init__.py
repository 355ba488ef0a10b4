"""Numerics of reading: geometry, volumes, tensors, answers, masks; no effects."""
