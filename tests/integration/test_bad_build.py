"""A build that cannot read one event type stops itself, on a real Kafka and a real Redis, start after start."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.adapters.kafka_log import KafkaLog, create_topics
from streams.events.envelope import Envelope, header, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import TimerFired
from streams.ports import Message
from streams.runtime.processing.dead_letters import TOO_MANY
from tests.support.kafka_and_redis import RealPart, real_parts
from tests.support.toy import DEAD, START, TOPIC, opened
from tests.support.toy_worker import TOPICS
from tests.support.workers import Workers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]

BAD, PATIENCE_S = 300, 180.0


def of_both_types(number: int) -> list[Message]:
    """One event on which the step breaks, between two of another type that it can handle, of one study."""
    study = f"1.2.{number % 24}"
    fired = [TimerFired(key=study, stage="counting", name=f"{number} {which}") for which in ("a", "b")]
    before, after = (Envelope(id=named_id("toy", e.name), time=START, key=study, data=e) for e in fired)
    return [Message(TOPIC, *to_kafka(before)), opened(study, "bug", str(number)), Message(TOPIC, *to_kafka(after))]


async def set_aside(log: KafkaLog) -> set[tuple[str | None, ...]]:
    """Where the dead letters came from, each once."""
    names = [f"wetread-source-{name}" for name in ("topic", "partition", "offset")]
    letters = [record async for record in log.read([DEAD], follow=False)]
    return {tuple(header(letter.headers, name) for name in names) for letter in letters}


async def ended(workers: Workers, times: int) -> None:
    """Wait for so many ends of the worker: a process tells nobody else of its end."""
    end = time.monotonic() + PATIENCE_S
    while len(workers.exits) < times:
        assert time.monotonic() < end, workers.exits
        await asyncio.sleep(0.1)


@pytest.fixture
def own_parts(tmp_path: Path) -> Iterator[tuple[RealPart, RealPart]]:
    """A Kafka and a Redis that no other test has written to: its events would be handled, and end the row."""
    kafka, redis = real_parts(tmp_path / "parts")
    try:
        redis.start()
        kafka.start()
        yield kafka, redis
    finally:
        kafka.stop()
        redis.stop()


async def test_one_type_is_not_emptied_into_the_dead_letters(own_parts, tmp_path):
    """Every third event is bad and the others are handled: the worker ends after twenty of the bad type or few more.

    A few: what was at work when it ended may have been sent, and not counted.
    """
    kafka, redis = own_parts
    await asyncio.to_thread(create_topics, kafka.address, TOPICS)
    async with KafkaLog(kafka.address) as log:
        await log.send([message for number in range(BAD) for message in of_both_types(number)])
        with Workers(1, [kafka.address, redis.address, f"bad-build-{os.getpid()}"], tmp_path) as workers:
            await ended(workers, 1)
            first = await set_aside(log)
            await ended(workers, 2)
        both = await set_aside(log)
    assert TOO_MANY <= len(first) <= len(both) <= 2 * TOO_MANY < BAD
    assert 0 not in workers.exits[:2]
    said = (tmp_path / "worker-0.log").read_text()
    assert said.count("events of type wetread.StudyOpened.v1 in a row could not be handled, while others could") >= 2
