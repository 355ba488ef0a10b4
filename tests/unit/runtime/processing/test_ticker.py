"""Timers become events: once in effect, by an id and a time that follow from what was set."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime, timedelta

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.errors import BrokerAway, StateLost
from streams.events.envelope import from_kafka
from streams.events.imaging import TimerFired
from streams.ports import Change, Place
from streams.runtime.processing import ticker
from streams.runtime.processing.applying import Applier, Outside
from streams.runtime.processing.delivering import Delivery, Lane
from streams.runtime.processing.window import Window
from streams.stage import LAST
from tests.support.toy import DEAD, START, TOPIC, addressed, opened, toy_agent


class Scene:
    """The toy agent, with one timer set for long ago."""

    def __init__(self):
        self.state, self.log = MemoryState(), MemoryLog()
        self.outside = Outside(
            state=self.state,
            log=self.log,
            objects=MemoryObjects(),
            policy="p",
            deadletters=DEAD,
            addressed=addressed,
        )
        self.applier = Applier(toy_agent(), self.outside)
        self.places = [Place("toy", p) for p in range(8)]
        self.ticker = ticker.Ticker(
            outside=self.outside, places=lambda: self.places, firing=lambda: self.places, fire=self.fire
        )

    async def fire(self, due):
        await ticker.say(due, self.outside)

    async def set(self):
        message = opened("1.2", "timer")
        record = self.log.append(TOPIC, message.key, message.value, message.headers)
        await self.applier.apply(record, lambda: 0)
        return record

    def fired(self):
        envelopes = [from_kafka(r.value, r.headers) for r in self.log.records(TOPIC)]
        return [e for e in envelopes if isinstance(e.data, TimerFired)]


async def test_a_due_timer_is_an_event_on_its_agents_topic():
    """In the key's own partition, at the time it was set for, then forgotten."""
    s = Scene()
    record = await s.set()
    await s.ticker.tick()
    await s.ticker.tick()
    (event,) = s.fired()
    assert event.data == TimerFired(key="1.2", stage="counting", name="quiet")
    assert (event.time, event.key) == (START + timedelta(seconds=2), "1.2")
    assert s.log.records(TOPIC)[-1].partition == record.partition


async def test_a_crash_before_it_is_settled_fires_it_again_by_the_same_id():
    """The agent then knows it."""
    s = Scene()
    await s.set()
    due = await s.state.due(s.places, START + timedelta(days=1), 10)
    await s.fire(due)
    await s.ticker.tick()
    first, second = s.fired()
    assert first == second
    for record in s.log.records(TOPIC)[1:]:
        await s.applier.apply(record, lambda: 0)
    loaded = await s.state.load(Place("toy", record.partition), "1.2", "x", None)
    assert loaded.version == 2


async def test_not_sent_is_not_settled():
    """Kafka away: the timer stays due."""
    s = Scene()
    await s.set()
    s.log.away = True
    with pytest.raises(BrokerAway):
        await s.ticker.tick()
    s.log.away = False
    await s.ticker.tick()
    assert len(s.fired()) == 1


async def test_only_of_places_that_are_ours():
    """Another worker's timers are another worker's."""
    s = Scene()
    await s.set()
    s.places = []
    await s.ticker.tick()
    assert s.fired() == []


async def test_a_flush_while_idle_is_noticed():
    """No event has to come for it."""
    s = Scene()
    await s.set()
    await s.ticker.check()
    s.state.flush()
    with pytest.raises(StateLost):
        await s.ticker.check()


async def test_a_last_timer_takes_its_key_with_it():
    """It is no event; one that was cancelled after it came due takes nothing."""
    s = Scene()
    for key, event in (("1.2", "a"), ("1.3", "b")):
        change = Change(
            version=0,
            event=event,
            parts={"counting.x": b"{}"},
            said=(),
            timers={f"counting.{LAST}": START},
            mark=0,
            known_mark=0,
        )
        await s.state.commit(Place("toy", 1), key, change)
    due = await s.state.due(s.places, START, 10)
    back = Change(version=1, event="c", parts={}, said=(), timers={f"counting.{LAST}": None}, mark=0, known_mark=0)
    await s.state.commit(Place("toy", 1), "1.3", back)
    await ticker.say(due, s.outside)
    assert TOPIC not in s.log.topics
    left = [dict((await s.state.load(Place("toy", 1), key, "d", None)).parts) for key in ("1.2", "1.3")]
    assert left == [{}, {"counting.x": b"{}"}]
    assert not (await s.state.load(Place("toy", 1), "1.2", "a", None)).applied


class Elsewhere(datetime):
    """A clock that is so far apart."""

    apart = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.apart  # noqa: TID251  # a wrong clock is what is tried


@pytest.mark.parametrize("hours", [-1, 1])
async def test_the_clock_of_a_worker_moves_no_timer(hours, monkeypatch):
    """What is due is due by the store's clock: no hour late where the worker is slow, not at once where it is fast."""
    s = Scene()
    await s.set()
    (timer,) = await s.state.due(s.places, START + timedelta(days=1), 10)
    apart = timedelta(minutes=10)
    says = [timer.due - apart, timer.due + apart]

    async def the_stores(_state):
        return says.pop(0)

    monkeypatch.setattr(MemoryState, "time", the_stores)
    monkeypatch.setattr(Elsewhere, "apart", timedelta(hours=hours))
    monkeypatch.setattr(ticker, "datetime", Elsewhere)
    for times in (0, 1):
        await s.ticker.set_clock()
        await s.ticker.tick()
        assert len(s.fired()) == times


async def test_a_store_that_went_back_fires_nothing():
    """Its timers are those of then: some were moved or cancelled since, by events that it has forgotten."""
    s = Scene()
    await s.set()
    then = copy.deepcopy(s.state._held)
    other = opened("1.2", "other")
    record = s.log.append(TOPIC, other.key, other.value, other.headers)
    await s.applier.apply(record, lambda: 0)
    s.state._held = then
    with pytest.raises(StateLost):
        await s.ticker.tick()
    assert s.fired() == []


def test_a_state_that_is_behind_fires_no_timer():
    """Until it is taken, and all that was committed is finished again: its timers may have been moved since."""
    window = Window(running=4, held=4, on_fatal=Scene().fire)
    delivery = Delivery(lambda: [(TOPIC, n) for n in range(3)], {TOPIC: Lane(window=window, place="toy")})
    delivery.begin(TOPIC, 0, 20, 20)
    delivery.begin(TOPIC, 1, 5, 7)
    assert delivery.places() == [Place("toy", n) for n in range(3)]
    assert delivery.caught_up() == [Place("toy", 0)]


async def test_a_state_that_has_caught_up_fires_again():
    """The last committed event is finished, whether its agent heard it or not."""
    window = Window(running=4, held=4, on_fatal=Scene().fire)
    delivery = Delivery(lambda: [(TOPIC, 1)], {TOPIC: Lane(window=window, place="toy")})
    delivery.begin(TOPIC, 1, 5, 7)
    for offset in (5, 6):
        assert delivery.caught_up() == []
        done = asyncio.Event()

        async def work(_held, done=done):
            done.set()

        await window.submit((TOPIC, 1), offset, offset, work)
        await done.wait()
        await asyncio.sleep(0)
    assert delivery.caught_up() == [Place("toy", 1)]
