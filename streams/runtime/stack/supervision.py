"""Keeps one child process alive: start, ask whether it is ready, watch, start again with growing pauses, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from streams.errors import WetreadError
from streams.runtime.parts.guardian import Mark, mark_of, signal_group
from streams.runtime.parts.part import Launch
from streams.runtime.parts.spawning import how_it_died, spawn
from streams.runtime.parts.states import PartState, State, moment

LONGEST_PAUSE = 30.0
ASK_EVERY = 0.1
WATCH_EVERY = 5.0
ANSWER_WITHIN = 15.0
SILENT_AFTER = 2
CALM_AFTER = 60.0
ENDS_AFTER = 180.0
"""Seconds without any answer, from a part that was well before: nothing else would end what hangs."""


class Askable(Protocol):
    """A part that can be asked whether it is well; its methods are called in a thread and may block for seconds."""

    @property
    def name(self) -> str:
        """Its name in states and logs."""

    @property
    def address(self) -> str:
        """Where it answers."""

    def is_ready(self) -> bool:
        """Whether it answers as it should."""

    def is_alive(self) -> bool:
        """Whether it answers at all, though it may not be ready."""

    def note(self) -> str:
        """What a person should know although it is ready; empty where nothing."""


class Startable(Askable, Protocol):
    """A part that we start."""

    def prepare(self) -> Launch:
        """How to start it; may write files."""


def pause_before(deaths_in_a_row: int, longest: float = LONGEST_PAUSE) -> float:
    """Seconds before a part that died is started again: none for one that lived well so far; then 1, 2, 4, ... 30."""
    return min(2.0 ** (deaths_in_a_row - 2), longest) if deaths_in_a_row > 1 else 0.0


class Watcher:
    """Asks a part that runs elsewhere whether it is well; lives in the supervisor's event loop."""

    WELL: ClassVar[State] = State.ELSEWHERE
    UNWELL: ClassVar[State] = State.AWAY

    def __init__(self, part: Askable, changed: Callable[[PartState, str], None]) -> None:
        """`changed` hears of each change, with what happened in words."""
        self.part = part
        self.state = PartState(name=part.name, state=State.STOPPED, since=moment(), address=part.address)
        self.first_answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begins to ask; `first_answer` is empty when it is well, or says why it never will be."""
        self._go(self._ask())

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(work, name=f"watch {self.part.name}")
        self._task.add_done_callback(self._fell)

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A fault of our own ends the watching: say so instead of going on in silence."""
        if task.cancelled() or not task.exception():
            return
        words = f"{self.part.name} is no longer watched: {task.exception()!r}"
        self._becomes(State.STOPPED, words, note=words)
        self._settle(words)

    async def end(self) -> None:
        """Asks no longer."""
        self._settle(f"{self.part.name} was stopped")
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._becomes(State.STOPPED, "is no longer watched")

    async def _ask(self) -> None:
        """Asks until it is ready, then every few seconds whether it still is."""
        while not await self._is_ready():  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(ASK_EVERY)
        note = await asyncio.to_thread(self.part.note)
        self._becomes(self.WELL, f"answers at {self.part.address}" if self.part.address else "runs", note=note)
        self._settle("")
        unanswered, heard = 0, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_EVERY)
            unanswered = 0 if await self._is_ready() else unanswered + 1
            if not unanswered or await self._says(self.part.is_alive):
                heard = time.monotonic()
            elif unanswered > SILENT_AFTER and time.monotonic() - heard > ENDS_AFTER:
                self._hangs()
            if unanswered == SILENT_AFTER:
                self._becomes(self.UNWELL, "does not answer")
            elif not unanswered and self.state.state is self.UNWELL:
                self._becomes(self.WELL, "answers again")

    def _hangs(self) -> None:
        """It has not answered for long; what runs elsewhere is others' to end."""

    async def _is_ready(self) -> bool:
        return await self._says(self.part.is_ready)

    async def _says(self, question: Callable[[], bool]) -> bool:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):  # wait_for of Python 3.11 forgets a cancel that meets the answer
                return await asyncio.to_thread(question)
        except Exception as failed:  # noqa: BLE001  # a child's own question may raise anything: no answer, and told
            complaint = f"could not be asked: {failed!r}"
            if complaint != self.state.note:
                self._becomes(self.state.state, complaint, note=complaint)
            return False

    def _settle(self, answer: str) -> None:
        if not self.first_answer.done():
            self.first_answer.set_result(answer)

    def _becomes(self, state: State, said: str, **changes: Any) -> None:
        since = self.state.since if state is self.state.state else moment()
        self.state = replace(self.state, state=state, since=since, **changes)
        self._changed(self.state, said)


class Keeper(Watcher):
    """Keeps one part alive until it is told to end."""

    WELL: ClassVar[State] = State.RUNNING
    UNWELL: ClassVar[State] = State.SILENT
    part: Startable

    def __init__(
        self,
        part: Startable,
        home: Path,
        changed: Callable[[PartState, str], None],
        guardian: Callable[[str], None],
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """`home` takes its log; `guardian` is told which process to end where we cannot."""
        super().__init__(part, changed)
        self._home = home
        self._guardian = guardian
        self._longest_pause = longest_pause
        self._ending = asyncio.Event()
        self._silent = asyncio.Event()

    def begin(self) -> None:
        """Starts it, and from now on starts it again when it dies."""
        self._go(self._keep())

    async def end(self) -> None:
        """SIGTERM, its grace, SIGKILL to its process group; returns when nothing is left of it."""
        self._settle(f"{self.part.name} was stopped")
        self._ending.set()
        if self._task:
            await asyncio.wait((self._task,))
        self._becomes(State.STOPPED, "stopped", pid=None, ticks=None)

    def _hangs(self) -> None:
        self._silent.set()

    async def _keep(self) -> None:
        deaths = 0
        while not self._ending.is_set():
            began = time.monotonic()
            why = await self._one_life()
            if self._ending.is_set():
                return
            deaths = 1 if time.monotonic() - began > CALM_AFTER else deaths + 1
            pause = pause_before(deaths, self._longest_pause)
            said = f"{why}; is started again {f'in {pause:.0f} s' if pause else 'at once'}"
            restarts = self.state.restarts + 1
            self._becomes(State.WAITING, said, pid=None, ticks=None, restarts=restarts, note=why)
            if deaths > 1:
                self._settle(f"{self.part.name} does not start: {why}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    async def _one_life(self) -> str:
        """From start to death; returns how it died, in words for a person."""
        try:
            launch = await asyncio.to_thread(self.part.prepare)
            process = await spawn(launch, self.part.name, self._home)
        except (WetreadError, OSError) as failed:
            return str(failed)
        mark = mark_of(process.pid) or Mark(process.pid, 0)
        self._guardian(f"watch {mark.pid} {mark.ticks} {launch.grace}")
        self._becomes(State.STARTING, "starts", pid=mark.pid, ticks=mark.ticks, note="")
        self._silent.clear()
        death = asyncio.create_task(process.wait())
        ending, silent = (asyncio.create_task(each.wait()) for each in (self._ending, self._silent))
        asking = asyncio.create_task(self._ask())
        await asyncio.wait((death, ending, silent), return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        if not death.done():
            signal_group(mark, signal.SIGTERM)
            await asyncio.wait((death,), timeout=launch.grace)
        signal_group(mark, signal.SIGKILL)  # what does not listen, and what it started and left behind
        code = await death
        for waits in (ending, silent):
            waits.cancel()
        await asyncio.wait((asking, ending, silent))  # nobody else knows of them, and the loop may end after us
        self._guardian(f"forget {mark.pid}")
        if self._silent.is_set():
            return f"gave no answer for {ENDS_AFTER:.0f} s, and was ended"
        return how_it_died(code, self.part.name, self._home)
