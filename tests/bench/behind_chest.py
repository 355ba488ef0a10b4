"""A stat head that arrives while a 300-slice chest is read by the shipped nodule model, in one reading process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from streams.adapters.contract_files import ModelFolder
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.events.reading import ReadingAnswered, ReadingRequested
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.inference.turns import RightOfWay
from streams.runtime.settings import YIELD_S
from tests.bench.models import LONG_CHEST, long_chest, painted
from tests.bench.table import ms, quantile
from tests.support.reading_files import series_in

CHEST_MODEL = "lung_nodule_ct"
NOTE = (
    f"Below: the shipped nodule model reads a chest of {LONG_CHEST} slices in the same process, as a reading worker",
    "does; each head comes at another step of its work. The head then shares the cores with the chest until that step",
    "ends, and has them alone after it.",
)


class Watched(RightOfWay):
    """The right of way, which notes when steps of a routine reading ended and the next ones began."""

    def __init__(self, path: Path, longest_s: float) -> None:
        super().__init__(path, longest_s)
        self.steps: list[float] = []
        self._since = time.monotonic()
        self._moved = threading.Condition()

    def hold(self, request: ReadingRequested) -> float:
        """Between two steps."""
        with self._moved:
            self.steps.append(time.monotonic() - self._since)
            self._moved.notify_all()
        seconds = super().hold(request)
        self._since = time.monotonic()
        return seconds

    def begin(self) -> None:
        """Another chest begins."""
        self.steps, self._since = [], time.monotonic()

    def until(self, steps: int) -> None:
        """So many steps have ended."""
        with self._moved:
            self._moved.wait_for(lambda: len(self.steps) >= steps)


def chest_request(objects: ObjectFolder) -> ReadingRequested:
    """The long chest, to be read in the routine lane."""
    (series,) = series_in(painted("long-chest", long_chest), objects)
    return replace(series.request(objects, CHEST_MODEL), lane="routine", priority="routine")


@dataclass(frozen=True, slots=True)
class Asked:
    """The head, and how often it is read: with the reader alone, and beside a chest."""

    head: ReadingRequested
    alone: int
    beside: int


async def behind_a_chest(
    triton: str, models: Mapping[str, ModelFolder], objects: ObjectFolder, asked: Asked, way: Path
) -> list[tuple[str, ...]]:
    """Rows of the table: the chest alone, and heads that came during its steps."""
    chest, head, with_way = chest_request(objects), asked.head, Watched(way, YIELD_S)
    async with AsyncExitStack() as stack:
        pixels = await stack.enter_async_context(DicomPixels(objects, children=3))
        server = await stack.enter_async_context(TritonServer(triton, models))
        reader = Reader(objects, Preparing(objects, pixels), server, models, time.monotonic, with_way.turn)

        async def read(request: ReadingRequested, name: str) -> float:
            asked, began = replace(request, reading=name), time.monotonic()
            async with with_way.reading(asked):
                said = await reader.read(asked)
            assert isinstance(said, ReadingAnswered), said
            return time.monotonic() - began

        await read(head, "warm-up")
        with_way.begin()
        alone = await read(chest, "chest")
        steps = list(with_way.steps)
        heads = [await read(head, f"head-{n}") for n in range(asked.alone)]
        beside = []
        for number in range(asked.beside):
            with_way.begin()
            reading = asyncio.create_task(read(chest, f"chest-{number}"))
            await asyncio.to_thread(with_way.until, 1 + number * max(1, len(steps) // asked.beside))
            beside.append(await read(head, f"beside-{number}"))
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
    middle = quantile(heads, 0.5)
    return [
        (f"a chest of {LONG_CHEST} slices alone, {len(steps)} steps", ms(alone), ms(alone), "", ""),
        ("... its longest step", ms(max(steps)), ms(max(steps)), "", ""),
        ("a head with that reader alone", ms(middle), ms(max(heads)), "0 ms", ""),
        ("a head while it reads that chest", ms(quantile(beside, 0.5)), ms(max(beside)),
         ms(quantile(beside, 0.5) - middle), f"longest {ms(max(beside) - middle)} more"),
    ]  # fmt: skip
