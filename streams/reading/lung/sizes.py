"""Sizes of a nodule: volume with partial voxels, longest diameter in a slice and its perpendicular, texture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINER = 4
"""A plane is asked this many times finer than its pixels."""
ANGLES = 90
"""Directions in which a plane's breadth is measured, evenly over 180 degrees."""


def longest(share: NDArray[np.float32], pixel_mm: tuple[float, float]) -> tuple[float, float]:
    """The longest diameter of a plane's nodule and the longest at a right angle to it, mm.

    `share` is how much of each pixel `[y, x]` belongs to it; its rim runs where that is one half. (0, 0): nothing does.
    """
    where = np.argwhere(share >= 0.25)
    if not len(where):
        return 0.0, 0.0
    low, high = np.maximum(where.min(axis=0) - 2, 0), where.max(axis=0) + 3
    part = np.pad(share[low[0] : high[0], low[1] : high[1]], 1)
    fine = ndimage.zoom(part, FINER, order=1, grid_mode=True, mode="grid-constant")
    inside = fine >= 0.5
    rim = np.argwhere(inside & ~ndimage.binary_erosion(inside))
    if not len(rim):
        return 0.0, 0.0
    cell = np.asarray(pixel_mm) / FINER
    points = rim * cell
    turns = np.pi * np.arange(ANGLES) / ANGLES
    along = points @ np.stack([np.sin(turns), np.cos(turns)])
    breadth = along.max(axis=0) - along.min(axis=0) + float(cell.mean())
    first = int(breadth.argmax())
    return float(breadth[first]), float(breadth[(first + ANGLES // 2) % ANGLES])
