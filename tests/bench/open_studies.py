"""What a study costs while few and while many are open: the guaranteed step on two real Redis, in turns."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from redis.asyncio import Redis

from streams.adapters.partitioning import partition_of
from streams.adapters.redis_state import RedisState, connect
from streams.events.envelope import Envelope, from_kafka, to_kafka
from streams.events.identifiers import Digest, digest_of, named_id
from streams.events.imaging import InstancesStored, SeriesClosed
from streams.events.reading import ReadingAnswered, ReadingRequested
from streams.flow import DEADLETTERS, INTAKE, PARTITIONS, TRIAGE, addressed, agents
from streams.ports import Message, Record
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.redis import LocalRedis
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.processing.applying import Applier, Outside
from tests.bench.table import Section
from tests.support import studies
from tests.support.kafka_and_redis import RealPart

GROUPS, GROUP = 4, 7
"""A series of 28 slices in four events, as a door groups what arrives within 100 ms."""
TAKES = {"imaging.instances": INTAKE, "triage.findings": TRIAGE}
NOTES = (
    "CPU of the worker's process and of Redis, for all events of one study through intake and triage: load, decide,",
    "commit and outbox on a real Redis; Kafka is left out, since it does not know what is open. `open` is how many",
    "studies that Redis holds, all on the worklist; another Redis, with a few, is measured in turns with it, block by",
    "block, and the ratio is the median over the pairs.",
)


@dataclass(slots=True)
class Kept:
    """Sends to nobody, keeps nothing; what was said is taken out by `said`."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, messages: tuple[Message, ...]) -> None:
        self.messages += messages

    def put(self, content: bytes) -> Digest:
        return digest_of(content)

    def said(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages


@dataclass(slots=True)
class Flow:
    """Intake and triage over one Redis."""

    redis: Redis
    kept: Kept = field(default_factory=Kept)
    appliers: dict[str, Applier] = field(init=False)
    offsets: Iterator[int] = field(default_factory=count)
    opened: int = 0
    alerted: int = 0

    def __post_init__(self) -> None:
        outside = Outside(
            state=RedisState(self.redis),
            log=self.kept,  # type: ignore[arg-type]  # only `send` is asked of it
            objects=self.kept,  # type: ignore[arg-type]  # only `put`
            policy=studies.POLICIES.digest,
            deadletters=DEADLETTERS,
            addressed=addressed,
        )
        named = {agent.name: agent for agent in agents(studies.POLICIES, (studies.HEAD,))}
        self.appliers = {name: Applier(named[name], outside) for name in (INTAKE, TRIAGE)}

    async def begin(self) -> None:
        """Take every partition."""
        await self.redis.flushall()
        self.opened = self.alerted = 0
        for applier in self.appliers.values():
            for partition in range(PARTITIONS):
                await applier.take(partition)

    async def open(self, number: int) -> None:
        """So many more studies, from their first slice to their alert."""
        for _ in range(number):
            self.opened += 1
            await self._study(f"1.2.840.{self.opened}")
        assert self.alerted == self.opened, "each study comes to its alert"

    async def _study(self, study: str) -> None:
        waiting = [to_message(event, f"{study} {n}") for n, event in enumerate(arriving(study))]
        while waiting:
            message = waiting.pop(0)
            agent = TAKES.get(message.topic)
            self.alerted += message.topic == "triage.alerts"
            if agent:
                record = self._record(message)
                await self.appliers[agent].apply(record, lambda offset=record.offset: offset)  # type: ignore[misc]
                waiting += self.kept.said()
            elif message.topic.startswith("triage.readings."):
                request = from_kafka(message.value, message.headers).data
                assert isinstance(request, ReadingRequested)
                waiting.append(to_message(studies.answer_to(request), f"{study} answer"))

    def _record(self, message: Message) -> Record:
        return Record(
            topic=message.topic,
            partition=partition_of(message.key, PARTITIONS),
            offset=next(self.offsets),
            key=message.key,
            value=message.value,
            headers=message.headers,
            written_at=studies.T0,
        )

    async def cost(self, number: int) -> float:
        """CPU seconds per study, ours and Redis'."""
        before, own = await self._redis_cpu(), time.process_time()
        await self.open(number)
        own = time.process_time() - own
        return (own + await self._redis_cpu() - before) / number

    async def _redis_cpu(self) -> float:
        told = await self.redis.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def arriving(study: str) -> Iterator[InstancesStored | SeriesClosed]:
    """What a door says of a head of 28 slices."""
    series = f"{study}.1"
    slices = studies.stack(series)
    for first in range(0, GROUPS * GROUP, GROUP):
        yield studies.stored(
            slices[first : first + GROUP], studies.series_facts(series), studies.study_facts(study=study, order=None)
        )
    yield replace(studies.released({series: len(slices)}), study=study)


def to_message(event: InstancesStored | SeriesClosed | ReadingAnswered, name: str) -> Message:
    """The event as a door or the reader sends it."""
    envelope = Envelope(id=named_id("bench", name), time=studies.T0, key="", data=event)
    ((topic, placed),) = addressed(envelope, "door")
    return Message(topic, *to_kafka(placed))


async def measure(full: Flow, empty: Flow, levels: tuple[int, ...], block: int, pairs: int) -> list[tuple[str, ...]]:
    """A row per level: studies open, cost with and without them, their ratio."""
    rows: list[tuple[str, ...]] = []
    await full.begin()
    for level in levels:
        await full.open(max(0, level - full.opened))
        await empty.begin()
        await empty.open(1)
        costs = [(await full.cost(block), await empty.cost(block)) for _ in range(pairs)]
        many, few = (statistics.median(cost) for cost in zip(*costs, strict=True))
        ratio = statistics.median(a / b for a, b in costs)
        rows.append((f"{level:,}", f"{many * 1000:.2f} ms", f"{few * 1000:.2f} ms", f"{ratio:.2f}"))
    return rows


@contextmanager
def two_redis() -> Iterator[tuple[str, str]]:
    """Two servers of the bench's own."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name:
        parts = []
        for which in ("full", "empty"):
            home = Path(name) / which
            home.mkdir()
            settings = PartsSettings(home=home, redis_maxmemory="2gb")
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
        full, empty = connect(one), connect(other)
        try:
            return await measure(Flow(full), Flow(empty), levels, block, pairs)
        finally:
            await full.aclose()
            await empty.aclose()


def run(quick: bool) -> Section:
    """Up to 10,000 open studies."""
    levels, block, pairs = ((1, 100, 500), 10, 5) if quick else ((1, 100, 1_000, 10_000), 25, 15)
    return Section(
        name="open-studies",
        title="Cost of a study while others are open",
        goal="flat within 10 % from 1 to 10,000 open studies.",
        columns=("open", "CPU per study", "with none open", "ratio"),
        rows=tuple(asyncio.run(_run(levels, block, pairs))),
        notes=NOTES,
    )
