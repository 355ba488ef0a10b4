"""What was said of a request before a memory of it was lost, from the record: repeated, not contradicted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.events.envelope import header
from streams.ports import EventLog, Message, Record

log = logging.getLogger(__name__)

REMEMBERED_FOR = timedelta(days=2)
"""How long an answer is remembered, and how far back it is looked for on the record."""
MARGIN = timedelta(minutes=1)
"""Looked through before the time of a request: clocks of doors and workers differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How answers are told from the rest of the record.

    Attributes:
        topics: where they stand.
        kinds: their types, as CloudEvents spell them.
        ids: of a request's id, the ids of all that it ends in, in the order in which they are sent.
    """

    topics: tuple[str, ...]
    kinds: frozenset[str]
    ids: Callable[[str], tuple[str, ...]]


def now_utc() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Recollection:
    """Answers of late, read from the record at most once while partitions are ours, and only where one is asked for.

    Before a request is answered for which the state store has no answer, the record has been looked through from the
    request's own time on: whoever answered it did so after that, whatever became of the state store since. As long
    as the partitions are ours nobody else answers their requests, and a state store that forgets what we answered
    ends the process (StateLost); so what was looked through once stays true until the partitions go.
    """

    def __init__(self, record: EventLog, answers: Answers, clock: Callable[[], datetime] = now_utc) -> None:
        """Nothing is read yet."""
        self._record, self._answers, self._clock = record, answers, clock
        self._since: datetime | None = None
        self._said: dict[str, dict[tuple[str, str], Message]] = {}
        self._looking = asyncio.Lock()

    def end(self) -> None:
        """The partitions are no longer ours: others may answer from now on."""
        self._since, self._said = None, {}

    async def of(self, request: Record, event: str) -> tuple[Message, ...]:
        """All that was said of the request before, byte for byte; event: its id.

        Raises:
            BrokerAway.
        """
        async with self._looking:
            await self._look_back_to(_time_of(request))
        return tuple(self._said.get(event, {}).values())

    def whole(self, event: str, said: Sequence[Message]) -> tuple[Message, ...] | None:
        """What the request ended in, where all of that was said; None: it is to be answered (again)."""
        known = {header(message.headers, "ce_id"): message for message in said}
        ids = self._answers.ids(event)
        return tuple(known[name] for name in ids) if all(name in known for name in ids) else None

    async def _look_back_to(self, time: datetime) -> None:
        """Read on from then; further back than is asked for, so that older and older requests ask a few times only."""
        now = self._clock()
        furthest = now - REMEMBERED_FOR
        wanted = max(min(time, now), furthest)
        if self._since is not None and wanted >= self._since:
            return
        since = max(wanted - (now - wanted) / 2 - MARGIN, furthest)
        said: dict[str, dict[tuple[str, str], Message]] = {}
        async for record in self._record.read(self._answers.topics, follow=False, since=since):
            self._note(record, said)
        log.info("looked for answers on the record since %s: of %d requests", since.isoformat(), len(said))
        self._since, self._said = since, said

    def _note(self, record: Record, said: dict[str, dict[tuple[str, str], Message]]) -> None:
        """An event stands for what it said first."""
        cause, name = header(record.headers, "ce_causationid"), header(record.headers, "ce_id")
        if cause and name and header(record.headers, "ce_type") in self._answers.kinds:
            message = Message(record.topic, record.key or b"", record.value or b"", record.headers)
            said.setdefault(cause, {}).setdefault((record.topic, name), message)


def repeated(messages: Sequence[Message], said: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, each as it was said before where it was."""
    known = {(message.topic, header(message.headers, "ce_id")): message for message in said}
    return tuple(known.get((m.topic, header(m.headers, "ce_id")), m) for m in messages)


def _time_of(request: Record) -> datetime:
    """Not after the request was first said: one that is said again carries the time of its cause."""
    try:
        told = datetime.fromisoformat(header(request.headers, "ce_time") or "")
    except ValueError:
        return request.written_at
    return request.written_at if told.tzinfo is None else min(told, request.written_at)
