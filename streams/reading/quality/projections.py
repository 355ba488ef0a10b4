"""Projection images: does each look like a breast, full at the chest wall and tapering to the nipple."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.quality.report import Bench
from streams.reading.views import View, Views

SIDE_PX = 128
"""Each view is looked at on a grid of about so many pixels."""
ONE_SIDED = 0.15
"""By so much of the breast's height the chest wall's quarter of it is fuller than the nipple's; a trunk is even."""
AREA = (0.03, 0.97)


def judge_views(views: Views, bench: Bench) -> None:
    """Views that do not look like a breast; the measurement is the share of them that do, in %."""
    if not views.views:
        return
    wrong = [index for index, view in enumerate(views.views, start=1) if not _breast(view)]
    share = 100 * (1 - len(wrong) / len(views.views))
    which = "something else" if wrong else "breasts"
    bench.hold("body-part", share, below=True, part="breast", seen=which)


def _breast(view: View) -> bool:
    """A piece of tissue that is full on one side and tapers to the other."""
    tissue = _tissue(view.pixels)
    share = float(tissue.mean())
    if not AREA[0] < share < AREA[1]:
        return False
    rows, columns = (np.flatnonzero(tissue.any(axis)) for axis in (1, 0))
    profile = tissue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean(0)
    quarter = max(1, len(profile) // 4)
    return abs(float(profile[:quarter].mean() - profile[-quarter:].mean())) >= ONE_SIDED


def _tissue(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The largest piece brighter than the background, on a coarse grid; the film's own rim is cut off."""
    step = [max(1, n // SIDE_PX) for n in pixels.shape]
    grey = ndimage.uniform_filter(pixels, step)[:: step[0], :: step[1]]
    rim = [max(1, n // 32) for n in grey.shape]
    grey = grey[rim[0] : -rim[0], rim[1] : -rim[1]]
    low, high = np.percentile(grey, [2, 98])
    bright = ndimage.binary_opening(grey > low + 0.12 * (high - low), iterations=2)
    labels, count = ndimage.label(bright)
    if not count:
        return np.zeros(grey.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))
