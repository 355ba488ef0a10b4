"""Where a volume's voxels lie in the patient, from each slice's Image Position and Orientation (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streams.reading.geometry import Geometry

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placing:
    """The way from the indices of a turned volume to the patient's coordinates.

    Attributes:
        corners_mm: float64 [z, 3]: x, y, z of each slice's first voxel.
        down_mm, across_mm: the step from one row, and from one column, to the next: x, y, z.
    """

    corners_mm: NDArray[np.float64]
    down_mm: NDArray[np.float64]
    across_mm: NDArray[np.float64]

    def patient(self, index: tuple[float, float, float]) -> Point:
        """x, y, z in mm of a place given by slice, row and column, whole or between."""
        slices = np.arange(len(self.corners_mm))
        corner = np.asarray([np.interp(index[0], slices, self.corners_mm[:, k]) for k in range(3)])
        x, y, z = (corner + index[1] * self.down_mm + index[2] * self.across_mm).tolist()
        return x, y, z


def placing_of(geometry: Geometry) -> Placing:
    """Of slices that have been put in order (each has a position and an orientation)."""
    corners = np.asarray([facts.position_mm for facts in geometry.instances], dtype=np.float64)
    along = np.asarray(cast("tuple[float, ...]", geometry.instances[0].orientation), dtype=np.float64)
    row, column = along[:3], along[3:]
    axes, (_, dy, dx) = geometry.axes, geometry.spacing_mm
    across, down = (column, row) if axes.transpose else (row, column)
    high, wide = (geometry.columns, geometry.rows) if axes.transpose else (geometry.rows, geometry.columns)
    across, down = across * dx, down * dy
    if axes.flip_x:
        corners, across = corners + across * (wide - 1), -across
    if axes.flip_y:
        corners, down = corners + down * (high - 1), -down
    return Placing(corners_mm=corners, down_mm=down, across_mm=across)
