"""Reading a recorded topic to its end: a bare aiokafka loop, our readers, a whole replay, in turns in one process."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from streams.adapters.kafka_log import KafkaLog, create_topics
from streams.adapters.memory_twins import MemoryState
from streams.ports import Message
from streams.runtime.record.entries import EVERY_TOPIC, entries
from streams.runtime.record.replay import replayed
from streams.runtime.wiring import topic_plans
from tests.bench.flow_alone import Flow
from tests.bench.table import Section
from tests.support import studies
from tests.support.kafka_and_redis import real_parts

INSTANCES = ("imaging.instances",)
SENT_AT_ONCE = 200
Reading = Callable[[str, Sequence[str]], Awaitable[int]]


async def bare(kafka: str, topics: Sequence[str]) -> int:
    """A getmany loop with aiokafka's own settings, which does nothing with the records."""
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        number, total = 0, sum((await consumer.end_offsets(consumer.assignment())).values())
        while number < total:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for _record in records:
                    number += 1
        return number
    finally:
        await consumer.stop()


async def records(kafka: str, topics: Sequence[str]) -> int:
    """The event log's records, undecoded."""
    async with KafkaLog(kafka) as log:
        return await _count(log.read(topics, follow=False))


async def events(kafka: str, topics: Sequence[str]) -> int:
    """The record as everything that reads it has it: decoded, checked field by field, each id once."""
    async with KafkaLog(kafka) as log:
        return await _count(entries(log, topics))


async def whole(kafka: str, _topics: Sequence[str]) -> int:
    """`wetread replay`: all of it decided again, and compared byte by byte."""
    async with KafkaLog(kafka) as log:
        said, found = await replayed(log, studies.POLICIES, (studies.HEAD,))
    assert found.equal == found.events == len(said), "the record says itself again"
    return 0


async def _count(read: AsyncIterator[Any]) -> int:
    number = 0
    async for _each in read:
        number += 1
    return number


async def record_of(number: int) -> list[Message]:
    """What so many studies leave on the record."""
    kept: list[Message] = []
    flow = Flow(MemoryState(), record=kept)
    await flow.take()
    for each in range(number):
        await flow.study(f"1.2.840.{10_000_000 + each}")
    return kept


async def _spent(read: Reading, kafka: str, topics: Sequence[str], total: int) -> float:
    began = time.process_time()
    assert await read(kafka, topics) in (0, total)
    return (time.process_time() - began) / total


async def measure(kafka: str, number: int, rounds: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """CPU of each way, and its speed against the bare loop over the same topics; how many events were read."""
    kept = await record_of(number)
    async with KafkaLog(kafka) as log:
        for first in range(0, len(kept), SENT_AT_ONCE):
            await log.send(kept[first : first + SENT_AT_ONCE])
    total, stored = len(kept), sum(message.topic in INSTANCES for message in kept)
    kept.clear()
    every: tuple[tuple[str, Reading, Sequence[str], int], ...] = (
        ("bare aiokafka getmany loop", bare, EVERY_TOPIC, total),
        ("our records, undecoded", records, EVERY_TOPIC, total),
        ("our events: decoded, checked, each once", events, EVERY_TOPIC, total),
        ("the whole replay: decided again, compared", whole, EVERY_TOPIC, total),
        ("imaging.instances alone, bare", bare, INSTANCES, stored),
        ("imaging.instances alone, our events", events, INSTANCES, stored),
    )
    found: dict[str, list[float]] = {name: [] for name, *_rest in every}
    for _ in range(rounds):
        for name, read, topics, count in every:
            found[name].append(await _spent(read, kafka, topics, count))
    rows = []
    for name, _read, topics, _count_of in every:
        against = found["bare aiokafka getmany loop" if topics is EVERY_TOPIC else "imaging.instances alone, bare"]
        middle = statistics.median(found[name])
        ratio = statistics.median(b / own for b, own in zip(against, found[name], strict=True))
        rows.append((name, f"{middle * 1e6:.1f} us", f"{1 / middle:,.0f}", f"{ratio:.2f}"))
    return tuple(rows), total


def run(quick: bool) -> Section:
    """The record of 1,200 studies."""
    number, rounds = (200, 3) if quick else (1_200, 7)
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as home:
        kafka, _redis = real_parts(Path(home))
        kafka.start()
        try:
            create_topics(kafka.address, topic_plans())
            rows, total = asyncio.run(measure(kafka.address, number, rounds))
        finally:
            kafka.stop()
    return Section(
        name="bulk-replay",
        title="Reading the record again",
        goal="at least half the speed of a bare getmany loop, per core.",
        columns=("", "CPU per event", "events a second of CPU", "speed against bare"),
        rows=rows,
        notes=(
            f"{total:,} events of {number:,} studies on {len(EVERY_TOPIC)} topics of 8 partitions of",
            "a real Kafka; a quarter of them are `InstancesStored` with seven images of 20 facts each. CPU of this one",
            "process, ways in turns, medians over the rounds; the broker's part is left out. The bare loop neither",
            "decodes nor checks anything, and nothing here leaves a check out. Our events miss the half: of what",
            "they cost over the bare loop, the bodies' decoding and checking takes a third, and the rest is Python",
            "objects, a record, its headers as text and an envelope of each.",
        ),
    )
