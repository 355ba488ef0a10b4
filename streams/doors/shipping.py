"""From notes to events: instances grouped by series, the end of an association, orders; until Kafka has them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from streams.doors.header import Header, read_stored
from streams.doors.journal import Journal, Studies, no_studies
from streams.doors.notes import Note
from streams.doors.patience import Patience
from streams.doors.pseudonym import Pseudonyms
from streams.doors.spool import Owed, Spool
from streams.errors import NotDicom, ObjectMissing, TryAgain
from streams.events.envelope import Envelope, timestamp, to_kafka
from streams.events.identifiers import EventId, named_id
from streams.events.imaging import InstancesStored, OrderPlaced, SeriesClosed
from streams.faults.points import Point
from streams.flow import DEADLETTERS, addressed
from streams.ports import EventLog, Message, ObjectStore

T = TypeVar("T")

log = logging.getLogger(__name__)

GROUP_WITHIN_S = 0.1
GROUP_MOST = 50
SERIES_MOST = 5_000
"""Series in one SeriesClosed: an event is at most 900 KB."""
BATCH_MOST = 500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


@dataclass(slots=True)
class Shipper:
    """Ships what a door owes, in the order of the spool; lives in the door's event loop.

    A crash repeats the last batch: event ids come from what an event is about, and stages take an instance
    that comes twice as one.
    """

    door: str
    spool: Spool
    objects: ObjectStore
    pseudonyms: Pseudonyms
    log: EventLog
    stored: Callable[[int], None] = lambda _count: None
    """Told how many instances have an event that Kafka has acknowledged."""
    journal: Journal | None = None
    set_aside: Callable[[int], None] = lambda _count: None
    """Told how many objects have a dead letter that Kafka has acknowledged: no DICOM, or the disk cannot read them."""
    _patience: Patience = field(default_factory=Patience)
    _associations: dict[str, Studies] = field(default_factory=lambda: defaultdict(no_studies))
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def recover(self) -> None:
        """Say the end of associations that an earlier process did not live to see; before `run`."""
        is_open: dict[str, bool] = {}
        for note in self.spool.waiting:
            if note.kind != "order":
                is_open[note.association] = note.kind == "instance"
        left = self.journal.left() if self.journal else {}
        for association, (studies, ended) in left.items():
            if ended and association not in is_open and self.journal:
                self.journal.forget(association)
                continue
            self._associations[association] = studies
            is_open.setdefault(association, True)
        for association in (name for name, still in is_open.items() if still):
            self.spool.owe(Note(kind="closed", at=datetime.now(UTC), association=association), always=True)

    def take(self, _note: Note) -> None:
        """A note is durable: the spool hands it over in its order; in the event loop's thread."""
        self._idle.clear()
        self._woken.set()

    async def run(self) -> None:
        """Ship for ever; what Kafka does not take is tried again.

        Raises:
            DoorClosed: the spool has failed; the door is to be started again.
        """
        while True:
            self._woken.clear()
            batch = self.spool.take(BATCH_MOST)
            if not batch:
                self._idle.set()
                await self._woken.wait()
                continue
            self._idle.clear()
            batch += await self._more(batch)
            set_aside = await self._ship([owed.note for owed in batch])
            self.spool.shipped(batch[-1].number)
            if self.journal:
                self.journal.forget()
            self.stored(sum(owed.note.kind == "instance" for owed in batch))
            self._patience.shipped()
            if set_aside:
                self.set_aside(set_aside)

    async def drained(self, patience_s: float) -> bool:
        """Wait until nothing is owed; False: not in time (the spool keeps it)."""
        try:
            await asyncio.wait_for(self._idle.wait(), patience_s)
        except TimeoutError:
            return False
        return True

    async def _more(self, first: Sequence[Owed]) -> list[Owed]:
        """What comes within 100 ms, no further than the end of an association."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GROUP_WITHIN_S
        more: list[Owed] = []
        latest: Sequence[Owed] = first
        while all(owed.note.kind == "instance" for owed in latest) and len(first) + len(more) < BATCH_MOST:
            try:
                await asyncio.wait_for(self._woken.wait(), deadline - loop.time())
            except TimeoutError:
                break
            self._woken.clear()
            latest = self.spool.take(BATCH_MOST - len(first) - len(more))
            more += latest
        return more

    async def _ship(self, notes: Sequence[Note]) -> int:
        """Stored instances first; ends of associations once those are acknowledged. Returns how many are set aside."""
        read = await self._patiently(lambda: asyncio.to_thread(self._read_all, notes))
        stored = self._stored(read)
        set_aside = [self._dead_letter(note, found) for note, found in read if isinstance(found, str)]
        stored += set_aside
        stored += [message for note in notes if note.kind == "order" for message in self._ordered(note)]
        await self._send(stored)
        self._remember(read)
        closed = [note for note in notes if note.kind == "closed"]
        await self._send([message for note in closed for message in self._closed(note)])
        if self.journal:
            self.journal.ended(note.association for note in closed)
        return len(set_aside)

    def _remember(self, read: Sequence[tuple[Note, Header | str]]) -> None:
        """For the door that has to say the end, should this one not live so long."""
        brought: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for note, header in read:
            if not isinstance(header, str):
                names = header.study.study, header.series.series, header.instance.instance
                brought[note.association].append(names)
        for association, instances in brought.items():
            if self.journal:
                self.journal.brought(association, instances)

    async def _send(self, messages: Sequence[Message]) -> None:
        if messages:
            with Point.EVENT_SENT:
                await self._patiently(lambda: self.log.send(messages))

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try for ever: what is owed stays owed."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return await attempt()
            except (TryAgain, OSError) as error:
                log.warning("%d events are owed and wait: %s", self.spool.owed, error)
                await asyncio.sleep(pause)  # nothing tells that Kafka is back but asking it
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _read_all(self, notes: Sequence[Note]) -> list[tuple[Note, Header | str]]:
        """Each instance's header; one that the disk cannot read is given up after some tries of all.

        Raises:
            OSError: not yet.
        """
        read: list[tuple[Note, Header | str]] = []
        waits: OSError | None = None
        for note in (note for note in notes if note.kind == "instance"):
            try:
                read.append((note, self._read(note)))
                self._patience.read(note.digest)
            except OSError as fault:
                if not self._patience.gives_up(note.digest, fault):
                    waits = fault
                reason = f"the disk cannot read the stored object ({fault.strerror}): mend it, and send the image again"
                read.append((note, reason))
        if waits:
            raise waits
        return read

    def _read(self, note: Note) -> Header | str:
        """The header, or why there is none."""
        try:
            return read_stored(self.objects.path(note.digest), note.digest, self.pseudonyms)
        except (NotDicom, ObjectMissing) as error:
            return str(error)
        except OSError:
            raise  # the disk, not the header: tried again
        except Exception as error:  # one object must never stop all that come after it
            log.exception("the header of %s", note.digest)
            return f"its header cannot be read ({type(error).__name__})"

    def _stored(self, read: Sequence[tuple[Note, Header | str]]) -> list[Message]:
        groups: dict[tuple[str, str, str, str], dict[str, tuple[Note, Header]]] = defaultdict(dict)
        for note, header in read:
            if isinstance(header, str):
                continue
            study, series = header.study.study, header.series.series
            patient = header.study.patient  # another one in the same study is a danger that assembly must see
            groups[note.association, study, series, patient].setdefault(note.digest, (note, header))
            self._associations[note.association][study][series].add(header.instance.instance)
        messages = []
        for (association, *_), by_digest in groups.items():
            members = list(by_digest.values())
            for start in range(0, len(members), GROUP_MOST):
                messages += self._group(association, members[start : start + GROUP_MOST])
        return messages

    def _group(self, association: str, members: list[tuple[Note, Header]]) -> list[Message]:
        (_, first), last = members[0], max(note.at for note, _ in members)
        event = InstancesStored(
            facts=first.study,
            series=first.series,
            instances=tuple(header.instance for _, header in members),
            door=self.door,
            association=association,
            stored_at=last,
        )
        digests = sorted(note.digest for note, _ in members)
        return self._addressed(
            named_id("instances", association, *digests), last, event, first.study.study, association
        )

    def _closed(self, note: Note) -> list[Message]:
        brought = self._associations.pop(note.association, {})
        messages: list[Message] = []
        for study, series in brought.items():
            counts = [(uid, len(instances)) for uid, instances in sorted(series.items())]
            for start in range(0, len(counts), SERIES_MOST):
                some = dict(counts[start : start + SERIES_MOST])
                event = SeriesClosed(study=study, association=note.association, how=note.how, counts=some)
                # named for its counts: a door that was killed may know fewer of the images when it says this again
                identity = named_id("closed", note.association, study, *(f"{uid} {n}" for uid, n in some.items()))
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
