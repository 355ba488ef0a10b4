"""A brain MR, T2-weighted: the head phantom's tissues with the brightness that they have there."""

from __future__ import annotations

import numpy as np

from streams.phantom.head import Scan, anatomy
from streams.phantom.lattice import Frame
from streams.phantom.painter import render
from streams.phantom.person import Person
from streams.phantom.solids import Field
from streams.phantom.texture import SOFT, noise

HU_TO_SIGNAL = (
    (-1000.0, 8.0), (-400.0, 20.0), (-95.0, 520.0), (-30.0, 420.0), (3.0, 900.0), (10.0, 860.0), (20.0, 520.0),
    (29.0, 330.0), (38.0, 450.0), (50.0, 210.0), (65.0, 120.0), (200.0, 60.0), (900.0, 30.0), (3000.0, 20.0),
)  # fmt: skip
"""T2-weighted signal of what has these HU on CT: fluid bright, white matter darker than grey, bone and air dark."""


def mr_frame() -> Frame:
    """Twenty slices of 5 mm with a gap of 1.5 mm, 256 by 256 pixels."""
    return Frame(z=tuple(-30.0 + 6.5 * k for k in range(20)), thickness=5.0, pixel=0.9375, size=256)


def brain_mr(person: Person, frame: Frame, scan: Scan) -> Field:
    """T2-weighted signal on the frame, `[z, y, x]`, from 0 to about 1000."""
    lattice, fields = anatomy(person, frame)
    clean, _ = render(lattice, fields, frame)
    at, value = zip(*HU_TO_SIGNAL, strict=True)
    signal = np.interp(clean, at, value).astype(np.float32)
    rng = np.random.default_rng((scan.seed, 7))
    real = signal + noise(rng, signal.shape, SOFT, frame.pixel) * np.float32(scan.noise_hu)
    other = noise(rng, signal.shape, SOFT, frame.pixel) * np.float32(scan.noise_hu)
    return np.asarray(np.hypot(real, other), dtype=np.float32)
