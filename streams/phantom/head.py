"""Head CT phantoms in Hounsfield units: a person, an optional bleed, and the slices of a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.phantom import bleeds
from streams.phantom.brain import brain_fields
from streams.phantom.lattice import Frame, Lattice, between, doubled, lattice_for, mixing
from streams.phantom.person import Person, atlas_points, person_of
from streams.phantom.skull import Fields, skull_fields
from streams.phantom.solids import Field
from streams.phantom.texture import STANDARD, Kernel, loudness, noise
from streams.phantom.tissue import PLAIN, UNPAINTED, blood_over, tissue

FINE = 2
"""Slice pixels per pixel of the fine grid on which tissue is painted."""


_FAR = 12.0
"""A distance from which a solid does not show, mm: where all of a slice is that far, no field is resampled."""


_FLAT = (12.0, 60.0)
"""Heights between which the vault stands nearly upright, so that fewer layers a slice do, mm."""

_STEEP = 72.0
"""Height above which the vault leans so much that a slice is painted in twice as many layers, mm."""


@dataclass(frozen=True, slots=True)
class HeadSample:
    """A head in HU `[z, y, x]` (foot to head, front to back, right to left), spacing (dz, dy, dx) in mm, and the bleed."""

    hu: Field
    spacing: tuple[float, float, float]
    mask: NDArray[np.bool_]
    kind: str | None

    def ml(self) -> float:
        """Volume of the bleed's mask, ml."""
        dz, dy, dx = self.spacing
        return float(self.mask.sum()) * dz * dy * dx / 1000


@dataclass(frozen=True, slots=True)
class Scan:
    """How a head is scanned: kernel, noise's deviation in HU, and the seed of the noise."""

    kernel: Kernel = STANDARD
    noise_hu: float = 3.2
    seed: int = 0


def standard_frame(thickness_mm: float = 5.0, *, low: float = -52.0, high: float = 104.0, tilt: float = 0.0) -> Frame:
    """Contiguous slices from the skull base to the vertex (atlas heights in mm)."""
    count = round((high - low) / thickness_mm)
    z = tuple(float(low + (k + 0.5) * thickness_mm) for k in range(count))
    return Frame(z=z, thickness=thickness_mm, tilt=tilt)


def anatomy(person: Person, frame: Frame) -> tuple[Lattice, Fields]:
    """The person's distance fields on the coarse lattice that covers the frame."""
    lattice = lattice_for(frame)
    at = atlas_points(person, lattice)
    fields = skull_fields(person, lattice, at)
    fields |= brain_fields(person, lattice, at, fields)
    return lattice, {name: np.ascontiguousarray(field, dtype=np.float32) for name, field in fields.items()}


def render(lattice: Lattice, fields: Fields, frame: Frame, bleed: bleeds.Bleed | None = None) -> tuple[Field, NDArray[np.bool_]]:
    """Noise-free HU and the bleed's mask on the frame's slices, each averaged over its thickness."""
    painter = _Painter(lattice, fields, frame)
    hu = np.full((len(frame.z), frame.size, frame.size), -1000, np.float32)
    mask = np.zeros(hu.shape, np.bool_)
    for index, z in enumerate(frame.z):
        hu[index], share = painter.slice(z, bleed)
        if share is not None:
            mask[index] = share >= bleeds.COUNTS_FROM
    return hu, mask


class _Painter:
    """Paints single slices: the coarse fields brought to fine sub-slices, painted, averaged, brought to pixels."""

    def __init__(self, lattice: Lattice, fields: Fields, frame: Frame) -> None:
        self._lattice, self._fields, self._frame = lattice, fields, frame
        half = frame.size // FINE
        fine = (np.arange(half, dtype=np.float32) - (half - 1) / 2) * np.float32(frame.pixel * FINE)
        self._half = half
        self._cols = slice(*(int(n) for n in np.searchsorted(fine, (lattice.x[0], lattice.x[-1]))))
        self._row, self._row_part = between(lattice.y, fine + np.float32(frame.centre_y))
        self._col, self._col_part = between(lattice.x, fine[self._cols])
        self._steps = max(1, round(frame.thickness / 1.7))

    def bring(self, field: Field, z: float, far: float = np.inf) -> Field:
        """A coarse field on the fine sub-slices of the slice at z, `[sub, y, x]`; one number where all is beyond `far`."""
        steps = self._steps + (z > _STEEP) * self._steps - (self._steps > 2 and _FLAT[0] < z < _FLAT[1])
        places = z + ((np.arange(steps) + 0.5) / steps - 0.5) * self._frame.thickness
        weights = mixing(self._lattice.z, places.astype(np.float32))
        used = np.flatnonzero(weights.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        slab = field[low:high]
        rows, cols = slice(0, self._half), slice(0, len(self._col))
        if np.isfinite(far):
            near = (slab < far).any(axis=0)
            if not near.any():
                return np.full((1, 1, 1), far, np.float32)
            rows, cols = _hull(near.any(axis=1), self._row), _hull(near.any(axis=0), self._col)
        subs = np.tensordot(weights[:, low:high], slab, (1, 0))
        first, last = int(self._row[rows][0]), int(self._row[rows][-1]) + 2
        subs = subs[:, first:last]
        left = np.take(subs, self._col[cols], axis=2)
        wide = left + (np.take(subs, self._col[cols] + 1, axis=2) - left) * self._col_part[cols]
        top = np.take(wide, self._row[rows] - first, axis=1)
        out = np.full((steps, self._half, len(self._col)), 0.0 if np.isinf(far) else far, np.float32)
        bottom = np.take(wide, self._row[rows] - first + 1, axis=1)
        out[:, rows, cols] = top + (bottom - top) * self._row_part[rows, None]
        return out

    def slice(self, z: float, bleed: bleeds.Bleed | None) -> tuple[Field, Field | None]:
        """HU of the slice at z, and the bleed's share of each pixel."""
        here = {
            name: self.bring(field, z, np.inf if name in PLAIN else _FAR)
            for name, field in self._fields.items()
            if name not in UNPAINTED
        }
        hu = tissue(here)
        share = None
        if bleed is not None and bleed.low <= z <= bleed.high:
            level, wall = self.bring(bleed.level, z), self.bring(bleed.wall, z)
            part = bleed.share(level, wall)
            hu = blood_over(hu, here, (part, bleed.rim(level)), bleed)
            share = self._up(part.mean(axis=0), 0.0)
        return self._up(hu.mean(axis=0), -1000.0), share

    def share(self, z: float, bleed: bleeds.Bleed) -> Field:
        """The bleed's share of each pixel of the slice at z alone."""
        part = bleed.share(self.bring(bleed.level, z), self.bring(bleed.wall, z))
        return self._up(part.mean(axis=0), 0.0)

    def _up(self, fine: Field, outside: float) -> Field:
        whole = np.full((self._half, self._half), outside, np.float32)
        whole[:, self._cols] = fine
        return np.ascontiguousarray(doubled(doubled(whole).T).T)


def _hull(near: NDArray[np.bool_], before: NDArray[np.int64]) -> slice:
    """The run of fine places that holds all near nodes, a node to spare on each side."""
    hits = np.flatnonzero(near)
    start, end = np.searchsorted(before, (hits[0] - 1, hits[-1] + 1))
    return slice(int(start), max(int(end), int(start) + 1)) if start < len(before) else slice(len(before) - 1, len(before))


def measured(lattice: Lattice, fields: Fields, frame: Frame, bleed: bleeds.Bleed, ml: float) -> bleeds.Bleed:
    """The bleed sized so that its mask on the frame's slices holds `ml`, within a few per cent where it can."""
    painter = _Painter(lattice, fields, frame)
    goal, sized = ml, bleed.sized(lattice, ml)
    for _ in range(4):
        voxels = sum(
            int((painter.share(z, sized) >= bleeds.COUNTS_FROM).sum()) for z in frame.z if sized.low <= z <= sized.high
        )
        got = voxels * frame.voxel_ml()
        if abs(got - ml) <= 0.04 * ml:
            break
        goal *= float(np.clip(ml / max(got, 1e-3), 0.4, 2.5))
        sized = bleed.sized(lattice, goal)
    return sized


def scanned(clean: Field, frame: Frame, scan: Scan) -> Field:
    """Clean HU as a scanner shows them: kernel, noise, whole numbers not yet rounded."""
    rng = np.random.default_rng((scan.seed, 5))
    out = clean
    if scan.kernel.sharpen:
        blurred = (np.roll(clean, 1, 1) + np.roll(clean, -1, 1) + np.roll(clean, 1, 2) + np.roll(clean, -1, 2)) / 4
        out = clean + np.float32(scan.kernel.sharpen) * (clean - blurred)
    grain = noise(rng, (clean.shape[0], clean.shape[1], clean.shape[2]), scan.kernel, frame.pixel)
    out = out + grain * loudness(clean) * np.float32(scan.noise_hu)
    return np.clip(out, -1024, 3071)


def random_head(
    rng: np.random.Generator, *, thickness_mm: float = 5.0, bleed: str | None = None, ml: float | None = None
) -> HeadSample:
    """A head drawn from `rng`, with a bleed of one of `bleeds.KINDS` and `ml` (drawn, 1 to 60, when None).

    Raises ValueError for an unknown kind of bleed.
    """
    person = person_of(int(rng.integers(2**31)))
    if bleed == "intraventricular":
        person = replace(person, ventricles=max(person.ventricles, 1.1))
    low = float(rng.uniform(-58, -44))
    frame = standard_frame(thickness_mm, low=low, high=float(rng.uniform(98, 110)))
    frame = replace(frame, pixel=float(rng.uniform(0.43, 0.49)))
    wanted = None
    if bleed is not None:
        volume = float(np.exp(rng.uniform(0, np.log(60)))) if ml is None else ml
        wanted = bleeds.Order(bleed, volume, int(rng.integers(2**31)))
    scan = Scan(STANDARD, float(rng.uniform(2.0, 5.0)), int(rng.integers(2**31)))
    return make_head(person, frame, scan, wanted)


def make_head(person: Person, frame: Frame, scan: Scan, order: bleeds.Order | None = None) -> HeadSample:
    """One head, scanned; with the ordered bleed, pushed aside by it."""
    lattice, fields = anatomy(person, frame)
    made = None
    if order is not None:
        plan = bleeds.plan(order, lattice, fields)
        made = measured(lattice, fields, frame, plan, order.ml)
        fields = bleeds.pushed(made, lattice, fields)
    clean, mask = render(lattice, fields, frame, made)
    step, row, column = frame.spacing
    spacing = (step * float(np.cos(np.radians(frame.tilt))), row, column)
    return HeadSample(scanned(clean, frame, scan), spacing, mask, order.kind if order else None)
