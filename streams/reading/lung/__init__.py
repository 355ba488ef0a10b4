"""Reads chest CTs for nodules: lungs, candidates, patches for a net, sizes."""
