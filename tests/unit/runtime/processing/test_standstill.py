"""A loop that stands still ends its process; one that turns, however slowly, does not."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streams.runtime.processing import standstill
from streams.runtime.processing.standstill import Standstill


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    monkeypatch.setattr(standstill.faulthandler, "dump_traceback", lambda _file: None)
    return threading.Event()


async def test_a_loop_that_stands_still_ends_the_process(ended: threading.Event):
    """Its thread is held in one call, as by a deadlock: nothing but a new start helps."""
    with Standstill(asyncio.get_running_loop(), every_s=0.02, most=3, end=ended.set):
        assert ended.wait(10)  # the point: the loop does not turn


async def test_a_loop_that_turns_lives(ended: threading.Event):
    """Each question is answered, a late one too."""
    turned = asyncio.Event()
    with Standstill(asyncio.get_running_loop(), every_s=0.05, most=100, end=ended.set) as watched:
        asyncio.get_running_loop().call_later(0.3, turned.set)
        await turned.wait()
    await asyncio.to_thread(watched._thread.join, 10)
    assert not watched._thread.is_alive()
    assert not ended.is_set()


async def test_misses_are_counted_in_a_row(ended: threading.Event):
    """A process that was stopped for long finds one question unanswered, not the time that has passed."""
    loop = asyncio.get_running_loop()
    answers = iter([True, False, False, True, False, False, True])

    class Sometimes:
        def call_soon_threadsafe(self, answer) -> None:
            said = next(answers, None)
            if said is None:
                raise RuntimeError("closed")
            if said:
                answer()

    with Standstill(Sometimes(), every_s=0.001, most=3, end=ended.set) as watched:  # type: ignore[arg-type]
        await loop.run_in_executor(None, watched._thread.join, 10)
    assert not ended.is_set()
