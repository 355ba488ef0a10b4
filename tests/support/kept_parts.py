"""A part whose process and answers the test decides, kept alive by the real supervision."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from streams.runtime.parts.part import Launch
from streams.runtime.parts.states import PartState, State
from streams.runtime.stack.supervision import Keeper

SLEEPER = (sys.executable, "-I", "-S", "-c", "import signal; signal.pause()")


@dataclass
class Fake:
    """A part whose process and answers the test decides."""

    argv: tuple[str, ...] = SLEEPER
    name: str = "fake"
    address: str = "somewhere"
    grace: float = 5.0
    well: bool = True
    alive: bool = True
    words: str = ""
    broken: Exception | None = None
    env: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> Launch:
        if self.broken:
            raise self.broken
        return Launch(argv=self.argv, env=self.env, grace=self.grace)

    def is_ready(self) -> bool:
        return self.well

    def is_alive(self) -> bool:
        return self.alive

    def note(self) -> str:
        return self.words


class Told:
    """What was told of a part, to be awaited; and what the guardian heard."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[PartState, str]] = asyncio.Queue()
        self.whispers: list[str] = []

    def __call__(self, state: PartState, said: str) -> None:
        self.queue.put_nowait((state, said))

    async def until(self, state: State) -> PartState:
        while True:
            found, _ = await asyncio.wait_for(self.queue.get(), 20)
            if found.state is state:
                return found


def keeper(part: Fake, home: Path, told: Told) -> Keeper:
    return Keeper(part, home, told, told.whispers.append)
