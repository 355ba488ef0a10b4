"""A bounded window of events in flight: each a task, one at a time per key, offsets counted in order."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from streams.errors import StateLost
from streams.faults.protections import Protection, all_on

Partition = tuple[str, int]
"""Topic and partition."""
Work = Callable[["Held"], Awaitable[None]]
BEGINS_WITHIN_S = 10.0
"""What was fetched before a place was taken is through by then."""


@dataclass(slots=True, eq=False)
class Lane:
    """One partition since it was last given to us: the offsets that are not yet behind its low end."""

    offsets: OrderedDict[int, bool] = field(default_factory=OrderedDict)
    last: int = -1
    highest: int = -1
    """Of those finished."""

    @property
    def low_end(self) -> int:
        """Every offset below it is finished."""
        if not (all_on() or Protection.CAPPED_COMMIT.on) and self.highest >= 0:
            return self.highest + 1
        return next(iter(self.offsets), self.last + 1)

    def mark_after(self, offset: int) -> int:
        """The low end as it is once `offset` is finished too."""
        if not (all_on() or Protection.CAPPED_COMMIT.on):
            return max(self.highest, offset) + 1
        for other, finished in self.offsets.items():
            if not finished and other != offset:
                return other
        return self.last + 1

    def finish(self, offset: int) -> None:
        """Mark it finished, and move the low end past all that is."""
        self.offsets[offset] = True
        self.highest = max(self.highest, offset)
        while self.offsets:
            first, finished = next(iter(self.offsets.items()))
            if not finished:
                return
            del self.offsets[first]


@dataclass(slots=True, eq=False)
class Held:
    """An event in the window.

    Attributes:
        key: events of one key run one after the other, in the order in which they came.
        work: what is to be done; it never fails but to end the process.
    """

    partition: Partition
    offset: int
    key: Hashable
    work: Work
    lane: Lane = field(default_factory=Lane)

    def mark(self) -> int:
        """Every offset of the partition below it is finished, this event taken as finished."""
        return self.lane.mark_after(self.offset)


class Window:
    """At most `running` events at work and `held` between a partition's low end and the newest one.

    Faust acknowledges nothing here: what may be committed is the low end, and only that.
    """

    def __init__(self, *, running: int, held: int, on_fatal: Callable[[BaseException], Awaitable[None]]) -> None:
        """on_fatal: told of the first error that escapes an event's work; nothing starts after it."""
        self._running, self._most_held = running, held
        self._on_fatal = on_fatal
        self._lanes: dict[Partition, Lane] = {}
        self._begins: dict[Partition, int] = {}
        self._overdue: dict[Partition, asyncio.TimerHandle] = {}
        self._ending: asyncio.Future[None] | None = None
        self._ready: deque[Held] = deque()
        self._behind: defaultdict[Hashable, deque[Held]] = defaultdict(deque)
        self._busy: set[Hashable] = set()
        self._tasks: dict[asyncio.Task[None], Held] = {}
        self._resting = 0
        self._changed = asyncio.Event()
        self._open = True
        self._fatal: BaseException | None = None
        self._first: Window | None = None
        self._seconds: list[Window] = []

    @property
    def waiting(self) -> int:
        """Events that have not been started."""
        return len(self._ready) + sum(len(q) for q in self._behind.values())

    @property
    def held(self) -> int:
        """Events between the low ends and the newest ones: what would be done again after a crash."""
        return sum(len(lane.offsets) for lane in self._lanes.values())

    @property
    def at_work(self) -> int:
        """Events that have been started and not finished."""
        return len(self._tasks)

    def yields_to(self, first: Window) -> None:
        """Start nothing here while `first` has events waiting."""
        self._first = first
        first._seconds.append(self)  # the other end of the same bond

    async def submit(self, partition: Partition, offset: int, key: Hashable, work: Work) -> None:
        """Take an event; waits for room. An event that comes while the window is closed is left to be read again.

        Raises:
            BaseException: what ended the window's work.
        """
        while self._open and self.held >= self._most_held and self._fatal is None:
            self._changed.clear()
            await self._changed.wait()
        if self._fatal is not None:
            raise self._fatal
        if not self._open or self._is_early(partition, offset):
            return
        lane = self._lanes.get(partition)
        if lane is None or offset <= lane.last:  # given to us anew, from an earlier offset
            lane = self._lanes[partition] = Lane()
        lane.offsets[offset] = False
        lane.last = offset
        if not (all_on() or Protection.WINDOW.on):
            lane.finish(offset)
            key = (partition, offset)
        self._line_up(Held(partition, offset, key, work, lane))

    def begin(self, partition: Partition, offset: int) -> None:
        """From where it is read now: what was fetched before, from further on, is not taken; it comes again."""
        self._begins[partition] = offset
        self._no_longer(partition)

    def _is_early(self, partition: Partition, offset: int) -> bool:
        """Whether it lies beyond where reading begins, and that has not come yet.

        Where that does not come in time the process ends: what is between would be left out.
        """
        begins = self._begins.get(partition, offset)
        if offset <= begins:
            self._begins.pop(partition, None)
            self._no_longer(partition)
            return False
        if partition not in self._overdue:
            topic, number = partition
            lost = StateLost(f"{topic}/{number} goes on at {offset}, not at {begins}; a restart reads it anew")
            loop = asyncio.get_running_loop()
            self._overdue[partition] = loop.call_later(BEGINS_WITHIN_S, self._give_up, lost)
        return True

    def _give_up(self, lost: StateLost) -> None:
        if self._fatal is None:
            self._fatal = lost
            self._changed.set()
            self._ending = asyncio.ensure_future(self._on_fatal(lost))

    def _no_longer(self, *partitions: Partition) -> None:
        for partition in partitions:
            if overdue := self._overdue.pop(partition, None):
                overdue.cancel()

    def awaits(self, partition: Partition) -> bool:
        """Whether nothing of it came since it began anew."""
        return partition in self._begins

    def low_ends(self) -> dict[Partition, int]:
        """What may be committed, by partition."""
        return {partition: lane.low_end for partition, lane in self._lanes.items()}

    def at_head(self) -> dict[Partition, int]:
        """The lowest offset at work or waiting, of partitions that have one."""
        return {partition: lane.low_end for partition, lane in self._lanes.items() if lane.offsets}

    async def close(self, patience_s: float) -> None:
        """Drop what has not begun, let what runs finish for so long, cancel the rest; low ends stay to be read.

        Should the window open again meanwhile, only what ran before is cancelled: nobody else would do what came since.
        """
        self._open = False
        self._no_longer(*list(self._overdue))
        self._ready.clear()
        self._behind.clear()
        self._busy = {held.key for held in self._tasks.values()}
        self._changed.set()
        at_work = list(self._tasks)
        if at_work:
            await asyncio.wait(at_work, timeout=patience_s)
        left = [task for task in at_work if task in self._tasks]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def open(self) -> None:
        """Take events again, of partitions as they are now given."""
        if not self._open:
            self._lanes.clear()
            self._open = True

    def _line_up(self, held: Held) -> None:
        if held.key in self._busy:
            self._behind[held.key].append(held)
        else:
            self._busy.add(held.key)
            self._ready.append(held)
        self._start()

    def _start(self) -> None:
        while self._ready and len(self._tasks) - self._resting < self._running and self._fatal is None:
            if self._first is not None and self._first.waiting:
                return
            held = self._ready.popleft()
            task = asyncio.create_task(self._run(held))
            self._tasks[task] = held
            task.add_done_callback(self._ended)

    @contextmanager
    def rest(self) -> Iterator[None]:
        """One that is at work waits for others: one more may start."""
        self._resting += 1
        self._start()
        try:
            yield
        finally:
            self._resting -= 1

    async def _run(self, held: Held) -> None:
        _AT_WORK.set(self)
        try:
            await held.work(held)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # its offset stays unfinished, whatever it was
            if self._fatal is None:
                self._fatal = error
                self._changed.set()
                await self._on_fatal(error)
        else:
            held.lane.finish(held.offset)

    def _ended(self, task: asyncio.Task[None]) -> None:
        key = self._tasks.pop(task).key
        queue = self._behind.get(key)
        if queue:
            self._ready.append(queue.popleft())
        else:
            self._behind.pop(key, None)
            self._busy.discard(key)
        self._changed.set()
        self._start()
        for second in self._seconds:
            second._start()  # noqa: SLF001  # of the same class


_AT_WORK: ContextVar[Window | None] = ContextVar("at work", default=None)
"""The window in which this task's event is at work."""


@contextmanager
def resting() -> Iterator[None]:
    """The event at work waits for others to be handled, and leaves them its place; it keeps its key and its offset."""
    window = _AT_WORK.get()
    if window is None:
        yield
        return
    with window.rest():
        yield
