"""In-memory twins of Kafka and Redis: the same semantics, one process, nothing outside."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from streams.adapters.partitioning import At, holding, partition_of
from streams.errors import BrokerAway, StateLost, StateStoreAway
from streams.faults.protections import Protection
from streams.ports import Change, DueTimer, Loaded, Message, Place, Record

DEFAULT_PARTITIONS = 8
K = TypeVar("K")
V = TypeVar("V")


def now_utc() -> datetime:
    """The wall clock, as Kafka stamps records."""
    return datetime.now(UTC)  # the twin of a broker stamps what it is given


@dataclass(slots=True)
class MemoryLog:
    """EventLog in lists: partitions, offsets, keys in order; `away` makes sends fail."""

    partitions: Mapping[str, int] = field(default_factory=dict)
    clock: Callable[[], datetime] = now_utc
    away: bool = False
    _records: dict[str, list[list[Record]]] = field(default_factory=dict)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send(self, messages: Sequence[Message]) -> None:
        """Append in order."""
        if self.away:
            raise BrokerAway("the twin of Kafka was told to be away")
        for message in messages:
            self.append(message.topic, message.key, message.value, message.headers)
        async with self._arrived:
            self._arrived.notify_all()

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> Record:
        """One record, also such as no producer of ours would send."""
        lanes = self._lanes(topic)
        partition = partition_of(key or b"", len(lanes))
        lane = lanes[partition]
        record = Record(
            topic=topic,
            partition=partition,
            offset=len(lane),
            key=key,
            value=value,
            headers=list(headers),
            written_at=self.clock(),
        )
        lane.append(record)
        return record

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        return [record for lane in self._lanes(topic) for record in lane]

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics that hold something, in the order in which they came to be."""
        return tuple(self._records)

    def read(
        self,
        topics: Sequence[str],
        *,
        follow: bool,
        since: datetime | None = None,
        keys: Sequence[bytes] | None = None,
    ) -> AsyncIterator[Record]:
        """All records from `since` on, and with `follow` those that arrive."""
        every = [At(topic, p) for topic in topics for p in range(len(self._lanes(topic)))]
        ends: dict[tuple[str, int], int] = {at: len(self._lanes(at.topic)[at.partition]) for at in holding(every, keys)}
        return self._read(ends, follow=follow, since=since)

    async def _read(
        self, ends: dict[tuple[str, int], int], *, follow: bool, since: datetime | None
    ) -> AsyncIterator[Record]:
        at = dict.fromkeys(ends, 0)
        while True:
            for (topic, partition), end in ends.items():
                for record in self._lanes(topic)[partition][at[topic, partition] : end]:
                    at[topic, partition] = record.offset + 1
                    if since is None or record.written_at >= since:
                        yield record
            if not follow:
                return
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._grown(at))
            ends = {(topic, p): len(self._lanes(topic)[p]) for topic, p in ends}

    def _grown(self, at: Mapping[tuple[str, int], int]) -> bool:
        return any(len(self._lanes(topic)[partition]) > offset for (topic, partition), offset in at.items())

    def _lanes(self, topic: str) -> list[list[Record]]:
        if topic not in self._records:
            count = self.partitions.get(topic, DEFAULT_PARTITIONS)
            self._records[topic] = [[] for _ in range(count)]
        return self._records[topic]


@dataclass(slots=True)
class _Key:
    version: int = 0
    parts: dict[str, bytes] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    last: str = ""
    said: tuple[Message, ...] = ()


@dataclass(slots=True)
class _Held:
    mark: int | None = None
    commits: list[str] = field(default_factory=list)
    keys: dict[str, _Key] = field(default_factory=lambda: defaultdict(_Key))
    timers: dict[tuple[str, str], datetime] = field(default_factory=dict)
    listing: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class MemoryState:
    """StateStore in dictionaries; `flush` loses everything as a Redis can, `away` makes every call fail."""

    away: bool = False
    _held: dict[Place, _Held] = field(default_factory=lambda: defaultdict(_Held))
    _latest: dict[Place, tuple[int, str]] = field(default_factory=dict)

    def flush(self) -> None:
        """Lose everything that is stored; what was acknowledged stays known."""
        self._held.clear()

    async def load(self, place: Place, key: str, event: str, names: Sequence[str] | None) -> Loaded:
        """State of key: the named parts, or all (None)."""
        found = self._at(place).keys.get(key) or _Key()
        parts = {n: p for n, p in found.parts.items() if names is None or n in names}
        applied = event in found.applied
        said = found.said if applied and found.last == event else None
        return Loaded(version=found.version, parts=parts, applied=applied, said=said)

    async def commit(self, place: Place, key: str, change: Change) -> bool:
        """Write all of it; False: the version has moved, or the event was applied before."""
        held = self._at(place)
        if (held.mark or 0) < change.known_mark or not self._knows(place):
            raise StateLost(f"the store no longer holds what it acknowledged for {place.agent} {place.partition}")
        known = held.keys[key]
        if known.version != change.version or change.event in known.applied:
            return False
        _merge(known.parts, change.parts)
        _merge(held.timers, {(name, key): due for name, due in change.timers.items()})
        if change.listing is not None:
            _merge(held.listing, {key: change.listing.read_by})
        known.version += 1
        known.applied.add(change.event)
        known.last, known.said = change.event, change.said
        held.mark = max(held.mark or 0, change.mark)
        held.commits.append(change.event)
        self._latest[place] = (len(held.commits), change.event)
        return True

    async def mark(self, place: Place) -> int | None:
        """Take the place: how far the store has come."""
        held = self._at(place)
        self._latest.pop(place, None)
        if held.commits:
            self._latest[place] = (len(held.commits), held.commits[-1])
        return held.mark

    async def holds(self, place: Place) -> bool:
        """Whether what was acknowledged since the place was taken is still there."""
        self._at(place)
        return self._knows(place)

    async def time(self) -> datetime:
        """This machine's."""
        return datetime.now(UTC)

    async def due(self, places: Sequence[Place], now: datetime, limit: int) -> list[DueTimer]:
        """Timers of these places that are due, the oldest first."""
        timers = [
            DueTimer(place=place, key=key, name=name, due=due)
            for place in places
            for (name, key), due in self._at(place).timers.items()
            if due <= now
        ]
        return sorted(timers, key=lambda t: (t.due, t.key, t.name))[:limit]

    async def settle(self, timer: DueTimer) -> None:
        """Forget a timer that was sent, unless it was set anew meanwhile."""
        timers = self._at(timer.place).timers
        if timers.get((timer.name, timer.key)) == timer.due:
            del timers[timer.name, timer.key]

    async def listed(self, agent: str, partitions: int, limit: int) -> list[tuple[str, datetime]]:
        """The agent's sorted view over all partitions, the earliest first."""
        rows = [row for p in range(partitions) for row in self._at(Place(agent, p)).listing.items()]
        return sorted(rows, key=lambda row: (row[1], row[0]))[:limit]

    async def count_listed(self, agent: str, partitions: int) -> int:
        """How many keys that view holds."""
        return sum(len(self._at(Place(agent, p)).listing) for p in range(partitions))

    async def forget(self, timer: DueTimer) -> None:
        """Remove everything of the timer's key, unless it was set anew or cancelled."""
        held = self._at(timer.place)
        if held.timers.get((timer.name, timer.key)) == timer.due:
            del held.timers[timer.name, timer.key]
            held.keys.pop(timer.key, None)
            held.listing.pop(timer.key, None)

    def _at(self, place: Place) -> _Held:
        if self.away:
            raise StateStoreAway("the twin of Redis was told to be away")
        return self._held[place]

    def _knows(self, place: Place) -> bool:
        number, event = self._latest.get(place, (0, ""))
        return (
            number == 0
            or not Protection.REDIS_WATERMARK.on
            or self._held[place].commits[number - 1 : number] == [event]
        )


def _merge(into: dict[K, V], changes: Mapping[K, V | None]) -> None:
    for name, value in changes.items():
        if value is None:
            into.pop(name, None)
        else:
            into[name] = value
