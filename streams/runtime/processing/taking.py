"""From a topic's record to its work: by which key it keeps its order, and what is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.events.envelope import header
from streams.ports import Record
from streams.runtime.processing.applying import Applier
from streams.runtime.processing.failures import wait_for
from streams.runtime.processing.handling import Handling
from streams.runtime.processing.window import Held

LONGEST_WAIT = timedelta(minutes=10)

Take = Callable[[Record], tuple[Hashable, Callable[[Held], Awaitable[None]]]]
"""The key by which an event keeps its order, and its work."""


def applying(applier: Applier) -> Take:
    """An agent that decides: each key in its order."""

    def take(record: Record) -> tuple[Hashable, Callable[[Held], Awaitable[None]]]:
        return (record.partition, record.key), lambda held: applier.apply(record, held.mark)

    return take


def in_order(handling: Handling) -> Take:
    """A forwarder: each key in its order."""

    def take(record: Record) -> tuple[Hashable, Callable[[Held], Awaitable[None]]]:
        return (record.partition, record.key), lambda _held: handling.apply(record)

    return take


def side_by_side(handling: Handling) -> Take:
    """Readings of one study do not wait for each other; the same one twice does."""

    def take(record: Record) -> tuple[Hashable, Callable[[Held], Awaitable[None]]]:
        key = header(record.headers, "ce_id") or (record.partition, record.offset)
        return key, lambda _held: handling.apply(record)

    return take


Sooner = Callable[[Record], Awaitable[None]]
"""Returns when an event on the retry topic need not wait for its time."""


async def in_time(_record: Record) -> None:
    """Nothing makes its time come sooner."""
    await asyncio.get_running_loop().create_future()


def waiting(handling: Handling, running: int, sooner: Sooner = in_time) -> Take:
    """Each waits for its time by itself; so many are handled at once."""
    gate = asyncio.Semaphore(running)

    async def work(record: Record) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_for(record.headers, datetime.now(UTC), LONGEST_WAIT).total_seconds()):
                await sooner(record)
        async with gate:
            await handling.apply(record)

    def take(record: Record) -> tuple[Hashable, Callable[[Held], Awaitable[None]]]:
        return (record.partition, record.offset), lambda _held: work(record)

    return take


def record_of(message: Any) -> Record:
    """Faust's message as ours; a header without a value has an empty one."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=[(name, value or b"") for name, value in message.headers or ()],
        written_at=datetime.fromtimestamp(message.timestamp, UTC),
    )
