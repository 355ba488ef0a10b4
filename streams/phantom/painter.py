"""Slices from distance fields: brought to a fine grid, painted, averaged over the thickness, brought to pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.phantom.bleeds import COUNTS_FROM, Bleed
from streams.phantom.lattice import Frame, Lattice, between, doubled, mixing
from streams.phantom.skull import Fields
from streams.phantom.solids import Field
from streams.phantom.tissue import PLAIN, UNPAINTED, blood_over, tissue

Window = tuple[slice, slice]
Mask = NDArray[np.bool_]

FAR = 12.0
"""A distance from which a solid does not show, mm: where all of a slice is that far, no field is resampled."""

LAYER_MM = 1.7
"""A slice is painted in layers of about this thickness."""

FLAT = (12.0, 60.0)
"""Heights between which the vault stands nearly upright, so that one layer fewer does, mm."""

STEEP = 72.0
"""Height above which the vault leans so much that a slice is painted in twice as many layers, mm."""


def render(lattice: Lattice, fields: Fields, frame: Frame, bleed: Bleed | None = None) -> tuple[Field, Mask]:
    """Noise-free HU and the bleed's mask on the frame's slices, each averaged over its thickness."""
    painter = Painter(lattice, frame)
    hu = np.full((len(frame.z), frame.size, frame.size), -1000, np.float32)
    mask = np.zeros(hu.shape, np.bool_)
    for index, z in enumerate(frame.z):
        window = painter.window(fields["skin"], z, 4.0)
        if window is None:
            continue
        here = painter.here(fields, z, window)
        painted = tissue(here)
        if bleed is not None and bleed.low <= z <= bleed.high:
            level, wall = painter.bring(bleed.level, z, window), painter.bring(bleed.wall, z, window)
            part = bleed.share(level, wall)
            painted = blood_over(painted, here, (part, bleed.rim(level)), bleed)
            painter.put(part.mean(axis=0), window, share := np.zeros(hu.shape[1:], np.float32))
            mask[index] = share >= COUNTS_FROM
        painter.put(painted.mean(axis=0), window, hu[index])
    return hu, mask


def voxels(painter: Painter, bleed: Bleed, heights: tuple[float, ...]) -> int:
    """How many pixels of the slices at these heights belong to the bleed's mask."""
    held = 0
    for z in heights:
        window = None
        if bleed.low <= z <= bleed.high:
            window = painter.window(np.maximum(bleed.level - bleed.size, bleed.wall), z, 1.5)
        if window is None:
            continue
        part = bleed.share(painter.bring(bleed.level, z, window), painter.bring(bleed.wall, z, window))
        held += int((doubled(doubled(part.mean(axis=0)).T) >= COUNTS_FROM).sum())
    return held


class Painter:
    """Resamples the fields of one lattice for the slices of one frame."""

    def __init__(self, lattice: Lattice, frame: Frame) -> None:
        self._lattice, self._frame = lattice, frame
        half = frame.size // 2
        fine = (np.arange(half, dtype=np.float32) - (half - 1) / 2) * np.float32(frame.pixel * 2)
        left, right = (int(n) for n in np.searchsorted(fine, (lattice.x[0], lattice.x[-1])))
        self._left = left
        self._row, self._row_part = between(lattice.y, fine + np.float32(frame.centre_y))
        self._col, self._col_part = between(lattice.x, fine[left:right])
        self._steps = max(1, round(frame.thickness / LAYER_MM))

    def _layers(self, z: float) -> tuple[slice, Field]:
        """The planes of the lattice that the slice at z needs, and their weights per layer."""
        steps = self._steps
        if z > STEEP:
            steps *= 2
        elif steps > 2 and FLAT[0] < z < FLAT[1]:
            steps -= 1
        places = z + ((np.arange(steps) + 0.5) / steps - 0.5) * self._frame.thickness
        weights = mixing(self._lattice.z, places.astype(np.float32))
        used = np.flatnonzero(weights.any(axis=0))
        planes = slice(int(used[0]), int(used[-1]) + 1)
        return planes, weights[:, planes]

    def window(self, field: Field, z: float, under: float) -> Window | None:
        """The fine rows and columns where the field is under a value in the slice at z; None where it is nowhere."""
        near = (field[self._layers(z)[0]] < under).any(axis=0)
        if not near.any():
            return None
        rows, cols = np.any(near, axis=1), np.any(near, axis=0)
        return _hull(np.atleast_1d(rows), self._row), _hull(np.atleast_1d(cols), self._col)

    def here(self, fields: Fields, z: float, window: Window) -> Fields:
        """All painted fields in a window of the slice at z, `[layer, y, x]`; one number where a solid is far."""
        planes = self._layers(z)[0]
        rows = slice(self._row[window[0].start], self._row[window[0].stop - 1] + 2)
        cols = slice(self._col[window[1].start], self._col[window[1].stop - 1] + 2)
        found: Fields = {}
        for name, field in fields.items():
            if name in UNPAINTED:
                continue
            if name not in PLAIN and field[planes, rows, cols].min() > FAR:
                found[name] = np.full((1, 1, 1), FAR, np.float32)
                continue
            found[name] = self.bring(field, z, window)
        return found

    def bring(self, field: Field, z: float, window: Window) -> Field:
        """A coarse field in a window of the slice at z, `[layer, y, x]`."""
        planes, weights = self._layers(z)
        rows, cols = self._row[window[0]], self._col[window[1]]
        top, left = int(rows[0]), int(cols[0])
        part = field[planes, top : int(rows[-1]) + 2, left : int(cols[-1]) + 2]
        layers = np.tensordot(weights, part, (1, 0))
        one = np.take(layers, cols - left, axis=2)
        wide = one + (np.take(layers, cols - left + 1, axis=2) - one) * self._col_part[window[1]]
        one = np.take(wide, rows - top, axis=1)
        tall = np.take(wide, rows - top + 1, axis=1)
        tall -= one
        tall *= self._row_part[window[0], None]
        tall += one
        return np.asarray(tall, dtype=np.float32)

    def put(self, fine: Field, window: Window, plane: Field) -> None:
        """Bring a window's values, one for two by two pixels, to the pixels of a plane."""
        rows, cols = window
        left = cols.start + self._left
        spot = (slice(2 * rows.start, 2 * rows.stop), slice(2 * left, 2 * (left + cols.stop - cols.start)))
        plane[spot] = doubled(doubled(fine).T).T


def _hull(near: Mask, before: NDArray[np.int64]) -> slice:
    """The run of fine places that holds all near nodes, a node to spare on each side; never empty."""
    hits = np.flatnonzero(near)
    start, end = (int(n) for n in np.searchsorted(before, (hits[0] - 1, hits[-1] + 1)))
    start = min(start, len(before) - 1)
    return slice(start, max(end, start + 1))
