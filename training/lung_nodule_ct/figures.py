"""Figures of what judge.py kept: calibration, threshold, FROC, sizes, real nodules; figures.json."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from judge import JUDGED, LEAST_LOGIT
from numpy.typing import NDArray
from scans import RUNS
from scipy.optimize import minimize
from scipy.special import expit, logit

CONTRACT = Path(__file__).parents[2] / "triton_models/lung_nodule_ct/contract.toml"
SHOWN_MM = 4.0  # shorter marks are not told (the contract's least_mm)
STRATA = {
    "solid, 6 mm and more": lambda t: t["kind"] == "solid" and t["size"] >= 6,
    "solid, 4 to 6 mm": lambda t: t["kind"] == "solid" and 4 <= t["size"] < 6,
    "part-solid, 6 mm and more": lambda t: t["kind"] == "part-solid" and t["size"] >= 6,
    "ground-glass, 6 mm and more": lambda t: t["kind"] == "ground-glass" and t["size"] >= 6,
    "solid, 6 mm and more, free": lambda t: t["kind"] == "solid" and t["size"] >= 6 and t["stratum"] == "free",
    "solid, 6 mm and more, at the wall": lambda t: t["kind"] == "solid" and t["size"] >= 6 and t["stratum"] == "wall",
    "solid, 6 mm and more, on a vessel": lambda t: t["kind"] == "solid" and t["size"] >= 6 and t["stratum"] == "vessel",
    "solid, 6 mm and more, half of it in air": lambda t: t["kind"] == "solid" and t["size"] >= 6 and t["shown"] >= 0.5,
    "solid, 4 to 6 mm, half of it in air": lambda t: t["kind"] == "solid" and 4 <= t["size"] < 6 and t["shown"] >= 0.5,
}


def judged() -> list[dict[str, Any]]:
    """All readings; marks shorter than what is told are left out."""
    if not JUDGED.is_dir():
        raise FileNotFoundError(2, "not judged yet", str(JUDGED))
    out = [json.loads(path.read_text()) for path in sorted(JUDGED.glob("*.json"))]
    for reading in out:
        reading["marks"] = [m for m in reading["marks"] if m["diameter"] >= SHOWN_MM]
    return out


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % Wilson interval."""
    if not of:
        return {"hits": 0, "of": 0}
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return {
        "value": round(p, 3),
        "hits": hits,
        "of": of,
        "interval": [round(middle - half, 3), round(middle + half, 3)],
    }


def platt(readings: list[dict[str, Any]]) -> tuple[float, float]:
    """a, b of p = sigmoid(a logit + b) over marks, true and false ones given the same weight."""
    marks = [m for r in readings for m in r["marks"] if m["lesion"] != -1]
    logit = np.asarray([m["logit"] for m in marks])
    truth = np.asarray([m["lesion"] is not None for m in marks])
    positive, negative = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    weight = np.where(truth, 0.5 / positive, 0.5 / negative)

    def loss(ab: NDArray[np.float64]) -> float:
        z = ab[0] * logit + ab[1]
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + 1e-3 * ab[0] ** 2)

    a, b = minimize(loss, np.asarray([1.0, 0.0]), method="Nelder-Mead").x
    return float(a), float(b)


def logit_at(readings: list[dict[str, Any]], false_per_scan: float) -> float:
    """The lowest logit at which no more false marks are made per reading."""
    false = np.sort([m["logit"] for r in readings for m in r["marks"] if m["lesion"] is None])[::-1]
    allowed = int(false_per_scan * len(readings))
    return float(false[allowed]) + 1e-4 if allowed < len(false) else LEAST_LOGIT


def found(readings: list[dict[str, Any]], least: float, wanted: Any) -> dict[str, Any]:
    """How many true nodules of a kind carry a mark of that logit or more."""
    hits = of = 0
    for reading in readings:
        marked = {m["lesion"] for m in reading["marks"] if m["logit"] >= least}
        chosen = [k for k, t in enumerate(reading["truths"]) if t["counts"] and wanted(t)]
        hits, of = hits + sum(k in marked for k in chosen), of + len(chosen)
    return share(hits, of)


def pairs(
    readings: list[dict[str, Any]], least: float, least_mm: float
) -> list[tuple[dict[str, Any], dict[str, Any], float]]:
    """Marks with their inserted nodules of that size or more, and the slices' distance."""
    out = []
    for reading in (r for r in readings if r["inserted"]):
        for mark in reading["marks"]:
            lesion = mark["lesion"]
            if (
                lesion is not None
                and lesion >= 0
                and mark["logit"] >= least
                and reading["truths"][lesion]["size"] >= least_mm
            ):
                out.append((mark, reading["truths"][lesion], reading["slice_mm"]))
    return out


def sizes(readings: list[dict[str, Any]], least: float) -> dict[str, Any]:
    """Volumes and diameters against the inserted ones."""
    out: dict[str, Any] = {}
    for name, wanted in {"all": lambda _t: True, "solid": lambda t: t["kind"] == "solid",
                         "solid, free": lambda t: t["kind"] == "solid" and t["stratum"] == "free",
                         "solid, at the wall": lambda t: t["kind"] == "solid" and t["stratum"] == "wall",
                         "solid, on a vessel": lambda t: t["kind"] == "solid" and t["stratum"] == "vessel",
                         "ground-glass": lambda t: t["kind"] == "ground-glass",
                         "part-solid": lambda t: t["kind"] == "part-solid"}.items():  # fmt: skip
        chosen = [p for p in pairs(readings, least, 6.0) if wanted(p[1])]
        if not chosen:
            continue
        ratio = np.asarray([m["volume"] / t["volume"] for m, t, _ in chosen])
        error = np.asarray([m["diameter"] - t["diameter"] for m, t, _ in chosen])
        across = np.asarray([m["perpendicular"] - t["perpendicular"] for m, t, _ in chosen])
        out[name] = {
            "n": len(chosen), "volume_ratio_median": round(float(np.median(ratio)), 3),
            "volume_ratio_2.5_97.5": [round(float(v), 3) for v in np.percentile(ratio, [2.5, 97.5])],
            "volume_bias_percent": round(100 * float(ratio.mean() - 1), 1),
            "volume_within_10_percent": share(int((np.abs(ratio - 1) <= 0.1).sum()), len(ratio)),
            "volume_within_25_percent": share(int((np.abs(ratio - 1) <= 0.25).sum()), len(ratio)),
            "diameter_error_median_mm": round(float(np.median(error)), 2),
            "diameter_within_1_mm": share(int((np.abs(error) <= 1).sum()), len(error)),
            "perpendicular_within_1_mm": share(int((np.abs(across) <= 1).sum()), len(across)),
        }  # fmt: skip
    return out


def interval(readings: list[dict[str, Any]], least: float) -> tuple[tuple[float, float], dict[str, Any]]:
    """(share, slope) of the narrowest interval that holds 95 of 100 inserted volumes, and how many it holds."""
    chosen = pairs(readings, least, 4.0)
    away = np.asarray([abs(np.log(m["volume"] / t["volume"])) for m, t, _ in chosen])
    ball = np.asarray([(6 * m["volume"] / np.pi) ** (1 / 3) for m, _, _ in chosen])
    slice_mm = np.asarray([s for _, _, s in chosen])
    best, narrowest = (0.3, 1.0), np.inf
    for base in np.arange(0.1, 1.01, 0.05):
        for slope in np.arange(0.0, 3.01, 0.1):
            width = np.log1p(np.hypot(base, slope * slice_mm / ball))
            if (away <= width).mean() >= 0.95 and width.mean() < narrowest:
                best, narrowest = (round(float(base), 2), round(float(slope), 2)), float(width.mean())
    width = np.log1p(np.hypot(best[0], best[1] * slice_mm / ball))
    return best, share(int((away <= width).sum()), len(away))


def textures(readings: list[dict[str, Any]], least: float) -> dict[str, dict[str, int]]:
    """Inserted kind to told texture, 6 mm and more."""
    out: dict[str, dict[str, int]] = {}
    for mark, truth, _ in pairs(readings, least, 6.0):
        row = out.setdefault(truth["kind"], {})
        row[mark["texture"]] = row.get(mark["texture"], 0) + 1
    return out


def real(readings: list[dict[str, Any]], least: float) -> list[dict[str, Any]]:
    """Each scan as it is: its real nodules, what became of them, false marks."""
    out = []
    for reading in (r for r in readings if not r["inserted"]):
        marks = [m for m in reading["marks"] if m["logit"] >= least]
        told = []
        for k, truth in enumerate(reading["truths"]):
            mark = next((m for m in marks if m["lesion"] == k), None)
            told.append({
                "size_mm": round(truth["size"], 1), "readers": truth["readers"], "counts": truth["counts"],
                "found": mark is not None if truth["counts"] else None,
                "volumes_mm3": [round(v) for v in truth["volumes"]],
                "volume_mm3": None if mark is None else round(mark["volume"]),
                "diameter_mm": None if mark is None else mark["diameter"],
            })  # fmt: skip
        out.append({"scan": reading["name"], "false": sum(m["lesion"] is None for m in marks), "nodules": told})
    return out


def by_scan(readings: list[dict[str, Any]], least: float) -> dict[str, float]:
    """False marks of each scan, mean over its readings."""
    false: dict[str, list[int]] = {}
    for r in readings:
        false.setdefault(r["name"], []).append(sum(m["lesion"] is None and m["logit"] >= least for m in r["marks"]))
    return {name: round(float(np.mean(counts)), 2) for name, counts in false.items()}


def main() -> None:
    """Writes figures.json and calibration.json; says the lowest threshold that does."""
    readings = judged()
    rounds = [r for r in readings if r["inserted"]]
    a, b = platt(rounds)
    threshold = float(tomllib.loads(CONTRACT.read_text())["finding"]["threshold"])
    least = float((logit(threshold) - b) / a)
    froc = {
        str(false): {name: found(rounds, logit_at(rounds, false), wanted) for name, wanted in STRATA.items()}
        for false in (1.0, 2.0, 4.0, 8.0)
    }
    span, held = interval(readings, least)
    as_is = real(readings, least)
    counted = [n for s in as_is for n in s["nodules"] if n["counts"]]
    seconds = {k: round(float(np.median([r["seconds"][k] for r in readings])), 2) for k in readings[0]["seconds"]}
    figures = {
        "rounds": len(rounds),
        "calibration": [round(a, 4), round(b, 4)],
        "threshold": threshold,
        "lowest_threshold_for_4_false_per_scan": round(float(expit(a * logit_at(readings, 4.0) + b)), 3),
        "false_per_reading": round(
            sum(m["lesion"] is None and m["logit"] >= least for r in readings for m in r["marks"]) / len(readings), 2
        ),
        "found_at_threshold": {name: found(rounds, least, wanted) for name, wanted in STRATA.items()},
        "froc": froc,
        "false_by_scan": by_scan(readings, least),
        "sizes": sizes(readings, least),
        "interval": {"share_slope": span, "holds": held},
        "textures": textures(readings, least),
        "real": as_is,
        "real_found": share(sum(n["found"] for n in counted), len(counted)),
        "real_false_per_scan": round(float(np.mean([s["false"] for s in as_is])), 2),
        "seconds_median": seconds,
    }
    (RUNS / "calibration.json").write_text(json.dumps([a, b]))
    (Path(__file__).parent / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
