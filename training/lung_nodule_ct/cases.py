"""What `make evidence` takes: marks and sizes of every scan, by the nets that never saw it (kept by judge.py)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import judged, pairs, platt
from judge import MASKS, volume_of
from pool import scan_of
from scipy.special import expit, logit

from training.evidence.cases import (
    Agreement,
    Case,
    Detection,
    Evidence,
    Fact,
    Facts,
    FrocScan,
    Graded,
    Grading,
    Mark,
    MaskPair,
    Overlap,
    Pair,
    Picture,
    Ranking,
    Subject,
)

HERE = Path(__file__).parent
CONTRACT = HERE.parents[1] / "triton_models/lung_nodule_ct/contract.toml"
LIDC = "LIDC-IDRI (CC BY 3.0), QIN-LSC and QIN-LUNG (CC BY 3.0)"
INSERTED = f"shapes of LIDC-IDRI's readers inserted into {LIDC}"
SCALE = ("ground-glass", "part-solid", "solid")


def threshold() -> float:
    """The contract's."""
    return float(tomllib.loads(CONTRACT.read_text())["finding"]["threshold"])


def stratum(truth: dict[str, Any]) -> str:
    """Kind and size of an inserted nodule."""
    band = "under 4 mm" if truth["size"] < 4 else "4 to 6 mm" if truth["size"] < 6 else "6 mm and more"
    return f"{truth['kind']}, {band}"


def froc(readings: list[dict[str, Any]], ab: tuple[float, float]) -> tuple[FrocScan, ...]:
    """Scans with insertions, or as they are."""
    out = []
    for number, reading in enumerate(readings):
        counted = [k for k, t in enumerate(reading["truths"]) if t["counts"]]
        place = {k: n for n, k in enumerate(counted)}
        marks = tuple(
            Mark(score=float(expit(ab[0] * m["logit"] + ab[1])), lesion=place.get(m["lesion"]))
            for m in reading["marks"]
            if m["lesion"] != -1
        )
        kinds = tuple(stratum(reading["truths"][k]) if reading["inserted"] else "" for k in counted)
        out.append(FrocScan(name=f"{reading['name']} {number}", group=reading["name"], lesions=kinds, marks=marks))
    return tuple(out)


def candidates(readings: list[dict[str, Any]], ab: tuple[float, float]) -> Ranking:
    """Every mark as a case: whether it lies on a nodule that counts. The sheet shows marks of scans as they are."""
    cases = tuple(
        Case(name=f"{r['name']} {m['centre'][0]:.0f} mm", group=r["name"], label=m["lesion"] is not None,
             score=float(expit(ab[0] * m["logit"] + ab[1])),
             picture=None if r["inserted"] else partial(around, r["name"], tuple(m["centre"])))
        for r in readings for m in r["marks"] if m["lesion"] != -1
    )  # fmt: skip
    return Ranking(about="marks on scans never seen", data=f"{INSERTED}; pictures: as they are", cases=cases,
                   threshold=threshold(), pictures=True)  # fmt: skip


def around(name: str, centre: tuple[float, float, float]) -> Picture:
    """The slice through a mark, 64 mm wide, in the lungs' window."""
    scan = scan_of(name)
    z, y, x = (int(v) for v in np.rint(scan.axes.index_of(np.asarray(centre))))
    half = [round(32 / mm) for mm in scan.spacing[1:]]
    plane = scan.hu[z, max(0, y - half[0]) : y + half[0], max(0, x - half[1]) : x + half[1]].astype(np.float32)
    return Picture(grey=np.clip((plane + 1000) * (255 / 1400), 0, 255).astype(np.uint8))


def agreements(readings: list[dict[str, Any]], least: float) -> Iterator[Agreement]:
    """Volumes and diameters of what was found, 6 mm and more."""
    chosen = pairs(readings, least, 6.0)
    group = {id(m): r["name"] for r in readings for m in r["marks"]}
    for quantity, key, unit in (("volume", "volume", "mm3"), ("longest diameter", "diameter", "mm"),
                                ("perpendicular diameter", "perpendicular", "mm")):  # fmt: skip
        yield Agreement(
            about=f"{quantity} of inserted nodules of 6 mm and more that were found", data=INSERTED, quantity=quantity,
            unit=unit, relative=key == "volume",
            pairs=tuple(
                Pair(name=f"{group[id(m)]} {k}", group=group[id(m)], measured=m[key], reference=t[key],
                     stratum=f"{t['kind']}, {t['stratum']}")
                for k, (m, t, _) in enumerate(chosen)
            ),
        )  # fmt: skip


def textures(readings: list[dict[str, Any]], least: float) -> Grading:
    """Texture told of what was found, 6 mm and more."""
    group = {id(m): r["name"] for r in readings for m in r["marks"]}
    cases = tuple(
        Graded(name=f"{group[id(m)]} {k}", group=group[id(m)], given=m["texture"], truth=t["kind"])
        for k, (m, t, _) in enumerate(pairs(readings, least, 6.0))
        if m["texture"]
    )
    return Grading(about="texture of inserted nodules of 6 mm and more", data=INSERTED, scale=SCALE, cases=cases)


def volumes(readings: list[dict[str, Any]], least: float) -> Facts:
    """Real nodules: the model's volume beside the readers'."""
    facts = []
    for reading in (r for r in readings if not r["inserted"]):
        for number, truth in enumerate(reading["truths"]):
            mark = next((m for m in reading["marks"] if m["lesion"] == number and m["logit"] >= least), None)
            if not truth["counts"] or mark is None:
                continue
            low, high = min(truth["volumes"]), max(truth["volumes"])
            who = f"{truth['readers']} readers" if truth["readers"] else "5 of 9 segmentations"
            facts.append(Fact(
                what=f"{reading['name']}: nodule of {truth['size']:.1f} mm", value=mark["volume"], unit="mm3",
                how=f"{who} drew {low:.0f} to {high:.0f} mm3",
            ))  # fmt: skip
    return Facts(about="volume of real nodules beside what was drawn", data=LIDC, facts=tuple(facts))


def masks() -> Iterator[MaskPair]:
    """Real nodules that were found: the mask beside the majority of what was drawn."""
    for path in sorted(MASKS.glob("*.npz")):
        with np.load(path) as kept:
            yield MaskPair(name=path.stem, group=str(kept["group"]), found=kept["found"], truth=kept["truth"],
                           spacing_mm=tuple(kept["spacing"].tolist()))  # fmt: skip


def subjects() -> Iterable[Subject]:
    """A real scan with nodules that readers agree on."""
    scan = scan_of("LIDC-IDRI-0013")
    yield Subject(name="LIDC-IDRI-0013", source=volume_of(scan.hu, scan), label=True)


def evidence() -> Evidence:
    """All that the nodule model is judged by."""
    readings = judged()
    rounds = [r for r in readings if r["inserted"]]
    ab = platt(rounds)
    least = float((logit(threshold()) - ab[1]) / ab[0])
    return Evidence(
        judged=(
            Detection(about="inserted nodules, each scan by nets that never saw it", data=INSERTED,
                      threshold=threshold(), scans=froc(rounds, ab)),
            Detection(about="real nodules of 6 mm and more that 3 of 4 readers drew (LIDC) or were segmented (QIN)",
                      data=LIDC, threshold=threshold(), scans=froc([r for r in readings if not r["inserted"]], ab)),
            candidates(readings, ab),
            *agreements(readings, least),
            textures(readings, least),
            Overlap(about="real nodules that were found, against the majority of what was drawn", data=LIDC,
                    masks=masks()),
            volumes(readings, least),
        ),
        subjects=subjects,
        watched=("chance", "lesions"),
    )  # fmt: skip
