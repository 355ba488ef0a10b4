"""Finds the breast in a mammogram: air, labels, tape and film borders are left out, whatever the grey scale is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.tensors import NoAnatomy

Picture = NDArray[np.float32]

WORK_ROWS = 512
"""The outline is sought at about so many rows: a pixel of half a millimetre."""
LEAST_SHARE = 0.04
"""Of the picture that a breast covers at least; screening mammograms show 10 to 60 %."""
LEAST_AT_WALL = 0.3
"""Of its height over which a breast lies at the chest wall's border."""
ABOVE_AIR = 0.05
"""Of the span from air to the brightest tissue: above it lies skin."""


@dataclass(frozen=True, slots=True)
class Breast:
    """A breast upright with its chest wall to the left, cut out of its picture.

    grey: float32 `[rows, columns]`, dense tissue high. inside: bool, breast with muscle. air: grey of the air around.
    flipped: the picture's columns were turned round. step: source pixels to one here. corner: source row and column
    (after turning) of the first pixel here. shape: of the source.
    """

    grey: Picture
    inside: NDArray[np.bool_]
    air: float
    flipped: bool
    step: int
    corner: tuple[int, int]
    shape: tuple[int, int]


def breast_of(pixels: Picture) -> Breast:
    """The breast of one mammogram `[rows, columns]` with dense tissue high.

    Raises NoAnatomy where no breast against air is found, or where the air is the brightest part, as in images made
    for processing.
    """
    step = max(1, round(min(pixels.shape) / WORK_ROWS))
    small = _coarser(pixels, step)
    air, bright = _levels(small)
    body = _body(small, air, bright)
    flipped = _wall_is_right(body)
    if flipped:
        small, body = small[:, ::-1], body[:, ::-1]
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shape = (pixels.shape[0], pixels.shape[1])
    corner = (int(rows[0]) * step, int(columns[0]) * step)
    return Breast(np.ascontiguousarray(small[box]), np.ascontiguousarray(body[box]), air, flipped, step, corner, shape)


def _coarser(pixels: Picture, step: int) -> Picture:
    """Means of step x step pixels; what does not fill a step at the far borders is left out."""
    if step == 1:
        return np.asarray(pixels, np.float32)
    rows, columns = (size // step for size in pixels.shape)
    cut = pixels[: rows * step, : columns * step]
    return np.asarray(cut.reshape(rows, step, columns, step).mean((1, 3)), np.float32)


def _levels(small: Picture) -> tuple[float, float]:
    """The greys of air (the fullest bin of the lower half) and of the brightest tissue."""
    low, bright = (float(v) for v in np.percentile(small, (0.5, 99.0)))
    if not bright > low:
        raise NoAnatomy("The image holds one grey only; there is no breast in it.")
    counts, edges = np.histogram(small, bins=64, range=(low, bright))
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    if float((border > low + 0.9 * (bright - low)).mean()) > 0.6:
        raise NoAnatomy(
            "The image is brightest where there is air, as images made for processing are: "
            "send the ones made for presentation."
        )
    fullest = int(np.argmax(counts[:32]))
    near = small[(small >= edges[fullest] - (edges[1] - edges[0])) & (small <= edges[fullest + 1])]
    return float(np.median(near)), bright


def _body(small: Picture, air: float, bright: float) -> NDArray[np.bool_]:
    """The largest thing brighter than air, without what hangs on it by a thread, holes filled."""
    smooth = ndimage.gaussian_filter(small, 1.0)
    over = smooth > air + ABOVE_AIR * (bright - air)
    radius = max(2, round(min(small.shape) / 100))
    kernel = _disc(radius)
    opened = ndimage.binary_opening(np.pad(over, radius, mode="edge"), kernel)[radius:-radius, radius:-radius]
    labels, count = ndimage.label(opened)
    if count == 0:
        raise NoAnatomy("No breast against air was found in the image.")
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == int(np.argmax(sizes))
    if body.mean() < LEAST_SHARE:
        raise NoAnatomy(f"The largest thing in the image covers {body.mean():.1%} of it; a breast covers more.")
    body = ndimage.binary_closing(np.pad(body, 3 * radius, mode="edge"), kernel, 2)
    return np.asarray(ndimage.binary_fill_holes(body[3 * radius : -3 * radius, 3 * radius : -3 * radius]))


def _wall_is_right(body: NDArray[np.bool_]) -> bool:
    """The chest wall is where the breast ends in a straight upright line."""
    columns = np.flatnonzero(body.any(axis=0))
    width = max(1, round(0.03 * (columns[-1] - columns[0] + 1)))
    height = float(body.any(axis=1).sum())
    left = float(body[:, columns[0] : columns[0] + width].mean(axis=1).sum()) / height
    right = float(body[:, columns[-1] + 1 - width : columns[-1] + 1].mean(axis=1).sum()) / height
    if max(left, right) < LEAST_AT_WALL:
        raise NoAnatomy("The breast does not reach a border of the image along the chest wall.")
    return right > left


def _disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(y * y + x * x <= radius * radius + radius)
