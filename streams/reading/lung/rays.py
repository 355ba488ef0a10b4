"""Measures of a candidate along rays from its middle: its breadth each way, what stays attached, how it ends."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from streams.reading.lung.candidates import Candidates, Pyramid
from streams.reading.lung.lungs import Lungs
from streams.reading.pausing import between_steps

PAIRS = 32
"""Of opposite directions, evenly over the sphere (Fibonacci's lattice)."""
STEPS = 16
APART = 0.75
"""Cubes between two samples of a ray: rays are 11 cubes long."""
GREY_HU = (-1000.0, 275.0)
"""What becomes 0..1."""
TISSUE, DENSE, FAINT = (-500.0, -200.0, -720.0)
LEAST_CONTRAST = 0.06
"""Between middle and lung, of grey: less is taken as this."""
REACHES = (3, 6, 10, 15)
"""Steps within which the spread of what is bright is measured."""
NORMED = (0.3, 0.6, 0.85, 1.15, 1.4, 1.8, 2.3, 3.0)
"""Radii, in those of the candidate, at which it is looked at."""
OPEN = (1.5, 2.2)
"""A ray that is longer than so many radii has left through what is attached."""
QUANTILES = (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)
CHUNK = 512
DEEP_MM = 60.0

PLACED = 15
"""Measures of where a candidate lies, and of its blob: the last ones."""
COUNT = 6 * STEPS + 4 * len(REACHES) + 16 + 4 * len(OPEN) + 3 * len(NORMED) + 6 + PLACED
"""Of measures of a candidate."""

Measures = NDArray[np.float32]
Rays = NDArray[np.float32]


@lru_cache(maxsize=1)
def directions() -> NDArray[np.float64]:
    """`[2 PAIRS, 3]`: the second half is opposite to the first."""
    k = np.arange(PAIRS) + 0.5
    up, turn = k / PAIRS, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - up**2)
    half = np.stack([up, flat * np.cos(turn), flat * np.sin(turn)], axis=1)
    return np.concatenate([half, -half])


@lru_cache(maxsize=1)
def _beside() -> NDArray[np.bool_]:
    """Which directions lie beside each other, themselves included."""
    return np.asarray(directions() @ directions().T > np.cos(np.radians(26.0)))


def measures(pyramid: Pyramid, lungs: Lungs, found: Candidates) -> Measures:
    """Measures of candidates, `[n, COUNT]`; each is finite."""
    out = np.zeros((len(found.index), COUNT), np.float32)
    offsets = directions()[:, None, :] * (APART * np.arange(STEPS))[None, :, None]
    for level, (grid, hu) in enumerate(zip(pyramid.grids, pyramid.hu, strict=True)):
        of_level = np.flatnonzero(found.level == level)
        for first in range(0, len(of_level), CHUNK):
            between_steps()
            which = of_level[first : first + CHUNK]
            at = found.index[which].astype(np.float64)[:, None, None, :] + offsets
            grey = _sampled(hu, at)
            low, high = GREY_HU
            grey = np.clip((grey - np.float32(low)) / np.float32(high - low), 0, 1)
            depth = _sampled(lungs.depth, lungs.grid.index_of(grid.at(at)))
            out[which] = _measured(grey, depth, grid.step)
    out[:, -PLACED:] = _places(pyramid, lungs, found)
    return np.nan_to_num(out)


def _sampled(values: NDArray[np.float32], at: NDArray[np.float64]) -> Rays:
    told = ndimage.map_coordinates(values, np.moveaxis(at, -1, 0), order=1, mode="nearest", output=np.float32)
    return np.asarray(told, dtype=np.float32)


def _measured(grey: Rays, depth: Rays, step: float) -> Measures:
    """All but the place, of rays `[n, directions, STEPS]`."""
    middle = grey[:, :, :2].mean(axis=(1, 2))
    inside = depth > 0
    lung = _lung(grey, inside)
    contrast = np.maximum(middle - lung, LEAST_CONTRAST)
    half = (lung + contrast / 2)[:, None, None]
    length, walled = _lengths(grey, depth, half)
    radius = np.maximum(np.median(length, axis=1), APART)
    parts = [
        _shells(grey, inside), _spreads(grey, inside), _shape(length, radius, walled, step), _opened(length, radius),
        _profile(grey, inside, radius, lung, contrast), _edges(grey, length, contrast),
        np.stack([middle, lung, contrast], axis=1),
    ]  # fmt: skip
    out = np.concatenate(parts, axis=1)
    return np.concatenate([out, np.zeros((len(out), PLACED), np.float32)], axis=1).astype(np.float32)


def _lung(grey: Rays, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Of the lung round a candidate: the darker part of what its rays pass inside the lungs."""
    outer = np.where(inside, grey, np.nan)[:, :, 3:].reshape(len(grey), -1)
    outer[:, 0] = np.where(np.isnan(outer).all(axis=1), 0.11, outer[:, 0])
    return np.nanpercentile(outer, 25, axis=1).astype(np.float32)


def _lengths(grey: Rays, depth: Rays, half: Rays) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where each ray falls below half of the contrast, in cubes, or leaves the lungs; and which of them did that."""
    wall = depth < -0.5
    ended = (grey < half) | wall
    ended[:, :, 0] = False
    first = np.where(ended.any(axis=2), ended.argmax(axis=2), STEPS - 1)
    at, before = first[..., None], np.maximum(first - 1, 0)[..., None]
    here, past = np.take_along_axis(grey, at, 2), np.take_along_axis(grey, before, 2)
    walled = np.take_along_axis(wall, at, 2)[..., 0]
    share = np.clip((past - half) / np.maximum(past - here, 1e-3), 0, 1)[..., 0]
    cut = ended.any(axis=2) & ~walled
    return ((first - np.where(cut, 1 - share, 0)) * APART).astype(np.float32), walled


def _shells(grey: Rays, inside: NDArray[np.bool_]) -> Measures:
    """Of each shell: mean, unevenness, and how much of it, inside the lungs, is faint, tissue, dense."""
    low, high = GREY_HU
    shares = [((grey > (hu - low) / (high - low)) & inside).mean(axis=1) for hu in (FAINT, TISSUE, DENSE)]
    return np.concatenate([grey.mean(axis=1), grey.std(axis=1), *shares, inside.mean(axis=1)], axis=1)


def _spreads(grey: Rays, inside: NDArray[np.bool_]) -> Measures:
    """Of what is bright within some radii: how its three axes compare, and how far it reaches."""
    weight = np.clip((grey - 0.25) / 0.4, 0, 1) * inside
    radii = (APART * np.arange(STEPS)).astype(np.float32)
    ways = directions().astype(np.float32)
    outer = np.einsum("di,dj->dij", ways, ways)
    out = []
    for reach in REACHES:
        mass = weight[:, :, : reach + 1] * radii[: reach + 1] ** 2
        total = mass.sum(axis=(1, 2)) + 1e-3
        second = np.einsum("nd,dij->nij", (mass * radii[: reach + 1] ** 2).sum(axis=2), outer) / total[:, None, None]
        first = np.einsum("nd,di->ni", (mass * radii[: reach + 1]).sum(axis=2), ways) / total[:, None]
        second = second - first[:, :, None] * first[:, None, :]
        axes = np.sqrt(np.maximum(np.linalg.eigvalsh(second), 1e-4))
        out += [axes[:, 0] / axes[:, 2], axes[:, 1] / axes[:, 2], axes[:, 2] / (reach * APART)]
        out += [np.linalg.norm(first, axis=1) / (reach * APART)]
    return np.stack(out, axis=1)


def _shape(
    length: NDArray[np.float32], radius: NDArray[np.float32], walled: NDArray[np.bool_], step: float
) -> Measures:
    """How long the rays are, in mm and in radii; the axes of the body that they span, cut at twice the radius."""
    spread = np.quantile(length, QUANTILES, axis=1) / radius
    cut = np.minimum(length, 2 * radius[:, None])
    ways = directions()
    second = np.einsum("nd,di,dj->nij", cut**2, ways, ways) / cut.shape[1]
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(second), 1e-4))
    across = (length[:, :PAIRS] + length[:, PAIRS:]) / 2
    ends = np.quantile(across, (0.0, 0.1, 0.25, 0.5), axis=1) / radius
    even = np.abs(length[:, :PAIRS] - length[:, PAIRS:]).mean(axis=1) / radius
    out = [radius * step, *spread, axes[:, 0] / axes[:, 2], axes[:, 1] / axes[:, 2], *ends, even, walled.mean(axis=1)]
    return np.stack([*out, across.min(axis=1) * step], axis=1)


def _opened(length: NDArray[np.float32], radius: NDArray[np.float32]) -> Measures:
    """Through how many openings tissue leaves: how much of the sphere they take, how many, whether opposite."""
    out = []
    for reach in OPEN:
        gone = length > np.minimum(reach * radius, APART * (STEPS - 1) - 0.01)[:, None]
        both = (gone[:, :PAIRS] & gone[:, PAIRS:]).mean(axis=1)
        label = np.where(gone, np.arange(gone.shape[1]) + 1, 0)
        for _ in range(8):
            spread = np.where(_beside()[None], label[:, None, :], 0).max(axis=2)
            label = np.where(gone, spread, 0)
        kept = np.sort(label, axis=1)
        count = ((kept[:, 1:] != kept[:, :-1]) & (kept[:, 1:] > 0)).sum(axis=1) + (kept[:, 0] > 0)
        largest = np.asarray([np.bincount(row)[1:].max(initial=0) for row in label]) / gone.shape[1]
        out += [gone.mean(axis=1), both, count / 4.0, largest]
    return np.stack(out, axis=1)


def _profile(
    grey: Rays, inside: NDArray[np.bool_], radius: NDArray[np.float32], lung: Rays, contrast: Rays
) -> Measures:
    """Brightness over the lung's, of the contrast, at some radii: mean, unevenness, the brightest tenth."""
    out = []
    rows = np.arange(len(grey))[:, None]
    for share in NORMED:
        at = np.clip(share * radius / APART, 0, STEPS - 1.001)
        before = np.floor(at).astype(int)
        part = (at - before)[:, None].astype(np.float32)
        ways = np.arange(grey.shape[1])[None]
        seen = grey[rows, ways, before[:, None]] * (1 - part) + grey[rows, ways, before[:, None] + 1] * part
        seen = (seen - lung[:, None]) / contrast[:, None]
        seen = np.where(inside[rows, ways, before[:, None]], seen, 0)
        out += [seen.mean(axis=1), seen.std(axis=1), np.quantile(seen, 0.9, axis=1)]
    return np.stack(out, axis=1)


def _edges(grey: Rays, length: NDArray[np.float32], contrast: Rays) -> Measures:
    """How steeply it ends: the drop over two steps at the end of each ray, its mean and its lowest quarter."""
    at = np.clip(np.rint(length / APART).astype(int), 1, STEPS - 2)[..., None]
    drop = (np.take_along_axis(grey, at - 1, 2) - np.take_along_axis(grey, at + 1, 2))[..., 0] / contrast[:, None]
    return np.stack([drop.mean(axis=1), np.quantile(drop, 0.25, axis=1), drop.std(axis=1)], axis=1)


def _places(pyramid: Pyramid, lungs: Lungs, found: Candidates) -> Measures:
    """Grid and blob: level, width, curvatures; depth in the lungs, height and depth from the front, neighbours."""
    points = np.empty(found.index.shape)
    steps = np.empty(len(points))
    for level, grid in enumerate(pyramid.grids):
        own = found.level == level
        points[own], steps[own] = grid.at(found.index[own].astype(np.float64)), grid.step
    depth = _sampled(lungs.depth, lungs.grid.index_of(points))
    place = np.clip((points - lungs.low) / np.maximum(lungs.high - lungs.low, 1.0), 0, 1)
    aside = np.abs(points[:, 2] - lungs.middle) / DEEP_MM
    crowd = [_sampled(lungs.share(mm), lungs.grid.index_of(points)) for mm in (10.0, 25.0)]
    curves = found.curves
    flat = [curves[:, 0] / (np.abs(curves[:, 2]) + 0.02), curves[:, 1] / (np.abs(curves[:, 2]) + 0.02)]
    width = found.sigma * steps
    near = [_near(points, width, reach) for reach in (1.0, 2.5)]
    return np.stack([steps, width, *curves.T, *flat, depth, place[:, 0], place[:, 1], aside, *crowd, *near], axis=1)


def _near(points: NDArray[np.float64], width: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """How many candidates lie within so many of a candidate's widths."""
    tree = cKDTree(points)
    return np.log1p(
        np.asarray(tree.query_ball_point(points, reach * 1.7 * width, return_length=True), dtype=np.float64)
    )
