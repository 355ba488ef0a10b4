"""Finds the inside of the skull on a stack of axial slices in Hounsfield units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.morphology import IN_PLANE, Mask, filled, narrowed, rims, widened

GRID_MM = 2.0
"""Pixel of the grid on which the inside of the skull is sought."""
BONE_HU = 110.0
"""From here a 2 mm pixel counts as bone; fresh blood stays below 100."""
SEED_DEPTH_MM = 6.0
"""Brain lies at least this deep somewhere; bridges thinner than twice this are cut."""
BRAIN_HEIGHT_MM = 155.0
"""No brain lies further than this below the vertex."""
MOST_SIDES = 3
"""Brain has bone on at least so many of four sides, also where a piece of skull is missing; muscle has not."""
LEAST_AREA_MM2 = 1300.0
"""Under the brain a piece smaller than this is the spinal canal or a sinus, not brain."""
LEAST_BRAIN_ML = 250.0
LEAST_RING = 0.55
"""Share of the rim of the largest slices that must lie against bone."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices in HU on the 2 mm grid `[z, y, x]`, foot to head, and the distance between slices (mm)."""

    hu: NDArray[np.float32]
    step_mm: float


def intracranial(stack: Stack) -> Mask | None:
    """The inside of the skull `[z, y, x]` on the stack's grid; None where there is no brain inside bone.

    Takes tilted stacks, open skulls (craniotomy), and stacks that begin at the neck or end below the vertex.
    """
    bone = stack.hu >= BONE_HU
    soft = (stack.hu > -5) & ~bone
    seeds = _seeds(soft, _bone_sides(bone) >= MOST_SIDES, stack.step_mm)
    if seeds is None:
        return None
    inside = _from_the_widest(_grow(seeds, soft, _enclosed(bone)))
    volume_ml = float(inside.sum()) * GRID_MM**2 * stack.step_mm / 1000
    if volume_ml < LEAST_BRAIN_ML or _ring_share(inside, bone) < LEAST_RING:
        return None
    return inside


def disc(radius_mm: float) -> Mask:
    """A round structuring element of the 2 mm grid."""
    n = max(1, round(radius_mm / GRID_MM))
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    return np.asarray(y * y + x * x <= (n + 0.3) ** 2)


def widen(mask: Mask, radius_mm: float) -> Mask:
    """A plane or a stack widened in plane by radius_mm."""
    out = widened(mask[None] if mask.ndim == 2 else mask, radius_mm / GRID_MM + 0.3)
    return out[0] if mask.ndim == 2 else out


def _enclosed(bone: Mask) -> Mask:
    """What lies inside closed bone in each slice; gaps of some 8 mm (sutures, burr holes) are bridged."""
    wide = np.pad(bone, ((0, 0), (4, 4), (4, 4)))
    closed = ~widen(~widen(wide, 4.0), 4.0) | wide
    within = (filled(closed) & ~wide)[:, 4:-4, 4:-4]
    return np.asarray(within & bone.any((1, 2), keepdims=True))


def _bone_sides(bone: Mask) -> NDArray[np.int8]:
    """On how many of four sides (front, back, left, right) a pixel has bone in its slice."""
    sides = np.zeros(bone.shape, np.int8)
    for axis in (1, 2):
        sides += np.logical_or.accumulate(bone, axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(bone, axis), axis), axis)
    return sides


def _seeds(soft: Mask, walled: Mask, step_mm: float) -> Mask | None:
    """The deep tissue of the brain: the largest connected piece between bones, not far below the vertex."""
    deep = narrowed(soft, SEED_DEPTH_MM / GRID_MM) & walled
    areas = deep.sum((1, 2)) * GRID_MM**2
    high = np.flatnonzero(areas > 1500)
    if not len(high):
        return None
    deep[: max(0, int(high[-1] - BRAIN_HEIGHT_MM / step_mm))] = False
    labels, count = ndimage.label(deep)
    if not count:
        return None
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _grow(seeds: Mask, soft: Mask, enclosed: Mask) -> Mask:
    """From the deep tissue of each slice out to the bone, and what else of the cavity touches it."""
    near = widen(seeds, SEED_DEPTH_MM + GRID_MM)
    ring = (seeds & enclosed).sum((1, 2)) > 0.6 * seeds.sum((1, 2))
    labels, count = ndimage.label(enclosed, IN_PLANE)
    held = np.bincount(labels[seeds], minlength=count + 1) > 0
    held[0] = False
    whole = held[labels] & (near | widen(near & enclosed, 10.0))
    return filled(np.where(ring[:, None, None], whole, near & soft)) & seeds.any((1, 2), keepdims=True)


def _from_the_widest(grown: Mask) -> Mask:
    """Keeps, going down from the widest slice, pieces that continue the slice above and are not a mere canal."""
    areas = grown.sum((1, 2)) * GRID_MM**2
    widest = int(areas.argmax())
    out = np.zeros_like(grown)
    out[widest:] = grown[widest:]
    for index in range(widest - 1, -1, -1):
        above = out[index + 1]
        labels, count = ndimage.label(grown[index])
        sizes = np.bincount(labels.ravel(), minlength=count + 1) * GRID_MM**2
        touching = np.bincount(labels[above], minlength=count + 1) > 0
        keep = touching & (sizes >= LEAST_AREA_MM2)
        keep[0] = False
        out[index] = keep[labels]
    return out


def _ring_share(inside: Mask, bone: Mask) -> float:
    """Share of the inside's rim, over the wider half of its slices, within 8 mm of bone."""
    areas = inside.sum((1, 2))
    wider = areas > areas.max() / 2
    rim = rims(inside[wider])
    return int((rim & widen(bone[wider], 8.0)).sum()) / max(1, int(rim.sum()))
