"""One event through a handler that decides nothing: a forwarder, or a reading, whose answer is remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from streams.errors import EventUnreadable, ModelServerAway, TryAgain
from streams.events.envelope import header
from streams.faults.points import Point
from streams.faults.protections import Protection
from streams.ports import Change, Message, Place, Record
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.dead_letters import DeadLetterCount, keep_row, kind_of
from streams.runtime.processing.failures import (
    FIRST_DELAY_S,
    PutOff,
    dead_letter,
    must_stop,
    past_of,
    reason_of,
    retry,
)
from streams.runtime.processing.recollecting import REMEMBERED_FOR, Recollection, repeated

log = logging.getLogger(__name__)

Handle = Callable[[Record], Awaitable[Sequence[Message]]]
FORGET = "runtime.forget"
"""The timer by which an answer that nobody asks for any more is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a handler is treated.

    Attributes:
        tries: how often in a row before the event goes to the retry topic; None: for ever, in place.
        retry_topic: where it goes then.
        deadline_s: how long one try may take; the sending is not counted.
        remembers: what it says is stored before it is sent, so that a redelivery sends the same bytes.
        hears: the event types of which dead letters are counted apart, where it hears more than one.
        first_delay_s: how long an event waits on the retry topic the first time; then twice as long, and so on.
    """

    tries: int | None = None
    retry_topic: str | None = None
    deadline_s: float | None = None
    remembers: bool = False
    hears: frozenset[str] = frozenset()
    first_delay_s: float = FIRST_DELAY_S


class Handling:
    """The guaranteed step of a handler: it returns when what was answered is acknowledged by Kafka."""

    def __init__(
        self,
        name: str,
        handle: Handle,
        outside: Outside,
        manner: Manner,
        dead: DeadLetterCount | None = None,
        recollection: Recollection | None = None,
    ) -> None:
        """`name` is the agent of its places in the state store.

        recollection: asked where the state store has no answer; None: what it forgot is forgotten.
        """
        self.name = name
        self._handle, self._outside, self._manner = handle, outside, manner
        self._dead = dead or DeadLetterCount()
        self._recollection = recollection

    async def take(self, partition: int) -> None:
        """Before the partition's first event: from now on the state store is to hold all that it holds now."""
        place = Place(self.name, partition)
        await self._outside.patience.until_done(self.name, lambda: self._outside.state.mark(place))

    async def apply(self, record: Record) -> None:
        """Handle the event, put it off, or set it aside.

        Raises:
            StateLost, TooManyDeadLetters: this process cannot go on.
        """
        try:
            messages = await self._answer(record)
            with Point.ANSWER_SENT:
                await self._send(messages)
        except TryAgain as error:
            later = self._put_off(record, error)
            await self._send(await self._said_until_then(record, error))
            await self._send((later,))
        except Exception as error:
            if must_stop(error):
                raise
            await self._set_aside(record, error)
        else:
            await self._begin()
            for place in self._dead.handled(self.name, kind_of(record, self._manner.hears)):
                await self._keep_row(place, record, "handled")

    async def _send(self, messages: Sequence[Message]) -> None:
        await self._outside.patience.until_done(self.name, lambda: self._outside.log.send(messages))

    async def _answer(self, record: Record) -> Sequence[Message]:
        if not self._remembers:
            return await self._handled(record)
        event = header(record.headers, "ce_id")
        if not event:
            raise EventUnreadable("not a CloudEvent in binary mode: no ce_id")
        patience, place = self._outside.patience, Place(self.name, record.partition)
        known = await patience.until_done(self.name, lambda: self._remembered(place, event))
        if known is not None:
            return known
        messages = await self._anew(record, event)
        with Point.MODEL_ANSWERED:
            return await patience.until_done(self.name, lambda: self._remember(place, event, messages))

    @property
    def _remembers(self) -> bool:
        return self._manner.remembers and Protection.ID_CHECK.on

    async def _anew(self, record: Record, event: str) -> tuple[Message, ...]:
        """An answer that the state store does not have: what the record has of it, the rest as it is handled now."""
        said = await self._recollected(record, event)
        whole = self._recollection.whole(event, said) if self._recollection else None
        return repeated(await self._handled(record), said) if whole is None else whole

    async def _recollected(self, record: Record, event: str) -> tuple[Message, ...]:
        recollection = self._recollection
        if recollection is None:
            return ()
        return await self._outside.patience.until_done(self.name, lambda: recollection.of(record, event))

    async def _said_until_then(self, record: Record, error: TryAgain) -> Sequence[Message]:
        """What people are told of a reading that is put off: remembered too, by its own id."""
        said = error.said if isinstance(error, PutOff) else ()
        event = header(record.headers, "ce_id")
        if not said or not event or not self._remembers:
            return said
        messages = repeated(said, await self._recollected(record, event))
        place, name = Place(self.name, record.partition), f"{event} put off {header(said[0].headers, 'ce_id')}"
        return await self._outside.patience.until_done(self.name, lambda: self._remember(place, name, messages))

    async def _handled(self, record: Record) -> Sequence[Message]:
        async def attempt() -> Sequence[Message]:
            try:
                async with asyncio.timeout(self._manner.deadline_s):
                    return await self._handle(record)
            except TimeoutError as error:
                raise ModelServerAway(f"no answer within {self._manner.deadline_s} s") from error

        return await self._outside.patience.until_done(self.name, attempt, self._manner.tries)

    async def _remembered(self, place: Place, event: str) -> Sequence[Message] | None:
        return (await self._outside.state.load(place, event, event, ())).said

    async def _remember(self, place: Place, event: str, messages: tuple[Message, ...]) -> Sequence[Message]:
        """What is stored for the event: ours, or what another process answered meanwhile."""
        change = Change(
            version=0,
            event=event,
            parts={},
            said=messages,
            timers={FORGET: _now() + REMEMBERED_FOR},
            mark=0,
            known_mark=0,
        )
        if await self._outside.state.commit(place, event, change):
            return messages
        return await self._remembered(place, event) or ()

    def _put_off(self, record: Record, error: TryAgain) -> Message:
        if self._manner.retry_topic is None:
            raise error
        before = past_of(record.headers)
        past = (error.past if isinstance(error, PutOff) else None) or before.tried()
        if past.tries > before.tries or before.since is None:  # what waits with others is told of once
            log.warning("%s/%s/%s put off: %s", record.topic, record.partition, record.offset, error)
        now = _now()
        delay = past.delay_s(self._manner.first_delay_s, header(record.headers, "ce_id") or "")
        past = replace(past, since=past.since or now)
        return retry(record, self._manner.retry_topic, now + timedelta(seconds=delay), past)

    async def _set_aside(self, record: Record, error: Exception) -> None:
        reason, place = reason_of(error), Place(self.name, record.partition)
        log.error("%s/%s/%s set aside: %s", record.topic, record.partition, record.offset, reason, exc_info=error)
        await self._begin()
        await self._dead.set_aside(place, reason, kind_of(record, self._manner.hears))
        if self._outside.spans is not None:
            self._outside.spans.count("wetread_dead_letters_total", agent=self.name)
        await self._send((dead_letter(record, reason, self._outside.deadletters),))
        await self._keep_row(place, record, "set aside")

    async def _begin(self) -> None:
        if not self._dead.begun:
            await self._outside.patience.until_done(self.name, lambda: self._dead.begin(self._outside.state))

    async def _keep_row(self, place: Place, record: Record, what: str) -> None:
        event = f"{record.topic}/{record.partition}/{record.offset} {what}"
        state, rows = self._outside.state, partial(self._dead.row, place)
        await self._outside.patience.until_done(self.name, lambda: keep_row(place, state, event, rows))


def _now() -> datetime:
    return datetime.now(UTC)
