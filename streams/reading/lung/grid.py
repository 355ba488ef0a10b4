"""Even grids over a volume: by area where the grid is coarser than the slices, linearly where it is finer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Hu = NDArray[np.int16] | NDArray[np.float32]
Places = NDArray[np.float64]
Point = tuple[float, float, float]

HU_RANGE = (-1024.0, 1600.0)
"""What is kept of the Hounsfield scale: padding below air and metal would ring in every mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """Where a volume's voxels lie: centres along z (its positions), y and x (from the slices' outer corner), in mm."""

    z: Places
    y: Places
    x: Places

    @property
    def all(self) -> tuple[Places, Places, Places]:
        """z, y, x."""
        return self.z, self.y, self.x

    def index_of(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in mm, `[..., 3]`, as fractional voxel indices; beyond the ends the end."""
        parts = [np.interp(point[..., k], axis, np.arange(len(axis))) for k, axis in enumerate(self.all)]
        return np.stack(parts, axis=-1)


@dataclass(frozen=True, slots=True)
class Grid:
    """Cubes of `step` mm: the first one's centre (z, y, x) in mm and how many there are each way."""

    origin: Point
    shape: tuple[int, int, int]
    step: float

    def axis(self, which: int) -> Places:
        """Centres along one axis, mm."""
        return np.asarray(self.origin[which] + self.step * np.arange(self.shape[which]))

    def at(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Indices `[..., 3]` as mm."""
        return np.asarray(np.asarray(self.origin) + self.step * index)

    def index_of(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in mm, `[..., 3]`, as fractional indices."""
        return np.asarray((point - np.asarray(self.origin)) / self.step)

    def halved(self) -> Grid:
        """The grid of eight cubes in one; an odd last layer is left out."""
        origin = tuple(o + self.step / 2 for o in self.origin)
        shape = tuple(n // 2 for n in self.shape)
        return Grid((origin[0], origin[1], origin[2]), (shape[0], shape[1], shape[2]), 2 * self.step)


def axes_of(shape: tuple[int, ...], spacing_mm: Point, positions_mm: Places) -> Axes:
    """The axes of a volume `[z, y, x]`."""
    y, x = (np.asarray((np.arange(n) + 0.5) * mm, np.float64) for n, mm in zip(shape[1:], spacing_mm[1:], strict=True))
    return Axes(np.asarray(positions_mm, dtype=np.float64), y, x)


def grid_over(low: NDArray[np.float64], high: NDArray[np.float64], step: float) -> Grid:
    """The grid of `step` mm whose first centre is `low` and which reaches `high` (z, y, x in mm)."""
    counts = np.maximum(np.floor((high - low) / step + 1e-6).astype(int) + 1, 1)
    return Grid((float(low[0]), float(low[1]), float(low[2])), (int(counts[0]), int(counts[1]), int(counts[2])), step)


def resampled(hu: Hu, axes: Axes, grid: Grid) -> NDArray[np.float32]:
    """A volume on a grid; beyond the volume its edge goes on."""
    rows, columns = (_mixing(axes.all[k], grid.axis(k), grid.step) for k in (1, 2))
    along = _mixing(axes.z, grid.axis(0), grid.step)
    used = np.flatnonzero(np.asarray(abs(along).sum(axis=0)))
    first, last = int(used[0]), int(used[-1]) + 1
    planes = np.empty((last - first, grid.shape[1], grid.shape[2]), np.float32)
    for index in range(first, last):
        plane = np.clip(hu[index], *HU_RANGE).astype(np.float32)
        planes[index - first] = (columns @ (rows @ plane).T).T
    flat = along[:, first:last] @ planes.reshape(last - first, -1)
    return np.asarray(flat, dtype=np.float32).reshape(grid.shape)


def halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of eight: values on `grid.halved()`."""
    nz, ny, nx = (n // 2 for n in values.shape)
    even = values[: 2 * nz, : 2 * ny, : 2 * nx]
    pairs = even[0::2] + even[1::2]
    pairs = pairs[:, 0::2] + pairs[:, 1::2]
    pairs = pairs[:, :, 0::2] + pairs[:, :, 1::2]
    return np.asarray(pairs * np.float32(0.125), dtype=np.float32)


def _mixing(source: Places, target: Places, step: float) -> csr_array:
    """The sparse matrix `[target, source]` that resamples along one axis."""
    spacing = float(np.median(np.diff(source))) if len(source) > 1 else step
    at = np.interp(target, source, np.arange(len(source)))
    if spacing >= step:
        before = np.clip(np.floor(at).astype(int), 0, max(len(source) - 2, 0))
        share = np.clip(at - before, 0, 1) if len(source) > 1 else np.zeros(len(target))
        after = np.minimum(before + 1, len(source) - 1)
        rows = np.repeat(np.arange(len(target)), 2)
        weights = np.stack([1 - share, share], axis=1).ravel()
        columns = np.stack([before, after], axis=1).ravel()
        shape = (len(target), len(source))
        return csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)
    middles = (source[1:] + source[:-1]) / 2
    edges = np.concatenate([[source[0] - spacing / 2], middles, [source[-1] + spacing / 2]])
    low = np.clip(target - step / 2, edges[0], edges[-1] - spacing * 1e-3)
    high = np.clip(target + step / 2, edges[0] + spacing * 1e-3, edges[-1])
    overlap = np.minimum(high[:, None], edges[None, 1:]) - np.maximum(low[:, None], edges[None, :-1])
    weights = np.maximum(overlap, 0)
    return csr_array((weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)).astype(np.float32))
