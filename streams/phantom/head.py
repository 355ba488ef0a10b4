"""Head CT phantoms in Hounsfield units: a person, an optional bleed, and the slices of a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.phantom import bleeds
from streams.phantom.brain import brain_fields
from streams.phantom.lattice import Frame, Lattice, lattice_for
from streams.phantom.painter import Painter, render, voxels
from streams.phantom.person import Person, atlas_points, person_of
from streams.phantom.skull import Fields, skull_fields
from streams.phantom.solids import Field, single
from streams.phantom.texture import SOFT, STANDARD, Kernel, loudness, noise


@dataclass(frozen=True, slots=True)
class HeadSample:
    """A head in HU `[z, y, x]` (foot to head, front to back, right to left), spacing (dz, dy, dx) in mm, its bleed."""

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
    holder: bool = True


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


def measured(lattice: Lattice, frame: Frame, bleed: bleeds.Bleed, ml: float) -> bleeds.Bleed:
    """The bleed sized so that its mask on the frame's slices holds `ml`, as a rule within 4 per cent."""
    painter = Painter(lattice, frame)
    small, large = bleed.sized(lattice, ml * 0.3), bleed.sized(lattice, ml * 3)
    low, high, best, least = small.size, large.size, large, np.inf
    trial = bleed.sized(lattice, ml)
    for _ in range(10):
        got = voxels(painter, trial, frame.z) * frame.voxel_ml()
        if abs(got - ml) < least:
            best, least = trial, abs(got - ml)
        if least <= 0.04 * ml:
            break
        low, high = (trial.size, high) if got < ml else (low, trial.size)
        trial = replace(large, size=(low + high) / 2)
    return best


def scanned(clean: Field, frame: Frame, scan: Scan) -> Field:
    """Clean HU as a scanner shows them: head holder, kernel and noise; not yet rounded."""
    rng = np.random.default_rng((scan.seed, 5))
    out = np.empty_like(clean)
    holder = _holder(frame) if scan.holder else None
    for index, plane in enumerate(clean):
        seen = out[index]
        seen[:] = noise(rng, (1, *plane.shape), scan.kernel, frame.pixel)[0]
        np.multiply(seen, loudness(plane) * np.float32(scan.noise_hu), out=seen)
        np.add(seen, plane, out=seen)
        if scan.kernel.sharpen:
            around = plane[:-2, 1:-1] + plane[2:, 1:-1]
            around += plane[1:-1, :-2]
            around += plane[1:-1, 2:]
            around *= np.float32(-0.25)
            around += plane[1:-1, 1:-1]
            around *= np.float32(scan.kernel.sharpen)
            np.add(seen[1:-1, 1:-1], around, out=seen[1:-1, 1:-1])
        if holder is not None:
            np.add(seen, holder * (plane < -900), out=seen)
    return np.clip(out, -1024, 3071, out=out)


def _holder(frame: Frame) -> Field:
    """HU that the head holder adds to air: a thin shell behind and beside the head, open to the front."""
    axis = (np.arange(frame.size, dtype=np.float32) - (frame.size - 1) / 2) * np.float32(frame.pixel)
    x, y = axis[None], axis[:, None] + np.float32(frame.centre_y)
    reach = np.hypot(x / 107, (y - 6) / 104)
    shell = np.clip(1.6 - np.abs(reach - 1) * 104, 0, 1) * np.clip((y + 12) / 4, 0, 1)
    foam = (reach < 1) * np.clip((y - 60) / 8, 0, 1)
    return single(1060 * shell + 20 * foam)


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
    kernel = (SOFT, STANDARD, STANDARD)[int(rng.integers(3))]
    scan = Scan(kernel, float(rng.uniform(2.0, 5.0)), int(rng.integers(2**31)), holder=bool(rng.random() < 0.6))
    return make_head(person, frame, scan, wanted)


def make_head(person: Person, frame: Frame, scan: Scan, order: bleeds.Order | None = None) -> HeadSample:
    """One head, scanned; with the ordered bleed, pushed aside by it."""
    lattice, fields = anatomy(person, frame)
    made = None
    if order is not None:
        plan = bleeds.plan(order, lattice, fields)
        made = measured(lattice, frame, plan, order.ml)
        fields = bleeds.pushed(made, lattice, fields)
    clean, mask = render(lattice, fields, frame, made)
    step, row, column = frame.spacing
    spacing = (step * float(np.cos(np.radians(frame.tilt))), row, column)
    return HeadSample(scanned(clean, frame, scan), spacing, mask, order.kind if order else None)
