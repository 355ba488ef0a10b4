"""A quick look at a volume: every few slices on a coarse grid, on which most rules measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.reading.volume import Volume

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]

GRID_MM = 3.0
"""A pixel of the coarse grid, about: a whole number of the scan's own pixels."""
STEP_MM = 4.0
"""Slices nearer than this are passed over."""
SLICES_MOST = 96
DARKEST, BRIGHTEST = -1100, 3100
"""Padding and overflow say nothing about tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Some slices of a volume, coarse.

    Attributes:
        hu: float32 [n, y, x], each pixel the mean of four of the scan's, within -1100..3100.
        index: the source slice of each, [n].
        positions_mm: along the normal, ascending, [n].
        pixel_mm: dy, dx of the coarse grid.
        step_mm: median distance of the slices that were looked at.
    """

    hu: Grey
    index: NDArray[np.int64]
    positions_mm: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    step_mm: float

    @property
    def cell_mm2(self) -> float:
        """Area of a coarse pixel."""
        return self.pixel_mm[0] * self.pixel_mm[1]


def look_at(volume: Volume) -> Look:
    """The coarse look; the first and the last slice are always in it."""
    index = _chosen(volume.positions_mm)
    _, dy, dx = volume.spacing_mm
    ky, kx = (max(1, round(GRID_MM / mm)) for mm in (dy, dx))
    rows, columns = (max(1, n // k) for n, k in zip(volume.hu.shape[1:], (ky, kx), strict=True))
    total = np.zeros((len(index), rows, columns), np.int32)
    offsets = [(y, x) for y in {ky // 4, ky * 3 // 4} for x in {kx // 4, kx * 3 // 4}]
    for out, source in enumerate(index):
        plane = volume.hu[source]
        for y, x in offsets:
            total[out] += np.clip(plane[y::ky, x::kx][:rows, :columns], DARKEST, BRIGHTEST)
    positions = volume.positions_mm[index]
    step = float(np.median(np.diff(positions))) if len(index) > 1 else volume.spacing_mm[0]
    return Look(
        hu=(total / np.float32(len(offsets))).astype(np.float32),
        index=index,
        positions_mm=positions,
        pixel_mm=(dy * ky, dx * kx),
        step_mm=step,
    )


def _chosen(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Evenly chosen slices, at least STEP_MM apart where the scan is thinner than that."""
    count = len(positions)
    if count < 2:
        return np.arange(count)
    length = float(positions[-1] - positions[0])
    wanted = min(count, SLICES_MOST, max(2, round(length / STEP_MM) + 1))
    return np.unique(np.rint(np.linspace(0, count - 1, wanted)).astype(np.int64))
