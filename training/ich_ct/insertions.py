"""Bleeds of known volume inserted in real heads in HU, at the scan's own resolution: what volumes are judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from heads import RealHead
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.tensors import head_slabs

FORMS = ("parenchymal", "epidural", "subdural")


@dataclass(frozen=True, slots=True)
class Inserted:
    """A head with a bleed: the volume of its exact shape in ml, and the mask (half covered counts)."""

    head: RealHead
    form: str
    ml: float
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Skull:
    """Where a bleed may lie: inside, mm from the inner table, and each voxel's place in mm (z, y, x)."""

    inside: NDArray[np.bool_]
    depth: NDArray[np.float32]
    at: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def skull_of(head: RealHead) -> Skull:
    """By the same function that makes the model's slabs."""
    slabs = head_slabs(head.hu, head.spacing, head.places)
    inside = slabs.mask_to_source((slabs.tensor[:, 3, ::2, ::2] > 0).astype(np.float32))
    inside &= ndimage.gaussian_filter(head.hu, (0, 0.5, 0.5)) < 90
    steps = (float(np.median(np.diff(head.places))), *head.spacing[1:])
    depth = ndimage.distance_transform_edt(inside, sampling=steps).astype(np.float32)
    places = [
        head.places.astype(np.float32),
        *(np.arange(n) * s for n, s in zip(inside.shape[1:], steps[1:], strict=True)),
    ]
    z, y, x = np.meshgrid(*(p.astype(np.float32) for p in places), indexing="ij", sparse=True)
    return Skull(inside, depth, (z, y, x))


def inserted(head: RealHead, skull: Skull, form: str, ml: float, seed: int) -> Inserted:
    """The head with a fresh bleed of a form and volume: one surface function, its level found by the volume wanted."""
    rng = np.random.default_rng((seed, 7))
    radius = _radius(ml)
    centre = _centre(rng, skull, form, radius)
    box = _box(skull, centre, radius * REACH[form] + 12)
    inside, scan = skull.inside[box], head.hu[box]
    lengths = np.gradient(head.places)[box[0]]
    voxel = (lengths * head.spacing[1] * head.spacing[2] / 1000)[:, None, None]
    level = _surface(rng, skull, box, centre, (form, radius))
    low, high = 0.05, 12.0
    soft = np.zeros_like(level)
    for _ in range(24):
        size = (low + high) / 2
        soft = np.clip((size - level) * (radius / size) + 0.5, 0, 1) * inside  # an edge of about 1 mm
        low, high = (size, high) if float((soft * voxel).sum()) < ml else (low, size)
    grain = scan - ndimage.gaussian_filter(scan, (0, 1.5, 1.5))
    uneven = ndimage.gaussian_filter(rng.standard_normal(level.shape), 5 / np.asarray(head.spacing))
    blood = rng.uniform(54, 74) + 3 * uneven / uneven.std() + grain
    hu, mask = head.hu.copy(), np.zeros(head.hu.shape, np.bool_)
    hu[box] = np.where(soft > 0, scan * (1 - soft) + blood * soft, scan)
    mask[box] = soft >= 0.5
    made = replace(head, name=f"{head.name}, {form} {ml:g} ml", hu=hu)
    return Inserted(made, form, float((soft * voxel).sum()), mask)


REACH = {"parenchymal": 1.6, "epidural": 3.0, "subdural": 5.5}
"""How far a bleed reaches from its middle, in radii of the ball of its volume."""


def _radius(ml: float) -> float:
    """Mm of a ball."""
    return float((ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3))


def _centre(rng: np.random.Generator, skull: Skull, form: str, radius: float) -> tuple[int, int, int]:
    """A voxel deep in the brain, or at the inner table, in a slice through the hemispheres."""
    deep = 1.3 * radius if form == "parenchymal" else 2.0
    wide = skull.depth.max((1, 2)) > 0.7 * skull.depth.max()
    allowed = (np.abs(skull.depth - deep) < 3) & wide[:, None, None] & skull.inside
    z, y, x = np.argwhere(allowed)[int(rng.integers(int(allowed.sum())))]
    return int(z), int(y), int(x)


def _box(skull: Skull, centre: tuple[int, int, int], reach_mm: float) -> tuple[slice, slice, slice]:
    near = [np.flatnonzero(np.abs(a.ravel() - a.ravel()[c]) <= reach_mm) for a, c in zip(skull.at, centre, strict=True)]
    z, y, x = (slice(int(n[0]), int(n[-1]) + 1) for n in near)
    return z, y, x


def _surface(
    rng: np.random.Generator,
    skull: Skull,
    box: tuple[slice, slice, slice],
    centre: tuple[int, int, int],
    shape: tuple[str, float],
) -> NDArray[np.float32]:
    """A field whose value is 1 about on the surface of the bleed, and grows outwards."""
    form, radius = shape
    depth = skull.depth[box]
    wave = ndimage.gaussian_filter(rng.standard_normal(depth.shape).astype(np.float32), (1.5, 7, 7))
    wave *= 0.12 / wave.std()
    off = np.zeros_like(depth)
    for places, middle, part in zip(skull.at, centre, box, strict=True):
        line = places.ravel()
        here = line[part] - line[middle]
        off = off + (here**2).reshape([-1 if n > 1 else 1 for n in _along(places, len(here))])
    if form == "parenchymal":
        return np.asarray(np.sqrt(off) / radius + wave, np.float32)
    along, thick = (1.9, 0.55) if form == "epidural" else (3.2, 0.3)  # radii along the skull and away from it
    return np.asarray(np.sqrt(off / (along * radius) ** 2 + (depth / (thick * radius)) ** 2) + wave, np.float32)


def _along(places: NDArray[np.float32], count: int) -> list[int]:
    """The shape that lays a line along the axis of its sparse grid."""
    return [count if n > 1 else 1 for n in places.shape]
