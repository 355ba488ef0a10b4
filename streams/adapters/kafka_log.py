"""The event log on Kafka: aiokafka sends and reads, kafka-python creates topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError as AsyncKafkaError
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from streams.adapters.partitioning import holding
from streams.errors import BrokerAway, EventTooLarge
from streams.ports import Message, Record

log = logging.getLogger(__name__)

LARGEST_DEAD_LETTER = 3_000_000
"""Bytes; a dead letter carries the whole of an event that Kafka took, and why."""
DAY_MS = 24 * 3600 * 1000
ACKNOWLEDGED_WITHIN_S = 20.0
POLL_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic as it is to be: topics keyed alike have equal partitions."""

    name: str
    partitions: int
    retention_days: int = 30
    config: Mapping[str, str] = field(default_factory=dict)


def create_topics(bootstrap: str, plans: Sequence[TopicPlan], replication: int = 1) -> None:
    """Create those that do not exist; what exists is left as it is.

    Raises:
        BrokerAway: Kafka does not answer.
    """
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415  # 0.4 s to load, and most commands create none
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=20_000)
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {bootstrap}: {error}") from error
    try:
        existing = set(admin.list_topics())
        for plan in plans:
            if plan.name not in existing:
                _create(admin, plan, replication)
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {bootstrap}: {error}") from error
    finally:
        admin.close()


def _create(admin: Any, plan: TopicPlan, replication: int) -> None:
    from kafka.admin import NewTopic  # noqa: PLC0415
    from kafka.errors import TopicAlreadyExistsError  # noqa: PLC0415

    configs = {"retention.ms": str(plan.retention_days * DAY_MS), "cleanup.policy": "delete", **plan.config}
    try:
        admin.create_topics([NewTopic(plan.name, plan.partitions, replication, topic_configs=configs)])
    except TopicAlreadyExistsError:
        log.info("topic %s was created by another worker meanwhile", plan.name)


class KafkaLog:
    """EventLog on Kafka; one per process. The producer is started by the first send, in that event loop."""

    def __init__(self, bootstrap: str, client_id: str = "wetread") -> None:
        """Nothing is connected yet."""
        self._bootstrap, self._client_id = bootstrap, client_id
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(self, messages: Sequence[Message]) -> None:
        """Send in order, all at once, and return when Kafka has acknowledged each.

        Raises:
            BrokerAway: not acknowledged in time; some may have been written all the same.
            EventTooLarge: Kafka will never take one of them.
        """
        if not messages:
            return
        try:
            producer = await self._started()
            pending = [await producer.send(m.topic, key=m.key, value=m.value, headers=m.headers) for m in messages]
            outcomes = await asyncio.gather(*pending, return_exceptions=True)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise EventTooLarge(f"more than Kafka takes: {error}") from error
        except (AsyncKafkaError, OSError) as error:
            raise BrokerAway(f"Kafka: {type(error).__name__}: {error}") from error
        for outcome in outcomes:
            if isinstance(outcome, MessageSizeTooLargeError | RecordListTooLargeError):
                raise EventTooLarge("more than Kafka takes") from outcome
            if isinstance(outcome, BaseException):
                raise BrokerAway(f"Kafka: {type(outcome).__name__}: {outcome}") from outcome

    def read(
        self,
        topics: Sequence[str],
        *,
        follow: bool,
        since: datetime | None = None,
        keys: Sequence[bytes] | None = None,
    ) -> AsyncIterator[Record]:
        """All records of the topics from `since` on, partition by partition in order; topics not there are empty."""
        return _read(self._bootstrap, tuple(topics), follow=follow, since=since, keys=keys)

    async def close(self) -> None:
        """Wait for what is on its way, and disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_request_size=LARGEST_DEAD_LETTER,
                    request_timeout_ms=int(ACKNOWLEDGED_WITHIN_S * 1000),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
        return self._producer


async def _read(
    bootstrap: str, topics: tuple[str, ...], *, follow: bool, since: datetime | None, keys: Sequence[bytes] | None
) -> AsyncIterator[Record]:
    """A consumer outside every group: nothing of a worker's is moved by it."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=LARGEST_DEAD_LETTER,
    )
    try:
        await consumer.start()
        partitions = _only(consumer, keys)
        ends = await _seek(consumer, partitions, since)
        while follow or [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for tp, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    if follow or record.offset < ends[tp]:
                        yield record_of(record)
    except (AsyncKafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {bootstrap}: {type(error).__name__}: {error}") from error
    finally:
        await consumer.stop()


def _only(consumer: AIOKafkaConsumer, keys: Sequence[bytes] | None) -> list[Any]:
    """The partitions that these keys stand in; nothing is fetched from the others."""
    wanted = holding(consumer.assignment(), keys)
    consumer.pause(*(consumer.assignment() - set(wanted)))
    return wanted


async def _seek(consumer: AIOKafkaConsumer, partitions: list[Any], since: datetime | None) -> dict[Any, int]:
    """Go to the first record since then; the ends that the partitions have now."""
    if not partitions:
        return {}
    ends: dict[Any, int] = await consumer.end_offsets(partitions)
    if since is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
        for tp in partitions:
            consumer.seek(tp, found[tp].offset if found.get(tp) else ends[tp])
    return ends


def record_of(record: Any) -> Record:
    """A client's record as ours; a header without a value has an empty one."""
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=[pair if pair[1] else (pair[0], b"") for pair in record.headers],
        written_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
