"""Where a hand would outline dense tissue, by a rule of a few constants: grey, texture and place within the breast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.breast.frames import depth_of

Plane = NDArray[np.float32]
Bits = NDArray[np.bool_]

SMOOTH, GRAIN, AROUND = 2.0, 4.0, 6.0
"""Sigmas in pixels of the frame: of the grey; of what texture is measured against; of where it is measured."""
GREY_STEP, TEXTURE_STEP = 0.12, 0.04
"""The units of grey and texture in which the constants below are said."""
NIPPLE, WALL, TEXTURE, TEXTURED, SKIN = 2.0, 2.6, 1.1, 1.15, 0.4
"""What counts, besides the grey over the breast's median: distance from the nipple (against), distance from the
chest wall, texture here, texture of the whole breast, distance from the skin.

They and CUT are about the medians of the twelve best of 700 random draws, by Dice and r of percent density on the 33
DDSM films of the development half (the model's card says more)."""
CUT = 2.25
"""The score from which tissue is dense."""
MOST_TEXTURE = 0.046
"""Median texture of the films on which the rule was set goes up to here; a digital machine's lies above it."""
LEAST = 60
"""Pixels of a depth below which it does not tell its fat's grey."""
DEPTHS = 12


@dataclass(frozen=True, slots=True)
class Score:
    """How much each pixel `[256, 192]` speaks for dense tissue, CUT and more is dense; the breast's median texture."""

    plane: Plane
    texture: float

    @property
    def holds(self) -> bool:
        """Whether the image is of the kind on which the rule was set."""
        return self.texture <= MOST_TEXTURE


@dataclass(frozen=True, slots=True)
class Place:
    """Where each pixel lies, in square roots of the breast's area, but `across`: 0 at the chest wall, 1 at the skin."""

    nipple: Plane
    across: Plane
    skin: Plane


def off_muscle(inside: Bits, muscle: Bits) -> Bits:
    """The breast without the muscle and its edge."""
    return np.asarray(inside & ~ndimage.binary_dilation(muscle, iterations=2))


def score_of(grey: Plane, inside: Bits, breast: Bits) -> Score:
    """The rule's score of a view in the frame; grey is from 0 (air) to 1, breast is off the muscle."""
    if not breast.any():
        return Score(np.zeros_like(grey), 0.0)
    even = _evened(grey, breast, depth_of(inside))
    smooth = within(even, breast, SMOOTH)
    texture = np.sqrt(np.maximum(within((even - within(even, breast, GRAIN)) ** 2, breast, AROUND), 0))
    median = float(np.median(texture[breast]))
    place = _place(inside, breast)
    score = (smooth - float(np.median(smooth[breast]))) / GREY_STEP
    score += WALL * np.minimum(place.across, 0.5) - NIPPLE * place.nipple
    score += TEXTURE * np.minimum(texture, 3 * TEXTURE_STEP) / TEXTURE_STEP + TEXTURED * median / TEXTURE_STEP
    return Score(np.asarray(score + SKIN * np.minimum(place.skin, 0.1) / 0.1, np.float32), median)


def within(plane: Plane, breast: Bits, sigma: float) -> Plane:
    """The plane smoothed, of the breast's pixels only."""
    weight = ndimage.gaussian_filter(breast.astype(np.float32), sigma) + 1e-6
    return np.asarray(ndimage.gaussian_filter(plane * breast, sigma) / weight, np.float32)


def _place(inside: Bits, breast: Bits) -> Place:
    """The nipple is where the breast, below its upper quarter, reaches farthest from the chest wall."""
    rows = np.flatnonzero(inside.any(axis=1))
    reach = ndimage.gaussian_filter1d(inside.sum(axis=1).astype(np.float64), 4)
    first = int(rows[0] + (rows[-1] - rows[0]) // 4)
    nipple = first + int(np.argmax(reach[first:]))
    unit = float(np.sqrt(breast.sum()))
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]].astype(np.float32)
    left = breast.argmax(axis=1)
    right = np.where(breast.any(axis=1), breast.shape[1] - breast[:, ::-1].argmax(axis=1), 1)
    across = (x - left[:, None]) / np.maximum(1, right - left)[:, None]
    skin = ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
    away = np.hypot(x - reach[nipple], y - nipple)
    return Place(*(np.asarray(part, np.float32) for part in (away / unit, across, skin / unit)))


def _evened(grey: Plane, breast: Bits, depth: Plane) -> Plane:
    """Grey with the breast's thinning towards the skin taken out: the 15th percentile of each depth stands for fat."""
    edges = np.linspace(0, 1, DEPTHS + 1)
    place = np.digitize(depth, edges[1:-1])
    fat = np.full(DEPTHS, np.nan)
    for k in range(DEPTHS):
        here = grey[breast & (place == k)]
        if here.size > LEAST:
            fat[k] = np.percentile(here, 15)
    known = np.flatnonzero(~np.isnan(fat))
    if known.size == 0:
        return grey
    fat = np.maximum.accumulate(np.interp(np.arange(DEPTHS), known, fat[known]))
    plateau = float(np.median(fat[4:]))
    fat = np.minimum(fat, plateau)
    curve = np.interp(depth, (edges[:-1] + edges[1:]) / 2, fat)
    return np.asarray(grey + (plateau - curve), np.float32)
