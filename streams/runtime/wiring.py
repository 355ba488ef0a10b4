"""Settings to adapters: the one place that knows every real part by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from streams.adapters.kafka_log import LARGEST_DEAD_LETTER, KafkaLog, TopicPlan, create_topics
from streams.adapters.object_folder import ObjectFolder
from streams.doors.pseudonym import Pseudonyms, open_pseudonyms
from streams.errors import PartMissing
from streams.flow import DEADLETTERS, FEEDBACK, GROWTH, INTAKE, ORDERS, PARTITIONS, READING, RETRY, TOPICS, TRIAGE
from streams.ports import Place
from streams.runtime.parts.ports import LOOPBACK, claim_ports, remembered_ports
from streams.runtime.parts.settings import Addresses, PartsSettings
from streams.runtime.processing.dead_letters import Rows, keep_row, kept_row
from streams.runtime.settings import Settings

DICOM_PORT = "dicom"
FLOW_GROUP, READING_GROUP = "wetread-flow", "wetread-reading"
GROUPS = (FLOW_GROUP, READING_GROUP)
AGENTS = (ORDERS, INTAKE, FEEDBACK, TRIAGE, GROWTH, *READING.values())


def model_store_folder(settings: Settings) -> Path:
    """Where models that were brought here are kept."""
    return settings.home / "models"


def parts_settings(settings: Settings) -> PartsSettings:
    """What the local stack is told."""
    from streams.adapters.model_store import SERVED  # noqa: PLC0415  # with every reading function: 1 s

    return PartsSettings(
        home=settings.home,
        kafka=settings.kafka,
        redis=settings.redis,
        triton=settings.triton,
        redis_maxmemory=settings.redis_memory,
        model_folders=(settings.models, model_store_folder(settings) / SERVED),
    )


def addresses(settings: Settings) -> Addresses:
    """Where the parts answer: as set, else where this home's stack has them.

    Raises:
        PartMissing: this home has no stack yet.
    """
    ports = remembered_ports(settings.home)

    def local(name: str, form: str) -> str:
        if name not in ports:
            raise PartMissing(f"no stack has run in {settings.home} yet: start one with `wetread up --detach`")
        return form.format(f"{LOOPBACK}:{ports[name]}")

    return Addresses(
        kafka=settings.kafka or local("kafka", "{}"),
        redis=settings.redis or local("redis", "redis://{}/0"),
        triton=settings.triton or local("triton_grpc", "{}"),
    )


def dicom_address(settings: Settings) -> tuple[str, int]:
    """Host and port of the DIMSE door: as set, else chosen once and remembered."""
    port = settings.dicom_port or remembered_ports(settings.home).get(DICOM_PORT)
    return settings.dicom_host, port or claim_ports(settings.home, [DICOM_PORT])[DICOM_PORT]


def pseudonym(settings: Settings) -> Pseudonyms:
    """The keyed hashes of this installation."""
    return open_pseudonyms(settings.home)


def object_store(settings: Settings) -> ObjectFolder:
    """The store of bytes."""
    return ObjectFolder(settings.home / "objects")


def topic_plans() -> list[TopicPlan]:
    """Every topic of the map, with the retry topics and the dead letters."""
    keyed = [
        TopicPlan(name=topic.name, partitions=topic.partitions, retention_days=topic.retention_days) for topic in TOPICS
    ]
    retries = [TopicPlan(name=name, partitions=PARTITIONS) for name in RETRY.values()]
    room = {"max.message.bytes": str(LARGEST_DEAD_LETTER)}
    return [*keyed, *retries, TopicPlan(name=DEADLETTERS, partitions=1, retention_days=365, config=room)]


async def waiting_studies(redis: str, agent: str) -> int:
    """How many studies stand on the worklist, as Redis has it.

    Raises:
        StateStoreAway.
    """
    from streams.adapters.redis_state import RedisState, connect  # noqa: PLC0415  # 0.4 s, and few commands ask Redis

    client = connect(redis)
    try:
        return await RedisState(client).count_listed(agent, PARTITIONS)
    finally:
        await client.aclose()


async def accept_dead_letters(redis: str, now: datetime) -> int:
    """Workers that stopped at too many dead letters in a row may go on: the events are bad, not the build.

    Returns:
        How many dead letters in a row are counted no more.

    Raises:
        StateStoreAway.
    """
    from streams.adapters.redis_state import RedisState, connect  # noqa: PLC0415

    client = connect(redis)
    state, accepted = RedisState(client), 0
    try:
        for place in (Place(agent, partition) for agent in AGENTS for partition in range(PARTITIONS)):
            rows = await kept_row(place, state)
            accepted += rows.letters
            if rows.letters:
                await keep_row(place, state, f"accepted {now.isoformat()}", Rows)
    finally:
        await client.aclose()
    return accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A connection to the record."""

    log: KafkaLog
    kafka: str

    async def shadow_topics(self, prefix: str) -> None:
        """Create the topics of a shadow run."""
        plans = [replace(plan, name=f"{prefix}{plan.name}") for plan in topic_plans()]
        await asyncio.to_thread(create_topics, self.kafka, plans)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connected]:
    """The record of the running stack.

    Raises:
        PartMissing: no stack runs here.
        BrokerAway: Kafka does not answer.
    """
    kafka = addresses(settings).kafka
    async with KafkaLog(kafka) as log:
        yield Connected(log=log, kafka=kafka)
