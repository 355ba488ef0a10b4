"""The one effect: a model is asked about a series, from the store's bytes to its answer as an event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.adapters.contract_files import ModelFolder
from streams.contract import Contract
from streams.errors import NotReadable, QualityRejected, ReadingBroken, SetAside
from streams.events.manifest import Manifest, decode_manifest
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.ports import Inference, ModelServer, ObjectStore, PixelSource, Tensor
from streams.reading.answers import ANSWERS, Answered
from streams.reading.geometry import Geometry, arrange
from streams.reading.tensors import TENSORS, HeadSlabs, NoAnatomy
from streams.reading.volume import Volume, volume_of

NUMERICAL = (ValueError, ArithmeticError, LookupError, MemoryError)
"""What numpy raises on arrays that it cannot work with."""
LEAST_S = 0.5
"""What is left to the model at least, so that a deadline spent on pixels reads as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A series ready for its model."""

    volume: Volume
    slabs: HeadSlabs


class Reader:
    """Answers readings; the models are told by their contracts, none by name.

    Attributes:
        clock: monotonic seconds.
    """

    def __init__(
        self,
        objects: ObjectStore,
        pixels: PixelSource,
        server: ModelServer,
        models: Mapping[str, ModelFolder],
        clock: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._pixels = pixels
        self._server = server
        self._models = models
        self._clock = clock

    async def read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        """Ask the model; the answer, or why there is none and never will be.

        Raises:
            TryAgain: the model server or the store is away; nothing is known about the study yet.
        """
        try:
            return await self._answer(request)
        except (QualityRejected, NoAnatomy) as fault:
            return failed(request, "quality", str(fault))
        except NotReadable as fault:
            return failed(request, "failed", str(fault))
        except SetAside as fault:  # the study must have its outcome, whatever became of its bytes
            return failed(request, "failed", f"The stored images cannot be read: {fault}.")

    async def _answer(self, request: ReadingRequested) -> ReadingAnswered:
        model = self._models.get(request.model)
        if model is None:
            raise ReadingBroken(f"There is no model {request.model} in this installation.")
        began = self._clock()
        prepared = await self._prepared(request, model.contract)
        pixels_seconds = self._clock() - began
        inference = await self._infer(request, model.contract, prepared.slabs, pixels_seconds)
        answered = await asyncio.to_thread(_meant, model.contract, inference, prepared)
        mask = None
        if answered.mask is not None:
            mask = await asyncio.to_thread(self._objects.put, answered.mask)
        return ReadingAnswered(
            reading=request.reading,
            study=request.study,
            revision=request.revision,
            model=request.model,
            model_version=model.contract.version,
            model_digest=model.digest,
            role=request.role,
            series=request.series.series,
            study_logit=answered.study_logit,
            slice_logits=answered.slice_logits,
            key_instances=answered.key_instances,
            mask=mask,
            mask_ml=answered.mask_ml,
            quality=prepared.volume.quality,
            pixels_seconds=round(pixels_seconds, 6),
            model_seconds=round(inference.seconds, 6),
            last_stored_at=request.last_stored_at,
        )

    async def _prepared(self, request: ReadingRequested, contract: Contract) -> _Prepared:
        geometry = await asyncio.to_thread(self._arranged, request, contract)
        pixels = await self._pixels.decode(geometry.instances, contract.limits.deadline_s)
        return await asyncio.to_thread(_prepare, geometry, pixels, contract)

    def _arranged(self, request: ReadingRequested, contract: Contract) -> Geometry:
        manifest: Manifest = decode_manifest(self._objects.get(request.manifest))
        return arrange(request.series, manifest.instances, contract.needs)

    async def _infer(
        self, request: ReadingRequested, contract: Contract, slabs: HeadSlabs, spent_s: float
    ) -> Inference:
        return await self._server.infer(
            contract.name,
            slabs.inputs,
            outputs=tuple(contract.tensors.outputs),
            request_id=request.reading,
            deadline_s=max(LEAST_S, contract.limits.deadline_s - spent_s),
        )


def failed(request: ReadingRequested, kind: str, reason: str, *, final: bool = True, attempt: int = 1) -> ReadingFailed:
    """There is no answer to this request; people see "no AI result" with the reason."""
    return ReadingFailed(
        reading=request.reading,
        study=request.study,
        revision=request.revision,
        model=request.model,
        role=request.role,
        series=request.series.series,
        kind="quality" if kind == "quality" else "failed",
        reason=reason,
        final=final,
        attempt=attempt,
    )


def _prepare(geometry: Geometry, pixels: Tensor, contract: Contract) -> _Prepared:
    volume = volume_of(geometry, pixels)
    try:
        slabs = TENSORS[contract.tensors.function](volume.hu, volume.spacing_mm, volume.positions_mm)
    except NoAnatomy:
        raise
    except NUMERICAL as fault:
        raise ReadingBroken(f"The model's input cannot be made of these images: {fault}.") from fault
    return _Prepared(volume=volume, slabs=slabs)


def _meant(contract: Contract, inference: Inference, prepared: _Prepared) -> Answered:
    meaning = ANSWERS[contract.answer.function]
    try:
        return meaning(contract.answer, inference.outputs, prepared.slabs, prepared.volume)
    except NUMERICAL as fault:
        raise ReadingBroken(f"The model's answer has no meaning: {fault}.") from fault
