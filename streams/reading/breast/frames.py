"""Cuts breasts to a frame of one size, in greys that no maker's scale decides, for a net that marks dense tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.breast.outline import Breast, Picture

HEIGHT, WIDTH = 256, 192
"""Of the frame: the breast fills it as far as its shape allows, its upper chest wall corner at the first pixel."""
BRIGHT = 99.5
"""Percentile of the breast's greys that becomes white."""
LOCAL = 10.0
"""Sigma of the neighbourhood against which a pixel is bright or dark, in pixels of the frame."""
SKIN_REACH = 0.35
"""Of the frame's breast width: how far from the skin the way to it is told."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One breast in the frame.

    channels: uint8 `[4, 256, 192]`: grey from air to bright tissue; rank of the grey within the breast; grey against
        its neighbourhood; distance from the skin. All are 0 outside.
    inside: bool `[256, 192]`. scale: frame pixels to one of the breast's.
    """

    channels: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    scale: float


def frame_of(breast: Breast) -> Frame:
    """The breast in the frame, its greys in four ways."""
    rows, columns = breast.grey.shape
    scale = min(HEIGHT / rows, WIDTH / columns)
    grey = _resized(breast.grey, scale)
    inside = _resized(breast.inside.astype(np.float32), scale) > 0.5
    return Frame(channels_of(grey, inside, breast.air), inside, scale)


def channels_of(grey: Picture, inside: NDArray[np.bool_], air: float) -> NDArray[np.uint8]:
    """Four ways to look at a breast in the frame, uint8 `[4, rows, columns]`; order as in `Frame`."""
    values = grey[inside]
    bright = float(np.percentile(values, BRIGHT))
    span = max(bright - air, 1e-6)
    shade = np.clip((grey - air) / span, 0, 1)
    rank = np.zeros_like(shade)
    rank[inside] = _ranks(values) / values.size
    local = np.clip(0.5 + _standing_out(shade, inside) / 6, 0, 1)
    depth = depth_of(inside)
    stacked = np.stack([shade, rank, local, depth]) * inside
    return np.asarray(np.rint(stacked * 255), np.uint8)


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """From 1; equal values share the middle of their ranks, as scipy.stats.rankdata, which takes 2 s to load."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(times) - (times - 1) / 2
    return np.asarray(middle[place], np.float64)


def depth_of(inside: NDArray[np.bool_]) -> Picture:
    """Distance from the skin, 0 to 1 at 35 % of the breast's width; chest wall, top and bottom are no skin."""
    padded = np.pad(inside, ((1, 1), (1, 1)), mode="edge")
    columns = np.flatnonzero(inside.any(axis=0))
    width = float(columns[-1] - columns[0] + 1) if columns.size else 1.0
    away = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    return np.asarray(np.clip(away / (SKIN_REACH * width), 0, 1), np.float32)


def _standing_out(shade: Picture, inside: NDArray[np.bool_]) -> Picture:
    """Grey against mean and spread of its neighbourhood within the breast, in spreads."""
    weight = ndimage.gaussian_filter(inside.astype(np.float32), LOCAL) + 1e-6
    mean = ndimage.gaussian_filter(shade * inside, LOCAL) / weight
    square = ndimage.gaussian_filter(shade * shade * inside, LOCAL) / weight
    spread = np.sqrt(np.maximum(square - mean * mean, 0)) + 0.02
    return np.asarray((shade - mean) / spread, np.float32)


def _resized(picture: Picture, scale: float) -> Picture:
    """The picture in the frame, zero where it does not reach; smoothed first where it shrinks."""
    smooth = ndimage.gaussian_filter(picture, 0.45 * max(0.0, 1 / scale - 1), mode="nearest") if scale < 1 else picture
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    rows, columns = (min(size, round(n * scale)) for size, n in zip((HEIGHT, WIDTH), picture.shape, strict=True))
    y = (np.arange(rows) + 0.5) / scale - 0.5
    x = (np.arange(columns) + 0.5) / scale - 0.5
    at = np.meshgrid(y, x, indexing="ij")
    out[:rows, :columns] = ndimage.map_coordinates(smooth, at, order=1, mode="nearest")
    return out
