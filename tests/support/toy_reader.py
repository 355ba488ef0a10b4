"""A worker process of two toy reading lanes: python -m tests.support.toy_reader KAFKA REDIS GROUP."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from streams.adapters.kafka_log import KafkaLog, TopicPlan
from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import now_utc
from streams.adapters.redis_state import RedisState, connect
from streams.errors import ModelServerAway
from streams.events.codec import type_name
from streams.events.envelope import Envelope, from_kafka, to_kafka
from streams.events.identifiers import event_id
from streams.events.watching import ReportSigned, StudyOpened
from streams.ports import Message, Record
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.failures import attempt_of
from streams.runtime.processing.recollecting import Answers
from streams.runtime.processing.worker import ReadingLane, ReadingWiring, Site, run_reading_worker
from tests.support.toy import addressed

URGENT, ROUTINE, ANSWERS, DEAD = "toy.urgent", "toy.routine", "toy.answers", "toy.reading.deadletters"
NAMES = (URGENT, f"{URGENT}.retry", ROUTINE, f"{ROUTINE}.retry", ANSWERS, DEAD)
SLOW_S = 600.0
TOPICS = tuple(TopicPlan(name=name, partitions=8) for name in NAMES)


async def read(record: Record) -> Sequence[Message]:
    """Answers, each time in other bytes; "late" not at the first attempt, "slow" after many minutes."""
    envelope = from_kafka(record.value, record.headers)
    asked = envelope.data
    assert isinstance(asked, StudyOpened)
    if asked.by == "late" and attempt_of(record.headers) == 0:
        raise ModelServerAway("not yet")
    if asked.by == "slow":
        print("slow", flush=True)
        await asyncio.sleep(SLOW_S)
    said = ReportSigned(study=asked.study, by=asked.by)
    name, now = event_id(envelope.id, "reading", 0), now_utc()
    answer = Envelope(id=name, time=now, key=envelope.key, data=said, cause=envelope.id)
    return [Message(ANSWERS, *to_kafka(answer))]


def main() -> None:
    """Run until SIGTERM."""
    bootstrap, redis_url, group = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")
    outside = Outside(
        state=RedisState(connect(redis_url)),
        log=KafkaLog(bootstrap),
        objects=MemoryObjects(),
        policy="toy",
        deadletters=DEAD,
        addressed=addressed,
    )
    site = Site(bootstrap=bootstrap, group=group, topics=TOPICS, ready=lambda: print("ready", flush=True))
    lanes = tuple(
        ReadingLane(name=topic, topic=topic, retry_topic=f"{topic}.retry", running=running)
        for topic, running in ((URGENT, 2), (ROUTINE, 1))
    )
    answers = Answers(
        topics=(ANSWERS,),
        kinds=frozenset({type_name(ReportSigned)}),
        ids=lambda request: (event_id(request, "reading", 0),),
    )
    run_reading_worker(
        ReadingWiring(site=site, outside=outside, lanes=lanes, read=read, deadline_s=2 * SLOW_S, answers=answers)
    )


if __name__ == "__main__":
    main()
