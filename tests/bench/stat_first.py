"""A stat head while two cores read chests: with the right of way, without it, and with nobody else there."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from streams.adapters.contract_files import ModelFolder, read_models
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.events.reading import ReadingAnswered, ReadingRequested
from streams.phantom.cases import Case, demo_cases
from streams.phantom.writing import write_case
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.inference.turns import RightOfWay
from streams.runtime.settings import YIELD_S, shipped
from tests.bench.behind_chest import CHEST_MODEL, NOTE, Asked, behind_a_chest
from tests.bench.models import painted, triton_with
from tests.bench.table import Section, ms, quantile
from tests.support.reading_files import series_in

MODEL, PART_S = "many_rows", 2.0
CONTRACT = """
schema = 1
name = "many_rows"
version = "1.0.0"
title = "Keeps a core busy with a chest, part by part, and finds nothing"
role = "shadow"

[needs]
modality = ["CT"]
body_part = "chest"
slices_min = 20

[tensors]
function = "volume_patches"
rows_most = 1
options = { spacing_mm = 4.0, clip_hu = [-1000.0, 400.0], scale_to = [0.0, 1.0], patch = [25.0, 30.0, 30.0] }
inputs.X = { datatype = "FP32", shape = [-1, 1, 25, 30, 30] }
outputs.P = { datatype = "FP32", shape = [-1, 2, 25, 30, 30] }

[answer]
function = "volume_mask"
mask = "P"
options = { classes = ["background", "something"], activation = "none" }

[finding]
name = "nothing"
code = { scheme = "99WETREAD", value = "0", meaning = "Nothing" }
threshold = 0.9

[limits]
deadline_s = 300
"""
CONFIG = """
name: "many_rows"
backend: "python"
max_batch_size: 0
input [ { name: "X" data_type: TYPE_FP32 dims: [ -1, 1, 25, 30, 30 ] } ]
output [ { name: "P" data_type: TYPE_FP32 dims: [ -1, 2, 25, 30, 30 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
CODE = '''
import time
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """%(seconds)s s of processor time for each row."""

    def execute(self, requests):
        answers = []
        for request in requests:
            rows = pb.get_input_tensor_by_name(request, "X").as_numpy()
            until = time.process_time() + %(seconds)s * len(rows)
            while time.process_time() < until:
                np.sort(rows, axis=None)
            found = np.zeros((len(rows), 2, *rows.shape[2:]), np.float32)
            found[:, 0] = 1
            answers.append(pb.InferenceResponse([pb.Tensor("P", found)]))
        return answers
'''
NOTES = (
    "The shipped model reads a phantom head, from stored files to the answer, one after the other. Busy: two readers",
    f"go on reading chests for a model of two instances that computes {PART_S:g} s a row, one row a call, so that both",
    "cores compute all the time. With the right of way the head waits at most for the parts that are being computed;",
    "without it (WETREAD_YIELD_S=0) it shares the cores with them to its end. `parts beside it` is how many parts of",
    "chests were begun while a head was being read.",
)


@dataclass(slots=True)
class Desk:
    """Readers as in processes of their own, on one Triton.

    Attributes:
        begun: parts of chests that were asked for.
    """

    triton: str
    models: Mapping[str, ModelFolder]
    objects: ObjectFolder
    way: Path
    longest_s: float
    begun: int = 0
    numbers: count[int] = field(default_factory=count)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[tuple[Reader, RightOfWay]]:
        """One reader and its way."""
        way = RightOfWay(self.way, self.longest_s)

        async def turn(request: ReadingRequested) -> None:
            await way.turn(request)
            async with self.moved:
                self.begun += request.model == MODEL
                self.moved.notify_all()

        async with DicomPixels(self.objects) as pixels, TritonServer(self.triton, self.models) as server:
            preparing = Preparing(self.objects, pixels)
            yield Reader(self.objects, preparing, server, self.models, time.monotonic, turn), way

    async def until(self, begun: int) -> None:
        """So many parts have been asked for."""
        async with self.moved:
            await self.moved.wait_for(lambda: self.begun >= begun)

    async def read(self, by: tuple[Reader, RightOfWay], request: ReadingRequested) -> ReadingAnswered:
        """One answer."""
        reader, way = by
        async with way.reading(request):
            said = await reader.read(replace(request, reading=f"{request.reading}/{next(self.numbers)}"))
        assert isinstance(said, ReadingAnswered), said
        return said

    async def chests(self, request: ReadingRequested) -> None:
        """One after the other, until cancelled."""
        async with self.reading() as by:
            while True:
                await self.read(by, request)

    async def heads(self, request: ReadingRequested, many: int) -> list[tuple[float, int]]:
        """Seconds of each, and the parts that chests began meanwhile."""
        told = []
        async with self.reading() as by:
            for _ in range(many):
                before, began = self.begun, time.monotonic()
                await self.read(by, request)
                told.append((time.monotonic() - began, self.begun - before))
        return told


def requests(objects: ObjectFolder) -> tuple[ReadingRequested, ReadingRequested]:
    """A stat head and a routine chest."""
    asked = []
    for kind, model in (("head", "ich_ct"), ("chest", MODEL)):
        case = [c for c in demo_cases() if c.kind == kind and (c.quirk, c.codec) == ("none", "none")][-1]
        (series,) = series_in(painted(f"case-{case.number:02d}", partial(_write, case)), objects)
        asked.append(series.request(objects, model))
    return asked[0], replace(asked[1], lane="routine", priority="routine")


def _write(case: Case, folder: Path) -> None:
    write_case(case, folder)


def write_models(models: Path) -> Path:
    """The shipped models of heads and chests, and the slow one."""
    (models / MODEL / "1").mkdir(parents=True)
    (models / MODEL / "contract.toml").write_text(CONTRACT)
    (models / MODEL / "config.pbtxt").write_text(CONFIG)
    (models / MODEL / "1" / "model.py").write_text(CODE % {"seconds": PART_S})
    for name in ("ich_ct", CHEST_MODEL):
        (models / name).symlink_to(shipped("triton_models") / name)
    return models


def run(quick: bool) -> Section:
    """Alone, beside chests with the right of way, and without it."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name:
        objects = ObjectFolder(Path(name) / "objects", reserve=0)
        asked = requests(objects)
        models = write_models(Path(name) / "models")
        with triton_with(models) as running:
            desk = Desk(running.address, read_models(models), objects, Path(name) / "right-of-way", YIELD_S)
            told = asyncio.run(_told(desk, asked, 2 if quick else 8))
            heads = Asked(asked[0], *((2, 2) if quick else (5, 6)))
            real = asyncio.run(behind_a_chest(running.address, desk.models, objects, heads, Path(name) / "chest-way"))
    alone = quantile([seconds for seconds, _ in told["nobody else"]], 0.5)
    return Section(
        name="stat-first",
        title="A stat head while both cores read chests",
        goal=f"it waits behind at most one part of a reading (here {PART_S:g} s).",
        columns=("", "p50", "longest", "over alone, p50", "parts beside it"),
        rows=(*(_row(what, heads, alone) for what, heads in told.items()), *real),
        notes=(*NOTES, *NOTE),
    )


async def _told(
    desk: Desk, asked: tuple[ReadingRequested, ReadingRequested], many: int
) -> dict[str, list[tuple[float, int]]]:
    head, chest = asked
    told = {"nobody else": await desk.heads(head, many)}
    print(f"  nobody else: {told}", flush=True)
    for what, longest_s in (("chests, with the right of way", YIELD_S), ("chests, without it", 0)):
        desk.longest_s = longest_s
        async with AsyncExitStack() as stack:
            reading = [asyncio.create_task(desk.chests(chest)) for _ in range(2)]
            stack.push_async_callback(_ended, reading)
            begun = desk.begun
            await desk.until(begun + 4)  # both compute: each has asked for its pixels and for a part
            told[what] = await desk.heads(head, many)
        print(f"  {what}: {told[what]}", flush=True)
    return told


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def _row(what: str, heads: list[tuple[float, int]], alone: float) -> tuple[str, ...]:
    middle, longest = (quantile([seconds for seconds, _ in heads], share) for share in (0.5, 1.0))
    beside = sum(parts for _, parts in heads)
    return what, ms(middle), ms(longest), ms(middle - alone), f"{beside} in {len(heads)} heads"
