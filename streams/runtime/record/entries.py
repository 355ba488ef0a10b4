"""Reading the record: all topics of the map as envelopes, each id once, each key in its order."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from streams.errors import SetAside
from streams.events.envelope import Envelope, from_kafka, header
from streams.flow import TOPICS
from streams.ports import EventLog, Record

EVERY_TOPIC = tuple(topic.name for topic in TOPICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event of the record, and where it stands."""

    record: Record
    envelope: Envelope


async def entries(
    log: EventLog,
    topics: Sequence[str] = EVERY_TOPIC,
    *,
    follow: bool = False,
    since: datetime | None = None,
    keys: Sequence[bytes] | None = None,
) -> AsyncIterator[Entry]:
    """The events of the topics; what cannot be read (a dead letter tells of it) is passed over.

    keys: of the partitions that these keys stand in alone (EventLog.read).
    """
    seen: set[tuple[str, str]] = set()
    async for record in log.read(topics, follow=follow, since=since, keys=keys):
        try:
            envelope = from_kafka(record.value, record.headers)
        except SetAside:
            continue
        mark = (record.topic, envelope.id)
        if mark not in seen:
            seen.add(mark)
            yield Entry(record=record, envelope=envelope)


@contextmanager
def keeping_all() -> Iterator[None]:
    """While a command reads what it keeps: Python's collector would walk all of it again and again for nothing."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


async def decided_under(log: EventLog, since: datetime | None = None) -> dict[str, str]:
    """Id of each event of which something was said since then, to the digest of the rules that decided it."""
    found: dict[str, str] = {}
    async for record in log.read(EVERY_TOPIC, follow=False, since=since):
        cause, digest = header(record.headers, "ce_causationid"), header(record.headers, "ce_policydigest")
        if cause and digest:
            found.setdefault(cause, digest)
    return found
