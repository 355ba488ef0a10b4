"""Which part of a volume a model is to read: all of it, the body, or the inside of the skull."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading import brain
from streams.reading.sampling import linear, sampled
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume

REGIONS = ("all", "body", "skull")
BODY_HU = -300.0
COARSE_MM = 4.0
"""Of the grid on which the body is sought."""
LEAST_BODY_ML = 100.0
SLAB_MM = 2.5
"""Slices closer together than this are thinned out before the skull is sought."""

Places = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Box:
    """First voxel of a grid `(z, y, x)` and the number of voxels along each axis."""

    low: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """What is read, on the model's grid; inside: of the box what counts, bool `[z, y, x]`, None for all."""

    box: Box
    inside: NDArray[np.bool_] | None = None


def region_of(
    name: str, volume: Volume, places: Places, spacing_mm: tuple[float, float, float], margin_mm: float
) -> Region:
    """The region of that name, widened by a margin, on a grid of this spacing from the volume's first voxel.

    Raises:
        NoAnatomy: it is not there.
    """
    if name == "all":
        ends = [(0.0, float(p[-1])) for p in places]
        return Region(_box(ends, places, spacing_mm))
    steps = (_slab(volume), *((brain.GRID_MM,) * 2 if name == "skull" else (COARSE_MM,) * 2))
    axes = [np.arange(0.0, p[-1] + step / 2, step) for p, step in zip(places, steps, strict=True)]
    z, y, x = (linear(p, axis) for p, axis in zip(places, axes, strict=True))
    coarse = sampled(volume.hu, (z, y, x))
    found = _skull(coarse, steps[0]) if name == "skull" else _body(coarse, steps)
    grown = _widened(found, margin_mm, steps)
    used = [np.flatnonzero(grown.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    ends = [(float(axis[u[0]]), float(axis[u[-1]])) for axis, u in zip(axes, used, strict=True)]
    box = _box(ends, places, spacing_mm)
    if name != "skull":
        return Region(box)
    cells = [
        np.clip(np.rint((np.arange(n) + low) * mm / step).astype(np.int64), 0, size - 1)
        for n, low, mm, step, size in zip(box.shape, box.low, spacing_mm, steps, grown.shape, strict=True)
    ]
    return Region(box, np.asarray(grown[np.ix_(*cells)]))


def _slab(volume: Volume) -> float:
    return max(SLAB_MM, float(volume.spacing_mm[0]))


def _box(ends: list[tuple[float, float]], places: Places, spacing_mm: tuple[float, float, float]) -> Box:
    """The grid's voxels between these places (mm), within the volume."""
    low, shape = [], []
    for (first, last), place, mm in zip(ends, places, spacing_mm, strict=True):
        most = floor(float(place[-1]) / mm + 1e-6)
        start = min(max(0, floor(first / mm)), most)
        stop = min(most, ceil(last / mm))
        low.append(start)
        shape.append(max(1, stop - start + 1))
    return Box((low[0], low[1], low[2]), (shape[0], shape[1], shape[2]))


def _skull(coarse: NDArray[np.float32], step: float) -> NDArray[np.bool_]:
    inside = brain.intracranial(brain.Stack(coarse, step))
    if inside is None:
        raise NoAnatomy("No brain inside a skull was found in the series.")
    return inside


def _body(coarse: NDArray[np.float32], steps: tuple[float, ...]) -> NDArray[np.bool_]:
    """The largest piece of soft tissue: no table, no air."""
    labels, count = ndimage.label(coarse > BODY_HU)
    sizes = np.bincount(labels.ravel())[1:] if count else np.zeros(1, np.int64)
    if sizes.max() * float(np.prod(steps)) / 1000 < LEAST_BODY_ML:
        raise NoAnatomy("No body was found in the series.")
    return np.asarray(labels == int(sizes.argmax()) + 1)


def _widened(mask: NDArray[np.bool_], margin_mm: float, steps: tuple[float, ...]) -> NDArray[np.bool_]:
    if margin_mm <= 0:
        return mask
    away = ndimage.distance_transform_edt(~mask, sampling=steps)
    return np.asarray(away <= margin_mm)
