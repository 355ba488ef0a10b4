"""What hangs is ended: a part that was well, and answers nothing at all for long."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from pathlib import Path

import pytest

from streams.runtime.parts.guardian import Mark, is_alive
from streams.runtime.parts.states import State
from streams.runtime.stack import supervision
from tests.support.kept_parts import Fake, Told, keeper


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "WATCH_EVERY", 0.01)
    monkeypatch.setattr(supervision, "ASK_EVERY", 0.01)
    monkeypatch.setattr(supervision, "pause_before", lambda *_: 0.01)
    monkeypatch.setattr(supervision, "ENDS_AFTER", 0.1)


async def test_a_part_that_gives_no_answer_for_long_is_ended_and_started_again(tmp_path: Path):
    """Though it lives: nothing else would end what hangs. It was stopped, so it does not hear SIGTERM either."""
    told, part = Told(), Fake(grace=0.2)
    kept = keeper(part, tmp_path, told)
    kept.begin()
    first = await told.until(State.RUNNING)
    os.kill(first.pid, signal.SIGSTOP)
    part.well = part.alive = False
    assert (await told.until(State.SILENT)).pid == first.pid
    waiting = await told.until(State.WAITING)
    assert waiting.note.endswith("and was ended")
    assert not is_alive(Mark(first.pid, first.ticks))
    part.well = part.alive = True
    assert (await told.until(State.RUNNING)).pid != first.pid
    await kept.end()


async def test_a_part_that_answers_without_being_ready_is_left_alone(tmp_path: Path, monkeypatch):
    """A Redis that loads, a Triton whose model does not: ending it would make it longer."""
    told, part = Told(), Fake()
    kept = keeper(part, tmp_path, told)
    kept.begin()
    first = await told.until(State.RUNNING)
    part.well = False
    await told.until(State.SILENT)
    asked = asyncio.Event()
    left = itertools.count(1)

    def answers() -> bool:
        if next(left) == 50:
            loop.call_soon_threadsafe(asked.set)
        return True

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(part, "is_alive", answers)
    await asyncio.wait_for(asked.wait(), 20)
    assert kept.state.pid == first.pid
    await kept.end()
