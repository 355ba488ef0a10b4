"""From notes to events: instances grouped by series, the end of an association, orders; until Kafka has them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.doors.header import Header, read_header
from streams.doors.pseudonym import Pseudonyms
from streams.doors.spool import Note, Spool
from streams.errors import NotDicom, ObjectMissing, TryAgain
from streams.events.envelope import Envelope, timestamp, to_kafka
from streams.events.identifiers import EventId, named_id
from streams.events.imaging import InstancesStored, OrderPlaced, SeriesClosed
from streams.flow import DEADLETTERS, addressed
from streams.ports import EventLog, Message, ObjectStore

log = logging.getLogger(__name__)

GROUP_WITHIN_S = 0.1
GROUP_MOST = 50
BATCH_MOST = 500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

_Owed = tuple[int, Note]


@dataclass(slots=True)
class _Association:
    """What an association has brought so far: study to series to count."""

    studies: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))


@dataclass(slots=True)
class Shipper:
    """Ships what a door owes, in order; lives in the door's event loop."""

    door: str
    spool: Spool
    objects: ObjectStore
    pseudonyms: Pseudonyms
    log: EventLog
    stored: Callable[[int], None] = lambda _count: None
    """Told how many instances have an event that Kafka has acknowledged."""
    _queue: asyncio.Queue[_Owed] = field(default_factory=asyncio.Queue)
    _number: int = 0
    _associations: dict[str, _Association] = field(default_factory=lambda: defaultdict(_Association))
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def recover(self) -> None:
        """Take up what an earlier process still owed; before the first `take`."""
        for note in self.spool.recovered:
            self.take(note)
        self.spool.recovered.clear()

    def take(self, note: Note) -> None:
        """A note that is durable, in the order of owing; in the event loop's thread."""
        self._number += 1
        self._idle.clear()
        self._queue.put_nowait((self._number, note))

    async def run(self) -> None:
        """Ship for ever; what Kafka does not take is tried again."""
        while True:
            if self._queue.empty():
                self._idle.set()
            batch = await self._batch()
            messages = await asyncio.to_thread(self._messages, [note for _, note in batch])
            await self._send(messages)
            self.spool.shipped(batch[-1][0])
            self.stored(sum(note.kind == "instance" for _, note in batch))

    async def drained(self, patience_s: float) -> bool:
        """Wait until nothing is owed; False: not in time (the spool keeps it)."""
        try:
            await asyncio.wait_for(self._idle.wait(), patience_s)
        except TimeoutError:
            return False
        return True

    async def _batch(self) -> list[_Owed]:
        """The first note and what comes within 100 ms, no further than the end of an association."""
        batch = [await self._queue.get()]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GROUP_WITHIN_S
        while batch[-1][1].kind == "instance" and len(batch) < BATCH_MOST:
            try:
                batch.append(await asyncio.wait_for(self._queue.get(), deadline - loop.time()))
            except TimeoutError:
                break
        return batch

    async def _send(self, messages: Sequence[Message]) -> None:
        pause = FIRST_PAUSE_S
        while messages:
            try:
                await self.log.send(messages)
            except TryAgain as error:
                log.warning("%d events wait for Kafka, %d are owed: %s", len(messages), self.spool.owed, error)
                await asyncio.sleep(pause)  # nothing tells that Kafka is back but asking it
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                return

    def _messages(self, notes: Iterable[Note]) -> list[Message]:
        groups: dict[tuple[str, str, str], list[tuple[Note, Header]]] = defaultdict(list)
        messages: list[Message] = []
        for note in notes:
            if note.kind != "instance":
                messages += self._stored(groups)
                groups.clear()
                messages += self._closed(note) if note.kind == "closed" else self._ordered(note)
                continue
            try:
                header = read_header(self.objects.path(note.digest).read_bytes(), self.pseudonyms)
            except (NotDicom, ObjectMissing) as error:
                messages.append(self._dead_letter(note, str(error)))
                continue
            groups[note.association, header.study.study, header.series.series].append((note, header))
        return messages + self._stored(groups)

    def _stored(self, groups: dict[tuple[str, str, str], list[tuple[Note, Header]]]) -> list[Message]:
        messages = []
        for (association, study, series), members in groups.items():
            self._associations[association].studies[study][series] += len(members)
            for start in range(0, len(members), GROUP_MOST):
                messages += self._group(association, members[start : start + GROUP_MOST])
        return messages

    def _group(self, association: str, members: list[tuple[Note, Header]]) -> list[Message]:
        (_, first), (last, _) = members[0], members[-1]
        event = InstancesStored(
            facts=first.study,
            series=first.series,
            instances=tuple(header.instance for _, header in members),
            door=self.door,
            association=association,
            stored_at=last.at,
        )
        digests = sorted(note.digest for note, _ in members)
        return self._addressed(
            named_id("instances", association, *digests), last.at, event, first.study.study, association
        )

    def _closed(self, note: Note) -> list[Message]:
        brought = self._associations.pop(note.association, _Association())
        messages: list[Message] = []
        for study, counts in brought.studies.items():
            event = SeriesClosed(study=study, association=note.association, how=note.how, counts=dict(counts))
            identity = named_id("closed", note.association, study)
            messages += self._addressed(identity, note.at, event, study, note.association)
        return messages

    def _ordered(self, note: Note) -> list[Message]:
        event = OrderPlaced(order=note.order, priority=note.priority)
        identity = named_id("order", note.order, note.priority, note.at.isoformat())
        return self._addressed(identity, note.at, event, note.order, note.order)

    def _addressed(self, identity: EventId, at: datetime, event: object, key: str, association: str) -> list[Message]:
        envelope = Envelope(
            id=identity,
            time=at,
            key=key,
            data=event,
            traceparent=traceparent(association, key),
        )
        return [Message(topic, *to_kafka(one)) for topic, one in addressed(envelope, self.door)]

    def _dead_letter(self, note: Note, reason: str) -> Message:
        """The bytes stay in the store, under their digest: they may name a patient, and topics never do."""
        headers = [
            ("wetread-reason", reason.encode()),
            ("wetread-source-topic", f"door {self.door}".encode()),
            ("wetread-object", note.digest.encode()),
            ("wetread-instance", note.instance.encode()),
            ("wetread-at", timestamp(note.at).encode()),
        ]
        return Message(DEADLETTERS, note.digest.encode(), b"", headers)


def traceparent(association: str, study: str) -> str:
    """One trace per association and study (W3C Trace Context 3.2); the same after a crash of the door."""
    digest = hashlib.sha256(f"{association}/{study}".encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"
