"""The event log's contract: the same suite on the twin and on a real Kafka."""

from __future__ import annotations

import asyncio
import itertools
import os
from datetime import timedelta

import pytest
from aiokafka.partitioner import DefaultPartitioner as AioPartitioner
from kafka.partitioner import murmur2

from streams.adapters.kafka_log import KafkaLog, TopicPlan, create_topics
from streams.adapters.memory_twins import MemoryLog, now_utc
from streams.adapters.partitioning import partition_of
from streams.errors import BrokerAway
from streams.ports import Message

NUMBERS = itertools.count()


@pytest.fixture(params=["twin", pytest.param("real", marks=pytest.mark.stack)])
async def log(request):
    if request.param == "twin":
        yield MemoryLog()
        return
    async with KafkaLog(request.getfixturevalue("bootstrap")) as found:
        yield found


@pytest.fixture
async def topics(request, log):
    names = [f"contract.{os.getpid()}.{next(NUMBERS)}" for _ in range(2)]
    if isinstance(log, KafkaLog):
        plans = [TopicPlan(name=name, partitions=8) for name in names]
        address = request.getfixturevalue("bootstrap")
        await asyncio.to_thread(create_topics, address, plans)
        await asyncio.to_thread(create_topics, address, plans)
    return names


def numbered(topic, count, key=None):
    return [
        Message(topic, (key or f"1.2.{n % 5}").encode(), str(n).encode(), [("n", str(n).encode()), ("x", b"\xff")])
        for n in range(count)
    ]


async def everything(log, topics, since=None):
    return [record async for record in log.read(topics, follow=False, since=since)]


async def test_what_is_sent_is_read(log, topics):
    """Key, value, headers as they were; offsets from 0; a timestamp of the log's."""
    await log.send(numbered(topics[0], 20))
    records = await everything(log, topics)
    assert {r.value for r in records} == {str(n).encode() for n in range(20)}
    for record in records:
        assert record.headers == [("n", record.value), ("x", b"\xff")]
        assert abs(record.written_at - now_utc()) < timedelta(minutes=1)
    first = {r.partition: r.offset for r in reversed(records)}
    assert set(first.values()) == {0}


async def test_order_of_a_key(log, topics):
    """A burst of one key is read in the order in which it was sent, over several sends too."""
    await log.send(numbered(topics[0], 200, "k"))
    await log.send(numbered(topics[0], 3, "k"))
    values = [int(r.value) for r in await everything(log, topics)]
    assert values == [*range(200), 0, 1, 2]


async def test_topics_agree_on_partitions(log, topics):
    """Topics that are keyed alike put one key into one partition number: Kafka's default partitioner."""
    for topic in topics:
        await log.send(numbered(topic, 10))
    found = {}
    for record in await everything(log, topics):
        found.setdefault(record.key, set()).add(record.partition)
    assert all(parts == {partition_of(key, 8)} for key, parts in found.items())


async def test_reading_ends_at_the_ends_of_the_call(log, topics):
    """An empty topic ends at once, and reading again begins at the beginning."""
    assert await everything(log, topics) == []
    await log.send(numbered(topics[1], 3))
    assert len(await everything(log, topics)) == 3
    assert len(await everything(log, topics)) == 3


async def test_reading_since(log, topics):
    """Only what was written at that time or later."""
    await log.send(numbered(topics[0], 3, "k"))
    await asyncio.sleep(0.05)
    since = now_utc()
    assert await everything(log, topics, since) == []
    await asyncio.sleep(0.01)
    await log.send(numbered(topics[0], 2, "k"))
    assert [int(r.value) for r in await everything(log, topics, since)] == [0, 1]


async def test_reading_some_keys(log, topics):
    """Only the partitions that they stand in, of each topic; what else stands there comes too."""
    for topic in topics:
        await log.send(numbered(topic, 40))
    keys = [b"1.2.0", b"1.2.3"]
    found = [record async for record in log.read(topics, follow=False, keys=keys)]
    wanted = {partition_of(key, 8) for key in keys}
    assert {(r.topic, r.partition) for r in found} == {(topic, p) for topic in topics for p in wanted}
    every = [r for r in await everything(log, topics) if r.partition in wanted]
    assert sorted((r.topic, r.value) for r in found) == sorted((r.topic, r.value) for r in every)
    assert [r async for r in log.read(topics, follow=False, keys=[])] == []


async def test_following(log, topics):
    """A follower gets what is there and what arrives."""
    await log.send(numbered(topics[0], 2, "k"))
    seen = []
    enough = asyncio.Event()

    async def follow():
        async for record in log.read(topics, follow=True):
            seen.append((record.topic, int(record.value)))
            if len(seen) == 4:
                enough.set()

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.2)
    await log.send(numbered(topics[1], 2, "k"))
    await asyncio.wait_for(enough.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(seen) == sorted((t, n) for t in topics for n in range(2))


async def test_sending_nothing(log):
    """No messages, no wait."""
    await log.send([])


async def test_a_log_that_is_away_says_so():
    """Neither twin nor Kafka pretends to have taken anything."""
    with pytest.raises(BrokerAway):
        await MemoryLog(away=True).send(numbered("t", 1))
    away = KafkaLog("127.0.0.1:1")
    with pytest.raises(BrokerAway):
        await away.send(numbered("t", 1))
    with pytest.raises(BrokerAway):
        await everything(away, ["t"])


def test_all_producers_share_one_partitioner():
    """aiokafka, kafka-python and the twin put a key into the same partition: co-keyed topics agree."""
    aio, every = AioPartitioner(), list(range(8))
    for n in range(500):
        key = f"1.2.{n}.{'x' * (n % 7)}".encode()
        assert aio(key, every, every) == partition_of(key, 8) == (murmur2(key) & 0x7FFFFFFF) % 8
