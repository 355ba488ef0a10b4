"""A chest CT in Hounsfield units: lungs with vessels, ribs, spine, heart, aorta; simple, and no head."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from streams.phantom.head import Scan
from streams.phantom.lattice import Frame, doubled
from streams.phantom.solids import Field
from streams.phantom.texture import noise
from streams.phantom.tissue import within

STEP = 1.40625
"""Pixel of the plane on which tissue is painted, mm: two pixels of the slice."""


def chest_frame(slices: int = 28) -> Frame:
    """Slices of 5 mm from the domes of the diaphragm up, field of view 360 mm."""
    return Frame(z=tuple(6.0 * k for k in range(slices)), thickness=5.0, pixel=0.703125, size=512, centre_y=0.0)


def chest_ct(seed: int, frame: Frame, scan: Scan) -> Field:
    """HU on the frame's slices, `[z, y, x]`."""
    rng = np.random.default_rng((seed, 8))
    reach = frame.pixel * frame.size / 2
    axis = np.arange(-reach + STEP / 2, reach, STEP, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    trees = _trees(rng, (len(frame.z), len(axis), len(axis)))
    top = frame.z[-1]
    planes = [_plane(x, y, z / max(top, 1.0), z, tree) for z, tree in zip(frame.z, trees, strict=True)]
    clean = np.stack([doubled(doubled(plane).T).T for plane in planes])
    grain = noise(rng, (clean.shape[0], clean.shape[1], clean.shape[2]), scan.kernel, frame.pixel)
    return np.clip(clean + grain * np.float32(scan.noise_hu), -1024, 3071).astype(np.float32)


def _oval(x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    """Distance to an ellipse in a plane, first order, mm."""
    u, v = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return np.asarray((np.hypot(u, v) - 1) * min(radii), dtype=np.float32)


def _plane(x: Field, y: Field, up: float, z: float, tree: Field) -> Field:
    """One slice at the height `up` (0 the diaphragm, 1 the apex)."""
    hu = np.full(x.shape, -1000, np.float32)
    side = np.abs(x)
    body = _oval(x, y, (0, 6), (158 - 22 * up**3, 108 - 14 * up**2))
    for value, solid in ((30.0, body), (-100.0, body + 2), (55.0, body + 12 + 4 * np.sin(x / 19))):
        hu += (value - hu) * within(solid, STEP)
    lung = _oval(side, y, (68 - 8 * up, 6), (54 - 20 * up**2, 84 - 34 * up**2))
    inner = np.maximum(lung, -_oval(x, y, (18 * (1 - up), -22), (44 * (1 - up) + 16, 44 - 10 * up)))
    inner = np.maximum(inner, -_oval(x, y, (0, 60), (26, 34)))
    hu += (-60 - hu) * within(np.maximum(_oval(x, y, (0, -16), (40, 60)), lung - 200), STEP)
    heart = (
        _oval(x, y, (22, -22), (58 * (1 - up) ** 0.5, 50 * (1 - up) ** 0.5 + 1)) if up < 0.55 else np.full_like(x, 99)
    )
    vessels = np.minimum(_oval(x, y, (20, 44), (12, 12)), _oval(x, y, (-12, -24), (15, 15)))
    if 0.62 < up < 0.72:
        vessels = np.minimum(vessels, _oval(x, y, (8, 8), (16, 40)))
    for value, solid in ((42.0, heart), (44.0, vessels)):
        hu += (value - hu) * within(solid, STEP)
    hu += (-865 + 8 * np.cos(y / 30) - hu) * within(inner, STEP)
    hu += (35 - hu) * (within(inner + 2, STEP) * np.clip(tree, 0, 1))
    dome = _oval(side, y, (66, 10), (60 * (1 - up * 6), 76 * (1 - up * 6))) if up < 0.15 else np.full_like(x, 99)
    hu += (58 - hu) * within(np.maximum(dome, lung), STEP)
    hu += (-980 - hu) * within(_oval(x, y, (0, 14), (8.5, 9.0)) if up > 0.5 else np.full_like(x, 99), STEP)
    return _bones(hu, x, y, z, (lung, body))


def _bones(hu: Field, x: Field, y: Field, z: float, at: tuple[Field, Field]) -> Field:
    """Ribs cut slantwise, spine, sternum, shoulder blades."""
    lung, body = at
    side = np.abs(x)
    angle = np.arctan2(y - 6, side)
    phase = np.cos((z + 26 * angle) * (2 * np.pi / 26))
    rib = np.maximum(np.abs(lung - 9) - 4.2, (0.25 - phase) * 9)
    rib = np.maximum.reduce([rib, body + 9, -_oval(x, y, (0, -6), (64, 74)) * (y < 50) - 60 * (y >= 50)])
    body_of_spine = _oval(x, y, (0, 66), (18, 15))
    arch = np.maximum(np.abs(_oval(x, y, (0, 86), (12, 10))) - 2.5, -20 - y)
    spine_tip = np.maximum(side - 3, np.abs(y - 104) - 12)
    blade = np.maximum(np.abs(_oval(side, y, (92, 62), (40, 22)) + 2) - 3, np.maximum(50 - y, 70 - side))
    for solid, outer, inner in ((rib, 700.0, 260.0), (body_of_spine, 560.0, 230.0), (blade, 650.0, 300.0)):
        hu += (outer - hu) * within(solid, STEP)
        hu += (inner - hu) * within(solid + 2.2, STEP)
    for solid in (arch, spine_tip, _oval(x, y, (0, -84), (17, 6))):
        hu += (520 - hu) * within(solid, STEP)
    return hu


def _trees(rng: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    """Vessels of the lung: ridges of random fields at two scales, `[z, y, x]`, over 0 where a vessel is."""
    out = np.full(shape, -1, np.float32)
    half = (shape[0], shape[1] // 2, shape[2] // 2)
    for cell, strength in ((9.0, 3.2), (4.5, 2.4)):
        counts = [max(4, int(n * s / cell)) for n, s in zip(half, (5.0, 2 * STEP, 2 * STEP), strict=True)]
        seeds = rng.standard_normal(counts, dtype=np.float32)
        zoom = [n / m for n, m in zip(half, counts, strict=True)]
        field = ndimage.zoom(seeds, zoom, order=2, mode="nearest", grid_mode=True)
        for plane, target in zip(field, out, strict=True):
            np.maximum(target, (doubled(doubled(plane).T).T - 1.15) * np.float32(strength), out=target)
    return out
