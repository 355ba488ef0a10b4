"""Mammograms: the breast in the picture, its muscle, its greys, and what a net's masks of it mean."""
