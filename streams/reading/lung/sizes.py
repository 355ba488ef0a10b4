"""Sizes of a nodule: volume with partial voxels, longest diameter in a slice and its perpendicular, texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.lung.grid import Axes, Hu
from streams.reading.lung.patches import Patch

Share = NDArray[np.float32]
Box = tuple[slice, slice, slice]

FINER = 4
"""A plane is asked this many times finer than its pixels."""
ANGLES = 90
"""Directions in which a plane's breadth is measured, evenly over 180 degrees."""
LUNG_HU = -860.0
"""Of the lung round a nodule where too little of it is seen."""
AERATED_HU = -500.0
SHELL_MM = (1.5, 5.0)
"""How far from the mask the lung round a nodule is looked at."""
SURE, HARDLY = 0.7, 0.12
"""Mask values from which a voxel is taken as the nodule's inside, and from which it may hold a part of it."""
LAYERS = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""Heights in a slice, in slices, at which the mask is asked."""
RIM_MM = 1.2
"""A scanner's blur: so far from the mask a voxel of the slice may still hold a part of the nodule."""
TOUCHED = 0.4
PLANE = 0.4
"""Share from which a pixel's place is inside in a plane: slices blur what bulges least at its ends."""
ATTACHED = 0.65
"""A voxel at the rim, outside of the mask, that is denser than this mixture is of a vessel or the wall."""
SMALL_MM3 = 120.0
SOFT_HU = 20.0
"""Solid nodules that show no inside, for being small, are taken to be this dense."""
SOLID_HU = -300.0
"""From here tissue counts as solid; ground glass lies between lung and this."""
SOLID_SHARES = (0.08, 0.62)
"""Shares of solid tissue up to which a nodule is ground glass, and from which it is solid."""


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The outline on the volume's voxels: its mean over each (0 to 1), and whether it touches it or nearly does."""

    part: Share
    touched: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """A nodule on the volume's own voxels.

    Attributes:
        box: the voxels that were looked at.
        share: how much of each is nodule, 0 to 1.
        centre: z, y, x in mm, of its mass.
        fullest: index of the slice that shows most of it.
    """

    box: Box
    share: Share
    centre: NDArray[np.float64]
    fullest: int
    volume_mm3: float
    diameter_mm: float
    perpendicular_mm: float
    texture: str

    @property
    def ball_mm(self) -> float:
        """Diameter of the ball of the same volume."""
        return float((6 * self.volume_mm3 / np.pi) ** (1 / 3))


def extent(hu: Hu, axes: Axes, patch: Patch, mask: Share) -> Extent | None:
    """Measures what is outlined in a patch, `[24, 24, 24]` in 0..1, on the slices; None where nothing is left."""
    box = _box(axes, patch, mask)
    if box is None:
        return None
    centres = [axis[part] for axis, part in zip(axes.all, box, strict=True)]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)
    sizes = _sizes(axes, box)
    seen = np.asarray(hu[box], dtype=np.float32)
    share = _shares(seen, _marked(patch, mask, points, sizes), sizes)
    cell = float(np.prod(sizes))
    volume = float(share.sum()) * cell
    if volume <= 0:
        return None
    areas = share.sum(axis=(1, 2))
    fullest = int(areas.argmax())
    along, across = longest(share[fullest], (sizes[1], sizes[2]))
    middle = (points * share[..., None]).sum(axis=(0, 1, 2)) / share.sum()
    return Extent(box, share, middle, box[0].start + fullest, volume, along, across, texture(seen, share))


def _box(axes: Axes, patch: Patch, mask: Share) -> Box | None:
    """The voxels of the marked cubes and of the lung round them."""
    where = np.argwhere(mask >= HARDLY)
    if not len(where):
        return None
    margin = SHELL_MM[1] + 1.0
    low = patch.grid.at(where.min(axis=0).astype(np.float64)) - margin
    high = patch.grid.at(where.max(axis=0).astype(np.float64)) + margin
    parts = []
    for axis, first, last in zip(axes.all, low, high, strict=True):
        hit = np.flatnonzero((axis >= first) & (axis <= last))
        if not len(hit):
            return None
        parts.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return parts[0], parts[1], parts[2]


def _sizes(axes: Axes, box: Box) -> tuple[float, float, float]:
    """A voxel's edges in a box, mm."""
    steps = []
    for axis, part in zip(axes.all, box, strict=True):
        near = axis[max(0, part.start - 1) : part.stop + 1]
        steps.append(float(np.median(np.diff(near))) if len(near) > 1 else 1.0)
    return steps[0], steps[1], steps[2]


def _marked(patch: Patch, mask: Share, points: NDArray[np.float64], sizes: tuple[float, float, float]) -> Marked:
    """The outline over whole voxels: thick slices reach well beyond the place of their middle."""
    layers = [patch.sampled(mask, points + np.asarray([part * sizes[0], 0.0, 0.0])) for part in LAYERS]
    touched = np.max(layers, axis=0)
    for axis, way in ((1, -RIM_MM), (1, RIM_MM), (2, -RIM_MM), (2, RIM_MM)):
        shift = np.zeros(3)
        shift[axis] = way
        touched = np.maximum(touched, patch.sampled(mask, points + shift))
    return Marked(np.mean(layers, axis=0), touched >= TOUCHED)


def _shares(seen: Share, marked: Marked, sizes: tuple[float, float, float]) -> Share:
    """How much of each voxel is nodule: by its density between lung and nodule, where the outline lets it.

    A voxel at the rim is a mixture, and its density tells the mixture (the lung outside and the nodule inside being
    known); the outline keeps vessels and the chest wall, which are as dense, out of it.
    """
    part = marked.part
    near = ndimage.distance_transform_edt(~marked.touched, sampling=sizes)
    around = seen[(near > SHELL_MM[0]) & (near <= SHELL_MM[1]) & (seen < AERATED_HU)]
    outside = float(np.median(around)) if len(around) >= 20 else LUNG_HU
    inner = seen[part >= SURE]
    if len(inner) < 4:
        inner = np.sort(seen[marked.touched])[-4:]
    if not len(inner):
        return np.zeros_like(seen)
    inside = float(np.percentile(inner, 65))
    if inside > SOLID_HU and len(inner) * np.prod(sizes) < SMALL_MM3:
        inside = max(inside, SOFT_HU)
    inside = max(inside, outside + 120.0)
    mixture = np.clip((seen - outside) / (inside - outside), 0, 1)
    rim = marked.touched & ((part >= 0.35) | (mixture < ATTACHED))
    share = np.where(part >= SURE, np.maximum(mixture, part), np.where(rim, mixture, 0))
    return np.asarray(share, dtype=np.float32)


def texture(seen: Share, share: Share) -> str:
    """solid, part-solid or ground-glass, by how much of what is well inside is as dense as tissue."""
    inner = share >= 0.9
    if inner.sum() < 4:
        inner = share >= 0.6
    if not inner.any():
        return ""
    solid = float((seen[inner] > SOLID_HU).mean())
    if solid <= SOLID_SHARES[0]:
        return "ground-glass"
    return "solid" if solid >= SOLID_SHARES[1] else "part-solid"


def longest(share: Share, pixel_mm: tuple[float, float]) -> tuple[float, float]:
    """The longest diameter of a plane's nodule and the longest at a right angle to it, mm.

    `share` is how much of each pixel `[y, x]` belongs to it; its rim runs where that is two fifths. (0, 0): nothing
    does.
    """
    where = np.argwhere(share >= 0.25)
    if not len(where):
        return 0.0, 0.0
    low, high = np.maximum(where.min(axis=0) - 2, 0), where.max(axis=0) + 3
    part = np.pad(share[low[0] : high[0], low[1] : high[1]], 1)
    fine = ndimage.zoom(part, FINER, order=1, grid_mode=True, mode="grid-constant")
    inside = fine >= PLANE
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
