"""One event through an agent, at the edge: load, decide, commit, send; and all of it again after a crash."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from streams.adapters.telemetry import CounterName, Telemetry
from streams.errors import EventUnreadable, NoRoom, ObjectStoreAway, SetAside
from streams.events.codec import PREFIX, decode_part, encode_state, event_type, type_name
from streams.events.envelope import Envelope, from_kafka, to_kafka
from streams.faults.points import Point
from streams.faults.protections import Protection, all_on
from streams.ports import Change, EventLog, Loaded, Message, ObjectStore, Place, Record, StateStore
from streams.runtime.processing.dead_letters import DeadLetterCount, keep_row, kind_of
from streams.runtime.processing.failures import Patience, dead_letter, must_stop, reason_of
from streams.runtime.processing.recalling import Recalling
from streams.runtime.processing.volatile import VolatileTimers
from streams.stage import Agent, Decision, Parts, decide

log = logging.getLogger(__name__)
T = TypeVar("T")

Addressed = Callable[[Envelope, str], Iterable[tuple[str, Envelope]]]
"""streams.flow.addressed, or a test's own."""
Rules = Callable[[], tuple[Agent, str]]
"""The agent under the policies of now, and their digest: asked once for each event, so that no event sees two."""
LowEnd = Callable[[], int]
"""How far into the partition all is applied once this event is (streams.runtime.processing.window.Held.mark)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that a step touches outside itself.

    Attributes:
        policy: digest of the policies and contracts under which the agent decides.
        deadletters: topic of what can never be handled.
        addressed: the topics and keys of an envelope that an agent says.
        spans: traces and counters; None: nothing is told.
    """

    state: StateStore
    log: EventLog
    objects: ObjectStore
    policy: str
    deadletters: str
    addressed: Addressed
    spans: Telemetry | None = None
    patience: Patience = field(default_factory=Patience)
    volatile: VolatileTimers = field(default_factory=VolatileTimers)


class Applier:
    """The guaranteed step of one agent.

    It returns when the event's whole effect stands: state committed and everything said acknowledged by Kafka,
    or the event is in the dead letters. What raises ends the process; the event is then delivered again, and
    repeats the same ids and bytes.
    """

    def __init__(
        self,
        agent: Agent,
        outside: Outside,
        dead: DeadLetterCount | None = None,
        rules: Rules | None = None,
        recalling: Recalling | None = None,
    ) -> None:
        """`dead` may be shared by the agents of a process; rules: None, the agent decides as it is for ever.

        recalling: asked of what may have been decided before, so that it is decided by the rules of then.
        """
        self.agent = agent
        self._rules = rules or (lambda: (agent, outside.policy))
        self._recalling = recalling
        self._outside = outside
        self._dead = dead or DeadLetterCount()
        self._kinds = frozenset(type_name(t) for t in agent.hears)
        self._hears = {kind.encode() for kind in self._kinds}
        self._known_marks: dict[Place, int] = {}
        self._told: dict[int, int] = {}

    async def take(self, partition: int, told: int = 0) -> int | None:
        """How far into the partition the state has come, before its first event; None: from the beginning.

        told: what was said of the events before this offset stands on the topics (it was committed after that);
        where the state has to catch up with them, it is decided anew and not said again.
        """
        place = Place(self.agent.name, partition)
        self._told[partition] = told
        mark = await self._patiently(lambda: self._outside.state.mark(place))
        self._known_marks[place] = mark or 0
        return mark

    def end(self) -> None:
        """The partitions are no longer ours: others may decide from now on."""
        if self._recalling is not None:
            self._recalling.end()

    async def apply(self, record: Record, low_end: LowEnd) -> None:
        """Apply the event, however often it takes, or set it aside.

        Raises:
            StateLost, TooManyDeadLetters: this process cannot go on.
        """
        try:
            await self._patiently(lambda: self._step(record, low_end))
        except Exception as error:
            if must_stop(error):
                raise
            await self._set_aside(record, error, low_end)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await self._outside.patience.until_done(self.agent.name, attempt)

    async def _step(self, record: Record, low_end: LowEnd) -> None:
        if not self._is_heard(record):
            return
        envelope = _envelope_of(record)
        with self._span(envelope):
            place = Place(self.agent.name, record.partition)
            said = await self._commit(place, envelope, low_end, await self._rules_of(record, envelope))
            if not self._is_told(record):
                with Point.OUTBOX_SENT:
                    await self._outside.log.send(said)
        if not self._dead.begun:
            await self._dead.begin(self._outside.state)
        for ended in self._dead.handled(self.agent.name, kind_of(record, self._kinds)):
            await keep_row(ended, self._outside.state, f"{_where(record)} handled", partial(self._dead.row, ended))

    def _is_heard(self, record: Record) -> bool:
        """Whether the agent hears its type; a type that this build does not know is an error, not a thing to skip."""
        for name, value in record.headers:
            if name == "ce_type":
                if value in self._hears:
                    return True
                if (value or b"").startswith(PREFIX.encode()):
                    event_type(value.decode(errors="replace"))
                    return False
        return True

    def _is_told(self, record: Record) -> bool:
        return record.offset < self._told.get(record.partition, 0)

    def _span(self, envelope: Envelope) -> AbstractContextManager[str]:
        """A span beside the event's own trace: what is said carries the trace as it came, so that bytes repeat."""
        spans = self._outside.spans
        if spans is None:
            return nullcontext("")
        return spans.span(self.agent.name, envelope.traceparent, event=type(envelope.data).__name__)

    async def _rules_of(self, record: Record, envelope: Envelope) -> tuple[Agent, str]:
        """Those of now; of what was decided before and may be forgotten, those of then."""
        then = None
        if self._recalling is not None:
            then = await self._recalling.of(self.agent.name, envelope.id, record, told=self._is_told(record))
        return then or self._rules()

    async def _commit(
        self, place: Place, envelope: Envelope, low_end: LowEnd, rules: tuple[Agent, str]
    ) -> tuple[Message, ...]:
        """Load, decide and commit, until the version has not moved meanwhile; what is to be sent."""
        state = self._outside.state
        agent, policy = rules
        names, event = agent.needs(envelope.data), _known_as(envelope)
        while True:
            loaded = await state.load(place, envelope.key, event, names)
            if loaded.applied:
                self._count("wetread_events_repeated_total")
                return loaded.said or ()
            decision = decide(agent, self._parts(loaded), envelope, policy)
            if decision.needs_all:
                if names is None:
                    raise RuntimeError(f"{self.agent.name} was given all of its state and asked for all of it")
                names = None
                continue
            await self._keep(decision.keeps)
            change = self._change(place, event, loaded, decision, low_end())
            with Point.STATE_WRITTEN:
                written = await state.commit(place, envelope.key, self._protected(place, envelope.key, change))
            if written:
                self._known_marks[place] = max(change.mark, change.known_mark)
                self._count("wetread_events_applied_total")
                return change.said
            self._count("wetread_state_conflicts_total")

    async def _keep(self, contents: tuple[bytes, ...]) -> None:
        for content in contents:
            try:
                await asyncio.to_thread(self._outside.objects.put, content)
            except (NoRoom, OSError) as error:
                raise ObjectStoreAway(f"the object store takes nothing: {error}") from error

    def _parts(self, loaded: Loaded) -> Parts:
        return {name: decode_part(self.agent.kind(name), body) for name, body in loaded.parts.items()}

    def _change(self, place: Place, event: str, loaded: Loaded, decision: Decision, mark: int) -> Change:
        return Change(
            version=loaded.version,
            event=event,
            parts=_encoded(decision.changes),
            said=self._messages(decision),
            timers=decision.timers,
            listing=decision.listing,
            mark=mark,
            known_mark=self._known_marks.get(place, 0),
        )

    def _protected(self, place: Place, key: str, change: Change) -> Change:
        """What of it is written: all, but in a self-test of chaos."""
        if all_on():
            return change
        if not Protection.OUTBOX.on:
            change = replace(change, said=())
        if not Protection.REDIS_WATERMARK.on:
            change = replace(change, known_mark=0)
        if not Protection.DURABLE_TIMERS.on:
            self._outside.volatile.take(place, key, change.timers)
            change = replace(change, timers={})
        return change

    def _messages(self, decision: Decision) -> tuple[Message, ...]:
        return tuple(
            Message(topic, *to_kafka(envelope))
            for said in decision.says
            for topic, envelope in self._outside.addressed(said, self.agent.name)
        )

    async def _set_aside(self, record: Record, error: Exception, low_end: LowEnd) -> None:
        """Send the dead letter, then let the place's mark pass it, so that a restart does not begin before it."""
        reason = reason_of(error)
        where, place = _where(record), Place(self.agent.name, record.partition)
        log.error("%s set aside: %s", where, reason, exc_info=None if isinstance(error, SetAside) else error)
        if not self._is_told(record):
            if not self._dead.begun:
                await self._patiently(lambda: self._dead.begin(self._outside.state))
            await self._dead.set_aside(place, reason, kind_of(record, self._kinds))
            self._count("wetread_dead_letters_total")
            message = dead_letter(record, reason, self._outside.deadletters)
            await self._patiently(lambda: self._outside.log.send((message,)))
        await self._patiently(lambda: self._pass(place, where, low_end))

    async def _pass(self, place: Place, where: str, low_end: LowEnd) -> None:
        mark, rows = (low_end(), self._known_marks.get(place, 0)), partial(self._dead.row, place)
        self._known_marks[place] = await keep_row(place, self._outside.state, where, rows, mark)

    def _count(self, name: CounterName) -> None:
        if self._outside.spans is not None:
            self._outside.spans.count(name, agent=self.agent.name)


def _where(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _envelope_of(record: Record) -> Envelope:
    envelope = from_kafka(record.value, record.headers)
    if record.key is None or record.key != envelope.key.encode():
        raise EventUnreadable("the record's key is not the event's ce_subject")
    return envelope


def _known_as(envelope: Envelope) -> str:
    """The id under which an event is known to have been applied."""
    return envelope.id if all_on() or Protection.ID_CHECK.on else f"{envelope.id} {uuid.uuid4()}"


def _encoded(parts: Mapping[str, object]) -> dict[str, bytes | None]:
    return {name: None if part is None else encode_state(part) for name, part in parts.items()}
