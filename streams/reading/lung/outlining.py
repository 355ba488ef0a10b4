"""Outlines a nodule in its patch by density; detaches vessels by their breadth and the wall by its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Share = NDArray[np.float32]

FINER = 2
"""A patch is outlined on cubes so many times finer."""
LUNG_HU = -860.0
INSIDE_HU = (-680.0, 60.0)
"""What the inside of a nodule is taken to be at least and at most."""
SEED = 3
"""Cubes from the middle within which the nodule's own middle is sought."""
OPENED = 0.5
"""What is thinner than this share of the nodule's inner radius is not of it: vessels."""
WIDER, LEAK = 0.65, 1.6
"""The same where, opened so, it becomes so many times smaller: a large vessel is attached."""
LEAST_RADIUS = 0.9
"""Of the ball that fits inside, in cubes: what is thinner is no nodule."""


def outline(hu: Share, depth: Share) -> Share | None:
    """The share of each cube `[side, side, side]` that the nodule at the middle takes; None where there is none.

    Args:
        hu: the patch in Hounsfield units; the candidate is the cube behind the middle.
        depth: mm inside the closed lungs, negative in the wall, of each cube.
    """
    fine = ndimage.zoom(hu, FINER, order=1, mode="nearest", grid_mode=True)
    inner = ndimage.zoom(depth, FINER, order=1, mode="nearest", grid_mode=True) > 0
    seed = _seed(fine, inner)
    if seed is None:
        return None
    near = tuple(slice(max(0, s - 2), s + 3) for s in seed)
    inside = float(np.clip(np.percentile(fine[near], 75), *INSIDE_HU))
    held = (fine > (inside + LUNG_HU) / 2) & inner
    labels, _ = ndimage.label(held)
    if not labels[seed]:
        return None
    opened = _opened(labels == labels[seed], seed)
    if opened is None:
        return None
    n = hu.shape[0]
    share = opened.reshape(n, FINER, n, FINER, n, FINER).mean(axis=(1, 3, 5))
    return np.asarray(share, dtype=np.float32)


def _seed(fine: Share, inner: NDArray[np.bool_]) -> tuple[int, int, int] | None:
    """The brightest place near the middle, of the smoothed patch."""
    middle = fine.shape[0] // 2 + FINER // 2
    reach = SEED * FINER
    part = (slice(middle - reach, middle + reach + 1),) * 3
    smooth = ndimage.gaussian_filter(fine, FINER * 0.8)[part]
    smooth = np.where(inner[part], np.clip(smooth, None, INSIDE_HU[1]), -2000.0)
    axis = np.arange(-reach, reach + 1) / reach
    away = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    best = np.unravel_index(int((smooth - 150.0 * away).argmax()), smooth.shape)
    if smooth[best] < INSIDE_HU[0] - 60:
        return None
    z, y, x = (int(b) + middle - reach for b in best)
    return z, y, x


def _opened(own: NDArray[np.bool_], seed: tuple[int, int, int]) -> NDArray[np.bool_] | None:
    """Opening by distance with a ball half as wide as the one that fits in, or wider; the piece at the seed."""
    depth = ndimage.distance_transform_edt(np.pad(own, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    near = tuple(slice(max(0, s - SEED * FINER), s + SEED * FINER + 1) for s in seed)
    radius = float(depth[near].max())
    if radius < LEAST_RADIUS * FINER:
        return None
    usual, narrower = (_regrown(own, depth, part * radius, seed) for part in (OPENED, WIDER))
    if usual is not None and narrower is not None and usual.sum() > LEAK * narrower.sum():
        return narrower
    return usual


def _regrown(
    own: NDArray[np.bool_], depth: NDArray[np.float64], reach: float, seed: tuple[int, int, int]
) -> NDArray[np.bool_] | None:
    """What lies deeper than `reach` in the piece nearest to the seed, grown again by as much."""
    near = tuple(slice(max(0, s - SEED * FINER), s + SEED * FINER + 1) for s in seed)
    labels, _ = ndimage.label(depth > reach)
    at = np.argwhere(labels[near] > 0)
    if not len(at):
        return None
    offset = np.asarray([s.start for s in near])
    nearest = at[int(((at + offset - np.asarray(seed)) ** 2).sum(axis=1).argmin())] + offset
    core = labels == labels[tuple(nearest)]
    grown = ndimage.distance_transform_edt(~core) <= reach + 0.5
    return np.asarray(own & grown)
