"""Each switch does switch its protection off: what is then lost or doubled is seen here, in the small."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.adapters.redis_state import RedisState
from streams.errors import StateLost
from streams.events.envelope import from_kafka
from streams.faults.protections import Protection, switch_all_on, switch_off
from streams.ports import Message, Place
from streams.runtime.processing import ticker, transport
from streams.runtime.processing.applying import Applier, Outside
from streams.runtime.processing.delivering import Delivery, Lane
from streams.runtime.processing.failures import Patience
from streams.runtime.processing.handling import Handling, Manner
from streams.runtime.processing.window import Window
from tests.support.toy import DEAD, SAID, START, TOPIC, addressed, opened, toy_agent

EITHER = pytest.mark.parametrize("protected", [True, False], ids=["on", "off"])
PLACE = ("t", 0)


class Crash(BaseException):
    """The process dies here."""


async def crash(_seconds):
    raise Crash


class Scene:
    """The toy agent; `restart` is what a crash leaves: state and log alone."""

    def __init__(self):
        self.state, self.log = MemoryState(), MemoryLog()
        self.restart()

    def restart(self):
        self.outside = Outside(
            state=self.state, log=self.log, objects=MemoryObjects(), policy="p", deadletters=DEAD, addressed=addressed,
            patience=Patience(crash),
        )  # fmt: skip
        self.applier = Applier(toy_agent(), self.outside)
        self.places = [Place("toy", p) for p in range(8)]
        self.ticker = ticker.Ticker(
            outside=self.outside, places=lambda: self.places, firing=lambda: self.places, fire=self.fire
        )

    async def fire(self, due):
        await ticker.say(due, self.outside)

    def put(self, message):
        return self.log.append(message.topic, message.key, message.value, message.headers)

    async def apply(self, record):
        await self.applier.apply(record, lambda: record.offset + 1)

    def chains(self):
        """What was said: how many events of the key were heard by then."""
        return [int(from_kafka(r.value, r.headers).data.by.partition("/")[0]) for r in self.log.records(SAID)]


@EITHER
async def test_outbox(protected):
    """A crash between state and send: the redelivery says it from the outbox, or never."""
    if not protected:
        switch_off(Protection.OUTBOX)
    s = Scene()
    record = s.put(opened("1.2", "a"))
    s.log.away = True
    with pytest.raises(Crash):
        await s.apply(record)
    s.log.away = False
    s.restart()
    await s.apply(record)
    assert s.chains() == ([1] if protected else [])


@EITHER
async def test_id_check_of_a_step(protected):
    """An event that comes again is heard again, and says something else under the same id."""
    if not protected:
        switch_off(Protection.ID_CHECK)
    s = Scene()
    record = s.put(opened("1.2", "a"))
    await s.apply(record)
    await s.apply(record)
    assert s.chains() == ([1, 1] if protected else [1, 2])
    assert len({dict(r.headers)["ce_id"] for r in s.log.records(SAID)}) == 1


@EITHER
async def test_id_check_of_a_reading(protected):
    """A reading that comes again is made again."""
    if not protected:
        switch_off(Protection.ID_CHECK)
    s, made = Scene(), []

    async def read(record):
        made.append(record)
        return [Message(SAID, record.key, str(len(made)).encode(), [])]

    handling = Handling("reading", read, s.outside, Manner(remembers=True))
    record = s.put(opened("1.2", "a"))
    await handling.apply(record)
    await handling.apply(record)
    assert [r.value for r in s.log.records(SAID)] == ([b"1", b"1"] if protected else [b"1", b"2"])


async def taken(*, finished):
    """A window that was given offsets 0 to 2 of one key each, of which these are finished."""
    gates = {n: asyncio.Event() for n in range(3)}

    async def fatal(error):
        raise error

    window = Window(running=9, held=9, on_fatal=fatal)
    held = []
    for n in range(3):

        async def work(one, n=n):
            held.append(one)
            await gates[n].wait()

        await window.submit(PLACE, n, n, work)
    await asyncio.sleep(0)
    for n in finished:
        gates[n].set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    low, mark = window.low_ends()[PLACE], held[1].mark()
    await window.close(0)
    return low, mark


@EITHER
async def test_capped_commit(protected):
    """A slow head holds back what is committed and what Redis is told, or is passed over."""
    if not protected:
        switch_off(Protection.CAPPED_COMMIT)
    assert await taken(finished=[2]) == ((0, 0) if protected else (3, 3))


@EITHER
async def test_window(protected):
    """What is at work is not finished, or counts as finished once it is taken."""
    if not protected:
        switch_off(Protection.WINDOW)
    assert await taken(finished=[]) == ((0, 0) if protected else (3, 3))


@EITHER
async def test_window_keeps_order(protected):
    """Events of one key one after the other, or all at once."""
    if not protected:
        switch_off(Protection.WINDOW)
    at_work = []

    async def fatal(error):
        raise error

    async def work(held):
        at_work.append(held.offset)
        await asyncio.Event().wait()

    window = Window(running=9, held=9, on_fatal=fatal)
    for n in range(3):
        await window.submit(PLACE, n, "one key", work)
    await asyncio.sleep(0)
    assert at_work == ([0] if protected else [0, 1, 2])
    await window.close(0)


@EITHER
async def test_redis_watermark(protected):
    """A flush is noticed by the next commit, and the start goes back for what is lost; or nobody notices."""
    if not protected:
        switch_off(Protection.REDIS_WATERMARK)
    s = Scene()
    await s.apply(s.put(opened("1.2", "a")))
    place = Place("toy", s.log.records(TOPIC)[0].partition)
    s.state.flush()
    assert await s.state.holds(place) is not protected
    again = s.put(opened("1.2", "b"))
    if protected:
        with pytest.raises(StateLost):
            await s.apply(again)
    else:
        await s.apply(again)
    s.state.flush()
    s.restart()
    delivery = Delivery(list, {TOPIC: Lane(window=Window(running=1, held=1, on_fatal=s.fire), applier=s.applier)})
    assert await delivery.start(TOPIC, place.partition, 2) == (0 if protected else None)


async def test_redis_watermark_of_the_real_store():
    """Without it, Redis is not even asked whether it knows our last commit, nor told of it."""
    state = RedisState(SimpleNamespace())
    state._latest[Place("a", 0)] = (4, "e")
    with pytest.raises(AttributeError):
        await state.holds(Place("a", 0))
    switch_off(Protection.REDIS_WATERMARK)
    assert await state.holds(Place("a", 0))


@EITHER
async def test_durable_timers(protected):
    """A crash between setting and firing: the timer fires from the store, or is forgotten."""
    if not protected:
        switch_off(Protection.DURABLE_TIMERS)
    s = Scene()
    await s.apply(s.put(opened("1.2", "timer")))
    s.restart()
    await s.ticker.tick()
    assert len(s.log.records(TOPIC)) == (2 if protected else 1)


async def test_timers_without_durability_still_fire_once():
    """The self-test must not fail for another reason: without a crash, all is as ever."""
    switch_off(Protection.DURABLE_TIMERS)
    s = Scene()
    await s.apply(s.put(opened("1.2", "timer")))
    await s.ticker.tick()
    await s.ticker.tick()
    assert len(s.log.records(TOPIC)) == 2


def test_a_volatile_timer_is_cancelled_and_set_anew():
    timers = Outside.__dataclass_fields__["volatile"].default_factory()
    place, soon = Place("a", 0), START + timedelta(seconds=1)
    timers.take(place, "k", {"x": START, "y": START})
    timers.take(place, "k", {"x": None, "y": soon})
    assert timers.due([place], START) == []
    assert timers.due([Place("b", 0)], soon) == []
    assert [t.name for t in timers.due([place], soon)] == ["y"]
    assert timers.due([place], soon) == []


@EITHER
def test_watchdog(protected):
    """An error that aiokafka has parked ends the worker, or is never asked for."""
    if not protected:
        switch_off(Protection.WATCHDOG)
    asked = []
    transport.Consumer._check(None, SimpleNamespace(check_errors=lambda: asked.append(1)))
    assert asked == ([1] if protected else [])


@EITHER
def test_watchdog_of_a_hanging_worker(protected, monkeypatch):
    """A worker that does not stop by itself is ended, or hangs for ever."""
    if not protected:
        switch_off(Protection.WATCHDOG)
    started = []
    monkeypatch.setattr(transport.threading, "Timer", lambda *_: SimpleNamespace(start=lambda: started.append(1)))
    transport.DeliveryApp._end_within(None, 1.0)
    assert started == ([1] if protected else [])


def test_all_on_again():
    switch_off(*Protection)
    assert not any(p.on for p in Protection)
    switch_all_on()
    assert all(p.on for p in Protection)
