"""One event id, one content, also where the state store lost its memory: what was said is repeated from the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.errors import BrokerAway
from streams.events.envelope import header
from streams.events.identifiers import event_id
from streams.faults.protections import Protection, switch_all_on, switch_off
from streams.ports import Place
from streams.runtime.processing.recollecting import MARGIN
from tests.support.forgetful import NOON, REPORTS, RETRY, Crash
from tests.support.forgetful import ReadingScene as Scene
from tests.support.toy import SAID


async def test_a_redelivery_after_a_flush_repeats_the_record():
    """A new process, an empty Redis: the same bytes again, the model is not asked, and Redis knows it again."""
    s = Scene()
    record = s.record()
    await s.handling.apply(record)
    s.flush()
    s.start()
    await s.handling.take(record.partition)
    await s.handling.apply(record)
    assert s.asked == 1
    assert (len(s.on(REPORTS)), len(s.on(SAID)), s.contradicted()) == (2, 2, set())
    s.start()
    reads = s.log.reads
    await s.handling.apply(record)
    assert (s.asked, s.log.reads, len(s.on(SAID))) == (1, reads, 3)


@pytest.mark.parametrize("topic", [REPORTS, SAID])
async def test_what_was_sent_in_part_is_made_whole(topic):
    """Killed between two messages: the one that stands is repeated byte for byte, the other one is said anew."""
    s = Scene()
    record = s.record()
    s.asked = 7
    (half,) = [m for m in await s.handle(record) if m.topic == topic]
    s.log.append(half.topic, half.key, half.value, half.headers)
    await s.handling.apply(record)
    assert (s.asked, s.contradicted()) == (9, set())
    assert (len(s.on(REPORTS)), len(s.on(SAID))) == ((2, 1) if topic == REPORTS else (1, 2))


async def test_a_request_said_again_later_is_known():
    """The flow rebuilds: the request comes at a new offset, and is older than what was looked through for others."""
    s = Scene()
    await s.handling.apply(s.record())
    s.flush()
    s.start()
    s.now += timedelta(minutes=40)
    await s.handling.apply(s.record("b"))
    assert s.asked == 2
    again = s.record(at=NOON)
    await s.handling.apply(again)
    assert (s.asked, s.log.reads, s.contradicted()) == (2, 3, set())


async def test_the_record_is_read_once_for_all_that_is_new():
    """As long as partitions stay; when they come again, others may have answered meanwhile."""
    s = Scene()
    for number in range(5):
        s.now += timedelta(seconds=1)
        await s.handling.apply(s.record(f"{number}"))
    assert s.log.reads == 1
    another = s.record("other")
    message = s.said(SAID, another, event_id(header(another.headers, "ce_id"), "answer", 0), "answer")
    s.log.append(message.topic, message.key, message.value, message.headers)
    s.recollection.end()
    await s.handling.apply(another)
    assert (s.log.reads, s.contradicted()) == (2, set())


async def test_older_and_older_requests_ask_few_times():
    """A backlog of a day, the newest partition first: each look goes back further than it has to."""
    s = Scene()
    for minutes in range(1440):
        await s.recollection.of(s.record(at=NOON - timedelta(minutes=minutes)), "x")
    assert 3 < s.log.reads < 25


async def test_what_is_older_than_any_memory_is_looked_for_once():
    """A request of years ago does not have all of the record read, nor each such one anew."""
    s = Scene()
    s.now = NOON - timedelta(days=3)
    old = s.record()
    await s.handling.apply(old)
    s.now = NOON
    s.start()
    assert await s.recollection.of(old, header(old.headers, "ce_id")) == ()
    s.now += timedelta(seconds=1)
    await s.recollection.of(old, header(old.headers, "ce_id"))
    assert s.log.reads == 2


@pytest.mark.parametrize("at", ["2026-01-01T12:00:00", "yesterday", "2027-01-01T12:00:00+00:00"])
async def test_a_time_that_cannot_be_is_the_time_of_writing(at):
    """Without a zone, garbage, after its own writing: an answer of a moment ago is found all the same."""
    s = Scene()
    record = s.record()
    await s.handling.apply(record)
    s.start()
    s.now += 10 * MARGIN
    strange = replace(record, headers=[(n, at.encode() if n == "ce_time" else v) for n, v in record.headers])
    assert len(await s.recollection.of(strange, header(record.headers, "ce_id"))) == 2


@pytest.mark.parametrize("ahead", [timedelta(hours=1), MARGIN / 2])
async def test_clocks_may_differ(ahead):
    """The request comes from a clock that is ahead of the one that answered: by an hour, by half a minute."""
    s = Scene()
    s.now += ahead
    record = s.record()
    s.now = NOON
    await s.handling.apply(record)
    s.start()
    s.now += MARGIN / 4 if ahead > MARGIN else MARGIN
    assert len(await s.recollection.of(record, header(record.headers, "ce_id"))) == 2


async def test_what_others_say_because_of_a_request_is_no_answer():
    """Only the kinds of answers count; of an id that stands for two contents already, the first."""
    s = Scene()
    record = s.record()
    request = header(record.headers, "ce_id")
    for kind, number in (("trial", 1), ("answer", 2), ("answer", 3)):
        s.asked = number
        message = s.said(SAID, record, event_id(request, "answer", 0), kind)
        s.log.append(message.topic, message.key, message.value, message.headers)
    assert [m.value for m in await s.recollection.of(record, request)] == [b"2"]


async def test_nothing_is_answered_while_the_record_cannot_be_read():
    """It is waited for, as for every part."""
    s = Scene()
    record = s.record()
    await s.handling.apply(record)
    s.flush()
    s.start()
    looks, look = [], s.log.read

    def read(*topics, **how):
        looks.append(s.asked)
        if len(looks) < 3:
            raise BrokerAway("not yet")
        return look(*topics, **how)

    s.log.read = read
    await s.handling.apply(record)
    assert (looks, s.asked, len(s.on(SAID)), s.contradicted()) == ([1, 1, 1], 1, 2, set())


@pytest.mark.parametrize("flushed", [False, True])
async def test_put_off_twice_in_one_attempt_says_the_same(flushed):
    """A redelivery, or a crash after it was said: the same bytes, from Redis or from the record."""
    s = Scene()
    s.away = True
    record = s.record()
    await s.handling.apply(record)
    if flushed:
        s.flush()
    s.start()
    await s.handling.take(record.partition)
    await s.handling.apply(record)
    assert (s.asked, len(s.on(SAID)), s.contradicted()) == (2, 2, set())
    late = s.log.records(RETRY)[0]
    await s.handling.apply(late)
    assert len({header(h, "ce_id") for _, h in s.on(SAID)}) == 2
    s.away = False
    await s.handling.apply(late)
    assert (s.on(REPORTS)[0][0], s.contradicted()) == (b"4", set())


async def test_put_off_is_remembered_before_it_is_said():
    """Killed between the two, it says what it would have said; and people hear of it before it is tried again."""
    s = Scene()
    s.away, s.log.dies_after = True, 0
    record = s.record()
    with pytest.raises(Crash):
        await s.handling.apply(record)
    assert RETRY not in s.log.topics
    s.log.dies_after = None
    s.start()
    await s.handling.apply(record)
    assert s.on(SAID)[0][0] == b"1"


async def test_without_the_protection_ids_are_contradicted():
    """So that a self-test of chaos still finds it."""
    s = Scene()
    record = s.record()
    switch_off(Protection.ID_CHECK)
    try:
        await s.handling.apply(record)
        await s.handling.apply(record)
        s.away = True
        await s.handling.apply(record)
        await s.handling.apply(record)
    finally:
        switch_all_on()
    assert len(s.contradicted()) == 3


async def test_a_flush_is_noticed_though_nothing_was_answered_here():
    """Whoever takes a place is told when what others had answered in it is gone."""
    s = Scene()
    record = s.record()
    await s.handling.apply(record)
    place = Place("reading", record.partition)
    s.start()
    await s.handling.take(record.partition)
    assert await s.state.holds(place)
    s.flush()
    assert not await s.state.holds(place)
