"""A model tried on a phantom and on DICOM at hand, in a process of its own: what a card cannot know beforehand."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from streams.adapters.contract_files import WEIGHTS, ModelFolder
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.importing.bringing import check_canary
from streams.adapters.importing.folders import check_answer
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.onnx_trial import Bench, Trial
from streams.contract import Contract, TensorSpec
from streams.doors.header import read_header
from streams.doors.pseudonym import Pseudonyms
from streams.errors import ModelRefused, NotDicom, NotReadable, SetAside
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingRequested, SeriesToRead
from streams.findings.step import calibrated
from streams.phantom.cases import Case
from streams.phantom.writing import write_case
from streams.ports import Tensor
from streams.reading.answers import Answered
from streams.reading.functions import ANSWERS
from streams.reading.tensors import NoAnatomy
from streams.runtime.inference.preparing import NUMERICAL, Preparing, Ready

PHANTOMS = {
    "head": Case(1, "head", "head", "routine", 11, "ge", "intraparenchymal", 30.0),
    "chest": Case(2, "chest", "chest", "routine", 11, "siemens", nodules_mm=(9.0,)),
    "breast": Case(3, "mammogram", "mammogram", "routine", 11, "ge"),
}
"""By the body part that a contract needs."""


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


@dataclass(slots=True)
class _Found:
    study: str
    facts: SeriesFacts
    instances: dict[str, InstanceFacts] = field(default_factory=dict)


def checked(model: ModelFolder, bench: Bench, dicom: Path | None) -> list[Tried]:
    """The canary, a phantom, and each series of a folder that the model's needs take.

    Nothing raises: what does not hold is told in its line.
    """
    told = [_canary(model, bench)]
    with tempfile.TemporaryDirectory(prefix="wetread-check-") as scratch:
        phantom = PHANTOMS.get(model.contract.needs.body_part)
        if phantom is not None:
            write_case(phantom, Path(scratch) / "phantom")
            told += asyncio.run(_files(model, bench, _below(Path(scratch) / "phantom"), Path(scratch) / "a", "phantom"))
        if dicom is not None:
            told += asyncio.run(_files(model, bench, _below(dicom), Path(scratch) / "b", "series"))
    return told


def _canary(model: ModelFolder, bench: Bench) -> Tried:
    canary = model.contract.canary
    if canary is None:
        return Tried(
            series="canary", ok=False, says="it has no known answer, so nobody notices when it answers wrongly"
        )
    try:
        off = check_canary(model.path, canary.file, canary.output, canary.tolerance, bench)
    except ModelRefused as fault:
        return Tried(series="canary", ok=False, says=str(fault))
    return Tried(series="canary", ok=True, says=f"answered within {off:.2g} of the known answer")


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def _files(model: ModelFolder, bench: Bench, files: list[Path], scratch: Path, what: str) -> list[Tried]:
    objects = ObjectFolder(scratch, reserve=0)
    exams = _series(files, objects)
    wanted = [s for s in exams if s.facts.modality in model.contract.needs.modality]
    if not wanted:
        return [Tried(series=what, ok=False, says=f"no series of {'/'.join(model.contract.needs.modality)} is there")]
    if model.contract.needs.views:
        wanted = wanted[:1]
    async with DicomPixels(objects, children=1) as pixels:
        preparing = Preparing(objects, pixels)
        told = []
        for number, found in enumerate(wanted, 1):
            others = [s for s in exams if s is not found and s.study == found.study]
            request = _request(found, others, model.contract, objects)
            told.append(await _one(model, bench, preparing, request, f"{what} {number}: {_named(found)}"))
    return told


async def _one(model: ModelFolder, bench: Bench, preparing: Preparing, request: ReadingRequested, name: str) -> Tried:
    began = asyncio.get_running_loop().time()
    try:
        ready = await preparing.ready(request, model.contract)
        pixels = asyncio.get_running_loop().time() - began
        trial, answered = await asyncio.to_thread(_asked, model, bench, ready)
    except (NotReadable, NoAnatomy, SetAside, ModelRefused) as fault:
        return Tried(series=name, ok=False, says=str(fault))
    contract = model.contract
    seconds = max(trial.seconds)
    faults = _faults(contract, trial, answered, pixels + seconds)
    probability = calibrated(answered.study_logit, contract.finding.calibration)
    figures = {"probability": round(probability, 4)}
    if answered.mask_ml is not None:
        figures["mask_ml"] = round(answered.mask_ml, 3)
    figures |= {f"{q.name} {q.unit}": round(q.value, 3) for q in answered.quantities}
    said = ", ".join(f"{key} {value:g}" for key, value in figures.items())
    return Tried(
        series=name, ok=not faults, says="; ".join((*faults, said)), seconds=round(seconds, 2),
        pixels_seconds=round(pixels, 2), megabytes=trial.megabytes, figures=figures,
    )  # fmt: skip


def _asked(model: ModelFolder, bench: Bench, ready: Ready) -> tuple[Trial, Answered]:
    contract = model.contract
    inputs = dict(ready.prepared.inputs)
    for name, spec in contract.tensors.inputs.items():
        _check(name, inputs.get(name), spec, "the tensor function gives")
    outputs = tuple(contract.tensors.outputs)
    trial = bench.tried(model.path / WEIGHTS, inputs, outputs, runs=2, rows=contract.tensors.rows_most)
    for name, spec in contract.tensors.outputs.items():
        _check(name, trial.outputs.get(name), spec, "the model answers")
        check_answer(contract.name, name, trial.outputs[name])
    try:
        return trial, ANSWERS[contract.answer.function](contract.answer, trial.outputs, ready.prepared, ready.source)
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


def _faults(contract: Contract, trial: Trial, answered: Answered, seconds: float) -> list[str]:
    faults = []
    if not trial.repeats:
        faults.append("asked twice, it answers twice differently")
    if seconds > contract.limits.deadline_s:
        faults.append(f"takes {seconds:.0f} s of the {contract.limits.deadline_s:g} s that its contract allows")
    if not np.isfinite(answered.study_logit):
        faults.append(f"its score is {answered.study_logit}")
    if answered.mask_ml is not None and not (np.isfinite(answered.mask_ml) and answered.mask_ml >= 0):
        faults.append(f"its mask holds {answered.mask_ml} ml")
    return faults


def _series(files: Iterable[Path], objects: ObjectFolder) -> list[_Found]:
    found: dict[str, _Found] = {}
    for path in files:
        content = path.read_bytes()
        try:
            header = read_header(content, Pseudonyms(b"check"))
        except NotDicom:
            continue
        objects.put(content)
        series = found.setdefault(header.series.series, _Found(header.study.study, header.series))
        series.instances[header.instance.instance] = header.instance
    return list(found.values())


def _request(found: _Found, others: Sequence[_Found], contract: Contract, objects: ObjectFolder) -> ReadingRequested:
    def manifest(of: _Found) -> str:
        whole = Manifest(study=of.study, series=of.facts.series, instances=tuple(of.instances.values()))
        return objects.put(encode_manifest(whole))

    more = others if contract.needs.views else ()
    return ReadingRequested(
        reading="check",
        study=found.study,
        revision=1,
        model=contract.name,
        role="shadow",
        lane="routine",
        priority="routine",
        series=found.facts,
        manifest=manifest(found),
        others=tuple(SeriesToRead(series=one.facts, manifest=manifest(one)) for one in more),
        last_stored_at=datetime.now(UTC),
    )


def _named(found: _Found) -> str:
    return f"{found.facts.modality}, {len(found.instances)} images"
