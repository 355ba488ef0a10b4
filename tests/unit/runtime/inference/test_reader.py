"""A reading ends in an answer, in a failure with its reason, or is tried again; nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import ModelFolder, read_model
from streams.adapters.memory_reading import MemoryObjects, MemoryPixels, ScriptedModels
from streams.errors import ModelServerAway, ObjectDamaged, QualityRejected, ReadingBroken
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.reading.masks import decode_mask
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from tests.support.models import write_model_folder
from tests.support.slices import facts

SLICES, SIDE, PIXEL = 28, 128, 1.8
Outputs = Mapping[str, np.ndarray]


def head() -> np.ndarray:
    """A skull of bone, the brain in it, air outside: int16 [28, 128, 128], 5 mm and 1.8 mm."""
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    middle = (SIDE - 1) / 2
    z0 = 4.0
    far = np.sqrt(((z - z0) * 5.0 / 112) ** 2 + ((y - middle) * PIXEL / 90) ** 2 + ((x - middle) * PIXEL / 75) ** 2)
    hu = np.full((SLICES, SIDE, SIDE), -1000, np.int16)
    hu[far < 1.0] = 900
    hu[far < 0.92] = 34
    return hu


HEAD = head()


def answers(inputs: Outputs) -> Outputs:
    """The seventh slab bleeds."""
    slabs = len(inputs["HEAD"])
    scores = np.full(slabs, -4, np.float32)
    mask = np.zeros((slabs, 96, 96), np.float32)
    scores[6], mask[6, 40:50, 40:50] = 3, 1
    return {"STUDY": np.array([2.25], np.float32), "SLICES": scores, "MASK": mask}


@dataclass
class Bench:
    """A reader on twins, and what it is asked."""

    reader: Reader
    objects: MemoryObjects
    server: ScriptedModels
    pixels: dict[str, np.ndarray | Exception]
    request: ReadingRequested
    models: dict[str, ModelFolder]

    def with_instances(self, instances: list[InstanceFacts]) -> ReadingRequested:
        manifest = Manifest(study="1.2", series="1.2.3", instances=tuple(instances))
        return replace(self.request, manifest=self.objects.put(encode_manifest(manifest)))


INSTANCES = [facts(n, (n - 1) * 5.0, rows=SIDE, columns=SIDE) for n in range(1, SLICES + 1)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    objects = MemoryObjects()
    pixels: dict[str, np.ndarray | Exception] = {f.digest: HEAD[k] for k, f in enumerate(INSTANCES)}
    server = ScriptedModels({"m": answers})
    models = {"m": read_model(write_model_folder(tmp_path))}
    ticks = itertools.count()
    request = ReadingRequested(
        reading="reading-1",
        study="1.2",
        revision=2,
        model="m",
        role="live",
        lane="urgent",
        priority="stat",
        series=SeriesFacts(series="1.2.3", modality="CT", pixel_spacing_mm=(PIXEL, PIXEL)),
        manifest="",
        last_stored_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    reader = Reader(objects, Preparing(objects, MemoryPixels(pixels)), server, models, lambda: float(next(ticks)))
    made = Bench(reader, objects, server, pixels, request, models)
    made.request = made.with_instances(INSTANCES)
    yield made
    objects.close()


async def test_a_series_is_read(bench: Bench):
    """From the manifest to scores, key slices and a mask object, with the times that it took."""
    said = await bench.reader.read(bench.request)
    assert isinstance(said, ReadingAnswered)
    assert (said.reading, said.study, said.revision, said.series) == ("reading-1", "1.2", 2, "1.2.3")
    assert (said.model, said.model_version, said.model_digest) == ("m", "1.0.0", bench.models["m"].digest)
    assert said.study_logit == 2.25
    assert len(said.slice_logits) == SLICES
    assert said.key_instances[0] == "1.2.3.7"
    assert said.mask is not None
    assert decode_mask(bench.objects.get(said.mask)).instances == ("1.2.3.7",)
    assert said.mask_ml == pytest.approx(100 * 4 * 5 / 1000)
    assert said.pixels_seconds == 1
    assert bench.server.asked == ["reading-1"]


async def test_the_order_in_the_manifest_changes_nothing(bench: Bench):
    """Slices are ordered by where they lie, so the same answer comes out."""
    said = await bench.reader.read(bench.request)
    again = await bench.reader.read(bench.with_instances(INSTANCES[::-1]))
    assert said == again


def failing(change: Callable[[Bench], ReadingRequested | None]) -> Callable[[Bench], ReadingRequested]:
    return lambda bench: change(bench) or bench.request


def pixels(fault: Exception | np.ndarray) -> Callable[[Bench], None]:
    return lambda bench: bench.pixels.update({INSTANCES[3].digest: fault})


def model_says(answer: Callable[[Outputs], Outputs] | Exception) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        bench.server.answers = {"m": answer}

    return change


def lost(bench: Bench) -> None:
    del bench.pixels[INSTANCES[3].digest]


def empty(bench: Bench) -> None:
    bench.pixels.update({f.digest: np.full((SIDE, SIDE), -1000, np.int16) for f in INSTANCES})


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (
            lambda b: b.with_instances(INSTANCES[:10] + INSTANCES[14:]),
            "quality",
            "Gap of 25 mm between slices 10 and 15 ",
        ),
        (lambda b: b.with_instances(INSTANCES[:6]), "quality", "The slices cover 30 mm; the model needs 100."),
        (pixels(QualityRejected("Slice 4 is truncated: ...")), "quality", "Slice 4 is truncated: ..."),
        (empty, "quality", "No brain inside a skull was found in the series."),
        (pixels(ReadingBroken("The decoder crashed.")), "failed", "The decoder crashed."),
        (
            pixels(ObjectDamaged("the object ab no longer has its digest")),
            "failed",
            "The stored images cannot be read: the object ab",
        ),
        (lost, "failed", "The stored images cannot be read: no object"),
        (lambda b: replace(b.request, manifest="0" * 64), "failed", "The stored images cannot be read: no object"),
        (
            lambda b: replace(b.request, manifest=b.objects.put(b"garbage")),
            "failed",
            "The stored images cannot be read: not a Manifest",
        ),
        (lambda b: replace(b.request, model="n"), "failed", "There is no model n in this installation."),
        (
            model_says(ReadingBroken("The model's output MASK holds NaN.")),
            "failed",
            "The model's output MASK holds NaN.",
        ),
        (
            model_says(lambda i: dict(answers(i)) | {"SLICES": np.zeros(3, np.float32)}),
            "failed",
            "SLICES has the shape 3, for 28 slabs",
        ),
        (
            model_says(lambda i: dict(answers(i)) | {"STUDY": np.zeros(0, np.float32)}),
            "failed",
            "The model gave 0 scores",
        ),
    ],
)
async def test_what_cannot_be_read_ends_as_failed(bench: Bench, change, kind: str, told: str):
    """Never an exception, never a silent negative: kind, reason, final."""
    request = failing(change)(bench)
    said = await bench.reader.read(request)
    assert isinstance(said, ReadingFailed)
    assert (said.kind, said.final) == (kind, True)
    assert told in said.reason
    assert (said.reading, said.study, said.revision) == ("reading-1", "1.2", 2)


async def test_a_server_that_is_away_says_nothing_about_the_study(bench: Bench):
    """It is raised, to be tried again: the runtime counts, and makes a failure after the last attempt."""
    bench.server.answers = {"m": ModelServerAway("m: no answer")}
    with pytest.raises(ModelServerAway):
        await bench.reader.read(bench.request)


async def test_the_loop_goes_on_while_a_series_is_read(bench: Bench):
    """Heartbeats are not held up by numerics: geometry, tensors and answers run beside the loop."""
    loop = asyncio.get_running_loop()
    late: list[float] = []

    async def beat() -> None:
        while True:
            began = loop.time()
            await asyncio.sleep(0.005)
            late.append(loop.time() - began)

    heart = asyncio.create_task(beat())
    await bench.reader.read(bench.request)
    heart.cancel()
    assert len(late) > 3
