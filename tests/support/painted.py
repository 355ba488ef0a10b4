"""A head and a chest of a few ellipses, whole from end to end: nothing is wrong with them until a test spoils them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from streams.reading.planes import Axes
from streams.reading.volume import Volume

Hu = NDArray[np.int16]
HEAD_MM, CHEST_MM = (5.0, 1.2, 1.2), (5.0, 2.2, 2.2)
NECK = 3
"""Slices of the head's lower end without brain."""


def _noisy(hu: NDArray[np.float32], sigma: float) -> Hu:
    noise = np.random.default_rng(11).normal(0, sigma, hu.shape)
    noisy: Hu = np.clip(np.rint(hu + noise), -1024, 3071).astype(np.int16)
    noisy.flags.writeable = False
    return noisy


@cache
def head() -> Hu:
    """From the upper neck to air over the vertex: 30 slices of 5 mm, 192 x 192 pixels of 1.2 mm."""
    z, y, x = np.ogrid[:30, :192, :192]
    y, x = (y - 95.5) * HEAD_MM[1], (x - 95.5) * HEAD_MM[2]
    far = np.sqrt(((z - 10) * 5.0 / 92) ** 2 + (y / 88) ** 2 + (x / 72) ** 2)
    hu = np.full(far.shape, -1000, np.float32)
    hu[far < 1.04] = 30
    hu[far < 1.0] = 900
    hu[far < 0.92] = 34
    for k in range(NECK):
        across = np.hypot(y[0], x[0])
        hu[k] = np.where(across < 70, np.where(across < 62, 50, -90), -1000)
        hu[k][np.hypot(y[0] - 25, x[0]) < 14] = 450
    return _noisy(hu, 3.5)


@cache
def chest() -> Hu:
    """From the liver to over the apices: 70 slices of 5 mm, 192 x 192 pixels of 2.2 mm."""
    z, y, x = np.ogrid[:70, :192, :192]
    y, x = (y - 95.5) * CHEST_MM[1], (x - 95.5) * CHEST_MM[2]
    inside = np.hypot(y / 115, x / 165) + 0 * z
    hu = np.where(inside < 1, np.where(inside < 0.86, 50, -100), -1000).astype(np.float32)
    height = np.clip(1 - ((z - 38) / 26.0) ** 2, 0, None)
    for side in (-1, 1):
        lung = np.hypot(y / 78, (x - side * 68) / 52) < np.sqrt(height)
        hu[lung] = -850
        rib = np.abs(np.hypot(y / 88, (x - side * 62) / 66) - 1) < 0.05
        hu[rib & ((z + (y // 40).astype(int)) % 4 < 2)] = 500
    hu[np.broadcast_to(np.hypot(y - 68, x) < 20, hu.shape)] = 180
    hu[np.broadcast_to(np.abs(np.hypot(y - 68, x) - 18) < 3, hu.shape)] = 600
    return _noisy(hu, 9.0)


def volume(hu: Hu, spacing_mm: tuple[float, float, float] = HEAD_MM) -> Volume:
    """Even slices, named 1.2.3.1 from foot to head."""
    return Volume(
        hu=hu,
        spacing_mm=spacing_mm,
        positions_mm=np.arange(len(hu), dtype=np.float64) * spacing_mm[0],
        tilt_deg=0.0,
        instances=tuple(f"1.2.3.{number}" for number in range(1, len(hu) + 1)),
        axes=Axes(),
    )
