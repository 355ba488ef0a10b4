"""Judges the nets on patients they never saw, on real slices in HU, and on phantoms; writes figures.json."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from data import LoneSlice, ct_ich, data_folder, dicom_head, lone_slices, patients
from export import FOLDER, OUTPUTS
from figures import Scores, Truth, auc, auc_interval, calibrated, dice, platt, rates, share_interval
from net import Reader, reader_of
from numpy.typing import NDArray
from phantom_trials import trials
from pool import RUNS
from train import FOLDS, fold_of

from streams.reading.tensors import head_slabs

Answer = tuple[NDArray[np.float32], NDArray[np.float32], float]
Read = Callable[[NDArray[np.uint8]], Answer]
Judged = dict[int, tuple[Truth, Scores, float]]
TARGET_SPECIFICITY = 0.8  # a call only shortens a wait: what it misses costs more than what it hastens in vain


def by_torch(reader: Reader, tensor: NDArray[np.uint8]) -> Answer:
    """Slice logits, mask, study logit by a fold's net."""
    with torch.inference_mode():
        slices, mask, study = reader(torch.from_numpy(np.ascontiguousarray(tensor)))
    return slices.numpy(), mask.numpy(), float(study)


def by_onnx() -> Read:
    """The shipped model as a function."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(FOLDER / "1/model.onnx"), options, providers=["CPUExecutionProvider"])

    def read(tensor: NDArray[np.uint8]) -> Answer:
        slices, mask, study = session.run(OUTPUTS, {"HEAD": np.ascontiguousarray(tensor)})
        return slices, mask, float(study[0])

    return read


def unseen() -> Judged:
    """Per patient: slice truth, slice logits, study logit, by the net that never saw the patient."""
    out: Judged = {}
    folds = fold_of(patients())
    for fold in range(FOLDS):
        reader = reader_of([RUNS / f"fold{fold}.pt"])
        for number in (n for n, f in folds.items() if f == fold):
            head = ct_ich(number)  # made anew: as the product makes them
            slices, _, study = by_torch(reader, head.slabs.tensor)
            out[number] = (head.bleeds, slices.astype(np.float64), study)
    return out


def cross_validated(judged: Judged) -> tuple[dict[str, object], tuple[float, float], float]:
    """Figures on CT-ICH, the calibration, and the threshold on the calibrated probability."""
    truth = np.asarray([bool(t.any()) for t, _, _ in judged.values()])
    study = np.asarray([s for _, _, s in judged.values()])
    scale = platt(truth, study)
    chance = calibrated(study, scale)
    allowed = int((1 - TARGET_SPECIFICITY) * (~truth).sum() + 1e-9)  # false alarms among those without a bleed
    threshold = round(float(np.sort(chance[~truth])[::-1][allowed]) + 0.005, 2)
    per_patient = [(np.asarray([t]), np.asarray([s])) for t, s in zip(truth, study, strict=True)]
    per_slice = [(t, s) for t, s, _ in judged.values()]
    pointed = [_near_top(t, s) for t, s, _ in judged.values() if t.any()]
    figures: dict[str, object] = {
        "patients": len(truth), "with_bleed": int(truth.sum()), "slices": sum(len(t) for t, _ in per_slice),
        "patient_auc": _with_interval(auc(truth, study), auc_interval(per_patient)),
        "slice_auc": _with_interval(auc(*_joined(per_slice)), auc_interval(per_slice, 500)),
        "top_slice_at_a_labelled_one": [sum(pointed), len(pointed)],
        "at_threshold": rates(truth, chance >= threshold), "at_one_half": rates(truth, chance >= 0.5),
        "study_scores": {str(n): [int(t.any()), round(s, 3)] for n, (t, _, s) in sorted(judged.items())},
    }  # fmt: skip
    return figures, scale, threshold


def _near_top(truth: Truth, score: Scores) -> bool:
    """Whether the highest slice or a neighbour of it is a labelled one."""
    top = int(score.argmax())
    return bool(truth[max(0, top - 1) : top + 2].any())


def _joined(groups: list[tuple[Truth, Scores]]) -> tuple[Truth, Scores]:
    return np.concatenate([t for t, _ in groups]), np.concatenate([s for _, s in groups])


def _with_interval(value: float, interval: tuple[float, float]) -> dict[str, object]:
    return {"value": round(value, 3), "interval": [round(v, 3) for v in interval]}


def real_slices(read: Read, study_threshold: float) -> dict[str, object]:
    """BHSD: single real slices with a bleed, in HU, each as its own neighbours. Nothing was trained on them."""
    called, overlaps, missed = 0, [], 0
    for lone in lone_slices():
        try:
            got = _lone(read, lone)
        except ValueError:
            missed += 1
            continue
        called += got[0] >= study_threshold
        overlaps.append(got[1])
    count = len(overlaps)
    return {
        "slices": count, "no_brain_found": missed, "called": int(called),
        "share_called_interval": [round(v, 3) for v in share_interval(int(called), count)],
        "dice_median": round(float(np.median(overlaps)), 3), "dice_mean": round(float(np.mean(overlaps)), 3),
    }  # fmt: skip


def _lone(read: Read, lone: LoneSlice) -> tuple[float, float]:
    """A lone slice's score and its mask's overlap; pixel size is not known, 0.47 mm is usual for heads."""
    stack = np.repeat(lone.hu[None], 25, axis=0)
    slabs = head_slabs(stack, (5.0, 0.47, 0.47), np.arange(25) * 5.0)
    slices, mask, _ = read(slabs.tensor[11:14])
    found = slabs.mask_to_source(np.repeat(mask[1:2], len(slabs.tensor), axis=0))[12]
    return float(slices[1]), dice(found, lone.mask)


def real_heads(read: Read, chance: Callable[[float], float]) -> dict[str, object]:
    """The GE head (no bleed known): what the shipped model says, and in what time."""
    hu, spacing, places = dicom_head(data_folder() / "dcm_qa_ct/In/GE")
    start = time.perf_counter()
    slabs = head_slabs(hu, spacing, places)
    between = time.perf_counter()
    slices, mask, study = read(slabs.tensor)
    return {
        "probability": round(chance(study), 3), "highest_slice_logit": round(float(slices.max()), 2),
        "mask_ml": round(slabs.volume_ml(mask), 2), "tensors_s": round(between - start, 2),
        "model_s": round(time.perf_counter() - between, 2), "slabs": len(slabs.tensor),
    }  # fmt: skip


def set_in_contract(threshold: float, scale: tuple[float, float]) -> None:
    """Writes threshold and calibration into the model's contract.toml."""
    path = FOLDER / "contract.toml"
    text = re.sub(r"(?m)^threshold = [-.0-9]+", f"threshold = {threshold}", path.read_text())
    numbers = f"a = {scale[0]:.4f}, b = {scale[1]:.4f}"
    path.write_text(re.sub(r"a = [-.0-9]+, b = [-.0-9]+", numbers, text))


def main() -> None:
    """Writes figures.json beside this file, and threshold and calibration into contract.toml."""
    figures, scale, threshold = cross_validated(unseen())
    read = by_onnx()

    def chance(score: float) -> float:
        return float(calibrated(np.asarray(score), scale))

    line = (np.log(threshold / (1 - threshold)) - scale[1]) / scale[0]
    out = {
        "calibration": [round(v, 4) for v in scale], "threshold": threshold, "ct_ich_cross_validated": figures,
        "bhsd_real_slices": real_slices(read, float(line)), "ge_head": real_heads(read, chance),
        "phantoms": trials(read, chance, threshold),
    }  # fmt: skip
    Path(__file__).with_name("figures.json").write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps({k: v for k, v in out.items() if k != "phantoms"}, indent=1))
    set_in_contract(threshold, scale)


if __name__ == "__main__":
    main()
