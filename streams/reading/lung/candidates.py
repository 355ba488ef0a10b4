"""Finds places in the lungs that might be nodules: blobs at several scales, the roundest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.lung.grid import Axes, Grid, Hu, grid_over, halved, resampled
from streams.reading.lung.lungs import Lungs
from streams.reading.pausing import between_steps

FINE_MM = 1.0
LEVELS = 3
"""Grids of 1, 2 and 4 mm."""
SIGMAS = ((1.2, 1.7), (1.2, 1.7), (1.2, 1.7, 2.5))
"""Widths of the blobs sought on each grid, in cubes: balls of 4 to 6, 8 to 12 and 17 to 35 mm, and what lies around."""
FILL_HU = -870.0
"""What stands outside of the lungs."""
MARGIN_MM = 18.0
"""Round the lungs' box, so that patches at its edge show what is there."""
LEAST_CURVE = 0.02
"""The flattest of a blob's three curvatures, in windows per squared cube, scaled by sigma squared."""
APART = 3
"""Cubes between two candidates of one grid."""
OUTSIDE_MM = 2.0
"""How far a blob's middle may lie outside the closed lung."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search for blobs.

    Attributes:
        window_hu: what is dimmer or brighter counts as its end.
        quota: so many blobs are kept of each grid.
        round_first: whether round faint blobs come before bright long ones.
    """

    window_hu: tuple[float, float]
    quota: tuple[int, ...]
    round_first: bool


SEARCHES = (
    Search((-950.0, -250.0), (1000, 650, 140), round_first=False),
    Search((-950.0, -450.0), (0, 400, 110), round_first=True),
)
"""Solid nodules of any size; ground glass, which vessels outshine, of some 8 mm and more."""


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The lungs' box in HU on grids of 1, 2 and 4 mm."""

    grids: tuple[Grid, ...]
    hu: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Blobs, the roundest of each level first.

    Attributes:
        index: cubes `[n, 3]` (z, y, x) on the grid of the blob's level.
        level: `[n]`.
        sigma: `[n]`, the blob's width in cubes.
        curves: `[n, 3]`, the downward curvatures, the flattest first.
    """

    index: NDArray[np.int64]
    level: NDArray[np.int64]
    sigma: NDArray[np.float32]
    curves: NDArray[np.float32]


def pyramid_of(hu: Hu, axes: Axes, lungs: Lungs) -> Pyramid:
    """The box of the closed lungs, with a margin, on all grids."""
    inside = [np.flatnonzero(lungs.closed.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    low = lungs.grid.at(np.asarray([span[0] for span in inside], np.float64)) - MARGIN_MM
    high = lungs.grid.at(np.asarray([span[-1] for span in inside], np.float64)) + MARGIN_MM
    grids = [grid_over(low, high, FINE_MM)]
    values = [resampled(hu, axes, grids[0])]
    for _ in range(LEVELS - 1):
        grids.append(grids[-1].halved())
        values.append(halved(values[-1]))
    return Pyramid(tuple(grids), tuple(values))


def find_candidates(pyramid: Pyramid, lungs: Lungs) -> Candidates:
    """The blobs of all levels; none: empty arrays."""
    found = [_of_level(pyramid, lungs, level) for level in range(len(pyramid.grids))]
    levels = [np.full(len(blobs.where), level) for level, blobs in enumerate(found)]
    return Candidates(
        np.concatenate([blobs.where for blobs in found]),
        np.concatenate(levels),
        np.concatenate([blobs.sigma for blobs in found]),
        np.concatenate([blobs.curves for blobs in found]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """Blobs of one grid: cubes `[n, 3]`, widths `[n]`, curvatures `[n, 3]`."""

    where: NDArray[np.int64]
    sigma: NDArray[np.float32]
    curves: NDArray[np.float32]

    def chosen(self, which: list[int] | NDArray[np.int64]) -> Blobs:
        """Some of them, in that order."""
        return Blobs(self.where[which], self.sigma[which], self.curves[which])


def _joined(parts: list[Blobs]) -> Blobs:
    return Blobs(
        np.concatenate([p.where for p in parts]),
        np.concatenate([p.sigma for p in parts]),
        np.concatenate([p.curves for p in parts]),
    )


def _of_level(pyramid: Pyramid, lungs: Lungs, level: int) -> Blobs:
    between_steps()
    depth = _depth(lungs, pyramid.grids[level])
    taken = np.zeros(depth.shape, np.bool_)
    parts = []
    for search in SEARCHES:
        if search.quota[level]:
            blobs = _searched(pyramid.hu[level], depth, search, SIGMAS[level])
            parts.append(blobs.chosen(_apart(taken, blobs.where, search.quota[level])))
    return _joined(parts)


def _searched(hu: NDArray[np.float32], depth: NDArray[np.float32], search: Search, sigmas: tuple[float, ...]) -> Blobs:
    """The blobs of one search on one grid, the best first."""
    low, high = search.window_hu
    seen = np.clip(hu, low, high)
    seen -= np.float32(FILL_HU)
    seen *= np.clip(depth / np.float32(OUTSIDE_MM) + 1, 0, 1)
    seen *= np.float32(1 / (high - low))
    inside = depth > -OUTSIDE_MM
    found = _joined([_peaks(ndimage.gaussian_filter(seen, s, truncate=3.0), inside, s) for s in sigmas])
    bends = found.curves
    rank = bends[:, 0] ** 2 / bends[:, 2] if search.round_first else bends[:, 0]
    return found.chosen(np.argsort(-rank, kind="stable"))


def _depth(lungs: Lungs, grid: Grid) -> NDArray[np.float32]:
    """Depth inside the closed lungs (mm, negative outside) on a grid, so that their wall is smooth there."""
    reach = 4.0 * lungs.grid.step
    axes = Axes(*(lungs.grid.axis(k) for k in range(3)))
    return resampled(np.clip(lungs.depth, -reach, reach), axes, grid)


def _peaks(smooth: NDArray[np.float32], inside: NDArray[np.bool_], sigma: float) -> Blobs:
    """Local peaks of the negative Laplacian with their three downward curvatures, the flattest first."""
    between_steps()
    bend = _bend(smooth)
    strides = np.asarray([smooth.shape[1] * smooth.shape[2], smooth.shape[2], 1])
    flat_at = np.flatnonzero((bend > 3 * LEAST_CURVE / sigma**2) & inside)
    values = bend.ravel()
    here = values[flat_at]
    for offset in _neighbours(strides):
        alive = here >= values[flat_at + offset]
        flat_at, here = flat_at[alive], here[alive]
    curves = _curvatures(smooth.ravel(), flat_at, strides) * np.float32(sigma**2)
    good = curves[:, 0] > LEAST_CURVE
    where = np.stack(np.unravel_index(flat_at[good], smooth.shape), axis=1)
    return Blobs(where, np.full(len(where), sigma, np.float32), curves[good])


def _bend(smooth: NDArray[np.float32]) -> NDArray[np.float32]:
    """The negative Laplacian; 0 in the outer two layers."""
    bend = np.zeros_like(smooth)
    core = (slice(2, -2),) * 3
    inner = bend[core]
    np.multiply(smooth[core], np.float32(6), out=inner)
    for axis in range(3):
        for shift in (slice(1, -3), slice(3, -1)):
            inner -= smooth[tuple(shift if k == axis else slice(2, -2) for k in range(3))]
    return bend


def _neighbours(strides: NDArray[np.int64]) -> list[int]:
    ways = (-1, 0, 1)
    return [int(np.asarray([z, y, x]) @ strides) for z in ways for y in ways for x in ways if (z, y, x) != (0, 0, 0)]


def _curvatures(values: NDArray[np.float32], at: NDArray[np.int64], strides: NDArray[np.int64]) -> NDArray[np.float32]:
    """The three downward curvatures `[n, 3]`, ascending: the first is near 0 on sheets and tubes, large on blobs."""
    hessian = np.empty((len(at), 3, 3))
    for i in range(3):
        hessian[:, i, i] = values[at + strides[i]] + values[at - strides[i]] - 2 * values[at]
        for j in range(i):
            one, other = strides[i] + strides[j], strides[i] - strides[j]
            mixed = values[at + one] + values[at - one] - values[at + other] - values[at - other]
            hessian[:, i, j] = hessian[:, j, i] = mixed / 4
    return np.asarray(-np.linalg.eigvalsh(hessian)[:, ::-1], dtype=np.float32)


def _apart(taken: NDArray[np.bool_], where: NDArray[np.int64], most: int) -> list[int]:
    """The first of some places, in order, that lie apart from those taken before and from each other; takes them."""
    kept: list[int] = []
    for index, (z, y, x) in enumerate(where.tolist()):
        if len(kept) == most:
            break
        if not taken[z, y, x]:
            kept.append(index)
            taken[tuple(slice(max(0, at - APART + 1), at + APART) for at in (z, y, x))] = True
    return kept
