"""Following the record live: a ledger that grows with it, and waiting until it says something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from streams.events.envelope import header
from streams.flow import DEADLETTERS
from streams.oversight.ledger import Ledger
from streams.ports import EventLog, Record
from streams.runtime.record.entries import EVERY_TOPIC, entries


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One event or file that was set aside."""

    reason: str
    source: str
    record: Record


@dataclass(slots=True)
class Following:
    """The ledger of all studies, kept up with the record while the context is open."""

    log: EventLog
    since: datetime | None = None
    ledger: Ledger = field(default_factory=Ledger)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    topics: Sequence[str] = EVERY_TOPIC
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    version: int = 0

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._events()), asyncio.create_task(self._dead())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `holds()`, looked at whenever the record has moved; False: it did not in time."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._check(holds))
        except TimeoutError:
            return False
        return True

    def _check(self, holds: Callable[[], bool]) -> bool:
        for task in self._tasks:
            if task.done() and (error := task.exception()):
                raise error
        return holds()

    async def _events(self) -> None:
        async for entry in entries(self.log, self.topics, follow=True, since=self.since):
            self.ledger.take(entry.record.topic, entry.envelope, entry.record.written_at)
            await self._notify()

    async def _dead(self) -> None:
        async for record in self.log.read((DEADLETTERS,), follow=True, since=self.since):
            self.dead_letters.append(
                DeadLetter(
                    reason=header(record.headers, "wetread-reason") or "no reason given",
                    source=header(record.headers, "wetread-source-topic") or "",
                    record=record,
                )
            )
            await self._notify()

    async def _notify(self) -> None:
        self.version += 1
        async with self._moved:
            self._moved.notify_all()
