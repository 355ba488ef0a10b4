"""The windows of a process together: what may be committed, where to start, what to do before partitions go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from streams.faults.protections import Protection
from streams.ports import Place
from streams.runtime.processing.applying import Applier
from streams.runtime.processing.window import Window

SETTLE_WITHIN_S = 5.0


@dataclass(slots=True, kw_only=True)
class Lane:
    """One topic in this process.

    Attributes:
        place: names the agent of places without an applier, whose timers are looked for.
        counted_as: names the agent of places under which its dead letters are counted, where it has no such places.
        take: awaited for each partition that comes, before its first event, where there is no applier.
    """

    window: Window
    applier: Applier | None = None
    place: str | None = None
    counted_as: str | None = None
    take: Callable[[int], Awaitable[None]] | None = None
    settle_s: float = SETTLE_WITHIN_S

    @property
    def agent(self) -> str | None:
        """Of its places."""
        return self.applier.agent.name if self.applier else self.place


@dataclass(slots=True)
class Delivery:
    """The windows of a process, as its transport asks for them: Faust's own acknowledgements are not used.

    Attributes:
        assigned: topics and partitions that are ours now.
        lanes: by topic.
        ready: called whenever partitions have come and events are taken.
        end: called before all places go.
    """

    assigned: Callable[[], Iterable[tuple[str, int]]]
    lanes: dict[str, Lane] = field(default_factory=dict)
    ready: Callable[[], None] | None = None
    end: Callable[[], None] = lambda: None
    _behind: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def committable(self) -> dict[tuple[str, int], int]:
        """The low ends of all windows."""
        return {at: low for lane in self.lanes.values() for at, low in lane.window.low_ends().items()}

    def at_head(self) -> dict[tuple[str, int], int]:
        """What each partition waits for, where it does."""
        return {at: offset for lane in self.lanes.values() for at, offset in lane.window.at_head().items()}

    async def settle(self) -> None:
        """Close all windows at once: decisions may finish, readings are cancelled and made by the next owner."""
        self._behind.clear()
        await asyncio.gather(*(lane.window.close(lane.settle_s) for lane in self.lanes.values()))
        for lane in self.lanes.values():
            if lane.applier is not None:
                lane.applier.end()
        self.end()

    async def start(self, topic: str, partition: int, committed: int | None) -> int | None:
        """Where state stands behind, there; None: at the committed offset."""
        lane = self.lanes.get(topic)
        if lane is not None and lane.take is not None:
            await lane.take(partition)
        if lane is None or lane.applier is None:
            return None
        told = max(committed or 0, 0)
        mark = await lane.applier.take(partition, told) or 0
        if committed is None or committed < 0 or not Protection.REDIS_WATERMARK.on:
            return None
        return min(mark, committed)

    def begin(self, topic: str, partition: int, offset: int, committed: int) -> None:
        """Reading begins there, where the state stands; up to `committed` it has been said before."""
        lane = self.lanes.get(topic)
        if lane is not None:
            lane.window.begin((topic, partition), offset)
            self._behind[topic, partition] = (offset, committed)

    def resume(self) -> None:
        """Open all windows."""
        for lane in self.lanes.values():
            lane.window.open()
        if self.ready is not None:
            self.ready()

    def places(self) -> list[Place]:
        """The places of the partitions that are ours now."""
        return self._placed(lambda lane, _: lane.agent)

    def caught_up(self) -> list[Place]:
        """Those of them whose state knows all that was committed: what it has not seen yet may move its timers."""
        low_ends = self.committable()

        def name_of(lane: Lane, at: tuple[str, int]) -> str | None:
            if at not in self._behind:
                return None  # given to us, and not yet taken
            begun, committed = self._behind[at]
            finished = begun if lane.window.awaits(at) else low_ends.get(at, begun)
            return lane.agent if finished >= committed else None

        return self._placed(name_of)

    def counted(self) -> list[Place]:
        """The places under which dead letters of our partitions are counted, each once."""
        return list(dict.fromkeys(self._placed(lambda lane, _: lane.agent or lane.counted_as)))

    def _placed(self, name_of: Callable[[Lane, tuple[str, int]], str | None]) -> list[Place]:
        found = []
        for topic, partition in self.assigned():
            lane = self.lanes.get(topic)
            name = lane and name_of(lane, (topic, partition))
            if name:
                found.append(Place(name, partition))
        return found
