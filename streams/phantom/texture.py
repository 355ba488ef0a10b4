"""The scanner's hand: partial volume is in the sampling; noise with a kernel's grain, cupping and streaks are here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from streams.phantom.solids import Field


@dataclass(frozen=True, slots=True)
class Kernel:
    """A reconstruction kernel: the noise's peak frequency and cut-off (cycles/mm) and its edge enhancement."""

    name: str
    peak: float
    cut: float
    sharpen: float


SOFT = Kernel("soft", 0.16, 0.42, 0.0)
STANDARD = Kernel("standard", 0.21, 0.53, 0.15)
SHARP = Kernel("sharp", 0.45, 1.0, 0.8)

_TILE = 768


@lru_cache(maxsize=8)
def _tiles(kernel: Kernel, pixel: float) -> Field:
    """Eight tiles of unit noise shaped as filtered back projection shapes it: rising with frequency, then cut."""
    rng = np.random.default_rng(20_001)
    white = rng.standard_normal((8, _TILE, _TILE), dtype=np.float32)
    fy = fft.fftfreq(_TILE, pixel)[:, None]
    fx = fft.rfftfreq(_TILE, pixel)[None]
    radius = np.hypot(fy, fx)
    shape = np.sqrt(radius / kernel.peak) * np.exp(-((radius / kernel.cut) ** 2))
    tiles = fft.irfft2(fft.rfft2(white) * shape.astype(np.float32), s=(_TILE, _TILE))
    return np.asarray(tiles / tiles.std(), dtype=np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int, int], kernel: Kernel, pixel: float) -> Field:
    """Correlated noise of deviation 1, `[z, y, x]`: pieces of prepared tiles, moved and mirrored per slice."""
    tiles = _tiles(kernel, round(pixel / 0.03) * 0.03)
    out = np.empty(shape, np.float32)
    for index in range(shape[0]):
        one, other = (tiles[n] for n in rng.integers(len(tiles), size=2))
        np.multiply(_piece(rng, one, shape[1:]), np.float32(0.8), out=out[index])
        out[index] += np.float32(0.6) * _piece(rng, other, shape[1:])
    return out


def _piece(rng: np.random.Generator, tile: Field, shape: tuple[int, ...]) -> Field:
    """A window of a tile, at any place, as it is or mirrored either way."""
    top, left = (int(rng.integers(0, _TILE - n + 1)) for n in shape)
    piece = tile[top : top + shape[0], left : left + shape[1]]
    if rng.random() < 0.5:
        piece = piece[::-1]
    return piece[:, ::-1] if rng.random() < 0.5 else piece


def loudness(plane: Field) -> Field:
    """How the noise's deviation varies over a slice `[y, x]`: more in rows with much bone, less in air."""
    factor = (plane > -300).astype(np.float32)
    factor *= np.float32(0.45)
    factor += np.float32(0.55)
    bone = np.count_nonzero(plane > 400, axis=1).astype(np.float32) / np.float32(plane.shape[1])
    factor *= (np.float32(0.9) + np.float32(2.2) * bone)[:, None]
    return factor
