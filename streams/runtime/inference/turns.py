"""The right of way on one host: while an urgent reading is under way, routine ones wait before their next part."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import stat
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from streams.events.reading import ReadingRequested
from streams.reading import pausing
from streams.reading.pausing import Abandoned

log = logging.getLogger(__name__)

URGENT = "urgent"


@dataclass(slots=True, eq=False)
class _UnderWay:
    """One reading under way; of one series two may be, where the urgent lane asks for it again.

    Attributes:
        end: a file that is readable once it has ended.
        waited_s: for urgent ones, so far.
    """

    end: int
    waited_s: float = 0.0
    ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> int | None:
        """A copy of `end`, the caller's to close; None: it has ended. For any thread."""
        with self.lock:
            return None if self.ended else os.dup(self.end)


_HERE: ContextVar[_UnderWay | None] = ContextVar("reading", default=None)
"""What this context reads."""


class RightOfWay:
    """A named pipe that urgent readings of all processes hold open; nothing is ever written to it.

    The kernel closes what a killed process held, and tells who waits when the last one lets go: nobody polls, nothing
    has to be cleaned up. A routine reading waits `longest_s` in all, then it goes on beside the urgent ones: it is
    late, but it is made.
    """

    def __init__(self, path: Path, longest_s: float) -> None:
        self._path, self._longest_s = path, longest_s

    @asynccontextmanager
    async def reading(self, request: ReadingRequested) -> AsyncIterator[None]:
        """Around the whole of a reading: an urgent one has the right of way as long, a routine one is held up by it."""
        held = self._opened(os.O_RDWR) if request.lane == URGENT else None
        here = _UnderWay(os.eventfd(0))
        token = _HERE.set(here)
        try:
            with pausing.held_up_by(partial(self._hold, request, here)):
                yield
        finally:
            _HERE.reset(token)
            with here.lock:
                here.ended = True
                os.eventfd_write(here.end, 1)
                os.close(here.end)
            if held is not None:
                os.close(held)

    async def turn(self, request: ReadingRequested) -> None:
        """Before each part of a reading: at once for an urgent one, else when no urgent one is under way."""
        here = _HERE.get() or _UnderWay(-1)
        left = self._longest_s - here.waited_s
        if request.lane == URGENT or left <= 0:
            return
        ear = self._opened(os.O_RDONLY)
        if ear is None:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(left):
                await _until_nobody_holds(ear)
        except TimeoutError:
            log.info("reading %s waited %.0f s for urgent ones and goes on", request.reading, self._longest_s)
        finally:
            os.close(ear)
            here.waited_s = self._longest_s - left + loop.time() - began

    def _hold(self, request: ReadingRequested, here: _UnderWay) -> float:
        """Between two steps of work in a thread: the same, with the seconds it took.

        Raises:
            Abandoned: the reading has ended, by its deadline or because it was taken from us; its thread is to end too.
        """
        began = time.monotonic()
        told = here.listen() if request.lane != URGENT else None
        if told is not None:
            ear = self._opened(os.O_RDONLY)
            try:
                if ear is not None:
                    _wait_until_nobody_holds(ear, told, began + self._longest_s - here.waited_s)
            finally:
                os.close(told)
                if ear is not None:
                    os.close(ear)
        seconds = time.monotonic() - began
        if here.ended:
            raise Abandoned(request.reading)
        here.waited_s += seconds
        return seconds

    def _opened(self, mode: int) -> int | None:
        """The pipe; None where the folder cannot hold one: then readings do not wait for each other."""
        try:
            return _open_pipe(self._path, mode)
        except OSError as fault:
            log.warning("urgent readings do not go first here: %s", fault)
            return None


def _open_pipe(path: Path, mode: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process was first
            os.mkfifo(path, 0o600)
    pipe = os.open(path, mode | os.O_NONBLOCK)
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        os.close(pipe)
        raise FileExistsError(f"{path} is not a named pipe: remove it")
    return pipe


async def _until_nobody_holds(ear: int) -> None:
    """Until no process has the pipe open for writing: the kernel says it by an end of file."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(ear, told.set)
    try:
        while _held(ear):
            told.clear()
            await told.wait()
    finally:
        loop.remove_reader(ear)


def _wait_until_nobody_holds(ear: int, told: int, end: float) -> None:
    """The same in a thread: until `end` (monotonic seconds), or until `told` is readable."""
    wakes = select.poll()
    wakes.register(ear, 0)  # the kernel tells of the last writer's end unasked
    wakes.register(told, select.POLLIN)
    while _held(ear) and (left := end - time.monotonic()) > 0:
        if any(which == told for which, _ in wakes.poll(left * 1000)):
            return


def _held(ear: int) -> bool:
    try:
        return os.read(ear, 1) != b""
    except BlockingIOError:
        return True
