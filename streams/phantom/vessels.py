"""Vessels of the lungs: trees of tapering tubes from each hilum, painted slice by slice with partial volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.phantom.solids import Field

ROOTS = 7
"""Branches that leave each hilum."""
GENERATIONS = 6
LENGTH_MM = 20.0
RADIUS_MM = 3.6
SHRINK = 0.76
"""Radius and length of a branch over its parent's (Murray's law gives 0.79 for even forks)."""
THINNEST_MM = 0.35
LAYERS = 3
"""Planes into which a slice is cut."""


@dataclass(frozen=True, slots=True)
class Tubes:
    """Straight tapering pieces: ends `[n, 3]` in mm (x, y, z), radii there `[n]`."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]


def trees(rng: np.random.Generator, hilum: tuple[float, float, float]) -> Tubes:
    """Both lungs' vessels; `hilum` is the left one, the right one is its mirror image, the branches are not."""
    pieces: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]] = []
    for side in (-1.0, 1.0):
        root = np.asarray(hilum) * (side, 1, 1)
        for k in range(ROOTS):
            up = np.pi * ((k + 0.5) / ROOTS - 0.5) * 0.9
            around = rng.uniform(-1.1, 1.1)
            way = np.asarray([side * np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
            _branch(rng, pieces, (root, way), (RADIUS_MM * rng.uniform(0.7, 1.0), GENERATIONS))
    start, end = (np.asarray([piece[k] for piece in pieces]) for k in (0, 1))
    first, last = (np.asarray([piece[k] for piece in pieces]) for k in (2, 3))
    return Tubes(start, end, first, last)


def _branch(
    rng: np.random.Generator,
    pieces: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]],
    at: tuple[NDArray[np.float64], NDArray[np.float64]],
    size: tuple[float, int],
) -> None:
    """One branch in two bent pieces, then its two children."""
    (place, way), (radius, left) = at, size
    if left == 0 or radius < THINNEST_MM:
        return
    length = LENGTH_MM * (radius / RADIUS_MM) ** 0.35 * rng.uniform(0.8, 1.2)
    for part in range(2):
        way = _leaning(rng, way, 0.14)
        end = place + way * length / 2
        pieces.append((place, end, radius * (1 - 0.05 * part), radius * (0.95 - 0.05 * part)))
        place = end
    for lean, share in ((0.3, 1.0), (0.75, rng.uniform(0.65, 1.0))):
        _branch(rng, pieces, (place, _leaning(rng, way, lean)), (radius * SHRINK * share * 1.05, left - 1))


def _leaning(rng: np.random.Generator, way: NDArray[np.float64], lean: float) -> NDArray[np.float64]:
    """A direction that leans away from another by about `lean` radians."""
    aside = rng.standard_normal(3)
    aside -= way * (aside @ way)
    turned = way + np.tan(lean) * aside / max(float(np.linalg.norm(aside)), 1e-9)
    return np.asarray(turned / np.linalg.norm(turned))


def painted(tubes: Tubes, axis: Field, z: float, thickness: float) -> Field:
    """Share of each pixel `[y, x]` of a slice that vessels fill; `axis`: the pixels' middles in mm, both ways alike."""
    step = float(axis[1] - axis[0])
    share = np.zeros((len(axis), len(axis)), np.float32)
    low = np.minimum(tubes.start[:, 2], tubes.end[:, 2]) - tubes.first
    high = np.maximum(tubes.start[:, 2], tubes.end[:, 2]) + tubes.first
    for k in np.flatnonzero((low <= z + thickness / 2) & (high >= z - thickness / 2)):
        start, end, thick = tubes.start[k], tubes.end[k], float(tubes.first[k]) + step
        spans = [_span(axis, (start[a], end[a]), thick) for a in (1, 0)]
        if min(span.stop - span.start for span in spans) < 1:
            continue
        x, y = np.meshgrid(axis[spans[1]], axis[spans[0]])
        filled = np.zeros(x.shape, np.float32)
        for layer in (np.arange(LAYERS) + 0.5) / LAYERS - 0.5:
            away = _distance((x, y, z + layer * thickness), (start, end), (float(tubes.first[k]), float(tubes.last[k])))
            filled += np.clip(0.5 - away / step, 0, 1).astype(np.float32) / LAYERS
        part = share[spans[0], spans[1]]
        np.maximum(part, filled, out=part)
    return share


def _span(axis: Field, ends: tuple[float, float], margin: float) -> slice:
    """The pixels of an axis between two ends, a margin more each way."""
    first, last = np.searchsorted(axis, (min(ends) - margin, max(ends) + margin))
    return slice(int(first), int(last))


def _distance(
    at: tuple[Field, Field, float], ends: tuple[NDArray[np.float64], NDArray[np.float64]], radii: tuple[float, float]
) -> Field:
    """Distance to one piece, negative inside, mm."""
    start, along = ends[0], ends[1] - ends[0]
    x, y, z = (axis - middle for axis, middle in zip(at, start, strict=True))
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / float(along @ along), 0, 1)
    away = np.sqrt((x - share * along[0]) ** 2 + (y - share * along[1]) ** 2 + (z - share * along[2]) ** 2)
    return np.asarray(away - (radii[0] + share * (radii[1] - radii[0])), dtype=np.float32)
