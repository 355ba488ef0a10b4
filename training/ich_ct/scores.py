"""Every judged case of ich_ct as rows: scores, groups, strata and masks; judge.py and cases.py make figures of them.

A score is what the model says before calibration (a log-odds).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from context import Seen, fit, unseen_scores
from data import lone_slices, patients
from export import FOLDER, OUTPUTS
from heads import RealHead, of_thickness, real_heads
from keeping import kept
from net import PLAIN_READER, Reader, nets_of
from numpy.typing import NDArray
from pool import RUNS
from train import FOLDS, fold_of, unseen_net

from streams.reading.tensors import HeadSlabs, NoAnatomy, head_slabs

Answer = tuple[NDArray[np.float32], NDArray[np.float32], float]
Read = Callable[[NDArray[np.uint8]], Answer]
UNSEEN = Path(__file__).with_name("unseen.json")
LONE_MM = 0.47  # BHSD gives no pixel size; this is usual for heads
LONE_STACKS = (11, 25)
LEAST_LONE_MM2 = 3000
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
    """Per CT-ICH patient what the net says that never saw the patient."""
    folds = fold_of(patients())
    out: dict[int, Seen] = {}
    for fold in range(FOLDS):
        weights = unseen_net(fold)
        reader = Reader(nets_of([weights]), PLAIN_READER).eval()
        for number in (n for n, f in folds.items() if f == fold):
            out[number] = _kept(number, fold, reader, weights.stat().st_mtime)
    return dict(sorted(out.items()))


def _kept(number: int, fold: int, reader: Reader, since: float) -> Seen:
    """From runs/ where it is newer than the weights, else read anew."""
    path = RUNS / f"seen_{number:03d}.npz"
    if not path.exists() or path.stat().st_mtime < since:
        tensor, labels = slabs_and_labels(number)
        with torch.inference_mode():
            scores, masks, inside = (t.numpy() for t in reader.seen(torch.from_numpy(tensor)))
        np.savez(path, scores=scores, inside=inside, labels=labels, masks=masks.astype(np.float16))
    with np.load(path) as found:
        return Seen(found["scores"], found["inside"], found["labels"].any(1), fold)


def slabs_and_labels(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A CT-ICH head's tensor and its slices' labels, as the pool holds them (made by the product's function)."""
    with np.load(RUNS / f"head_{number:03d}.npz") as pool:
        return pool["tensor"], pool["labels"]


def ct_ich_cases() -> list[Scored]:
    """Studies and slices of CT-ICH, each scored by nets and heads that were fitted without the patient.

    Where the nets of the folds are not here (runs/ is not committed), as unseen.json has kept it.
    """
    if all(unseen_net(fold).exists() for fold in range(FOLDS)):
        seen = seen_by_unseen()
        rows = {
            f"{number:03d}": [
                [bool(seen[number].bleeds.any()), round(study, 4)],
                [
                    [bool(truth), round(float(score), 4)]
                    for truth, score in zip(seen[number].bleeds, slices, strict=True)
                ],
            ]
            for number, (slices, study) in unseen_scores(seen, fit).items()
        }
        lines = ",\n".join(f"{json.dumps(who)}: {json.dumps(row)}" for who, row in rows.items())
        UNSEEN.write_text(f"{{\n{lines}\n}}\n")
    return list(_rows())


def _rows() -> Iterator[Scored]:
    for who, ((bleeds, study), slices) in json.loads(UNSEEN.read_text()).items():
        yield Scored("ct_ich_study", who, who, "a bleed" if bleeds else "none", bleeds, study)
        for k, (truth, score) in enumerate(slices):
            yield Scored("ct_ich_slice", f"{who} slice {k + 1}", who, "a bleed" if truth else "none", truth, score)


@dataclass(frozen=True, slots=True)
class Lone:
    """A single slice given as its own neighbours: its slabs (three are enough, all are equal), and its truth."""

    name: str
    group: str
    stratum: str
    slabs: HeadSlabs
    mask: NDArray[np.bool_] | None
    grey: NDArray[np.uint8]


def lone_slabs(hu: NDArray[np.float32], pixel_mm: float) -> HeadSlabs:
    """A slice `[y, x]` as a stack of itself, high enough to be taken for a head; ValueError where no brain is found."""
    for count in LONE_STACKS:
        stack = np.repeat(hu[None], count, axis=0)
        try:
            slabs = head_slabs(stack, (5.0, pixel_mm, pixel_mm), np.arange(count) * 5.0)
        except NoAnatomy:
            continue
        middle = slice(count // 2 - 1, count // 2 + 2)
        return replace(
            slabs, tensor=slabs.tensor[middle].copy(), source_index=np.arange(3), origin_mm=slabs.origin_mm[middle],
            members=np.asarray([[k, k + 1] for k in range(3)]), slab_mm=slabs.slab_mm[middle],
            source_shape=(3, *slabs.source_shape[1:]),
        )  # fmt: skip
    raise NoAnatomy("No brain was found in the slice.")


def lone() -> list[Lone]:
    """BHSD's 72 slices with a bleed, and slices of the bleed-free real heads in the same way (5 mm)."""
    out = []
    for one in lone_slices():
        kind = BHSD_KINDS.get(one.subtype, "not known")
        slabs = lone_slabs(one.hu, LONE_MM)
        out.append(Lone(one.name, one.name, kind, slabs, one.mask, one.hu.astype(np.uint8)))
    for head in real_heads():
        for k, (hu, mm) in enumerate(_clear_slices(head)):
            try:
                slabs = lone_slabs(hu, mm)
            except NoAnatomy:  # alone it is not taken for a head: the model would not be asked
                continue
            out.append(Lone(f"{head.name} {k}", head.name, "none", slabs, None, hu.astype(np.uint8)))
    return out


def _clear_slices(head: RealHead) -> Iterator[tuple[NDArray[np.float32], float]]:
    """The head's slices of about 5 mm with some brain, clipped as BHSD's are (0..255)."""
    thick = head if head.name == "GE head" else of_thickness(head, 5.0)
    inside = thick.slabs().tensor[:, 3].sum((1, 2), dtype=np.int64) / 255
    for plane, area in zip(thick.hu, inside, strict=True):
        if area >= LEAST_LONE_MM2:
            yield np.clip(plane, 0, 255), thick.spacing[1]


def lone_cases(read: Read) -> Iterator[tuple[Scored, Drawn | None]]:
    """Each lone slice's score, and for those with a drawn bleed both masks."""
    for one in kept("lone slices", lone):
        slices, mask, _ = read(one.slabs.tensor)
        scored = Scored("lone_slice", one.name, one.group, one.stratum, one.mask is not None, float(slices[1]))
        drawn = None
        if one.mask is not None:
            found = one.slabs.mask_to_source(mask)[1]
            drawn = Drawn("lone_slice", one.name, one.group, one.stratum, one.mask, found, (LONE_MM, LONE_MM))
        yield scored, drawn
