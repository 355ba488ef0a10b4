"""From the store's bytes to a model's input: list, geometry, pixels, tensors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.contract import Contract
from streams.errors import QualityRejected, ReadingBroken
from streams.events.imaging import InstanceFacts
from streams.events.manifest import Manifest, decode_manifest
from streams.events.reading import QualityNote, ReadingRequested
from streams.ports import ObjectStore, PixelSource, Tensor
from streams.reading import pausing
from streams.reading.functions import TENSORS, Prepared
from streams.reading.geometry import Geometry, arrange
from streams.reading.quality.judging import Told, judge
from streams.reading.tensors import NoAnatomy
from streams.reading.views import Exam, Views, exam_of, views_of
from streams.reading.volume import Volume, volume_of
from streams.runtime.inference.reports import Reports

NUMERICAL = (ValueError, ArithmeticError, LookupError, MemoryError)
"""What numpy raises on arrays that it cannot work with."""
_SourceOf = Callable[[], Volume | Views]
_Decoded = tuple[Sequence[InstanceFacts], _SourceOf]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A series, or an exam, and what the model is asked about it."""

    source: Volume | Views
    prepared: Prepared
    quality: tuple[QualityNote, ...]
    """What was seen and tolerated."""

    @property
    def slice_mm(self) -> float | None:
        """Distance of neighbouring slices; None for projections."""
        return self.source.spacing_mm[0] if isinstance(self.source, Volume) else None


class Preparing:
    """Makes a model's input by its contract; with `reports`, only of what policy lets pass."""

    def __init__(self, objects: ObjectStore, pixels: PixelSource, reports: Reports | None = None) -> None:
        self._objects, self._pixels, self._reports = objects, pixels, reports

    async def ready(self, request: ReadingRequested, contract: Contract) -> Ready:
        """The input for this request.

        Raises:
            QualityRejected, NoAnatomy: the images cannot be read; a sentence for a technologist.
            ReadingBroken: they break the code that makes tensors of them.
            ObjectMissing, ObjectDamaged.
        """
        try:
            instances, source_of = await self._decoded(request, contract)
        except QualityRejected as fault:
            if self._reports is not None:
                self._reports.put_rejected(request, str(fault))
            raise
        return await asyncio.to_thread(self._made, source_of, Told(request.series, instances), request, contract)

    async def _decoded(self, request: ReadingRequested, contract: Contract) -> _Decoded:
        if contract.needs.views:
            return await self._exam(request, contract)
        geometry = await asyncio.to_thread(self._arranged, request, contract)
        pixels = await self._pixels.decode(geometry.instances, contract.limits.deadline_s)
        return geometry.instances, lambda: volume_of(geometry, pixels)

    async def _exam(self, request: ReadingRequested, contract: Contract) -> _Decoded:
        exam = await asyncio.to_thread(self._listed_exam, request, contract)
        limit = contract.limits.deadline_s
        alone = [(instance,) for instance in exam.instances]  # each view has a size of its own
        decoded: list[Tensor] = [(await self._pixels.decode(one, limit))[0] for one in alone]
        return exam.instances, lambda: views_of(exam, decoded)

    def _made(self, source_of: _SourceOf, told: Told, request: ReadingRequested, contract: Contract) -> Ready:
        source = source_of()
        quality = source.quality
        pausing.between_steps()
        if self._reports is not None:
            report = judge(source, told, contract.needs, self._reports.policy)
            self._reports.put(request, report)
            report.demand()
            quality = report.notes
            pausing.between_steps()
        return Ready(source=source, prepared=_tensors(source, contract), quality=quality)

    def _arranged(self, request: ReadingRequested, contract: Contract) -> Geometry:
        return arrange(request.series, self._listed(request.manifest), contract.needs)

    def _listed_exam(self, request: ReadingRequested, contract: Contract) -> Exam:
        series = [(request.series, self._listed(request.manifest))]
        series += [(other.series, self._listed(other.manifest)) for other in request.others]
        return exam_of(series, contract.needs)

    def _listed(self, manifest: str) -> tuple[InstanceFacts, ...]:
        listed: Manifest = decode_manifest(self._objects.get(manifest))
        return listed.instances


def _tensors(source: Volume | Views, contract: Contract) -> Prepared:
    try:
        return TENSORS[contract.tensors.function](source, contract.tensors)
    except NoAnatomy:
        raise
    except NUMERICAL as fault:
        raise ReadingBroken(f"The model's input cannot be made of these images: {fault}.") from fault
