"""The window against an oracle that knows what was given, what ran and what ended: the laws of the delivery rule."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from streams.runtime.processing.delivering import Delivery, Lane
from streams.runtime.processing.window import Held, Window
from tests.support.stepwise import SHORT, Counted

RUNNING, MOST_HELD = 3, 6
PATIENCE_S = 5.0
PARTITIONS, KEYS = (0, 1), ("a", "b", "c")
LANES = ("urgent", "routine")


class Broken(Exception):
    """A work that ends the process."""


@dataclass
class Given:
    """An event as the oracle knows it: waiting, running, done, dropped (given back), refused or broken."""

    turn: int
    lane: str
    partition: int
    offset: int
    key: str
    state: str = "waiting"
    end: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_event_loop().create_future())


class WindowMachine(Counted):
    """Two windows as a worker has them, partitions given and taken away, works that end in any order or break."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.loop.time = lambda: self.now
        asyncio.set_event_loop(self.loop)
        self.given: list[Given] = []
        self.next: dict[tuple[str, int], int] = defaultdict(int)
        self.done: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.keys: dict[tuple[str, int, int], str] = {}
        self.pending: dict[str, tuple[Given, asyncio.Task[None]]] = {}
        self.fatal: list[BaseException] = []
        self.broken: set[str] = set()
        self.committed: dict[tuple[str, int], int] = defaultdict(int)
        self.is_open = True
        self.turn = 0
        self.closing: asyncio.Future[object] | None = None
        self.closing_turn = 0

    @initialize()
    def windows(self) -> None:
        self.windows_of = {lane: self._window() for lane in LANES}
        self.windows_of["routine"].yields_to(self.windows_of["urgent"])

    def _window(self) -> Window:
        async def on_fatal(error: BaseException) -> None:
            self.fatal.append(error)

        return Window(running=RUNNING, held=MOST_HELD, on_fatal=on_fatal)

    def _settle(self) -> None:
        async def turns() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for lane, (event, task) in list(self.pending.items()):
            if task.done():
                del self.pending[lane]
                if task.exception() is not None or event.state == "dropped":
                    event.state = "refused"

    def _work(self, event: Given):
        async def work(_held: Held) -> None:
            assert event.state == "waiting", "an event was started twice, or after it was dropped"
            assert event.lane == "urgent" or not self._waiting("urgent"), "an urgent event waits, a routine one began"
            event.state = "running"
            try:
                await event.end
            except asyncio.CancelledError:
                event.state = "dropped"
                raise
            except Broken:
                event.state = "broken"
                raise
            event.state = "done"
            self.done[event.lane, event.partition].add(event.offset)

        return work

    def _of(self, state: str, lane: str | None = None) -> list[Given]:
        return [e for e in self.given if e.state == state and lane in (None, e.lane)]

    def _waiting(self, lane: str) -> list[Given]:
        """Those that wait in the window, not before it."""
        outside = self.pending[lane][0] if lane in self.pending else None
        return [e for e in self._of("waiting", lane) if e is not outside]

    def _unended(self, lane: str) -> list[Given]:
        """Of those that were given since the partitions came."""
        return [e for e in self.given if (e.turn, e.lane) == (self.turn, lane) and e.state not in ("done", "refused")]

    def _is_lively(self) -> bool:
        """Something was given since the partitions came: else there is little to be tried."""
        return bool(self.given) and self.given[-1].turn == self.turn

    def _drop_what_waits(self) -> None:
        for event in self._of("waiting"):
            event.state = "dropped"

    @precondition(lambda self: self.is_open and len(self.pending) < len(LANES))
    @rule(lane=st.sampled_from(LANES), partition=st.sampled_from(PARTITIONS), key=st.sampled_from(KEYS))
    def give(self, lane: str, partition: int, key: str) -> None:
        """The next event of a partition; the same one under the same key, if it was given before."""
        if lane in self.pending:
            return
        offset = self.next[lane, partition]
        key = self.keys.setdefault((lane, partition, offset), key)
        event = Given(self.turn, lane, partition, offset, f"{partition}/{key}", end=self.loop.create_future())
        window = self.windows_of[lane]
        self.given.append(event)
        self.next[lane, partition] += 1
        task = self.loop.create_task(window.submit((lane, partition), offset, event.key, self._work(event)))
        self.pending[lane] = event, task
        self._settle()

    @precondition(lambda self: self._of("running"))
    @rule(which=st.integers(0, 99), broken=st.sampled_from([False] * 19 + [True]))
    def end(self, which: int, broken: bool) -> None:
        """A work ends; or breaks, which is to end the process."""
        running = self._of("running")
        event = running[which % len(running)]
        if broken:
            self.broken.add(event.lane)
            event.end.set_exception(Broken())
        else:
            event.end.set_result(None)
        self._settle()

    @precondition(lambda self: self.is_open and self.closing is None and self._is_lively())
    @rule()
    def revoke(self) -> None:
        """The partitions are to go: what waits is dropped and never begins, what runs may end for a while."""
        before = {lane: self._marks(lane) for lane in LANES}
        self._drop_what_waits()
        self.is_open, self.closing_turn = False, self.turn
        delivery = Delivery(list)
        delivery.lanes = {n: Lane(window=w, settle_s=PATIENCE_S) for n, w in self.windows_of.items()}
        self.closing = self.loop.create_task(delivery.settle())
        self._settle()
        assert not self.pending
        assert self.closing.done() == (not self._of("running")), "what runs is waited for, and nothing else"
        assert {lane: self._marks(lane) for lane in LANES} == before, "closing called something ended"

    @precondition(lambda self: self.closing is not None)
    @rule()
    def patience_ends(self) -> None:
        """What ran when they were to go has ended, or is cancelled; what was begun since goes on."""
        since = [e for e in self._of("running") if e.turn > self.closing_turn]
        self.now += 2 * PATIENCE_S
        self._settle()
        assert self.closing.done()
        assert all(e.state == "running" for e in since)
        assert all(e.turn > self.closing_turn for e in self._of("running"))
        self.closing = None
        self.commit()

    @precondition(lambda self: self.closing is not None)
    @rule()
    def nobody_waits(self) -> None:
        """Whoever waited for the close is cancelled: what runs goes on until it ends."""
        running = self._of("running")
        self.closing.cancel()
        self._settle()
        assert self._of("running") == running
        self.closing = None

    @precondition(lambda self: not self.is_open and not self.broken)
    @rule()
    def assign(self) -> None:
        """They are given again, each from what was committed; some works of before may still run."""
        for window in self.windows_of.values():
            window.open()
        self._read_from_what_is_committed()

    @precondition(lambda self: self._is_lively())
    @rule()
    def commit(self) -> None:
        """As a worker does every half second: nothing is committed that did not end."""
        for lane, window in self.windows_of.items():
            for (_, partition), low in window.low_ends().items():
                self.committed[lane, partition] = low
                ended = self.done[lane, partition]
                left = [e.offset for e in self.given if (e.lane, e.partition) == (lane, partition)]
                assert all(offset in ended for offset in left if offset < low), "committed, and never ended"

    @precondition(lambda self: self._is_lively())
    @rule()
    def kill(self) -> None:
        """The process dies, and its successor begins at what was committed."""
        self._end_all()
        for event in (*self._of("waiting"), *self._of("running"), *self._of("broken")):
            event.state = "dropped"
        self.closing = None
        self.broken.clear()
        self.fatal.clear()
        self.windows()
        self._read_from_what_is_committed()

    def _read_from_what_is_committed(self) -> None:
        for lane in LANES:
            for partition in PARTITIONS:
                self.next[lane, partition] = self.committed[lane, partition]
        self.is_open = True
        self.turn += 1

    def _end_all(self) -> None:
        if self.closing is not None:
            self.closing.cancel()
        for window in getattr(self, "windows_of", {}).values():
            self.loop.run_until_complete(window.close(0))
        for _, task in self.pending.values():
            task.cancel()
        self._settle()
        self.pending.clear()

    def _marks(self, lane: str) -> dict[object, int]:
        return dict(self.windows_of[lane].low_ends())

    @invariant()
    def never_committed_past_what_is_unfinished(self) -> None:
        """What may be committed is the lowest offset that did not end, and no lower than need be."""
        for lane in LANES if hasattr(self, "windows_of") else ():
            waits = [self.pending[lane][0]] if lane in self.pending else []
            for (_, partition), low in self.windows_of[lane].low_ends().items():
                open_ones = [e for e in self._unended(lane) if e not in waits and e.partition == partition]
                lowest = min((e.offset for e in open_ones), default=None)
                assert low == (self._newest(lane, partition, waits) + 1 if lowest is None else lowest)

    def _newest(self, lane: str, partition: int, waits: list[Given]) -> int:
        same = [
            e
            for e in self.given
            if (e.turn, e.lane, e.partition) == (self.turn, lane, partition) and e not in waits and e.state != "refused"
        ]
        return same[-1].offset if same else -1

    @invariant()
    def few_at_work_and_few_held(self) -> None:
        """The bounds of the window, and one event of a key at a time."""
        for lane in LANES:
            running = self._of("running", lane)
            assert len(running) <= RUNNING
            assert len({e.key for e in running}) == len(running)
            waits = 1 if lane in self.pending else 0
            if self.is_open and lane not in self.broken:
                assert len(self._unended(lane)) - waits <= MOST_HELD

    @invariant()
    def a_key_runs_in_order(self) -> None:
        """No event starts before an earlier one of its key has ended."""
        for event in self._of("running"):
            earlier = [e for e in self._of("waiting", event.lane) if e.key == event.key and e.turn == event.turn]
            assert not [e for e in earlier if e.offset < event.offset]

    @invariant()
    def nothing_waits_that_could_run(self) -> None:
        """Room, a free key, nothing broken, nothing urgent waiting: then it runs."""
        for lane in LANES if self.is_open else ():
            running = self._of("running", lane)
            held_back = lane == "routine" and self._waiting("urgent")
            free = [e for e in self._waiting(lane) if e.key not in {r.key for r in running}]
            if len(running) < RUNNING and not held_back and lane not in self.broken:
                assert not free

    @invariant()
    def what_breaks_is_told(self) -> None:
        """Once for each window; and nothing of it is started after."""
        assert len(self.fatal) == len(self.broken)

    def teardown(self) -> None:
        self._end_all()
        asyncio.set_event_loop(None)
        self.loop.close()


TestWindow = WindowMachine.TestCase
TestWindow.settings = SHORT
