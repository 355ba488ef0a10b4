"""Every judged case of ich_ct as rows: scores, groups, strata and masks; judge.py and cases.py make figures of them.

A score is what the model says before calibration (a log-odds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from context import Seen, fit, unseen_scores
from data import ct_ich, lone_slices, patients
from export import FOLDER, OUTPUTS
from heads import RealHead, of_thickness, real_heads
from net import PLAIN_READER, Reader, nets_of
from numpy.typing import NDArray
from pool import RUNS
from train import FOLDS, fold_of

from streams.reading.tensors import HeadSlabs, head_slabs

Answer = tuple[NDArray[np.float32], NDArray[np.float32], float]
Read = Callable[[NDArray[np.uint8]], Answer]
LONE_MM = 0.47  # BHSD gives no pixel size; this is usual for heads
LONE_STACK = 25
BHSD_KINDS = {1: "epidural", 2: "parenchymal", 3: "ventricular", 4: "subarachnoid", 5: "subdural", 9: "not known"}


@dataclass(frozen=True, slots=True)
class Scored:
    """One judged row.

    table: what it belongs to: "ct_ich_study", "ct_ich_slice" (out of fold), "lone_slice" (BHSD, and slices of
        bleed-free heads as negatives: other heads, other scanners than the positives).
    name: of the case. group: the patient (bootstrap draws groups). stratum: kind of bleed or "none".
    label: whether there is a bleed. score: log-odds before calibration.
    """

    table: str
    name: str
    group: str
    stratum: str
    label: bool
    score: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn mask and the model's on the same pixels `[y, x]` or `[z, y, x]`; mm of a voxel."""

    table: str
    name: str
    group: str
    stratum: str
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    spacing: tuple[float, ...]


def by_onnx() -> Read:
    """The shipped model as a function of a head's tensor: slice logits, mask, study logit."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(FOLDER / "1/model.onnx"), options, providers=["CPUExecutionProvider"])

    def read(tensor: NDArray[np.uint8]) -> Answer:
        slices, mask, study = session.run(OUTPUTS, {"HEAD": np.ascontiguousarray(tensor)})
        return slices, mask, float(study[0])

    return read


def seen_by_unseen() -> dict[int, Seen]:
    """Per CT-ICH patient what the net says that never saw the patient; kept in runs/ beside the weights."""
    folds = fold_of(patients())
    out: dict[int, Seen] = {}
    for fold in range(FOLDS):
        weights = RUNS / f"fold{fold}.pt"
        if not weights.exists():
            continue
        reader = Reader(nets_of([weights]), PLAIN_READER).eval()
        for number in (n for n, f in folds.items() if f == fold):
            out[number] = _kept(number, fold, reader, weights.stat().st_mtime)
    return dict(sorted(out.items()))


def _kept(number: int, fold: int, reader: Reader, since: float) -> Seen:
    """From runs/ where it is newer than the weights, else read anew, from slabs made as the product makes them."""
    path = RUNS / f"seen_{number:03d}.npz"
    if not path.exists() or path.stat().st_mtime < since:
        head = ct_ich(number)
        with torch.inference_mode():
            lone, masks, inside = (t.numpy() for t in reader.seen(torch.from_numpy(head.slabs.tensor)))
        marked = (masks > 0).sum((1, 2)).astype(np.float32)
        np.savez(path, lone=lone, inside=inside, marked=marked, labels=head.labels)
    with np.load(path) as kept:
        return Seen(kept["lone"], kept["inside"], kept["marked"], kept["labels"].any(1), fold)


def ct_ich_cases() -> list[Scored]:
    """Studies and slices of CT-ICH, each scored by nets and heads that were fitted without the patient."""
    seen = seen_by_unseen()
    out = []
    for number, (slices, study) in unseen_scores(seen, fit).items():
        bleeds = seen[number].bleeds
        who, kind = f"{number:03d}", "a bleed" if bleeds.any() else "none"
        out.append(Scored("ct_ich_study", who, who, kind, bool(bleeds.any()), study))
        for k, (truth, score) in enumerate(zip(bleeds, slices, strict=True)):
            named = f"{who} slice {k + 1}"
            out.append(Scored("ct_ich_slice", named, who, "a bleed" if truth else "none", bool(truth), float(score)))
    return out


def lone_slabs(hu: NDArray[np.float32], pixel_mm: float = LONE_MM) -> HeadSlabs:
    """A single slice `[y, x]` given as its own neighbours."""
    stack = np.repeat(hu[None], LONE_STACK, axis=0)
    return head_slabs(stack, (5.0, pixel_mm, pixel_mm), np.arange(LONE_STACK) * 5.0)


def read_lone(read: Read, hu: NDArray[np.float32], pixel_mm: float = LONE_MM) -> tuple[float, NDArray[np.bool_]]:
    """A lone slice's score and the mask on its pixels; ValueError where no brain is found."""
    slabs = lone_slabs(hu, pixel_mm)
    middle = LONE_STACK // 2
    slices, mask, _ = read(slabs.tensor[middle - 2 : middle + 3])
    found = slabs.mask_to_source(np.repeat(mask[2:3], LONE_STACK, axis=0))[middle]
    return float(slices[2]), found


def lone_cases(read: Read) -> Iterator[tuple[Scored, Drawn | None]]:
    """BHSD's 72 slices with a bleed, and slices of the bleed-free real heads in the same way (5 mm)."""
    for lone in lone_slices():
        score, found = read_lone(read, lone.hu)
        kind = BHSD_KINDS.get(lone.subtype, "not known")
        case = Scored("lone_slice", lone.name, lone.name, kind, label=True, score=score)
        yield case, Drawn("lone_slice", lone.name, lone.name, kind, lone.mask, found, (LONE_MM, LONE_MM))
    for head in real_heads():
        for k, (hu, mm) in enumerate(_clear_slices(head)):
            score, _ = read_lone(read, hu, mm)
            yield Scored("lone_slice", f"{head.name} {k}", head.name, "none", label=False, score=score), None


def _clear_slices(head: RealHead) -> Iterator[tuple[NDArray[np.float32], float]]:
    """The head's slices of about 5 mm with some brain, clipped as BHSD's are (0..255)."""
    thick = head if head.name == "GE head" else of_thickness(head, 5.0)
    inside = thick.slabs().tensor[:, 3].sum((1, 2), dtype=np.int64) / 255
    for plane, area in zip(thick.hu, inside, strict=True):
        if area >= 3000:
            yield np.clip(plane, 0, 255), thick.spacing[1]
