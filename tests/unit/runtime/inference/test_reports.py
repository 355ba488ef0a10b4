"""The quality of the images goes before the model and beside its answer; what cannot be read is said, not guessed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.memory_reading import MemoryObjects, MemoryPixels, ScriptedModels
from streams.adapters.policy_files import read_policies
from streams.errors import ModelServerAway
from streams.events.envelope import Envelope, from_kafka, header, to_kafka
from streams.events.identifiers import event_id, named_id
from streams.events.imaging import SeriesFacts
from streams.events.manifest import Manifest, encode_manifest
from streams.events.quality import QualityReported
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.ports import Record
from streams.runtime.inference.answering import ON_RECORD, TRIES_MOST, Answering
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.inference.reports import Reports
from streams.runtime.processing.failures import ATTEMPT, PutOff
from tests.support.models import write_model_folder
from tests.support.painted import HEAD_MM, head
from tests.support.slices import facts
from tests.unit.runtime.inference.test_reader import answers

POLICY = read_policies(Path(__file__).parents[4] / "deploy" / "policies", {}).quality
INSTANCES = [facts(n, (n - 1) * 5.0, rows=192, columns=192) for n in range(1, 31)]


@dataclass
class Bench:
    answering: Answering
    reports: Reports
    pixels: dict[str, np.ndarray | Exception]
    server: ScriptedModels
    request: ReadingRequested

    async def said(self) -> list[tuple[str, Envelope]]:
        """Topic and envelope of all that one handling says."""
        return [(m.topic, from_kafka(m.value, m.headers)) for m in await self.answering.handle(self.asked(0))]

    def asked(self, attempt: int) -> Record:
        """The request, put off so many times."""
        at = datetime(2026, 3, 1, tzinfo=UTC)
        asked = Envelope(id=named_id("request"), time=at, key=self.request.study, data=self.request)
        key, value, headers = to_kafka(asked)
        return Record(
            topic="triage.readings.urgent",
            partition=0,
            offset=0,
            key=key,
            value=value,
            headers=[*headers, (ATTEMPT, b"%d" % attempt)],
            written_at=at,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    objects = MemoryObjects()
    pixels: dict[str, np.ndarray | Exception] = {f.digest: head()[k] for k, f in enumerate(INSTANCES)}
    models = {"m": read_model(write_model_folder(tmp_path))}
    reports, server, ticks = Reports(POLICY), ScriptedModels({"m": answers}), count()
    reader = Reader(
        objects, Preparing(objects, MemoryPixels(pixels), reports), server, models, lambda: float(next(ticks))
    )
    request = ReadingRequested(
        reading="reading-1",
        study="1.2",
        revision=2,
        model="m",
        role="live",
        lane="urgent",
        priority="stat",
        series=SeriesFacts(series="1.2.3", modality="CT", pixel_spacing_mm=HEAD_MM[1:]),
        manifest=objects.put(encode_manifest(Manifest(study="1.2", series="1.2.3", instances=tuple(INSTANCES)))),
        last_stored_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Bench(Answering(reader, models, None, reports), reports, pixels, server, request)


async def test_a_sound_series_is_answered_and_its_report_says_so(bench: Bench):
    """One report on imaging.quality, before the answer; no fault, nothing that lowers the answer."""
    (first, report), (second, answer) = await bench.said()
    assert (first, second) == ("imaging.quality", "triage.findings")
    assert isinstance(report.data, QualityReported)
    assert (report.data.study, report.data.revision, report.data.series) == ("1.2", 2, "1.2.3")
    assert (report.data.reading, report.data.model, report.data.part) == ("reading-1", "m", "head")
    assert report.data.faults == ()
    assert len(report.data.measured) > 15
    assert isinstance(answer.data, ReadingAnswered)
    assert answer.data.quality == ()
    assert report.cause == answer.cause


async def test_a_warning_stands_beside_the_answer(bench: Bench):
    """The vertex is missing: read all the same, and both say it."""
    for facts_ in INSTANCES[18:]:
        bench.pixels[facts_.digest] = head()[17]
    (_, report), (_, answer) = await bench.said()
    told = {fault.code: fault.sentence for fault in report.data.faults}
    assert {"vertex", "duplicates"} <= set(told)
    assert {note.code: note.sentence for note in answer.data.quality} == told


async def test_what_is_rejected_asks_no_model(bench: Bench):
    """A lost rescale: no answer but the sentence, the report says why."""
    for index, facts_ in enumerate(INSTANCES):
        bench.pixels[facts_.digest] = (head()[index] + 1024).astype(np.int16)
    (_, report), (_, answer) = await bench.said()
    assert isinstance(answer.data, ReadingFailed)
    assert (answer.data.kind, answer.data.final) == ("quality", True)
    assert "not Hounsfield units" in answer.data.reason
    assert [fault.code for fault in report.data.faults if fault.severity == "reject"] == ["scale"]
    assert bench.server.asked == []


async def test_what_the_headers_forbid_has_a_report_too(bench: Bench):
    """Rejected before a pixel is looked at, under the code of geometry."""
    bench.request = replace(bench.request, series=replace(bench.request.series, pixel_spacing_mm=None))
    (_, report), (_, answer) = await bench.said()
    (fault,) = report.data.faults
    assert (fault.code, fault.severity) == ("geometry", "reject")
    assert fault.sentence == answer.data.reason


async def test_a_reading_done_again_repeats_its_report(bench: Bench):
    """The same id and content: whoever has read it drops it."""
    (_, once), _ = await bench.said()
    (_, again), _ = await bench.said()
    assert (once.id, once.data) == (again.id, again.data)
    assert bench.reports.take("reading-1") is None


async def test_what_a_reading_says_is_found_on_the_record(bench: Bench):
    """Report and answer have the ids, stand on the topics and are of the kinds by which they are looked for."""
    messages = await bench.answering.handle(bench.asked(0))
    assert tuple(header(m.headers, "ce_id") for m in messages) == ON_RECORD.ids(named_id("request"))
    assert {m.topic for m in messages} == set(ON_RECORD.topics)
    assert {header(m.headers, "ce_type") for m in messages} < ON_RECORD.kinds
    assert {header(m.headers, "ce_causationid") for m in messages} == {named_id("request")}


@pytest.mark.parametrize("attempt", [0, 1, TRIES_MOST - 2])
async def test_what_is_put_off_says_so_by_its_attempt(bench: Bench, attempt: int):
    """Not final, found on the record too, under an id of its own; it is sent by whoever remembers it."""
    bench.pixels |= {f.digest: ModelServerAway("away") for f in INSTANCES}
    with pytest.raises(PutOff, match="away") as put_off:
        await bench.answering.handle(bench.asked(attempt))
    (message,) = put_off.value.said
    told = from_kafka(message.value, message.headers)
    assert isinstance(told.data, ReadingFailed)
    assert (told.data.final, told.data.attempt) == (False, attempt + 1)
    assert told.id == event_id(named_id("request"), "reading", attempt + 1)
    assert message.topic in ON_RECORD.topics
    assert header(message.headers, "ce_type") in ON_RECORD.kinds


async def test_the_last_attempt_is_final(bench: Bench):
    """It stands in the answer's place, under its id."""
    bench.pixels |= {f.digest: ModelServerAway("away") for f in INSTANCES}
    (message,) = await bench.answering.handle(bench.asked(TRIES_MOST - 1))
    assert header(message.headers, "ce_id") == ON_RECORD.ids(named_id("request"))[1]
    assert from_kafka(message.value, message.headers).data.final


async def test_a_policy_of_the_hospital_decides(bench: Bench):
    """What it ignores is not told."""
    bench.reports.policy = replace(POLICY, severity={**POLICY.severity, "duplicates": "ignore"})
    bench.pixels[INSTANCES[9].digest] = head()[8]
    (_, report), (_, answer) = await bench.said()
    assert report.data.faults == ()
    assert answer.data.quality == ()
    assert [m.value for m in report.data.measured if m.code == "duplicates"] == [1.0]
