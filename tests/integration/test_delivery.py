"""The delivery promise on a real Kafka and a real Redis, with everything killed in turn."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import pytest

from streams.adapters.kafka_log import KafkaLog, create_topics
from streams.adapters.partitioning import partition_of
from streams.adapters.redis_state import RedisState, connect
from streams.errors import BrokerAway
from streams.events.codec import decode_part
from streams.events.envelope import from_kafka, header
from streams.events.watching import StudyOpened
from streams.ports import Place
from tests.support.toy import DEAD, SAID, TOPIC, Count, chained, opened
from tests.support.toy_worker import TOPICS
from tests.support.workers import Workers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

KEYS, EVENTS, PER_SECOND = 24, 1200, 100
PATIENCE_S = 150.0


async def everything(log, topic):
    return [record async for record in log.read([topic], follow=False)]


async def feed(log, chosen):
    """Events at an even rate, one in ten sent twice."""
    for number in range(EVENTS):
        message = opened(f"1.2.{chosen.randrange(KEYS)}", str(number))
        twice = [message] * (2 if chosen.random() < 0.1 else 1)
        sent = False
        while not sent:
            try:
                await log.send(twice)
                sent = True
            except BrokerAway:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1 / PER_SECOND)


async def watched(log, misfortunes):
    """Follow what is said; each misfortune falls when its share of the events has been said."""
    ids = set()
    async for record in log.read([SAID], follow=True):
        ids.add(header(record.headers, "ce_id"))
        if misfortunes and len(ids) >= misfortunes[0][0] * EVENTS:
            await misfortunes.pop(0)[1]()
        if len(ids) >= EVENTS:
            return


def misfortunes(workers, kafka, redis, chosen):
    """One of each, by the share of events after which it falls."""

    async def kill():
        workers.signal(signal.SIGKILL, chosen)

    async def term():
        workers.signal(signal.SIGTERM, chosen)

    async def flush():
        await redis.flushall()

    async def broker():
        await asyncio.to_thread(kafka.kill)
        await asyncio.to_thread(kafka.start)

    return [(0.1, kill), (0.3, flush), (0.5, broker), (0.7, term), (0.85, kill)]


def folded(records):
    """Per key the chain after each event, in the record's order, each id once."""
    chains, seen = {}, set()
    for record in records:
        envelope = from_kafka(record.value, record.headers)
        assert isinstance(envelope.data, StudyOpened)
        if envelope.id not in seen:
            seen.add(envelope.id)
            own = chains.setdefault(envelope.key, [])
            own.append(chained(own[-1] if own else "", envelope.data.by))
    return chains


async def test_nothing_lost_nothing_twice(kafka_and_redis, tmp_path):
    """Workers killed, Redis flushed, the broker killed: each event has its one effect, in its key's order."""
    kafka, real_redis = kafka_and_redis
    chosen = random.Random(7)
    redis = connect(real_redis.address)
    await redis.flushall()
    await asyncio.to_thread(create_topics, kafka.address, TOPICS)
    arguments = [kafka.address, real_redis.address, f"toy-{os.getpid()}"]
    async with KafkaLog(kafka.address) as log:
        with Workers(2, arguments, tmp_path) as workers:
            fall = misfortunes(workers, kafka, redis, chosen)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(feed(log, chosen), watched(log, fall))
        heard, said = await everything(log, TOPIC), await everything(log, SAID)
        assert await everything(log, DEAD) == []
    assert -signal.SIGKILL in workers.exits
    assert 1 in workers.exits, "a worker ends when its state is gone"
    expected = folded(heard)
    assert sum(len(chain) for chain in expected.values()) == EVENTS
    contents, first = {}, {}
    for record in said:
        identity = header(record.headers, "ce_id")
        content = (record.key, record.value, record.headers)
        assert contents.setdefault(identity, content) == content
        if contents[identity] is content:
            first.setdefault(record.key.decode(), []).append(from_kafka(*content[1:]).data.by.split("/")[1])
    assert first == expected
    state = RedisState(redis)
    for key, chain in expected.items():
        place = Place("toy", partition_of(key.encode(), 8))
        loaded = await state.load(place, key, "none", ("counting.count",))
        count = decode_part(Count, loaded.parts["counting.count"])
        assert (count.heard, count.chain) == (len(chain), chain[-1])
    await redis.aclose()
    print(f"{len(said) - EVENTS} of {EVENTS} said again; exits {workers.exits}")
