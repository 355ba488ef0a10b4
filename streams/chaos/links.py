"""TCP links to each part, through which all traffic goes: slow, lossy, hanging or cut, as they are told."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 262_144
HOST = "127.0.0.1"
LINKED_BY_KIND = ("kafka", "redis", "triton", "dicom")
"""Every part that has a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How a link is.

    Attributes:
        delay_s: each chunk waits up to so long, by chance.
        reset: the chance of each chunk to end its connection (TCP loses nothing else).
        hangs: nothing passes and nothing ends: half-open.
        refuses: connections are ended, and new ones at once.
    """

    delay_s: float = 0.0
    reset: float = 0.0
    hangs: bool = False
    refuses: bool = False


CALM = Weather()


@dataclass(slots=True, eq=False)
class Link:
    """One link: where it listens, where it leads."""

    name: str
    port: int
    upstream: int
    weather: Weather = CALM
    passed: int = 0
    _chance: random.Random = field(default_factory=random.Random)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._connected, HOST, self.port, limit=CHUNK)

    def becomes(self, weather: Weather, upstream: int | None = None) -> None:
        """Other weather, or another end: connections of before are ended where they cannot go on."""
        leads_elsewhere = upstream is not None and upstream != self.upstream
        self.weather, self.upstream = weather, upstream or self.upstream
        self._changed.set()
        self._changed.clear()
        if weather.refuses or leads_elsewhere:
            self._end_all()

    def _end_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.weather.refuses:
            back.transport.abort()
            return
        try:
            far, forth = await asyncio.open_connection(HOST, self.upstream, limit=CHUNK)
        except OSError:
            back.transport.abort()
            return
        ends = {back, forth}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(near, forth, ends), self._pump(far, back, ends))
        finally:
            self._open -= ends
            for writer in ends:
                writer.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, ends: set[asyncio.StreamWriter]
    ) -> None:
        with suppress(OSError):
            while content := await source.read(CHUNK):
                if self.weather is not CALM:
                    await self._endured(ends)
                self.passed += len(content)
                target.write(content)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
            return
        for writer in ends:
            writer.transport.abort()

    async def _endured(self, ends: set[asyncio.StreamWriter]) -> None:
        while self.weather.hangs:
            await self._changed.wait()
        if self.weather.delay_s:
            await asyncio.sleep(self._chance.uniform(0, self.weather.delay_s))
        if self._chance.random() < self.weather.reset:
            for writer in ends:
                writer.transport.abort()
            raise ConnectionResetError


class Links:
    """All links of a run, in a thread of their own."""

    def __init__(self, seed: int, ends: Mapping[str, tuple[int, int]]) -> None:
        """ends: name to the port where it listens and the port where it leads."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._links = {
            name: Link(name, port, upstream, _chance=random.Random(f"{seed}/{name}"))
            for name, (port, upstream) in ends.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Of all links."""
        return tuple(self._links)

    def start(self) -> None:
        """Listen on all of them."""
        self._thread.start()
        for link in self._links.values():
            self._servers.append(asyncio.run_coroutine_threadsafe(link.serve(), self._loop).result(10))

    def become(self, name: str, weather: Weather, upstream: int | None = None) -> None:
        """Change one link."""
        self._loop.call_soon_threadsafe(self._links[name].becomes, weather, upstream)

    def port(self, name: str) -> int:
        """Where a link listens."""
        return self._links[name].port

    def passed(self) -> dict[str, int]:
        """Bytes that each has passed on."""
        return {name: link.passed for name, link in self._links.items()}

    def stop(self) -> None:
        """End them, and whatever passes through them."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
