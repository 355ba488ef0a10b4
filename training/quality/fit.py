"""Fits the classifier of body parts and judges it on patients left out: `make fit-quality`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from streams.reading.quality.body import Body, body_of
from streams.reading.quality.features import FEATURES, features
from streams.reading.quality.look import Look, look_at
from streams.reading.quality.parts import PARTS
from training.quality.made import PIXEL, limbs, nothing, phantoms
from training.quality.scans import Scan, real_scans, single_slices, stack

HERE = Path(__file__).parent
PARAMETERS = HERE.parents[1] / "streams/reading/quality/parts.toml"
COPIES = 5
PENALTY = 3e-3
SEED = 5
PELVIS_BELOW, ABDOMEN_ABOVE = 147.0, 168.0
"""mm from the lowest slice of the torso scan: the iliac crests lie between."""
SINGLES = {"simple_dicom": "cip", "totalseg": "totalseg-dicom", "explicit": "nih-pancreas"}


@dataclass(frozen=True, slots=True)
class Table:
    """Slices as rows: features, part by number, patient, weight, and whether the row is a real slice as it came."""

    x: NDArray[np.float64]
    part: NDArray[np.int64]
    patient: NDArray[np.str_]
    real: NDArray[np.bool_]


Row = tuple[NDArray[np.float64], str, str, bool]


def _labels(scan: Scan, look: Look, body: Body) -> list[str]:
    """The part on each slice; an empty word where two parts meet or nobody can say."""
    if scan.part == "head":
        return ["head" if area > 20 else "" for area in body.areas(body.body, look)]
    lungs = body.areas(body.lungs, look) / np.maximum(body.areas(body.body, look), 1)
    height = look.positions_mm - look.positions_mm[0]
    if scan.part == "trunk":
        return ["pelvis" if h < PELVIS_BELOW else "abdomen" if ABDOMEN_ABOVE < h < 300 else "" for h in height]
    inside = np.flatnonzero(lungs > 0.08)
    if not len(inside):
        return [""] * len(height)
    known = ["chest" if share > 0.08 else "" for share in lungs]
    for index in range(len(known)):
        if lungs[index] < 0.005 and index < inside[0] - 2:
            known[index] = "abdomen"
        if lungs[index] < 0.005 and index > inside[-1] + 2:
            known[index] = "neck"
    return known


def _varied(look: Look, rng: np.random.Generator) -> Look:
    """The same person smaller or larger, cut at the sides, noisier, a little off in HU."""
    hu = look.hu + rng.normal(0, rng.uniform(0, 25), look.hu.shape).astype(np.float32) + rng.uniform(-25, 25)
    cut = [int(rng.integers(0, max(1, n // 8))) if rng.random() < 0.4 else 0 for n in hu.shape[1:] for _ in (0, 1)]
    hu = hu[:, cut[0] : hu.shape[1] - cut[1], cut[2] : hu.shape[2] - cut[3]]
    if rng.random() < 0.5:
        hu = hu[:, :, ::-1]
    scale = rng.uniform(0.85, 1.15)
    return replace(
        look, hu=np.ascontiguousarray(hu, np.float32), pixel_mm=(look.pixel_mm[0] * scale, look.pixel_mm[1] * scale)
    )


def _rows_of(scan: Scan, rng: np.random.Generator) -> Iterator[Row]:
    look = look_at(scan.volume)
    body = body_of(look)
    labels = _labels(scan, look, body)
    for copy in range(COPIES):
        seen = look if not copy else _varied(look, rng)
        found = features(seen, body if not copy else body_of(seen))
        real = not copy and not scan.patient.startswith("phantom")
        yield from ((row, label, scan.patient, real) for row, label in zip(found, labels, strict=True) if label)


def _plane_rows(
    plane: NDArray[np.int16], pixel: tuple[float, float], label: str, patient: str, real: bool
) -> Iterator[Row]:
    look = look_at(stack(plane[None], (5.0, *pixel)))
    yield features(look, body_of(look))[0], label, patient, real


def _single_rows() -> Iterator[Row]:
    """Slices that stand alone, and the two forearms that lie beside one abdomen."""
    for name, hu, pixel, _ in single_slices():
        if name.startswith("simple_dicom"):
            yield from _plane_rows(hu, pixel, "abdomen", "cip", True)
        elif "explicit_VR" in name:
            yield from _plane_rows(hu[::-1], pixel, "abdomen", "nih-pancreas", True)
        elif "example_ct_dicom" in name:
            yield from _plane_rows(hu, pixel, "abdomen", "totalseg-dicom", True)
            for side in (hu[:, :82], hu[:, -82:]):
                alone = np.full((256, 256), -1000, np.int16)
                alone[:, 80:162] = side[150:406]
                yield from _plane_rows(alone, pixel, "extremity", "totalseg-dicom", True)


def _made_rows(rng: np.random.Generator) -> Iterator[Row]:
    for part, planes in (("extremity", limbs(rng, 300)), ("none", nothing(rng, 200))):
        for plane in planes:
            yield from _plane_rows(plane.astype(np.int16), (PIXEL, PIXEL), part, f"painted-{part}", False)


def table() -> Table:
    """All rows, seeded."""
    rng = np.random.default_rng(SEED)
    rows: list[Row] = []
    for scans in (real_scans(), phantoms()):
        for scan in scans:
            if "philips-phantom" not in scan.name:  # a shell full of air
                rows += _rows_of(scan, rng)
    rows += [*_single_rows(), *_made_rows(rng)]
    x, part, patient, real = zip(*rows, strict=True)
    return Table(np.asarray(x), np.asarray([PARTS.index(p) for p in part]), np.asarray(patient), np.asarray(real))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Standardisation and coefficients of the multinomial logistic model."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def scores(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip((x - self.mean) / self.scale, -5, 5) @ self.weights.T + self.bias


def fit(data: Table) -> Fitted:
    """Multinomial logistic regression, each part weighing alike and each patient alike within it; L2."""
    mean, scale = data.x.mean(0), data.x.std(0) + 1e-6
    x = np.clip((data.x - mean) / scale, -5, 5)
    keys = np.char.add(data.part.astype(str), data.patient)
    weight = np.zeros(len(x))
    for part in np.unique(data.part):
        of_part = data.part == part
        patients = np.unique(keys[of_part])
        for key in patients:
            weight[keys == key] = 1 / len(patients) / (keys == key).sum()
    weight /= weight.sum()
    truth = np.eye(len(PARTS))[data.part]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        full = flat.reshape(len(PARTS), -1)
        scores = x @ full[:, :-1].T + full[:, -1]
        scores -= scores.max(1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        error = (np.exp(log_p) - truth) * weight[:, None]
        value = -float((weight[:, None] * truth * log_p).sum()) + PENALTY * float((full[:, :-1] ** 2).sum())
        slope = np.concatenate([error.T @ x + 2 * PENALTY * full[:, :-1], error.sum(0)[:, None]], axis=1)
        return value, slope.ravel()

    start = np.zeros(len(PARTS) * (x.shape[1] + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x.reshape(len(PARTS), -1)
    return Fitted(mean, scale, found[:, :-1], found[:, -1])


def _only(data: Table, keep: NDArray[np.bool_]) -> Table:
    return Table(data.x[keep], data.part[keep], data.patient[keep], data.real[keep])


def judged(data: Table, train: Callable[[Table], Fitted] = fit) -> dict[str, object]:
    """Each real patient judged by a model that has not seen them."""
    right: dict[str, dict[str, list[int]]] = {}
    for patient in np.unique(data.patient[data.real]):
        model = train(_only(data, data.patient != patient))
        held = _only(data, (data.patient == patient) & data.real)
        said = model.scores(held.x).argmax(1)
        for part in np.unique(held.part):
            mine = held.part == part
            right.setdefault(PARTS[part], {})[str(patient)] = [int((said[mine] == part).sum()), int(mine.sum())]
            wrong = {PARTS[k]: int(((said == k) & mine).sum()) for k in np.unique(said[mine]) if k != part}
            if wrong:
                print(f"{patient}: {PARTS[part]} taken for {wrong}")
    return {part: {"patients": len(p), "slices": sum(n for _, n in p.values()),
                   "right": sum(k for k, _ in p.values()), "interval_95": _wilson(p), "by_patient": p}
            for part, p in right.items()}  # fmt: skip


def _wilson(patients: dict[str, list[int]]) -> list[float]:
    """Wilson's interval over patients, not slices: a patient counts as right where most of their slices are."""
    n, k, z = len(patients), sum(right > total / 2 for right, total in patients.values()), 1.96
    middle, half = (k + z * z / 2) / (n + z * z), z * sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return [round(max(0.0, middle - half), 3), round(min(1.0, middle + half), 3)]


def write(model: Fitted) -> None:
    """The coefficients, beside the code that reads them."""
    lines = ["# The classifier of body parts: written by `make fit-quality` (training/quality/fit.py), not by hand.",
             "# Score of a part = bias + sum of weight * (feature - mean) / scale, within -5..5."]  # fmt: skip
    for name, values in (("mean", model.mean), ("scale", model.scale)):
        lines += ["", f"[{name}]", *(f"{key} = {value:.6g}" for key, value in zip(FEATURES, values, strict=True))]
    for part, weights, bias in zip(PARTS, model.weights, model.bias, strict=True):
        lines += ["", f"[{part}]", f"bias = {bias:.6g}"]
        lines += [f"{key} = {value:.6g}" for key, value in zip(FEATURES, weights, strict=True)]
    PARAMETERS.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Fit on all, judge by patients left out."""
    data = table()
    figures = judged(data)
    write(fit(data))
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    for part, row in figures.items():
        print(part, {k: v for k, v in row.items() if k != "by_patient"})  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
