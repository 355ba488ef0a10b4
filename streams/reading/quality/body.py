"""The patient on each slice of a look: body, bone, lungs and other gas, what bone encloses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.quality.look import Look, Mask

BODY_HU = -350.0
BONE_HU = 200.0
GAS_HU = -400.0
SOFT_HU = (0.0, 90.0)
FAT_HU = (-150.0, -30.0)
LIMB_SHARE = 0.15
"""A second piece of this share of the largest one is body too: the other leg, an arm."""
LEAST_BODY_MM2 = 700.0
LUNG_MM2 = 800.0
"""Gas in one piece larger than this on a slice is lung; a trachea or bowel is smaller."""
RIM_MM = 18.0

IN_PLANE = np.zeros((3, 3, 3), bool)
IN_PLANE[1] = True
"""Neighbours within a slice only: one call serves the whole stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Masks [n, y, x] over a look.

    Attributes:
        body: the patient, filled; without the table as far as it lies apart.
        pieces: of the body on each slice, [n].
        lungs: large gas inside the body. gas: other gas inside it.
        bone: HU over 200 inside it.
        core: the body without its outer 18 mm.
        enclosed: no bone, but bone on all four sides of it in its slice.
    """

    body: Mask
    pieces: NDArray[np.int64]
    lungs: Mask
    gas: Mask
    bone: Mask
    core: Mask
    enclosed: Mask

    def areas(self, mask: Mask, look: Look) -> NDArray[np.float64]:
        """cm2 of a mask on each slice."""
        return np.asarray(mask.sum((1, 2)) * look.cell_mm2 / 100)


def body_of(look: Look) -> Body:
    """The masks; all empty where there is nobody."""
    dense = look.hu > BODY_HU
    opened = ndimage.binary_opening(dense, IN_PLANE)
    found, pieces = _largest(opened, look)
    body = ~_outside(~found)
    holes = body & (look.hu < GAS_HU)
    lungs = pieces_over(holes, LUNG_MM2 / look.cell_mm2)
    bone = body & (look.hu > BONE_HU)
    rim = max(1, round(RIM_MM / float(np.mean(look.pixel_mm))))
    core = ndimage.binary_erosion(body, IN_PLANE, iterations=rim, border_value=1)
    return Body(
        body=body,
        pieces=pieces,
        lungs=lungs,
        gas=holes & ~lungs,
        bone=bone,
        core=np.asarray(core),
        enclosed=body & ~bone & (_sides(bone) == 4),
    )


def _sizes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray(sizes)


def _largest(mask: Mask, look: Look) -> tuple[Mask, NDArray[np.int64]]:
    """On each slice the largest piece and those of a like size, and how many they are."""
    labels, count = ndimage.label(mask, IN_PLANE)
    sizes = _sizes(labels, count)
    kept = np.zeros_like(mask)
    pieces = np.zeros(len(mask), np.int64)
    for index, plane in enumerate(labels):
        names = np.unique(plane)
        names = names[names > 0]
        if not len(names) or sizes[names].max() * look.cell_mm2 < LEAST_BODY_MM2:
            continue
        names = names[sizes[names] >= LIMB_SHARE * sizes[names].max()]
        kept[index] = np.isin(plane, names)
        pieces[index] = len(names)
    return kept, pieces


def _outside(empty: Mask) -> Mask:
    """What is joined to the border of its slice through empty pixels."""
    labels, count = ndimage.label(empty, IN_PLANE)
    edge = np.zeros(count + 1, bool)
    for side in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        edge[np.unique(side)] = True
    edge[0] = False
    return np.asarray(edge[labels])


def pieces_over(mask: Mask, cells: float) -> Mask:
    """The pieces of a mask that have more than so many pixels on their slice."""
    labels, count = ndimage.label(mask, IN_PLANE)
    return np.asarray((_sizes(labels, count) > cells)[labels])


def _sides(bone: Mask) -> NDArray[np.int8]:
    """On how many of four sides a pixel has bone in its slice."""
    sides = np.zeros(bone.shape, np.int8)
    for axis in (1, 2):
        sides += np.logical_or.accumulate(bone, axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(bone, axis), axis), axis)
    return sides
