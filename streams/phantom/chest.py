"""A chest CT in Hounsfield units: lungs with vessels and nodules, ribs, spine, heart, aorta; simple, and no head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.phantom.head import Scan
from streams.phantom.lattice import Frame, doubled
from streams.phantom.solids import Field
from streams.phantom.texture import noise
from streams.phantom.tissue import within
from streams.phantom.vessels import Tubes, painted, trees

STEP = 1.40625
"""Pixel of the plane on which tissue is painted, mm: two pixels of the slice."""
HEIGHT_MM = 200.0
"""Of the lungs, from the domes of the diaphragm to the apex, in a frame for nodules."""
LUNG_HU = -865.0
FINER = (6, 3, 3)
"""Places of a voxel at which a nodule is asked."""


@dataclass(frozen=True, slots=True)
class Nodule:
    """A ball in the lung.

    Attributes:
        centre: x to the left, y to the back, z from the domes of the diaphragm to the head, mm.
        tissue: share of tissue in it: 1 solid, under 1 ground glass.
    """

    centre: tuple[float, float, float]
    diameter_mm: float
    hu: float = 30.0
    tissue: float = 1.0

    @property
    def volume_mm3(self) -> float:
        """Of the ball."""
        return float(np.pi / 6 * self.diameter_mm**3)

    def grown(self, days: float, doubling_days: float) -> Nodule:
        """The same nodule so many days later (earlier, where negative)."""
        diameter = self.diameter_mm * 2 ** (days / doubling_days / 3)
        return Nodule(self.centre, diameter, self.hu, self.tissue)


def chest_frame(slices: int = 28) -> Frame:
    """Slices of 5 mm from the domes of the diaphragm up, field of view 360 mm."""
    return Frame(z=tuple(6.0 * k for k in range(slices)), thickness=5.0, pixel=0.703125, size=512, centre_y=0.0)


def nodule_frame(thickness: float = 2.5, low: float = 0.0, size: int = 512) -> Frame:
    """Contiguous slices over the whole lungs, field of view 360 mm; `low` moves them, as another day's scan does."""
    count = round(HEIGHT_MM / thickness)
    z = tuple(low + thickness * (k + 0.5) for k in range(count))
    return Frame(z=z, thickness=thickness, pixel=360.0 / size, size=size, centre_y=0.0)


def chest_ct(seed: int, frame: Frame, scan: Scan) -> Field:
    """HU on the frame's slices, `[z, y, x]`."""
    return _scanned(_clean(seed, frame, max(frame.z[-1], 1.0)), frame, scan)


def chest_with_nodules(seed: int, nodules: Sequence[Nodule], frame: Frame, scan: Scan) -> Field:
    """HU on the slices of a `nodule_frame`, `[z, y, x]`; the same seed is the same person, whatever the scan."""
    clean = _clean(seed, frame, HEIGHT_MM)
    for nodule in nodules:
        _put(clean, frame, nodule)
    return _scanned(clean, frame, scan)


def free_places(seed: int, count: int, room_mm: float = 9.0) -> tuple[tuple[float, float, float], ...]:
    """Places in the person's lungs with so much room to the walls and 30 mm between them, vessels apart."""
    rng = np.random.default_rng((seed, 21))
    tubes = _vessels(seed, HEIGHT_MM)
    found: list[tuple[float, float, float]] = []
    while len(found) < count:
        x, y, z = rng.uniform((-110, -60, 40), (110, 80, 170))
        side = np.asarray([[abs(x)]], np.float32)
        along = np.asarray([[y]], np.float32)
        if float(_lungs(side, along, z / HEIGHT_MM)[1][0, 0]) > -room_mm:
            continue
        if found and min(np.linalg.norm(np.subtract(other, (x, y, z))) for other in found) < 30:
            continue
        if _free(tubes, (x, y, z)):
            found.append((round(float(x), 1), round(float(y), 1), round(float(z), 1)))
    return tuple(found)


def _free(tubes: Tubes, place: tuple[float, float, float]) -> bool:
    """Whether no vessel thicker than 1 mm passes within 5 mm."""
    along = tubes.end - tubes.start
    share = np.clip(((place - tubes.start) * along).sum(1) / (along**2).sum(1), 0, 1)[:, None]
    away = np.linalg.norm(place - tubes.start - share * along, axis=1) - tubes.first
    return bool(away[tubes.first > 0.5].min() > 5.0)


def _vessels(seed: int, height: float) -> Tubes:
    return trees(np.random.default_rng((seed, 8)), (24.0, 8.0, 0.5 * height))


def _clean(seed: int, frame: Frame, height: float) -> Field:
    """The chest without noise."""
    reach = frame.pixel * frame.size / 2
    step = 2 * frame.pixel
    axis = np.arange(-reach + step / 2, reach, step, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    tubes = _vessels(seed, height)
    out = np.empty((len(frame.z), frame.size, frame.size), np.float32)
    for index, z in enumerate(frame.z):
        tree = painted(tubes, axis, z, frame.thickness)
        out[index] = doubled(doubled(_plane(x, y, z / height, z, tree)).T).T
    return out


def _scanned(clean: Field, frame: Frame, scan: Scan) -> Field:
    """With the scanner's noise."""
    rng = np.random.default_rng((scan.seed, 12))
    grain = noise(rng, (clean.shape[0], clean.shape[1], clean.shape[2]), scan.kernel, frame.pixel)
    return np.clip(clean + grain * np.float32(scan.noise_hu), -1024, 3071).astype(np.float32)


def _put(hu: Field, frame: Frame, nodule: Nodule) -> None:
    """Paints a nodule with partial volume, asked at many places of each voxel."""
    half = (np.arange(frame.size) - (frame.size - 1) / 2) * frame.pixel
    reach = nodule.diameter_mm / 2 + frame.pixel
    x, y, z = nodule.centre
    planes = np.flatnonzero(np.abs(np.asarray(frame.z) - z) < reach + frame.thickness / 2)
    rows, columns = (np.flatnonzero(np.abs(half - middle) < reach) for middle in (y, x))
    if not (len(planes) and len(rows) and len(columns)):
        return
    sizes = (frame.thickness, frame.pixel, frame.pixel)
    middles = (np.asarray(frame.z)[planes] - z, half[rows] - y, half[columns] - x)
    squares = [_spread(m, n, mm) ** 2 for m, n, mm in zip(middles, FINER, sizes, strict=True)]
    inside = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]
    held = (inside < (nodule.diameter_mm / 2) ** 2).astype(np.float32)
    (a, b, c), (p, q, r) = (len(planes), len(rows), len(columns)), FINER
    share = held.reshape(a, p, b, q, c, r).mean(axis=(1, 3, 5)) * np.float32(nodule.tissue)
    box = np.ix_(planes, rows, columns)
    hu[box] += share * np.maximum(nodule.hu - hu[box], 0)


def _spread(middles: Field, count: int, size: float) -> Field:
    """Each middle as `count` places evenly over its voxel, in one row."""
    return np.asarray((middles[:, None] + ((np.arange(count) + 0.5) / count - 0.5) * size).ravel())


def _oval(x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    """Distance to an ellipse in a plane, first order, mm."""
    u, v = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return np.asarray((np.hypot(u, v) - 1) * min(radii), dtype=np.float32)


def _lungs(x: Field, y: Field, up: float) -> tuple[Field, Field]:
    """Distance to the lung's oval, and to what of it is lung and not mediastinum."""
    side = np.abs(x)
    lung = _oval(side, y, (68 - 8 * up, 6), (54 - 20 * up**2, 84 - 34 * up**2))
    inner = np.maximum(lung, -_oval(x, y, (18 * (1 - up), -22), (44 * (1 - up) + 16, 44 - 10 * up)))
    return lung, np.maximum(inner, -_oval(x, y, (0, 60), (26, 34)))


def _plane(x: Field, y: Field, up: float, z: float, tree: Field) -> Field:
    """One slice at the height `up` (0 the diaphragm, 1 the apex)."""
    hu = np.full(x.shape, -1000, np.float32)
    side = np.abs(x)
    body = _oval(x, y, (0, 6), (158 - 22 * up**3, 108 - 14 * up**2))
    for value, solid in ((30.0, body), (-100.0, body + 2), (55.0, body + 12 + 4 * np.sin(x / 19))):
        hu += (value - hu) * within(solid, STEP)
    lung, inner = _lungs(x, y, up)
    hu += (-60 - hu) * within(np.maximum(_oval(x, y, (0, -16), (40, 60)), lung - 200), STEP)
    near = max(1 - up, 0.0) ** 0.5
    heart = _oval(x, y, (22, -22), (58 * near, 50 * near + 1)) if up < 0.55 else np.full_like(x, 99)
    vessels = np.minimum(_oval(x, y, (20, 44), (12, 12)), _oval(x, y, (-12, -24), (15, 15)))
    if 0.62 < up < 0.72:
        vessels = np.minimum(vessels, _oval(x, y, (8, 8), (16, 40)))
    for value, solid in ((42.0, heart), (44.0, vessels)):
        hu += (value - hu) * within(solid, STEP)
    hu += (LUNG_HU + 8 * np.cos(y / 30) - hu) * within(inner, STEP)
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
