"""From the store's bytes to a model's input: list, geometry, pixels, tensors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from streams.contract import Contract
from streams.errors import ReadingBroken
from streams.events.imaging import InstanceFacts
from streams.events.manifest import Manifest, decode_manifest
from streams.events.reading import ReadingRequested
from streams.ports import ObjectStore, PixelSource, Tensor
from streams.reading.functions import TENSORS, Prepared
from streams.reading.geometry import Geometry, arrange
from streams.reading.tensors import NoAnatomy
from streams.reading.views import Exam, Views, exam_of, views_of
from streams.reading.volume import Volume, volume_of

NUMERICAL = (ValueError, ArithmeticError, LookupError, MemoryError)
"""What numpy raises on arrays that it cannot work with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A series, or an exam, and what the model is asked about it."""

    source: Volume | Views
    prepared: Prepared

    @property
    def slice_mm(self) -> float | None:
        """Distance of neighbouring slices; None for projections."""
        return self.source.spacing_mm[0] if isinstance(self.source, Volume) else None


class Preparing:
    """Makes a model's input by its contract."""

    def __init__(self, objects: ObjectStore, pixels: PixelSource) -> None:
        self._objects, self._pixels = objects, pixels

    async def ready(self, request: ReadingRequested, contract: Contract) -> Ready:
        """The input for this request.

        Raises:
            QualityRejected, NoAnatomy: the images cannot be read; a sentence for a technologist.
            ReadingBroken: they break the code that makes tensors of them.
            ObjectMissing, ObjectDamaged.
        """
        if contract.needs.views:
            return await self._exam(request, contract)
        geometry = await asyncio.to_thread(self._arranged, request, contract)
        pixels = await self._pixels.decode(geometry.instances, contract.limits.deadline_s)
        return await asyncio.to_thread(_made, lambda: volume_of(geometry, pixels), contract)

    async def _exam(self, request: ReadingRequested, contract: Contract) -> Ready:
        exam = await asyncio.to_thread(self._listed_exam, request, contract)
        limit = contract.limits.deadline_s
        alone = [(instance,) for instance in exam.instances]  # each view has a size of its own
        decoded: list[Tensor] = [(await self._pixels.decode(one, limit))[0] for one in alone]
        return await asyncio.to_thread(_made, lambda: views_of(exam, decoded), contract)

    def _arranged(self, request: ReadingRequested, contract: Contract) -> Geometry:
        return arrange(request.series, self._listed(request.manifest), contract.needs)

    def _listed_exam(self, request: ReadingRequested, contract: Contract) -> Exam:
        series = [(request.series, self._listed(request.manifest))]
        series += [(other.series, self._listed(other.manifest)) for other in request.others]
        return exam_of(series, contract.needs)

    def _listed(self, manifest: str) -> tuple[InstanceFacts, ...]:
        listed: Manifest = decode_manifest(self._objects.get(manifest))
        return listed.instances


def _made(source_of: Callable[[], Volume | Views], contract: Contract) -> Ready:
    source = source_of()
    try:
        prepared = TENSORS[contract.tensors.function](source, contract.tensors)
    except NoAnatomy:
        raise
    except NUMERICAL as fault:
        raise ReadingBroken(f"The model's input cannot be made of these images: {fault}.") from fault
    return Ready(source=source, prepared=prepared)
