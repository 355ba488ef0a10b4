"""Plain measures of a patch, beside the picture: shells round its middle, spread, curvature."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.pausing import between_steps

SHELLS = 11
"""Of one cube's thickness each, from the middle outwards."""
TISSUE, DENSE = 100.0, 160.0
"""Grey from which a cube counts as tissue (-500 HU), and as dense (-200 HU)."""
REACHES = (3.0, 5.0, 8.0, 11.0)
"""Radii in cubes within which the spread of what is bright is measured."""
SIGMAS = (1.2, 1.8, 2.7)
COUNT = 4 * SHELLS + 3 * len(REACHES) + 5 * len(SIGMAS) + 4

Features = NDArray[np.float32]


@lru_cache(maxsize=2)
def _lattice(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offsets of a patch's cubes from its middle one, `[side^3, 3]`, and their distances."""
    axis = np.arange(side, dtype=np.float32) - side // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    offsets = np.stack([z.ravel(), y.ravel(), x.ravel()], axis=1)
    return offsets, np.sqrt((offsets**2).sum(axis=1))


def features(patches: NDArray[np.uint8], level: NDArray[np.int64]) -> Features:
    """Measures of patches `[n, 1, side, side, side]`, `[n, COUNT]`, each about between -1 and 1."""
    flat = patches.reshape(len(patches), -1).astype(np.float32)
    parts = [_shells(flat, patches.shape[-1]), _spreads(flat, patches.shape[-1]), _bends(patches[:, 0])]
    parts.append(_middle(patches[:, 0], level))
    return np.nan_to_num(np.concatenate(parts, axis=1)).astype(np.float32)


def _shells(flat: NDArray[np.float32], side: int) -> Features:
    """Of each shell: mean grey, its unevenness, how much of it is tissue, and how much is dense."""
    distance = _lattice(side)[1]
    tissue, dense = flat > TISSUE, flat > DENSE
    out = []
    for shell in range(SHELLS):
        inside = (distance >= shell - 0.5) & (distance < shell + 0.5)
        part = flat[:, inside]
        out += [part.mean(axis=1) / 128 - 1, part.std(axis=1) / 64, tissue[:, inside].mean(1), dense[:, inside].mean(1)]
    return np.stack(out, axis=1)


def _spreads(flat: NDArray[np.float32], side: int) -> Features:
    """Of the tissue within some radii: how its three axes compare (a ball: alike; a tube: one long), how much it is."""
    between_steps()
    offsets, distance = _lattice(side)
    weight = np.clip((flat - 60) / 100, 0, 1)
    out = []
    for reach in REACHES:
        inside = distance <= reach
        own, at = weight[:, inside], offsets[inside]
        total = own.sum(axis=1, keepdims=True) + 1e-3
        middle = own @ at / total
        second = np.einsum("ni,ij,ik->njk", own, at, at) / total[:, :, None]
        second -= middle[:, :, None] * middle[:, None, :]
        axes = np.sqrt(np.maximum(np.linalg.eigvalsh(second), 1e-4))
        out += [axes[:, 0] / axes[:, 2], axes[:, 1] / axes[:, 2], axes[:, 2] / reach]
    return np.stack(out, axis=1)


def _bends(patches: NDArray[np.uint8]) -> Features:
    """The three curvatures at the middle at some scales, their ratios, the brightness there."""
    between_steps()
    side = patches.shape[-1]
    m = side // 2
    out = []
    core = patches[:, m - 9 : m + 10, m - 9 : m + 10, m - 9 : m + 10].astype(np.float32) / 255
    for sigma in SIGMAS:
        smooth = ndimage.gaussian_filter(core, (0, sigma, sigma, sigma), truncate=3.0)
        hessian = np.empty((len(core), 3, 3))
        for i in range(3):
            for j in range(i + 1):
                hessian[:, i, j] = hessian[:, j, i] = _second(smooth, i, j)
        curves = -np.linalg.eigvalsh(hessian)[:, ::-1] * sigma**2 * 8
        out += [*curves.T, curves[:, 0] / (np.abs(curves[:, 2]) + 0.05), smooth[:, 9, 9, 9]]
    return np.stack(out, axis=1)


def _second(smooth: NDArray[np.float32], i: int, j: int) -> NDArray[np.float32]:
    """The second derivative at the middle along two axes."""

    def at(*moves: tuple[int, int]) -> NDArray[np.float32]:
        place = [9, 9, 9]
        for axis, step in moves:
            place[axis] += step
        return np.asarray(smooth[:, place[0], place[1], place[2]])

    if i == j:
        return at((i, 1)) + at((i, -1)) - 2 * at()
    ahead, aside = at((i, 1), (j, 1)) + at((i, -1), (j, -1)), at((i, 1), (j, -1)) + at((i, -1), (j, 1))
    return np.asarray((ahead - aside) / np.float32(4), dtype=np.float32)


def _middle(patches: NDArray[np.uint8], level: NDArray[np.int64]) -> Features:
    """Which grid it is of, and the brightness at the middle."""
    m = patches.shape[-1] // 2
    bright = patches[:, m - 1 : m + 2, m - 1 : m + 2, m - 1 : m + 2].mean(axis=(1, 2, 3)) / 128 - 1
    return np.stack([*(level == k for k in range(3)), bright], axis=1).astype(np.float32)
