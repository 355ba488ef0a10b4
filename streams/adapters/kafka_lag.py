"""How far the groups have come: lag and lengths of topics, by kafka-python's admin client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from streams.errors import BrokerAway

ANSWER_WITHIN_MS = 10_000


@contextmanager
def _answering(bootstrap: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"Kafka at {bootstrap}: {error}") from error


def lag(bootstrap: str, groups: Sequence[str]) -> dict[str, int]:
    """Per topic, the events that its groups have not yet acknowledged; the largest where several groups read it.

    Raises:
        BrokerAway.
    """
    behind: defaultdict[str, int] = defaultdict(int)
    with _answering(bootstrap):
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ANSWER_WITHIN_MS)
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
        try:
            for group in groups:
                for topic, amount in _group_lag(admin, consumer, group).items():
                    behind[topic] = max(behind[topic], amount)
        finally:
            consumer.close()
            admin.close()
    return dict(sorted(behind.items()))


def _group_lag(admin: Any, consumer: Any, group: str) -> dict[str, int]:
    found = admin.list_group_offsets(group)
    committed = {place: at.offset for place, at in _flat(found, group).items() if at.offset >= 0}
    ends = consumer.end_offsets(list(committed)) if committed else {}
    behind: defaultdict[str, int] = defaultdict(int)
    for place, offset in committed.items():
        behind[place.topic] += max(0, ends[place] - offset)
    return dict(behind)


def _flat(found: Any, group: str) -> dict[Any, Any]:
    """kafka-python answers by group where several were asked, else the offsets themselves."""
    inner = found.get(group, found)
    return dict(inner)


def written(bootstrap: str, topics: Sequence[str]) -> dict[str, int]:
    """Per topic, how many events it holds.

    Raises:
        BrokerAway.
    """
    with _answering(bootstrap):
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
        try:
            held = {}
            for topic in topics:
                places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
                first, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
                held[topic] = sum(end[p] - first[p] for p in places)
            return held
        finally:
            consumer.close()
