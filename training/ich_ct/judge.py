"""Judges the nets on patients they never saw, on real slices and heads in HU, and on phantoms; writes figures.json."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from context import plain, unseen_scores
from export import FOLDER
from figures import Scores, Truth, auc, auc_interval, calibrated, dice, platt, rates
from heads import RealHead, real_heads
from phantom_trials import trials
from scores import Read, by_onnx, ct_ich_cases, lone_cases, seen_by_unseen
from trials import VolumeRow, volumes

SENSITIVITY = 0.9  # what the threshold is chosen for
LEAST_SPECIFICITY = 0.6  # under this a call says so little that the threshold is chosen by specificity
OTHER_SPECIFICITY = 0.8
SLICE_SPECIFICITY = 0.9
LARGE_ML, ALLOWED_BIAS = 5.0, 0.10
FIGURES = Path(__file__).with_name("figures.json")
Chance = Callable[[float], float]


def threshold_of(truth: Truth, score: Scores) -> tuple[float, str]:
    """The score from which a study is called, and the rule that gave it."""
    wanted = int(np.ceil(SENSITIVITY * truth.sum() - 1e-9))
    line = float(np.sort(score[truth])[::-1][wanted - 1]) - 1e-6
    if (score[~truth] < line).mean() >= LEAST_SPECIFICITY:
        return line, f"highest with a sensitivity of {SENSITIVITY} or more"
    allowed = int((1 - OTHER_SPECIFICITY) * (~truth).sum() + 1e-9)
    return float(np.sort(score[~truth])[::-1][allowed]) + 1e-6, f"lowest with a specificity of {OTHER_SPECIFICITY}"


def left_out_calls(truth: Truth, score: Scores) -> Truth:
    """Each patient called by the threshold that the other patients give: not flattered by the choice."""
    called = []
    for k in range(len(truth)):
        rest = np.arange(len(truth)) != k
        called.append(score[k] >= threshold_of(truth[rest], score[rest])[0])
    return np.asarray(called)


def with_interval(value: float, interval: tuple[float, float]) -> dict[str, object]:
    """As figures.json holds it."""
    return {"value": round(value, 3), "interval": [round(v, 3) for v in interval]}


def cross_validated() -> tuple[dict[str, object], tuple[float, float], float, float]:
    """Figures on CT-ICH, the calibration, the threshold on the calibrated probability, a line for slices."""
    cases = ct_ich_cases()
    studies = [c for c in cases if c.table == "ct_ich_study"]
    truth, study = np.asarray([c.label for c in studies]), np.asarray([c.score for c in studies])
    slices: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for case in (c for c in cases if c.table == "ct_ich_slice"):
        slices[case.group].append((case.label, case.score))
    groups = [(np.asarray([t for t, _ in rows]), np.asarray([s for _, s in rows])) for rows in slices.values()]
    every = np.concatenate([t for t, _ in groups]), np.concatenate([s for _, s in groups])
    scale = platt(truth, study)
    line, rule = threshold_of(truth, study)
    near = float(calibrated(np.asarray(line), scale)) * 1000
    threshold = float(np.floor(near) if rule.startswith("highest") else np.ceil(near)) / 1000
    chance = calibrated(study, scale)
    pointed = [_near_top(t, s) for t, s in groups if t.any()]
    slice_line = float(np.quantile(every[1][~every[0]], SLICE_SPECIFICITY))
    figures: dict[str, object] = {
        "patients": len(truth), "with_bleed": int(truth.sum()), "slices": len(every[0]),
        "patient_auc": with_interval(auc(truth, study), auc_interval(_ones(truth, study))),
        "slice_auc": with_interval(auc(*every), auc_interval(groups, 500)),
        "top_slice_at_a_labelled_one": [sum(pointed), len(pointed)],
        "threshold_rule": rule, "at_threshold": rates(truth, chance >= threshold),
        "threshold_by_the_other_patients": rates(truth, left_out_calls(truth, study)),
        "at_one_half": rates(truth, chance >= 0.5),
        "slices_at_line": rates(every[0], every[1] >= slice_line),
        "without_the_fitted_head": _plain_figures(),
        "study_scores": {c.name: [int(c.label), round(c.score, 3)] for c in studies},
    }  # fmt: skip
    return figures, scale, threshold, slice_line


def _ones(truth: Truth, score: Scores) -> list[tuple[Truth, Scores]]:
    return [(np.asarray([t]), np.asarray([s])) for t, s in zip(truth, score, strict=True)]


def _plain_figures() -> dict[str, object]:
    """The same areas where slices are only smoothed and the study is the mean of its two highest."""
    seen = seen_by_unseen()
    scores = unseen_scores(seen, plain)
    truth = np.asarray([bool(s.bleeds.any()) for s in seen.values()])
    study = np.asarray([scores[n][1] for n in seen])
    bleeds = np.concatenate([s.bleeds for s in seen.values()])
    return {
        "patient_auc": round(auc(truth, study), 3),
        "slice_auc": round(auc(bleeds, np.concatenate([scores[n][0] for n in seen])), 3),
    }


def _near_top(truth: Truth, score: Scores) -> bool:
    """Whether the highest slice or a neighbour of it is a labelled one."""
    top = int(score.argmax())
    return bool(truth[max(0, top - 1) : top + 2].any())


def lone_figures(read: Read, slice_line: float) -> dict[str, object]:
    """BHSD's single real slices in HU against slices of other, bleed-free heads. Nothing was trained on either."""
    rows = list(lone_cases(read))
    truth, score = np.asarray([c.label for c, _ in rows]), np.asarray([c.score for c, _ in rows])
    overlaps = {c.name: (c.stratum, dice(m.truth, m.found)) for c, m in rows if m is not None}
    values = [v for _, v in overlaps.values()]
    groups: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for case, _ in rows:
        groups[case.group].append((case.label, case.score))
    kinds = {}
    for kind in sorted({c.stratum for c, _ in rows if c.label}):
        of_kind = [c.score >= slice_line for c, _ in rows if c.stratum == kind]
        kind_dice = [v for k, v in overlaps.values() if k == kind]
        kinds[kind] = {
            "called": int(sum(of_kind)),
            "of": len(of_kind),
            "dice_median": round(float(np.median(kind_dice)), 3),
        }
    arrays = [(np.asarray([t for t, _ in g]), np.asarray([s for _, s in g])) for g in groups.values()]
    return {
        "slices_with": int(truth.sum()), "slices_without": int((~truth).sum()),
        "heads_without": sorted({c.group for c, _ in rows if not c.label}),
        "slice_auc": with_interval(auc(truth, score), auc_interval(arrays, 1000)),
        "at_slice_line": rates(truth, score >= slice_line), "slice_line": round(slice_line, 3),
        "dice_median": round(float(np.median(values)), 3), "dice_mean": round(float(np.mean(values)), 3),
        "by_kind": kinds,
    }  # fmt: skip


def clear_heads(read: Read, chance: Chance, threshold: float) -> list[dict[str, object]]:
    """The real heads without a known bleed: what the shipped model says of them, and in what time."""
    return [_clear_head(read, head, chance, threshold) for head in real_heads()]


def _clear_head(read: Read, head: RealHead, chance: Chance, threshold: float) -> dict[str, object]:
    start = time.perf_counter()
    slabs = head.slabs()
    between = time.perf_counter()
    slices, mask, study = read(slabs.tensor)
    return {
        "head": head.name, "probability": round(chance(study), 3), "called": chance(study) >= threshold,
        "highest_slice_logit": round(float(slices.max()), 2), "mask_ml": round(slabs.volume_ml(mask), 2),
        "tensors_s": round(between - start, 2), "model_s": round(time.perf_counter() - between, 2),
        "slabs": len(slabs.tensor),
    }  # fmt: skip


def volume_figures(rows: list[VolumeRow], empty: list[float]) -> dict[str, object]:
    """Bias and spread of the marked volume, and whether they allow it to be told."""
    large = [r for r in rows if r.true_ml >= LARGE_ML * 0.98]
    off = np.asarray([(r.with_ml - r.true_ml) / r.true_ml for r in large])
    by_way = {w: round(float(np.mean([o for o, r in zip(off, large, strict=True) if r.way == w])), 3)
              for w in sorted({r.way for r in large})}  # fmt: skip
    allowed = abs(float(off.mean())) <= ALLOWED_BIAS and max(empty) <= 1.0
    return {
        "inserted": len(rows), "of_5_ml_or_more": len(large), "bias": round(float(off.mean()), 3),
        "bias_by_way": by_way, "spread": round(float(off.std()), 3),
        "limits_of_agreement": [round(float(v), 3) for v in np.percentile(off, [2.5, 97.5])],
        "empty_heads_ml": [round(v, 2) for v in empty], "told": bool(allowed),
        "rows": [[r.case, r.way, round(r.true_ml, 1), round(r.with_ml, 1), round(r.slice_logit, 2), round(r.dice, 2)]
                 for r in rows],
    }  # fmt: skip


def set_in_contract(threshold: float, scale: tuple[float, float]) -> None:
    """Writes threshold and calibration into the model's contract.toml."""
    path = FOLDER / "contract.toml"
    text = re.sub(r"(?m)^threshold = [-.0-9]+", f"threshold = {threshold}", path.read_text())
    numbers = f"a = {scale[0]:.4f}, b = {scale[1]:.4f}"
    path.write_text(re.sub(r"a = [-.0-9]+, b = [-.0-9]+", numbers, text))


def main() -> None:
    """Writes figures.json beside this file, and threshold and calibration into contract.toml."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="cross-validation only; nothing is written")
    quick = parser.parse_args().quick
    figures, scale, threshold, slice_line = cross_validated()
    if quick:
        print(json.dumps(figures, indent=1))
        return
    read = by_onnx()

    def chance(score: float) -> float:
        return float(calibrated(np.asarray(score), scale))

    clear = clear_heads(read, chance, threshold)
    out = {
        "calibration": [round(v, 4) for v in scale], "threshold": threshold, "ct_ich_cross_validated": figures,
        "bhsd_real_slices": lone_figures(read, slice_line), "clear_heads": clear,
        "volumes": volume_figures(list(volumes(read)), [float(str(c["mask_ml"])) for c in clear]),
        "phantoms": trials(read, chance, threshold),
    }  # fmt: skip
    FIGURES.write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps({k: v for k, v in out.items() if k not in {"phantoms", "volumes"}}, indent=1))
    set_in_contract(threshold, scale)


if __name__ == "__main__":
    main()
