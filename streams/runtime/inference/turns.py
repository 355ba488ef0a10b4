"""The right of way on one host: while an urgent reading is under way, routine ones wait before their next part."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from streams.events.reading import ReadingRequested
from streams.reading import pausing
from streams.reading.pausing import Abandoned

log = logging.getLogger(__name__)

URGENT = "urgent"


class RightOfWay:
    """A named pipe that urgent readings of all processes hold open; nothing is ever written to it.

    The kernel closes what a killed process held, and tells who waits when the last one lets go: nobody polls, nothing
    has to be cleaned up. A routine reading waits `longest_s` in all, then it goes on beside the urgent ones: it is
    late, but it is made.
    """

    def __init__(self, path: Path, longest_s: float) -> None:
        self._path, self._longest_s = path, longest_s
        self._waited: dict[str, float] = {}
        self._ends: dict[str, int] = {}

    @asynccontextmanager
    async def reading(self, request: ReadingRequested) -> AsyncIterator[None]:
        """Around the whole of a reading: an urgent one has the right of way as long, a routine one is held up by it."""
        held = self._opened(os.O_RDWR) if request.lane == URGENT else None
        self._waited[request.reading] = 0.0
        end = self._ends[request.reading] = os.eventfd(0)
        try:
            with pausing.held_up_by(partial(self.hold, request)):
                yield
        finally:
            del self._waited[request.reading], self._ends[request.reading]
            os.eventfd_write(end, 1)
            os.close(end)
            if held is not None:
                os.close(held)

    async def turn(self, request: ReadingRequested) -> None:
        """Before each part of a reading: at once for an urgent one, else when no urgent one is under way."""
        left = self._longest_s - self._waited.get(request.reading, 0.0)
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
            self._waited[request.reading] = self._longest_s - left + loop.time() - began

    def hold(self, request: ReadingRequested) -> float:
        """Between two steps of work in a thread: the same, with the seconds it took.

        Raises:
            Abandoned: the reading has ended, by its deadline or because it was taken from us; its thread is to end too.
        """
        began = time.monotonic()
        end = self._ends.get(request.reading)
        ear = self._opened(os.O_RDONLY) if end is not None and request.lane != URGENT else None
        if end is not None and ear is not None:
            told = os.dup(end)  # ours to close: the reading may end, and close its own, at any moment
            try:
                left = self._longest_s - self._waited.get(request.reading, 0.0)
                _wait_until_nobody_holds(ear, told, began + left)
            finally:
                os.close(told)
                os.close(ear)
        seconds = time.monotonic() - began
        if request.reading not in self._waited:
            raise Abandoned(request.reading)
        self._waited[request.reading] += seconds
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
