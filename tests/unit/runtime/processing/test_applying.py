"""The guaranteed step: once in effect whatever is delivered again, in the same bytes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.errors import StateLost, TooManyDeadLetters
from streams.events.envelope import Envelope, from_kafka, header, to_kafka
from streams.events.telling import AlertClosed
from streams.ports import Message, Place
from streams.runtime.processing.applying import Applier, Outside
from streams.runtime.processing.dead_letters import DeadLetterCount
from streams.runtime.processing.failures import Patience
from tests.support.toy import DEAD, SAID, START, TOPIC, addressed, opened, toy_agent


class Crash(BaseException):
    """The process dies here."""


class Scene:
    """The toy agent on memory twins."""

    def __init__(self):
        self.state, self.log, self.objects = MemoryState(), MemoryLog(clock=lambda: START), MemoryObjects()
        self.slept, self.crash_in_sleep = [], False
        self.slept_often = asyncio.Event()
        self.restart()

    def restart(self):
        self.outside = outside = Outside(
            state=self.state,
            log=self.log,
            objects=self.objects,
            policy="p1",
            deadletters=DEAD,
            addressed=addressed,
            patience=Patience(self.sleep),
        )
        self.dead = DeadLetterCount(places=lambda: [Place("toy", partition) for partition in range(8)])
        self.applier = Applier(toy_agent(), outside, self.dead)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) >= 5:
            self.slept_often.set()
        if self.crash_in_sleep:
            raise Crash
        await asyncio.sleep(0)

    def put(self, message: Message):
        return self.log.append(message.topic, message.key, message.value, message.headers)

    async def apply(self, record):
        await self.applier.apply(record, lambda: record.offset + 1)

    def said(self, topic=SAID):
        return [(r.key, r.value, r.headers) for r in self.log.records(topic)]


async def test_a_step_says_what_it_decided():
    """The event said carries cause, policy, key and a deterministic id."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    await s.apply(record)
    (said,) = s.log.records(SAID)
    envelope = from_kafka(said.value, said.headers)
    assert envelope.cause == from_kafka(record.value, record.headers).id
    assert (envelope.policy, envelope.key, said.key) == ("p1", "1.2", b"1.2")


async def test_delivered_again_it_repeats_its_bytes_and_changes_nothing():
    """Redelivery of the last event says the same bytes again from the outbox; state moves once."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    for _ in range(3):
        await s.apply(record)
        s.restart()
    first, *others = s.said()
    assert len(others) == 2
    assert all(other == first for other in others)
    loaded = await s.state.load(Place("toy", record.partition), "1.2", "x", None)
    assert loaded.version == 1


async def test_an_earlier_event_delivered_again_says_nothing():
    """Per key, an event is only begun when the one before was sent whole: its outbox may be gone."""
    s = Scene()
    first, second = s.put(opened("1.2", "a")), s.put(opened("1.2", "b"))
    for record in (first, second, first):
        await s.apply(record)
    assert len(s.said()) == 2


async def test_crash_between_commit_and_send():
    """What was committed and not sent is sent after the restart, in the bytes of the first decision."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    s.log.away, s.crash_in_sleep = True, True
    with pytest.raises(Crash):
        await s.apply(record)
    assert s.said() == []
    s.log.away, s.crash_in_sleep = False, False
    s.restart()
    await s.apply(record)
    assert len(s.said()) == 1
    loaded = await s.state.load(Place("toy", record.partition), "1.2", "x", None)
    assert loaded.version == 1


@pytest.mark.parametrize("part", ["state", "log"])
async def test_a_part_that_is_away_is_waited_for(part):
    """A deciding agent waits in place, and nothing is set aside for it."""
    s = Scene()
    record = s.put(opened("1.2", "a"))
    getattr(s, part).away = True
    task = asyncio.create_task(s.apply(record))
    await s.slept_often.wait()
    assert s.slept[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    getattr(s, part).away = False
    await task
    assert len(s.said()) == 1
    assert s.said(DEAD) == []


async def test_a_step_may_ask_for_all_of_its_state():
    """needs_all loads every part and decides again."""
    s = Scene()
    await s.apply(s.put(opened("1.2", "a")))
    await s.apply(s.put(opened("1.2", "all")))
    events = [from_kafka(value, headers).data.by for _key, value, headers in s.said()]
    assert events[-1].endswith("/1")
    assert events[0].endswith("/0")


async def test_objects_are_kept_before_the_event_goes_out():
    """What an event refers to is stored when the event is readable."""
    s = Scene()
    await s.apply(s.put(opened("1.2", "keep")))
    assert b"keep" in s.objects.contents.values()


async def test_what_is_not_heard_is_passed_over():
    """Other agents' events on the topic cost no state and no dead letter."""
    s = Scene()
    data = AlertClosed(alert="a", study="1.2", revision=1, reason="read")
    message = Message(TOPIC, *to_kafka(Envelope(id="x", time=START, key="1.2", data=data)))
    await s.apply(s.put(message))
    assert s.log.topics == (TOPIC,)


def garbage():
    good = opened("1.2", "a")
    yield "no headers", good.key, good.value, []
    yield "no key", None, good.value, good.headers
    yield "another key", b"other", good.value, good.headers
    yield "no value", good.key, None, good.headers
    yield "no JSON", good.key, b"\xff\x00", good.headers
    yield "a field's type", good.key, b'{"study": 1}', good.headers
    yield "unknown type", good.key, good.value, [("ce_type", b"wetread.Nothing.v9")]
    yield (
        "unknown version",
        good.key,
        good.value,
        [(n, b"wetread.StudyOpened.v2" if n == "ce_type" else v) for n, v in good.headers],
    )
    yield "no text", good.key, good.value, [(n, b"\xff\xfe") for n, _ in good.headers]
    yield "a step's bug", opened("1.2", "bug").key, opened("1.2", "bug").value, opened("1.2", "bug").headers


@pytest.mark.parametrize(("key", "value", "headers"), [g[1:] for g in garbage()], ids=[g[0] for g in garbage()])
async def test_what_cannot_be_handled_is_set_aside_whole(key, value, headers):
    """A dead letter has the original key, bytes and headers, a reason, and where it came from; the next goes on."""
    s = Scene()
    record = s.log.append(TOPIC, key, value, headers)
    await s.apply(record)
    ((dead_key, dead_value, dead_headers),) = s.said(DEAD)
    assert (dead_key or None, dead_value or None) == (key or None, value or None)
    assert [pair for pair in dead_headers if not pair[0].startswith("wetread-")] == headers
    assert header(dead_headers, "wetread-reason")
    where = [header(dead_headers, f"wetread-source-{n}") for n in ("topic", "partition", "offset")]
    assert where == [TOPIC, str(record.partition), str(record.offset)]
    await s.apply(s.put(opened("1.2", "b")))
    assert len(s.said()) == 1


async def test_marks_pass_dead_letters():
    """A partition that holds nothing but garbage is not read from its beginning after each restart."""
    s = Scene()
    record = s.log.append(TOPIC, b"k", b"garbage", [])
    await s.apply(record)
    assert await s.state.mark(Place("toy", record.partition)) == record.offset + 1


async def test_too_many_dead_letters_in_a_row_stop_the_process():
    """A bad deploy must not empty a topic into the dead letters."""
    s = Scene()
    for _ in range(20):
        await s.apply(s.log.append(TOPIC, b"k", b"garbage", []))
    with pytest.raises(TooManyDeadLetters):
        await s.apply(s.log.append(TOPIC, b"k", b"garbage", []))


async def test_one_good_event_between_lets_the_count_start_again():
    """Only dead letters in a row count."""
    s = Scene()
    for number in range(30):
        await s.apply(s.log.append(TOPIC, b"k", b"garbage", []))
        if number % 15 == 0:
            await s.apply(s.put(opened("1.2", str(number))))
    assert len(s.said(DEAD)) == 30


async def test_a_store_that_forgot_stops_the_process_before_anything_is_said():
    """After a flush nothing may be decided on an empty state."""
    s = Scene()
    await s.apply(s.put(opened("1.2", "a")))
    s.state.flush()
    with pytest.raises(StateLost):
        await s.apply(s.put(opened("1.2", "b")))
    assert len(s.said()) == 1


async def test_rebuilt_from_the_record_it_says_the_same_bytes():
    """State lost and everything read again: every id keeps its one content."""
    s = Scene()
    records = [s.put(opened(f"1.{n % 3}", str(n))) for n in range(12)]
    for record in records:
        await s.apply(record)
    first = s.said()
    s.state, s.log = MemoryState(), MemoryLog(clock=lambda: START)
    s.restart()
    for record in [*records, *records]:
        await s.apply(record)
    again = s.said()
    assert len(again) >= len(first)
    assert all(row in first for row in again)
    assert all(row in again for row in first)


async def test_two_processes_on_one_key_apply_each_event_once():
    """The version decides between an old owner and the new one."""
    s = Scene()
    records = [s.put(opened("1.2", str(n))) for n in range(6)]
    mine, other = s.applier, None
    s.restart()
    other = s.applier

    async def run(applier):
        for record in records:
            await applier.apply(record, lambda: 0)

    await asyncio.gather(run(mine), run(other))
    loaded = await s.state.load(Place("toy", records[0].partition), "1.2", "x", None)
    assert loaded.version == 6
    assert len({header(h, "ce_id") for _k, _v, h in s.said()}) == 6


async def test_timers_and_listing_are_committed_with_the_state():
    """Due times are the event's time plus what the stage said."""
    s = Scene()
    record = s.put(opened("1.2", "timer"))
    await s.apply(record)
    place = Place("toy", record.partition)
    (timer,) = await s.state.due([place], START + timedelta(seconds=2), 10)
    assert (timer.key, timer.name, timer.due) == ("1.2", "counting.quiet", START + timedelta(seconds=2))
    assert await s.state.due([place], START + timedelta(seconds=1.9), 10) == []
    assert await s.state.listed("toy", 8, 10) == [("1.2", START + timedelta(seconds=1))]


async def test_a_state_that_catches_up_says_nothing_again():
    """What was committed was said: the state is built of it anew, and only what comes after is said."""
    s = Scene()
    told, bad, untold = s.put(opened("1.2", "a")), s.put(opened("1.2", "?")), s.put(opened("1.2", "b"))
    assert (told.partition, told.offset, untold.offset) == (bad.partition, 0, 2)
    await s.applier.take(told.partition, bad.offset + 1)
    garbage = replace(bad, value=b"{")
    for record in (told, garbage, untold):
        await s.apply(record)
    (said,) = s.log.records(SAID)
    assert from_kafka(said.value, said.headers).cause == from_kafka(untold.value, untold.headers).id
    assert s.log.records(DEAD) == []
    loaded = await s.state.load(Place("toy", told.partition), "1.2", "x", None)
    assert loaded.version == 2
