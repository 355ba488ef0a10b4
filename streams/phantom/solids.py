"""Implicit solids on a lattice of points: signed distances in mm, negative inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Points:
    """Where a lattice's nodes lie in the patient, mm, each `[z, y, x]`: x to the left, y to the back, z to the head."""

    x: Field
    y: Field
    z: Field

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z, y, x."""
        nz, ny, nx = np.broadcast_shapes(self.x.shape, self.y.shape, self.z.shape)
        return nz, ny, nx

    def folded(self) -> Points:
        """Both sides laid onto the left one, for paired structures."""
        return Points(np.abs(self.x), self.y, self.z)

    def moved(self, by: tuple[Field, Field, Field]) -> Points:
        """The points displaced by (dx, dy, dz) fields, mm."""
        return Points(self.x + by[0], self.y + by[1], self.z + by[2])


def ellipsoid(points: Points, centre: Vector, radii: Vector, yaw: float = 0.0) -> Field:
    """Distance to an ellipsoid, first order; `radii` along x, y, z before turning it `yaw` radians about z."""
    x, y, z = points.x - centre[0], points.y - centre[1], points.z - centre[2]
    if yaw:
        cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
        x, y = cos * x + sin * y, cos * y - sin * x
    a, b, c = (np.float32(1.0 / radius) for radius in radii)
    reach = np.sqrt(np.square(x * a) + np.square(y * b) + np.square(z * c))
    slope = np.sqrt(np.square(x * (a * a)) + np.square(y * (b * b)) + np.square(z * (c * c)))
    distance: Field = (reach * (reach - 1) / np.maximum(slope, 1e-4)).astype(np.float32)
    return np.where(reach < 1e-3, -np.float32(min(radii)), distance)


def rod(points: Points, start: Vector, end: Vector, radius: tuple[float, float]) -> Field:
    """Distance to a round rod whose radius goes from `radius[0]` at `start` to `radius[1]` at `end`."""
    along = np.subtract(end, start).astype(np.float32)
    x, y, z = points.x - start[0], points.y - start[1], points.z - start[2]
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / np.float32(along @ along), 0, 1)
    away = np.square(x - share * along[0]) + np.square(y - share * along[1]) + np.square(z - share * along[2])
    distance: Field = np.sqrt(away) - (radius[0] + share * np.float32(radius[1] - radius[0]))
    return distance.astype(np.float32)


def chain(points: Points, joints: tuple[tuple[Vector, float], ...], melt: float = 2.0) -> Field:
    """Distance to rods joined end to end: (joint, radius there), melted together over `melt` mm."""
    whole: Field | None = None
    for (start, first), (end, second) in zip(joints, joints[1:], strict=False):
        piece = rod(points, start, end, (first, second))
        whole = piece if whole is None else melted(whole, piece, melt)
    assert whole is not None
    return whole


def melted(one: Field, other: Field, over: float) -> Field:
    """Union of two solids with the seam rounded over `over` mm."""
    share = np.maximum(over - np.abs(one - other), 0) / np.float32(over)
    united: Field = np.minimum(one, other) - share * share * np.float32(over * 0.25)
    return united


def slope(x: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, smooth between (`low` may be the greater: then falling)."""
    share = np.clip((x - low) / np.float32(high - low), 0, 1)
    smooth: Field = share * share * (3 - 2 * share)
    return smooth
