"""The training pool: scans with inserted nodules, read by the product's own code up to the net's input."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np
from insert import Box, Placed, Shape, box_round, inserted, look_of, noise_piece, shape_of, soft_corners, turned
from numpy.typing import NDArray
from scans import RUNS, SERIES, data_folder
from scipy import ndimage
from truth import Outline, nodules, outlines

from streams.reading.lung.candidates import Candidates, Pyramid, find_candidates, pyramid_of
from streams.reading.lung.grid import Axes, axes_of
from streams.reading.lung.lungs import Lungs, find_lungs
from streams.reading.lung.patches import centre_of, cut, patch_of
from streams.reading.lung.sizes import longest

WIDE = 40  # cubes of a kept patch: 24 and room to turn and to move
PER_ROUND = 22
SIZES = (3.5, 32.0)  # mm, of the inserted
APART_MM = 14.0  # between the rims of two
FOLDS = {  # whose shapes are inserted into a scan: of LIDC patients of even or of odd number
    "LIDC-IDRI-0001": 0,
    "LIDC-IDRI-0013": 0,
    "QIN-LSC-0014": 0,
    "LIDC-IDRI-0006": 1,
    "QIN-LUNG-01-0007": 1,
}


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan to insert into; known: middles (mm) and sizes of the real nodules that are known in it."""

    name: str
    hu: NDArray[np.int16]
    axes: Axes
    spacing: tuple[float, float, float]
    known: list[tuple[NDArray[np.float64], float]]


@dataclass(frozen=True, slots=True)
class Truth:
    """An inserted nodule, as measured on its exact shape."""

    centre: NDArray[np.float64]
    size: float
    kind: str
    stratum: str
    volume: float
    diameter: float
    perpendicular: float


def scan_of(name: str) -> Scan:
    """A decoded scan with what is known of its nodules."""
    kept = np.load(RUNS / f"{name}.npz")
    spacing = (float(kept["spacing"][0]), float(kept["spacing"][1]), float(kept["spacing"][2]))
    axes = axes_of(kept["hu"].shape, spacing, kept["positions"])
    known = []
    if SERIES[name] == "qin_lung":
        mask = np.load(data_folder() / "qin_lung" / name / "majority_mask.npz")["mask"]
        k, r, c = np.nonzero(mask)
        middle = np.asarray([kept["positions"][k].mean(), axes.y[r].mean(), axes.x[c].mean()])
        known.append((middle, float((6 * mask.sum() * np.prod(spacing) / np.pi) ** (1 / 3))))
    else:
        for nodule in nodules(str(kept["series"])):
            z, r, c = nodule.centre()
            known.append((np.asarray([z, (r + 0.5) * spacing[1], (c + 0.5) * spacing[2]]), nodule.diameter_mm))
    return Scan(name, kept["hu"], axes, spacing, known)


def shape_bank(fold: int) -> list[Outline]:
    """Outlines of the LIDC patients whose number is even (fold 0) or odd (fold 1), none of the scans at hand."""
    drawn = outlines("s.slice_thickness <= 2.5 and (select count(*) from contours c where c.annotation_id = a.id) >= 4")
    own = [o for o in drawn if o.patient not in SERIES and int(o.patient[-4:]) % 2 == fold]
    return [o for o in own if len(o.z_mm) >= 4 and 4 <= o.diameter_mm <= 36]


def _size(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[1] if rng.random() < 0.6 else 12.0))))


def shape_for(rng: np.random.Generator, bank: list[Outline], size: float) -> Shape:
    """A real shape of about this size: the scale stays near 1."""
    near = [o for o in bank if 0.75 <= o.diameter_mm / max(size, 5.5) <= 1.4] or bank
    return shape_of(near[int(rng.integers(len(near)))])


@dataclass(frozen=True, slots=True)
class Places:
    """Where nodules can be put: places in mm by stratum, and the lungs' depth for the truth at the wall."""

    by_stratum: dict[str, NDArray[np.float64]]
    lungs: Lungs

    def inside(self, box: Box) -> NDArray[np.float32]:
        """Of each voxel of a box the share inside the closed lungs."""
        points = np.stack(np.meshgrid(*box.centres, indexing="ij"), axis=-1)
        at = np.moveaxis(self.lungs.grid.index_of(points), -1, 0)
        depth = ndimage.map_coordinates(self.lungs.depth, at, order=1, mode="nearest")
        return np.clip(depth + 0.5, 0, 1)


def places_of(lungs: Lungs) -> Places:
    """Free lung, along the wall, on vessels."""
    depth = lungs.depth
    vessel = lungs.closed & ~lungs.air & (depth > 7)
    where = {
        "free": lungs.air & (depth > 6) & ~ndimage.binary_dilation(vessel, iterations=1),
        "wall": lungs.closed & (depth > 0.5) & (depth < 3.2),
        "vessel": vessel,
    }
    by_stratum = {name: lungs.grid.at(np.argwhere(mask).astype(np.float64)) for name, mask in where.items()}
    return Places(by_stratum, lungs)


def put_in(
    rng: np.random.Generator, scan: Scan, places: Places, bank: list[Outline]
) -> tuple[NDArray[np.int16], list[tuple[Placed, Truth]]]:
    """The scan with nodules, and each with its truth."""
    hu, soft = scan.hu.copy(), soft_corners(scan.hu)
    taken = [(middle, size / 2) for middle, size in scan.known]
    out: list[tuple[Placed, Truth]] = []
    for _ in range(12 * PER_ROUND):
        if len(out) == PER_ROUND:
            break
        size = _size(rng)
        stratum = str(rng.choice(["free", "free", "wall", "vessel"]))
        spots = places.by_stratum[stratum]
        centre = spots[int(rng.integers(len(spots)))] + rng.uniform(-1.2, 1.2, 3)
        if stratum == "vessel":
            way = rng.standard_normal(3)
            centre = centre + way / np.linalg.norm(way) * size * rng.uniform(0.2, 0.5)
        if any(np.linalg.norm(centre - other) < r + size / 2 + APART_MM for other, r in taken):
            continue
        shape = shape_for(rng, bank, size)
        placed = Placed(shape, look_of(rng, shape.margin, size), centre, size / shape.size, turned(rng), stratum)
        truth = _insert(rng, scan, hu, placed, (places, soft))
        if truth is not None:
            taken.append((centre, size / 2))
            out.append((placed, truth))
    return hu, out


def _insert(
    rng: np.random.Generator, scan: Scan, hu: NDArray[np.int16], placed: Placed, of: tuple[Places, NDArray[np.int64]]
) -> Truth | None:
    places, soft = of
    box = box_round(scan.axes.all, placed.centre, placed.reach)
    kept = hu[box.index].copy()
    shape = tuple(len(c) for c in box.centres)
    share = inserted(hu, placed, box, noise_piece(rng, scan.hu, soft, shape)) * places.inside(box)
    volume = float(share.sum() * np.prod(box.sizes))
    ball = np.pi / 6 * placed.size**3
    if volume < 0.55 * ball:
        hu[box.index] = kept
        return None
    areas = share.sum(axis=(1, 2))
    along, across = _diameters(placed, box.centres[0][int(areas.argmax())], places)
    size = (6 * volume / np.pi) ** (1 / 3)
    points = np.stack(np.meshgrid(*box.centres, indexing="ij"), axis=-1)
    centre = (points * share[..., None]).sum(axis=(0, 1, 2)) / share.sum()
    return Truth(centre, size, placed.look.kind, placed.stratum, volume, along, across)


def _diameters(placed: Placed, z: float, places: Places) -> tuple[float, float]:
    """The exact shape's longest diameter and its perpendicular in the plane of one slice."""
    step = 0.25
    span = np.arange(-placed.reach, placed.reach, step)
    centres = (np.asarray([z]), placed.centre[1] + span, placed.centre[2] + span)
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)
    box = Box((slice(0, 1), slice(0, 1), slice(0, 1)), centres, (1.0, step, step))
    plane = (placed.distance(points)[0] < 0) & (places.inside(box)[0] >= 0.5)
    return longest(plane.astype(np.float32), (step, step))


def labels_of(
    points: NDArray[np.float64], made: list[Truth], known: list[tuple[NDArray[np.float64], float]]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Per candidate 1 (on a nodule), 0 (none), -1 (too near to tell), and which nodule."""
    label, which = np.zeros(len(points), np.int8), np.full(len(points), -1)
    for number, truth in enumerate(made):
        away = np.linalg.norm(points - truth.centre, axis=1)
        on = away <= max(0.35 * truth.size, 2.0)
        label[(away <= 0.5 * truth.size + 4) & (label == 0)] = -1
        label[on], which[on] = 1, number
    for middle, size in known:
        away = np.linalg.norm(points - middle, axis=1)
        label[(away <= 0.6 * size + 6) & (label == 0)] = -1
    return label, which


def target_mask(placed: Placed, places: Places, pyramid: Pyramid, found: Candidates, which: int) -> NDArray[np.uint8]:
    """The nodule's share of each cube of a kept patch, times 255."""
    grid = patch_of(pyramid.grids, found, which, WIDE).grid
    axes = (grid.axis(0), grid.axis(1), grid.axis(2))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    box = Box((slice(0, 1),) * 3, axes, (grid.step,) * 3)  # type: ignore[arg-type]
    width = max(grid.step, placed.look.edge_mm)
    share = np.clip(0.5 - placed.distance(points) / width, 0, 1) * places.inside(box)
    return np.rint(share * 255).astype(np.uint8)


def one_round(scan: Scan, places: Places, bank: list[Outline], seed: int) -> dict[str, object]:
    """Inserts nodules, reads the scan, keeps patches with labels and the truth."""
    rng = np.random.default_rng(seed)
    hu, made = put_in(rng, scan, places, bank)
    lungs = find_lungs(hu, scan.axes)
    assert lungs is not None
    pyramid = pyramid_of(hu, scan.axes, lungs)
    found = find_candidates(pyramid, lungs)
    points = centre_of(pyramid.grids, found)
    label, which = labels_of(points, [truth for _, truth in made], scan.known)
    positive = np.flatnonzero(label == 1)
    masks = [target_mask(made[which[k]][0], places, pyramid, found, int(k)) for k in positive]
    kept = np.flatnonzero(label >= 0)
    seen = len(set(which[positive].tolist()))
    print(f"{scan.name} {seed} {len(made)} nodules, {seen} among {len(points)} candidates", flush=True)
    return {
        "patch": cut(pyramid, found, WIDE)[kept, 0],
        "label": label[kept],
        "level": found.level[kept],
        "nodule": which[kept],
        "mask": np.stack(masks) if masks else np.zeros((0, WIDE, WIDE, WIDE), np.uint8),
        "truth": json.dumps([_told(truth) for _, truth in made]),
        "missed": len(made) - seen,
    }


def _told(truth: Truth) -> dict[str, object]:
    return {
        "centre": [round(float(v), 2) for v in truth.centre], "size": round(truth.size, 2), "kind": truth.kind,
        "stratum": truth.stratum, "volume": round(truth.volume, 1), "diameter": round(truth.diameter, 2),
        "perpendicular": round(truth.perpendicular, 2),
    }  # fmt: skip


def main() -> None:
    """Makes what is missing of the pool."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    banks = {fold: shape_bank(fold) for fold in (0, 1)}
    print({fold: len(bank) for fold, bank in banks.items()}, f"{time.monotonic() - start:.0f} s", flush=True)
    settings = {}
    for number in range(options.first, options.first + options.rounds):
        for place, name in enumerate(SERIES):
            target = RUNS / "pool" / f"{name}-{number}.npz"
            if target.exists():
                continue
            if name not in settings:
                scan = scan_of(name)
                lungs = find_lungs(scan.hu, scan.axes)
                assert lungs is not None
                settings[name] = (scan, places_of(lungs))
            scan, places = settings[name]
            target.parent.mkdir(exist_ok=True)
            kept = one_round(scan, places, banks[FOLDS[name]], 1000 * place + number)
            np.savez(target, **kept)  # type: ignore[arg-type]
            print(f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
