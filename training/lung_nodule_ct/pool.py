"""The training pool: scans with inserted nodules, read by the product's own code up to the model's input."""

from __future__ import annotations

import argparse
import json
import pickle
import time
from dataclasses import dataclass

import numpy as np
from insert import Box, Placed, Shape, box_round, inserted, look_of, noise_piece, shape_of, soft_corners, turned
from numpy.typing import NDArray
from scans import RUNS, SERIES, data_folder
from scipy import ndimage
from truth import Outline, nodules, outlines

from streams.reading.lung.candidates import find_candidates, pyramid_of
from streams.reading.lung.grid import Axes, axes_of
from streams.reading.lung.lungs import Lungs, find_lungs
from streams.reading.lung.patches import centre_of
from streams.reading.lung.rays import measures
from streams.reading.lung.sizes import longest

PER_ROUND = 22
SIZES = (3.5, 32.0)  # mm, of the inserted
APART_MM = 14.0  # between the rims of two
AIR_HU = -500.0
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
    """An inserted nodule, as measured on its exact shape; shown: share of it where there was air before."""

    centre: NDArray[np.float64]
    size: float
    kind: str
    stratum: str
    volume: float
    diameter: float
    perpendicular: float
    shown: float


@dataclass(frozen=True, slots=True)
class Mix:
    """What is inserted: strata as often as they are named; kinds likewise; whether the scan itself is changed."""

    strata: tuple[str, ...]
    kinds: tuple[str, ...]
    small: float
    changed: bool


USUAL = Mix(("free", "free", "wall", "vessel"), ("solid",) * 4 + ("part-solid", "ground-glass"), 0.4, changed=False)
"""By which the model is judged."""
HARD = Mix(("free", "wall", "vessel"), ("solid", "solid", "part-solid", "ground-glass"), 0.7, changed=True)
"""More of what is missed, for training only; noise, kernel and spacing of the scan are changed at random."""


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


def shape_bank(fold: int) -> list[Shape]:
    """Shapes of the LIDC patients whose number is even (fold 0) or odd (fold 1), none of the scans at hand."""
    target = RUNS / f"shapes-{fold}.pkl"
    if not target.exists():
        fine = "s.slice_thickness <= 2.5 and (select count(*) from contours c where c.annotation_id = a.id) >= 4"
        own = [o for o in outlines(fine) if o.patient not in SERIES and int(o.patient[-4:]) % 2 == fold]
        target.write_bytes(pickle.dumps(shapes_of(own)))
    return list(pickle.loads(target.read_bytes()))


def shapes_of(drawn: list[Outline]) -> list[Shape]:
    """Smooth solids of outlines of four slices and more, 4 to 36 mm."""
    return [shape_of(o) for o in drawn if len(o.z_mm) >= 4 and 4 <= o.diameter_mm <= 36]


def _size(rng: np.random.Generator, small: float) -> float:
    return float(np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[1] if rng.random() >= small else 12.0))))


def shape_for(rng: np.random.Generator, bank: list[Shape], size: float) -> Shape:
    """A real shape of about this size: the scale stays near 1."""
    near = [s for s in bank if 0.75 <= s.size / max(size, 5.5) <= 1.4] or bank
    return near[int(rng.integers(len(near)))]


@dataclass(frozen=True, slots=True)
class Places:
    """Where nodules can be put: places in mm by stratum, and the lungs' depth for the truth at the wall."""

    by_stratum: dict[str, NDArray[np.float64]]
    lungs: Lungs
    soft: NDArray[np.int64]

    def inside(self, box: Box) -> NDArray[np.float32]:
        """Of each voxel of a box the share inside the closed lungs."""
        points = np.stack(np.meshgrid(*box.centres, indexing="ij"), axis=-1)
        at = np.moveaxis(self.lungs.grid.index_of(points), -1, 0)
        depth = ndimage.map_coordinates(self.lungs.depth, at, order=1, mode="nearest")
        return np.clip(depth + 0.5, 0, 1)


def places_of(lungs: Lungs, scan: Scan) -> Places:
    """Free lung, along the wall, on vessels."""
    depth = lungs.depth
    vessel = lungs.closed & ~lungs.air & (depth > 7)
    where = {
        "free": lungs.air & (depth > 6) & ~ndimage.binary_dilation(vessel, iterations=1),
        "wall": lungs.closed & (depth > 0.5) & (depth < 3.2),
        "vessel": vessel,
    }
    by_stratum = {name: lungs.grid.at(np.argwhere(mask).astype(np.float64)) for name, mask in where.items()}
    return Places(by_stratum, lungs, soft_corners(scan.hu))


def put_in(
    rng: np.random.Generator, scan: Scan, places: Places, bank: list[Shape], mix: Mix = USUAL
) -> tuple[NDArray[np.int16], list[tuple[Placed, Truth]]]:
    """The scan with nodules, and each with its truth."""
    hu = scan.hu.copy()
    taken = [(middle, size / 2) for middle, size in scan.known]
    out: list[tuple[Placed, Truth]] = []
    for _ in range(12 * PER_ROUND):
        if len(out) == PER_ROUND:
            break
        size = _size(rng, mix.small)
        stratum = str(rng.choice(mix.strata))
        spots = places.by_stratum[stratum]
        centre = spots[int(rng.integers(len(spots)))] + rng.uniform(-1.2, 1.2, 3)
        if stratum == "vessel":
            way = rng.standard_normal(3)
            centre = centre + way / np.linalg.norm(way) * size * rng.uniform(0.2, 0.5)
        if any(np.linalg.norm(centre - other) < r + size / 2 + APART_MM for other, r in taken):
            continue
        shape = shape_for(rng, bank, size)
        look = look_of(rng, shape.margin, size, mix.kinds)
        placed = Placed(shape, look, centre, size / shape.size, turned(rng), stratum)
        truth = _insert(rng, scan, hu, placed, places)
        if truth is not None:
            taken.append((centre, size / 2))
            out.append((placed, truth))
    return hu, out


def _insert(
    rng: np.random.Generator, scan: Scan, hu: NDArray[np.int16], placed: Placed, places: Places
) -> Truth | None:
    box = box_round(scan.axes.all, placed.centre, placed.reach)
    kept = hu[box.index].copy()
    noise = noise_piece(rng, scan.hu, places.soft, kept.shape)
    share = inserted(hu, placed, box, noise) * places.inside(box)
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
    shown = float((share * (kept < AIR_HU)).sum() / share.sum())
    return Truth(centre, size, placed.look.kind, placed.stratum, volume, along, across, shown)


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


def changed(rng: np.random.Generator, hu: NDArray[np.int16], spacing: tuple[float, float, float]) -> NDArray[np.int16]:
    """A scan as another scanner might have made it: softer, sharper, or with more noise; a third stays as it is."""
    way = int(rng.integers(6))
    if way >= 4:
        return hu
    out = hu.astype(np.float32)
    pixel = spacing[1:]
    if way == 0:
        width = rng.uniform(0.4, 0.8)
        out = ndimage.gaussian_filter(out, (0, width / pixel[0], width / pixel[1]))
    elif way == 1:
        out += rng.uniform(0.4, 1.0) * (out - ndimage.gaussian_filter(out, (0, 0.7 / pixel[0], 0.7 / pixel[1])))
    else:
        grain = rng.standard_normal(hu.shape, dtype=np.float32)
        width = rng.uniform(0.3, 0.7)
        grain = ndimage.gaussian_filter(grain, (0, width / pixel[0], width / pixel[1]))
        out += np.float32(rng.uniform(10, 45)) * grain / grain.std()
    return np.clip(np.rint(out), -1024, 3071).astype(np.int16)


def resized(rng: np.random.Generator, scan: Scan) -> Scan:
    """The scan of a somewhat smaller or larger person, perhaps mirrored (left for right)."""
    scale = rng.uniform(0.88, 1.12, 2)
    spacing = (scan.spacing[0] * scale[0], scan.spacing[1] * scale[1], scan.spacing[2] * scale[1])
    axes = axes_of(scan.hu.shape, spacing, scan.axes.z * scale[0])
    both = np.asarray([scale[0], scale[1], scale[1]])
    known = [(middle * both, size * float(both.max())) for middle, size in scan.known]
    return Scan(scan.name, scan.hu, axes, spacing, known)


def one_round(scan: Scan, places: Places, bank: list[Shape], seed: int, mix: Mix) -> dict[str, object]:
    """Inserts nodules, reads the scan, keeps the candidates' measures with labels and the truth."""
    rng = np.random.default_rng(seed)
    hu, made = put_in(rng, scan, places, bank, mix)
    if mix.changed:
        hu = changed(rng, hu, scan.spacing)
    lungs = find_lungs(hu, scan.axes)
    assert lungs is not None
    pyramid = pyramid_of(hu, scan.axes, lungs)
    found = find_candidates(pyramid, lungs)
    points = centre_of(pyramid.grids, found)
    label, which = labels_of(points, [truth for _, truth in made], scan.known)
    seen = len(set(which[label == 1].tolist()))
    print(f"{scan.name} {seed} {len(made)} nodules, {seen} among {len(points)} candidates", flush=True)
    return {
        "measures": measures(pyramid, lungs, found).astype(np.float16),
        "points": points.astype(np.float32),
        "level": found.level.astype(np.int8),
        "label": label,
        "nodule": which.astype(np.int16),
        "truth": json.dumps([_told(truth) for _, truth in made]),
        "missed": len(made) - seen,
    }


def _told(truth: Truth) -> dict[str, object]:
    return {
        "centre": [round(float(v), 2) for v in truth.centre], "size": round(truth.size, 2), "kind": truth.kind,
        "stratum": truth.stratum, "volume": round(truth.volume, 1), "diameter": round(truth.diameter, 2),
        "perpendicular": round(truth.perpendicular, 2), "shown": round(truth.shown, 3),
    }  # fmt: skip


def main() -> None:
    """Makes what is missing of the pool."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of the usual mix; twice as many of the hard one")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    banks = {fold: shape_bank(fold) for fold in (0, 1)}
    print({fold: len(bank) for fold, bank in banks.items()}, f"{time.monotonic() - start:.0f} s", flush=True)
    kept: dict[str, tuple[Scan, Places]] = {}
    for number in range(3 * options.first, 3 * (options.first + options.rounds)):
        mix = USUAL if number % 3 == 0 else HARD
        for place, name in enumerate(SERIES):
            target = RUNS / "pool" / f"{name}-{'usual' if mix is USUAL else 'hard'}-{number:03d}.npz"
            if target.exists():
                continue
            seed = 1000 * place + number
            scan, places = _setting(name, seed, mix, kept)
            target.parent.mkdir(exist_ok=True)
            np.savez_compressed(target, **one_round(scan, places, banks[FOLDS[name]], seed, mix))  # type: ignore[arg-type]
            print(f"{time.monotonic() - start:.0f} s", flush=True)


def _setting(name: str, seed: int, mix: Mix, kept: dict[str, tuple[Scan, Places]]) -> tuple[Scan, Places]:
    """A scan and where nodules can be put; of another size for the hard mix."""
    if name not in kept:
        scan = scan_of(name)
        kept[name] = scan, _placing(scan)
    if not mix.changed:
        return kept[name]
    scan = resized(np.random.default_rng(seed + 7), kept[name][0])
    return scan, _placing(scan)


def _placing(scan: Scan) -> Places:
    lungs = find_lungs(scan.hu, scan.axes)
    assert lungs is not None
    return places_of(lungs, scan)


if __name__ == "__main__":
    main()
