"""What the record says of one study: all of it, from the partitions where it can stand and from no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.partitioning import partition_of
from streams.cli.why import told
from streams.errors import SettingInvalid
from streams.events.envelope import Envelope, to_kafka
from streams.events.imaging import AccessionSeen, OrderMatched, OrderPlaced
from streams.events.telling import MeasurementMade
from streams.flow import BY_NAME, PARTITIONS, TOPICS, key_of
from streams.oversight.story import story
from streams.ports import Message, Record
from streams.runtime.record.about import FIRST_SAID, find_study
from streams.runtime.record.entries import entries
from tests.flow.test_whole_studies import a_day, play
from tests.support.studies import T0


class CountedLog(MemoryLog):
    """Counts what is read of each topic and partition."""

    def __init__(self) -> None:
        super().__init__(partitions={topic.name: topic.partitions for topic in TOPICS})
        self.read_of: Counter[tuple[str, int]] = Counter()

    async def read(self, topics, **how) -> AsyncIterator[Record]:
        async for record in super().read(topics, **how):
            self.read_of[record.topic, record.partition] += 1
            yield record


def put(log: MemoryLog, topic: str, name: str, event: object) -> None:
    envelope = Envelope(id=name, time=T0, key=key_of(topic, event), data=event)
    log.append(topic, *to_kafka(envelope))


@pytest.fixture
async def record() -> CountedLog:
    """A day of nine studies on a record of many; one of them has an order and a measurement."""
    log = CountedLog()
    for topic, envelopes in play(a_day()).records.items():
        await log.send([Message(topic, *to_kafka(envelope)) for envelope in envelopes])
    for number in range(400):
        study = f"9.8.{number}"
        put(log, FIRST_SAID, f"matched {number}", OrderMatched(study=study, order=f"o{number}", priority="stat"))
        put(log, "imaging.orders", f"seen {number}", AccessionSeen(order=f"o{number}", study=study))
        put(log, "imaging.orders", f"placed {number}", OrderPlaced(order=f"o{number}", priority="stat"))
        put(log, "triage.measurements", f"measured {number}", measured(study, f"p{number}"))
    log.append(FIRST_SAID, b"9.8.7", b"garbage", [])
    log.append(FIRST_SAID, None, None, [])
    return log


def measured(study: str, patient: str) -> MeasurementMade:
    return MeasurementMade(
        patient=patient, study=study, revision=1, name="volume", value=1.0, unit="ml", model="m", model_version="1",
        role="assist", series=f"{study}.1",
    )  # fmt: skip


async def test_the_story_is_the_same_as_from_the_whole_record(record: CountedLog):
    """Of each study of the day: every sentence, also of what is keyed by its order and its patient."""
    whole = [(e.record.topic, e.envelope) async for e in entries(record)]
    studies = {r.key.decode() for r in record.records("imaging.studies")}
    assert len(studies) == 9
    for study in studies:
        assert await told(record, study) == (study, story(whole, study))
    said = {line.what for study in studies for line in (await told(record, study))[1]}
    assert {"MeasurementMade", "AccessionSeen"} <= said


async def test_nothing_else_is_read(record: CountedLog):
    """One partition of each topic keyed by study, the first topic twice; one more for each order and patient."""
    study, order = "9.8.7", "o7"
    await told(record, study)
    own = partition_of(study.encode(), PARTITIONS)
    its = {"study": own, "order": partition_of(order.encode(), BY_NAME["imaging.orders"].partitions)}
    wanted: Counter[tuple[str, int]] = Counter()
    for topic in TOPICS:
        at = its.get(topic.key)
        held = sum(r.partition == at for r in record.records(topic.name))
        wanted[topic.name, at] = held * (2 if topic.name == FIRST_SAID else 1)
    assert record.read_of == Counter({at: n for at, n in wanted.items() if n})
    every = sum(len(record.records(topic.name)) for topic in TOPICS)
    assert record.read_of.total() < every / 5


async def test_the_end_of_a_uid_asks_for_keys_of_one_topic(record: CountedLog):
    """All of the first topic once; and it names the one study, or says how many there are."""
    assert await find_study(record, "…399") == "9.8.399"
    assert {topic for topic, _ in record.read_of} == {FIRST_SAID}
    assert record.read_of.total() == len(record.records(FIRST_SAID))
    with pytest.raises(SettingInvalid, match="names 4 studies"):
        await find_study(record, "99")
    with pytest.raises(SettingInvalid, match="names 0 studies"):
        await find_study(record, "no-such-study")
    assert await find_study(record, "7.7.7") == "7.7.7"
