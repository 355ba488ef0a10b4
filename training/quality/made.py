"""What the real series lack: limbs, water, tables and air, painted; and the demo's phantoms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.events.imaging import SeriesFacts
from streams.phantom.cases import Case
from streams.phantom.scanning import make
from training.quality.scans import Scan, stack

SIZE, PIXEL = 170, 3.0
Slice = NDArray[np.float32]


def _disc(y: float, x: float, ry: float, rx: float) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[:SIZE, :SIZE] - SIZE / 2) * PIXEL
    return ((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 <= 1


def _noisy(plane: Slice, rng: np.random.Generator, sigma: float) -> Slice:
    return (ndimage.gaussian_filter(plane, 0.5) + rng.normal(0, sigma, plane.shape)).astype(np.float32)


def _limb(plane: Slice, rng: np.random.Generator, centre: tuple[float, float], radius: float) -> None:
    y, x = centre
    flat = rng.uniform(0.75, 1.15)
    plane[_disc(y, x, radius * flat, radius)] = -100
    lean = radius * rng.uniform(0.6, 0.95)
    plane[_disc(y, x, lean * flat, lean)] = 55
    for _ in range(int(rng.choice([1, 2, 2, 5]))):
        share = rng.uniform(0.15, 0.55)
        by, bx = y + rng.uniform(-0.4, 0.4) * lean * flat, x + rng.uniform(-0.4, 0.4) * lean
        size = max(6.0, lean * share)
        plane[_disc(by, bx, size, size)] = rng.choice([350, 900, 1200])
        plane[_disc(by, bx, size * 0.6, size * 0.6)] = rng.choice([-60, 120, 260])


def limbs(rng: np.random.Generator, count: int) -> Iterator[Slice]:
    """Slices of one or two limbs of 25 to 95 mm radius, with one to five bones."""
    for _ in range(count):
        plane = np.full((SIZE, SIZE), -1000, np.float32)
        radius = rng.uniform(25, 95)
        if rng.random() < 0.5:
            apart = radius * rng.uniform(1.05, 1.4)
            _limb(plane, rng, (0, -apart), radius)
            _limb(plane, rng, (rng.uniform(-10, 10), apart), radius * rng.uniform(0.95, 1.05))
        else:
            _limb(plane, rng, (rng.uniform(-40, 40), rng.uniform(-60, 60)), radius)
        yield _noisy(plane, rng, rng.uniform(5, 30))


def nothing(rng: np.random.Generator, count: int) -> Iterator[Slice]:
    """Air, a table, water phantoms with and without inserts, noise."""
    for index in range(count):
        plane = np.full((SIZE, SIZE), -1000, np.float32)
        kind = index % 4
        if kind == 1:
            plane[_disc(120, 0, 12, 200)] = -600
            plane[_disc(120, 0, 6, 190)] = -950
        if kind >= 2:
            radius = rng.uniform(60, 190)
            plane[_disc(0, 0, radius, radius)] = rng.uniform(-10, 130)
            for _ in range(int(rng.integers(0, 8)) if kind == 3 else 0):
                y, x = rng.uniform(-0.6, 0.6, 2) * radius
                plane[_disc(y, x, 12, 12)] = rng.choice([-1000, -100, 50, 340, 900])
        yield _noisy(plane, rng, rng.uniform(3, 40))


def phantoms() -> Iterator[Scan]:
    """Four heads (one tilted, one thin) and two chests of the demo's kind."""
    cases = [
        Case(1, "a", "head", "routine", 701, "ge"),
        Case(2, "b", "head", "routine", 702, "siemens", "subdural", 24.0),
        Case(3, "c", "head", "routine", 703, "philips", quirk="tilted"),
        Case(4, "d", "head", "routine", 704, "canon", "intraparenchymal", 32.0),
        Case(5, "e", "chest", "routine", 705, "siemens"),
        Case(6, "f", "chest", "routine", 706, "ge", seed=11),
    ]
    for case in cases:
        slices = make(case).waves[0]
        kind = np.int16 if slices[0].PixelRepresentation else np.uint16
        hu = np.stack(
            [
                np.frombuffer(ds.PixelData, kind).reshape(ds.Rows, ds.Columns).astype(np.int32)
                + int(ds.RescaleIntercept)
                for ds in slices
            ]
        ).astype(np.int16)
        places = [float(ds.ImagePositionPatient[2]) for ds in slices]
        spacing = (abs(places[1] - places[0]), *(float(mm) for mm in slices[0].PixelSpacing))
        name = f"phantom-{case.kind}-{case.name}"
        facts = SeriesFacts(series=name, modality="CT", body_part=case.kind.upper())
        yield Scan(name, f"phantom-{case.kind}", case.kind, stack(hu, spacing), facts)
