"""The retry topic: each event waits for its time by itself, or until what it waits for is there."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from streams.adapters.memory_twins import now_utc
from streams.ports import Record
from streams.runtime.processing.failures import retry
from streams.runtime.processing.taking import waiting
from streams.runtime.processing.window import Held

NOW = now_utc()
FAR = NOW + timedelta(days=1)


class Handled:
    """Stands for Handling: what was handled, and how many at once."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.at_once = self.most = 0

    async def apply(self, record: Record) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.offsets.append(record.offset)


def late(offset: int, until: datetime) -> Record:
    record = Record(topic="t", partition=0, offset=offset, key=b"k", value=b"v", headers=[], written_at=NOW)
    message = retry(record, "t.retry", until)
    return Record(
        topic="t.retry",
        partition=0,
        offset=offset,
        key=message.key,
        value=message.value,
        headers=message.headers,
        written_at=NOW,
    )


async def handle(take, record):
    key, work = take(record)
    await work(Held(("t.retry", 0), record.offset, key, work))


async def test_one_whose_time_has_come_is_handled():
    """At once, and so many side by side at most."""
    handled = Handled()
    take = waiting(handled, 2)  # type: ignore[arg-type]
    await asyncio.gather(*(handle(take, late(n, NOW)) for n in range(6)))
    assert sorted(handled.offsets) == list(range(6))
    assert handled.most == 2


async def test_one_that_waits_for_something_is_handled_when_it_is_there():
    """Before its time; others still wait for theirs, and hold nobody."""
    handled, there = Handled(), asyncio.Event()

    async def sooner(record: Record) -> None:
        await (there if record.offset == 1 else asyncio.Event()).wait()

    take = waiting(handled, 1, sooner)  # type: ignore[arg-type]
    alone, waits = (asyncio.create_task(handle(take, late(n, FAR))) for n in range(2))
    await asyncio.sleep(0.01)
    assert handled.offsets == []
    there.set()
    await waits
    await handle(take, late(2, NOW))
    assert handled.offsets == [1, 2]
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    assert handled.offsets == [1, 2]
