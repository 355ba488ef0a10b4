"""The one effect: a model is asked about a series, from the store's bytes to its answer as an event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise

import numpy as np

from streams.adapters.contract_files import ModelFolder
from streams.contract import Contract
from streams.errors import ModelServerAway, NotReadable, QualityRejected, ReadingBroken, SetAside
from streams.events.reading import QualityNote, ReadingAnswered, ReadingFailed, ReadingRequested
from streams.faults.points import Point
from streams.ports import Inference, ModelServer, ObjectStore
from streams.reading import pausing
from streams.reading.answers import Answered
from streams.reading.functions import ANSWERS, Prepared, rows
from streams.reading.tensors import NoAnatomy
from streams.runtime.inference.preparing import NUMERICAL, Preparing, Ready

LEAST_S = 0.5
"""What is left to the model at least, so that a deadline spent on pixels reads as one."""


Turn = Callable[[ReadingRequested], Awaitable[None]]


async def no_turn(_request: ReadingRequested) -> None:
    """Nobody to let go first."""


class Reader:
    """Answers readings; the models are told by their contracts, none by name.

    Attributes:
        clock: monotonic seconds.
        turn: awaited before pixels are decoded and before each call of a model, so that an urgent reading can go
            first; what it takes is no part of the reading's own time.
    """

    def __init__(
        self,
        objects: ObjectStore,
        preparing: Preparing,
        server: ModelServer,
        models: Mapping[str, ModelFolder],
        clock: Callable[[], float],
        turn: Turn = no_turn,
    ) -> None:
        self._objects = objects
        self._preparing = preparing
        self._turn = turn
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
        await self._turn(request)
        began = self._clock()
        ready = await self._preparing.ready(request, model.contract)
        pixels_seconds = max(0.0, self._clock() - began - pausing.waited())
        inference = await self._infer(request, model, ready.prepared, pixels_seconds)
        answered = await asyncio.to_thread(_meant, model.contract, inference, ready)
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
            lesions=answered.lesions,
            quantities=answered.quantities,
            grades=answered.grades,
            slice_mm=ready.slice_mm,
            quality=(*ready.quality, *(QualityNote(code="answer", sentence=n) for n in answered.notes)),
            pixels_seconds=round(pixels_seconds, 6),
            model_seconds=round(inference.seconds, 6),
            last_stored_at=request.last_stored_at,
        )

    async def _infer(
        self, request: ReadingRequested, model: ModelFolder, prepared: Prepared, spent_s: float
    ) -> Inference:
        """One call, or several along the first axis, put together again; all of one version of the model."""
        contract = model.contract
        inputs, most = prepared.inputs, contract.tensors.rows_most
        count = rows(inputs)
        steps = [slice(None)] if most is None or count <= most else _steps(count, most)
        parts: list[Inference] = []
        for step in steps:
            await self._turn(request)
            with Point.MODEL_CALLED:
                part = await self._server.infer(
                    model.asked_as,
                    {name: tensor[step] for name, tensor in inputs.items()},
                    outputs=tuple(contract.tensors.outputs),
                    request_id=request.reading,
                    deadline_s=max(LEAST_S, contract.limits.deadline_s - spent_s),
                )
            if part.weights and model.weights and part.weights != model.weights:
                raise ModelServerAway(
                    f"{contract.name} was answered by other weights ({part.weights[:12]}) than those of version "
                    f"{contract.version} ({model.weights[:12]}): `wetread models` changes versions; files that were "
                    "laid over others are read after a restart"
                )
            parts.append(part)
            spent_s += part.seconds
        if len(parts) == 1:
            return parts[0]
        return Inference(
            outputs={name: np.concatenate([p.outputs[name] for p in parts]) for name in parts[0].outputs},
            model_version=parts[0].model_version,
            seconds=sum(part.seconds for part in parts),
            weights=parts[0].weights,
        )


def _steps(count: int, most: int) -> list[slice]:
    """Rows in parts of nearly equal size, none larger than `most`."""
    parts = -(-count // most)
    edges = [round(k * count / parts) for k in range(parts + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


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


def _meant(contract: Contract, inference: Inference, ready: Ready) -> Answered:
    meaning = ANSWERS[contract.answer.function]
    try:
        return meaning(contract.answer, inference.outputs, ready.prepared, ready.source)
    except NUMERICAL as fault:
        raise ReadingBroken(f"The model's answer has no meaning: {fault}.") from fault
