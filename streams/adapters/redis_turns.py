"""Commands that are given while Redis is being asked travel together, in the next round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

Command = tuple[str | bytes | int, ...]


class Turns:
    """A client whose callers share pipelines: most of a command's cost is the round trip, not the command.

    One pipeline is under way at a time: alone a command goes at once, under load they gather by themselves.
    Commands keep the order in which they were given; they are not a transaction.
    """

    def __init__(self, redis: Redis) -> None:
        """The client stays the caller's to close."""
        self._redis: Any = redis
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._trip: asyncio.Task[None] | None = None
        self._digests: dict[str, str] = {}

    async def ask(self, *commands: Command) -> list[Any]:
        """The replies, in order; the first error among them is raised."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in commands]
        self._waiting += zip(commands, futures, strict=True)
        if self._trip is None:
            self._trip = loop.create_task(self._travel())
        return list(await asyncio.gather(*futures))

    async def run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """A Lua script's reply; Redis is told the script once, and again when it has forgotten it."""
        digest = self._digests.get(script) or await self._load(script)
        try:
            (reply,) = await self.ask(("EVALSHA", digest, len(keys), *keys, *arguments))
        except NoScriptError:
            digest = await self._load(script)
            (reply,) = await self.ask(("EVALSHA", digest, len(keys), *keys, *arguments))
        return reply

    async def _load(self, script: str) -> str:
        digest = await self._redis.script_load(script)
        self._digests[script] = digest.decode() if isinstance(digest, bytes) else str(digest)
        return self._digests[script]

    async def _travel(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._carry(group)
        finally:
            self._trip = None

    async def _carry(self, group: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        try:
            pipe = self._redis.pipeline(transaction=False)
            for command, _future in group:
                pipe.execute_command(*command)
            replies = await pipe.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  # each caller is told
            replies = [error] * len(group)
        except asyncio.CancelledError:
            for _command, future in group:
                future.cancel()
            raise
        for (_command, future), reply in zip(group, replies, strict=True):
            if future.done():
                continue
            if isinstance(reply, BaseException):
                future.set_exception(reply)
                future.exception()  # one caller awaits several: the first error is raised, the others are seen
            else:
                future.set_result(reply)
