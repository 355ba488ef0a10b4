"""A state store and how to lose its contents: on the twin and on a real Redis."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from streams.adapters.memory_twins import MemoryState
from streams.adapters.redis_state import RedisState, connect
from streams.ports import Change, Message, Place

PLACE = Place("intake", 3)
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
SAID = (Message("t", b"k", b"\x00\xffv", [("h", b"\xff"), ("h", b"")]), Message("u", b"k", b"", []))


class Twin:
    """The twin, flushed by a method."""

    def __init__(self) -> None:
        """Empty."""
        self.store = MemoryState()

    async def flush(self) -> None:
        """Lose everything."""
        self.store.flush()

    def another(self) -> MemoryState:
        """Another client of the same store."""
        other = MemoryState()
        other._held = self.store._held
        return other

    async def close(self) -> None:
        """Nothing to close."""


class Real:
    """A Redis, flushed by FLUSHALL."""

    def __init__(self, url: str) -> None:
        """One client at first."""
        self.url = url
        self.clients: list[Redis] = []
        self.store = self.another()

    def another(self) -> RedisState:
        """Another client of the same store."""
        self.clients.append(connect(self.url))
        return RedisState(self.clients[-1])

    async def flush(self) -> None:
        """Lose everything."""
        await self.clients[0].flushall()

    async def close(self) -> None:
        """Disconnect all clients."""
        for client in self.clients:
            await client.aclose()


def change(version: int = 0, event: str = "e1", **given: Any) -> Change:
    """A change of nothing but what is given."""
    return Change(**{"parts": {}, "said": (), "mark": 1, "known_mark": 0, **given}, version=version, event=event)
