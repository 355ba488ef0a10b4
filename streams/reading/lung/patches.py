"""Cuts cubes round candidates, and takes outlines on them back to the slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.lung.candidates import Candidates, Pyramid
from streams.reading.lung.grid import Grid

SIDE = 24
"""Cubes of a patch's edge: 24, 48 or 96 mm long, by level."""
GREY_HU = (-1000.0, 275.0)
"""What becomes grey 0..255: 5 HU a step."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Where one patch lies: its grid has the patch's first cube as origin."""

    grid: Grid

    def sampled(self, mask: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
        """An outline `[24, 24, 24]` at points in mm, `[..., 3]` (z, y, x); 0 outside of the patch."""
        at = np.moveaxis(self.grid.index_of(points), -1, 0)
        return np.asarray(ndimage.map_coordinates(mask, at, order=1, mode="constant", cval=0.0), dtype=np.float32)


def cut(pyramid: Pyramid, candidates: Candidates, side: int = SIDE) -> NDArray[np.uint8]:
    """Grey cubes round the candidates, `[n, 1, side, side, side]`; the candidate is the cube behind the middle."""
    out = np.empty((len(candidates.index), 1, side, side, side), np.uint8)
    low, high = GREY_HU
    half = side // 2
    for level, hu in enumerate(pyramid.hu):
        grey = np.clip(np.rint((hu - low) * np.float32(255 / (high - low))), 0, 255).astype(np.uint8)
        wide = np.pad(grey, half, mode="edge")
        for k in np.flatnonzero(candidates.level == level):
            z, y, x = candidates.index[k]
            out[k, 0] = wide[z : z + side, y : y + side, x : x + side]
    return out


def hounsfield(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey cubes in Hounsfield units."""
    low, high = GREY_HU
    return grey.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def patch_of(grids: tuple[Grid, ...], candidates: Candidates, which: int, side: int = SIDE) -> Patch:
    """Where the patch of a candidate lies."""
    grid = grids[int(candidates.level[which])]
    first = grid.at(candidates.index[which].astype(np.float64) - side // 2)
    origin = (float(first[0]), float(first[1]), float(first[2]))
    return Patch(Grid(origin, (side, side, side), grid.step))


def centre_of(grids: tuple[Grid, ...], candidates: Candidates) -> NDArray[np.float64]:
    """The candidates' middles in mm, `[n, 3]` (z, y, x)."""
    points = np.empty(candidates.index.shape)
    for level, grid in enumerate(grids):
        of_level = candidates.level == level
        points[of_level] = grid.at(candidates.index[of_level].astype(np.float64))
    return points
