"""Implicit solids on a lattice of points: signed distances in mm, negative inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Vector = tuple[float, float, float]


REACH = np.float32(14)
"""Solids are measured to this distance and no further, mm: beyond it nothing of them shows."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Points:
    """Where a lattice's nodes lie in the patient, mm, each `[z, y, x]`: x to the left, y to the back, z to the head."""

    x: Field
    y: Field
    z: Field
    spans: tuple[Field, Field, Field] = field(init=False)
    """Least and greatest z of each plane, y of each row, x of each column: `[2, n]`."""

    def __post_init__(self) -> None:
        others = ((1, 2), (0, 2), (0, 1))
        axes = zip((self.z, self.y, self.x), others, strict=True)
        spans = tuple(np.stack([axis.min(axis=over), axis.max(axis=over)]) for axis, over in axes)
        object.__setattr__(self, "spans", spans)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z, y, x."""
        nz, ny, nx = self.x.shape
        return nz, ny, nx

    def folded(self) -> Points:
        """Both sides laid onto the left one, for paired structures."""
        return Points(np.abs(self.x), self.y, self.z)

    def part(self, box: Box) -> tuple[Field, Field, Field]:
        """x, y, z of the nodes in a box."""
        return self.x[box], self.y[box], self.z[box]

    def box(self, low: Vector, high: Vector) -> Box | None:
        """The nodes' box that holds all within `REACH` of the box from `low` to `high` (x, y, z), if any are."""
        found = []
        for span, start, end in zip(self.spans, low[::-1], high[::-1], strict=True):
            hit = np.flatnonzero((span[1] >= start - REACH) & (span[0] <= end + REACH))
            if not len(hit):
                return None
            found.append(slice(int(hit[0]), int(hit[-1]) + 1))
        return found[0], found[1], found[2]


def ellipsoid(points: Points, centre: Vector, radii: Vector, yaw: float = 0.0, *, whole: bool = False) -> Field:
    """Distance to an ellipsoid, first order; `radii` along x, y, z before turning it `yaw` radians about z.

    With `whole` the distance is true beyond `REACH` too.
    """
    wide = (max(radii[:2]), max(radii[:2]), radii[2]) if yaw else radii
    if whole:
        wide = (1e4, 1e4, 1e4)
    low = tuple(c - w for c, w in zip(centre, wide, strict=True))
    high = tuple(c + w for c, w in zip(centre, wide, strict=True))
    out = np.full(points.shape, REACH, np.float32)
    box = points.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    if box is not None:
        distance = _ellipsoid(points.part(box), centre, radii, yaw)
        out[box] = distance if whole else np.minimum(distance, REACH)
    return out


def _ellipsoid(part: tuple[Field, Field, Field], centre: Vector, radii: Vector, yaw: float) -> Field:
    x, y, z = (axis - np.float32(middle) for axis, middle in zip(part, centre, strict=True))
    if yaw:
        cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
        x, y = cos * x + sin * y, cos * y - sin * x
    a, b, c = (np.float32(1.0 / radius) for radius in radii)
    x, y, z = x * a, y * b, z * c
    reach = np.sqrt(x * x + y * y + z * z)
    x, y, z = x * a, y * b, z * c
    steep = np.sqrt(x * x + y * y + z * z)
    distance = reach * (reach - 1) / np.maximum(steep, np.float32(1e-4))
    return np.asarray(np.where(reach < 1e-3, -np.float32(min(radii)), distance), dtype=np.float32)


def rod(points: Points, start: Vector, end: Vector, radius: tuple[float, float]) -> Field:
    """Distance to a round rod whose radius goes from `radius[0]` at `start` to `radius[1]` at `end`."""
    thick = max(radius)
    low = [min(s, e) - thick for s, e in zip(start, end, strict=True)]
    high = [max(s, e) + thick for s, e in zip(start, end, strict=True)]
    out = np.full(points.shape, REACH, np.float32)
    box = points.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    if box is None:
        return out
    along = np.subtract(end, start).astype(np.float32)
    x, y, z = (axis - np.float32(middle) for axis, middle in zip(points.part(box), start, strict=True))
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / np.float32(along @ along), 0, 1)
    x, y, z = x - share * along[0], y - share * along[1], z - share * along[2]
    distance = np.sqrt(x * x + y * y + z * z) - (np.float32(radius[0]) + share * np.float32(radius[1] - radius[0]))
    out[box] = np.minimum(distance, REACH)
    return out


def chain(points: Points, joints: tuple[tuple[Vector, float], ...], melt: float = 2.0) -> Field:
    """Distance to rods joined end to end: (joint, radius there), melted together over `melt` mm."""
    whole: Field | None = None
    for (start, first), (end, second) in pairwise(joints):
        piece = rod(points, start, end, (first, second))
        whole = piece if whole is None else melted(whole, piece, melt)
    assert whole is not None
    return whole


def single(values: ArrayLike) -> Field:
    """Values as 32-bit numbers."""
    return np.asarray(values, dtype=np.float32)


def union(first: Field, *others: Field) -> Field:
    """Distance to the nearest of several solids."""
    nearest = first.copy()
    for other in others:
        np.minimum(nearest, other, out=nearest)
    return nearest


def common(first: Field, *others: Field) -> Field:
    """Distance to what several solids share: negative inside all of them."""
    deepest = first.copy()
    for other in others:
        np.maximum(deepest, other, out=deepest)
    return deepest


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
