"""Under which rules each event of the record was decided: what is decided anew is decided as it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from streams.ports import Record
from streams.stage import Agent

log = logging.getLogger(__name__)

MARGIN = timedelta(minutes=2)
"""By which clocks may differ, and by which the last use of rules may be told late (models.archive)."""
Then = Callable[[str, str], Agent | None]
"""The agent by digest and name; None: those rules are not known here."""


class Recalled:
    """The digests that the record carries, and the agents of then.

    What was said of an event carries the digest under which it was decided. An event of which nothing was said takes
    the rules of the last one before it in its partition of which something was.
    """

    def __init__(self, decided: Mapping[str, str], agent: Then) -> None:
        """decided: an event's id to a digest, in the record's order."""
        self._decided, self._agent = decided, agent
        self._first = next(iter(decided.values()), "")
        self._last: dict[tuple[str, int], str] = {}

    def knows(self, event: str) -> bool:
        """Whether anything was said of it."""
        return event in self._decided

    def of(self, agent: str, event: str, partition: int) -> tuple[Agent, str] | None:
        """The agent of then, and the digest of its rules; None: they are not known."""
        place = agent, partition
        digest = self._decided.get(event) or self._last.get(place, self._first)
        self._last[place] = digest
        found = self._agent(digest, agent) if digest else None
        return None if found is None else (found, digest)


class Recalling:
    """Rules of then, for events that may have been decided before and are forgotten; the record is read where need be.

    Other rules than those of now cannot have decided what came after their last use. What came before it is looked for
    on the record, from its own time on, since the state store may have lost it after it was said. What was read stays
    true while the partitions are ours: nobody else decides their events.
    """

    def __init__(
        self,
        read: Callable[[datetime], Awaitable[Mapping[str, str]]],
        agent: Then,
        others_until: Callable[[], datetime | None],
    ) -> None:
        """read: from a time on, events of which something was said to digests; others_until: other rules' last use."""
        self._read, self._agent, self._others_until = read, agent, others_until
        self._since: datetime | None = None
        self._recalled = Recalled({}, agent)
        self._looking = asyncio.Lock()

    def end(self) -> None:
        """The partitions are no longer ours: others may decide from now on."""
        self._since, self._recalled = None, Recalled({}, self._agent)

    async def of(self, agent: str, event: str, record: Record, *, told: bool) -> tuple[Agent, str] | None:
        """The agent of then, and the digest of its rules; None: those of now decide.

        told: it was decided for certain; else only where something was said of it.

        Raises:
            BrokerAway.
        """
        until = self._others_until()
        if until is None or record.written_at > until + MARGIN:
            return None
        async with self._looking:
            await self._look_back_to(record.written_at)
        return self._recalled.of(agent, event, record.partition) if told or self._recalled.knows(event) else None

    async def _look_back_to(self, time: datetime) -> None:
        """Read on from then; further back than is asked for, so that older and older events ask a few times only."""
        now = datetime.now(UTC)
        time = min(time, now)
        if self._since is not None and time >= self._since:
            return
        since = time - (now - time) / 2 - MARGIN
        decided = await self._read(since)
        log.info("looked for the rules of then on the record since %s: of %d events", since.isoformat(), len(decided))
        self._since, self._recalled = since, Recalled(decided, self._agent)
