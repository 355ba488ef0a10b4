"""The guaranteed step after a restart: dead letters go on being counted, a lost state is built by the rules of then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.adapters.memory_twins import MemoryState
from streams.errors import TooManyDeadLetters
from streams.events.envelope import from_kafka
from streams.ports import Place
from streams.runtime.processing.applying import Applier
from streams.runtime.processing.delivering import Delivery, Lane
from streams.runtime.processing.recalling import Recalling
from streams.runtime.processing.recollecting import now_utc
from streams.runtime.processing.window import Window
from streams.stage import NOTHING
from tests.support.toy import DEAD, SAID, TOPIC, opened, toy_agent
from tests.unit.runtime.processing.test_applying import Scene


async def begun_anew(s):
    """The process was started again, and has taken its places."""
    s.restart()
    await s.dead.begin(s.state)


async def test_the_count_survives_restarts():
    """A supervisor that starts a bad build again and again must not let it empty the topic, 20 by 20."""
    s = Scene()
    for number in range(60):
        record = s.log.append(TOPIC, b"k%d" % (number % 5), b"garbage", [])
        try:
            await s.apply(record)
        except TooManyDeadLetters:
            s.restart()
    assert len(s.said(DEAD)) == 20


async def test_one_handled_event_ends_the_row_for_good():
    """Also for a process that begins later: the row of each place is ended where it is kept."""
    s = Scene()
    for number in range(18):
        await s.apply(s.log.append(TOPIC, b"k%d" % number, b"garbage", []))
    await begun_anew(s)
    assert s.dead.in_a_row == 18
    await s.apply(s.put(opened("1.2", "a")))
    await begun_anew(s)
    assert s.dead.in_a_row == 0


async def test_what_catches_up_does_not_count():
    """Dead letters of before a lost Redis were sent then."""
    s = Scene()
    records = [s.log.append(TOPIC, b"k", b"garbage", []) for _ in range(30)]
    await s.applier.take(records[0].partition, 100)
    for record in records:
        await s.apply(record)
    assert (s.dead.in_a_row, s.said(DEAD)) == (0, [])


def only_until(most):
    """The toy agent that hears no more than so many events of a key."""
    stage = toy_agent().stages[0]

    def step(parts, event, now):
        known = parts.get("count")
        return NOTHING if known and known.heard >= most else stage.step(parts, event, now)

    return replace(toy_agent(), stages=(replace(stage, step=step),))


THEN, NOW = (only_until(3), "then"), (only_until(1), "now")


def decided_until(s, until):
    """Rules that changed at a time, and what the record says of what was decided before."""
    asked = []

    async def read(since):
        asked.append(since)
        said = [from_kafka(r.value, r.headers) for r in s.log.records(SAID) if r.written_at >= since]
        return {one.cause: one.policy for one in said}

    agents = {"then": THEN[0], "now": NOW[0]}
    return Recalling(read, lambda digest, _name: agents[digest], lambda: until), asked


async def decided_then(s):
    """Five events, three of them heard, under the rules of then."""
    records = [s.put(opened("1.2", str(n))) for n in range(5)]
    s.applier = Applier(THEN[0], s.outside, rules=lambda: THEN)
    for record in records:
        await s.apply(record)
    return records


async def heard_in(s, record):
    return (await s.state.load(Place("toy", record.partition), "1.2", "x", None)).parts


@pytest.mark.parametrize("told", [0, 5], ids=["said, and its place not kept", "said, and its place kept"])
async def test_a_lost_state_is_rebuilt_by_the_rules_of_then(told):
    """A role was changed since: what is in Redis again is what was said, and what is said again is the same bytes."""
    s = Scene()
    records = await decided_then(s)
    before, said = await heard_in(s, records[0]), s.said()
    s.state = MemoryState()
    s.restart()
    recalling, _ = decided_until(s, now_utc())
    s.applier = Applier(THEN[0], s.outside, rules=lambda: NOW, recalling=recalling)
    await s.applier.take(records[0].partition, records[told - 1].offset + 1 if told else 0)
    for record in records:
        await s.apply(record)
    assert await heard_in(s, records[0]) == before
    again = s.log.records(SAID)[len(said) :]
    assert [(r.value, r.headers) for r in again] == [(r.value, r.headers) for r in s.log.records(SAID)[: len(again)]]
    assert len(again) == (0 if told else len(said))


async def test_what_nobody_decided_yet_is_decided_by_the_rules_of_now():
    """It waited while they were changed: nothing was said of it."""
    s = Scene()
    records = [s.put(opened("1.2", str(n))) for n in range(3)]
    recalling, asked = decided_until(s, now_utc())
    applier = Applier(THEN[0], s.outside, rules=lambda: NOW, recalling=recalling)
    s.applier = applier
    await applier.take(records[0].partition, 0)
    for record in records:
        await s.apply(record)
    assert {from_kafka(r.value, r.headers).policy for r in s.log.records(SAID)} == {"now"}
    assert len(s.said()) == 1
    assert len(asked) == 1, "the record was read once for all of them"


@pytest.mark.parametrize("before", [None, timedelta(hours=1)], ids=["never", "an hour ago"])
async def test_rules_that_did_not_change_since_need_no_record(before):
    """Other rules decided nothing that came after their last use."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    recalling, asked = decided_until(s, before and record.written_at - before)
    s.applier = Applier(THEN[0], s.outside, rules=lambda: NOW, recalling=recalling)
    await s.applier.take(record.partition, 0)
    await s.apply(record)
    assert (len(s.said()), asked) == (1, [])


async def test_partitions_that_come_again_are_looked_up_again():
    """Others may have decided meanwhile."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    recalling, asked = decided_until(s, now_utc())
    lane = Lane(window=Window(running=1, held=1, on_fatal=s.log.send), applier=None)
    lane.applier = Applier(THEN[0], s.outside, rules=lambda: NOW, recalling=recalling)
    assert await recalling.of("toy", "x", record, told=False) is None
    await Delivery(list, {TOPIC: lane}).settle()
    assert await recalling.of("toy", "x", record, told=False) is None
    assert len(asked) == 2
