"""Places are taken in a rebalance: the state says how far it has come, and reading begins there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.errors import StateLost
from streams.runtime.processing.applying import Applier
from streams.runtime.processing.resuming import TAKES
from streams.runtime.processing.window import Window
from tests.support.consumers import stopped_consumer
from tests.support.toy import TOPIC


async def test_places_are_taken_while_nothing_is_at_work(app, monkeypatch):
    """An earlier round of a rebalance opened the windows: they are closed before the state says how far it has come.

    Else an event from further on is applied to a state that has gone back, and decided as if what is between had not
    been: a study assembled again, of other images, under the same revision.
    """
    window = app.delivery.lanes[TOPIC].window
    window.open()
    seen = []
    take = Applier.take

    async def taken(applier, partition, told=0):
        seen.append(window._open)
        return await take(applier, partition, told)

    async def committed():
        return {TP(TOPIC, 0): 50}

    async def seek(_offsets):
        """The broker is asked for it."""

    async def earliest(*tps):
        return dict.fromkeys(tps, 4)

    monkeypatch.setattr(Applier, "take", taken)
    consumer = stopped_consumer(app)
    consumer._thread = SimpleNamespace(seek_to_committed=committed, seek_wait=seek, earliest_offsets=earliest)
    await consumer.seek_to_committed()
    assert seen == [False]
    assert window.awaits((TOPIC, 0))
    app.delivery.resume()
    for offset, taken in ((56, False), (4, True), (5, True)):
        await window.submit((TOPIC, 0), offset, offset, noop)
        assert window.low_ends().get((TOPIC, 0)) is not None if taken else window.low_ends() == {}


async def noop(_held):
    """An event without effect."""


async def test_a_fetcher_that_let_something_go_takes_no_place(app, monkeypatch):
    """Faust's fetcher seeks too, at any time: it is taken back to where reading began, under whatever is at work."""
    taken, sought = [], []

    async def take(_applier, partition, _told=0):
        taken.append(partition)

    async def committed():
        return {TP(TOPIC, 0): 50}

    async def seek(offsets):
        sought.append({(tp.topic, tp.partition): at for tp, at in offsets.items()})

    async def earliest(*tps):
        return dict.fromkeys(tps, 0)

    monkeypatch.setattr(Applier, "take", take)
    consumer = stopped_consumer(app)
    consumer._thread = SimpleNamespace(seek_to_committed=committed, seek_wait=seek, earliest_offsets=earliest)
    await consumer.perform_seek()
    assert (taken, sought) == ([0], [{(TOPIC, 0): 0}])
    consumer._read_offset[TP(TOPIC, 0)] = 56
    consumer.resume_flow()
    assert consumer._read_offset == {TP(TOPIC, 0): 0}
    window = app.delivery.lanes[TOPIC].window
    await window.submit((TOPIC, 0), 0, 0, noop)
    TAKES.set(False)
    await consumer.perform_seek()
    assert (taken, sought) == ([0], [{(TOPIC, 0): 0}] * 2)
    assert window._open


async def test_a_partition_that_goes_on_without_its_beginning_ends_the_process(monkeypatch):
    """What is between would be left out, and nobody would know, though nothing more comes."""
    ended: asyncio.Queue[BaseException] = asyncio.Queue()
    window = Window(running=1, held=9, on_fatal=ended.put)
    monkeypatch.setattr("streams.runtime.processing.window.BEGINS_WITHIN_S", 0.05)
    window.begin((TOPIC, 0), 3)
    await window.submit((TOPIC, 0), 7, 7, noop)
    assert isinstance(await asyncio.wait_for(ended.get(), 10), StateLost)
    assert window.low_ends() == {}


async def test_a_beginning_that_comes_or_is_taken_back_ends_nothing(monkeypatch):
    """In time, or as the partition goes or begins anew elsewhere: nothing is overdue then."""
    ended: asyncio.Queue[BaseException] = asyncio.Queue()
    window = Window(running=1, held=9, on_fatal=ended.put)
    monkeypatch.setattr("streams.runtime.processing.window.BEGINS_WITHIN_S", 0.05)
    for number in range(3):
        window.begin((TOPIC, number), 3)
        await window.submit((TOPIC, number), 7, 7, noop)
    await window.submit((TOPIC, 0), 3, 3, noop)
    window.begin((TOPIC, 1), 9)
    await window.close(0.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ended.get(), 0.3)


async def test_what_the_recovery_starts_takes_no_place(app):
    """The fetcher's task is begun by the recovery, and would inherit what holds there."""
    TAKES.set(False)
    within = []

    async def seeks():
        within.append(TAKES.get())

    await app.tables.recovery._wait(seeks(), timeout=5)
    assert (within, TAKES.get()) == ([True], False)
