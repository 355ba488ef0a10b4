"""`wetread replay` on a record in memory: nothing differs, or exactly what changed; only shadow topics are written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.events.envelope import to_kafka
from streams.flow import TOPICS, agents
from streams.ports import Message
from streams.runtime.processing.recalling import Recalled
from streams.runtime.record.entries import decided_under
from streams.runtime.record.replay import ShadowLog, replayed
from tests.flow.test_whole_studies import a_day, play
from tests.support.studies import HEAD, POLICIES, ROUTING, T0


def counts(log: MemoryLog) -> dict[str, int]:
    """How much is on each topic that has anything."""
    return {topic: len(log.records(topic)) for topic in log.topics if log.records(topic)}


@pytest.fixture
async def record() -> MemoryLog:
    """A day as Kafka holds it, with garbage in between."""
    log = MemoryLog(partitions={topic.name: topic.partitions for topic in TOPICS})
    flow = play(a_day())
    for topic, envelopes in flow.records.items():
        await log.send([Message(topic, *to_kafka(envelope)) for envelope in envelopes])
    log.append("triage.alerts", b"x", b"garbage", [])
    return log


async def test_the_same_policies_differ_in_nothing(record: MemoryLog) -> None:
    """Every recorded decision is said again byte for byte, and no other."""
    _said, found = await replayed(record, POLICIES, (HEAD,))
    assert found.events == found.equal > 0
    assert (found.missing, found.changed, found.new) == (0, 0, 0)
    assert found.differences == ()
    assert found.studies == 9


async def test_a_threshold_names_the_studies_that_change(record: MemoryLog) -> None:
    """A threshold of 0.9 takes back the alert of study 7 (0.88), changes its place, and touches nobody else."""
    candidate = replace(POLICIES, routing=replace(ROUTING, thresholds={"ich": 0.9}))
    _said, found = await replayed(record, candidate, (HEAD,))
    assert {d.study for d in found.differences} == {"7"}
    assert {d.what for d in found.differences} >= {"alert", "place"}
    (alert,) = (d for d in found.differences if d.what == "alert")
    assert alert.live is not None
    assert alert.shadow is None


async def test_what_was_decided_under_other_rules_is_held_against_those(record: MemoryLog) -> None:
    """Roles and thresholds have changed since: under the rules of then the record says itself again."""
    now = replace(POLICIES, routing=replace(ROUTING, thresholds={"ich": 0.9}), digest="now")
    then = {agent.name: agent for agent in agents(POLICIES, (HEAD,))}
    decided = await decided_under(record)
    recalled = Recalled(decided, lambda digest, name: then[name] if digest == POLICIES.digest else None)
    _said, found = await replayed(record, now, (HEAD,), rules_of=partial(recalled.of, partition=0))
    assert found.events == found.equal > 0
    assert (found.missing, found.changed, found.new, found.differences) == (0, 0, 0, ())


async def test_a_time_chooses_what_is_compared(record: MemoryLog) -> None:
    """States are built from the beginning; studies stored outside the time are not compared."""
    _said, none = await replayed(record, POLICIES, (HEAD,), since=T0 + timedelta(days=1))
    assert none.studies == 0
    _said, early = await replayed(record, POLICIES, (HEAD,), until=T0)
    assert 0 < early.studies < 9


async def test_only_topics_of_the_run_are_written(record: MemoryLog) -> None:
    """A shadow run adds its own topics and leaves every other as it was."""
    before = counts(record)
    said, _found = await replayed(record, POLICIES, (HEAD,))
    await ShadowLog(record, "trial").send(said)
    new = counts(record).keys() - before.keys()
    assert new
    assert all(topic.startswith("shadow.trial.") for topic in new)
    assert {topic: count for topic, count in counts(record).items() if topic not in new} == before
    assert sum(counts(record)[topic] for topic in new) == len(said)
