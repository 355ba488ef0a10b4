"""What an event costs while 100 to 100,000 studies are open: the guaranteed step on two real Redis, in turns."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from streams.adapters.partitioning import partition_of
from streams.adapters.redis_state import RedisState, connect
from streams.flow import INTAKE, PARTITIONS, TRIAGE
from streams.ports import Place
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.redis import LocalRedis
from streams.runtime.parts.settings import PartsSettings
from tests.bench.flow_alone import Flow, late
from tests.bench.table import Section
from tests.support import studies
from tests.support.kafka_and_redis import RealPart

FEW = 100
LOOKS, LISTED = 40, 10
AT_ONCE = 200
NOTES = (
    "CPU of the worker's process and of Redis, Kafka left out, since it does not know what is open. `new study`: an",
    "event of a study that comes while so many are open, through intake and triage: load, decide, commit, outbox;",
    "`open study`: a person moves one of those open, which the worker does not have in its memory; `look`: what the",
    "ticker asks ten times a second of all partitions; `list`: its first 10 and how many there are. The open studies",
    "are copies of one of 28 slices, which Redis holds with all their parts, timers and places. Another Redis holds",
    "100 and is measured in turns with it, block by block; the ratios are medians over the pairs, and the first row,",
    "100 against 100, tells how far they can be trusted. Both write no AOF: it takes what is committed, no more.",
)


@dataclass(slots=True)
class Copied:
    """A study's keys of one agent, as Redis holds them."""

    state: dict[bytes, bytes]
    dump: bytes
    applied: list[bytes]
    timers: dict[bytes, float]
    listed: float | None


@dataclass(slots=True)
class Site:
    """One Redis with open studies, and the agents on it.

    Attributes:
        opened: how many studies it holds.
        first: number of its first study; every UID is of one length.
    """

    redis: Redis
    first: int
    state: RedisState = field(init=False)
    flow: Flow = field(init=False)
    opened: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(6))
    _copied: dict[str, Copied] = field(default_factory=dict)

    async def begin(self) -> None:
        """Empty, but for the study that the others are copied from."""
        await self.redis.flushall()
        self.opened = 0
        await self.restart()
        await self.more(1)
        for agent in (INTAKE, TRIAGE):
            self._copied[agent] = await self._copy_of(agent, self.uid(0))

    async def restart(self) -> None:
        """A worker that has nothing in its memory."""
        self.state = RedisState(self.redis)
        self.flow = Flow(self.state)
        await self.flow.take()

    def uid(self, number: int) -> str:
        """Of the number-th study."""
        return f"1.2.840.{self.first + number}"

    async def more(self, number: int) -> int:
        """So many new studies, from their first slice to their alert; how many events those were."""
        before = self.flow.events
        for _ in range(number):
            self.opened += 1
            await self.flow.study(self.uid(self.opened - 1))
        return self.flow.events - before

    async def fill(self, level: int) -> None:
        """Copies, until so many are open."""
        while self.opened < level:
            pipe: Any = self.redis.pipeline(transaction=False)
            for number in range(self.opened, min(level, self.opened + AT_ONCE)):
                for agent in (INTAKE, TRIAGE):
                    self._copy(pipe, agent, self.uid(0), self.uid(number))
            await pipe.execute()
            self.opened = min(level, self.opened + AT_ONCE)

    async def moved(self, number: int) -> int:
        """A person moves so many of the open studies, each another one."""
        for chosen in self.chance.sample(range(self.opened), number):
            said = await self.flow.heard(late(self.uid(chosen), f"person {self.chance.random()}"))
            assert said, "it has another place"
        return number

    async def looked(self, number: int) -> int:
        """The ticker looks for due timers so often; none is due."""
        places = [Place(agent, p) for agent in (INTAKE, TRIAGE) for p in range(PARTITIONS)]
        for _ in range(number):
            assert not await self.state.due(places, studies.T0, 200)
        return number

    async def listed(self, number: int) -> int:
        """Somebody asks so often who is first and how many wait."""
        for _ in range(number):
            assert await self.state.count_listed(TRIAGE, PARTITIONS) == self.opened
            await self.state.listed(TRIAGE, PARTITIONS, LISTED)
        return number

    async def cost(self, what: Callable[[int], Awaitable[int]], number: int) -> float:
        """CPU seconds, ours and Redis', of each of what was done."""
        before, own = await self._redis_cpu(), time.process_time()
        done = await what(number)
        own = time.process_time() - own
        return (own + await self._redis_cpu() - before) / done

    async def _redis_cpu(self) -> float:
        told = await self.redis.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

    def _names(self, agent: str, study: str) -> dict[str, str]:
        place = Place(agent, partition_of(study.encode(), PARTITIONS))
        names = {"state": f"state:{study}", "applied": f"applied:{study}", "timers": "timers", "listing": "listing"}
        return {what: self.state._key(place, name) for what, name in names.items()}

    async def _copy_of(self, agent: str, study: str) -> Copied:
        names, redis = self._names(agent, study), self.redis
        timers = await redis.zrange(names["timers"], 0, -1, withscores=True)  # type: ignore[misc]
        return Copied(
            state=await redis.hgetall(names["state"]),  # type: ignore[misc]
            dump=await redis.dump(names["state"]),
            applied=list(await redis.smembers(names["applied"])),  # type: ignore[misc]
            timers={name: due for name, due in timers if name.endswith(study.encode())},
            listed=await redis.zscore(names["listing"], study),
        )

    def _copy(self, pipe: Any, agent: str, study: str, new: str) -> None:
        """Triage's parts are the new study's own; intake's, which nothing reads here, are copied whole."""
        held, names, old, own = self._copied[agent], self._names(agent, new), study.encode(), new.encode()
        if agent == TRIAGE:
            fields = {name.replace(old, own): value.replace(old, own) for name, value in held.state.items()}
            pipe.hset(names["state"], mapping=fields)
        else:
            pipe.restore(names["state"], 0, held.dump, replace=True)
        pipe.sadd(names["applied"], *held.applied)
        if held.timers:
            pipe.zadd(names["timers"], {name.replace(old, own): due for name, due in held.timers.items()})
        if held.listed is not None:
            pipe.zadd(names["listing"], {new: held.listed + self.chance.randrange(3_600_000_000)})


async def compare(full: Site, few: Site, block: int) -> dict[str, tuple[float, float]]:
    """One pair: what each kind of work costs with the many and with the few."""
    costs = {}
    await few.begin()
    await few.fill(FEW)
    for what, number in (("more", block), ("moved", block), ("looked", LOOKS), ("listed", LOOKS)):
        pair = []
        for site in (full, few):
            if what == "moved":
                await site.restart()
            pair.append(await site.cost(getattr(site, what), number))
        costs[what] = (pair[0], pair[1])
    return costs


async def measure(full: Site, few: Site, levels: tuple[int, ...], block: int, pairs: int) -> list[tuple[str, ...]]:
    """A row per level: cost with so many open and its ratio to that with a hundred, for each kind of work."""
    rows: list[tuple[str, ...]] = []
    await full.begin()
    for level in levels:
        await full.fill(level)
        found = [await compare(full, few, block) for _ in range(pairs)]
        rows.append((f"{level:,}", *_cells(found)))
        print(rows[-1], flush=True)
    return rows


def _cells(found: list[Mapping[str, tuple[float, float]]]) -> Iterator[str]:
    for what in found[0]:
        many = statistics.median(pair[what][0] for pair in found)
        ratio = statistics.median(pair[what][0] / pair[what][1] for pair in found)
        yield f"{many * 1e6:.0f} us"
        yield f"{ratio:.2f}"


@contextmanager
def two_redis() -> Iterator[tuple[str, str]]:
    """Two servers of the bench's own."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name:
        parts = []
        for which in ("full", "few"):
            home = Path(name) / which
            home.mkdir()
            settings = PartsSettings(home=home, redis_maxmemory="8gb")
            parts.append(RealPart(LocalRedis(settings, claim_ports(home, ["redis"])["redis"]), home))
        try:
            for part in parts:
                part.start()
            yield parts[0].address, parts[1].address
        finally:
            for part in parts:
                part.stop()


async def _run(levels: tuple[int, ...], block: int, pairs: int) -> list[tuple[str, ...]]:
    with two_redis() as (one, other):
        sites = [Site(connect(url), first) for url, first in ((one, 10_000_000), (other, 20_000_000))]
        try:
            for site in sites:
                await site.redis.config_set("appendonly", "no")
            return await measure(*sites, levels, block, pairs)
        finally:
            for site in sites:
                await site.redis.aclose()


def run(quick: bool) -> Section:
    """Up to 100,000 open studies."""
    levels, block, pairs = ((100, 2_000), 10, 3) if quick else ((100, 10_000, 100_000), 20, 9)
    return Section(
        name="growth-open",
        title="Cost of an event while studies are open",
        goal="flat within 10 % from 100 to 100,000 open studies.",
        columns=("open", "new study", "ratio", "open study", "ratio", "look", "ratio", "list", "ratio"),
        rows=tuple(asyncio.run(_run(levels, block, pairs))),
        notes=NOTES,
    )
