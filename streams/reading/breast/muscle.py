"""Finds the pectoral muscle in an MLO view: the bright wedge in the upper corner at the chest wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.breast.outline import Picture

BAND = 5
"""Pixels of the frame on either side of the border over which it is judged."""
TOPS = (0.12, 1.0)
"""Where the border meets the top, as a share of the breast's width there."""
FEET = (0.25, 1.35)
"""Where it meets the chest wall, as a share of the breast's height."""
LEAST_STEP = 0.02
"""By which the muscle is brighter at its border; less: no muscle is seen."""
BEYOND = 25
"""Pixels of the band to the right of the border that is to be darker than the muscle."""
FEWEST_ROWS = 12
"""Of the border, every second row counted."""
DRIFT = 7
"""Pixels by which the border may leave the straight line."""
HIGHEST = 1 / 3
"""Of the mask's rows: the muscle begins in this upper part or it is none."""


def muscle_of(shade: Picture, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The muscle within a breast in the frame, bool `[rows, columns]`; empty where none stands out.

    shade is grey from 0 (air) to 1. The best straight border from the top to the chest wall is bent to the strongest
    edge near it (the border is a line in most views, bent in some: Karssemeijer 1998, Phys Med Biol 43:365).
    """
    smooth = ndimage.gaussian_filter(shade, 1.5)
    step = _step(smooth, inside)
    line = _best_line(step, smooth, inside)
    if line is None:
        return np.zeros_like(inside)
    border = _bent(step, line)
    columns = np.arange(inside.shape[1])
    return np.asarray((columns[None, :] < border[:, None]) & inside)


def wedge_of(marked: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The muscle as a net marked it, made whole: its largest part from above, all between it and the chest wall too.

    The muscle widens upwards, so a row reaches as far as any below it; folds and film edges in it leave no holes.
    Both are bool `[rows, columns]`.
    """
    parts, count = ndimage.label(marked)
    first = round(HIGHEST * marked.shape[0])
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    high = np.setdiff1d(parts[:first], [0])
    if high.size == 0:
        return np.zeros_like(marked)
    muscle = parts == high[np.argmax(sizes[high])]
    ends = np.where(muscle.any(axis=1), muscle.shape[1] - muscle[:, ::-1].argmax(axis=1), 0)
    reach = np.maximum.accumulate(ends[::-1])[::-1]
    return np.asarray((np.arange(muscle.shape[1])[None, :] < reach[:, None]) & inside)


def _step(smooth: Picture, inside: NDArray[np.bool_]) -> Picture:
    """How much brighter it is to the left and above than to the right and below; outside it counts against."""
    left = ndimage.shift(smooth, (BAND * 0.4, BAND), order=1, mode="nearest")
    right = ndimage.shift(smooth, (-BAND * 0.4, -BAND), order=1, mode="nearest")
    step = np.clip(left - right, -0.3, 0.3)
    near_skin = ~ndimage.binary_erosion(np.pad(inside, BAND, mode="edge"), iterations=BAND)[BAND:-BAND, BAND:-BAND]
    step[near_skin] = -0.1
    return np.asarray(step, np.float32)


def _best_line(step: Picture, smooth: Picture, inside: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Column at the top and row at the chest wall of the best border; None where there is none.

    A border is good where it is a step everywhere along it, is long, and parts a bright wedge from a darker band.
    """
    height = float(np.flatnonzero(inside.any(axis=1))[-1] + 1)
    width = float(np.flatnonzero(inside[: max(3, round(0.1 * height))].any(axis=0)).max(initial=0) + 1)
    tops, feet = (axis.ravel() for axis in np.meshgrid(np.linspace(*TOPS, 32) * width, np.linspace(*FEET, 36) * height))
    y = np.arange(0, height - 1, 2.0)
    x = tops[:, None] * (1 - y[None, :] / feet[:, None])
    on = x >= 1
    count = on.sum(axis=1)
    rows, columns = y.astype(np.int64)[None, :], np.clip(np.rint(x), 0, inside.shape[1] - 1).astype(np.int64)
    along = np.where(on, step[rows, columns], 0)
    mean = along.sum(axis=1) / np.maximum(count, 1)
    uneven = np.sqrt(np.maximum((along * along).sum(axis=1) / np.maximum(count, 1) - mean * mean, 0))
    sums = np.cumsum(smooth * inside, axis=1)
    pixels = np.cumsum(inside, axis=1)
    beyond = np.minimum(columns + BEYOND, inside.shape[1] - 1)
    wedge = (sums[rows, columns] * on).sum(axis=1) / np.maximum((pixels[rows, columns] * on).sum(axis=1), 1)
    band = ((sums[rows, beyond] - sums[rows, columns]) * on).sum(axis=1)
    band = band / np.maximum(((pixels[rows, beyond] - pixels[rows, columns]) * on).sum(axis=1), 1)
    score = (mean - 0.5 * uneven + 0.25 * np.clip(wedge - band, -0.2, 0.2)) * np.sqrt(count * 2 / height)
    score[count < FEWEST_ROWS] = -1
    best = int(np.argmax(score))
    return (float(tops[best]), float(feet[best])) if score[best] > LEAST_STEP else None


def _bent(step: Picture, line: tuple[float, float]) -> NDArray[np.float64]:
    """The border's column for each row: the path of strongest edge within DRIFT of the line, one pixel a row."""
    top, foot = line
    count = step.shape[0]
    straight = top * (1 - np.arange(count) / foot)
    offsets = np.arange(-DRIFT, DRIFT + 1)
    last = int(min(count, np.ceil(foot)))
    at = np.clip(straight[:last, None] + offsets[None, :], 0, step.shape[1] - 1)
    gain = step[np.arange(last)[:, None], np.rint(at).astype(np.int64)] - 0.004 * np.abs(offsets)[None, :]
    total, came = gain.copy(), np.zeros(gain.shape, np.int64)
    for row in range(1, last):
        before = np.pad(total[row - 1], 1, constant_values=-np.inf)
        options = np.stack([before[:-2], before[1:-1], before[2:]])
        choice = options.argmax(0)
        came[row] = choice - 1
        total[row] += options.max(0)
    path = np.empty(last, np.int64)
    path[-1] = int(total[-1].argmax())
    for row in range(last - 1, 0, -1):
        path[row - 1] = path[row] + came[row, path[row]]
    border = np.zeros(count)
    border[:last] = np.maximum(0, straight[:last] + ndimage.gaussian_filter1d(offsets[path].astype(np.float64), 4))
    return border
