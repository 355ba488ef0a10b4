"""Reads every scan by the nets that never saw it: as it is, and with fresh insertions; keeps marks and truths."""

from __future__ import annotations

import argparse
import json
import pickle
import time
from typing import Any

import numpy as np
import torch
from insert import Shape
from net import Reader, kept
from numpy.typing import NDArray
from pool import Places, Scan, Truth, places_of, put_in, scan_of, shapes_of
from scans import RUNS, SERIES, data_folder
from truth import Nodule as Drawn
from truth import nodules as drawn_in
from truth import outlines

from streams.contract import Tensors
from streams.reading.lung.lungs import find_lungs
from streams.reading.lung.nodules import SHOWN, Nodule, lung_patches, nodules
from streams.reading.planes import Axes as Turn
from streams.reading.volume import Volume

JUDGED = RUNS / "judged"
MASKS = RUNS / "judged_masks"
ROUNDS = 2  # of insertions into each scan, of seeds that the pool has not
FIRST_SEED = 500_000
LEAST_LOGIT = 0.0
COUNTED_MM = 6.0  # a real nodule counts from this diameter, and from so many readers
READERS = 3


def volume_of(hu: NDArray[np.int16], scan: Scan) -> Volume:
    """A scan as the engine decodes it."""
    return Volume(
        hu=hu, spacing_mm=scan.spacing, positions_mm=scan.axes.z, tilt_deg=0,
        instances=tuple(f"1.{k}" for k in range(len(hu))), axes=Turn(),
    )  # fmt: skip


def unseen_shapes() -> list[Shape]:
    """Half of the outlines of patients whose scans have slices of over 2.5 to 3 mm: the pool holds none of them."""
    target = RUNS / "shapes-unseen.pkl"
    if not target.exists():
        drawn = outlines("s.slice_thickness > 2.5 and s.slice_thickness <= 3.0 and a.id % 2 = 0")
        target.write_bytes(pickle.dumps(shapes_of([o for o in drawn if o.patient not in SERIES])))
    return list(pickle.loads(target.read_bytes()))


def read(net: Reader, volume: Volume) -> tuple[list[Nodule], dict[str, float]]:
    """All marks above the least logit, and the seconds of this process that it took."""
    start = time.process_time()
    prepared = lung_patches(volume, Tensors(function="lung_patches", inputs={}, outputs={}))
    made = time.process_time()
    logits = net.logits(prepared.measures)
    said = time.process_time()
    found = nodules(prepared, volume, logits, LEAST_LOGIT)
    return found, {"tensors": made - start, "net": said - made, "answer": time.process_time() - said}


def told(nodule: Nodule, lesion: int | None) -> dict[str, Any]:
    """A mark, as kept."""
    seen = nodule.extent
    return {
        "logit": round(nodule.logit, 4), "lesion": lesion, "centre": [round(float(v), 1) for v in seen.centre],
        "volume": round(seen.volume_mm3, 2), "diameter": round(seen.diameter_mm, 2),
        "perpendicular": round(seen.perpendicular_mm, 2), "texture": seen.texture,
    }  # fmt: skip


def matched(found: list[Nodule], truths: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marks with the truth that they lie on: within its radius, 2.5 mm at least; -1: on one that does not count."""
    out, taken = [], set()
    for nodule in found:
        hit: int | None = None
        for number, truth in enumerate(truths):
            away = np.linalg.norm(nodule.extent.centre - np.asarray(truth["centre"]))
            if away <= max(truth["size"] / 2, 2.5):
                hit = number
                break
        if hit is not None and (not truths[hit]["counts"] or hit in taken):
            hit = -1
        if hit is not None:
            taken.add(hit)
        out.append(told(nodule, hit))
    return out


def real_truths(name: str, scan: Scan) -> list[dict[str, Any]]:
    """What readers (LIDC) or segmentations (QIN) say of a scan."""
    out = []
    if SERIES[name] == "qin_lung":
        mask = np.load(data_folder() / "qin_lung" / name / "majority_mask.npz")["mask"]
        volume = float(mask.sum() * np.prod(scan.spacing))
        ((middle, size),) = scan.known
        return [{"centre": middle.tolist(), "size": size, "counts": True, "readers": 0, "volumes": [volume]}]
    series = str(np.load(RUNS / f"{name}.npz")["series"])
    for nodule, (middle, size) in zip(drawn_in(series), scan.known, strict=True):
        counts = nodule.readers >= READERS and size >= COUNTED_MM
        out.append({"centre": middle.tolist(), "size": size, "counts": counts, "readers": nodule.readers,
                    "volumes": nodule.volumes_mm3, "ratings": _ratings(nodule)})  # fmt: skip
    return out


def _ratings(nodule: Drawn) -> dict[str, float]:
    return {key: float(np.mean([o.ratings[key] for o in nodule.outlines])) for key in nodule.outlines[0].ratings}


def inserted_truths(made: list[Truth], scan: Scan) -> list[dict[str, Any]]:
    """The insertions, which count, and the real ones beside them, which do not."""
    out: list[dict[str, Any]] = [
        {"centre": t.centre.tolist(), "size": t.size, "counts": True, "kind": t.kind, "stratum": t.stratum,
         "volume": t.volume, "diameter": t.diameter, "perpendicular": t.perpendicular, "shown": t.shown}
        for t in made
    ]  # fmt: skip
    return out + [{"centre": c.tolist(), "size": s + 4, "counts": False} for c, s in scan.known]


def drawn_mask(name: str, scan: Scan, which: int) -> NDArray[np.bool_]:
    """What most drew of a real nodule, on the scan's voxels."""
    if SERIES[name] == "qin_lung":
        return np.asarray(np.load(data_folder() / "qin_lung" / name / "majority_mask.npz")["mask"])
    nodule = drawn_in(str(np.load(RUNS / f"{name}.npz")["series"]))[which]
    votes = np.zeros(scan.hu.shape, np.int8)
    for outline in nodule.outlines:
        row, column = outline.corner
        for z, plane in zip(outline.z_mm, outline.mask, strict=True):
            index = int(np.abs(scan.axes.z - z).argmin())
            votes[index, row : row + plane.shape[0], column : column + plane.shape[1]] += plane
    return votes * 2 >= nodule.readers


def keep_masks(name: str, scan: Scan, found: list[Nodule], marks: list[dict[str, Any]]) -> None:
    """The found and the drawn mask of each real nodule that counts, in one box."""
    for nodule, mark in zip(found, marks, strict=True):
        if mark["lesion"] is None or mark["lesion"] < 0:
            continue
        truth = drawn_mask(name, scan, mark["lesion"])
        own = np.zeros_like(truth)
        own[nodule.extent.box] = nodule.extent.share >= SHOWN
        where = np.nonzero(truth | own)
        box = tuple(slice(int(w.min()), int(w.max()) + 1) for w in where)
        spacing = np.asarray(scan.spacing)
        target = MASKS / f"{name} nodule {mark['lesion'] + 1}.npz"
        np.savez_compressed(target, found=own[box], truth=truth[box], spacing=spacing, group=np.asarray(name))


def judge(name: str, net: Reader, rounds: range, bank: list[Shape]) -> None:
    """Reads a scan as it is and with insertions, and keeps what was marked."""
    scan = scan_of(name)
    lungs = find_lungs(scan.hu, scan.axes)
    assert lungs is not None
    places: Places = places_of(lungs, scan)
    for number in rounds:
        target = JUDGED / f"{name}-{'real' if number < 0 else number}.json"
        if target.exists():
            continue
        hu, made = scan.hu, []
        if number >= 0:
            rng = np.random.default_rng(FIRST_SEED + 100 * list(SERIES).index(name) + number)
            hu, pairs = put_in(rng, scan, places, bank)
            made = [truth for _, truth in pairs]
        truths = real_truths(name, scan) if number < 0 else inserted_truths(made, scan)
        found, seconds = read(net, volume_of(hu, scan))
        marks = matched(found, truths)
        if number < 0:
            keep_masks(name, scan, found, marks)
        reading = {"name": name, "inserted": number >= 0, "slice_mm": scan.spacing[0], "truths": truths, "marks": marks}
        target.write_text(json.dumps({**reading, "seconds": seconds}, default=float))
        hits = {m["lesion"] for m in marks} - {None, -1}
        counted, false = sum(t["counts"] for t in truths), sum(m["lesion"] is None for m in marks)
        print(f"{name} {number}: {len(hits)} of {counted}, {false} false, {seconds}", flush=True)


def main() -> None:
    """Judges what has not been judged yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--scans", nargs="*", default=list(SERIES))
    parser.add_argument("--first", type=int, default=-1, help="-1: the scan as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    JUDGED.mkdir(exist_ok=True)
    MASKS.mkdir(exist_ok=True)
    bank = unseen_shapes() if options.rounds else []
    for name in options.scans:
        judge(name, Reader(kept(RUNS / f"net-{name}.pt")).eval(), range(options.first, options.rounds), bank)


if __name__ == "__main__":
    main()
