"""Timers that are due become events; and a state store that forgot is noticed though nothing happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.errors import StateLost
from streams.events.envelope import Envelope, timestamp, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import TimerFired
from streams.faults.points import Point
from streams.faults.protections import Protection
from streams.ports import DueTimer, Message, Place
from streams.runtime.processing.applying import Outside
from streams.stage import LAST

log = logging.getLogger(__name__)

LOOK_EVERY_S, CHECK_EVERY_S = 0.1, 1.0
AT_ONCE = 200


@dataclass(slots=True, kw_only=True)
class Ticker:
    """Looks for due timers of the places that this process has, and for what the store no longer holds.

    What is due is told by the store's clock, as all workers have it: one whose own is an hour slow would hold its
    studies for an hour, one that is fast would end them before their images have come.

    Attributes:
        places: the places that are this process's now.
        firing: those of them whose timers may fire.
        fire: what is done with due timers before they are settled.
    """

    outside: Outside
    places: Callable[[], Sequence[Place]]
    firing: Callable[[], Sequence[Place]]
    fire: Callable[[Sequence[DueTimer]], Awaitable[None]]
    _ahead: timedelta = timedelta(0)
    """Of this machine's clock, the store's is."""

    async def run(self) -> None:
        """Until cancelled; a part that is away is waited for.

        Raises:
            StateLost: Redis no longer holds what it acknowledged.
        """
        loop = asyncio.get_running_loop()
        checked = loop.time()
        await self.outside.patience.until_done("timers", self.set_clock)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.outside.patience.until_done("timers", self.tick)
            if loop.time() - checked >= CHECK_EVERY_S:
                checked = loop.time()
                await self.outside.patience.until_done("timers", self.check)
                await self.outside.patience.until_done("timers", self.set_clock)

    async def set_clock(self) -> None:
        """See how far the store's clock is ahead."""
        self._ahead = await self.outside.state.time() - datetime.now(UTC)

    async def tick(self) -> None:
        """Fire what is due, acknowledged, then settle it: a crash between the two fires it again, by the same id."""
        now = datetime.now(UTC) + self._ahead
        firing = self.firing()
        due = await self.outside.state.due(firing, now, AT_ONCE)
        await self._check({timer.place for timer in due})  # a store that went back has timers that were moved since
        if not Protection.DURABLE_TIMERS.on:
            due += self.outside.volatile.due(firing, now)
        if due:
            with Point.TIMER_CLAIMED:
                await self.fire(due)
        for timer in due:
            with Point.TIMER_SETTLED:
                await self.outside.state.settle(timer)

    async def check(self) -> None:
        """Whether the store still holds all that it acknowledged for our places."""
        await self._check(self.places())

    async def _check(self, places: Iterable[Place]) -> None:
        for place in places:
            if not await self.outside.state.holds(place):
                raise StateLost(f"the state of {place.agent} {place.partition} is gone; a restart reads it anew")


def fired(timer: DueTimer, outside: Outside) -> list[Message]:
    """The event that a timer is: its time is the time that it was set for, its id follows from that."""
    agent, key = timer.place.agent, timer.key
    stage, _, name = timer.name.partition(".")
    identity = named_id("timer", agent, key, timer.name, timestamp(timer.due))
    data = TimerFired(key=key, stage=stage, name=name)
    envelope = Envelope(id=identity, time=timer.due, key=key, data=data)
    return [Message(topic, *to_kafka(e)) for topic, e in outside.addressed(envelope, agent)]


async def say(due: Sequence[DueTimer], outside: Outside) -> None:
    """Send timers as events to their agents' own topics; a last one is none, and takes its key's state with it."""
    told = [timer for timer in due if not is_last(timer)]
    await outside.log.send([message for timer in told for message in fired(timer, outside)])
    if outside.spans is not None:
        outside.spans.count("wetread_timers_fired_total", len(told))
    await forget([timer for timer in due if is_last(timer)], outside)


def is_last(timer: DueTimer) -> bool:
    """Whether it is no event but the end of its key (streams.stage.LAST)."""
    return timer.name.partition(".")[2] == LAST


async def forget(due: Sequence[DueTimer], outside: Outside) -> None:
    """Remove what was remembered long enough."""
    for timer in due:
        await outside.state.forget(timer)
