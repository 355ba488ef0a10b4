"""Finds the lungs on a chest CT, closed over nodules that sit at the wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.lung.grid import Axes, Grid, Hu, grid_over, resampled
from streams.reading.pausing import between_steps

Mask = NDArray[np.bool_]

GRID_MM = 2.5
"""Cubes on which the lungs are sought."""
AIR_HU = -400.0
GAS_HU = -975.0
"""Bowel and stomach hold nearly pure air; lungs, even with emphysema, are denser in the median."""
BODY_HU = -250.0
CLOSING_MM = 11.0
"""Nodules at the wall up to about twice this wide stay inside the closed lung."""
WIDE_MM = 20.0
FAR_MM = 15.0
"""Beyond this from the lungs nothing is looked at."""
LEAST_LUNG_ML = 120.0
LEAST_BOTH_ML = 700.0
AIRWAY_MM2 = (40.0, 1000.0)
"""Cross-sections between which an upper midline piece is the trachea."""


@dataclass(frozen=True, slots=True, eq=False)
class Lungs:
    """Both lungs on a 2.5 mm grid.

    Attributes:
        air: what is aerated.
        closed: the same, with vessels, wall nodules and recesses closed in.
        depth: mm inside the closed lungs, negative outside.
        wide: the same of lungs closed over more: a wider ball, rolled along the wall, cuts less off what bulges there.
        middle: x in mm that parts right from left.
        low, high: the box of the aerated lungs (z, y, x in mm).
    """

    grid: Grid
    air: Mask
    closed: Mask
    depth: NDArray[np.float32]
    wide: NDArray[np.float32]
    middle: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def place(self, point: NDArray[np.float64]) -> tuple[float, float, float]:
        """A point (z, y, x in mm) in the lungs' box: from the patient's right, from the front, from the foot."""
        share = np.clip((point - self.low) / np.maximum(self.high - self.low, 1.0), 0, 1)
        return float(share[2]), float(share[1]), float(share[0])

    def share(self, width_mm: float) -> NDArray[np.float32]:
        """How much of the closed lungs round each cube is no air: much of it where vessels are large."""
        size = max(3, 2 * round(width_mm / self.grid.step / 2) + 1)
        inside = ndimage.uniform_filter(self.closed.astype(np.float32), size)
        tissue = ndimage.uniform_filter((self.closed & ~self.air).astype(np.float32), size)
        return np.asarray(tissue / np.maximum(inside, np.float32(0.02)), dtype=np.float32)


def find_lungs(hu: Hu, axes: Axes) -> Lungs | None:
    """The lungs of a chest; None where there are none."""
    low = np.asarray([axis[0] for axis in axes.all])
    high = np.asarray([axis[-1] for axis in axes.all])
    grid = grid_over(low, high, GRID_MM)
    coarse = resampled(hu, axes, grid)
    between_steps()
    air = _lung_air(coarse)
    if air is None:
        return None
    between_steps()
    air = air & ~_trachea(air)
    middle = _parting(air)
    near = _near(air)
    closed = _both(air, near, middle, CLOSING_MM)
    depth = _far(closed, near)
    between_steps()
    wide = _far(_both(air, near, middle, WIDE_MM), near)
    where = np.nonzero(air)
    box = [(np.percentile(axis, 0.2), np.percentile(axis, 99.8)) for axis in where]
    first, last = (grid.at(np.asarray([pair[k] for pair in box], dtype=np.float64)) for k in (0, 1))
    return Lungs(grid, air, closed, depth, wide, grid.origin[2] + grid.step * (middle - 0.5), first, last)


def _both(air: Mask, near: tuple[slice, slice, slice], middle: int, closing_mm: float) -> Mask:
    """Each lung closed by itself."""
    closed = np.zeros_like(air)
    for half in (slice(near[2].start, middle), slice(middle, near[2].stop)):
        closed[(*near[:2], half)] = _closed(air[(*near[:2], half)], closing_mm)
        between_steps()
    return closed


def _far(closed: Mask, near: tuple[slice, slice, slice]) -> NDArray[np.float32]:
    """How many mm each cube lies inside the closed lungs, negative outside."""
    depth = np.full(closed.shape, -FAR_MM, np.float32)
    depth[near] = _depth(closed[near]) * np.float32(GRID_MM)
    return depth


def _lung_air(hu: NDArray[np.float32]) -> Mask | None:
    """Air inside the body that is lung: one or two large pieces."""
    body = _body(hu)
    if body is None:
        return None
    labels, count = ndimage.label((hu < AIR_HU) & body)
    if not count:
        return None
    ml = np.bincount(labels.ravel(), minlength=count + 1) * GRID_MM**3 / 1000
    ml[0] = 0
    kept = []
    for label in np.argsort(-ml)[:4]:
        if ml[label] < max(LEAST_LUNG_ML, 0.1 * ml.max()):
            break
        if np.median(hu[labels == label]) > GAS_HU:
            kept.append(label)
    lungs = np.isin(labels, kept[:2])
    return lungs if ml[kept[:2]].sum() >= LEAST_BOTH_ML else None


def _body(hu: NDArray[np.float32]) -> Mask | None:
    """The trunk with what it encloses in each slice: no table, no air around."""
    dense = hu > BODY_HU
    core = ndimage.binary_erosion(dense, iterations=2)
    labels, count = ndimage.label(core)
    if not count:
        return None
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    trunk = ndimage.binary_dilation(labels == int(sizes.argmax()), iterations=3) & dense
    disc = ndimage.generate_binary_structure(2, 1)
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(plane, disc)) for plane in trunk])


def _trachea(air: Mask) -> Mask:
    """The windpipe above its fork: followed downwards from the highest slice that shows it alone."""
    out = np.zeros_like(air)
    span = np.flatnonzero(air.any(axis=(0, 1)))
    middle, reach = (span[0] + span[-1]) / 2, 0.15 * (span[-1] - span[0])
    last: Mask | None = None
    for index in np.flatnonzero(air.any(axis=(1, 2)))[::-1]:
        piece = _midline_piece(air[index], middle, reach, last)
        if piece is None:
            if last is not None:
                break
            continue
        out[index] = last = piece
    return np.asarray(ndimage.binary_dilation(out, ndimage.generate_binary_structure(2, 1)[None]))


def _midline_piece(plane: Mask, middle: float, reach: float, last: Mask | None) -> Mask | None:
    labels, count = ndimage.label(plane)
    for label in range(1, count + 1):
        piece = np.asarray(labels == label)
        area = piece.sum() * GRID_MM**2
        if not AIRWAY_MM2[0] <= area <= AIRWAY_MM2[1]:
            continue
        off = abs(float(np.nonzero(piece)[1].mean()) - middle)
        if off <= reach if last is None else bool((piece & last).any()):
            return piece
    return None


def _parting(air: Mask) -> int:
    """The column between the lungs: least air near the middle of their breadth."""
    profile = air.sum(axis=(0, 1)).astype(np.float64)
    span = np.flatnonzero(profile)
    first, last = int(span[0]), int(span[-1])
    start, end = first + int(0.35 * (last - first)), first + int(0.65 * (last - first)) + 1
    smooth = ndimage.uniform_filter1d(profile, 3)
    return start + int(smooth[start:end].argmin())


def _near(air: Mask) -> tuple[slice, slice, slice]:
    """The box of the lungs with a margin: nothing further away is asked."""
    margin = round(FAR_MM / GRID_MM)
    spans = (np.flatnonzero(air.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    z, y, x = (slice(max(0, int(s[0]) - margin), int(s[-1]) + margin + 1) for s in spans)
    return z, y, x


def _depth(closed: Mask) -> NDArray[np.float32]:
    """Cubes inside, negative outside; 0 at the wall."""
    inner, outer = ndimage.distance_transform_edt(closed), ndimage.distance_transform_edt(~closed)
    return np.asarray(np.where(closed, inner - 0.5, 0.5 - outer), dtype=np.float32)


def _closed(air: Mask, closing_mm: float) -> Mask:
    """Closing by distance, and what it encloses."""
    if not air.any():
        return air
    reach = closing_mm / GRID_MM
    wide = np.pad(air, int(reach) + 2)
    grown = ndimage.distance_transform_edt(~wide) <= reach
    shut = ndimage.distance_transform_edt(grown) > reach
    inner = tuple(slice(int(reach) + 2, -int(reach) - 2) for _ in range(3))
    shut[inner] |= air
    labels, _ = ndimage.label(~shut)  # a mass wider than the closing is a hole of its own
    return np.asarray((labels != labels[0, 0, 0])[inner])
