"""Urgent readings go first on a host, whatever becomes of their processes; routine ones wait so long and no longer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.reading.pausing import Abandoned, between_steps, waited
from streams.runtime.inference import turns
from streams.runtime.inference.turns import RightOfWay
from tests.support.asking import ROUTINE, STAT

FOREVER_S = 3600.0
HOLDER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.support.asking import STAT
from streams.runtime.inference.turns import RightOfWay

async def main():
    async with RightOfWay(Path({pipe!r}), 1.0).reading(STAT):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def way(folder: Path, longest_s: float = FOREVER_S) -> RightOfWay:
    """As another process has it: only the file is shared."""
    return RightOfWay(folder / "run" / "right-of-way", longest_s)


async def blocked(task: asyncio.Task[None]) -> bool:
    """Whether it still waits after everything else that can run has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


async def test_nobody_urgent_nobody_waits(tmp_path: Path):
    """The first turn of an installation, and each one when nothing urgent is under way."""
    here = way(tmp_path)
    async with here.reading(ROUTINE):
        await here.turn(ROUTINE)
        await here.turn(ROUTINE)


async def test_a_routine_reading_waits_until_the_last_urgent_one_has_ended(tmp_path: Path):
    """Two are under way in other processes; the wait ends with the second, and a third takes it up again."""
    here, one, two = way(tmp_path), way(tmp_path), way(tmp_path)
    async with here.reading(ROUTINE):
        async with two.reading(replace(STAT, reading="b")):
            async with one.reading(STAT):
                waiting = asyncio.create_task(here.turn(ROUTINE))
                assert await blocked(waiting)
            assert await blocked(waiting)
        await asyncio.wait_for(waiting, 10)
        async with one.reading(STAT):
            waiting = asyncio.create_task(here.turn(ROUTINE))
            assert await blocked(waiting)
        await asyncio.wait_for(waiting, 10)


async def test_urgent_ones_wait_for_nobody(tmp_path: Path):
    """Neither for each other nor for a routine one that waits."""
    here, there = way(tmp_path), way(tmp_path)
    async with here.reading(STAT), there.reading(ROUTINE):
        waiting = asyncio.create_task(there.turn(ROUTINE))
        assert await blocked(waiting)
        await here.turn(STAT)
        async with there.reading(replace(STAT, reading="b")):
            await there.turn(replace(STAT, reading="b"))
    await asyncio.wait_for(waiting, 10)


async def test_a_failed_urgent_reading_lets_go(tmp_path: Path):
    """By an exception, and by being cancelled."""
    here, there = way(tmp_path), way(tmp_path)
    with pytest.raises(ValueError, match="broke"):
        async with here.reading(STAT):
            raise ValueError("broke")

    async def hold() -> None:
        async with here.reading(STAT):
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    async with there.reading(ROUTINE):
        waiting = asyncio.create_task(there.turn(ROUTINE))
        assert await blocked(waiting)
        holding.cancel()
        await asyncio.wait_for(waiting, 10)


async def test_a_killed_process_lets_go(tmp_path: Path):
    """SIGKILL in the middle of an urgent reading: the kernel closes the pipe, the wait ends, nothing is left over."""
    here = way(tmp_path)
    program = HOLDER.format(path=sys.path, pipe=str(tmp_path / "run" / "right-of-way"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        async with here.reading(ROUTINE):
            waiting = asyncio.create_task(here.turn(ROUTINE))
            assert await blocked(waiting)
            process.kill()
            await asyncio.wait_for(waiting, 10)
            await here.turn(ROUTINE)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_no_routine_reading_starves(tmp_path: Path):
    """It waits so long in all, over its parts, and goes on although an urgent one is under way; the next waits anew."""
    here, there = way(tmp_path, 0.05), way(tmp_path)
    loop = asyncio.get_running_loop()
    async with there.reading(STAT):
        async with here.reading(ROUTINE):
            began = loop.time()
            await here.turn(ROUTINE)
            assert loop.time() - began >= 0.05
            turns = [asyncio.create_task(here.turn(ROUTINE)) for _ in range(3)]
            assert not any([await blocked(turn) for turn in turns])
        async with here.reading(ROUTINE):
            waiting = asyncio.create_task(here.turn(ROUTINE))
            assert await blocked(waiting)
            await waiting


async def test_a_wait_that_is_cut_off_leaves_nothing(tmp_path: Path):
    """A reading whose time is over, or whose partition has gone, is cancelled while it waits."""
    here, there = way(tmp_path), way(tmp_path)
    async with there.reading(STAT), here.reading(ROUTINE):
        waiting = asyncio.create_task(here.turn(ROUTINE))
        assert await blocked(waiting)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_where_no_pipe_can_be_readings_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A plain file in its place: nobody waits, and the log says what to do."""
    here = way(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "right-of-way").touch()
    async with here.reading(STAT):
        await here.turn(ROUTINE)
    assert "is not a named pipe: remove it" in caplog.text


class TestInAThread:
    """Work that goes on in a thread is held up between its steps."""

    @pytest.fixture
    def held_up(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        """Set once a step begins to wait."""
        begun, wait = threading.Event(), turns._wait_until_nobody_holds

        def told(*arguments: Any) -> None:
            begun.set()
            wait(*arguments)

        monkeypatch.setattr(turns, "_wait_until_nobody_holds", told)
        return begun

    @staticmethod
    async def stepping(done: list[float]) -> None:
        """A reading's work: two steps, as the code of a model's tensors makes them."""

        def work() -> None:
            for _ in range(2):
                between_steps()
                done.append(waited())

        await asyncio.to_thread(work)

    async def test_the_next_step_waits_until_the_urgent_one_has_ended(self, tmp_path: Path, held_up: threading.Event):
        """And the time that takes is told, so that it does not count as the reading's own."""
        here, there = way(tmp_path), way(tmp_path)
        done: list[float] = []

        async def reading() -> None:
            async with here.reading(ROUTINE):
                await self.stepping(done)

        async with there.reading(STAT):
            working = asyncio.create_task(reading())
            await asyncio.to_thread(held_up.wait, 10)
            assert done == []
        await asyncio.wait_for(working, 10)
        assert len(done) == 2
        assert done[0] > 0

    async def test_an_urgent_one_and_one_that_has_waited_enough_go_on(self, tmp_path: Path):
        here, there = way(tmp_path, 0.0), way(tmp_path)
        done: list[float] = []
        async with there.reading(STAT):
            await asyncio.wait_for(self.stepping(done), 10)
            async with here.reading(ROUTINE):
                await asyncio.wait_for(self.stepping(done), 10)
        assert len(done) == 4

    async def test_work_of_a_reading_that_was_given_up_ends_at_its_next_step(
        self, tmp_path: Path, held_up: threading.Event
    ):
        """It neither waits any longer nor computes what nobody wants."""
        here, there = way(tmp_path), way(tmp_path)
        ended: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                between_steps()
            except Abandoned as end:
                loop.call_soon_threadsafe(ended.put_nowait, str(end))

        async def reading() -> None:
            async with here.reading(ROUTINE):
                await asyncio.to_thread(work)

        async with there.reading(STAT):
            given_up = asyncio.create_task(reading())
            await asyncio.to_thread(held_up.wait, 10)
            given_up.cancel()
            assert await asyncio.wait_for(ended.get(), 10) == ROUTINE.reading
            with pytest.raises(asyncio.CancelledError):
                await given_up

    async def test_one_series_may_be_read_twice_at_once(self, tmp_path: Path, held_up: threading.Event):
        """The urgent lane asks for what the routine one works on: the end of the one ends nothing of the other."""
        here = way(tmp_path)
        done: list[float] = []

        async def routine() -> None:
            async with here.reading(ROUTINE):
                await self.stepping(done)

        async with here.reading(replace(STAT, reading=ROUTINE.reading)):
            working = asyncio.create_task(routine())
            await asyncio.to_thread(held_up.wait, 10)
        await asyncio.wait_for(working, 10)
        assert len(done) == 2

    def test_elsewhere_nothing_holds_up(self):
        between_steps()
        assert waited() == 0.0
