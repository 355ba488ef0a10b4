"""A model tried on a phantom and on DICOM at hand, in a process of its own: what a card cannot know beforehand."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from streams.adapters.contract_files import WEIGHTS, ModelFolder
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.importing.bringing import check_canary
from streams.adapters.importing.folders import check_answer
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.onnx_trial import Bench, Part, Trial
from streams.contract import Contract, TensorSpec
from streams.errors import ModelRefused, NotReadable, SetAside
from streams.events.reading import ReadingRequested
from streams.findings.step import calibrated
from streams.phantom.cases import Case
from streams.phantom.writing import write_case
from streams.ports import Tensor
from streams.reading.answers import Answered
from streams.reading.functions import ANSWERS
from streams.reading.tensors import NoAnatomy
from streams.runtime.inference.preparing import NUMERICAL, Preparing, Ready
from streams.runtime.models.at_hand import at_hand, request

PHANTOMS = {
    "head": Case(1, "head", "head", "routine", 11, "ge", "intraparenchymal", 30.0),
    "chest": Case(2, "chest", "chest", "routine", 11, "siemens", nodules_mm=(9.0,)),
    "breast": Case(3, "mammogram", "mammogram", "routine", 11, "ge"),
}
"""By the body part that a contract needs."""
LONGEST_S = 900.0
TELL_EACH_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One series read by a model.

    Attributes:
        series: what it is, for a person: no identity.
        ok: whether the contract held; says: the sentence, of a fault or of the answer.
        seconds: of the model, on one core; pixels_seconds: of all before it. megabytes: of its process, at most.
    """

    series: str
    ok: bool
    says: str
    seconds: float = 0.0
    pixels_seconds: float = 0.0
    megabytes: int = 0
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a check goes.

    Attributes:
        seconds: for all of it; what is not done by then is not tried, and told.
        parts: calls of the model that each series gets at most; None: all that it takes. Fewer than that tell seconds,
            memory and shapes, and no answer.
    """

    seconds: float = LONGEST_S
    parts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A model under trial.

    Attributes:
        model: the folder.
        bench: where it runs.
        parts: see Bounds.
        until: monotonic seconds; nothing is begun after them.
        tell: is given a line for a person who waits.
    """

    model: ModelFolder
    bench: Bench
    parts: int | None
    until: float
    tell: Callable[[str], None]

    def bench_for(self, name: str) -> Bench:
        """The bench for a trial: it ends in time, and tells how far the trial is."""
        last = time.monotonic()

        def heard(part: Part) -> None:
            nonlocal last
            if part.of > 1 and time.monotonic() - last > TELL_EACH_S:
                last = time.monotonic()
                left = (part.of - part.part) * part.seconds
                more = f", some {left:.0f} s more" if left > 1 else ""
                self.tell(f"{name}: part {part.part} of {part.of}, {part.seconds:.1f} s{more}")

        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise ModelRefused("not tried: the time is over; `--seconds` gives more")
        return replace(self.bench, timeout_s=left_s, heard=heard)


def checked(
    model: ModelFolder,
    bench: Bench,
    dicom: Path | None = None,
    bounds: Bounds | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> list[Tried]:
    """The canary, a phantom, and each series of a folder that the model's needs take.

    Nothing raises: what does not hold is told in its line.
    """
    bounds = bounds or Bounds()
    check = Check(model=model, bench=bench, parts=bounds.parts, until=time.monotonic() + bounds.seconds, tell=tell)
    tell("canary")
    told = [_canary(check)]
    with tempfile.TemporaryDirectory(prefix="wetread-check-") as scratch:
        phantom = PHANTOMS.get(model.contract.needs.body_part)
        if phantom is not None:
            write_case(phantom, Path(scratch) / "phantom")
            told += asyncio.run(_folder(check, Path(scratch) / "phantom", Path(scratch) / "a", "phantom"))
        if dicom is not None:
            told += asyncio.run(_folder(check, dicom, Path(scratch) / "b", "series"))
    return told


def _canary(check: Check) -> Tried:
    canary, path = check.model.contract.canary, check.model.path
    if canary is None:
        return Tried(
            series="canary", ok=False, says="it has no known answer, so nobody notices when it answers wrongly"
        )
    try:
        off = check_canary(path, canary.file, canary.output, canary.tolerance, check.bench_for("canary"))
    except ModelRefused as fault:
        return Tried(series="canary", ok=False, says=str(fault))
    return Tried(series="canary", ok=True, says=f"answered within {off:.2g} of the known answer")


async def _folder(check: Check, folder: Path, scratch: Path, what: str) -> list[Tried]:
    contract, objects = check.model.contract, ObjectFolder(scratch, reserve=0)
    found = at_hand(folder, objects)
    told = [Tried(series="files", ok=bool(found.series), says=found.said)] if found.said else []
    if not found.series:
        return told
    wanted = [s for s in found.series if s.facts.modality in contract.needs.modality]
    if not wanted:
        seen = ", ".join(sorted({s.facts.modality or "no modality" for s in found.series}))
        read = "/".join(contract.needs.modality)
        return [*told, Tried(series=what, ok=False, says=f"no series of {read} is there, only of {seen}")]
    if contract.needs.views:
        wanted = wanted[:1]
    async with DicomPixels(objects, children=1) as pixels:
        preparing = Preparing(objects, pixels)
        for number, series in enumerate(wanted, 1):
            name = f"{what} {number}: {series.named}"
            check.tell(f"{name} ({number} of {len(wanted)})" if len(wanted) > 1 else name)
            told.append(await _one(check, preparing, request(series, found.series, contract, objects), name))
    return told


async def _one(check: Check, preparing: Preparing, asked: ReadingRequested, name: str) -> Tried:
    began = time.monotonic()
    try:
        bench = check.bench_for(name)
        ready = await preparing.ready(asked, check.model.contract)
        pixels = time.monotonic() - began
        trial = await asyncio.to_thread(
            _asked, check, replace(bench, timeout_s=max(1.0, bench.timeout_s - pixels)), ready
        )
        answered = _meant(check.model.contract, trial, ready) if trial.parts == trial.of else None
    except (NotReadable, NoAnatomy, SetAside, ModelRefused) as fault:
        return Tried(series=name, ok=False, says=str(fault), pixels_seconds=round(time.monotonic() - began, 2))
    faults = _faults(check.model.contract, trial, answered, pixels + trial.whole_s)
    figures = _figures(check.model.contract, answered) if answered else {}
    said = [*faults, _parts(trial), ", ".join(f"{key} {value:g}" for key, value in figures.items())]
    return Tried(
        series=name, ok=not faults, says="; ".join(filter(None, said)), seconds=round(max(trial.seconds), 2),
        pixels_seconds=round(pixels, 2), megabytes=trial.megabytes, figures=figures,
    )  # fmt: skip


def _parts(trial: Trial) -> str:
    if trial.of == 1:
        return ""
    each = trial.whole_s / trial.of
    if trial.parts == trial.of:
        return f"{trial.of} parts of {each:.1f} s"
    return f"{trial.parts} of {trial.of} parts tried, {each:.1f} s each: some {trial.whole_s:.0f} s in all, no answer"


def _figures(contract: Contract, answered: Answered) -> dict[str, float]:
    figures = {"probability": round(calibrated(answered.study_logit, contract.finding.calibration), 4)}
    if answered.mask_ml is not None:
        figures["mask_ml"] = round(answered.mask_ml, 3)
    return figures | {f"{q.name} {q.unit}": round(q.value, 3) for q in answered.quantities}


def _asked(check: Check, bench: Bench, ready: Ready) -> Trial:
    contract = check.model.contract
    inputs = dict(ready.prepared.inputs)
    for name, spec in contract.tensors.inputs.items():
        _check(name, inputs.get(name), spec, "the tensor function gives")
    outputs, rows = tuple(contract.tensors.outputs), contract.tensors.rows_most
    trial = bench.tried(check.model.path / WEIGHTS, inputs, outputs, runs=2, rows=rows, parts=check.parts)
    for name, spec in contract.tensors.outputs.items():
        _check(name, trial.outputs.get(name), spec, "the model answers")
        check_answer(contract.name, name, trial.outputs[name])
    return trial


def _meant(contract: Contract, trial: Trial, ready: Ready) -> Answered:
    try:
        return ANSWERS[contract.answer.function](contract.answer, trial.outputs, ready.prepared, ready.source)
    except NUMERICAL as fault:
        raise ModelRefused(f"the answer has no meaning: {fault}") from fault


def _check(name: str, tensor: Tensor | None, spec: TensorSpec, who: str) -> None:
    """Shape and kind of a tensor, as the contract has them."""
    if tensor is None:
        raise ModelRefused(f"{who} no '{name}'")
    wanted = {"FP16": "float16", "FP32": "float32", "FP64": "float64"}.get(spec.datatype, spec.datatype.lower())
    fits = len(tensor.shape) == len(spec.shape) and all(
        want in (-1, have) for want, have in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits or str(tensor.dtype) != wanted:
        raise ModelRefused(f"{who} '{name}' as {tensor.dtype} {tensor.shape}; the contract says {wanted} {spec.shape}")


def _faults(contract: Contract, trial: Trial, answered: Answered | None, seconds: float) -> list[str]:
    faults = []
    if not trial.repeats:
        faults.append("asked twice, it answers twice differently")
    if seconds > contract.limits.deadline_s:
        faults.append(f"takes {seconds:.0f} s of the {contract.limits.deadline_s:g} s that its contract allows")
    if answered is not None and not np.isfinite(answered.study_logit):
        faults.append(f"its score is {answered.study_logit}")
    if answered is not None and answered.mask_ml is not None and not 0 <= answered.mask_ml < np.inf:
        faults.append(f"its mask holds {answered.mask_ml} ml")
    return faults
