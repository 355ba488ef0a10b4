"""Rows of dead letters by event type: a build that reads all but one type does not empty that type."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.errors import TooManyDeadLetters
from streams.events.codec import type_name
from streams.events.envelope import Envelope, header, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import TimerFired
from streams.events.watching import ReportSigned, StudyOpened
from streams.ports import Message, Place
from streams.runtime.processing.applying import Applier, Outside
from streams.runtime.processing.dead_letters import (
    KEY,
    NONE,
    WITHIN_S,
    DeadLetterCount,
    Rows,
    keep_row,
    kept_row,
)
from streams.runtime.processing.handling import Handling, Manner
from streams.runtime.processing.window import Window
from tests.support.toy import DEAD, START, TOPIC, addressed, opened, toy_agent

OPENED, FIRED = type_name(StudyOpened), type_name(TimerFired)
A_DAY = 24 * 3600


class Scene:
    """The toy agent, whose input is bad as a test says, and whose clock a test sets."""

    def __init__(self):
        self.state, self.log, self.now, self.sent = MemoryState(), MemoryLog(), 1_000_000.0, Counter()
        self.restart()

    def restart(self):
        self.outside = Outside(
            state=self.state,
            log=self.log,
            objects=MemoryObjects(),
            policy="p",
            deadletters=DEAD,
            addressed=addressed,
        )
        places = [Place(agent, partition) for agent in ("toy", "forwarder") for partition in range(8)]
        self.dead = DeadLetterCount(places=lambda: places, clock=lambda: self.now)
        self.applier = Applier(toy_agent(), self.outside, self.dead)

    async def put(self, message: Message, key=None, value=None, kind=None):
        headers = [(n, kind.encode() if kind and n == "ce_type" else v) for n, v in message.headers]
        record = self.log.append(message.topic, key or message.key, value or message.value, headers)
        await self.applier.apply(record, lambda: record.offset + 1)

    def named(self, what):
        self.sent[what] += 1
        return f"{what} {self.sent[what]}"

    async def good(self):
        """An event of one type."""
        await self.put(opened(f"1.{self.sent['good'] % 5}", self.named("good")))

    async def fired(self):
        """An event of the other type."""
        name = self.named("fired")
        data = TimerFired(key="1.2", stage="counting", name=name)
        envelope = Envelope(id=named_id("toy", name), time=START, key="1.2", data=data)
        await self.put(Message(TOPIC, *to_kafka(envelope)))

    async def bad(self, kind=OPENED):
        """One of the first type that cannot be read, on whatever partition."""
        number = self.sent["bad"]
        await self.put(opened(f"1.{number}", self.named("bad")), value=b"{", kind=kind)

    def set_aside(self):
        return len(self.log.records(DEAD))


async def test_a_type_that_cannot_be_read_stops_the_process_though_others_can():
    """Every second event is handled, and is of the other type: 20 of the bad type are set aside, and no more."""
    s = Scene()
    for _ in range(20):
        await s.bad()
        await s.fired()
    for _ in range(3):
        with pytest.raises(TooManyDeadLetters, match=rf"21 events of type {OPENED} .*wetread dlq accept"):
            await s.bad()
        await s.fired()
        s.restart()
    assert s.set_aside() == 20


async def test_a_type_with_rare_bad_events_never_stops_the_process():
    """One in a hundred, for ever."""
    dead, place = DeadLetterCount(), Place("toy", 3)
    for number in range(10_000):
        if number % 100 == 0:
            await dead.set_aside(place, "because", OPENED)
        else:
            dead.handled("toy", OPENED)
    assert dead.of_kind("toy", OPENED) == 0


async def test_a_handled_event_of_the_type_ends_its_row_for_good():
    """Where it is kept too; the row of the other type stays."""
    s = Scene()
    for _ in range(15):
        await s.bad()
        await s.fired()
    for _ in range(5):
        await s.bad(FIRED)
    await s.good()
    s.restart()
    await s.dead.begin(s.state)
    assert (s.dead.of_kind("toy", OPENED), s.dead.of_kind("toy", FIRED), s.dead.in_a_row) == (0, 5, 0)


@pytest.mark.parametrize("kind", ["wetread.NeverHeardOf.v9", type_name(ReportSigned), "\xff", ""])
async def test_what_no_agent_hears_has_no_row(kind):
    """Nobody would ever end it: unknown types count in the row of all only, which any handled event ends."""
    s = Scene()
    for number in range(100):
        record = s.log.append(TOPIC, b"k%d" % number, b"{", [("ce_type", kind.encode("latin-1"))])
        await s.applier.apply(record, lambda: 0)
        await s.fired()
    assert s.dead.in_a_row == 0
    kept = [await kept_row(Place("toy", partition), s.state) for partition in range(8)]
    assert all(not rows.kinds for rows in kept)


async def test_bad_events_of_a_rare_type_do_not_add_up_over_weeks():
    """Each of them wakes somebody: a row that takes longer than a day to fill outruns nobody."""
    s = Scene()
    for _ in range(100):
        await s.bad()
        await s.fired()
        s.now += A_DAY / 10
    assert s.set_aside() == 100


async def test_a_row_that_filled_within_a_day_stays_full():
    """A worker that stopped is started again and again: another day lets no more through."""
    s = Scene()
    for _ in range(20):
        await s.bad()
        await s.fired()
        s.now += WITHIN_S / 20
    for _ in range(5):
        s.now += A_DAY
        with pytest.raises(TooManyDeadLetters):
            await s.bad()
        s.restart()
    assert s.set_aside() == 20


async def test_a_clock_that_was_wrong_does_not_hide_a_row():
    """Times within a day of each other count, in whatever order they were read off."""
    s = Scene()
    for number in range(20):
        s.now += 3600 if number % 2 else -3600
        await s.bad()
        await s.fired()
    with pytest.raises(TooManyDeadLetters):
        await s.bad()


async def test_another_agents_event_of_the_type_does_not_end_the_row():
    """That one agent can read it tells nothing of another, whose step may break on it."""
    s = Scene()
    place = Place("toy", 0)
    for _ in range(20):
        await s.dead.set_aside(place, "because", OPENED)
        assert list(s.dead.handled("another", OPENED)) == [place]
    with pytest.raises(TooManyDeadLetters):
        await s.dead.set_aside(place, "because", OPENED)
    await s.dead.set_aside(Place("another", 0), "because", OPENED)


async def test_a_forwarder_has_rows_of_what_its_topic_carries():
    """Of each type, apart from each other, and over restarts."""
    s = Scene()

    async def handle(record):
        if header(record.headers, "ce_type") == OPENED:
            raise ZeroDivisionError("bug")
        return []

    def handling():
        s.restart()
        return Handling("forwarder", handle, s.outside, Manner(hears=frozenset({OPENED, FIRED})), s.dead)

    async def put(kind):
        await forwarder.apply(s.log.append("fb", b"k", b"v", [("ce_type", kind.encode())]))

    forwarder = handling()
    for number in range(20):
        await put(OPENED)
        await put(FIRED)
        forwarder = handling() if number % 5 == 0 else forwarder
    with pytest.raises(TooManyDeadLetters, match="StudyOpened"):
        await put(OPENED)
    assert s.set_aside() == 20


async def test_rows_that_are_set_aside_at_once_are_kept_whole():
    """Twenty side by side: what is kept is what was counted last, whoever writes first."""
    s = Scene()
    records = [s.log.append(TOPIC, b"k", b"{", [("ce_type", OPENED.encode())]) for _ in range(20)]
    await asyncio.gather(*(s.applier.apply(record, lambda: 0) for record in records))
    rows = await kept_row(Place("toy", records[0].partition), s.state)
    assert (rows.length, len(rows.kinds[OPENED])) == (20, 20)


async def test_accepted_rows_are_gone():
    """As `wetread dlq accept` writes it: of every type; and what an older build kept is read."""
    state, place = MemoryState(), Place("toy", 3)
    await keep_row(place, state, "1", lambda: Rows(2, {OPENED: (5, 6, 7), FIRED: (8,)}))
    rows = await kept_row(place, state)
    assert (rows, rows.letters) == (Rows(2, {OPENED: (5, 6, 7), FIRED: (8,)}), 4)
    await keep_row(place, state, "2", Rows)
    loaded = await state.load(place, KEY, "x", None)
    assert (await kept_row(place, state), loaded.parts) == (NONE, {"row": b"0"})


class Patient(Scene):
    """With a window in which four events are at work, and time to prove that this build can read."""

    def __init__(self, patience_s=3600.0):
        super().__init__()
        self.dead.patience_s, self.fatal = patience_s, []
        self.window = Window(running=4, held=1000, on_fatal=self.ended)

    async def ended(self, error):
        self.fatal.append(error)

    async def put(self, message: Message, key=None, value=None, kind=None):
        record = self.log.append(message.topic, key or message.key, value or message.value, message.headers)
        at = (record.topic, record.partition)
        await self.window.submit(at, record.offset, message.key, lambda held: self.applier.apply(record, held.mark))

    async def calm(self):
        """All has been done that can be."""
        for _ in range(500):
            await asyncio.sleep(0)


async def test_garbage_on_one_partition_stops_no_worker_that_can_prove_itself(caplog):
    """It waits and leaves its place to others; each that is handled lets twenty more through, and nothing ends."""
    s = Patient()
    for number in range(50):
        await s.put(opened(f"garbage {number}", "?"), key=b"one", value=b"{")
    for expected in (20, 40, 50):
        await s.calm()
        assert s.set_aside() == expected
        await s.good()
    await s.calm()
    assert (s.fatal, s.window.at_work, s.dead.in_a_row) == ([], 0, 0)
    held = [record.message for record in caplog.records if "is held until another event is handled" in record.message]
    assert len(held) == 1, "said once in a while, not for each"


async def test_another_type_is_no_proof():
    """A build that cannot read one type waits in vain, and ends, however much else it handles."""
    s = Patient()
    for _ in range(20):
        await s.bad()
        await s.calm()
        await s.fired()
    s.dead.patience_s = 0.01
    await s.bad()
    for _ in range(5):
        await s.fired()
    await asyncio.gather(*s.window._tasks)
    assert s.set_aside() == 20
    assert "while others could" in str(s.fatal[0])


async def test_partitions_that_go_take_what_waits_with_them():
    """It is neither set aside nor lost: its offset stays the low end, for the next owner."""
    s = Patient()
    for number in range(25):
        await s.put(opened(f"garbage {number}", "?"), key=b"one", value=b"{")
    await s.calm()
    await s.window.close(0.0)
    assert (s.set_aside(), list(s.window.low_ends().values()), s.window.at_work) == (20, [20], 0)
