"""The shipper: from notes to events, grouped, in order, once; Kafka away, a crash, and objects that are none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import orjson
import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors import shipping
from streams.doors.journal import Journal
from streams.doors.notes import Note
from streams.doors.shipping import Shipper, traceparent
from streams.doors.spool import Spool
from streams.events.envelope import from_kafka
from streams.events.imaging import InstancesStored, OrderPlaced, SeriesClosed
from streams.flow import DEADLETTERS
from tests.support.doors import NAMES, SERIES, STUDY, digests, slice_file, told_of

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
THICK = f"{SERIES}.77"


class Trial:
    """A shipper over real files and a twin of Kafka, and notes for it."""

    def __init__(self, home, log=None):
        self.objects = ObjectFolder(home / "objects", reserve=0)
        self.spool = Spool(home / "spool", 100_000)
        self.log = log or MemoryLog()
        self.counted, self.set_aside = [], []
        self.shipper = Shipper(
            "dimse", self.spool, self.objects, NAMES, self.log, self.counted.append,
            Journal(home / "spool" / "open"), self.set_aside.append,
        )  # fmt: skip

    def stored(self, content, association="a", instance="1.2.3"):
        note = Note(
            kind="instance", at=AT, association=association, digest=self.objects.put(content), instance=instance
        )
        self.spool.owe(note)
        self.shipper.take(note)

    def ended(self, association="a", how="association-released"):
        note = Note(kind="closed", at=AT, association=association, how=how)
        self.spool.owe(note)
        self.shipper.take(note)

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.shipper.run())
        try:
            yield
            assert await self.shipper.drained(10)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def events(self):
        return [from_kafka(record.value, record.headers) for record in self.log.records("imaging.instances")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Nothing more comes in these trials: nobody waits for it, and a broker is asked again soon."""
    monkeypatch.setattr(shipping, "GROUP_WITHIN_S", 0.0)
    monkeypatch.setattr(shipping, "FIRST_PAUSE_S", 0.01)


async def test_a_batch_is_grouped_by_series_and_closed_after_all_of_it(tmp_path):
    """One event a series of what came together, then one end with the count of each series."""
    trial = Trial(tmp_path)
    for number in (1, 2, 3):
        trial.stored(slice_file(number))
        trial.stored(slice_file(number, SeriesInstanceUID=THICK, SOPInstanceUID=f"{THICK}.{number}"))
    trial.ended()
    async with trial.running():
        pass
    said = [envelope.data for envelope in trial.events()]
    assert [type(event) for event in said] == [InstancesStored, InstancesStored, SeriesClosed]
    assert {event.series.series: len(event.instances) for event in said[:2]} == {SERIES: 3, THICK: 3}
    assert said[2] == SeriesClosed(
        study=STUDY, association="a", how="association-released", counts={SERIES: 3, THICK: 3}
    )
    assert trial.counted == [6]
    assert trial.spool.owed == 0


async def test_the_end_counts_what_came_in_earlier_batches(tmp_path):
    """Batches do not forget: the end tells all that the association brought, an instance twice once."""
    trial = Trial(tmp_path)
    async with trial.running():
        trial.stored(slice_file(1))
        trial.stored(slice_file(1))
        assert await trial.shipper.drained(10)
        trial.stored(slice_file(2))
        assert await trial.shipper.drained(10)
        trial.ended()
    (closed,) = told_of(trial.log)[1]
    assert closed.counts == {SERIES: 2}
    assert len(digests(trial.log)) == 2


async def test_associations_and_studies_are_never_mixed(tmp_path):
    """Two senders of one series, and two studies of one sender: an event each, an end each."""
    trial = Trial(tmp_path)
    trial.stored(slice_file(1), "a")
    trial.stored(slice_file(2), "b")
    trial.stored(slice_file(3, StudyInstanceUID="1.2.9"), "b")
    trial.ended("a", "association-aborted")
    trial.ended("b")
    async with trial.running():
        pass
    stored, closed = told_of(trial.log)
    assert sorted((e.association, e.facts.study) for e in stored) == [("a", STUDY), ("b", STUDY), ("b", "1.2.9")]
    assert sorted((c.association, c.study, c.how) for c in closed) == [
        ("a", STUDY, "association-aborted"),
        ("b", STUDY, "association-released"),
        ("b", "1.2.9", "association-released"),
    ]


async def test_two_patients_in_one_study_are_two_events(tmp_path):
    """Facts of one patient never stand for another's images."""
    trial = Trial(tmp_path)
    trial.stored(slice_file(1))
    trial.stored(slice_file(2, PatientID="P-18"))
    async with trial.running():
        pass
    assert len({event.facts.patient for event in told_of(trial.log)[0]}) == 2


async def test_a_group_is_at_most_50(tmp_path):
    """An event stays far below what Kafka takes."""
    trial = Trial(tmp_path)
    for number in range(1, 121):
        trial.stored(slice_file(number))
    async with trial.running():
        pass
    assert sorted(len(event.instances) for event in told_of(trial.log)[0]) == [20, 50, 50]


async def test_an_end_of_too_many_series_is_told_in_parts(tmp_path, monkeypatch):
    """No association is so wide that its end cannot be said; each series is counted in one part."""
    monkeypatch.setattr(shipping, "SERIES_MOST", 2)
    trial = Trial(tmp_path)
    for number in range(1, 6):
        trial.stored(slice_file(number, SeriesInstanceUID=f"1.2.{number}"))
    trial.ended()
    async with trial.running():
        pass
    closed = told_of(trial.log)[1]
    assert sorted(len(event.counts) for event in closed) == [1, 2, 2]
    assert len({envelope.id for envelope in trial.events()}) == 5 + 3
    assert {series for event in closed for series in event.counts} == {f"1.2.{n}" for n in range(1, 6)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Doe^Jane writes a letter", "the letters DICM"),
        (b"", "an empty file"),
        (slice_file(StudyInstanceUID=None, PatientName="Doe^Jane"), "no Study Instance UID"),
        (slice_file(StudyInstanceUID="../../Doe"), "is no UID"),
    ],
)
async def test_what_is_no_dicom_is_a_dead_letter_that_names_nobody(tmp_path, content, reason):
    """Reason, digest and the sender's name of it stand in headers; the bytes stay in the store."""
    trial = Trial(tmp_path)
    trial.stored(content, instance="1.2.826.5")
    trial.stored(slice_file(1))
    trial.ended()
    async with trial.running():
        pass
    (letter,) = trial.log.records(DEADLETTERS)
    headers = dict(letter.headers)
    assert reason in headers["wetread-reason"].decode()
    assert headers["wetread-instance"] == b"1.2.826.5"
    assert headers["wetread-source-topic"] == b"door dimse"
    assert trial.objects.get(headers["wetread-object"].decode()) == content
    assert letter.value == b""
    assert letter.key == headers["wetread-object"]
    assert b"Doe" not in b"".join(headers.values())
    assert told_of(trial.log)[1][0].counts == {SERIES: 1}
    assert trial.set_aside == [1]


async def test_an_object_that_is_gone_or_breaks_the_reader_stops_nobody(tmp_path, monkeypatch, caplog):
    """A missing object, and an error that nobody has thought of, are dead letters; what comes after is told."""
    trial = Trial(tmp_path)
    missing, cursed = slice_file(1), trial.objects.put(slice_file(2))
    trial.stored(missing)
    trial.objects.path(trial.objects.put(missing)).unlink()
    read = shipping.read_stored

    def cursed_read(path, digest, pseudonyms):
        if digest == cursed:
            raise KeyError("Doe^Jane")
        return read(path, digest, pseudonyms)

    monkeypatch.setattr(shipping, "read_stored", cursed_read)
    trial.stored(slice_file(2))
    trial.stored(slice_file(3))
    async with trial.running():
        pass
    reasons = sorted(dict(letter.headers)["wetread-reason"] for letter in trial.log.records(DEADLETTERS))
    assert reasons[0] == b"its header cannot be read (KeyError)"
    assert reasons[1].startswith(b"the object store does not hold")
    assert len(digests(trial.log)) == 1
    assert sum(trial.set_aside) == 2
    assert "KeyError" in caplog.text


async def test_kafka_away_then_back_keeps_order_loses_and_doubles_nothing(tmp_path):
    """What is owed while Kafka is away is told when it is back: instances once, each before its end."""
    trial = Trial(tmp_path)
    trial.log.away = True
    async with trial.running():
        for number in range(1, 6):
            trial.stored(slice_file(number))
        trial.ended()
        assert not await trial.shipper.drained(0.2)
        assert trial.spool.owed == 6
        assert trial.log.topics == ()
        trial.log.away = False
    said = [envelope.data for envelope in trial.events()]
    assert isinstance(said[-1], SeriesClosed)
    told = [i.instance for event in said[:-1] for i in event.instances]
    assert told == [f"{SERIES}.{number}" for number in range(1, 6)]
    assert trial.spool.owed == 0


async def test_the_same_notes_after_a_crash_give_the_same_ids(tmp_path):
    """Shipped, but the mark is lost: the same events again, byte for byte."""
    first = Trial(tmp_path)
    for number in (1, 2):
        first.stored(slice_file(number))
        first.stored(slice_file(number, SeriesInstanceUID=THICK))
    first.ended()
    async with first.running():
        pass
    (tmp_path / "spool" / "shipped").unlink()
    again = Trial(tmp_path)
    assert again.spool.owed == 5
    async with again.running():
        pass
    assert [e.id for e in again.events()] == [e.id for e in first.events()]
    assert [r.value for r in again.log.records("imaging.instances")] == [
        r.value for r in first.log.records("imaging.instances")
    ]
    assert [e.traceparent for e in again.events()] == [traceparent("a", STUDY)] * 3


async def test_an_end_that_a_crash_swallowed_is_told_as_an_abort(tmp_path):
    """Associations that an earlier process left open are ended by the next; whole ones stay as they were."""
    first = Trial(tmp_path)
    first.stored(slice_file(1), "whole")
    first.ended("whole")
    first.stored(slice_file(2), "cut")
    again = Trial(tmp_path)
    again.shipper.recover()
    async with again.running():
        pass
    assert {c.association: c.how for c in told_of(again.log)[1]} == {
        "whole": "association-released",
        "cut": "association-aborted",
    }


async def test_an_order_is_told_by_its_hash(tmp_path):
    """OrderPlaced on imaging.orders, keyed by the order's hash; two placings are two events."""
    trial = Trial(tmp_path)
    order = NAMES.order("A-1")
    for minute in (1, 2):
        trial.spool.owe(Note(kind="order", at=AT.replace(minute=minute), order=order, priority="stat"))
    async with trial.running():
        pass
    records = trial.log.records("imaging.orders")
    envelopes = [from_kafka(record.value, record.headers) for record in records]
    assert [envelope.data for envelope in envelopes] == [OrderPlaced(order=order, priority="stat")] * 2
    assert len({envelope.id for envelope in envelopes}) == 2
    assert {record.key for record in records} == {order.encode()}


async def test_no_name_reaches_the_record(tmp_path):
    """Nothing of key, value or headers holds a name, an id, an accession number or a birth date."""
    trial = Trial(tmp_path)
    trial.stored(slice_file(1, StudyDescription="CT HEAD Doe", Manufacturer="Doe^Jane", ProtocolName="P-17"))
    trial.stored(b"Doe^Jane")
    trial.ended()
    async with trial.running():
        pass
    records = [record for topic in trial.log.topics for record in trial.log.records(topic)]
    said = orjson.dumps([[str(r.key), str(r.value), str(r.headers)] for r in records]).decode()
    assert [word for word in ("Doe", "DOE", "Jane", "P-17", "A-1", "19500601") if word in said] == []
    assert len(records) == 3
