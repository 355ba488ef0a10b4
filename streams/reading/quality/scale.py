"""Are the grey values Hounsfield units: where air and soft tissue lie, what wrapped round, what was windowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.volume import Volume

BIN_HU = 10
LOW_HU, HIGH_HU = -4100, 4100
WRAPPED_HU = (-4000, 20000)
"""No scanner means values beyond these: a sign bit read as a number, or the reverse."""
SPIKE = 0.05
"""A lowest value that so many pixels share exactly is padding or a clip, not tissue."""
PADDING_HU = -1100
MODE = 0.01
"""Share of the pixels that a peak's neighbourhood holds at least."""
AIR_TO_TISSUE = (850.0, 1250.0)
"""HU between air and fat, muscle, brain or enhanced blood."""
TISSUE_HU = (-20.0, 150.0)
WINDOWED_ABOVE = -500
RINGING_HU = 5
"""A picture's black is not quite even where it was compressed."""
SAMPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where things lie.

    Attributes:
        air, tissue: HU of the peaks; None where there is none to be seen.
        off: how far the whole scale is shifted or stretched, HU; None where nothing tells.
        wrapped: share of pixels with values that cannot be.
        windowed: share of pixels at one lowest value that is far above air: a picture, not a measurement.
    """

    air: float | None
    tissue: float | None
    off: float | None
    wrapped: float
    windowed: float


def scale_of(volume: Volume) -> Scale:
    """Measured on every 8th pixel of some slices."""
    step = max(1, len(volume.hu) // 48)
    pixels = volume.hu[::step, ::SAMPLE, ::SAMPLE].ravel()
    wrapped = float(((pixels < WRAPPED_HU[0]) | (pixels > WRAPPED_HU[1])).mean())
    lowest = int(pixels.min())
    spike = float((pixels == lowest).mean())
    flat = spike >= SPIKE
    floor = float(np.percentile(pixels, 1))
    cut = float((np.abs(pixels - floor) <= RINGING_HU).mean()) if floor > WINDOWED_ABOVE else 0.0
    kept = pixels[pixels > lowest] if flat else pixels
    peaks = _peaks(kept)
    windowed = cut if cut >= SPIKE else 0.0
    if flat and lowest >= PADDING_HU:
        peaks = [float(lowest), *peaks]  # clean or clipped air
    air, off = _air(peaks, windowed > 0)
    return Scale(
        air=air,
        tissue=_tissue(kept),
        off=off,
        wrapped=wrapped,
        windowed=windowed if off is None else 0.0,
    )


def _histogram(pixels: NDArray[np.int16]) -> NDArray[np.float64]:
    counts, _ = np.histogram(pixels, bins=(HIGH_HU - LOW_HU) // BIN_HU, range=(LOW_HU, HIGH_HU))
    return np.asarray(ndimage.gaussian_filter1d(counts.astype(np.float64), 2.0))


def _peaks(pixels: NDArray[np.int16]) -> list[float]:
    """HU of the histogram's peaks that hold enough pixels, ascending."""
    if not len(pixels):
        return []
    smooth = _histogram(pixels)
    top = (smooth == ndimage.maximum_filter1d(smooth, 15)) & (smooth > 0)
    held = ndimage.uniform_filter1d(smooth, 9) * 9 / len(pixels)
    return [LOW_HU + (int(k) + 0.5) * BIN_HU for k in np.flatnonzero(top & (held >= MODE))]


def _air(peaks: list[float], windowed: bool) -> tuple[float | None, float | None]:
    """The air peak, and how far the scale is off."""
    if not peaks:
        return None, None
    lowest = peaks[0]
    above = [peak - lowest for peak in peaks[1:] if AIR_TO_TISSUE[0] <= peak - lowest <= AIR_TO_TISSUE[1]]
    if above:
        return lowest, lowest + 1000
    if lowest > 400:  # nobody is that dense throughout
        return None, lowest
    if windowed or lowest > -300:
        return None, None  # a window, or a field inside the body
    stretched = [peak - lowest for peak in peaks[1:] if peak - lowest > 300]
    if stretched and not any(-200 < peak < 200 for peak in peaks) and lowest < -1300:
        return lowest, lowest + 1000
    return lowest, None


def _tissue(pixels: NDArray[np.int16]) -> float | None:
    """The strongest peak of muscle, brain or organs, HU."""
    inside = pixels[(pixels > TISSUE_HU[0]) & (pixels < TISSUE_HU[1])]
    if len(inside) < max(200, MODE * len(pixels)):
        return None
    counts, _ = np.histogram(inside, bins=34, range=TISSUE_HU)
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 1.5)
    return float(TISSUE_HU[0] + (int(smooth.argmax()) + 0.5) * 5)
