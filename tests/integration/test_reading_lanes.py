"""Reading lanes on a real Kafka and a real Redis: put off and made later, cancelled and made by the next process."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace

import pytest

from streams.adapters.kafka_log import KafkaLog, create_topics
from streams.adapters.redis_state import connect
from streams.events.envelope import from_kafka
from tests.support.toy import opened
from tests.support.toy_reader import ANSWERS, DEAD, ROUTINE, TOPICS, URGENT
from tests.support.verifying import contradictions
from tests.support.whole_stack import PATIENCE_S

pytestmark = [pytest.mark.stack, pytest.mark.timeout(4 * PATIENCE_S)]


async def started(arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.toy_reader", *arguments, stdout=asyncio.subprocess.PIPE
    )


async def until_printed(process, word):
    async with asyncio.timeout(PATIENCE_S):
        async for line in process.stdout:
            if word in line.decode():
                return


async def answered(log, count):
    """The kinds of readings of studies 9.x that were answered, in the order of the answers."""
    seen = {}
    async with asyncio.timeout(PATIENCE_S):
        async for record in log.read([ANSWERS], follow=True):
            envelope = from_kafka(record.value, record.headers)
            if envelope.key.startswith("9."):
                seen.setdefault(envelope.id, envelope.data.by)
            if len(seen) == count:
                return list(seen.values())
    raise AssertionError


async def test_put_off_and_cancelled_readings_are_made_in_the_end(kafka_and_redis):
    """One that cannot be made now does not hold the others; SIGTERM waits for no reading; none is lost."""
    kafka, redis = kafka_and_redis
    await asyncio.to_thread(create_topics, kafka.address, TOPICS)
    arguments = [kafka.address, redis.address, f"readers-{os.getpid()}"]
    async with KafkaLog(kafka.address) as log:
        asked = [("late", URGENT), ("a", URGENT), ("b", ROUTINE), ("c", ROUTINE)]
        await log.send([replace(opened(f"9.{n}", by), topic=topic) for n, (by, topic) in enumerate(asked)])
        first = await started(arguments)
        await until_printed(first, "ready")
        found = await answered(log, 4)
        assert sorted(found) == ["a", "b", "c", "late"]
        assert found[-1] == "late"
        await log.send([replace(opened("9.9", "slow"), topic=URGENT), replace(opened("9.8", "d"), topic=URGENT)])
        await until_printed(first, "slow")
        assert "d" in await answered(log, 5)
        first.terminate()
        assert await asyncio.wait_for(first.wait(), PATIENCE_S) == 0
        second = await started(arguments)
        await until_printed(second, "slow")
        second.kill()
        await second.wait()
        assert [r async for r in log.read([DEAD], follow=False)] == []


async def test_a_redis_that_forgot_leaves_an_answer_its_one_content(kafka_and_redis):
    """Asked again after its memory is gone, here by a new group, a reader repeats what stands on the record."""
    kafka, redis = kafka_and_redis
    await asyncio.to_thread(create_topics, kafka.address, TOPICS)
    names = [f"8.{os.getpid()}.{number}" for number in range(20)]
    async with KafkaLog(kafka.address) as log:
        await log.send([replace(opened(n, "a"), topic=URGENT) for n in names])
        for turn in (1, 2):
            reader = await started([kafka.address, redis.address, f"again-{turn}-{os.getpid()}"])
            await said(log, names, turn)
            reader.kill()
            await reader.wait()
            await forgotten(redis.address)
        records = [r async for r in log.read([ANSWERS], follow=False)]
        assert list(contradictions(records)) == []


async def said(log, names, times):
    """Each of these was answered so often."""
    missing = dict.fromkeys(names, times)
    async with asyncio.timeout(PATIENCE_S):
        async for record in log.read([ANSWERS], follow=True):
            name = record.key.decode()
            missing[name] = missing.get(name, 0) - 1
            if all(missing[n] <= 0 for n in names):
                return


async def forgotten(address):
    """All that Redis has of the urgent lane."""
    client = connect(address)
    keys = [key async for key in client.scan_iter(f"wetread:{{{URGENT}:*")]
    assert keys
    await client.delete(*keys)
    await client.aclose()
