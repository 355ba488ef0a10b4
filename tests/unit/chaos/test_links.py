"""Links: what passes unchanged in calm weather, what hangs, what is cut, where they lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.chaos.links import CALM, Links, Weather
from streams.runtime.parts.ports import claim_ports

BYTES = bytes(range(256)) * 2000


@asynccontextmanager
async def echo(word: bytes = b"") -> AsyncIterator[int]:
    """A server that sends back what it hears, after a word."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(word)
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def linked(tmp_path, upstream: int) -> AsyncIterator[tuple[Links, int]]:
    port = claim_ports(tmp_path, ["link"])["link"]
    links = Links(5, {"part": (port, upstream)})
    links.start()
    try:
        yield links, port
    finally:
        await asyncio.to_thread(links.stop)


async def through(port: int, content: bytes) -> bytes:
    """What comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        return await asyncio.wait_for(reader.readexactly(len(content)), 20)
    finally:
        writer.close()


async def test_calm_and_slow_links_change_nothing(tmp_path):
    """Bytes come back as they were sent, in order, also where each chunk waits."""
    async with echo() as server, linked(tmp_path, server) as (links, port):
        assert await through(port, BYTES) == BYTES
        links.become("part", Weather(delay_s=0.005))
        assert await through(port, BYTES) == BYTES
        assert links.passed()["part"] >= 4 * len(BYTES)


async def test_a_link_that_refuses_ends_old_and_new_connections(tmp_path):
    """As where a host is gone; and all is well when it is back."""
    async with echo() as server, linked(tmp_path, server) as (links, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a")
        assert await asyncio.wait_for(reader.readexactly(1), 20) == b"a"
        links.become("part", Weather(refuses=True))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 20)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await through(port, b"b")
        links.become("part", CALM)
        assert await through(port, b"c") == b"c"
        writer.close()


async def test_a_link_that_hangs_says_nothing_until_it_goes_on(tmp_path):
    """Half-open: nothing passes, nothing ends; afterwards what was held comes."""
    async with echo() as server, linked(tmp_path, server) as (links, port):
        links.become("part", Weather(hangs=True))
        asked = asyncio.create_task(through(port, b"held"))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
        links.become("part", CALM)
        assert await asked == b"held"


async def test_a_link_can_lead_elsewhere(tmp_path):
    """Connections of before are ended, so that clients come to the other end."""
    async with echo() as one, echo(b"other") as other, linked(tmp_path, one) as (links, port):
        assert await through(port, b"a") == b"a"
        links.become("part", CALM, other)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.readexactly(5), 20) == b"other"
        writer.close()
