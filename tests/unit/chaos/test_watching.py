"""Work beside a run: it ends with it, its fault is told, and what does not end is left behind."""

from __future__ import annotations

import asyncio

import pytest

from streams.chaos import watching
from streams.chaos.watching import beside


async def test_it_ends_with_the_run():
    """Cancelled, and waited for."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_its_fault_is_told():
    """A watch that broke is no quiet run."""

    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with beside(work()):
            await asyncio.sleep(0)


async def test_what_does_not_let_go_is_left_behind(monkeypatch):
    """A client whose broker never comes back may wait in its own end."""
    monkeypatch.setattr(watching, "ENDS_WITHIN_S", 0.01)
    released = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()

    async with beside(work()):
        await asyncio.sleep(0)
    released.set()
